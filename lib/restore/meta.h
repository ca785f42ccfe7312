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

/* meta_file, meta_dir - all attributes, by a descriptor. */
void meta_file(struct worker *w, const struct rfile *f, int fd, bool set_mode);
void meta_dir(struct worker *w, const struct rdir *d, int fd);

/* meta_other - of a link, fifo, socket or device. */
void meta_other(struct worker *w, const struct rdir *dir, const char *name,
		int dirfd, enum tree_type type, const struct meta *m);

/* meta_flags - inode flags among `mask`. False and errno. */
bool meta_flags(int fd, uint32_t want, uint32_t mask);

#endif
