/* SPDX-License-Identifier: Apache-2.0 */
/* ls - list snapshots, or what is in one. */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/entries.h"
#include "cmd/ls_ncdu.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "cmd/snapshot_row.h"
#include "util/hex.h"

enum ls_sort { SORT_AUTO, SORT_NAME, SORT_TIME, SORT_SIZE, SORT_NONE };

struct ls_opts {
	bool is_long, recursive, zero, ncdu;
	unsigned
		sort; /* enum ls_sort; auto: snapshots by time, files by name */
	struct opt_list tags;
	const char *format;
};

static const char *const SORT_WORDS[] = { "auto", "name", "time",
					  "size", "none", NULL };

#define AT(member) offsetof(struct ls_opts, member)

static const struct opt ls_opts[] = {
	{ .name = "long",
	  .letter = 'l',
	  .type = OPT_BOOL,
	  .at = AT(is_long),
	  .help = "more columns" },
	{ .name = "recursive",
	  .letter = 'r',
	  .type = OPT_BOOL,
	  .at = AT(recursive),
	  .help = "what is in directories, too" },
	{ .name = "null",
	  .letter = '0',
	  .type = OPT_BOOL,
	  .at = AT(zero),
	  .help = "end each row with a zero byte, names as they are" },
	{ .name = "sort",
	  .type = OPT_WORD,
	  .at = AT(sort),
	  .arg = "HOW",
	  .words = SORT_WORDS,
	  .help = "auto, name, time, size or none" },
	{ .name = "tag",
	  .type = OPT_LIST,
	  .at = AT(tags),
	  .arg = "KEY=VALUE",
	  .check = parse_tag,
	  .help = "only snapshots with that tag; may be repeated" },
	{ .name = "format",
	  .type = OPT_TEXT,
	  .at = AT(format),
	  .arg = "TEXT",
	  .help = "rows of your own, as in '{id} {name}'" },
	{ .name = "ncdu",
	  .type = OPT_BOOL,
	  .at = AT(ncdu),
	  .help = "a directory as ncdu reads it: | ncdu -f -" },
	{ .type = OPT_END },
};

/* ---- rows that wait to be sorted -------------------------------------------
 */

struct held {
	struct show_entry entry;       /* one of the two; their spans */
	struct show_snapshot snapshot; /* lie in `text` */
	char id[DIGEST_HEX_BYTES], root[DIGEST_HEX_BYTES];
	struct bytes name;
	int64_t time;
	uint64_t size;
	uint8_t *text;
};

struct list {
	struct ctx *c;
	const struct ls_opts *o;
	const struct pick *in; /* what is listed; NULL: snapshots */
	bool hold;
	struct held **rows;
	size_t n, cap;
	size_t partial; /* snapshots that lack items */
	struct snapshot_row row;
	struct buf key;
};

enum { KEY_MAX_BYTES = 1 << 20 };

static void list_init(struct list *l, struct ctx *c, const struct pick *in)
{
	*l = (struct list){ .c = c, .o = c->opts, .in = in };
	/* Snapshots come by time, newest first, and entries by name. */
	l->hold = l->o->sort == SORT_SIZE ||
		  l->o->sort == (in == NULL ? SORT_NAME : SORT_TIME);
	buf_init(&l->key, KEY_MAX_BYTES);
	snapshot_row_init(&l->row);
}

static void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->rows[i]->text);
		free(l->rows[i]);
	}
	free(l->rows);
	buf_fini(&l->key);
	snapshot_row_fini(&l->row);
}

/* Copies what the spans borrow. */
static enum bc_err copy_spans(struct held *h, struct bytes **spans, size_t n)
{
	size_t bytes = 1, at = 0;

	for (size_t i = 0; i < n; i++)
		bytes += spans[i]->n;
	h->text = malloc(bytes);
	if (h->text == NULL)
		return BC_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct bytes *s = spans[i];

		if (s->p == NULL)
			continue;
		if (s->n > 0)
			memcpy(h->text + at, s->p, s->n);
		s->p = h->text + at;
		at += s->n;
	}
	return BC_OK;
}

/* A row to be sorted: a copy of `from` that owns what its spans point to. */
static enum bc_err hold(struct list *l, const struct held *from, struct err *e)
{
	struct held *h = malloc(sizeof(*h));

	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 256 : 2 * l->cap;
		struct held **more = realloc(l->rows, cap * sizeof(*more));

