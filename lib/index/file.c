/* SPDX-License-Identifier: Apache-2.0 */
#include "index/file.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "util/arith.h"

enum {
	SCAN_STEPS = 24, /* entries looked at one by one before halving */
	INTERPOLATIONS = 3,
};

enum bc_err index_file_init(struct index_file *f, struct bytes whole,
			    struct err *e)
{
	struct index_file r = { 0 };
	enum bc_err rc;

	rc = index_header_decode(whole, whole.n, &r.h, e);
	if (rc != BC_OK)
		return rc;
	/* One word more than needed, so that an empty file has one too. */
	r.seen = calloc((size_t)r.h.pages / 32 + 1, sizeof(*r.seen));
	if (r.seen == NULL)
		return err_set(e, BC_ENOMEM, "no memory to open the index");
	r.pages = whole.p + INDEX_PAGE_BYTES;
	if (r.h.kind == INDEX_BASE)
		r.fill = (uint32_t)min_size((size_t)(r.h.entries / r.h.primary),
					    INDEX_BASE_PAGE_ENTRIES);
	r.scale = (double)r.h.entries / 0x1p64;
	*f = r;
	return BC_OK;
}

/* The name is how the cover is chosen, so it must tell the truth. */
static bool name_fits(const struct index_header *h, const char *name)
{
	char want[INDEX_NAME_BYTES];

	index_name_encode(h->kind, h->range.from_gen, h->range.to_gen, want);
	return strcmp(want, name) == 0;
}

enum bc_err index_file_open(struct io_dir *d, const char *name,
			    struct index_file *f, struct err *e)
{
	struct io_file *file = NULL;
	struct io_map map = { 0 };
	struct index_file r = { 0 };
	uint64_t size;
	enum bc_err rc;

	rc = io_file_open(d, name, IO_READ, &file, e);
	if (rc != BC_OK)
		return rc;
	rc = io_file_size(file, &size, e);
	if (rc != BC_OK)
		goto out;
	if (size < INDEX_PAGE_BYTES || size > SIZE_MAX / 2) {
		rc = err_set(e, BC_EDAMAGE, "%s: not an index file",
			     io_file_path(file));
		goto out;
	}
	rc = io_file_map(file, 0, (size_t)size, &map, e);
	if (rc != BC_OK)
		goto out;
	/* A cold lookup reads its page and no neighbours. A refusal costs
	 * speed only. */
	(void)madvise(map.base, map.span, MADV_RANDOM);
	rc = index_file_init(&r, bytes_of(map.p, map.n), e);
	if (rc != BC_OK) {
		err_wrap(e, "%s", io_file_path(file));
		goto out;
	}
	if (!name_fits(&r.h, name)) {
		rc = err_set(e, BC_EDAMAGE,
			     "%s: its header names other "
			     "generations",
			     io_file_path(file));
		goto out;
	}
	memcpy(r.name, name, strlen(name) + 1);
	r.map = map;
	map = (struct io_map){ 0 };
	*f = r;
	r = (struct index_file){ 0 };
out:
	index_file_fini(&r);
	io_unmap(&map);
	io_file_close(file, NULL);
	return rc;
}

void index_file_fini(struct index_file *f)
{
	free(f->seen);
	io_unmap(&f->map);
	*f = (struct index_file){ 0 };
}

const uint8_t *index_file_verify(struct index_file *f, uint32_t number)
{
	const uint8_t *page = index_file_at(f, number);

	if (!index_page_check(page, &f->h, number)) {
		atomic_store_explicit(&f->bad, number + 1,
				      memory_order_relaxed);
		return NULL;
	}
	/* Two threads may both check a page; the bit is the same. */
	atomic_fetch_or_explicit(&f->seen[number / 32],
				 UINT32_C(1) << number % 32,
				 memory_order_relaxed);
	return page;
}

enum bc_err index_file_damage(const struct index_file *f, struct err *e)
{
	uint32_t bad = atomic_load_explicit(&f->bad, memory_order_relaxed);

	if (bad != 0)
		return err_set(e, BC_EDAMAGE,
			       "index file %s: page %u is damaged", f->name,
			       bad - 1);
	if (io_map_hurt(&f->map))
		return err_set(e, BC_EDAMAGE,
			       "index file %s: a page can no longer be read",
			       f->name);
	return BC_OK;
}

/* ---- base --------------------------------------------------------------- */

/*
 * The first of c sorted remainders that is not below `rem`. They are spread
 * evenly, so the guess is off by about sqrt(c) / 2, ten entries: a short walk
 * in one or two cache lines. Whoever chose the ids badly pays for halving.
 */
static uint32_t base_lower(const uint8_t *page, uint32_t c, uint32_t rem)
{
	uint32_t i = (uint32_t)((uint64_t)rem * c >> 32);
	uint32_t lo = 0, hi = c;
	int steps = SCAN_STEPS;

	while (i < c && index_base_rem(page, i) < rem && --steps > 0)
		i++;
	if (steps == SCAN_STEPS)
		while (i > 0 && index_base_rem(page, i - 1) >= rem &&
		       --steps > 0)
			i--;
	if (steps > 0)
		return i;
	while (lo < hi) {
		i = lo + (hi - lo) / 2;
		if (index_base_rem(page, i) < rem)
			lo = i + 1;
		else
			hi = i;
	}
	return lo;
}

static size_t base_find(struct index_file *f, uint64_t key,
			struct index_loc *out, size_t max)
{
	uint64_t place =
		index_place(index_top(key, f->h.bits), f->h.bits, f->h.primary);
	uint32_t number = (uint32_t)(place >> 32);
	uint32_t rem = (uint32_t)place;
	size_t n = 0;

