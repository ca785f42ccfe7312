/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_xattr - preloaded under a program, lets the extended attributes of open
 * files go wrong as $FAIL_XATTR says:
 *
 *   list   the names cannot be read (EIO)
 *   value  the value of user.bad cannot be read (EIO)
 *   big    every file has 20 more, of 60,000 bytes each
 *   many   every file has 5,000 more, empty ones
 *   twice  every file has user.twice, named twice
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/xattr.h>

enum { BIG = 20, BIG_BYTES = 60000, MANY = 5000 };

static int is(const char *mode)
{
	const char *s = getenv("FAIL_XATTR");

	return s != NULL && strcmp(s, mode) == 0;
}

ssize_t flistxattr(int fd, char *list, size_t size)
{
	static const char good[] = "user.bad\0user.good";
	char text[65536];
	size_t n = 0;
	int count = is("big") ? BIG : is("many") ? MANY : 0;

	(void)fd;
	if (is("list")) {
		errno = EIO;
		return -1;
	}
	if (is("twice")) {
		memcpy(text, "user.twice\0user.twice", 22);
		n = 22;
	}
	for (int i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "user.%04d",
				      i) +
		     1;
	memcpy(text + n, good, sizeof(good));
	n += sizeof(good);
	if (size != 0 && size < n) {
		errno = ERANGE;
		return -1;
	}
	if (size != 0)
		memcpy(list, text, n);
	return (ssize_t)n;
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	size_t n = is("big") && name[5] == '0' ? BIG_BYTES : 0;

	(void)fd;
	if (is("value") && strcmp(name, "user.bad") == 0) {
		errno = EIO;
		return -1;
	}
	if (size != 0)
		memset(value, 'x', n);
	return (ssize_t)n;
}
