/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/snapshot_record.h"

#include <stdlib.h>

#include "tree/node_leaf.h"
#include "util/parse.h"

static int by_key(const void *a, const void *b)
{
	const struct snapshot_tag *x = a, *y = b;

	return bytes_cmp(x->key, y->key);
}

void snapshot_tags_sort(struct snapshot_tag *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), by_key);
}

static bool text_fits(struct bytes b)
{
	return b.n <= SNAPSHOT_TEXT_MAX_BYTES;
}

static bool tag_fits(const struct snapshot_tag *t, struct bytes last)
{
	return t->key.n != 0 && t->key.n <= TAG_KEY_MAX_BYTES &&
	       t->value.n <= TAG_VALUE_MAX_BYTES && bytes_cmp(last, t->key) < 0;
}

static bool root_fits(const struct snapshot_root *r)
{
	return (unsigned)r->how <= SNAPSHOT_STDIN && text_fits(r->name) &&
	       text_fits(r->path);
}

static bool record_fits(const struct snapshot_record *s)
{
	struct bytes last = { NULL, 0 };

	if (!text_fits(s->name) || !text_fits(s->host) || !text_fits(s->user) ||
	    !text_fits(s->program))
		return false;
	for (size_t i = 0; i < s->tag_count; i++) {
		if (!tag_fits(&s->tags[i], last))
			return false;
		last = s->tags[i].key;
	}
	for (size_t i = 0; i < s->root_count; i++)
		if (!root_fits(&s->roots[i]))
			return false;
	return true;
}

/* Appends to a buffer; after a first failure nothing more is done. */
struct put {
	struct buf *out;
	enum bc_err rc;
};

static void put_str(struct put *p, struct bytes b)
{
	if (p->rc == BC_OK)
		p->rc = buf_str(p->out, b);
}

static void put_varint(struct put *p, uint64_t v)
{
	if (p->rc == BC_OK)
		p->rc = buf_varint(p->out, v);
}

static void put_u8(struct put *p, uint8_t v)
{
	if (p->rc == BC_OK)
		p->rc = buf_u8(p->out, v);
}

static void put_i64(struct put *p, int64_t v)
{
	if (p->rc == BC_OK)
		p->rc = buf_u64(p->out, (uint64_t)v);
}

static void put_record(struct put *p, const struct snapshot_record *s,
		       struct bytes root)
{
	put_u8(p, SNAPSHOT_VERSION);
	put_str(p, s->name);
	put_str(p, s->host);
	put_str(p, s->user);
	put_str(p, s->program);
	put_i64(p, s->time);
	put_i64(p, s->end_time);
	put_varint(p, s->tag_count);
	for (size_t i = 0; i < s->tag_count; i++) {
		put_str(p, s->tags[i].key);
		put_str(p, s->tags[i].value);
	}
	put_varint(p, s->root_count);
	for (size_t i = 0; i < s->root_count; i++) {
		put_u8(p, (uint8_t)s->roots[i].how);
		put_str(p, s->roots[i].name);
		put_str(p, s->roots[i].path);
	}
	put_varint(p, s->flags);
	put_str(p, root);
	put_varint(p, s->files);
	put_varint(p, s->dirs);
	put_varint(p, s->others);
	put_varint(p, s->bytes);
	put_varint(p, s->new_chunks);
	put_varint(p, s->new_bytes);
	put_varint(p, s->new_stored);
}

static enum bc_err encode_root(const struct tree_entry *en, struct buf *out,
			       struct err *e)
{
	struct leaf_writer w;
	enum bc_err rc;

	leaf_writer_init(&w, LEAF_OF_SNAPSHOT);
	rc = leaf_writer_add(&w, en, e);
	if (rc == BC_OK)
		rc = leaf_writer_finish(&w, out, e);
	leaf_writer_fini(&w);
	return rc;
}

enum bc_err snapshot_record_encode(const struct snapshot_record *s,
				   struct buf *out, struct err *e)
{
	struct buf root = BUF_INIT(NODE_MAX_BYTES);
	struct put p = { out, BC_OK };
	size_t before = out->n;

	if (!record_fits(s))
		return err_set(e, BC_EINVAL,
			       "a snapshot's name, tag or path is too long, or "
			       "a tag is given twice");
	p.rc = encode_root(&s->root, &root, e);
	if (p.rc != BC_OK)
		goto out;
	put_record(&p, s, buf_bytes(&root));
	if (p.rc == BC_OK && out->n - before > SNAPSHOT_MAX_BYTES)
		p.rc = BC_ELIMIT;
	if (p.rc != BC_OK) {
		out->n = before;
		err_set(e, p.rc, "no room for a snapshot's record");
	}
out:
	buf_fini(&root);
	return p.rc;
}

