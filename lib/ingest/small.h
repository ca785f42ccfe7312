/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/small - small files, hashed and looked up together.
 *
 * They are read one behind the other into a buffer that fits the processor's
 * cache, so that the lanes of the hash are full and locks are taken once. A
 * file's entry has its content after the batch is flushed; until then its
 * range is held, if nothing else is missing.
 *
 * Part of a worker; it has memory once that is ready.
 */
#ifndef BC_INGEST_SMALL_H
#define BC_INGEST_SMALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct worker;
struct range;
struct reading;

enum {
	/* Files up to this are read whole into a batch. */
	SMALL_FILE_BYTES = 192 << 10,
	BATCH_SEGS = 1024,
	BATCH_FILES = 512,
	/* Ranges read to their end whose files are still in the batch. */
	HELD_MAX = 64,
};

struct batch_seg {
	uint32_t at; /* in the buffer */
	uint32_t len;
	uint8_t kind; /* enum chunk_seg_kind */
};

struct batch_file {
	struct range *range;
	uint32_t entry;	   /* of the range */
	uint32_t first, n; /* segments */
	uint64_t size;
};

struct batch {
	uint8_t *buf; /* put.batch_bytes, and room for one file more */
	size_t n;
	struct batch_seg *seg; /* BATCH_SEGS */
	size_t n_segs;
	struct batch_file file[BATCH_FILES];
	size_t n_files;
	struct range *held[HELD_MAX];
	size_t n_held;
};

/*
 * small_add - read the small file that is entry i.
 *
 *   got  [out] how long it was; another length than its item's: it was not
 *        added. `dense`: nor was it, as it has more segments than a batch
 *
 * May flush before. A failure is the repository's.
 */
BC_MUST_CHECK enum bc_err small_add(struct worker *w, struct range *r,
				    uint32_t i, int fd, struct reading *got,
				    struct err *e);

/* small_drop - take back the file that was added last. */
void small_drop(struct worker *w);

/* small_hold - the range is read but for its files in the batch. */
void small_hold(struct worker *w, struct range *r);

/* small_flush - the batch's files get their contents, and the ranges that are
 * held for them go to sched_stored(). A failure is the put's. */
BC_MUST_CHECK enum bc_err small_flush(struct worker *w, struct err *e);

#endif
