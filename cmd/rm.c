/* SPDX-License-Identifier: Apache-2.0 */
/* rm - remove snapshots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "repo/session.h"
#include "repo/usage.h"

/* A snapshot that is to go. */
struct victim {
	struct digest id;
	char hex[DIGEST_HEX_BYTES];
	int64_t time;
	char name[KEY_NAME_BYTES];
};

struct victims {
	struct victim *at;
	size_t n;
};

static bool named_already(const struct victims *v, const struct digest *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (digest_eq(&v->at[i].id, id))
			return true;
	return false;
}

/* All are found before any is removed; one named twice counts once. */
static enum bc_err find_victims(struct ctx *c, struct victims *v, struct err *e)
{
	enum bc_err rc = BC_OK;

	v->at = calloc(c->n_args, sizeof(*v->at));
	if (v->at == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < c->n_args && rc == BC_OK; i++) {
		struct pick k = PICK_INIT;
		struct victim *to = &v->at[v->n];

		rc = pick_snapshot(&k, c->repo, c->args[i], c->out.began_real,
				   e);
		if (rc == BC_OK && !named_already(v, &k.snapshot->id)) {
			to->id = k.snapshot->id;
			to->time = k.snapshot->rec.time;
			memcpy(to->hex, k.hex, sizeof(to->hex));
			snprintf(to->name, sizeof(to->name), "%.*s",
				 (int)k.snapshot->rec.name.n,
				 (const char *)k.snapshot->rec.name.p);
			v->n++;
		}
		pick_close(&k);
	}
	return rc;
}

static enum bc_err ask(struct ctx *c, const struct victims *v, struct err *e)
{
	char text[128 + KEY_NAME_BYTES], many[FMT_BYTES];

	if (c->g.dry_run)
		return BC_OK;
	if (v->n == 1)
		snprintf(text, sizeof(text), "Remove snapshot %.8s of '%s'?",
			 v->at[0].hex, v->at[0].name);
	else
		snprintf(text, sizeof(text), "Remove %s?",
			 fmt_things(v->n, "snapshot", many));
	return ctx_confirm(c, text, e);
}

static enum bc_err commit(struct ctx *c, const struct victims *v, struct err *e)
{
	struct digest *ids = calloc(v->n, sizeof(*ids));
	struct session *s = NULL;
	enum bc_err rc = BC_OK;

	if (ids == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < v->n; i++)
		ids[i] = v->at[i].id;
	rc = session_begin_freeing(c->repo, "rm", &s, e);
	if (rc == BC_OK)
		rc = session_remove(s, ids, v->n, e);
	session_end(s);
	free(ids);
	return rc;
}

/*
 * What could be given back once they are gone, with what could be already.
 * Takes a walk over all trees, so not where nobody hears of it; where a tree
 * is damaged nobody can tell, which is no reason to keep the snapshots.
 */
static enum bc_err count_reclaimable(struct ctx *c, const struct victims *v,
				     uint64_t *out, struct err *e)
{
	struct digest *ids;
	struct usage_options o = { .n_remove = v->n, .stop = c->stop };
	struct err why = ERR_INIT;
	struct usage u;
	enum bc_err rc;

	*out = SHOW_UNKNOWN;
	if (c->g.quiet && !out_events(&c->out))
		return BC_OK;
	ids = calloc(v->n, sizeof(*ids));
	if (ids == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < v->n; i++)
		ids[i] = v->at[i].id;
	o.remove = ids;
	rc = repo_usage(c->repo, &o, &u, &why);
	free(ids);
	if (rc == BC_OK)
		*out = u.removed.stored + u.garbage.stored;
	if (rc == BC_OK || rc == BC_ENOTFOUND)
		return BC_OK; /* the removal itself will say so */
	if (rc == BC_EDAMAGE) {
		msg_warn(&c->msg, "usage_unknown",
			 "how much becomes reclaimable is not known: %s",
			 why.text);
		return BC_OK;
	}
	*e = why;
	return rc;
}

static void show_all(struct ctx *c, const struct victims *v,
		     uint64_t reclaimable)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct show_removed r = {
			.id = v->at[i].hex,
			.name = bytes_str(v->at[i].name),
			.time = v->at[i].time,
		};

		show_removed(&c->out, &r, c->g.dry_run);
	}
	show_removed_total(&c->out, &c->msg, v->n, 0, reclaimable,
			   c->g.dry_run);
}

static enum bc_err rm_run(struct ctx *c, struct err *e)
{
	struct victims v = { .n = 0 };
	struct snap_key key;
	uint64_t reclaimable = SHOW_UNKNOWN;
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < c->n_args && rc == BC_OK; i++) {
		rc = parse_key(c->args[i], c->out.began_real, &key, e);
		if (rc == BC_OK && key.path != NULL)
			rc = ctx_usage(c, e,
				       "'%.64s': only whole snapshots can be "
				       "removed",
				       c->args[i]);
	}
	if (rc == BC_OK)
		rc = find_victims(c, &v, e);
	if (rc == BC_OK)
		rc = ask(c, &v, e);
	if (rc == BC_OK)
		rc = count_reclaimable(c, &v, &reclaimable, e);
	if (rc == BC_OK && !c->g.dry_run)
		rc = commit(c, &v, e);
	if (rc == BC_OK)
		show_all(c, &v, reclaimable);
	free(v.at);
	return rc;
}

static const char *const RM_ALIASES[] = { "remove", NULL };

static const char *const RM_COUNTS[] = {
	"removed_snapshots",
	"freed_bytes",
	"reclaimable_bytes",
	NULL,
};

const struct cmd cmd_rm = {
	.name = "rm",
	.aliases = RM_ALIASES,
	.summary = "remove snapshots",
	.usage = "SNAP...",
	.group = "Manage",
	.examples = "  blobctl rm photos~7\n",
	.counts = RM_COUNTS,
	.needs = CMD_REPO | CMD_WRITES | CMD_STOPS,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.run = rm_run,
};
