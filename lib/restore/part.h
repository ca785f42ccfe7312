/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/part - what is not whole yet, and the name that it gets when it is.
 * Private to lib/restore.
 *
 * A file is made without a name (O_TMPFILE) and linked when it is done: what a
 * killed run was writing is gone with it. Where that cannot be done, and for
 * what is no file, there is a name for the time being, .blobctl-part-ID. ID
 * stands for the name and for the directory in the snapshot: the next run finds
 * what one that was killed has left, and no directory of a snapshot has such a
 * name of its own.
 *
 * Calls for one file come one at a time. They return -1 and errno on failure;
 * dirfd is that of the directory.
 */
#ifndef BC_RESTORE_PART_H
#define BC_RESTORE_PART_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct rdir;
struct rfile;
struct run;
struct worker;

enum { PART_NAME_BYTES = sizeof(".blobctl-part-") + 16 };

/* part_learn - what the destination's file system can do.
 *   nameless  a descriptor of a file without a name, or -1 */
void part_learn(struct run *run, int nameless);

/* part_link - a name for a nameless file, if it is free. */
int part_link(const struct run *run, int fd, int dirfd, const char *name);

/* part_taken - EEXIST of a name for the time being says nothing of the own one:
 * make it EBUSY. */
void part_taken(void);

/* part_make - an empty file; a descriptor to write to. */
int part_make(struct worker *w, int dirfd, struct rfile *f, uint32_t mode);

/* part_keep - it may be closed without being gone; part_reopen - it was. */
int part_keep(struct worker *w, int dirfd, struct rfile *f);
int part_reopen(int dirfd, const struct rfile *f);

/* part_publish - give it its name, if that is free. One with f->part is to be
 * closed, others are to be open. */
int part_publish(struct worker *w, int dirfd, struct rfile *f);

/* part_remove - whatever name it has. */
void part_remove(int dirfd, struct rfile *f);

/* part_name - the name for the time being; part_move - from that to the own
 * one, if that is free; part_sweep - remove what a killed run has left there:
 * with `st`, if it is that inode. */
void part_name(const struct rdir *dir, const char *name,
	       char out[PART_NAME_BYTES]);
int part_move(int dirfd, const char *part, const char *name);
void part_sweep(int dirfd, const char *part, const struct stat *st);

#endif
