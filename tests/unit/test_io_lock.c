/* SPDX-License-Identifier: Apache-2.0 */
/* io locks: between open files and between processes, dead ones too. */
#include "tests/unit/test_io.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "util/clock.h"

static int64_t now_ms(void)
{
	struct clock c = clock_system();

	return c.mono(c.ctx) / 1000000;
}

static enum bc_err lock(struct io_file *f, uint64_t off, uint64_t len,
			enum io_lock_mode mode, int64_t wait_ms)
{
	return io_file_lock(f, off, len, mode, wait_ms, NULL);
}

static void two_files(struct scratch *s)
{
	struct io_file *a = must_open(s, "l", IO_READ | IO_WRITE | IO_CREATE);
	struct io_file *b = must_open(s, "l", IO_READ | IO_WRITE);

	CHECK_OK(lock(a, 0, 10, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY), &s->e);
	CHECK_EQ(io_file_lock(b, 9, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, &s->e),
		 BC_ELOCKED);
	CHECK(strstr(s->e.text, "/l is locked") != NULL);
	CHECK_EQ(lock(b, 0, 1, IO_LOCK_SHARED, IO_LOCK_TRY), BC_ELOCKED);
	CHECK_EQ(lock(b, 5, 0, IO_LOCK_SHARED, IO_LOCK_TRY), BC_ELOCKED);
	CHECK_OK(lock(b, 10, 5, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY), &s->e);
	CHECK_OK(io_file_unlock(a, 5, 5, &s->e), &s->e);
	CHECK_OK(lock(b, 5, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY), &s->e);
	/* Shared with shared, and not with exclusive. */
	CHECK_OK(lock(a, 0, 5, IO_LOCK_SHARED, IO_LOCK_TRY), &s->e);
	CHECK_OK(lock(b, 0, 5, IO_LOCK_SHARED, IO_LOCK_TRY), &s->e);
	CHECK_EQ(lock(a, 0, 5, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY), BC_ELOCKED);
	CHECK_OK(io_file_unlock(b, 0, 5, &s->e), &s->e);
	CHECK_OK(io_file_unlock(b, 0, 5, &s->e), &s->e);
	CHECK_OK(lock(a, 0, 5, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY), &s->e);
	/* Closing one file of the same inode leaves the other's locks. */
	CHECK_OK(io_file_close(b, &s->e), &s->e);
	b = must_open(s, "l", IO_READ | IO_WRITE);
	CHECK_EQ(lock(b, 0, 5, IO_LOCK_SHARED, IO_LOCK_TRY), BC_ELOCKED);
	CHECK_OK(io_file_close(a, &s->e), &s->e);
	CHECK_OK(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, IO_LOCK_FOREVER), &s->e);
	CHECK_OK(io_file_close(b, &s->e), &s->e);

	a = must_open(s, "l", IO_READ);
	CHECK_EQ(io_file_lock(a, 0, 0, IO_LOCK_EXCLUSIVE, 0, &s->e), BC_ESYS);
	CHECK(strstr(s->e.text, "cannot lock") != NULL);
	io_file_close(a, NULL);
}

static void deadline(struct scratch *s)
{
	struct io_file *a = must_open(s, "l", IO_READ | IO_WRITE | IO_CREATE);
	struct io_file *b = must_open(s, "l", IO_READ | IO_WRITE);
	int64_t t = now_ms();

	CHECK_OK(lock(a, 0, 0, IO_LOCK_EXCLUSIVE, 50), &s->e);
	CHECK_EQ(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, 50), BC_ELOCKED);
	CHECK(now_ms() - t >= 50);
	CHECK_OK(io_file_unlock(a, 0, 0, &s->e), &s->e);
	CHECK_OK(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, INT64_MAX), &s->e);
	CHECK_OK(io_file_close(a, &s->e), &s->e);
	CHECK_OK(io_file_close(b, &s->e), &s->e);
}

