/* SPDX-License-Identifier: Apache-2.0 */
/* bench put: what a whole put costs, and a restore of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "cmd/pick.h"
#include "ingest/put.h"
#include "repo/create.h"
#include "restore/restore.h"

enum {
	SMALL_FILES = 4000,
	SMALL_DIRS = 100,
	SMALL_MIN_BYTES = 200,
	SMALL_MAX_BYTES = 32 << 10,
	LARGE_BYTES = 64 << 20,
	ONE_BYTES = 4096,
	ONE_RUNS = 101,
	SPACE_BYTES = 512 << 20,
};

struct putting {
	struct ctx *c;
	struct bench_scratch dir;
	char *repo, *source, *one, *dest;
	uint64_t seed;
	uint64_t bytes, files; /* of the source */
};

static enum bc_err write_one(const char *path, const uint8_t *p, size_t n,
			     struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	enum bc_err rc = BC_OK;

	if (fd < 0)
		return err_sys(e, errno, "cannot make %s", path);
	while (n > 0 && rc == BC_OK) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno != EINTR)
			rc = err_sys(e, errno, "cannot write %s", path);
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
	close(fd);
	return rc;
}

/* A source tree: text in small files of many folders, and one large file that
 * does not compress. */
static enum bc_err make_source(struct putting *p, uint8_t *buf, struct err *e)
{
	enum bc_err rc = BC_OK;
	char path[512];

	if (mkdir(p->source, 0700) != 0)
		return err_sys(e, errno, "cannot make %s", p->source);
	for (int i = 0; i < SMALL_FILES && rc == BC_OK; i++) {
		size_t n = SMALL_MIN_BYTES +
			   bench_random(&p->seed) % SMALL_MAX_BYTES;
		int end = snprintf(path, sizeof(path), "%s/%02d", p->source,
				   i % SMALL_DIRS);

		if (i < SMALL_DIRS && mkdir(path, 0700) != 0)
			return err_sys(e, errno, "cannot make %s", path);
		snprintf(path + end, sizeof(path) - (size_t)end, "/%d.c", i);
		bench_text(&p->seed, buf, n);
		rc = write_one(path, buf, n, e);
		p->bytes += n;
		p->files++;
		if (rc == BC_OK)
			rc = bench_stopped(p->c, e);
	}
	if (rc != BC_OK)
		return rc;
	bench_fill(&p->seed, buf, LARGE_BYTES);
	snprintf(path, sizeof(path), "%s/large", p->source);
	p->bytes += LARGE_BYTES;
	p->files++;
	return write_one(path, buf, LARGE_BYTES, e);
}

static enum bc_err open_repo(struct putting *p, bool write, struct repo **out,
			     struct err *e)
{
	const struct repo_options o = { .io = p->c->io,
					.rng = rng_system(),
					.clock = clock_system(),
					.write = write,
					.lock_wait_ms = 1000 };

	return repo_open(p->repo, &o, out, e);
}

/* One put as a command would do it, the repository's opening included. */
static enum bc_err put_once(struct putting *p, const char *path, bool no_cache,
			    struct put_result *r, double *seconds,
			    struct err *e)
{
	const struct put_root root = { .how = PUT_NAMED,
				       .path = path,
				       .name = strrchr(path, '/') + 1,
				       .source = path };
	const struct put_options o = { .roots = &root,
				       .n_roots = 1,
				       .threads = ctx_threads(p->c),
				       .no_cache = no_cache,
				       .name = bytes_str("bench"),
				       .host = bytes_str("bench"),
				       .user = bytes_str("bench"),
				       .program = bytes_str("bench"),
				       .time = INT64_MIN,
				       .stop = p->c->stop };
	struct repo *repo = NULL;
	double began = bench_now();
	enum bc_err rc = open_repo(p, true, &repo, e);

	if (rc == BC_OK)
		rc = ingest_put(repo, &o, r, e);
	repo_close(repo);
	*seconds = bench_now() - began;
	return rc;
}

static enum bc_err put_tree(struct putting *p, const char *what, bool no_cache,
			    struct err *e)
{
	struct show_bench row = { .stage = "put",
				  .variant = what,
				  .bytes = p->bytes,
				  .operations = p->files,
				  .p50_us = -1,
				  .p99_us = -1 };
	struct put_result r;
	enum bc_err rc = put_once(p, p->source, no_cache, &r, &row.seconds, e);

