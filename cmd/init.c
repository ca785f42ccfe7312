/* SPDX-License-Identifier: Apache-2.0 */
/* init - make a repository, and remember it as the user's own. */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chunk/params.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "io/io.h"
#include "repo/create.h"
#include "repo/repo.h"
#include "util/fmt_text.h"
#include "util/hex.h"
#include "util/rng.h"

enum {
	ZSTD_LEVEL_MAX = 19,
	/* Who asks for small chunks wants few bytes, at the price of time: for
	 * chunks up to DENSE_MAX_BYTES the level is the first that saves a
	 * tenth (sources: 0.82 of restic's bytes at 1, 0.79 at 3, 0.72 at 5,
	 * with 1, 1.2 and 2.4 times the processor time of a first put). */
	LEVEL = 1,
	LEVEL_DENSE = 5,
	LEVEL_BY_CHUNKS = -1,
	DENSE_MAX_BYTES = 32 << 10,
	QUOTED_MAX_BYTES = 16 << 10,
};

struct chunker_opt {
	struct chunk_params p;
	bool asked; /* for these */
};

struct init_opts {
	bool if_missing;
	bool no_remember;
	struct chunker_opt chunker;
	uint64_t pack_bytes;
	int level; /* of zstd; 0: stored as it is; or LEVEL_BY_CHUNKS */
	uint64_t reserve_bytes; /* UINT64_MAX: the library's choice */
};

static const struct init_opts INIT_DEFAULT = {
	.chunker.p = { CHUNK_CDC, 16 << 10, 64 << 10, 256 << 10 },
	.pack_bytes = 64 << 20,
	.level = LEVEL_BY_CHUNKS,
	.reserve_bytes = UINT64_MAX,
};

static enum bc_err read_chunker(const char *text, void *at, struct err *e)
{
	struct chunker_opt *c = at;

	c->asked = true;
	return chunk_params_parse(text, &c->p, e);
}

/* zstd:LEVEL, zstd or none. */
static enum bc_err read_compression(const char *text, void *at, struct err *e)
{
	uint64_t level = LEVEL;

	if (strcmp(text, "none") == 0)
		level = 0;
	else if (strcmp(text, "zstd") != 0 &&
		 (strncmp(text, "zstd:", 5) != 0 ||
		  parse_u64(text + 5, &level, NULL) != BC_OK || level < 1 ||
		  level > ZSTD_LEVEL_MAX)) {
		(void)err_set(e, BC_EINVAL, "'%.64s' is no compression", text);
		err_hint(e, "write zstd:1 to zstd:%d, or none", ZSTD_LEVEL_MAX);
		return BC_EINVAL;
	}
	*(int *)at = (int)level;
	return BC_OK;
}

#define AT(member) offsetof(struct init_opts, member)

static const struct opt init_opts[] = {
	{ .name = "if-missing",
	  .type = OPT_BOOL,
	  .at = AT(if_missing),
	  .help = "succeed if there is a repository already" },
	{ .name = "chunker",
	  .type = OPT_CUSTOM,
	  .at = AT(chunker),
	  .arg = "SPEC",
	  .read = read_chunker,
	  .help = "cdc:4KiB to cdc:4MiB, or fixed:SIZE (cdc:64KiB)" },
	{ .name = "pack-size",
	  .type = OPT_SIZE,
	  .at = AT(pack_bytes),
	  .arg = "SIZE",
	  .min = REPO_PACK_MIN_BYTES,
	  .max = REPO_PACK_MAX_BYTES,
	  .help = "target size of a pack (64MiB)" },
	{ .name = "compression",
	  .type = OPT_CUSTOM,
	  .at = AT(level),
	  .arg = "SPEC",
	  .read = read_compression,
	  .help = "zstd:1 to zstd:19, none (zstd:1, small chunks 5)" },
	{ .name = "reserve",
	  .type = OPT_SIZE,
	  .at = AT(reserve_bytes),
	  .arg = "SIZE",
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "kept free for a full disk (16MiB, at most 1 %)" },
	{ .name = "no-remember",
	  .type = OPT_BOOL,
	  .at = AT(no_remember),
	  .help = "do not write core.repo to the configuration" },
	{ .type = OPT_END },
};

