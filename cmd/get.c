/* SPDX-License-Identifier: Apache-2.0 */
/* get - bring a snapshot, or a part of one, back to the file system. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/entries.h"
#include "cmd/glob.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "restore/restore.h"
#include "util/arith.h"

enum get_owner { OWNER_AUTO, OWNER_NONE };

struct get_opts {
	bool sparse;
	unsigned owner; /* enum get_owner */
	struct opt_list include, exclude;
};

static const char *const OWNER_WORDS[] = { "auto", "none", NULL };

#define AT(member) offsetof(struct get_opts, member)

static const struct opt get_opts[] = {
	{ .name = "include",
	  .type = OPT_LIST,
	  .at = AT(include),
	  .arg = "GLOB",
	  .help = "only what fits; may be repeated" },
	{ .name = "exclude",
	  .type = OPT_LIST,
	  .at = AT(exclude),
	  .arg = "GLOB",
	  .help = "not what fits; may be repeated" },
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

/* ---- what is wanted --------------------------------------------------------
 */

struct run {
	struct ctx *c;
	struct restore_progress progress;
	uint64_t total; /* bytes */
	uint64_t skipped, damaged;
	uint64_t taken;	  /* of those skipped: there is something already */
	uint64_t folders; /* of them all: with what is in them */
	bool one; /* no directory: what fails is the whole run's error */
};

static bool any_fits(const struct opt_list *l, struct bytes path, bool is_dir)
{
	struct glob g;

	for (size_t i = 0; i < l->n; i++) {
		glob_init(&g, l->v[i]);
		if (glob_match(&g, path, is_dir))
			return true;
	}
	return false;
}

/* Does the pattern fit this path or a directory above it? */
static bool fits_above(const struct opt_list *l, struct bytes path, bool is_dir)
{
	if (any_fits(l, path, is_dir))
		return true;
	for (size_t n = 0; n < path.n; n++)
		if (path.p[n] == '/' && any_fits(l, bytes_of(path.p, n), true))
			return true;
	return false;
}

/* With --include, what is wanted may be in a directory that does not fit. */
static enum restore_want want(void *ctx, const char *path,
			      const struct tree_entry *en)
{
	const struct get_opts *o = ((struct run *)ctx)->c->opts;
	struct bytes p = bytes_str(path);
	bool is_dir = en->type == TREE_DIR;

	if (any_fits(&o->exclude, p, is_dir))
		return RESTORE_NOT;
	if (o->include.n == 0 || fits_above(&o->include, p, is_dir))
		return RESTORE_THIS;
	return is_dir ? RESTORE_INSIDE : RESTORE_NOT;
}

/* Did the patterns leave nothing? */
static enum bc_err nothing_fits(const struct ctx *c, struct err *e)
{
	const struct get_opts *o = c->opts;
	char word[CTX_WORD_BYTES];

	if (o->include.n == 0) {
		(void)err_set(e, BC_ENOTFOUND, "--exclude leaves nothing of %s",
			      c->args[0]);
		return BC_ENOTFOUND;
	}
	(void)err_set(e, BC_ENOTFOUND, "nothing in %s fits --include=%s%s",
		      c->args[0], o->include.v[0],
		      o->include.n > 1	 ? " or the other patterns"
		      : o->exclude.n > 0 ? " and is not left out by --exclude"
					 : "");
	err_hint(e, "blobctl find %s   shows where something is",
		 ctx_word(o->include.v[0], "GLOB", word));
	return BC_ENOTFOUND;
}

/* ---- the work --------------------------------------------------------------
 */

static void sample(void *ctx, struct progress_now *now)
{
	struct run *r = ctx;

	/* Of a file that is being written, what is; of the others, the holes
	 * too. */
	now->bytes_done = max_u64(atomic_load(&r->progress.bytes),
				  atomic_load(&r->progress.size)) +
			  atomic_load(&r->progress.same_size);
	now->bytes_total = r->total;
	now->files_done = atomic_load(&r->progress.files) +
			  atomic_load(&r->progress.same);
	now->errors = atomic_load(&r->progress.errors);
	now->total_final = true;
}

static void tell_error(void *ctx, const char *path, enum bc_err code,
		       const char *text)
{
	struct run *r = ctx;

	if (code == BC_EDAMAGE)
		r->damaged++;
	else if (code != BC_EPARTIAL)
		r->skipped++;
	if (code == BC_EEXIST) {
		r->taken++;
		text = "is there already";
	} else if (r->one && code != BC_EDAMAGE && code != BC_EPARTIAL) {
		return;
	}
	msg_item(&r->c->msg, bc_err_name(code), bytes_str(path), "%s", text);
}

static void tell_item(void *ctx, const char *path, enum tree_type type,
		      uint64_t size)
{
	struct ctx *c = ((struct run *)ctx)->c;

	show_file(&c->out, bytes_str(path), pick_type(type), size, "restored");
	msg_detail(&c->msg, "%s", path);
}

/* Where it goes without DEST: here, under its own name. A directory's
 * contents go into a new folder of that name; all of a snapshot, here. */
static char *default_dest(const struct pick *k)
{
	struct bytes p = k->path;
	const uint8_t *slash;

	if (p.p == NULL || p.n == 0)
		return strdup(".");
	slash = memrchr(p.p, '/', p.n);
	if (slash != NULL)
		p = bytes_of(slash + 1, p.n - (size_t)(slash + 1 - p.p));
	return strndup((const char *)p.p, p.n);
}

static uint64_t size_of(const struct tree_entry *en)
{
	return en->type == TREE_DIR    ? en->dir.bytes
	       : en->type == TREE_FILE ? en->content.size
				       : 0;
}

/* What neither file nor directory is, where it is all there is. */
static const char *other_name(const struct pick *k)
{
	return k->entry->type == TREE_LINK ? "link" : "other item";
}

static void show(struct run *run, const struct pick *k, const char *dest,
		 const struct restore_result *r)
{
	const struct show_get s = { .dest = bytes_str(dest),
				    .other_name = other_name(k),
				    .files = r->files,
				    .dirs = r->dirs,
				    .others = r->others,
				    .bytes = r->size,
				    .written = r->bytes,
				    .same = r->same,
				    .skipped = run->skipped,
				    .damaged = run->damaged };

	show_get(&run->c->out, &run->c->msg, &s);
}

/*
 * A root that stands for several paths was no directory anywhere: where it
 * becomes one, that is made like any new folder.
 */
static struct tree_entry plain_root(const struct ctx *c, const struct pick *k)
{
	struct tree_entry root = *k->entry;
	mode_t mask = umask(0);

	(void)umask(mask);
	root.mode = 0777 & ~mask;
	root.uid = geteuid();
	root.gid = getegid();
	root.user = root.group = bytes_of("", 0);
	root.mtime = c->out.began_real / NS_PER_SECOND;
	root.mtime_nsec = (uint32_t)(c->out.began_real % NS_PER_SECOND);
	return root;
}

/* The folder that something was to go into: `dest` if it ends in a slash, else
 * the one that is above it. */
static void explain_folder(const char *dest, struct err *e)
{
	char word[CTX_WORD_BYTES];
	size_t n = strlen(dest);
	char *copy = strdup(dest);
	const char *folder = copy;
	struct stat st;

	if (copy == NULL)
		return;
	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	if (dest[n] == '\0')
		folder = dirname(copy);
	if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) {
		err_hint(e, "nothing can be made in %s; name another folder",
			 folder);
	} else if (errno != ENOENT) {
		err_hint(e, "name a folder that is there, or a file in one");
	} else {
		(void)err_set(e, BC_ENOTFOUND, "there is no folder %s", folder);
		err_hint(e, "mkdir -p %s   makes it",
			 ctx_word(folder, "FOLDER", word));
	}
	free(copy);
}

