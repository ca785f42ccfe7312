/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/entry.h"
#include "ingest/root.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/worker.h"

/* Ranges of one directory that may wait to be emitted. */
enum { RANGES_WAITING_MAX = 64 };

/* ---- life -----------------------------------------------------------------
 */

struct dir_job *dir_new(struct put *p, struct dir_job *parent, const char *name,
			uint16_t root)
{
	struct dir_job *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->path = path_join(parent == NULL ? "" : parent->path, name);
	if (d->path == NULL) {
		free(d);
		return NULL;
	}
	d->parent = parent;
	d->root = root;
	d->users = 1;
	pthread_mutex_lock(&p->lock);
	d->older = p->all;
	if (p->all != NULL)
		p->all->newer = d;
	p->all = d;
	pthread_mutex_unlock(&p->lock);
	return d;
}

void dir_free(struct put *p, struct dir_job *d)
{
	pthread_mutex_lock(&p->lock);
	*(d->newer != NULL ? &d->newer->older : &p->all) = d->older;
	if (d->older != NULL)
		d->older->newer = d->newer;
	pthread_mutex_unlock(&p->lock);
	while (d->waiting != NULL) {
		struct range *r = d->waiting;

		d->waiting = r->next;
		range_free(r);
	}
	names_free(&d->names);
	recheck_free(&d->check);
	dir_node_fini(&d->node);
	free(d->path);
	free(d);
}

/* Under the lock. */
static void hold(struct dir_job *d)
{
	d->users++;
}

static void release(struct put *p, struct dir_job *d)
{
	bool last;

	pthread_mutex_lock(&p->lock);
	last = --d->users == 0;
	pthread_mutex_unlock(&p->lock);
	if (last)
		dir_free(p, d);
}

/* ---- states ---------------------------------------------------------------
 */

/* Where it stands, by what there is left to do. Under the lock. */
static enum dir_state next_state(const struct dir_job *d)
{
	uint32_t most = d->state == DIR_PARKED ? RANGES_WAITING_MAX / 2
					       : RANGES_WAITING_MAX;

	if (d->check.left > 0)
		return DIR_CHECKING;
	if (d->check.same)
		return DIR_SAME;
	if (d->next_name < d->names.n)
		return d->n_waiting < most ? DIR_READING : DIR_PARKED;
	return d->n_waiting > 0 ? DIR_READ : DIR_FINISHING;
}

/* The one place where a state changes. Under the lock. */
static enum dir_state enter(struct dir_job *d, enum dir_state to)
{
	d->state = to;
	return to;
}

/* ---- names ----------------------------------------------------------------
 */

static int open_dir(const struct put *p, const struct dir_job *d)
{
	if (dir_is_top(d))
		return -1;
	return source_open_dir(p->roots[d->root].fd, d->path);
}

int dir_fd(const struct put *p, const struct dir_job *d, int fd, uint32_t i)
{
	return dir_is_top(d) ? p->roots[d->names.ref[i].root].fd : fd;
}

int dir_stat(const struct put *p, const struct dir_job *d, int fd, uint32_t i,
	     struct item *out)
{
	const struct root *r = &p->roots[d->names.ref[i].root];

	if (!r->stream)
		return source_stat(dir_fd(p, d, fd, i), name_at(&d->names, i),
				   out);
	*out = r->item;
	return 0;
}

bool dir_is_own(const struct put *p, const struct item *it)
{
	return p->own_ino != 0 && it->ino == p->own_ino &&
	       it->dev == p->own_dev;
}

bool dir_enters(const struct put *p, const struct dir_job *d, uint32_t i,
		const struct item *it)
{
	if (dir_is_own(p, it))
		return false;
	return !p->o->one_file_system ||
	       it->dev == p->roots[d->names.ref[i].root].dev;
}

/* Errno, or 0; ENOMEM is ours. */
static int list_dir(struct worker *w, struct dir_job *d, int fd)
{
	int sys;

	if (w->list == NULL)
		w->list = malloc(LIST_BYTES);
	if (w->list == NULL)
		return ENOMEM;
	sys = names_list(&d->names, fd, d->root, w->list);
	if (sys == 0)
		names_sort(&d->names);
	return sys;
}

/* ---- known ----------------------------------------------------------------
 */

/* Directories complete one another upwards: a list, as a tree may be deeper
 * than a stack. */
