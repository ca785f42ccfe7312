/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_index - open an index file of any bytes, look up in it, read it through.
 *
 * The first byte says what the rest is: 0 the file itself; 1 the file with its
 * checksums put right; 2 a few numbers that a small file is made of, with right
 * checksums, so that short inputs reach what lies behind them.
 */
#include <string.h>

#include "index/file.h"
#include "index/stream.h"
#include "util/crc32c.h"
#include "tests/fuzz/fuzz.h"

enum { PAGES_MAX = 8, FOUND_MAX = 64, HEADER_CRC_AT = 252 };

static void ask(struct index_file *f, uint64_t key)
{
	struct index_loc out[FOUND_MAX];
	size_t n = index_file_find(f, key, out, FOUND_MAX);

	MUST(n <= FOUND_MAX);
	for (size_t i = 0; i < n; i++)
		MUST(out[i].pack <= INDEX_PACK_MAX);
	index_file_want(f, key);
}

/* Both kinds of stream end, with an error or without. */
static void read_through(struct index_file *f, enum index_kind kind,
			 unsigned bits)
{
	struct index_stream s;
	uint64_t key = 0;
	struct index_loc loc;
	bool done = false;

	if (index_stream_init(&s, &f, 1, kind, bits, NULL) != BC_OK)
		return;
	while (index_stream_next(&s, &key, &loc, &done, NULL) == BC_OK && !done)
		MUST(kind == INDEX_RUN || key >> (bits + 32) == 0 ||
		     f->h.kind == INDEX_BASE);
	index_stream_fini(&s);
}

static void use(struct bytes whole, const uint8_t *keys, size_t n)
{
	struct index_file f;

	if (index_file_init(&f, whole, NULL) != BC_OK)
		return;
	ask(&f, 0);
	ask(&f, UINT64_MAX);
	for (size_t i = 0; i + 8 <= n && i < 512; i += 3)
		ask(&f, le_get64(keys + i));
	if (f.h.kind == INDEX_RUN) {
		for (uint32_t p = 0; p < f.h.pages; p++)
			ask(&f, index_run_key(index_file_at(&f, p), 0));
		read_through(&f, INDEX_RUN, 0);
	} else {
		for (unsigned b = 0; b < 64; b++)
			ask(&f, UINT64_C(1) << b);
	}
	read_through(&f, INDEX_BASE, f.h.bits);
	read_through(&f, INDEX_BASE, f.h.bits / 2);
	if (index_file_damage(&f, NULL) != BC_OK)
		ask(&f, 1);
	index_file_fini(&f);
}

static void seal(uint8_t *raw, size_t n)
{
	struct index_header h;

	le_put32(raw + HEADER_CRC_AT, crc32c(0, raw, HEADER_CRC_AT));
	if (index_header_decode(bytes_of(raw, n), n, &h, NULL) != BC_OK)
		return;
	for (uint32_t p = 0; p < h.pages; p++)
		index_page_seal(raw + ((size_t)p + 1) * INDEX_PAGE_BYTES,
				h.seed, p);
}

/* kind, bits, primary, pages, entries (2), then per page next, count (2), and
 * what is left fills the arrays again and again. */
static size_t compose(uint8_t *raw, const uint8_t *data, size_t n)
{
	struct index_header h = { .kind = INDEX_RUN };
	size_t at = 6;

	if (n < 6 + 3 * PAGES_MAX + 1)
		return 0;
	h.kind = data[0] % 2 == 0 ? INDEX_RUN : INDEX_BASE;
	h.bits = data[1];
	h.primary = data[2];
	h.pages = data[3] % (PAGES_MAX + 1);
	h.entries = le_get16(data + 4);
	h.range.to_gen = 1;
	index_header_encode(&h, raw);
	for (uint32_t p = 0; p < h.pages; p++, at += 3) {
		uint8_t *page = raw + ((size_t)p + 1) * INDEX_PAGE_BYTES;
		size_t rest = n - (6 + 3 * PAGES_MAX);

		for (size_t i = 8; i < INDEX_PAGE_BYTES; i++)
			page[i] = data[n - rest + (i + p) % rest];
		if (h.kind == INDEX_BASE) {
			index_base_set_next(page, data[at]);
			index_base_set_count(page, le_get16(data + at + 1));
		}
	}
	return ((size_t)h.pages + 1) * INDEX_PAGE_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t mode;
	uint8_t *raw;
	size_t size;

	if (n == 0)
		return 0;
	mode = data[0];
	data++;
	n--;
	/* Exactly as large as the file, so that a byte beyond it is seen. */
	if (mode == 2) {
		raw = calloc(PAGES_MAX + 1, INDEX_PAGE_BYTES);
		MUST(raw != NULL);
		size = compose(raw, data, n);
		if (size != 0) {
			uint8_t *cut = realloc(raw, size);

			MUST(cut != NULL);
			raw = cut;
			seal(raw, size);
		}
	} else {
		raw = malloc(n + 1);
		MUST(raw != NULL);
		memcpy(raw, data, n);
		size = n;
		if (mode == 1 && n >= INDEX_PAGE_BYTES)
			seal(raw, n);
	}
	use(bytes_of(raw, size), data, n);
	free(raw);
	return 0;
}
