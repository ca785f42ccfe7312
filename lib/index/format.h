/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/format - the bytes of the index files, and where a key lives in them.
 *
 * Pure: values in, values out. Byte tables: docs/format.md, "Chunk index".
 *
 * Both kinds of file are one header page and then pages of 4 KiB, each with a
 * CRC-32C of its own that is bound to the file and to the page's place in it.
 * So opening a file reads one page whatever its size, and a page is checked
 * when it is first touched.
 *
 *   run   entries of 13 bytes (64-bit key, 5 bytes of location), sorted by
 *	   key, every page full but the last: small, and loses nothing
 *   base  entries of 9 bytes (32-bit remainder, location) in the page that the
 *	   key itself picks: one page read for a lookup at any size
 *
 * How a base places a key. Let bits be B, let T be the top B + 32 bits of the
 * key, and let there be n pages, 2^B <= n < 2^32. The key's place is
 *
 *	x = floor(T * n / 2^B),	   page = x >> 32,  remainder = x mod 2^32
 *
 * T < 2^(B+32), so x < n * 2^32 and the page is below n; x grows with T, so
 * the order of places is the order of keys. Two neighbours T and T + 1 differ
 * by n >= 2^B before the division and hence by at least 1 after it: different
 * T have different x. T comes back as the least one that reaches x, which is
 * ceil(x * 2^B / n). So a base can be rewritten with any other n (and with any
 * smaller B, by dropping low bits of T) without a look at the full ids; and
 * remainders spread over all 32 bits whatever n is, so that interpolation
 * inside a page works.
 */
#ifndef BC_INDEX_FORMAT_H
#define BC_INDEX_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/digest.h"
#include "util/err.h"
#include "util/le.h"

enum {
	INDEX_PAGE_BYTES = 4096,
	INDEX_HEADER_BYTES = 256, /* the rest of the header page is zero */
	INDEX_LOC_BYTES = 5,
	INDEX_REPO_ID_BYTES = 16,
	INDEX_NAME_BYTES = 48, /* any file name of the index and its NUL */
	INDEX_VERSION = 1,

	INDEX_RUN_PAGE_HEADER_BYTES = 8,
	INDEX_RUN_KEY_BYTES = 8,
	INDEX_RUN_PAGE_ENTRIES = 314,
	INDEX_RUN_LOCS_AT = INDEX_RUN_PAGE_HEADER_BYTES +
			    INDEX_RUN_PAGE_ENTRIES * INDEX_RUN_KEY_BYTES,

	INDEX_BASE_PAGE_HEADER_BYTES = 16,
	INDEX_BASE_REM_BYTES = 4,
	INDEX_BASE_PAGE_ENTRIES = 453,
	INDEX_BASE_LOCS_AT = INDEX_BASE_PAGE_HEADER_BYTES +
			     INDEX_BASE_PAGE_ENTRIES * INDEX_BASE_REM_BYTES,

	/* Entries per page that a new base aims at: 78 % of a page. The number
	 * in one page is Poisson distributed, so with random ids one page in
	 * seven million overflows (353 + 5.3 standard deviations = 453), and a
	 * base has 11.6 bytes per entry. */
	INDEX_BASE_FILL = 353,

	INDEX_BITS_MAX = 24,
	/* Below this many pages there is no base, only runs. */
	INDEX_BASE_MIN_PAGES = 256,
	INDEX_BASE_MIN_ENTRIES = INDEX_BASE_MIN_PAGES * INDEX_BASE_FILL,
	INDEX_PAGES_MAX = 1 << 28, /* 1 TiB; keeps page arithmetic in 64 bits */
};

#define INDEX_PACK_MAX UINT32_C(0xffffff)

/* A file that is being written; after a crash rubbish. */
#define INDEX_TMP_PREFIX ".tmp-index-"

