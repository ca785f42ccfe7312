/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/big.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/file.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/window.h"
#include "ingest/worker.h"
#include "util/arith.h"

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
		window_put(f->p, one);
		at = &f->done;
	}
	pthread_mutex_unlock(&f->lock);
}

void big_window(struct worker *w, struct window *win)
{
	struct err err = ERR_INIT;
	const uint8_t *at = win->buf;
	size_t n = 0;
	enum bc_err rc = worker_ready(w, &err);

	/* Without memory there is no w->job either. */
	for (size_t k = 0; k < win->n_segs && rc == BC_OK; k++) {
		if (win->seg[k].kind == CHUNK_SEG_DATA)
			w->job[n++].msg = bytes_of(at, win->seg[k].len);
		at += win->seg[k].len;
	}
	if (rc == BC_OK)
		rc = worker_store(w, n, win->ids, &err);
	if (rc != BC_OK)
		put_fail(w->p, rc, &err);
	worker_count(w, (uint64_t)(at - win->buf));
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

static enum bc_err failure(struct big_file *f, struct err *e)
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
	bool eof;	  /* of the stretch */
	uint64_t got;	  /* bytes read in all */
	int sys;	  /* errno of a failed read */
};

static bool await_input(const struct put *put, const struct stretch *s)
{
	const struct put_options *o = put->o;

	return s->seekable || o->await_input == NULL ||
	       o->await_input(o->ctx, s->fd);
}

static ssize_t fill(const struct put *put, struct stretch *s, uint8_t *p,
		    size_t room)
{
	size_t most = (size_t)min_u64(room, s->end - s->at);
	size_t got = 0;

	while (got < most) {
		ssize_t n;

		if (!await_input(put, s)) {
			s->sys = ECANCELED;
			return -1;
		}
		n = s->seekable ? pread(s->fd, p + got, most - got,
					(off_t)(s->at + got))
				: read(s->fd, p + got, most - got);
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
	s->eof = got < room;
	return (ssize_t)got;
}

/* Bytes after the last cut, which the next window begins with. */
struct carry {
	uint8_t *p; /* put.window_bytes */
	size_t n;
};

/* The next window of a stretch. False if there is none: the source failed, or
 * the put did. */
static bool read_window(struct worker *w, struct big_file *f, struct stretch *s,
			struct chunk_cursor *cur, struct carry *carry)
{
	struct put *p = w->p;
	struct window *win;
	size_t used = 0;
	ssize_t n = 0;

	sched_pause_point(w);
	win = window_get(w);
	if (win == NULL)
		return false;
	memcpy(win->buf, carry->p, carry->n);
	if (!s->eof)
		n = fill(p, s, win->buf + carry->n, p->window_bytes - carry->n);
	if (n < 0) {
		window_put(p, win);
		return false;
	}
	n += (ssize_t)carry->n;
	win->file = f;
	win->n_segs =
		chunker_next(&p->chunker, cur, bytes_of(win->buf, (size_t)n),
			     s->eof, win->seg, WINDOW_SEGS, &used);
	carry->n = (size_t)n - used;
	memcpy(carry->p, win->buf + used, carry->n);
	win->seq = f->submitted++;
	window_push(p, win);
	return true;
}

/* One data stretch of a file, cut by itself, window by window. */
static enum bc_err read_stretch(struct worker *w, struct big_file *f,
				struct stretch *s, struct err *e)
{
	struct chunk_cursor cur = { .offset = 0 };
	struct carry carry = { .p = malloc(w->p->window_bytes) };
	enum bc_err rc = BC_OK;

	if (carry.p == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a window");
	s->eof = false;
	while (rc == BC_OK && (!s->eof || carry.n > 0) &&
	       read_window(w, f, s, &cur, &carry))
		rc = failure(f, e);
	free(carry.p);
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
	window_help(w, all_done, f);
	return failure(f, e);
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
			worker_count(w, data - at);
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

enum bc_err big_read(struct worker *w, struct range *r, uint32_t i, int fd,
		     const struct item *it, struct reading *got, struct err *e)
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
	/* What was not read to its end has not changed: the put ends. */
	if (rc == BC_OK)
		rc = put_failure(w->p, e);
	if (rc == BC_OK && s.sys == 0) {
		rc = content_builder_finish(&w->content, &c, e);
		if (rc == BC_OK)
			rc = file_keep(r, i, &c, e);
	}
	pthread_mutex_destroy(&f.lock);
	*got = (struct reading){ .size = s.got, .sys = s.sys };
	return rc;
}
