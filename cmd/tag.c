/* SPDX-License-Identifier: Apache-2.0 */
/* tag - add tags to a snapshot, or take them away. */
#include <string.h>

#include "cmd/cmd.h"
#include "util/parse_key.h"

struct tag_opts {
	struct opt_list removed; /* keys */
};

static enum bc_err check_tag_key(const char *text, struct err *e)
{
	if (*text == '\0' || strchr(text, '=') != NULL)
		return err_set(e, BC_EINVAL, "'%.64s' is not a tag's key",
			       text);
	return BC_OK;
}

static const struct opt tag_opts[] = {
	{ .name = "remove",
	  .type = OPT_LIST,
	  .flags = OPT_NO_ENV,
	  .at = offsetof(struct tag_opts, removed),
	  .arg = "KEY",
	  .check = check_tag_key,
	  .help = "take that tag away; may be repeated" },
	{ .type = OPT_END },
};

static enum bc_err tag_run(struct ctx *c, struct err *e)
{
	const struct tag_opts *o = c->opts;
	struct snap_key key;
	enum bc_err rc;

	rc = parse_key(c->args[0], c->out.began_real, &key, e);
	if (rc != BC_OK)
		return rc;
	if (key.path != NULL)
		return ctx_usage(c, e, "only whole snapshots have tags");
	if (c->n_args == 1 && o->removed.n == 0)
		return ctx_usage(c, e, "nothing to add or to remove");
	for (size_t i = 1; i < c->n_args; i++) {
		rc = parse_tag(c->args[i], e);
		if (rc != BC_OK)
			return rc;
	}
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_tag = {
	.name = "tag",
	.summary = "add tags to a snapshot or take them away",
	.usage = "SNAP KEY=VALUE...",
	.group = "Manage",
	.examples = "  blobctl tag latest project=web --remove=draft\n",
	.needs = CMD_REPO | CMD_WRITES,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.opts = tag_opts,
	.opts_bytes = sizeof(struct tag_opts),
	.run = tag_run,
};
