/* SPDX-License-Identifier: Apache-2.0 */
#include "index/stream.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Maps are advised MADV_RANDOM, so a stream asks for what comes next itself;
 * it asks once per so many pages. */
enum { AHEAD_PAGES = 128 };

static void read_ahead(struct index_stream_in *in)
{
	uint64_t left = in->f->h.pages - in->asked;
	uint64_t n = left < AHEAD_PAGES ? left : AHEAD_PAGES;

	if (in->f->map.base != NULL && n != 0)
		(void)madvise((uint8_t *)in->f->map.base +
				      (in->asked + 1) * INDEX_PAGE_BYTES,
			      n * INDEX_PAGE_BYTES, MADV_WILLNEED);
	in->asked += n;
}

/* Step to page `number`, which is below h.pages. */
static enum bc_err enter_page(struct index_stream_in *in, uint32_t number,
			      struct err *e)
{
	/* One batch is always under way while another is consumed. */
	while (in->asked < in->f->h.pages &&
	       in->asked < (uint64_t)number + AHEAD_PAGES)
		read_ahead(in);
	/* A merge that passed damage on would hide it: check every page. */
	in->page = index_file_verify(in->f, number);
	if (in->page == NULL)
		return index_file_damage(in->f, e);
	in->number = number;
	in->i = 0;
	if (in->f->h.kind == INDEX_BASE)
		index_unplace_init(&in->keys, in->primary, in->f->h.bits,
				   in->f->h.primary);
	in->count = in->f->h.kind == INDEX_BASE
			    ? index_base_count(in->page)
			    : index_run_count(&in->f->h, number);
	return BC_OK;
}

/* The page after the current one, in the order of keys; false at the end. */
static bool page_after(struct index_stream_in *in, uint32_t *number)
{
	if (in->f->h.kind == INDEX_RUN) {
		*number = in->number + 1;
		return *number < in->f->h.pages;
	}
	*number = index_base_next(in->page);
	if (*number == 0)
		*number = ++in->primary;
	return in->primary < in->f->h.primary;
}

static void read_entry(struct index_stream_in *in)
{
	const struct index_header *h = &in->f->h;

	if (h->kind == INDEX_RUN) {
		in->key = index_run_key(in->page, in->i);
		in->loc = index_run_loc(in->page, in->i);
	} else {
		in->key = index_unplace(&in->keys,
					index_base_rem(in->page, in->i));
		in->loc = index_base_loc(in->page, in->i);
	}
	in->key >>= in->shift;
}

/* Load entry i, or the first of a later page; page is NULL after the last. */
static enum bc_err settle(struct index_stream_in *in, struct err *e)
{
	while (in->i == in->count) {
		uint32_t number;
		enum bc_err rc;

		if (!page_after(in, &number)) {
			in->page = NULL;
			return BC_OK;
		}
		rc = enter_page(in, number, e);
		if (rc != BC_OK)
			return rc;
	}
	read_entry(in);
	/* The page was good when it was entered, which may be long ago. */
	if (io_map_hurt(&in->f->map))
		return index_file_damage(in->f, e);
	return BC_OK;
}

static bool in_before(const struct index_stream_in *a,
		      const struct index_stream_in *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return index_loc_order(a->loc) < index_loc_order(b->loc);
}

static void sift_down(struct index_stream *s, size_t i)
{
	struct index_stream_in *x = s->heap[i];
	size_t kid;

	while ((kid = 2 * i + 1) < s->live) {
		if (kid + 1 < s->live &&
		    in_before(s->heap[kid + 1], s->heap[kid]))
			kid++;
		if (!in_before(s->heap[kid], x))
			break;
		s->heap[i] = s->heap[kid];
		i = kid;
	}
	s->heap[i] = x;
}

static enum bc_err start(struct index_stream *s, struct index_stream_in *in,
			 struct index_file *f, struct err *e)
{
	enum bc_err rc;

	in->f = f;
	if (f->h.kind == INDEX_BASE) {
		if (!s->top || f->h.bits < s->bits)
			return err_set(e, BC_EINVAL,
				       "index keys are too short to merge");
		in->shift = f->h.bits - s->bits;
	} else {
		in->shift = s->top ? 32 - s->bits : 0;
	}
	if (f->h.pages == 0)
		return BC_OK;
	rc = enter_page(in, 0, e);
	if (rc == BC_OK)
		rc = settle(in, e);
	if (rc == BC_OK && in->page != NULL)
		s->heap[s->live++] = in;
	return rc;
}

enum bc_err index_stream_init(struct index_stream *s,
			      struct index_file *const files[], size_t n,
			      enum index_kind kind, unsigned bits,
			      struct err *e)
{
	struct index_stream r = { 0 };
	enum bc_err rc = BC_OK;

	r.n = n;
	r.top = kind == INDEX_BASE;
	r.bits = bits;
	r.in = calloc(n, sizeof(*r.in));
	r.heap = calloc(n, sizeof(struct index_stream_in *));
	if (r.in == NULL || r.heap == NULL)
		rc = err_set(e, BC_ENOMEM, "no memory to merge the index");
	for (size_t i = 0; rc == BC_OK && i < n; i++)
		rc = start(&r, &r.in[i], files[i], e);
	if (rc != BC_OK) {
		index_stream_fini(&r);
		return rc;
	}
	for (size_t i = r.live / 2; i-- > 0;)
		sift_down(&r, i);
	*s = r;
	return BC_OK;
}

void index_stream_fini(struct index_stream *s)
{
	free(s->in);
	free(s->heap);
	*s = (struct index_stream){ 0 };
}

enum bc_err index_stream_next(struct index_stream *s, uint64_t *key,
			      struct index_loc *loc, bool *done, struct err *e)
{
	struct index_stream_in *in;
	enum bc_err rc;

	*done = s->live == 0;
	if (*done)
		return BC_OK;
	in = s->heap[0];
	*key = in->key;
	*loc = in->loc;
	in->i++;
	rc = settle(in, e);
	if (rc != BC_OK) {
		s->live = 0;
		return rc;
	}
	if (in->page == NULL)
		s->heap[0] = s->heap[--s->live];
	if (s->live > 1)
		sift_down(s, 0);
	return BC_OK;
}
