/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd - what a command is: one file, one entry, one table of options.
 *
 * main() parses the line into the command's option struct, has ctx_open()
 * satisfy `needs`, and calls run(). A run function parses nothing, opens no
 * repository, and prints through ctx only; it describes a failure in e and
 * returns its code, from which main() derives the exit status. BC_EPARTIAL
 * with an empty text and BC_EDIFFER print nothing more: the items were named.
 */
#ifndef BC_CMD_CMD_H
#define BC_CMD_CMD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd/config.h"
#include "cmd/msg.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "util/clock.h"
#include "util/err.h"

enum cmd_needs {
	CMD_REPO = 1 << 0,   /* an existing repository */
	CMD_WRITES = 1 << 1, /* changes the repository */
	CMD_STOPS = 1 << 2,  /* polls ctx.stop: a signal stops it cleanly */
	CMD_PAGED = 1 << 3,  /* long listings */
	CMD_HIDDEN = 1 << 4, /* not in the overview */
};

struct globals {
	const char *repo; /* -R or BLOBCTL_REPO; NULL: ask the configuration */
	bool quiet;
	unsigned verbose;
	bool json;
	uint64_t status_fd; /* UINT64_MAX: none */
	unsigned colour;    /* enum when_auto */
	unsigned progress;  /* enum progress_mode */
	bool no_pager;
	bool no_input;
	bool yes;
	bool dry_run;
	uint64_t threads;     /* 0: as many as cores */
	int64_t lock_wait;    /* seconds */
	int64_t max_duration; /* seconds; 0: no bound */
	const char *log_file;
	bool si, plain_bytes, utc;
	bool help, version;
};

struct cmd;
struct io;
struct repo;

struct ctx {
	const struct cmd *cmd;
	struct globals g;
	const void *opts;	       /* the command's option struct */
	const struct opt_parser *line; /* where its values came from */
	const char **args;	       /* operands */
	size_t n_args;
	struct out out;
	struct msg msg;
	struct clock clk;
	const atomic_int *stop; /* not 0: stop soon, return BC_ECANCEL */
	/* With CMD_REPO, from here on: */
	char *repo_path;
	struct io *io; /* also without CMD_REPO */
	struct repo *repo;
	bool damaged;	     /* what was gone by may lack commits */
	char last_note[256]; /* of the repository, not to be said twice */
};

struct cmd {
	const char *name;
	const char *const *aliases; /* NULL at the end; or NULL */
	const char *summary;	    /* one line, lower case, no full stop */
	const char *usage;	    /* operands only */
	const char *group;	    /* of the overview; NULL: not in it */
	const char *examples;	    /* lines */
	const char *const *counts;  /* as out_start() has them; or NULL */
	unsigned needs;
	size_t args_min, args_max; /* operands; SIZE_MAX: no bound */
	const struct opt *opts;	   /* NULL: none of its own */
	size_t opts_bytes;	   /* sizeof the option struct */
	const void *opts_default;  /* the same, filled; NULL: zeros */
	enum bc_err (*run)(struct ctx *c, struct err *e);
};

/* ---- table.c --------------------------------------------------------------
 */

/* All commands in the order of the overview, NULL at the end. */
extern const struct cmd *const cmd_table[];
extern const struct opt global_opts[];
extern const struct globals global_defaults;

/* cmd_lookup - by name or alias, or NULL. */
const struct cmd *cmd_lookup(const char *name);

/* cmd_unknown - BC_EUSAGE for a word that is no command, with a suggestion. */
enum bc_err cmd_unknown(const char *word, struct err *e);

/* cmd_owner - the first command that has that option, or NULL, and the next
 * one, or NULL. */
const char *cmd_owner(const char *option, const char **another);

/* ---- help.c ---------------------------------------------------------------
 */

/* help_overview - 15 to 25 lines: what there is and how to begin. */
void help_overview(FILE *to);

/* ---- ctx.c ----------------------------------------------------------------
 */

/* ctx_open - provide what c->cmd->needs says. ctx_close() in any case. */
BC_MUST_CHECK enum bc_err ctx_open(struct ctx *c, struct err *e);
void ctx_close(struct ctx *c);

/* What ctx_open() itself reads from the environment, NULL at the end. */
extern const char *const ctx_env_names[];

/*
 * ctx_find_repo - set c->repo_path: -R or BLOBCTL_REPO, else core.repo.
 *   BC_ENOREPO   none is set
 *   BC_ECONFIG   the configuration cannot be read
 */
BC_MUST_CHECK enum bc_err ctx_find_repo(struct ctx *c, struct err *e);

/* ctx_open_repo - open what ctx_find_repo() found as c->repo, to read or to
 * write. */
BC_MUST_CHECK enum bc_err ctx_open_repo(struct ctx *c, bool write,
					struct err *e);

/* ctx_no_repo - explain a BC_ENOREPO about c->repo_path: what there is, and
 * what to do. Returns BC_EDAMAGE instead if it was a repository. */
enum bc_err ctx_no_repo(struct ctx *c, enum bc_err rc, struct err *e);

/* ctx_threads - how many to compute with: -j, else as many as cores. */
unsigned ctx_threads(const struct ctx *c);

/*
 * ctx_confirm - ask before something that cannot be undone.
 *   BC_OK        yes, or -y
 *   BC_EREFUSED  no, or nobody to ask; e names the option
 *   BC_ECANCEL   stopped before there was an answer
 */
BC_MUST_CHECK enum bc_err ctx_confirm(struct ctx *c, const char *question,
				      struct err *e);

enum { CTX_WORD_BYTES = 180 };

/* ctx_word - a path or a key in a hint, as one word for a shell that no command
 * takes for an option; `instead` where it is too long for a hint. */
const char *ctx_word(const char *text, const char *instead,
		     char buf[CTX_WORD_BYTES]);

/* ctx_usage - BC_EUSAGE with the command's usage line as the hint. */
enum bc_err ctx_usage(const struct ctx *c, struct err *e, const char *fmt, ...)
	BC_PRINTF(3, 4);

/* The entries; one per file. */
extern const struct cmd cmd_init, cmd_put, cmd_get, cmd_cat, cmd_ls, cmd_find,
	cmd_diff, cmd_tag, cmd_rm, cmd_stats, cmd_check, cmd_doctor, cmd_bench,
	cmd_version, cmd_help, cmd_complete;

#endif
