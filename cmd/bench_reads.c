/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch folders for measurements, and many reads in flight. */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "repo/layout.h"

/* ---- scratch ---------------------------------------------------------------
 */

/* Where bytes of the repository lie, or would. */
static char *scratch_parent(struct ctx *c)
{
	const char *tmp = getenv("TMPDIR");
	char *path = NULL;

	if (ctx_find_repo(c, NULL) == BC_OK) {
		if (asprintf(&path, "%s/%s", c->repo_path, REPO_CACHE_DIR) < 0)
			return NULL;
		if (access(path, W_OK | X_OK) == 0)
			return path;
		free(path);
	}
	return strdup(tmp != NULL && *tmp != '\0' ? tmp : "/var/tmp");
}

enum bc_err bench_scratch_make(struct ctx *c, uint64_t need,
			       struct bench_scratch *out, struct err *e)
{
	struct bench_scratch s = BENCH_SCRATCH_INIT;
	struct io_space space;
	char *parent = scratch_parent(c);
	enum bc_err rc;

	if (parent == NULL ||
	    asprintf(&s.path, "%s/bench-XXXXXX", parent) < 0) {
		free(parent);
		return err_set(e, BC_ENOMEM, "no memory");
	}
	free(parent);
	if (mkdtemp(s.path) == NULL) {
		rc = err_sys(e, errno, "cannot make a scratch folder %s",
			     s.path);
		err_hint(e, "set TMPDIR to a folder for it");
		free(s.path);
		return rc;
	}
	msg_detail(&c->msg, "scratch folder %s", s.path);
	rc = io_dir_open(c->io, s.path, &s.dir, e);
	if (rc == BC_OK)
		rc = io_dir_space(s.dir, &space, e);
	if (rc == BC_OK && space.available < need) {
		char have[FMT_BYTES], want[FMT_BYTES];

		rc = err_set(e, BC_ENOSPC, "%s has %s left; this takes %s",
			     s.path, out_size(&c->out, space.available, have),
			     out_size(&c->out, need, want));
		err_hint(e, "set TMPDIR, or -R, to a larger file system");
	}
	if (rc != BC_OK) {
		bench_scratch_remove(&s);
		return rc;
	}
	*out = s;
	return BC_OK;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void bench_scratch_remove(struct bench_scratch *s)
{
	enum { FTW_FDS = 16 };

	io_dir_close(s->dir);
	if (s->path != NULL)
		(void)nftw(s->path, remove_one, FTW_FDS,
			   FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(s->path);
	*s = (struct bench_scratch)BENCH_SCRATCH_INIT;
}

char *bench_scratch_join(const struct bench_scratch *s, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", s->path, name) < 0 ? NULL : path;
}

/* ---- reads in flight -------------------------------------------------------
 */

struct flight {
	struct ctx *c;
	const struct bench_reads *r;
	struct io_queue *q;
	struct bench_shot *shots;
	struct bench_shot **done;
	double *took; /* microseconds */
	size_t begun, ended;
	double from, until;
	pthread_t thread;
	bool started;
	enum bc_err rc;
	struct err e;
};

static enum bc_err end_shots(struct flight *f, struct bench_shot *const *v,
			     size_t n, struct err *e)
{
	enum bc_err rc = n == 0 || f->r->end == NULL
				 ? BC_OK
				 : f->r->end(f->r->ctx, v, n, e);
	double now = bench_now();

	for (size_t i = 0; i < n; i++)
		f->took[f->ended++] = (now - v[i]->began) * 1e6;
	return rc;
}

static enum bc_err begin_shot(struct flight *f, struct bench_shot *s,
			      struct err *e)
{
	enum bc_err rc = BC_OK;

	/* Those that need no request are over at once. */
	do {
		if (f->begun == f->r->n)
			return BC_OK;
		f->begun++;
		s->waits = 0;
		s->began = bench_now();
		rc = f->r->begin(f->r->ctx, f->q, s, e);
		if (rc == BC_OK && s->waits == 0)
			rc = end_shots(f, &s, 1, e);
	} while (rc == BC_OK && s->waits == 0);
	return rc;
}

/* Everything that is back; those whose last request that was are over. */
static enum bc_err reap(struct flight *f, size_t *n, struct err *e)
{
	enum bc_err rc = io_queue_wait(f->q, 1, e);
	struct io_req *req;

	*n = 0;
	while (rc == BC_OK && (req = io_queue_take(f->q)) != NULL) {
		struct bench_shot *s = req->user;

		rc = io_req_check(req, e);
		if (rc == BC_OK && --s->waits == 0)
			f->done[(*n)++] = s;
	}
	return rc;
}

static enum bc_err fly(struct flight *f, struct err *e)
{
	enum bc_err rc = BC_OK;
	size_t n;

	for (unsigned i = 0; i < f->r->depth && rc == BC_OK; i++) {
		f->shots[i].user = f->r->users[i];
		rc = begin_shot(f, &f->shots[i], e);
	}
	while (rc == BC_OK && f->ended < f->r->n) {
		rc = f->r->wait == NULL ? reap(f, &n, e)
					: f->r->wait(f->r->ctx, f->done, &n, e);
		if (rc == BC_OK)
			rc = end_shots(f, f->done, n, e);
		for (size_t i = 0; i < n && rc == BC_OK; i++)
			rc = begin_shot(f, f->done[i], e);
		if (rc == BC_OK)
			rc = bench_stopped(f->c, e);
	}
	return rc;
}

static void *fly_thread(void *ctx)
{
	struct flight *f = ctx;

	if (f->r->prepare != NULL)
		f->rc = f->r->prepare(f->r->ctx, &f->e);
	f->from = bench_now();
	if (f->rc == BC_OK)
		f->rc = fly(f, &f->e);
	f->until = bench_now();
	return NULL;
}

static enum bc_err flight_init(struct flight *f, struct ctx *c,
			       const struct bench_reads *r, struct err *e)
{
	f->c = c;
	f->r = r;
	f->shots = calloc(r->depth, sizeof(*f->shots));
	f->done = calloc(r->depth + 1, sizeof(struct bench_shot *));
	f->took = calloc(r->n + 1, sizeof(*f->took));
	if (f->shots == NULL || f->done == NULL || f->took == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a measurement");
	if (r->wait != NULL)
		return BC_OK;
	return io_queue_new(c->io, r->depth * r->pieces, &f->q, e);
}

static void flight_fini(struct flight *f)
{
	io_queue_free(f->q);
	free(f->shots);
	free(f->done);
	free(f->took);
}

/* One thread each, the first in this one. */
static enum bc_err fly_all(struct flight *f, unsigned n, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (unsigned i = 1; i < n; i++)
		f[i].started = pthread_create(&f[i].thread, NULL, fly_thread,
					      &f[i]) == 0;
	fly_thread(&f[0]);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0 && !f[i].started)
			return err_set(e, BC_ENOMEM, "no thread to be had");
		if (i > 0)
			pthread_join(f[i].thread, NULL);
		if (rc == BC_OK && f[i].rc != BC_OK) {
			rc = f[i].rc;
			*e = f[i].e;
		}
	}
	return rc;
}

static enum bc_err summarise(const struct flight *f, unsigned n,
			     struct show_bench *row, struct err *e)
{
	size_t all = 0, at = 0;
	double *took, from = f[0].from, until = f[0].until;

