/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "pack/writer.h"
#include "repo/check_internal.h"
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

/* ---- telling -------------------------------------------------------------- */

void check_tell(struct check *c, enum check_weight w,
		const struct check_at *at, const char *next, const char *fmt,
		...)
{
	char text[TEXT_BYTES];
	struct check_finding f = { .phase = c->phase,
				   .weight = w,
				   .text = text,
				   .next = next };
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

/* ---- phase: the folder ---------------------------------------------------- */

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

	if (l->alive)
		check_tell(c, CHECK_NOTE, NULL, NULL,
			   "a session is at work: %s, process %lld on %s",
			   l->command[0] == '\0' ? "unknown" : l->command,
			   (long long)l->pid,
			   l->host[0] == '\0' ? "this host" : l->host);
	return BC_OK;
}

static enum bc_err tell_rubbish(void *ctx, const char *name,
				enum io_type type)
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

/* ---- phase: the log ------------------------------------------------------- */

/*
 * Opening with views in memory has read the chain from its beginning, every
 * group with all its blocks. What is left to say is where it ends, and why.
 */
static enum bc_err check_end(struct check *c, struct err *e)
{
	char name[LOG_NAME_BYTES], file[CHECK_FILE_BYTES];
	const struct log_pos *head = &c->r->head;
	struct check_at at = { .file = file, .offset = &head->end };
	struct log_file *l = NULL;
	struct group *g = NULL;
	bool later = false;
	enum bc_err rc;

	log_name(head->seq, &head->log, name);
	snprintf(file, sizeof(file), REPO_LOG_DIR "/%s", name);
	rc = log_file_open(c->r->log_dir, name, false, &l, e);
	if (rc == BC_OK)
		rc = log_file_later_group(l, head->end + LOG_ALIGN,
					  head->generation, c->r->dec, &later,
					  e);
	/* Somebody may have committed since it was opened. */
	if (rc == BC_OK) {
		rc = log_file_group(l, head->end, GROUP_WHOLE, c->r->dec, &g, e);
		c->moved_on = rc == BC_OK;
		group_free(g);
		if (rc == BC_ENOTFOUND) {
			err_clear(e);
			rc = BC_OK;
		}
	}
	log_file_close(l);
	if (rc == BC_OK && later && !c->moved_on) {
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT,
			   "the group of generation %llu is damaged, and later "
			   "ones follow",
			   (unsigned long long)head->generation + 1);
	}
	return rc;
}

static bool in_chain(struct check *c, const struct pack_id *id)
{
	struct catalog_pack row;

	return catalog_get_pack_id(c->r->catalog, id->b, &row, NULL) == BC_OK;
}

static void tell_stray_log(struct check *c, const struct log_name *n)
{
	char name[LOG_NAME_BYTES], file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file };
	const struct log_pos *head = &c->r->head;
	struct log_file *l = NULL;
	const struct log_head *h;
	struct err e = ERR_INIT;

	log_name(n->seq, &n->id, name);
	snprintf(file, sizeof(file), REPO_LOG_DIR "/%s", name);
	if (log_file_open(c->r->log_dir, name, false, &l, &e) != BC_OK) {
		/* Half-made logs have no whole header: their maker died. With
		 * a later log beside it, it was one. */
		check_tell(c, n->seq > head->seq ? CHECK_NOTE : CHECK_DAMAGE,
			   &at, NULL, "%s",
			   n->seq > head->seq ?
				   "a log that was begun and not finished, or "
				   "whose header is damaged" :
				   e.text);
		return;
	}
	h = log_file_head(l);
	if (c->moved_on && n->seq > head->seq) {
		log_file_close(l);
		return;
	}
	if (pack_id_eq(&h->prev_id, &head->log) &&
	    h->first_generation > head->generation + 1) {
		char end[CHECK_FILE_BYTES];
		struct check_at gap = { .file = end, .offset = &head->end };

		log_name(head->seq, &head->log, name);
		snprintf(end, sizeof(end), REPO_LOG_DIR "/%s", name);
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &gap, COPY_NEXT,
			   "generations %llu to %llu are damaged",
			   (unsigned long long)head->generation + 1,
			   (unsigned long long)h->first_generation - 1);
	} else if (h->first_generation > head->generation + 1) {
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT,
			   "the log before this one is missing or damaged");
	} else {
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "a log that was begun and given up");
	}
	log_file_close(l);
}

static enum bc_err count_snapshots(struct check *c, struct err *e)
{
	enum bc_err rc = catalog_count(c->r->catalog, &c->res.snapshots, e);

	c->res.generation = c->r->head.generation;
	return rc;
}

