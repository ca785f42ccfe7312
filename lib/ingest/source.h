/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/source - the file system that is read: stat and open.
 *
 * No call follows a link, neither at the end of a path nor on its way. Any
 * thread.
 */
#ifndef BC_INGEST_SOURCE_H
#define BC_INGEST_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

/* What one statx() says. */
struct item {
	uint8_t type; /* enum tree_type; 0: of no kind that is stored */
	bool stream;  /* no name, but the bytes of a descriptor to their end */
	uint32_t mode, uid, gid;
	uint64_t ino, dev, size, blocks;
	uint32_t nlink;
	int64_t mtime, ctime;
	uint32_t mtime_nsec, ctime_nsec;
	uint32_t rmajor, rminor;
	uint32_t flags; /* as FS_IOC_GETFLAGS */
	bool lossy;	/* stored with less than it has: to be read again */
};

/* source_stat - of a name in a directory; source_fstat - of what is open.
 * Errno, or 0. */
int source_stat(int dirfd, const char *name, struct item *out);
int source_fstat(int fd, struct item *out);

/* item_same - the same file, and nobody has changed it in between? */
bool item_same(const struct item *a, const struct item *b);

/* source_open_dir - `path` below the directory `base`, of any length; "" is
 * base itself. source_open_file - a name, for reading, never waiting for it.
 * A descriptor, or -1 and errno. */
int source_open_dir(int base, const char *path);
int source_open_file(int dirfd, const char *name);

#endif
