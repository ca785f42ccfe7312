/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's bytes. Small files are read one behind the other into a buffer that
 * fits the processor's cache, and cut, hashed and looked up together, so that
 * the lanes of the hash are full and locks are taken once. Large files are
 * read in windows, which any worker hashes while the next is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/entry.h"
#include "ingest/internal.h"
#include "util/arith.h"

/* ---- hash, look up, gather ------------------------------------------------
 */

static enum bc_err store_block(struct worker *w, const struct sealed_block *b,
			       struct err *e)
{
	atomic_fetch_add_explicit(&w->p->progress->bytes_new,
				  BLOCK_HEAD_BYTES + b->stored.n,
				  memory_order_relaxed);
	return session_block(w->p->session, b, e);
}

enum bc_err worker_flush(struct worker *w, struct err *e)
{
	struct sealed_block b;
	enum bc_err rc;

	if (!w->ready || w->gather.chunks == 0)
		return BC_OK;
	rc = sealer_seal(&w->sealer, &w->gather, &b, e);
	if (rc == BC_OK && (b.head.codec != BLOCK_RAW || b.head.chunks == 1))
		rc = store_block(w, &b, e);
	else
		for (size_t i = 0; rc == BC_OK && i < w->gather.chunks;
		     i += b.head.chunks) {
			sealer_seal_raw(&w->sealer, &w->gather, i, &b);
			rc = store_block(w, &b, e);
		}
	gather_clear(&w->gather);
	return rc;
}

static enum bc_err gather_one(struct worker *w, const struct digest *id,
			      struct bytes chunk, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (!gather_fits(&w->gather, chunk.n))
		rc = worker_flush(w, e);
	if (rc == BC_OK)
		gather_add(&w->gather, id, chunk);
	return rc;
}

/* The chunks in w->job[0..n), whose ids are to be in `ids`. */
static enum bc_err store_chunks(struct worker *w, size_t n, struct digest *ids,
				struct err *e)
{
	uint64_t known = 0;
	enum bc_err rc;

	for (size_t i = 0; i < n; i++) {
		w->job[i].out = &ids[i];
		w->id_refs[i] = &ids[i];
		w->sizes[i] = (uint32_t)w->job[i].msg.n;
	}
	sha256_many(w->job, n);
	if (w->p->session == NULL)
		return BC_OK;
	rc = session_filter(w->p->session, w->id_refs, w->sizes, n, w->fresh,
			    e);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		if (w->fresh[i])
			rc = gather_one(w, &ids[i], w->job[i].msg, e);
		else
			known += w->sizes[i];
	}
	atomic_fetch_add_explicit(&w->p->progress->bytes_known, known,
				  memory_order_relaxed);
	return rc;
}

static void count_bytes(struct worker *w, uint64_t n)
{
	atomic_fetch_add_explicit(&w->p->progress->bytes, n,
				  memory_order_relaxed);
}

/* ---- batches of small files -----------------------------------------------
 */

/* The items of a content as they lie in an entry, kept in the range. */
static enum bc_err keep_content(struct range *r, uint32_t i,
				const struct content *c, struct err *e)
{
	struct content *to = &r->entry[i].content;

	*to = *c;
	to->items = arena_copy(&r->arena, c->items);
	to->ids = arena_copy(&r->arena, c->ids);
	if (to->items.n != c->items.n || to->ids.n != c->ids.n)
		return err_set(e, BC_ENOMEM, "no memory for a file's chunks");
	return BC_OK;
}

/* Most files are one chunk: one item that stands for the whole size. */
static enum bc_err one_chunk(struct range *r, uint32_t i,
			     const struct digest *id, uint64_t size,
			     struct err *e)
{
	static const uint8_t whole = CONTENT_CHUNK;
	struct content c = { .size = size,
			     .count = 1,
			     .items = { &whole, 1 },
			     .ids = { id->b, DIGEST_BYTES } };

	return keep_content(r, i, &c, e);
}

