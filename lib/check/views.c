/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The views against what they are views of: the catalog on disk against one
 * made from the log alone, the index against every directory. A view that is
 * missing or behind is a note: the next command sees to it. A view that says
 * something else than the truth is damage, though nothing is lost with it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check/internal.h"
#include "hash/sha256.h"
#include "repo/dir_load.h"
#include "repo/layout.h"
#include "repo/views.h"

enum {
	HINTS_MAX = 16,
	PATH_ROOM = 32,
	/* Look-ups of an index beyond memory cost a read each: with more
	 * chunks than this, only some of each directory. */
	LOOKUPS_MAX = 8 << 20,
};

static const char INDEX_NEXT[] =
	"remove the files in index/: the next command makes them again";
static const char CATALOG_NEXT[] =
	"remove catalog.db and what begins so: the next command makes it again";

/* ---- a catalog in one digest ----------------------------------------------
 */

static void add_num(struct sha256_ctx *h, uint64_t v)
{
	uint8_t raw[8];

	le_put64(raw, v);
	sha256_update(h, bytes_of(raw, sizeof(raw)));
}

static void add_str(struct sha256_ctx *h, struct bytes b)
{
	add_num(h, b.n);
	sha256_update(h, b);
}

struct summary {
	struct catalog *catalog;
	struct sha256_ctx h;
};

static enum bc_err sum_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct summary *s = ctx;

	(void)e;
	add_str(&s->h, t->key);
	add_str(&s->h, t->value);
	return BC_OK;
}

static enum bc_err sum_snapshot(void *ctx, const struct catalog_snapshot *s,
				struct err *e)
{
	struct summary *m = ctx;
	struct sha256_ctx *h = &m->h;

	add_str(h, bytes_of(s->id.b, DIGEST_BYTES));
	add_str(h, bytes_of(s->root.b, DIGEST_BYTES));
	add_num(h, s->generation);
	add_num(h, (uint64_t)s->time);
	add_str(h, s->name);
	add_str(h, s->host);
	add_num(h, s->files);
	add_num(h, s->dirs);
	add_num(h, s->others);
	add_num(h, s->bytes);
	add_num(h, s->new_chunks);
	add_num(h, s->new_bytes);
	add_num(h, s->new_stored);
	add_num(h, s->pack);
	add_num(h, s->slot);
	add_str(h, s->record);
	return catalog_walk_tags(m->catalog, &s->id, sum_tag, m, e);
}

static enum bc_err sum_block(void *ctx, uint32_t pack, uint32_t block,
			     enum catalog_state state, struct err *e)
{
	struct summary *m = ctx;

	(void)e;
	add_num(&m->h, pack);
	add_num(&m->h, block);
	add_num(&m->h, state);
	return BC_OK;
}

static enum bc_err sum_pack(void *ctx, const struct catalog_pack *p,
			    struct err *e)
{
	struct summary *m = ctx;
	struct sha256_ctx *h = &m->h;

	add_num(h, p->number);
	add_str(h, bytes_of(p->id, CATALOG_ID_BYTES));
	add_num(h, p->kind);
	add_num(h, p->class);
	add_num(h, p->length);
	add_num(h, p->chunks);
	add_num(h, p->blocks);
	add_num(h, p->plain);
	add_str(h, bytes_of(p->directory.b, DIGEST_BYTES));
	add_num(h, p->tier);
	add_str(h, p->remote);
	add_str(h, p->object);
	add_num(h, p->state);
	add_num(h, p->generation);
	return catalog_walk_blocks(m->catalog, p->number, sum_block, m, e);
}

static enum bc_err sum_log(void *ctx, const struct catalog_log *l,
			   struct err *e)
{
	struct summary *m = ctx;
	uint16_t slot = CATALOG_SLOT_MAX;
	uint64_t at = 0;
	enum bc_err rc = BC_OK;

	add_num(&m->h, l->number);
	add_str(&m->h, bytes_of(l->id, CATALOG_ID_BYTES));
	add_num(&m->h, l->seq);
	add_num(&m->h, l->length);
	add_num(&m->h, l->first_generation);
	add_num(&m->h, l->sealed);
	while (rc == BC_OK) {
		rc = catalog_find_group(m->catalog, l->number, slot, &slot, &at,
					e);
		if (rc == BC_OK) {
			add_num(&m->h, slot);
			add_num(&m->h, at);
			if (slot-- == 0)
				return BC_OK;
		}
	}
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}

enum bc_err check_summarise(struct catalog *c, struct digest out[2],
			    struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	struct summary s = { .catalog = c };
	enum bc_err rc;

	sha256_init(&s.h);
	rc = catalog_walk(c, &q, sum_snapshot, &s, e);
	sha256_final(&s.h, &out[0]);
	sha256_init(&s.h);
	if (rc == BC_OK)
		rc = catalog_walk_packs(c, CATALOG_ANY, CATALOG_ANY, sum_pack,
					&s, e);
	if (rc == BC_OK)
		rc = catalog_walk_logs(c, sum_log, &s, e);
	sha256_final(&s.h, &out[1]);
	return rc;
}

