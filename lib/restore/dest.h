/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/dest - the destination, and the directories in it. Private to
 * lib/restore.
 *
 * Every descriptor below the destination is reached from its own without
 * following a link; names are single components, made exclusively. A directory
 * gets its attributes from whoever finishes the last thing in it.
 */
#ifndef BC_RESTORE_DEST_H
#define BC_RESTORE_DEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "restore/meta.h"
#include "util/buf.h"
#include "util/digest.h"
#include "util/err.h"

struct run;
struct worker;

enum { DIR_FDS_MAX = 8 }; /* directories that a thread keeps open */

/* A directory that is being restored. Freed when all in it is done. */
struct rdir {
	struct rdir *parent; /* NULL: the destination itself */
	struct rdir *next;   /* the walker's list */
	uint64_t serial;     /* never used again, unlike the address */
	_Atomic uint32_t holds;
	bool apply; /* made, or empty: attributes are to be set */
	bool there; /* not made by this run: names in it may be taken */
	bool later; /* made when something in it is; the walker's */
	struct meta meta;
	struct digest node;
	unsigned name_n;
	char *name;
};

/* A few open directories of one thread. */
struct dir_fds {
	unsigned n; /* may keep */
	uint64_t tick;
	struct {
		uint64_t serial; /* 0: empty */
		uint64_t used;
		int fd;
	} at[DIR_FDS_MAX];
};

/* What creating a file gives by itself. */
struct birth {
	atomic_bool known;
	uint32_t mode; /* of 0777 */
	uint32_t uid, gid;
	atomic_bool acl; /* an ACL may be handed down */
};

/* What the destination was. */
enum dest_state {
	DEST_EMPTY,  /* made, or empty */
	DEST_BEGUN,  /* that, when a run of the same began that has not ended */
	DEST_IN_USE, /* none of these */
};

/*
 * dest_open - open or make the destination; sets root and birth.
 *   dir    the thing is a directory
 *   name   [out] malloc'ed: the name of the one thing; NULL for a directory
 *   state  [out] DEST_IN_USE of one thing
 */
BC_MUST_CHECK enum bc_err dest_open(struct run *run, bool dir, char **name,
				    enum dest_state *state, struct err *e);

void dir_fds_init(struct dir_fds *c, unsigned n);
void dir_fds_fini(struct dir_fds *c);

/* dest_dir - a descriptor of directory d, the cache's; -1 and errno. */
int dest_dir(struct worker *w, const struct rdir *d);

/* dest_path_dir - the same by its path below the destination, the caller's. */
int dest_path_dir(struct run *run, const char *path);

/* dest_path - path below the destination, in `out`, with a NUL. name may be
 * NULL. NULL without memory. */
const char *dest_path(const struct rdir *d, const char *name, struct buf *out);

/* dest_reclaim - a descriptor is wanted: give up those that w could do
 * without. */
void dest_reclaim(struct worker *w);

/* dest_hold, dest_release - the last release sets d's attributes, and may
 * release its parent. */
static inline void dest_hold(struct rdir *d)
{
	atomic_fetch_add_explicit(&d->holds, 1, memory_order_relaxed);
}
void dest_release(struct worker *w, struct rdir *d);

#endif
