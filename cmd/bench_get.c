/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench get: reads at random places of objects, in one process, with one and
 * with 256 in flight; the same reads from plain files beside them.
 *
 * The reads are those of restore/ranges, as `cat --range` does them: past the
 * page cache, and verified.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "cmd/pick.h"
#include "ingest/put.h"
#include "io/queue.h"
#include "repo/create.h"
#include "restore/ranges.h"
#include "util/arith.h"

enum {
	DEPTH_MAX = 256,
	READS_ONE = 5000, /* one at a time */
	READS_MANY = 8000,
	WRITE_BYTES = 1 << 20,
	WARM_READS = 500,
	SPACE_BYTES = 640 << 20,
};

/* Objects of one size. */
static const struct class
{
	const char *name;
	uint64_t bytes;
	unsigned n;
} CLASSES[] = {
	{ "12 KB", 12000, 2000 },
	{ "100 KB", 100000, 400 },
	{ "1 MB", 1000000, 60 },
	{ "31 MB", 31000000, 4 },
};
enum { CLASS_COUNT = sizeof(CLASSES) / sizeof(CLASSES[0]) };

struct reading {
	struct ctx *c;
	struct bench_scratch dir;
	struct io_dir *source;
	struct repo *repo;
	struct pick pick;
	struct resolved *objects; /* of one class */
	const struct class *class;
};

/* ---- the objects -----------------------------------------------------------
 */

static enum bc_err make_object(const char *path, uint64_t bytes, uint64_t *seed,
			       uint8_t *buf, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum bc_err rc = BC_OK;

	if (fd < 0)
		return err_sys(e, errno, "cannot make %s", path);
	while (bytes > 0 && rc == BC_OK) {
		size_t n = (size_t)min_u64(bytes, WRITE_BYTES);

		bench_fill(seed, buf, n);
		if (write(fd, buf, n) != (ssize_t)n)
			rc = err_sys(e, errno, "cannot write %s", path);
		bytes -= n;
	}
	/* Direct reads would find what is not yet on the device in memory. */
	if (rc == BC_OK && fsync(fd) != 0)
		rc = err_sys(e, errno, "cannot sync %s", path);
	close(fd);
	return rc;
}

static enum bc_err make_objects(struct reading *r, const char *source,
				struct err *e)
{
	uint8_t *buf = malloc(WRITE_BYTES);
	uint64_t seed = 1;
	enum bc_err rc =
		buf == NULL ? err_set(e, BC_ENOMEM, "no memory") : BC_OK;

	if (rc == BC_OK && mkdir(source, 0700) != 0)
		rc = err_sys(e, errno, "cannot make %s", source);
	for (size_t k = 0; k < CLASS_COUNT; k++)
		for (unsigned i = 0; i < CLASSES[k].n && rc == BC_OK; i++) {
			char path[512];

			snprintf(path, sizeof(path), "%s/%zu-%u", source, k, i);
			rc = make_object(path, CLASSES[k].bytes, &seed, buf, e);
			if (rc == BC_OK)
				rc = bench_stopped(r->c, e);
		}
	free(buf);
	return rc;
}

static enum bc_err store_objects(struct reading *r, const char *path,
				 const char *source, struct err *e)
{
	struct repo_create_options o = { .io = r->c->io,
					 .rng = rng_system(),
					 .clock = clock_system() };
	const struct repo_options ro = { .io = r->c->io,
					 .rng = rng_system(),
					 .clock = clock_system(),
					 .write = true,
					 .lock_wait_ms = 1000 };
	const struct put_root root = { .how = PUT_CONTENTS,
				       .path = source,
				       .source = source };
	const struct put_options po = { .roots = &root,
					.n_roots = 1,
					.threads = ctx_threads(r->c),
					.name = bytes_str("objects"),
					.host = bytes_str("bench"),
					.user = bytes_str("bench"),
					.program = bytes_str("bench"),
					.time = INT64_MIN,
					.stop = r->c->stop };
	struct put_result pr;
	enum bc_err rc;

	repo_create_defaults(&o);
	rc = repo_create(path, &o, NULL, e);
	if (rc == BC_OK)
		rc = repo_open(path, &ro, &r->repo, e);
	if (rc == BC_OK)
		rc = ingest_put(r->repo, &po, &pr, e);
	if (rc == BC_OK)
		rc = pick_open(&r->pick, r->repo, "latest", 0, e);
	return rc;
}

static void close_objects(struct reading *r)
{
	for (unsigned i = 0; r->objects != NULL && i < r->class->n; i++) {
		resolved_fini(&r->objects[i]);
	}
	free(r->objects);
	r->objects = NULL;
}

/* As a server has objects open: where their chunks are listed is in memory,
 * for long ones the topmost list. */
