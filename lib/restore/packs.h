/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/packs - packs that are open for reading, a few of them kept. Any
 * thread. Private to lib/restore.
 */
#ifndef BC_RESTORE_PACKS_H
#define BC_RESTORE_PACKS_H

#include <pthread.h>

#include "repo/repo.h"

struct io_file;

enum {
	PACKS_MAX = 64, /* in use at a time */
};

struct packs {
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
	} at[PACKS_MAX];
};

void packs_init(struct packs *p, struct repo *r, bool direct, unsigned kept);
void packs_fini(struct packs *p);

/* packs_get - open, or NULL: it cannot be opened, or too many are in use. Why
 * comes out when its chunks are read one by one. End with packs_put(). */
struct pack_file *packs_get(struct packs *p, uint32_t number);

/* packs_put - NULL is fine. */
void packs_put(struct packs *p, struct pack_file *f);

#endif
