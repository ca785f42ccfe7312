/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/known.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "ingest/run.h"
#include "repo/repo.h"
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

void known_open(struct put *p)
{
	struct io_dir *dir =
		p->o->cache != NULL ? p->o->cache : repo_cache_dir(p->repo);
	const struct superblock *sb = repo_superblock(p->repo);
	struct known *k = &p->known;
	char name[CACHE_NAME_BYTES];
	struct digest root;
	bool live = false;

	if (dir == NULL || p->session == NULL || only_streams(p))
		return;
	cache_name(p, name);
	/* The trees it names must be reachable from a snapshot that lives at
	 * this session's generation. */
	if (!p->o->no_cache &&
	    statcache_open(dir, name, &sb->id, &k->before, &root, NULL) ==
		    BC_OK &&
	    (repo_root_live(p->repo, &root, &live, NULL) != BC_OK || !live)) {
		statcache_close(k->before);
		k->before = NULL;
	}
	if (statcache_writer_new(dir, name, &k->after, NULL) != BC_OK)
		k->after = NULL;
}

static bool worth_a_cache(const struct put *p)
{
	return p->root.files != 1 || p->root.dirs > 0 || p->root.others > 0 ||
	       p->root.dir.bytes > CACHE_WORTH_BYTES;
}

void known_save(struct put *p)
{
	struct known *k = &p->known;

	if (k->after == NULL || !k->differs || !worth_a_cache(p))
		return;
	for (size_t i = 0; i < k->n; i++)
		statcache_writer_copy(k->after, &k->same[i]);
	/* It is a cache: failing to keep it only costs the next run time. */
	(void)!statcache_writer_finish(k->after, &repo_superblock(p->repo)->id,
				       &p->root.dir.id, NULL);
	k->after = NULL;
}

void known_close(struct put *p)
{
	struct known *k = &p->known;

	statcache_writer_abort(k->after);
	statcache_close(k->before);
	free(k->same);
}

/* ---- directories ----------------------------------------------------------
 */

bool known_dir(const struct put *p, const char *path, struct stat_record *out)
{
	return statcache_find(p->known.before, bytes_str(path), 0, out);
}

/* Under the lock. */
static bool keep_part(struct known *k, const struct stat_record *r)
{
	if (k->n == k->cap) {
		size_t cap = k->cap == 0 ? 256 : k->cap * 2;
		struct stat_record *at = realloc(k->same, cap * sizeof(*at));

		if (at == NULL)
			return false;
		k->same = at;
		k->cap = cap;
	}
	k->same[k->n++] = *r;
	return true;
}

void known_keep(struct put *p, const char *path,
		const struct stat_record *part0)
{
	struct known *k = &p->known;
	struct stat_record r = *part0;
	bool kept;

	pthread_mutex_lock(&p->lock);
	kept = keep_part(k, &r);
	for (uint32_t part = 1;
	     kept && r.more &&
	     statcache_find(k->before, bytes_str(path), part, &r);
	     part++)
		kept = keep_part(k, &r);
	/* The new cache lacks it, and is another one. */
	if (!kept)
		k->differs = true;
	pthread_mutex_unlock(&p->lock);
}

void known_differs(struct put *p)
{
	pthread_mutex_lock(&p->lock);
	p->known.differs = true;
	pthread_mutex_unlock(&p->lock);
}

void known_record(struct put *p, const char *path, const struct stat_record *r)
{
	if (p->known.after != NULL)
		statcache_writer_put(p->known.after, bytes_str(path), r);
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

bool known_next(struct known_walk *k, struct stat_entry *out)
{
	struct stat_record r;

	while (!statcache_next(&k->left, out)) {
		if (!k->more ||
		    !statcache_find(k->cache, k->path, ++k->part, &r))
			return false;
		k->left = r.raw;
		k->more = r.more;
	}
	return true;
}
