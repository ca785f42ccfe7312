/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cmd/exit.h"

/* A handler can reach nothing but globals. */
static atomic_int stop_flag;
static atomic_int stop_signal;
static atomic_llong signalled_at; /* monotonic, in nanoseconds */
static atomic_llong stopped_at;	  /* by that signal or the deadline */
static atomic_int stop_fd = -1;	  /* an eventfd, readable from then on */
static atomic_int usr1_fd = -1;
static atomic_bool asking; /* nothing is in flight */
static bool on_terminal;   /* where ^C and a progress bar stand in a line */

enum {
	/* Signals that come closer together are one request. */
	ONE_REQUEST_NS = 500 * 1000 * 1000,
	/* What a stopped run still has to say is short. */
	LAST_WORDS_NS = 1000 * 1000 * 1000,
	NS_PER_MS = 1000 * 1000,
};

static const char STOPPING[] = "\nblobctl: stopping after the work in flight; "
			       "again to stop now\n";

static const int STOPS[] = { SIGINT, SIGTERM, SIGHUP };

/* Where that would not wait: in here nothing could end it. */
static void say(const char *text)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	int saved = errno;

	if (poll(&p, 1, 0) == 1 &&
	    write(STDERR_FILENO, text, strlen(text)) < 0) {
		/* Nobody is left to tell. */
	}
	errno = saved;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void add_one(int fd)
{
	const uint64_t one = 1;
	int saved = errno;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) {
		/* Full: the reader is awake anyway. */
	}
	errno = saved;
}

static void raise_flag(void)
{
	long long never = 0;

	atomic_compare_exchange_strong(&stopped_at, &never, now());
	atomic_store(&stop_flag, 1);
	add_one(atomic_load(&stop_fd));
}

static void on_stop(int number)
{
	long long first = 0;
	int none = 0;

	atomic_compare_exchange_strong(&signalled_at, &first, now());
	first = atomic_load(&signalled_at);
	if (!atomic_compare_exchange_strong(&stop_signal, &none, number)) {
		/* timeout(1) signals its child, and then the group that this
		 * is in; a terminal that goes away sends two kinds. */
		if (now() - first < ONE_REQUEST_NS)
			return;
		say("blobctl: stopped at once\n");
		_exit(STATUS_SIGNAL + number);
	}
	raise_flag();
	if (!atomic_load(&asking))
		say(on_terminal ? STOPPING : STOPPING + 1);
}

static void on_alarm(int number)
{
	(void)number;
	raise_flag();
}

static void on_usr1(int number)
{
	(void)number;
	add_one(atomic_load(&usr1_fd));
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(number, &sa, NULL);
}

void signal_setup(void)
{
	sigset_t none;

	/* A parent may have left signals blocked or SIGPIPE ignored; `blobctl
	 * ls | head` is to end silently all the same. */
	handle(SIGPIPE, SIG_DFL);
	handle(SIGXFSZ, SIG_IGN); /* the write fails, with EFBIG */
	handle(SIGUSR1, on_usr1);
	sigemptyset(&none);
	sigaddset(&none, SIGPIPE);
	sigaddset(&none, SIGUSR1);
	sigaddset(&none, SIGALRM);
	for (size_t i = 0; i < sizeof(STOPS) / sizeof(STOPS[0]); i++)
		sigaddset(&none, STOPS[i]);
	sigprocmask(SIG_UNBLOCK, &none, NULL);
}

/* Before a handler can want it. Without one a wait goes on until its own
 * descriptor is ready. */
static void open_stop_fd(void)
{
	if (atomic_load(&stop_fd) < 0)
		atomic_store(&stop_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void signal_catch_stops(void)
{
	open_stop_fd();
	on_terminal = isatty(STDERR_FILENO) == 1;
	for (size_t i = 0; i < sizeof(STOPS) / sizeof(STOPS[0]); i++) {
		struct sigaction old;

		if (sigaction(STOPS[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			handle(STOPS[i], on_stop);
	}
}

void signal_deadline(int64_t seconds)
{
	struct itimerval t = { .it_value.tv_sec = (time_t)seconds };

	open_stop_fd();
	handle(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &t, NULL);
}

const atomic_int *signal_stop_flag(void)
{
	return &stop_flag;
}

/* How long a wait may last, for poll(). */
static int wait_ms(long long after_stop)
{
	long long left;

	if (atomic_load(&stop_flag) == 0)
		return -1;
	left = atomic_load(&stopped_at) + after_stop - now();
	return left <= 0 ? 0 : (int)(left / NS_PER_MS) + 1;
}

/* Until fd is ready, or `after_stop` nanoseconds have passed since a stop. */
static bool await(int fd, short events, long long after_stop)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = events },
		{ .fd = atomic_load(&stop_fd), .events = POLLIN },
	};

	for (;;) {
		int ms = wait_ms(after_stop), n = poll(p, ms < 0 ? 2 : 1, ms);

		/* What is wrong with it the call itself will say. */
		if ((n < 0 && errno != EINTR) || (n > 0 && p[0].revents != 0))
			return true;
		if (n == 0)
			return false;
	}
}

bool signal_await_input(int fd)
{
	return atomic_load(&stop_flag) == 0 && await(fd, POLLIN, 0) &&
	       atomic_load(&stop_flag) == 0;
}

void signal_asking(bool on)
{
	atomic_store(&asking, on);
}

bool signal_await_output(int fd)
{
	return await(fd, POLLOUT, LAST_WORDS_NS);
}

int signal_number(void)
{
	return atomic_load(&stop_signal);
}

bool signal_time_up(void)
{
	return atomic_load(&stop_flag) != 0 && signal_number() == 0;
}

void signal_on_usr1(int fd)
{
	atomic_store(&usr1_fd, fd);
}

void signal_reraise(int number)
{
	handle(number, SIG_DFL);
	raise(number);
}
