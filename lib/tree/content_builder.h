/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/content_builder - make a file's content from its items, in order.
 *
 * Holds at most one open list a level (some 42 KB each, two or three levels
 * for any real file); a short file takes no more than its items. One builder
 * serves many files one after the other and keeps its memory between them.
 * One thread.
 */
#ifndef BC_TREE_CONTENT_BUILDER_H
#define BC_TREE_CONTENT_BUILDER_H

#include "tree/content.h"

struct content_level {
	uint64_t *items;    /* length * 4 + what */
	struct digest *ids; /* of those items that have one */
	uint32_t n, n_ids;
	uint32_t cap, cap_ids;
	bool spilled; /* this level goes into lists */
};

struct content_builder {
	struct node_sink sink;
	struct content_level level[CONTENT_DEPTH_MAX];
	struct buf out; /* a list on its way out; then the inline items */
	uint64_t size;
	uint64_t pending; /* length of the hole or zeros being gathered */
	enum content_what pending_what;
};

/* content_builder_init - ready for a first file. `sink` is copied. */
void content_builder_init(struct content_builder *b,
			  const struct node_sink *sink);

/* content_builder_fini - release the memory. */
void content_builder_fini(struct content_builder *b);

/* content_builder_begin - forget everything and start with an empty file. */
void content_builder_begin(struct content_builder *b);

/*
 * content_builder_chunk - the file goes on with this chunk.
 *
 *   length  1 to CONTENT_CHUNK_MAX_BYTES
 *
 *   BC_EINVAL  no such length
 *   BC_ELIMIT  the file would pass CONTENT_MAX_BYTES
 *   BC_ENOMEM, or what emit() returns: begin again or release
 */
BC_MUST_CHECK enum bc_err content_builder_chunk(struct content_builder *b,
						const struct digest *id,
						uint64_t length, struct err *e);

/*
 * content_builder_hole, content_builder_zeros - the file goes on with so many
 * bytes that are not allocated, or allocated and zero. Neighbours of a kind
 * become one item; length 0 is nothing. Errors as above.
 */
BC_MUST_CHECK enum bc_err content_builder_hole(struct content_builder *b,
					       uint64_t length, struct err *e);
BC_MUST_CHECK enum bc_err content_builder_zeros(struct content_builder *b,
						uint64_t length, struct err *e);

/*
 * content_builder_finish - the content for the entry.
 *   out  [out] borrowed from the builder until its next begin, item or fini
 */
BC_MUST_CHECK enum bc_err content_builder_finish(struct content_builder *b,
						 struct content *out,
						 struct err *e);

#endif
