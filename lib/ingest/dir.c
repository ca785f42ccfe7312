/* SPDX-License-Identifier: Apache-2.0 */
/* A directory's way from a name to a tree node: see ingest/internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/entry.h"

static void dir_known(struct worker *w, struct dir_job *d, bool same);
static void drain_ready(struct worker *w);

/* ---- life -----------------------------------------------------------------
 */

struct dir_job *dir_new(struct put *p, struct dir_job *parent, const char *name,
			uint16_t base)
{
	size_t above = parent == NULL ? 0 : strlen(parent->path);
	struct dir_job *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->path = malloc(above + strlen(name) + 2);
	if (d->path == NULL) {
		free(d);
		return NULL;
	}
	d->path[0] = '\0';
	if (above > 0) {
		memcpy(d->path, parent->path, above);
		d->path[above++] = '/';
	}
	memcpy(d->path + above, name, strlen(name) + 1);
	d->parent = parent;
	d->base = base;
	buf_init(&d->part, 4 << 20);
	buf_init(&d->part0, 4 << 20);
	pthread_mutex_lock(&p->lock);
	d->older = p->all;
	if (p->all != NULL)
		p->all->newer = d;
	p->all = d;
	pthread_mutex_unlock(&p->lock);
	return d;
}

static void range_free(struct range *r)
{
	arena_free(&r->arena);
	free(r->entry);
	free(r->item);
	free(r->present);
	free(r);
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
	if (d->builder_ready)
		tree_builder_fini(&d->builder);
	buf_fini(&d->part);
	buf_fini(&d->part0);
	free(d->children);
	free(d->path);
	free(d);
}

/* Under the lock. */
static void dir_hold(struct dir_job *d)
{
	d->users++;
}

static void dir_release(struct put *p, struct dir_job *d)
{
	bool last;

	pthread_mutex_lock(&p->lock);
	last = --d->users == 0 && d->dead;
	pthread_mutex_unlock(&p->lock);
	if (last)
		dir_free(p, d);
}

/* It is known: whoever still looks at it frees it. */
static void dir_retire(struct put *p, struct dir_job *d)
{
	bool last;

	pthread_mutex_lock(&p->lock);
	d->dead = true;
	last = d->users == 0;
	pthread_mutex_unlock(&p->lock);
	if (last)
		dir_free(p, d);
}

static void no_memory(struct put *p)
{
	struct err e = ERR_INIT;

	err_set(&e, BC_ENOMEM, "no memory for a directory");
	put_fail(p, BC_ENOMEM, &e);
}

static uint8_t *list_scratch(struct worker *w)
{
	if (w->list == NULL)
		w->list = malloc(LIST_BYTES);
	return w->list;
}

/* ---- listing --------------------------------------------------------------
 */

/* Open it for work on its names; the top has no directory of its own. */
static int open_dir(const struct put *p, const struct dir_job *d)
{
	if (d->top)
		return -1;
	return source_open_dir(p->bases[d->base].fd, d->path);
}

/* The directory to which name i is relative. */
static int dir_of_name(const struct put *p, const struct dir_job *d, int fd,
		       size_t i)
{
	return d->top ? p->bases[d->names.ref[i].base].fd : fd;
}

/* A directory that cannot be listed leaves its place empty. */
static void dir_unreadable(struct worker *w, struct dir_job *d, int sys)
{
	put_event(w->p, sys == ENOENT ? PUT_VANISHED : PUT_UNREADABLE, "",
		  d->path, sys);
	d->lost = true;
	dir_known(w, d, false);
}

static bool list_dir(struct worker *w, struct dir_job *d, int fd)
{
	uint8_t *scratch = list_scratch(w);
	int sys = scratch == NULL ? ENOMEM
				  : names_list(&d->names, fd, d->base, scratch);

	if (sys == ENOMEM) {
		no_memory(w->p);
		return false;
	}
	if (sys != 0) {
		dir_unreadable(w, d, sys);
		return false;
	}
	names_sort(&d->names);
	return true;
}

/* ---- recognised as unchanged ----------------------------------------------
 */

