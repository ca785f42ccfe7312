/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/usage.h"

#include <stdio.h>
#include <stdlib.h>

#include "repo/dir_load.h"
#include "repo/layout.h"
#include "repo/reach.h"
#include "repo/snapshots.h"
#include "repo/state.h"
#include "util/arith.h"

enum { NAME_ROOM = 300 };

/* ---- marking --------------------------------------------------------------
 */

struct all_ids {
	struct digest *at;
	size_t n, cap;
};

static enum bc_err add_id(void *ctx, const struct catalog_snapshot *s,
			  struct err *e)
{
	struct all_ids *v = ctx;

	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 64 : v->cap * 2;
		struct digest *at = realloc(v->at, cap * sizeof(*at));

		if (at == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
		v->at = at;
		v->cap = cap;
	}
	v->at[v->n++] = s->id;
	return BC_OK;
}

struct usage_run {
	struct repo *r;
	const struct usage_options *o;
	struct reach walk;
	struct marks keep, drop;
};

/* A snapshot's tree and the chunk that holds its record. */
static enum bc_err mark_snapshot(struct usage_run *u, const struct digest *id,
				 struct err *e)
{
	struct snapshot *s = NULL;
	enum bc_err rc = snapshots_get(u->r, id, &s, e);

	if (rc != BC_OK)
		return rc;
	if (marks_set(u->walk.seen, s->pack, s->slot) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory for marks");
	if (rc == BC_OK)
		rc = reach_snapshot(&u->walk, &s->rec.root, e);
	if (rc == BC_EDAMAGE)
		err_hint(e, "run `blobctl check` to see what is affected");
	snapshot_free(s);
	if (u->o->progress != NULL)
		atomic_fetch_add(&u->o->progress->snapshots, 1);
	return rc;
}

static bool is_removed(const struct usage_options *o, const struct digest *id)
{
	for (size_t i = 0; i < o->n_remove; i++)
		if (digest_eq(&o->remove[i], id))
			return true;
	return false;
}

static enum bc_err mark_all(struct usage_run *u, struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	struct all_ids v = { NULL, 0, 0 };
	enum bc_err rc;

	pthread_mutex_lock(&u->r->mutex);
	rc = catalog_walk(u->r->catalog, &q, add_id, &v, e);
	pthread_mutex_unlock(&u->r->mutex);
	if (u->o->progress != NULL)
		atomic_store(&u->o->progress->snapshots_all, v.n);
	/* First what stays; then what only the others reach. */
	u->walk.seen = &u->keep;
	for (size_t i = 0; i < v.n && rc == BC_OK; i++)
		if (!is_removed(u->o, &v.at[i])) {
			rc = mark_snapshot(u, &v.at[i], e);
			/* Removed since the list was read: it reaches
			 * nothing. */
			if (rc == BC_ENOTFOUND) {
				err_clear(e);
				rc = BC_OK;
			}
		}
	u->walk.seen = &u->drop;
	u->walk.pass = &u->keep;
	for (size_t i = 0; i < u->o->n_remove && rc == BC_OK; i++)
		rc = mark_snapshot(u, &u->o->remove[i], e);
	free(v.at);
	return rc;
}

/* ---- summing up -----------------------------------------------------------
 */

struct summing {
	const struct usage_run *u;
	struct usage *out;
};

static enum bc_err sum_dir(void *ctx, const struct pack_dir *d, uint32_t number,
			   struct err *e)
{
	struct summing *s = ctx;
	uint32_t chunk = 0;

	(void)e;
	for (uint32_t i = 0; i < d->n_blocks; i++) {
		const struct dir_block *b = &d->blocks[i];
		uint64_t size = BLOCK_HEAD_BYTES + (uint64_t)b->stored;
		bool kept = false, removed = false;

		for (uint32_t j = 0; j < b->chunks; j++, chunk++) {
			uint32_t slot = d->base_slot + chunk;
			struct usage_part *p = &s->out->garbage;

			/* What the catalog can be made of again is no
			 * garbage, though no snapshot reaches it. */
			if (b->kind == BLOCK_CHECKPOINT ||
			    marks_get(&s->u->keep, number, slot)) {
				p = &s->out->kept;
				kept = true;
			} else if (marks_get(&s->u->drop, number, slot)) {
				p = &s->out->removed;
				removed = true;
			}
			p->chunks++;
			p->plain += d->lengths[chunk];
		}
		if (kept)
			s->out->kept.stored += size;
		else if (removed)
			s->out->removed.stored += size;
		else
			s->out->garbage.stored += size;
	}
	return BC_OK;
}

static enum bc_err sum_packs(struct usage_run *u, struct usage *out,
			     struct err *e)
{
	struct summing s = { u, out };
	struct pack_numbers v = { NULL, 0, 0 };
	enum bc_err rc;

