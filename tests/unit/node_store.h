/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_store - for tests of trees: nodes in memory under their SHA-256, and
 * entries of every kind made from a seed.
 */
#ifndef BC_TESTS_NODE_STORE_H
#define BC_TESTS_NODE_STORE_H

#include "hash/sha256.h"
#include "tree/node.h"
#include "t.h"
#include "util/hex.h"

struct node_store {
	struct stored {
		struct digest id;
		struct bytes node;
	} * slot;
	size_t n, cap;
	size_t emitted, emitted_bytes, largest, fetched;
	size_t fail_emit_at; /* 0 never, else this emit fails */
	bool keep;	     /* off: only count and hash */
};

static inline void t_sha(struct bytes b, struct digest *out)
{
	sha256_one(b, out);
}

static inline size_t store_find(const struct node_store *s,
				const struct digest *id)
{
	size_t i = (size_t)digest_key(id) & (s->cap - 1);

	while (s->slot[i].node.p != NULL && !digest_eq(&s->slot[i].id, id))
		i = (i + 1) & (s->cap - 1);
	return i;
}

static inline void store_put(struct node_store *s, const struct digest *id,
			     struct bytes node)
{
	struct stored *old = s->slot;
	size_t i, n = s->cap;
	uint8_t *p;

	if (s->n * 2 >= s->cap) {
		s->cap = n == 0 ? 64 : n * 2;
		s->slot = calloc(s->cap, sizeof(*s->slot));
		CHECK(s->slot != NULL);
		for (i = 0; i < n; i++)
			if (old[i].node.p != NULL)
				s->slot[store_find(s, &old[i].id)] = old[i];
		free(old);
	}
	i = store_find(s, id);
	if (s->slot[i].node.p != NULL)
		return;
	/* Exactly as long as the node, so that a sanitizer sees overruns. */
	p = malloc(node.n);
	CHECK(p != NULL);
	memcpy(p, node.p, node.n);
	s->slot[i].id = *id;
	s->slot[i].node = bytes_of(p, node.n);
	s->n++;
}

static inline bool store_has(const struct node_store *s,
			     const struct digest *id)
{
	return s->cap != 0 && s->slot[store_find(s, id)].node.p != NULL;
}

static inline enum bc_err store_emit(void *ctx, struct bytes node,
				     struct digest *id, struct err *e)
{
	struct node_store *s = ctx;

	if (++s->emitted == s->fail_emit_at)
		return err_set(e, BC_EIO, "no more nodes");
	s->emitted_bytes += node.n;
	if (node.n > s->largest)
		s->largest = node.n;
	t_sha(node, id);
	if (s->keep)
		store_put(s, id, node);
	return BC_OK;
}

static inline enum bc_err store_fetch(void *ctx, const struct digest *id,
				      struct buf *out, struct err *e)
{
	struct node_store *s = ctx;
	struct stored *at;

	s->fetched++;
	if (!store_has(s, id))
		return err_set(e, BC_ENOTFOUND, "no such node");
	at = &s->slot[store_find(s, id)];
	buf_clear(out);
	return buf_add(out, at->node.p, at->node.n);
}

static inline void store_init(struct node_store *s)
{
	memset(s, 0, sizeof(*s));
	s->keep = true;
}

static inline void store_fini(struct node_store *s)
{
	for (size_t i = 0; i < s->cap; i++)
		free((void *)(uintptr_t)s->slot[i].node.p);
	free(s->slot);
	store_init(s);
}

static inline struct node_sink store_sink(struct node_store *s)
{
	return (struct node_sink){ store_emit, s };
}

static inline struct node_source store_source(struct node_store *s)
{
	return (struct node_source){ store_fetch, s };
}

/* ---- entries ---- */

/* Room for what an entry borrows. */
struct t_entry {
	struct tree_entry en;
	uint8_t name[TREE_NAME_MAX_BYTES];
	uint8_t attrs[ATTRS_INLINE_MAX_BYTES];
	uint8_t items[CONTENT_INLINE_MAX_ITEMS * 10];
	uint8_t ids[CONTENT_INLINE_MAX_ITEMS * DIGEST_BYTES];
	uint8_t target[TREE_TARGET_MAX_BYTES];
};

static inline void t_fill_nonzero(uint64_t *s, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(1 + t_rng(s) % 255);
}

