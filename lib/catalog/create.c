/* SPDX-License-Identifier: Apache-2.0 */
/* Making a catalog out of an empty file. */
#include <stdio.h>

#include "catalog/query.h"
#include "catalog/vfs.h"

static enum bc_err insert_stand(struct catalog *c, struct err *e)
{
	/* The epoch begins at random, so that a write-ahead file left over from
	 * a removed catalog cannot agree with a new one. */
	static const char sql[] =
		"INSERT INTO base VALUES(1, random() >> 8);"
		"INSERT INTO position SELECT 1, 0, zeroblob(32), 0,"
		" zeroblob(16), 0, 1, 0, 1, zeroblob(16), 0, zeroblob(32),"
		" epoch FROM base;";
	char set[96 + 2 * CATALOG_ID_BYTES];
	size_t n;
	enum bc_err rc = catalog_query_exec(c, sql, e);

	if (rc != BC_OK)
		return rc;
	n = (size_t)snprintf(set, sizeof(set),
			     "UPDATE position SET repository = x'");
	for (size_t i = 0; i < CATALOG_ID_BYTES; i++)
		n += (size_t)snprintf(set + n, sizeof(set) - n, "%02x",
				      c->repository[i]);
	snprintf(set + n, sizeof(set) - n, "'");
	return catalog_query_exec(c, set, e);
}

static enum bc_err use_wal(struct catalog *c, struct err *e)
{
	struct bytes mode = { NULL, 0 };
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_WAL, e);
	if (catalog_query_step(&q, e)) {
		mode.p = c->s->column_text(q.stmt, 0);
		mode.n = (size_t)c->s->column_bytes(q.stmt, 0);
		if (!bytes_eq(mode, bytes_str("wal")))
			q.rc = err_set(e, BC_EACCES,
				       "catalog %s: the file system has no "
				       "shared memory for write-ahead",
				       c->path);
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_create(struct catalog *c, struct err *e)
{
	int seal = CATALOG_VFS_SEAL;
	int64_t empty = 0, version = 0;
	enum bc_err rc;

	if (!c->in_memory) {
		/* Nothing to lose yet: the first sync is the first fold's. */
		rc = catalog_query_exec(
			c, "PRAGMA page_size = 4096; PRAGMA synchronous = OFF",
			e);
		if (rc != BC_OK)
			return rc;
		c->s->file_control(c->db, "main", SQLITE_FCNTL_RESERVE_BYTES,
				   &seal);
		rc = use_wal(c, e);
		if (rc != BC_OK)
			return rc;
	}
	rc = catalog_query_once(c, CATALOG_Q_BEGIN_WRITE, e);
	if (rc != BC_OK)
		return rc;
	rc = catalog_query_number(c, CATALOG_Q_SCHEMA, &version, e);
	if (rc == BC_OK)
		rc = catalog_query_number(c, CATALOG_Q_EMPTY, &empty, e);
	if (rc == BC_OK && version == 0) {
		if (empty != 1)
			rc = catalog_query_damage(c, e, "not a catalog");
		if (rc == BC_OK)
			rc = catalog_query_exec(c, catalog_statement_schema(),
						e);
		if (rc == BC_OK)
			rc = insert_stand(c, e);
	}
	if (rc == BC_OK)
		rc = catalog_query_once(c, CATALOG_Q_COMMIT, e);
	if (rc != BC_OK)
		catalog_query_undo(c);
	return rc;
}
