/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "restore/fskind.h"
#include "restore/restore.h"

static bool same_target(int dirfd, const char *name, struct bytes target)
{
	char now[TREE_TARGET_MAX_BYTES + 1];
	ssize_t n = readlinkat(dirfd, name, now, sizeof(now));

	return n >= 0 && bytes_eq(bytes_of(now, (size_t)n), target);
}

/* May its time be in larger steps than it was given? */
static bool is_coarse(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool coarse = fd >= 0 && fs_rounds_times(fd);

	if (fd >= 0)
		close(fd);
	return coarse;
}

/* Is it what a file system makes of a time that counts in larger steps? */
static bool is_rounded(const struct timespec *now, int64_t sec, uint32_t nsec)
{
	static const uint32_t step[] = { 100, 1000, 1000000, 10000000,
					 1000000000 };

	if (now->tv_sec == (time_t)sec)
		for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++)
			if (now->tv_nsec == (long)(nsec - nsec % step[i]))
				return true;
	return now->tv_nsec == 0 && now->tv_sec == (time_t)(sec & ~(int64_t)1);
}

/* Size and time of a file: the time is set when all else is. */
static bool same_file(int dirfd, const char *name, const struct stat *st,
		      const struct tree_entry *en)
{
	if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != en->content.size)
		return false;
	if (st->st_mtim.tv_sec == (time_t)en->mtime &&
	    st->st_mtim.tv_nsec == (long)en->mtime_nsec)
		return true;
	return is_rounded(&st->st_mtim, en->mtime, en->mtime_nsec) &&
	       is_coarse(dirfd, name);
}

enum restore_there restore_there(int dirfd, const char *name,
				 const struct tree_entry *en, struct stat *st)
{
	bool same = false;

	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
		return RESTORE_FREE;
	switch (en->type) {
	case TREE_FILE:
		same = same_file(dirfd, name, st, en);
		break;
	case TREE_DIR:
		same = S_ISDIR(st->st_mode);
		break;
	case TREE_LINK:
		same = S_ISLNK(st->st_mode) &&
		       same_target(dirfd, name, en->target);
		break;
	case TREE_FIFO:
		same = S_ISFIFO(st->st_mode);
		break;
	case TREE_SOCKET:
		same = S_ISSOCK(st->st_mode);
		break;
	case TREE_CHAR:
	case TREE_BLOCK:
		same = (en->type == TREE_CHAR ? S_ISCHR(st->st_mode)
					      : S_ISBLK(st->st_mode)) &&
		       st->st_rdev == makedev(en->major, en->minor);
		break;
	default:
		break;
	}
	return same ? RESTORE_SAME : RESTORE_TAKEN;
}
