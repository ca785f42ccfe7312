/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/compare.h"

/* Both sides, and what to tell. */
struct walk {
	struct tree_reader *ra, *rb;
	tree_compare_fn *fn;
	void *ctx;
};

/* Both stand before entries. */
static enum bc_err step_entries(const struct walk *w,
				const struct tree_place *a,
				const struct tree_place *b, int order,
				struct err *e)
{
	enum bc_err rc = BC_OK;
	unsigned diff;

	if (order < 0) {
		rc = w->fn(w->ctx, a->entry, NULL, 0, e);
	} else if (order > 0) {
		rc = w->fn(w->ctx, NULL, b->entry, 0, e);
	} else {
		diff = tree_entry_diff(a->entry, b->entry);
		if (diff != 0)
			rc = w->fn(w->ctx, a->entry, b->entry, diff, e);
	}
	if (order <= 0)
		tree_reader_skip(w->ra);
	if (order >= 0)
		tree_reader_skip(w->rb);
	return rc;
}

/* At least one stands before a node. */
static enum bc_err step_nodes(const struct walk *w, const struct tree_place *a,
			      const struct tree_place *b, int order,
			      struct err *e)
{
	bool na = a->step == TREE_AT_NODE, nb = b->step == TREE_AT_NODE;

	if (na && nb && digest_eq(&a->id, &b->id)) {
		tree_reader_skip(w->ra);
		tree_reader_skip(w->rb);
		return BC_OK;
	}
	if (order < 0)
		return na ? tree_reader_enter(w->ra, e)
			  : step_entries(w, a, b, order, e);
	if (order > 0)
		return nb ? tree_reader_enter(w->rb, e)
			  : step_entries(w, a, b, order, e);
	/* They begin alike. Open the higher one: the other may be in it. */
	if (na && (!nb || a->level >= b->level))
		return tree_reader_enter(w->ra, e);
	return tree_reader_enter(w->rb, e);
}

enum bc_err tree_compare(struct tree_reader *ra, const struct digest *a,
			 struct tree_reader *rb, const struct digest *b,
			 tree_compare_fn *fn, void *ctx, struct err *e)
{
	struct walk w = { ra, rb, fn, ctx };
	struct tree_place pa, pb;
	int order;
	enum bc_err rc;

	if (a != NULL && b != NULL && digest_eq(a, b))
		return BC_OK;
	rc = tree_reader_open(ra, a, e);
	if (rc == BC_OK)
		rc = tree_reader_open(rb, b, e);
	while (rc == BC_OK) {
		tree_reader_peek(ra, &pa);
		tree_reader_peek(rb, &pb);
		if (pa.step == TREE_AT_END && pb.step == TREE_AT_END)
			break;
		if (pa.step == TREE_AT_END)
			order = 1;
		else if (pb.step == TREE_AT_END)
			order = -1;
		else
			order = bytes_cmp(pa.name, pb.name);
		if (pa.step == TREE_AT_NODE || pb.step == TREE_AT_NODE)
			rc = step_nodes(&w, &pa, &pb, order, e);
		else
			rc = step_entries(&w, &pa, &pb, order, e);
	}
	return rc;
}
