/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/checkpoint_parts.h"

#include "pack/open.h"
#include "repo/dir_load.h"

static enum bc_err damaged(struct err *e, const char *what)
{
	return err_set(e, BC_EDAMAGE, "%s", what);
}

static enum bc_err add_pack(struct checkpoint_parts *c,
			    const struct log_pack_added *p, struct err *e)
{
	struct pack_ref ref = { .number = p->number,
				.id = p->id,
				.length = p->length };
	struct checkpoint_source *s = &c->source[c->n_sources];
	struct digest digest;
	enum bc_err rc;

	if (c->n_sources == CHECKPOINT_SOURCES_MAX)
		return err_set(e, BC_ELIMIT,
			       "a checkpoint in more packs than this version "
			       "reads");
	*s = (struct checkpoint_source){ .dir = NULL };
	rc = repo_open_pack(c->r, &ref, false, &s->file, e);
	if (rc == BC_OK)
		rc = repo_read_dir(c->r, s->file, p->length, &s->own, &digest,
				   e);
	c->n_sources++;
	s->dir = s->own;
	if (rc == BC_OK && !digest_eq(&digest, &p->directory))
		rc = damaged(e, "a pack's directory is not the one that "
				"was committed");
	return rc;
}

static enum bc_err open_group(struct checkpoint_parts *c,
			      const struct checkpoint_place *p, struct err *e)
{
	struct log_file *log = NULL;
	struct cursor ops;
	bool named = false;
	enum bc_err rc = repo_open_own_log(c->r, p->seq, &p->log, &log, e);

	if (rc == BC_OK)
		rc = log_file_group(log, p->offset, GROUP_BYTES, c->r->dec,
				    &c->group, e);
	log_file_close(log);
	if (rc != BC_OK)
		return rc;
	c->source[c->n_sources++] =
		(struct checkpoint_source){ .dir = c->group->dir };
	ops = cursor_of(c->group->record.ops);
	for (uint32_t i = 0; i < c->group->record.n_ops && rc == BC_OK; i++) {
		struct log_op op;

		rc = log_op_next(&ops, &op, e);
		if (rc == BC_OK && op.code == LOG_OP_PACK_ADDED)
			rc = add_pack(c, &op.u.pack, e);
		if (rc == BC_OK && op.code == LOG_OP_CHECKPOINT &&
		    op.u.checkpoint.generation == p->generation) {
			c->root = op.u.checkpoint.root;
			named = true;
		}
	}
	if (rc == BC_OK && !named)
		rc = damaged(e, "no such checkpoint is there");
	return rc;
}

enum bc_err checkpoint_parts_open(struct checkpoint_parts *c, struct repo *r,
				  const struct checkpoint_place *p,
				  struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->r = r;
	buf_init(&c->plain, BLOCK_PLAIN_MAX_BYTES);
	buf_init(&c->stored, BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES);
	return open_group(c, p, e);
}

void checkpoint_parts_close(struct checkpoint_parts *c)
{
	for (size_t i = 0; i < c->n_sources; i++) {
		pack_dir_free(c->source[i].own);
		io_file_close(c->source[i].file, NULL);
	}
	group_free(c->group);
	buf_fini(&c->plain);
	buf_fini(&c->stored);
}

/* A block of a source, plain, in c->plain. */
static enum bc_err open_block(struct checkpoint_parts *c,
			      const struct checkpoint_source *s, uint32_t i,
			      struct err *e)
{
	const struct dir_block *b = &s->dir->blocks[i];
	struct bytes raw;
	enum bc_err rc;

	if (c->held == s && c->held_block == i)
		return BC_OK;
	c->held = NULL;
	if (b->kind != BLOCK_CHECKPOINT)
		return damaged(e, "a part of it is in a block of another kind");
	if (s->file == NULL) {
		rc = group_block(c->group, i, &raw, e);
		if (rc == BC_OK)
			rc = block_open_to(b, raw, c->r->dec, &c->plain, e);
	} else {
		rc = block_read(s->file, b, c->r->dec, &c->stored, &c->plain,
				e);
	}
	if (rc == BC_OK) {
		c->held = s;
		c->held_block = i;
	}
	return rc;
}

enum bc_err checkpoint_parts_get(struct checkpoint_parts *c,
				 const struct digest *id, struct bytes *out,
				 struct err *e)
{
	enum bc_err rc;

	for (struct checkpoint_source *s = c->source;
	     s < c->source + c->n_sources; s++) {
		uint32_t n = s->dir == NULL ? 0 : s->dir->n_chunks, k = 0, i;

		while (k < n && !digest_eq(&s->dir->ids[(s->next + k) % n], id))
			k++;
		if (k == n)
			continue;
		i = (s->next + k) % n;
		s->next = i + 1;
		rc = open_block(c, s, s->dir->block_of[i], e);
		return rc == BC_OK
			       ? pack_dir_chunk(s->dir, i, buf_bytes(&c->plain),
						out, e)
			       : rc;
	}
	return damaged(e, "a part of it is missing");
}
