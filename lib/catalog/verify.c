/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog.h"

#include "catalog/query.h"

static enum bc_err verify_structure(struct catalog *c, struct err *e)
{
	struct bytes said = { NULL, 0 };
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_INTEGRITY, e);
	if (catalog_query_step(&q, e)) {
		said.p = c->s->column_text(q.stmt, 0);
		said.n = (size_t)c->s->column_bytes(q.stmt, 0);
		if (!bytes_eq(said, bytes_str("ok")))
			q.rc = catalog_query_damage(c, e, "%.*s", (int)said.n,
						    (const char *)said.p);
	}
	return catalog_query_end(&q);
}

static enum bc_err verify_snapshots(struct catalog *c,
				    const struct catalog_stand *s,
				    struct err *e)
{
	struct digest sum = { { 0 } }, id;
	struct catalog_query q;
	uint64_t n = 0;

	catalog_query_begin(&q, c, CATALOG_Q_LIVE_IDS, e);
	while (catalog_query_step(&q, e)) {
		catalog_query_get_fixed(&q, 0, id.b, DIGEST_BYTES);
		if (!catalog_query_sound(&q, e))
			break;
		for (size_t i = 0; i < DIGEST_BYTES; i++)
			sum.b[i] ^= id.b[i];
		n++;
	}
	if (q.rc == BC_OK && (n != s->snapshots || !digest_eq(&sum, &s->live)))
		q.rc = catalog_query_damage(
			c, e, "%llu snapshots, not the %llu that were added",
			(unsigned long long)n,
			(unsigned long long)s->snapshots);
	return catalog_query_end(&q);
}

static enum bc_err verify_tags(struct catalog *c, struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_STRAY_TAG, e);
	if (catalog_query_step(&q, e))
		q.rc = catalog_query_damage(c, e, "a tag without its snapshot");
	return catalog_query_end(&q);
}

enum bc_err catalog_verify(struct catalog *c, struct err *e)
{
	struct catalog_stand s;
	bool own = c->mode == CATALOG_IDLE;
	enum bc_err rc;

	if (c->mode == CATALOG_WRITING)
		return err_set(e, BC_EINVAL,
			       "catalog %s: a transaction is open", c->path);
	if (own) {
		rc = catalog_query_once(c, CATALOG_Q_BEGIN_READ, e);
		if (rc != BC_OK)
			return rc;
	}
	rc = catalog_stand_read(c, &s, e);
	if (rc == BC_OK)
		rc = verify_structure(c, e);
	if (rc == BC_OK)
		rc = verify_snapshots(c, &s, e);
	if (rc == BC_OK)
		rc = verify_tags(c, e);
	if (own)
		catalog_query_undo(c);
	return rc;
}
