/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/file - a file's bytes into an entry.
 *
 * A file that changes while it is read is read again, REREADS_MAX times; then
 * it is stored as it was last read, and the caller of put is told.
 */
#ifndef BC_INGEST_FILE_H
#define BC_INGEST_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "tree/content.h"

struct worker;
struct range;

/* One attempt to read a file. */
struct reading {
	uint64_t size; /* bytes that were read */
	int sys;       /* errno of a failed read, or 0 */
	bool dense;    /* of too many short segments for a batch */
};

/*
 * file_store - store entry i of a range, a file in dirfd, with all of its
 * metadata. Trouble with the file is told and leaves its place empty; a
 * failure is the repository's.
 */
BC_MUST_CHECK enum bc_err file_store(struct worker *w, struct range *r,
				     uint32_t i, int dirfd, struct err *e);

/* file_stream - likewise from a descriptor that is read to its end. Here a
 * read that fails is a failure: half a stream is nothing. */
BC_MUST_CHECK enum bc_err file_stream(struct worker *w, struct range *r,
				      uint32_t i, int fd, struct err *e);

/* file_keep - the content of entry i, copied into the range. */
BC_MUST_CHECK enum bc_err file_keep(struct range *r, uint32_t i,
				    const struct content *c, struct err *e);

#endif
