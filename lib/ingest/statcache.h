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
 * the run that read it is never trusted (racy). Each record has a checksum: a
 * cache that lies would lose data.
 *
 * It is a cache: never synced, replaced by rename, deleted at will.
 */
#ifndef BC_INGEST_STATCACHE_H
#define BC_INGEST_STATCACHE_H

#include "io/io.h"
#include "pack/format.h"
#include "tree/node.h"

struct stat_entry {
	struct bytes name;
	uint8_t type; /* enum tree_type */
	bool racy;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* What lies below a directory. */
struct tree_sum {
	struct tree_dir dir;
	uint64_t files, dirs, others;
};

/* A directory's record: entries in order of names, in parts. */
struct stat_record {
	struct tree_sum sum;
	uint64_t count;	    /* entries in all parts */
	uint32_t part;	    /* of this one */
	bool more;	    /* another part follows */
	struct bytes raw;   /* entries of this part */
	struct bytes whole; /* the record as it lies in the file */
};

enum { STAT_PART_ENTRIES = 4096 };

struct statcache;

/* What a cache is bound to. */
struct stat_bond {
	struct digest root; /* the root tree of a snapshot */
	/* What was lost of the repository when the run began that made it:
	 * session_hurt(). That run has relied on nothing of it. */
	struct digest hurt;
	int64_t begun; /* when that run began, ns: racy.h */
};

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

/* statcache_next - walk a part's entries: *left is record.raw at first. */
bool statcache_next(struct bytes *left, struct stat_entry *out);

/* A cache that is being written. */
struct statcache_writer;

BC_MUST_CHECK enum bc_err statcache_writer_new(struct io_dir *d,
					       const char *name,
					       struct statcache_writer **out,
					       struct err *e);

/* A record on its way: statcache_part_add() entries, at most
 * STAT_PART_ENTRIES, then statcache_writer_put(). */
BC_MUST_CHECK enum bc_err statcache_part_add(struct buf *part,
					     const struct stat_entry *en);

/* statcache_writer_put - append one part; any thread. Failures only make the
 * cache useless: they are kept for the end. */
void statcache_writer_put(struct statcache_writer *w, struct bytes path,
			  const struct stat_record *r);

/* statcache_writer_copy - append a record as it was. Any thread. */
void statcache_writer_copy(struct statcache_writer *w,
			   const struct stat_record *r);

/* statcache_writer_finish - give it its name and what it is bound to; releases
 * w. */
BC_MUST_CHECK enum bc_err statcache_writer_finish(struct statcache_writer *w,
						  const struct pack_id *repo,
						  const struct stat_bond *bond,
						  struct err *e);
void statcache_writer_abort(struct statcache_writer *w);

#endif