/* Each item was named when it failed; here is what that comes to, and the way
 * out. */
static void explain(const struct run *run, enum bc_err rc, const char *dest,
		    struct err *e)
{
	char word[CTX_WORD_BYTES];
	const char *key = ctx_word(run->c->args[0], "SNAP:PATH", word);
	char some[FMT_BYTES], more[FMT_BYTES];
	const char *below = run->folders == 0 ? ""
			    : run->skipped + run->damaged == 1
				    ? ", nor what is in it"
				    : ", nor what is in the folders among them";

	if (rc == BC_EEXIST && run->taken > 0) {
		(void)err_set(e, rc, "nothing that exists is overwritten");
		err_hint(e, "blobctl get %s NEW   gives it another name", key);
	} else if (rc == BC_EEXIST) {
		err_hint(e, "blobctl get %s NEW   makes a folder NEW", key);
	} else if (rc == BC_EPARTIAL && run->skipped > run->taken &&
		   run->taken > 0) {
		(void)err_set(
			e, rc, "%s not restored%s, %s %s there already",
			fmt_things(run->skipped - run->taken, "item", some),
			below, fmt_things(run->taken, "item", more),
			run->taken == 1 ? "is" : "are");
		err_hint(e, "mend what the lines above say and run it again");
	} else if (rc == BC_EPARTIAL && run->taken > 0) {
		(void)err_set(e, rc,
			      "%s %s there already; nothing that exists is "
			      "overwritten%s",
			      fmt_things(run->taken, "item", some),
			      run->taken == 1 ? "is" : "are",
			      run->folders == 0 ? ""
			      : run->taken == 1
				      ? ", and what belongs into it is not "
					"restored"
				      : ", and what belongs into the folders "
					"among them is not restored");
		err_hint(e, "blobctl get %s NEW   restores into a new folder",
			 key);
	} else if (rc == BC_EPARTIAL && run->skipped > 0) {
		(void)err_set(e, rc, "%s not restored%s; all else was",
			      fmt_things(run->skipped, "item", some), below);
		err_hint(e, "mend what the lines above say and run it again");
	} else if (rc == BC_EPARTIAL) {
		(void)err_set(e, rc,
			      "all files are restored, but not everything "
			      "about them");
		err_hint(e, "the lines above say what this user or this file "
			    "system cannot have");
	} else if (rc == BC_EDAMAGE && run->damaged > 0) {
		(void)err_set(e, rc,
			      "%s damaged in the repository and not "
			      "restored%s; all else was",
			      fmt_things(run->damaged, "item", some), below);
	} else if (rc == BC_ECANCEL) {
		(void)err_set(e, rc, "stopped; what is there is whole");
		err_hint(e, "the same command restores what is missing");
	} else if (rc == BC_ENOTFOUND && e->hint[0] == '\0') {
		explain_folder(dest, e);
	}
}

