/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog/vfs - SQLite's file layer with a check in every page.
 *
 * SQLite believes what it reads: a flipped bit in a row is an answer like any
 * other, and in an inner node of a tree it hides rows. So the catalog's pages
 * end in CATALOG_VFS_SEAL bytes that SQLite leaves alone ("reserved space"):
 *
 *   offset 4088  u32  the page's number, from 1; so a page that was written
 *                     to the wrong place is found too
 *   offset 4092  u32  CRC-32C of bytes 0-4091
 *
 * Written when a page goes to the database file, checked when it comes back,
 * also when SQLite wants a piece of it only, as of long values since 3.45; a
 * page that fails is SQLITE_IOERR_DATA. Pages in the write-ahead file have
 * SQLite's own checksums, and seals of zero. Another program may therefore read
 * a catalog, and fold its write-ahead file as it leaves, as the sqlite3 program
 * does: a seal of zero is not checked, but for the last 512 bytes: where there
 * must be something, a page is found of which all or the last sector is zeros,
 * as file systems leave it after a crash. A page that another program changes
 * by itself has an old seal and is found.
 *
 * Everything else passes through to the system's "unix" layer.
 */
#ifndef BC_CATALOG_VFS_H
#define BC_CATALOG_VFS_H

#include <stdbool.h>

struct catalog_sqlite;

#define CATALOG_VFS_NAME "blobctl-catalog"

enum {
	CATALOG_VFS_PAGE = 4096,
	CATALOG_VFS_SEAL = 8,
};

/* catalog_vfs_register - make the layer known to the library under its name.
 * Once in a process, by catalog/sqlite_load.c; false: no memory. */
bool catalog_vfs_register(const struct catalog_sqlite *s);

#endif
