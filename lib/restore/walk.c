/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk: depth first, the files of a directory before its subdirectories.
 * One reader serves all levels, so a directory's subdirectories are noted as
 * it is read; with too many of them the reading is taken up again after those
 * noted are done.
 */
#include "restore/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/content_reader.h"
#include "tree/reader.h"
#include "restore/dest.h"
#include "restore/files.h"
#include "restore/kept.h"
#include "restore/links.h"
#include "restore/other.h"
#include "restore/report.h"
#include "restore/run.h"

enum {
	/* Subdirectories noted of one directory, and of all together. */
	NOTED_OF_ONE = 256,
	NOTED_OF_ALL = 32 << 10,
};

/* A directory on the way down. */
struct level {
	struct rdir *dir;
	struct rdir *first, **end; /* noted subdirectories */
	char *resume;		   /* the last name seen; NULL: all is read */
};

struct walk {
	struct worker *w;
	struct run *run;
	struct chunk_reader *nodes;
	struct tree_reader tree;
	struct content_reader content;
	struct locator locator;
	struct level *level;
	size_t depth, cap;
	size_t noted;
	struct batch *batch;
	uint32_t files, files_max; /* of the batch */
	char name[TREE_NAME_MAX_BYTES + 1];
};

/* ---- batches --------------------------------------------------------------
 */

static void flush(struct walk *k)
{
	if (k->batch == NULL)
		return;
	run_submit(k->w, k->batch);
	k->batch = NULL;
	k->files = 0;
	if (k->files_max < BATCH_FILES)
		k->files_max *= 4;
}

/* A new reference of f. */
static struct ref *add_ref(struct walk *k, struct rfile *f, struct err *e)
{
	struct ref *r;

	if (k->batch != NULL &&
	    (k->batch->n == k->batch->cap || k->files >= k->files_max))
		flush(k);
	if (k->batch == NULL && run_batch(k->run, &k->batch, e) != BC_OK)
		return NULL;
	r = batch_add(k->batch);
	r->owner = f;
	return r;
}

/* ---- files ----------------------------------------------------------------
 */

/* Is it one thing in one place? */
static bool is_single(const struct content *c)
{
	struct content_iter it;
	struct content_item item;

	content_begin(&it, c);
	return !content_next(&it, &item) ||
	       (item.length == c->size && item.what != CONTENT_LIST);
}

/* One more reference. `left` counts it before anybody can see it. */
static enum bc_err add_run(struct walk *k, struct rfile *f,
			   const struct content_run *run, struct err *e)
{
	struct ref *r;
	enum bc_err rc = BC_OK;

	if (run->what == CONTENT_HOLE ||
	    (run->what == CONTENT_ZEROS && k->run->o.sparse)) {
		f->sparse = true;
		return BC_OK;
	}
	r = add_ref(k, f, e);
	if (r == NULL)
		return e->code;
	r->offset = run->offset;
	r->length = run->length;
	if (run->what == CONTENT_CHUNK) {
		r->id = run->id;
		rc = locator_find(&k->locator, r, e);
	}
	if (rc != BC_OK)
		k->batch->n--;
	else if (!f->single)
		atomic_fetch_add_explicit(&f->left, 1, memory_order_relaxed);
	return rc;
}

/* The whole of f's content into batches. */
static enum bc_err add_content(struct walk *k, struct rfile *f,
			       const struct content *c, struct err *e)
{
	struct content_run run = { .what = CONTENT_HOLE };
	enum bc_err rc = BC_OK;

	content_reader_open(&k->content, c);
	while (rc == BC_OK) {
		rc = content_reader_next(&k->content, &run, e);
		if (rc != BC_OK || run.what == CONTENT_END)
			break;
		if (run_dead(k->run))
			return err_set(e, BC_ECANCEL, "stopped");
		rc = add_run(k, f, &run, e);
	}
	return rc;
}

