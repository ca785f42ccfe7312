/* SPDX-License-Identifier: Apache-2.0 */
/* bench io: the device through the engine, in the sizes that matter here. */
#include <stdlib.h>
#include <string.h>

#include "cmd/bench.h"
#include "io/pool.h"

enum {
	FILE_BYTES = 512 << 20,
	WRITE_BYTES = 1 << 20, /* of one request */
	WRITE_DEPTH = 4,
	READS = 20000,
	READS_ONE = 2000, /* one at a time */
};

struct device {
	struct ctx *c;
	struct io_dir *dir;
	struct io_file *file;
	struct io_pool *pool;
	uint64_t seed;
};

/* ---- sequential ------------------------------------------------------------
 */

static enum bc_err write_file(struct device *d, struct err *e)
{
	struct io_req req[WRITE_DEPTH];
	struct io_queue *q = NULL;
	uint8_t *buf[WRITE_DEPTH];
	uint64_t at = 0;
	enum bc_err rc = io_queue_new(d->c->io, WRITE_DEPTH, &q, e);

	for (int i = 0; i < WRITE_DEPTH; i++) {
		buf[i] = io_pool_get(d->pool);
		bench_fill(&d->seed, buf[i], WRITE_BYTES);
		req[i].user = NULL;
	}
	for (unsigned i = 0; rc == BC_OK && at < FILE_BYTES;
	     at += WRITE_BYTES) {
		struct io_req *r = &req[i++ % WRITE_DEPTH];

		if (i > WRITE_DEPTH) {
			rc = io_queue_wait(q, 1, e);
			r = rc == BC_OK ? io_queue_take(q) : NULL;
			if (rc == BC_OK)
				rc = io_req_check(r, e);
		}
		if (rc != BC_OK)
			break;
		*r = (struct io_req){ .op = IO_REQ_WRITE,
				      .file = d->file,
				      .buf = buf[r - req],
				      .len = WRITE_BYTES,
				      .off = at };
		rc = io_queue_submit(q, r, e);
		if (rc == BC_OK)
			rc = bench_stopped(d->c, e);
	}
	while (rc == BC_OK && io_queue_count(q) > 0) {
		rc = io_queue_wait(q, 1, e);
		if (rc == BC_OK)
			rc = io_req_check(io_queue_take(q), e);
	}
	io_queue_free(q);
	for (int i = 0; i < WRITE_DEPTH; i++)
		io_pool_put(d->pool, buf[i]);
	return rc == BC_OK ? io_file_datasync(d->file, e) : rc;
}

static enum bc_err bench_write(struct device *d, struct err *e)
{
	char name[64];
	struct show_bench row = { .stage = "io",
				  .variant = name,
				  .bytes = FILE_BYTES,
				  .p50_us = -1,
				  .p99_us = -1 };
	double began = bench_now();
	enum bc_err rc = write_file(d, e);

	if (rc != BC_OK)
		return rc;
	row.seconds = bench_now() - began;
	snprintf(name, sizeof(name), "%s%s, write 1 MiB, 4 in flight, synced",
		 io_engine_name(d->c->io),
		 io_file_direct(d->file) ? ", direct" : "");
	show_bench(&d->c->out, &row);
	return BC_OK;
}

/* ---- random reads ----------------------------------------------------------
 */

struct reading {
	struct device *d;
	size_t len;
	bool in_order;
	uint64_t next;
};

struct slot {
	struct io_req req;
	uint8_t *buf;
};

static enum bc_err begin_read(void *ctx, struct io_queue *q,
			      struct bench_shot *s, struct err *e)
{
	struct reading *r = ctx;
	struct slot *k = s->user;
	uint64_t places = FILE_BYTES / r->len;
	uint64_t at = r->in_order ? r->next++ : bench_random(&r->d->seed);

	k->req = (struct io_req){ .op = IO_REQ_READ,
				  .file = r->d->file,
				  .buf = k->buf,
				  .len = r->len,
				  .off = at % places * r->len,
				  .user = s };
	s->waits = 1;
	return io_queue_submit(q, &k->req, e);
}

static enum bc_err run_reads(struct device *d, struct slot *slots, void **users,
			     size_t len, unsigned depth, bool in_order,
			     struct err *e)
{
	struct reading r = { .d = d, .len = len, .in_order = in_order };
	struct bench_reads b = { .depth = depth,
				 .pieces = 1,
				 .n = depth == 1 ? READS_ONE : READS,
				 .begin = begin_read,
				 .users = users,
				 .ctx = &r };
	char name[80];
	struct show_bench row = { .stage = "io", .variant = name };
	uint8_t *mem = aligned_alloc(IO_ALIGN, len * depth);
	enum bc_err rc;

	if (mem == NULL)
		return err_set(e, BC_ENOMEM, "no memory for reads");
	for (unsigned i = 0; i < depth; i++) {
		slots[i].buf = mem + i * len;
		users[i] = &slots[i];
	}
	if (b.n > FILE_BYTES / len)
		b.n = FILE_BYTES / len;
	io_file_forget(d->file, 0, 0);
	rc = bench_reads_run(d->c, &b, 1, &row, e);
	free(mem);
	if (rc != BC_OK)
		return rc;
	row.bytes = row.operations * len;
	snprintf(name, sizeof(name), "%s%s, read %zu KiB %s, %u in flight",
		 io_engine_name(d->c->io),
		 io_file_direct(d->file) ? ", direct" : "", len >> 10,
		 in_order ? "in order" : "anywhere", depth);
	show_bench(&d->c->out, &row);
	return BC_OK;
}

static enum bc_err all_reads(struct device *d, struct err *e)
{
	static const struct {
		size_t len;
		unsigned depth;
		bool in_order;
	} RUNS[] = {
		{ 1 << 20, 4, true },	  { 4 << 10, 1, false },
		{ 4 << 10, 256, false },  { 64 << 10, 1, false },
		{ 64 << 10, 256, false },
	};
	enum { DEPTH_MAX = 256 };
	struct slot *slots = calloc(DEPTH_MAX, sizeof(*slots));
	void *users[DEPTH_MAX];
	enum bc_err rc =
		slots == NULL ? err_set(e, BC_ENOMEM, "no memory") : BC_OK;

	for (size_t i = 0; i < sizeof(RUNS) / sizeof(RUNS[0]) && rc == BC_OK;
	     i++)
		rc = run_reads(d, slots, users, RUNS[i].len, RUNS[i].depth,
			       RUNS[i].in_order, e);
	free(slots);
	return rc;
}

enum bc_err bench_io(struct ctx *c, struct err *e)
{
	struct bench_scratch dir = BENCH_SCRATCH_INIT;
	struct device d = { .c = c, .seed = 1 };
	enum bc_err rc = bench_scratch_make(c, FILE_BYTES, &dir, e);

	if (rc == BC_OK)
		rc = io_pool_new(WRITE_DEPTH, WRITE_BYTES, &d.pool, e);
	if (rc == BC_OK)
		rc = io_file_open(dir.dir, "file",
				  IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT,
				  &d.file, e);
	if (rc == BC_OK)
		rc = bench_write(&d, e);
	if (rc == BC_OK)
		rc = all_reads(&d, e);
	io_file_close(d.file, NULL);
	io_pool_free(d.pool);
	bench_scratch_remove(&dir);
	return rc;
}
