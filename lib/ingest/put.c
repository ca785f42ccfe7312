/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/put.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/entry.h"
#include "ingest/owners.h"
#include "ingest/root.h"
#include "ingest/run.h"
#include "ingest/sched.h"
#include "repo/session.h"
#include "repo/snapshots_live.h"
#include "util/arith.h"
#include "util/clock.h"

enum {
	/* Windows in memory: two for each worker, and bounded. */
	WINDOWS_BYTES_MAX = 20 << 20,
	WINDOW_MIN_BYTES = 1 << 20,
	WINDOW_MAX_BYTES = 2 << 20,
	/* Lists of a hundred chunks keep all lanes of the hash busy. With many
	 * workers each has less: BATCHES_BYTES between them. */
	BATCH_MIN_BYTES = 256 << 10,
	BATCH_MAX_BYTES = 2 << 20,
	BATCHES_BYTES = 16 << 20,
};

static struct clock clock_of(const struct put_options *o)
{
	return o->clock != NULL ? *o->clock : clock_system();
}

/* ---- the snapshot ---------------------------------------------------------
 */

/* The root's own metadata: the directory's, or made up for several roots. */
static void root_entry(struct put *p, struct tree_entry *en)
{
	const struct put_options *o = p->o;
	struct item it;

	*en = (struct tree_entry){ .name = bytes_str("."),
				   .type = TREE_DIR,
				   .mode = 0755,
				   .uid = geteuid(),
				   .gid = getegid() };
	if (o->n_roots == 1 && o->roots[0].how == PUT_CONTENTS &&
	    source_fstat(p->roots[0].fd, &it) == 0) {
		entry_metadata(p, &it, en);
	} else {
		en->user = owners_user(p->owners, en->uid);
		en->group = owners_group(p->owners, en->gid);
	}
	en->dir = p->root.dir;
}

static enum bc_err commit(struct put *p, int64_t begun, struct put_result *out,
			  struct err *e)
{
	const struct put_options *o = p->o;
	struct session_counts n = session_counts(p->session);
	struct snapshot_root *roots = calloc(o->n_roots + 1, sizeof(*roots));
	struct clock clk = clock_of(o);
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	bool made_up = o->n_roots != 1 || o->roots[0].how != PUT_CONTENTS;
	struct snapshot_record s = {
		.name = o->name,
		.host = o->host,
		.user = o->user,
		.program = o->program,
		.time = o->time == INT64_MIN ? begun : o->time,
		.end_time = clk.real(clk.ctx),
		.tags = NULL,
		.roots = roots,
		.root_count = o->n_roots,
		.flags = (made_up ? SNAPSHOT_MADE_UP : 0) |
			 (p->unreadable > 0 ? SNAPSHOT_SKIPPED : 0),
		.files = p->root.files,
		.dirs = p->root.dirs,
		.others = p->root.others,
		.bytes = p->root.dir.bytes,
		.new_chunks = n.chunks,
		.new_bytes = n.bytes,
		.new_stored = n.stored,
	};
	struct tag *tags = calloc(o->n_tags + 1, sizeof(*tags));
	enum bc_err rc = BC_OK;

	if (roots == NULL || tags == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for the snapshot");
		goto out;
	}
	for (size_t i = 0; i < o->n_roots; i++) {
		const struct put_root *r = &o->roots[i];

		roots[i] = (struct snapshot_root){
			.how = r->how == PUT_NAMED	? SNAPSHOT_NAMED
			       : r->how == PUT_CONTENTS ? SNAPSHOT_CONTENTS
							: SNAPSHOT_STDIN,
			.name = bytes_str(r->name == NULL ? "" : r->name),
			.path = bytes_str(r->source == NULL ? "" : r->source)
		};
	}
	if (o->n_tags > 0)
		memcpy(tags, o->tags, o->n_tags * sizeof(*tags));
	snapshot_tags_sort(tags, o->n_tags);
	s.tags = tags;
	s.tag_count = o->n_tags;
	root_entry(p, &s.root);
	rc = snapshot_record_encode(&s, &raw, e);
	if (rc == BC_OK)
		rc = session_commit_snapshot(p->session, buf_bytes(&raw),
					     &out->id, e);
	if (rc == BC_OK) {
		n = session_counts(p->session);
		out->new_chunks = n.chunks;
		out->new_bytes = n.bytes;
		out->new_stored = n.stored;
	}
out:
	buf_fini(&raw);
	free(roots);
	free(tags);
	return rc;
}

