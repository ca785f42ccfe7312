/* SPDX-License-Identifier: Apache-2.0 */
/* The one row of `position`. */
#include "catalog/query.h"

enum bc_err catalog_stand_read(struct catalog *c, struct catalog_stand *out,
			       struct err *e)
{
	struct catalog_stand s = { 0 };
	uint8_t repository[CATALOG_ID_BYTES];
	struct catalog_query q;
	bool row, agree;
	uint64_t schema;

	catalog_query_begin(&q, c, CATALOG_Q_POSITION, e);
	row = catalog_query_step(&q, e);
	if (!row) {
		if (q.rc == BC_OK)
			q.rc = catalog_query_damage(c, e, "it has no position");
		return catalog_query_end(&q);
	}
	s.at.generation = catalog_query_get_u64(&q, 0, INT64_MAX);
	catalog_query_get_fixed(&q, 1, s.at.digest.b, DIGEST_BYTES);
	s.at.log_seq = catalog_query_get_u64(&q, 2, INT64_MAX);
	catalog_query_get_fixed(&q, 3, s.at.log_id, CATALOG_ID_BYTES);
	s.at.log_end = catalog_query_get_u64(&q, 4, INT64_MAX);
	s.at.next_pack = (uint32_t)catalog_query_get_u64(&q, 5, UINT32_MAX);
	s.at.next_slot =
		(uint32_t)catalog_query_get_u64(&q, 6, CATALOG_SLOT_MAX + 1);
	s.snapshots = catalog_query_get_u64(&q, 7, INT64_MAX);
	catalog_query_get_fixed(&q, 8, s.live.b, DIGEST_BYTES);
	schema = catalog_query_get_u64(&q, 9, INT64_MAX);
	catalog_query_get_fixed(&q, 10, repository, sizeof(repository));
	agree = catalog_query_get_i64(&q, 11) == 1;
	if (catalog_query_sound(&q, e)) {
		if (schema != CATALOG_SCHEMA)
			q.rc = catalog_query_damage(c, e, "another schema");
		else if (memcmp(repository, c->repository,
				sizeof(repository)) != 0)
			q.rc = catalog_query_damage(
				c, e, "it belongs to another repository");
		else if (!agree)
			q.rc = catalog_query_damage(
				c, e,
				"the database and its write-ahead file "
				"do not belong together");
	}
	if (q.rc == BC_OK)
		*out = s;
	return catalog_query_end(&q);
}

enum bc_err catalog_stand_write(struct catalog *c, struct err *e)
{
	const struct catalog_position *p = &c->stand.at;
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_MOVE, e);
	catalog_query_u64(&q, p->generation, e);
	catalog_query_digest(&q, &p->digest, e);
	catalog_query_u64(&q, p->log_seq, e);
	catalog_query_blob(&q, bytes_of(p->log_id, CATALOG_ID_BYTES), e);
	catalog_query_u64(&q, p->log_end, e);
	catalog_query_u64(&q, p->next_pack, e);
	catalog_query_u64(&q, p->next_slot, e);
	catalog_query_u64(&q, c->stand.snapshots, e);
	catalog_query_digest(&q, &c->stand.live, e);
	return catalog_query_run(&q, e);
}
