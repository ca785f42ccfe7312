/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/range.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/entry.h"
#include "ingest/file.h"
#include "ingest/reuse.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/worker.h"

struct range *range_new(struct dir_job *d, uint32_t first, uint32_t n)
{
	struct range *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->dir = d;
	r->first = first;
	r->n = n;
	r->entry = calloc(n, sizeof(*r->entry));
	r->item = calloc(n, sizeof(*r->item));
	r->present = calloc(n, sizeof(*r->present));
	r->state = calloc(n, sizeof(*r->state));
	if (r->entry == NULL || r->item == NULL || r->present == NULL ||
	    r->state == NULL) {
		range_free(r);
		return NULL;
	}
	return r;
}

void range_free(struct range *r)
{
	arena_free(&r->arena);
	free(r->entry);
	free(r->item);
	free(r->present);
	free(r->state);
	free(r);
}

/* ---- directories ----------------------------------------------------------
 */

/* Children end while their range is still worked on. */
void range_child(struct range *r, uint32_t i, const struct tree_sum *sum)
{
	if (sum == NULL) {
		r->present[i] = false;
		return;
	}
	r->entry[i].dir = sum->dir;
	r->below.files += sum->files;
	r->below.dirs += sum->dirs + 1;
	r->below.others += sum->others;
}

static void child_known(struct put *p, struct range *r, uint32_t i,
			const struct tree_sum *sum)
{
	pthread_mutex_lock(&p->lock);
	range_child(r, i, sum);
	pthread_mutex_unlock(&p->lock);
}

/* A mount point is kept, what is mounted there is not entered. */
static void child_empty(struct worker *w, struct range *r, uint32_t i)
{
	struct tree_sum none = { .files = 0 };
	struct err e = ERR_INIT;
	enum bc_err rc = dir_node_empty(w, &none.dir, &e);

	if (rc != BC_OK)
		put_fail(w->p, rc, &e);
	child_known(w->p, r, i, &none);
}

static void child_push(struct put *p, struct range *r, uint32_t i)
{
	struct dir_job *d = r->dir;
	const struct names *v = &d->names;
	struct dir_job *c = dir_new(p, d, name_at(v, r->first + i),
				    v->ref[r->first + i].root);

	if (c == NULL) {
		put_no_memory(p, "a directory");
		return;
	}
	c->range = r;
	c->slot = i;
	pthread_mutex_lock(&p->lock);
	r->children++;
	pthread_mutex_unlock(&p->lock);
	sched_push(p, c);
}

/* Its own metadata now, its node when it is known. */
static enum bc_err store_dir(struct worker *w, struct range *r, uint32_t i,
			     int dirfd, struct err *e)
{
	const struct dir_job *d = r->dir;
	const char *name = name_at(&d->names, r->first + i);
	const struct tree_sum *known = NULL;
	enum child_state found = recheck_found(d, r->first + i, &known);
	enum bc_err rc;
	int fd, sys;

	if (found == CHILD_LOST) {
		r->present[i] = false;
		return BC_OK;
	}
	fd = source_open_dir(dirfd, name);
	sys = fd < 0 ? errno : 0;
	rc = entry_fill(w, r, i, fd, dirfd, e);
	if (fd >= 0)
		close(fd);
	if (rc != BC_OK)
		return rc;
	if (found != CHILD_UNKNOWN) {
		child_known(w->p, r, i, known);
	} else if (!dir_enters(w->p, d, r->first + i, &r->item[i])) {
		child_empty(w, r, i);
	} else if (sys == ENOENT || sys == ENOTDIR) {
		r->present[i] = false;
		put_event(w->p, PUT_VANISHED, d->path, name, sys);
	} else {
		child_push(w->p, r, i);
	}
	return BC_OK;
}

/* ---- items ----------------------------------------------------------------
 */

static enum bc_err store_item(struct worker *w, struct range *r, uint32_t i,
			      int dirfd, struct err *e)
{
	if (r->item[i].stream)
		return file_stream(w, r, i, dirfd, e);
	if (r->item[i].type == TREE_FILE)
		return file_store(w, r, i, dirfd, e);
	if (r->item[i].type == TREE_DIR)
		return store_dir(w, r, i, dirfd, e);
	return entry_fill(w, r, i, -1, dirfd, e);
}

static void fill_one(struct worker *w, struct range *r, uint32_t i, int fd,
		     struct reuse *u)
{
	struct dir_job *d = r->dir;
	const struct names *v = &d->names;
	const char *name = name_at(v, r->first + i);
	int sys = dir_stat(w->p, d, fd, r->first + i, &r->item[i]);
	struct err e = ERR_INIT;
	enum bc_err rc;

	r->entry[i].name = bytes_of(name, v->ref[r->first + i].len);
	if (sys == 0 && r->item[i].type == 0)
		sys = EINVAL;
	if (sys != 0) {
		put_skip(w->p, d->path, name, sys);
		return;
	}
	r->present[i] = true;
	if (i == 0 && fd >= 0)
		racy_meet(&w->p->racy, fd, r->item[i].dev);
	if (reuse_entry(w, r, i, u))
		return;
	rc = store_item(w, r, i, dir_fd(w->p, d, fd, r->first + i), &e);
	if (rc != BC_OK)
		put_fail(w->p, rc, &e);
}

void range_fill(struct worker *w, struct range *r, int fd)
{
	struct reuse u = reuse_begin(w, r);

	for (uint32_t i = 0; i < r->n; i++) {
		if ((i & 15) == 0 && put_failed(w->p))
			break;
		fill_one(w, r, i, fd, &u);
	}
}

void range_count(struct worker *w, struct range *r)
{
	struct put *p = w->p;

	for (uint32_t i = 0; i < r->n; i++) {
		/* A directory's place may be changed by its job already. */
		if (r->item[i].type == TREE_DIR || !r->present[i])
			continue;
		if (r->entry[i].type == TREE_FILE)
			r->files++;
		else
			r->others++;
		put_stored(p, r->dir->path,
			   name_at(&r->dir->names, r->first + i),
			   r->entry[i].type, r->entry[i].content.size,
			   r->state[i]);
	}
	atomic_fetch_add(&p->progress->files, r->files);
	atomic_fetch_add(&p->progress->others, r->others);
}
