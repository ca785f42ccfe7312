/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/window.h"

#include <stdlib.h>

#include "ingest/big.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/worker.h"

void window_push(struct put *p, struct window *w)
{
	pthread_mutex_lock(&p->lock);
	sched_start(p);
	w->next = p->windows;
	p->windows = w;
	p->changes++;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void window_put(struct put *p, struct window *win)
{
	pthread_mutex_lock(&p->lock);
	win->next = p->free_windows;
	p->free_windows = win;
	p->changes++;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

struct window *window_take(struct put *p)
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

static void free_one(struct window *w)
{
	free(w->buf);
	free(w->seg);
	free(w->ids);
	free(w);
}

static struct window *new_window(struct put *p)
{
	struct window *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->buf = malloc(p->window_bytes);
	w->seg = malloc(WINDOW_SEGS * sizeof(*w->seg));
	w->ids = malloc(WINDOW_SEGS * sizeof(*w->ids));
	if (w->buf == NULL || w->seg == NULL || w->ids == NULL) {
		free_one(w);
		return NULL;
	}
	p->n_windows++;
	return w;
}

struct window *window_get(struct worker *w)
{
	struct put *p = w->p;

	while (!put_failed(p)) {
		struct window *win, *work = NULL;

		pthread_mutex_lock(&p->lock);
		win = p->free_windows;
		if (win != NULL)
			p->free_windows = win->next;
		else if (p->n_windows < p->max_windows)
			win = new_window(p);
		if (win == NULL)
			work = window_take(p);
		if (win == NULL && work == NULL && p->n_windows > 0 &&
		    p->failed.code == BC_OK)
			pthread_cond_wait(&p->wake, &p->lock);
		pthread_mutex_unlock(&p->lock);
		if (win != NULL)
			return win;
		if (work != NULL)
			big_window(w, work);
		else if (p->n_windows == 0)
			put_no_memory(p, "a window");
	}
	return NULL;
}

void window_help(struct worker *w, bool (*enough)(void *ctx), void *ctx)
{
	struct put *p = w->p;

	for (;;) {
		struct window *work;
		uint64_t changes;

		pthread_mutex_lock(&p->lock);
		work = window_take(p);
		changes = p->changes;
		pthread_mutex_unlock(&p->lock);
		if (work != NULL) {
			big_window(w, work);
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

void windows_free(struct put *p)
{
	struct window *w;

	while ((w = p->free_windows) != NULL) {
		p->free_windows = w->next;
		free_one(w);
	}
}
