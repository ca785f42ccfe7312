/* SPDX-License-Identifier: Apache-2.0 */
/* A session's beginning and end, and what it stores. Its commits are in
 * session_commit.c. */
#include "repo/session_state.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "repo/absent.h"
#include "repo/replay.h"
#include "repo/reserve.h"
#include "repo/views.h"
#include "tree/attrs.h"
#include "util/arith.h"

enum {
	BUFFER_BYTES = 1 << 20,
	BUFFERS = 8,
	/* Chunks that are claimed before a commit of packs is due, 32 + 24
	 * bytes each: fewer than claims hold, as a window of new chunks may
	 * still come on top. */
	DUE_CHUNKS = 200 << 10,
	/* What a command that frees space wants to see free before it begins:
	 * for its lease, the views, and a new log. */
	FREEING_BYTES = 4 << 20,
};

#define DUE_BYTES (UINT64_C(4) << 30)

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
	strncpy(s->command, command, SESSION_COMMAND_BYTES - 1);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->data_lock, NULL);
	pthread_mutex_init(&s->meta_lock, NULL);
	rc = rng_fill(r->rng, &secret, sizeof(secret), e);
	claims_init(&s->claims, secret);
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
	claims_fini(&s->claims);
	lease_drop(&s->lease);
	if (s->frees)
		repo_restore_reserve(s->r);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->data_lock);
	pthread_mutex_destroy(&s->meta_lock);
	free(s);
}

enum bc_err session_keep(struct session *s, enum bc_err rc, const struct err *e)
{
	if (rc == BC_OK)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (s->failed.code == BC_OK) {
		if (e != NULL)
			s->failed = *e;
		s->failed.code = rc;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

enum bc_err session_kept(struct session *s, struct err *e)
{
	if (s->failed.code != BC_OK && e != NULL)
		*e = s->failed;
	return s->failed.code;
}

/* ---- dedup ----------------------------------------------------------------
 */

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

	pthread_mutex_lock(&s->lock);
	rc = session_kept(s, e);
	if (rc == BC_OK)
		rc = repo_need_index(s->r, e);
	for (size_t i = 0; i < n; i++)
		fresh[i] = !claims_has(&s->claims, ids[i]);
	pthread_mutex_unlock(&s->lock);
	if (rc == BC_OK)
		rc = repo_absent(s->r, ids, n, fresh, &unread, e);
	if (unread.code != BC_OK)
		tell_unread(s, &unread);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		/* Another thread, or an earlier place in this batch. */
		fresh[i] = fresh[i] && !claims_has(&s->claims, ids[i]);
		if (!fresh[i])
			continue;
		rc = claims_add(&s->claims, ids[i], e);
		s->counts.chunks++;
		s->counts.bytes += sizes[i];
	}
	pthread_mutex_unlock(&s->lock);
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
	return session_keep(s, rc, e);
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
	return session_keep(s, rc, &own);
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
	pthread_mutex_lock(&s->lock);
	s->counts.stored += BLOCK_HEAD_BYTES + b->stored.n;
	pthread_mutex_unlock(&s->lock);
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
	return session_keep(s, rc, &own);
}

enum bc_err session_flush_nodes(struct session *s, struct err *e)
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
		rc = session_flush_nodes(s, e);
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
	return session_keep(s, rc, &own);
}

struct node_sink session_node_sink(struct session *s)
{
	return (struct node_sink){ emit_node, s };
}

struct session_counts session_counts(struct session *s)
{
	struct session_counts c;

	pthread_mutex_lock(&s->lock);
	c = s->counts;
	pthread_mutex_unlock(&s->lock);
	return c;
}

bool session_due(struct session *s)
{
	bool due;

	pthread_mutex_lock(&s->lock);
	due = s->claims.n >= DUE_CHUNKS ||
	      s->counts.stored - s->stored_at_commit >= DUE_BYTES;
	pthread_mutex_unlock(&s->lock);
	return due;
}
