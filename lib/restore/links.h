/* SPDX-License-Identifier: Apache-2.0 */
/* restore/links - hard links. Private to lib/restore. */
#ifndef BC_RESTORE_LINKS_H
#define BC_RESTORE_LINKS_H

#include <pthread.h>

#include "tree/node.h"
#include "util/buf.h"
#include "util/digest.h"

struct rdir;
struct rfile;
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
	uint64_t dir_serial;
	uint32_t dir_at; /* path of the directory of that serial */
};

BC_MUST_CHECK enum bc_err links_init(struct links *l, struct err *e);
void links_fini(struct links *l);

/*
 * links_join - make `name` in dir, as `en` is one, a further name of its
 * group's first. If the two entries differ in more than their names, that is
 * said once, and it begins a file of its own.
 *
 *   BC_ENOTFOUND  there is none yet, or none like it; e is not set
 *   others        could not be made
 */
BC_MUST_CHECK enum bc_err links_join(struct worker *w, struct rdir *dir,
				     const char *name,
				     const struct tree_entry *en,
				     struct err *e);

/* links_first - `name` in dir, which is made, is the group's first. f may be
 * NULL: it is complete. With too many of them that is told, and later names
 * become files of their own. */
BC_MUST_CHECK enum bc_err links_first(struct worker *w, struct rdir *dir,
				      const char *name,
				      const struct tree_entry *en,
				      struct rfile *f, struct err *e);

/* links_done - f is finished, or failed: then all its names are removed, and
 * links to it are no longer made. */
void links_done(struct worker *w, struct rfile *f, bool failed);

#endif
