/* SPDX-License-Identifier: Apache-2.0 */
#include "check/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/internal.h"
#include "pack/writer.h"
#include "repo/packs.h"
#include "repo/layout.h"
#include "repo/lease.h"
#include "repo/snapshots.h"

enum { TEXT_BYTES = 1024 };

static const char COPY_NEXT[] =
	"put it back from a copy of the repository if you have one; what "
	"still reads can be saved with `blobctl get`";

const char *check_phase_name(enum check_phase p)
{
	static const char *const name[] = {
		[CHECK_FOLDER] = "superblocks and folders",
		[CHECK_LOG] = "the log",
		[CHECK_PACKS] = "packs and their directories",
		[CHECK_VIEWS] = "catalog and index",
		[CHECK_DATA] = "every byte stored",
		[CHECK_TREES] = "the snapshots' trees",
	};

	return p < CHECK_PHASES ? name[p] : "";
}

/* ---- telling --------------------------------------------------------------
 */

void check_tell(struct check *c, enum check_weight w, const struct check_at *at,
		const char *next, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	struct check_finding f = {
		.phase = c->phase, .weight = w, .text = text, .next = next
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (at != NULL) {
		f.file = at->file;
		f.has_offset = at->offset != NULL;
		f.offset = at->offset != NULL ? *at->offset : 0;
	}
	pthread_mutex_lock(&c->lock);
	if (w == CHECK_DAMAGE)
		c->res.damages++;
	else
		c->res.notes++;
	if (c->o->finding != NULL)
		c->o->finding(c->o->ctx, &f);
	pthread_mutex_unlock(&c->lock);
}

void check_begin(struct check *c, enum check_phase p, uint64_t all)
{
	c->phase = p;
	if (c->o->progress != NULL) {
		atomic_store(&c->o->progress->done, 0);
		atomic_store(&c->o->progress->all, all);
		atomic_store(&c->o->progress->phase, (int)p);
	}
	if (c->o->phase != NULL)
		c->o->phase(c->o->ctx, p);
}

void check_step(struct check *c, uint64_t n)
{
	if (c->o->progress != NULL)
		atomic_fetch_add_explicit(&c->o->progress->done, n,
					  memory_order_relaxed);
}

bool check_stopped(const struct check *c, enum bc_err *rc, struct err *e)
{
	if (c->o->stop == NULL || atomic_load(c->o->stop) == 0)
		return false;
	*rc = err_set(e, BC_ECANCEL, "stopped");
	return true;
}

void check_file(const struct pack_ref *p, char out[CHECK_FILE_BYTES])
{
	char name[LOG_NAME_BYTES];

	if (p->log)
		log_name(p->seq, &p->id, name);
	else
		pack_name(&p->id, name);
	snprintf(out, CHECK_FILE_BYTES, "%s/%s",
		 p->log ? REPO_LOG_DIR : REPO_PACKS_DIR, name);
}

/* ---- phase: the folder ----------------------------------------------------
 */

static void check_superblock(struct check *c, const char *name,
			     const char *other)
{
	struct buf raw = BUF_INIT(SUPERBLOCK_BYTES + 1);
	struct check_at at = { .file = name };
	struct err e = ERR_INIT;
	struct superblock sb;
	char next[TEXT_BYTES];
	enum bc_err rc = io_read_small(c->dir, name, &raw, &e);

	if (rc == BC_OK)
		rc = superblock_decode(buf_bytes(&raw), &sb, &e);
	if (rc == BC_ELIMIT)
		rc = err_set(&e, BC_EDAMAGE, "the superblock is too long");
	buf_fini(&raw);
	snprintf(next, sizeof(next), "cp %s/%s %s/%s", c->path, other, c->path,
		 name);
	if (rc == BC_ENOTFOUND)
		check_tell(c, CHECK_DAMAGE, &at, next,
			   "one of the two superblocks is missing");
	else if (rc != BC_OK)
		check_tell(c, CHECK_DAMAGE, &at, next, "%s", e.text);
	else if (sb.sequence != c->sb.sequence)
		check_tell(c, CHECK_NOTE, &at, next,
			   "this superblock is older than the other");
}

static void check_folder(struct check *c, const char *name, bool truth)
{
	struct check_at at = { .file = name };
	struct io_stat st;
	enum bc_err rc = io_stat_at(c->dir, name, &st, NULL);

	if (rc == BC_OK && st.type == IO_TYPE_DIR)
		return;
	if (truth)
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT,
			   "the folder is missing");
	else
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "the folder is missing; the next command makes it");
}

