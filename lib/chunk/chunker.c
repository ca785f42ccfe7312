/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk/chunker.h"

#include "chunk/zero.h"
#include "util/arith.h"

void chunker_init(struct chunker *c, const struct chunk_params *p,
		  enum chunk_kernel k)
{
	int bits = __builtin_ctz(p->avg);

	c->params = *p;
	c->kernel = chunk_kernel_pick(k);
	c->scan = chunk_kernel_scan(c->kernel);
	c->hard = UINT64_C(1) << (64 - (bits + CHUNK_HARD_BITS));
	c->easy = UINT64_C(1) << (64 - (bits - CHUNK_EASY_BITS));
	c->normal = p->avg / 16 * CHUNK_NORMAL_16THS;
}

/* A chunk of max, and the min - 1 zeros that a run which began in it may be
 * short of. */
size_t chunker_need(const struct chunker *c)
{
	if (c->params.kind == CHUNK_FIXED)
		return c->params.max;
	return (size_t)c->params.max + c->params.min - 1;
}

/* The least length in [from, to] that ends a chunk at p by its hash, or 0. */
static size_t find_cut(const struct chunker *c, const uint8_t *p, size_t from,
		       size_t to)
{
	size_t turn = min_size(c->normal, to + 1);

	if (from < turn) {
		size_t i = c->scan(p + from - 1, turn - from, c->hard);

		if (i < turn - from)
			return from + i;
		from = turn;
	}
	if (from <= to) {
		size_t n = to + 1 - from;
		size_t i = c->scan(p + from - 1, n, c->easy);

		if (i < n)
			return from + i;
	}
	return 0;
}

/* The zeros at the start of the window, when a zero segment is going on. */
static struct chunk_seg zero_seg(struct chunk_cursor *cur, struct bytes w)
{
	size_t most = min_size(w.n, CHUNK_ZERO_MAX_BYTES);
	size_t n = zero_end(w.p, 0, most);

	if (n < most)
		cur->in_zero = false;
	return (struct chunk_seg){ .len = (uint32_t)n, .kind = CHUNK_SEG_ZERO };
}

/*
 * The segment at the start of the window; its len is 0 if that cannot be told
 * yet. What has been ruled out stays in the cursor, so that a window that
 * grows by little is not searched again.
 */
static struct chunk_seg next_cdc(const struct chunker *c,
				 struct chunk_cursor *cur, struct bytes w,
				 bool eof)
{
	const size_t max = c->params.max, min = c->params.min;
	struct chunk_seg seg = { .kind = CHUNK_SEG_DATA };
	size_t seen = min_size(w.n, chunker_need(c));
	size_t clear = cur->clear, to, cut;
	bool zero = false;

	if (cur->in_zero) {
		seg = zero_seg(cur, w);
		if (seg.len != 0 || cur->in_zero)
			return seg;
		seg.kind = CHUNK_SEG_DATA;
	}
	/* Up to where is it known that these bytes are data? */
	if (clear < max && clear < seen) {
		zero = zero_find(w.p, clear, seen, min, &clear);
		cur->clear = (uint32_t)clear;
	}
	if (zero && clear == 0) {
		cur->in_zero = true;
		return zero_seg(cur, w);
	}
	if (eof && !zero && seen == w.n)
		clear = w.n; /* zeros at the end, too few to be a segment */
	to = min_size(min_size(clear, max), w.n);

	cut = find_cut(c, w.p, max_size(cur->next, min), to);
	if (cut != 0) {
		seg.len = (uint32_t)cut;
		seg.natural = w.p[cut - 1] != 0;
	} else if (to == max || zero || (eof && to == w.n)) {
		seg.len = (uint32_t)to;
	} else {
		cur->next = (uint32_t)max_size(cur->next, to + 1);
	}
	return seg;
}

static struct chunk_seg next_fixed(const struct chunker *c, struct bytes w,
				   bool eof)
{
	struct chunk_seg seg = { .kind = CHUNK_SEG_DATA };
	size_t n = c->params.max;

	if (w.n < n) {
		seg.len = eof ? (uint32_t)w.n : 0;
		return seg;
	}
	seg.len = (uint32_t)n;
	if (zero_end(w.p, 0, n) == n)
		seg.kind = CHUNK_SEG_ZERO;
	return seg;
}

static void advance(struct chunk_cursor *cur, uint64_t n)
{
	cur->offset += n;
	cur->next = 0;
	cur->clear = cur->clear > n ? cur->clear - (uint32_t)n : 0;
}

size_t chunker_next(const struct chunker *c, struct chunk_cursor *cur,
		    struct bytes window, bool eof, struct chunk_seg *out,
		    size_t max_out, size_t *used)
{
	struct bytes w = window;
	size_t n = 0;

	while (n < max_out && w.n > 0) {
		struct chunk_seg seg = c->params.kind == CHUNK_FIXED
					       ? next_fixed(c, w, eof)
					       : next_cdc(c, cur, w, eof);

		if (seg.len == 0)
			break;
		out[n++] = seg;
		advance(cur, seg.len);
		w = bytes_of(w.p + seg.len, w.n - seg.len);
	}
	*used = window.n - w.n;
	return n;
}
