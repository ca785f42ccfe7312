/* SPDX-License-Identifier: Apache-2.0 */
/* diff - what differs between two snapshots or parts of them. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/entries.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "tree/compare.h"

struct diff_opts {
	bool stat;
	bool exit_code;
	bool zero;
};

#define AT(member) offsetof(struct diff_opts, member)

static const struct opt diff_opts[] = {
	{ .name = "stat",
	  .type = OPT_BOOL,
	  .at = AT(stat),
	  .help = "only how many, and their sizes" },
	{ .name = "exit-code",
	  .type = OPT_BOOL,
	  .at = AT(exit_code),
	  .help = "status 5 if there are differences" },
	{ .name = "null",
	  .letter = '0',
	  .type = OPT_BOOL,
	  .at = AT(zero),
	  .help = "end each row with a zero byte, names as they are" },
	{ .type = OPT_END },
};

enum { DEPTH_MAX = 4000, PATH_MAX_BYTES = 1 << 20, WHAT_BYTES = 96 };

/* ---- what is told ----------------------------------------------------------
 */

struct comparison {
	struct ctx *c;
	const struct diff_opts *o;
	struct pick *a, *b;
	struct buf path; /* of the directory that is compared, then the entry */
	unsigned depth;
	struct show_diff_stat stat;
};

static uint64_t size_of(const struct tree_entry *en)
{
	return en == NULL || en->type != TREE_FILE ? 0 : en->content.size;
}

/* Words for what differs; the first has no blank before it. */
static void words(unsigned diff, enum tree_type type, char out[WHAT_BYTES])
{
	static const struct {
		unsigned bit;
		const char *word;
	} WORDS[] = {
		{ TREE_DIFF_CONTENT, "content" }, { TREE_DIFF_MODE, "mode" },
		{ TREE_DIFF_OWNER, "owner" },	  { TREE_DIFF_MTIME, "mtime" },
		{ TREE_DIFF_ATTRS, "xattrs" },	  { TREE_DIFF_LINK, "links" },
		{ TREE_DIFF_FLAGS, "flags" },
	};
	size_t n = 0;

	*out = '\0';
	if (type == TREE_DIR)
		diff &= ~(unsigned)TREE_DIFF_CONTENT;
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (diff & WORDS[i].bit)
			n += (size_t)snprintf(out + n, WHAT_BYTES - n, "%s%s",
					      n > 0 ? " " : "", WORDS[i].word);
}

static void tell(struct comparison *d, enum show_change_kind kind,
		 struct bytes path, const char *what,
		 const struct tree_entry *a, const struct tree_entry *b)
{
	const struct show_change row = { .kind = kind,
					 .path = path,
					 .what = bytes_str(what),
					 .size_a = size_of(a),
					 .size_b = size_of(b) };
	uint64_t *counts[] = { &d->stat.added, &d->stat.removed,
			       &d->stat.content, &d->stat.meta, &d->stat.type };

	++*counts[kind];
	if (kind == CHANGE_ADDED)
		d->stat.bytes_added += size_of(b);
	if (kind == CHANGE_REMOVED)
		d->stat.bytes_removed += size_of(a);
	if (kind == CHANGE_CONTENT) {
		d->stat.bytes_before += size_of(a);
		d->stat.bytes_after += size_of(b);
	}
	if (!d->o->stat)
		show_change(&d->c->out, &row);
}

/* ---- one side only ---------------------------------------------------------
 */

struct one_side {
	struct comparison *d;
	bool added;
};

static enum bc_err tell_below(void *ctx, struct bytes path,
			      const struct tree_entry *en, bool *enter,
			      struct err *e)
{
	const struct one_side *s = ctx;

	(void)enter;
	(void)e;
	tell(s->d, s->added ? CHANGE_ADDED : CHANGE_REMOVED, path, "",
	     s->added ? NULL : en, s->added ? en : NULL);
	return BC_OK;
}

/* An entry that the other side lacks, and all below it. */
static enum bc_err tell_one(struct comparison *d, const struct tree_entry *en,
			    bool added, struct err *e)
{
	struct one_side s = { d, added };
	struct entries_walk w = { .source = added ? d->b->source : d->a->source,
				  .entry = tell_below,
				  .ctx = &s,
				  .stop = d->c->stop };
	struct tree_dir dir = en->dir;
	bool is_dir = en->type == TREE_DIR, enter;
	enum bc_err rc = tell_below(&s, buf_bytes(&d->path), en, &enter, e);

	if (rc != BC_OK || !is_dir)
		return rc;
	if (!d->o->stat)
		return entries_walk(&w, &dir.id, buf_bytes(&d->path), e);
	/* The directory knows how much is below it. */
	*(added ? &d->stat.added : &d->stat.removed) += dir.entries;
	*(added ? &d->stat.bytes_added : &d->stat.bytes_removed) += dir.bytes;
	return BC_OK;
}

/* ---- both sides ------------------------------------------------------------
 */

static enum bc_err compare_dirs(struct comparison *d, const struct digest *a,
				const struct digest *b, struct err *e);

static enum bc_err compare_both(struct comparison *d,
				const struct tree_entry *a,
				const struct tree_entry *b, unsigned diff,
				struct err *e)
{
	bool dirs = a->type == TREE_DIR && b->type == TREE_DIR;
	char what[WHAT_BYTES];

