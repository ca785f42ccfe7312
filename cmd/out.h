/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out - what goes to standard output, and the JSON lines.
 *
 * A terminal gets aligned tables that fit its width, human sizes and local
 * times, and no control character out of a name. A pipe gets tab-separated
 * rows without a header, raw bytes, exact numbers and UTC. With --json
 * standard output holds JSON lines and nothing else; with --status-fd they go
 * there, beside the ordinary output. One declaration of columns gives all
 * three. A failed write is remembered and becomes exit status 1 at the end, one
 * that a stop ended BC_ECANCEL.
 * JSON lines may be written by any thread, everything else by one.
 */
#ifndef BC_CMD_OUT_H
#define BC_CMD_OUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "cmd/json.h"
#include "cmd/out_fd.h"
#include "util/bytes.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/fmt.h"

enum when_auto { AUTO_AUTO, AUTO_ALWAYS, AUTO_NEVER };

enum colour {
	COLOUR_NONE,
	COLOUR_RED,
	COLOUR_YELLOW,
	COLOUR_GREEN,
	COLOUR_BOLD
};

enum { RUN_ID_BYTES = 17, OUT_COLUMNS_MAX = 24, OUT_SPARE_LAST = 4 };

/* The command line's wishes. */
struct out_options {
	bool json;
	int status_fd; /* -1: none */
	bool quiet;
	unsigned colour; /* enum when_auto */
	enum fmt_unit unit;
	bool utc;
	bool pager; /* the command may be paged and nobody forbade it */
};

struct out_table;

struct out {
	struct out_options opt;
	FILE *text; /* standard output or the pager */
	FILE *unpaged;
	struct out_fd std, status, pager; /* status: of --status-fd */
	bool tty; /* a person reads standard output, perhaps paged */
	bool err_tty;
	unsigned width; /* columns of that terminal */
	bool colour_out, colour_err;
	struct clock clk;
	int64_t began_real, began_mono;
	char run_id[RUN_ID_BYTES];
	const char *command;	       /* NULL until known */
	struct json counts;	       /* the command's part of the summary */
	const char *const *count_keys; /* all that it may have; or NULL */
	uint32_t counted;	       /* which of them it has: a bit each */
	uint64_t warnings, errors;
	pthread_mutex_t lock; /* JSON lines */
	int write_errno;      /* first failure on standard output */
	bool write_error_said;
	/* On a terminal: */
	uint64_t payload_bytes;
	uint8_t payload_last;
	pid_t pager_pid; /* 0: none */
	struct out_table *table;
};

/* out_init - also draws the run id. Writes nothing. Never fails. */
void out_init(struct out *o, const struct out_options *opt, struct clock clk);

/* out_start - the `start` line.
 *   counts  keys of the command's part of the summary, at most 32, NULL at the
 *           end; those that get no value will be null there. Or NULL. */
void out_start(struct out *o, const char *command, const char *const *counts,
	       bool dry_run);

/* out_flush - write what is held back and wait for the pager. BC_ESYS if
 * anything written so far was lost, BC_ECANCEL if a stop was the reason; that
 * is said once in a run. */
BC_MUST_CHECK enum bc_err out_flush(struct out *o, struct err *e);

/*
 * out_finish - the `summary` line, then close standard output and the rest.
 *   status  what the run came to
 *   signal  that ended it, 0 for none
 * Fails as out_flush() does, for the summary itself.
 */
BC_MUST_CHECK enum bc_err out_finish(struct out *o, int status, int signal,
				     struct err *e);

/* ---- plain text -----------------------------------------------------------
 */

/* out_print - the result asked for: written even with -q, not with --json. */
void out_print(struct out *o, const char *fmt, ...) BC_PRINTF(2, 3);

/* out_say - what was done: silent with -q or --json. */
void out_say(struct out *o, const char *fmt, ...) BC_PRINTF(2, 3);

/* out_name - a name of unknown origin, safe for a terminal, raw on a pipe. */
void out_name(struct out *o, struct bytes name);

/*
 * out_payload - bytes of an object. With --json out_payload_ready() refuses
 * them with BC_EUSAGE; to a terminal only text is written, and out_payload()
 * refuses a piece with a NUL or another control byte likewise.
 */
BC_MUST_CHECK enum bc_err out_payload_ready(struct out *o, struct err *e);
BC_MUST_CHECK enum bc_err out_payload(struct out *o, struct bytes b,
				      struct err *e);

/* out_paint - the escape sequence that begins, or with COLOUR_NONE ends, a
 * colour on that stream; "" when it has none. */
