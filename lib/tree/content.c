/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/content.h"

#include "tree/node_code.h"

/*
 * Read `count` items that must cover `size` bytes; returns how many of them
 * have an id. In an entry a single item is written with length 0.
 */
static uint64_t parse_items(struct cursor *c, uint64_t count, uint64_t size,
			    bool in_entry)
{
	uint64_t v, length, sum = 0, ids = 0;
	bool whole = in_entry && count == 1;

	for (uint64_t i = 0; i < count && cursor_ok(c); i++) {
		v = code_get(c, whole ? CONTENT_LIST : UINT64_MAX);
		length = whole ? size : v >> 2;
		/* Lengths are below 2^62: this sum cannot wrap. */
		sum += length;
		if (length == 0 || sum > size)
			cursor_fail(c);
		if ((v & 3) == CONTENT_CHUNK &&
		    length > CONTENT_CHUNK_MAX_BYTES)
			cursor_fail(c);
		ids += (v & 3) == CONTENT_CHUNK || (v & 3) == CONTENT_LIST;
	}
	if (sum != size)
		cursor_fail(c);
	return ids;
}

uint64_t content_parse(struct cursor *c, uint64_t size, struct content *out)
{
	const uint8_t *from;
	uint64_t ids;

	if (size > CONTENT_MAX_BYTES)
		cursor_fail(c);
	out->size = size;
	out->count = code_get(c, CONTENT_INLINE_MAX_ITEMS);
	out->ids = (struct bytes){ NULL, 0 };
	from = c->p;
	ids = parse_items(c, out->count, size, true);
	out->items = code_since(c, from);
	return ids;
}

bool content_valid(const struct content *c)
{
	struct cursor cur = cursor_of(c->items);

	if (c->count > CONTENT_INLINE_MAX_ITEMS || c->size > CONTENT_MAX_BYTES)
		return false;
	return parse_items(&cur, c->count, c->size, true) * DIGEST_BYTES ==
		       c->ids.n &&
	       cursor_done(&cur);
}

enum bc_err content_list_open(struct bytes node, uint64_t length,
			      struct content *out, struct err *e)
{
	struct cursor c = cursor_of(node);
	struct content r = { .size = length };
	const uint8_t *from;
	uint64_t ids;

	if (node.n > NODE_MAX_BYTES || length > CONTENT_MAX_BYTES ||
	    cursor_u8(&c) != NODE_LIST)
		cursor_fail(&c);
	r.count = code_get(&c, CONTENT_LIST_MAX_ITEMS);
	from = c.p;
	ids = parse_items(&c, r.count, length, false);
	r.items = code_since(&c, from);
	r.ids = cursor_span(&c, ids * DIGEST_BYTES);
	if (!cursor_done(&c) || r.count == 0)
		return err_set(e, BC_EDAMAGE, "a content list is not valid");
	*out = r;
	return BC_OK;
}

void content_begin(struct content_iter *it, const struct content *c)
{
	it->items = cursor_of(c->items);
	it->ids = cursor_of(c->ids);
	it->left = c->count;
	it->size = c->size;
	/* In a list the length is there and makes the number 4 or more. */
	it->whole = c->count == 1 && c->items.n == 1 &&
		    c->items.p[0] <= CONTENT_LIST;
}

bool content_next(struct content_iter *it, struct content_item *out)
{
	uint64_t v;

	if (it->left == 0)
		return false;
	it->left--;
	v = code_get(&it->items, UINT64_MAX);
	out->what = (enum content_what)(v & 3);
	out->length = it->whole ? it->size : v >> 2;
	out->id = NULL;
	if (out->what == CONTENT_CHUNK || out->what == CONTENT_LIST)
		out->id = (const struct digest *)cursor_span(&it->ids,
							     DIGEST_BYTES)
				  .p;
	return cursor_ok(&it->items) && cursor_ok(&it->ids);
}
