/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/look - what a folder is, for whoever would make a repository there or
 * has found none.
 */
#ifndef BC_REPO_LOOK_H
#define BC_REPO_LOOK_H

#include "io/io.h"

enum repo_found {
	REPO_MISSING,	/* nothing has this name */
	REPO_NO_FOLDER, /* something has that is no folder */
	REPO_FREE,	/* an empty folder */
	REPO_HALF_MADE, /* what an interrupted repo_create leaves, no more */
	REPO_THERE,	/* a repository: one superblock is enough, whole or not;
			   a copy alone has to be whole, or unreadable */
	/* Packs, or a log with more than repo_create writes, and neither
	 * superblock. */
	REPO_LOST_SUPERBLOCKS,
	REPO_FOREIGN, /* something that repo_create does not make */
};

struct repo_look {
	enum repo_found found;
	bool damaged; /* REPO_THERE: no superblock of it can be read */
	/* By what it is known, a path in the folder: of what is foreign, the
	 * first by name. Empty if there is nothing to name. */
	char what[300];
};

/* Folders that every repository has. */
enum { REPO_FOLDERS = 5 };
extern const char *const repo_folders[REPO_FOLDERS];

/*
 * repo_look - changes nothing.
 *
 *   BC_EACCES, BC_EIO, ...  it could not be looked at
 */
BC_MUST_CHECK enum bc_err repo_look(struct io *io, const char *path,
				    struct repo_look *out, struct err *e);

/* repo_look_dir - the same of a folder that is open: never REPO_MISSING nor
 * REPO_NO_FOLDER. */
BC_MUST_CHECK enum bc_err repo_look_dir(struct io_dir *dir,
					struct repo_look *out, struct err *e);

#endif
