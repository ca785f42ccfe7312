/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/reuse.h"

#include "ingest/dir.h"
#include "ingest/entry.h"
#include "ingest/run.h"
#include "ingest/worker.h"

static bool reader_ready(struct worker *w)
{
	struct node_source source;

	if (w->reader != NULL)
		return true;
	if (chunk_reader_new(w->p->repo, &w->reader, NULL) != BC_OK)
		return false;
	source = chunk_node_source(w->reader);
	tree_reader_init(&w->old, &source);
	return true;
}

static void skip_to(struct reuse *u, struct bytes name)
{
	while (u->have && bytes_cmp(u->next.name, name) < 0)
		u->have = known_next(&u->walk, &u->next);
}

struct reuse reuse_begin(struct worker *w, const struct range *r)
{
	const struct dir_job *d = r->dir;
	struct bytes first = bytes_str(name_at(&d->names, r->first));
	struct reuse u = { .have = false };

	if (!d->check.known || !reader_ready(w))
		return u;
	u.walk = known_walk_to(w->p, d->path, &d->check.record, first,
			       atomic_load(&d->check.part));
	u.have = known_next(&u.walk, &u.next);
	skip_to(&u, first);
	atomic_store(&r->dir->check.part, u.walk.part);
	u.tree = tree_reader_seek(&w->old, &d->check.record.sum.dir.id, first,
				  NULL) == BC_OK;
	u.have = u.have && u.tree;
	return u;
}

/* The record of this name, if there is one. */
static bool find_stat(struct reuse *u, struct bytes name,
		      struct stat_entry *out)
{
	skip_to(u, name);
	if (!u->have || !bytes_eq(u->next.name, name))
		return false;
	*out = u->next;
	return true;
}

static const struct tree_entry *find_entry(struct worker *w, struct reuse *u,
					   struct bytes name)
{
	while (u->tree) {
		struct tree_place at;
		int c;

		tree_reader_peek(&w->old, &at);
		if (at.step == TREE_AT_END)
			return NULL;
		if (at.step == TREE_AT_NODE) {
			u->tree = tree_reader_enter(&w->old, NULL) == BC_OK;
			continue;
		}
		c = bytes_cmp(at.name, name);
		if (c == 0)
			return at.entry;
		if (c > 0)
			return NULL;
		tree_reader_skip(&w->old);
	}
	return NULL;
}

static bool keep(struct arena *a, struct bytes *b)
{
	size_t n = b->n;

	*b = arena_copy(a, *b);
	return b->n == n;
}

/* Copy what an old entry borrows from its node. */
static bool keep_entry(struct range *r, uint32_t i,
		       const struct tree_entry *old)
{
	struct tree_entry *en = &r->entry[i];
	struct bytes name = en->name;

	*en = *old;
	en->name = name;
	return keep(&r->arena, &en->user) && keep(&r->arena, &en->group) &&
	       keep(&r->arena, &en->attrs.raw) &&
	       keep(&r->arena, &en->target) &&
	       keep(&r->arena, &en->content.items) &&
	       keep(&r->arena, &en->content.ids);
}

bool reuse_entry(struct worker *w, struct range *r, uint32_t i, struct reuse *u)
{
	struct put_progress *g = w->p->progress;
	const struct item *it = &r->item[i];
	struct bytes name = r->entry[i].name;
	struct stat_entry was, is = entry_stat(w->p, it, name);
	const struct tree_entry *old;

	if (it->type == TREE_DIR || !find_stat(u, name, &was))
		return false;
	r->state[i] = PUT_ITEM_CHANGED;
	if (!known_same(&was, &is))
		return false;
	old = find_entry(w, u, name);
	if (old == NULL || old->type != (enum tree_type)it->type)
		return false;
	if (!keep_entry(r, i, old)) {
		put_no_memory(w->p, "an entry");
		return false;
	}
	r->state[i] = PUT_ITEM_SAME;
	atomic_fetch_add(&g->bytes, it->type == TREE_FILE ? it->size : 0);
	atomic_fetch_add(&g->bytes_known, it->type == TREE_FILE ? it->size : 0);
	return true;
}
