/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level 0 gathers the file's items. Once a level has more items than an entry
 * may hold it spills: its items go into lists by the cut rule, and each list
 * is an item of the level above. Up to that moment nothing is emitted, so a
 * short file leaves no list behind.
 */
#include "tree/content_builder.h"

#include <stdlib.h>

#include "tree/node_code.h"

enum { LEVEL_FIRST_ITEMS = 8 };

void content_builder_init(struct content_builder *b,
			  const struct node_sink *sink)
{
	memset(b, 0, sizeof(*b));
	b->sink = *sink;
	buf_init(&b->out, NODE_MAX_BYTES);
}

void content_builder_fini(struct content_builder *b)
{
	for (int i = 0; i < CONTENT_DEPTH_MAX; i++) {
		free(b->level[i].items);
		free(b->level[i].ids);
	}
	buf_fini(&b->out);
	memset(b->level, 0, sizeof(b->level));
	content_builder_begin(b);
}

void content_builder_begin(struct content_builder *b)
{
	for (int i = 0; i < CONTENT_DEPTH_MAX && b->level[i].cap != 0; i++) {
		b->level[i].n = 0;
		b->level[i].n_ids = 0;
		b->level[i].spilled = false;
	}
	b->size = 0;
	b->pending = 0;
	b->pending_what = CONTENT_HOLE;
}

static enum bc_err grow(void **p, uint32_t *cap, size_t size)
{
	uint32_t want = *cap == 0 ? LEVEL_FIRST_ITEMS : *cap * 2;
	void *q = realloc(*p, want * size);

	if (q == NULL)
		return BC_ENOMEM;
	*p = q;
	*cap = want;
	return BC_OK;
}

static enum bc_err level_add(struct content_level *l, uint64_t item,
			     const struct digest *id, struct err *e)
{
	enum bc_err rc = BC_OK;
	void *p;

	if (l->n == l->cap) {
		p = l->items;
		rc = grow(&p, &l->cap, sizeof(*l->items));
		l->items = p;
	}
	if (rc == BC_OK && id != NULL && l->n_ids == l->cap_ids) {
		p = l->ids;
		rc = grow(&p, &l->cap_ids, sizeof(*l->ids));
		l->ids = p;
	}
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a content list");
	l->items[l->n++] = item;
	if (id != NULL)
		l->ids[l->n_ids++] = *id;
	return BC_OK;
}

static bool has_id(uint64_t item)
{
	return (item & 3) == CONTENT_CHUNK || (item & 3) == CONTENT_LIST;
}

static bool cuts(const struct digest *id)
{
	return le_get32(id->b) % CONTENT_LIST_CUT_MOD == 0;
}

/* Encode items[0..n) with count and ids into b->out. */
static enum bc_err encode(struct content_builder *b,
			  const struct content_level *l, uint32_t n,
			  uint32_t n_ids, struct err *e)
{
	enum bc_err rc;
	uint8_t *p;

	buf_clear(&b->out);
	rc = buf_reserve(&b->out, 1 + (n + 1) * CODE_VARINT_MAX_BYTES +
					  n_ids * sizeof(*l->ids));
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a content list");
	p = b->out.p;
	*p++ = NODE_LIST;
	p = code_put(p, n);
	for (uint32_t i = 0; i < n; i++)
		p = code_put(p, l->items[i]);
	p = code_put_bytes(p, bytes_of(l->ids, n_ids * sizeof(*l->ids)));
	b->out.n = (size_t)(p - b->out.p);
	return BC_OK;
}

static enum bc_err push(struct content_builder *b, unsigned k, uint64_t item,
			const struct digest *id, struct err *e);

/* Make a list of the first n items of level k; the rest stays. */
static enum bc_err emit(struct content_builder *b, unsigned k, uint32_t n,
			struct err *e)
{
	struct content_level *l = &b->level[k];
	uint64_t length = 0;
	uint32_t n_ids = 0;
	struct digest id;
	enum bc_err rc;

	for (uint32_t i = 0; i < n; i++) {
		length += l->items[i] >> 2;
		n_ids += has_id(l->items[i]);
	}
	rc = encode(b, l, n, n_ids, e);
	if (rc != BC_OK)
		return rc;
	rc = b->sink.emit(b->sink.ctx, buf_bytes(&b->out), &id, e);
	if (rc != BC_OK)
		return rc;
	l->n -= n;
	l->n_ids -= n_ids;
	if (l->n != 0)
		memmove(l->items, l->items + n, l->n * sizeof(*l->items));
	if (l->n_ids != 0)
		memmove(l->ids, l->ids + n_ids, l->n_ids * sizeof(*l->ids));
	return push(b, k + 1, length << 2 | CONTENT_LIST, &id, e);
}

/* The level has just become too long for an entry. At most one cut can be
 * among so few items. */
