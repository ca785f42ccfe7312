/* SPDX-License-Identifier: Apache-2.0 */
/* put - store files, trees or standard input as a snapshot. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "cmd/signal.h"
#include "cmd/snapshot_row.h"
#include "ingest/put.h"
#include "io/io.h"
#include "repo/snapshots.h"
#include "util/hex.h"
#include "util/parse_key.h"

enum {
	BRIEF_BYTES = 4 << 20, /* stored in less than 0.1 s */
};

/* What is no failure of the run: --ok-if. */
enum put_ok { OK_CHANGED = 1, OK_VANISHED = 2, OK_UNREADABLE = 4 };

struct put_opts {
	const char *name; /* NULL: after the first path */
	const char *stdin_name;
	struct opt_list tags;
	bool no_cache;
	bool one_file_system;
	bool if_changed;
	bool print_id;
	struct when time; /* to == 0: now */
	unsigned ok_if;	  /* enum put_ok */
};

static const struct put_opts PUT_DEFAULT = { .stdin_name = "stdin" };

static enum bc_err check_stdin_name(const char *text, struct err *e)
{
	if (*text == '\0' || strchr(text, '/') != NULL ||
	    strcmp(text, ".") == 0 || strcmp(text, "..") == 0 ||
	    strlen(text) > 255)
		return err_set(e, BC_EINVAL, "'%.64s' is not a file's name",
			       text);
	return BC_OK;
}

/* A list of words with commas between them. */
static enum bc_err read_ok_if(const char *text, void *at, struct err *e)
{
	static const struct {
		const char *word;
		unsigned bit;
	} WORDS[] = { { "changed", OK_CHANGED },
		      { "vanished", OK_VANISHED },
		      { "unreadable", OK_UNREADABLE } };
	const char *p = text;
	unsigned bits = 0;

	for (;;) {
		size_t n = strcspn(p, ","), i;

		for (i = 0; i < 3; i++)
			if (strlen(WORDS[i].word) == n &&
			    memcmp(p, WORDS[i].word, n) == 0)
				break;
		if (i == 3) {
			(void)err_set(e, BC_EINVAL,
				      "'%.*s' is no class of trouble",
				      n > 64 ? 64 : (int)n, p);
			err_hint(e, "write changed, vanished, unreadable, with "
				    "commas between them");
			return BC_EINVAL;
		}
		bits |= WORDS[i].bit;
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	*(unsigned *)at = bits;
	return BC_OK;
}

#define AT(member) offsetof(struct put_opts, member)

static const struct opt put_opts[] = {
	{ .name = "name",
	  .type = OPT_TEXT,
	  .at = AT(name),
	  .arg = "NAME",
	  .check = parse_key_name,
	  .help = "name of the snapshot (the first path's last part)" },
	{ .name = "tag",
	  .type = OPT_LIST,
	  .at = AT(tags),
	  .arg = "KEY=VALUE",
	  .check = parse_tag,
	  .help = "a tag; may be repeated" },
	{ .name = "time",
	  .type = OPT_WHEN,
	  .at = AT(time),
	  .arg = "DATE",
	  .help = "the snapshot's time instead of now" },
	{ .name = "stdin-name",
	  .type = OPT_TEXT,
	  .at = AT(stdin_name),
	  .arg = "NAME",
	  .check = check_stdin_name,
	  .help = "what `-` is stored as (stdin)" },
	{ .name = "one-file-system",
	  .letter = 'x',
	  .type = OPT_BOOL,
	  .at = AT(one_file_system),
	  .help = "do not descend into other file systems" },
	{ .name = "no-cache",
	  .type = OPT_BOOL,
	  .at = AT(no_cache),
	  .help = "read every file, also those that look unchanged" },
	{ .name = "if-changed",
	  .type = OPT_BOOL,
	  .at = AT(if_changed),
	  .help = "no new snapshot if nothing has changed" },
	{ .name = "ok-if",
	  .type = OPT_CUSTOM,
	  .at = AT(ok_if),
	  .arg = "CLASS,...",
	  .read = read_ok_if,
	  .help = "no failure: changed, vanished, unreadable files" },
	{ .name = "print-id",
	  .type = OPT_BOOL,
	  .at = AT(print_id),
	  .help = "print the snapshot's id even with -q" },
	{ .type = OPT_END },
};

/* ---- roots ----------------------------------------------------------------
 */

struct roots {
	struct put_root *at;
	char **source; /* what they borrow */
	size_t n;
	uint64_t bytes; /* of those that are files */
	bool files;	/* all are */
};

static void roots_free(struct roots *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->source[i]);
	free(r->source);
	free(r->at);
}

