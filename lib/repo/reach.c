/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/reach.h"

#include <stdlib.h>

#include "tree/node_inner.h"
#include "tree/node_leaf.h"
#include "util/arith.h"

enum {
	/* Directories below one another. The system's own limit on paths lies
	 * far below; only made-up trees come near. */
	REACH_DEPTH_MAX = 20000,
	REACH_PATH_MAX = 8 << 20,
	SLOTS_STEP = 1024,
	STOP_EVERY = 64,
};

/* ---- marks ----------------------------------------------------------------
 */

void marks_init(struct marks *m)
{
	*m = (struct marks){ NULL, 0 };
}

void marks_fini(struct marks *m)
{
	for (uint32_t i = 0; i < m->packs; i++)
		free(m->pack[i].bits);
	free(m->pack);
	marks_init(m);
}

static enum bc_err grow_packs(struct marks *m, uint32_t pack)
{
	uint32_t n = (uint32_t)max_u64((uint64_t)pack + 1,
				       (uint64_t)m->packs * 3 / 2);
	struct marks_pack *p = realloc(m->pack, n * sizeof(*p));

	if (p == NULL)
		return BC_ENOMEM;
	memset(p + m->packs, 0, (n - m->packs) * sizeof(*p));
	m->pack = p;
	m->packs = n;
	return BC_OK;
}

static enum bc_err grow_slots(struct marks_pack *p, uint32_t slot)
{
	uint32_t n = (uint32_t)round_up(
		max_u64((uint64_t)slot + 1, (uint64_t)p->slots * 2),
		SLOTS_STEP);
	uint8_t *bits = realloc(p->bits, n / 8);

	if (bits == NULL)
		return BC_ENOMEM;
	memset(bits + p->slots / 8, 0, (n - p->slots) / 8);
	p->bits = bits;
	p->slots = n;
	return BC_OK;
}

enum bc_err marks_set(struct marks *m, uint32_t pack, uint32_t slot)
{
	enum bc_err rc = BC_OK;

	if (pack >= m->packs)
		rc = grow_packs(m, pack);
	if (rc == BC_OK && slot >= m->pack[pack].slots)
		rc = grow_slots(&m->pack[pack], slot);
	if (rc == BC_OK)
		m->pack[pack].bits[slot / 8] |= (uint8_t)(1U << slot % 8);
	return rc;
}

bool marks_get(const struct marks *m, uint32_t pack, uint32_t slot)
{
	return pack < m->packs && slot < m->pack[pack].slots &&
	       (m->pack[pack].bits[slot / 8] >> slot % 8 & 1) != 0;
}

/* ---- one chunk ------------------------------------------------------------
 */

/* Where a walk is: one node of a directory, at a child or an entry. */
struct reach_frame {
	struct buf node;
	bool inner;
	struct inner in;
	struct leaf leaf;
	uint32_t pack, slot;
	size_t path; /* bytes of the directory's path */
	bool dirty;  /* something below is lost */
};

struct spot {
	uint32_t pack, slot, length;
	bool seen;
};

static bool known(const struct reach *w, const struct spot *at)
{
	return marks_get(w->seen, at->pack, at->slot) ||
	       (w->pass != NULL && marks_get(w->pass, at->pack, at->slot));
}

/*
 * The first place of a chunk that is not damaged. Who looks for damage takes a
 * place that can only be read by the blocks' headers if there is no other: that
 * pack is to be told as needed where it is.
 */
static enum bc_err find(struct reach *w, const struct digest *id,
			struct spot *out, struct err *e)
{
	bool look = w->bad != NULL, salvaged = false;
	struct chunk_search s;