static enum bc_err tell_lease(void *ctx, const struct lease_info *l)
{
	struct check *c = ctx;

	if (l->alive && l->pid == 0)
		check_tell(
			c, CHECK_NOTE, NULL, NULL,
			"a session may be at work; its lease cannot be read");
	else if (l->alive)
		check_tell(c, CHECK_NOTE, NULL, NULL,
			   "a session is at work: %s, process %lld on %s",
			   l->command[0] == '\0' ? "unknown" : l->command,
			   (long long)l->pid,
			   l->host[0] == '\0' ? "this host" : l->host);
	return BC_OK;
}

static enum bc_err tell_rubbish(void *ctx, const char *name, enum io_type type)
{
	struct check *c = ctx;
	struct check_at at = { .file = name };
	size_t n = strlen(name);

	(void)type;
	if (strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)) == 0 ||
	    (n > 4 && strcmp(name + n - 4, ".tmp") == 0))
		check_tell(c, CHECK_NOTE, &at, "it may be removed",
			   "an unfinished file that means nothing");
	return BC_OK;
}

static enum bc_err phase_folder(struct check *c, struct err *e)
{
	int copies = 0;
	enum bc_err rc;

	check_begin(c, CHECK_FOLDER, 0);
	rc = superblock_load(c->dir, &c->sb, &copies, e);
	if (rc == BC_EDAMAGE) {
		struct check_at at = { .file = SUPERBLOCK_NAME };

		check_tell(c, CHECK_DAMAGE, &at,
			   "put a copy of it back; without it nothing says "
			   "which format this is",
			   "%s", e->text);
		return rc;
	}
	if (rc == BC_OK)
		rc = superblock_allows(&c->sb, REPO_READ, e);
	if (rc == BC_OK)
		rc = superblock_allows(&c->sb, REPO_CHECK, e);
	if (rc != BC_OK)
		return rc;
	if (copies == 2) {
		check_superblock(c, SUPERBLOCK_NAME, SUPERBLOCK_COPY_NAME);
		check_superblock(c, SUPERBLOCK_COPY_NAME, SUPERBLOCK_NAME);
	} else {
		/* The good one says nothing; the other is told. */
		check_superblock(c, SUPERBLOCK_NAME, SUPERBLOCK_COPY_NAME);
		check_superblock(c, SUPERBLOCK_COPY_NAME, SUPERBLOCK_NAME);
	}
	check_folder(c, REPO_LOG_DIR, true);
	check_folder(c, REPO_PACKS_DIR, true);
	check_folder(c, REPO_LEASES_DIR, false);
	check_folder(c, REPO_INDEX_DIR, false);
	check_folder(c, REPO_CACHE_DIR, false);
	return io_list(c->dir, ".", e, tell_rubbish, c);
}

static void tell_sessions(struct check *c)
{
	if (c->r->leases_dir != NULL &&
	    lease_list(c->r->leases_dir, NULL, tell_lease, c, NULL) != BC_OK)
		check_tell(c, CHECK_NOTE, NULL, NULL,
			   "the sessions at work cannot be listed");
}

/* ---- phase: trees ---------------------------------------------------------
 */

struct tree_check {
	struct check *c;
	const struct snapshot *now;
	bool counted;
};

static void tell_loss(void *ctx, const struct reach_loss *l)
{
	struct tree_check *t = ctx;
	struct check *c = t->c;
	struct check_affected a = { .snapshot = &t->now->id,
				    .name = t->now->rec.name,
				    .time = t->now->rec.time,
				    .path = l->path,
				    .type = l->type,
				    .size = l->lost,
				    .text = l->why->text };

	c->res.affected_paths++;
	if (!t->counted)
		c->res.affected_snapshots++;
	t->counted = true;
	if (c->o->affected != NULL)
		c->o->affected(c->o->ctx, &a);
}

static enum bc_err add_id(void *ctx, const struct catalog_snapshot *s,
			  struct err *e)
{
	enum bc_err rc = buf_add(ctx, s->id.b, DIGEST_BYTES);

	return rc == BC_OK ? rc : err_set(e, rc, "too many snapshots");
}

static enum bc_err check_tree(struct check *c, struct tree_check *t,
			      struct reach *w, const struct digest *id,
			      struct err *e)
{
	struct snapshot *s = NULL;
	enum bc_err rc = snapshots_get(c->r, id, &s, e);

	if (rc == BC_EDAMAGE || rc == BC_EVERSION) {
		check_tell(c, CHECK_DAMAGE, NULL, NULL,
			   "a snapshot's record cannot be read: %s", e->text);
		err_clear(e);
		return BC_OK;
	}
	if (rc != BC_OK)
		return rc;
	t->now = s;
	t->counted = false;
	rc = reach_snapshot(w, &s->rec.root, e);
	snapshot_free(s);
	return rc;
}

