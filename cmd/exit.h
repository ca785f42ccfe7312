/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit - the exit statuses, which scripts depend on: a number never changes
 * its meaning. 128+N stands for an end by signal N.
 */
#ifndef BC_CMD_EXIT_H
#define BC_CMD_EXIT_H

#include <stdbool.h>

#include "util/err.h"

enum exit_status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,     /* nothing more specific; never a warning */
	STATUS_USAGE = 2,      /* option, argument or ambiguous name */
	STATUS_PARTIAL = 3,    /* done, but some items failed */
	STATUS_NOT_FOUND = 4,  /* snapshot, path or key */
	STATUS_DIFFERS = 5,    /* differences found */
	STATUS_CONFIG = 6,     /* configuration invalid */
	STATUS_REFUSED = 7,    /* a guard said no, or a prompt was needed */
	STATUS_TIME_UP = 8,    /* --max-duration; state saved, run again */
	STATUS_NO_REPO = 10,   /* repository missing */
	STATUS_LOCKED = 11,    /* locked by another run */
	STATUS_WRONG_KEY = 12, /* wrong key or passphrase */
	STATUS_DAMAGE = 13,    /* data damage */
	STATUS_NO_SPACE = 14,  /* no space or quota */
	STATUS_NEWER = 15,     /* repository needs a newer blobctl */
	STATUS_NETWORK = 20,   /* network or server trouble after retries */
	STATUS_DENIED = 21,    /* 401, 403 or clock skew */
	STATUS_NO_OBJECT = 22, /* bucket or object missing */
	STATUS_CONDITION = 23, /* precondition failed: 409, 412 */
	STATUS_ARCHIVED = 24,  /* thaw requested or needed */
	STATUS_SIGNAL = 128,   /* plus the number of the signal */
};

/* exit_status_of - the one place where a result becomes an exit status. */
int exit_status_of(enum bc_err code);

/* exit_worse - of two statuses the one to report: a signal beats damage,
 * damage beats the rest, any failure beats partial success, that beats done. */
int exit_worse(int a, int b);

/* exit_meaning - a few words about a status; "failed" for unknown ones. */
const char *exit_meaning(int status);

#endif