		if (more != NULL) {
			l->rows = more;
			l->cap = cap;
		}
	}
	if (h != NULL && l->n < l->cap) {
		struct bytes *spans[] = { &h->entry.path,    &h->entry.key,
					  &h->entry.target,  &h->entry.user,
					  &h->entry.group,   &h->snapshot.name,
					  &h->snapshot.host, &h->snapshot.user,
					  &h->snapshot.tags };

		*h = *from;
		if (copy_spans(h, spans, sizeof(spans) / sizeof(spans[0])) ==
		    BC_OK) {
			h->snapshot.id = h->id;
			h->snapshot.root = h->root;
			h->name = l->in == NULL ? h->snapshot.name
						: h->entry.path;
			l->rows[l->n++] = h;
			return BC_OK;
		}
	}
	free(h);
	return err_set(e, BC_ENOMEM, "no memory to sort the list");
}

/* Of equal ones the name decides, then the order they came in does. */
static int by_name(const void *a, const void *b)
{
	const struct held *x = *(struct held *const *)a;
	const struct held *y = *(struct held *const *)b;

	return bytes_cmp(x->name, y->name);
}

static int by_time(const void *a, const void *b)
{
	const struct held *x = *(struct held *const *)a;
	const struct held *y = *(struct held *const *)b;

	return x->time != y->time ? (x->time < y->time) - (x->time > y->time)
				  : by_name(a, b);
}

static int by_size(const void *a, const void *b)
{
	const struct held *x = *(struct held *const *)a;
	const struct held *y = *(struct held *const *)b;

	return x->size != y->size ? (x->size < y->size) - (x->size > y->size)
				  : by_name(a, b);
}

static void show_held(struct list *l)
{
	if (l->n > 0)
		qsort(l->rows, l->n, sizeof(*l->rows),
		      l->o->sort == SORT_SIZE	? by_size
		      : l->o->sort == SORT_TIME ? by_time
						: by_name);
	for (size_t i = 0; i < l->n; i++) {
		if (l->in == NULL)
			show_snapshot(&l->c->out, &l->rows[i]->snapshot);
		else
			show_entry(&l->c->out, &l->rows[i]->entry);
	}
}

/* ---- snapshots -------------------------------------------------------------
 */

static enum bc_err list_snapshot(void *ctx, const struct catalog_snapshot *s,
				 struct err *e)
{
	struct list *l = ctx;
	struct held h = { .time = s->time, .size = s->bytes };
	enum bc_err rc = snapshot_row_fill(&l->row, l->c->repo, s, e);

	if (rc != BC_OK)
		return rc;
	l->partial += l->row.partial;
	if (!l->hold) {
		show_snapshot(&l->c->out, &l->row.show);
		return BC_OK;
	}
	h.snapshot = l->row.show;
	memcpy(h.id, l->row.id, sizeof(h.id));
	memcpy(h.root, l->row.root, sizeof(h.root));
	return hold(l, &h, e);
}

static enum bc_err list_snapshots(struct list *l, const struct show_style *st,
				  struct err *e)
{
	const struct opt_list *want = &l->o->tags;
	struct tag *tags = calloc(want->n + 1, sizeof(*tags));
	struct catalog_select q = { .tags = tags, .tag_count = want->n };
	char some[FMT_BYTES];
	enum bc_err rc;
	uint64_t n;

	if (tags == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < want->n; i++) {
		const char *eq = strchr(want->v[i], '=');

		tags[i].key = bytes_of(want->v[i], (size_t)(eq - want->v[i]));
		tags[i].value = bytes_str(eq + 1);
	}
	rc = show_snapshots(&l->c->out, st, e);
	if (rc == BC_OK) {
		rc = snapshots_each(l->c->repo, &q, list_snapshot, l, e);
		show_held(l);
		n = show_end(&l->c->out);
		out_count_u64(&l->c->out, "snapshots", n);
		if (rc == BC_OK && l->partial > 0 && l->c->out.tty &&
		    !l->o->is_long)
			msg_note(&l->c->msg,
				 "%s made without items that could not be "
				 "read: ls -l says which",
				 fmt_things(l->partial, "snapshot", some));
		/* A person should not wonder whether it has looked. */
		if (rc == BC_OK && n == 0 && l->c->out.tty)
			msg_note(&l->c->msg, "%s",
				 want->n > 0 ? "no snapshot has these tags"
					     : "no snapshots yet: blobctl put "
					       "PATH makes one");
	}
	free(tags);
	return rc;
}

