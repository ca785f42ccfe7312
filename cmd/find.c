/* SPDX-License-Identifier: Apache-2.0 */
/* find - names in all snapshots. */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/entries.h"
#include "cmd/glob.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "hash/sha256.h"
#include "util/arith.h"
#include "util/fmt_text.h"

struct find_opts {
	struct when since; /* to == 0: not given */
	struct when newer;
	bool zero;
};

#define AT(member) offsetof(struct find_opts, member)

static const struct opt find_opts[] = {
	{ .name = "since",
	  .type = OPT_WHEN,
	  .at = AT(since),
	  .arg = "DATE",
	  .help = "only snapshots made since then" },
	{ .name = "newer",
	  .type = OPT_WHEN,
	  .at = AT(newer),
	  .arg = "DATE",
	  .help = "only files modified since then" },
	{ .name = "null",
	  .letter = '0',
	  .type = OPT_BOOL,
	  .at = AT(zero),
	  .help = "end each row with a zero byte, names as they are" },
	{ .type = OPT_END },
};

/* ---- directories without a match -------------------------------------------
 *
 * Snapshots share most of their directories. One below which nothing fits need
 * not be read again, wherever it is met: with a pattern about whole paths,
 * wherever it is met under the same path. The set is bounded and forgets.
 */

enum { BARREN_MAX = 1 << 18 };

struct barren {
	struct digest *at; /* all zeros: free */
	bool by_path;
};

static struct digest barren_key(const struct barren *b,
				const struct digest *dir, struct bytes path)
{
	struct sha256_ctx h;
	struct digest key = *dir;

	if (!b->by_path)
		return key;
	sha256_init(&h);
	sha256_update(&h, bytes_of(dir->b, DIGEST_BYTES));
	sha256_update(&h, path);
	sha256_final(&h, &key);
	return key;
}

static struct digest *barren_slot(const struct barren *b,
				  const struct digest *key)
{
	return &b->at[digest_key(key) % BARREN_MAX];
}

/* ---- the walk --------------------------------------------------------------
 */

struct level {
	uint64_t matches; /* of the whole search, when it was entered */
};

struct search {
	struct ctx *c;
	const struct find_opts *o;
	struct glob glob;
	struct pick *k; /* the snapshot that is walked */
	struct barren barren;
	struct level *levels;
	size_t depth, cap;
	uint64_t matches;
	struct buf key, quoted;
	uint64_t snapshots, damaged;
};

enum { KEY_MAX_BYTES = 1 << 20 };

/* SNAP:PATH; on a terminal as one word for a shell. */
static enum bc_err set_key(struct search *s, struct bytes path)
{
	enum bc_err rc;

	buf_clear(&s->key);
	rc = buf_add(&s->key, s->k->hex, PICK_KEY_DIGITS);
	if (rc == BC_OK)
		rc = buf_add(&s->key, ":", 1);
	if (rc == BC_OK)
		rc = buf_add(&s->key, path.p, path.n);
	if (rc != BC_OK || !s->c->out.tty)
		return rc;
	buf_clear(&s->quoted);
	rc = fmt_shell(&s->quoted, buf_bytes(&s->key));
	buf_clear(&s->key);
	return rc == BC_OK ? buf_add(&s->key, s->quoted.p, s->quoted.n) : rc;
}

static bool fits(const struct search *s, struct bytes path,
		 const struct tree_entry *en)
{
	int64_t mtime = ns_of(en->mtime, en->mtime_nsec);

	return (s->o->newer.to == 0 || mtime >= s->o->newer.from) &&
	       glob_match(&s->glob, path, en->type == TREE_DIR);
}

static enum bc_err push_level(struct search *s, struct err *e)
{
	if (s->depth == s->cap) {
		size_t cap = s->cap == 0 ? 64 : 2 * s->cap;
		struct level *more = realloc(s->levels, cap * sizeof(*more));

		if (more == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
		s->levels = more;
		s->cap = cap;
	}
	s->levels[s->depth++].matches = s->matches;
	return BC_OK;
}

static enum bc_err find_entry(void *ctx, struct bytes path,
			      const struct tree_entry *en, bool *enter,
			      struct err *e)
{
	struct search *s = ctx;

	if (fits(s, path, en)) {
		struct show_entry row;
		enum bc_err rc = set_key(s, path);

		if (rc != BC_OK)
			return err_set(e, rc, "no memory for a path");
		pick_show(&row, s->k, en, path, buf_bytes(&s->key));
		show_match(&s->c->out, &row);
		s->matches++;
	}
	if (en->type == TREE_DIR) {
		struct digest key = barren_key(&s->barren, &en->dir.id, path);

		*enter = !digest_eq(barren_slot(&s->barren, &key), &key);
		if (*enter)
			return push_level(s, e);
	}
	return BC_OK;
}

static enum bc_err leave_dir(void *ctx, struct bytes path,
			     const struct digest *dir, struct err *e)
{
	struct search *s = ctx;
	struct digest key;

	(void)e;
	if (s->depth == 0) /* the root of the snapshot */
		return BC_OK;
	if (s->levels[--s->depth].matches == s->matches) {
		key = barren_key(&s->barren, dir, path);
		*barren_slot(&s->barren, &key) = key;
	}
	return BC_OK;
}

/* One snapshot. What cannot be read there does not keep the others from being
 * searched. */
static enum bc_err search_one(struct search *s, const struct digest *id,
			      struct err *e)
{
	struct pick k = PICK_INIT;
	struct entries_walk w = { .entry = find_entry,
				  .leave = leave_dir,
				  .ctx = s,
				  .stop = s->c->stop };
	enum bc_err rc = pick_open_id(&k, s->c->repo, id, e);