/* A path's last component, as it is written; empty for "/". */
static struct bytes last_component(const char *path)
{
	size_t end = strlen(path), at;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (at = end; at > 0 && path[at - 1] != '/';)
		at--;
	return bytes_of(path + at, end - at);
}

static bool is_dots(struct bytes name)
{
	return bytes_eq(name, bytes_str(".")) ||
	       bytes_eq(name, bytes_str(".."));
}

/* The path from the root of the file system, a link at its end kept. */
static char *absolute(const char *path, struct bytes last)
{
	bool whole = last.n == 0 || is_dots(last);
	size_t n = (size_t)((const char *)last.p - path);
	char *above = whole    ? strdup(path)
		      : n == 0 ? strdup(".")
			       : strndup(path, n);
	char *dir = above == NULL ? NULL : realpath(above, NULL), *out = NULL;

	free(above);
	if (dir == NULL || whole)
		return dir;
	if (asprintf(&out, "%s/%.*s", strcmp(dir, "/") == 0 ? "" : dir,
		     (int)last.n, (const char *)last.p) < 0)
		out = NULL;
	free(dir);
	return out;
}

static enum bc_err add_root(struct ctx *c, struct roots *r, const char *path,
			    struct err *e)
{
	const struct put_opts *o = c->opts;
	struct put_root *to = &r->at[r->n];
	struct bytes last = last_component(path);
	struct stat st;

	if (strcmp(path, "-") == 0) {
		*to = (struct put_root){ .how = PUT_STDIN,
					 .path = "standard input",
					 .name = o->stdin_name,
					 .fd = STDIN_FILENO };
		r->files = false;
		r->n++;
		return BC_OK;
	}
	if (lstat(path, &st) != 0)
		return err_sys(e, errno, "cannot put %s", path);
	if (S_ISREG(st.st_mode))
		r->bytes += (uint64_t)st.st_size;
	else
		r->files = false;
	r->source[r->n] = absolute(path, last);
	if (r->source[r->n] == NULL)
		return err_sys(e, errno, "cannot put %s", path);
	*to = (struct put_root){ .how = PUT_NAMED,
				 .path = path,
				 .name = (const char *)last.p,
				 .source = r->source[r->n] };
	r->n++;
	/* `dir/`, `.`, `..` and `/` mean a directory's contents. */
	if (path[strlen(path) - 1] == '/' || is_dots(last)) {
		to->how = PUT_CONTENTS;
		to->name = NULL;
	}
	return BC_OK;
}

static bool reads_stdin(const struct ctx *c)
{
	for (size_t i = 0; i < c->n_args; i++)
		if (strcmp(c->args[i], "-") == 0)
			return true;
	return false;
}

static enum bc_err make_roots(struct ctx *c, struct roots *r, struct err *e)
{
	const struct put_opts *o = c->opts;
	enum bc_err rc = BC_OK;

	*r = (struct roots){ .files = true };
	if (o->stdin_name != PUT_DEFAULT.stdin_name && !reads_stdin(c) &&
	    !opt_from_env(c->line, "stdin-name"))
		return ctx_usage(c, e, "--stdin-name goes with `-`");
	r->at = calloc(c->n_args, sizeof(*r->at));
	r->source = calloc(c->n_args, sizeof(*r->source));
	if (r->at == NULL || r->source == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < c->n_args && rc == BC_OK; i++)
		rc = add_root(c, r, c->args[i], e);
	return rc;
}

/* After the first path, or what standard input is stored as. */
static const char *snapshot_name(const struct put_opts *o,
				 const struct roots *r)
{
	const char *slash;

	if (o->name != NULL)
		return o->name;
	if (r->at[0].name != NULL)
		return r->at[0].name;
	slash = strrchr(r->at[0].source, '/');
	return slash == NULL || slash[1] == '\0' ? "root" : slash + 1;
}

/* ---- the work -------------------------------------------------------------
 */

struct run {
	struct ctx *c;
	const struct roots *roots;
	struct put_progress progress;
};

