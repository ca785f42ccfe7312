/* SPDX-License-Identifier: Apache-2.0 */
#include "log/record.h"

#include "util/append.h"
#include "util/tag.h"

enum { RECORD_VERSION = 1, OP_MAX_BYTES = 1 << 20, STATE_MAX = 2 };

void log_ops_init(struct log_ops *o)
{
	o->n = 0;
	buf_init(&o->raw, RECORD_MAX_BYTES);
}

void log_ops_fini(struct log_ops *o)
{
	buf_fini(&o->raw);
	o->n = 0;
}

static void put_pack(struct append *b, const struct log_pack_added *p)
{
	append_u32(b, p->number);
	append_add(b, p->id.b, PACK_ID_BYTES);
	append_u8(b, (uint8_t)p->kind);
	append_u16(b, p->placement);
	append_u64(b, p->length);
	append_u32(b, p->chunks);
	append_u32(b, p->blocks);
	append_u64(b, p->plain);
	append_add(b, p->directory.b, DIGEST_BYTES);
}

static void put_list(struct append *b, uint32_t n, struct bytes list)
{
	append_varint(b, n);
	append_add(b, list.p, list.n);
}

static void put_present(struct append *b, const struct log_present *p)
{
	append_u32(b, p->number);
	append_add(b, p->id.b, PACK_ID_BYTES);
	append_u64(b, p->seq);
	append_u64(b, p->length);
	append_u32(b, p->chunks);
	append_u32(b, p->blocks);
	append_u64(b, p->plain);
	append_add(b, p->directory.b, DIGEST_BYTES);
	append_u64(b, p->first_generation);
}

static void put_snapshot(struct append *b, const struct log_snapshot_present *p)
{
	append_add(b, p->id.b, DIGEST_BYTES);
	append_u64(b, p->generation);
	append_u32(b, p->pack);
	append_u16(b, p->slot);
	put_list(b, p->n_tags, p->tags);
}

static void put_body(struct append *b, const struct log_op *op)
{
	switch ((enum log_op_code)op->code) {
	case LOG_OP_BEGIN:
		append_add(b, op->u.begin.b, PACK_ID_BYTES);
		break;
	case LOG_OP_SNAPSHOT_MADE:
	case LOG_OP_SNAPSHOT_REMOVED:
		append_add(b, op->u.snapshot.b, DIGEST_BYTES);
		break;
	case LOG_OP_SNAPSHOT_TAGGED:
		append_add(b, op->u.tagging.snapshot.b, DIGEST_BYTES);
		put_list(b, op->u.tagging.n_set, op->u.tagging.set);
		put_list(b, op->u.tagging.n_remove, op->u.tagging.remove);
		break;
	case LOG_OP_PACK_ADDED:
		put_pack(b, &op->u.pack);
		break;
	case LOG_OP_CONDEMNED:
	case LOG_OP_RESURRECTED:
	case LOG_OP_FREED:
		append_u32(b, op->u.blocks.number);
		put_list(b, op->u.blocks.n, op->u.blocks.ordinals);
		break;
	case LOG_OP_MOVED:
		append_u32(b, op->u.moved.number);
		append_u8(b, op->u.moved.tier);
		append_str(b, op->u.moved.remote);
		append_str(b, op->u.moved.key);
		break;
	case LOG_OP_CHECKPOINT:
		append_u64(b, op->u.checkpoint.generation);
		append_add(b, op->u.checkpoint.root.b, DIGEST_BYTES);
		break;
	case LOG_OP_LOG_PRESENT:
		put_present(b, &op->u.log);
		break;
	case LOG_OP_SNAPSHOT_PRESENT:
		put_snapshot(b, &op->u.present);
		break;
	case LOG_OP_PACK_STATE:
		append_u32(b, op->u.state.number);
		append_u8(b, op->u.state.state);
		append_u64(b, op->u.state.generation);
		break;
	case LOG_OP_OPTIONAL:
	default:
		b->rc = BC_EINVAL;
		break;
	}
}

enum bc_err log_record_encode(const struct log_record *r, struct buf *out)
{
	struct append a = append_begin(out);

	append_u8(&a, RECORD_VERSION);
	append_u64(&a, r->generation);
	append_add(&a, r->prev.b, DIGEST_BYTES);
	append_add(&a, r->directory.b, DIGEST_BYTES);
	append_add(&a, r->session.b, PACK_ID_BYTES);
	append_u64(&a, (uint64_t)r->time);
	put_list(&a, r->n_ops, r->ops);
	return append_end(&a);
}

static struct digest take_digest(struct cursor *c)
{
	struct bytes b = cursor_span(c, DIGEST_BYTES);
	struct digest d = { { 0 } };