	pthread_mutex_lock(&u->r->mutex);
	rc = repo_pack_numbers(u->r, 1 << CATALOG_LIVE, &v, e);
	for (size_t i = 0; i < v.n && rc == BC_OK; i++)
		rc = repo_each_dir(u->r, v.at[i], sum_dir, &s, e);
	pthread_mutex_unlock(&u->r->mutex);
	free(v.at);
	return rc;
}

enum bc_err repo_usage(struct repo *r, const struct usage_options *o,
		       struct usage *out, struct err *e)
{
	struct usage_run u = { .r = r, .o = o };
	struct chunk_reader *reader = NULL;
	struct usage sums = { .removed = { 0 } };
	struct err own = ERR_INIT;
	enum bc_err rc = chunk_reader_new(r, &reader, &own);

	marks_init(&u.keep);
	marks_init(&u.drop);
	reach_init(&u.walk, r, reader, &u.keep);
	u.walk.stop = o->stop;
	if (rc == BC_OK)
		rc = mark_all(&u, &own);
	if (rc == BC_OK)
		rc = sum_packs(&u, &sums, &own);
	if (rc == BC_OK)
		*out = sums;
	else if (e != NULL)
		*e = own;
	reach_fini(&u.walk);
	marks_fini(&u.keep);
	marks_fini(&u.drop);
	chunk_reader_free(reader);
	return rc;
}

/* ---- totals ---------------------------------------------------------------
 */

struct folder {
	struct io_dir *dir;
	const char *name; /* of the folder; "" the top */
	uint64_t size, stored, files;
	uint64_t catalog, reserve;
	uint64_t beyond; /* allocated behind the ends of files */
	struct err *e;
};

static enum bc_err add_file(void *ctx, const char *name, enum io_type type)
{
	struct folder *f = ctx;
	char path[NAME_ROOM];
	struct io_stat st;
	enum bc_err rc;

	if (type == IO_TYPE_DIR)
		return BC_OK;
	snprintf(path, sizeof(path), "%s%s%s", f->name,
		 f->name[0] == '\0' ? "" : "/", name);
	rc = io_stat_at(f->dir, path, &st, f->e);
	if (rc == BC_ENOTFOUND) { /* gone meanwhile */
		err_clear(f->e);
		return BC_OK;
	}
	if (rc != BC_OK)
		return rc;
	if (strcmp(name, REPO_RESERVE_FILE) == 0 && f->name[0] == '\0') {
		f->reserve += st.stored;
		return BC_OK;
	}
	if (strncmp(name, REPO_CATALOG_FILE, strlen(REPO_CATALOG_FILE)) == 0)
		f->catalog += st.size;
	if (st.stored > st.size)
		f->beyond += round_down(st.stored - st.size, IO_ALIGN);
	f->files++;
	f->size += st.size;
	f->stored += st.stored;
	return BC_OK;
}

static enum bc_err sum_folder(struct repo *r, const char *name,
			      struct folder *f, struct err *e)
{
	enum bc_err rc;

	*f = (struct folder){ .dir = r->dir, .name = name, .e = e };
	rc = io_list(r->dir, name[0] == '\0' ? "." : name, e, add_file, f);
	if (rc == BC_ENOTFOUND) {
		err_clear(e);
		rc = BC_OK;
	}
	return rc;
}

static enum bc_err sum_folders(struct repo *r, struct repo_totals *t,
			       struct err *e)
{
	struct folder top, packs, log, index, cache, leases;
	enum bc_err rc = sum_folder(r, "", &top, e);

