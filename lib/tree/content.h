/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/content - what a file's bytes are: chunks, holes, zeros, lists.
 *
 * A struct content is the encoded form that lies in an entry or in a content
 * list (docs/format.md, section 7), borrowed. Long files are cut into lists,
 * lists into lists. Pure; any thread.
 */
#ifndef BC_TREE_CONTENT_H
#define BC_TREE_CONTENT_H

#include "tree/node_io.h"
#include "util/cursor.h"

enum {
	CONTENT_INLINE_MAX_ITEMS = 96,	    /* in an entry */
	CONTENT_LIST_MIN_ITEMS = 64,	    /* before a list may be cut */
	CONTENT_LIST_MAX_ITEMS = 1024,	    /* in a list */
	CONTENT_LIST_CUT_MOD = 256,	    /* of the id's first four bytes */
	CONTENT_DEPTH_MAX = 16,		    /* lists below one another */
	CONTENT_CHUNK_MAX_BYTES = 32 << 20, /* longest single chunk */
};

/* Largest file, and longest item: an item's length shares 64 bits with what
 * it is. */
#define CONTENT_MAX_BYTES ((UINT64_C(1) << 62) - 1)

enum content_what {
	CONTENT_CHUNK = 0, /* bytes of a chunk */
	CONTENT_HOLE = 1,  /* nothing allocated */
	CONTENT_ZEROS = 2, /* zeros that are allocated */
	CONTENT_LIST = 3,  /* a content list that covers that length */
	CONTENT_END = 4,   /* only from readers: nothing follows */
};

struct content {
	uint64_t size;	    /* sum of the lengths */
	uint64_t count;	    /* items */
	struct bytes items; /* encoded, the count not included */
	struct bytes ids;   /* digests of chunks and lists, in order */
};

struct content_item {
	enum content_what what;
	uint64_t length;
	const struct digest *id; /* chunk, list; otherwise NULL; borrowed */
};

/* Iteration over one level of a validated content. */
struct content_iter {
	struct cursor items;
	struct cursor ids;
	uint64_t left;
	uint64_t size;
	bool whole; /* one item of length 0 stands for all of size */
};

void content_begin(struct content_iter *it, const struct content *c);

/* content_next - the next item; false after the last. */
bool content_next(struct content_iter *it, struct content_item *out);

/*
 * content_valid - is it what an entry may hold: lengths that add up to size,
 * as many ids as needed, the one-item form where there is one item?
 */
bool content_valid(const struct content *c);

/*
 * content_parse - read an entry's count and items where the cursor stands
 * and validate them against `size`. The ids lie elsewhere: their number is
 * returned and out->ids left empty. The cursor is bad afterwards if invalid.
 */
uint64_t content_parse(struct cursor *c, uint64_t size, struct content *out);

/*
 * content_list_open - a content list node, validated whole.
 *
 *   node    borrowed by *out
 *   length  what the item that names the list says it covers
 *
 *   BC_EDAMAGE  not a valid list, or of another length
 */
BC_MUST_CHECK enum bc_err content_list_open(struct bytes node, uint64_t length,
					    struct content *out, struct err *e);

#endif