static void walk_file(struct walk *k, struct rdir *dir,
		      const struct tree_entry *en)
{
	bool linked = (en->has & TREE_HAS_LINK) != 0;
	struct rfile *f = file_new(k->w, dir, en);
	struct err e = ERR_INIT;
	bool lost = false;
	enum bc_err rc = BC_OK;
	struct ref *r;

	if (f == NULL) {
		err_set(&e, BC_ENOMEM, "no memory for a file");
		report_failed(k->w, dir, k->name, &e);
		return;
	}
	f->single = is_single(&en->content) && !linked;
	f->left = 1;
	k->files++;
	if (linked)
		rc = links_first(k->w, dir, f->name, en, f, &e);
	/* A single file's only reference is the walker's too: what is made of
	 * nothing gets one without a chunk. */
	if (rc == BC_OK && (!f->single || en->content.size > 0)) {
		rc = add_content(k, f, &en->content, &e);
		lost = rc != BC_OK;
	}
	if (f->single) {
		if (rc == BC_OK && (en->content.size == 0 || f->sparse)) {
			r = add_ref(k, f, &e);
			rc = r == NULL ? e.code : BC_OK;
		}
		if (rc == BC_OK)
			return;
	}
	if (lost)
		file_lose(k->w, f, &e);
	else if (rc != BC_OK)
		file_fail(k->w, f, &e);
	file_drop(k->w, f, 1);
}

/* Anything but a directory; its name is in k->name. */
static void walk_entry(struct walk *k, struct rdir *dir,
		       const struct tree_entry *en)
{
	struct err e = ERR_INIT;
	enum bc_err rc = BC_ENOTFOUND;

	if (kept_entry(k->w, dir, k->name, en))
		return;
	if ((en->has & TREE_HAS_LINK) != 0 && links_full(k->run, en)) {
		flush(k);
		run_settle(k->w);
	}
	if ((en->has & TREE_HAS_LINK) != 0)
		rc = links_join(k->w, dir, k->name, en, &e);
	if (rc == BC_OK)
		return;
	if (rc != BC_ENOTFOUND)
		report_failed(k->w, dir, k->name, &e);
	else if (en->type == TREE_FILE)
		walk_file(k, dir, en);
	else
		other_make(k->w, dir, k->name, en);
}

/* ---- directories ----------------------------------------------------------
 */

/* NULL without memory. */
static struct rdir *new_dir(struct walk *k, struct rdir *parent,
			    const char *name, const struct tree_entry *en)
{
	size_t n = strlen(name);
	size_t attrs = (en->has & TREE_HAS_ATTRS) != 0 ? en->attrs.raw.n : 0;
	struct rdir *d = calloc(1, sizeof(*d) + n + 1 + attrs);

	if (d == NULL)
		return NULL;
	d->parent = parent;
	if (parent != NULL)
		dest_hold(parent);
	d->serial = ++k->run->serial;
	d->holds = 1;
	d->name = (char *)(d + 1);
	d->name_n = (unsigned)n;
	memcpy(d->name, name, n);
	d->node = en->dir.id;
	meta_of(k->w, parent, name, en, &d->meta);
	if (attrs > 0) {
		uint8_t *copy = (uint8_t *)d->name + n + 1;

		memcpy(copy, en->attrs.raw.p, attrs);
		d->meta.attrs.raw = bytes_of(copy, attrs);
	}
	return d;
}

static bool push(struct walk *k, struct rdir *d)
{
	struct level *l;

	if (k->depth == k->cap) {
		size_t cap = k->cap == 0 ? 32 : k->cap * 2;

		l = realloc(k->level, cap * sizeof(*l));
		if (l == NULL)
			return false;
		/* The ends of empty lists lie in the levels themselves. */
		for (size_t i = 0; i < k->depth; i++)
			if (l[i].first == NULL)
				l[i].end = &l[i].first;
		k->level = l;
		k->cap = cap;
	}
	l = &k->level[k->depth++];
	*l = (struct level){ .dir = d };
	l->end = &l->first;
	return true;
}

static void out_of_memory(struct walk *k, struct rdir *dir, const char *name)
{
	struct err e = ERR_INIT;

	err_set(&e, BC_ENOMEM, "no memory for a path");
	report_failed(k->w, dir, name, &e);
}