	repo_search(&s, w->r, id, look ? DIR_SOUND : DIR_HINT);
	for (bool more = false;; more = true) {
		struct chunk_place p;
		const struct pack_dir *d;
		struct spot at;
		enum dir_trust trust;
		enum bc_err rc = repo_search_next(&s, &p, e);

		if (rc != BC_OK && salvaged && !repo_search_failed(&s)) {
			err_clear(e);
			break;
		}
		if (rc == BC_ENOTFOUND && more)
			return err_set(e, BC_EDAMAGE,
				       "a chunk is damaged, and no other copy "
				       "is there");
		if (rc == BC_ENOTFOUND)
			return err_set(e, BC_EDAMAGE,
				       "a chunk is not in the repository");
		if (rc != BC_OK)
			return rc;
		d = p.ref.dir;
		at = (struct spot){ .pack = p.ref.pack.number,
				    .slot = p.chunk + d->base_slot,
				    .length = d->lengths[p.chunk] };
		trust = p.ref.trust;
		chunk_place_put(w->r, &p);
		if (look && marks_get(w->bad, at.pack, at.slot))
			continue;
		if (!salvaged || trust == DIR_VERIFIED)
			*out = at;
		salvaged = look && trust != DIR_VERIFIED;
		if (!salvaged)
			break;
	}
	out->seen = known(w, out);
	return BC_OK;
}

static enum bc_err mark(struct reach *w, const struct spot *at, struct err *e)
{
	enum bc_err rc = marks_set(w->seen, at->pack, at->slot);

	return rc == BC_OK ? rc : err_set(e, rc, "no memory for marks");
}

/* Is it a loss, to be told and gone on from, or does it end the walk? */
static bool is_loss(enum bc_err rc)
{
	return rc == BC_EDAMAGE || rc == BC_EIO || rc == BC_ENOTFOUND ||
	       rc == BC_ELIMIT || rc == BC_EVERSION || rc == BC_EINVAL;
}

/*
 * A loss at the current path. With somebody to tell, the walk goes on.
 *   dirty  [out] set
 */
static enum bc_err lose(struct reach *w, enum tree_type type, uint64_t lost,
			bool *dirty, enum bc_err rc, struct err *e)
{
	struct reach_loss l = { .path = buf_bytes(&w->path),
				.type = type,
				.lost = lost,
				.why = e };

	if (!is_loss(rc))
		return rc;
	*dirty = true;
	if (w->loss == NULL)
		return rc;
	w->loss(w->ctx, &l);
	err_clear(e);
	return BC_OK;
}

static enum bc_err read_node(struct reach *w, const struct digest *id,
			     struct buf *out, struct err *e)
{
	struct node_source source = chunk_node_source(w->reader);

	atomic_fetch_add_explicit(&w->nodes, 1, memory_order_relaxed);
	return node_fetch(&source, id, out, e);
}

/* ---- contents -------------------------------------------------------------
 */

struct content_loss {
	uint64_t bytes;
	struct err first;
};

static void lose_part(struct content_loss *l, uint64_t n, const struct err *e)
{
	if (l->first.code == BC_OK)
		l->first = *e;
	l->bytes += n;
}

static enum bc_err visit_chunk(struct reach *w, const struct content_item *it,
			       uint64_t length, struct content_loss *l,
			       struct err *e)
{
	struct spot at;
	enum bc_err rc = find(w, it->id, &at, e);

	atomic_fetch_add_explicit(&w->chunks, 1, memory_order_relaxed);
	if (rc == BC_OK && at.length != length)
		rc = err_set(e, BC_EDAMAGE,
			     "a chunk has another length than its file says");
	if (rc == BC_OK)
		return at.seen ? BC_OK : mark(w, &at, e);
	if (!is_loss(rc))
		return rc;
	lose_part(l, length, e);
	err_clear(e);
	return BC_OK;
}

static enum bc_err visit_content(struct reach *w, const struct content *c,
				 unsigned depth, struct content_loss *l,
				 struct err *e);

static enum bc_err visit_list(struct reach *w, const struct content_item *it,
			      unsigned depth, struct content_loss *l,
			      struct err *e)
{
	uint64_t lost = l->bytes;
	struct content c;
	struct spot at;
	enum bc_err rc = BC_OK;

