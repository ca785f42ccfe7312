/* SPDX-License-Identifier: Apache-2.0 */
/* check - is everything that was stored still there and whole? */
#include "cmd/cmd.h"
#include "cmd/show.h"

struct check_opts {
	bool read_data;
};

static const struct opt check_opts[] = {
	{ .name = "read-data",
	  .type = OPT_BOOL,
	  .at = offsetof(struct check_opts, read_data),
	  .help = "read and verify every byte, not only the structure" },
	{ .type = OPT_END },
};

static enum bc_err check_run(struct ctx *c, struct err *e)
{
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_check = {
	.name = "check",
	.summary = "verify the repository",
	.usage = "",
	.group = "Manage",
	.needs = CMD_REPO | CMD_STOPS,
	.opts = check_opts,
	.opts_bytes = sizeof(struct check_opts),
	.run = check_run,
};
