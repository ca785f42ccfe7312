/* SPDX-License-Identifier: Apache-2.0 */
/*
 * __complete - what could stand where the cursor is, a candidate a line. The
 * shells' completions ask it; nobody types it. Answers from the tables and
 * the local repository, waits for no lock, and says nothing when it fails.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/entries.h"
#include "cmd/pick.h"
#include "repo/snapshots.h"

enum { NAMES_MAX = 2000, CANDIDATE_BYTES = 4096 };

/* The line so far: words[n - 1] is the one that is being typed. */
struct line {
	struct ctx *c;
	const struct cmd *cmd;
	const char *cur, *before;
	char last[CANDIDATE_BYTES]; /* the name that was offered last */
};

static void offer(const struct line *l, const char *text)
{
	if (strncmp(text, l->cur, strlen(l->cur)) == 0)
		out_print(&l->c->out, "%s\n", text);
}

static void offer_commands(const struct line *l)
{
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
		if ((*c)->group == NULL)
			continue;
		offer(l, (*c)->name);
		for (const char *const *a = (*c)->aliases;
		     a != NULL && *a != NULL; a++)
			offer(l, *a);
	}
}

/* --name, or --name= and the words that may follow it. */
static void offer_options(const struct line *l, const struct opt *table)
{
	char text[CANDIDATE_BYTES];

	for (const struct opt *o = table; o != NULL && o->type != OPT_END;
	     o++) {
		int n = snprintf(text, sizeof(text), "--%s%s", o->name,
				 opt_takes_value(o) ? "=" : "");

		if (o->type != OPT_WORD ||
		    strncmp(l->cur, text, (size_t)n) != 0) {
			offer(l, text);
			continue;
		}
		for (const char *const *w = o->words; *w != NULL; w++) {
			snprintf(text + n, sizeof(text) - (size_t)n, "%s", *w);
			offer(l, text);
		}
	}
}

static const struct opt *find_option(const struct line *l, const char *word)
{
	const struct opt *tables[] = { global_opts,
				       l->cmd == NULL ? NULL : l->cmd->opts };

	if (word == NULL || word[0] != '-' || word[1] == '\0')
		return NULL;
	for (size_t t = 0; t < 2; t++)
		for (const struct opt *o = tables[t];
		     o != NULL && o->type != OPT_END; o++)
			if ((word[1] == '-' &&
			     strcmp(o->name, word + 2) == 0) ||
			    (word[1] == o->letter && word[2] == '\0'))
				return o;
	return NULL;
}

/* ---- snapshots and paths ---------------------------------------------------
 */

static enum bc_err offer_name(void *ctx, const struct catalog_snapshot *s,
			      struct err *e)
{
	struct line *l = ctx;
	char text[CANDIDATE_BYTES];

	(void)e;
	if (s->name.n > 0 && s->name.n < sizeof(text) &&
	    memchr(s->name.p, '\n', s->name.n) == NULL) {
		snprintf(text, sizeof(text), "%.*s", (int)s->name.n,
			 (const char *)s->name.p);
		if (strcmp(text, l->last) != 0)
			offer(l, text);
		snprintf(l->last, sizeof(l->last), "%s", text);
	}
	return BC_OK;
}

struct paths {
	const struct line *l;
	size_t key; /* bytes of `SNAP:` in what was typed */
};

static enum bc_err offer_path(void *ctx, struct bytes path,
			      const struct tree_entry *en, bool *enter,
			      struct err *e)
{
	const struct paths *p = ctx;
	char text[CANDIDATE_BYTES];

	(void)e;
	*enter = false;
	if (path.n >= sizeof(text) - p->key - 2 ||
	    memchr(path.p, '\n', path.n) != NULL)
		return BC_OK;
	snprintf(text, sizeof(text), "%.*s%.*s%s", (int)p->key, p->l->cur,
		 (int)path.n, (const char *)path.p,
		 en->type == TREE_DIR ? "/" : "");
	offer(p->l, text);
	return BC_OK;
}

static void offer_paths(const struct line *l, const char *colon)
{
	struct ctx *c = l->c;
	struct paths p = { l, (size_t)(colon + 1 - l->cur) };
	const char *slash = strrchr(colon, '/');
	char *key = strndup(l->cur, slash == NULL ? p.key - 1
						  : (size_t)(slash - l->cur));
	struct pick k = PICK_INIT;

	if (key != NULL &&
	    pick_open(&k, c->repo, key, c->out.began_real, NULL) == BC_OK &&
	    k.entry->type == TREE_DIR) {
		struct entries_walk w = { .source = k.source,
					  .entry = offer_path,
					  .ctx = &p };

		(void)!entries_walk(&w, &k.entry->dir.id, k.path, NULL);
	}
	pick_close(&k);
	free(key);
}

static void offer_keys(struct line *l)
{
	const struct catalog_select q = { .limit = NAMES_MAX };
	const char *colon = strchr(l->cur, ':');
	struct ctx *c = l->c;
	struct err none = ERR_INIT;

	if (ctx_find_repo(c, &none) != BC_OK ||
	    ctx_open_repo(c, false, &none) != BC_OK)
		return;
	if (colon != NULL) {
		offer_paths(l, colon);
		return;
	}
	offer(l, "latest");
	(void)!snapshots_each(c->repo, &q, offer_name, l, NULL);
}

/* ---- the command -----------------------------------------------------------
 */

static bool takes_keys(const struct cmd *c)
{
	return c == &cmd_get || c == &cmd_cat || c == &cmd_ls ||
	       c == &cmd_diff || c == &cmd_tag || c == &cmd_rm;
}

static enum bc_err complete_run(struct ctx *c, struct err *e)
{
	struct line l = { .c = c, .cur = c->args[c->n_args - 1] };
	const struct opt *o;

	(void)e;
	c->msg.quiet = true;
	for (size_t i = 0; i + 1 < c->n_args; i++) {
		const char *word = c->args[i];

		o = find_option(&l, l.before);
		if (o != NULL && opt_takes_value(o)) {
			if (strcmp(o->name, "repo") == 0)
				c->g.repo = word;
			word = NULL; /* its value */
		} else if (strncmp(word, "--repo=", 7) == 0) {
			c->g.repo = word + 7;
		} else if (word[0] != '-' && l.cmd == NULL) {
			l.cmd = cmd_lookup(word);
		}
		l.before = word;
	}
	o = find_option(&l, l.before);
	if (o != NULL && opt_takes_value(o)) {
		for (const char *const *w = o->words;
		     o->type == OPT_WORD && *w != NULL; w++)
			offer(&l, *w);
	} else if (l.cur[0] == '-') {
		offer_options(&l, global_opts);
		if (l.cmd != NULL)
			offer_options(&l, l.cmd->opts);
	} else if (l.cmd == NULL || l.cmd == &cmd_help) {
		offer_commands(&l);
	} else if (takes_keys(l.cmd)) {
		offer_keys(&l);
	}
	return BC_OK;
}

const struct cmd cmd_complete = {
	.name = "__complete",
	.summary = "candidates for a shell's completion",
	.usage = "-- WORD...",
	.needs = CMD_HIDDEN,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.run = complete_run,
};
