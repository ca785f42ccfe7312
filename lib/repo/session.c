/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/session.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "pack/writer.h"
#include "repo/cargo.h"
#include "repo/checkpoint.h"
#include "repo/absent.h"
#include "repo/hurt.h"
#include "repo/lease.h"
#include "repo/replay.h"
#include "repo/reserve.h"
#include "repo/views.h"
#include "tree/attrs.h"
#include "util/arith.h"

enum {
	BUFFER_BYTES = 1 << 20,
	BUFFERS = 8,
	/* Chunks that the table holds before a commit of packs is due: 32 + 24
	 * bytes each. A window of new chunks may still come on top. */
	DUE_CHUNKS = 200 << 10,
	TABLE_MAX = 256 << 10,
	/* Of one key in the table: it has 64 bits, and more than one chunk of
	 * it is chance. Who has none of these is stored once more. */
	CANDIDATES_MAX = 8,
	COMMAND_BYTES = 32,
	/* What a command that frees space wants to see free before it begins:
	 * for its lease, the views, and a new log. */
	FREEING_BYTES = 4 << 20,
};

#define DUE_BYTES (UINT64_C(4) << 30)

struct session {
	struct repo *r;
	struct lease lease;
	char command[COMMAND_BYTES];
	bool frees; /* may use the reserve */
	struct flusher *flusher;

	/* What this session has claimed since its last commit. */
	pthread_mutex_t table_lock;
	struct index_mem table;
	struct digest *ids; /* by ordinal */
	uint32_t n_ids, cap_ids;
	struct session_counts counts;
	uint64_t stored_at_commit;
	struct err failed; /* the first failure */
	struct hurt_look look;
	atomic_bool told; /* that a pack cannot be read */

	pthread_mutex_t data_lock;
	struct pack_writer *data;

	pthread_mutex_t meta_lock;
	struct pack_writer *meta;
	struct gather nodes;
	struct sealer sealer;
};

/* ---- begin and end --------------------------------------------------------
 */

static enum bc_err new_writer(struct session *s, enum pack_kind kind,
			      struct pack_writer **out, struct err *e)
{
	struct repo *r = s->r;
	struct pack_writer_options o = { .dir = r->packs_dir,
					 .flusher = s->flusher,
					 .rng = r->rng,
					 .clock = r->clock,
					 .repo = r->sb.id,
					 .session = s->lease.id,
					 .kind = kind,
					 .target = r->sb.pack_bytes };

	return pack_writer_new(&o, out, e);
}

/* Lock first, then read the generation: what is freed after this looks at
 * leases. */
static enum bc_err enter(struct session *s, struct err *e)
{
	struct repo *r = s->r;
	enum bc_err rc =
		lease_take(&s->lease, r->leases_dir, r->rng, s->command, e);

	if (rc == BC_OK)
		rc = repo_catch_up(r, false, e);
	if (rc == BC_OK)
		rc = lease_set(&s->lease, s->command, r->head.generation, e);
	/* Now, as an index that has seen more than the log stops writers. */
	if (rc == BC_OK)
		rc = repo_need_index(r, e);
	if (rc == BC_OK) {
		repo_hurt_load(r);
		lease_sweep(r->leases_dir, &s->lease);
	}
	return rc;
}

