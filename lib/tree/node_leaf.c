/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/node_leaf.h"

#include "tree/node_code.h"

/* ---- writing ---- */

/* A line of a table of users or groups. */
struct leaf_slot {
	uint32_t id;
	uint32_t at; /* of the name in the encoded table */
	uint32_t n;  /* of its bytes */
};

enum {
	/* All fields of an entry but its spans, at their longest. */
	ENTRY_FIXED_BYTES = 128,
	HAS_ALL = TREE_HAS_ATTRS | TREE_HAS_ATTRS_ID | TREE_HAS_LINK |
		  TREE_HAS_FLAGS,
};

static void table_init(struct leaf_table *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->raw, NODE_MAX_BYTES);
	/* Less than one slot for each two bytes of the encoded table. */
	buf_init(&t->slots, NODE_MAX_BYTES / 2 * sizeof(struct leaf_slot));
}

static void table_fini(struct leaf_table *t)
{
	buf_fini(&t->raw);
	buf_fini(&t->slots);
}

static void table_clear(struct leaf_table *t)
{
	buf_clear(&t->raw);
	buf_clear(&t->slots);
	t->n = 0;
	t->last = 0;
}

void leaf_writer_init(struct leaf_writer *w, enum leaf_kind kind)
{
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	buf_init(&w->entries, NODE_MAX_BYTES + ENTRY_FIXED_BYTES);
	buf_init(&w->ids, NODE_MAX_BYTES);
	table_init(&w->users);
	table_init(&w->groups);
}

void leaf_writer_fini(struct leaf_writer *w)
{
	buf_fini(&w->entries);
	buf_fini(&w->ids);
	table_fini(&w->users);
	table_fini(&w->groups);
	leaf_writer_clear(w);
}

void leaf_writer_clear(struct leaf_writer *w)
{
	buf_clear(&w->entries);
	buf_clear(&w->ids);
	table_clear(&w->users);
	table_clear(&w->groups);
	w->count = 0;
	w->base = 0;
	w->last_n = 0;
}

static bool slot_is(const struct leaf_table *t, uint32_t i, uint32_t id,
		    struct bytes name)
{
	struct leaf_slot s;

	memcpy(&s, t->slots.p + i * sizeof(s), sizeof(s));
	return s.id == id && bytes_eq(bytes_of(t->raw.p + s.at, s.n), name);
}

/* The place of an owner in the table; t->n if it is not there yet. */
static uint32_t table_find(struct leaf_table *t, uint32_t id, struct bytes name)
{
	if (t->n != 0 && slot_is(t, t->last, id, name))
		return t->last;
	for (uint32_t i = 0; i < t->n; i++)
		if (slot_is(t, i, id, name))
			return t->last = i;
	return t->n;
}

/* Room for one more line, so that table_add() cannot fail. */
static enum bc_err table_reserve(struct leaf_table *t, struct bytes name)
{
	enum bc_err rc = buf_reserve(&t->slots, sizeof(struct leaf_slot));

	if (rc == BC_OK)
		rc = buf_reserve(&t->raw, name.n + 2 * CODE_VARINT_MAX_BYTES);
	return rc;
}

static void table_add(struct leaf_table *t, uint32_t id, struct bytes name)
{
	uint8_t *p = t->raw.p + t->raw.n;
	struct leaf_slot s = { .id = id, .n = (uint32_t)name.n };

	p = code_put_str(code_put(p, id), name);
	t->raw.n = (size_t)(p - t->raw.p);
	s.at = (uint32_t)(t->raw.n - name.n);
	memcpy(t->slots.p + t->slots.n, &s, sizeof(s));
	t->slots.n += sizeof(s);
	t->last = t->n++;
}

static size_t line_size(uint32_t id, struct bytes name)
{
	return code_size(id) + code_size(name.n) + name.n;
}

static bool owner_valid(struct bytes name)
{
	return name.n <= TREE_OWNER_MAX_BYTES && !code_has_nul(name);
}

static bool target_valid(struct bytes t)
{
	return t.n != 0 && t.n <= TREE_TARGET_MAX_BYTES && !code_has_nul(t);
}

