/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/arith.h"

/* SQLite says "cannot open" for much; the system knows better. */
static enum bc_err from_errno(int sys, enum bc_err otherwise)
{
	enum bc_err rc = bc_err_from_errno(sys);

	if (rc == BC_OK || rc == BC_ESYS)
		return otherwise;
	return rc;
}

static enum bc_err from_sqlite(int rc, int sys)
{
	switch (rc) {
	case SQLITE_IOERR_DATA:	     /* a page's seal, catalog/vfs.c */
	case SQLITE_IOERR_CORRUPTFS: /* the file system says so */
		return BC_EDAMAGE;
	case SQLITE_IOERR_NOMEM:
		return BC_ENOMEM;
	default:
		break;
	}
	switch (rc & 0xff) {
	case SQLITE_OK:
		return BC_OK;
	case SQLITE_FULL:
		return BC_ENOSPC;
	case SQLITE_IOERR:
		return from_errno(sys == ENOENT ? 0 : sys, BC_EIO);
	case SQLITE_CANTOPEN: /* of a companion, if it is "not found" */
		return from_errno(sys == ENOENT ? 0 : sys, BC_EACCES);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return BC_EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return BC_ELOCKED;
	case SQLITE_NOMEM:
		return BC_ENOMEM;
	case SQLITE_TOOBIG:
		return BC_ELIMIT;
	case SQLITE_ERROR: /* our fixed SQL does not fit the tables */
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return BC_EDAMAGE;
	default:
		return BC_ESYS;
	}
}

enum bc_err catalog_query_fail(struct catalog *c, int sqlite_rc,
			       const char *what, struct err *e)
{
	int sys = c->db != NULL ? c->s->system_errno(c->db) : 0;
	enum bc_err rc = from_sqlite(sqlite_rc, sys);
	const char *why = c->s->errstr(sqlite_rc);

	if (sqlite_rc == SQLITE_IOERR_DATA) /* to SQLite an I/O error */
		why = "a page is not what was written";
	/* The handle's own text names the table, if it is of this failure. */
	else if (c->db != NULL && c->s->extended_errcode(c->db) == sqlite_rc)
		why = c->s->errmsg(c->db);
	/* A constraint is broken by what is to be written. */
	if (rc == BC_EDAMAGE && (sqlite_rc & 0xff) != SQLITE_CONSTRAINT)
		c->damaged = true;
	/* SQLite may have rolled it back, and would commit what follows by
	 * itself, statement by statement. */
	c->failed = true;
	return err_set(e, rc, "catalog %s: %s: %s", c->path, what, why);
}

enum bc_err catalog_query_damage(const struct catalog *c, struct err *e,
				 const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, BC_EDAMAGE, "catalog %s: %s", c->path, text);
}

enum bc_err catalog_query_exec(struct catalog *c, const char *sql,
			       struct err *e)
{
	int rc = c->s->exec(c->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? BC_OK : catalog_query_fail(c, rc, "write", e);
}

/* ---- statements ---- */

void catalog_query_begin(struct catalog_query *q, struct catalog *c,
			 enum catalog_statement which, struct err *e)
{
	sqlite3_stmt **slot = &c->stmt[which];
	int rc;

