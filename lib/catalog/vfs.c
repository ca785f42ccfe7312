/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/vfs.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "catalog/sqlite_load.h"
#include "util/crc32c.h"
#include "util/le.h"

enum {
	SEAL_AT = CATALOG_VFS_PAGE - CATALOG_VFS_SEAL,
	CRC_AT = CATALOG_VFS_PAGE - 4,
	SECTOR_BYTES = 512, /* at least, on any disk */
	SECTOR_AT = CATALOG_VFS_PAGE - SECTOR_BYTES,
	/* SQLite reads pieces of the first page's header, at most this much,
	 * before it knows the size of a page. */
	HEADER_MAX = 100,
	/* SQLITE_IOCAP_SUBPAGE_READ, which sqlite3.h has since 3.48. */
	PIECES_WELCOME = 0x8000,
};

/* The file of the layer below follows this struct in memory. */
struct sealed_file {
	sqlite3_file base; /* first: SQLite's view of it */
	sqlite3_file *below;
};

_Static_assert(sizeof(struct sealed_file) % 8 == 0,
	       "the file below must be aligned");

/* Written once, by catalog_vfs_register(). */
static sqlite3_vfs vfs;
static sqlite3_vfs *system_vfs;

/* ---- pages ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void page_seal(uint8_t *page, sqlite3_int64 offset)
{
	le_put32(page + SEAL_AT, (uint32_t)(offset / CATALOG_VFS_PAGE + 1));
	le_put32(page + CRC_AT, crc32c(0, page, CRC_AT));
}

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Is the last sector of a tree's page free by the list that its header begins:
 * blocks by ascending offset, each with the offset of the next and a size? */
static bool is_freed(const uint8_t *page)
{
	unsigned at = be16(page + 1), before = 0;

	while (at > before && at + 4 <= SECTOR_AT) {
		if (at + be16(page + at + 2) >= SEAL_AT)
			return true;
		before = at;
		at = be16(page + at);
	}
	return false;
}

/* May a page have nothing in its last sector? One of a tree without cells, or
 * whose last ones were deleted; or the last page of a long value that has ended
 * before, with zeros behind it. */
static bool ends_early(const uint8_t *page)
{
	enum { TREE_KIND_MAX = 13, CELLS_AT = 3, GAP = 16 };

	if (page[0] > 0 && page[0] <= TREE_KIND_MAX)
		return be16(page + CELLS_AT) == 0 || is_freed(page);
	return all_zero(page, 4) && all_zero(page + SECTOR_AT - GAP, GAP) &&
	       !all_zero(page, SECTOR_AT);
}

/* A page that we have written has a seal. One without is another program's, or
 * its last sector was lost, and the cells with it that SQLite lays there. */
static bool page_check(const uint8_t *page, sqlite3_int64 offset)
{
	if (all_zero(page + SEAL_AT, CATALOG_VFS_SEAL))
		return !all_zero(page + SECTOR_AT, SECTOR_BYTES) ||
		       ends_early(page);
	return le_get32(page + SEAL_AT) ==
		       (uint32_t)(offset / CATALOG_VFS_PAGE + 1) &&
	       le_get32(page + CRC_AT) == crc32c(0, page, CRC_AT);
}

/* ---- the database file ---- */

static sqlite3_file *below(sqlite3_file *f)
{
	return ((struct sealed_file *)f)->below;
}

static int file_close(sqlite3_file *f)
{
	return below(f)->pMethods->xClose(below(f));
}

