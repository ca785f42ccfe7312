/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_packdir - the plain bytes of a pack's directory.
 *
 * The first byte says what is put right before it is decoded, as changes that
 * keep a directory consistent do not come by chance: bit 0 the numbers of
 * blocks and chunks and so the length, bit 1 slots, lengths and offsets, bit 2
 * the checksums of parts: as many as the blocks ask for.
 */
#include <string.h>

#include "pack/sums.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

enum { HEAD_BYTES = 8, CHUNK_BYTES = 4 + DIGEST_BYTES, SUMS_MOST = 1 << 20 };

static void build(struct dir_builder *b, const struct pack_dir *d)
{
	uint32_t next = 0;

	dir_builder_init(b);
	for (uint32_t i = 0; i < d->n_blocks; i++) {
		MUST(dir_builder_add(b, &d->blocks[i], d->lengths + next,
				     d->ids + next) == BC_OK);
		next += d->blocks[i].chunks;
	}
	MUST(next == d->n_chunks);
}

/* Those of each block lie in the table; how many there are in all. */
static size_t use_sums(const struct pack_dir *d)
{
	static const uint8_t part[3 * SUM_BYTES];
	size_t n = 0;

	for (uint32_t i = 0; i < d->n_blocks; i++) {
		const struct dir_block *b = &d->blocks[i];
		uint64_t at = b->offset / SUM_BYTES * SUM_BYTES;

		if (!sums_have(d, i))
			continue;
		MUST(d->sum_of[i] == n);
		n += (size_t)sums_count(b);
		(void)d->sums[n - 1];
		(void)sums_match(d, i, at, bytes_of(part, sizeof(part)));
		at += b->stored;
		(void)sums_match(d, i, at / SUM_BYTES * SUM_BYTES,
				 bytes_of(part, sizeof(part)));
	}
	return n;
}

static void use(struct bytes raw)
{
	struct buf one = BUF_INIT(1 << 24);
	struct pack_dir *d = NULL, *again = NULL;
	struct dir_builder b;
	size_t sums;

	if (pack_dir_decode(raw, &d, NULL) != BC_OK)
		return;
	for (uint32_t i = 0; i < d->n_chunks; i++) {
		const struct dir_block *k;

		MUST(d->block_of[i] < d->n_blocks);
		k = &d->blocks[d->block_of[i]];
		MUST(d->lengths[i] > 0 &&
		     (uint64_t)d->starts[i] + d->lengths[i] <= k->plain);
		MUST(pack_dir_has(d, d->base_slot + i, &d->ids[i]));
	}
	sums = use_sums(d);
	MUST(d->n_chunks == 0 ||
	     !pack_dir_has(d, d->base_slot + d->n_chunks, &d->ids[0]));
	build(&b, d);
	MUST(dir_builder_encode(&b, 0, 0, &one) == BC_OK);
	MUST(one.n + sums * 4 == raw.n);
	MUST(buf_add(&one, raw.p + one.n, raw.n - one.n) == BC_OK);
	MUST(pack_dir_decode(buf_bytes(&one), &again, NULL) == BC_OK);
	MUST(again->n_chunks == d->n_chunks && again->bytes == d->bytes);
	dir_builder_fini(&b);
	buf_fini(&one);
	pack_dir_free(d);
	pack_dir_free(again);
}

/* Returns the new length: what the numbers of blocks and chunks ask for. */
static size_t fit_counts(uint8_t *raw, size_t n)
{
	size_t room = n - HEAD_BYTES;
	uint32_t chunks = le_get32(raw + 4) % (uint32_t)(room / 60 + 1);
	uint32_t blocks =
		chunks == 0 ? 0 : 1 + (le_get32(raw) + chunks - 1) % chunks;

	le_put32(raw, blocks);
	le_put32(raw + 4, chunks);
	return HEAD_BYTES + (size_t)blocks * PACK_DIR_BLOCK_BYTES +
	       (size_t)chunks * CHUNK_BYTES;
}

/* Chunks shared out to the blocks, slots in a row, lengths that add up. */
static void fit_blocks(uint8_t *raw, size_t n)
{
	uint32_t blocks = le_get32(raw), chunks = le_get32(raw + 4), next = 0;
	uint32_t end = PACK_HEAD_BYTES;
	uint8_t *row = raw + HEAD_BYTES, *length;

	if ((uint64_t)blocks * PACK_DIR_BLOCK_BYTES +
		    (uint64_t)chunks * CHUNK_BYTES + HEAD_BYTES !=
	    n)
		return;
	length = row + (size_t)blocks * PACK_DIR_BLOCK_BYTES;
	for (uint32_t i = 0; i < blocks; i++, row += PACK_DIR_BLOCK_BYTES) {
		uint32_t left = chunks - next, most = left - (blocks - 1 - i);
		uint32_t take, plain;

		if (left < blocks - i)
			return;
		take = 1 + le_get16(row + 14) % most;
		if (i == blocks - 1)
			take = left;
		plain = (uint32_t)block_table_bytes(take);
		for (uint32_t k = 0; k < take; k++, length += 4) {
			le_put32(length, le_get32(length) % 65536 + 1);
			plain += le_get32(length);
		}
		le_put32(row + 4, le_get32(row + 4) % (plain + 1));
		le_put32(row + 8, plain);
		le_put16(row + 12,
			 (uint16_t)(le_get16(raw + HEAD_BYTES + 12) + next));
		le_put16(row + 14, (uint16_t)take);
		row[17] &= 1;
		row[18] &= 1;
		if (row[17] == BLOCK_RAW)
			le_put32(row + 4, plain);
		le_put32(row, end + row[0]);
		end += row[0] + BLOCK_HEAD_BYTES + le_get32(row + 4);
		next += take;
	}
}

/* With as many checksums as the blocks ask for: a longer copy. */
static uint8_t *fit_sums(uint8_t *raw, size_t *n)
{
	uint32_t blocks = le_get32(raw), chunks = le_get32(raw + 4);
	uint64_t want = HEAD_BYTES + (uint64_t)blocks * PACK_DIR_BLOCK_BYTES +
			(uint64_t)chunks * CHUNK_BYTES;
	uint8_t *longer;

	if (want > *n)
		return raw;
	for (uint32_t i = 0; i < blocks && want < SUMS_MOST; i++) {
		struct dir_block b = dir_block_read(
			raw + HEAD_BYTES + (size_t)i * PACK_DIR_BLOCK_BYTES);

		want += sums_count(&b) * 4;
	}
	if (want >= SUMS_MOST)
		return raw;
	longer = calloc(1, (size_t)want);
	MUST(longer != NULL);
	memcpy(longer, raw, *n < want ? *n : (size_t)want);
	free(raw);
	*n = (size_t)want;
	return longer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *raw;

	if (n < 1 + HEAD_BYTES)
		return 0;
	/* Exactly as long as the input, so that a byte beyond is seen. */
	raw = malloc(--n);
	MUST(raw != NULL);
	memcpy(raw, data + 1, n);
	if ((data[0] & 1) != 0)
		n = fit_counts(raw, n);
	if ((data[0] & 2) != 0)
		fit_blocks(raw, n);
	if ((data[0] & 4) != 0)
		raw = fit_sums(raw, &n);
	use(bytes_of(raw, n));
	free(raw);
	return 0;
}