/* Zero-sized arrays are not allocated. */
static enum bc_err make_array(size_t n, size_t size, void **out)
{
	*out = NULL;
	if (n == 0)
		return BC_OK;
	*out = calloc(n, size);
	return *out == NULL ? BC_ENOMEM : BC_OK;
}

static enum bc_err read_tags(struct cursor *c, struct snapshot_record *s)
{
	struct bytes last = { NULL, 0 };
	/* A tag takes three bytes or more, a root too. */
	size_t n = (size_t)cursor_varint(c, c->left / 3);
	void *v;
	enum bc_err rc = make_array(n, sizeof(*s->tags), &v);

	s->tags = v;
	s->tag_count = n;
	for (size_t i = 0; i < n && rc == BC_OK && cursor_ok(c); i++) {
		s->tags[i].key = cursor_str(c, TAG_KEY_MAX_BYTES);
		s->tags[i].value = cursor_str(c, TAG_VALUE_MAX_BYTES);
		if (!tag_fits(&s->tags[i], last))
			cursor_fail(c);
		last = s->tags[i].key;
	}
	return rc;
}

static enum bc_err read_roots(struct cursor *c, struct snapshot_record *s)
{
	size_t n = (size_t)cursor_varint(c, c->left / 3);
	void *v;
	enum bc_err rc = make_array(n, sizeof(*s->roots), &v);

	s->roots = v;
	s->root_count = n;
	for (size_t i = 0; i < n && rc == BC_OK && cursor_ok(c); i++) {
		s->roots[i].how = (enum snapshot_how)cursor_u8(c);
		s->roots[i].name = cursor_str(c, SNAPSHOT_TEXT_MAX_BYTES);
		s->roots[i].path = cursor_str(c, SNAPSHOT_TEXT_MAX_BYTES);
		if (!root_fits(&s->roots[i]))
			cursor_fail(c);
	}
	return rc;
}

static void read_root(struct cursor *c, struct tree_entry *out)
{
	struct bytes raw = cursor_str(c, NODE_MAX_BYTES);
	struct leaf l;

	if (!cursor_ok(c) ||
	    leaf_open(raw, LEAF_OF_SNAPSHOT, &l, NULL) != BC_OK)
		cursor_fail(c);
	else
		(void)leaf_next(&l, out);
}

static void read_counts(struct cursor *c, struct snapshot_record *s)
{
	s->files = cursor_varint(c, UINT64_MAX);
	s->dirs = cursor_varint(c, UINT64_MAX);
	s->others = cursor_varint(c, UINT64_MAX);
	s->bytes = cursor_varint(c, UINT64_MAX);
	s->new_chunks = cursor_varint(c, UINT64_MAX);
	s->new_bytes = cursor_varint(c, UINT64_MAX);
	s->new_stored = cursor_varint(c, UINT64_MAX);
}

enum bc_err snapshot_record_decode(struct bytes raw,
				   struct snapshot_record *out, struct err *e)
{
	struct cursor c = cursor_of(raw);
	struct snapshot_record s = { .tags = NULL };
	uint8_t version = cursor_u8(&c);
	enum bc_err rc;

	if (cursor_ok(&c) && version > SNAPSHOT_VERSION)
		return err_set(e, BC_EVERSION,
			       "a snapshot record of version %u", version);
	if (raw.n > SNAPSHOT_MAX_BYTES || version != SNAPSHOT_VERSION)
		cursor_fail(&c);
	s.name = cursor_str(&c, SNAPSHOT_TEXT_MAX_BYTES);
	s.host = cursor_str(&c, SNAPSHOT_TEXT_MAX_BYTES);
	s.user = cursor_str(&c, SNAPSHOT_TEXT_MAX_BYTES);
	s.program = cursor_str(&c, SNAPSHOT_TEXT_MAX_BYTES);
	s.time = (int64_t)cursor_u64(&c);
	s.end_time = (int64_t)cursor_u64(&c);
	rc = read_tags(&c, &s);
	if (rc == BC_OK)
		rc = read_roots(&c, &s);
	if (rc != BC_OK) {
		err_set(e, rc, "no memory for a snapshot's record");
		goto out;
	}
	s.flags = (uint32_t)cursor_varint(&c, UINT32_MAX);
	read_root(&c, &s.root);
	read_counts(&c, &s);
	if (!cursor_done(&c)) {
		rc = err_set(e, BC_EDAMAGE, "a snapshot's record is not valid");
		goto out;
	}
	*out = s;
	s = (struct snapshot_record){ .tags = NULL };
out:
	snapshot_record_fini(&s);
	return rc;
}

void snapshot_record_fini(struct snapshot_record *s)
{
	free(s->tags);
	free(s->roots);
	s->tags = NULL;
	s->roots = NULL;
	s->tag_count = 0;
	s->root_count = 0;
}
