/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress - how far a long command is: a bar on a terminal, a line now and
 * then in CI, `progress` JSON lines, one line on SIGUSR1.
 *
 * A thread asks the command for its counters; the command answers out of
 * atomics that the library exposes. The work never waits for it.
 */
#ifndef BC_CMD_PROGRESS_H
#define BC_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/msg.h"
#include "cmd/out.h"

enum progress_mode {
	PROGRESS_AUTO,
	PROGRESS_BAR,
	PROGRESS_PLAIN,
	PROGRESS_NONE,
};

/* A moment of the work. Unknown counters stay 0. */
struct progress_now {
	uint64_t bytes_done; /* of bytes_total, the known ones included */
	uint64_t bytes_total;
	uint64_t bytes_known; /* of bytes_done, what was stored already */
	uint64_t bytes_new;   /* written to the repository */
	uint64_t files_done, files_total;
	uint64_t errors;
	bool total_final; /* the scan is over: the totals grow no more */
};

struct progress_source {
	const char *verb; /* "put" */
	/* Fills *now. Called from another thread until progress_stop(). */
	void (*sample)(void *ctx, struct progress_now *now);
	void *ctx;
	/* Over before anybody can ask: SIGUSR1 alone is worth no thread. */
	bool brief;
};

struct progress;

/*
 * progress_start - begin to report. Failing to start a thread is no error:
 * the result is then NULL, and nothing is reported; so it is if nothing would
 * be but on SIGUSR1, and the work is brief.
 */
struct progress *progress_start(struct out *o, struct msg *m, unsigned mode,
				const struct progress_source *src);

/* progress_stop - sample() will not be called again; the bar is gone. */
void progress_stop(struct progress *p);

/* What a line needs beside the counters. */
struct progress_view {
	const char *verb;
	int64_t elapsed_ns;
	uint64_t rate; /* bytes per second, lately */
	enum fmt_unit unit;
	bool bar; /* draw one */
	bool utf8;
	unsigned width;
};

/* progress_line - the line as text, at most `width` columns. Pure. */
void progress_line(const struct progress_view *v, const struct progress_now *n,
		   char *out, size_t cap);

#endif