/* ---- all of it ------------------------------------------------------------
 */

static enum bc_err store(struct put *p, struct err *e)
{
	struct dir_job *top;
	enum bc_err rc;

	top = dir_new(p, NULL, "", 0);
	if (top == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	rc = roots_open(p, top, e);
	if (rc != BC_OK)
		return rc;
	rc = known_open(p, e);
	if (rc != BC_OK)
		return rc;
	sched_push(p, top);
	return sched_run(p, e);
}

/* Buffers do not grow with the number of workers, but become smaller. */
static void share_memory(struct put *p)
{
	size_t workers = p->o->threads;
	size_t window = WINDOWS_BYTES_MAX / (2 * workers + 1);
	size_t batch = BATCHES_BYTES / workers;

	window = max_size(WINDOW_MIN_BYTES, min_size(window, WINDOW_MAX_BYTES));
	p->window_bytes = window + chunker_need(&p->chunker);
	p->max_windows = (unsigned)max_size(
		2,
		min_size(2 * workers + 1, WINDOWS_BYTES_MAX / p->window_bytes));
	p->batch_bytes =
		max_size(BATCH_MIN_BYTES, min_size(batch, BATCH_MAX_BYTES));
}

static enum bc_err begin(struct put *p, struct err *e)
{
	const struct superblock *sb = repo_superblock(p->repo);
	struct clock clk = clock_of(p->o);

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_mutex_init(&p->event_lock, NULL);
	racy_init(&p->racy, &clk);
	p->progress =
		p->o->progress == NULL ? &p->own_progress : p->o->progress;
	chunker_init(&p->chunker, &sb->chunker, CHUNK_KERNEL_AUTO);
	share_memory(p);
	if (owners_new(&p->owners) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory");
	if (p->o->dry_run)
		return BC_OK;
	return session_begin(p->repo, "put", &p->session, e);
}

static void end(struct put *p)
{
	while (p->all != NULL)
		dir_free(p, p->all);
	session_end(p->session);
	known_close(p);
	owners_free(p->owners);
	racy_fini(&p->racy);
	roots_close(p);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->event_lock);
	pthread_cond_destroy(&p->wake);
	free(p);
}

/*
 * What was found damaged while the cache was trusted may be in what it stood
 * for, in a part of the tree that was done before.
 */
static enum bc_err still_sound(struct put *p, bool *sound, struct err *e)
{
	struct digest now;
	bool lost;
	enum bc_err rc;

	*sound = true;
	if (p->known.before == NULL)
		return BC_OK;
	rc = session_hurt(p->session, false, &lost, &now, e);
	*sound = rc != BC_OK || digest_eq(&now, &p->hurt);
	return rc;
}

/* Of all that was named nothing could be had: that is no snapshot. */
static enum bc_err anything(const struct put *p, struct err *e)
{
	const struct put_options *o = p->o;
	bool some = p->root.files + p->root.dirs + p->root.others > 0;

	for (size_t i = 0; i < o->n_roots; i++)
		some = some || o->roots[i].how == PUT_CONTENTS;
	if (some || o->n_roots == 0)
		return BC_OK;
	if (o->n_roots > 1)
		err_set(e, BC_ESYS,
			"none of %zu paths could be read (%s and others: %s); "
			"no snapshot is made",
			o->n_roots, o->roots[0].path, strerror(p->sys));
	else
		err_set(e, BC_ESYS,
			"%s could not be read (%s); no snapshot is made",
			o->roots[0].path, strerror(p->sys));
	if (e != NULL)
		err_hint(e, "look who may read it: ls -ld %s",
			 o->roots[0].path);
	return BC_ESYS;
}

/* A snapshot that is there already may need what this run has stored again. */
static enum bc_err commit_chunks(struct put *p, struct err *e)
{
	static const struct digest none;

