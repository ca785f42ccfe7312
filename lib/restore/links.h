/* SPDX-License-Identifier: Apache-2.0 */
/* restore/links - hard links. Private to lib/restore. */
#ifndef BC_RESTORE_LINKS_H
#define BC_RESTORE_LINKS_H

#include <pthread.h>
#include <sys/stat.h>

#include "tree/node.h"
#include "util/buf.h"
#include "util/digest.h"

struct rdir;
struct rfile;
struct run;
struct worker;

struct link_slot {
	uint64_t group;
	struct rfile *pending; /* content is still coming */
	uint32_t dir, name;    /* in text; 0: empty slot */
	struct digest print;   /* of what the entry says */
};

struct links {
	pthread_mutex_t lock;
	struct link_slot *slot;
	size_t n, cap;
	struct buf text; /* NUL-terminated paths and names */
	size_t waiting;	 /* names, of all that are pending */
	uint64_t dir_serial;
	uint32_t dir_at; /* path of the directory of that serial */
};

BC_MUST_CHECK enum bc_err links_init(struct links *l, struct err *e);
void links_fini(struct links *l);

/*
 * links_join - make `name` in dir, as `en` is one, a further name of its
 * group's first, now or when that is whole. If the two entries differ in more
 * than their names, that is said once, and it begins a file of its own.
 *
 *   BC_ENOTFOUND  there is none yet, or none like it; e is not set
 *   others        could not be made
 */
BC_MUST_CHECK enum bc_err links_join(struct worker *w, struct rdir *dir,
				     const char *name,
				     const struct tree_entry *en,
				     struct err *e);

/* links_full - so many names wait for their files, or that of this one, that
 * the files are to be finished before it joins. */
bool links_full(struct run *run, const struct tree_entry *en);

/* links_first - `name` in dir is the group's first. f may be NULL: it is there,
 * complete. With too many of them that is told, and later names become files of
 * their own. */
BC_MUST_CHECK enum bc_err links_first(struct worker *w, struct rdir *dir,
				      const char *name,
				      const struct tree_entry *en,
				      struct rfile *f, struct err *e);

/* links_there - `name` in dir was there before, as st. If its group has a first
 * that it is no name of, that is told once. BC_ENOMEM. */
BC_MUST_CHECK enum bc_err links_there(struct worker *w, struct rdir *dir,
				      const char *name,
				      const struct tree_entry *en,
				      const struct stat *st, struct err *e);

/* links_done - f is finished, and its further names are made; or it has failed,
 * and links to it are no longer made. */
void links_done(struct worker *w, struct rfile *f, bool failed);

#endif
