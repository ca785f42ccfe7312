/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/sched - workers and what they do next.
 *
 * Windows of large files come first (they hold memory), then ranges that are
 * read (so do they), then directories, the newest one before older ones (so
 * that the tree is walked depth first and little is open). The calling thread
 * is the first worker; others start when there is more to do.
 */
#ifndef BC_INGEST_SCHED_H
#define BC_INGEST_SCHED_H

#include <stddef.h>

#include "util/err.h"

struct put;
struct worker;
struct dir_job;
struct range;

/* sched_run - work until nothing is left to do; the error of a failed put. */
BC_MUST_CHECK enum bc_err sched_run(struct put *p, struct err *e);

/* sched_push - give a directory to whoever is free. Any worker. */
void sched_push(struct put *p, struct dir_job *d);

/* sched_stored - the small files of n ranges are stored: whoever is free goes
 * on with their directories. Any worker, in the middle of whatever. */
void sched_stored(struct put *p, struct range *const *r, size_t n);

/* sched_start - one more worker, if all are busy and more are allowed. Under
 * the lock. */
void sched_start(struct put *p);

/* sched_pause_point - where a worker has no claimed chunk in its hands but
 * what is in its gather: the place to wait for a commit of packs. */
void sched_pause_point(struct worker *w);

#endif