	if (rc != BC_OK)
		return rc;
	if (r.new_stored > 0)
		row.ratio = (double)r.new_stored / (double)p->bytes;
	show_bench(&p->c->out, &row);
	return BC_OK;
}

/* The time that a person waits for one small file to be safe. */
static enum bc_err put_small(struct putting *p, uint8_t *buf, struct err *e)
{
	struct show_bench row = { .stage = "put",
				  .variant = "one file of 4 KiB, durable",
				  .bytes = (uint64_t)ONE_RUNS * ONE_BYTES,
				  .operations = ONE_RUNS };
	double took[ONE_RUNS];
	enum bc_err rc = BC_OK;

	for (int i = 0; i < ONE_RUNS && rc == BC_OK; i++) {
		struct put_result r;

		bench_fill(&p->seed, buf, ONE_BYTES);
		rc = write_one(p->one, buf, ONE_BYTES, e);
		if (rc == BC_OK)
			rc = put_once(p, p->one, false, &r, &took[i], e);
		row.seconds += took[i];
		took[i] *= 1e6;
	}
	if (rc != BC_OK)
		return rc;
	row.p50_us = bench_percentile(took, ONE_RUNS, 0.5);
	row.p99_us = bench_percentile(took, ONE_RUNS, 0.99);
	show_bench(&p->c->out, &row);
	return BC_OK;
}

static enum bc_err get_tree(struct putting *p, struct err *e)
{
	struct show_bench row = { .stage = "put",
				  .variant = "got back",
				  .bytes = p->bytes,
				  .operations = p->files,
				  .p50_us = -1,
				  .p99_us = -1 };
	struct restore_options o = { .dest = p->dest,
				     .threads = ctx_threads(p->c),
				     .owner = RESTORE_OWNER_NONE,
				     .stop = p->c->stop };
	struct restore_result r;
	struct pick k = PICK_INIT;
	struct repo *repo = NULL;
	double began = bench_now();
	enum bc_err rc = open_repo(p, false, &repo, e);

	if (o.threads > RESTORE_THREADS_MAX)
		o.threads = RESTORE_THREADS_MAX;
	if (rc == BC_OK)
		rc = pick_open(&k, repo, "latest", 0, e);
	if (rc == BC_OK) {
		o.what = k.entry;
		rc = restore_run(repo, &o, &r, e);
	}
	pick_close(&k);
	repo_close(repo);
	row.seconds = bench_now() - began;
	if (rc == BC_OK)
		show_bench(&p->c->out, &row);
	return rc;
}

static enum bc_err run_all(struct putting *p, uint8_t *buf, struct err *e)
{
	struct repo_create_options o = { .io = p->c->io,
					 .rng = rng_system(),
					 .clock = clock_system() };
	enum bc_err rc;

	repo_create_defaults(&o);
	rc = repo_create(p->repo, &o, NULL, e);
	if (rc == BC_OK)
		rc = make_source(p, buf, e);
	if (rc == BC_OK)
		rc = put_tree(p, "first", false, e);
	if (rc == BC_OK)
		rc = put_tree(p, "unchanged", false, e);
	if (rc == BC_OK)
		rc = put_tree(p, "all read, all there", true, e);
	if (rc == BC_OK)
		rc = get_tree(p, e);
	if (rc == BC_OK)
		rc = put_small(p, buf, e);
	return rc;
}

enum bc_err bench_put(struct ctx *c, struct err *e)
{
	struct putting p = { .c = c, .seed = 1 };
	uint8_t *buf = malloc(LARGE_BYTES);
	enum bc_err rc = bench_scratch_make(c, SPACE_BYTES, &p.dir, e);

	if (rc == BC_OK) {
		p.repo = bench_scratch_join(&p.dir, "repo");
		p.source = bench_scratch_join(&p.dir, "source");
		p.one = bench_scratch_join(&p.dir, "one");
		p.dest = bench_scratch_join(&p.dir, "dest");
		rc = buf == NULL || p.repo == NULL || p.source == NULL ||
				     p.one == NULL || p.dest == NULL
			     ? err_set(e, BC_ENOMEM, "no memory for the data")
			     : run_all(&p, buf, e);
	}
	bench_scratch_remove(&p.dir);
	free(p.repo);
	free(p.source);
	free(p.one);
	free(p.dest);
	free(buf);
	return rc;
}
