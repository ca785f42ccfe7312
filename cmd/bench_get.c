/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench get: reads at random places of objects, in one process, with one and
 * with 256 in flight; the same reads from plain files beside them.
 *
 * A read finds its chunks in the object's content, their places in the index
 * and the pack's directory, reads past the page cache, and verifies each chunk
 * by its id before it copies what was asked for. Of a block that is stored as
 * it is only the chunks are read, of a compressed one all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/bench.h"
#include "cmd/pick.h"
#include "codec/zstd.h"
#include "hash/sha256.h"
#include "ingest/put.h"
#include "pack/open.h"
#include "repo/create.h"
#include "repo/dirs.h"
#include "tree/content_reader.h"
#include "util/arith.h"

enum {
	PIECES_MAX = 16, /* chunks of one read: 64 KiB in smallest ones */
	PACKS_MAX = 64,
	DEPTH_MAX = 256,
	READS_ONE = 1000, /* one at a time */
	READS_MANY = 8000,
	WRITE_BYTES = 1 << 20,
	SPACE_BYTES = 640 << 20,
	BATCH_CHUNKS = DEPTH_MAX * PIECES_MAX,
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

struct object {
	struct resolved at; /* in the repository */
	struct io_file *file;
};

struct reading {
	struct ctx *c;
	struct bench_scratch dir;
	struct io_dir *source;
	struct repo *repo;
	struct pick pick;
	struct object *objects; /* of one class */
	const struct class *class;
	pthread_mutex_t lock; /* packs */
	struct io_file *packs[PACKS_MAX];
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
		resolved_fini(&r->objects[i].at);
		io_file_close(r->objects[i].file, NULL);
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
				  &r->objects[i].at, e);
	}
	return rc;
}

/* Few open files may be allowed: a plain file is opened when it is read. */
static enum bc_err open_plain(struct reading *r, unsigned i, size_t k,
			      struct io_file **out, struct err *e)
{
	char name[32];

	snprintf(name, sizeof(name), "%zu-%u", k, i);
	return io_file_open(r->source, name, IO_READ | IO_DIRECT, out, e);
}

/* ---- a read ----------------------------------------------------------------
 */

/* A chunk, or with `whole` the compressed block it is in. */
struct piece {
	struct io_req req;
	struct digest id;
	struct dir_block block;
	bool whole;
	bool zeros;		/* nothing to read */
	uint32_t start, length; /* of the chunk, in the block's plain bytes */
	uint64_t from;		/* of the chunk in the file */
	size_t lead;		/* bytes read in front of what is wanted */
	size_t at;		/* in the shot's buffer */
	struct bytes plain;
};

struct shot {
	struct piece piece[PIECES_MAX];
	unsigned n;
	uint64_t from; /* in the object */
	size_t len;
	uint8_t *buf; /* what is read */
	size_t cap;
	struct buf plain[PIECES_MAX]; /* of compressed blocks */
	uint8_t *out;		      /* what was asked for */
	struct io_file *opened;
};

/* What one thread has. */
struct reader {
	struct reading *r;
	size_t len;
	bool plain_files;
	uint64_t seed;
	struct chunk_reader *chunks;
	struct content_reader content;
	struct codec_dec *dec;
	struct shot *shots;
	void *users[DEPTH_MAX];
	unsigned depth;
	struct sha256_job *jobs;
	struct digest *digests;
};

