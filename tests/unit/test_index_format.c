/* SPDX-License-Identifier: Apache-2.0 */
/* index/format: places, names, headers, pages. */
#include "index/format.h"

#include "index/file.h"
#include "tests/unit/t.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t slow_place(uint64_t top, unsigned bits, uint32_t n)
{
	return (uint64_t)(((u128)top * n) >> bits);
}

static uint64_t slow_unplace(uint64_t place, unsigned bits, uint32_t n)
{
	return (uint64_t)((((u128)place << bits) + n - 1) / n);
}

static void check_top(uint64_t top, unsigned bits, uint32_t n)
{
	uint64_t x = index_place(top, bits, n);
	struct index_unplace u;

	CHECK(x == slow_place(top, bits, n));
	CHECK(x >> 32 < n);
	index_unplace_init(&u, (uint32_t)(x >> 32), bits, n);
	CHECK(index_unplace(&u, (uint32_t)x) == top);
	CHECK(slow_unplace(x, bits, n) == top);
}

/* T, page and remainder determine one another, and keep their order. */
static void places_are_one_to_one(void)
{
	uint64_t s = 1;

	for (unsigned bits = 0; bits <= INDEX_BITS_MAX; bits++) {
		uint64_t tops = UINT64_C(1) << (bits + 32);
		uint32_t least = UINT32_C(1) << bits;
		uint32_t sizes[] = {
			least,	   least + 1,	    least * 2 - 1,
			least * 3, INDEX_PAGES_MAX, INDEX_PAGES_MAX - 1,
			0
		};

		sizes[6] = least +
			   (uint32_t)(t_rng(&s) % (INDEX_PAGES_MAX - least));
		for (size_t k = 0; k < 7; k++) {
			uint32_t n = sizes[k];
			uint64_t before = 0;

			for (uint64_t t = 0; t < 300; t++) {
				check_top(t, bits, n);
				check_top(tops - 1 - t, bits, n);
				check_top(t_rng(&s) % tops, bits, n);
				/* Around the first T of a page. */
				check_top((slow_unplace((t_rng(&s) % n) << 32,
							bits, n) +
					   t % 3 - 1) %
						  tops,
					  bits, n);
			}
			for (uint64_t t = tops / 2; t < tops / 2 + 300; t++) {
				uint64_t x = index_place(t, bits, n);

				CHECK(x > before);
				before = x;
			}
			/* Any place, also one that no key has: rounded up. */
			for (int i = 0; i < 300; i++) {
				uint32_t page = (uint32_t)(t_rng(&s) % n);
				uint32_t rem = (uint32_t)t_rng(&s);
				struct index_unplace u;

				index_unplace_init(&u, page, bits, n);
				CHECK(index_unplace(&u, rem) ==
				      slow_unplace((uint64_t)page << 32 | rem,
						   bits, n));
			}
		}
	}
}

static void bits_and_pages(void)
{
	CHECK_EQ(index_bits_for(1), 0);
	CHECK_EQ(index_bits_for(2), 1);
	CHECK_EQ(index_bits_for(255), 7);
	CHECK_EQ(index_bits_for(256), 8);
	CHECK_EQ(index_bits_for(511), 8);
	CHECK_EQ(index_bits_for(INDEX_PAGES_MAX), INDEX_BITS_MAX);
	CHECK_EQ(index_pages_for(0), 1);
	CHECK_EQ(index_pages_for(INDEX_BASE_FILL), 1);
	CHECK_EQ(index_pages_for(INDEX_BASE_FILL + 1), 2);
	CHECK_EQ(index_pages_for(UINT64_MAX / 2), INDEX_PAGES_MAX);
	CHECK_EQ(index_pages_for(INDEX_BASE_MIN_ENTRIES), INDEX_BASE_MIN_PAGES);
}

static void names(void)
{
	static const char *const bad[] = {
		"",
		"base",
		"base-",
		"base-000000000000000",
		"base-00000000000000001",
		"base-000000000000000G",
		"base-000000000000000A",
		"run-0000000000000000",
		"run-0000000000000000-000000000000000",
		"run-0000000000000000+0000000000000001",
		"run-0000000000000000-00000000000000010",
		"run-000000000000000x-0000000000000001",
		".tmp-index-1-1",
		"BASE-0000000000000001",
	};
	char name[INDEX_NAME_BYTES];
	enum index_kind kind;
	uint64_t from, to;

	index_name_encode(INDEX_BASE, 0, 0xabc, name);
	CHECK_STR(name, "base-0000000000000abc");
	CHECK(index_name_decode(name, &kind, &from, &to));
	CHECK(kind == INDEX_BASE && from == 0 && to == 0xabc);
	index_name_encode(INDEX_RUN, 7, UINT64_MAX, name);
	CHECK_STR(name, "run-0000000000000007-ffffffffffffffff");
	CHECK(index_name_decode(name, &kind, &from, &to));
	CHECK(kind == INDEX_RUN && from == 7 && to == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!index_name_decode(bad[i], &kind, &from, &to));
}

static struct index_header sample(enum index_kind kind)
{
	struct index_header h = { .kind = kind };
	uint64_t s = 3;

	t_fill(&s, h.range.repo_id, INDEX_REPO_ID_BYTES);
	t_fill(&s, h.range.to_digest.b, DIGEST_BYTES);
	h.range.to_gen = 77;
	if (kind == INDEX_BASE) {
		h.bits = 3;
		h.primary = 9;
		h.pages = 11;
		h.entries = 3000;
	} else {
		t_fill(&s, h.range.from_digest.b, DIGEST_BYTES);
		h.range.from_gen = 70;
		h.primary = h.pages = 3;
		h.entries = 2 * INDEX_RUN_PAGE_ENTRIES + 1;
	}
	index_header_seed(&h);
	return h;
}