/* ---- the catalog on disk --------------------------------------------------
 */

static enum bc_err compare(struct check *c, struct catalog *disk,
			   const struct check_at *at, struct err *e)
{
	struct digest a[2], b[2];
	enum bc_err rc = check_summarise(disk, a, e);

	if (rc == BC_OK)
		rc = check_summarise(c->r->catalog, b, e);
	if (rc == BC_OK && !digest_eq(&a[0], &b[0]))
		check_tell(c, CHECK_DAMAGE, at, CATALOG_NEXT,
			   "its snapshots are not those of the log");
	if (rc == BC_OK && !digest_eq(&a[1], &b[1]))
		check_tell(c, CHECK_DAMAGE, at, CATALOG_NEXT,
			   "its packs and logs are not those of the log");
	return rc;
}

static enum bc_err stands(struct check *c, struct catalog *disk,
			  const struct check_at *at, struct err *e)
{
	const struct log_pos *head = &c->r->head;
	struct catalog_position p;
	enum bc_err rc = catalog_read_begin(disk, &p, e);

	if (rc != BC_OK)
		return rc;
	if (p.generation > head->generation && !check_moved_on(c))
		check_tell(c, CHECK_DAMAGE, at,
			   "find out what became of the log; if an older copy "
			   "of it was put back on purpose, remove catalog.db "
			   "and the files in index/",
			   "it has seen generation %llu, but the log ends at "
			   "%llu",
			   (unsigned long long)p.generation,
			   (unsigned long long)head->generation);
	else if (p.generation < head->generation)
		check_tell(c, CHECK_NOTE, at, NULL,
			   "it stands at generation %llu of %llu; the next "
			   "command brings it up",
			   (unsigned long long)p.generation,
			   (unsigned long long)head->generation);
	else if (p.generation == head->generation &&
		 !digest_eq(&p.digest, &head->digest))
		check_tell(c, CHECK_DAMAGE, at, CATALOG_NEXT,
			   "it belongs to another history than the log");
	else if (p.generation == head->generation)
		rc = compare(c, disk, at, e);
	catalog_read_end(disk);
	return rc;
}

static enum bc_err check_catalog(struct check *c, struct err *e)
{
	struct check_at at = { .file = REPO_CATALOG_FILE };
	struct catalog_options o = { .busy_ms = CHECK_DISK_WAIT_MS };
	struct catalog *disk = NULL;
	struct io_stat st;
	size_t n = strlen(c->path) + PATH_ROOM;
	char *path = malloc(n);
	enum bc_err rc;

	if (path == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the catalog");
	snprintf(path, n, "%s/" REPO_CATALOG_FILE, c->path);
	o.path = path;
	memcpy(o.repository, c->sb.id.b, PACK_ID_BYTES);
	/* Its maker is at work, or was killed before it wrote. */
	if (io_stat_at(c->r->dir, REPO_CATALOG_FILE, &st, NULL) == BC_OK &&
	    st.size == 0)
		rc = BC_ENOTFOUND;
	else
		rc = catalog_open(&o, &disk, e);
	if (rc == BC_OK)
		rc = catalog_verify(disk, e);
	if (rc == BC_OK)
		rc = stands(c, disk, &at, e);
	if (rc == BC_EDAMAGE)
		check_tell(c, CHECK_DAMAGE, &at, CATALOG_NEXT, "%s", e->text);
	else if (rc == BC_ENOTFOUND)
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "it is missing or empty; the next command makes it "
			   "from the log");
	else if (rc != BC_OK && rc != BC_ENOMEM)
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "it could not be compared: %s", e->text);
	if (rc != BC_ENOMEM) {
		err_clear(e);
		rc = BC_OK;
	}
	catalog_close(disk);
	free(path);
	return rc;
}

/* ---- the index ------------------------------------------------------------
 */

struct lookups {
	struct check *c;
	uint64_t step; /* every so many chunks */
	uint64_t turn;
	uint64_t tried, missing;
	uint32_t pack; /* the first that misses some */
};

static enum bc_err look_up(void *ctx, const struct pack_dir *d, uint32_t number,
			   struct err *e)
{
	struct lookups *l = ctx;
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < d->n_chunks; i++) {
		struct index_loc hint[HINTS_MAX];
		size_t n, j = 0;

		if (++l->turn % l->step != 0)
			continue;
		n = repo_find_hints(l->c->r, &d->ids[i], hint, HINTS_MAX, NULL);
		while (j < n && (hint[j].pack != number ||
				 hint[j].slot != d->base_slot + i))
			j++;
		l->tried++;
		/* With as many as were asked for, it may be the next. */
		if (j == n && n < HINTS_MAX && l->missing++ == 0)
			l->pack = number;
	}
	check_step(l->c, 1);
	(void)check_stopped(l->c, &rc, e);
	return rc;
}