static enum bc_err check_trees(struct check *c, struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	struct buf ids = BUF_INIT(1 << 30);
	struct chunk_reader *reader = NULL;
	struct reach w;
	struct tree_check t = { .c = c };
	enum bc_err rc = chunk_reader_new(c->r, &reader, e);

	reach_init(&w, c->r, reader, &c->seen);
	w.bad = &c->bad;
	w.loss = tell_loss;
	w.ctx = &t;
	w.stop = c->o->stop;
	check_begin(c, CHECK_TREES, c->res.snapshots);
	if (rc == BC_OK)
		rc = catalog_walk(c->r->catalog, &q, add_id, &ids, e);
	for (size_t i = 0; rc == BC_OK && i + DIGEST_BYTES <= ids.n;
	     i += DIGEST_BYTES) {
		struct digest id;

		memcpy(id.b, ids.p + i, DIGEST_BYTES);
		rc = check_tree(c, &t, &w, &id, e);
		check_step(c, 1);
	}
	c->res.nodes = atomic_load(&w.nodes);
	if (rc == BC_OK && c->res.affected_paths > 0)
		check_tell(c, CHECK_DAMAGE, NULL,
			   "the rest can be restored; `blobctl put` their "
			   "source again, if it is still there: that makes "
			   "them whole in these snapshots too",
			   "%llu path%s of %llu snapshot%s cannot be restored "
			   "whole",
			   (unsigned long long)c->res.affected_paths,
			   c->res.affected_paths == 1 ? "" : "s",
			   (unsigned long long)c->res.affected_snapshots,
			   c->res.affected_snapshots == 1 ? "" : "s");
	reach_fini(&w);
	chunk_reader_free(reader);
	buf_fini(&ids);
	return rc;
}

/* ---- all of it ------------------------------------------------------------
 */

static enum bc_err run_phases(struct check *c, const struct repo_options *ro,
			      struct err *e)
{
	bool sound = false;
	uint64_t before;
	enum bc_err rc = phase_folder(c, e);

	if (rc == BC_OK)
		rc = check_log(c, ro, e);
	if (rc != BC_OK || c->r == NULL) {
		check_release(c, true, false);
		c->res.skipped = 1U << CHECK_PACKS | 1U << CHECK_VIEWS |
				 1U << CHECK_DATA | 1U << CHECK_TREES;
		return rc;
	}
	tell_sessions(c);
	repo_hurt_load(c->r);
	rc = check_packs(c, e);
	if (rc == BC_OK)
		rc = check_views(c, e);
	if (c->o->read_data == 0)
		c->res.skipped |= 1U << CHECK_DATA;
	/* What is known to be hurt is looked at each time. */
	if (rc == BC_OK && (c->o->read_data > 0 || c->r->hurt.n > 0))
		rc = check_data(c, ro->rng, e);
	check_release(c, false, false);
	before = c->res.damages;
	if (rc == BC_OK) {
		rc = check_trees(c, e);
		sound = rc == BC_OK && c->log_whole && c->res.damages == before;
	}
	check_release(c, true, sound);
	check_hurt_save(c);
	return rc;
}

enum bc_err repo_check(const char *path, const struct repo_options *ro,
		       const struct check_options *o, struct check_result *out,
		       struct err *e)
{
	struct check c = { .path = path, .o = o, .log_whole = true };
	struct err own = ERR_INIT;
	enum bc_err rc = io_dir_open(ro->io, path, &c.dir, &own);

	pthread_mutex_init(&c.lock, NULL);
	marks_init(&c.bad);
	marks_init(&c.seen);
	check_hurt_init(&c);
	if (rc == BC_ENOTFOUND)
		rc = err_set(&own, BC_ENOREPO, "there is no repository at %s",
			     path);
	if (rc == BC_OK)
		rc = run_phases(&c, ro, &own);
	repo_close(c.r);
	io_dir_close(c.dir);
	marks_fini(&c.bad);
	marks_fini(&c.seen);
	check_hurt_fini(&c);
	pthread_mutex_destroy(&c.lock);
	*out = c.res;
	if (rc == BC_OK && c.res.damages > 0)
		rc = err_set(&own, BC_EDAMAGE, "%s is damaged: %llu finding%s",
			     path, (unsigned long long)c.res.damages,
			     c.res.damages == 1 ? "" : "s");
	if (rc != BC_OK && e != NULL)
		*e = own;
	return rc;
}
