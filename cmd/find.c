/* SPDX-License-Identifier: Apache-2.0 */
/* find - names in all snapshots. */
#include "cmd/cmd.h"
#include "cmd/show.h"

struct find_opts {
	struct when since; /* to == 0: not given */
	struct when newer;
};

#define AT(member) offsetof(struct find_opts, member)

static const struct opt find_opts[] = {
	{ .name = "since",
	  .type = OPT_WHEN,
	  .at = AT(since),
	  .arg = "DATE",
	  .help = "only snapshots made since then" },
	{ .name = "newer",
	  .type = OPT_WHEN,
	  .at = AT(newer),
	  .arg = "DATE",
	  .help = "only files modified since then" },
	{ .type = OPT_END },
};

static enum bc_err find_run(struct ctx *c, struct err *e)
{
	if (*c->args[0] == '\0')
		return ctx_usage(c, e, "the pattern is empty");
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_find = {
	.name = "find",
	.summary = "find names in all snapshots",
	.usage = "GLOB",
	.group = "Look",
	.examples = "  blobctl find '*.odt' --since=30d\n",
	.needs = CMD_REPO,
	.args_min = 1,
	.args_max = 1,
	.opts = find_opts,
	.opts_bytes = sizeof(struct find_opts),
	.run = find_run,
};
