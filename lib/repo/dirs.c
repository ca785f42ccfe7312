/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/dirs.h"

#include <stdlib.h>

#include "repo/dir_load.h"
#include "repo/state.h"

enum { DIR_BUCKETS = 256 };

/* Entries are found by pack number and the slots they tell about, kept by use,
 * and never dropped while referenced. */
struct dir_entry {
	struct pack_ref pack;
	struct pack_dir *dir;
	bool verified; /* else of one block, by load_piece() */
	unsigned refs;
	struct dir_entry *chain;	 /* of its bucket */
	struct dir_entry *newer, *older; /* by use */
};

struct dir_cache {
	struct dir_entry *bucket[DIR_BUCKETS];
	struct dir_entry *newest, *oldest;
	size_t bytes, budget;
};

enum bc_err dir_cache_new(size_t budget, struct dir_cache **out)
{
	struct dir_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return BC_ENOMEM;
	c->budget = budget;
	*out = c;
	return BC_OK;
}

static void unlink_use(struct dir_cache *c, struct dir_entry *d)
{
	*(d->newer != NULL ? &d->newer->older : &c->newest) = d->older;
	*(d->older != NULL ? &d->older->newer : &c->oldest) = d->newer;
	d->newer = d->older = NULL;
}

static void link_newest(struct dir_cache *c, struct dir_entry *d)
{
	d->older = c->newest;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = d;
	c->newest = d;
}

static void drop(struct dir_cache *c, struct dir_entry *d)
{
	struct dir_entry **at = &c->bucket[d->pack.number % DIR_BUCKETS];

	while (*at != d)
		at = &(*at)->chain;
	*at = d->chain;
	unlink_use(c, d);
	c->bytes -= d->dir->bytes;
	pack_dir_free(d->dir);
	free(d);
}

void dir_cache_free(struct dir_cache *c)
{
	if (c == NULL)
		return;
	while (c->oldest != NULL)
		drop(c, c->oldest);
	free(c);
}

static struct dir_entry *find(struct dir_cache *c, uint32_t number,
			      uint32_t slot, enum dir_trust trust)
{
	struct dir_entry *d = c->bucket[number % DIR_BUCKETS];

	while (d != NULL && (d->pack.number != number ||
			     (trust == DIR_VERIFIED && !d->verified) ||
			     slot < d->dir->base_slot ||
			     slot - d->dir->base_slot >= d->dir->n_chunks))
		d = d->chain;
	return d;
}

static struct dir_entry *insert(struct dir_cache *c, const struct pack_ref *p,
				struct pack_dir *dir, bool verified)
{
	struct dir_entry *d = calloc(1, sizeof(*d)), *old;

	if (d == NULL) {
		pack_dir_free(dir);
		return NULL;
	}
	d->pack = *p;
	d->dir = dir;
	d->verified = verified;
	d->chain = c->bucket[p->number % DIR_BUCKETS];
	c->bucket[p->number % DIR_BUCKETS] = d;
	link_newest(c, d);
	c->bytes += dir->bytes;
	for (old = c->oldest; old != d && c->bytes > c->budget;) {
		struct dir_entry *next = old->newer;

		if (old->refs == 0)
			drop(c, old);
		old = next;
	}
	return d;
}

/* ---- get and put ----
 */

/* Every chunk of a sealed pack, not only those of one block. */
static enum bc_err get_whole(struct repo *r, uint32_t number,
			     struct dir_ref *out, struct err *e)
{
	struct dir_entry *d = r->dirs->bucket[number % DIR_BUCKETS];
	struct catalog_pack row;
	struct pack_ref p;
	struct pack_dir *dir = NULL;
	enum bc_err rc = catalog_get_pack(r->catalog, number, &row, e);

	while (rc == BC_OK && d != NULL &&
	       (d->pack.number != number || !d->verified ||
		d->dir->n_chunks != row.chunks))
		d = d->chain;
	if (rc == BC_OK && d == NULL) {
		rc = repo_pack_ref(r, number, &p, e);
		if (rc == BC_OK)
			rc = dir_load_sealed(r, &p, &dir, e);
		if (rc == BC_OK)
			d = insert(r->dirs, &p, dir, true);
		if (rc == BC_OK && d == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory");
	}
	if (rc != BC_OK)
		return rc;
	d->refs++;
	*out = (struct dir_ref){ d->dir, d->pack, d };
	return BC_OK;
}

enum bc_err repo_dir_get_whole(struct repo *r, uint32_t number,
			       struct dir_ref *out, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = get_whole(r, number, out, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

static enum bc_err get_locked(struct repo *r, uint32_t number, uint16_t slot,
			      enum dir_trust trust, struct dir_ref *out,
			      struct err *e)
{
	struct dir_entry *d = find(r->dirs, number, slot, trust);
	struct pack_ref p;
	struct pack_dir *dir = NULL;
	bool verified = true;
	enum bc_err rc;

	if (d == NULL) {
		rc = repo_pack_ref(r, number, &p, e);
		if (rc == BC_OK && p.freed)
			rc = err_set(e, BC_ENOTFOUND, "pack %u is freed",
				     number);
		if (rc != BC_OK)
			return rc;
		if (p.log && p.length == 0)
			rc = dir_load_group(r, &p, slot, &dir, e);
		else if (trust == DIR_VERIFIED)
			rc = dir_load_sealed(r, &p, &dir, e);
		else
			rc = dir_load_some(r, &p, slot, &dir, &verified, e);
		if (rc != BC_OK)
			return rc;
		if (slot < dir->base_slot ||
		    slot - dir->base_slot >= dir->n_chunks) {
			pack_dir_free(dir);
			return err_set(e, BC_ENOTFOUND,
				       "pack %u has no slot %u", number, slot);
		}
		d = insert(r->dirs, &p, dir, verified);
		if (d == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
	} else if (r->dirs->newest != d) {
		unlink_use(r->dirs, d);
		link_newest(r->dirs, d);
	}
	d->refs++;
	*out = (struct dir_ref){ d->dir, d->pack, d };
	return BC_OK;
}

enum bc_err repo_dir_get(struct repo *r, uint32_t number, uint16_t slot,
			 enum dir_trust trust, struct dir_ref *out,
			 struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = get_locked(r, number, slot, trust, out, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

void repo_dir_put(struct repo *r, struct dir_ref *d)
{
	struct dir_entry *entry = d->entry;

	if (entry == NULL)
		return;
	pthread_mutex_lock(&r->mutex);
	entry->refs--;
	pthread_mutex_unlock(&r->mutex);
	*d = (struct dir_ref){ .dir = NULL };
}

void repo_dir_add(struct repo *r, const struct pack_ref *p, struct pack_dir *d)
{
	pthread_mutex_lock(&r->mutex);
	(void)insert(r->dirs, p, d, true);
	pthread_mutex_unlock(&r->mutex);
}
