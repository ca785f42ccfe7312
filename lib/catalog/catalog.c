/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, transactions, position.
 *
 * Two files that belong together. Beside catalog.db lies catalog.db-wal with
 * pages that are newer; whoever opens the one believes the other. If one of
 * them is replaced by an older copy, SQLite sees nothing wrong and mixes pages
 * of two times. So `epoch` is kept twice: in `position`, whose page every
 * transaction writes and which is therefore in the write-ahead file, and in
 * `base`, whose page is written by nothing but the folding of that file, and is
 * therefore in the database. fold() raises both, then folds: from then on they
 * are in different files, and agree only if the files do. (While a fold is held
 * up by a reader both are in the write-ahead file and say nothing; what then
 * slips through is for the page seals, and catalog_verify().)
 */
#include "catalog/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog/query.h"
#include "catalog/vfs.h"

enum {
	APPLICATION_ID = 0x424c4243, /* "BLBC" */

	/* Fold the write-ahead file at this many pages. Whoever opens first
	 * reads all of it (0.5 MiB: some 0.25 ms); a fold costs two syncs. */
	FOLD_PAGES = 128,

	/* SQLite's own limit is 512, with the longest suffix. */
	PATH_MAX_BYTES = 500,

	ROW_MAX_BYTES = 64 << 20, /* a snapshot's record is at most 32 MiB */

	/* Two processes that make one catalog at once may each be told that
	 * the other is busy; try so often. */
	CREATE_TRIES = 20,
	CREATE_PAUSE_MS = 10,
};

static const char *const companions[] = { "", "-journal", "-wal", "-shm" };

/* ---- opening ---- */

static int wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct catalog *c = ctx;

	(void)db;
	(void)name;
	c->wal_pages = pages;
	return SQLITE_OK;
}

static enum bc_err connect(struct catalog *c, bool create, struct err *e)
{
	/* A database that somebody has put in our place shall not make us do
	 * more than read tables. */
	static const struct {
		int what;
		int on;
	} config[] = {
		{ SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
	};
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int rc;

	/* SQLite would make it readable for all; its companions take the
	 * mode of the database. */
	if (create && !c->in_memory) {
		int fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			      0600);

		if (fd >= 0)
			close(fd);
		flags |= SQLITE_OPEN_CREATE;
	}
	if (c->in_memory)
		flags |= SQLITE_OPEN_MEMORY;
	rc = c->s->open_v2(c->in_memory ? ":memory:" : c->path, &c->db, flags,
			   c->in_memory ? NULL : CATALOG_VFS_NAME);
	if (rc == SQLITE_CANTOPEN && !create && c->db != NULL &&
	    c->s->system_errno(c->db) == ENOENT)
		return err_set(e, BC_ENOTFOUND, "catalog %s: not there",
			       c->path);
	/* Which I/O error it was, whether a page could not be read, is not said
	 * by a handle that is not open yet. */
	if (rc != SQLITE_OK && c->db != NULL)
		rc = c->s->extended_errcode(c->db);
	if (rc != SQLITE_OK)
		return catalog_query_fail(c, rc, "open", e);
	c->s->extended_result_codes(c->db, 1);
	for (size_t i = 0; i < sizeof(config) / sizeof(*config); i++)
		c->s->db_config(c->db, config[i].what, config[i].on, NULL);
	c->s->busy_timeout(c->db, (int)c->busy_ms);
	c->s->wal_hook(c->db, wal_grew, c);
	return BC_OK;
}

enum found {
	FOUND_NOTHING, /* an empty file, or none until now */
	FOUND_OTHER,   /* a database, but not a catalog of this schema */
	FOUND_TABLES,  /* a catalog by its header */
};

/* What there is, when no stand could be read. All of it at one moment, since
 * another process may just be making it. FOUND_OTHER is described in e. */
static enum bc_err look_closer(struct catalog *c, enum found *out,
			       struct err *e)
{
	int64_t application = 0, version = 0, empty = 0;
	enum bc_err rc = catalog_query_once(c, CATALOG_Q_BEGIN_READ, e);

	if (rc != BC_OK)
		return rc;
	rc = catalog_query_number(c, CATALOG_Q_SCHEMA, &version, e);
	if (rc == BC_OK)
		rc = catalog_query_number(c, CATALOG_Q_APPLICATION,
					  &application, e);
	if (rc == BC_OK)
		rc = catalog_query_number(c, CATALOG_Q_EMPTY, &empty, e);
	catalog_query_undo(c);
	if (rc != BC_OK)
		return rc;
	*out = FOUND_TABLES;
	if (application == 0 && version == 0 && empty == 1) {
		*out = FOUND_NOTHING;
	} else if (application != APPLICATION_ID) {
		*out = FOUND_OTHER;
		(void)catalog_query_damage(c, e, "not a catalog");
	} else if (version != CATALOG_SCHEMA) {
		*out = FOUND_OTHER;
		(void)catalog_query_damage(c, e, "another schema: %lld",
					   (long long)version);
	}
	return BC_OK;
}

