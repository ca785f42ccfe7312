/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt - one table of options feeds the parser, the help, the environment and
 * the suggestions.
 *
 * A table is an array of struct opt that ends with an empty one; `at` is the
 * offset of a member in the owner's option struct, whose type follows from
 * the option's. The struct is filled with the defaults beforehand. Options are
 * never abbreviated; `--` ends them; `--opt=value`, `--opt value`, `-o value`,
 * `-ovalue`, `-abc` for short ones without a value, `--no-opt` for booleans
 * (`--opt` where the table says `no-opt`). --foo-bar is BLOBCTL_FOO_BAR in the
 * environment; the command line wins.
 * Reads nothing but its arguments and prints nothing: see tests/unit/test_opt.
 */
#ifndef BC_CMD_OPT_H
#define BC_CMD_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "util/parse.h"

enum opt_type {
	OPT_END = 0,
	OPT_BOOL,     /* bool */
	OPT_COUNT,    /* unsigned: how often it was given */
	OPT_TEXT,     /* const char *: borrowed from argv or environ */
	OPT_LIST,     /* struct opt_list: given again, it adds */
	OPT_WORD,     /* unsigned: index in .words */
	OPT_UINT,     /* uint64_t */
	OPT_SIZE,     /* uint64_t: bytes */
	OPT_DURATION, /* int64_t: seconds */
	OPT_WHEN,     /* struct when */
	OPT_RANGE,    /* struct byte_range */
	OPT_CUSTOM,   /* whatever .read makes of it */
};

enum {
	OPT_NO_ENV = 1 << 0, /* not from the environment */
	OPT_LIST_MAX = 4096, /* values of one repeatable option */
	OPT_TABLE_MAX = 64,  /* options in one table */
};

struct opt_list {
	const char **v;
	size_t n;
	bool from_env; /* to be replaced by the first on the command line */
};

struct opt {
	const char *name; /* without the dashes */
	char letter;	  /* 0: no short form */
	enum opt_type type;
	unsigned flags;
	size_t at;
	const char *arg;	  /* what its value is called; NULL: none */
	const char *help;	  /* one line, without a full stop */
	uint64_t min, max;	  /* OPT_UINT, OPT_SIZE; max 0: no bound */
	const char *const *words; /* OPT_WORD: the values, NULL at the end */
	/* The value of the bare option; then only `=` gives another. Long
	 * form only. */
	const char *implied;
	enum bc_err (*check)(const char *text, struct err *e); /* TEXT, LIST */
	enum bc_err (*read)(const char *text, void *at, struct err *e);
};

/* What one line of arguments is parsed with, and what comes of it. */
struct opt_parser {
	const struct opt *global;
	void *global_at;
	/* The command's; NULL until on_command() has set them. */
	const struct opt *own;
	void *own_at;
	const char *own_name;
	char *const *envp; /* NULL: no environment */
	int64_t now;	   /* for relative dates */

	/*
	 * Called with the first operand. Sets own, own_at and own_name, or
	 * returns BC_EUSAGE with e filled in.
	 */
	enum bc_err (*on_command)(struct opt_parser *p, const char *word,
				  struct err *e);
	/* A command that has the option, or NULL, and another one, or NULL. May
	 * itself be NULL. */
	const char *(*owner)(const char *option, const char **another);
	void *ctx; /* for both */

	/* Which entries of the tables the environment has set, and the line has
	 * not: a bit for each. */
	uint64_t global_env, own_env;

	const char **operands; /* without the command; borrowed from argv */
	size_t operand_count;
	const char *command_word; /* NULL: there was none */
};

/*
 * opt_parse - read the environment and argv[1..].
 *
 * Goes on after an error, so that --json and --help are known whatever else is
 * wrong. Returns the first error: BC_EUSAGE with a text and a hint, or
 * BC_ENOMEM. opt_parse_free() in either case.
 */
BC_MUST_CHECK enum bc_err opt_parse(struct opt_parser *p, int argc,
				    char *const argv[], struct err *e);

/* opt_parse_free - release operands and the lists in both option structs. */
void opt_parse_free(struct opt_parser *p);

/* opt_from_env - did the option of that name get its value from the
 * environment? Then nobody may have thought of it. */
bool opt_from_env(const struct opt_parser *p, const char *name);

/* opt_env_name - BLOBCTL_FOO_BAR for foo-bar; false if it does not fit. */
bool opt_env_name(const char *option, char *out, size_t cap);

/* opt_find - the entry of that long name, or NULL. */
const struct opt *opt_find(const struct opt *table, const char *name);

/* opt_takes_value - does a value follow it? */
bool opt_takes_value(const struct opt *o);

/* opt_positive - for a boolean that is called no-foo: "foo"; else NULL. */
const char *opt_positive(const struct opt *o);

#endif