static bool attrs_valid(struct bytes raw)
{
	struct cursor c = cursor_of(raw);

	(void)attrs_parse(&c);
	return raw.n <= ATTRS_INLINE_MAX_BYTES && cursor_done(&c);
}

static bool name_fits(enum leaf_kind kind, struct bytes name,
		      enum tree_type type)
{
	if (kind == LEAF_OF_SNAPSHOT)
		return name.n == 1 && name.p[0] == '.' && type == TREE_DIR;
	return tree_name_valid(name);
}

static bool by_type_valid(const struct tree_entry *en)
{
	switch (en->type) {
	case TREE_FILE:
		return content_valid(&en->content);
	case TREE_LINK:
		return target_valid(en->target);
	case TREE_DIR:
	case TREE_FIFO:
	case TREE_SOCKET:
	case TREE_CHAR:
	case TREE_BLOCK:
		return true;
	}
	return false;
}

static const char *wrong_with(const struct leaf_writer *w,
			      const struct tree_entry *en)
{
	if (!name_fits(w->kind, en->name, en->type))
		return "its name";
	if (w->last_n != 0 &&
	    bytes_cmp(bytes_of(w->last, w->last_n), en->name) >= 0)
		return "the order of names";
	if (en->mode > TREE_MODE_MAX || en->mtime_nsec > TREE_NSEC_MAX)
		return "its mode or time";
	if ((en->has & ~(unsigned)HAS_ALL) != 0 ||
	    ((en->has & TREE_HAS_ATTRS) != 0 &&
	     ((en->has & TREE_HAS_ATTRS_ID) != 0 ||
	      !attrs_valid(en->attrs.raw))))
		return "its attributes";
	if (!by_type_valid(en))
		return "its type, content or target";
	return NULL;
}

/* The entry into `p`, which has room for it. Returns where it ends. */
static uint8_t *put_entry(uint8_t *p, const struct tree_entry *en, int64_t base,
			  uint32_t user, uint32_t group)
{
	p = code_put_str(p, en->name);
	*p++ = (uint8_t)en->type;
	p = code_put(p, en->has);
	p = code_put(p, en->mode);
	p = code_put(p, user);
	p = code_put(p, group);
	p = code_put(p, code_zigzag((uint64_t)en->mtime - (uint64_t)base));
	p = code_put(p, en->mtime_nsec);
	if ((en->has & TREE_HAS_ATTRS) != 0)
		p = code_put_bytes(p, en->attrs.raw);
	if ((en->has & TREE_HAS_LINK) != 0) {
		le_put64(p, en->link_group);
		p += 8;
	}
	if ((en->has & TREE_HAS_FLAGS) != 0)
		p = code_put(p, en->inode_flags);
	switch (en->type) {
	case TREE_FILE:
		p = code_put(p, en->content.size);
		p = code_put(p, en->content.count);
		return code_put_bytes(p, en->content.items);
	case TREE_DIR:
		p = code_put(p, en->dir.entries);
		return code_put(p, en->dir.bytes);
	case TREE_LINK:
		return code_put_str(p, en->target);
	case TREE_CHAR:
	case TREE_BLOCK:
		return code_put(code_put(p, en->major), en->minor);
	case TREE_FIFO:
	case TREE_SOCKET:
		break;
	}
	return p;
}

static uint8_t *put_ids(uint8_t *p, const struct tree_entry *en)
{
	if ((en->has & TREE_HAS_ATTRS_ID) != 0)
		p = code_put_bytes(p, bytes_of(en->attrs_id.b, DIGEST_BYTES));
	if (en->type == TREE_FILE)
		return code_put_bytes(p, en->content.ids);
	if (en->type == TREE_DIR)
		p = code_put_bytes(p, bytes_of(en->dir.id.b, DIGEST_BYTES));
	return p;
}

size_t leaf_writer_body(const struct leaf_writer *w)
{
	return w->entries.n + w->ids.n;
}

static size_t size_with(const struct leaf_writer *w, uint64_t users,
			uint64_t groups, uint64_t count, int64_t base)
{
	return 1 + code_size(users) + w->users.raw.n + code_size(groups) +
	       w->groups.raw.n + code_size(code_zigzag((uint64_t)base)) +
	       code_size(count) + leaf_writer_body(w);
}