	/* Removed since the list was read. */
	if (rc == BC_ENOTFOUND) {
		err_clear(e);
		pick_close(&k);
		return BC_OK;
	}
	s->k = &k;
	s->depth = 0;
	s->snapshots++;
	if (rc == BC_OK) {
		w.source = k.source;
		rc = entries_walk(&w, &k.entry->dir.id, bytes_of("", 0), e);
	}
	if (rc == BC_EDAMAGE) {
		s->damaged++;
		msg_item(&s->c->msg, "damage", bytes_str(k.hex), "%s",
			 e == NULL ? "" : e->text);
		rc = BC_OK;
	}
	pick_close(&k);
	return rc;
}

/* ---- all snapshots ---------------------------------------------------------
 */

struct ids {
	struct digest *at;
	size_t n, cap;
};

static enum bc_err take_id(void *ctx, const struct catalog_snapshot *row,
			   struct err *e)
{
	struct ids *v = ctx;

	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 256 : 2 * v->cap;
		struct digest *more = realloc(v->at, cap * sizeof(*more));

		if (more == NULL)
			return err_set(e, BC_ENOMEM, "no memory for ids");
		v->at = more;
		v->cap = cap;
	}
	v->at[v->n++] = row->id;
	return BC_OK;
}

static enum bc_err search_all(struct search *s, struct err *e)
{
	struct catalog_select q = { .from = s->o->since.to == 0
						    ? NULL
						    : &s->o->since.from };
	struct ids ids = { .n = 0 };
	char many[FMT_BYTES];
	enum bc_err rc = snapshots_each(s->c->repo, &q, take_id, &ids, e);

	for (size_t i = 0; i < ids.n && rc == BC_OK; i++)
		rc = search_one(s, &ids.at[i], e);
	free(ids.at);
	if (rc == BC_OK && s->damaged > 0) {
		rc = err_set(e, BC_EDAMAGE, "%s could not be searched entirely",
			     fmt_things(s->damaged, "snapshot", many));
		err_hint(e, "blobctl check");
	}
	return rc;
}

/* As with everything that is named and is not there: status 4. */
static enum bc_err nothing_found(const struct search *s, struct err *e)
{
	const char *what = s->c->args[0];
	char many[FMT_BYTES], part[CTX_WORD_BYTES], word[CTX_WORD_BYTES];

	snprintf(part, sizeof(part), "*%.120s*", what);
	(void)err_set(e, BC_ENOTFOUND, "nothing fits %.256s in %s", what,
		      fmt_things(s->snapshots, "snapshot", many));
	if (s->snapshots == 0 && s->o->since.to != 0)
		err_hint(e, "blobctl ls   lists the snapshots and their times");
	else if (s->snapshots == 0)
		err_hint(e, "blobctl put PATH   makes one");
	else if (s->o->newer.to != 0)
		err_hint(e, "perhaps without --newer");
	else if (s->glob.whole)
		err_hint(e,
			 "a pattern with a / is about the whole path, from "
			 "the top of a snapshot; **/ stands for any folders");
	else if (strpbrk(what, "*?[") == NULL)
		err_hint(e,
			 "a name is compared as a whole; %s finds it as a "
			 "part",
			 ctx_word(part, "'*NAME*'", word));
	else
		err_hint(e, "blobctl ls -r SNAP   lists all that is in one");
	return BC_ENOTFOUND;
}

static enum bc_err find_run(struct ctx *c, struct err *e)
{
	const struct find_opts *o = c->opts;
	const struct show_style style = { .zero = o->zero };
	struct search s = { .c = c, .o = o };
	enum bc_err rc;

	if (*c->args[0] == '\0')
		return ctx_usage(c, e, "the pattern is empty");
	glob_init(&s.glob, c->args[0]);
	s.barren.by_path = s.glob.whole;
	s.barren.at = calloc(BARREN_MAX, sizeof(*s.barren.at));
	buf_init(&s.key, KEY_MAX_BYTES);
	buf_init(&s.quoted, 4 * KEY_MAX_BYTES);
	rc = s.barren.at == NULL ? err_set(e, BC_ENOMEM, "no memory")
				 : show_matches(&c->out, &style, e);
	if (rc == BC_OK) {
		rc = search_all(&s, e);
		out_count_u64(&c->out, "searched_snapshots", s.snapshots);
		out_count_u64(&c->out, "matches", show_end(&c->out));
		if (rc == BC_OK && s.matches == 0)
			rc = nothing_found(&s, e);
	}
	free(s.barren.at);
	free(s.levels);
	buf_fini(&s.key);
	buf_fini(&s.quoted);
	return rc;
}

static const char *const FIND_COUNTS[] = {
	"searched_snapshots",
	"matches",
	NULL,
};

const struct cmd cmd_find = {
	.name = "find",
	.summary = "find names in all snapshots",
	.usage = "GLOB",
	.group = "Look",
	.examples = "  blobctl find '*.odt' --since=30d\n"
		    "  blobctl find '**/src/**/*.[ch]'\n",
	.counts = FIND_COUNTS,
	.needs = CMD_REPO | CMD_STOPS,
	.args_min = 1,
	.args_max = 1,
	.opts = find_opts,
	.opts_bytes = sizeof(struct find_opts),
	.run = find_run,
};
