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

void sched_stored(struct put *p, struct range *const *r, size_t n)
{
	if (n == 0)
		return;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		r[i]->next_stored = p->stored;
		p->stored = r[i];
	}
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

/* One of them, or none: then the worker brings its batch of small files, as
 * somebody may be waiting for it. */
struct task {
	struct window *window;
	struct range *stored;
	struct dir_job *dir;
};

/* Under the lock. */
static bool take_task(struct put *p, struct task *t)
{
	*t = (struct task){ .window = window_take(p) };
	if (t->window != NULL)
		return true;
	if (p->failed.code != BC_OK)
		return false;
	if (p->stored != NULL) {
		t->stored = p->stored;
		p->stored = t->stored->next_stored;
	} else if (p->stack != NULL) {
		t->dir = p->stack;
		p->stack = t->dir->next;
	}
	return t->stored != NULL || t->dir != NULL;
}

/* What to do next; false when all is done. */
static bool next_task(struct worker *w, struct task *t)
{
	struct put *p = w->p;
	bool more;

	*t = (struct task){ NULL, NULL, NULL };
	pthread_mutex_lock(&p->lock);
	p->busy--;
	for (;;) {
		if (p->pause)
			break;
		if (take_task(p, t) || w->batch.n_files > 0)
			break;
		if (p->busy == 0 || p->finished) {
			p->finished = true;
			pthread_cond_broadcast(&p->wake);
			break;
		}
		pthread_cond_wait(&p->wake, &p->lock);
	}
	p->busy++;
	more = t->window != NULL || t->stored != NULL || t->dir != NULL ||
	       w->batch.n_files > 0 || !p->finished;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static void work(struct worker *w)
{
	struct put *p = w->p;
	struct task t;
	struct err e = ERR_INIT;
	enum bc_err rc;

	while (next_task(w, &t)) {
		if (t.window != NULL)
			big_window(w, t.window);
		else if (t.stored != NULL)
			dir_read(w, t.stored);
		else if (t.dir != NULL)
			dir_work(w, t.dir);
		else
			(void)!small_flush(w, NULL);
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
