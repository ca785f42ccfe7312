/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_node - leaves, inner nodes, content lists and attribute sets. What is
 * accepted lies within the input, and is the same after another round
 * through the encoder.
 */
#include <stdint.h>

#include "tree/node_inner.h"
#include "tree/node_leaf.h"
#include "tests/fuzz/fuzz.h"

static void within(struct bytes outer, struct bytes b)
{
	MUST(b.n == 0 || (b.p >= outer.p && b.n <= outer.n &&
			  (size_t)(b.p - outer.p) <= outer.n - b.n));
}

static void read_entry(struct bytes in, const struct tree_entry *en)
{
	struct content_iter ci;
	struct content_item item;
	struct attrs_iter ai;
	struct attr a;
	uint64_t sum = 0;

	within(in, en->name);
	within(in, en->user);
	within(in, en->group);
	within(in, en->target);
	within(in, en->content.ids);
	for (attrs_begin(&ai, en->attrs); attrs_next(&ai, &a);) {
		within(in, a.name);
		within(in, a.value);
	}
	for (content_begin(&ci, &en->content); content_next(&ci, &item);)
		sum += item.length;
	MUST(sum == en->content.size);
}

static void again(struct leaf *l, enum leaf_kind kind)
{
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct leaf_writer w;
	struct leaf m;
	struct tree_entry a, b;
	enum bc_err rc = BC_OK;

	leaf_writer_init(&w, kind);
	leaf_rewind(l);
	while (rc == BC_OK && leaf_next(l, &a))
		if ((a.has & TREE_HAS_ATTRS) == 0 ||
		    a.attrs.raw.n <= ATTRS_INLINE_MAX_BYTES)
			rc = leaf_writer_add(&w, &a, NULL);
		else
			rc = BC_EFULL;
	/* Readers take a little more than writers make. */
	if (rc == BC_EFULL)
		goto out;
	MUST(rc == BC_OK);
	MUST(leaf_writer_finish(&w, &out, NULL) == BC_OK);
	MUST(leaf_open(buf_bytes(&out), kind, &m, NULL) == BC_OK);
	leaf_rewind(l);
	while (leaf_next(l, &a)) {
		MUST(leaf_next(&m, &b));
		MUST(tree_entry_diff(&a, &b) == 0);
	}
	MUST(!leaf_next(&m, &b));
out:
	leaf_writer_fini(&w);
	buf_fini(&out);
}

static void try_leaf(struct bytes in, enum leaf_kind kind)
{
	struct leaf l;
	struct tree_entry en;
	uint64_t n = 0;

	if (leaf_open(in, kind, &l, NULL) != BC_OK)
		return;
	for (; leaf_next(&l, &en); n++)
		read_entry(in, &en);
	MUST(n == l.count);
	again(&l, kind);
}

static void try_inner(struct bytes in)
{
	struct inner n;
	struct inner_item it;
	uint64_t sum = 0;

	if (inner_open(in, &n, NULL) != BC_OK)
		return;
	while (inner_next(&n, &it)) {
		within(in, it.first);
		sum += it.entries;
	}
	MUST(sum == n.entries);
	MUST(inner_seek(&n, n.last) && inner_peek(&n, &it) &&
	     bytes_eq(it.first, n.last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes in = bytes_of(data, n);
	struct content c;
	struct content_iter ci;
	struct content_item item;
	struct attrs set;
	struct attrs_iter ai;
	struct attr a;
	uint64_t length;

	try_leaf(in, LEAF_OF_DIRECTORY);
	try_leaf(in, LEAF_OF_SNAPSHOT);
	try_inner(in);
	if (attrs_open_node(in, &set, NULL) == BC_OK)
		for (attrs_begin(&ai, set); attrs_next(&ai, &a);) {
			within(in, a.name);
			within(in, a.value);
		}
	/* A list says nothing of its length: the last eight bytes do. */
	if (n < 8)
		return 0;
	length = le_get64(data + n - 8);
	in.n -= 8;
	if (content_list_open(in, length, &c, NULL) == BC_OK) {
		for (content_begin(&ci, &c); content_next(&ci, &item);)
			length -= item.length;
		MUST(length == 0);
	}
	return 0;
}
