/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/fskind.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

enum {
	LATE = 1,
	ROUNDS = 2,
};

/* As statfs(2) has them; <linux/magic.h> lacks some. */
static const struct kind {
	uint32_t type;
	unsigned does;
} kinds[] = {
	{ 0x00006969, LATE | ROUNDS }, /* NFS, SMB, FUSE: of any step */
	{ 0xff534d42, LATE | ROUNDS }, { 0xfe534d42, LATE | ROUNDS },
	{ 0x65735546, LATE | ROUNDS }, { 0x00004d44, ROUNDS }, /* FAT: 2 s */
	{ 0x2011bab0, ROUNDS }, /* exFAT: 10 ms */
	{ 0x5346544e, ROUNDS }, /* NTFS: 100 ns */
	{ 0x7366746e, ROUNDS }, /* NTFS3 */
};

/* What the kind of fd's file system does; `unknown` if that cannot be had. */
static unsigned does(int fd, unsigned unknown)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return unknown;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == (uint32_t)fs.f_type)
			return kinds[i].does;
	return 0;
}

bool fs_tells_late(int fd)
{
	return (does(fd, LATE) & LATE) != 0;
}

bool fs_rounds_times(int fd)
{
	return (does(fd, 0) & ROUNDS) != 0;
}