const char *out_paint(const struct out *o, bool on_stderr, enum colour c);

/* ---- events ---------------------------------------------------------------
 */

/* out_events - does anybody read JSON lines? */
bool out_events(const struct out *o);

/* out_emit - write the line and free j. */
void out_emit(struct out *o, struct json *j);

/* out_count_* - the value of one of the command's keys in the summary, once;
 * other keys are left out. */
void out_count_u64(struct out *o, const char *key, uint64_t v);
void out_count_bool(struct out *o, const char *key, bool v);
void out_count_text(struct out *o, const char *key, const char *s);

/* ---- tables ---------------------------------------------------------------
 */

enum out_kind {
	OUT_TEXT,  /* words of ours or a user's */
	OUT_LIST,  /* several, each with a NUL behind it; an array in JSON */
	OUT_PATH,  /* bytes that may be anything; last columns are cut last */
	OUT_ID,	   /* hexadecimal; 8 digits on a terminal */
	OUT_SIZE,  /* bytes */
	OUT_COUNT, /* a number */
	OUT_TIME,  /* nanoseconds since 1970 */
	OUT_MODE,  /* st_mode: letters; octal in JSON */
	OUT_BOOL,
	OUT_REAL, /* three decimals */
};

enum out_show {
	OUT_ALWAYS,    /* in the table, in rows, in JSON */
	OUT_LONG,      /* the same, but with -l only */
	OUT_JSON_ONLY, /* in JSON and --format */
};

struct out_column {
	const char *key;    /* JSON and --format */
	const char *header; /* of the aligned table */
	enum out_kind kind;
	enum out_show show;
	bool ago; /* OUT_TIME: "3 h ago" behind it on a terminal */
	/* In a narrow terminal the highest goes first, the last OUT_SPARE_LAST
	 * only where names would be cut to nothing; 0: never. */
	unsigned spare;
};

/* One value; the column says which member counts. `null` beats both. */
struct out_value {
	uint64_t n;	/* SIZE COUNT MODE BOOL */
	int64_t t;	/* TIME */
	double f;	/* REAL */
	struct bytes s; /* TEXT LIST PATH ID */
	bool null;
};

static inline struct out_value out_n(uint64_t n)
{
	return (struct out_value){ .n = n };
}

static inline struct out_value out_t(int64_t ns)
{
	return (struct out_value){ .t = ns };
}

static inline struct out_value out_b(struct bytes b)
{
	return (struct out_value){ .s = b };
}

static inline struct out_value out_s(const char *s)
{
	return s == NULL ? (struct out_value){ .null = true }
			 : (struct out_value){ .s = bytes_str(s) };
}

static inline struct out_value out_null(void)
{
	return (struct out_value){ .null = true };
}

/* out_event - only the JSON line of a row. */
void out_event(struct out *o, const struct out_column *columns,
	       const char *type, const struct out_value *v);

struct out_table_options {
	const char *type;   /* of the JSON lines */
	bool is_long;	    /* -l */
	bool zero;	    /* -0: rows end with NUL, nothing is escaped */
	const char *format; /* --format: "{name} {size_bytes}\n", or NULL */
};

/*
 * out_table_begin - rows follow. `columns` ends with an entry whose key is
 * NULL, lives until out_table_end(), and has at most OUT_COLUMNS_MAX.
 *   BC_EUSAGE  the format names an unknown key
 */
BC_MUST_CHECK enum bc_err out_table_begin(struct out *o,
					  const struct out_column *columns,
					  const struct out_table_options *opt,
					  struct err *e);

/* out_row - one value per column, borrowed until return. A lack of memory is
 * remembered like a failed write. */
void out_row(struct out *o, const struct out_value *v);

/* out_table_end - the rows held back for their widths. Must follow every
 * out_table_begin() that succeeded; returns how many rows there were. */
uint64_t out_table_end(struct out *o);

/* out_size, out_time - for sentences, in the units the user asked for. */
const char *out_size(const struct out *o, uint64_t n, char buf[FMT_BYTES]);
const char *out_time(const struct out *o, int64_t ns, char buf[FMT_BYTES]);

/* ---- internal to out*.c ---------------------------------------------------
 */

/* out_stream - where text goes; the first call starts the pager. */
FILE *out_stream(struct out *o);
/* out_text - bytes as they are, not with --json in mind. */
void out_text(struct out *o, struct bytes b);
/* out_pager_start - a pager in place of standard output, if one can be run. */
void out_pager_start(struct out *o);
void out_pager_wait(struct out *o);
/* out_lost - remember the first errno with which output was lost. */
void out_lost(struct out *o, int sys);

#endif