static void sample(void *ctx, struct progress_now *now)
{
	const struct roots *roots = ((struct run *)ctx)->roots;
	struct put_progress *p = &((struct run *)ctx)->progress;

	/* What is in a tree is known when it is read. */
	now->total_final = roots->files;
	now->bytes_total = roots->files ? roots->bytes : 0;
	now->bytes_done = atomic_load(&p->bytes);
	now->bytes_known = atomic_load(&p->bytes_known);
	now->bytes_new = atomic_load(&p->bytes_new);
	now->files_done = atomic_load(&p->files);
	now->errors = atomic_load(&p->errors);
}

/* Why its attributes cannot be had. */
static const char *no_attrs(int sys)
{
	switch (sys) {
	case E2BIG:
		return "more than a snapshot can hold";
	case ENOSYS:
		return "/proc is not mounted";
	default:
		return strerror(sys);
	}
}

static void tell_event(void *ctx, const struct put_event *ev)
{
	static const char *const codes[] = { "file_vanished", "file_changed",
					     "file_unreadable", "file_skipped",
					     "attributes_unreadable" };
	struct ctx *c = ((struct run *)ctx)->c;

	if (ev->kind == PUT_VANISHED)
		msg_detail(&c->msg, "%s vanished before it was read", ev->path);
	else if (ev->kind == PUT_CHANGED)
		msg_item(&c->msg, codes[ev->kind], bytes_str(ev->path),
			 "changed each time it was read; stored as last read");
	else if (ev->kind == PUT_NO_ATTRS)
		msg_item(&c->msg, codes[ev->kind], bytes_str(ev->path),
			 "stored without all of its extended attributes: %s",
			 no_attrs(ev->err->sys_errno));
	else
		msg_item(&c->msg, codes[ev->kind], bytes_str(ev->path),
			 "not stored: %s", strerror(ev->err->sys_errno));
}

/* With -v what was read, with -vv all and why: a directory that is as it was in
 * one line, with a slash. */
static void tell_item(void *ctx, const char *path, enum tree_type type,
		      uint64_t size, enum put_item_state state)
{
	static const char *const STATES[] = { "read", "changed", "unchanged" };
	struct ctx *c = ((struct run *)ctx)->c;

	if (state == PUT_ITEM_SAME && c->g.verbose < 2)
		return;
	show_file(&c->out, bytes_str(path), pick_type(type), size,
		  STATES[state]);
	if (c->g.verbose < 2)
		msg_detail(&c->msg, "%s", path);
	else
		msg_detail(&c->msg, "%-9s  %s", STATES[state], path);
}

static bool await_input(void *ctx, int fd)
{
	(void)ctx;
	return signal_await_input(fd);
}

static enum bc_err make_tags(const struct put_opts *o, struct tag **out,
			     struct err *e)
{
	struct tag *tags = calloc(o->tags.n + 1, sizeof(*tags));

	bool twice = false;

	if (tags == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < o->tags.n; i++) {
		const char *eq = strchr(o->tags.v[i], '=');

		tags[i].key =
			bytes_of(o->tags.v[i], (size_t)(eq - o->tags.v[i]));
		tags[i].value = bytes_str(eq + 1);
		for (size_t k = 0; k < i; k++)
			twice |= bytes_cmp(tags[k].key, tags[i].key) == 0;
		if (!twice)
			continue;
		free(tags);
		(void)err_set(e, BC_EUSAGE, "tag %.*s is given twice",
			      (int)(eq - o->tags.v[i]), o->tags.v[i]);
		err_hint(e, "a key has one value in a snapshot");
		return BC_EUSAGE;
	}
	*out = tags;
	return BC_OK;
}

/* The snapshot as ls lists it; NULL if it cannot be had. */
static const struct show_snapshot *
made(struct repo *r, const struct snapshot *s, struct snapshot_row *row)
{
	const struct catalog_snapshot as = {
		.id = s->id,
		.root = s->rec.root.dir.id,
		.time = s->rec.time,
		.name = s->rec.name,
		.host = s->rec.host,
		.files = s->rec.files,
		.dirs = s->rec.dirs,
		.others = s->rec.others,
		.bytes = s->rec.bytes,
		.new_bytes = s->rec.new_bytes,
		.new_stored = s->rec.new_stored,
		.record = buf_bytes(&s->raw),
	};

	return snapshot_row_fill(row, r, &as, NULL) == BC_OK ? &row->show
							     : NULL;
}