	if (depth >= CONTENT_DEPTH_MAX)
		rc = err_set(e, BC_EDAMAGE, "content lists lie too deep");
	if (rc == BC_OK)
		rc = find(w, it->id, &at, e);
	if (rc == BC_OK && at.seen)
		return BC_OK;
	if (rc == BC_OK)
		rc = read_node(w, it->id, &w->list[depth], e);
	if (rc == BC_OK)
		rc = content_list_open(buf_bytes(&w->list[depth]), it->length,
				       &c, e);
	if (is_loss(rc)) {
		lose_part(l, it->length, e);
		err_clear(e);
		return BC_OK;
	}
	if (rc == BC_OK)
		rc = visit_content(w, &c, depth + 1, l, e);
	if (rc == BC_OK && l->bytes == lost)
		rc = mark(w, &at, e);
	return rc;
}

static enum bc_err visit_content(struct reach *w, const struct content *c,
				 unsigned depth, struct content_loss *l,
				 struct err *e)
{
	struct content_iter it;
	struct content_item item;
	enum bc_err rc = BC_OK;

	content_begin(&it, c);
	while (rc == BC_OK && content_next(&it, &item)) {
		if (item.what == CONTENT_CHUNK)
			rc = visit_chunk(w, &item, item.length, l, e);
		else if (item.what == CONTENT_LIST)
			rc = visit_list(w, &item, depth, l, e);
	}
	return rc;
}

/* ---- entries --------------------------------------------------------------
 */

static enum bc_err visit_attrs(struct reach *w, const struct tree_entry *en,
			       bool *dirty, struct err *e)
{
	struct attrs set;
	struct spot at;
	struct buf node = BUF_INIT(ATTRS_MAX_BYTES);
	enum bc_err rc = find(w, &en->attrs_id, &at, e);

	if (rc == BC_OK && !at.seen) {
		rc = read_node(w, &en->attrs_id, &node, e);
		if (rc == BC_OK)
			rc = attrs_open_node(buf_bytes(&node), &set, e);
		if (rc == BC_OK)
			rc = mark(w, &at, e);
	}
	buf_fini(&node);
	if (rc == BC_OK)
		return rc;
	if (is_loss(rc))
		err_wrap(e, "its extended attributes");
	return lose(w, en->type, 0, dirty, rc, e);
}

static enum bc_err visit_file(struct reach *w, const struct tree_entry *en,
			      bool *dirty, struct err *e)
{
	struct content_loss l = { .bytes = 0 };
	enum bc_err rc = visit_content(w, &en->content, 0, &l, e);

	if (rc != BC_OK || l.bytes == 0)
		return rc;
	if (e != NULL)
		*e = l.first;
	return lose(w, TREE_FILE, l.bytes, dirty, l.first.code, e);
}

/* ---- directories ----------------------------------------------------------
 */

static enum bc_err next_frame(struct reach *w, struct err *e)
{
	struct reach_frame *f;
	size_t cap;

	if (w->frames < w->frame_cap)
		return BC_OK;
	if (w->frame_cap >= REACH_DEPTH_MAX)
		return err_set(e, BC_ELIMIT,
			       "directories lie more than %d deep",
			       REACH_DEPTH_MAX);
	cap = w->frame_cap == 0 ? 16 : w->frame_cap * 2;
	f = realloc(w->frame, cap * sizeof(*f));
	if (f == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a walk");
	w->frame = f;
	for (; w->frame_cap < cap; w->frame_cap++)
		buf_init(&f[w->frame_cap].node, NODE_MAX_BYTES);
	return BC_OK;
}

static enum bc_err open_node(struct reach_frame *f, struct err *e)
{
	struct bytes node = buf_bytes(&f->node);

	f->inner = node.n > 0 && node.p[0] == NODE_INNER;
	if (f->inner)
		return inner_open(node, &f->in, e);
	return leaf_open(node, LEAF_OF_DIRECTORY, &f->leaf, e);
}

/* Enter a node of the directory at the current path, unless it is known. */
static enum bc_err enter(struct reach *w, const struct digest *id, bool *dirty,
			 struct err *e)
{
	struct reach_frame *f;
	struct spot at;
	enum bc_err rc = find(w, id, &at, e);