	if (a->type != b->type) {
		tell(d, CHANGE_TYPE, buf_bytes(&d->path), "type", a, b);
		return BC_OK;
	}
	/* Groups of hard links are told apart by numbers that mean nothing
	 * outside of their snapshot; a group or none does. */
	if (((a->has ^ b->has) & TREE_HAS_LINK) == 0)
		diff &= ~(unsigned)TREE_DIFF_LINK;
	/* What happens in a directory changes its time. */
	if (dirs && (diff & TREE_DIFF_CONTENT))
		diff &= ~(unsigned)TREE_DIFF_MTIME;
	words(diff, a->type, what);
	if (*what != '\0')
		tell(d,
		     diff & TREE_DIFF_CONTENT && !dirs ? CHANGE_CONTENT
						       : CHANGE_META,
		     buf_bytes(&d->path), what, a, b);
	if (dirs && diff & TREE_DIFF_CONTENT) {
		struct digest ida = a->dir.id, idb = b->dir.id;

		return compare_dirs(d, &ida, &idb, e);
	}
	return BC_OK;
}

/* One name; d->path is that of the directory before and after. */
static enum bc_err compare_name(void *ctx, const struct tree_entry *a,
				const struct tree_entry *b, unsigned diff,
				struct err *e)
{
	struct comparison *d = ctx;
	struct bytes name = a != NULL ? a->name : b->name;
	size_t n = d->path.n;
	enum bc_err rc = n == 0 ? BC_OK : buf_add(&d->path, "/", 1);

	if (rc == BC_OK)
		rc = buf_add(&d->path, name.p, name.n);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a path");
	if (a == NULL)
		rc = tell_one(d, b, true, e);
	else if (b == NULL)
		rc = tell_one(d, a, false, e);
	else
		rc = compare_both(d, a, b, diff, e);
	d->path.n = n;
	if (rc == BC_OK &&
	    atomic_load_explicit(d->c->stop, memory_order_relaxed) != 0)
		rc = err_set(e, BC_ECANCEL, "stopped");
	return rc;
}

static enum bc_err compare_dirs(struct comparison *d, const struct digest *a,
				const struct digest *b, struct err *e)
{
	struct tree_reader *r = calloc(2, sizeof(*r));
	enum bc_err rc;

	if (r == NULL)
		return err_set(e, BC_ENOMEM, "no memory to compare");
	if (d->depth == DEPTH_MAX) {
		free(r);
		return err_set(e, BC_ELIMIT,
			       "directories are more than %d deep", DEPTH_MAX);
	}
	d->depth++;
	tree_reader_init(&r[0], &d->a->source);
	tree_reader_init(&r[1], &d->b->source);
	rc = tree_compare(&r[0], a, &r[1], b, compare_name, d, e);
	tree_reader_fini(&r[0]);
	tree_reader_fini(&r[1]);
	free(r);
	d->depth--;
	return rc;
}

/* The two things named. Their own names do not count, nor do the attributes
 * of a snapshot's root, which is nobody's directory. */
static enum bc_err compare_picked(struct comparison *d, struct err *e)
{
	const struct tree_entry *a = d->a->entry, *b = d->b->entry;
	unsigned diff = tree_entry_diff(a, b) & ~(unsigned)TREE_DIFF_NAME;
	/* One of them may be a whole snapshot, which has none. */
	struct bytes path = d->b->path.n > 0 ? d->b->path : d->a->path;

	if (a->type == TREE_DIR && b->type == TREE_DIR)
		return compare_dirs(d, &a->dir.id, &b->dir.id, e);
	if (diff == 0)
		return BC_OK;
	if (buf_add(&d->path, path.p, path.n) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for a path");
	return compare_both(d, a, b, diff, e);
}

static enum bc_err compare(struct comparison *d, struct err *e)
{
	const struct show_style style = { .zero = d->o->zero };
	struct show_diff_stat *s = &d->stat;
	enum bc_err rc = BC_OK;

	if (!d->o->stat)
		rc = show_changes(&d->c->out, &style, e);
	if (rc != BC_OK)
		return rc;
	rc = compare_picked(d, e);
	if (!d->o->stat)
		(void)show_end(&d->c->out);
	if (rc != BC_OK)
		return rc;
	show_diff_stat(&d->c->out, s, d->o->stat);
	if (d->o->exit_code &&
	    s->added + s->removed + s->content + s->meta + s->type > 0)
		return BC_EDIFFER;
	return BC_OK;
}

static enum bc_err diff_run(struct ctx *c, struct err *e)
{
	struct pick a = PICK_INIT, b = PICK_INIT;
	struct comparison d = { .c = c, .o = c->opts, .a = &a, .b = &b };
	enum bc_err rc;

	buf_init(&d.path, PATH_MAX_BYTES);
	rc = pick_open(&a, c->repo, c->args[0], c->out.began_real, e);
	if (rc == BC_OK)
		rc = pick_open(&b, c->repo, c->args[1], c->out.began_real, e);
	if (rc == BC_OK)
		rc = compare(&d, e);
	buf_fini(&d.path);
	pick_close(&a);
	pick_close(&b);
	return rc;
}

static const char *const DIFF_COUNTS[] = {
	"added",
	"removed",
	"changed",
	"type_changed",
	"attributes_changed",
	"added_bytes",
	"removed_bytes",
	"changed_before_bytes",
	"changed_after_bytes",
	NULL,
};

const struct cmd cmd_diff = {
	.name = "diff",
	.summary = "show what differs between two snapshots",
	.usage = "SNAP[:PATH] SNAP[:PATH]",
	.group = "Look",
	.examples = "  blobctl diff photos~1 photos\n",
	.counts = DIFF_COUNTS,
	.needs = CMD_REPO | CMD_STOPS | CMD_PAGED,
	.args_min = 2,
	.args_max = 2,
	.opts = diff_opts,
	.opts_bytes = sizeof(struct diff_opts),
	.run = diff_run,
};
