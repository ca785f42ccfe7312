/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch folders for measurements, and many reads in flight. */
#include <errno.h>
#include <ftw.h>
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
	const struct bench_reads *r;
	struct io_queue *q;
	struct bench_shot *shots;
	double *took; /* microseconds */
	size_t begun, ended;
};

static enum bc_err end_shot(struct flight *f, struct bench_shot *s,
			    struct err *e)
{
	enum bc_err rc = f->r->end(f->r->ctx, s, e);

	f->took[f->ended++] = (bench_now() - s->began) * 1e6;
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
			rc = end_shot(f, s, e);
	} while (rc == BC_OK && s->waits == 0);
	return rc;
}

static enum bc_err fly(struct ctx *c, struct flight *f, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (unsigned i = 0; i < f->r->depth && rc == BC_OK; i++) {
		f->shots[i].user = f->r->users[i];
		rc = begin_shot(f, &f->shots[i], e);
	}
	while (rc == BC_OK && f->ended < f->r->n) {
		struct io_req *req;

		rc = io_queue_wait(f->q, 1, e);
		while (rc == BC_OK && (req = io_queue_take(f->q)) != NULL) {
			struct bench_shot *s = req->user;

			rc = io_req_check(req, e);
			if (rc != BC_OK || --s->waits > 0)
				continue;
			rc = end_shot(f, s, e);
			if (rc == BC_OK)
				rc = begin_shot(f, s, e);
		}
		if (rc == BC_OK)
			rc = bench_stopped(c, e);
	}
	return rc;
}

enum bc_err bench_reads_run(struct ctx *c, const struct bench_reads *r,
			    struct show_bench *row, struct err *e)
{
	struct flight f = { .r = r };
	double began;
	enum bc_err rc;

	f.shots = calloc(r->depth, sizeof(*f.shots));
	f.took = calloc(r->n, sizeof(*f.took));
	rc = f.shots == NULL || f.took == NULL
		     ? err_set(e, BC_ENOMEM, "no memory for a measurement")
		     : io_queue_new(r->io, r->depth * r->pieces, &f.q, e);
	began = bench_now();
	if (rc == BC_OK)
		rc = fly(c, &f, e);
	row->seconds = bench_now() - began;
	row->operations = f.ended;
	/* Before the buffers that requests may still be reading into. */
	io_queue_free(f.q);
	if (rc == BC_OK) {
		row->p50_us = bench_percentile(f.took, f.ended, 0.5);
		row->p99_us = bench_percentile(f.took, f.ended, 0.99);
	}
	free(f.shots);
	free(f.took);
	return rc;
}