/* A whole page, checked. */
static int page_read(sqlite3_file *f, uint8_t *page, sqlite3_int64 at)
{
	int rc =
		below(f)->pMethods->xRead(below(f), page, CATALOG_VFS_PAGE, at);

	/* SQLite would take what lies beyond the end for zeros. It asks for no
	 * page that was never written. */
	if (rc == SQLITE_IOERR_SHORT_READ)
		return SQLITE_IOERR_DATA;
	if (rc != SQLITE_OK)
		return rc;
	if (!page_check(page, at))
		return SQLITE_IOERR_DATA;
	/* The write-ahead file is to have no old seals. */
	memset(page + SEAL_AT, 0, CATALOG_VFS_SEAL);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	uint8_t page[CATALOG_VFS_PAGE];
	int within = (int)(at % CATALOG_VFS_PAGE);
	int rc;

	if (at + n <= HEADER_MAX)
		return below(f)->pMethods->xRead(below(f), p, n, at);
	if (n == CATALOG_VFS_PAGE && within == 0)
		return page_read(f, p, at);
	/* Another size of page means that the header is not ours. */
	if (at < CATALOG_VFS_PAGE || n > CATALOG_VFS_PAGE - within)
		return SQLITE_IOERR_DATA;
	/* SQLite reads a long value past its cache since 3.45: of each page
	 * what lies before the seal, of the last one less. Only a whole page
	 * can be checked. */
	rc = page_read(f, page, at - within);
	if (rc == SQLITE_OK)
		memcpy(p, page + within, (size_t)n);
	return rc;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	uint8_t page[CATALOG_VFS_PAGE];

	if (n == CATALOG_VFS_PAGE && at % CATALOG_VFS_PAGE == 0) {
		memcpy(page, p, sizeof(page));
		page_seal(page, at);
		p = page;
	}
	return below(f)->pMethods->xWrite(below(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return below(f)->pMethods->xTruncate(below(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	return below(f)->pMethods->xSync(below(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return below(f)->pMethods->xFileSize(below(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xLock(below(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xUnlock(below(f), level);
}

static int file_check_lock(sqlite3_file *f, int *out)
{
	return below(f)->pMethods->xCheckReservedLock(below(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return below(f)->pMethods->xFileControl(below(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return below(f)->pMethods->xSectorSize(below(f));
}

static int file_character(sqlite3_file *f)
{
	return below(f)->pMethods->xDeviceCharacteristics(below(f)) &
	       ~PIECES_WELCOME;
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend,
			void volatile **out)
{
	return below(f)->pMethods->xShmMap(below(f), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return below(f)->pMethods->xShmLock(below(f), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	below(f)->pMethods->xShmBarrier(below(f));
}

static int file_shm_unmap(sqlite3_file *f, int remove)
{
	return below(f)->pMethods->xShmUnmap(below(f), remove);
}

/* Version 2: with shared memory, without reading by mmap, which would go past
 * the check. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_character,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* ---- the layer ---- */

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f,
		    int flags, int *flags_out)
{
	struct sealed_file *sealed = (struct sealed_file *)f;
	int rc;

	(void)v;
	/* Only the database file is ours to look into. */
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return system_vfs->xOpen(system_vfs, name, f, flags, flags_out);
	sealed->base.pMethods = NULL;
	sealed->below = (sqlite3_file *)(sealed + 1);
	rc = system_vfs->xOpen(system_vfs, name, sealed->below, flags,
			       flags_out);
	/* A file that failed to open may still want to be closed. */
	if (sealed->below->pMethods != NULL)
		sealed->base.pMethods = &methods;
	return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_folder)
{
	(void)v;
	return system_vfs->xDelete(system_vfs, name, sync_folder);
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	(void)v;
	return system_vfs->xAccess(system_vfs, name, flags, out);
}

static int vfs_path(sqlite3_vfs *v, const char *name, int n, char *out)
{
	(void)v;
	return system_vfs->xFullPathname(system_vfs, name, n, out);
}

static int vfs_random(sqlite3_vfs *v, int n, char *out)
{
	(void)v;
	return system_vfs->xRandomness(system_vfs, n, out);
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
	(void)v;
	return system_vfs->xSleep(system_vfs, us);
}

static int vfs_time(sqlite3_vfs *v, double *out)
{
	(void)v;
	return system_vfs->xCurrentTime(system_vfs, out);
}

static int vfs_last_error(sqlite3_vfs *v, int n, char *out)
{
	(void)v;
	return system_vfs->xGetLastError(system_vfs, n, out);
}

bool catalog_vfs_register(const struct catalog_sqlite *s)
{
	system_vfs = s->vfs_find("unix");
	if (system_vfs == NULL)
		system_vfs = s->vfs_find(NULL);
	if (system_vfs == NULL)
		return false;
	/* Version 1, and no xDl*: the catalog loads no extensions. */
	vfs = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile =
			(int)sizeof(struct sealed_file) + system_vfs->szOsFile,
		.mxPathname = system_vfs->mxPathname,
		.zName = CATALOG_VFS_NAME,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_path,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	return s->vfs_register(&vfs, 0) == SQLITE_OK;
}
