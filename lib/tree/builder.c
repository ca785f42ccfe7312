/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/builder.h"

#include "util/arith.h"
#include "util/crc32c.h"

void tree_builder_init(struct tree_builder *b, const struct node_sink *sink)
{
	memset(b, 0, sizeof(*b));
	b->sink = *sink;
	leaf_writer_init(&b->leaf, LEAF_OF_DIRECTORY);
	for (unsigned i = 0; i < INNER_LEVEL_MAX; i++)
		inner_writer_init(&b->level[i].node, i + 1);
	buf_init(&b->out, NODE_MAX_BYTES);
}

void tree_builder_fini(struct tree_builder *b)
{
	leaf_writer_fini(&b->leaf);
	for (unsigned i = 0; i < INNER_LEVEL_MAX; i++)
		inner_writer_fini(&b->level[i].node);
	buf_fini(&b->out);
}

void tree_builder_begin(struct tree_builder *b)
{
	leaf_writer_clear(&b->leaf);
	for (unsigned i = 0; i < INNER_LEVEL_MAX; i++) {
		inner_writer_clear(&b->level[i].node);
		b->level[i].emitted = false;
	}
	b->first_n = 0;
	b->last_n = 0;
	b->entries = 0;
	b->bytes = 0;
}

static bool cuts(struct bytes name, unsigned level)
{
	unsigned shift = INNER_CUT_SHIFT * level;
	uint32_t crc = crc32c(0, name.p, name.n);

	return shift >= 32 || (crc >> shift) % NODE_CUT_MOD == 0;
}

static enum bc_err push(struct tree_builder *b, unsigned level,
			const struct inner_item *it, struct err *e);

/* The open inner node of a level goes out and up. */
static enum bc_err emit_inner(struct tree_builder *b, unsigned level,
			      struct err *e)
{
	struct tree_level *l = &b->level[level - 1];
	uint8_t first[TREE_NAME_MAX_BYTES];
	struct inner_item it;
	enum bc_err rc;

	inner_writer_get(&l->node, &it);
	memcpy(first, it.first.p, it.first.n);
	it.first.p = first;
	it.entries = l->node.entries;
	buf_clear(&b->out);
	rc = inner_writer_finish(&l->node, &b->out, e);
	if (rc == BC_OK)
		rc = b->sink.emit(b->sink.ctx, buf_bytes(&b->out), &it.id, e);
	if (rc != BC_OK)
		return rc;
	l->emitted = true;
	return push(b, level + 1, &it, e);
}

static enum bc_err push(struct tree_builder *b, unsigned level,
			const struct inner_item *it, struct err *e)
{
	struct inner_writer *w;
	enum bc_err rc;

	/* The least fan-out is 13: 2^64 entries never come here. */
	if (level > INNER_LEVEL_MAX)
		return err_set(e, BC_ELIMIT, "a directory of too many levels");
	w = &b->level[level - 1].node;
	rc = inner_writer_add(w, it, e);
	if (rc == BC_EFULL) {
		rc = emit_inner(b, level, e);
		if (rc == BC_OK)
			rc = inner_writer_add(w, it, e);
	}
	if (rc != BC_OK)
		return rc;
	if (inner_writer_body(w) >= INNER_CUT_BYTES && cuts(it->first, level))
		return emit_inner(b, level, e);
	return BC_OK;
}

static enum bc_err put_leaf(struct tree_builder *b, struct digest *id,
			    struct err *e)
{
	enum bc_err rc;

	buf_clear(&b->out);
	rc = leaf_writer_finish(&b->leaf, &b->out, e);
	if (rc != BC_OK)
		return rc;
	return b->sink.emit(b->sink.ctx, buf_bytes(&b->out), id, e);
}

static enum bc_err emit_leaf(struct tree_builder *b, struct err *e)
{
	struct inner_item it = { .first = bytes_of(b->first, b->first_n),
				 .entries = b->leaf.count };
	enum bc_err rc = put_leaf(b, &it.id, e);

	return rc == BC_OK ? push(b, 1, &it, e) : rc;
}

static enum bc_err add_totals(struct tree_builder *b,
			      const struct tree_entry *en, struct err *e)
{
	uint64_t entries = 1, bytes = 0;

	if (en->type == TREE_FILE)
		bytes = en->content.size;
	if (en->type == TREE_DIR) {
		bytes = en->dir.bytes;
		entries = en->dir.entries;
		if (!add_u64(entries, 1, &entries))
			return err_set(e, BC_ELIMIT, "too many entries");
	}
	if (!add_u64(b->entries, entries, &entries) ||
	    !add_u64(b->bytes, bytes, &bytes))
		return err_set(e, BC_ELIMIT, "more than 2^64 entries or bytes");
	b->entries = entries;
	b->bytes = bytes;
	return BC_OK;
}

enum bc_err tree_builder_add(struct tree_builder *b,
			     const struct tree_entry *en, struct err *e)
{
	bool opens;
	enum bc_err rc;

	if (b->last_n != 0 &&
	    bytes_cmp(bytes_of(b->last, b->last_n), en->name) >= 0)
		return err_set(e, BC_EINVAL,
			       "a directory's entries are out of order");
	opens = b->leaf.count == 0;
	rc = leaf_writer_add(&b->leaf, en, e);
	if (rc == BC_EFULL) {
		rc = emit_leaf(b, e);
		if (rc == BC_OK)
			rc = leaf_writer_add(&b->leaf, en, e);
		opens = true;
	}
	if (rc != BC_OK)
		return rc;
	if (opens) {
		memcpy(b->first, en->name.p, en->name.n);
		b->first_n = en->name.n;
	}
	memcpy(b->last, en->name.p, en->name.n);
	b->last_n = en->name.n;
	rc = add_totals(b, en, e);
	if (rc == BC_OK && leaf_writer_body(&b->leaf) >= LEAF_CUT_BYTES &&
	    cuts(en->name, 0))
		rc = emit_leaf(b, e);
	return rc;
}

enum bc_err tree_builder_finish(struct tree_builder *b, struct tree_dir *out,
				struct err *e)
{
	struct tree_dir dir = { .entries = b->entries, .bytes = b->bytes };
	struct tree_level *l = b->level;
	struct inner_item it;
	enum bc_err rc = BC_OK;

	if (b->entries == 0)
		rc = put_leaf(b, &dir.id, e);
	else if (b->leaf.count != 0)
		rc = emit_leaf(b, e);
	/* Close what is open, from below; what stands alone is the root. */
	while (rc == BC_OK && b->entries != 0 &&
	       (l->emitted || l->node.count != 1)) {
		if (l->node.count != 0)
			rc = emit_inner(b, l->node.level, e);
		l++;
	}
	if (rc != BC_OK)
		return rc;
	if (b->entries != 0) {
		inner_writer_get(&l->node, &it);
		dir.id = it.id;
	}
	tree_builder_begin(b);
	*out = dir;
	return BC_OK;
}