static void show_result(struct ctx *c, const struct put_opts *o,
			const struct put_result *r)
{
	char id[DIGEST_HEX_BYTES];
	struct show_put s = { .id = c->g.dry_run ? NULL : id,
			      .same = r->unchanged && !c->g.dry_run,
			      .files = r->files,
			      .dirs = r->dirs,
			      .others = r->others,
			      .bytes = r->bytes,
			      .new_bytes = r->new_bytes,
			      .stored_bytes = r->new_stored,
			      .skipped = r->unreadable,
			      .dry_run = c->g.dry_run };
	struct snapshot_row row;
	struct snapshot *snap = NULL;

	hex_encode(r->id.b, DIGEST_BYTES, id);
	snapshot_row_init(&row);
	if (out_events(&c->out) && !c->g.dry_run &&
	    snapshots_get(c->repo, &r->id, &snap, NULL) == BC_OK)
		s.made = made(c->repo, snap, &row);
	show_put(&c->out, &c->msg, &s, o->print_id);
	snapshot_row_fini(&row);
	snapshot_free(snap);
}

/* The stat cache is the user's and this host's, not the repository's: it is
 * kept where caches are, and in the repository only if there is no such
 * place. */
static struct io_dir *open_cache(struct ctx *c)
{
	char id[PACK_ID_HEX_BYTES];
	struct io_dir *dir = NULL;
	char *path = NULL;

	hex_encode(repo_superblock(c->repo)->id.b, PACK_ID_BYTES, id);
	if (config_cache_dir(id, &path, NULL) != BC_OK ||
	    io_dir_open(c->io, path, &dir, NULL) != BC_OK)
		dir = NULL;
	free(path);
	return dir;
}

/* Each item was named; here is what that comes to, and the way out. */
static enum bc_err judge(const struct put_opts *o, const struct put_result *r,
			 struct err *e)
{
	bool unreadable = r->unreadable > 0 && !(o->ok_if & OK_UNREADABLE);
	bool changed = r->changed > 0 && !(o->ok_if & OK_CHANGED);
	char not [FMT_BYTES], moved[FMT_BYTES];

	if (!unreadable && !changed)
		return BC_OK;
	fmt_things(r->unreadable, "item", not );
	fmt_things(r->changed, "file", moved);
	if (unreadable && changed)
		(void)err_set(e, BC_EPARTIAL,
			      "%s could not be read in full and %s changed "
			      "meanwhile; "
			      "all else is stored",
			      not, moved);
	else if (unreadable)
		(void)err_set(
			e, BC_EPARTIAL,
			"%s could not be read in full; all else is stored",
			not );
	else
		(void)err_set(e, BC_EPARTIAL,
			      "%s changed while being read; the snapshot has "
			      "what was read last",
			      moved);
	err_hint(e,
		 "mend that and put again, or accept it with "
		 "--ok-if=%s%s%s",
		 unreadable ? "unreadable" : "",
		 unreadable && changed ? "," : "", changed ? "changed" : "");
	return BC_EPARTIAL;
}

/* Who has the repository below what is put should know what becomes of it. */
static void note_own(struct ctx *c, const struct roots *roots)
{
	char *own = realpath(c->repo_path, NULL);

	for (size_t i = 0; own != NULL && i < roots->n; i++) {
		const char *at = roots->at[i].source;
		size_t n = at == NULL ? 0 : strlen(at);

		while (n > 0 && at[n - 1] == '/')
			n--;
		if (at != NULL && strncmp(own, at, n) == 0 &&
		    (own[n] == '/' || own[n] == '\0')) {
			static const char WORDS[] =
				"%s is the repository itself and stored empty";

			if (own[n] == '\0')
				msg_warn(&c->msg, "repository_itself", WORDS,
					 c->repo_path);
			else
				msg_detail(&c->msg, WORDS, c->repo_path);
			break;
		}
	}
	free(own);
}

static const char SAME_NEXT[] = "the same command goes on from here";
static const char STREAM_NEXT[] =
	"what was stored of it is known when the same stream comes again";

