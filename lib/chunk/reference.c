/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk/reference.h"

#include <stdlib.h>

#include "chunk/gear.h"
#include "util/arith.h"
#include "util/le.h"

enum {
	RABIN_DEGREE = 53,
	RABIN_WINDOW_BYTES = 64,
	SEGS = 64,
	RUNS_MAX = 64,
	TALLY_SLOTS_MIN = 1 << 12,
};

size_t chunk_reference_gear(const struct chunk_params *p, struct bytes rest)
{
	const uint64_t below = UINT64_C(1) << (64 - __builtin_ctz(p->avg));
	chunk_scan_fn *scan;
	size_t end = min_size(rest.n, p->max), i = p->min;
	uint64_t h = 0;

	for (; i < end && i < p->min + (size_t)GEAR_WINDOW_BYTES; i++) {
		h = 2 * h + GEAR64[rest.p[i]];
		if (h < below)
			return i + 1;
	}
	if (i >= end)
		return end;
	/* From here on what h began with is forgotten: the comparison is to
	 * be one of rules, not of loops. */
	scan = chunk_kernel_scan(chunk_kernel_pick(CHUNK_KERNEL_AUTO));
	return min_size(i + scan(rest.p + i, end - i, below) + 1, end);
}

/* v times x^8, reduced. */
static uint64_t rabin_shift8(uint64_t v)
{
	for (int i = 0; i < 8; i++) {
		v <<= 1;
		if (v >> RABIN_DEGREE & 1)
			v ^= CHUNK_RABIN_POLYNOMIAL;
	}
	return v;
}

void chunk_rabin_init(struct chunk_rabin *r)
{
	for (uint64_t b = 0; b < 256; b++) {
		uint64_t v = b;

		r->enter[b] = rabin_shift8(b << (RABIN_DEGREE - 8));
		for (int i = 1; i < RABIN_WINDOW_BYTES; i++)
			v = rabin_shift8(v);
		r->leave[b] = v;
	}
}

/* The fingerprint one byte on. */
static inline uint64_t rabin_push(const struct chunk_rabin *r, uint64_t h,
				  uint8_t in)
{
	const uint64_t low = (UINT64_C(1) << (RABIN_DEGREE - 8)) - 1;

	return ((h & low) << 8 | in) ^ r->enter[h >> (RABIN_DEGREE - 8)];
}

size_t chunk_reference_rabin(const struct chunk_rabin *r,
			     const struct chunk_params *p, struct bytes rest)
{
	const uint64_t mask = p->avg - 1;
	size_t end = min_size(rest.n, p->max);
	uint64_t h = 0;

	if (end <= p->min)
		return end;
	for (size_t i = p->min - RABIN_WINDOW_BYTES; i < p->min; i++)
		h = rabin_push(r, h, rest.p[i]);
	for (size_t i = p->min; i < end; i++) {
		h ^= r->leave[rest.p[i - RABIN_WINDOW_BYTES]];
		h = rabin_push(r, h, rest.p[i]);
		if ((h & mask) == mask)
			return i + 1;
	}
	return end;
}

static void each_ours(const struct chunker *c, struct bytes file,
		      chunk_each_fn *each, void *ctx)
{
	struct chunk_cursor cur = { 0 };
	struct chunk_seg segs[SEGS];

	while (file.n > 0) {
		size_t used;
		size_t n = chunker_next(c, &cur, file, true, segs, SEGS, &used);

		for (size_t i = 0; i < n; i++) {
			each(ctx, bytes_of(file.p, segs[i].len),
			     segs[i].kind == CHUNK_SEG_ZERO);
			file = bytes_of(file.p + segs[i].len,
					file.n - segs[i].len);
		}
	}
}

