/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/sqlite_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include "catalog/vfs.h"

#define LIBRARY "libsqlite3.so.0"

enum {
	SQLITE_OLDEST = 3037000, /* STRICT tables */
};

/*
 * Tells packagers which library this program will load (the ELF note that
 * systemd's "dlopen metadata" describes): owner "FDO", type 0x407c0c0a, JSON.
 */
#define NOTE_TEXT                                                              \
	"[{\"soname\":[\"" LIBRARY "\"],\"feature\":\"catalog\","              \
	"\"description\":\"catalog and state of a repository\","               \
	"\"priority\":\"required\"}]"

static const struct {
	uint32_t owner_bytes;
	uint32_t text_bytes;
	uint32_t type;
	char owner[4];
	char text[(sizeof(NOTE_TEXT) + 3) / 4 * 4];
} dlopen_note __attribute__((used, aligned(4), section(".note.dlopen"))) = {
	sizeof("FDO"), sizeof(NOTE_TEXT), 0x407c0c0a, "FDO", NOTE_TEXT,
};

/* Written once, behind `once`. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct catalog_sqlite table;
static char failure[160]; /* empty: loaded */

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define ENTRY(name) { "sqlite3_" #name, offsetof(struct catalog_sqlite, name) },
	CATALOG_SQLITE_FUNCTIONS(ENTRY)
#undef ENTRY
};

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	const char *why;
	void *f;

	if (library == NULL) {
		why = dlerror();
		snprintf(failure, sizeof(failure), "%s",
			 why != NULL ? why : LIBRARY);
		return;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		f = dlsym(library, functions[i].name);
		if (f == NULL) {
			snprintf(failure, sizeof(failure), "%s has no %s",
				 LIBRARY, functions[i].name);
			return;
		}
		/* ISO C has no cast from an object to a function pointer. */
		memcpy((char *)&table + functions[i].at, &f, sizeof(f));
	}
	if (table.libversion_number() < SQLITE_OLDEST)
		snprintf(failure, sizeof(failure), "%s is older than 3.37",
			 LIBRARY);
	else if (table.threadsafe() == 0)
		snprintf(failure, sizeof(failure),
			 "%s is built without threads", LIBRARY);
	else if (!catalog_vfs_register(&table))
		snprintf(failure, sizeof(failure), "%s: no memory", LIBRARY);
}

enum bc_err catalog_sqlite_load(const struct catalog_sqlite **out,
				struct err *e)
{
	enum bc_err rc;

	pthread_once(&once, load);
	if (failure[0] != '\0') {
		rc = err_set(e, BC_ESYS, "SQLite cannot be used: %s", failure);
		err_hint(e, "install the package libsqlite3-0, 3.37 or later");
		return rc;
	}
	*out = &table;
	return BC_OK;
}