size_t leaf_writer_size(const struct leaf_writer *w)
{
	return size_with(w, w->users.n, w->groups.n, w->count, w->base);
}

/* Room for the entry at its longest; nothing that follows can fail. */
static enum bc_err reserve(struct leaf_writer *w, const struct tree_entry *en)
{
	size_t n = ENTRY_FIXED_BYTES + en->name.n, ids = DIGEST_BYTES;
	enum bc_err rc;

	if ((en->has & TREE_HAS_ATTRS) != 0)
		n += en->attrs.raw.n;
	if (en->type == TREE_FILE) {
		n += en->content.items.n;
		ids += en->content.ids.n;
	} else if (en->type == TREE_LINK) {
		n += en->target.n;
	} else if (en->type == TREE_DIR) {
		ids += DIGEST_BYTES;
	}
	rc = buf_reserve(&w->entries, n);
	if (rc == BC_OK)
		rc = buf_reserve(&w->ids, ids);
	if (rc == BC_OK)
		rc = table_reserve(&w->users, en->user);
	if (rc == BC_OK)
		rc = table_reserve(&w->groups, en->group);
	/* The buffers' ceilings are above what a leaf may hold. */
	return rc == BC_ELIMIT ? BC_EFULL : rc;
}

enum bc_err leaf_writer_add(struct leaf_writer *w, const struct tree_entry *en,
			    struct err *e)
{
	int64_t base = w->count == 0 ? en->mtime : w->base;
	const char *what = wrong_with(w, en);
	uint32_t user, group;
	uint8_t *p, *q;
	size_t size;
	enum bc_err rc;

	if (what != NULL || !owner_valid(en->user) || !owner_valid(en->group))
		return err_set(e, BC_EINVAL,
			       "not a valid directory entry (%s): %.*s",
			       what != NULL ? what : "its owner",
			       (int)(en->name.n > TREE_NAME_MAX_BYTES
					     ? TREE_NAME_MAX_BYTES
					     : en->name.n),
			       (const char *)en->name.p);
	rc = reserve(w, en);
	if (rc == BC_ENOMEM)
		return err_set(e, rc, "no memory for a directory's entries");
	if (rc != BC_OK)
		return rc;
	user = table_find(&w->users, en->uid, en->user);
	group = table_find(&w->groups, en->gid, en->group);
	p = put_entry(w->entries.p + w->entries.n, en, base, user, group);
	q = put_ids(w->ids.p + w->ids.n, en);

	size = size_with(w, w->users.n + 1, w->groups.n + 1, w->count + 1,
			 base) +
	       (size_t)(p - w->entries.p) - w->entries.n +
	       (size_t)(q - w->ids.p) - w->ids.n;
	if (user == w->users.n)
		size += line_size(en->uid, en->user);
	if (group == w->groups.n)
		size += line_size(en->gid, en->group);
	if (size > LEAF_TARGET_BYTES)
		return BC_EFULL;

	if (user == w->users.n)
		table_add(&w->users, en->uid, en->user);
	if (group == w->groups.n)
		table_add(&w->groups, en->gid, en->group);
	w->entries.n = (size_t)(p - w->entries.p);
	w->ids.n = (size_t)(q - w->ids.p);
	w->base = base;
	w->count++;
	memcpy(w->last, en->name.p, en->name.n);
	w->last_n = en->name.n;
	return BC_OK;
}

enum bc_err leaf_writer_finish(struct leaf_writer *w, struct buf *out,
			       struct err *e)
{
	size_t n = leaf_writer_size(w);
	enum bc_err rc = buf_reserve(out, n);
	uint8_t *p;

	if (rc != BC_OK)
		return err_set(e, rc, "no room for a leaf of %zu bytes", n);
	p = out->p + out->n;
	*p++ = NODE_LEAF;
	p = code_put(p, w->users.n);
	p = code_put_bytes(p, buf_bytes(&w->users.raw));
	p = code_put(p, w->groups.n);
	p = code_put_bytes(p, buf_bytes(&w->groups.raw));
	p = code_put(p, code_zigzag((uint64_t)w->base));
	p = code_put(p, w->count);
	p = code_put_bytes(p, buf_bytes(&w->entries));
	p = code_put_bytes(p, buf_bytes(&w->ids));
	out->n = (size_t)(p - out->p);
	leaf_writer_clear(w);
	return BC_OK;
}

