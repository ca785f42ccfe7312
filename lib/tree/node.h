/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/node - an entry of a directory, decoded.
 *
 * What leaves hold (docs/format.md, section 7). All spans are borrowed: from
 * the producer when it is written, from the node's bytes when it is read.
 */
#ifndef BC_TREE_NODE_H
#define BC_TREE_NODE_H

#include "tree/attrs.h"
#include "tree/content.h"

enum tree_type {
	TREE_FILE = 1,
	TREE_DIR = 2,
	TREE_LINK = 3,
	TREE_FIFO = 4,
	TREE_SOCKET = 5,
	TREE_CHAR = 6,
	TREE_BLOCK = 7,
};

/* Bits of tree_entry.has. At most one of the first two. */
enum tree_has {
	TREE_HAS_ATTRS = 1,    /* .attrs, at most ATTRS_INLINE_MAX_BYTES */
	TREE_HAS_ATTRS_ID = 2, /* .attrs_id */
	TREE_HAS_LINK = 4,     /* .link_group */
	TREE_HAS_FLAGS = 8,    /* .inode_flags */
};

enum {
	TREE_NAME_MAX_BYTES = 255,
	TREE_OWNER_MAX_BYTES = 255, /* a user's or group's name */
	TREE_TARGET_MAX_BYTES = 4096,
	TREE_MODE_MAX = 07777,
	TREE_NSEC_MAX = 999999999,
};

/* A directory: its topmost node, and what lies below in all its depth (each
 * entry counts, bytes are the files' sizes; the directory is not counted). */
struct tree_dir {
	struct digest id;
	uint64_t entries;
	uint64_t bytes;
};

struct tree_entry {
	struct bytes name;
	enum tree_type type;
	unsigned has;  /* enum tree_has */
	uint32_t mode; /* permission bits, TREE_MODE_MAX at most */
	uint32_t uid, gid;
	struct bytes user, group; /* empty: the system knew no name */
	int64_t mtime;		  /* seconds since 1970, and */
	uint32_t mtime_nsec;	  /* nanoseconds */
	struct attrs attrs;
	struct digest attrs_id;
	uint64_t link_group;
	uint32_t inode_flags; /* as FS_IOC_GETFLAGS */
	/* By type; the others are not written and come back as zero. */
	struct content content; /* TREE_FILE; its size is the file's */
	struct tree_dir dir;	/* TREE_DIR */
	struct bytes target;	/* TREE_LINK */
	uint32_t major, minor;	/* TREE_CHAR, TREE_BLOCK */
};

/* What tree_entry_diff() found to differ. */
enum tree_diff {
	TREE_DIFF_NAME = 1,
	TREE_DIFF_TYPE = 2,
	TREE_DIFF_MODE = 4,
	TREE_DIFF_OWNER = 8, /* numbers or names */
	TREE_DIFF_MTIME = 16,
	TREE_DIFF_ATTRS = 32,
	TREE_DIFF_LINK = 64, /* hard-link group: a name of the snapshot's */
	TREE_DIFF_FLAGS = 128,
	TREE_DIFF_CONTENT = 256, /* content, directory node, target, device */
};

/* tree_name_valid - 1-255 bytes, no '/', no NUL, neither "." nor "..". */
bool tree_name_valid(struct bytes name);

/* tree_entry_diff - all the ways two entries differ; 0 if they are equal. */
unsigned tree_entry_diff(const struct tree_entry *a,
			 const struct tree_entry *b);

#endif
