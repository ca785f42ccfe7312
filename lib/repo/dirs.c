/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/dirs.h"

#include <stdlib.h>

#include "repo/dir_load.h"
#include "repo/dir_salvage.h"
#include "repo/hurt.h"
#include "repo/state.h"

enum { DIR_BUCKETS = 256 };

/* Entries are found by pack number and the slots they tell about, kept by use,
 * and never dropped while referenced. */
struct dir_entry {
	struct pack_ref pack;
	struct pack_dir *dir;
	enum dir_trust trust; /* what it serves for at most */
	unsigned refs;
	struct dir_entry *chain;	 /* of its bucket */
	struct dir_entry *newer, *older; /* by use */
};

/* Slots of a damaged pack of which nothing was found: not looked for again. */
struct dir_gap {
	uint32_t pack, from, to;
};

enum { GAPS_BYTES = 1 << 20 };

struct dir_cache {
	struct dir_entry *bucket[DIR_BUCKETS];
	struct dir_entry *newest, *oldest;
	size_t bytes, budget;
	struct buf gaps;
};

enum bc_err dir_cache_new(size_t budget, struct dir_cache **out)
{
	struct dir_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return BC_ENOMEM;
	c->budget = budget;
	buf_init(&c->gaps, GAPS_BYTES);
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
	buf_fini(&c->gaps);
	free(c);
}

static struct dir_entry *find(struct dir_cache *c, uint32_t number,
			      uint32_t slot, enum dir_trust trust)
{
	struct dir_entry *d = c->bucket[number % DIR_BUCKETS];

	while (d != NULL && (d->pack.number != number || d->trust < trust ||
			     slot < d->dir->base_slot ||
			     slot - d->dir->base_slot >= d->dir->n_chunks))
		d = d->chain;
	return d;
}

static struct dir_entry *insert(struct dir_cache *c, const struct pack_ref *p,
				struct pack_dir *dir, enum dir_trust trust)
{
	struct dir_entry *d = calloc(1, sizeof(*d)), *old;

	if (d == NULL) {
		pack_dir_free(dir);
		return NULL;
	}
	d->pack = *p;
	d->dir = dir;
	d->trust = trust;
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
	       (d->pack.number != number || d->trust != DIR_VERIFIED ||
		d->dir->n_chunks != row.chunks))
		d = d->chain;
	if (rc == BC_OK && d == NULL) {
		rc = repo_pack_ref(r, number, &p, e);
		if (rc == BC_OK)
			rc = dir_load_sealed(r, &p, &dir, e);
		if (rc == BC_OK)
			d = insert(r->dirs, &p, dir, DIR_VERIFIED);
		if (rc == BC_OK && d == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory");
	}
	if (rc != BC_OK)
		return rc;
	d->refs++;
	*out = (struct dir_ref){ d->dir, d->pack, d, d->trust };
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

static bool in_gap(const struct dir_cache *c, uint32_t pack, uint16_t slot)
{
	for (size_t i = 0; i < c->gaps.n; i += sizeof(struct dir_gap)) {
		struct dir_gap g;

		memcpy(&g, c->gaps.p + i, sizeof(g));
		if (g.pack == pack && slot >= g.from && slot < g.to)
			return true;
	}
	return false;
}

static void add_gap(struct dir_cache *c, uint32_t pack, uint32_t from,
		    uint32_t to)
{
	struct dir_gap g = { pack, from, to };

	/* Forgotten, it only costs time. */
	if (from < to)
		(void)!buf_add(&c->gaps, &g, sizeof(g));
}

/*
 * The directory is damaged: by its blocks.
 *   rc, e  what is wrong with it, which stays so if nothing is found
 */
static enum bc_err load_salvaged(struct repo *r, const struct pack_ref *p,
				 uint16_t slot, struct pack_dir **out,
				 enum bc_err rc, struct err *e)
{
	struct err why = ERR_INIT;
	struct salvage found;
	uint32_t next = 0;

	if (in_gap(r->dirs, p->number, slot) ||
	    dir_salvage(r, p, &found, NULL) != BC_OK)
		return rc;
	if (e != NULL)
		why = *e;
	dir_tell_salvaged(r, p, &why);
	*out = NULL;
	for (size_t i = 0; i < found.n; i++) {
		struct pack_dir *d = found.at[i];

		add_gap(r->dirs, p->number, next, d->base_slot);
		next = d->base_slot + d->n_chunks;
		found.at[i] = NULL;
		/* That one comes last, so that none drops it. */
		if (slot >= d->base_slot && slot < next)
			*out = d;
		else
			(void)insert(r->dirs, p, d, DIR_SOUND);
	}
	add_gap(r->dirs, p->number, next, CATALOG_SLOT_MAX + 1);
	salvage_fini(&found);
	if (*out == NULL)
		return rc;
	err_clear(e);
	return BC_OK;
}

static enum bc_err load(struct repo *r, const struct pack_ref *p, uint16_t slot,
			enum dir_trust *trust, struct pack_dir **out,
			struct err *e)
{
	enum dir_trust asked = *trust;
	bool verified = true;
	enum bc_err rc;

	*trust = DIR_VERIFIED;
	if (p->log && p->length == 0)
		return dir_load_group(r, p, slot, out, e);
	if (asked == DIR_HINT)
		rc = dir_load_some(r, p, slot, out, &verified, e);
	else
		rc = dir_load_sealed(r, p, out, e);
	if (!verified)
		*trust = DIR_HINT;
	if ((rc != BC_EDAMAGE && rc != BC_EIO) || asked == DIR_VERIFIED)
		return rc;
	*trust = DIR_SOUND;
	return load_salvaged(r, p, slot, out, rc, e);
}

static enum bc_err get_locked(struct repo *r, uint32_t number, uint16_t slot,
			      enum dir_trust trust, struct dir_ref *out,
			      struct err *e)
{
	struct dir_entry *d = find(r->dirs, number, slot, trust);
	struct pack_ref p;
	struct pack_dir *dir = NULL;
	enum bc_err rc;

	if (d == NULL) {
		rc = repo_pack_ref(r, number, &p, e);
		if (rc == BC_OK && p.freed)
			rc = err_set(e, BC_ENOTFOUND, "pack %u is freed",
				     number);
		if (rc == BC_OK)
			rc = load(r, &p, slot, &trust, &dir, e);
		if (rc != BC_OK)
			return rc;
		if (slot < dir->base_slot ||
		    slot - dir->base_slot >= dir->n_chunks) {
			pack_dir_free(dir);
			return err_set(e, BC_ENOTFOUND,
				       "pack %u has no slot %u", number, slot);
		}
		d = insert(r->dirs, &p, dir, trust);
		if (d == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
	} else if (r->dirs->newest != d) {
		unlink_use(r->dirs, d);
		link_newest(r->dirs, d);
	}
	d->refs++;
	*out = (struct dir_ref){ d->dir, d->pack, d, d->trust };
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
	(void)insert(r->dirs, p, d, DIR_VERIFIED);
	pthread_mutex_unlock(&r->mutex);
}
