/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog/query - what the files of lib/catalog share: the handle, the fixed
 * statements, and one way to run them.
 *
 * A query is used like a cursor: begin, bind in order, step, read columns, end.
 * Failures stick: after one, binds do nothing, step fails, columns are zero,
 * and end returns the reason. So a caller writes the steps down without a test
 * after each. Private to lib/catalog.
 */
#ifndef BC_CATALOG_QUERY_H
#define BC_CATALOG_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/catalog.h"
#include "catalog/sqlite_load.h"
#include "catalog/statements.h"
#include "util/buf.h"

/* The position's row as it is stored: what the caller sees, and the sum over
 * the set of snapshots by which catalog_verify() finds lost rows. */
struct catalog_stand {
	struct catalog_position at;
	uint64_t snapshots;
	struct digest live; /* exclusive or of their ids */
};

/*
 * Transactions: IDLE -- begin --> WRITING -- commit, rollback --> IDLE
 *                    -- read_begin --> READING -- read_end --> IDLE
 */
enum catalog_mode {
	CATALOG_IDLE,
	CATALOG_READING,
	CATALOG_WRITING,
};

struct catalog {
	const struct catalog_sqlite *s;
	sqlite3 *db;
	char *path; /* for messages */
	bool in_memory;
	unsigned int busy_ms;
	uint8_t repository[CATALOG_ID_BYTES];
	sqlite3_stmt *stmt[CATALOG_STATEMENTS]; /* made at first use */
	struct buf row;	  /* holds the spans of the last single row */
	bool synchronous; /* PRAGMA synchronous has been set */
	int wal_pages;	  /* in the write-ahead file at the last commit */
	int fold_at;	  /* fold it when it has so many */

	bool damaged; /* a page or a row was not what it should be */
	enum catalog_mode mode;
	struct catalog_stand stand; /* in WRITING: as it will be */
	bool changed;
	bool moved;
	bool failed;
};

struct catalog_query {
	struct catalog *c;
	sqlite3_stmt *stmt;
	int bound; /* parameters bound so far */
	enum bc_err rc;
	bool bad; /* a column was not what the schema says */
};

/*
 * catalog_query_fail - turn an SQLite result into ours, with a text that names
 * the catalog and what was tried. Returns the code. Damage is remembered,
 * and a transaction cannot be committed any more.
 */
enum bc_err catalog_query_fail(struct catalog *c, int sqlite_rc,
			       const char *what, struct err *e);

/* catalog_query_damage - BC_EDAMAGE with the catalog's name before the text. */
enum bc_err catalog_query_damage(const struct catalog *c, struct err *e,
				 const char *fmt, ...) BC_PRINTF(3, 4);

/* catalog_query_exec - SQL without results. */
BC_MUST_CHECK enum bc_err catalog_query_exec(struct catalog *c, const char *sql,
					     struct err *e);

/* catalog_query_begin - lend the statement; it must not be in use. */
void catalog_query_begin(struct catalog_query *q, struct catalog *c,
			 enum catalog_statement which, struct err *e);

/* Bind the next parameter. Spans are borrowed until catalog_query_end(). */
void catalog_query_i64(struct catalog_query *q, int64_t v, struct err *e);
void catalog_query_u64(struct catalog_query *q, uint64_t v, struct err *e);
void catalog_query_blob(struct catalog_query *q, struct bytes b, struct err *e);

static inline void catalog_query_digest(struct catalog_query *q,
					const struct digest *d, struct err *e)
{
	catalog_query_blob(q, bytes_of(d->b, DIGEST_BYTES), e);
}

/* catalog_query_step - true: there is a row. False: no more, or failed. */
bool catalog_query_step(struct catalog_query *q, struct err *e);

/* Columns of the row, from 0. What does not fit sets `bad` and gives zero. */
int64_t catalog_query_get_i64(struct catalog_query *q, int column);
uint64_t catalog_query_get_u64(struct catalog_query *q, int column,
			       uint64_t max);
struct bytes catalog_query_get_blob(struct catalog_query *q, int column);
void catalog_query_get_fixed(struct catalog_query *q, int column, void *out,
			     size_t n);

/* catalog_query_sound - ask before a row is used; false makes the query fail
 * with BC_EDAMAGE. */
bool catalog_query_sound(struct catalog_query *q, struct err *e);

/* catalog_query_end - give the statement back; the first failure, or BC_OK. */
BC_MUST_CHECK enum bc_err catalog_query_end(struct catalog_query *q);

/* catalog_query_run - step to the end, then end; for statements that write. */
BC_MUST_CHECK enum bc_err catalog_query_run(struct catalog_query *q,
					    struct err *e);

/* catalog_query_once - a statement without parameters and rows. */
BC_MUST_CHECK enum bc_err catalog_query_once(struct catalog *c,
					     enum catalog_statement which,
					     struct err *e);

/* catalog_query_number - the number that a statement without parameters gives;
 * 0 if it gives no row. */
BC_MUST_CHECK enum bc_err catalog_query_number(struct catalog *c,
					       enum catalog_statement which,
					       int64_t *out, struct err *e);

/* catalog_query_undo - roll back, if there is something to roll back. */
void catalog_query_undo(struct catalog *c);

/*
 * catalog_query_keep - copy n spans into the handle, one after the other, and
 * let them point there.
 */
BC_MUST_CHECK enum bc_err catalog_query_keep(struct catalog *c,
					     struct bytes *spans[], size_t n,
					     struct err *e);

/*
 * catalog_stand_read - the position's row. BC_EDAMAGE if it is not there, of
 * another schema or repository, or says that the database and the write-ahead
 * file are of different times.
 */
BC_MUST_CHECK enum bc_err
catalog_stand_read(struct catalog *c, struct catalog_stand *out, struct err *e);

/* catalog_stand_write - c->stand into its row. */
BC_MUST_CHECK enum bc_err catalog_stand_write(struct catalog *c, struct err *e);

/*
 * catalog_create - the tables of an empty catalog, and its position before the
 * first generation. Another process may do the same; whoever comes second
 * finds it made, which is success, or is told BC_ELOCKED.
 */
BC_MUST_CHECK enum bc_err catalog_create(struct catalog *c, struct err *e);

#endif
