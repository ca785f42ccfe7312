/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msg - sentences on standard error, in the log file and in the JSON lines.
 *
 * An error has up to three parts: what failed and why, the hint, what to try.
 * Warnings about items are grouped by code: the first few are printed, the
 * rest counted ("and 412 more like this"); JSON lines and the log file get
 * each. With -q warnings wait: an error brings them out, success drops them.
 * Control characters are always escaped here. Where -R named the repository,
 * commands that are suggested name it too. Any thread.
 */
#ifndef BC_CMD_MSG_H
#define BC_CMD_MSG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/out.h"
#include "util/buf.h"
#include "util/bytes.h"
#include "util/err.h"

enum {
	MSG_SHOWN_PER_CODE = 5,
	MSG_CODES_MAX = 32,
	MSG_CODE_BYTES = 32,
	MSG_TEXT_BYTES = 8192, /* a sentence, with a path of PATH_MAX */
};

struct msg_group {
	char code[MSG_CODE_BYTES];
	uint64_t seen;
};

struct msg {
	struct out *out;
	bool quiet;
	unsigned verbose;
	int log_fd;	  /* -1: none */
	const char *repo; /* that commands in what is said name by -R; NULL */
	pthread_mutex_t lock;
	bool bar_shown; /* the terminal's last line is a progress bar */
	struct msg_group groups[MSG_CODES_MAX];
	size_t group_count;
	struct buf held; /* with quiet: warnings, shown if an error follows */
};

void msg_init(struct msg *m, struct out *o, bool quiet, unsigned verbose);

/* msg_log_open - append to that file from now on. */
BC_MUST_CHECK enum bc_err msg_log_open(struct msg *m, const char *path,
				       struct err *e);

/* msg_error - report a failure; shown whatever -q says. */
void msg_error(struct msg *m, const struct err *e);

/* msg_error_as - with a code of its own in the event, a stable word. */
void msg_error_as(struct msg *m, const char *code, const struct err *e);

/* msg_error_late - the same after the summary: no JSON line. */
void msg_error_late(struct msg *m, const struct err *e);

/* msg_warn - something that may be wrong. `code` is a stable word. */
void msg_warn(struct msg *m, const char *code, const char *fmt, ...)
	BC_PRINTF(3, 4);

/* msg_item - a warning about one item; `path` is its exact name. The text does
 * not repeat it: "PATH: TEXT" is printed. */
void msg_item(struct msg *m, const char *code, struct bytes path,
	      const char *fmt, ...) BC_PRINTF(4, 5);

/* msg_note - what a person should know; not with -q. */
void msg_note(struct msg *m, const char *fmt, ...) BC_PRINTF(2, 3);

/* msg_detail - with -v. */
void msg_detail(struct msg *m, const char *fmt, ...) BC_PRINTF(2, 3);

/* msg_bar - draw, or with NULL remove, the progress bar. */
void msg_bar(struct msg *m, const char *line);

/* msg_progress - one line of progress that stays. */
void msg_progress(struct msg *m, const char *line);

/* msg_end_groups - say how many were not shown. */
void msg_end_groups(struct msg *m);

/* msg_fini - note the status in the log and close it. */
void msg_fini(struct msg *m, int status);

#endif