static bool stat_same(const struct stat_entry *a, const struct stat_entry *b)
{
	return !a->racy && a->type == b->type && a->ino == b->ino &&
	       a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

/* Over all parts of a record, in order. */
struct record_walk {
	const struct put *p;
	struct bytes path;
	struct bytes left;
	uint32_t part;
	bool more;
};

static struct record_walk walk_record(const struct put *p,
				      const struct dir_job *d)
{
	return (struct record_walk){ p, bytes_str(d->path), d->record.raw, 0,
				     d->record.more };
}

static bool walk_next(struct record_walk *k, struct stat_entry *out)
{
	struct stat_record r;

	while (!statcache_next(&k->left, out)) {
		if (!k->more ||
		    !statcache_find(k->p->cache, k->path, ++k->part, &r))
			return false;
		k->left = r.raw;
		k->more = r.more;
	}
	return true;
}

static bool add_child(struct dir_job *d, uint32_t name)
{
	if ((d->n_children & (d->n_children - 1)) == 0) {
		size_t cap = d->n_children == 0 ? 1 : d->n_children * 2;
		struct child *c = realloc(d->children, cap * sizeof(*c));

		if (c == NULL)
			return false;
		d->children = c;
	}
	d->children[d->n_children++] = (struct child){ .name = name };
	return true;
}

/* Is every name there as the record has it? Collects the subdirectories. */
static bool all_same(struct worker *w, struct dir_job *d, int fd)
{
	struct put *p = w->p;
	struct record_walk k = walk_record(p, d);

	if (d->names.n != d->record.count)
		return false;
	for (size_t i = 0; i < d->names.n; i++) {
		struct stat_entry was, is;
		struct item it;

		if (!walk_next(&k, &was) || was.name.n != d->names.ref[i].len ||
		    memcmp(was.name.p, name_at(&d->names, i), was.name.n) != 0)
			return false;
		if (source_stat(dir_of_name(p, d, fd, i), name_at(&d->names, i),
				&it) != 0)
			return false;
		is = entry_stat(p, &it, was.name);
		if (!stat_same(&was, &is))
			return false;
		if (it.type == TREE_DIR &&
		    (!p->o->one_file_system || it.dev == d->dev) &&
		    !add_child(d, (uint32_t)i))
			return false;
	}
	return true;
}

static void keep_same(struct put *p, const struct dir_job *d)
{
	struct stat_record r = d->record;

	pthread_mutex_lock(&p->lock);
	for (uint32_t part = 0;; part++) {
		if (p->same.n == p->same.cap) {
			size_t cap = p->same.cap == 0 ? 256 : p->same.cap * 2;
			struct stat_record *at =
				realloc(p->same.at, cap * sizeof(*at));

			if (at == NULL) {
				p->cache_changed = true;
				break;
			}
			p->same.at = at;
			p->same.cap = cap;
		}
		p->same.at[p->same.n++] = r;
		if (!r.more ||
		    !statcache_find(p->cache, bytes_str(d->path), part + 1, &r))
			break;
	}
	pthread_mutex_unlock(&p->lock);
}

static void push_children(struct worker *w, struct dir_job *d)
{
	d->children_left = d->n_children;
	d->children_same = true;
	/* The last one is pushed last and so begun first; d may be gone with
	 * it. */
	for (size_t i = 0, n = d->n_children; i < n; i++) {
		uint32_t name = d->children[i].name;
		struct dir_job *c = dir_new(w->p, d, name_at(&d->names, name),
					    d->names.ref[name].base);

		if (c == NULL) {
			no_memory(w->p);
			return;
		}
		c->slot = (uint32_t)i;
		c->dev = d->dev;
		sched_push(w->p, c);
	}
}

/* The whole directory is as it was. */
static void dir_same(struct worker *w, struct dir_job *d)
{
	struct put_progress *g = w->p->progress;
	uint64_t files = d->record.sum.files, others = d->record.sum.others;
	uint64_t bytes = d->record.sum.dir.bytes;

	for (size_t i = 0; i < d->n_children; i++) {
		files -= d->children[i].sum.files;
		others -= d->children[i].sum.others;
		bytes -= d->children[i].sum.dir.bytes;
	}
	atomic_fetch_add(&g->files, files);
	atomic_fetch_add(&g->others, others);
	atomic_fetch_add(&g->bytes, bytes);
	atomic_fetch_add(&g->bytes_known, bytes);
	d->sum = d->record.sum;
	keep_same(w->p, d);
	dir_known(w, d, true);
}

/* ---- building -------------------------------------------------------------
 */

static struct range *range_new(struct put *p, struct dir_job *d)
{
	struct range *r = calloc(1, sizeof(*r)), **at;
	uint32_t left = (uint32_t)d->names.n - d->next_name;

	if (r == NULL)
		return NULL;
	r->dir = d;
	r->first = d->next_name;
	r->n = left < RANGE_NAMES ? left : RANGE_NAMES;
	r->entry = calloc(r->n, sizeof(*r->entry));
	r->item = calloc(r->n, sizeof(*r->item));
	r->present = calloc(r->n, sizeof(*r->present));
	if (r->entry == NULL || r->item == NULL || r->present == NULL) {
		range_free(r);
		return NULL;
	}
	pthread_mutex_lock(&p->lock);
	r->seq = d->next_seq++;
	d->next_name += r->n;
	for (at = &d->waiting; *at != NULL;)
		at = &(*at)->next;
	*at = r;
	d->n_waiting++;
	dir_hold(d);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* What the stat cache and the last snapshot know of a range's names. */
struct known {
	struct record_walk walk;
	struct stat_entry next;
	bool have;
	bool tree; /* w->old stands in the directory's old node */
};

static struct known known_begin(struct worker *w, const struct range *r)
{
	struct known k = { .have = r->dir->has_record };
	struct bytes first = bytes_str(name_at(&r->dir->names, r->first));
	struct err e = ERR_INIT;

	if (!k.have)
		return k;
	k.walk = walk_record(w->p, r->dir);
	k.have = walk_next(&k.walk, &k.next);
	if (w->reader == NULL) {
		struct node_source source;

		if (chunk_reader_new(w->p->repo, &w->reader, &e) != BC_OK) {
			k.have = false;
			return k;
		}
		source = chunk_node_source(w->reader);
		tree_reader_init(&w->old, &source);
	}
	/* An old node that cannot be read: its files are read again. */
	k.tree = tree_reader_seek(&w->old, &r->dir->record.sum.dir.id, first,
				  &e) == BC_OK;
	k.have = k.have && k.tree;
	return k;
}

/* The record of this name, if there is one. */
static bool known_stat(struct known *k, struct bytes name,
		       struct stat_entry *out)
{
	while (k->have && bytes_cmp(k->next.name, name) < 0)
		k->have = walk_next(&k->walk, &k->next);
	if (!k->have || !bytes_eq(k->next.name, name))
		return false;
	*out = k->next;
	return true;
}

static const struct tree_entry *known_entry(struct worker *w, struct known *k,
					    struct bytes name)
{
	struct err e = ERR_INIT;

	while (k->tree) {
		struct tree_place at;
		int c;

		tree_reader_peek(&w->old, &at);
		if (at.step == TREE_AT_END)
			return NULL;
		if (at.step == TREE_AT_NODE) {
			k->tree = tree_reader_enter(&w->old, &e) == BC_OK;
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

/* Copy what an old entry borrows from its node. */
static bool keep_entry(struct range *r, uint32_t i,
		       const struct tree_entry *old)
{
	struct tree_entry *en = &r->entry[i];
	struct bytes name = en->name;

	*en = *old;
	en->name = name;
	en->user = arena_copy(&r->arena, old->user);
	en->group = arena_copy(&r->arena, old->group);
	en->attrs.raw = arena_copy(&r->arena, old->attrs.raw);
	en->target = arena_copy(&r->arena, old->target);
	en->content.items = arena_copy(&r->arena, old->content.items);
	en->content.ids = arena_copy(&r->arena, old->content.ids);
	return en->user.n == old->user.n && en->group.n == old->group.n &&
	       en->attrs.raw.n == old->attrs.raw.n &&
	       en->target.n == old->target.n &&
	       en->content.items.n == old->content.items.n &&
	       en->content.ids.n == old->content.ids.n;
}

/* A file, link, ... that the stat cache knows. */
static bool reuse_entry(struct worker *w, struct range *r, uint32_t i,
			struct known *k)
{
	struct put_progress *g = w->p->progress;
	const struct item *it = &r->item[i];
	struct bytes name = r->entry[i].name;
	struct stat_entry was, is = entry_stat(w->p, it, name);
	const struct tree_entry *old;

	if (it->type == TREE_DIR || !known_stat(k, name, &was) ||
	    !stat_same(&was, &is))
		return false;
	old = known_entry(w, k, name);
	if (old == NULL || old->type != (enum tree_type)it->type)
		return false;
	if (!keep_entry(r, i, old)) {
		no_memory(w->p);
		return false;
	}
	atomic_fetch_add(&g->bytes, it->type == TREE_FILE ? it->size : 0);
	atomic_fetch_add(&g->bytes_known, it->type == TREE_FILE ? it->size : 0);
	return true;
}

static const struct child *known_child(const struct dir_job *d, uint32_t name)
{
	size_t lo = 0, hi = d->n_children;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->children[mid].name < name)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < d->n_children && d->children[lo].name == name &&
			       !d->children[lo].lost
		       ? &d->children[lo]
		       : NULL;
}

/* Under the lock: children end while their range is still worked on. */
static void range_add_sum(struct range *r, uint32_t i,
			  const struct tree_sum *sum)
{
	r->entry[i].dir = sum->dir;
	r->below.files += sum->files;
	r->below.dirs += sum->dirs + 1;
	r->below.others += sum->others;
}

/* A subdirectory: its own metadata now, its node when it is known. */
static void range_dir(struct worker *w, struct range *r, uint32_t i, int dirfd)
{
	struct dir_job *d = r->dir, *c;
	const char *name = name_at(&d->names, r->first + i);
	const struct child *known = known_child(d, r->first + i);
	struct err e = ERR_INIT;
	int fd = source_open_dir(dirfd, name);
	int sys = fd < 0 ? errno : 0;
	enum bc_err rc = entry_fill(w, r, i, fd, dirfd, &e);

	if (fd >= 0)
		close(fd);
	if (rc != BC_OK) {
		put_fail(w->p, rc, &e);
		return;
	}
	if (known != NULL) {
		pthread_mutex_lock(&w->p->lock);
		range_add_sum(r, i, &known->sum);
		pthread_mutex_unlock(&w->p->lock);
		return;
	}
	/* A mount point is kept, what is mounted there is not entered. */
	if (w->p->o->one_file_system && r->item[i].dev != d->dev) {
		struct tree_sum none = { .files = 0 };

		rc = empty_dir(w, &none.dir, &e);
		if (rc != BC_OK)
			put_fail(w->p, rc, &e);
		pthread_mutex_lock(&w->p->lock);
		range_add_sum(r, i, &none);
		pthread_mutex_unlock(&w->p->lock);
		return;
	}
	if (fd < 0 && (sys == ENOENT || sys == ENOTDIR)) {
		r->present[i] = false;
		put_event(w->p, PUT_VANISHED, d->path, name, sys);
		return;
	}
	c = dir_new(w->p, d, name, d->names.ref[r->first + i].base);
	if (c == NULL) {
		no_memory(w->p);
		return;
	}
	c->range = r;
	c->slot = i;
	c->dev = d->top ? r->item[i].dev : d->dev;
	pthread_mutex_lock(&w->p->lock);
	r->children++;
	pthread_mutex_unlock(&w->p->lock);
	sched_push(w->p, c);
}

static void range_item(struct worker *w, struct range *r, uint32_t i, int fd,
		       struct known *k)
{
	struct dir_job *d = r->dir;
	const char *name = name_at(&d->names, r->first + i);
	int dirfd = dir_of_name(w->p, d, fd, r->first + i);
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;
	int sys;

	r->entry[i].name = bytes_of(name, d->names.ref[r->first + i].len);
	sys = source_stat(dirfd, name, &r->item[i]);
	if (sys != 0 || r->item[i].type == 0) {
		put_event(w->p, sys == ENOENT ? PUT_VANISHED : PUT_UNREADABLE,
			  d->path, name, sys == 0 ? EINVAL : sys);
		return;
	}
	r->present[i] = true;
	if (reuse_entry(w, r, i, k))
		return;
	if (r->item[i].type == TREE_FILE)
		file_store(w, r, i, dirfd);
	else if (r->item[i].type == TREE_DIR)
		range_dir(w, r, i, dirfd);
	else
		rc = entry_fill(w, r, i, -1, dirfd, &e);
	if (rc != BC_OK)
		put_fail(w->p, rc, &e);
}

static void tell_item(struct put *p, const struct range *r, uint32_t i)
{
	char *path =
		put_path(r->dir->path, name_at(&r->dir->names, r->first + i));

	if (path == NULL)
		return;
	pthread_mutex_lock(&p->event_lock);
	p->o->item(p->o->ctx, path, r->entry[i].content.size);
	pthread_mutex_unlock(&p->event_lock);
	free(path);
}

static void count_range(struct worker *w, struct range *r)
{
	struct put_progress *g = w->p->progress;
	uint64_t files = 0, others = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		/* A directory's place may be changed by its job already. */
		if (r->item[i].type == TREE_DIR || !r->present[i])
			continue;
		if (r->entry[i].type == TREE_FILE)
			files++;
		else
			others++;
		if (w->p->o->item != NULL)
			tell_item(w->p, r, i);
	}
	r->files = files;
	r->others = others;
	atomic_fetch_add(&g->files, files);
	atomic_fetch_add(&g->others, others);
}

/* ---- emitting -------------------------------------------------------------
 */

static enum bc_err record_part(struct worker *w, struct dir_job *d, bool more)
{
	struct stat_record r = { .part = d->parts,
				 .more = more,
				 .raw = buf_bytes(&d->part) };
	enum bc_err rc = BC_OK;

	/* The first part has the sums, and waits for them. */
	if (d->parts == 0) {
		rc = buf_add(&d->part0, d->part.p, d->part.n);
		d->more = more;
	} else {
		statcache_writer_put(w->p->cache_out, bytes_str(d->path), &r);
	}
	buf_clear(&d->part);
	d->part_n = 0;
	d->parts++;
	return rc;
}

static enum bc_err record_entry(struct worker *w, struct dir_job *d,
				const struct range *r, uint32_t i)
{
	struct stat_entry s = entry_stat(w->p, &r->item[i], r->entry[i].name);
	enum bc_err rc = BC_OK;

	if (w->p->cache_out == NULL)
		return BC_OK;
	if (d->part_n == STAT_PART_ENTRIES)
		rc = record_part(w, d, true);
	if (rc == BC_OK)
		rc = statcache_part_add(&d->part, &s);
	d->part_n++;
	d->recorded++;
	return rc;
}

/* This worker has the builder to itself. */
static enum bc_err emit_range(struct worker *w, struct range *r, struct err *e)
{
	struct dir_job *d = r->dir;
	enum bc_err rc = BC_OK;

	if (!d->builder_ready) {
		rc = worker_ready(w, e);
		if (rc != BC_OK)
			return rc;
		tree_builder_init(&d->builder, &w->content.sink);
		tree_builder_begin(&d->builder);
		d->builder_ready = true;
	}
	for (uint32_t i = 0; i < r->n && rc == BC_OK; i++) {
		if (!r->present[i])
			continue;
		rc = tree_builder_add(&d->builder, &r->entry[i], e);
		if (rc == BC_OK)
			rc = record_entry(w, d, r, i);
	}
	d->sum.files += r->files + r->below.files;
	d->sum.dirs += r->below.dirs;
	d->sum.others += r->others + r->below.others;
	return rc;
}

enum bc_err empty_dir(struct worker *w, struct tree_dir *out, struct err *e)
{
	struct tree_builder b;
	enum bc_err rc = worker_ready(w, e);

	if (rc != BC_OK)
		return rc;
	tree_builder_init(&b, &w->content.sink);
	tree_builder_begin(&b);
	rc = tree_builder_finish(&b, out, e);
	tree_builder_fini(&b);
	return rc;
}

/* All ranges are in the builder. */
static void finish_dir(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	struct err e = ERR_INIT;
	enum bc_err rc;

	if (d->builder_ready)
		rc = tree_builder_finish(&d->builder, &d->sum.dir, &e);
	else
		rc = empty_dir(w, &d->sum.dir, &e);
	if (rc == BC_OK && p->cache_out != NULL)
		rc = record_part(w, d, false);
	if (rc != BC_OK) {
		put_fail(p, rc, &e);
		return;
	}
	if (p->cache_out != NULL) {
		struct stat_record r = { .sum = d->sum,
					 .count = d->recorded,
					 .more = d->more,
					 .raw = buf_bytes(&d->part0) };

		statcache_writer_put(p->cache_out, bytes_str(d->path), &r);
	}
	dir_known(w, d, false);
}

/*
 * Emit what is ready, in order. Whoever finds the next range ready and nobody
 * at the builder takes it; the lock is not held while it builds.
 */
static void emit_ready(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;

	for (;;) {
		struct range *r = NULL;
		struct err e = ERR_INIT;
		bool all = false, unpark = false;
		enum bc_err rc = BC_OK;

		pthread_mutex_lock(&p->lock);
		if (!d->emitting && d->waiting != NULL && d->waiting->read &&
		    d->waiting->children == 0) {
			r = d->waiting;
			d->waiting = r->next;
			d->emitting = true;
		}
		pthread_mutex_unlock(&p->lock);
		if (r == NULL)
			return;
		rc = emit_range(w, r, &e);
		range_free(r);
		if (rc != BC_OK)
			put_fail(p, rc, &e);
		pthread_mutex_lock(&p->lock);
		d->emitting = false;
		d->n_waiting--;
		unpark = d->parked && d->n_waiting < RANGES_WAITING_MAX / 2;
		if (unpark)
			d->parked = false;
		all = d->waiting == NULL && d->next_name == d->names.n &&
		      !d->finishing;
		d->finishing = d->finishing || all;
		pthread_mutex_unlock(&p->lock);
		if (unpark)
			sched_push(p, d);
		if (all && rc == BC_OK)
			finish_dir(w, d);
		if (all)
			return;
	}
}

/* A range has all but its directories: they may be known as well. */
static void range_read(struct worker *w, struct range *r)
{
	struct put *p = w->p;
	struct dir_job *d = r->dir;

	count_range(w, r);
	pthread_mutex_lock(&p->lock);
	r->read = true;
	pthread_mutex_unlock(&p->lock);
	/* From here on another worker may emit it. */
	if (!put_failed(p))
		emit_ready(w, d);
	dir_release(p, d);
}

void range_release(struct worker *w)
{
	bool draining = w->draining;
	size_t n = w->n_held;

	/* The caller may be in the middle of a range: no other is begun. */
	w->draining = true;
	w->n_held = 0;
	for (size_t i = 0; i < n; i++)
		range_read(w, w->held[i]);
	w->draining = draining;
}

/* Work through the next names, and let others have those after them. */
static void build_more(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	struct known k;
	struct err e = ERR_INIT;
	struct range *r;
	int fd;
	bool more;

	if (d->names.n == 0) {
		finish_dir(w, d);
		return;
	}
	fd = open_dir(p, d);
	if (fd < 0 && !d->top) {
		/* Gone since it was listed: what is emitted stays. */
		put_event(p, PUT_VANISHED, "", d->path, errno);
	}
	r = range_new(p, d);
	if (r == NULL) {
		no_memory(p);
		return;
	}
	pthread_mutex_lock(&p->lock);
	more = d->next_name < d->names.n;
	d->parked = more && d->n_waiting >= RANGES_WAITING_MAX;
	more = more && !d->parked;
	pthread_mutex_unlock(&p->lock);
	if (more)
		sched_push(p, d);
	k = known_begin(w, r);
	for (uint32_t i = 0; i < r->n && (fd >= 0 || d->top); i++) {
		if ((i & 15) == 0 && put_failed(p))
			break;
		range_item(w, r, i, fd, &k);
	}
	if (fd >= 0)
		close(fd);
	if (r->batched == 0) {
		range_read(w, r);
	} else {
		w->held[w->n_held++] = r;
		if (w->n_held == HELD_MAX)
			(void)!file_flush(w, &e);
	}
	/* What a flush in the middle of the range has completed. */
	drain_ready(w);
}

static void begin_building(struct worker *w, struct dir_job *d)
{
	d->building = true;
	pthread_mutex_lock(&w->p->lock);
	w->p->cache_changed = true;
	pthread_mutex_unlock(&w->p->lock);
	build_more(w, d);
}

/* ---- known ----------------------------------------------------------------
 */

static bool add_ready(struct worker *w, struct dir_job *d, bool checked)
{
	if (w->n_todo == w->cap_todo) {
		size_t cap = w->cap_todo == 0 ? 16 : w->cap_todo * 2;
		struct ready *at = realloc(w->todo, cap * sizeof(*at));

		if (at == NULL) {
			no_memory(w->p);
			return false;
		}
		w->todo = at;
		w->cap_todo = cap;
	}
	w->todo[w->n_todo++] = (struct ready){ d, checked };
	return true;
}

/* A child of a directory that was found unchanged so far. The last one decides
 * what becomes of it. */
static void check_child(struct worker *w, struct dir_job *d, struct dir_job *c,
			bool same)
{
	bool last;

	pthread_mutex_lock(&w->p->lock);
	d->children[c->slot].sum = c->sum;
	d->children[c->slot].same = same;
	d->children[c->slot].lost = c->lost;
	d->children_same = d->children_same && same;
	last = --d->children_left == 0;
	pthread_mutex_unlock(&w->p->lock);
	if (last)
		add_ready(w, d, true);
}

/* A child of a range that is being built. */
static void fill_child(struct worker *w, struct range *r, struct dir_job *c)
{
	struct dir_job *d = r->dir;

	pthread_mutex_lock(&w->p->lock);
	if (c->lost)
		r->present[c->slot] = false;
	else
		range_add_sum(r, c->slot, &c->sum);
	r->children--;
	/* From here on another worker may emit the range, and finish d. */
	dir_hold(d);
	pthread_mutex_unlock(&w->p->lock);
	if (!add_ready(w, d, false))
		dir_release(w->p, d);
}

static void drain_ready(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	while (w->n_todo > 0) {
		struct ready r = w->todo[--w->n_todo];

		if (!r.checked) {
			emit_ready(w, r.dir);
			dir_release(w->p, r.dir);
		} else if (r.dir->children_same) {
			dir_same(w, r.dir);
		} else {
			begin_building(w, r.dir);
		}
	}
	w->draining = false;
}

static void dir_known(struct worker *w, struct dir_job *d, bool same)
{
	struct dir_job *parent = d->parent;
	struct put *p = w->p;

	if (parent == NULL) {
		pthread_mutex_lock(&p->lock);
		p->root = d->sum;
		p->root_known = true;
		pthread_mutex_unlock(&p->lock);
	} else if (d->range != NULL) {
		fill_child(w, d->range, d);
	} else {
		check_child(w, parent, d, same);
	}
	atomic_fetch_add(&p->progress->dirs, parent == NULL ? 0 : 1);
	dir_retire(p, d);
	drain_ready(w);
}

void dir_flush(struct worker *w)
{
	struct err e = ERR_INIT;

	(void)!file_flush(w, &e);
	drain_ready(w);
}

void dir_work(struct worker *w, struct dir_job *d)
{
	struct put *p = w->p;
	bool same = false;
	int fd;

	if (d->building) {
		build_more(w, d);
		return;
	}
	fd = open_dir(p, d);
	if (fd < 0 && !d->top) {
		dir_unreadable(w, d, errno);
		return;
	}
	if (!d->top && !list_dir(w, d, fd)) {
		close(fd);
		return;
	}
	d->has_record =
		statcache_find(p->cache, bytes_str(d->path), 0, &d->record);
	if (d->has_record)
		same = all_same(w, d, fd);
	if (fd >= 0)
		close(fd);
	if (!same) {
		d->n_children = 0;
		begin_building(w, d);
	} else if (d->n_children == 0) {
		dir_same(w, d);
	} else {
		push_children(w, d);
	}
}