	if (b.n == DIGEST_BYTES)
		memcpy(d.b, b.p, DIGEST_BYTES);
	return d;
}

static struct pack_id take_id(struct cursor *c)
{
	struct bytes b = cursor_span(c, PACK_ID_BYTES);
	struct pack_id d = { { 0 } };

	if (b.n == PACK_ID_BYTES)
		memcpy(d.b, b.p, PACK_ID_BYTES);
	return d;
}

enum bc_err log_record_decode(struct bytes raw, struct log_record *r,
			      struct err *e)
{
	struct cursor c = cursor_of(raw);
	uint8_t version = cursor_u8(&c);

	if (cursor_ok(&c) && version != RECORD_VERSION)
		return err_set(e, BC_EVERSION,
			       "a generation record of version %u is unknown "
			       "to this version",
			       version);
	r->generation = cursor_u64(&c);
	r->prev = take_digest(&c);
	r->directory = take_digest(&c);
	r->session = take_id(&c);
	r->time = (int64_t)cursor_u64(&c);
	/* The smallest operation takes two bytes. */
	r->n_ops = (uint32_t)cursor_varint(&c, c.left / 2);
	r->ops = bytes_of(c.p, c.left);
	if (!cursor_ok(&c) || r->generation == 0)
		return err_set(e, BC_EDAMAGE,
			       "a generation record is malformed");
	return BC_OK;
}

/* A list of n keys (each 1), or keys and values (2), checked and left
 * encoded. */
static struct bytes take_strings(struct cursor *c, uint32_t *n, unsigned each)
{
	const uint8_t *first;
	uint32_t count = (uint32_t)cursor_varint(c, TAGS_MAX);

	first = c->p;
	for (uint32_t i = 0; i < count * each && cursor_ok(c); i++)
		cursor_str(c, i % each == 0 ? TAG_KEY_MAX_BYTES
					    : TAG_VALUE_MAX_BYTES);
	*n = cursor_ok(c) ? count : 0;
	return cursor_ok(c) ? bytes_of(first, (size_t)(c->p - first))
			    : bytes_of(NULL, 0);
}

static struct log_blocks take_blocks(struct cursor *c)
{
	struct log_blocks b = { .number = cursor_u32(c) };
	uint32_t n = (uint32_t)cursor_varint(c, PACK_CHUNKS_MAX);
	const uint8_t *first = c->p;

	for (uint32_t i = 0; i < n && cursor_ok(c); i++)
		cursor_varint(c, PACK_CHUNKS_MAX);
	if (cursor_ok(c)) {
		b.n = n;
		b.ordinals = bytes_of(first, (size_t)(c->p - first));
	}
	return b;
}

static struct log_pack_added take_pack(struct cursor *c)
{
	struct log_pack_added p = { .number = cursor_u32(c) };
	uint8_t kind;

	p.id = take_id(c);
	kind = cursor_u8(c);
	if (kind != PACK_DATA && kind != PACK_META)
		cursor_fail(c);
	p.kind = kind == PACK_META ? PACK_META : PACK_DATA;
	p.placement = cursor_u16(c);
	p.length = cursor_u64(c);
	p.chunks = cursor_u32(c);
	p.blocks = cursor_u32(c);
	p.plain = cursor_u64(c);
	p.directory = take_digest(c);
	if (p.number == 0 || p.chunks > PACK_CHUNKS_MAX)
		cursor_fail(c);
	return p;
}

static void take_tagging(struct cursor *c, struct log_tagging *t)
{
	t->snapshot = take_digest(c);
	t->set = take_strings(c, &t->n_set, 2);
	t->remove = take_strings(c, &t->n_remove, 1);
}

static void take_moved(struct cursor *c, struct log_moved *m)
{
	m->number = cursor_u32(c);
	m->tier = cursor_u8(c);
	m->remote = cursor_str(c, REMOTE_MAX_BYTES);
	m->key = cursor_str(c, REMOTE_MAX_BYTES);
}

static void take_present(struct cursor *c, struct log_present *p)
{
	p->number = cursor_u32(c);
	p->id = take_id(c);
	p->seq = cursor_u64(c);
	p->length = cursor_u64(c);
	p->chunks = cursor_u32(c);
	p->blocks = cursor_u32(c);
	p->plain = cursor_u64(c);
	p->directory = take_digest(c);
	p->first_generation = cursor_u64(c);
	if (p->number == 0 || p->chunks > PACK_CHUNKS_MAX)
		cursor_fail(c);
}

static void take_snapshot(struct cursor *c, struct log_snapshot_present *p)
{
	p->id = take_digest(c);
	p->generation = cursor_u64(c);
	p->pack = cursor_u32(c);
	p->slot = cursor_u16(c);
	p->tags = take_strings(c, &p->n_tags, 2);
}

