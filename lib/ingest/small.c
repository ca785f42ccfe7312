/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/small.h"

#include <errno.h>
#include <unistd.h>

#include "ingest/file.h"
#include "ingest/range.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/worker.h"

/* Segments that one call of the chunker finds. */
enum { CUT_SEGS = 64 };

/* ---- flush ----------------------------------------------------------------
 */

/* Most files are one chunk: one item that stands for the whole size. */
static enum bc_err one_chunk(const struct batch_file *f,
			     const struct digest *id, struct err *e)
{
	static const uint8_t whole = CONTENT_CHUNK;
	struct content c = { .size = f->size,
			     .count = 1,
			     .items = { &whole, 1 },
			     .ids = { id->b, DIGEST_BYTES } };

	return file_keep(f->range, f->entry, &c, e);
}

static enum bc_err many_segs(struct worker *w, const struct batch_file *f,
			     const struct digest *ids, struct err *e)
{
	struct content c;
	enum bc_err rc = BC_OK;

	content_builder_begin(&w->content);
	for (uint32_t k = f->first; k < f->first + f->n && rc == BC_OK; k++) {
		const struct batch_seg *s = &w->batch.seg[k];

		if (s->kind == CHUNK_SEG_ZERO)
			rc = content_builder_zeros(&w->content, s->len, e);
		else
			rc = content_builder_chunk(&w->content, ids++, s->len,
						   e);
	}
	if (rc == BC_OK)
		rc = content_builder_finish(&w->content, &c, e);
	return rc == BC_OK ? file_keep(f->range, f->entry, &c, e) : rc;
}

static enum bc_err store(struct worker *w, struct err *e)
{
	struct batch *b = &w->batch;
	const struct digest *ids = w->ids;
	size_t n = 0;
	enum bc_err rc;

	for (size_t k = 0; k < b->n_segs; k++)
		if (b->seg[k].kind == CHUNK_SEG_DATA)
			w->job[n++].msg =
				bytes_of(b->buf + b->seg[k].at, b->seg[k].len);
	rc = worker_store(w, n, w->ids, e);
	for (size_t k = 0; k < b->n_files && rc == BC_OK; k++) {
		const struct batch_file *f = &b->file[k];
		size_t data = 0;

		for (uint32_t s = f->first; s < f->first + f->n; s++)
			data += b->seg[s].kind == CHUNK_SEG_DATA;
		rc = f->n == 1 && data == 1 ? one_chunk(f, ids, e)
					    : many_segs(w, f, ids, e);
		ids += data;
		f->range->batched--;
		worker_count(w, f->size);
	}
	return rc;
}

enum bc_err small_flush(struct worker *w, struct err *e)
{
	struct batch *b = &w->batch;
	struct err own = ERR_INIT;
	enum bc_err rc = b->n_files > 0 ? store(w, &own) : BC_OK;

	if (rc != BC_OK) {
		put_fail(w->p, rc, &own);
		if (e != NULL)
			*e = own;
	}
	sched_stored(w->p, b->held, b->n_held);
	b->n = b->n_segs = b->n_files = b->n_held = 0;
	return rc;
}

void small_hold(struct worker *w, struct range *r)
{
	w->batch.held[w->batch.n_held++] = r;
	if (w->batch.n_held == HELD_MAX)
		(void)!small_flush(w, NULL);
}

/* ---- add ------------------------------------------------------------------
 */

static bool has_room(const struct worker *w, uint64_t size)
{
	const struct batch *b = &w->batch;

	return b->n_files < BATCH_FILES && b->n_segs + CUT_SEGS < BATCH_SEGS &&
	       b->n + size + 1 <= w->p->batch_bytes;
}

/* Read as much as there is, at most cap. */
static ssize_t read_all(int fd, uint8_t *p, size_t cap)
{
	ssize_t n;

	/* A regular file gives less than asked for only at its end. */
	do
		n = pread(fd, p, cap, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Cut what has been read; false if the batch has no room for the segments. */
static bool cut(struct worker *w, size_t len, struct batch_file *f)
{
	struct batch *b = &w->batch;
	struct chunk_cursor cur = { .offset = 0 };
	struct chunk_seg out[CUT_SEGS];
	size_t at = 0;

	f->first = (uint32_t)b->n_segs;
	while (at < len) {
		size_t used = 0;
		size_t n = chunker_next(&w->p->chunker, &cur,
					bytes_of(b->buf + b->n + at, len - at),
					true, out, CUT_SEGS, &used);

		if (n == 0 || b->n_segs + n > BATCH_SEGS) {
			b->n_segs = f->first;
			return false;
		}
		for (size_t k = 0; k < n; k++) {
			b->seg[b->n_segs++] =
				(struct batch_seg){ (uint32_t)(b->n + at),
						    out[k].len, out[k].kind };
			at += out[k].len;
		}
	}
	f->n = (uint32_t)b->n_segs - f->first;
	f->size = len;
	return true;
}

enum bc_err small_add(struct worker *w, struct range *r, uint32_t i, int fd,
		      struct reading *got, struct err *e)
{
	struct batch *b = &w->batch;
	size_t size = (size_t)r->item[i].size;
	struct batch_file *f;
	ssize_t n;
	enum bc_err rc = BC_OK;

	*got = (struct reading){ .size = 0 };
	if (!has_room(w, size))
		rc = small_flush(w, e);
	if (rc != BC_OK)
		return rc;
	n = read_all(fd, b->buf + b->n, size + 1);
	if (n < 0) {
		got->sys = errno;
		return BC_OK;
	}
	got->size = (uint64_t)n;
	if (got->size != size)
		return BC_OK;
	f = &b->file[b->n_files];
	f->range = r;
	f->entry = i;
	if (!cut(w, size, f)) {
		got->dense = true;
		return BC_OK;
	}
	b->n_files++;
	b->n += size;
	r->batched++;
	return BC_OK;
}

void small_drop(struct worker *w)
{
	struct batch *b = &w->batch;
	struct batch_file *f = &b->file[--b->n_files];

	f->range->batched--;
	b->n -= (size_t)f->size;
	b->n_segs = f->first;
}