_Static_assert(INDEX_RUN_LOCS_AT + INDEX_RUN_PAGE_ENTRIES * INDEX_LOC_BYTES <=
		       INDEX_PAGE_BYTES,
	       "a run page holds its entries");
_Static_assert(INDEX_BASE_LOCS_AT + INDEX_BASE_PAGE_ENTRIES * INDEX_LOC_BYTES <=
		       INDEX_PAGE_BYTES,
	       "a base page holds its entries");

enum index_kind {
	INDEX_RUN = 1,
	INDEX_BASE = 2,
	INDEX_FILTER = 3, /* reserved: split-block Bloom filter over a base */
};

/* Where a chunk is said to be. A hint: the pack's directory decides. */
struct index_loc {
	uint32_t pack; /* at most INDEX_PACK_MAX */
	uint16_t slot;
};

/* The part of the log that a file covers: generations from < g <= to. */
struct index_range {
	uint8_t repo_id[INDEX_REPO_ID_BYTES];
	uint64_t from_gen;
	uint64_t to_gen;
	struct digest from_digest; /* of the record at from_gen; zeros at 0 */
	struct digest to_digest;   /* of the record at to_gen */
};

struct index_header {
	enum index_kind kind;
	unsigned bits;	  /* B of a base; 0 in a run */
	uint32_t primary; /* n of a base; all pages of a run */
	uint32_t pages;	  /* with the overflow pages, without the header */
	uint64_t entries;
	struct index_range range;
	uint32_t seed; /* with which the CRC of each page begins */
};

/*
 * index_header_seed - the page seed of a file: the CRC of those header bytes
 * that are known before the first page is written. Fills h->seed.
 */
void index_header_seed(struct index_header *h);

/* index_header_encode - INDEX_HEADER_BYTES into out. */
void index_header_encode(const struct index_header *h, uint8_t *out);

/*
 * index_header_decode - check a header against itself and its file's size.
 *
 *   file_bytes	 length of the whole file
 *   out	 untouched on failure
 *
 *   BC_EDAMAGE	  no header, wrong CRC, or values that cannot be
 *   BC_EVERSION  a version or kind that this program does not read
 */
BC_MUST_CHECK enum bc_err index_header_decode(struct bytes raw,
					      uint64_t file_bytes,
					      struct index_header *out,
					      struct err *e);

/* index_run_count - entries in page `page` of a run. */
static inline uint32_t index_run_count(const struct index_header *h,
				       uint32_t page)
{
	uint64_t before = (uint64_t)page * INDEX_RUN_PAGE_ENTRIES;
	uint64_t left = h->entries - before;

	return left < INDEX_RUN_PAGE_ENTRIES ? (uint32_t)left
					     : INDEX_RUN_PAGE_ENTRIES;
}

/* index_page_seal - write page number and CRC into a finished page. */
void index_page_seal(uint8_t *page, uint32_t seed, uint32_t number);

/*
 * index_page_check - is this the page `number` of the file of `h`, as it was
 * written? True also promises what a reader of a base needs in order to stay
 * inside its arrays: the count fits, and `next` is 0 or an overflow page
 * further on, so that a chain ends.
 */
bool index_page_check(const uint8_t *page, const struct index_header *h,
		      uint32_t number);

/* File names: "base-TO", "run-FROM-TO", 16 hex digits each. */
void index_name_encode(enum index_kind kind, uint64_t from, uint64_t to,
		       char out[INDEX_NAME_BYTES]);

/* index_name_decode - false if it is not exactly a name as above. */
bool index_name_decode(const char *name, enum index_kind *kind, uint64_t *from,
		       uint64_t *to);

/* index_bits_for - the largest B that n pages allow: floor(log2(n)). */
unsigned index_bits_for(uint32_t pages);

/* index_pages_for - n of a base of so many entries; at least 1. */
uint32_t index_pages_for(uint64_t entries);

/* index_top - T of a key; bits <= INDEX_BITS_MAX. */
static inline uint64_t index_top(uint64_t key, unsigned bits)
{
	return key >> (32 - bits);
}

