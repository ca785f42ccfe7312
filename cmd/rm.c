/* SPDX-License-Identifier: Apache-2.0 */
/* rm - remove snapshots. */
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "util/parse_key.h"

static enum bc_err rm_run(struct ctx *c, struct err *e)
{
	struct snap_key key;
	enum bc_err rc;

	for (size_t i = 0; i < c->n_args; i++) {
		rc = parse_key(c->args[i], c->out.began_real, &key, e);
		if (rc != BC_OK)
			return rc;
		if (key.path != NULL)
			return ctx_usage(c, e,
					 "'%.64s': only whole snapshots can be "
					 "removed",
					 c->args[i]);
	}
	return ctx_unwired(c, e); /* wire-up, with ctx_confirm() */
}

static const char *const RM_ALIASES[] = { "remove", NULL };

const struct cmd cmd_rm = {
	.name = "rm",
	.aliases = RM_ALIASES,
	.summary = "remove snapshots",
	.usage = "SNAP...",
	.group = "Manage",
	.examples = "  blobctl rm photos~7\n",
	.needs = CMD_REPO | CMD_WRITES | CMD_STOPS,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.run = rm_run,
};
