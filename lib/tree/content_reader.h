/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/content_reader - a content's chunks, holes and zeros in order.
 *
 * Holds one list per level at a time, in memory that it keeps between files.
 * A seek reads only the lists on the way down to the offset. One thread.
 */
#ifndef BC_TREE_CONTENT_READER_H
#define BC_TREE_CONTENT_READER_H

#include "tree/content.h"

struct content_run {
	enum content_what what; /* never CONTENT_LIST; CONTENT_END at the end */
	uint64_t offset;	/* in the file */
	uint64_t length;
	struct digest id; /* of a chunk */
};

struct content_frame {
	struct buf node;
	struct content_iter it;
	uint64_t offset; /* of the next item of `it` */
};

struct content_reader {
	struct node_source source;
	struct content content;
	int depth; /* frame in use, -1 none */
	struct content_frame frame[CONTENT_DEPTH_MAX];
};

/* content_reader_init - `source` is copied. */
void content_reader_init(struct content_reader *r,
			 const struct node_source *source);

/* content_reader_fini - release the memory. */
void content_reader_fini(struct content_reader *r);

/*
 * content_reader_open - stand before the first byte of a content.
 *   c  a validated one; what it borrows must live as long as it is read
 */
void content_reader_open(struct content_reader *r, const struct content *c);

/*
 * content_reader_next - the next run, or CONTENT_END.
 *
 *   BC_EDAMAGE  a list is missing or not valid
 *   or what fetch() returns. After a failure the reader stands where it was.
 */
BC_MUST_CHECK enum bc_err content_reader_next(struct content_reader *r,
					      struct content_run *out,
					      struct err *e);

/*
 * content_reader_seek - make the next run the one that holds byte `offset`
 * (given whole: it may begin before). At or beyond the size: CONTENT_END.
 * Errors as content_reader_next().
 */
BC_MUST_CHECK enum bc_err content_reader_seek(struct content_reader *r,
					      uint64_t offset, struct err *e);

#endif
