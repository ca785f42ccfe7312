/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about snapshots. */
#include "catalog/catalog.h"

#include "catalog/query.h"
#include "util/hex.h"

static void read_row(struct catalog_query *q, struct catalog_snapshot *s)
{
	uint64_t place = catalog_query_get_u64(q, 0, (UINT64_C(1) << 48) - 1);

	s->pack = (uint32_t)(place >> 16);
	s->slot = (uint16_t)(place & CATALOG_SLOT_MAX);
	catalog_query_get_fixed(q, 1, s->id.b, DIGEST_BYTES);
	s->generation = catalog_query_get_u64(q, 2, INT64_MAX);
	s->name = catalog_query_get_blob(q, 3);
	s->time = catalog_query_get_i64(q, 4);
	s->host = catalog_query_get_blob(q, 5);
	catalog_query_get_fixed(q, 6, s->root.b, DIGEST_BYTES);
	s->files = catalog_query_get_u64(q, 7, INT64_MAX);
	s->dirs = catalog_query_get_u64(q, 8, INT64_MAX);
	s->others = catalog_query_get_u64(q, 9, INT64_MAX);
	s->bytes = catalog_query_get_u64(q, 10, INT64_MAX);
	s->new_chunks = catalog_query_get_u64(q, 11, INT64_MAX);
	s->new_bytes = catalog_query_get_u64(q, 12, INT64_MAX);
	s->new_stored = catalog_query_get_u64(q, 13, INT64_MAX);
	s->record = catalog_query_get_blob(q, 14);
}

/* Let the row outlive its statement, which holds up writers' folding. */
static enum bc_err keep_row(struct catalog *c, struct catalog_snapshot *s,
			    struct err *e)
{
	struct bytes *spans[] = { &s->name, &s->host, &s->record };

	return catalog_query_keep(c, spans, 3, e);
}

/* ---- selecting ---- */

/* Of the conditions the one that an index answers; the rest is has_tags(). */
static enum catalog_statement driver(const struct catalog_select *q)
{
	if (q->name != NULL)
		return q->oldest_first ? CATALOG_Q_NAME_OLDEST
				       : CATALOG_Q_NAME_NEWEST;
	if (q->tag_count > 0)
		return q->oldest_first ? CATALOG_Q_TAG_OLDEST
				       : CATALOG_Q_TAG_NEWEST;
	return q->oldest_first ? CATALOG_Q_ALL_OLDEST : CATALOG_Q_ALL_NEWEST;
}

static bool has_tags(struct catalog_query *walk, int64_t place,
		     const struct tag *tags, size_t count, struct err *e)
{
	struct catalog_query q;
	bool has = true;

	for (size_t i = 0; i < count && has && walk->rc == BC_OK; i++) {
		catalog_query_begin(&q, walk->c, CATALOG_Q_HAS_TAG, e);
		catalog_query_i64(&q, place, e);
		catalog_query_blob(&q, tags[i].key, e);
		catalog_query_blob(&q, tags[i].value, e);
		has = catalog_query_step(&q, e);
		walk->rc = catalog_query_end(&q);
	}
	return has && walk->rc == BC_OK;
}

enum bc_err catalog_walk(struct catalog *c, const struct catalog_select *sel,
			 catalog_snapshot_fn *fn, void *ctx, struct err *e)
{
	const struct tag *rest = sel->tags;
	size_t rest_count = sel->tag_count;
	uint64_t skip = 0, given = 0;
	struct catalog_snapshot s;
	struct catalog_query q;

	catalog_query_begin(&q, c, driver(sel), e);
	catalog_query_i64(&q, sel->from != NULL ? *sel->from : INT64_MIN, e);
	catalog_query_i64(&q, sel->until != NULL ? *sel->until : INT64_MAX, e);
	/* What SQLite does not select by, it must not skip by. */
	if (sel->name == NULL && rest_count > 0) {
		rest++;
		rest_count--;
	}
	if (rest_count > 0)
		skip = sel->skip;
	catalog_query_u64(&q, sel->skip - skip, e);
	if (sel->name != NULL) {
		catalog_query_blob(&q, *sel->name, e);
	} else if (sel->tag_count > 0) {
		catalog_query_blob(&q, sel->tags->key, e);
		catalog_query_blob(&q, sel->tags->value, e);
	}
	while ((sel->limit == 0 || given < sel->limit) &&
	       catalog_query_step(&q, e)) {
		if (rest_count > 0 &&
		    !has_tags(&q, catalog_query_get_i64(&q, 0), rest,
			      rest_count, e))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		read_row(&q, &s);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, &s, e);
		given++;
	}
	return catalog_query_end(&q);
}

