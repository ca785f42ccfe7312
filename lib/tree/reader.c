/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/reader.h"

void tree_reader_init(struct tree_reader *r, const struct node_source *source)
{
	memset(r, 0, sizeof(*r));
	r->source = *source;
	for (int i = 0; i < INNER_LEVEL_MAX; i++)
		buf_init(&r->frame[i].node, NODE_MAX_BYTES);
	buf_init(&r->leaf_node, NODE_MAX_BYTES);
}

void tree_reader_fini(struct tree_reader *r)
{
	for (int i = 0; i < INNER_LEVEL_MAX; i++)
		buf_fini(&r->frame[i].node);
	buf_fini(&r->leaf_node);
	r->depth = 0;
	r->in_leaf = false;
	r->ahead = false;
}

enum bc_err tree_reader_open(struct tree_reader *r, const struct digest *dir,
			     struct err *e)
{
	struct tree_frame *f = &r->frame[0];
	struct digest id;
	struct buf swap;
	enum bc_err rc;

	r->depth = 0;
	r->in_leaf = false;
	r->ahead = false;
	if (dir == NULL)
		return BC_OK;
	/* The name of the directory may lie in the node that goes. */
	id = *dir;
	rc = node_fetch(&r->source, &id, &r->leaf_node, e);
	if (rc != BC_OK)
		return rc;
	if (r->leaf_node.n != 0 && r->leaf_node.p[0] == NODE_INNER) {
		swap = r->leaf_node;
		r->leaf_node = f->node;
		f->node = swap;
		rc = inner_open(buf_bytes(&f->node), &f->inner, e);
		f->upper = bytes_of(NULL, 0);
		r->depth = rc == BC_OK;
		return rc;
	}
	rc = leaf_open(buf_bytes(&r->leaf_node), LEAF_OF_DIRECTORY, &r->leaf,
		       e);
	r->in_leaf = rc == BC_OK;
	return rc;
}

void tree_reader_peek(struct tree_reader *r, struct tree_place *out)
{
	struct inner_item it;

	memset(out, 0, sizeof(*out));
	if (r->in_leaf && !r->ahead)
		r->in_leaf = r->ahead = leaf_next(&r->leaf, &r->entry);
	if (r->in_leaf) {
		out->step = TREE_AT_ENTRY;
		out->name = r->entry.name;
		out->entry = &r->entry;
		return;
	}
	for (; r->depth > 0; r->depth--)
		if (inner_peek(&r->frame[r->depth - 1].inner, &it)) {
			out->step = TREE_AT_NODE;
			out->level = r->frame[r->depth - 1].inner.level - 1;
			out->name = it.first;
			out->id = it.id;
			return;
		}
	out->step = TREE_AT_END;
}

static enum bc_err misfit(struct err *e)
{
	return err_set(e, BC_EDAMAGE,
		       "a directory's nodes do not fit together");
}

/* Does a child hold what its parent says of it? */
static bool fits(const struct inner_item *it, struct bytes upper,
		 struct bytes first, struct bytes last, uint64_t entries)
{
	return bytes_eq(it->first, first) && it->entries == entries &&
	       (upper.n == 0 || bytes_cmp(last, upper) < 0);
}

static enum bc_err enter_leaf(struct tree_reader *r,
			      const struct inner_item *it, struct bytes upper,
			      struct err *e)
{
	enum bc_err rc;

	rc = node_fetch(&r->source, &it->id, &r->leaf_node, e);
	if (rc == BC_OK)
		rc = leaf_open(buf_bytes(&r->leaf_node), LEAF_OF_DIRECTORY,
			       &r->leaf, e);
	if (rc == BC_OK &&
	    !fits(it, upper, r->leaf.first, r->leaf.last, r->leaf.count))
		rc = misfit(e);
	r->in_leaf = rc == BC_OK;
	return rc;
}