static enum bc_err nothing_done(struct err *e)
{
	(void)err_set(e, BC_ESYS, "nothing was restored");
	err_hint(e, "mend what the lines above say and run it again");
	return BC_ESYS;
}

static enum bc_err restore(struct ctx *c, const struct pick *k,
			   const char *dest, struct err *e)
{
	const struct get_opts *o = c->opts;
	struct run run = { .c = c,
			   .total = size_of(k->entry),
			   .one = k->entry->type != TREE_DIR };
	const struct progress_source src = { "get", sample, &run, false };
	struct tree_entry root;
	struct restore_options ro = {
		.what = k->entry,
		.dest = dest,
		.threads = ctx_threads(c),
		.owner = o->owner == OWNER_NONE ? RESTORE_OWNER_NONE
						: RESTORE_OWNER_AUTO,
		.sparse = o->sparse,
		.error = tell_error,
		.item = c->g.verbose > 0 ? tell_item : NULL,
		.want = o->include.n + o->exclude.n > 0 ? want : NULL,
		.ctx = &run,
		.progress = &run.progress,
		.stop = c->stop,
	};
	struct restore_result r = { .files = 0 };
	struct progress *bar;
	struct stat st;
	bool made = lstat(dest, &st) != 0;
	enum bc_err rc;

	if (ro.threads > RESTORE_THREADS_MAX)
		ro.threads = RESTORE_THREADS_MAX;
	if (k->path.n == 0 &&
	    (k->snapshot->rec.flags & SNAPSHOT_MADE_UP) != 0) {
		root = plain_root(c, k);
		ro.what = &root;
		/* Nobody's directory has nothing to give to one that is there.
		 */
		ro.keep_dest = !made;
	}
	bar = progress_start(&c->out, &c->msg, c->g.progress, &src);
	rc = restore_run(c->repo, &ro, &r, e);
	progress_stop(bar);
	if (rc == BC_OK && o->include.n > 0 &&
	    r.files + r.dirs + r.others + r.same == 0) {
		if (made)
			(void)rmdir(dest);
		return nothing_fits(c, e);
	}
	/* Its own words first, then what they come to. */
	msg_end_groups(&c->msg);
	if (rc == BC_OK || rc == BC_EPARTIAL || rc == BC_EDAMAGE)
		show(&run, k, dest, &r);
	if (rc == BC_EPARTIAL && run.skipped > 0 && run.taken == 0 &&
	    r.files + r.dirs + r.others + r.same == 0)
		return nothing_done(e);
	run.folders = r.folders;
	explain(&run, rc, dest, e);
	return rc;
}

