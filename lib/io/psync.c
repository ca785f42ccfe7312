/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend for machines without a ring: a few threads that do one attempt
 * after the other with pread and pwrite.
 *
 * Threads come as requests do, so a queue that never has two in flight never
 * has one. The owner stages attempts without the lock; push hands the stage
 * over under it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "io/internal.h"

enum {
	/* Enough to keep an SSD busy with 4 KiB reads (71 k/s at 32 in
	 * flight, two thirds of that at 16); more threads cost more than
	 * they bring on small machines. */
	PSYNC_MAX_THREADS = 16,
};

struct psync {
	struct io_backend base;
	struct io_list_head stage; /* the owner's */
	unsigned outstanding;	   /* the owner's: started, not reaped */
	unsigned max_threads;
	unsigned nthreads;
	pthread_t thread[PSYNC_MAX_THREADS];

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t work;
	pthread_cond_t ready;
	struct io_list_head todo;
	struct io_list_head done;
	unsigned wanted; /* the owner sleeps until so many are done */
	bool stop;
};

static void *worker(void *ctx)
{
	struct psync *p = ctx;
	struct io_req *r;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->todo.n == 0 && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		r = req_pop(&p->todo);
		if (r == NULL)
			break;
		pthread_mutex_unlock(&p->lock);
		r->result = io_req_perform(r);
		pthread_mutex_lock(&p->lock);
		req_push(&p->done, r);
		if (p->wanted != 0 && p->done.n >= p->wanted)
			pthread_cond_signal(&p->ready);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the threads that the program knows of. */
static void more_threads(struct psync *p, unsigned want)
{
	sigset_t all, old;

	if (want > p->max_threads)
		want = p->max_threads;
	if (p->nthreads >= want)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->nthreads < want &&
	       pthread_create(&p->thread[p->nthreads], NULL, worker, p) == 0)
		p->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void psync_start(struct io_backend *b, struct io_req *r)
{
	struct psync *p = (struct psync *)b;

	req_push(&p->stage, r);
	p->outstanding++;
}

/* Do everything staged here and now. */
static void perform_stage(struct psync *p)
{
	struct io_req *r;

	while ((r = req_pop(&p->stage)) != NULL) {
		r->result = io_req_perform(r);
		pthread_mutex_lock(&p->lock);
		req_push(&p->done, r);
		pthread_mutex_unlock(&p->lock);
	}
}

static int psync_push(struct io_backend *b)
{
	struct psync *p = (struct psync *)b;
	unsigned n = p->stage.n;

	if (n == 0)
		return 0;
	more_threads(p, p->outstanding);
	if (p->nthreads == 0) {
		perform_stage(p);
		return 0;
	}
	pthread_mutex_lock(&p->lock);
	req_splice(&p->todo, &p->stage);
	if (n > 1)
		pthread_cond_broadcast(&p->work);
	else
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static int psync_reap(struct io_backend *b, unsigned min,
		      struct io_list_head *done)
{
	struct psync *p = (struct psync *)b;

	/* One alone that is waited for needs no other thread. */
	if (min > 0 && p->stage.n == 1 && p->outstanding == 1)
		perform_stage(p);
	psync_push(b);
	pthread_mutex_lock(&p->lock);
	p->wanted = min;
	while (p->done.n < min)
		pthread_cond_wait(&p->ready, &p->lock);
	p->wanted = 0;
	p->outstanding -= p->done.n;
	req_splice(done, &p->done);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static void psync_free(struct io_backend *b)
{
	struct psync *p = (struct psync *)b;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->ready);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int io_psync_backend_new(unsigned depth, struct io_backend **out)
{
	static const struct io_backend_ops ops = {
		.start = psync_start,
		.push = psync_push,
		.reap = psync_reap,
		.free = psync_free,
	};
	struct psync *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ENOMEM;
	p->base.ops = &ops;
	p->max_threads = depth < PSYNC_MAX_THREADS ? depth : PSYNC_MAX_THREADS;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->ready, NULL);
	*out = &p->base;
	return 0;
}