static enum bc_err pack_file(struct reading *r, uint32_t number,
			     struct io_file **out, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (number >= PACKS_MAX)
		return err_set(e, BC_ELIMIT, "too many packs to measure");
	pthread_mutex_lock(&r->lock);
	if (r->packs[number] == NULL)
		rc = repo_open_numbered(r->repo, number, true,
					&r->packs[number], e);
	*out = r->packs[number];
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* Where the bytes of one chunk are; the buffer's length grows by them. */
static enum bc_err plan_piece(struct reader *t, const struct content_run *run,
			      struct piece *p, size_t *bytes, struct err *e)
{
	struct chunk_place place = { .dir = NULL };
	uint64_t from, to;
	enum bc_err rc;

	*p = (struct piece){ .id = run->id,
			     .from = run->offset,
			     .length = (uint32_t)run->length };
	if (run->what != CONTENT_CHUNK) {
		p->zeros = true;
		return BC_OK;
	}
	rc = repo_locate(t->r->repo, &run->id, 0, &place, e);
	if (rc != BC_OK)
		return rc;
	p->block = place.dir->blocks[place.block];
	p->start = place.dir->starts[place.chunk];
	p->whole = p->block.codec != BLOCK_RAW;
	from = p->block.offset;
	to = from + BLOCK_HEAD_BYTES + p->block.stored;
	if (!p->whole) {
		from += BLOCK_HEAD_BYTES + p->start;
		to = from + p->length;
	}
	rc = pack_file(t->r, place.pack, &p->req.file, e);
	chunk_place_put(t->r->repo, &place);
	p->req.op = IO_REQ_READ;
	p->req.off = round_down(from, IO_ALIGN);
	p->req.len = (size_t)(round_up(to, IO_ALIGN) - p->req.off);
	p->lead = (size_t)(from - p->req.off);
	p->at = *bytes;
	*bytes += p->req.len;
	return rc;
}

static enum bc_err submit(struct shot *s, size_t bytes, struct io_queue *q,
			  struct bench_shot *b, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (bytes > s->cap) {
		free(s->buf);
		s->cap = 0;
		s->buf = aligned_alloc(IO_ALIGN, bytes);
		if (s->buf == NULL)
			return err_set(e, BC_ENOMEM, "no memory for a read");
		s->cap = bytes;
	}
	for (unsigned i = 0; i < s->n && rc == BC_OK; i++) {
		struct piece *p = &s->piece[i];

		if (p->zeros)
			continue;
		p->req.buf = s->buf + p->at;
		p->req.user = b;
		b->waits++;
		rc = io_queue_submit(q, &p->req, e);
	}
	return rc;
}

static enum bc_err begin_object(struct reader *t, const struct object *o,
				struct shot *s, struct io_queue *q,
				struct bench_shot *b, struct err *e)
{
	size_t bytes = 0;
	struct content_run run;
	enum bc_err rc;

	content_reader_open(&t->content, &o->at.entry.content);
	rc = content_reader_seek(&t->content, s->from, e);
	for (s->n = 0; rc == BC_OK && s->n < PIECES_MAX; s->n++) {
		rc = content_reader_next(&t->content, &run, e);
		if (rc != BC_OK || run.what == CONTENT_END ||
		    run.offset >= s->from + s->len)
			break;
		rc = plan_piece(t, &run, &s->piece[s->n], &bytes, e);
	}
	return rc == BC_OK ? submit(s, bytes, q, b, e) : rc;
}

static enum bc_err begin_plain(struct reader *t, unsigned object,
			       struct shot *s, struct io_queue *q,
			       struct bench_shot *b, struct err *e)
{
	struct reading *r = t->r;
	struct piece *p = &s->piece[0];
	uint64_t from = round_down(s->from, IO_ALIGN);
	/* A direct read ends with the file, wherever that is. */
	uint64_t end = round_up(s->from + s->len, IO_ALIGN);
	enum bc_err rc = BC_OK;

	*p = (struct piece){ .length = (uint32_t)s->len };
	rc = open_plain(r, object, (size_t)(r->class - CLASSES), &s->opened, e);
	if (rc != BC_OK)
		return rc;
	if (end > r->class->bytes)
		end = round_down(r->class->bytes, IO_ALIGN);
	if (end <= from)
		from = end - IO_ALIGN;
	p->req = (struct io_req){ .op = IO_REQ_READ,
				  .file = s->opened,
				  .off = from,
				  .len = (size_t)(end - from) };
	s->n = 1;
	return submit(s, p->req.len, q, b, e);
}

static enum bc_err begin_read(void *ctx, struct io_queue *q,
			      struct bench_shot *b, struct err *e)
{
	struct reader *t = ctx;
	struct shot *s = b->user;
	uint64_t size = t->r->class->bytes;
	unsigned object = (unsigned)(bench_random(&t->seed) % t->r->class->n);

	s->len = (size_t)min_u64(t->len, size);
	s->from = bench_random(&t->seed) % (size - s->len + 1);
	return t->plain_files
		       ? begin_plain(t, object, s, q, b, e)
		       : begin_object(t, &t->r->objects[object], s, q, b, e);
}

/* ---- what came back --------------------------------------------------------
 */

/* The plain bytes of a piece's chunk. */
static enum bc_err open_piece(struct reader *t, struct shot *s, unsigned i,
			      struct err *e)
{
	struct piece *p = &s->piece[i];
	const uint8_t *raw = s->buf + p->at + p->lead;
	struct buf *plain = &s->plain[i];
	enum bc_err rc;

	if (!p->whole) {
		p->plain = bytes_of(raw, p->length);
		return BC_OK;
	}
	rc = block_open_to(&p->block, bytes_of(raw, p->req.len - p->lead),
			   t->dec, plain, e);
	if (rc == BC_OK)
		p->plain = bytes_of(plain->p + p->start, p->length);
	return rc;
}

/* Copies what was asked for out of verified chunks. */
static void copy_out(struct shot *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct piece *p = &s->piece[i];
		uint64_t from = max_u64(p->from, s->from);
		uint64_t to = min_u64(p->from + p->length, s->from + s->len);

		if (p->zeros)
			memset(s->out + (from - s->from), 0,
			       (size_t)(to - from));
		else
			memcpy(s->out + (from - s->from),
			       p->plain.p + (from - p->from),
			       (size_t)(to - from));
	}
}

