/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/content_reader.h"

void content_reader_init(struct content_reader *r,
			 const struct node_source *source)
{
	memset(r, 0, sizeof(*r));
	r->source = *source;
	for (int i = 0; i < CONTENT_DEPTH_MAX; i++)
		buf_init(&r->frame[i].node, NODE_MAX_BYTES);
}

void content_reader_fini(struct content_reader *r)
{
	for (int i = 0; i < CONTENT_DEPTH_MAX; i++)
		buf_fini(&r->frame[i].node);
}

void content_reader_open(struct content_reader *r, const struct content *c)
{
	r->content = *c;
	r->depth = 0;
	r->frame[0].offset = 0;
	content_begin(&r->frame[0].it, &r->content);
}

/* Read the list that `it` names as the next frame. */
static enum bc_err descend(struct content_reader *r,
			   const struct content_item *it, uint64_t offset,
			   struct err *e)
{
	struct content_frame *f;
	struct content c;
	enum bc_err rc;

	if (r->depth + 1 >= CONTENT_DEPTH_MAX)
		return err_set(e, BC_EDAMAGE, "content lists too deep");
	f = &r->frame[r->depth + 1];
	rc = node_fetch(&r->source, it->id, &f->node, e);
	if (rc == BC_OK)
		rc = content_list_open(buf_bytes(&f->node), it->length, &c, e);
	if (rc != BC_OK)
		return rc;
	content_begin(&f->it, &c);
	f->offset = offset;
	r->depth++;
	return BC_OK;
}

enum bc_err content_reader_next(struct content_reader *r,
				struct content_run *out, struct err *e)
{
	struct content_frame *f;
	struct content_iter it;
	struct content_item item;
	enum bc_err rc;

	for (;;) {
		f = &r->frame[r->depth];
		it = f->it;
		if (content_next(&it, &item)) {
			if (item.what != CONTENT_LIST)
				break;
			/* The place moves on only with the list in hand, so
			 * that a failure leaves it. */
			rc = descend(r, &item, f->offset, e);
			if (rc != BC_OK)
				return rc;
			f->it = it;
			f->offset += item.length;
		} else if (r->depth > 0) {
			r->depth--;
		} else {
			memset(out, 0, sizeof(*out));
			out->what = CONTENT_END;
			out->offset = r->content.size;
			return BC_OK;
		}
	}
	out->what = item.what;
	out->offset = f->offset;
	out->length = item.length;
	if (item.id != NULL)
		out->id = *item.id;
	f->it = it;
	f->offset += item.length;
	return BC_OK;
}

enum bc_err content_reader_seek(struct content_reader *r, uint64_t offset,
				struct err *e)
{
	struct content_frame *f;
	struct content_iter it;
	struct content_item item;
	uint64_t begin;
	enum bc_err rc;

	r->depth = 0;
	r->frame[0].offset = 0;
	content_begin(&r->frame[0].it, &r->content);
	for (;;) {
		f = &r->frame[r->depth];
		it = f->it;
		if (!content_next(&it, &item))
			return BC_OK;
		begin = f->offset;
		if (offset - begin < item.length) {
			if (item.what != CONTENT_LIST)
				return BC_OK;
			rc = descend(r, &item, begin, e);
			if (rc != BC_OK)
				return rc;
		}
		f->it = it;
		f->offset = begin + item.length;
	}
}