/* Make directory d, whose parent is there, or enter the one that is there. */
static bool make_dir(struct walk *k, struct rdir *d)
{
	int dirfd = dest_dir(k->w, d->parent);
	bool on_the_way = d->later;
	struct err e = ERR_INIT;

	d->later = false;
	if (dirfd >= 0 && mkdirat(dirfd, d->name, 0700) == 0) {
		d->apply = true;
		report_item(k->w, d->parent, d->name, TREE_DIR, 0);
		return true;
	}
	if (dirfd >= 0 && errno == EEXIST &&
	    kept_dir(k->w, dirfd, d, on_the_way))
		return true;
	err_sys(&e, errno, "cannot make the directory");
	atomic_fetch_add(&k->run->progress->folders, 1);
	report_failed(k->w, d->parent, d->name, &e);
	return false;
}

/* Forget what was noted of the levels from `from` on. */
static void forget(struct walk *k, size_t from)
{
	for (size_t i = from; i < k->depth; i++) {
		struct level *l = &k->level[i];

		free(l->resume);
		l->resume = NULL;
		while (l->first != NULL) {
			struct rdir *d = l->first;

			l->first = d->next;
			k->noted--;
			dest_release(k->w, d);
		}
		l->end = &l->first;
	}
}

/* There is something to restore in the level on top: make the directories that
 * have waited for that. False if one cannot be made. */
static bool make_above(struct walk *k)
{
	size_t i = k->depth;

	while (i > 0 && k->level[i - 1].dir->later)
		i--;
	for (; i < k->depth; i++)
		if (!make_dir(k, k->level[i].dir)) {
			forget(k, i);
			return false;
		}
	return true;
}

/* Note a subdirectory. Should reading pause after it? */
static bool note_dir(struct walk *k, struct level *l,
		     const struct tree_entry *en, bool later, unsigned *of_one)
{
	struct rdir *d = new_dir(k, l->dir, k->name, en);

	if (d == NULL) {
		out_of_memory(k, l->dir, k->name);
		return false;
	}
	d->later = later;
	*l->end = d;
	l->end = &d->next;
	k->noted++;
	if (++*of_one < NOTED_OF_ONE && k->noted < NOTED_OF_ALL)
		return false;
	l->resume = strdup(k->name);
	if (l->resume == NULL)
		out_of_memory(k, l->dir, k->name);
	return l->resume != NULL;
}

/* Pass over the node that cannot be read; false if there is nothing behind. */
static bool skip_node(struct walk *k, const struct level *l, struct err *e)
{
	struct tree_place at;

	err_wrap(e, "names in it are lost");
	atomic_fetch_add(&k->run->progress->folders, 1);
	report_lost(k->w, l->dir, NULL, e);
	err_clear(e);
	tree_reader_peek(&k->tree, &at);
	tree_reader_skip(&k->tree);
	return at.step == TREE_AT_NODE;
}

static enum restore_want wanted(struct walk *k, const struct level *l,
				const struct tree_entry *en)
{
	const struct restore_options *o = &k->run->o;
	const char *path;

	if (o->want == NULL)
		return RESTORE_THIS;
	path = dest_path(l->dir, k->name, &k->w->path);
	if (path == NULL) {
		out_of_memory(k, l->dir, k->name);
		return RESTORE_NOT;
	}
	return o->want(o->ctx, path, en);
}

