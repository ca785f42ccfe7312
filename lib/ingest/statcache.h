/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/statcache - what the files of a tree looked like when they were last
 * read, so that they need not be read again.
 *
 * One file per set of roots, in the repository's cache folder. It holds, for
 * each directory, the digest of its tree node and for each entry what the
 * system said about it. It is bound to a snapshot's root tree: whoever uses it
 * asks first whether a live snapshot has that root, and whether all that the
 * snapshot needs is still there. A file whose time stamps are not older than
 * the run that read it is never trusted (racy). Header and records have
 * checksums (ingest/statcache_format): a cache that lies would lose data.
 *
 * It is a cache: never synced, replaced by rename, deleted at will.
 */
#ifndef BC_INGEST_STATCACHE_H
#define BC_INGEST_STATCACHE_H

#include "ingest/statcache_format.h"
#include "io/io.h"

struct statcache;

/*
 * statcache_open - map the cache file `name`.
 *   BC_ENOTFOUND  none, or not one that can be used
 */
BC_MUST_CHECK enum bc_err statcache_open(struct io_dir *d, const char *name,
					 const struct pack_id *repo,
					 struct statcache **out,
					 struct stat_bond *bond, struct err *e);
void statcache_close(struct statcache *c);

/* statcache_find - part `part` of the record of a directory, borrowed; false
 * if there is none or it is damaged. Any thread. */
bool statcache_find(const struct statcache *c, struct bytes path, uint32_t part,
		    struct stat_record *out);

/* statcache_keep - mark the record of a directory, all its parts, as one to be
 * copied. `part0` is of statcache_find(c). Any thread. */
void statcache_keep(struct statcache *c, const struct stat_record *part0);

/* A cache that is being written. */
struct statcache_writer;

BC_MUST_CHECK enum bc_err statcache_writer_new(struct io_dir *d,
					       const char *name,
					       struct statcache_writer **out,
					       struct err *e);

/* statcache_writer_put - append one part, made by stat_entry_add(); any thread.
 * Failures only make the cache useless: they are kept for the end. */
void statcache_writer_put(struct statcache_writer *w,
			  const struct stat_record *r);

/* statcache_writer_copy - append what is marked in c, in the order in which it
 * lies there, so that what was written together stays together. c may be NULL.
 * After all calls of statcache_keep(). Failures as above. */
void statcache_writer_copy(struct statcache_writer *w,
			   const struct statcache *c);

/* statcache_writer_finish - give it its name and what it is bound to; releases
 * w. */
BC_MUST_CHECK enum bc_err statcache_writer_finish(struct statcache_writer *w,
						  const struct pack_id *repo,
						  const struct stat_bond *bond,
						  struct err *e);
void statcache_writer_abort(struct statcache_writer *w);

#endif
