/* SPDX-License-Identifier: Apache-2.0 */
/* bench - what the files of the command share. */
#ifndef BC_CMD_BENCH_H
#define BC_CMD_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "cmd/cmd.h"
#include "cmd/show.h"
#include "io/io.h"
#include "io/queue.h"

/* What each stage does: rows by show_bench(), with the table begun. */
typedef enum bc_err bench_fn(struct ctx *c, struct err *e);

bench_fn bench_chunk, bench_hash, bench_codec, bench_lookup; /* compute */
bench_fn bench_io, bench_put, bench_get;		     /* storage */

/* The next of a fixed sequence of numbers. */
uint64_t bench_random(uint64_t *s);

/* bench_fill - n bytes of that sequence. */
void bench_fill(uint64_t *s, uint8_t *p, size_t n);

/* bench_text - n bytes that compress about as well as source code does. */
void bench_text(uint64_t *s, uint8_t *p, size_t n);

double bench_now(void); /* seconds, of a clock that never goes back */

/* bench_stopped - a signal came or the time is up: BC_ECANCEL. */
enum bc_err bench_stopped(struct ctx *c, struct err *e);

/* bench_percentile - of n values, which are sorted in place. */
double bench_percentile(double *v, size_t n, double p);

enum { BENCH_RUNS = 5 };

/*
 * bench_median - how long one run of fn takes; the first of BENCH_RUNS + 1 is
 * not counted.
 */
double bench_median(void (*fn)(void *ctx), void *ctx);

/* ---- a folder for the time of a measurement ------------------------------ */

struct bench_scratch {
	char *path;
	struct io_dir *dir;
};

#define BENCH_SCRATCH_INIT                                                     \
	{                                                                      \
		NULL, NULL                                                     \
	}

/*
 * bench_scratch_make - a new folder: among the repository's caches if a
 * repository is set, else in $TMPDIR, else in /var/tmp.
 *   need  bytes that will be written there; BC_ENOSPC if they do not fit
 */
BC_MUST_CHECK enum bc_err bench_scratch_make(struct ctx *c, uint64_t need,
					     struct bench_scratch *out,
					     struct err *e);

/* bench_scratch_remove - with all that is in it. */
void bench_scratch_remove(struct bench_scratch *s);

/* bench_scratch_join - a path in it; the caller frees it. NULL: no memory. */
char *bench_scratch_join(const struct bench_scratch *s, const char *name);

/* ---- reads in flight ----------------------------------------------------- */

/* A read that takes one request or several. */
struct bench_shot {
	double began;
	unsigned waits; /* requests in flight */
	void *user;
};

enum { BENCH_THREADS_MAX = 16 };

/* One thread's share of the reads. */
struct bench_reads {
	unsigned depth;	 /* shots at a time */
	unsigned pieces; /* requests of one shot, at most */
	size_t n;	 /* shots in all */
	/* What is done before the clock runs, by the thread that will read. May
	 * be NULL. */
	enum bc_err (*prepare)(void *ctx, struct err *e);
	/* Submits the requests of a shot, whose `user` is the shot, counting
	 * them in waits. May count none: it was done at once. */
	enum bc_err (*begin)(void *ctx, struct io_queue *q,
			     struct bench_shot *s, struct err *e);
	/* All requests of these are back. May be NULL. */
	enum bc_err (*end)(void *ctx, struct bench_shot *const *v, size_t n,
			   struct err *e);
	/* For shots that do not go through the queue, which is NULL then: waits
	 * for some of them. May be NULL. */
	enum bc_err (*wait)(void *ctx, struct bench_shot **done, size_t *n,
			    struct err *e);
	void **users; /* one for each shot in flight */
	void *ctx;
};

/*
 * bench_reads_run - do them, each share in a thread of its own; fills seconds,
 * operations and percentiles of *row.
 *   threads  1 to BENCH_THREADS_MAX
 */
BC_MUST_CHECK enum bc_err
bench_reads_run(struct ctx *c, const struct bench_reads *shares,
		unsigned threads, struct show_bench *row, struct err *e);

#endif