static enum bc_err decode(const uint8_t *raw, uint64_t pages,
			  struct index_header *h)
{
	struct err e = ERR_INIT;

	return index_header_decode(bytes_of(raw, INDEX_HEADER_BYTES),
				   (pages + 1) * INDEX_PAGE_BYTES, h, &e);
}

static void headers_round_trip(void)
{
	for (int k = INDEX_RUN; k <= INDEX_BASE; k++) {
		struct index_header h = sample((enum index_kind)k), g;
		uint8_t raw[INDEX_HEADER_BYTES];

		index_header_encode(&h, raw);
		CHECK_EQ(decode(raw, h.pages, &g), BC_OK);
		CHECK(g.kind == h.kind && g.bits == h.bits &&
		      g.primary == h.primary && g.pages == h.pages &&
		      g.entries == h.entries && g.seed == h.seed);
		CHECK(memcmp(&g.range, &h.range, sizeof(h.range)) == 0);
		/* Any other length of file, any flipped bit. */
		CHECK_EQ(decode(raw, h.pages + 1, &g), BC_EDAMAGE);
		CHECK_EQ(decode(raw, h.pages - 1, &g), BC_EDAMAGE);
		for (size_t i = 0; i < INDEX_HEADER_BYTES * 8; i++) {
			raw[i / 8] ^= (uint8_t)(1 << i % 8);
			CHECK_EQ(decode(raw, h.pages, &g), BC_EDAMAGE);
			raw[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	}
}

/* Values that carry a right CRC and still cannot be. */
static void impossible_headers(void)
{
	uint8_t raw[INDEX_HEADER_BYTES];
	struct index_header h, g;

#define IMPOSSIBLE(kind, change)                                               \
	do {                                                                   \
		h = sample(kind);                                              \
		change;                                                        \
		index_header_encode(&h, raw);                                  \
		CHECK_EQ(decode(raw, h.pages, &g), BC_EDAMAGE);                \
	} while (0)

	IMPOSSIBLE(INDEX_BASE, h.bits = 4); /* 9 pages < 2^4 */
	IMPOSSIBLE(INDEX_BASE, h.bits = INDEX_BITS_MAX + 1);
	IMPOSSIBLE(INDEX_BASE, h.primary = 12);
	IMPOSSIBLE(INDEX_BASE, h.primary = 0);
	IMPOSSIBLE(INDEX_BASE, h.range.from_gen = 1);
	IMPOSSIBLE(INDEX_BASE, h.range.to_gen = 0);
	IMPOSSIBLE(INDEX_BASE, h.entries = 11 * INDEX_BASE_PAGE_ENTRIES + 1);
	IMPOSSIBLE(INDEX_BASE, h.pages = INDEX_PAGES_MAX + 1);
	IMPOSSIBLE(INDEX_RUN, h.bits = 1);
	IMPOSSIBLE(INDEX_RUN, h.primary = 2);
	IMPOSSIBLE(INDEX_RUN, h.entries = 3 * INDEX_RUN_PAGE_ENTRIES + 1);
	IMPOSSIBLE(INDEX_RUN, h.entries = 2 * INDEX_RUN_PAGE_ENTRIES);
	IMPOSSIBLE(INDEX_RUN, h.entries = UINT64_MAX);
	IMPOSSIBLE(INDEX_RUN, h.range.from_gen = 77);
#undef IMPOSSIBLE
	h = sample(INDEX_RUN);
	h.kind = INDEX_FILTER;
	index_header_encode(&h, raw);
	CHECK_EQ(decode(raw, h.pages, &g), BC_EVERSION);
}

static void pages_are_bound(void)
{
	struct index_header h = sample(INDEX_BASE);
	uint8_t page[INDEX_PAGE_BYTES] = { 0 };

	CHECK(!index_page_check(page, &h, 0));
	index_base_set_count(page, INDEX_BASE_PAGE_ENTRIES);
	index_page_seal(page, h.seed, 4);
	CHECK(index_page_check(page, &h, 4));
	CHECK(!index_page_check(page, &h, 5));
	for (size_t i = 0; i < sizeof(page) * 8; i += 7) {
		page[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(!index_page_check(page, &h, 4));
		page[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	h.seed ^= 1; /* another file's */
	CHECK(!index_page_check(page, &h, 4));
	h.seed ^= 1;

	/* Counts and links that would leave the page or the file. */
	index_base_set_count(page, INDEX_BASE_PAGE_ENTRIES + 1);
	index_page_seal(page, h.seed, 4);
	CHECK(!index_page_check(page, &h, 4));
	index_base_set_count(page, 1);
	for (uint32_t next = 0; next < 14; next++) {
		index_base_set_next(page, next);
		index_page_seal(page, h.seed, 4);
		CHECK_EQ(index_page_check(page, &h, 4),
			 next == 0 || next == 9 || next == 10);
		index_page_seal(page, h.seed, 10);
		CHECK_EQ(index_page_check(page, &h, 10), next == 0);
	}
}

static void locations(void)
{
	uint8_t raw[INDEX_LOC_BYTES];
	uint64_t s = 5;

	for (int i = 0; i < 1000; i++) {
		struct index_loc a = { (uint32_t)t_rng(&s) & INDEX_PACK_MAX,
				       (uint16_t)t_rng(&s) };
		struct index_loc b;

		index_loc_put(raw, a);
		b = index_loc_get(raw);
		CHECK(a.pack == b.pack && a.slot == b.slot);
	}
}

int main(void)
{
	RUN(places_are_one_to_one);
	RUN(bits_and_pages);
	RUN(names);
	RUN(headers_round_trip);
	RUN(impossible_headers);
	RUN(pages_are_bound);
	RUN(locations);
	return 0;
}