static enum bc_err recognise(struct catalog *c, bool create, struct err *e)
{
	struct catalog_stand s;
	enum found found = FOUND_NOTHING;
	enum bc_err rc;

	/* One look-up when all is well: the position's row names the schema
	 * and the repository. */
	rc = catalog_stand_read(c, &s, e);
	if (rc != BC_EDAMAGE)
		return rc;
	rc = look_closer(c, &found, e);
	if (rc != BC_OK)
		return rc;
	if (found == FOUND_OTHER)
		return BC_EDAMAGE;
	if (found == FOUND_NOTHING && !create)
		return catalog_query_damage(c, e, "it is empty");
	for (int i = 0; found == FOUND_NOTHING && i < CREATE_TRIES; i++) {
		rc = catalog_create(c, e);
		if (rc != BC_ELOCKED || c->busy_ms == 0)
			break;
		usleep(CREATE_PAUSE_MS * 1000);
	}
	return rc == BC_OK ? catalog_stand_read(c, &s, e) : rc;
}

enum bc_err catalog_open(const struct catalog_options *o, struct catalog **out,
			 struct err *e)
{
	struct catalog *c = NULL;
	const char *path = o->path != NULL ? o->path : "(in memory)";
	size_t n = strlen(path) + sizeof("./");
	enum bc_err rc;

	if (n > PATH_MAX_BYTES)
		return err_set(e, BC_ELIMIT, "catalog %s: the path is too long",
			       path);
	if (o->busy_ms > INT32_MAX)
		return err_set(e, BC_EINVAL, "catalog %s: busy_ms is too large",
			       path);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, BC_ENOMEM, "catalog %s: no memory", path);
	buf_init(&c->row, ROW_MAX_BYTES);
	c->in_memory = o->path == NULL;
	c->busy_ms = o->busy_ms;
	c->fold_at = FOLD_PAGES;
	memcpy(c->repository, o->repository, CATALOG_ID_BYTES);
	rc = catalog_sqlite_load(&c->s, e);
	if (rc != BC_OK)
		goto out;
	c->path = malloc(n);
	if (c->path == NULL) {
		rc = err_set(e, BC_ENOMEM, "catalog %s: no memory", path);
		goto out;
	}
	/* SQLite gives names that begin with "file:" or ":" a meaning. */
	snprintf(c->path, n, "%s%s", c->in_memory || path[0] == '/' ? "" : "./",
		 path);
	rc = connect(c, o->create || c->in_memory, e);
	if (rc == BC_OK)
		rc = recognise(c, o->create || c->in_memory, e);
	if (rc != BC_OK)
		goto out;
	c->damaged = false; /* as an empty one seemed to be */
	*out = c;
	c = NULL; /* the caller's now */
out:
	catalog_close(c);
	return rc;
}

bool catalog_writable(const struct catalog *c)
{
	return c->s->db_readonly(c->db, "main") == 0;
}

bool catalog_damaged(const struct catalog *c)
{
	return c != NULL && c->damaged;
}

bool catalog_moved(struct catalog *c)
{
	int moved = 0;

	return c->s->file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED,
				  &moved) == SQLITE_OK &&
	       moved != 0;
}

void catalog_close(struct catalog *c)
{
	if (c == NULL)
		return;
	if (c->db != NULL) {
		catalog_rollback(c);
		for (size_t i = 0; i < CATALOG_STATEMENTS; i++)
			c->s->finalize(c->stmt[i]);
		c->s->close_v2(c->db);
	}
	buf_fini(&c->row);
	free(c->path);
	free(c);
}

enum bc_err catalog_remove(const char *path, struct err *e)
{
	char name[4096 + 8];
	enum bc_err rc = BC_OK;
	int n;

	/* The database first: without it SQLite throws away what is left, but
	 * without the write-ahead file it would believe an unfinished fold. */
	for (size_t i = 0; i < sizeof(companions) / sizeof(*companions); i++) {
		n = snprintf(name, sizeof(name), "%s%s", path, companions[i]);
		if (n < 0 || (size_t)n >= sizeof(name))
			return err_sys(e, ENAMETOOLONG, "unlink %s", path);
		if (unlink(name) != 0 && errno != ENOENT && rc == BC_OK)
			rc = err_sys(e, errno, "unlink %s", name);
	}
	return rc;
}

/* ---- transactions ---- */

static enum bc_err order(const struct catalog *c, const char *what,
			 struct err *e)
{
	return err_set(e, BC_EINVAL, "catalog %s: %s", c->path, what);
}

/* Move what is in the write-ahead file into the database. Failure is no
 * failure of the commit before it: the file grows, and the next one tries. */
