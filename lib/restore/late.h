/* SPDX-License-Identifier: Apache-2.0 */
/* restore/late - what is set when all else is done. Private to lib/restore. */
#ifndef BC_RESTORE_LATE_H
#define BC_RESTORE_LATE_H

#include <stdint.h>

struct rdir;
struct worker;

/* What is set when all else is done: a path and what it gets. */
struct late {
	struct late *next;
	uint32_t mode;	  /* of a directory */
	uint32_t flags;	  /* of a file; 0: it is a directory's mode */
	const char *name; /* behind the path of its folder */
	char folder[];
};

/* late_add - remember what is set at the very end. */
void late_add(struct worker *w, const struct rdir *dir, const char *name,
	      uint32_t mode, uint32_t flags);

/* late_finish - set it all. The one thread that is left. */
void late_finish(struct worker *w);

#endif