static enum bc_err open_objects(struct reading *r, size_t k, struct err *e)
{
	enum bc_err rc = BC_OK;

	r->class = &CLASSES[k];
	r->objects = calloc(r->class->n, sizeof(*r->objects));
	if (r->objects == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (unsigned i = 0; i < r->class->n && rc == BC_OK; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%zu-%u", k, i);
		rc = resolve_path(r->pick.chunks, r->pick.snapshot, name,
				  &r->objects[i], e);
	}
	return rc;
}

/* ---- a read ----------------------------------------------------------------
 */

struct shot {
	struct range_read read;
	/* Of a plain file. */
	struct io_req req;
	struct io_file *file;
	uint8_t *buf;
};

/* What one thread has. */
struct reader {
	struct reading *r;
	size_t len;
	bool plain_files;
	uint64_t seed;
	struct ranges *ranges;
	struct shot *shots;
	void *users[DEPTH_MAX];
	unsigned depth;
};

/* Few open files may be allowed: a plain file is opened when it is read. */
static enum bc_err begin_plain(struct reader *t, unsigned object,
			       struct io_queue *q, struct bench_shot *b,
			       struct err *e)
{
	struct shot *s = b->user;
	const struct class *k = t->r->class;
	uint64_t from = round_down(s->read.offset, IO_ALIGN);
	/* A direct read ends with the file, wherever that is. */
	uint64_t end = round_up(s->read.offset + s->read.len, IO_ALIGN);
	char name[32];
	enum bc_err rc;

	snprintf(name, sizeof(name), "%zu-%u", (size_t)(k - CLASSES), object);
	rc = io_file_open(t->r->source, name, IO_READ | IO_DIRECT, &s->file, e);
	if (rc != BC_OK)
		return rc;
	if (end > k->bytes)
		end = round_down(k->bytes, IO_ALIGN);
	if (end <= from)
		from = end - IO_ALIGN;
	s->req = (struct io_req){ .op = IO_REQ_READ,
				  .file = s->file,
				  .buf = s->buf,
				  .off = from,
				  .len = (size_t)(end - from),
				  .user = b };
	b->waits = 1;
	return io_queue_submit(q, &s->req, e);
}

static enum bc_err begin_read(void *ctx, struct io_queue *q,
			      struct bench_shot *b, struct err *e)
{
	struct reader *t = ctx;
	struct shot *s = b->user;
	uint64_t size = t->r->class->bytes;
	unsigned object = (unsigned)(bench_random(&t->seed) % t->r->class->n);

	s->read = (struct range_read){
		.content = &t->r->objects[object].entry.content,
		.len = (size_t)min_u64(t->len, size),
		.out = s->buf,
		.user = b,
	};
	s->read.offset = bench_random(&t->seed) % (size - s->read.len + 1);
	if (t->plain_files)
		return begin_plain(t, object, q, b, e);
	b->waits = 1;
	return ranges_submit(t->ranges, &s->read, e);
}

static enum bc_err wait_reads(void *ctx, struct bench_shot **done, size_t *n,
			      struct err *e)
{
	struct reader *t = ctx;
	struct range_read *read;
	enum bc_err rc = ranges_wait(t->ranges, e);

	*n = 0;
	while (rc == BC_OK && (read = ranges_take(t->ranges)) != NULL) {
		rc = range_check(read, e);
		done[(*n)++] = read->user;
	}
	return rc;
}

static enum bc_err end_plain(void *ctx, struct bench_shot *const *v, size_t n,
			     struct err *e)
{
	(void)ctx;
	(void)e;
	for (size_t i = 0; i < n; i++) {
		struct shot *s = v[i]->user;

		io_file_close(s->file, NULL);
		s->file = NULL;
	}
	return BC_OK;
}

/* ---- runs ------------------------------------------------------------------
 */

static void reader_fini(struct reader *t)
{
	ranges_free(t->ranges);
	for (unsigned i = 0; t->shots != NULL && i < t->depth; i++) {
		io_file_close(t->shots[i].file, NULL);
		free(t->shots[i].buf);
	}
	free(t->shots);
}

static enum bc_err reader_init(struct reader *t, struct err *e)
{
	size_t bytes = round_up(t->len, IO_ALIGN) + IO_ALIGN;
	bool ok;