/* The catalog on disk may know more than a damaged log does. */
static void take_disk_catalog(struct check *c)
{
	struct catalog_options o = { .busy_ms = CHECK_DISK_WAIT_MS };
	struct catalog *disk = NULL;
	struct catalog_position at;
	char path[4096];

	snprintf(path, sizeof(path), "%s/" REPO_CATALOG_FILE, c->path);
	o.path = path;
	memcpy(o.repository, c->sb.id.b, PACK_ID_BYTES);
	if (catalog_open(&o, &disk, NULL) != BC_OK)
		return;
	if (catalog_verify(disk, NULL) != BC_OK ||
	    catalog_position(disk, &at, NULL) != BC_OK ||
	    at.generation <= c->r->head.generation) {
		catalog_close(disk);
		return;
	}
	check_tell(c, CHECK_NOTE, NULL,
		   "keep a copy of " REPO_CATALOG_FILE ": it is the only "
		   "record of what came after",
		   "the log is whole up to generation %llu, the catalog stands "
		   "at %llu and is used for the rest of this check",
		   (unsigned long long)c->r->head.generation,
		   (unsigned long long)at.generation);
	catalog_close(c->r->catalog);
	repo_close_index(c->r);
	c->r->index_ready = false;
	c->r->catalog = disk;
	c->r->head = (struct log_pos){ .generation = at.generation,
				       .digest = at.digest,
				       .seq = at.log_seq,
				       .end = at.log_end,
				       .next_pack = at.next_pack,
				       .next_slot = at.next_slot };
	memcpy(c->r->head.log.b, at.log_id, PACK_ID_BYTES);
}

static enum bc_err phase_log(struct check *c, const struct repo_options *ro,
			     struct err *e)
{
	struct repo_options o = *ro;
	struct log_list list = { NULL, 0 };
	enum bc_err rc;

	check_begin(c, CHECK_LOG, 0);
	o.write = false;
	o.detached = true;
	o.note = (struct repo_note){ NULL, NULL };
	rc = repo_open(c->path, &o, &c->r, e);
	if (rc == BC_EDAMAGE || rc == BC_EVERSION) {
		check_tell(c, CHECK_DAMAGE, NULL, COPY_NEXT, "%s", e->text);
		c->log_whole = false;
		/* A reader may still go by the catalog. */
		o.detached = false;
		if (rc == BC_EDAMAGE &&
		    repo_open(c->path, &o, &c->r, NULL) == BC_OK)
			rc = count_snapshots(c, e);
		return rc;
	}
	if (rc == BC_OK)
		rc = check_end(c, e);
	if (rc == BC_OK)
		rc = log_list_read(c->r->log_dir, &list, e);
	for (size_t i = 0; i < list.n && rc == BC_OK; i++) {
		if (in_chain(c, &list.at[i].id))
			c->res.logs++;
		else
			tell_stray_log(c, &list.at[i]);
	}
	log_list_free(&list);
	if (rc == BC_OK && !c->log_whole)
		take_disk_catalog(c);
	return rc == BC_OK ? count_snapshots(c, e) : rc;
}

/* ---- phase: trees --------------------------------------------------------- */

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

enum bc_err check_trees(struct check *c, struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	struct buf ids = BUF_INIT(1 << 30);
	struct chunk_reader *reader = NULL;
	struct marks seen;
	struct reach w;
	struct tree_check t = { .c = c };
	enum bc_err rc = chunk_reader_new(c->r, &reader, e);

	marks_init(&seen);
	reach_init(&w, c->r, reader, &seen);
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
			   "the rest can be restored; put what is lost again "
			   "from its source, if it is still there",
			   "%llu path%s of %llu snapshot%s cannot be restored "
			   "whole",
			   (unsigned long long)c->res.affected_paths,
			   c->res.affected_paths == 1 ? "" : "s",
			   (unsigned long long)c->res.affected_snapshots,
			   c->res.affected_snapshots == 1 ? "" : "s");
	reach_fini(&w);
	marks_fini(&seen);
	chunk_reader_free(reader);
	buf_fini(&ids);
	return rc;
}

/* ---- all of it ------------------------------------------------------------ */

static enum bc_err run_phases(struct check *c, const struct repo_options *ro,
			      struct err *e)
{
	enum bc_err rc = phase_folder(c, e);

	if (rc == BC_OK)
		rc = phase_log(c, ro, e);
	if (rc != BC_OK || c->r == NULL) {
		c->res.skipped = 1U << CHECK_PACKS | 1U << CHECK_VIEWS |
				 1U << CHECK_DATA | 1U << CHECK_TREES;
		return rc;
	}
	tell_sessions(c);
	rc = check_packs(c, e);
	if (rc == BC_OK)
		rc = check_views(c, e);
	if (c->o->read_data == 0)
		c->res.skipped |= 1U << CHECK_DATA;
	else if (rc == BC_OK)
		rc = check_data(c, ro->rng, e);
	if (rc == BC_OK)
		rc = check_trees(c, e);
	return rc;
}

enum bc_err repo_check(const char *path, const struct repo_options *ro,
		       const struct check_options *o,
		       struct check_result *out, struct err *e)
{
	struct check c = { .path = path, .o = o, .log_whole = true };
	struct err own = ERR_INIT;
	enum bc_err rc = io_dir_open(ro->io, path, &c.dir, &own);

	pthread_mutex_init(&c.lock, NULL);
	marks_init(&c.bad);
	if (rc == BC_ENOTFOUND)
		rc = err_set(&own, BC_ENOREPO,
			     "there is no repository at %s", path);
	if (rc == BC_OK)
		rc = run_phases(&c, ro, &own);
	repo_close(c.r);
	io_dir_close(c.dir);
	marks_fini(&c.bad);
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