/* ---- what is in one --------------------------------------------------------
 */

/* SNAP:PATH, by the id, which means the same thing for ever. */
static enum bc_err set_key(struct list *l, struct bytes path)
{
	enum bc_err rc;

	buf_clear(&l->key);
	rc = buf_add(&l->key, l->in->hex, PICK_KEY_DIGITS);
	if (rc == BC_OK)
		rc = buf_add(&l->key, ":", 1);
	return rc == BC_OK ? buf_add(&l->key, path.p, path.n) : rc;
}

static enum bc_err list_entry(void *ctx, struct bytes path,
			      const struct tree_entry *en, bool *enter,
			      struct err *e)
{
	struct list *l = ctx;
	struct held h = { .size = 0 };
	enum bc_err rc = set_key(l, path);

	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a path");
	pick_show(&h.entry, l->in, en, path, buf_bytes(&l->key));
	*enter = l->o->recursive;
	h.time = h.entry.mtime;
	h.size = h.entry.size;
	if (l->hold)
		return hold(l, &h, e);
	show_entry(&l->c->out, &h.entry);
	return BC_OK;
}

static enum bc_err list_entries(struct list *l, const struct show_style *st,
				struct err *e)
{
	const struct pick *k = l->in;
	struct entries_walk w = { .source = k->source,
				  .entry = list_entry,
				  .ctx = l,
				  .stop = l->c->stop };
	struct bytes path = k->path;
	bool enter;
	enum bc_err rc = show_entries(&l->c->out, st, e);

	if (rc != BC_OK)
		return rc;
	if (k->entry->type == TREE_DIR)
		rc = entries_walk(&w, &k->entry->dir.id, path, e);
	else
		rc = list_entry(l, path, k->entry, &enter, e);
	show_held(l);
	out_count_u64(&l->c->out, "entries", show_end(&l->c->out));
	return rc;
}

static enum bc_err ls_run(struct ctx *c, struct err *e)
{
	const struct ls_opts *o = c->opts;
	const struct show_style style = { .is_long = o->is_long,
					  .zero = o->zero,
					  .format = o->format };
	struct pick k = PICK_INIT;
	struct list l;
	enum bc_err rc = BC_OK;

	/* What stands in the environment is for those uses that it fits. */
	if (c->n_args == 1 && o->tags.n > 0 && !opt_from_env(c->line, "tag"))
		return ctx_usage(c, e,
				 "--tag chooses snapshots, not what is in one");
	if (c->n_args == 0 && o->recursive &&
	    !opt_from_env(c->line, "recursive"))
		return ctx_usage(c, e, "-r needs a snapshot to look into");
	if (c->n_args == 0 && o->ncdu && !opt_from_env(c->line, "ncdu"))
		return ctx_usage(c, e, "--ncdu needs a snapshot");
	list_init(&l, c, c->n_args == 1 ? &k : NULL);
	if (c->n_args == 1)
		rc = pick_open(&k, c->repo, c->args[0], c->out.began_real, e);
	if (rc == BC_OK && o->ncdu && c->n_args == 1)
		rc = ls_ncdu(c, &k, e);
	else if (rc == BC_OK)
		rc = c->n_args == 1 ? list_entries(&l, &style, e)
				    : list_snapshots(&l, &style, e);
	list_fini(&l);
	pick_close(&k);
	return rc;
}

static const char *const LS_ALIASES[] = { "list", NULL };

static const char *const LS_COUNTS[] = {
	"snapshots",
	"entries",
	NULL,
};

const struct cmd cmd_ls = {
	.name = "ls",
	.aliases = LS_ALIASES,
	.summary = "list snapshots, or what is in one",
	.usage = "[SNAP[:PATH]]",
	.group = "Look",
	.examples = "  blobctl ls\n"
		    "  blobctl ls -l latest:Pictures\n"
		    "  blobctl ls --format='{id}\\t{name}'\n",
	.counts = LS_COUNTS,
	.needs = CMD_REPO | CMD_STOPS | CMD_PAGED,
	.args_max = 1,
	.opts = ls_opts,
	.opts_bytes = sizeof(struct ls_opts),
	.run = ls_run,
};