/* A child that holds the lock and says so through a pipe. */
static pid_t holder(struct scratch *s, int *said)
{
	int fd[2];
	pid_t pid;
	char c;

	CHECK(pipe(fd) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct io_file *f = must_open(s, "l", IO_READ | IO_WRITE);

		CHECK_OK(lock(f, 0, 0, IO_LOCK_EXCLUSIVE, IO_LOCK_FOREVER),
			 &s->e);
		CHECK(write(fd[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	close(fd[1]);
	CHECK(read(fd[0], &c, 1) == 1);
	*said = fd[0];
	return pid;
}

static void killed_holder(struct scratch *s)
{
	struct io_file *f = must_open(s, "l", IO_READ | IO_WRITE | IO_CREATE);
	int64_t wait[] = { IO_LOCK_FOREVER, INT64_MAX };
	int said;

	for (int i = 0; i < 2; i++) {
		pid_t killer, pid = holder(s, &said);

		CHECK_EQ(lock(f, 0, 0, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY),
			 BC_ELOCKED);
		CHECK_EQ(lock(f, 0, 0, IO_LOCK_SHARED, 5), BC_ELOCKED);
		killer = fork();
		CHECK(killer >= 0);
		if (killer == 0) {
			usleep(20000);
			kill(pid, SIGKILL);
			_exit(0);
		}
		/* Held the moment the holder is gone. */
		CHECK_OK(lock(f, 0, 0, IO_LOCK_EXCLUSIVE, wait[i]), &s->e);
		CHECK_EQ(child_status(killer), 0);
		CHECK_EQ(child_status(pid), 128 + SIGKILL);
		CHECK_OK(io_file_unlock(f, 0, 0, &s->e), &s->e);
		close(said);
	}
	CHECK_OK(io_file_close(f, &s->e), &s->e);
}

static atomic_int alarms, stop;
static int stop_after;

static void on_alarm(int sig)
{
	(void)sig;
	if (++alarms == stop_after)
		stop = 1;
}

/* An alarm each 10 ms; the flag comes with the third, or never. */
static void alarms_begin(bool stopping)
{
	struct sigaction sa = { .sa_handler = on_alarm,
				.sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };

	alarms = stop = 0;
	stop_after = stopping ? 3 : 0;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void alarms_end(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };

	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(alarms > 0);
	signal(SIGALRM, SIG_DFL);
}

/* Signals that do not ask to stop leave the wait alone. */
static void signals(struct scratch *s)
{
	struct io_file *f = must_open(s, "l", IO_READ | IO_WRITE | IO_CREATE);
	int64_t wait[] = { IO_LOCK_FOREVER, INT64_MAX };
	int said;

	for (int i = 0; i < 2; i++) {
		pid_t killer, pid = holder(s, &said);

		alarms_begin(false);
		killer = fork();
		CHECK(killer >= 0);
		if (killer == 0) {
			usleep(50000);
			kill(pid, SIGKILL);
			_exit(0);
		}
		CHECK_OK(lock(f, 0, 0, IO_LOCK_EXCLUSIVE, wait[i]), &s->e);
		alarms_end();
		CHECK_EQ(child_status(killer), 0);
		CHECK_EQ(child_status(pid), 128 + SIGKILL);
		CHECK_OK(io_file_unlock(f, 0, 0, &s->e), &s->e);
		close(said);
	}
	CHECK_OK(io_file_close(f, &s->e), &s->e);
}

/* Ctrl-C must end the wait; the handler is installed as the program does. */
static void stopped(struct scratch *s)
{
	struct io_file *a = must_open(s, "l", IO_READ | IO_WRITE | IO_CREATE);
	int64_t wait[] = { IO_LOCK_FOREVER, 1000000 };
	struct io_options o = { .stop = &stop };
	struct io_dir *d = NULL;
	struct io_file *b = NULL;
	struct io *io = NULL;

	CHECK_OK(io_open(&o, &io, &s->e), &s->e);
	CHECK_OK(io_dir_open(io, s->path, &d, &s->e), &s->e);
	CHECK_OK(io_file_open(d, "l", IO_READ | IO_WRITE, &b, &s->e), &s->e);
	CHECK_OK(lock(a, 0, 0, IO_LOCK_EXCLUSIVE, 0), &s->e);
	for (int i = 0; i < 2; i++) {
		alarms_begin(true);
		CHECK_EQ(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, wait[i]), BC_ECANCEL);
		alarms_end();
	}
	/* Who has been told before has something to finish. */
	CHECK_EQ(stop, 1);
	CHECK_EQ(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, 20), BC_ELOCKED);
	CHECK_OK(io_file_close(a, &s->e), &s->e);
	CHECK_OK(lock(b, 0, 0, IO_LOCK_EXCLUSIVE, IO_LOCK_FOREVER), &s->e);
	CHECK_OK(io_file_close(b, &s->e), &s->e);
	io_dir_close(d);
	io_close(io);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(struct scratch *s);
	} cases[] = {
		{ "two_files", two_files },
		{ "deadline", deadline },
		{ "killed_holder", killed_holder },
		{ "signals", signals },
		{ "stopped", stopped },
	};
	const char *parent[] = { "/var/tmp", scratch_shm() };

	/* Locks are the same whatever the engine. */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int p = 0; p < 2; p++) {
			struct scratch s;

			scratch_open(&s, parent[p], NULL);
			cases[i].fn(&s);
			scratch_close(&s);
		}
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
