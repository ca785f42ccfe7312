/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/zstd.h"
#include "pack/gather.h"
#include "pack/verifier.h"
#include "util/le.h"

#include "t.h"

enum { CHUNKS = 9, CHUNK = 3000, BLOCKS = 3 };

static struct err e;

/* A block as it lies in a pack, and what its directory says. */
struct made {
	struct dir_block dir;
	uint8_t *raw;
	size_t n;
	struct digest id[CHUNKS];
};

static void make(struct made *m, int level, uint64_t *seed)
{
	uint8_t chunk[CHUNK];
	struct sealed_block b;
	struct sealer s;
	struct gather g;

	CHECK_OK(sealer_init(&s, level, 1 << 20, &e), &e);
	CHECK_OK(gather_init(&g, BLOCK_DATA, 64 << 10, 64 << 10, &e), &e);
	for (int i = 0; i < CHUNKS; i++) {
		t_fill(seed, chunk, sizeof(chunk) / 2);
		memset(chunk + sizeof(chunk) / 2, i, sizeof(chunk) / 2);
		sha256_one(bytes_of(chunk, sizeof(chunk)), &m->id[i]);
		gather_add(&g, &m->id[i], bytes_of(chunk, sizeof(chunk)));
	}
	CHECK_OK(sealer_seal(&s, &g, &b, &e), &e);
	CHECK_EQ(b.head.codec, level == 0 ? BLOCK_RAW : BLOCK_ZSTD);
	m->n = BLOCK_HEAD_BYTES + b.stored.n;
	m->raw = malloc(m->n);
	CHECK(m->raw != NULL);
	block_head_encode(&b.head, m->raw);
	memcpy(m->raw + BLOCK_HEAD_BYTES, b.stored.p, b.stored.n);
	m->dir = (struct dir_block){ .kind = (uint8_t)b.head.kind,
				     .codec = (uint8_t)b.head.codec,
				     .stored = b.head.stored,
				     .plain = b.head.plain,
				     .chunks = b.head.chunks,
				     .check = le_get32(b.head.tag) };
	gather_fini(&g);
	sealer_fini(&s);
}

/* All its chunks, each under the id of the one `off` places further. */
static void add_all(struct verifier *v, const struct made *m,
		    struct bytes plain, int off)
{
	for (int i = 0; i < CHUNKS; i++)
		CHECK_OK(verifier_add(v, plain,
				      CHUNKS * 4 + (uint64_t)i * CHUNK, CHUNK,
				      &m->id[(i + off) % CHUNKS], &e),
			 &e);
}

static void open_all(struct made *m, struct verifier *v, bool keeps)
{
	for (int k = 0; k < BLOCKS; k++) {
		uint8_t *copy = malloc(m[k].n);
		struct bytes plain;

		CHECK(copy != NULL);
		memcpy(copy, m[k].raw, m[k].n);
		CHECK(verifier_fits(v, &m[k].dir));
		CHECK_OK(
			verifier_open(v, &m[k].dir,
				      bytes_of(keeps ? copy : m[k].raw, m[k].n),
				      &plain, &e),
			&e);
		CHECK_EQ(plain.n, m[k].dir.plain);
		memset(copy, 0, m[k].n);
		free(copy);
		add_all(v, &m[k], plain, k == 1);
	}
}

/* Blocks raw and compressed side by side; the chunks of the second go by ids
 * of others. */
static void test_many(void)
{
	struct made m[BLOCKS];
	uint64_t seed = 11;

	for (int k = 0; k < BLOCKS; k++)
		make(&m[k], k & 1, &seed);
	for (int keeps = 0; keeps <= 1; keeps++) {
		struct verifier v;

		CHECK_OK(verifier_init(&v, 1 << 20, keeps, &e), &e);
		for (int again = 0; again < 2; again++) {
			open_all(m, &v, keeps);
			verifier_run(&v);
			CHECK_EQ(v.n, BLOCKS * CHUNKS);
			for (size_t i = 0; i < v.n; i++) {
				struct bytes out = { NULL, 0 };
				struct digest id;

				CHECK_EQ(verifier_take(&v, i, &out),
					 i / CHUNKS != 1);
				if (i / CHUNKS == 1)
					continue;
				CHECK_EQ(out.n, CHUNK);
				sha256_one(out, &id);
				CHECK(digest_eq(&id,
						&m[i / CHUNKS].id[i % CHUNKS]));
			}
			verifier_clear(&v);
		}
		verifier_fini(&v);
	}
	for (int k = 0; k < BLOCKS; k++)
		free(m[k].raw);
}

