/* SPDX-License-Identifier: Apache-2.0 */
/* stats - how much is stored, and how small. */
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "repo/usage.h"

/* What no snapshot needs. Where a tree is damaged nobody can tell. */
static enum bc_err count_garbage(struct ctx *c, uint64_t *out, struct err *e)
{
	const struct usage_options o = { .stop = c->stop };
	struct err why = ERR_INIT;
	struct usage u;
	enum bc_err rc = repo_usage(c->repo, &o, &u, &why);

	*out = SHOW_UNKNOWN;
	if (rc == BC_OK) {
		*out = u.garbage.stored;
	} else if (rc == BC_EDAMAGE) {
		msg_warn(&c->msg, "usage_unknown",
			 "how much is reclaimable is not known: %s", why.text);
		rc = BC_OK;
	} else {
		*e = why;
	}
	return rc;
}

static enum bc_err stats_run(struct ctx *c, struct err *e)
{
	struct repo_totals t;
	struct show_stats s;
	uint64_t garbage = SHOW_UNKNOWN;
	enum bc_err rc = repo_totals(c->repo, &t, e);

	if (rc == BC_OK)
		rc = count_garbage(c, &garbage, e);
	if (rc != BC_OK)
		return rc;
	s = (struct show_stats){
		.snapshots = t.snapshots,
		.packs = t.packs,
		.logs = t.logs,
		.chunks = t.chunks,
		.files = t.files,
		.logical_bytes = t.logical,
		.unique_bytes = t.unique,
		.stored_bytes = t.pack_bytes + t.log_bytes,
		.view_bytes = t.index_bytes + t.catalog_bytes + t.cache_bytes,
		.reclaimable_bytes = garbage,
		.reserve_bytes = t.reserve_bytes,
		.spare_bytes = t.spare_bytes,
	};
	show_stats(&c->out, &s);
	return BC_OK;
}

const struct cmd cmd_stats = {
	.name = "stats",
	.summary = "how much is stored and how small",
	.usage = "",
	.group = "Look",
	.needs = CMD_REPO | CMD_STOPS,
	.run = stats_run,
};
