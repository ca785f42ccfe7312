/* SPDX-License-Identifier: Apache-2.0 */
/* restore/meta - owner, attributes, mode and times. Private to lib/restore. */
#ifndef BC_RESTORE_META_H
#define BC_RESTORE_META_H

#include <stdbool.h>
#include <stdint.h>

#include "tree/attrs.h"
#include "tree/node.h"

struct rdir;
struct rfile;
struct run;
struct worker;

/* Attributes of anything. */
struct meta {
	uint32_t mode;
	uint32_t uid, gid;
	bool own;	    /* uid and gid are wanted */
	uint32_t flags;	    /* as FS_IOC_GETFLAGS */
	bool by_id;	    /* extended attributes: a chunk of their own */
	struct attrs attrs; /* or these; owned by the holder of the meta */
	struct digest attrs_id;
	int64_t mtime;
	uint32_t mtime_nsec;
};

/* meta_of - what entry en asks for. Attributes are borrowed. */
void meta_of(struct worker *w, const struct rdir *dir, const char *name,
	     const struct tree_entry *en, struct meta *out);

/* meta_open_mode - the mode to create a file with; *later: it must be set when
 * the file is done. */
uint32_t meta_open_mode(const struct run *run, const struct meta *m,
			bool reopened, bool *later);

/* meta_early - what must be set before there is content. */
void meta_early(struct worker *w, const struct rdir *dir, const char *name,
		int fd, const struct meta *m);

/*
 * meta_file, meta_dir - all attributes, by a descriptor. What cannot be had
 * here is told. Of a file but those with which it could not be given its name;
 * and without room for them, or if the disk fails, it cannot be restored.
 */
BC_MUST_CHECK enum bc_err meta_file(struct worker *w, const struct rfile *f,
				    int fd, bool set_mode, struct err *e);
/* meta_file_last - those, once it has it; of a file with further names, or that
 * is closed (-1), at the end of the run. */
void meta_file_last(struct worker *w, const struct rfile *f, int fd);
/* meta_kept - those of a file that was there, and may lack them. */
void meta_kept(struct worker *w, const struct rdir *dir, const char *name,
	       int dirfd, uint32_t flags, bool linked);
void meta_dir(struct worker *w, const struct rdir *d, int fd);

/* meta_other - of a link, fifo, socket or device that was made as `at`, and is
 * to be `name`. */
BC_MUST_CHECK enum bc_err meta_other(struct worker *w, const struct rdir *dir,
				     const char *name, int dirfd,
				     const char *at, enum tree_type type,
				     const struct meta *m, struct err *e);

/* meta_flags - inode flags among `mask`. False and errno. */
bool meta_flags(int fd, uint32_t want, uint32_t mask);

#endif