struct first {
	struct catalog *c;
	struct catalog_snapshot *out;
	bool found;
};

static enum bc_err take_first(void *ctx, const struct catalog_snapshot *s,
			      struct err *e)
{
	struct first *f = ctx;
	struct catalog_snapshot copy = *s;
	enum bc_err rc = keep_row(f->c, &copy, e);

	if (rc == BC_OK) {
		*f->out = copy;
		f->found = true;
	}
	return rc;
}

enum bc_err catalog_find(struct catalog *c, const struct catalog_select *sel,
			 struct catalog_snapshot *out, struct err *e)
{
	struct catalog_select one = *sel;
	struct first f = { c, out, false };
	enum bc_err rc;

	one.limit = 1;
	rc = catalog_walk(c, &one, take_first, &f, e);
	return rc == BC_OK && !f.found ? BC_ENOTFOUND : rc;
}

/* ---- by id ---- */

enum bc_err catalog_get_snapshot(struct catalog *c, const struct digest *id,
				 struct catalog_snapshot *out, struct err *e)
{
	struct first f = { c, out, false };
	struct catalog_snapshot s;
	struct catalog_query q;
	enum bc_err rc;

	catalog_query_begin(&q, c, CATALOG_Q_SNAPSHOT, e);
	catalog_query_digest(&q, id, e);
	if (catalog_query_step(&q, e)) {
		read_row(&q, &s);
		if (catalog_query_sound(&q, e))
			q.rc = take_first(&f, &s, e);
	}
	rc = catalog_query_end(&q);
	return rc == BC_OK && !f.found ? BC_ENOTFOUND : rc;
}

/* The least and the greatest id with these first digits. */
static bool prefix_range(const char *hex, struct digest *low,
			 struct digest *high)
{
	char digits[DIGEST_HEX_BYTES];
	size_t n = strlen(hex), digits_max = sizeof(digits) - 1;

	if (n == 0 || n > digits_max)
		return false;
	memcpy(digits, hex, n);
	memset(digits + n, '0', digits_max - n);
	if (!hex_decode(digits, DIGEST_BYTES, low->b))
		return false;
	memset(digits + n, 'f', digits_max - n);
	return hex_decode(digits, DIGEST_BYTES, high->b);
}

enum bc_err catalog_walk_prefix(struct catalog *c, const char *hex,
				size_t limit, catalog_snapshot_fn *fn,
				void *ctx, struct err *e)
{
	struct digest low, high;
	struct catalog_snapshot s;
	struct catalog_query q;

	if (!prefix_range(hex, &low, &high))
		return err_set(e, BC_EINVAL,
			       "%.70s: not the hex digits of an "
			       "id",
			       hex);
	catalog_query_begin(&q, c, CATALOG_Q_SNAPSHOT_PREFIX, e);
	catalog_query_digest(&q, &low, e);
	catalog_query_digest(&q, &high, e);
	catalog_query_u64(&q, limit, e);
	while (catalog_query_step(&q, e)) {
		read_row(&q, &s);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, &s, e);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_walk_tags(struct catalog *c, const struct digest *id,
			      catalog_tag_fn *fn, void *ctx, struct err *e)
{
	struct tag t;
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_TAGS, e);
	catalog_query_digest(&q, id, e);
	while (catalog_query_step(&q, e)) {
		t.key = catalog_query_get_blob(&q, 0);
		t.value = catalog_query_get_blob(&q, 1);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, &t, e);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_root_live(struct catalog *c, const struct digest *root,
			      bool *out, struct err *e)
{
	struct catalog_query q;
	bool live;

	catalog_query_begin(&q, c, CATALOG_Q_ROOT, e);
	catalog_query_digest(&q, root, e);
	live = catalog_query_step(&q, e);
	if (q.rc == BC_OK)
		*out = live;
	return catalog_query_end(&q);
}

enum bc_err catalog_count(struct catalog *c, uint64_t *out, struct err *e)
{
	struct catalog_query q;
	uint64_t n = 0;

	if (c->mode == CATALOG_WRITING) {
		*out = c->stand.snapshots;
		return BC_OK;
	}
	catalog_query_begin(&q, c, CATALOG_Q_COUNT, e);
	if (catalog_query_step(&q, e))
		n = catalog_query_get_u64(&q, 0, INT64_MAX);
	else if (q.rc == BC_OK)
		q.rc = catalog_query_damage(c, e, "it has no position");
	if (catalog_query_sound(&q, e))
		*out = n;
	return catalog_query_end(&q);
}