static bool room_to_do(struct worker *w)
{
	size_t cap = w->cap_todo == 0 ? 16 : w->cap_todo * 2;
	struct dir_job **at;

	if (w->n_todo < w->cap_todo)
		return true;
	at = realloc(w->todo, cap * sizeof(*at));
	if (at == NULL)
		return false;
	w->todo = at;
	w->cap_todo = cap;
	return true;
}

/* It may be another worker who moves it on, and ends it. Under the lock. */
static void add_to_do(struct worker *w, struct dir_job *d)
{
	hold(d);
	w->todo[w->n_todo++] = d;
}

/* What is known of it becomes known to the check of its parent. */
static enum recheck_then tell_check(struct dir_job *d, enum dir_state how,
				    uint32_t *ask)
{
	return recheck_child(d->parent, d->slot,
			     how == DIR_SAME   ? CHILD_SAME
			     : how == DIR_LOST ? CHILD_LOST
					       : CHILD_BUILT,
			     &d->sum, ask);
}

/* ... or to its range. True if that is complete. */
static bool tell_range(struct dir_job *d, enum dir_state how)
{
	range_child(d->range, d->slot, how == DIR_LOST ? NULL : &d->sum);
	d->range->children--;
	return range_complete(d->range);
}

/* It is same, built or lost. */
static void settle(struct worker *w, struct dir_job *d, enum dir_state how)
{
	struct put *p = w->p;
	enum recheck_then then = RECHECK_WAITS;
	bool moves_on = false;
	uint32_t ask = 0;

	if (!room_to_do(w)) {
		put_no_memory(p, "a directory");
		return;
	}
	pthread_mutex_lock(&p->lock);
	enter(d, how);
	if (dir_is_top(d)) {
		p->root = d->sum;
		p->root_known = true;
	} else if (d->range != NULL) {
		moves_on = tell_range(d, how);
	} else {
		then = tell_check(d, how, &ask);
	}
	if (moves_on || then == RECHECK_ENDS)
		add_to_do(w, d->parent);
	pthread_mutex_unlock(&p->lock);
	if (!dir_is_top(d))
		atomic_fetch_add(&p->progress->dirs, 1);
	/* It is there as long as that one has no answer. */
	if (then == RECHECK_ASKS)
		recheck_ask(p, d->parent, ask);
	release(p, d);
}

static void lose(struct worker *w, struct dir_job *d, int sys)
{
	put_skip(w->p, "", d->path, sys);
	settle(w, d, DIR_LOST);
}

static void keep_same(struct worker *w, struct dir_job *d)
{
	d->sum = d->check.record.sum;
	put_stored(w->p, dir_is_top(d) ? "." : d->path, "", TREE_DIR,
		   d->sum.dir.bytes, PUT_ITEM_SAME);
	recheck_keep(w->p, d);
	settle(w, d, DIR_SAME);
}

/* ---- building -------------------------------------------------------------
 */

static void finish(struct worker *w, struct dir_job *d)
{
	struct err e = ERR_INIT;
	enum bc_err rc = dir_node_finish(w, &d->node, d->path, &d->sum, &e);

	if (rc == BC_OK)
		settle(w, d, DIR_BUILT);
	else
		put_fail(w->p, rc, &e);
}

/* This worker has the node to itself. */
static enum bc_err emit(struct worker *w, struct range *r, struct err *e)
{
	struct dir_job *d = r->dir;
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < r->n && rc == BC_OK; i++) {
		struct stat_entry st;

		if (!r->present[i])
			continue;
		st = entry_stat(w->p, &r->item[i], r->entry[i].name);
		rc = dir_node_add(w, &d->node, d->path, &r->entry[i], &st, e);
	}
	d->sum.files += r->files + r->below.files;
	d->sum.dirs += r->below.dirs;
	d->sum.others += r->others + r->below.others;
	return rc;
}

/* The next range in order, if it is complete and nobody has the node. */
static struct range *take_complete(struct put *p, struct dir_job *d)
{
	struct range *r = NULL;

