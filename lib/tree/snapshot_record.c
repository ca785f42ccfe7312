/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/snapshot_record.h"

#include <stdlib.h>

#include "tree/node_leaf.h"
#include "util/append.h"

static int by_key(const void *a, const void *b)
{
	const struct tag *x = a, *y = b;

	return bytes_cmp(x->key, y->key);
}

void snapshot_tags_sort(struct tag *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), by_key);
}

static bool text_fits(struct bytes b)
{
	return b.n <= SNAPSHOT_TEXT_MAX_BYTES;
}

static bool tag_fits(const struct tag *t, struct bytes last)
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

static void put_record(struct append *a, const struct snapshot_record *s,
		       struct bytes root)
{
	append_u8(a, SNAPSHOT_VERSION);
	append_str(a, s->name);
	append_str(a, s->host);
	append_str(a, s->user);
	append_str(a, s->program);
	append_u64(a, (uint64_t)s->time);
	append_u64(a, (uint64_t)s->end_time);
	append_varint(a, s->tag_count);
	for (size_t i = 0; i < s->tag_count; i++) {
		append_str(a, s->tags[i].key);
		append_str(a, s->tags[i].value);
	}
	append_varint(a, s->root_count);
	for (size_t i = 0; i < s->root_count; i++) {
		append_u8(a, (uint8_t)s->roots[i].how);
		append_str(a, s->roots[i].name);
		append_str(a, s->roots[i].path);
	}
	append_varint(a, s->flags);
	append_str(a, root);
	append_varint(a, s->files);
	append_varint(a, s->dirs);
	append_varint(a, s->others);
	append_varint(a, s->bytes);
	append_varint(a, s->new_chunks);
	append_varint(a, s->new_bytes);
	append_varint(a, s->new_stored);
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
	struct append a = append_begin(out);
	enum bc_err rc;

	if (!record_fits(s))
		return err_set(e, BC_EINVAL,
			       "a snapshot's name, tag or path is too long, or "
			       "a tag is given twice");
	rc = encode_root(&s->root, &root, e);
	if (rc != BC_OK)
		goto out;
	put_record(&a, s, buf_bytes(&root));
	if (out->n - a.before > SNAPSHOT_MAX_BYTES)
		a.rc = BC_ELIMIT;
	rc = append_end(&a);
	if (rc != BC_OK)
		err_set(e, rc, "no room for a snapshot's record");
out:
	buf_fini(&root);
	return rc;
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
