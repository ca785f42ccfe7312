/* SPDX-License-Identifier: Apache-2.0 */
/* ls - list snapshots, or what is in one. */
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "util/parse_key.h"

enum ls_sort { SORT_AUTO, SORT_NAME, SORT_TIME, SORT_SIZE, SORT_NONE };

struct ls_opts {
	bool is_long, recursive, zero;
	unsigned
		sort; /* enum ls_sort; auto: snapshots by time, files by name */
	struct opt_list tags;
	const char *format;
};

static const char *const SORT_WORDS[] = { "auto", "name", "time",
					  "size", "none", NULL };

#define AT(member) offsetof(struct ls_opts, member)

static const struct opt ls_opts[] = {
	{ .name = "long",
	  .letter = 'l',
	  .type = OPT_BOOL,
	  .at = AT(is_long),
	  .help = "more columns" },
	{ .name = "recursive",
	  .letter = 'r',
	  .type = OPT_BOOL,
	  .at = AT(recursive),
	  .help = "what is in directories, too" },
	{ .name = "null",
	  .letter = '0',
	  .type = OPT_BOOL,
	  .at = AT(zero),
	  .help = "end each row with a zero byte, names as they are" },
	{ .name = "sort",
	  .type = OPT_WORD,
	  .at = AT(sort),
	  .arg = "HOW",
	  .words = SORT_WORDS,
	  .help = "auto, name, time, size or none" },
	{ .name = "tag",
	  .type = OPT_LIST,
	  .at = AT(tags),
	  .arg = "KEY=VALUE",
	  .check = parse_tag,
	  .help = "only snapshots with that tag; may be repeated" },
	{ .name = "format",
	  .type = OPT_TEXT,
	  .at = AT(format),
	  .arg = "TEXT",
	  .help = "rows of your own, as in '{id} {name}'" },
	{ .type = OPT_END },
};

static enum bc_err ls_run(struct ctx *c, struct err *e)
{
	const struct ls_opts *o = c->opts;
	struct snap_key key;
	enum bc_err rc;

	if (c->n_args == 1) {
		rc = parse_key(c->args[0], c->out.began_real, &key, e);
		if (rc != BC_OK)
			return rc;
		if (o->tags.n > 0)
			return ctx_usage(c, e,
					 "--tag chooses snapshots, not "
					 "what is in one");
	} else if (o->recursive) {
		return ctx_usage(c, e, "-r needs a snapshot to look into");
	}
	return ctx_unwired(c, e); /* wire-up */
}

static const char *const LS_ALIASES[] = { "list", NULL };

const struct cmd cmd_ls = {
	.name = "ls",
	.aliases = LS_ALIASES,
	.summary = "list snapshots, or what is in one",
	.usage = "[SNAP[:PATH]]",
	.group = "Look",
	.examples = "  blobctl ls\n"
		    "  blobctl ls -l latest:Pictures\n"
		    "  blobctl ls --format='{id}\\t{name}'\n",
	.needs = CMD_REPO | CMD_PAGED,
	.args_max = 1,
	.opts = ls_opts,
	.opts_bytes = sizeof(struct ls_opts),
	.run = ls_run,
};