	if (digest_eq(&p->hurt, &none) ||
	    session_counts(p->session).chunks == 0)
		return BC_OK;
	return session_checkpoint(p->session, e);
}

/*
 * Stopped: what is stored is committed, so that the next run finds it. All
 * workers are done, and each claimed chunk is in a pack. Returns BC_ECANCEL,
 * or why it cannot be kept.
 */
static enum bc_err keep_stored(struct put *p, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (p->session == NULL || session_counts(p->session).chunks == 0)
		return BC_ECANCEL;
	rc = session_checkpoint(p->session, e);
	if (rc != BC_OK && e != NULL)
		err_wrap(e, "stopped, and what was stored is not kept");
	if (rc != BC_OK)
		return rc;
	return err_set(e, BC_ECANCEL, "stopped; what is stored so far is kept");
}

static void reset_progress(struct put_progress *g)
{
	atomic_store(&g->files, 0);
	atomic_store(&g->dirs, 0);
	atomic_store(&g->others, 0);
	atomic_store(&g->bytes, 0);
	atomic_store(&g->bytes_known, 0);
	atomic_store(&g->bytes_new, 0);
	atomic_store(&g->errors, 0);
}

/* *sound false: nothing was committed, to be done again without a cache. */
static enum bc_err put_once(struct repo *r, const struct put_options *o,
			    bool *sound, struct put_result *out, struct err *e)
{
	static const struct digest none;
	struct put *p = calloc(1, sizeof(*p));
	struct clock clk = clock_of(o);
	int64_t begun = clk.real(clk.ctx);
	struct put_result res = { .unchanged = false };
	struct stat own;
	enum bc_err rc;

	if (p == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	p->repo = r;
	p->o = o;
	if (o->own != NULL && stat(o->own, &own) == 0) {
		p->own_dev = own.st_dev;
		p->own_ino = own.st_ino;
	}
	p->distrust = !*sound;
	*sound = true;
	rc = begin(p, e);
	if (rc == BC_OK)
		rc = store(p, e);
	if (rc == BC_ECANCEL)
		rc = keep_stored(p, e);
	if (rc == BC_OK && !p->root_known)
		rc = err_set(e, BC_ESYS, "the tree was not finished");
	if (rc == BC_OK)
		rc = still_sound(p, sound, e);
	if (!*sound) {
		reset_progress(p->progress);
		end(p);
		return rc;
	}
	if (rc == BC_OK)
		rc = anything(p, e);
	res.root = p->root.dir.id;
	if (rc == BC_OK && o->if_changed)
		rc = repo_newest_root(r, o->name, &p->root.dir.id, &res.id,
				      &res.unchanged, e);
	if (rc == BC_OK && !o->dry_run && !res.unchanged)
		rc = commit(p, begun, &res, e);
	if (rc == BC_OK && res.unchanged && !o->dry_run)
		rc = commit_chunks(p, e);
	if (rc == BC_OK)
		known_save(p, res.unchanged ? &none : &res.id);
	res.files = p->root.files;
	res.dirs = p->root.dirs;
	res.others = p->root.others;
	res.bytes = p->root.dir.bytes;
	res.vanished = p->vanished;
	res.changed = p->changed;
	res.unreadable = p->unreadable;
	end(p);
	if (rc == BC_OK)
		*out = res;
	return rc;
}

enum bc_err ingest_put(struct repo *r, const struct put_options *o,
		       struct put_result *out, struct err *e)
{
	bool sound = true;
	enum bc_err rc = put_once(r, o, &sound, out, e);

	/* Items are told of once more: what was taken over unread may turn out
	 * not to be readable, and nothing may fail unnamed. */
	if (rc == BC_OK && !sound)
		rc = put_once(r, o, &sound, out, e);
	return rc;
}
