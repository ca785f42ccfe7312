/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the pack and the log format share. */
#ifndef BC_TESTS_FORMAT_STORE_H
#define BC_TESTS_FORMAT_STORE_H

#include <sys/stat.h>

#include "pack/sums.h"
#include "t.h"
#include "util/hex.h"
#include "util/le.h"

/* Bytes that count up from `first`. */
static inline void pattern(uint8_t *p, size_t n, uint8_t first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
}

static inline void check_hex(const uint8_t *p, size_t n, const char *want)
{
	char *got = malloc(2 * n + 1);

	CHECK(got != NULL);
	hex_encode(p, n, got);
	CHECK_STR(got, want);
	free(got);
}

/* A decoded directory, encoded again. */
static inline void encode_dir(const struct pack_dir *d, struct buf *out)
{
	struct dir_builder b;
	uint32_t n = 0;

	dir_builder_init(&b);
	for (uint32_t i = 0; i < d->n_blocks; i++) {
		CHECK_EQ(dir_builder_add(&b, &d->blocks[i], d->lengths + n,
					 d->ids + n),
			 BC_OK);
		n += d->blocks[i].chunks;
	}
	CHECK_EQ(n, d->n_chunks);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, out), BC_OK);
	/* Made from the blocks' bytes, which are not here. */
	for (uint32_t i = 0; d->sums != NULL && i < d->n_blocks; i++)
		for (uint64_t k = 0; k < sums_count(&d->blocks[i]); k++)
			CHECK_EQ(buf_u32(out, d->sums[d->sum_of[i] + k]),
				 BC_OK);
	dir_builder_fini(&b);
}

/* A seed as DIR/GROUP/NAME. */
static inline void seed_write(const char *dir, const char *group,
			      const char *name, struct bytes seed)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, group);
	(void)mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, group, name);
	f = fopen(path, "wb");
	CHECK(f != NULL);
	CHECK(fwrite(seed.p, 1, seed.n, f) == seed.n);
	CHECK(fclose(f) == 0);
}

#endif