void chunk_method_each(const struct chunk_method *m, struct bytes file,
		       chunk_each_fn *each, void *ctx)
{
	if (m->ours != NULL) {
		each_ours(m->ours, file, each, ctx);
		return;
	}
	while (file.n > 0) {
		size_t n = m->gear != NULL
				   ? chunk_reference_gear(m->gear, file)
				   : chunk_reference_rabin(
					     m->rabin, m->rabin_params, file);

		each(ctx, bytes_of(file.p, n), false);
		file = bytes_of(file.p + n, file.n - n);
	}
}

static void each_nothing(void *ctx, struct bytes seg, bool zero)
{
	(void)ctx;
	(void)seg;
	(void)zero;
}

static int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t chunk_method_time(const struct chunk_method *m, struct bytes file,
			  int runs, const struct clock *clock)
{
	int64_t ns[RUNS_MAX];

	if (runs > RUNS_MAX)
		runs = RUNS_MAX;
	for (int i = 0; i < runs; i++) {
		int64_t t = clock->mono(clock->ctx);

		chunk_method_each(m, file, each_nothing, NULL);
		ns[i] = clock->mono(clock->ctx) - t;
	}
	qsort(ns, (size_t)runs, sizeof(ns[0]), cmp_i64);
	return ns[runs / 2] > 0 ? ns[runs / 2] : 1;
}

/* Multiply and fold, eight bytes a step in two lanes; never 0. */
static uint64_t fingerprint(struct bytes b)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = b.n, y = k, v;
	size_t i = 0;

	for (; b.n - i >= 16; i += 16) {
		x = (x ^ le_get64(b.p + i)) * k;
		y = (y ^ le_get64(b.p + i + 8)) * k;
		x ^= x >> 32;
		y ^= y >> 29;
	}
	for (; i < b.n; i++)
		x = (x ^ b.p[i]) * k;
	v = (x ^ (y << 23 | y >> 41)) * k;
	v ^= v >> 31;
	return v != 0 ? v : 1;
}

void chunk_tally_fini(struct chunk_tally *t)
{
	free(t->seen);
	*t = (struct chunk_tally)CHUNK_TALLY_INIT;
}

/* Puts v in; false if it was there. There is room. */
static bool tally_put(uint64_t *seen, size_t slots, uint64_t v)
{
	size_t i = (size_t)v & (slots - 1);

	while (seen[i] != 0 && seen[i] != v)
		i = (i + 1) & (slots - 1);
	if (seen[i] == v)
		return false;
	seen[i] = v;
	return true;
}

static enum bc_err tally_grow(struct chunk_tally *t)
{
	size_t slots = max_size(2 * t->slots, TALLY_SLOTS_MIN);
	uint64_t *seen = calloc(slots, sizeof(seen[0]));

	if (seen == NULL)
		return BC_ENOMEM;
	for (size_t i = 0; i < t->slots; i++) {
		if (t->seen[i] != 0)
			(void)tally_put(seen, slots, t->seen[i]);
	}
	free(t->seen);
	t->seen = seen;
	t->slots = slots;
	return BC_OK;
}

struct tally_run {
	struct chunk_tally *t;
	enum bc_err rc;
};

static void each_tally(void *ctx, struct bytes seg, bool zero)
{
	struct tally_run *run = ctx;
	struct chunk_tally *t = run->t;

	if (zero) {
		t->zero_bytes += seg.n;
		return;
	}
	if (run->rc == BC_OK && t->unique_chunks >= t->slots / 2)
		run->rc = tally_grow(t);
	if (run->rc != BC_OK)
		return;
	t->chunks++;
	t->bytes += seg.n;
	if (tally_put(t->seen, t->slots, fingerprint(seg))) {
		t->unique_chunks++;
		t->unique_bytes += seg.n;
	}
}

enum bc_err chunk_tally_file(struct chunk_tally *t,
			     const struct chunk_method *m, struct bytes file)
{
	struct tally_run run = { t, BC_OK };

	chunk_method_each(m, file, each_tally, &run);
	return run.rc;
}