	*q = (struct catalog_query){ .c = c };
	if (*slot == NULL) {
		rc = c->s->prepare_v3(c->db, catalog_statement_sql(which), -1,
				      SQLITE_PREPARE_PERSISTENT, slot, NULL);
		if (rc != SQLITE_OK) {
			q->rc = catalog_query_fail(c, rc, "read", e);
			return;
		}
	}
	if (c->s->stmt_busy(*slot) != 0) {
		q->rc = err_set(e, BC_EINVAL,
				"catalog %s: the same walk is under way",
				c->path);
		return;
	}
	q->stmt = *slot;
}

static void bound(struct catalog_query *q, int rc, struct err *e)
{
	if (rc != SQLITE_OK)
		q->rc = catalog_query_fail(q->c, rc, "bind", e);
}

void catalog_query_i64(struct catalog_query *q, int64_t v, struct err *e)
{
	if (q->rc == BC_OK)
		bound(q, q->c->s->bind_int64(q->stmt, ++q->bound, v), e);
}

void catalog_query_u64(struct catalog_query *q, uint64_t v, struct err *e)
{
	if (q->rc == BC_OK && v > INT64_MAX)
		q->rc = err_set(e, BC_EINVAL,
				"catalog %s: %llu is more than a row can hold",
				q->c->path, (unsigned long long)v);
	else
		catalog_query_i64(q, (int64_t)v, e);
}

void catalog_query_blob(struct catalog_query *q, struct bytes b, struct err *e)
{
	const void *p = b.n > 0 ? b.p : (const void *)""; /* NULL is no blob */

	if (q->rc == BC_OK)
		bound(q,
		      q->c->s->bind_blob64(q->stmt, ++q->bound, p, b.n,
					   SQLITE_STATIC),
		      e);
}

bool catalog_query_step(struct catalog_query *q, struct err *e)
{
	int rc;

	if (q->rc != BC_OK)
		return false;
	rc = q->c->s->step(q->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		q->rc = catalog_query_fail(q->c, rc, "step", e);
	return rc == SQLITE_ROW;
}

/* ---- columns ---- */

int64_t catalog_query_get_i64(struct catalog_query *q, int column)
{
	if (q->rc != BC_OK)
		return 0;
	if (q->c->s->column_type(q->stmt, column) != SQLITE_INTEGER) {
		q->bad = true;
		return 0;
	}
	return q->c->s->column_int64(q->stmt, column);
}

uint64_t catalog_query_get_u64(struct catalog_query *q, int column,
			       uint64_t max)
{
	int64_t v = catalog_query_get_i64(q, column);

	if (v < 0 || (uint64_t)v > max) {
		q->bad = true;
		return 0;
	}
	return (uint64_t)v;
}

struct bytes catalog_query_get_blob(struct catalog_query *q, int column)
{
	const void *p;
	int n;

	if (q->rc != BC_OK)
		return (struct bytes){ NULL, 0 };
	if (q->c->s->column_type(q->stmt, column) != SQLITE_BLOB) {
		q->bad = true;
		return (struct bytes){ NULL, 0 };
	}
	p = q->c->s->column_blob(q->stmt, column);
	n = q->c->s->column_bytes(q->stmt, column);
	/* NULL with a length: no memory. Without: an empty blob. */
	if (n < 0 || (p == NULL && n > 0)) {
		q->bad = true;
		return (struct bytes){ NULL, 0 };
	}
	return bytes_of(p, (size_t)n);
}

void catalog_query_get_fixed(struct catalog_query *q, int column, void *out,
			     size_t n)
{
	struct bytes b = catalog_query_get_blob(q, column);

	if (b.n != n) {
		q->bad = true;
		memset(out, 0, n);
		return;
	}
	memcpy(out, b.p, n);
}

bool catalog_query_sound(struct catalog_query *q, struct err *e)
{
	if (q->rc != BC_OK)
		return false;
	if (q->bad) {
		q->c->damaged = true;
		q->c->failed = true;
		q->rc = catalog_query_damage(q->c, e,
					     "a row is not of its schema");
	}
	return q->rc == BC_OK;
}

enum bc_err catalog_query_end(struct catalog_query *q)
{
	/* The result of reset is that of the step before; already seen. */
	if (q->stmt != NULL) {
		q->c->s->reset(q->stmt);
		q->c->s->clear_bindings(q->stmt);
		q->stmt = NULL;
	}
	return q->rc;
}

enum bc_err catalog_query_run(struct catalog_query *q, struct err *e)
{
	while (catalog_query_step(q, e))
		;
	return catalog_query_end(q);
}

enum bc_err catalog_query_keep(struct catalog *c, struct bytes *spans[],
			       size_t n, struct err *e)
{
	size_t total = 0, at = 0;
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < n; i++)
		if (!add_size(total, spans[i]->n, &total))
			rc = BC_ELIMIT;
	buf_clear(&c->row);
	/* All at once: growing in between would move what was kept. */
	if (rc == BC_OK)
		rc = buf_reserve(&c->row, total);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		if (spans[i]->n > 0)
			rc = buf_add(&c->row, spans[i]->p, spans[i]->n);
		*spans[i] = bytes_of(spans[i]->n > 0 ? c->row.p + at : NULL,
				     spans[i]->n);
		at += spans[i]->n;
	}
	return rc == BC_OK ? BC_OK
			   : err_set(e, rc, "catalog %s: no memory for a row",
				     c->path);
}

/* ---- short ways ---- */

enum bc_err catalog_query_once(struct catalog *c, enum catalog_statement which,
			       struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, which, e);
	return catalog_query_run(&q, e);
}

/* One row, one number. */
enum bc_err catalog_query_number(struct catalog *c,
				 enum catalog_statement which, int64_t *out,
				 struct err *e)
{
	struct catalog_query q;
	int64_t v = 0;

	catalog_query_begin(&q, c, which, e);
	if (catalog_query_step(&q, e))
		v = catalog_query_get_i64(&q, 0);
	if (catalog_query_sound(&q, e))
		*out = v;
	return catalog_query_end(&q);
}

void catalog_query_undo(struct catalog *c)
{
	/* SQLite itself rolls back after some failures. */
	if (c->s->get_autocommit(c->db) == 0 &&
	    catalog_query_once(c, CATALOG_Q_ROLLBACK, NULL) != BC_OK)
		(void)c->s->exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}
