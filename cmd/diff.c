/* SPDX-License-Identifier: Apache-2.0 */
/* diff - what differs between two snapshots or parts of them. */
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "util/parse_key.h"

struct diff_opts {
	bool stat;
	bool exit_code;
};

#define AT(member) offsetof(struct diff_opts, member)

static const struct opt diff_opts[] = {
	{ .name = "stat",
	  .type = OPT_BOOL,
	  .at = AT(stat),
	  .help = "only how many" },
	{ .name = "exit-code",
	  .type = OPT_BOOL,
	  .at = AT(exit_code),
	  .help = "status 5 if there are differences" },
	{ .type = OPT_END },
};

static enum bc_err diff_run(struct ctx *c, struct err *e)
{
	struct snap_key a, b;
	enum bc_err rc;

	rc = parse_key(c->args[0], c->out.began_real, &a, e);
	if (rc == BC_OK)
		rc = parse_key(c->args[1], c->out.began_real, &b, e);
	if (rc != BC_OK)
		return rc;
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_diff = {
	.name = "diff",
	.summary = "show what differs between two snapshots",
	.usage = "SNAP[:PATH] SNAP[:PATH]",
	.group = "Look",
	.examples = "  blobctl diff photos~1 photos\n",
	.needs = CMD_REPO | CMD_PAGED,
	.args_min = 2,
	.args_max = 2,
	.opts = diff_opts,
	.opts_bytes = sizeof(struct diff_opts),
	.run = diff_run,
};
