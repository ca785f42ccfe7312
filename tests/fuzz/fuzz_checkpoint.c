/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_checkpoint - the root of a checkpoint and its nodes: the input as a
 * root, as one node, and as nodes one after the other, each behind its length
 * in two bytes. What is read encodes to the same bytes.
 */
#include <string.h>

#include "log/checkpoint.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

static void use_root(struct bytes raw)
{
	struct buf again = BUF_INIT(1 << 24);
	struct checkpoint_root r;

	if (checkpoint_root_decode(raw, &r, NULL) != BC_OK)
		return;
	MUST(r.next_pack > 0 && r.n_nodes <= CHECKPOINT_NODES_MAX);
	MUST(r.nodes.n == (size_t)r.n_nodes * DIGEST_BYTES);
	MUST(checkpoint_root_encode(&r, &again) == BC_OK);
	MUST(bytes_eq(buf_bytes(&again), raw));
	buf_fini(&again);
}

static bool use_node(struct checkpoint_ops *o, struct bytes raw)
{
	struct log_ops ops;
	struct log_op op;
	struct bytes body;
	bool more = true;
	uint8_t stage = o->stage;
	enum bc_err rc = checkpoint_ops_node(o, raw, NULL);

	if (rc != BC_OK)
		return false;
	MUST(raw.n <= CHECKPOINT_NODE_BYTES);
	body = bytes_of(o->c.p, o->c.left);
	log_ops_init(&ops);
	while (more) {
		rc = checkpoint_ops_next(o, &op, &more, NULL);
		if (rc != BC_OK)
			break;
		MUST(o->stage >= stage);
		stage = o->stage;
		if (more)
			MUST(log_ops_add(&ops, &op, NULL) == BC_OK);
	}
	if (rc == BC_OK)
		MUST(bytes_eq(buf_bytes(&ops.raw), body));
	log_ops_fini(&ops);
	return rc == BC_OK;
}

static void use_nodes(struct bytes raw)
{
	struct checkpoint_ops o = { .left = 0 };

	while (raw.n >= 2) {
		size_t n = le_get16(raw.p);

		raw = bytes_of(raw.p + 2, raw.n - 2);
		n = n < raw.n ? n : raw.n;
		if (!use_node(&o, bytes_of(raw.p, n)))
			return;
		raw = bytes_of(raw.p + n, raw.n - n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct checkpoint_ops o = { .left = 0 };

	use_root(bytes_of(data, n));
	(void)use_node(&o, bytes_of(data, n));
	use_nodes(bytes_of(data, n));
	return 0;
}
