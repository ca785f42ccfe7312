/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file as a stream. A short range is one read; a longer one goes in
 * windows: while one is decoded, verified and given away, the reads of the
 * next are under way.
 */
#include <stdlib.h>

#include "tree/content_reader.h"
#include "restore/loader.h"
#include "restore/ranges.h"
#include "restore/restore.h"
#include "util/arith.h"

enum {
	WINDOW_BYTES = 4 << 20,
	WINDOW_REFS = 1024,
	WINDOWS = 2,
	ZEROS_BYTES = 64 << 10,
	SHORT_BYTES = 512 << 10, /* not worth a ring */
};

/* A stretch of the file: chunks into mem, or a gap without bytes. */
struct window {
	struct batch *batch;
	uint8_t *mem;
	size_t cap;
	uint64_t begin, end; /* in the file */
	bool gap;	     /* zeros all of it */
	uint32_t started;    /* jobs */
	struct err failed;
};

struct stream {
	struct repo *r;
	const struct content *file;
	const struct restore_sink *sink;
	const atomic_int *stop;
	uint64_t from, to;
	struct chunk_reader *nodes;
	struct content_reader content;
	struct content_run next; /* not in a window yet */
	struct locator locator;
	struct pack_files packs;
	struct loader loader;
	struct window window[WINDOWS];
};

static bool stopped(void *ctx)
{
	struct stream *s = ctx;

	return s->stop != NULL && atomic_load(s->stop) != 0;
}

/* The part of [begin, begin + b.n) that is wanted. */
static enum bc_err give(struct stream *s, uint64_t begin, struct bytes b,
			struct err *e)
{
	uint64_t from = max_u64(begin, s->from);
	uint64_t to = min_u64(begin + b.n, s->to);

	if (stopped(s))
		return err_set(e, BC_ECANCEL, "stopped");
	if (from >= to)
		return BC_OK;
	return s->sink->write(
		s->sink->ctx,
		bytes_of(b.p + (from - begin), (size_t)(to - from)), e);
}

static enum bc_err give_zeros(struct stream *s, uint64_t begin, uint64_t end,
			      struct err *e)
{
	static const uint8_t zeros[ZEROS_BYTES];
	uint64_t at = max_u64(begin, s->from);
	enum bc_err rc = BC_OK;

	end = min_u64(end, s->to);
	while (at < end && rc == BC_OK) {
		size_t n = (size_t)min_u64(end - at, ZEROS_BYTES);

		rc = give(s, at, bytes_of(zeros, n), e);
		at += n;
	}
	return rc;
}

static enum bc_err next_run(struct stream *s, struct err *e)
{
	return content_reader_next(&s->content, &s->next, e);
}

static bool at_end(const struct stream *s)
{
	return s->next.what == CONTENT_END || s->next.offset >= s->to;
}

/* ---- short ----------------------------------------------------------------
 */

static enum bc_err stream_short(struct stream *s, struct err *e)
{
	struct range_read read = { .content = s->file,
				   .offset = s->from,
				   .len = (size_t)(s->to - s->from) };
	struct ranges *g = NULL;
	enum bc_err rc, outcome;

	/* Who wants all of a file has every chunk verified whole. */
	read.by_id = read.len == s->file->size;
	read.out = malloc(read.len);
	if (read.out == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a read");
	rc = ranges_new(s->r, 1, &g, e);
	if (rc == BC_OK)
		rc = ranges_submit(g, &read, e);
	if (rc == BC_OK)
		rc = ranges_wait(g, e);
	if (rc == BC_OK && read.done > 0)
		rc = give(s, s->from, bytes_of(read.out, read.done), e);
	outcome = rc == BC_OK ? range_check(&read, e) : rc;
	ranges_free(g);
	free(read.out);
	return outcome;
}

/* ---- long -----------------------------------------------------------------
 */

static void land(void *ctx, struct ref *const *v, size_t n, struct bytes data)
{
	struct window *w = v[0]->owner;

	(void)ctx;
	(void)n;
	memcpy(w->mem + (v[0]->offset - w->begin), data.p, data.n);
}

static void fail(void *ctx, struct ref *r, const struct err *why)
{
	struct window *w = r->owner;

	(void)ctx;
	if (w->failed.code == BC_OK)
		w->failed = *why;
}

static enum bc_err add_chunk(struct stream *s, struct window *w, struct err *e)
{
	struct ref *r = batch_add(w->batch);

	r->id = s->next.id;
	r->length = s->next.length;
	r->offset = s->next.offset;
	r->owner = w;
	return locator_find(&s->locator, r, e);
}

/* The next stretch: a hole by itself, or chunks as many as fit. */
static enum bc_err fill(struct stream *s, struct window *w, struct err *e)
{
	enum bc_err rc = BC_OK;
	uint8_t *mem;