/* ---- reading ---- */

static struct bytes names_line(struct cursor *c, uint32_t *id)
{
	*id = (uint32_t)code_get(c, UINT32_MAX);
	return code_get_str(c, TREE_OWNER_MAX_BYTES);
}

static void names_parse(struct cursor *c, struct leaf_names *t)
{
	/* A line takes two bytes or more. */
	uint32_t n = (uint32_t)code_get(c, c->left / 2), id;
	const uint8_t *from = c->p;

	t->n = n;
	t->shift = 0;
	while (n > (uint64_t)LEAF_TABLE_MARKS << t->shift)
		t->shift++;
	for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
		if (i >> t->shift << t->shift == i)
			t->mark[i >> t->shift] = (uint16_t)(c->p - from);
		if (code_has_nul(names_line(c, &id)))
			cursor_fail(c);
	}
	t->raw = code_since(c, from);
}

static struct bytes names_at(const struct leaf_names *t, uint32_t i,
			     uint32_t *id)
{
	size_t at = t->mark[i >> t->shift];
	struct cursor c = cursor_of(bytes_of(t->raw.p + at, t->raw.n - at));

	for (i -= i >> t->shift << t->shift; i > 0; i--)
		(void)names_line(&c, id);
	return names_line(&c, id);
}

/* What an entry says of tables and digests. */
struct entry_refs {
	uint32_t user, group;
	uint64_t content_ids;
};

static void parse_by_type(struct cursor *c, struct tree_entry *en,
			  struct entry_refs *refs)
{
	uint64_t size;

	switch (en->type) {
	case TREE_FILE:
		size = code_get(c, CONTENT_MAX_BYTES);
		refs->content_ids = content_parse(c, size, &en->content);
		return;
	case TREE_DIR:
		en->dir.entries = code_get(c, UINT64_MAX);
		en->dir.bytes = code_get(c, UINT64_MAX);
		return;
	case TREE_LINK:
		en->target = code_get_str(c, TREE_TARGET_MAX_BYTES);
		if (!target_valid(en->target))
			cursor_fail(c);
		return;
	case TREE_CHAR:
	case TREE_BLOCK:
		en->major = (uint32_t)code_get(c, UINT32_MAX);
		en->minor = (uint32_t)code_get(c, UINT32_MAX);
		return;
	case TREE_FIFO:
	case TREE_SOCKET:
		return;
	}
	cursor_fail(c);
}

/* The fields that not every entry has. Piece by piece: this is quicker than
 * a memset() of the whole. */
static void clear_entry(struct tree_entry *en)
{
	static const struct digest none;

	en->attrs = (struct attrs){ { NULL, 0 } };
	en->attrs_id = none;
	en->link_group = 0;
	en->inode_flags = 0;
	en->content = (struct content){ .size = 0 };
	en->dir = (struct tree_dir){ .entries = 0 };
	en->target = (struct bytes){ NULL, 0 };
	en->major = 0;
	en->minor = 0;
}

/* All of an entry but owners and digests; what it has not is not touched. */
static void parse_entry(const struct leaf *l, struct cursor *c,
			struct tree_entry *en, struct entry_refs *refs)
{
	refs->content_ids = 0;
	en->name = code_get_str(c, TREE_NAME_MAX_BYTES);
	en->type = (enum tree_type)cursor_u8(c);
	en->has = (unsigned)code_get(c, HAS_ALL);
	en->mode = (uint32_t)code_get(c, TREE_MODE_MAX);
	refs->user = (uint32_t)code_get(c, UINT32_MAX);
	refs->group = (uint32_t)code_get(c, UINT32_MAX);
	/* Differences wrap, as they did when they were written. */
	en->mtime = (int64_t)((uint64_t)l->base + (uint64_t)code_get_signed(c));
	en->mtime_nsec = (uint32_t)code_get(c, TREE_NSEC_MAX);
	if ((en->has & TREE_HAS_ATTRS) != 0)
		en->attrs = attrs_parse(c);
	if ((en->has & TREE_HAS_LINK) != 0)
		en->link_group = cursor_u64(c);
	if ((en->has & TREE_HAS_FLAGS) != 0)
		en->inode_flags = (uint32_t)code_get(c, UINT32_MAX);
	parse_by_type(c, en, refs);
}

