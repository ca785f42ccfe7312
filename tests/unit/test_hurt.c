/* SPDX-License-Identifier: Apache-2.0 */
/* The set of what is hurt, and its file. */
#include "repo/hurt.h"

#include <stdlib.h>

#include "tests/unit/t.h"

static const struct pack_id repo = { { 1, 2, 3, 4 } };

static struct hurt_spot spot(uint8_t pack, uint32_t offset)
{
	return (struct hurt_spot){ .pack = pack,
				   .offset = offset,
				   .id = { { pack } } };
}

static void set(void)
{
	static const uint8_t packs[] = { 5, 3, 9, 5, 5, 3 };
	static const uint32_t offsets[] = { 700, 128, 0, 128, 700, 900 };
	struct digest none = { { 0 } }, a, b;
	struct hurt h;

	hurt_init(&h);
	CHECK(!hurt_has(&h, 5, 700) && !hurt_knows(&h, 5));
	hurt_state(&h, &a);
	CHECK(digest_eq(&a, &none));
	for (size_t i = 0; i < sizeof(packs); i++) {
		struct hurt_spot s = spot(packs[i], offsets[i]);

		CHECK_EQ(hurt_add(&h, &s), BC_OK);
	}
	CHECK_EQ(h.n, 5);
	for (size_t i = 0; i < sizeof(packs); i++)
		CHECK(hurt_has(&h, packs[i], offsets[i]));
	CHECK(!hurt_has(&h, 5, 0) && !hurt_has(&h, 5, 701));
	CHECK(!hurt_has(&h, 4, 700) && !hurt_knows(&h, 4));
	CHECK(hurt_knows(&h, 3) && hurt_knows(&h, 5) && hurt_knows(&h, 9));
	/* All of a pack. */
	CHECK(hurt_has(&h, 9, 0) && hurt_has(&h, 9, 12345));
	hurt_state(&h, &a);
	CHECK(!digest_eq(&a, &none));
	CHECK_EQ(hurt_add(&h, &h.at[0]), BC_OK);
	hurt_state(&h, &b);
	CHECK(digest_eq(&a, &b));
	CHECK_EQ(hurt_add(&h, &(struct hurt_spot){ .pack = 1 }), BC_OK);
	hurt_state(&h, &b);
	CHECK(!digest_eq(&a, &b));
	hurt_fini(&h);
}

static bool reads(struct bytes raw, const struct pack_id *id)
{
	struct buf out = BUF_INIT(1 << 20);
	enum bc_err rc = hurt_decode(raw, id, &out);

	CHECK(rc == BC_OK || rc == BC_EDAMAGE);
	CHECK(rc == BC_OK || out.n == 0);
	buf_fini(&out);
	return rc == BC_OK;
}

static void file(void)
{
	struct hurt_spot in[] = { spot(1, 0), spot(2, 128), spot(2, 5000) };
	struct pack_id other = { { 9 } };
	struct buf raw = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);

	CHECK_EQ(hurt_encode(in, 3, &repo, &raw), BC_OK);
	CHECK_EQ(raw.n, 32 + 3 * 20 + 4);
	CHECK(memcmp(raw.p, "BLOBHURT\1\0\0\0\3\0\0\0\1\2\3\4", 20) == 0);
	CHECK_EQ(hurt_decode(buf_bytes(&raw), &repo, &out), BC_OK);
	CHECK_EQ(out.n, sizeof(in));
	for (size_t i = 0; i < 3; i++) {
		struct hurt_spot s;

		memcpy(&s, out.p + i * sizeof(s), sizeof(s));
		CHECK(pack_id_eq(&s.id, &in[i].id));
		CHECK_EQ(s.offset, in[i].offset);
		CHECK_EQ(s.pack, 0);
	}
	CHECK(!reads(buf_bytes(&raw), &other));
	for (size_t n = 0; n < raw.n; n++)
		CHECK(!reads(bytes_of(raw.p, n), &repo));
	for (size_t bit = 0; bit < raw.n * 8; bit++) {
		raw.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!reads(buf_bytes(&raw), &repo));
		raw.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(reads(buf_bytes(&raw), &repo));
	buf_fini(&raw);
	buf_fini(&out);
}

int main(void)
{
	RUN(set);
	RUN(file);
	return 0;
}
