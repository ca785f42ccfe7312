/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lib/io share: a scratch directory per case, and every
 * case on both engines, on a disk and in memory, with and without O_DIRECT.
 */
#ifndef BC_TESTS_TEST_IO_H
#define BC_TESTS_TEST_IO_H

#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fault.h"
#include "io/io.h"
#include "io/queue.h"
#include "tests/unit/t.h"

struct place {
	const char *parent;
	struct io_options opt;
};

/* One case: an open engine and an empty directory. */
struct scratch {
	struct io *io;
	struct io_dir *d;
	struct err e;
	char path[64];
};

static inline int scratch_rm(const char *path, const struct stat *st, int flag,
			     struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void scratch_open(struct scratch *s, const char *parent,
				const struct io_options *o)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->path, sizeof(s->path), "%s/blobctl-io-XXXXXX", parent);
	CHECK(mkdtemp(s->path) != NULL);
	CHECK_OK(io_open(o, &s->io, &s->e), &s->e);
	CHECK_OK(io_dir_open(s->io, s->path, &s->d, &s->e), &s->e);
}

static inline void scratch_close(struct scratch *s)
{
	io_dir_close(s->d);
	io_close(s->io);
	CHECK(nftw(s->path, scratch_rm, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static inline const char *scratch_shm(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* everywhere - run one case in every place. */
static inline void everywhere(void (*fn)(struct scratch *s))
{
	static const enum io_engine engine[] = { IO_ENGINE_AUTO,
						 IO_ENGINE_URING,
						 IO_ENGINE_PSYNC };
	const char *parent[] = { "/var/tmp", scratch_shm() };
	char why[IO_WHY_BYTES];
	bool ring = io_uring_usable(why);

	for (int i = 0; i < 12; i++) {
		struct io_options o = { .engine = engine[i % 3],
					.no_direct = i / 3 % 2 == 1 };
		struct scratch s;

		if (o.engine == IO_ENGINE_URING && !ring)
			continue;
		scratch_open(&s, parent[i / 6], &o);
		fn(&s);
		scratch_close(&s);
	}
}

/* IO_ALIGN-aligned memory; free() it. */
static inline uint8_t *aligned_bytes(size_t n)
{
	void *p;

	CHECK(posix_memalign(&p, IO_ALIGN, n) == 0);
	memset(p, 0, n);
	return p;
}

static inline struct io_file *must_open(struct scratch *s, const char *name,
					unsigned flags)
{
	struct io_file *f;

	CHECK_OK(io_file_open(s->d, name, flags, &f, &s->e), &s->e);
	return f;
}

/* Wait for a child; its exit status, or 128 + signal. */
static inline int child_status(pid_t pid)
{
	int st;

	CHECK(waitpid(pid, &st, 0) == pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

#endif
