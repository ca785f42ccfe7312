/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/node_inner.h"

#include "tree/node_code.h"

/* First byte, level and count at their longest. */
enum { INNER_HEAD_BYTES = 2 + 3 };

void inner_writer_init(struct inner_writer *w, unsigned level)
{
	memset(w, 0, sizeof(*w));
	buf_init(&w->items, NODE_MAX_BYTES);
	buf_init(&w->ids, NODE_MAX_BYTES);
	w->level = level;
}

void inner_writer_fini(struct inner_writer *w)
{
	buf_fini(&w->items);
	buf_fini(&w->ids);
	inner_writer_clear(w);
}

void inner_writer_clear(struct inner_writer *w)
{
	buf_clear(&w->items);
	buf_clear(&w->ids);
	w->count = 0;
	w->entries = 0;
}

size_t inner_writer_body(const struct inner_writer *w)
{
	return w->items.n + w->ids.n;
}

enum bc_err inner_writer_add(struct inner_writer *w,
			     const struct inner_item *it, struct err *e)
{
	size_t n = code_size(it->first.n) + it->first.n +
		   code_size(it->entries) + DIGEST_BYTES;
	enum bc_err rc;
	uint8_t *p;

	if (2 + code_size(w->count + 1) + inner_writer_body(w) + n >
	    INNER_TARGET_BYTES)
		return BC_EFULL;
	rc = buf_reserve(&w->items, n);
	if (rc == BC_OK)
		rc = buf_reserve(&w->ids, DIGEST_BYTES);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a directory's node");
	p = code_put_str(w->items.p + w->items.n, it->first);
	p = code_put(p, it->entries);
	w->items.n = (size_t)(p - w->items.p);
	memcpy(w->ids.p + w->ids.n, it->id.b, DIGEST_BYTES);
	w->ids.n += DIGEST_BYTES;
	w->entries += it->entries;
	w->count++;
	return BC_OK;
}

static void parse_item(struct cursor *c, struct cursor *ids,
		       struct inner_item *out)
{
	struct bytes id;

	out->first = code_get_str(c, TREE_NAME_MAX_BYTES);
	out->entries = code_get(c, UINT64_MAX);
	id = cursor_span(ids, DIGEST_BYTES);
	if (id.n != 0)
		memcpy(out->id.b, id.p, DIGEST_BYTES);
}

void inner_writer_get(const struct inner_writer *w, struct inner_item *out)
{
	struct cursor c = cursor_of(buf_bytes(&w->items));
	struct cursor ids = cursor_of(buf_bytes(&w->ids));

	parse_item(&c, &ids, out);
}

enum bc_err inner_writer_finish(struct inner_writer *w, struct buf *out,
				struct err *e)
{
	enum bc_err rc =
		buf_reserve(out, INNER_HEAD_BYTES + inner_writer_body(w));
	uint8_t *p;

	if (rc != BC_OK)
		return err_set(e, rc, "no room for a directory's node");
	p = out->p + out->n;
	*p++ = NODE_INNER;
	*p++ = (uint8_t)w->level;
	p = code_put(p, w->count);
	p = code_put_bytes(p, buf_bytes(&w->items));
	p = code_put_bytes(p, buf_bytes(&w->ids));
	out->n = (size_t)(p - out->p);
	inner_writer_clear(w);
	return BC_OK;
}

enum bc_err inner_open(struct bytes node, struct inner *out, struct err *e)
{
	struct cursor c = cursor_of(node), no_ids = cursor_of(bytes_of("", 0));
	struct inner_item it;
	const uint8_t *from;
	uint64_t sum = 0;

	memset(out, 0, sizeof(*out));
	if (node.n > NODE_MAX_BYTES || cursor_u8(&c) != NODE_INNER)
		cursor_fail(&c);
	out->level = cursor_u8(&c);
	out->count = code_get(&c, c.left / DIGEST_BYTES);
	if (out->level == 0 || out->level > INNER_LEVEL_MAX || out->count == 0)
		cursor_fail(&c);
	from = c.p;
	for (uint64_t i = 0; i < out->count && cursor_ok(&c); i++) {
		parse_item(&c, &no_ids, &it);
		if (!tree_name_valid(it.first) || it.entries == 0 ||
		    bytes_cmp(out->last, it.first) >= 0 ||
		    __builtin_add_overflow(sum, it.entries, &sum))
			cursor_fail(&c);
		if (i == 0)
			out->first = it.first;
		out->last = it.first;
	}
	out->items = code_since(&c, from);
	out->ids = cursor_span(&c, out->count * DIGEST_BYTES);
	if (!cursor_done(&c))
		return err_set(e, BC_EDAMAGE,
			       "a directory's node is not valid");
	out->entries = sum;
	out->at = cursor_of(out->items);
	out->at_ids = cursor_of(out->ids);
	out->left = out->count;
	return BC_OK;
}

bool inner_next(struct inner *n, struct inner_item *out)
{
	if (n->left == 0)
		return false;
	n->left--;
	parse_item(&n->at, &n->at_ids, out);
	return true;
}

bool inner_peek(const struct inner *n, struct inner_item *out)
{
	struct cursor at = n->at, ids = n->at_ids;

	if (n->left == 0)
		return false;
	parse_item(&at, &ids, out);
	return true;
}

bool inner_seek(struct inner *n, struct bytes name)
{
	struct inner before;
	struct inner_item it;

	n->at = cursor_of(n->items);
	n->at_ids = cursor_of(n->ids);
	n->left = n->count;
	if (bytes_cmp(name, n->first) < 0)
		return false;
	/* Stop before the last child that does not begin after the name. */
	do {
		before = *n;
		(void)inner_next(n, &it);
	} while (inner_peek(n, &it) && bytes_cmp(it.first, name) <= 0);
	*n = before;
	return true;
}
