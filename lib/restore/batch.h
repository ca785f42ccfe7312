/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/batch - which chunks are needed where, and in which reads.
 *
 * A batch is filled by one thread, planned, and then only read. Planning puts
 * the references in order of pack and offset and cuts them into jobs: one read
 * each, of neighbouring blocks. Private to lib/restore.
 */
#ifndef BC_RESTORE_BATCH_H
#define BC_RESTORE_BATCH_H

#include <stdatomic.h>

#include "repo/chunks.h"

enum {
	/* One read: small enough that all threads stay busy to the end. */
	JOB_BYTES = 1 << 20,
	JOB_GAP_BYTES = 64 << 10,
	/* Many tiny files are much work for few bytes. */
	JOB_REFS = 512,
	JOB_REFS_MAX = 4096,
};

/* A place in a file, and the chunk that belongs there. */
struct ref {
	struct digest id;
	uint32_t pack; /* local number; 0: no chunk, but zeros, or nothing */
	struct dir_block block; /* as the pack's directory says */
	uint32_t start;		/* in the block's plain bytes */
	uint64_t length;	/* of the chunk or the zeros */
	uint64_t offset;	/* in the file */
	void *owner;
};

struct job {
	uint32_t pack;	   /* 0: nothing to read */
	uint32_t first, n; /* in the batch's order */
	uint64_t from;	   /* aligned */
	uint32_t bytes;
};

struct order {
	uint64_t key; /* pack and block */
	uint32_t start;
	uint32_t at;
};

struct batch {
	struct ref *refs;
	struct order *order;
	struct ref **sorted;
	struct job *jobs;
	uint32_t n, cap;
	uint32_t n_jobs;
	uint32_t claimed;      /* jobs given out; the user's */
	_Atomic uint32_t left; /* jobs not done; the user's */
	struct batch *next;
};

BC_MUST_CHECK enum bc_err batch_new(uint32_t cap, struct batch **out,
				    struct err *e);
void batch_free(struct batch *b);
void batch_clear(struct batch *b);

/* batch_add - a reference of all zeros, or NULL when the batch is full. */
struct ref *batch_add(struct batch *b);

/* batch_plan - order and jobs; afterwards nothing may be added. */
void batch_plan(struct batch *b);

/* Finds chunks; expects each behind the one before. One thread. */
struct locator {
	struct repo *r;
	struct chunk_place last;
};

void locator_init(struct locator *l, struct repo *r);
void locator_fini(struct locator *l);

/*
 * locator_find - fill the place in `ref`; id and length are there.
 *   BC_EDAMAGE  not there, or of another length
 */
BC_MUST_CHECK enum bc_err locator_find(struct locator *l, struct ref *ref,
				       struct err *e);

#endif
