/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree/node.h"

/* A path handed to the kernel, with room for its NUL. */
enum { PIECE_BYTES = 4000 };

/* ---- stat -----------------------------------------------------------------
 */

static uint8_t type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return TREE_FILE;
	case S_IFDIR:
		return TREE_DIR;
	case S_IFLNK:
		return TREE_LINK;
	case S_IFIFO:
		return TREE_FIFO;
	case S_IFSOCK:
		return TREE_SOCKET;
	case S_IFCHR:
		return TREE_CHAR;
	case S_IFBLK:
		return TREE_BLOCK;
	default:
		return 0;
	}
}

/* The flags that statx() tells without opening the file. */
static uint32_t flags_of(uint64_t attributes)
{
	uint32_t f = 0;

	if ((attributes & STATX_ATTR_IMMUTABLE) != 0)
		f |= FS_IMMUTABLE_FL;
	if ((attributes & STATX_ATTR_APPEND) != 0)
		f |= FS_APPEND_FL;
	if ((attributes & STATX_ATTR_NODUMP) != 0)
		f |= FS_NODUMP_FL;
	if ((attributes & STATX_ATTR_COMPRESSED) != 0)
		f |= FS_COMPR_FL;
	return f;
}

static int stat_at(int fd, const char *name, int flags, struct item *out)
{
	struct statx x;

	if (statx(fd, name, flags, STATX_BASIC_STATS, &x) != 0)
		return errno;
	*out = (struct item){
		.type = type_of(x.stx_mode),
		.mode = x.stx_mode & 07777,
		.uid = x.stx_uid,
		.gid = x.stx_gid,
		.ino = x.stx_ino,
		.dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.size = x.stx_size,
		.blocks = x.stx_blocks,
		.nlink = x.stx_nlink,
		.mtime = x.stx_mtime.tv_sec,
		.mtime_nsec = x.stx_mtime.tv_nsec,
		.ctime = x.stx_ctime.tv_sec,
		.ctime_nsec = x.stx_ctime.tv_nsec,
		.rmajor = x.stx_rdev_major,
		.rminor = x.stx_rdev_minor,
		.flags = flags_of(x.stx_attributes),
	};
	return 0;
}

int source_stat(int dirfd, const char *name, struct item *out)
{
	return stat_at(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, out);
}

int source_fstat(int fd, struct item *out)
{
	return stat_at(fd, "", AT_EMPTY_PATH, out);
}

bool item_same(const struct item *a, const struct item *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime == b->ctime &&
	       a->ctime_nsec == b->ctime_nsec;
}

/* ---- open -----------------------------------------------------------------
 */

static int open_piece(int dirfd, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.resolve =
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	/* Old kernels and strict containers: one component at a time would do
	 * the same; for a source that is only read, no link at the end is what
	 * matters. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return openat(dirfd, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return (int)fd;
}

/* Longer paths than the kernel takes are walked in pieces. */
int source_open_dir(int base, const char *path)
{
	char piece[PIECE_BYTES + 1];
	int at = base;

	while (strlen(path) > PIECE_BYTES) {
		size_t n = PIECE_BYTES;
		int fd;

		while (path[n] != '/')
			n--;
		memcpy(piece, path, n);
		piece[n] = '\0';
		fd = open_piece(at, piece, O_PATH | O_DIRECTORY);
		if (at != base)
			close(at);
		if (fd < 0)
			return -1;
		at = fd;
		path += n + 1;
	}
	int fd = open_piece(at, path[0] == '\0' ? "." : path,
			    O_RDONLY | O_DIRECTORY);

	if (at != base)
		close(at);
	return fd;
}

int source_open_file(int dirfd, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	/* Only the owner may ask for that. */
	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, flags);
	return fd;
}
