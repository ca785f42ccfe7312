/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shutdown_fs - take the power from an ext4 file system.
 *
 * usage: shutdown_fs DIRECTORY [MILLISECONDS]
 *
 * Waits, then makes the file system stop at once without writing its journal
 * out: what nobody has synced is lost, as when the machine loses its power.
 * What has been given to the device stays: a device's own cache is not
 * simulated. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* <linux/ext4.h> has these, but only from Linux 6.0 on. */
#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)
enum { EXT4_NO_LOG_FLUSH = 2 };

int main(int argc, char **argv)
{
	uint32_t how = EXT4_NO_LOG_FLUSH;
	long ms = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	int fd;

	if (argc < 2) {
		fprintf(stderr, "usage: shutdown_fs DIRECTORY [MS]\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "shutdown_fs: %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
	if (ioctl(fd, EXT4_SHUTDOWN, &how) != 0) {
		fprintf(stderr, "shutdown_fs: %s: %s\n", argv[1],
			strerror(errno));
		close(fd);
		return 1;
	}
	close(fd);
	return 0;
}