static enum bc_err many_segs(struct worker *w, struct range *r,
			     const struct batch_file *f,
			     const struct digest *ids, struct err *e)
{
	struct content c;
	enum bc_err rc = BC_OK;

	content_builder_begin(&w->content);
	for (uint32_t k = f->first; k < f->first + f->n && rc == BC_OK; k++) {
		const struct batch_seg *s = &w->seg[k];

		if (s->kind == CHUNK_SEG_ZERO)
			rc = content_builder_zeros(&w->content, s->len, e);
		else
			rc = content_builder_chunk(&w->content, ids++, s->len,
						   e);
	}
	if (rc == BC_OK)
		rc = content_builder_finish(&w->content, &c, e);
	return rc == BC_OK ? keep_content(r, f->entry, &c, e) : rc;
}

static enum bc_err flush_batch(struct worker *w, struct err *e)
{
	const struct digest *ids = w->ids;
	size_t n = 0;
	enum bc_err rc;

	for (size_t k = 0; k < w->n_segs; k++)
		if (w->seg[k].kind == CHUNK_SEG_DATA)
			w->job[n++].msg = bytes_of(w->batch + w->seg[k].at,
						   w->seg[k].len);
	rc = store_chunks(w, n, w->ids, e);
	for (size_t f = 0; f < w->n_files && rc == BC_OK; f++) {
		const struct batch_file *b = &w->file[f];
		struct range *r = b->range;
		size_t data = 0;

		for (uint32_t k = b->first; k < b->first + b->n; k++)
			data += w->seg[k].kind == CHUNK_SEG_DATA;
		if (b->n == 1 && data == 1)
			rc = one_chunk(r, b->entry, ids, b->size, e);
		else
			rc = many_segs(w, r, b, ids, e);
		ids += data;
		r->batched--;
		count_bytes(w, b->size);
	}
	return rc;
}

enum bc_err file_flush(struct worker *w, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (w->n_files > 0)
		rc = flush_batch(w, e);
	if (rc != BC_OK)
		put_fail(w->p, rc, e);
	w->batch_n = w->n_segs = w->n_files = 0;
	range_release(w);
	return rc;
}

/* Cut what has been read; false if the batch has no room for the segments. */
static bool cut_small(struct worker *w, size_t len, struct batch_file *f)
{
	struct chunk_cursor cur = { .offset = 0 };
	struct chunk_seg out[64];
	size_t at = 0;

	f->first = (uint32_t)w->n_segs;
	while (at < len) {
		size_t used = 0;
		size_t n = chunker_next(
			&w->p->chunker, &cur,
			bytes_of(w->batch + w->batch_n + at, len - at), true,
			out, 64, &used);

		if (n == 0 || w->n_segs + n > BATCH_SEGS) {
			w->n_segs = f->first;
			return false;
		}
		for (size_t k = 0; k < n; k++) {
			w->seg[w->n_segs++] =
				(struct batch_seg){ (uint32_t)(w->batch_n + at),
						    out[k].len, out[k].kind };
			at += out[k].len;
		}
	}
	f->n = (uint32_t)w->n_segs - f->first;
	f->size = len;
	return true;
}

