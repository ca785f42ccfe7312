/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/known.h"

#include <sys/stat.h>

#include "hash/sha256.h"
#include "ingest/run.h"
#include "repo/repo.h"
#include "repo/session.h"
#include "repo/snapshots_live.h"
#include "util/hex.h"

enum {
	CACHE_NAME_BYTES = 64,
	/* One file of this size is read and hashed in less time than it takes
	 * to keep a cache for it. */
	CACHE_WORTH_BYTES = 256 << 10,
};

/* ---- the caches -----------------------------------------------------------
 */

/* One per set of roots: a digest of their paths names the file. */
static void cache_name(const struct put *p, char out[CACHE_NAME_BYTES])
{
	struct sha256_ctx c;
	struct digest d;

	sha256_init(&c);
	for (size_t i = 0; i < p->o->n_roots; i++) {
		const struct put_root *r = &p->o->roots[i];
		const char *path = r->source == NULL ? "" : r->source;
		uint8_t how = (uint8_t)r->how;

		sha256_update(&c, bytes_of(&how, 1));
		sha256_update(&c, bytes_of(path, strlen(path) + 1));
	}
	if (p->o->one_file_system)
		sha256_update(&c, bytes_str("x"));
	sha256_final(&c, &d);
	memcpy(out, "stat-", 5);
	hex_encode(d.b, 16, out + 5);
}

/* Streams look like nothing that was there before. */
static bool only_streams(const struct put *p)
{
	for (size_t i = 0; i < p->o->n_roots; i++)
		if (p->o->roots[i].how != PUT_STDIN)
			return false;
	return true;
}

/* Is there a directory among the roots? */
static bool has_trees(const struct put *p)
{
	struct stat st;

	for (size_t i = 0; i < p->o->n_roots; i++) {
		const struct put_root *r = &p->o->roots[i];

		if (r->how == PUT_CONTENTS ||
		    (r->how == PUT_NAMED && lstat(r->path, &st) == 0 &&
		     S_ISDIR(st.st_mode)))
			return true;
	}
	return false;
}

/* Has the run that made the cache known of all that is lost now, and is what
 * it has stored again in this repository? */
static bool has_mended(const struct put *p, const struct stat_bond *bond)
{
	bool live;

	return digest_eq(&p->hurt, &bond->hurt) &&
	       repo_snapshot_live(p->repo, &bond->snapshot, &live, NULL) ==
		       BC_OK &&
	       live;
}

/*
 * May the cache stand for reading the files? The trees it names must be
 * reachable from a snapshot that lives at this session's generation, and what
 * has been lost of the repository since must be nothing: a directory that is
 * reused without being read cannot tell what of it was lost.
 */
static enum bc_err trust(struct put *p, const struct stat_bond *bond,
			 bool *trusted, struct err *e)
{
	static const struct digest none;
	struct known *k = &p->known;
	bool had = k->before != NULL || p->distrust, lost = false, sound;
	bool live = k->before != NULL && !p->distrust;
	enum bc_err rc;

	*trusted = false;
	/* The clock was set back since: what is new may look old. */
	live = live && bond->begun <= p->racy.begun;
	if (live && repo_root_live(p->repo, &bond->root, &live, NULL) != BC_OK)
		live = false;
	/* A file given by name is looked up by its chunks; that finds what
	 * they need. */
	rc = session_hurt(p->session, live || has_trees(p), &lost, &p->hurt, e);
	if (rc != BC_OK)
		return rc;
	sound = digest_eq(&p->hurt, &none);
	*trusted = live && (sound || has_mended(p, bond));
	if (!sound && (lost || (had && !*trusted)))
		session_tell_hurt(p->session, !*trusted);
	return BC_OK;
}

enum bc_err known_open(struct put *p, struct err *e)
{
	struct io_dir *dir =
		p->o->cache != NULL ? p->o->cache : repo_cache_dir(p->repo);
	const struct superblock *sb = repo_superblock(p->repo);
	struct stat_bond bond = { .root = { { 0 } } };
	struct known *k = &p->known;
	char name[CACHE_NAME_BYTES];
	bool trusted = false;
	enum bc_err rc;

	if (p->session == NULL || only_streams(p))
		return BC_OK;
	cache_name(p, name);
	if (dir != NULL && !p->o->no_cache)
		(void)!statcache_open(dir, name, &sb->id, &k->before, &bond,
				      NULL);
	rc = trust(p, &bond, &trusted, e);
	if (!trusted) {
		statcache_close(k->before);
		k->before = NULL;
	}
	if (dir != NULL &&
	    statcache_writer_new(dir, name, &k->after, NULL) != BC_OK)
		k->after = NULL;
	return rc;
}

static bool worth_a_cache(const struct put *p)
{
	return p->root.files != 1 || p->root.dirs > 0 || p->root.others > 0 ||
	       p->root.dir.bytes > CACHE_WORTH_BYTES;
}

void known_save(struct put *p, const struct digest *id)
{
	const struct stat_bond bond = { .root = p->root.dir.id,
					.hurt = p->hurt,
					.snapshot = *id,
					.begun = p->racy.begun };
	struct known *k = &p->known;

	if (k->after == NULL || !k->differs || !worth_a_cache(p) ||
	    racy_set_back(&p->racy))
		return;
	statcache_writer_copy(k->after, k->before);
	/* It is a cache: failing to keep it only costs the next run time. */
	(void)!statcache_writer_finish(k->after, &repo_superblock(p->repo)->id,
				       &bond, NULL);
	k->after = NULL;
}

void known_close(struct put *p)
{
	struct known *k = &p->known;

	statcache_writer_abort(k->after);
	statcache_close(k->before);
}

/* ---- directories ----------------------------------------------------------
 */

bool known_dir(const struct put *p, const char *path, struct stat_record *out)
{
	return statcache_find(p->known.before, bytes_str(path), 0, out);
}

void known_keep(struct put *p, const struct stat_record *part0)
{
	statcache_keep(p->known.before, part0);
}

void known_differs(struct put *p)
{
	pthread_mutex_lock(&p->lock);
	p->known.differs = true;
	pthread_mutex_unlock(&p->lock);
}

void known_record(struct put *p, const char *path, const struct stat_record *r)
{
	struct stat_record one = *r;

	one.path = bytes_str(path);
	if (p->known.after != NULL)
		statcache_writer_put(p->known.after, &one);
}

/* ---- entries --------------------------------------------------------------
 */

struct known_walk known_walk(const struct put *p, const char *path,
			     const struct stat_record *part0)
{
	return (struct known_walk){ .cache = p->known.before,
				    .path = bytes_str(path),
				    .left = part0->raw,
				    .more = part0->more };
}

struct known_walk known_walk_to(const struct put *p, const char *path,
				const struct stat_record *part0,
				struct bytes name, uint32_t hint)
{
	struct known_walk k = known_walk(p, path, part0);

	for (; hint > 0; hint--) {
		struct stat_record r;
		struct stat_entry first;
		struct bytes left;

		if (!statcache_find(k.cache, k.path, hint, &r))
			continue;
		left = r.raw;
		if (!stat_entry_next(&left, &first) ||
		    bytes_cmp(first.name, name) > 0)
			continue;
		k.left = r.raw;
		k.part = hint;
		k.more = r.more;
		break;
	}
	return k;
}

bool known_next(struct known_walk *k, struct stat_entry *out)
{
	struct stat_record r;

	while (!stat_entry_next(&k->left, out)) {
		if (!k->more ||
		    !statcache_find(k->cache, k->path, ++k->part, &r))
			return false;
		k->left = r.raw;
		k->more = r.more;
	}
	return true;
}
