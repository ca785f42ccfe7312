/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/cargo.h"

#include "repo/dirs.h"

enum {
	/* Chunks that may travel in a group: an eighth of what a log holds. */
	INLINE_CHUNKS_MAX = 8192,
	/* A full log, and once more one that fails, make new logs take numbers
	 * before the packs do. Gaps do no harm, so leave them room. */
	NUMBERS_FOR_LOGS = 2,
};

void cargo_init(struct cargo *c, struct repo *r)
{
	*c = (struct cargo){ .r = r };
	group_builder_init(&c->group);
}

void cargo_fini(struct cargo *c)
{
	while (c->made != NULL) {
		struct pack_made *m = c->made;

		c->made = m->next;
		if (!c->named)
			pack_made_unlink(m, c->r->packs_dir);
		pack_made_free(m);
	}
	group_builder_fini(&c->group);
}

static enum bc_err no_memory(enum bc_err rc, struct err *e)
{
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for a log group");
}

enum bc_err cargo_take(struct cargo *c, struct pack_writer *w, struct err *e)
{
	struct pack_pending p = pack_writer_take(w);
	struct pack_made **end = &c->made;
	enum bc_err rc;

	if (p.n > 0 && p.dir->n_chunks <= INLINE_CHUNKS_MAX) {
		rc = group_add_blocks(&c->group, bytes_of(p.raw, p.n), p.dir,
				      PACK_HEAD_BYTES);
		pack_writer_drop_pending(w);
		return no_memory(rc, e);
	}
	while (*end != NULL)
		end = &(*end)->next;
	return pack_writer_finish(w, end, e);
}

enum bc_err cargo_add_record(struct cargo *c, enum block_kind kind,
			     struct bytes raw, struct digest *id, struct err *e)
{
	return no_memory(group_add_chunk(&c->group, kind, raw, id), e);
}

enum bc_err cargo_name_packs(struct cargo *c, struct err *e)
{
	uint32_t number = c->r->head.next_pack + NUMBERS_FOR_LOGS;
	enum bc_err rc = BC_OK;

	for (struct pack_made *m = c->made; m != NULL && rc == BC_OK;
	     m = m->next) {
		struct log_op op = { .code = LOG_OP_PACK_ADDED,
				     .u.pack = { .number = number,
						 .id = m->id,
						 .kind = m->kind,
						 .placement = m->placement,
						 .length = m->length,
						 .chunks = m->chunks,
						 .blocks = m->blocks,
						 .plain = m->plain,
						 .directory = m->directory } };
		struct pack_ref ref = { .number = number,
					.id = m->id,
					.length = m->length };

		if (number++ > INDEX_PACK_MAX)
			return err_set(e, BC_ELIMIT,
				       "the repository has no pack numbers "
				       "left");
		rc = log_ops_add(&c->group.ops, &op, e);
		repo_dir_add(c->r, &ref, m->dir);
		m->dir = NULL;
	}
	return rc;
}

/* Packs that were removed behind our back would be lost by a commit. */
static enum bc_err packs_there(struct cargo *c, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (struct pack_made *m = c->made; m != NULL && rc == BC_OK;
	     m = m->next) {
		char name[PACK_NAME_BYTES];
		struct io_stat st;

		pack_name(&m->id, name);
		rc = io_stat_at(c->r->packs_dir, name, &st, e);
		if (rc == BC_ENOTFOUND || (rc == BC_OK && st.size != m->length))
			rc = err_set(e, BC_EIO,
				     "%s/%s is not what was written there",
				     io_dir_path(c->r->packs_dir), name);
	}
	return rc;
}

static enum bc_err look(void *ctx, struct repo *r, struct err *e)
{
	struct cargo *c = ctx;
	enum bc_err rc = packs_there(c, e);

	return rc == BC_OK ? c->look(c->ctx, r, e) : rc;
}

enum bc_err cargo_commit(struct cargo *c, const struct pack_id *session,
			 struct err *e)
{
	struct commit commit = { .session = *session,
				 .group = &c->group,
				 .look = look,
				 .ctx = c,
				 .frees = c->frees };
	enum bc_err rc = BC_OK;

	if (c->made != NULL)
		rc = io_dir_sync(c->r->packs_dir, e);
	if (rc != BC_OK)
		return rc;
	rc = repo_commit(c->r, &commit, e);
	c->named = rc == BC_OK || e == NULL || e->unsure;
	return rc;
}
