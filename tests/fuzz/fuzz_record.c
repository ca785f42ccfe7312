/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record - generation records and their operations. What is read encodes
 * to the same bytes: there is one form of everything.
 */
#include <string.h>

#include "log/record.h"
#include "util/tag.h"
#include "tests/fuzz/fuzz.h"

/* A list inside an operation: as many strings as it says. */
static void use_strings(struct bytes list, uint64_t n)
{
	struct cursor c = cursor_of(list);

	for (; n > 0; n--)
		cursor_str(&c, TAG_VALUE_MAX_BYTES);
	MUST(cursor_done(&c));
}

static void use_op(const struct log_op *op)
{
	struct cursor c;

	switch (op->code) {
	case LOG_OP_SNAPSHOT_TAGGED:
		use_strings(op->u.tagging.set, 2 * op->u.tagging.n_set);
		use_strings(op->u.tagging.remove, op->u.tagging.n_remove);
		break;
	case LOG_OP_SNAPSHOT_PRESENT:
		use_strings(op->u.present.tags, 2 * op->u.present.n_tags);
		break;
	case LOG_OP_CONDEMNED:
	case LOG_OP_RESURRECTED:
	case LOG_OP_FREED:
		c = cursor_of(op->u.blocks.ordinals);
		for (uint32_t i = 0; i < op->u.blocks.n; i++)
			cursor_varint(&c, PACK_CHUNKS_MAX);
		MUST(cursor_done(&c));
		break;
	case LOG_OP_PACK_ADDED:
		MUST(op->u.pack.number > 0 &&
		     op->u.pack.chunks <= PACK_CHUNKS_MAX);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf again = BUF_INIT(2 * RECORD_MAX_BYTES);
	struct log_record r;
	struct log_ops ops;
	struct log_op op;
	struct cursor c;
	bool known = true;
	uint32_t i = 0;

	if (log_record_decode(bytes_of(data, n), &r, NULL) != BC_OK)
		return 0;
	MUST(log_record_encode(&r, &again) == BC_OK);
	MUST(bytes_eq(buf_bytes(&again), bytes_of(data, n)));
	log_ops_init(&ops);
	c = cursor_of(r.ops);
	for (; i < r.n_ops && log_op_next(&c, &op, NULL) == BC_OK; i++) {
		use_op(&op);
		if (op.code >= LOG_OP_OPTIONAL)
			known = false;
		else
			MUST(log_ops_add(&ops, &op, NULL) == BC_OK);
	}
	if (i == r.n_ops && cursor_done(&c) && known)
		MUST(bytes_eq(buf_bytes(&ops.raw), r.ops));
	log_ops_fini(&ops);
	buf_fini(&again);
	return 0;
}