/* ---- with -n ---------------------------------------------------------------
 */

struct pretence {
	struct run run;
	struct show_get sum;
	const char *dest;
	bool filtered;
	bool there;    /* the destination is: something may be in the way */
	char *counted; /* the directory that was counted last */
};

/* Somebody else's file is in the way, whatever it looks like. An owner by name
 * may have another number here than the snapshot says: then it is said to be in
 * the way, and get finds that it is not. */
static bool is_ours(const struct pretence *p, const struct tree_entry *en,
		    const struct stat *st)
{
	const struct get_opts *o = p->run.c->opts;
	struct stat top;

	return st->st_uid == geteuid() ||
	       (geteuid() == 0 && o->owner != OWNER_NONE &&
		st->st_uid == en->uid) ||
	       (stat(p->dest, &top) == 0 && st->st_uid == top.st_uid);
}

/* What is at that path below the destination. */
static enum restore_there what_is_at(const struct pretence *p, const char *path,
				     const struct tree_entry *en)
{
	enum restore_there what;
	struct stat st;
	char *at = NULL;

	if (!p->there || asprintf(&at, "%.*s/%s", (int)p->sum.dest.n,
				  (const char *)p->sum.dest.p, path) < 0)
		return RESTORE_FREE;
	what = restore_there(AT_FDCWD, at, en, &st);
	free(at);
	if (what == RESTORE_SAME && en->type != TREE_DIR &&
	    !is_ours(p, en, &st))
		what = RESTORE_TAKEN;
	return what;
}

/* Is a directory the one that was counted last, or above it? */
static bool is_counted(const struct pretence *p, struct bytes dir)
{
	return p->counted != NULL && strlen(p->counted) >= dir.n &&
	       memcmp(p->counted, dir.p, dir.n) == 0 &&
	       (p->counted[dir.n] == '\0' || p->counted[dir.n] == '/');
}

static enum bc_err count_dir(struct pretence *p, struct bytes dir,
			     struct err *e)
{
	static const struct tree_entry any = { .type = TREE_DIR };

	if (is_counted(p, dir))
		return BC_OK;
	free(p->counted);
	p->counted = strndup((const char *)dir.p, dir.n);
	if (p->counted == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	if (what_is_at(p, p->counted, &any) == RESTORE_FREE)
		p->sum.dirs++;
	return BC_OK;
}

/* The directories that are made because of an entry; the walk is depth
 * first. */
static enum bc_err count_above(struct pretence *p, struct bytes path,
			       struct err *e)
{
	enum bc_err rc = BC_OK;