static inline void t_content(struct t_entry *t, uint64_t *s)
{
	struct buf b = BUF_INIT(sizeof(t->items));
	struct content *c = &t->en.content;
	uint64_t n = t_rng(s) % 4 == 0 ? t_rng(s) % 97 : 1, length, what;
	size_t ids = 0;

	for (uint64_t i = 0; i < n; i++) {
		what = t_rng(s) % 4;
		length = 1 + t_rng(s) % 300000;
		if (what != CONTENT_CHUNK)
			length <<= t_rng(s) % 20;
		CHECK(buf_varint(&b, n == 1 ? what : length << 2 | what) ==
		      BC_OK);
		c->size += length;
		ids += what == CONTENT_CHUNK || what == CONTENT_LIST;
	}
	if (b.n != 0)
		memcpy(t->items, b.p, b.n);
	t_fill(s, t->ids, ids * DIGEST_BYTES);
	c->count = n;
	c->items = bytes_of(t->items, b.n);
	c->ids = bytes_of(t->ids, ids * DIGEST_BYTES);
	buf_fini(&b);
}

static inline void t_attrs(struct t_entry *t, uint64_t *s)
{
	struct attr v[3] = {
		{ bytes_str("security.x"), bytes_str("") },
		{ bytes_str("system.posix_acl_access"), bytes_of("\0\1\2", 3) },
		{ bytes_str("user.comment"), bytes_str("some words") },
	};
	struct buf b = BUF_INIT(sizeof(t->attrs));

	CHECK(attrs_encode(v, 1 + t_rng(s) % 3, &b, NULL) == BC_OK);
	memcpy(t->attrs, b.p, b.n);
	t->en.attrs.raw = bytes_of(t->attrs, b.n);
	buf_fini(&b);
}

/* An entry of any kind; the name is kept by reference. */
static inline void t_make(struct t_entry *t, struct bytes name, uint64_t seed)
{
	static const char *const owners[] = { "root", "daemon", "", "me" };
	struct tree_entry *en = &t->en;
	uint64_t r, *s = &seed;

	memset(en, 0, sizeof(*en));
	en->name = name;
	en->type = (enum tree_type)(1 + t_rng(s) % 7);
	if (t_rng(s) % 2 == 0)
		en->type = TREE_FILE;
	en->mode = (uint32_t)t_rng(s) & TREE_MODE_MAX;
	r = t_rng(s);
	en->uid = (uint32_t)(r % 8 == 0 ? r >> 32 : r % 3);
	en->gid = (uint32_t)(r >> 8) % 3;
	en->user = bytes_str(owners[en->uid % 4]);
	en->group = bytes_str(owners[en->gid % 4]);
	r = t_rng(s);
	en->mtime = (int64_t)(r % 16 == 0 ? r : 1700000000 + r % 100000000);
	en->mtime_nsec = (uint32_t)(t_rng(s) % 1000000000);
	r = t_rng(s);
	if (r % 8 == 0) {
		en->has |= TREE_HAS_ATTRS;
		t_attrs(t, s);
	} else if (r % 8 == 1) {
		en->has |= TREE_HAS_ATTRS_ID;
		t_fill(s, en->attrs_id.b, DIGEST_BYTES);
	}
	if (r / 8 % 8 == 0) {
		en->has |= TREE_HAS_LINK;
		en->link_group = t_rng(s);
	}
	if (r / 64 % 8 == 0) {
		en->has |= TREE_HAS_FLAGS;
		en->inode_flags = (uint32_t)t_rng(s);
	}
	switch (en->type) {
	case TREE_FILE:
		t_content(t, s);
		break;
	case TREE_DIR:
		t_fill(s, en->dir.id.b, DIGEST_BYTES);
		en->dir.entries = t_rng(s) >> 40;
		en->dir.bytes = t_rng(s) >> 24;
		break;
	case TREE_LINK:
		r = t_rng(s);
		r = 1 + (r >> 8) % (r % 16 == 0 ? 4096 : 60);
		t_fill_nonzero(s, t->target, r);
		en->target = bytes_of(t->target, r);
		break;
	case TREE_CHAR:
	case TREE_BLOCK:
		en->major = (uint32_t)t_rng(s);
		en->minor = (uint32_t)t_rng(s);
		break;
	case TREE_FIFO:
	case TREE_SOCKET:
		break;
	}
}

/* A file of one chunk: what most entries are. */
static inline void t_make_file(struct t_entry *t, struct bytes name,
			       uint64_t seed)
{
	struct tree_entry *en = &t->en;
	uint64_t *s = &seed;

	memset(en, 0, sizeof(*en));
	en->name = name;
	en->type = TREE_FILE;
	en->mode = 0644;
	en->uid = en->gid = 1000;
	en->user = en->group = bytes_str("me");
	en->mtime = 1700000000 + (int64_t)(seed & 0xffff);
	en->mtime_nsec = (uint32_t)(t_rng(s) % 1000000000);
	t->items[0] = CONTENT_CHUNK;
	for (size_t i = 0; i < 4; i++) {
		uint64_t v = t_rng(s);

		memcpy(t->ids + i * 8, &v, 8);
	}
	en->content.size = 1 + (seed & 0xfff);
	en->content.count = 1;
	en->content.items = bytes_of(t->items, 1);
	en->content.ids = bytes_of(t->ids, DIGEST_BYTES);
}

#endif
