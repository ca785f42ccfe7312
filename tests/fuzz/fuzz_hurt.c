/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_hurt - the file of what is hurt: the input as it is, and as spots under
 * a header and a checksum put right. What is read is written as the same bytes.
 */
#include <string.h>

#include "repo/hurt.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

enum { HEAD = 32, SPOT = PACK_ID_BYTES + 4, ROOM = 4 << 20 };

static const struct pack_id repo = { { 1, 2, 3, 4 } };

/* The spots of a file, as somebody keeps them. */
static void use(struct bytes raw, bool whole)
{
	struct buf spots = BUF_INIT(ROOM), again = BUF_INIT(ROOM);
	struct pack_id other = repo;
	enum bc_err rc = hurt_decode(raw, &repo, &spots);

	MUST(rc == BC_OK || (rc == BC_EDAMAGE && spots.n == 0));
	MUST(rc == BC_OK || !whole);
	if (rc == BC_OK) {
		size_t n = spots.n / sizeof(struct hurt_spot);
		const struct hurt_spot *v =
			(const struct hurt_spot *)(const void *)spots.p;

		MUST(raw.n == HEAD + n * SPOT + 4);
		for (size_t i = 0; i < n; i++)
			MUST(v[i].pack == 0 && !v[i].found);
		MUST(hurt_encode(v, n, &repo, &again) == BC_OK);
		MUST(bytes_eq(buf_bytes(&again), raw));
		/* Of another repository, or a byte short: nothing. */
		other.b[15] ^= 1;
		buf_clear(&spots);
		MUST(hurt_decode(raw, &other, &spots) == BC_EDAMAGE);
		MUST(hurt_decode(bytes_of(raw.p, raw.n - 1), &repo, &spots) ==
		     BC_EDAMAGE);
		MUST(spots.n == 0);
	}
	buf_fini(&spots);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t said = n >= HEAD ? le_get32(data + 12) : 0;
	size_t spots = n >= HEAD + 4 ? (n - HEAD - 4) / SPOT : 0;
	uint8_t *raw;

	use(bytes_of(data, n), false);
	if (spots > HURT_MAX)
		return 0;
	n = HEAD + spots * SPOT + 4;
	raw = calloc(1, n);
	MUST(raw != NULL);
	if (spots > 0)
		memcpy(raw + HEAD, data + HEAD, spots * SPOT);
	memcpy(raw, "BLOBHURT\1\0\0\0", 12);
	memcpy(raw + 16, repo.b, PACK_ID_BYTES);
	/* As many as it says, and as many as there are. */
	le_put32(raw + 12, said);
	le_put32(raw + n - 4, crc32c(0, raw, n - 4));
	use(bytes_of(raw, n), said == spots);
	le_put32(raw + 12, (uint32_t)spots);
	le_put32(raw + n - 4, crc32c(0, raw, n - 4));
	use(bytes_of(raw, n), true);
	free(raw);
	return 0;
}
