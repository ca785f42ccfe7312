/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/sched.h"

#include "ingest/big.h"
#include "ingest/dir.h"
#include "ingest/run.h"
#include "ingest/window.h"
#include "ingest/worker.h"

/* ---- the pause ------------------------------------------------------------
 */

/*
 * When enough is stored, every worker brings what it holds to the session and
 * waits; the last one commits the packs.
 */
static void pause_here(struct worker *w)
{
	struct put *p = w->p;
	struct err e = ERR_INIT;
	enum bc_err rc = worker_flush(w, &e);
	uint64_t pauses;

	if (rc != BC_OK)
		put_fail(p, rc, &e);
	pthread_mutex_lock(&p->lock);
	pauses = p->pauses;
	if (++p->paused == p->workers) {
		pthread_mutex_unlock(&p->lock);
		if (!put_failed(p)) {
			rc = session_checkpoint(p->session, &e);
			if (rc != BC_OK)
				put_fail(p, rc, &e);
		}
		pthread_mutex_lock(&p->lock);
		p->pause = false;
		p->paused = 0;
		p->pauses++;
		pthread_cond_broadcast(&p->wake);
	}
	while (p->pauses == pauses)
		pthread_cond_wait(&p->wake, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void sched_pause_point(struct worker *w)
{
	struct put *p = w->p;
	bool pause;

	if (p->session == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	pause = p->pause;
	pthread_mutex_unlock(&p->lock);
	if (!pause && session_due(p->session)) {
		pthread_mutex_lock(&p->lock);
		p->pause = pause = true;
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
	if (pause)
		pause_here(w);
}

/* ---- tasks ----------------------------------------------------------------
 */

static void *worker_main(void *ctx);

void sched_start(struct put *p)
{
	if (p->busy != p->workers || p->pause || p->n_threads == THREADS_MAX ||
	    p->n_threads + 1 >= p->o->threads)
		return;
	if (pthread_create(&p->threads[p->n_threads], NULL, worker_main, p) ==
	    0) {
		p->n_threads++;
		p->workers++;
	}
}

void sched_push(struct put *p, struct dir_job *d)
{
	pthread_mutex_lock(&p->lock);
	/* One task keeps the one who pushes it busy; two need another. */
	if (p->stack != NULL)
		sched_start(p);
	d->next = p->stack;
	p->stack = d;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

/* What to do next; NULL for both when all is done. */
static bool next_task(struct worker *w, struct dir_job **d, struct window **win)
{
	struct put *p = w->p;
	bool more;

	*d = NULL;
	*win = NULL;
	pthread_mutex_lock(&p->lock);
	p->busy--;
	for (;;) {
		if (p->pause)
			break;
		*win = window_take(p);
		if (*win == NULL && p->failed.code == BC_OK &&
		    p->stack != NULL) {
			*d = p->stack;
			p->stack = (*d)->next;
		}
		if (*win != NULL || *d != NULL)
			break;
		/* Somebody may be waiting for what it holds. */
		if (w->batch.n_files > 0)
			break;
		if (p->busy == 0 || p->finished) {
			p->finished = true;
			pthread_cond_broadcast(&p->wake);
			break;
		}
		pthread_cond_wait(&p->wake, &p->lock);
	}
	p->busy++;
	more = *d != NULL || *win != NULL || w->batch.n_files > 0 ||
	       !p->finished;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static void work(struct worker *w)
{
	struct put *p = w->p;
	struct dir_job *d;
	struct window *win;
	struct err e = ERR_INIT;
	enum bc_err rc;

	while (next_task(w, &d, &win)) {
		if (win != NULL)
			big_window(w, win);
		else if (d != NULL)
			dir_work(w, d);
		else
			dir_flush(w);
		put_failed(p);
		sched_pause_point(w);
	}
	rc = worker_flush(w, &e);
	if (rc != BC_OK)
		put_fail(p, rc, &e);
	pthread_mutex_lock(&p->lock);
	p->busy--;
	p->workers--;
	pthread_mutex_unlock(&p->lock);
	worker_fini(w);
}

static void *worker_main(void *ctx)
{
	struct worker w = { .p = ctx };

	pthread_mutex_lock(&w.p->lock);
	w.p->busy++;
	pthread_mutex_unlock(&w.p->lock);
	work(&w);
	return NULL;
}

enum bc_err sched_run(struct put *p, struct err *e)
{
	struct worker w = { .p = p };

	p->workers = 1;
	p->busy = 1;
	work(&w);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	windows_free(p);
	if (p->failed.code != BC_OK && e != NULL)
		*e = p->failed;
	return p->failed.code;
}