	if (rc == BC_OK && at.seen)
		return BC_OK;
	if (rc == BC_OK)
		rc = next_frame(w, e);
	if (rc == BC_OK) {
		f = &w->frame[w->frames];
		rc = read_node(w, id, &f->node, e);
		if (rc == BC_OK)
			rc = open_node(f, e);
		if (rc == BC_OK) {
			f->pack = at.pack;
			f->slot = at.slot;
			f->path = w->path.n;
			f->dirty = false;
			w->frames++;
			return BC_OK;
		}
	}
	return lose(w, TREE_DIR, 0, dirty, rc, e);
}

static enum bc_err leave(struct reach *w, struct err *e)
{
	struct reach_frame *f = &w->frame[--w->frames];
	struct spot at = { .pack = f->pack, .slot = f->slot };

	if (!f->dirty)
		return mark(w, &at, e);
	if (w->frames > 0)
		f[-1].dirty = true;
	return BC_OK;
}

static enum bc_err visit_entry(struct reach *w, size_t frame,
			       const struct tree_entry *en, struct err *e)
{
	bool dirty = false;
	enum bc_err rc = BC_OK;

	if (w->path.n > 0)
		rc = buf_u8(&w->path, '/');
	if (rc == BC_OK)
		rc = buf_add(&w->path, en->name.p, en->name.n);
	if (rc != BC_OK)
		return err_set(e, rc, "a path is too long");
	if (en->has & TREE_HAS_ATTRS_ID)
		rc = visit_attrs(w, en, &dirty, e);
	if (rc == BC_OK && en->type == TREE_FILE)
		rc = visit_file(w, en, &dirty, e);
	if (rc == BC_OK && en->type == TREE_DIR)
		rc = enter(w, &en->dir.id, &dirty, e);
	/* enter() may have moved the frames. */
	if (dirty)
		w->frame[frame].dirty = true;
	return rc;
}

static enum bc_err step(struct reach *w, struct err *e)
{
	size_t at = w->frames - 1;
	struct reach_frame *f = &w->frame[at];
	struct inner_item item;
	struct tree_entry en;
	bool dirty = false;
	enum bc_err rc;

	w->path.n = f->path;
	if (!f->inner)
		return leaf_next(&f->leaf, &en) ? visit_entry(w, at, &en, e)
						: leave(w, e);
	if (!inner_next(&f->in, &item))
		return leave(w, e);
	rc = enter(w, &item.id, &dirty, e);
	if (dirty)
		w->frame[at].dirty = true;
	return rc;
}

void reach_init(struct reach *w, struct repo *r, struct chunk_reader *reader,
		struct marks *seen)
{
	*w = (struct reach){ .r = r, .reader = reader, .seen = seen };
	buf_init(&w->path, REACH_PATH_MAX);
	for (int i = 0; i < CONTENT_DEPTH_MAX; i++)
		buf_init(&w->list[i], NODE_MAX_BYTES);
}

void reach_fini(struct reach *w)
{
	for (size_t i = 0; i < w->frame_cap; i++)
		buf_fini(&w->frame[i].node);
	free(w->frame);
	w->frame = NULL;
	w->frame_cap = w->frames = 0;
	buf_fini(&w->path);
	for (int i = 0; i < CONTENT_DEPTH_MAX; i++)
		buf_fini(&w->list[i]);
}

enum bc_err reach_snapshot(struct reach *w, const struct tree_entry *root,
			   struct err *e)
{
	bool dirty = false;
	unsigned steps = 0;
	enum bc_err rc = BC_OK;

	w->frames = 0;
	w->path.n = 0;
	if (root->has & TREE_HAS_ATTRS_ID)
		rc = visit_attrs(w, root, &dirty, e);
	if (rc == BC_OK)
		rc = enter(w, &root->dir.id, &dirty, e);
	while (rc == BC_OK && w->frames > 0) {
		if (w->stop != NULL && ++steps % STOP_EVERY == 0 &&
		    atomic_load_explicit(w->stop, memory_order_relaxed) != 0)
			return err_set(e, BC_ECANCEL, "stopped");
		rc = step(w, e);
	}
	return rc;
}