static enum bc_err begin(struct repo *r, const char *command, bool frees,
			 struct session **out, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	uint64_t secret = 0;
	enum bc_err rc;

	if (s == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a session");
	s->r = r;
	s->frees = frees;
	strncpy(s->command, command, COMMAND_BYTES - 1);
	pthread_mutex_init(&s->table_lock, NULL);
	pthread_mutex_init(&s->data_lock, NULL);
	pthread_mutex_init(&s->meta_lock, NULL);
	rc = rng_fill(r->rng, &secret, sizeof(secret), e);
	index_mem_init(&s->table, TABLE_MAX, secret);
	if (rc == BC_OK)
		rc = enter(s, e);
	if (rc == BC_OK)
		rc = flusher_new(r->io, BUFFERS, BUFFER_BYTES, &s->flusher, e);
	if (rc == BC_OK)
		rc = new_writer(s, PACK_DATA, &s->data, e);
	if (rc == BC_OK)
		rc = new_writer(s, PACK_META, &s->meta, e);
	if (rc != BC_OK) {
		session_end(s);
		return rc;
	}
	*out = s;
	return BC_OK;
}

enum bc_err session_begin(struct repo *r, const char *command,
			  struct session **out, struct err *e)
{
	return begin(r, command, false, out, e);
}

enum bc_err session_begin_freeing(struct repo *r, const char *command,
				  struct session **out, struct err *e)
{
	struct io_space space;
	enum bc_err rc;

	if (io_dir_space(r->dir, &space, NULL) == BC_OK &&
	    space.available < FREEING_BYTES)
		repo_release_reserve(r);
	rc = begin(r, command, true, out, e);
	if (rc != BC_ENOSPC)
		return rc;
	/* A quota, which is not seen before. */
	err_clear(e);
	repo_release_reserve(r);
	return begin(r, command, true, out, e);
}

void session_end(struct session *s)
{
	if (s == NULL)
		return;
	if (s->data != NULL)
		pack_writer_free(s->data);
	if (s->meta != NULL)
		pack_writer_free(s->meta);
	flusher_free(s->flusher);
	gather_fini(&s->nodes);
	sealer_fini(&s->sealer);
	index_mem_fini(&s->table);
	free(s->ids);
	lease_drop(&s->lease);
	if (s->frees)
		repo_restore_reserve(s->r);
	pthread_mutex_destroy(&s->table_lock);
	pthread_mutex_destroy(&s->data_lock);
	pthread_mutex_destroy(&s->meta_lock);
	free(s);
}

/* Keep the first failure of a thread for all; returns rc. */
static enum bc_err keep(struct session *s, enum bc_err rc, const struct err *e)
{
	if (rc == BC_OK)
		return rc;
	pthread_mutex_lock(&s->table_lock);
	if (s->failed.code == BC_OK) {
		if (e != NULL)
			s->failed = *e;
		s->failed.code = rc;
	}
	pthread_mutex_unlock(&s->table_lock);
	return rc;
}

static enum bc_err kept(struct session *s, struct err *e)
{
	if (s->failed.code != BC_OK && e != NULL)
		*e = s->failed;
	return s->failed.code;
}

/* ---- dedup ----------------------------------------------------------------
 */

/* Under the table's lock. */
static bool claimed(const struct session *s, const struct digest *id)
{
	uint32_t at[CANDIDATES_MAX];
	size_t n = index_mem_find(&s->table, id, at, CANDIDATES_MAX);

	for (size_t i = 0; i < n; i++)
		if (digest_eq(&s->ids[at[i]], id))
			return true;
	return false;
}

static enum bc_err claim(struct session *s, const struct digest *id,
			 uint32_t size, struct err *e)
{
	enum bc_err rc;

	if (s->n_ids == s->cap_ids) {
		uint32_t cap = s->cap_ids == 0 ? 256 : s->cap_ids * 2;
		struct digest *ids = realloc(s->ids, cap * sizeof(*ids));

		if (ids == NULL)
			return err_set(e, BC_ENOMEM, "no memory for chunks");
		s->ids = ids;
		s->cap_ids = cap;
	}
	rc = index_mem_add(&s->table, id, s->n_ids);
	/* A full table only forgets: the chunk is stored all the same, and a
	 * second copy of it would be too. */
	if (rc == BC_EFULL)
		rc = BC_OK;
	else if (rc == BC_OK)
		s->ids[s->n_ids++] = *id;
	else
		return err_set(e, rc, "no memory for chunks");
	s->counts.chunks++;
	s->counts.bytes += size;
	return rc;
}

/* A pack that should have a chunk cannot be read: said once. */
static void tell_unread(struct session *s, const struct err *why)
{
	if (!atomic_exchange(&s->told, true))
		repo_note_f(s->r,
			    "%s: what this put has of it is stored again; "
			    "`blobctl check` says which snapshots it hurts",
			    why->text);
}

static enum bc_err filter(struct session *s, const struct digest *const *ids,
			  const uint32_t *sizes, size_t n, bool *fresh,
			  struct err *e)
{
	struct err unread = ERR_INIT;
	enum bc_err rc = BC_OK;

	pthread_mutex_lock(&s->table_lock);
	rc = kept(s, e);
	if (rc == BC_OK)
		rc = repo_need_index(s->r, e);
	for (size_t i = 0; i < n; i++)
		fresh[i] = !claimed(s, ids[i]);
	pthread_mutex_unlock(&s->table_lock);
	if (rc == BC_OK)
		rc = repo_absent(s->r, ids, n, fresh, &unread, e);
	if (unread.code != BC_OK)
		tell_unread(s, &unread);
	pthread_mutex_lock(&s->table_lock);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		/* Another thread, or an earlier place in this batch. */
		fresh[i] = fresh[i] && !claimed(s, ids[i]);
		if (fresh[i])
			rc = claim(s, ids[i], sizes[i], e);
	}
	pthread_mutex_unlock(&s->table_lock);
	return rc;
}

