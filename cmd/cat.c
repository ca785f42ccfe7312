/* SPDX-License-Identifier: Apache-2.0 */
/* cat - the bytes of one file on standard output. */
#include "cmd/cmd.h"
#include "util/parse_key.h"

struct cat_opts {
	struct byte_range range;
};

static const struct cat_opts CAT_DEFAULT = { .range = { 0, UINT64_MAX,
							false } };

static const struct opt cat_opts[] = {
	{ .name = "range",
	  .type = OPT_RANGE,
	  .at = offsetof(struct cat_opts, range),
	  .arg = "A-B",
	  .help = "bytes A to B; A- to the end; -N the last N" },
	{ .type = OPT_END },
};

static enum bc_err cat_run(struct ctx *c, struct err *e)
{
	struct snap_key key;
	enum bc_err rc;

	rc = parse_key(c->args[0], c->out.began_real, &key, e);
	if (rc != BC_OK)
		return rc;
	if (key.path == NULL || *key.path == '\0')
		return ctx_usage(c, e, "'%.64s' names no file", c->args[0]);
	rc = out_payload_ready(&c->out, e);
	if (rc != BC_OK)
		return rc;
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_cat = {
	.name = "cat",
	.summary = "write a stored file to standard output",
	.usage = "SNAP:PATH",
	.group = "Archive",
	.examples = "  blobctl cat latest:etc/fstab | less\n"
		    "  blobctl cat disk:image.raw --range=0-511 > mbr\n",
	.needs = CMD_REPO,
	.args_min = 1,
	.args_max = 1,
	.opts = cat_opts,
	.opts_bytes = sizeof(struct cat_opts),
	.opts_default = &CAT_DEFAULT,
	.run = cat_run,
};