static void take_state(struct cursor *c, struct log_pack_state *s)
{
	s->number = cursor_u32(c);
	s->state = cursor_u8(c);
	s->generation = cursor_u64(c);
	if (s->state > STATE_MAX)
		cursor_fail(c);
}

static enum bc_err take_body(struct cursor *c, struct log_op *op, struct err *e)
{
	switch ((enum log_op_code)op->code) {
	case LOG_OP_BEGIN:
		op->u.begin = take_id(c);
		return BC_OK;
	case LOG_OP_SNAPSHOT_MADE:
	case LOG_OP_SNAPSHOT_REMOVED:
		op->u.snapshot = take_digest(c);
		return BC_OK;
	case LOG_OP_SNAPSHOT_TAGGED:
		take_tagging(c, &op->u.tagging);
		return BC_OK;
	case LOG_OP_PACK_ADDED:
		op->u.pack = take_pack(c);
		return BC_OK;
	case LOG_OP_CONDEMNED:
	case LOG_OP_RESURRECTED:
	case LOG_OP_FREED:
		op->u.blocks = take_blocks(c);
		return BC_OK;
	case LOG_OP_MOVED:
		take_moved(c, &op->u.moved);
		return BC_OK;
	case LOG_OP_CHECKPOINT:
		op->u.checkpoint.generation = cursor_u64(c);
		op->u.checkpoint.root = take_digest(c);
		return BC_OK;
	case LOG_OP_LOG_PRESENT:
		take_present(c, &op->u.log);
		return BC_OK;
	case LOG_OP_SNAPSHOT_PRESENT:
		take_snapshot(c, &op->u.present);
		return BC_OK;
	case LOG_OP_PACK_STATE:
		take_state(c, &op->u.state);
		return BC_OK;
	case LOG_OP_OPTIONAL:
		break;
	}
	if (op->code < LOG_OP_OPTIONAL)
		return err_set(e, BC_EVERSION,
			       "the log holds an operation (%u) that this "
			       "version does not know",
			       op->code);
	cursor_span(c, c->left);
	return BC_OK;
}

enum bc_err log_op_next(struct cursor *c, struct log_op *op, struct err *e)
{
	struct log_op r = { .code = cursor_u8(c) };
	struct cursor body = cursor_of(cursor_str(c, OP_MAX_BYTES));
	enum bc_err rc = BC_OK;

	if (cursor_ok(c))
		rc = take_body(&body, &r, e);
	if (rc != BC_OK)
		return rc;
	if (!cursor_ok(c) || !cursor_done(&body))
		return err_set(e, BC_EDAMAGE,
			       "an operation in the log is malformed");
	*op = r;
	return BC_OK;
}

static enum bc_err encode_body(struct buf *body, const struct log_op *op,
			       struct err *e)
{
	struct append a = append_begin(body);
	enum bc_err rc;

	put_body(&a, op);
	rc = append_end(&a);
	if (rc == BC_ELIMIT)
		return err_set(e, rc,
			       "an operation (%u) is longer than %d bytes",
			       op->code, OP_MAX_BYTES);
	if (rc == BC_ENOMEM)
		return err_set(e, rc, "no memory for an operation of the log");
	return rc == BC_OK ? rc
			   : err_set(e, rc, "the log has no operation %u",
				     op->code);
}

static enum bc_err append_op(struct log_ops *o, uint8_t code, struct bytes body,
			     struct err *e)
{
	struct append a = append_begin(&o->raw);
	enum bc_err rc;

	append_u8(&a, code);
	append_str(&a, body);
	rc = append_end(&a);
	if (rc == BC_ELIMIT)
		return err_set(e, rc,
			       "the operations of one commit are longer than "
			       "%d bytes together",
			       RECORD_MAX_BYTES);
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for a log group");
}

enum bc_err log_ops_add(struct log_ops *o, const struct log_op *op,
			struct err *e)
{
	struct buf body = BUF_INIT(OP_MAX_BYTES);
	size_t before = o->raw.n;
	struct log_op got;
	struct cursor c;
	enum bc_err rc = encode_body(&body, op, e);

	if (rc == BC_OK)
		rc = append_op(o, op->code, buf_bytes(&body), e);
	/* A group with one that nobody can read ends the log for good. */
	if (rc == BC_OK) {
		c = cursor_of(bytes_of(o->raw.p + before, o->raw.n - before));
		if (log_op_next(&c, &got, NULL) != BC_OK)
			rc = err_set(e, BC_EINVAL,
				     "no reader would take this operation (%u)",
				     op->code);
	}
	if (rc == BC_OK)
		o->n++;
	else
		o->raw.n = before;
	buf_fini(&body);
	return rc;
}
