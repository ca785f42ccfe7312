/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/loader - do jobs: read ahead, decode each block once, verify all
 * chunks, hand them over.
 *
 * A loader belongs to one thread and keeps a few reads in flight. What a job
 * could not read or verify is tried again chunk by chunk, from every other
 * place there is, before it is given up. Private to lib/restore.
 */
#ifndef BC_RESTORE_LOADER_H
#define BC_RESTORE_LOADER_H

#include "io/queue.h"
#include "pack/verifier.h"
#include "repo/pack_files.h"
#include "restore/batch.h"
#include "restore/restore.h"

enum {
	LOADERS_MAX = RESTORE_THREADS_MAX,
	LOADER_SLOTS = 3,	      /* reads in flight for each thread */
	LOADER_PACKS = 4,	      /* kept open, for all threads */
	LOADER_GROUP_BYTES = 2 << 20, /* plain: enough chunks for all lanes */
};

_Static_assert(LOADER_PACKS + LOADERS_MAX * LOADER_SLOTS <= PACK_FILES_MAX,
	       "each read of each loader has its pack");

/* Where chunks go. */
struct loader_calls {
	/* n references of one owner that follow each other in its file;
	 * `data` is all their bytes. Or one without chunk, and no data. */
	void (*land)(void *ctx, struct ref *const *v, size_t n,
		     struct bytes data);
	/* Cannot be had. After dead(): why is BC_ECANCEL. */
	void (*fail)(void *ctx, struct ref *r, const struct err *why);
	/* All is given up: nothing need be read any more. */
	bool (*dead)(void *ctx);
	void *ctx;
};

struct loader_slot {
	struct io_req req;
	uint8_t *buf;
	size_t cap;
	struct batch *batch;
	const struct job *job;
	struct pack_file *pack;
	bool waits; /* for the read */
};

struct loader {
	struct repo *r;
	struct pack_files *packs;
	struct loader_calls calls;
	struct io_queue *queue;
	struct chunk_reader *again; /* made when first needed */
	struct loader_slot slot[LOADER_SLOTS];
	unsigned head, busy; /* the oldest, and how many */
	struct verifier verifier;
	struct loader_got *got; /* of the references of a group */
	size_t cap;
};

BC_MUST_CHECK enum bc_err loader_init(struct loader *l, struct repo *r,
				      struct pack_files *packs,
				      const struct loader_calls *calls,
				      struct err *e);
void loader_fini(struct loader *l);

static inline bool loader_full(const struct loader *l)
{
	return l->busy == LOADER_SLOTS;
}

/* loader_start - begin to read for a job; there must be room. A failure comes
 * out when it is finished. */
void loader_start(struct loader *l, struct batch *b, const struct job *j);

/* loader_finish - wait for the oldest job and do it. Returns its batch; there
 * must be one. */
struct batch *loader_finish(struct loader *l);

/* loader_reader - for single chunks; NULL without memory. */
struct chunk_reader *loader_reader(struct loader *l, struct err *e);

/* loader_memory - bytes that a loader may take, with blocks of so many plain
 * bytes. */
size_t loader_memory(size_t block_max);

#endif