static enum bc_err store_roots(struct ctx *c, const struct roots *roots,
			       const struct tag *tags, struct err *e)
{
	const struct put_opts *o = c->opts;
	const char *name = snapshot_name(o, roots);
	struct run run = { .c = c, .roots = roots };
	struct progress_source src = {
		.verb = "put",
		.sample = sample,
		.ctx = &run,
		.brief = roots->files && roots->bytes <= BRIEF_BYTES,
	};
	struct passwd *pw = getpwuid(geteuid());
	char host[256] = "";
	struct put_options p = {
		.roots = roots->at,
		.n_roots = roots->n,
		.threads = ctx_threads(c),
		.no_cache = o->no_cache,
		.cache = open_cache(c),
		.one_file_system = o->one_file_system,
		.own = c->repo_path,
		.name = bytes_str(name),
		.user = bytes_str(pw == NULL ? "" : pw->pw_name),
		.program = bytes_str("blobctl " BLOBCTL_VERSION),
		.time = o->time.to == 0 ? INT64_MIN : o->time.from,
		.tags = tags,
		.n_tags = o->tags.n,
		.if_changed = o->if_changed,
		.dry_run = c->g.dry_run,
		.event = tell_event,
		.item = c->g.verbose > 0 ? tell_item : NULL,
		.await_input = await_input,
		.ctx = &run,
		.progress = &run.progress,
		.stop = c->stop
	};
	struct put_result r;
	struct progress *bar;
	enum bc_err rc;

	gethostname(host, sizeof(host) - 1);
	p.host = bytes_str(host);
	note_own(c, roots);
	bar = progress_start(&c->out, &c->msg, c->g.progress, &src);
	rc = ingest_put(c->repo, &p, &r, e);
	progress_stop(bar);
	io_dir_close(p.cache);
	if (rc == BC_ECANCEL && !c->g.dry_run)
		err_hint(e, "%s", reads_stdin(c) ? STREAM_NEXT : SAME_NEXT);
	if (rc != BC_OK)
		return rc;
	/* Its own words first, then what they come to. */
	msg_end_groups(&c->msg);
	show_result(c, o, &r);
	if (r.unchanged && o->tags.n > 0)
		msg_warn(&c->msg, "not_tagged",
			 "nothing has changed, so no snapshot is made and "
			 "--tag tags none; `blobctl tag` tags the one that "
			 "serves");
	return judge(o, &r, e);
}

/* A way out for what has none yet. */
static void advise(const struct roots *roots, enum bc_err rc, struct err *e)
{
	if (rc == BC_OK || e->hint[0] != '\0')
		return;
	if (roots->n == 1 && roots->at[0].how == PUT_STDIN && rc == BC_ESYS)
		err_hint(e,
			 "give it a pipe or a file: COMMAND | blobctl put -");
	else if (rc == BC_EUSAGE)
		err_hint(e, "put them one after the other, each with a --name");
}

static enum bc_err store(struct ctx *c, struct err *e)
{
	struct tag *tags = NULL;
	struct roots roots;
	enum bc_err rc = make_roots(c, &roots, e);

	if (rc == BC_OK)
		rc = make_tags(c->opts, &tags, e);
	if (rc == BC_OK)
		rc = store_roots(c, &roots, tags, e);
	advise(&roots, rc, e);
	free(tags);
	roots_free(&roots);
	return rc;
}

static enum bc_err put_run(struct ctx *c, struct err *e)
{
	size_t dashes = 0;

	for (size_t i = 0; i < c->n_args; i++) {
		if (*c->args[i] == '\0')
			return ctx_usage(c, e, "a path is empty");
		dashes += strcmp(c->args[i], "-") == 0;
	}
	if (dashes > 0 && c->n_args > 1)
		return ctx_usage(c, e, "standard input (-) is put alone");
	if (dashes > 0 && isatty(STDIN_FILENO) == 1)
		return ctx_usage(c, e, "standard input is a terminal");
	return store(c, e);
}

static const char *const PUT_ALIASES[] = { "backup", NULL };

static const char *const PUT_COUNTS[] = {
	"snapshot_id",	 "made",	  "files",     "dirs",	       "others",
	"skipped_items", "logical_bytes", "new_bytes", "stored_bytes", NULL,
};

const struct cmd cmd_put = {
	.name = "put",
	.aliases = PUT_ALIASES,
	.summary = "store files, trees or standard input as a snapshot",
	.usage = "PATH...|-",
	.group = "Archive",
	.examples = "  blobctl put ~/Pictures --tag=camera=x100\n"
		    "  pg_dump app | blobctl put - --stdin-name=app.sql\n",
	.counts = PUT_COUNTS,
	.needs = CMD_REPO | CMD_WRITES | CMD_STOPS,
	.args_min = 1,
	.args_max = SIZE_MAX,
	.opts = put_opts,
	.opts_bytes = sizeof(struct put_opts),
	.opts_default = &PUT_DEFAULT,
	.run = put_run,
};