	/* The chain of a page that overflowed goes on in order; its page
	 * numbers only grow, so it ends. */
	do {
		const uint8_t *page = index_file_page(f, number);
		uint32_t c, i;

		if (page == NULL)
			break;
		c = index_base_count(page);
		for (i = base_lower(page, c, rem);
		     i < c && n < max && index_base_rem(page, i) == rem; i++)
			out[n++] = index_base_loc(page, i);
		if (i < c)
			break;
		number = index_base_next(page);
	} while (number != 0 && n < max);
	return n;
}

static void base_want(struct index_file *f, uint64_t key)
{
	uint64_t place =
		index_place(index_top(key, f->h.bits), f->h.bits, f->h.primary);
	uint32_t number = (uint32_t)(place >> 32);
	size_t guess = (size_t)((place & UINT32_MAX) * f->fill >> 32);
	const uint8_t *page = index_file_at(f, number);

	if (index_file_known(f, number)) {
		__builtin_prefetch(page);
		__builtin_prefetch(page + INDEX_BASE_PAGE_HEADER_BYTES +
				   guess * INDEX_BASE_REM_BYTES);
		__builtin_prefetch(page + INDEX_BASE_LOCS_AT +
				   guess * INDEX_LOC_BYTES);
	} else if (f->map.base != NULL) {
		(void)madvise((uint8_t *)f->map.base +
				      ((size_t)number + 1) * INDEX_PAGE_BYTES,
			      INDEX_PAGE_BYTES, MADV_WILLNEED);
	}
}

/* ---- run ---------------------------------------------------------------- */

/* Key at a position of the whole run; false if its page is damaged. */
static bool run_key(struct index_file *f, uint64_t pos, uint64_t *key)
{
	const uint8_t *page =
		index_file_page(f, (uint32_t)(pos / INDEX_RUN_PAGE_ENTRIES));

	if (page == NULL)
		return false;
	*key = index_run_key(page, (uint32_t)(pos % INDEX_RUN_PAGE_ENTRIES));
	return true;
}

static uint64_t run_guess(const struct index_file *f, uint64_t key)
{
	uint64_t pos = (uint64_t)((double)key * f->scale);

	/* The product may round up to the number of entries. */
	return pos < f->h.entries ? pos : f->h.entries - 1;
}

/* The position to try after the one at an end of [lo, hi) that had key `from`:
 * moved by what the distance in keys is worth, and inside. */
static uint64_t run_move(const struct index_file *f, uint64_t from, uint64_t to,
			 const uint64_t lim[2])
{
	uint64_t last = lim[1] - lim[0] - 1;
	uint64_t far = to > from ? to - from : from - to;
	uint64_t step = (uint64_t)((double)far * f->scale);

	step = step < last ? step : last;
	return to > from ? lim[0] + step : lim[1] - 1 - step;
}

/*
 * The first position whose key is not below `key`, or entries. Each round of
 * interpolation leaves an error of about the square root of the one before;
 * then doubling steps, then halving, so that no choice of ids costs more than
 * twice the logarithm. False if a page on the way is damaged.
 */
static bool run_lower(struct index_file *f, uint64_t key, uint64_t *out)
{
	uint64_t lim[2] = { 0, f->h.entries }; /* the answer: lo..hi */
	uint64_t pos = run_guess(f, key), step = 1, k;
	int round = 0;
	bool below = false, was_below;

	while (lim[0] < lim[1]) {
		was_below = below;
		if (!run_key(f, pos, &k))
			return false;
		below = k < key;
		if (below)
			lim[0] = pos + 1;
		else
			lim[1] = pos;
		if (lim[0] == lim[1])
			break;
		if (++round < INTERPOLATIONS) {
			pos = run_move(f, k, key, lim);
			continue;
		}
		if (round > INTERPOLATIONS && below != was_below)
			step = lim[1]; /* both sides known: halve from here */
		if (step >= lim[1] - lim[0])
			pos = lim[0] + (lim[1] - lim[0]) / 2;
		else
			pos = below ? lim[0] + step - 1 : lim[1] - step;
		step = step > lim[1] ? step : step * 2;
	}
	*out = lim[0];
	return true;
}

static size_t run_find(struct index_file *f, uint64_t key,
		       struct index_loc *out, size_t max)
{
	uint64_t pos, k;
	size_t n = 0;

	if (f->h.entries == 0 || !run_lower(f, key, &pos))
		return 0;
	for (; pos < f->h.entries && n < max; pos++) {
		if (!run_key(f, pos, &k) || k != key)
			break;
		out[n++] = index_run_loc(
			index_file_at(f,
				      (uint32_t)(pos / INDEX_RUN_PAGE_ENTRIES)),
			(uint32_t)(pos % INDEX_RUN_PAGE_ENTRIES));
	}
	return n;
}

static void run_want(struct index_file *f, uint64_t key)
{
	uint64_t pos;

	if (f->h.entries == 0)
		return;
	pos = run_guess(f, key);
	__builtin_prefetch(
		index_file_at(f, (uint32_t)(pos / INDEX_RUN_PAGE_ENTRIES)) +
		INDEX_RUN_PAGE_HEADER_BYTES +
		(pos % INDEX_RUN_PAGE_ENTRIES) * INDEX_RUN_KEY_BYTES);
}

size_t index_file_find(struct index_file *f, uint64_t key,
		       struct index_loc *out, size_t max)
{
	return f->h.kind == INDEX_BASE ? base_find(f, key, out, max)
				       : run_find(f, key, out, max);
}

void index_file_want(struct index_file *f, uint64_t key)
{
	if (f->h.kind == INDEX_BASE)
		base_want(f, key);
	else
		run_want(f, key);
}
