/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_statcache - stat caches: the input as it is, under a header put right,
 * and as records whose checksums are put right too, behind which comes a table
 * that leads to all of them.
 */
#include <string.h>

#include "ingest/statcache_format.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

enum { RECORDS_MAX = 32, INPUT_MAX = 1 << 16 };

static void inside(struct bytes part, struct bytes all)
{
	MUST(part.p >= all.p && part.n <= all.n &&
	     part.p - all.p <= (ptrdiff_t)(all.n - part.n));
}

/* What is read is written as the same bytes, but for the checksum if there are
 * flags that nobody knows. */
static void use_record(struct bytes file, const struct stat_record *r)
{
	uint8_t head[STAT_RECORD_BYTES];
	struct bytes left = r->raw;
	struct buf again = BUF_INIT(2 * INPUT_MAX);
	struct stat_entry en;
	bool plain = true;

	inside(r->whole, file);
	inside(r->path, r->whole);
	inside(r->raw, r->whole);
	stat_record_encode(r, head);
	MUST(memcmp(head, r->whole.p, 4) == 0);
	MUST(memcmp(head + 12, r->whole.p + 12, sizeof(head) - 12) == 0);
	if (le_get32(r->whole.p + 8) <= 1)
		MUST(memcmp(head, r->whole.p, sizeof(head)) == 0);
	while (stat_entry_next(&left, &en)) {
		inside(en.name, r->raw);
		/* Any value is true in the file, 1 is written. */
		plain = plain && en.name.p[-33] <= 1;
		MUST(stat_entry_add(&again, &en) == BC_OK);
	}
	inside(left, r->raw);
	MUST(again.n == r->raw.n - left.n);
	if (plain && again.n > 0)
		MUST(memcmp(again.p, r->raw.p, again.n) == 0);
	buf_fini(&again);
}

/* What is asked for is what is found. */
static void find(struct bytes file, const struct stat_head *h,
		 struct bytes path, uint32_t part, bool there)
{
	struct stat_record r;

	if (!stat_find(file, h, path, part, &r)) {
		MUST(!there);
		return;
	}
	MUST(bytes_eq(r.path, path) && r.part == part);
	use_record(file, &r);
}

static void use(struct bytes file)
{
	struct stat_head h;

	if (!stat_head_decode(file, &h))
		return;
	MUST(h.table + h.records * STAT_SLOT_BYTES == file.n);
	find(file, &h, bytes_str(""), 0, false);
	find(file, &h, bytes_str("/a"), 0, false);
	find(file, &h, bytes_str("/a/b"), 1, false);
}

/* As many records as begin one behind another, with right checksums. */
static size_t mend_records(uint8_t *p, size_t n, struct stat_record *out)
{
	size_t at = 0, found = 0;

	while (found < RECORDS_MAX && n - at >= STAT_RECORD_BYTES) {
		uint32_t length = le_get32(p + at);

		if (length < STAT_RECORD_BYTES || length > n - at)
			length = (uint32_t)(n - at);
		le_put32(p + at, length);
		le_put32(p + at + 4, crc32c(0, p + at + 8, length - 8));
		if (stat_record_decode(bytes_of(p + at, length), &out[found])) {
			MUST(out[found].whole.n == length);
			found++;
		}
		at += length;
	}
	return found;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = le_get64(a), y = le_get64(b);

	return (x > y) - (x < y);
}

static void use_records(uint8_t *file, size_t n)
{
	struct stat_record r[RECORDS_MAX];
	size_t found = mend_records(file + STAT_HEAD_BYTES, n, r);
	struct stat_head h = { .table = STAT_HEAD_BYTES + n, .records = found };
	uint8_t *table = file + h.table;
	struct stat_head again;
	struct bytes all;

	for (size_t i = 0; i < found; i++)
		stat_slot_encode(stat_key(r[i].path, r[i].part),
				 (uint64_t)(r[i].whole.p - file),
				 table + i * STAT_SLOT_BYTES);
	if (found > 0)
		qsort(table, found, STAT_SLOT_BYTES, by_key);
	stat_head_encode(&h, file);
	all = bytes_of(file, (size_t)h.table + found * STAT_SLOT_BYTES);
	MUST(stat_head_decode(all, &again));
	for (size_t i = 0; i < found; i++)
		find(all, &again, r[i].path, r[i].part, true);
	MUST(!stat_head_decode(bytes_of(file, all.n - 1), &again));
}

/* All that follows the header, the last lines as a table. */
static void use_table(uint8_t *file, size_t n)
{
	struct stat_head h = { .records = n / STAT_SLOT_BYTES };

	if (h.records > 3)
		h.records = 3;
	h.table = STAT_HEAD_BYTES + n - h.records * STAT_SLOT_BYTES;
	for (size_t i = 0; i < h.records; i++) {
		static const char *const paths[] = { "", "/a", "/a/b" };

		le_put64(file + h.table + i * STAT_SLOT_BYTES,
			 stat_key(bytes_str(paths[i]), i == 2));
	}
	qsort(file + h.table, h.records, STAT_SLOT_BYTES, by_key);
	stat_head_encode(&h, file);
	use(bytes_of(file, STAT_HEAD_BYTES + n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *file;

	use(bytes_of(data, n));
	if (n > INPUT_MAX)
		return 0;
	file = malloc(STAT_HEAD_BYTES + n + RECORDS_MAX * STAT_SLOT_BYTES);
	MUST(file != NULL);
	memcpy(file + STAT_HEAD_BYTES, data, n);
	use_table(file, n);
	memcpy(file + STAT_HEAD_BYTES, data, n);
	use_records(file, n);
	free(file);
	return 0;
}
