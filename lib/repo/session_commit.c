/* SPDX-License-Identifier: Apache-2.0 */
/* The commits of a session: snapshots made, removed and tagged. */
#include "repo/session_state.h"

#include "repo/cargo.h"
#include "repo/checkpoint.h"
#include "repo/replay.h"
#include "repo/views.h"

/* What one commit of a session is to say. */
struct work {
	struct session *s;
	struct cargo cargo;
	struct bytes record; /* of a snapshot; n 0: none */
	struct digest snapshot;
	const struct digest *remove;
	size_t n_remove;
	const struct log_tagging *tagging;
	bool frees;
};

/* A record that is there to the last bit, its time included, is the snapshot
 * that there is: nothing is made. */
static enum bc_err name_snapshot(struct work *w, struct repo *r, struct err *e)
{
	struct log_op op = { .code = LOG_OP_SNAPSHOT_MADE,
			     .u.snapshot = w->snapshot };
	struct catalog_snapshot row;
	enum bc_err rc =
		catalog_get_snapshot(r->catalog, &w->snapshot, &row, e);

	if (rc != BC_ENOTFOUND)
		return rc;
	return log_ops_add(&w->cargo.group.ops, &op, e);
}

static enum bc_err name_removed(struct work *w, struct repo *r, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < w->n_remove && rc == BC_OK; i++) {
		struct log_op op = { .code = LOG_OP_SNAPSHOT_REMOVED,
				     .u.snapshot = w->remove[i] };
		struct catalog_snapshot row;

		rc = catalog_get_snapshot(r->catalog, &w->remove[i], &row, e);
		if (rc == BC_ENOTFOUND)
			return err_set(e, rc, "the snapshot is gone already");
		if (rc == BC_OK)
			rc = log_ops_add(&w->cargo.group.ops, &op, e);
		if (rc == BC_ELIMIT) {
			err_set(e, rc,
				"%zu snapshots are too many to remove at once: "
				"a commit takes %zu",
				w->n_remove, i);
			err_hint(e, "remove some of them, then the others");
		}
	}
	return rc;
}

static enum bc_err tags_too_long(struct err *e)
{
	err_set(e, BC_ELIMIT, "the tags are too long together");
	err_hint(e, "change some of them, then the others: a change takes "
		    "1 MiB at most");
	return BC_ELIMIT;
}

static enum bc_err name_tags(struct work *w, struct repo *r, struct err *e)
{
	struct log_op op = { .code = LOG_OP_SNAPSHOT_TAGGED,
			     .u.tagging = *w->tagging };
	struct catalog_snapshot row;
	enum bc_err rc = catalog_get_snapshot(r->catalog, &w->tagging->snapshot,
					      &row, e);

	if (rc == BC_ENOTFOUND)
		return err_set(e, rc, "the snapshot is gone");
	if (rc == BC_OK)
		rc = log_ops_add(&w->cargo.group.ops, &op, e);
	return rc == BC_ELIMIT ? tags_too_long(e) : rc;
}

static enum bc_err look(void *ctx, struct repo *r, struct err *e)
{
	struct work *w = ctx;
	enum bc_err rc = BC_OK;

	if (w->record.n > 0)
		rc = name_snapshot(w, r, e);
	if (rc == BC_OK)
		rc = name_removed(w, r, e);
	if (rc == BC_OK && w->tagging != NULL)
		rc = name_tags(w, r, e);
	return rc == BC_OK ? cargo_name_packs(&w->cargo, e) : rc;
}

static enum bc_err commit(struct work *w, struct err *e)
{
	struct session *s = w->s;
	struct cargo *c = &w->cargo;
	enum bc_err rc = session_kept(s, e);

	cargo_init(c, s->r);
	c->look = look;
	c->ctx = w;
	c->frees = w->frees;
	if (rc == BC_OK)
		rc = session_flush_nodes(s, e);
	if (rc == BC_OK)
		rc = cargo_take(c, s->data, e);
	if (rc == BC_OK)
		rc = cargo_take(c, s->meta, e);
	if (rc == BC_OK && w->record.n > 0)
		rc = cargo_add_record(c, BLOCK_SNAPSHOT, w->record,
				      &w->snapshot, e);
	if (rc == BC_OK)
		rc = cargo_commit(c, &s->lease.id, e);
	cargo_fini(c);
	if (rc != BC_OK)
		return session_keep(s, rc, e);
	claims_clear(&s->claims);
	s->stored_at_commit = s->counts.stored;
	checkpoint_if_due(s->r, &s->lease.id);
	repo_update_index(s->r, false);
	return BC_OK;
}

enum bc_err session_checkpoint(struct session *s, struct err *e)
{
	struct work w = { .s = s };

	return commit(&w, e);
}

enum bc_err session_commit_snapshot(struct session *s, struct bytes record,
				    struct digest *id, struct err *e)
{
	struct work w = { .s = s, .record = record };
	enum bc_err rc = commit(&w, e);

	if (rc == BC_OK)
		*id = w.snapshot;
	return rc;
}

enum bc_err session_remove(struct session *s, const struct digest *ids,
			   size_t n, struct err *e)
{
	struct work w = { .s = s, .remove = ids, .n_remove = n, .frees = true };

	return commit(&w, e);
}

static bool is_key(struct bytes key)
{
	return key.n > 0 && key.n <= TAG_KEY_MAX_BYTES;
}

enum bc_err session_tag(struct session *s, const struct digest *id,
			const struct tag *set, size_t n_set,
			const struct bytes *drop, size_t n_drop, struct err *e)
{
	struct buf sets = BUF_INIT(1 << 20), drops = BUF_INIT(1 << 20);
	struct log_tagging t = { .snapshot = *id };
	struct work w = { .s = s, .tagging = &t };
	enum bc_err rc = BC_OK;

	if (n_set > TAGS_MAX || n_drop > TAGS_MAX)
		return err_set(e, BC_EINVAL, "more than %d tags", TAGS_MAX);
	for (size_t i = 0; i < n_set && rc == BC_OK; i++) {
		if (!is_key(set[i].key) || set[i].value.n > TAG_VALUE_MAX_BYTES)
			rc = BC_EINVAL;
		if (rc == BC_OK)
			rc = buf_str(&sets, set[i].key);
		if (rc == BC_OK)
			rc = buf_str(&sets, set[i].value);
	}
	for (size_t i = 0; i < n_drop && rc == BC_OK; i++)
		rc = is_key(drop[i]) ? buf_str(&drops, drop[i]) : BC_EINVAL;
	if (rc == BC_EINVAL)
		err_set(e, rc, "a tag is empty or too long");
	else if (rc == BC_ELIMIT)
		tags_too_long(e);
	else if (rc != BC_OK)
		err_set(e, rc, "no memory for the tags");
	t.n_set = (uint32_t)n_set;
	t.set = buf_bytes(&sets);
	t.n_remove = (uint32_t)n_drop;
	t.remove = buf_bytes(&drops);
	if (rc == BC_OK)
		rc = commit(&w, e);
	buf_fini(&sets);
	buf_fini(&drops);
	return rc;
}