/* Read as much as there is, at most cap. */
static ssize_t read_all(int fd, uint8_t *p, size_t cap, uint64_t off)
{
	size_t got = 0;

	while (got < cap) {
		ssize_t n = pread(fd, p + got, cap - got, (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
		/* A regular file gives less than asked for only at its end. */
		if (got < cap)
			break;
	}
	return (ssize_t)got;
}

/* ---- windows of a large file ----------------------------------------------
 */

struct big_file {
	struct put *p;
	pthread_mutex_t lock;
	struct content_builder *content;
	struct window *done; /* out of order */
	uint64_t next;	     /* to be added to the content */
	uint64_t submitted;
	struct err failed;
};

static enum bc_err add_window(struct big_file *f, const struct window *win,
			      struct err *e)
{
	const struct digest *ids = win->ids;
	enum bc_err rc = BC_OK;

	for (size_t k = 0; k < win->n_segs && rc == BC_OK; k++) {
		if (win->seg[k].kind == CHUNK_SEG_ZERO)
			rc = content_builder_zeros(f->content, win->seg[k].len,
						   e);
		else
			rc = content_builder_chunk(f->content, ids++,
						   win->seg[k].len, e);
	}
	return rc;
}

static void free_window(struct put *p, struct window *win)
{
	pthread_mutex_lock(&p->lock);
	win->next = p->free_windows;
	p->free_windows = win;
	p->changes++;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

/* In order of their numbers, whatever order they are done in. */
static void window_done(struct big_file *f, struct window *win,
			const struct err *err)
{
	struct window **at;

	pthread_mutex_lock(&f->lock);
	if (f->failed.code == BC_OK && err->code != BC_OK)
		f->failed = *err;
	win->next = f->done;
	f->done = win;
	for (at = &f->done; *at != NULL;) {
		struct window *one = *at;

		if (one->seq != f->next) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		if (f->failed.code == BC_OK)
			(void)!add_window(f, one, &f->failed);
		f->next++;
		free_window(f->p, one);
		at = &f->done;
	}
	pthread_mutex_unlock(&f->lock);
}

void file_window(struct worker *w, struct window *win)
{
	struct err err = ERR_INIT;
	const uint8_t *at = win->buf;
	size_t n = 0;
	enum bc_err rc = worker_ready(w, &err);

	for (size_t k = 0; k < win->n_segs; k++) {
		if (win->seg[k].kind == CHUNK_SEG_DATA)
			w->job[n++].msg = bytes_of(at, win->seg[k].len);
		at += win->seg[k].len;
	}
	if (rc == BC_OK)
		rc = store_chunks(w, n, win->ids, &err);
	if (rc != BC_OK)
		put_fail(w->p, rc, &err);
	count_bytes(w, (uint64_t)(at - win->buf));
	window_done(win->file, win, &err);
}

static bool all_done(void *ctx)
{
	struct big_file *f = ctx;
	bool done;

	pthread_mutex_lock(&f->lock);
	done = f->next == f->submitted;
	pthread_mutex_unlock(&f->lock);
	return done;
}

static enum bc_err file_failed(struct big_file *f, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&f->lock);
	rc = f->failed.code;
	if (rc != BC_OK && e != NULL)
		*e = f->failed;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* How a stretch of a file is read. */
struct stretch {
	int fd;
	bool seekable;
	uint64_t at, end; /* end UINT64_MAX: to the end of the file */
	uint64_t got;	  /* bytes read in all */
	int sys;	  /* errno of a failed read */
};

static ssize_t fill(struct stretch *s, uint8_t *p, size_t room)
{
	size_t got = 0;

	room = (size_t)min_u64(room, s->end - s->at);
	while (got < room) {
		ssize_t n = s->seekable ? pread(s->fd, p + got, room - got,
						(off_t)(s->at + got))
					: read(s->fd, p + got, room - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			s->sys = errno;
			return -1;
		}
		if (n == 0)
			break;
		got += (size_t)n;
	}
	s->at += got;
	s->got += got;
	return (ssize_t)got;
}

/* One data stretch of a file, cut by itself, window by window. */
static enum bc_err read_stretch(struct worker *w, struct big_file *f,
				struct stretch *s, struct err *e)
{
	struct put *p = w->p;
	struct chunk_cursor cur = { .offset = 0 };
	struct window *win = NULL;
	size_t have = 0;
	bool eof = false;
	uint8_t *carry = NULL;
	size_t carry_n = 0;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && (!eof || carry_n > 0)) {
		size_t used = 0;
		ssize_t n = 0;

		sched_pause_point(w);
		win = sched_window(w);
		if (win == NULL)
			break;
		win->file = f;
		if (carry_n > 0)
			memcpy(win->buf, carry, carry_n);
		have = carry_n;
		if (!eof)
			n = fill(s, win->buf + have, p->window_bytes - have);
		if (n < 0) {
			free_window(p, win);
			break;
		}
		eof = eof || (size_t)n < p->window_bytes - have;
		have += (size_t)n;
		win->n_segs = chunker_next(&p->chunker, &cur,
					   bytes_of(win->buf, have), eof,
					   win->seg, WINDOW_SEGS, &used);
		if (carry == NULL)
			carry = malloc(p->window_bytes);
		if (carry == NULL) {
			free_window(p, win);
			rc = err_set(e, BC_ENOMEM, "no memory for a window");
			break;
		}
		carry_n = have - used;
		if (carry_n > 0)
			memcpy(carry, win->buf + used, carry_n);
		win->seq = f->submitted++;
		sched_push_window(p, win);
		rc = file_failed(f, e);
	}
	free(carry);
	return rc;
}

/* Where the next data begins, and the hole before it. */
static bool next_data(int fd, uint64_t at, uint64_t size, uint64_t *data,
		      uint64_t *end)
{
	off_t d = lseek(fd, (off_t)at, SEEK_DATA);
	off_t h;

	if (d < 0) {
		/* ENXIO: only a hole up to the end. Anything else: this file
		 * system cannot tell, all is data. */
		*data = errno == ENXIO ? size : at;
		*end = size;
		return errno == ENXIO;
	}
	h = lseek(fd, d, SEEK_HOLE);
	*data = (uint64_t)d;
	*end = h < 0 ? size : (uint64_t)h;
	return true;
}

static enum bc_err wait_windows(struct worker *w, struct big_file *f,
				struct err *e)
{
	sched_help(w, all_done, f);
	return file_failed(f, e);
}

static enum bc_err read_sparse(struct worker *w, struct big_file *f, int fd,
			       uint64_t size, struct stretch *s, struct err *e)
{
	uint64_t at = 0;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && at < size && s->sys == 0) {
		uint64_t data = at, end = size;

		if (!next_data(fd, at, size, &data, &end))
			end = size;
		data = min_u64(data, size);
		end = min_u64(end, size);
		if (data > at) {
			/* Windows before it must be in the content first. */
			rc = wait_windows(w, f, e);
			if (rc == BC_OK)
				rc = content_builder_hole(f->content, data - at,
							  e);
			s->got += data - at;
			count_bytes(w, data - at);
		}
		if (rc == BC_OK && end > data) {
			s->at = data;
			s->end = end;
			rc = read_stretch(w, f, s, e);
		}
		at = max_u64(end, data);
	}
	return rc;
}

/* Read a large file once. *got is how long it was. */
static enum bc_err read_big(struct worker *w, struct range *r, uint32_t i,
			    int fd, const struct item *it, uint64_t *got,
			    int *sys, struct err *e)
{
	struct big_file f = { .p = w->p, .content = &w->content };
	struct stretch s = { .fd = fd,
			     .seekable = it != NULL,
			     .end = UINT64_MAX };
	struct content c;
	enum bc_err rc, waited;

	pthread_mutex_init(&f.lock, NULL);
	content_builder_begin(&w->content);
	if (it != NULL && it->blocks * 512 < it->size)
		rc = read_sparse(w, &f, fd, it->size, &s, e);
	else
		rc = read_stretch(w, &f, &s, e);
	waited = wait_windows(w, &f, rc == BC_OK ? e : NULL);
	rc = rc == BC_OK ? waited : rc;
	if (rc == BC_OK && !put_failed(w->p) && s.sys == 0) {
		rc = content_builder_finish(&w->content, &c, e);
		if (rc == BC_OK)
			rc = keep_content(r, i, &c, e);
	}
	pthread_mutex_destroy(&f.lock);
	*got = s.got;
	*sys = s.sys;
	return rc;
}

enum bc_err file_stream(struct worker *w, int fd, struct range *r, uint32_t i,
			struct err *e)
{
	uint64_t got = 0;
	int sys = 0;
	enum bc_err rc = worker_ready(w, e);

	if (rc == BC_OK)
		rc = read_big(w, r, i, fd, NULL, &got, &sys, e);
	if (rc == BC_OK && sys != 0)
		rc = err_sys(e, sys, "cannot read standard input");
	return rc;
}

/* ---- one file -------------------------------------------------------------
 */

enum read_result { READ_OK, READ_CHANGED, READ_FAILED };

static enum read_result read_small(struct worker *w, struct range *r,
				   uint32_t i, int fd, int *sys, struct err *e,
				   enum bc_err *rc)
{
	struct batch_file *f = &w->file[w->n_files];
	size_t size = (size_t)r->item[i].size;
	ssize_t got = read_all(fd, w->batch + w->batch_n, size + 1, 0);

	if (got < 0) {
		*sys = errno;
		return READ_FAILED;
	}
	if ((size_t)got != size)
		return READ_CHANGED;
	f->range = r;
	f->entry = i;
	if (!cut_small(w, size, f)) {
		/* Many short segments: an empty batch has room. */
		*rc = file_flush(w, e);
		if (*rc != BC_OK)
			return READ_FAILED;
		return READ_CHANGED;
	}
	w->n_files++;
	w->batch_n += size;
	r->batched++;
	return READ_OK;
}

static void drop_small(struct worker *w)
{
	struct batch_file *f = &w->file[--w->n_files];

	f->range->batched--;
	w->batch_n -= (size_t)f->size;
	w->n_segs = f->first;
}

static bool batch_has_room(const struct worker *w, uint64_t size)
{
	return w->n_files < BATCH_FILES && w->n_segs + 64 < BATCH_SEGS &&
	       w->batch_n + size + 1 <= w->p->batch_bytes;
}

/* Read it once; the entry has what was read. */
static enum read_result read_once(struct worker *w, struct range *r, uint32_t i,
				  int fd, int *sys, struct err *e,
				  enum bc_err *rc)
{
	uint64_t size = r->item[i].size;
	struct item after;
	enum read_result got = READ_OK;
	bool small =
		size <= SMALL_FILE_BYTES &&
		(size <= SPARSE_MIN_BYTES || r->item[i].blocks * 512 >= size);

	if (!small || !batch_has_room(w, size))
		*rc = file_flush(w, e);
	if (*rc != BC_OK)
		return READ_FAILED;
	if (small) {
		got = read_small(w, r, i, fd, sys, e, rc);
	} else {
		*rc = read_big(w, r, i, fd, &r->item[i], &size, sys, e);
		if (*rc != BC_OK || *sys != 0)
			return READ_FAILED;
		if (size != r->item[i].size)
			got = READ_CHANGED;
	}
	if (got == READ_FAILED)
		return got;
	if (source_fstat(fd, &after) != 0)
		after.ino = 0;
	if (got == READ_OK && item_same(&after, &r->item[i]))
		return READ_OK;
	/* A big file that changed keeps what was read of it last. */
	r->entry[i].content.size = size;
	if (got == READ_OK && small)
		drop_small(w);
	r->item[i] = after;
	return READ_CHANGED;
}

static void give_up(struct worker *w, struct range *r, uint32_t i, int sys)
{
	enum put_event_kind kind =
		sys == ENOENT ? PUT_VANISHED : PUT_UNREADABLE;
	const struct names *v = &r->dir->names;

	r->present[i] = false;
	put_event(w->p, kind, r->dir->path, name_at(v, r->first + i), sys);
}

/*
 * A file that changes while it is read, each time, is stored as far as it held
 * still: what was read is what it was at some moment of each of its parts.
 */
static enum bc_err store_changing(struct worker *w, struct range *r, uint32_t i,
				  int fd, struct err *e)
{
	uint64_t got = 0;
	int sys = 0;
	enum bc_err rc = file_flush(w, e);

	if (rc == BC_OK)
		rc = read_big(w, r, i, fd, NULL, &got, &sys, e);
	if (rc == BC_OK && sys != 0) {
		give_up(w, r, i, sys);
		return rc;
	}
	if (rc == BC_OK)
		put_event(w->p, PUT_CHANGED, r->dir->path,
			  name_at(&r->dir->names, r->first + i), 0);
	return rc;
}

void file_store(struct worker *w, struct range *r, uint32_t i, int dirfd)
{
	const char *name = name_at(&r->dir->names, r->first + i);
	int fd = source_open_file(dirfd, name);
	struct err err = ERR_INIT;
	enum bc_err rc = BC_OK;
	enum read_result got = READ_CHANGED;
	int sys = fd < 0 ? errno : 0;

	if (sys == 0)
		sys = source_fstat(fd, &r->item[i]);
	/* It was a file when it was listed; now it may be anything. */
	if (sys == 0 && r->item[i].type != TREE_FILE)
		sys = ENOENT;
	if (sys == 0)
		rc = worker_ready(w, &err);
	for (int k = 0;
	     k <= REREADS_MAX && sys == 0 && rc == BC_OK && got == READ_CHANGED;
	     k++)
		got = read_once(w, r, i, fd, &sys, &err, &rc);
	if (rc == BC_OK && sys == 0 && got == READ_CHANGED) {
		/* From the beginning of what there is now. */
		if (lseek(fd, 0, SEEK_SET) == 0)
			rc = store_changing(w, r, i, fd, &err);
	}
	if (sys != 0)
		give_up(w, r, i, sys);
	else if (rc == BC_OK && r->present[i])
		rc = entry_fill(w, r, i, fd, dirfd, &err);
	if (fd >= 0)
		close(fd);
	if (rc != BC_OK)
		put_fail(w->p, rc, &err);
}
