/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cmd/exit.h"

/* A handler can reach nothing but globals. */
static atomic_int stop_flag;
static atomic_int stop_signal;
static atomic_llong stopped_at; /* monotonic, in nanoseconds */
static atomic_int usr1_fd = -1;

/* Signals that come closer together are one request. */
enum { ONE_REQUEST_NS = 500 * 1000 * 1000 };

static const int STOPS[] = { SIGINT, SIGTERM, SIGHUP };

static void say(const char *text)
{
	int saved = errno;

	if (write(STDERR_FILENO, text, strlen(text)) < 0) {
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

static void on_stop(int number)
{
	long long first = 0;
	int none = 0;

	atomic_compare_exchange_strong(&stopped_at, &first, now());
	first = atomic_load(&stopped_at);
	if (!atomic_compare_exchange_strong(&stop_signal, &none, number)) {
		/* timeout(1) signals its child, and then the group that this
		 * is in; a terminal that goes away sends two kinds. */
		if (now() - first < ONE_REQUEST_NS)
			return;
		say("blobctl: stopped at once\n");
		_exit(STATUS_SIGNAL + number);
	}
	atomic_store(&stop_flag, 1);
	say("\nblobctl: stopping after the work in flight; "
	    "again to stop now\n");
}

static void on_alarm(int number)
{
	(void)number;
	atomic_store(&stop_flag, 1);
}

static void on_usr1(int number)
{
	const uint64_t one = 1;
	int fd = atomic_load(&usr1_fd), saved = errno;

	(void)number;
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) {
		/* Full: the reader is awake anyway. */
	}
	errno = saved;
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

void signal_catch_stops(void)
{
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

	handle(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &t, NULL);
}

const atomic_int *signal_stop_flag(void)
{
	return &stop_flag;
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