	for (unsigned i = 0; i < n; i++) {
		all += f[i].ended;
		from = f[i].from < from ? f[i].from : from;
		until = f[i].until > until ? f[i].until : until;
	}
	took = calloc(all + 1, sizeof(*took));
	if (took == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a measurement");
	for (unsigned i = 0; i < n; i++) {
		memcpy(took + at, f[i].took, f[i].ended * sizeof(*took));
		at += f[i].ended;
	}
	row->seconds = until - from;
	row->operations = all;
	row->p50_us = bench_percentile(took, all, 0.5);
	row->p99_us = bench_percentile(took, all, 0.99);
	free(took);
	return BC_OK;
}

enum bc_err bench_reads_run(struct ctx *c, const struct bench_reads *shares,
			    unsigned threads, struct show_bench *row,
			    struct err *e)
{
	struct flight *f = calloc(threads, sizeof(*f));
	enum bc_err rc = f == NULL ? err_set(e, BC_ENOMEM, "no memory") : BC_OK;

	for (unsigned i = 0; i < threads && rc == BC_OK; i++)
		rc = flight_init(&f[i], c, &shares[i], e);
	if (rc == BC_OK)
		rc = fly_all(f, threads, e);
	if (rc == BC_OK)
		rc = summarise(f, threads, row, e);
	/* Before the buffers that requests may still be reading into. */
	for (unsigned i = 0; f != NULL && i < threads; i++)
		flight_fini(&f[i]);
	free(f);
	return rc;
}
