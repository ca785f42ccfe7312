/* SPDX-License-Identifier: Apache-2.0 */
/* restore/late - what is set when all else is done. Private to lib/restore. */
#ifndef BC_RESTORE_LATE_H
#define BC_RESTORE_LATE_H

#include <stdint.h>
#include <sys/stat.h>

struct rdir;
struct worker;

/* What is set when all else is done: a path and what it gets. */
struct late {
	struct late *next;
	uint32_t mode;	/* of a directory */
	uint32_t flags; /* of a file; 0: it is a directory's mode */
	dev_t dev;	/* of that file */
	ino_t ino;
	const char *name; /* behind the path of its folder */
	char folder[];
};

/* late_add - remember what is set at the very end.
 *   st  of the file, which must still be that one then; NULL of a directory */
void late_add(struct worker *w, const struct rdir *dir, const char *name,
	      const struct stat *st, uint32_t mode, uint32_t flags);

/* late_finish - set it all; of a run that was stopped the modes alone: what is
 * immutable could get no further names from the next. The one thread that is
 * left. */
void late_finish(struct worker *w);

#endif
