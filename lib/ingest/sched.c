/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers and what they do next: windows of large files before directories
 * (they hold memory), the newest directory before older ones (so that the
 * tree is walked depth first and little is open). The calling thread is the
 * first worker; others start when there is more to do.
 */
#include <stdlib.h>

#include "ingest/internal.h"
#include "util/arith.h"

/* ---- failures and events --------------------------------------------------
 */

void put_fail(struct put *p, enum bc_err rc, const struct err *e)
{
	pthread_mutex_lock(&p->lock);
	if (p->failed.code == BC_OK) {
		if (e != NULL)
			p->failed = *e;
		p->failed.code = rc;
	}
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

bool put_failed(struct put *p)
{
	bool failed;

	if (p->o->stop != NULL &&
	    atomic_load_explicit(p->o->stop, memory_order_relaxed)) {
		struct err e = ERR_INIT;

		err_set(&e, BC_ECANCEL, "stopped");
		put_fail(p, BC_ECANCEL, &e);
	}
	pthread_mutex_lock(&p->lock);
	failed = p->failed.code != BC_OK;
	pthread_mutex_unlock(&p->lock);
	return failed;
}

char *put_path(const char *dir, const char *name)
{
	size_t above = strlen(dir), n = strlen(name) + 1;
	char *path = malloc(above + 1 + n);

	if (path == NULL)
		return NULL;
	memcpy(path, dir, above);
	if (above > 0)
		path[above++] = '/';
	memcpy(path + above, name, n);
	return path;
}

void put_event(struct put *p, enum put_event_kind kind, const char *dir,
	       const char *name, int sys)
{
	struct err e = ERR_INIT;
	char *path = put_path(dir, name);

	pthread_mutex_lock(&p->lock);
	p->vanished += kind == PUT_VANISHED;
	p->changed += kind == PUT_CHANGED;
	p->unreadable += kind == PUT_UNREADABLE;
	pthread_mutex_unlock(&p->lock);
	if (kind != PUT_VANISHED)
		atomic_fetch_add(&p->progress->errors, 1);
	if (path != NULL && p->o->event != NULL) {
		struct put_event ev = { kind, path, &e };

		if (sys != 0)
			err_sys(&e, sys, "cannot read %s", path);
		else
			err_set(&e, BC_ESOURCE, "%s changed while it was read",
				path);
		pthread_mutex_lock(&p->event_lock);
		p->o->event(p->o->ctx, &ev);
		pthread_mutex_unlock(&p->event_lock);
	}
	free(path);
}

/* ---- workers --------------------------------------------------------------
 */

static enum bc_err hash_only(void *ctx, struct bytes node, struct digest *id,
			     struct err *e)
{
	(void)ctx;
	(void)e;
	sha256_one(node, id);
	return BC_OK;
}

void sched_worker_fini(struct worker *w)
{
	gather_fini(&w->gather);
	sealer_fini(&w->sealer);
	if (w->ready)
		content_builder_fini(&w->content);
	if (w->reader != NULL) {
		tree_reader_fini(&w->old);
		chunk_reader_free(w->reader);
	}
	free(w->batch);
	free(w->seg);
	free(w->job);
	free(w->ids);
	free(w->id_refs);
	free(w->sizes);
	free(w->fresh);
	free(w->list);
	free(w->todo);
}

enum bc_err worker_ready(struct worker *w, struct err *e)
{
	const struct superblock *sb = repo_superblock(w->p->repo);
	size_t plain = max_size(sb->block_bytes, sb->chunker.max) +
		       BLOCK_CHUNKS_MAX * 4;
	struct node_sink sink = { hash_only, NULL };
	enum bc_err rc;

	if (w->ready)
		return BC_OK;
	if (w->p->session != NULL)
		sink = session_node_sink(w->p->session);
	w->batch = malloc(w->p->batch_bytes + SMALL_FILE_BYTES);
	w->seg = malloc(BATCH_SEGS * sizeof(*w->seg));
	w->job = malloc(WINDOW_SEGS * sizeof(*w->job));
	w->ids = malloc(WINDOW_SEGS * sizeof(*w->ids));
	w->id_refs = malloc(WINDOW_SEGS * sizeof(*w->id_refs));
	w->sizes = malloc(WINDOW_SEGS * sizeof(*w->sizes));
	w->fresh = malloc(WINDOW_SEGS * sizeof(*w->fresh));
	if (w->batch == NULL || w->seg == NULL || w->job == NULL ||
	    w->ids == NULL || w->id_refs == NULL || w->sizes == NULL ||
	    w->fresh == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a worker");
	rc = gather_init(&w->gather, BLOCK_DATA, sb->block_bytes,
			 sb->chunker.max, e);
	if (rc == BC_OK)
		rc = sealer_init(&w->sealer, sb->level, plain, e);
	if (rc != BC_OK)
		return rc;
	content_builder_init(&w->content, &sink);
	w->ready = true;
	return BC_OK;
}

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

/* Under the lock. */
static void start_another(struct put *p)
{
	if (p->n_threads + 1 >= p->o->threads || p->pause ||
	    p->n_threads >= sizeof(p->threads) / sizeof(p->threads[0]))
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
	if (p->stack != NULL && p->busy == p->workers)
		start_another(p);
	d->next = p->stack;
	p->stack = d;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void sched_push_window(struct put *p, struct window *w)
{
	pthread_mutex_lock(&p->lock);
	if (p->busy == p->workers)
		start_another(p);
	w->next = p->windows;
	p->windows = w;
	p->changes++;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static struct window *take_window(struct put *p)
{
	struct window **at = &p->windows, *w;

	/* The oldest first, so that files' contents grow in order. */
	if (*at == NULL)
		return NULL;
	while ((*at)->next != NULL)
		at = &(*at)->next;
	w = *at;
	*at = NULL;
	return w;
}

static struct window *make_window(struct put *p)
{
	struct window *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->buf = malloc(p->window_bytes);
	w->seg = malloc(WINDOW_SEGS * sizeof(*w->seg));
	w->ids = malloc(WINDOW_SEGS * sizeof(*w->ids));
	if (w->buf == NULL || w->seg == NULL || w->ids == NULL) {
		free(w->buf);
		free(w->seg);
		free(w->ids);
		free(w);
		return NULL;
	}
	p->n_windows++;
	return w;
}

struct window *sched_window(struct worker *w)
{
	struct put *p = w->p;

	while (!put_failed(p)) {
		struct window *win, *work = NULL;

		pthread_mutex_lock(&p->lock);
		win = p->free_windows;
		if (win != NULL)
			p->free_windows = win->next;
		else if (p->n_windows < p->max_windows)
			win = make_window(p);
		if (win == NULL)
			work = take_window(p);
		if (win == NULL && work == NULL && p->n_windows > 0 &&
		    p->failed.code == BC_OK)
			pthread_cond_wait(&p->wake, &p->lock);
		pthread_mutex_unlock(&p->lock);
		if (win != NULL)
			return win;
		if (work != NULL)
			file_window(w, work);
		else if (p->n_windows == 0) {
			struct err e = ERR_INIT;

			err_set(&e, BC_ENOMEM, "no memory for a window");
			put_fail(p, BC_ENOMEM, &e);
		}
	}
	return NULL;
}

void sched_help(struct worker *w, bool (*enough)(void *ctx), void *ctx)
{
	struct put *p = w->p;

	for (;;) {
		struct window *work;
		uint64_t changes;

		pthread_mutex_lock(&p->lock);
		work = take_window(p);
		changes = p->changes;
		pthread_mutex_unlock(&p->lock);
		if (work != NULL) {
			file_window(w, work);
			continue;
		}
		if (enough(ctx))
			return;
		pthread_mutex_lock(&p->lock);
		while (p->changes == changes)
			pthread_cond_wait(&p->wake, &p->lock);
		pthread_mutex_unlock(&p->lock);
	}
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
		*win = take_window(p);
		if (*win == NULL && p->failed.code == BC_OK &&
		    p->stack != NULL) {
			*d = p->stack;
			p->stack = (*d)->next;
		}
		if (*win != NULL || *d != NULL)
			break;
		/* Somebody may be waiting for what it holds. */
		if (w->n_files > 0)
			break;
		if (p->busy == 0 || p->finished) {
			p->finished = true;
			pthread_cond_broadcast(&p->wake);
			break;
		}
		pthread_cond_wait(&p->wake, &p->lock);
	}
	p->busy++;
	more = *d != NULL || *win != NULL || w->n_files > 0 || !p->finished;
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
			file_window(w, win);
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
	sched_worker_fini(w);
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

void sched_free_windows(struct put *p)
{
	struct window *w;

	while ((w = p->free_windows) != NULL) {
		p->free_windows = w->next;
		free(w->buf);
		free(w->seg);
		free(w->ids);
		free(w);
	}
}

enum bc_err sched_run(struct put *p, struct err *e)
{
	struct worker w = { .p = p };

	p->workers = 1;
	p->busy = 1;
	work(&w);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	sched_free_windows(p);
	if (p->failed.code != BC_OK && e != NULL)
		*e = p->failed;
	return p->failed.code;
}
