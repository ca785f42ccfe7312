/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about packs and logs. */
#include "catalog/catalog.h"

#include "catalog/query.h"

/* ---- packs ---- */

static void read_pack(struct catalog_query *q, struct catalog_pack *p)
{
	p->number = (uint32_t)catalog_query_get_u64(q, 0, UINT32_MAX);
	catalog_query_get_fixed(q, 1, p->id, CATALOG_ID_BYTES);
	p->kind = (enum catalog_kind)catalog_query_get_u64(q, 2, CATALOG_LOG);
	p->class = (uint16_t)catalog_query_get_u64(q, 3, UINT16_MAX);
	p->length = catalog_query_get_u64(q, 4, INT64_MAX);
	p->chunks = (uint32_t)catalog_query_get_u64(q, 5, UINT32_MAX);
	p->blocks = (uint32_t)catalog_query_get_u64(q, 6, UINT32_MAX);
	p->plain = catalog_query_get_u64(q, 7, INT64_MAX);
	catalog_query_get_fixed(q, 8, p->directory.b, DIGEST_BYTES);
	p->tier = (uint8_t)catalog_query_get_u64(q, 9, UINT8_MAX);
	p->remote = catalog_query_get_blob(q, 10);
	p->object = catalog_query_get_blob(q, 11);
	p->state =
		(enum catalog_state)catalog_query_get_u64(q, 12, CATALOG_FREED);
	p->generation = catalog_query_get_u64(q, 13, INT64_MAX);
}

/* Take the one row of a query that has been bound. */
static enum bc_err one_pack(struct catalog_query *q, struct catalog_pack *out,
			    struct err *e)
{
	struct catalog_pack p;
	struct bytes *spans[] = { &p.remote, &p.object };
	bool found = catalog_query_step(q, e);
	enum bc_err rc;

	if (found) {
		read_pack(q, &p);
		if (catalog_query_sound(q, e))
			q->rc = catalog_query_keep(q->c, spans, 2, e);
	}
	rc = catalog_query_end(q);
	if (rc != BC_OK)
		return rc;
	if (!found)
		return BC_ENOTFOUND;
	*out = p;
	return BC_OK;
}

enum bc_err catalog_get_pack(struct catalog *c, uint32_t number,
			     struct catalog_pack *out, struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_PACK, e);
	catalog_query_u64(&q, number, e);
	return one_pack(&q, out, e);
}

enum bc_err catalog_get_pack_id(struct catalog *c,
				const uint8_t id[CATALOG_ID_BYTES],
				struct catalog_pack *out, struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_PACK_ID, e);
	catalog_query_blob(&q, bytes_of(id, CATALOG_ID_BYTES), e);
	return one_pack(&q, out, e);
}

