/* SPDX-License-Identifier: Apache-2.0 */
/* stats - how much is stored, and how small. */
#include "cmd/cmd.h"
#include "cmd/show.h"

static enum bc_err stats_run(struct ctx *c, struct err *e)
{
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_stats = {
	.name = "stats",
	.summary = "how much is stored and how small",
	.usage = "",
	.group = "Look",
	.needs = CMD_REPO,
	.run = stats_run,
};