	t->shots = calloc(t->depth, sizeof(*t->shots));
	ok = t->shots != NULL;
	for (unsigned i = 0; i < t->depth && ok; i++) {
		t->shots[i].buf = aligned_alloc(IO_ALIGN, bytes);
		ok = t->shots[i].buf != NULL;
		t->users[i] = &t->shots[i];
	}
	if (!ok)
		return err_set(e, BC_ENOMEM, "no memory for reads");
	return t->plain_files ? BC_OK
			      : ranges_new(t->r->repo, t->depth, &t->ranges, e);
}

/* Directories of packs and content lists are read before the clock runs, as a
 * server has them. */
static enum bc_err warm(void *ctx, struct err *e)
{
	struct reader *t = ctx;
	struct reading *r = t->r;
	uint8_t byte;
	struct range_read read = { .len = 1, .out = &byte };
	enum bc_err rc = BC_OK;

	for (unsigned i = 0; i < WARM_READS && rc == BC_OK; i++) {
		read.content = &r->objects[i % r->class->n].entry.content;
		read.offset = r->class->bytes / WARM_READS * i;
		rc = ranges_submit(t->ranges, &read, e);
		if (rc == BC_OK)
			rc = ranges_wait(t->ranges, e);
		if (rc == BC_OK && ranges_take(t->ranges) != NULL)
			rc = range_check(&read, e);
	}
	return rc;
}

static enum bc_err run_reads(struct reading *r, size_t len, unsigned depth,
			     bool plain, struct err *e)
{
	unsigned threads = depth == 1 ? 1 : ctx_threads(r->c);
	struct reader *t;
	struct bench_reads share[BENCH_THREADS_MAX];
	char name[96];
	struct show_bench row = { .stage = "get", .variant = name };
	enum bc_err rc = BC_OK;

	if (threads > BENCH_THREADS_MAX)
		threads = BENCH_THREADS_MAX;
	t = calloc(threads, sizeof(*t));
	if (t == NULL)
		return err_set(e, BC_ENOMEM, "no memory for reads");
	for (unsigned i = 0; i < threads && rc == BC_OK; i++) {
		t[i].r = r;
		t[i].len = len;
		t[i].plain_files = plain;
		t[i].seed = i + 1;
		t[i].depth = depth / threads;
		rc = reader_init(&t[i], e);
		share[i] = (struct bench_reads){
			.depth = t[i].depth,
			.pieces = 1,
			.n = (depth == 1 ? READS_ONE : READS_MANY) / threads,
			.prepare = plain ? NULL : warm,
			.begin = begin_read,
			.end = plain ? end_plain : NULL,
			.wait = plain ? NULL : wait_reads,
			.users = t[i].users,
			.ctx = &t[i],
		};
	}
	if (rc == BC_OK)
		rc = bench_reads_run(r->c, share, threads, &row, e);
	for (unsigned i = 0; i < threads; i++)
		reader_fini(&t[i]);
	free(t);
	if (rc != BC_OK)
		return rc;
	row.bytes = row.operations * min_u64(len, r->class->bytes);
	snprintf(name, sizeof(name), "%zu bytes of %s, %u in flight%s", len,
		 r->class->name, depth, plain ? ", plain files" : "");
	show_bench(&r->c->out, &row);
	return BC_OK;
}

static enum bc_err run_class(struct reading *r, size_t k, struct err *e)
{
	static const size_t LENGTHS[] = { 4000, 65536 };
	static const unsigned DEPTHS[] = { 1, DEPTH_MAX };
	enum bc_err rc = open_objects(r, k, e);

	for (int i = 0; i < 8 && rc == BC_OK; i++)
		rc = run_reads(r, LENGTHS[i & 1], DEPTHS[i >> 1 & 1], i >> 2,
			       e);
	close_objects(r);
	return rc;
}

static enum bc_err run_all(struct reading *r, const char *repo,
			   const char *source, struct err *e)
{
	enum bc_err rc = make_objects(r, source, e);

	if (rc == BC_OK)
		rc = store_objects(r, repo, source, e);
	if (rc == BC_OK)
		rc = io_dir_open(r->c->io, source, &r->source, e);
	for (size_t k = 0; k < CLASS_COUNT && rc == BC_OK; k++)
		rc = run_class(r, k, e);
	return rc;
}

enum bc_err bench_get(struct ctx *c, struct err *e)
{
	struct reading r = { .c = c, .pick = PICK_INIT };
	char *repo = NULL, *source = NULL;
	enum bc_err rc = bench_scratch_make(c, SPACE_BYTES, &r.dir, e);

	if (rc == BC_OK) {
		repo = bench_scratch_join(&r.dir, "repo");
		source = bench_scratch_join(&r.dir, "source");
		rc = repo == NULL || source == NULL
			     ? err_set(e, BC_ENOMEM, "no memory")
			     : run_all(&r, repo, source, e);
	}
	pick_close(&r.pick);
	repo_close(r.repo);
	io_dir_close(r.source);
	bench_scratch_remove(&r.dir);
	free(repo);
	free(source);
	return rc;
}
