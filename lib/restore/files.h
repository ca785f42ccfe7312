/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/files - regular files: made, filled, finished, named. Private to
 * lib/restore.
 *
 * A file has its name when it is whole, with all its attributes, and not
 * before: restore/part.h.
 */
#ifndef BC_RESTORE_FILES_H
#define BC_RESTORE_FILES_H

#include <sys/types.h>

#include "restore/batch.h"
#include "restore/meta.h"

struct link_name;
struct rdir;
struct worker;

/* A regular file that is being restored. */
struct rfile {
	struct rdir *dir;
	struct meta meta;
	uint64_t size;
	/* References that have not landed, and one for the walker. */
	_Atomic uint32_t left;
	bool single; /* one reference: no lock, one visit */
	bool sparse; /* its size must be set: it may end in a hole */
	/* The rest under file_lock(), once it is not single. */
	bool made;   /* there is an inode, of this run */
	bool part;   /* it has the name for what is not whole */
	bool named;  /* it has its own */
	bool failed; /* and told */
	unsigned users;
	int fd;
	dev_t dev;
	ino_t ino;
	/* Hard links: under run.links.lock. */
	bool linked;
	uint64_t group;
	uint32_t link_dir, link_name; /* its own, in the table's text */
	struct link_name *names;      /* further ones, made when it is whole */
	unsigned n_names;
	unsigned name_n;
	char *name;
};

/* file_new - a file of dir, which it holds. NULL without memory. */
struct rfile *file_new(struct worker *w, struct rdir *dir,
		       const struct tree_entry *en);

/* file_fail - it cannot be written; file_lose - its content cannot be had. The
 * first reason is told. */
void file_fail(struct worker *w, struct rfile *f, const struct err *e);
void file_lose(struct worker *w, struct rfile *f, const struct err *e);

/* file_drop - n references have landed, or never will. The last one finishes
 * the file and frees it. */
void file_drop(struct worker *w, struct rfile *f, uint32_t n);

/* file_land, file_lost - struct loader_calls of a run. */
void file_land(void *ctx, struct ref *const *v, size_t n, struct bytes data);
void file_lost(void *ctx, struct ref *r, const struct err *why);

#endif
