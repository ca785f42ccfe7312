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
struct stage;
struct worker;

enum {
	DIR_FDS_MAX = 8, /* directories that a thread keeps open */
	STAGE_NAME_BYTES = 17,
};

/*
 * A directory that is being restored. Freed when all in it is done. What is
 * missing from a directory that is there is made in a stage, and gets its name
 * when it is whole: until then `at` is not `parent`.
 */
struct rdir {
	struct rdir *parent; /* NULL: the folder that the run has open */
	struct rdir *at;     /* the directory that it is in; held */
	const char *at_name; /* ... under this name */
	struct rdir *next;   /* the walker's list */
	uint64_t serial;     /* never used again, unlike the address */
	_Atomic uint32_t holds;
	bool apply; /* made, or empty: attributes are to be set */
	bool later; /* made when something in it is; the walker's */
	bool base;  /* paths that are shown begin below it */
	/* The walker's. */
	bool there; /* before this run: what is made in it is staged */
	bool ours;  /* of a run that was killed: may hold what it has made */
	bool held;  /* ... and what is half made: it gets no name */
	uint64_t mount;	     /* of what is there */
	struct stage *stage; /* it is one */
	char part[STAGE_NAME_BYTES];
	struct meta meta;
	struct digest node;
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

/*
 * dest_open - open the destination, or the folder in which it is to be made,
 * which is made with those above it; sets root and birth.
 *   dir   the thing is a directory
 *   name  [out] malloc'ed: the name that the thing gets in root; NULL: it is a
 *	   directory, and root is it
 *   empty [out] that one has nothing in it
 */
BC_MUST_CHECK enum bc_err dest_open(struct run *run, bool dir, char **name,
				    bool *empty, struct err *e);

void dir_fds_init(struct dir_fds *c, unsigned n);
void dir_fds_fini(struct dir_fds *c);

/* dest_dir - a descriptor of directory d, the cache's; -1 and errno. */
int dest_dir(struct worker *w, const struct rdir *d);

/* dest_pair - of two, for one call. False and errno. */
bool dest_pair(struct worker *w, const struct rdir *a, const struct rdir *b,
	       int *fd_a, int *fd_b);

/* dest_path_dir - the same by its path below the destination, the caller's. */
int dest_path_dir(struct run *run, const char *path);

/* A path from root on, where something is now or where it will be in the end,
 * or as it is shown, from the destination on. */
enum dest_path { DEST_NOW, DEST_END, DEST_SHOWN };

/* dest_path - such a path, in `out`, with a NUL. name may be NULL. NULL without
 * memory. */
const char *dest_path(const struct rdir *d, const char *name,
		      enum dest_path which, struct buf *out);

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