	batch_clear(w->batch);
	err_clear(&w->failed);
	w->started = 0;
	w->begin = w->end = s->next.offset;
	w->gap = !at_end(s) && s->next.what != CONTENT_CHUNK;
	while (rc == BC_OK && !at_end(s) && w->batch->n < WINDOW_REFS &&
	       w->gap == (s->next.what != CONTENT_CHUNK) &&
	       (w->gap || w->end == w->begin ||
		w->end - w->begin + s->next.length <= WINDOW_BYTES)) {
		if (!w->gap)
			rc = add_chunk(s, w, e);
		w->end += s->next.length;
		if (rc == BC_OK)
			rc = next_run(s, e);
	}
	if (rc == BC_OK && !w->gap && w->end - w->begin > w->cap) {
		mem = realloc(w->mem, (size_t)(w->end - w->begin));
		if (mem == NULL)
			return err_set(e, BC_ENOMEM, "no memory for a window");
		w->mem = mem;
		w->cap = (size_t)(w->end - w->begin);
	}
	if (rc != BC_OK)
		w->batch->n = 0;
	batch_plan(w->batch);
	return rc;
}

/* Begin reads of the windows, the one that is due first. */
static void read_ahead(struct stream *s, unsigned due)
{
	for (unsigned i = 0; i < WINDOWS; i++) {
		struct window *w = &s->window[(due + i) % WINDOWS];

		while (!loader_full(&s->loader) &&
		       w->started < w->batch->n_jobs)
			loader_start(&s->loader, w->batch,
				     &w->batch->jobs[w->started++]);
	}
}

static void load(struct stream *s, unsigned due)
{
	struct window *w = &s->window[due];

	for (;;) {
		read_ahead(s, due);
		if (atomic_load(&w->batch->left) == 0)
			return;
		atomic_fetch_sub(&loader_finish(&s->loader)->left, 1);
	}
}

static enum bc_err flush(struct stream *s, struct window *w, struct err *e)
{
	if (w->failed.code != BC_OK) {
		if (e != NULL)
			*e = w->failed;
		return w->failed.code;
	}
	if (w->gap)
		return give_zeros(s, w->begin, w->end, e);
	return give(s, w->begin, bytes_of(w->mem, (size_t)(w->end - w->begin)),
		    e);
}

static enum bc_err give_windows(struct stream *s, struct err *e)
{
	struct err ahead = ERR_INIT; /* comes after the window before it */
	enum bc_err rc = fill(s, &s->window[0], e);
	unsigned due = 0;

	while (rc == BC_OK && s->window[due].end > s->window[due].begin) {
		struct window *next = &s->window[1 - due];
		enum bc_err rc_next = fill(s, next, &ahead);

		load(s, due);
		rc = flush(s, &s->window[due], e);
		if (rc == BC_OK && rc_next != BC_OK) {
			if (e != NULL)
				*e = ahead;
			rc = rc_next;
		}
		due = 1 - due;
	}
	while (s->loader.busy > 0)
		(void)loader_finish(&s->loader);
	return rc;
}

static enum bc_err stream_windows(struct stream *s, struct err *e)
{
	struct loader_calls calls = {
		.land = land, .fail = fail, .dead = stopped, .ctx = s
	};
	enum bc_err rc = BC_OK;

	pack_files_init(&s->packs, s->r, true, LOADER_PACKS);
	for (int i = 0; i < WINDOWS && rc == BC_OK; i++)
		rc = batch_new(WINDOW_REFS, &s->window[i].batch, e);
	if (rc == BC_OK)
		rc = loader_init(&s->loader, s->r, &s->packs, &calls, e);
	if (rc == BC_OK)
		rc = give_windows(s, e);
	loader_fini(&s->loader);
	for (int i = 0; i < WINDOWS; i++) {
		batch_free(s->window[i].batch);
		free(s->window[i].mem);
	}
	pack_files_fini(&s->packs);
	return rc;
}

static enum bc_err stream_long(struct stream *s, struct err *e)
{
	struct node_source source;
	enum bc_err rc = chunk_reader_new(s->r, &s->nodes, e);

	if (rc != BC_OK)
		return rc;
	source = chunk_node_source(s->nodes);
	content_reader_init(&s->content, &source);
	locator_init(&s->locator, s->r);
	content_reader_open(&s->content, s->file);
	rc = content_reader_seek(&s->content, s->from, e);
	if (rc == BC_OK)
		rc = next_run(s, e);
	if (rc == BC_OK)
		rc = stream_windows(s, e);
	locator_fini(&s->locator);
	content_reader_fini(&s->content);
	chunk_reader_free(s->nodes);
	return rc;
}

/* ---- either ---------------------------------------------------------------
 */

enum bc_err restore_cat(struct repo *r, const struct tree_entry *file,
			uint64_t from, uint64_t to,
			const struct restore_sink *sink, const atomic_int *stop,
			struct err *e)
{
	struct stream s = { .r = r,
			    .file = &file->content,
			    .sink = sink,
			    .stop = stop,
			    .from = from };

	if (file->type != TREE_FILE)
		return err_set(e, BC_EINVAL, "it is no regular file");
	s.to = min_u64(to, file->content.size);
	if (s.from >= s.to)
		return BC_OK;
	return s.to - s.from <= SHORT_BYTES ? stream_short(&s, e)
					    : stream_long(&s, e);
}