/* There is a default already. It stays. */
static void tell_default(struct ctx *c, const char *path, const char *real)
{
	char word[CTX_WORD_BYTES];
	struct config now;

	if (config_load(path, &now, NULL) != BC_OK)
		return;
	if (now.repo != NULL && strcmp(now.repo, real) != 0)
		msg_note(&c->msg,
			 "the default repository stays %s (core.repo in %s); "
			 "for this one: -R %s",
			 now.repo, path, ctx_word(real, "DIR", word));
	config_free(&now);
}

/* Make it the default of later commands, unless there is one. A failure here
 * does not undo the repository: it is a warning. */
static void remember(struct ctx *c, const char *dir)
{
	struct err e = ERR_INIT;
	char word[CTX_WORD_BYTES];
	char *path = NULL, *real = realpath(dir, NULL);
	bool changed = false;
	enum bc_err rc = real == NULL ? err_set(&e, BC_ENOMEM, "no memory")
				      : config_path(&path, &e);

	if (rc == BC_OK)
		rc = config_remember(path, real, &changed, &e);
	if (rc != BC_OK)
		msg_warn(&c->msg, "not_remembered",
			 "not set as the default repository: %s; for this "
			 "one: -R %s",
			 e.text,
			 ctx_word(real != NULL ? real : dir, "DIR", word));
	else if (changed)
		msg_note(&c->msg,
			 "set as the default repository (core.repo in %s)",
			 path);
	else
		tell_default(c, path, real);
	free(path);
	free(real);
}

static void compare_chunkers(struct ctx *c, const struct superblock *s)
{
	const struct chunker_opt *want =
		&((const struct init_opts *)c->opts)->chunker;
	const struct chunk_params *is = &s->chunker;
	char words[CHUNK_PARAMS_TEXT_BYTES];

	if (!want->asked ||
	    (want->p.kind == is->kind && want->p.min == is->min &&
	     want->p.avg == is->avg && want->p.max == is->max))
		return;
	chunk_params_format(is, words);
	msg_warn(&c->msg, "chunker_differs",
		 "the repository is there already, with --chunker=%s; that "
		 "holds for its life",
		 words);
}

/* There is one already: fine if that was asked for, and if it is one that the
 * next command can open. */
static enum bc_err show_present(struct ctx *c, const char *dir, struct err *e)
{
	const struct superblock *s;
	char id[PACK_ID_HEX_BYTES];
	enum bc_err rc;