enum bc_err catalog_walk_packs(struct catalog *c, unsigned int kinds,
			       unsigned int states, catalog_pack_fn *fn,
			       void *ctx, struct err *e)
{
	struct catalog_pack p;
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_PACKS, e);
	catalog_query_u64(&q, kinds, e);
	catalog_query_u64(&q, states, e);
	while (catalog_query_step(&q, e)) {
		read_pack(&q, &p);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, &p, e);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_walk_blocks(struct catalog *c, uint32_t pack,
				catalog_block_fn *fn, void *ctx, struct err *e)
{
	struct catalog_query q;
	uint64_t block, state;

	catalog_query_begin(&q, c, CATALOG_Q_BLOCKS, e);
	catalog_query_u64(&q, pack, e);
	while (catalog_query_step(&q, e)) {
		block = catalog_query_get_u64(&q, 0, UINT32_MAX);
		state = catalog_query_get_u64(&q, 1, CATALOG_FREED);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, pack, (uint32_t)block,
				  (enum catalog_state)state, e);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_sum(struct catalog *c, struct catalog_sums *out,
			struct err *e)
{
	struct catalog_sums sums = { 0 };
	struct catalog_sum *to;
	struct catalog_query q;
	uint64_t kind, state;

	catalog_query_begin(&q, c, CATALOG_Q_SUM, e);
	while (catalog_query_step(&q, e)) {
		kind = catalog_query_get_u64(&q, 0, CATALOG_LOG);
		state = catalog_query_get_u64(&q, 1, CATALOG_FREED);
		to = &sums.of[kind][state];
		to->packs = catalog_query_get_u64(&q, 2, INT64_MAX);
		to->length = catalog_query_get_u64(&q, 3, INT64_MAX);
		to->plain = catalog_query_get_u64(&q, 4, INT64_MAX);
		to->chunks = catalog_query_get_u64(&q, 5, INT64_MAX);
		to->blocks = catalog_query_get_u64(&q, 6, INT64_MAX);
		(void)catalog_query_sound(&q, e);
	}
	if (q.rc == BC_OK)
		*out = sums;
	return catalog_query_end(&q);
}

/* ---- logs ---- */

static void read_log(struct catalog_query *q, struct catalog_log *l)
{
	l->number = (uint32_t)catalog_query_get_u64(q, 0, UINT32_MAX);
	catalog_query_get_fixed(q, 1, l->id, CATALOG_ID_BYTES);
	l->seq = catalog_query_get_u64(q, 2, INT64_MAX);
	l->length = catalog_query_get_u64(q, 3, INT64_MAX);
	l->first_generation = catalog_query_get_u64(q, 4, INT64_MAX);
	l->sealed = catalog_query_get_u64(q, 5, 1) == 1;
}

enum bc_err catalog_get_log(struct catalog *c, uint32_t number,
			    struct catalog_log *out, struct err *e)
{
	struct catalog_log l;
	struct catalog_query q;
	enum bc_err rc;
	bool found;

	catalog_query_begin(&q, c, CATALOG_Q_LOG, e);
	catalog_query_u64(&q, number, e);
	found = catalog_query_step(&q, e);
	if (found)
		read_log(&q, &l);
	(void)catalog_query_sound(&q, e);
	rc = catalog_query_end(&q);
	if (rc == BC_OK && found)
		*out = l;
	return rc == BC_OK && !found ? BC_ENOTFOUND : rc;
}

enum bc_err catalog_walk_logs(struct catalog *c, catalog_log_fn *fn, void *ctx,
			      struct err *e)
{
	struct catalog_log l;
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_LOGS, e);
	while (catalog_query_step(&q, e)) {
		read_log(&q, &l);
		if (catalog_query_sound(&q, e))
			q.rc = fn(ctx, &l, e);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_find_group(struct catalog *c, uint32_t log, uint16_t slot,
			       uint16_t *first_slot, uint64_t *offset,
			       struct err *e)
{
	struct catalog_query q;
	uint64_t first = 0, at = 0;
	enum bc_err rc;
	bool found;

	catalog_query_begin(&q, c, CATALOG_Q_GROUP, e);
	catalog_query_u64(&q, log, e);
	catalog_query_u64(&q, slot, e);
	found = catalog_query_step(&q, e);
	if (found) {
		first = catalog_query_get_u64(&q, 0, CATALOG_SLOT_MAX);
		at = catalog_query_get_u64(&q, 1, INT64_MAX);
	}
	(void)catalog_query_sound(&q, e);
	rc = catalog_query_end(&q);
	if (rc != BC_OK)
		return rc;
	if (!found)
		return BC_ENOTFOUND;
	*first_slot = (uint16_t)first;
	*offset = at;
	return BC_OK;
}

/* ---- checkpoints ---- */

enum bc_err catalog_checkpoint(struct catalog *c,
			       struct catalog_checkpoint *out, struct err *e)
{
	struct catalog_checkpoint p = { 0 };
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_CHECKPOINT, e);
	if (catalog_query_step(&q, e)) {
		p.generation = catalog_query_get_u64(&q, 0, INT64_MAX);
		catalog_query_get_fixed(&q, 1, p.root.b, DIGEST_BYTES);
		p.log_seq = catalog_query_get_u64(&q, 2, INT64_MAX);
		catalog_query_get_fixed(&q, 3, p.log_id, CATALOG_ID_BYTES);
		p.offset = catalog_query_get_u64(&q, 4, INT64_MAX);
		p.lost = catalog_query_get_u64(&q, 5, INT64_MAX);
		if (catalog_query_sound(&q, e))
			*out = p;
	} else if (q.rc == BC_OK) {
		q.rc = catalog_query_damage(c, e, "it has no checkpoint row");
	}
	return catalog_query_end(&q);
}
