/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog/sqlite_load - the SQLite library, loaded at first use.
 *
 * Linking it costs every process 0.33 ms of start-up, `blobctl version` too;
 * loading it costs those that need it 0.05 ms more. So it is loaded by name,
 * and what is used of it is this table: one member for each function, with the
 * type that sqlite3.h gives it. Every function is in SQLite 3.20 or later; the
 * schema (STRICT tables) needs 3.37.
 *
 * Private to lib/catalog, which alone includes sqlite3.h.
 */
#ifndef BC_CATALOG_SQLITE_LOAD_H
#define BC_CATALOG_SQLITE_LOAD_H

#include <sqlite3.h>

#include "util/err.h"

#define CATALOG_SQLITE_FUNCTIONS(X)                                            \
	X(bind_blob64)                                                         \
	X(bind_int64)                                                          \
	X(busy_timeout)                                                        \
	X(changes)                                                             \
	X(clear_bindings)                                                      \
	X(close_v2)                                                            \
	X(column_blob)                                                         \
	X(column_bytes)                                                        \
	X(column_int64)                                                        \
	X(column_text)                                                         \
	X(column_type)                                                         \
	X(db_config)                                                           \
	X(db_readonly)                                                         \
	X(errmsg)                                                              \
	X(errstr)                                                              \
	X(exec)                                                                \
	X(extended_errcode)                                                    \
	X(extended_result_codes)                                               \
	X(file_control)                                                        \
	X(finalize)                                                            \
	X(get_autocommit)                                                      \
	X(libversion_number)                                                   \
	X(open_v2)                                                             \
	X(prepare_v3)                                                          \
	X(reset)                                                               \
	X(step)                                                                \
	X(stmt_busy)                                                           \
	X(system_errno)                                                        \
	X(threadsafe)                                                          \
	X(vfs_find)                                                            \
	X(vfs_register)                                                        \
	X(wal_checkpoint_v2)                                                   \
	X(wal_hook)

struct catalog_sqlite {
#define CATALOG_SQLITE_MEMBER(name) __typeof__(sqlite3_##name) *name;
	CATALOG_SQLITE_FUNCTIONS(CATALOG_SQLITE_MEMBER)
#undef CATALOG_SQLITE_MEMBER
};

/*
 * catalog_sqlite_load - the table, with the file layer of catalog/vfs.h
 * registered. Loads once in a process; any thread. The library stays loaded.
 *
 *   BC_ESYS  not installed, too old, built without threads, or no memory; the
 *            same answer for the rest of the process
 */
BC_MUST_CHECK enum bc_err catalog_sqlite_load(const struct catalog_sqlite **out,
					      struct err *e);

#endif