/* index_place - x of a T: see above. Products are split in halves because
 * T * n may need 88 bits. */
static inline uint64_t index_place(uint64_t top, unsigned bits, uint32_t n)
{
	uint64_t low = (top & UINT32_MAX) * n;
	uint64_t high = (top >> 32) * n + (low >> 32);

	return high << (32 - bits) | (low & UINT32_MAX) >> bits;
}

/* What the keys of one page have in common when they are read back. */
struct index_unplace {
	uint64_t base; /* T that the page begins at, rounded down */
	uint64_t rest; /* what the rounding left, in units of 1 / n */
	double inverse;
	uint32_t n;
	unsigned bits;
};

/* index_unplace_init - for primary page `page` of n. */
void index_unplace_init(struct index_unplace *u, uint32_t page, unsigned bits,
			uint32_t n);

/*
 * index_unplace - the T that has remainder `rem` in that page:
 *
 * ceil(x * 2^B / n) in 64 bits. With p = page * 2^32 = q * n + m it is
 * q * 2^B + ceil((m + rem) * 2^B / n), and m + rem < 2^33. The quotient is
 * found by a product, off by one at most because it is below 2^33 and a
 * double has 53 bits, and then put right: a division costs four times that.
 */
static inline uint64_t index_unplace(const struct index_unplace *u,
				     uint32_t rem)
{
	uint64_t rest = (u->rest + rem) << u->bits;
	uint64_t q = (uint64_t)((double)rest * u->inverse);
	int64_t over = (int64_t)(rest - q * u->n);

	/* Round up: the least q with q * n >= rest. */
	if (over > 0)
		q += over > (int64_t)u->n ? 2 : 1;
	else if (over <= -(int64_t)u->n)
		q--;
	return u->base + q;
}

static inline struct index_loc index_loc_get(const uint8_t *p)
{
	struct index_loc l;

	l.pack = le_get16(p) | (uint32_t)p[2] << 16;
	l.slot = le_get16(p + 3);
	return l;
}

static inline void index_loc_put(uint8_t *p, struct index_loc l)
{
	le_put16(p, (uint16_t)l.pack);
	p[2] = (uint8_t)(l.pack >> 16);
	le_put16(p + 3, l.slot);
}

/* index_loc_order - one number that orders locations by pack, then slot. */
static inline uint64_t index_loc_order(struct index_loc l)
{
	return (uint64_t)l.pack << 16 | l.slot;
}

/* Fields of a page. */
static inline uint64_t index_run_key(const uint8_t *page, uint32_t i)
{
	return le_get64(page + INDEX_RUN_PAGE_HEADER_BYTES +
			(size_t)i * INDEX_RUN_KEY_BYTES);
}

static inline struct index_loc index_run_loc(const uint8_t *page, uint32_t i)
{
	return index_loc_get(page + INDEX_RUN_LOCS_AT +
			     (size_t)i * INDEX_LOC_BYTES);
}

static inline uint32_t index_base_next(const uint8_t *page)
{
	return le_get32(page + 8);
}

static inline uint32_t index_base_count(const uint8_t *page)
{
	return le_get16(page + 12);
}

static inline uint32_t index_base_rem(const uint8_t *page, uint32_t i)
{
	return le_get32(page + INDEX_BASE_PAGE_HEADER_BYTES +
			(size_t)i * INDEX_BASE_REM_BYTES);
}

static inline struct index_loc index_base_loc(const uint8_t *page, uint32_t i)
{
	return index_loc_get(page + INDEX_BASE_LOCS_AT +
			     (size_t)i * INDEX_LOC_BYTES);
}

static inline void index_base_set_next(uint8_t *page, uint32_t next)
{
	le_put32(page + 8, next);
}

static inline void index_base_set_count(uint8_t *page, uint32_t count)
{
	le_put16(page + 12, (uint16_t)count);
}

#endif