static enum bc_err enter_inner(struct tree_reader *r,
			       const struct inner_item *it, struct bytes upper,
			       unsigned level, struct err *e)
{
	struct tree_frame *f = &r->frame[r->depth];
	enum bc_err rc;

	rc = node_fetch(&r->source, &it->id, &f->node, e);
	if (rc == BC_OK)
		rc = inner_open(buf_bytes(&f->node), &f->inner, e);
	if (rc == BC_OK &&
	    (f->inner.level != level ||
	     !fits(it, upper, f->inner.first, f->inner.last, f->inner.entries)))
		rc = misfit(e);
	if (rc != BC_OK)
		return rc;
	f->upper = upper;
	r->depth++;
	return BC_OK;
}

enum bc_err tree_reader_enter(struct tree_reader *r, struct err *e)
{
	struct tree_frame *f;
	struct inner n;
	struct inner_item it, sibling;
	struct bytes upper;
	enum bc_err rc;

	if (r->in_leaf || r->depth == 0 ||
	    !inner_peek(&r->frame[r->depth - 1].inner, &it))
		return err_set(e, BC_EINVAL, "not before a node");
	f = &r->frame[r->depth - 1];
	n = f->inner;
	(void)inner_next(&n, &it);
	upper = inner_peek(&n, &sibling) ? sibling.first : f->upper;
	/* Levels fall by one a step, so the frames suffice. */
	if (n.level == 1)
		rc = enter_leaf(r, &it, upper, e);
	else
		rc = enter_inner(r, &it, upper, n.level - 1, e);
	if (rc == BC_OK)
		f->inner = n;
	return rc;
}

void tree_reader_skip(struct tree_reader *r)
{
	struct tree_place at;
	struct inner_item it;

	tree_reader_peek(r, &at);
	if (at.step == TREE_AT_ENTRY)
		r->ahead = false;
	else if (at.step == TREE_AT_NODE)
		(void)inner_next(&r->frame[r->depth - 1].inner, &it);
}

enum bc_err tree_reader_next(struct tree_reader *r,
			     const struct tree_entry **out, struct err *e)
{
	struct tree_place at;
	enum bc_err rc;

	for (;;) {
		/* The common case first: the next of the same leaf. */
		if (r->in_leaf && !r->ahead && leaf_next(&r->leaf, &r->entry)) {
			*out = &r->entry;
			return BC_OK;
		}
		tree_reader_peek(r, &at);
		if (at.step == TREE_AT_NODE) {
			rc = tree_reader_enter(r, e);
			if (rc != BC_OK)
				return rc;
			continue;
		}
		r->ahead = false;
		*out = at.entry;
		return BC_OK;
	}
}

/* Down to the only leaf where the name can be, and there before the first
 * entry that is not less; *below tells whether it is before all names. */
static enum bc_err descend(struct tree_reader *r, const struct digest *dir,
			   struct bytes name, bool *below, struct err *e)
{
	enum bc_err rc = tree_reader_open(r, dir, e);

	*below = false;
	while (rc == BC_OK && !r->in_leaf && r->depth > 0) {
		if (!inner_seek(&r->frame[r->depth - 1].inner, name))
			*below = true;
		rc = tree_reader_enter(r, e);
	}
	if (rc == BC_OK && r->in_leaf)
		leaf_seek(&r->leaf, name);
	return rc;
}

enum bc_err tree_reader_seek(struct tree_reader *r, const struct digest *dir,
			     struct bytes name, struct err *e)
{
	bool below;

	return descend(r, dir, name, &below, e);
}

enum bc_err tree_reader_lookup(struct tree_reader *r, const struct digest *dir,
			       struct bytes name, const struct tree_entry **out,
			       struct err *e)
{
	bool below;
	enum bc_err rc = descend(r, dir, name, &below, e);

	if (rc != BC_OK)
		return rc;
	if (below || !r->in_leaf || !leaf_next(&r->leaf, &r->entry) ||
	    !bytes_eq(r->entry.name, name))
		return BC_ENOTFOUND;
	*out = &r->entry;
	return BC_OK;
}