static void fold(struct catalog *c)
{
	enum bc_err rc;

	c->fold_at = c->wal_pages + FOLD_PAGES;
	/* Never wait here: readers come and go. */
	c->s->busy_timeout(c->db, 0);
	rc = catalog_query_once(c, CATALOG_Q_BEGIN_WRITE, NULL);
	if (rc == BC_OK) {
		rc = catalog_query_once(c, CATALOG_Q_EPOCH_BASE, NULL);
		if (rc == BC_OK)
			rc = catalog_query_once(c, CATALOG_Q_EPOCH_POSITION,
						NULL);
		if (rc == BC_OK)
			rc = catalog_query_once(c, CATALOG_Q_COMMIT, NULL);
		if (rc != BC_OK)
			catalog_query_undo(c);
	}
	if (rc == BC_OK &&
	    c->s->wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
				    NULL, NULL) == SQLITE_OK) {
		c->wal_pages = 0;
		c->fold_at = FOLD_PAGES;
	}
	c->s->busy_timeout(c->db, (int)c->busy_ms);
}

enum bc_err catalog_position(struct catalog *c, struct catalog_position *out,
			     struct err *e)
{
	struct catalog_stand s;
	enum bc_err rc;

	if (c->mode == CATALOG_WRITING) {
		*out = c->stand.at;
		return BC_OK;
	}
	rc = catalog_stand_read(c, &s, e);
	if (rc == BC_OK)
		*out = s.at;
	return rc;
}

unsigned int catalog_set_wait(struct catalog *c, unsigned int busy_ms)
{
	unsigned int was = c->busy_ms;

	c->busy_ms = busy_ms < INT32_MAX ? busy_ms : INT32_MAX;
	c->s->busy_timeout(c->db, (int)c->busy_ms);
	return was;
}

enum bc_err catalog_begin(struct catalog *c, struct catalog_position *at,
			  struct err *e)
{
	enum bc_err rc;

	if (c->mode != CATALOG_IDLE)
		return order(c, "a transaction is open already", e);
	/* SQLite would begin all the same, and fail at the first change. */
	if (!catalog_writable(c))
		return err_set(e, BC_EACCES,
			       "catalog %s: it cannot be written here",
			       c->path);
	if (!c->synchronous && !c->in_memory) {
		/* 8 MiB: a rebuild spills less; a small commit uses little. */
		rc = catalog_query_exec(c,
					"PRAGMA synchronous = NORMAL;"
					"PRAGMA cache_size = -8192",
					e);
		if (rc != BC_OK)
			return rc;
		c->synchronous = true;
	}
	rc = catalog_query_once(c, CATALOG_Q_BEGIN_WRITE, e);
	if (rc != BC_OK)
		return rc;
	rc = catalog_stand_read(c, &c->stand, e);
	if (rc != BC_OK) {
		catalog_query_undo(c);
		return rc;
	}
	c->mode = CATALOG_WRITING;
	c->changed = false;
	c->moved = false;
	c->failed = false;
	*at = c->stand.at;
	return BC_OK;
}

enum bc_err catalog_move(struct catalog *c, const struct catalog_position *to,
			 struct err *e)
{
	if (c->mode != CATALOG_WRITING)
		return order(c, "no transaction is open", e);
	if (to->generation < c->stand.at.generation ||
	    to->generation > INT64_MAX || to->log_seq > INT64_MAX ||
	    to->log_end > INT64_MAX || to->next_slot > CATALOG_SLOT_MAX + 1) {
		c->failed = true;
		return order(c, "not a position to move to", e);
	}
	c->stand.at = *to;
	c->moved = true;
	return BC_OK;
}

enum bc_err catalog_commit(struct catalog *c, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (c->mode != CATALOG_WRITING)
		return order(c, "no transaction is open", e);
	if (c->failed)
		rc = order(c, "a call of the transaction had failed", e);
	else if (c->changed && !c->moved)
		rc = order(c, "changed, but not moved", e);
	if (rc == BC_OK && c->moved)
		rc = catalog_stand_write(c, e);
	if (rc == BC_OK)
		rc = catalog_query_once(c, CATALOG_Q_COMMIT, e);
	if (rc != BC_OK) {
		catalog_query_undo(c);
		c->mode = CATALOG_IDLE;
		return rc;
	}
	c->mode = CATALOG_IDLE;
	if (c->wal_pages >= c->fold_at)
		fold(c);
	return BC_OK;
}

void catalog_rollback(struct catalog *c)
{
	if (c->mode != CATALOG_IDLE)
		catalog_query_undo(c);
	c->mode = CATALOG_IDLE;
}

enum bc_err catalog_read_begin(struct catalog *c, struct catalog_position *at,
			       struct err *e)
{
	struct catalog_stand s;
	enum bc_err rc;

	if (c->mode != CATALOG_IDLE)
		return order(c, "a transaction is open already", e);
	rc = catalog_query_once(c, CATALOG_Q_BEGIN_READ, e);
	if (rc != BC_OK)
		return rc;
	/* The first read is what fixes the state. */
	rc = catalog_stand_read(c, &s, e);
	if (rc != BC_OK) {
		catalog_query_undo(c);
		return rc;
	}
	c->mode = CATALOG_READING;
	*at = s.at;
	return BC_OK;
}

void catalog_read_end(struct catalog *c)
{
	if (c->mode == CATALOG_READING)
		catalog_rollback(c);
}
