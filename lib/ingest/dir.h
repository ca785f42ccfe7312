/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/dir - a directory's way from a name to a tree node.
 *
 *	            queued
 *	          /   |    \
 *	   (cannot    |     (names as last time)
 *	 be listed)   |      \
 *	        /     |       checking ---(all below is the same)--> same
 *	     lost     |          |
 *	              |    (a child differs)
 *	              v          |
 *	           reading <-----+
 *	           |   ^ |
 *	           |   | +--(64 ranges wait)--> parked --(32 wait)--+
 *	           |   +--------------------------------------------+
 *	 (all names are in ranges)
 *	           v
 *	         read --(all ranges emitted)--> finishing --> built
 *
 * Whoever works on a directory moves it on (next_state() in dir.c). The last
 * three tell its parent, where it completes an entry of a range, or the
 * parent's check.
 */
#ifndef BC_INGEST_DIR_H
#define BC_INGEST_DIR_H

#include "ingest/dir_node.h"
#include "ingest/names.h"
#include "ingest/range.h"
#include "ingest/recheck.h"

enum dir_state {
	DIR_QUEUED,    /* on the stack; nothing is known but its name */
	DIR_CHECKING,  /* its names are as they were, and its directories? */
	DIR_READING,   /* on the stack, or a worker takes the next range */
	DIR_PARKED,    /* names are left, but too many ranges wait */
	DIR_READ,      /* no name is left */
	DIR_FINISHING, /* all is emitted: one worker makes the node */
	DIR_SAME,      /* known: the node of the last snapshot */
	DIR_BUILT,     /* known: a node of its own */
	DIR_LOST,      /* it leaves its place empty */
};

struct dir_job {
	struct dir_job *next;	       /* on the stack */
	struct dir_job *newer, *older; /* of all */
	struct dir_job *parent;	       /* NULL: the top */
	struct range
		*range; /* of the parent, to be completed; NULL: its check */
	uint32_t slot;	/* entry of that range, or child of that check */
	uint16_t root;
	char *path; /* below its root; of the top "" */
	struct names names;
	struct recheck check;
	struct dir_node node; /* of the one worker that emits */
	struct tree_sum sum;  /* of what is emitted; in the end of all */

	/* Under the lock of struct put. */
	enum dir_state state;
	unsigned users;	       /* who still looks at it; the last one frees */
	uint32_t next_name;    /* the first that is in no range */
	struct range *waiting; /* to be emitted, in order */
	uint32_t n_waiting;    /* of these, with the one being emitted */
	bool emitting;	       /* a worker has the node */
};

/* dir_new - of a name in `parent`, or the top. It is freed when it is known
 * and told; dir_free() is for what a failed run has left. NULL without
 * memory. */
struct dir_job *dir_new(struct put *p, struct dir_job *parent, const char *name,
			uint16_t root);
void dir_free(struct put *p, struct dir_job *d);

/* dir_work - the next piece of work on a directory from the stack, and on
 * those that may move on by it. */
void dir_work(struct worker *w, struct dir_job *d);

/* dir_read - likewise on that of a range whose small files are stored. */
void dir_read(struct worker *w, struct range *r);

/* The top has no directory of its own: its names are those of the roots. */
static inline bool dir_is_top(const struct dir_job *d)
{
	return d->parent == NULL;
}

/* dir_fd - what name i is relative to (a stream's: its bytes), fd being the
 * directory; dir_stat - the item that name i is: errno, or 0. */
int dir_fd(const struct put *p, const struct dir_job *d, int fd, uint32_t i);
int dir_stat(const struct put *p, const struct dir_job *d, int fd, uint32_t i,
	     struct item *out);

/* dir_is_own - is this directory the repository? */
bool dir_is_own(const struct put *p, const struct item *it);

/* dir_enters - is what is in the directory that name i is stored too? Not of
 * a mount point, if the root's file system is not to be left; not of the
 * repository itself, which would grow by itself each time. */
bool dir_enters(const struct put *p, const struct dir_job *d, uint32_t i,
		const struct item *it);

#endif