	pthread_mutex_lock(&p->lock);
	if (!d->emitting && d->waiting != NULL && range_complete(d->waiting)) {
		r = d->waiting;
		d->waiting = r->next;
		d->emitting = true;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Emit what is complete; the lock is not held while the node grows. */
static void emit_complete(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	struct range *r;

	while ((r = take_complete(p, d)) != NULL) {
		struct err e = ERR_INIT;
		enum bc_err rc = emit(w, r, &e);
		enum dir_state was, is;

		range_free(r);
		if (rc != BC_OK) {
			put_fail(p, rc, &e);
			return;
		}
		pthread_mutex_lock(&p->lock);
		d->emitting = false;
		d->n_waiting--;
		was = d->state;
		is = enter(d, next_state(d));
		pthread_mutex_unlock(&p->lock);
		if (was == DIR_PARKED && is == DIR_READING)
			sched_push(p, d);
		if (is == DIR_FINISHING) {
			finish(w, d);
			return;
		}
	}
}

/* All is done but its directories: they may be known as well. */
static void read_whole(struct worker *w, struct range *r)
{
	struct put *p = w->p;
	struct dir_job *d = r->dir;

	range_count(w, r);
	pthread_mutex_lock(&p->lock);
	r->read = true;
	pthread_mutex_unlock(&p->lock);
	/* From here on another worker may emit it. */
	if (!put_failed(p))
		emit_complete(w, d);
	release(p, d);
}

/* The next names; others may have those after them at once. */
static struct range *take_range(struct put *p, struct dir_job *d)
{
	uint32_t left = (uint32_t)d->names.n - d->next_name;
	struct range *r = range_new(d, d->next_name,
				    left < RANGE_NAMES ? left : RANGE_NAMES);
	struct range **at = &d->waiting;
	bool more;

	if (r == NULL) {
		put_no_memory(p, "a directory");
		return NULL;
	}
	pthread_mutex_lock(&p->lock);
	while (*at != NULL)
		at = &(*at)->next;
	*at = r;
	d->next_name += r->n;
	d->n_waiting++;
	hold(d);
	more = enter(d, next_state(d)) == DIR_READING;
	pthread_mutex_unlock(&p->lock);
	if (more)
		sched_push(p, d);
	return r;
}

static void read_range(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	int fd = open_dir(p, d);
	struct range *r;

	/* Gone since it was listed: what is emitted stays. */
	if (fd < 0 && !dir_is_top(d))
		put_skip(p, "", d->path, errno);
	r = take_range(p, d);
	if (r != NULL && (fd >= 0 || dir_is_top(d)))
		range_fill(w, r, fd);
	if (fd >= 0)
		close(fd);
	if (r != NULL && r->batched == 0)
		read_whole(w, r);
	else if (r != NULL)
		small_hold(w, r);
}

/* ---- work -----------------------------------------------------------------
 */

/* Its check has been answered, or need not be asked. */
static void move_on(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	enum dir_state state;

	pthread_mutex_lock(&p->lock);
	state = enter(d, next_state(d));
	pthread_mutex_unlock(&p->lock);
	if (state == DIR_CHECKING) {
		recheck_children(p, d);
		return;
	}
	if (state == DIR_SAME) {
		keep_same(w, d);
		return;
	}
	known_differs(p);
	if (state == DIR_READING)
		read_range(w, d);
	else
		finish(w, d);
}

static enum dir_state state_of(struct put *p, const struct dir_job *d)
{
	enum dir_state state;

	pthread_mutex_lock(&p->lock);
	state = d->state;
	pthread_mutex_unlock(&p->lock);
	return state;
}

/* What this worker has made known lets others move on, up to the top. */
static void move_others(struct worker *w)
{
	while (w->n_todo > 0) {
		struct dir_job *d = w->todo[--w->n_todo];

		if (state_of(w->p, d) == DIR_CHECKING)
			move_on(w, d);
		else
			emit_complete(w, d);
		release(w->p, d);
	}
}

static void begin(struct worker *w, struct dir_job *d)
{
	int fd = open_dir(w->p, d);
	int sys = 0;

	if (!dir_is_top(d))
		sys = fd < 0 ? errno : list_dir(w, d, fd);
	if (sys == 0)
		recheck_names(w, d, fd);
	if (fd >= 0)
		close(fd);
	if (sys == 0)
		move_on(w, d);
	else if (sys == ENOMEM)
		put_no_memory(w->p, "a directory");
	else
		lose(w, d, sys);
}

void dir_work(struct worker *w, struct dir_job *d)
{
	if (state_of(w->p, d) == DIR_QUEUED)
		begin(w, d);
	else
		read_range(w, d);
	move_others(w);
}

void dir_read(struct worker *w, struct range *r)
{
	read_whole(w, r);
	move_others(w);
}
