/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/sched - workers and what they do next.
 *
 * Windows of large files come before directories (they hold memory), the
 * newest directory before older ones (so that the tree is walked depth first
 * and little is open). The calling thread is the first worker; others start
 * when there is more to do.
 */
#ifndef BC_INGEST_SCHED_H
#define BC_INGEST_SCHED_H

#include "util/err.h"

struct put;
struct worker;
struct dir_job;

/* sched_run - work until nothing is left to do; the error of a failed put. */
BC_MUST_CHECK enum bc_err sched_run(struct put *p, struct err *e);

/* sched_push - give a directory to whoever is free. Any worker. */
void sched_push(struct put *p, struct dir_job *d);

/* sched_start - one more worker, if all are busy and more are allowed. Under
 * the lock. */
void sched_start(struct put *p);

/* sched_pause_point - where a worker has no claimed chunk in its hands but
 * what is in its gather: the place to wait for a commit of packs. */
void sched_pause_point(struct worker *w);

#endif
