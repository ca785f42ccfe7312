/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/pack_files - packs that are open for reading, a few of them kept. Any
 * thread.
 */
#ifndef BC_REPO_PACK_FILES_H
#define BC_REPO_PACK_FILES_H

#include <pthread.h>

#include "repo/repo.h"

struct io_file;

enum {
	PACK_FILES_MAX = 64, /* in use at a time */
};

struct pack_files {
	struct repo *r;
	bool direct;   /* past the page cache */
	unsigned kept; /* open though nobody uses them, at most */
	pthread_mutex_t lock;
	uint64_t tick;
	struct pack_file {
		uint32_t number;
		unsigned refs;
		uint64_t used;
		struct io_file *file;
	} at[PACK_FILES_MAX];
};

void pack_files_init(struct pack_files *p, struct repo *r, bool direct,
		     unsigned kept);
void pack_files_fini(struct pack_files *p);

/*
 * pack_files_get - open. Takes the repository's mutex.
 *
 *   out  [out] until pack_files_put()
 *
 *   BC_ELIMIT  PACK_FILES_MAX others are in use
 *   others     it cannot be opened: of repo_open_numbered()
 */
BC_MUST_CHECK enum bc_err pack_files_get(struct pack_files *p, uint32_t number,
					 struct pack_file **out, struct err *e);

/* pack_files_put - NULL is fine. Closes what is too much to be kept. */
void pack_files_put(struct pack_files *p, struct pack_file *f);

#endif
