/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of commands, and the options that all of them take. */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/suggest.h"
#include "util/typos.h"

/* In the order of the overview. */
const struct cmd *const cmd_table[] = {
	&cmd_init,     &cmd_put,    &cmd_get,	&cmd_cat,  &cmd_ls,
	&cmd_find,     &cmd_diff,   &cmd_tag,	&cmd_rm,   &cmd_stats,
	&cmd_check,    &cmd_doctor, &cmd_bench, &cmd_help, &cmd_version,
	&cmd_complete, NULL,
};

const struct globals global_defaults = {
	.status_fd = UINT64_MAX,
	.lock_wait = 10,
};

static const char *const COLOUR_WORDS[] = { "auto", "always", "never", NULL };
static const char *const PROGRESS_WORDS[] = { "auto", "bar", "plain", "none",
					      NULL };

#define AT(member) offsetof(struct globals, member)

const struct opt global_opts[] = {
	{ .name = "repo",
	  .letter = 'R',
	  .type = OPT_TEXT,
	  .at = AT(repo),
	  .arg = "DIR",
	  .help = "the repository; else core.repo" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = OPT_BOOL,
	  .at = AT(quiet),
	  .help = "errors only" },
	{ .name = "verbose",
	  .letter = 'v',
	  .type = OPT_COUNT,
	  .at = AT(verbose),
	  .help = "say more; -vv: of put, what it took over unread" },
	{ .name = "json",
	  .type = OPT_BOOL,
	  .at = AT(json),
	  .help = "JSON lines on standard output, nothing else" },
	{ .name = "status-fd",
	  .type = OPT_UINT,
	  .at = AT(status_fd),
	  .arg = "N",
	  .min = 2,
	  .max = 1048575,
	  .help = "JSON lines to that file descriptor" },
	{ .name = "color",
	  .type = OPT_WORD,
	  .at = AT(colour),
	  .arg = "WHEN",
	  .words = COLOUR_WORDS,
	  .help = "auto, always or never" },
	{ .name = "progress",
	  .type = OPT_WORD,
	  .at = AT(progress),
	  .arg = "HOW",
	  .words = PROGRESS_WORDS,
	  .help = "auto, bar, plain (a line a minute) or none" },
	{ .name = "no-pager",
	  .type = OPT_BOOL,
	  .at = AT(no_pager),
	  .help = "print long listings without a pager" },
	{ .name = "no-input",
	  .type = OPT_BOOL,
	  .at = AT(no_input),
	  .help = "never ask; fail where a question would be needed" },
	{ .name = "yes",
	  .letter = 'y',
	  .type = OPT_BOOL,
	  .at = AT(yes),
	  .help = "answer yes to every question" },
	{ .name = "dry-run",
	  .letter = 'n',
	  .type = OPT_BOOL,
	  .at = AT(dry_run),
	  .help = "say what would be done, change nothing" },
	{ .name = "threads",
	  .letter = 'j',
	  .type = OPT_UINT,
	  .at = AT(threads),
	  .arg = "N",
	  .min = 0,
	  .max = 1024,
	  .help = "threads that compute; 0: as many as cores" },
	{ .name = "lock-wait",
	  .type = OPT_DURATION,
	  .at = AT(lock_wait),
	  .arg = "DUR",
	  .help = "wait that long for another run (10s)" },
	{ .name = "max-duration",
	  .type = OPT_DURATION,
	  .at = AT(max_duration),
	  .arg = "DUR",
	  .help = "stop cleanly after that time, with status 8" },
	{ .name = "log-file",
	  .type = OPT_TEXT,
	  .at = AT(log_file),
	  .arg = "FILE",
	  .help = "append messages there, with time and run id" },
	{ .name = "si",
	  .type = OPT_BOOL,
	  .at = AT(si),
	  .help = "sizes in powers of 1000" },
	{ .name = "bytes",
	  .type = OPT_BOOL,
	  .at = AT(plain_bytes),
	  .help = "sizes in bytes" },
	{ .name = "utc",
	  .type = OPT_BOOL,
	  .at = AT(utc),
	  .help = "times in UTC" },
	{ .name = "help",
	  .letter = 'h',
	  .type = OPT_BOOL,
	  .flags = OPT_NO_ENV,
	  .at = AT(help),
	  .help = "help on the command" },
	{ .name = "version",
	  .letter = 'V',
	  .type = OPT_BOOL,
	  .flags = OPT_NO_ENV,
	  .at = AT(version),
	  .help = "the version" },
	{ .type = OPT_END },
};

const struct cmd *cmd_lookup(const char *name)
{
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
		for (const char *const *a = (*c)->aliases;
		     a != NULL && *a != NULL; a++)
			if (strcmp(*a, name) == 0)
				return *c;
	}
	return NULL;
}

enum bc_err cmd_unknown(const char *word, struct err *e)
{
	struct suggest s = suggest_begin(word);
	const char *near;

	if (typos(bytes_str(word), bytes_str("prune"), 1) <= 1) {
		/* It frees space in one neighbour and deletes archives in
		 * another, so here it is neither. */
		(void)err_set(e, BC_EUSAGE,
			      "there is no 'prune': 'expire' removes snapshots "
			      "by a retention rule, 'gc' frees the space that "
			      "removed ones held");
		err_hint(e, "this version has neither yet; to remove snapshots "
			    "by hand: blobctl rm SNAP");
		return BC_EUSAGE;
	}
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		if ((*c)->needs & CMD_HIDDEN)
			continue;
		suggest_offer(&s, (*c)->name);
		for (const char *const *a = (*c)->aliases;
		     a != NULL && *a != NULL; a++)
			suggest_offer(&s, *a);
	}
	near = suggest_end(&s);
	(void)err_set(e, BC_EUSAGE, "unknown command '%.64s'", word);
	if (near != NULL)
		err_hint(e, "did you mean 'blobctl %s'?", near);
	else
		err_hint(e, "blobctl help");
	return BC_EUSAGE;
}

const char *cmd_owner(const char *option, const char **another)
{
	const char *first = NULL;

	*another = NULL;
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		if (opt_find((*c)->opts, option) == NULL)
			continue;
		if (first != NULL) {
			*another = (*c)->name;
			break;
		}
		first = (*c)->name;
	}
	return first;
}
