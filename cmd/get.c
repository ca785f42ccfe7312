/* SPDX-License-Identifier: Apache-2.0 */
/* get - bring a snapshot, or a part of one, back to the file system. */
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "util/parse_key.h"

enum get_owner { OWNER_AUTO, OWNER_NONE };

struct get_opts {
	bool sparse;
	unsigned owner; /* enum get_owner */
};

static const char *const OWNER_WORDS[] = { "auto", "none", NULL };

#define AT(member) offsetof(struct get_opts, member)

static const struct opt get_opts[] = {
	{ .name = "owner",
	  .type = OPT_WORD,
	  .at = AT(owner),
	  .arg = "WHO",
	  .words = OWNER_WORDS,
	  .help = "auto: as stored, when root; none: yours" },
	{ .name = "sparse",
	  .type = OPT_BOOL,
	  .at = AT(sparse),
	  .help = "leave holes where long runs of zeros were stored" },
	{ .type = OPT_END },
};

static enum bc_err get_run(struct ctx *c, struct err *e)
{
	struct snap_key key;
	enum bc_err rc;

	rc = parse_key(c->args[0], c->out.began_real, &key, e);
	if (rc != BC_OK)
		return rc;
	if (c->n_args == 2 && *c->args[1] == '\0')
		return ctx_usage(c, e, "the destination is empty");
	return ctx_unwired(c, e); /* wire-up */
}

static const char *const GET_ALIASES[] = { "restore", NULL };

const struct cmd cmd_get = {
	.name = "get",
	.aliases = GET_ALIASES,
	.summary = "bring a snapshot or a part of it back",
	.usage = "SNAP[:PATH] [DEST]",
	.group = "Archive",
	.examples = "  blobctl get latest:Pictures/2026 out\n"
		    "  blobctl get 'photos@2026-05-01' /srv/restore\n",
	.needs = CMD_REPO | CMD_STOPS,
	.args_min = 1,
	.args_max = 2,
	.opts = get_opts,
	.opts_bytes = sizeof(struct get_opts),
	.run = get_run,
};