/* Read the directory of the level on top, from where it was left. */
static void read_dir(struct walk *k)
{
	struct level *l = &k->level[k->depth - 1];
	const struct tree_entry *en = NULL;
	struct err e = ERR_INIT;
	unsigned of_one = 0;
	char *from = l->resume;
	enum bc_err rc;

	l->resume = NULL;
	rc = from == NULL ? tree_reader_open(&k->tree, &l->dir->node, &e)
			  : tree_reader_seek(&k->tree, &l->dir->node,
					     bytes_str(from), &e);
	while (!run_dead(k->run)) {
		enum restore_want want;

		if (rc == BC_OK)
			rc = tree_reader_next(&k->tree, &en, &e);
		if (rc != BC_OK) {
			if (!skip_node(k, l, &e))
				break;
			rc = BC_OK;
			continue;
		}
		if (en == NULL)
			break;
		memcpy(k->name, en->name.p, en->name.n);
		k->name[en->name.n] = '\0';
		if (from != NULL && strcmp(k->name, from) == 0)
			continue;
		want = wanted(k, l, en);
		if (want == RESTORE_NOT)
			continue;
		if (want == RESTORE_THIS && !make_above(k))
			break;
		if (en->type != TREE_DIR)
			walk_entry(k, l->dir, en);
		else if (note_dir(k, l, en, want == RESTORE_INSIDE, &of_one))
			break;
	}
	free(from);
}

/* Step into directory d, which is noted, and make it first or later. */
static void enter_dir(struct walk *k, struct rdir *d)
{
	if (!d->later && !make_dir(k, d)) {
		dest_release(k->w, d);
		return;
	}
	if (!push(k, d)) {
		out_of_memory(k, d->parent, d->name);
		dest_release(k->w, d);
		return;
	}
	read_dir(k);
}

static void walk_tree(struct walk *k)
{
	read_dir(k);
	while (k->depth > 0) {
		struct level *l = &k->level[k->depth - 1];
		struct rdir *d = l->first;

		if (d != NULL) {
			l->first = d->next;
			if (l->first == NULL)
				l->end = &l->first;
			k->noted--;
			if (run_dead(k->run))
				dest_release(k->w, d);
			else
				enter_dir(k, d);
		} else if (l->resume != NULL && !run_dead(k->run)) {
			read_dir(k);
		} else {
			free(l->resume);
			d = l->dir;
			k->depth--;
			dest_release(k->w, d);
		}
	}
}

/* ---- all of it ------------------------------------------------------------
 */

/* One thing: the destination is its folder. */
static void walk_one(struct walk *k, struct rdir *top, const char *name)
{
	struct tree_entry en = *k->run->o.what;

	memcpy(k->name, name, strlen(name) + 1); /* walk_run() has looked */
	en.name = bytes_str(k->name);
	walk_entry(k, top, &en);
	dest_release(k->w, top);
}

static void walk_all(struct walk *k, const char *name, enum dest_state state)
{
	static const struct tree_entry nothing;
	struct rdir *top =
		new_dir(k, NULL, "", name == NULL ? k->run->o.what : &nothing);

	if (top == NULL || (name == NULL && !push(k, top))) {
		struct err e = ERR_INIT;

		err_set(&e, BC_ENOMEM, "no memory to restore");
		run_stop(k->run, &e);
		free(top);
		return;
	}
	top->apply = state == DEST_BEGUN ||
		     (state == DEST_EMPTY && !k->run->o.keep_dest);
	top->there = state != DEST_EMPTY;
	if (name != NULL)
		walk_one(k, top, name);
	else
		walk_tree(k);
	flush(k);
}

void walk_run(struct worker *w, const char *name, enum dest_state state)
{
	struct walk k = { .w = w, .run = w->run };
	struct err e = ERR_INIT;
	struct node_source source;

	k.files_max = BATCH_FIRST_FILES;
	if (name != NULL && strlen(name) > TREE_NAME_MAX_BYTES) {
		err_sys(&e, ENAMETOOLONG, "%.64s...", name);
		run_stop(w->run, &e);
		return;
	}
	if (chunk_reader_new(w->run->r, &k.nodes, &e) != BC_OK) {
		run_stop(w->run, &e);
		return;
	}
	source = chunk_node_source(k.nodes);
	tree_reader_init(&k.tree, &source);
	content_reader_init(&k.content, &source);
	locator_init(&k.locator, w->run->r);
	walk_all(&k, name, state);
	locator_fini(&k.locator);
	content_reader_fini(&k.content);
	tree_reader_fini(&k.tree);
	chunk_reader_free(k.nodes);
	free(k.level);
}