/* All that came back together is verified together: in lanes. */
static enum bc_err end_reads(void *ctx, struct bench_shot *const *v, size_t n,
			     struct err *e)
{
	struct reader *t = ctx;
	size_t jobs = 0, k = 0;
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < n; i++) {
		struct shot *s = v[i]->user;

		io_file_close(s->opened, NULL);
		s->opened = NULL;
		for (unsigned j = 0; j < s->n && rc == BC_OK; j++) {
			if (t->plain_files || s->piece[j].zeros)
				continue;
			rc = open_piece(t, s, j, e);
			t->jobs[jobs] =
				(struct sha256_job){ s->piece[j].plain,
						     &t->digests[jobs] };
			jobs++;
		}
	}
	if (rc != BC_OK || t->plain_files)
		return rc;
	sha256_many(t->jobs, jobs);
	for (size_t i = 0; i < n; i++) {
		struct shot *s = v[i]->user;

		for (unsigned j = 0; j < s->n; j++)
			if (!s->piece[j].zeros &&
			    !digest_eq(&t->digests[k++], &s->piece[j].id))
				return err_set(e, BC_EDAMAGE,
					       "a chunk is not what it was");
		copy_out(s);
	}
	return BC_OK;
}

/* ---- runs ------------------------------------------------------------------
 */

static void reader_fini(struct reader *t)
{
	for (unsigned i = 0; t->shots != NULL && i < t->depth; i++) {
		struct shot *s = &t->shots[i];

		io_file_close(s->opened, NULL);
		for (unsigned j = 0; j < PIECES_MAX; j++)
			buf_fini(&s->plain[j]);
		free(s->buf);
		free(s->out);
	}
	content_reader_fini(&t->content);
	chunk_reader_free(t->chunks);
	codec_dec_free(t->dec);
	free(t->shots);
	free(t->jobs);
	free(t->digests);
}

static enum bc_err reader_init(struct reader *t, struct err *e)
{
	struct node_source source;
	bool ok;
	enum bc_err rc = chunk_reader_new(t->r->repo, &t->chunks, e);

	if (rc == BC_OK)
		rc = codec_dec_new(&t->dec, e);
	if (rc != BC_OK)
		return rc;
	source = chunk_node_source(t->chunks);
	content_reader_init(&t->content, &source);
	t->shots = calloc(t->depth, sizeof(*t->shots));
	t->jobs = calloc(BATCH_CHUNKS, sizeof(*t->jobs));
	t->digests = calloc(BATCH_CHUNKS, sizeof(*t->digests));
	ok = t->shots != NULL && t->jobs != NULL && t->digests != NULL;
	for (unsigned i = 0; i < t->depth && ok; i++) {
		struct shot *s = &t->shots[i];

		for (unsigned j = 0; j < PIECES_MAX; j++)
			buf_init(&s->plain[j], BLOCK_PLAIN_MAX_BYTES);
		s->out = malloc(t->len);
		ok = s->out != NULL;
		t->users[i] = s;
	}
	return ok ? BC_OK : err_set(e, BC_ENOMEM, "no memory for reads");
}

/* Nothing of it may be served from memory. */
static void evict(struct reading *r)
{
	for (unsigned i = 0; i < PACKS_MAX; i++)
		if (r->packs[i] != NULL)
			(void)posix_fadvise(io_file_fd(r->packs[i]), 0, 0,
					    POSIX_FADV_DONTNEED);
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
			.pieces = plain ? 1
					: (unsigned)min_u64(PIECES_MAX,
							    IO_QUEUE_MAX_DEPTH /
								    t[i].depth),
			.n = (depth == 1 ? READS_ONE : READS_MANY) / threads,
			.begin = begin_read,
			.end = end_reads,
			.users = t[i].users,
			.ctx = &t[i],
		};
	}
	evict(r);
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

	pthread_mutex_init(&r.lock, NULL);
	if (rc == BC_OK) {
		repo = bench_scratch_join(&r.dir, "repo");
		source = bench_scratch_join(&r.dir, "source");
		rc = repo == NULL || source == NULL
			     ? err_set(e, BC_ENOMEM, "no memory")
			     : run_all(&r, repo, source, e);
	}
	for (unsigned i = 0; i < PACKS_MAX; i++)
		io_file_close(r.packs[i], NULL);
	pick_close(&r.pick);
	repo_close(r.repo);
	io_dir_close(r.source);
	bench_scratch_remove(&r.dir);
	pthread_mutex_destroy(&r.lock);
	free(repo);
	free(source);
	return rc;
}