	free(c->repo_path);
	c->repo_path = strdup(dir);
	if (c->repo_path == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	if (c->n_args > 0)
		c->msg.repo = c->args[0]; /* if something is to be said of it */
	rc = ctx_open_repo(c, false, e);
	if (rc != BC_OK)
		return rc;
	s = repo_superblock(c->repo);
	hex_encode(s->id.b, PACK_ID_BYTES, id);
	compare_chunkers(c, s);
	show_repo(&c->out, dir, id, false);
	return BC_OK;
}

/* Is the folder missing that it was to be made in, or something else? Then
 * that is what is wrong. */
static bool explain_parent(const char *dir, struct err *e)
{
	struct buf quoted = BUF_INIT(QUOTED_MAX_BYTES);
	char *copy = strdup(dir), *parent = NULL;
	struct stat st;
	bool said = false;

	if (copy != NULL)
		parent = dirname(copy);
	if (parent != NULL && stat(parent, &st) == 0) {
		said = !S_ISDIR(st.st_mode);
		if (said)
			(void)err_set(e, BC_ENOTFOUND, "%s is no folder",
				      parent);
	} else if (parent != NULL && (errno == ENOENT || errno == ENOTDIR)) {
		bool missing = errno == ENOENT;

		said = true;
		(void)err_set(e, BC_ENOTFOUND,
			      "there is no folder %s to make it in", parent);
		if (missing && fmt_shell(&quoted, bytes_str(parent)) == BC_OK)
			err_hint(e, "mkdir -p %s%.*s   makes it",
				 *parent == '-' ? "-- " : "", (int)quoted.n,
				 (const char *)quoted.p);
	}
	buf_fini(&quoted);
	free(copy);
	return said;
}

/* A way out for what has none yet. */
static enum bc_err advise(const char *dir, enum bc_err rc, struct err *e)
{
	if ((rc == BC_ENOTFOUND || rc == BC_EEXIST) && explain_parent(dir, e))
		rc = BC_ENOTFOUND;
	if (e->hint[0] != '\0')
		return rc;
	if (rc == BC_ENOTFOUND)
		err_hint(e, "choose an empty or a new folder");
	else if (rc == BC_EACCES)
		err_hint(e, "choose a folder that you may write to");
	return rc;
}

static int level_of(const struct init_opts *o)
{
	const struct chunk_params *p = &o->chunker.p;

	if (o->level != LEVEL_BY_CHUNKS)
		return o->level;
	return p->kind == CHUNK_CDC && p->avg <= DENSE_MAX_BYTES ? LEVEL_DENSE
								 : LEVEL;
}

static enum bc_err make_repo(struct ctx *c, const struct init_opts *o,
			     const char *dir, struct err *e)
{
	struct repo_create_options r = { .io = c->io,
					 .rng = rng_system(),
					 .clock = c->clk,
					 .chunker = o->chunker.p,
					 .level = level_of(o),
					 .pack_bytes = o->pack_bytes,
					 .reserve_bytes = o->reserve_bytes,
					 .lock_wait_ms =
						 c->g.lock_wait * 1000 };
	struct pack_id id;
	char hex[PACK_ID_HEX_BYTES];
	enum bc_err rc;

	rc = c->g.dry_run ? repo_create_check(c->io, dir, e)
			  : repo_create(dir, &r, &id, e);
	if (rc == BC_EEXIST && o->if_missing) {
		struct err there = ERR_INIT;
		enum bc_err was = show_present(c, dir, &there);

		/* What is no repository has been explained better. */
		if (was == BC_OK || was == BC_EDAMAGE || was == BC_EVERSION) {
			*e = there;
			return was;
		}
	}
	if (rc != BC_OK)
		return advise(dir, rc, e);
	if (c->g.dry_run) {
		msg_note(&c->msg, "would make a repository in %s", dir);
		return BC_OK;
	}
	hex_encode(id.b, PACK_ID_BYTES, hex);
	show_repo(&c->out, dir, hex, true);
	return BC_OK;
}

static enum bc_err init_run(struct ctx *c, struct err *e)
{
	const struct init_opts *o = c->opts;
	const char *dir = c->n_args == 1 ? c->args[0] : c->g.repo;
	enum bc_err rc;

	if (dir == NULL || *dir == '\0')
		return ctx_usage(c, e, "where? name a folder");
	rc = make_repo(c, o, dir, e);
	if (rc != BC_OK)
		return rc;
	if (!o->no_remember && !c->g.dry_run)
		remember(c, dir);
	return BC_OK;
}

const struct cmd cmd_init = {
	.name = "init",
	.summary = "make a repository",
	.usage = "[DIR]",
	.group = "Archive",
	.examples = "  blobctl init ~/blobs\n"
		    "  blobctl init /srv/images --chunker=fixed:1MiB\n",
	.needs = CMD_WRITES,
	.args_max = 1,
	.opts = init_opts,
	.opts_bytes = sizeof(struct init_opts),
	.opts_default = &INIT_DEFAULT,
	.run = init_run,
};