enum bc_err session_hurt(struct session *s, bool look, bool *lost,
			 struct digest *state, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (look)
		rc = repo_hurt_look(s->r, &s->look, e);
	*lost = s->look.lost > 0;
	hurt_state(&s->r->hurt, state);
	return keep(s, rc, e);
}

void session_tell_hurt(struct session *s, bool all_read)
{
	const struct hurt_look *l = &s->look;
	const char *what = all_read ? "every file is read, and what was in "
				      "it is stored again"
				    : "nothing in this put needs it";

	if (l->lost == 0 && all_read)
		repo_note_f(s->r,
			    "some blocks of the repository are known to be "
			    "damaged: every file is read, and what was in "
			    "them is stored again");
	if (l->lost == 0 || atomic_exchange(&s->told, true))
		return;
	if (l->lost == 1)
		repo_note_f(s->r,
			    "%s: %s; `blobctl check` says which snapshots it "
			    "hurts",
			    l->first, what);
	else
		repo_note_f(s->r,
			    "%s, and %zu more packs are lost: %s; `blobctl "
			    "check` says which snapshots it hurts",
			    l->first, l->lost - 1, what);
}

enum bc_err session_filter(struct session *s, const struct digest *const *ids,
			   const uint32_t *sizes, size_t n, bool *fresh,
			   struct err *e)
{
	struct err own = ERR_INIT;
	enum bc_err rc = filter(s, ids, sizes, n, fresh, &own);

	if (rc != BC_OK && e != NULL)
		*e = own;
	return keep(s, rc, &own);
}

/* ---- blocks ---------------------------------------------------------------
 */

static enum bc_err append(struct session *s, pthread_mutex_t *lock,
			  struct pack_writer *w, const struct sealed_block *b,
			  struct err *e)
{
	enum bc_err rc;

	if (lock != NULL)
		pthread_mutex_lock(lock);
	rc = pack_writer_append(w, b, e);
	if (lock != NULL)
		pthread_mutex_unlock(lock);
	pthread_mutex_lock(&s->table_lock);
	s->counts.stored += BLOCK_HEAD_BYTES + b->stored.n;
	pthread_mutex_unlock(&s->table_lock);
	return rc;
}

enum bc_err session_block(struct session *s, const struct sealed_block *b,
			  struct err *e)
{
	struct err own = ERR_INIT;
	enum bc_err rc;

	if (b->head.kind == BLOCK_DATA)
		rc = append(s, &s->data_lock, s->data, b, &own);
	else
		rc = append(s, &s->meta_lock, s->meta, b, &own);
	if (rc != BC_OK && e != NULL)
		*e = own;
	return keep(s, rc, &own);
}

/* Under the metadata lock. */
static enum bc_err flush_nodes(struct session *s, struct err *e)
{
	struct sealed_block b;
	enum bc_err rc;

	if (s->nodes.chunks == 0)
		return BC_OK;
	rc = sealer_seal(&s->sealer, &s->nodes, &b, e);
	if (rc == BC_OK)
		rc = append(s, NULL, s->meta, &b, e);
	gather_clear(&s->nodes);
	return rc;
}