/*
 * Load the index, with what it lacks on disk; or with `anew` all of it from the
 * directories. Where one cannot be read, it is passed over with a note and its
 * chunks are missing: if that was for a moment, a second attempt has them.
 *   whole  [out] nothing was passed over
 */
static enum bc_err load_index(struct check *c, bool anew, bool *whole,
			      struct err *e)
{
	enum bc_err rc = BC_OK;

	*whole = false;
	for (int i = 0; i < 2 && rc == BC_OK && !*whole; i++) {
		unsigned heard = c->heard;

		if (i > 0)
			repo_index_stale(c->r);
		rc = anew ? repo_index_anew(c->r, e) : repo_need_index(c->r, e);
		*whole = c->heard == heard;
	}
	return rc;
}

/* How the index on disk stands to the log; also loads it, with what it still
 * lacks, into the handle. False: there is nothing to look up in.
 *   whole  [out] it lacks no pack that could not be read */
static bool open_index(struct check *c, bool *whole, struct err *e)
{
	struct check_at at = { .file = REPO_INDEX_DIR };
	struct index *ix = NULL;
	struct digest digest;
	uint64_t covered = 0;
	struct index_stats stats = { .entries = 0 };

	if (c->r->index_dir == NULL ||
	    index_open(c->r->index_dir, c->sb.id.b, &ix, NULL) != BC_OK) {
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "the index cannot be opened; the next command makes "
			   "it again");
		return false;
	}
	index_covered(ix, &covered, &digest);
	index_stats(ix, &stats);
	index_close(ix);
	if (covered > c->r->head.generation && !check_moved_on(c)) {
		check_tell(c, CHECK_DAMAGE, &at, INDEX_NEXT,
			   "the index has seen generation %llu, but the log "
			   "ends at %llu",
			   (unsigned long long)covered,
			   (unsigned long long)c->r->head.generation);
		return false;
	}
	if (load_index(c, false, whole, e) != BC_OK) {
		check_tell(c, CHECK_NOTE, &at, NULL, "%s", e->text);
		err_clear(e);
		return false;
	}
	if (c->r->index == NULL && covered > 0) {
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "the index is of another history, or too far "
			   "behind; the next command makes it again");
		return false;
	}
	return c->r->index != NULL;
}

static enum bc_err check_index(struct check *c, const struct pack_numbers *v,
			       struct err *e)
{
	struct check_at at = { .file = REPO_INDEX_DIR };
	struct lookups l = { .c = c, .step = 1 + c->res.chunks / LOOKUPS_MAX };
	struct err bad = ERR_INIT;
	enum bc_err rc = BC_OK;
	bool whole = false;

	if (!open_index(c, &whole, e)) {
		/* What follows needs one all the same; whoever asks again is
		 * told why there is none. */
		if (load_index(c, false, &whole, e) != BC_OK)
			err_clear(e);
		return BC_OK;
	}
	for (size_t i = 0; i < v->n && rc == BC_OK; i++)
		rc = repo_each_dir(c->r, v->at[i], look_up, &l, e);
	if (rc == BC_OK && index_damage(c->r->index, &bad) != BC_OK)
		check_tell(c, CHECK_DAMAGE, &at, INDEX_NEXT, "%s", bad.text);
	else if (rc == BC_OK && l.missing > 0 && !whole)
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "it could not be compared: %s", c->note);
	else if (rc == BC_OK && l.missing > 0)
		check_tell(c, CHECK_DAMAGE, &at, INDEX_NEXT,
			   "the index lacks %llu of %llu chunks looked up, "
			   "the first of them in pack %u",
			   (unsigned long long)l.missing,
			   (unsigned long long)l.tried, l.pack);
	/* What follows must not take its gaps for lost chunks. */
	if (rc == BC_OK && (bad.code != BC_OK || l.missing > 0))
		rc = load_index(c, true, &whole, e);
	return rc;
}

enum bc_err check_views(struct check *c, struct err *e)
{
	struct pack_numbers v = { NULL, 0, 0 };
	enum bc_err rc = repo_pack_numbers(
		c->r, 1 << CATALOG_LIVE | 1 << CATALOG_CONDEMNED, &v, e);

	check_begin(c, CHECK_VIEWS, v.n);
	if (rc == BC_OK && c->log_whole)
		rc = check_catalog(c, e);
	if (rc == BC_OK)
		rc = check_index(c, &v, e);
	free(v.at);
	return rc;
}
