/* SPDX-License-Identifier: Apache-2.0 */
#include "index/format.h"

#include <stdio.h>

#include "util/crc32c.h"
#include "util/cursor.h"

static const uint8_t magic[8] = { 'B', 'L', 'O', 'B', 'C', 'I', 'D', 'X' };

/* Offsets in the header; docs/format.md has the table. */
enum {
	AT_VERSION = 8,
	AT_KIND = 10,
	AT_BITS = 12,
	AT_FLAGS = 14,
	AT_REPO = 16,
	AT_FROM = 32,
	AT_TO = 40,
	AT_FROM_DIGEST = 48,
	AT_TO_DIGEST = 80,
	AT_PRIMARY = 112,
	AT_PAGES = 116,
	AT_ENTRIES = 120,
	AT_ZERO = 128,
	AT_CRC = 252,
	SEED_BYTES = AT_PRIMARY, /* what is known before the first page */
};

static void encode_fixed(const struct index_header *h, uint8_t *out)
{
	memset(out, 0, INDEX_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	le_put16(out + AT_VERSION, INDEX_VERSION);
	le_put16(out + AT_KIND, (uint16_t)h->kind);
	le_put16(out + AT_BITS, (uint16_t)h->bits);
	memcpy(out + AT_REPO, h->range.repo_id, INDEX_REPO_ID_BYTES);
	le_put64(out + AT_FROM, h->range.from_gen);
	le_put64(out + AT_TO, h->range.to_gen);
	memcpy(out + AT_FROM_DIGEST, h->range.from_digest.b, DIGEST_BYTES);
	memcpy(out + AT_TO_DIGEST, h->range.to_digest.b, DIGEST_BYTES);
}

void index_header_seed(struct index_header *h)
{
	uint8_t raw[INDEX_HEADER_BYTES];

	encode_fixed(h, raw);
	h->seed = crc32c(0, raw, SEED_BYTES);
}

void index_header_encode(const struct index_header *h, uint8_t *out)
{
	encode_fixed(h, out);
	le_put32(out + AT_PRIMARY, h->primary);
	le_put32(out + AT_PAGES, h->pages);
	le_put64(out + AT_ENTRIES, h->entries);
	le_put32(out + AT_CRC, crc32c(0, out, AT_CRC));
}

/* What a run's numbers must satisfy so that no lookup leaves the file. */
static bool run_possible(const struct index_header *h)
{
	uint64_t room = (uint64_t)h->pages * INDEX_RUN_PAGE_ENTRIES;

	/* Dense: the last page is not empty, all before it are full. */
	return h->bits == 0 && h->primary == h->pages && h->entries <= room &&
	       room - h->entries < INDEX_RUN_PAGE_ENTRIES;
}

static bool base_possible(const struct index_header *h)
{
	return h->bits <= INDEX_BITS_MAX && h->range.from_gen == 0 &&
	       h->primary >= UINT32_C(1) << h->bits && h->primary <= h->pages &&
	       h->entries <= (uint64_t)h->pages * INDEX_BASE_PAGE_ENTRIES;
}

static bool header_possible(const struct index_header *h, uint64_t file_bytes)
{
	if (h->pages > INDEX_PAGES_MAX ||
	    file_bytes != ((uint64_t)h->pages + 1) * INDEX_PAGE_BYTES ||
	    h->range.from_gen >= h->range.to_gen)
		return false;
	return h->kind == INDEX_RUN ? run_possible(h) : base_possible(h);
}

enum bc_err index_header_decode(struct bytes raw, uint64_t file_bytes,
				struct index_header *out, struct err *e)
{
	struct index_header h = { 0 };
	struct cursor c;
	struct bytes b;
	unsigned version, kind, flags;

	if (raw.n < INDEX_HEADER_BYTES)
		return err_set(e, BC_EDAMAGE, "index file is too short");
	if (memcmp(raw.p, magic, sizeof(magic)) != 0)
		return err_set(e, BC_EDAMAGE, "not an index file");
	if (le_get32(raw.p + AT_CRC) != crc32c(0, raw.p, AT_CRC))
		return err_set(e, BC_EDAMAGE, "wrong checksum in index header");

	c = cursor_of(bytes_of(raw.p, AT_CRC));
	cursor_span(&c, AT_VERSION);
	version = cursor_u16(&c);
	kind = cursor_u16(&c);
	h.bits = cursor_u16(&c);
	flags = cursor_u16(&c);
	b = cursor_span(&c, INDEX_REPO_ID_BYTES);
	memcpy(h.range.repo_id, b.p, INDEX_REPO_ID_BYTES);
	h.range.from_gen = cursor_u64(&c);
	h.range.to_gen = cursor_u64(&c);
	b = cursor_span(&c, DIGEST_BYTES);
	memcpy(h.range.from_digest.b, b.p, DIGEST_BYTES);
	b = cursor_span(&c, DIGEST_BYTES);
	memcpy(h.range.to_digest.b, b.p, DIGEST_BYTES);
	h.primary = cursor_u32(&c);
	h.pages = cursor_u32(&c);
	h.entries = cursor_u64(&c);
	cursor_zeros(&c, AT_CRC - AT_ZERO);

	if (version != INDEX_VERSION || flags != 0 ||
	    (kind != INDEX_RUN && kind != INDEX_BASE))
		return err_set(e, BC_EVERSION,
			       "index file of version %u, kind %u, flags %#x",
			       version, kind, flags);
	h.kind = kind == INDEX_RUN ? INDEX_RUN : INDEX_BASE;
	if (!cursor_done(&c) || !header_possible(&h, file_bytes))
		return err_set(e, BC_EDAMAGE,
			       "index header does not fit its file");
	h.seed = crc32c(0, raw.p, SEED_BYTES);
	*out = h;
	return BC_OK;
}

static uint32_t page_crc(const uint8_t *page, uint32_t seed)
{
	return crc32c(seed, page + 4, INDEX_PAGE_BYTES - 4);
}

void index_page_seal(uint8_t *page, uint32_t seed, uint32_t number)
{
	le_put32(page + 4, number);
	le_put32(page, page_crc(page, seed));
}

bool index_page_check(const uint8_t *page, const struct index_header *h,
		      uint32_t number)
{
	uint32_t next;

	if (le_get32(page + 4) != number ||
	    le_get32(page) != page_crc(page, h->seed))
		return false;
	if (h->kind != INDEX_BASE)
		return true;
	next = index_base_next(page);
	return index_base_count(page) <= INDEX_BASE_PAGE_ENTRIES &&
	       (next == 0 ||
		(next > number && next >= h->primary && next < h->pages));
}

void index_name_encode(enum index_kind kind, uint64_t from, uint64_t to,
		       char out[INDEX_NAME_BYTES])
{
	if (kind == INDEX_BASE)
		snprintf(out, INDEX_NAME_BYTES, "base-%016llx",
			 (unsigned long long)to);
	else
		snprintf(out, INDEX_NAME_BYTES, "run-%016llx-%016llx",
			 (unsigned long long)from, (unsigned long long)to);
}

/* Sixteen lower-case digits; only the one spelling that we write. */
static bool name_number(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	for (int i = 0; i < 16; i++) {
		unsigned d;

		if (s[i] >= '0' && s[i] <= '9')
			d = (unsigned)(s[i] - '0');
		else if (s[i] >= 'a' && s[i] <= 'f')
			d = (unsigned)(s[i] - 'a') + 10;
		else
			return false;
		v = v << 4 | d;
	}
	*out = v;
	return true;
}

bool index_name_decode(const char *name, enum index_kind *kind, uint64_t *from,
		       uint64_t *to)
{
	if (strlen(name) == 21 && memcmp(name, "base-", 5) == 0) {
		*kind = INDEX_BASE;
		*from = 0;
		return name_number(name + 5, to);
	}
	if (strlen(name) == 37 && memcmp(name, "run-", 4) == 0 &&
	    name[20] == '-') {
		*kind = INDEX_RUN;
		return name_number(name + 4, from) &&
		       name_number(name + 21, to);
	}
	return false;
}

unsigned index_bits_for(uint32_t pages)
{
	unsigned bits = 0;

	while (bits < INDEX_BITS_MAX && pages >> (bits + 1) != 0)
		bits++;
	return bits;
}

uint32_t index_pages_for(uint64_t entries)
{
	uint64_t n = (entries + INDEX_BASE_FILL - 1) / INDEX_BASE_FILL;

	if (n == 0)
		return 1;
	return n > INDEX_PAGES_MAX ? INDEX_PAGES_MAX : (uint32_t)n;
}

void index_unplace_init(struct index_unplace *u, uint32_t page, unsigned bits,
			uint32_t n)
{
	uint64_t first = (uint64_t)page << 32;

	u->base = (first / n) << bits;
	u->rest = first % n;
	u->inverse = 1.0 / n;
	u->n = n;
	u->bits = bits;
}