/* A block that is not whole changes nothing; a chunk beyond its block is
 * refused; more chunks than there was room for at first. */
static void test_bad(void)
{
	struct made m;
	struct verifier v;
	struct bytes plain, out;
	uint64_t seed = 12;

	make(&m, 1, &seed);
	CHECK_OK(verifier_init(&v, 1 << 20, false, &e), &e);
	m.raw[m.n - 1] ^= 1;
	CHECK_EQ(verifier_open(&v, &m.dir, bytes_of(m.raw, m.n), &plain, &e),
		 BC_EDAMAGE);
	m.raw[m.n - 1] ^= 1;
	CHECK_EQ(
		verifier_open(&v, &m.dir, bytes_of(m.raw, m.n - 1), &plain, &e),
		BC_EDAMAGE);
	CHECK_OK(verifier_open(&v, &m.dir, bytes_of(m.raw, m.n), &plain, &e),
		 &e);
	CHECK_EQ(verifier_add(&v, plain, plain.n - 1, 2, &m.id[0], &e),
		 BC_EDAMAGE);
	CHECK_EQ(verifier_add(&v, plain, UINT64_MAX, 2, &m.id[0], &e),
		 BC_EDAMAGE);
	CHECK_EQ(v.n, 0);
	for (int i = 0; i < 100; i++)
		add_all(&v, &m, plain, 0);
	verifier_run(&v);
	for (size_t i = 0; i < v.n; i++)
		CHECK(verifier_take(&v, i, &out));
	CHECK_EQ(v.n, 100 * CHUNKS);
	verifier_fini(&v);
	free(m.raw);
}

/* What does not fit waits until all is cleared; then a block of any length
 * has room. */
static void test_full(void)
{
	struct made m[2];
	struct verifier v;
	struct bytes plain, out;
	uint64_t seed = 13;

	make(&m[0], 1, &seed);
	make(&m[1], 0, &seed);
	CHECK_OK(verifier_init(&v, 100, false, &e), &e);
	CHECK(!verifier_fits(&v, &m[0].dir));
	CHECK_OK(verifier_open(&v, &m[0].dir, bytes_of(m[0].raw, m[0].n),
			       &plain, &e),
		 &e);
	add_all(&v, &m[0], plain, 0);
	CHECK(!verifier_fits(&v, &m[0].dir));
	CHECK_EQ(verifier_open(&v, &m[0].dir, bytes_of(m[0].raw, m[0].n),
			       &plain, &e),
		 BC_EFULL);
	/* A raw one is used where it is. */
	CHECK(verifier_fits(&v, &m[1].dir));
	CHECK_OK(verifier_open(&v, &m[1].dir, bytes_of(m[1].raw, m[1].n),
			       &plain, &e),
		 &e);
	CHECK(plain.p == m[1].raw + BLOCK_HEAD_BYTES);
	add_all(&v, &m[1], plain, 0);
	verifier_run(&v);
	for (size_t i = 0; i < v.n; i++)
		CHECK(verifier_take(&v, i, &out));
	CHECK_EQ(v.n, 2 * CHUNKS);
	verifier_clear(&v);
	CHECK_OK(verifier_open(&v, &m[0].dir, bytes_of(m[0].raw, m[0].n),
			       &plain, &e),
		 &e);
	verifier_fini(&v);
	verifier_fini(&v);
	free(m[0].raw);
	free(m[1].raw);
}

int main(void)
{
	RUN(test_many);
	RUN(test_bad);
	RUN(test_full);
	return 0;
}
