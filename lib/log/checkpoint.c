/* SPDX-License-Identifier: Apache-2.0 */
#include "log/checkpoint.h"

enum { ROOT_VERSION = 1 };

enum bc_err checkpoint_root_encode(const struct checkpoint_root *r,
				   struct buf *out)
{
	enum bc_err rc = buf_u8(out, ROOT_VERSION);

	if (rc == BC_OK)
		rc = buf_u64(out, r->generation);
	if (rc == BC_OK)
		rc = buf_add(out, r->record.b, DIGEST_BYTES);
	if (rc == BC_OK)
		rc = buf_u32(out, r->next_pack);
	if (rc == BC_OK)
		rc = buf_varint(out, r->n_nodes);
	if (rc == BC_OK)
		rc = buf_add(out, r->nodes.p, r->nodes.n);
	return rc;
}

enum bc_err checkpoint_root_decode(struct bytes raw, struct checkpoint_root *r,
				   struct err *e)
{
	struct cursor c = cursor_of(raw);
	struct checkpoint_root v = { .generation = 0 };
	uint8_t version = cursor_u8(&c);
	struct bytes record;

	if (cursor_ok(&c) && version != ROOT_VERSION)
		return err_set(e, BC_EVERSION,
			       "a checkpoint of version %u is unknown to this "
			       "version",
			       version);
	v.generation = cursor_u64(&c);
	record = cursor_span(&c, DIGEST_BYTES);
	if (cursor_ok(&c))
		memcpy(v.record.b, record.p, DIGEST_BYTES);
	v.next_pack = cursor_u32(&c);
	v.n_nodes = (uint32_t)cursor_varint(&c, CHECKPOINT_NODES_MAX);
	v.nodes = cursor_span(&c, (uint64_t)v.n_nodes * DIGEST_BYTES);
	if (!cursor_ok(&c) || !cursor_done(&c) || v.next_pack == 0)
		return err_set(e, BC_EDAMAGE, "its root is malformed");
	*r = v;
	return BC_OK;
}

/* 11, 5, 9, 6, 8, 13, 12 with further tags (4). */
static uint8_t stage_of(uint8_t code)
{
	static const uint8_t order[] = {
		[LOG_OP_LOG_PRESENT] = 1,
		[LOG_OP_PACK_ADDED] = 2,
		[LOG_OP_MOVED] = 3,
		[LOG_OP_CONDEMNED] = 4,
		[LOG_OP_FREED] = 5,
		[LOG_OP_PACK_STATE] = 6,
		[LOG_OP_SNAPSHOT_PRESENT] = 7,
		[LOG_OP_SNAPSHOT_TAGGED] = 7,
	};

	return code < sizeof(order) ? order[code] : 0;
}

enum bc_err checkpoint_ops_node(struct checkpoint_ops *o, struct bytes raw,
				struct err *e)
{
	o->c = cursor_of(raw);
	o->left = cursor_varint(&o->c, raw.n);
	if (!cursor_ok(&o->c) || raw.n > CHECKPOINT_NODE_BYTES)
		return err_set(e, BC_EDAMAGE, "a node is malformed");
	return BC_OK;
}

enum bc_err checkpoint_ops_next(struct checkpoint_ops *o, struct log_op *op,
				bool *more, struct err *e)
{
	uint8_t stage;
	enum bc_err rc;

	*more = o->left > 0;
	if (!*more)
		return cursor_done(&o->c)
			       ? BC_OK
			       : err_set(e, BC_EDAMAGE,
					 "a node has bytes left over");
	rc = log_op_next(&o->c, op, e);
	if (rc != BC_OK)
		return rc;
	stage = stage_of(op->code);
	if (stage == 0 || stage < o->stage)
		return err_set(e, BC_EDAMAGE,
			       "its operations are out of order");
	o->stage = stage;
	o->left--;
	return BC_OK;
}
