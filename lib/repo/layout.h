/* SPDX-License-Identifier: Apache-2.0 */
/* repo/layout - names in the repository's folder: docs/format.md, section 2. */
#ifndef BC_REPO_LAYOUT_H
#define BC_REPO_LAYOUT_H

#define REPO_LOG_DIR	  "log"
#define REPO_PACKS_DIR	  "packs"
#define REPO_LEASES_DIR	  "leases"
#define REPO_INDEX_DIR	  "index"
#define REPO_CACHE_DIR	  "cache"
#define REPO_LOCK_FILE	  "lock"
#define REPO_RESERVE_FILE "reserve"
#define REPO_CATALOG_FILE "catalog.db"
#define REPO_HURT_FILE	  "hurt" /* in REPO_CACHE_DIR */

/* Bytes of REPO_LOCK_FILE that are locked: section 9. */
enum {
	REPO_LOCK_COMMIT = 0,
	REPO_LOCK_VIEWS = 1,
	REPO_LOCK_INIT = 2,
	REPO_LOCK_CATALOG = 3,
};

#endif
