/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/sums.h"

#include "util/arith.h"
#include "util/crc32c.h"

static uint64_t stored_at(const struct dir_block *b)
{
	return (uint64_t)b->offset + BLOCK_HEAD_BYTES;
}

uint64_t sums_count(const struct dir_block *b)
{
	uint64_t from = stored_at(b), to = from + b->stored;

	if (b->codec != BLOCK_RAW || b->cipher != BLOCK_CLEAR ||
	    b->stored <= SUM_BYTES)
		return 0;
	return (to + SUM_BYTES - 1) / SUM_BYTES - from / SUM_BYTES;
}

enum bc_err sums_make(const struct dir_block *b, struct bytes stored,
		      struct buf *out)
{
	uint64_t at = stored_at(b), end = at + stored.n;
	const uint8_t *p = stored.p;
	enum bc_err rc = BC_OK;

	if (sums_count(b) == 0)
		return BC_OK;
	while (at < end && rc == BC_OK) {
		size_t n =
			(size_t)(min_u64(round_down(at, SUM_BYTES) + SUM_BYTES,
					 end) -
				 at);

		rc = buf_u32(out, crc32c(0, p, n));
		p += n;
		at += n;
	}
	return rc;
}

bool sums_have(const struct pack_dir *d, uint32_t block)
{
	return d->sums != NULL && sums_count(&d->blocks[block]) > 0;
}

bool sums_match(const struct pack_dir *d, uint32_t block, uint64_t at,
		struct bytes raw)
{
	const struct dir_block *b = &d->blocks[block];
	const uint32_t *sum = d->sums + d->sum_of[block];
	uint64_t from = stored_at(b), to = from + b->stored;
	uint64_t i = max_u64(at, from) / SUM_BYTES;

	for (; i * SUM_BYTES < min_u64(at + raw.n, to); i++) {
		uint64_t lo = max_u64(i * SUM_BYTES, from);
		uint64_t hi = min_u64((i + 1) * SUM_BYTES, to);

		if (lo < at || hi > at + raw.n ||
		    crc32c(0, raw.p + (lo - at), (size_t)(hi - lo)) !=
			    sum[i - from / SUM_BYTES])
			return false;
	}
	return true;
}
