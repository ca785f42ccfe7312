/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signal.h"
#include "util/arith.h"

/*
 * O_NONBLOCK belongs to what is open, which the shell and other processes have
 * open too; a pipe or a terminal that is opened once more has flags of its
 * own. Without /proc, or of a socket, there is no such copy.
 */
void out_fd_init(struct out_fd *f, int fd)
{
	char path[32];
	struct stat st;
	int copy;

	*f = (struct out_fd){ .fd = fd };
	if (fstat(fd, &st) != 0 || S_ISREG(st.st_mode))
		return;
	f->bounded =
		S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd) == 1;
	if (!f->bounded || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (copy >= 0)
		*f = (struct out_fd){ .fd = copy, .own = true };
}

void out_fd_fini(struct out_fd *f)
{
	if (f->own)
		close(f->fd);
	f->own = false;
}

int out_fd_write(struct out_fd *f, struct bytes b)
{
	bool wait = f->bounded;

	while (b.n > 0) {
		ssize_t n;

		if (f->gone || (wait && !signal_await_output(f->fd))) {
			f->gone = true;
			return ECANCELED;
		}
		/* So much fits wherever poll() says that there is room. */
		n = write(f->fd, b.p,
			  f->bounded ? min_size(b.n, PIPE_BUF) : b.n);
		wait = f->bounded || (n < 0 && errno == EAGAIN);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		b = bytes_of(b.p + n, b.n - (size_t)n);
	}
	return 0;
}

static ssize_t stream_write(void *cookie, const char *p, size_t n)
{
	int sys = out_fd_write(cookie, bytes_of(p, n));

	if (sys == 0)
		return (ssize_t)n;
	errno = sys;
	return 0;
}

static int stream_close(void *cookie)
{
	out_fd_fini(cookie);
	return 0;
}

FILE *out_fd_stream(struct out_fd *f)
{
	FILE *to =
		fopencookie(f, "w",
			    (cookie_io_functions_t){ .write = stream_write,
						     .close = stream_close });

	/* As the C library would have it. */
	if (to != NULL && isatty(f->fd) == 1)
		setvbuf(to, NULL, _IOLBF, BUFSIZ);
	return to;
}