	for (size_t n = 0; n < path.n && rc == BC_OK; n++)
		if (path.p[n] == '/')
			rc = count_dir(p, bytes_of(path.p, n), e);
	return rc;
}

static void count_one(struct pretence *p, const struct tree_entry *en)
{
	if (en->type == TREE_FILE)
		p->sum.files++;
	else
		p->sum.others++;
	if (en->type == TREE_FILE)
		p->sum.bytes += en->content.size;
}

static enum bc_err count_entry(void *ctx, struct bytes path,
			       const struct tree_entry *en, bool *enter,
			       struct err *e)
{
	enum restore_want how = RESTORE_THIS;
	enum restore_there at = RESTORE_FREE;
	struct pretence *p = ctx;
	enum bc_err rc;
	char *text;

	if (p->filtered || p->there || p->run.c->g.verbose > 0) {
		text = strndup((const char *)path.p, path.n);
		if (text == NULL)
			return err_set(e, BC_ENOMEM, "no memory for a path");
		if (p->filtered)
			how = want(&p->run, text, en);
		if (how != RESTORE_NOT)
			at = what_is_at(p, text, en);
		if (at == RESTORE_TAKEN)
			tell_error(&p->run, text, BC_EEXIST, "");
		if (at == RESTORE_SAME && en->type != TREE_DIR)
			p->sum.same++;
		if (at == RESTORE_TAKEN ||
		    (at == RESTORE_SAME && en->type != TREE_DIR))
			how = RESTORE_NOT;
		if (how == RESTORE_THIS && en->type != TREE_DIR)
			tell_item(&p->run, text, en->type, size_of(en));
		free(text);
	}
	*enter = how != RESTORE_NOT;
	if (how != RESTORE_THIS)
		return BC_OK;
	rc = count_above(p, path, e);
	if (rc == BC_OK && en->type == TREE_DIR)
		return count_dir(p, path, e);
	count_one(p, en);
	return rc;
}

/* What is no directory goes into the destination if that is one. */
static enum bc_err count_alone(struct pretence *p, const struct pick *k,
			       bool into, struct err *e)
{
	char *name = default_dest(k);
	enum restore_there at = RESTORE_FREE;
	struct stat st;

	if (name == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a name");
	if (into)
		at = what_is_at(p, name, k->entry);
	else if (p->there)
		at = restore_there(AT_FDCWD, p->dest, k->entry, &st);
	if (at == RESTORE_TAKEN)
		tell_error(&p->run, name, BC_EEXIST, "");
	else if (at == RESTORE_SAME)
		p->sum.same++;
	else
		count_one(p, k->entry);
	free(name);
	return at == RESTORE_TAKEN ? BC_EEXIST : BC_OK;
}

/* Can something be made there? In what is there, or in the nearest folder above
 * that is. */
static enum bc_err may_write(const char *dest, struct err *e)
{
	char *copy = strdup(dest), *at = copy;
	enum bc_err rc = BC_OK;
	struct stat st;

	if (copy == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	while ((stat(at, &st) != 0 || !S_ISDIR(st.st_mode)) &&
	       strcmp(at, ".") != 0 && strcmp(at, "/") != 0)
		at = dirname(at);
	if (faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS) != 0)
		rc = err_sys(e, errno, "cannot restore to %s", at);
	free(copy);
	return rc;
}

/* What there is to restore, as the snapshot has it, but for what is in the
 * way. */
static enum bc_err pretend(struct ctx *c, const struct pick *k,
			   const char *dest, struct err *e)
{
	const struct get_opts *o = c->opts;
	struct pretence p = {
		.run = { .c = c, .one = k->entry->type != TREE_DIR },
		.dest = dest,
		.sum = { .dest = bytes_str(dest),
			 .other_name = other_name(k),
			 .dry_run = true },
		.filtered = o->include.n + o->exclude.n > 0,
	};
	struct entries_walk w = { .source = k->source,
				  .entry = count_entry,
				  .ctx = &p,
				  .stop = c->stop };
	struct stat st;
	enum bc_err rc = BC_OK;
	bool into;

	p.there = stat(dest, &st) == 0;
	into = p.there && S_ISDIR(st.st_mode);
	if (k->entry->type != TREE_DIR && !into)
		p.there = lstat(dest, &st) == 0;
	if (k->entry->type == TREE_DIR)
		rc = entries_walk(&w, &k->entry->dir.id, bytes_of("", 0), e);
	else
		rc = count_alone(&p, k, into, e);
	free(p.counted);
	if (rc == BC_OK && p.sum.files + p.sum.dirs + p.sum.others > 0)
		rc = may_write(dest, e);
	if (rc == BC_OK && o->include.n > 0 && p.run.skipped == 0 &&
	    p.sum.files + p.sum.dirs + p.sum.others + p.sum.same == 0)
		return nothing_fits(c, e);
	p.sum.skipped = p.run.skipped;
	msg_end_groups(&c->msg);
	if (rc == BC_OK)
		show_get(&c->out, &c->msg, &p.sum);
	if (rc == BC_OK && p.run.taken > 0)
		rc = BC_EPARTIAL;
	explain(&p.run, rc, dest, e);
	return rc;
}

/* Elsewhere it is a stream; a file of that name is hardly ever meant. */
static enum bc_err not_a_stream(const struct ctx *c, struct err *e)
{
	char word[CTX_WORD_BYTES];

	(void)err_set(e, BC_EUSAGE, "get: files do not go to a stream");
	err_hint(e, "blobctl cat %s%s   writes one there; ./- is a file's name",
		 ctx_word(c->args[0], "SNAP:PATH", word),
		 strchr(c->args[0], ':') == NULL ? ":FILE" : "");
	return BC_EUSAGE;
}

/* Where the key names no directory, the patterns are for it by its name. */
static enum bc_err check_one(struct ctx *c, const struct pick *k, struct err *e)
{
	struct run run = { .c = c };
	char *name = default_dest(k);
	enum restore_want how;

	if (name == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a name");
	how = want(&run, name, k->entry);
	free(name);
	return how == RESTORE_NOT ? nothing_fits(c, e) : BC_OK;
}

static enum bc_err get_run(struct ctx *c, struct err *e)
{
	struct pick k = PICK_INIT;
	char *dest = NULL;
	enum bc_err rc;

	if (c->n_args == 2 && *c->args[1] == '\0')
		return ctx_usage(c, e, "the destination is empty");
	if (c->n_args == 2 && strcmp(c->args[1], "-") == 0)
		return not_a_stream(c, e);
	rc = pick_open(&k, c->repo, c->args[0], c->out.began_real, e);
	if (rc == BC_OK) {
		dest = c->n_args == 2 ? strdup(c->args[1]) : default_dest(&k);
		if (dest == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory");
	}
	if (rc == BC_OK && k.entry->type != TREE_DIR)
		rc = check_one(c, &k, e);
	if (rc == BC_OK && (k.snapshot->rec.flags & SNAPSHOT_SKIPPED) != 0)
		msg_warn(&c->msg, "partial",
			 "the snapshot is partial: some items could not be "
			 "read when it was made, and are not in it");
	if (rc == BC_OK)
		rc = c->g.dry_run ? pretend(c, &k, dest, e)
				  : restore(c, &k, dest, e);
	free(dest);
	pick_close(&k);
	return rc;
}

static const char *const GET_ALIASES[] = { "restore", NULL };

static const char *const GET_COUNTS[] = {
	"files",	 "dirs",	  "others",
	"logical_bytes", "written_bytes", "same_items",
	"skipped_items", "damaged_items", NULL,
};

const struct cmd cmd_get = {
	.name = "get",
	.aliases = GET_ALIASES,
	.summary = "bring a snapshot or a part of it back",
	.usage = "SNAP[:PATH] [DEST]",
	.group = "Archive",
	.examples = "  blobctl get latest:Pictures/2026 out\n"
		    "  blobctl get 'photos@2026-05-01' /srv/restore\n",
	.counts = GET_COUNTS,
	.needs = CMD_REPO | CMD_STOPS,
	.args_min = 1,
	.args_max = 2,
	.opts = get_opts,
	.opts_bytes = sizeof(struct get_opts),
	.run = get_run,
};