static enum bc_err add_node(struct session *s, const struct digest *id,
			    struct bytes node, struct err *e)
{
	size_t target = s->r->sb.block_bytes;
	size_t largest = max_size(target, ATTRS_MAX_BYTES);
	enum bc_err rc = BC_OK;

	if (s->nodes.mem == NULL)
		rc = gather_init(&s->nodes, BLOCK_TREE, target, largest, e);
	if (rc == BC_OK && s->sealer.enc == NULL)
		rc = sealer_init(&s->sealer, s->r->sb.level, 2 * largest, e);
	if (rc == BC_OK && !gather_fits(&s->nodes, node.n))
		rc = flush_nodes(s, e);
	if (rc == BC_OK)
		gather_add(&s->nodes, id, node);
	return rc;
}

static enum bc_err emit_node(void *ctx, struct bytes node, struct digest *id,
			     struct err *e)
{
	struct session *s = ctx;
	const struct digest *one = id;
	uint32_t size = (uint32_t)node.n;
	struct err own = ERR_INIT;
	bool fresh = false;
	enum bc_err rc;

	sha256_one(node, id);
	rc = session_filter(s, &one, &size, 1, &fresh, e);
	if (rc != BC_OK || !fresh)
		return rc;
	pthread_mutex_lock(&s->meta_lock);
	rc = add_node(s, id, node, &own);
	pthread_mutex_unlock(&s->meta_lock);
	if (rc != BC_OK && e != NULL)
		*e = own;
	return keep(s, rc, &own);
}

struct node_sink session_node_sink(struct session *s)
{
	return (struct node_sink){ emit_node, s };
}

struct session_counts session_counts(struct session *s)
{
	struct session_counts c;

	pthread_mutex_lock(&s->table_lock);
	c = s->counts;
	pthread_mutex_unlock(&s->table_lock);
	return c;
}

bool session_due(struct session *s)
{
	bool due;

	pthread_mutex_lock(&s->table_lock);
	due = s->n_ids >= DUE_CHUNKS ||
	      s->counts.stored - s->stored_at_commit >= DUE_BYTES;
	pthread_mutex_unlock(&s->table_lock);
	return due;
}

/* ---- commit ---------------------------------------------------------------
 */

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
	rc = log_ops_add(&w->cargo.group.ops, &op);
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for a log group");
}

static enum bc_err look(void *ctx, struct repo *r, struct err *e)
{
	struct work *w = ctx;
	struct catalog_snapshot row;
	enum bc_err rc = BC_OK;

	if (w->record.n > 0)
		rc = name_snapshot(w, r, e);
	for (size_t i = 0; i < w->n_remove && rc == BC_OK; i++) {
		struct log_op op = { .code = LOG_OP_SNAPSHOT_REMOVED,
				     .u.snapshot = w->remove[i] };

		rc = catalog_get_snapshot(r->catalog, &w->remove[i], &row, e);
		if (rc == BC_ENOTFOUND)
			return err_set(e, rc, "the snapshot is gone already");
		if (rc == BC_OK)
			rc = log_ops_add(&w->cargo.group.ops, &op);
	}
	if (rc == BC_OK && w->tagging != NULL) {
		struct log_op op = { .code = LOG_OP_SNAPSHOT_TAGGED,
				     .u.tagging = *w->tagging };

		rc = catalog_get_snapshot(r->catalog, &w->tagging->snapshot,
					  &row, e);
		if (rc == BC_ENOTFOUND)
			return err_set(e, rc, "the snapshot is gone");
		if (rc == BC_OK)
			rc = log_ops_add(&w->cargo.group.ops, &op);
	}
	return rc == BC_OK ? cargo_name_packs(&w->cargo, e) : rc;
}

static enum bc_err commit(struct work *w, struct err *e)
{
	struct session *s = w->s;
	struct cargo *c = &w->cargo;
	enum bc_err rc = kept(s, e);

	cargo_init(c, s->r);
	c->look = look;
	c->ctx = w;
	c->frees = w->frees;
	if (rc == BC_OK)
		rc = flush_nodes(s, e);
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
		return keep(s, rc, e);
	index_mem_clear(&s->table);
	s->n_ids = 0;
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
		err_set(e, rc, "the tags are too long together");
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