	if (rc == BC_OK)
		rc = sum_folder(r, REPO_PACKS_DIR, &packs, e);
	if (rc == BC_OK)
		rc = sum_folder(r, REPO_LOG_DIR, &log, e);
	if (rc == BC_OK)
		rc = sum_folder(r, REPO_INDEX_DIR, &index, e);
	if (rc == BC_OK)
		rc = sum_folder(r, REPO_CACHE_DIR, &cache, e);
	if (rc == BC_OK)
		rc = sum_folder(r, REPO_LEASES_DIR, &leases, e);
	if (rc != BC_OK)
		return rc;
	t->log_bytes = log.size;
	t->spare_bytes = log.beyond;
	t->index_bytes = index.size;
	t->cache_bytes = cache.size;
	t->catalog_bytes = top.catalog;
	t->reserve_bytes = top.reserve;
	t->bytes = top.stored + packs.stored + log.stored + index.stored +
		   cache.stored + leases.stored - log.beyond;
	return BC_OK;
}

static enum bc_err add_snapshot(void *ctx, const struct catalog_snapshot *s,
				struct err *e)
{
	struct repo_totals *t = ctx;

	(void)e;
	if (t->snapshots++ == 0)
		t->oldest = s->time;
	t->newest = s->time;
	t->files += s->files;
	t->dirs += s->dirs;
	t->others += s->others;
	t->logical += s->bytes;
	return BC_OK;
}

/* The catalog sums up sealed packs; what lies in a log that grows is counted
 * by its groups. */
static enum bc_err add_group_dir(void *ctx, const struct pack_dir *d,
				 uint32_t number, struct err *e)
{
	struct repo_totals *t = ctx;

	(void)number;
	(void)e;
	t->chunks += d->n_chunks;
	for (uint32_t i = 0; i < d->n_chunks; i++)
		t->unique += d->lengths[i];
	return BC_OK;
}

struct open_logs {
	uint32_t *at;
	size_t n;
	uint64_t all;
};

static enum bc_err add_log(void *ctx, const struct catalog_log *l,
			   struct err *e)
{
	struct open_logs *v = ctx;
	uint32_t *at;

	v->all++;
	if (l->sealed)
		return BC_OK;
	at = realloc(v->at, (v->n + 1) * sizeof(*at));
	if (at == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	v->at = at;
	v->at[v->n++] = l->number;
	return BC_OK;
}

static enum bc_err sum_catalog(struct repo *r, struct repo_totals *t,
			       struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	struct open_logs logs = { NULL, 0, 0 };
	struct catalog_sums sums;
	enum bc_err rc = catalog_walk(r->catalog, &q, add_snapshot, t, e);

	if (rc == BC_OK)
		rc = catalog_sum(r->catalog, &sums, e);
	for (int kind = CATALOG_DATA; rc == BC_OK && kind <= CATALOG_LOG;
	     kind++)
		for (int state = CATALOG_LIVE; state < CATALOG_FREED; state++) {
			const struct catalog_sum *s = &sums.of[kind][state];

			t->chunks += s->chunks;
			t->unique += s->plain;
			if (kind != CATALOG_LOG) {
				t->packs += s->packs;
				t->pack_bytes += s->length;
			}
		}
	if (rc == BC_OK)
		rc = catalog_walk_logs(r->catalog, add_log, &logs, e);
	for (size_t i = 0; i < logs.n && rc == BC_OK; i++)
		rc = repo_each_dir(r, logs.at[i], add_group_dir, t, e);
	t->logs = logs.all;
	free(logs.at);
	return rc;
}

enum bc_err repo_totals(struct repo *r, struct repo_totals *out, struct err *e)
{
	struct repo_totals t = { .generation = r->head.generation };
	struct index *ix = NULL;
	struct index_stats stats;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = sum_catalog(r, &t, e);
	pthread_mutex_unlock(&r->mutex);
	if (rc == BC_OK)
		rc = sum_folders(r, &t, e);
	if (rc == BC_OK && r->index_dir != NULL &&
	    index_open(r->index_dir, r->sb.id.b, &ix, NULL) == BC_OK) {
		index_stats(ix, &stats);
		t.index_entries = stats.entries;
		index_close(ix);
	}
	if (rc == BC_OK)
		*out = t;
	return rc;
}