static uint64_t ids_of(const struct tree_entry *en,
		       const struct entry_refs *refs)
{
	return refs->content_ids + (en->type == TREE_DIR) +
	       ((en->has & TREE_HAS_ATTRS_ID) != 0);
}

static void take_id(struct cursor *c, struct digest *out)
{
	struct bytes b = cursor_span(c, DIGEST_BYTES);

	if (b.n != 0)
		memcpy(out->b, b.p, DIGEST_BYTES);
}

/* Owners and digests, once it is known where they lie. */
static void resolve(struct leaf *l, struct tree_entry *en,
		    const struct entry_refs *refs)
{
	en->user = names_at(&l->users, refs->user, &en->uid);
	en->group = names_at(&l->groups, refs->group, &en->gid);
	if ((en->has & TREE_HAS_ATTRS_ID) != 0)
		take_id(&l->at_ids, &en->attrs_id);
	if (en->type == TREE_FILE)
		en->content.ids = cursor_span(&l->at_ids,
					      refs->content_ids * DIGEST_BYTES);
	else if (en->type == TREE_DIR)
		take_id(&l->at_ids, &en->dir.id);
}

static bool entry_fits(const struct leaf *l, enum leaf_kind kind,
		       const struct tree_entry *en,
		       const struct entry_refs *refs)
{
	unsigned both = TREE_HAS_ATTRS | TREE_HAS_ATTRS_ID;

	return name_fits(kind, en->name, en->type) &&
	       bytes_cmp(l->last, en->name) < 0 && (en->has & both) != both &&
	       refs->user < l->users.n && refs->group < l->groups.n;
}

enum bc_err leaf_open(struct bytes node, enum leaf_kind kind, struct leaf *out,
		      struct err *e)
{
	struct cursor c = cursor_of(node);
	struct tree_entry en;
	struct entry_refs refs;
	const uint8_t *from;
	uint64_t ids = 0;

	if (node.n > NODE_MAX_BYTES || cursor_u8(&c) != NODE_LEAF)
		cursor_fail(&c);
	names_parse(&c, &out->users);
	names_parse(&c, &out->groups);
	out->base = code_get_signed(&c);
	out->count = code_get(&c, c.left);
	out->first = out->last = (struct bytes){ NULL, 0 };
	from = c.p;
	for (uint64_t i = 0; i < out->count && cursor_ok(&c); i++) {
		parse_entry(out, &c, &en, &refs);
		if (!entry_fits(out, kind, &en, &refs))
			cursor_fail(&c);
		ids += ids_of(&en, &refs);
		if (i == 0)
			out->first = en.name;
		out->last = en.name;
	}
	if (kind == LEAF_OF_SNAPSHOT && out->count != 1)
		cursor_fail(&c);
	out->entries = code_since(&c, from);
	out->ids = cursor_span(&c, ids * DIGEST_BYTES);
	if (!cursor_done(&c))
		return err_set(e, BC_EDAMAGE,
			       "a directory's leaf is not valid");
	leaf_rewind(out);
	return BC_OK;
}

void leaf_rewind(struct leaf *l)
{
	l->at = cursor_of(l->entries);
	l->at_ids = cursor_of(l->ids);
	l->left = l->count;
}

bool leaf_next(struct leaf *l, struct tree_entry *out)
{
	struct entry_refs refs;

	if (l->left == 0)
		return false;
	l->left--;
	clear_entry(out);
	parse_entry(l, &l->at, out, &refs);
	resolve(l, out, &refs);
	return true;
}

void leaf_seek(struct leaf *l, struct bytes name)
{
	struct tree_entry en;
	struct entry_refs refs;
	struct cursor before;

	leaf_rewind(l);
	for (; l->left > 0; l->left--) {
		before = l->at;
		parse_entry(l, &l->at, &en, &refs);
		if (bytes_cmp(en.name, name) >= 0) {
			l->at = before;
			return;
		}
		(void)cursor_span(&l->at_ids,
				  ids_of(&en, &refs) * DIGEST_BYTES);
	}
}
