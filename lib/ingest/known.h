/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/known - the stat cache of one put: what the last one has seen, and
 * what this one will have.
 *
 * The old cache is used only if a snapshot lives that has its root, so that
 * all its nodes are reachable. A new one replaces it when something differs
 * and the snapshot is committed. Without either, everything is read and
 * nothing is lost but time.
 */
#ifndef BC_INGEST_KNOWN_H
#define BC_INGEST_KNOWN_H

#include "ingest/statcache.h"

struct put;

struct known {
	struct statcache *before;	/* NULL: nothing is known */
	struct statcache_writer *after; /* NULL: none is kept */
	bool differs;			/* under the lock of struct put */
};

/* known_open - both, as far as the options, the roots and the state of the
 * repository allow: sets p->hurt. A failure is the repository's. */
BC_MUST_CHECK enum bc_err known_open(struct put *p, struct err *e);

/* known_save - the snapshot with root p->root is committed, or was there.
 *   id  of the one that this put has made; zeros: none */
void known_save(struct put *p, const struct digest *id);

/* known_close - release all. */
void known_close(struct put *p);

/* known_dir - what is known of a directory: part 0 of its record, borrowed
 * from the cache. False if nothing is. Any thread. */
bool known_dir(const struct put *p, const char *path, struct stat_record *out);

/* known_keep - the directory is as `part0`, of known_dir(), says it was;
 * known_differs - some directory is not; known_record - append a part of a new
 * record. Any thread; a failure costs the next put time and nothing else. */
void known_keep(struct put *p, const struct stat_record *part0);
void known_differs(struct put *p);
void known_record(struct put *p, const char *path, const struct stat_record *r);

/* All entries of a record, in order, over all its parts. */
struct known_walk {
	const struct statcache *cache;
	struct bytes path; /* borrowed */
	struct bytes left; /* of the part */
	uint32_t part;
	bool more;
};
struct known_walk known_walk(const struct put *p, const char *path,
			     const struct stat_record *part0);

/* known_walk_to - the same from a part on that has `name` in it or behind it:
 * part `hint`, or one before. A walk of each range of a large directory from
 * its beginning would grow with the square of it. */
struct known_walk known_walk_to(const struct put *p, const char *path,
				const struct stat_record *part0,
				struct bytes name, uint32_t hint);

/* known_next - false after the last, and where a part is not to be had. */
bool known_next(struct known_walk *k, struct stat_entry *out);

/* known_same - may what is now be taken for what was then, unread? */
static inline bool known_same(const struct stat_entry *was,
			      const struct stat_entry *is)
{
	return !was->racy && was->type == is->type && was->ino == is->ino &&
	       was->size == is->size && was->mtime_ns == is->mtime_ns &&
	       was->ctime_ns == is->ctime_ns;
}

#endif
