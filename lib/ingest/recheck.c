/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/recheck.h"

#include <stdlib.h>

#include "ingest/dir.h"
#include "ingest/entry.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "ingest/worker.h"
#include "util/arith.h"

void recheck_free(struct recheck *c)
{
	free(c->child);
}

static bool add_child(struct recheck *c, uint32_t name)
{
	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 1 : c->cap * 2;
		struct child *at = realloc(c->child, cap * sizeof(*at));

		if (at == NULL)
			return false;
		c->child = at;
		c->cap = cap;
	}
	c->child[c->n++] = (struct child){ .name = name };
	return true;
}

static bool same_name(struct put *p, struct dir_job *d, uint32_t i, int fd,
		      const struct stat_entry *was)
{
	const struct names *v = &d->names;
	struct stat_entry is;
	struct item it;

	if (was->name.n != v->ref[i].len ||
	    memcmp(was->name.p, name_at(v, i), was->name.n) != 0 ||
	    dir_stat(p, d, fd, i, &it) != 0)
		return false;
	is = entry_stat(p, &it, was->name);
	if (!known_same(was, &is))
		return false;
	if (it.type == TREE_DIR && dir_enters(p, d, i, &it))
		return add_child(&d->check, i);
	return true;
}

void recheck_names(struct worker *w, struct dir_job *d, int fd)
{
	struct recheck *c = &d->check;
	struct stat_entry was;
	struct known_walk k;
	uint32_t i = 0;

	c->known = known_dir(w->p, d->path, &c->record);
	if (!c->known || d->names.n != c->record.count)
		return;
	k = known_walk(w->p, d->path, &c->record);
	while (i < d->names.n && known_next(&k, &was) &&
	       same_name(w->p, d, i, fd, &was))
		i++;
	c->same = i == d->names.n;
	if (!c->same)
		c->n = 0;
	c->asked = min_size(c->n, CHILDREN_ASKED_MAX);
	c->left = c->asked;
}

void recheck_ask(struct put *p, struct dir_job *d, uint32_t slot)
{
	uint32_t name = d->check.child[slot].name;
	struct dir_job *c = dir_new(p, d, name_at(&d->names, name),
				    d->names.ref[name].root);

	if (c == NULL) {
		put_no_memory(p, "a directory");
		return;
	}
	c->slot = slot;
	sched_push(p, c);
}

void recheck_children(struct put *p, struct dir_job *d)
{
	/* As they answer they ask for others: these are the first. The last
	 * one is pushed last and so begun first; d may be gone with it. */
	uint32_t n = (uint32_t)min_size(d->check.n, CHILDREN_ASKED_MAX);

	for (uint32_t i = 0; i < n; i++)
		recheck_ask(p, d, i);
}

enum recheck_then recheck_child(struct dir_job *d, uint32_t slot,
				enum child_state state,
				const struct tree_sum *sum, uint32_t *ask)
{
	struct recheck *c = &d->check;

	c->child[slot].sum = *sum;
	c->child[slot].state = state;
	c->same = c->same && state == CHILD_SAME;
	if (c->same && c->asked < c->n) {
		/* It takes the place of this one. */
		*ask = (uint32_t)c->asked++;
		return RECHECK_ASKS;
	}
	return --c->left == 0 ? RECHECK_ENDS : RECHECK_WAITS;
}

void recheck_keep(struct put *p, struct dir_job *d)
{
	struct put_progress *g = p->progress;
	struct tree_sum own = d->check.record.sum;

	/* Those below have counted themselves. */
	for (size_t i = 0; i < d->check.n; i++) {
		const struct tree_sum *c = &d->check.child[i].sum;

		own.files -= c->files;
		own.others -= c->others;
		own.dir.bytes -= c->dir.bytes;
	}
	atomic_fetch_add(&g->files, own.files);
	atomic_fetch_add(&g->others, own.others);
	atomic_fetch_add(&g->bytes, own.dir.bytes);
	atomic_fetch_add(&g->bytes_known, own.dir.bytes);
	known_keep(p, &d->check.record);
}

enum child_state recheck_found(const struct dir_job *d, uint32_t name,
			       const struct tree_sum **sum)
{
	const struct recheck *c = &d->check;
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->child[mid].name < name)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == c->n || c->child[lo].name != name)
		return CHILD_UNKNOWN;
	*sum = &c->child[lo].sum;
	return c->child[lo].state;
}