static enum bc_err spill(struct content_builder *b, unsigned k, struct err *e)
{
	struct content_level *l = &b->level[k];
	uint32_t ids = 0;

	_Static_assert(CONTENT_INLINE_MAX_ITEMS + 1 <
			       2 * CONTENT_LIST_MIN_ITEMS,
		       "one cut at most");
	l->spilled = true;
	for (uint32_t i = 0; i < l->n; i++) {
		if (!has_id(l->items[i]))
			continue;
		if (cuts(&l->ids[ids++]) && i + 1 >= CONTENT_LIST_MIN_ITEMS)
			return emit(b, k, i + 1, e);
	}
	return BC_OK;
}

static enum bc_err push(struct content_builder *b, unsigned k, uint64_t item,
			const struct digest *id, struct err *e)
{
	struct content_level *l;
	enum bc_err rc;

	/* Lists hold 64 items or more, so 2^62 bytes never come here. */
	if (k >= CONTENT_DEPTH_MAX)
		return err_set(e, BC_ELIMIT, "a file of too many pieces");
	l = &b->level[k];
	rc = level_add(l, item, id, e);
	if (rc != BC_OK)
		return rc;
	if (!l->spilled)
		return l->n > CONTENT_INLINE_MAX_ITEMS ? spill(b, k, e) : BC_OK;
	if (l->n >= CONTENT_LIST_MAX_ITEMS ||
	    (l->n >= CONTENT_LIST_MIN_ITEMS && id != NULL && cuts(id)))
		return emit(b, k, l->n, e);
	return BC_OK;
}

static enum bc_err flush_pending(struct content_builder *b, struct err *e)
{
	uint64_t item = b->pending << 2 | (uint64_t)b->pending_what;

	if (b->pending == 0)
		return BC_OK;
	b->pending = 0;
	return push(b, 0, item, NULL, e);
}

static enum bc_err lengthen(struct content_builder *b, uint64_t length,
			    struct err *e)
{
	if (length > CONTENT_MAX_BYTES - b->size)
		return err_set(e, BC_ELIMIT, "a file of more than 2^62 bytes");
	b->size += length;
	return BC_OK;
}

enum bc_err content_builder_chunk(struct content_builder *b,
				  const struct digest *id, uint64_t length,
				  struct err *e)
{
	enum bc_err rc;

	if (length == 0 || length > CONTENT_CHUNK_MAX_BYTES)
		return err_set(e, BC_EINVAL, "a chunk of %llu bytes",
			       (unsigned long long)length);
	rc = lengthen(b, length, e);
	if (rc == BC_OK)
		rc = flush_pending(b, e);
	if (rc == BC_OK)
		rc = push(b, 0, length << 2 | CONTENT_CHUNK, id, e);
	return rc;
}

/* A run is held back until something else follows: where its parts begin and
 * end must not show. */
static enum bc_err add_run(struct content_builder *b, enum content_what what,
			   uint64_t length, struct err *e)
{
	enum bc_err rc;

	if (length == 0)
		return BC_OK;
	rc = lengthen(b, length, e);
	if (rc == BC_OK && b->pending_what != what)
		rc = flush_pending(b, e);
	if (rc != BC_OK)
		return rc;
	b->pending_what = what;
	b->pending += length;
	return BC_OK;
}

enum bc_err content_builder_hole(struct content_builder *b, uint64_t length,
				 struct err *e)
{
	return add_run(b, CONTENT_HOLE, length, e);
}

enum bc_err content_builder_zeros(struct content_builder *b, uint64_t length,
				  struct err *e)
{
	return add_run(b, CONTENT_ZEROS, length, e);
}

enum bc_err content_builder_finish(struct content_builder *b,
				   struct content *out, struct err *e)
{
	enum bc_err rc = flush_pending(b, e);
	struct content_level *l = b->level;
	uint8_t *p;

	for (unsigned k = 0; rc == BC_OK && l->spilled; k++, l++)
		if (l->n != 0)
			rc = emit(b, k, l->n, e);
	if (rc != BC_OK)
		return rc;
	buf_clear(&b->out); /* the last list is where it belongs */
	rc = buf_reserve(&b->out,
			 CONTENT_INLINE_MAX_ITEMS * CODE_VARINT_MAX_BYTES);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a file's content");
	p = b->out.p;
	if (l->n == 1)
		p = code_put(p, l->items[0] & 3);
	else
		for (uint32_t i = 0; i < l->n; i++)
			p = code_put(p, l->items[i]);
	b->out.n = (size_t)(p - b->out.p);
	out->size = b->size;
	out->count = l->n;
	out->items = buf_bytes(&b->out);
	out->ids = bytes_of(l->ids, l->n_ids * sizeof(*l->ids));
	return BC_OK;
}
