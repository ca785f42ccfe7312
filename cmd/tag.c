/* SPDX-License-Identifier: Apache-2.0 */
/* tag - add tags to a snapshot, or take them away. */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "repo/session.h"
#include "util/parse.h"
#include "util/tag.h"
#include "util/typos.h"

struct tag_opts {
	struct opt_list removed; /* keys */
};

static enum bc_err check_tag_key(const char *text, struct err *e)
{
	if (*text == '\0' || strchr(text, '=') != NULL ||
	    strlen(text) > TAG_KEY_MAX_BYTES)
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

/* The tags of the command line, in the library's form. */
struct changes {
	struct tag *set;
	struct bytes *drop;
	size_t n_set, n_drop;
};

static enum bc_err read_changes(const struct ctx *c, struct changes *g,
				struct err *e)
{
	const struct tag_opts *o = c->opts;

	g->n_set = c->n_args - 1;
	g->n_drop = o->removed.n;
	g->set = calloc(g->n_set + 1, sizeof(*g->set));
	g->drop = calloc(g->n_drop + 1, sizeof(*g->drop));
	if (g->set == NULL || g->drop == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < g->n_set; i++) {
		const char *text = c->args[i + 1], *eq = strchr(text, '=');

		g->set[i].key = bytes_of(text, (size_t)(eq - text));
		g->set[i].value = bytes_str(eq + 1);
	}
	for (size_t i = 0; i < g->n_drop; i++)
		g->drop[i] = bytes_str(o->removed.v[i]);
	for (size_t i = 0; i < g->n_set; i++)
		for (size_t k = 0; k < i; k++)
			if (bytes_eq(g->set[i].key, g->set[k].key))
				return ctx_usage(c, e, "%.*s is given twice",
						 (int)g->set[i].key.n,
						 (const char *)g->set[i].key.p);
	for (size_t i = 0; i < g->n_set; i++)
		for (size_t k = 0; k < g->n_drop; k++)
			if (bytes_eq(g->set[i].key, g->drop[k]))
				return ctx_usage(c, e,
						 "%.*s is both set and removed",
						 (int)g->set[i].key.n,
						 (const char *)g->set[i].key.p);
	return BC_OK;
}

static enum bc_err commit(struct ctx *c, const struct pick *k,
			  const struct changes *g, struct err *e)
{
	struct session *s = NULL;
	enum bc_err rc = session_begin(c->repo, "tag", &s, e);

	if (rc == BC_OK)
		rc = session_tag(s, &k->snapshot->id, g->set, g->n_set, g->drop,
				 g->n_drop, e);
	session_end(s);
	return rc;
}

/* How many of the tags to be taken away are there; each other one is said. */
static size_t count_dropped(struct ctx *c, const struct pick *k,
			    const struct changes *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_drop; i++) {
		struct nearest m = nearest_begin(g->drop[i]);
		const char *near;
		bool there = false;

		for (size_t j = 0; j < k->snapshot->tag_count; j++) {
			there = there ||
				bytes_eq(k->snapshot->tags[j].key, g->drop[i]);
			(void)nearest_offer(&m, k->snapshot->tags[j].key);
		}
		near = nearest_end(&m);
		n += there;
		if (!there)
			msg_warn(&c->msg, "no_such_tag",
				 "snapshot %.8s has no tag %.*s to remove"
				 "%s%s%s",
				 k->hex, (int)g->drop[i].n,
				 (const char *)g->drop[i].p,
				 near == NULL ? "" : "; did you mean ",
				 near == NULL ? "" : near,
				 near == NULL ? "" : "?");
	}
	return n;
}

static enum bc_err change(struct ctx *c, struct err *e)
{
	struct pick k = PICK_INIT;
	struct changes g = { .n_set = 0 };
	size_t dropped = 0;
	enum bc_err rc;

	rc = pick_snapshot(&k, c->repo, c->args[0], c->out.began_real, e);
	if (rc == BC_OK)
		rc = read_changes(c, &g, e);
	if (rc == BC_OK)
		dropped = count_dropped(c, &k, &g);
	if (rc == BC_OK && !c->g.dry_run && g.n_set + dropped > 0)
		rc = commit(c, &k, &g, e);
	if (rc == BC_OK) {
		out_count_text(&c->out, "snapshot_id", k.hex);
		out_count_u64(&c->out, "set_tags", g.n_set);
		out_count_u64(&c->out, "removed_tags", dropped);
		if (g.n_set + dropped > 0)
			msg_note(&c->msg, "%s snapshot %.8s",
				 c->g.dry_run ? "would tag" : "tagged", k.hex);
	}
	free(g.set);
	free(g.drop);
	pick_close(&k);
	return rc;
}

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
	return change(c, e);
}

static const char *const TAG_COUNTS[] = {
	"snapshot_id",
	"set_tags",
	"removed_tags",
	NULL,
};

const struct cmd cmd_tag = {
	.name = "tag",
	.summary = "add tags to a snapshot or take them away",
	.usage = "SNAP KEY=VALUE...",
	.group = "Manage",
	.examples = "  blobctl tag latest project=web --remove=draft\n",
	.counts = TAG_COUNTS,
	.needs = CMD_REPO | CMD_WRITES,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.opts = tag_opts,
	.opts_bytes = sizeof(struct tag_opts),
	.run = tag_run,
};
