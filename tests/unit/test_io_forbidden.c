/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io where the ring is forbidden: a filter in a child answers the ring's
 * system calls with an errno, as containers and hardened kernels do.
 */
#include "tests/unit/test_io.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define HAS(text, part) CHECK(strstr((text), part) != NULL)

static void forbid(unsigned nr, unsigned sys)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | sys),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

enum { N = 64 };

static void write_and_read(struct scratch *s, struct io_queue *q)
{
	uint8_t *p = aligned_bytes(N * IO_ALIGN);
	struct io_req r[N];
	struct io_file *f;
	uint64_t rng = 9;

	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	t_fill(&rng, p, N * IO_ALIGN);
	for (int op = IO_REQ_WRITE; op >= IO_REQ_READ; op--) {
		for (int i = 0; i < N; i++) {
			r[i] = (struct io_req){
				.op = (enum io_req_op)op,
				.file = f,
				.buf = p + i * IO_ALIGN,
				.len = IO_ALIGN,
				.off = (uint64_t)i * IO_ALIGN,
			};
			CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
		}
		CHECK_OK(io_queue_wait(q, N, &s->e), &s->e);
		for (int i = 0; i < N; i++)
			CHECK_OK(io_req_check(io_queue_take(q), &s->e), &s->e);
		if (op == IO_REQ_WRITE)
			memset(p, 0, N * IO_ALIGN);
	}
	rng = 9;
	for (size_t i = 0; i < N * IO_ALIGN; i++)
		CHECK(p[i] == (uint8_t)t_rng(&rng));
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

/* The same job with AUTO, silently; an error with the ring by name. */
static void in_child(const char *parent, unsigned nr, unsigned sys,
		     const char *reason)
{
	struct io_options o = { .engine = IO_ENGINE_AUTO };
	char why[IO_WHY_BYTES];
	struct io_queue *q;
	struct scratch s;
	struct io_req r;
	struct io_file *f;
	uint8_t *p = aligned_bytes(IO_ALIGN);

	forbid(nr, sys);
	CHECK(!io_uring_usable(why));
	HAS(why, reason);
	/* Two queues: the first finds out, the second knows. */
	scratch_open(&s, parent, &o);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(io_queue_new(s.io, N, &q, &s.e), &s.e);
		write_and_read(&s, q);
		io_queue_free(q);
		CHECK_STR(io_engine_name(s.io), "psync");
	}
	scratch_close(&s);

	o.engine = IO_ENGINE_URING;
	scratch_open(&s, parent, &o);
	f = must_open(&s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_queue_new(s.io, N, &q, &s.e), &s.e);
	r = (struct io_req){
		.op = IO_REQ_WRITE, .file = f, .buf = p, .len = IO_ALIGN
	};
	CHECK(io_queue_submit(q, &r, &s.e) != BC_OK);
	HAS(s.e.text, "io_uring");
	HAS(s.e.hint, "BLOBCTL_IO");
	HAS(s.e.hint, "psync");
	CHECK_EQ(io_queue_count(q), 0);
	io_queue_free(q);
	CHECK_OK(io_file_close(f, &s.e), &s.e);
	scratch_close(&s);
	free(p);
}

static void forbidden(void)
{
	static const struct {
		unsigned nr, sys;
		const char *reason;
	} c[] = {
		{ SYS_io_uring_setup, EPERM, "forbidden" },
		{ SYS_io_uring_setup, ENOSYS, "no io_uring" },
		{ SYS_io_uring_setup, EACCES, "forbidden" },
		{ SYS_io_uring_setup, ENOMEM, "memory" },
		/* Set-up works, use does not. */
		{ SYS_io_uring_enter, EPERM, "forbidden" },
		{ SYS_io_uring_enter, ENOSYS, "no io_uring" },
	};
	const char *parent[] = { "/var/tmp", scratch_shm() };
	char why[IO_WHY_BYTES];
	bool ring = io_uring_usable(why);

	for (size_t i = 0; i < 2 * sizeof(c) / sizeof(c[0]); i++) {
		pid_t pid;

		if (!ring && c[i / 2].nr == SYS_io_uring_enter)
			continue;
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			in_child(parent[i % 2], c[i / 2].nr, c[i / 2].sys,
				 c[i / 2].reason);
			_exit(0);
		}
		CHECK_EQ(child_status(pid), 0);
	}
}

/* The ring's flags are newer than the ring: EINVAL once, then the plain one.
 * A filter sees no flags, but a kernel that knows none refuses all of them;
 * this holds only that refusing every set-up as EINVAL is no worse. */
static void unknown_flags(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		in_child("/var/tmp", SYS_io_uring_setup, EINVAL, "nvalid");
		_exit(0);
	}
	CHECK_EQ(child_status(pid), 0);
}

int main(void)
{
	RUN(forbidden);
	RUN(unknown_flags);
	return 0;
}
