/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/chunks - find chunks and read them, verified.
 *
 * A place is believed only when the pack's own directory holds the whole id.
 * Every block read is checked against its checksum and every chunk against its
 * id. If one copy of a chunk is damaged and there is another, that one serves.
 */
#ifndef BC_REPO_CHUNKS_H
#define BC_REPO_CHUNKS_H

#include "index/format.h"
#include "pack/format.h"
#include "tree/node_io.h"
#include "repo/dirs.h"
#include "repo/repo.h"

/* Where a chunk lies. Ended by chunk_place_put(). */
struct chunk_place {
	struct dir_ref ref;
	uint32_t chunk; /* in ref.dir */
	uint32_t block; /* in ref.dir */
};

/* chunk_place_put - one of all zeros is fine, and that is what is left. */
void chunk_place_put(struct repo *r, struct chunk_place *p);

/* Asked for at a time; and tried in all, by an index that is made again. */
enum { CHUNK_HINTS_MAX = 16, CHUNK_PLACES_MAX = 48 };

/*
 * A search for all places of one chunk, in the caller's storage; private, and
 * nothing to release. A search belongs to one thread; there may be any number
 * of them.
 */
struct chunk_search {
	struct repo *r;
	const struct digest *id;
	enum dir_trust trust;
	struct index_loc hints[CHUNK_PLACES_MAX];
	size_t n, next;
	unsigned made;	/* the index that the last hints are from */
	bool failed;	/* repo_search_failed() */
	struct err why; /* the first pack that could not be read */
};

/* repo_search - begin; `id` is borrowed until the last repo_search_next(). The
 * index must be there: repo_need_index(). With DIR_VERIFIED a pack that is
 * known to be hurt as a whole has no places. */
void repo_search(struct chunk_search *s, struct repo *r,
		 const struct digest *id, enum dir_trust trust);

/*
 * repo_search_next - the next place, each once. If the index turns out to be
 * damaged it is made again, and what it lacked is found as well; likewise, once
 * in the life of the handle, if it has nothing at all of a chunk that somebody
 * is to read.
 *
 *   out  untouched on failure
 *
 *   BC_ENOTFOUND  there is no more
 *   BC_EDAMAGE, BC_EIO, ...  there is no more, and a pack that should have
 *	the chunk could not be read: the text says which
 *   the same, and BC_ENOMEM  with repo_search_failed(): the search itself
 */
BC_MUST_CHECK enum bc_err repo_search_next(struct chunk_search *s,
					   struct chunk_place *out,
					   struct err *e);

/* repo_search_failed - the search ended for want of an index, or of memory:
 * whether there are other places, nobody knows. */
bool repo_search_failed(const struct chunk_search *s);

/* repo_locate - the first place alone; the same errors. */
BC_MUST_CHECK enum bc_err repo_locate(struct repo *r, const struct digest *id,
				      struct chunk_place *out, struct err *e);

/* A reader belongs to one thread and keeps a few decoded blocks and open
 * packs. */
struct chunk_reader;

BC_MUST_CHECK enum bc_err
chunk_reader_new(struct repo *r, struct chunk_reader **out, struct err *e);
void chunk_reader_free(struct chunk_reader *c);

/*
 * chunk_read - the plain bytes of a chunk.
 *
 *   out  [out] borrowed until the next call on this reader
 *
 *   BC_EDAMAGE  missing or damaged in every place; the text names the pack
 */
BC_MUST_CHECK enum bc_err chunk_read(struct chunk_reader *c,
				     const struct digest *id, struct bytes *out,
				     struct err *e);

/* chunk_read_sized - the same of a chunk that must have so many bytes. If it
 * has not, that is BC_EDAMAGE. */
BC_MUST_CHECK enum bc_err chunk_read_sized(struct chunk_reader *c,
					   const struct digest *id,
					   uint64_t length, struct bytes *out,
					   struct err *e);

/* chunk_node_source - for the readers of trees and contents. */
struct node_source chunk_node_source(struct chunk_reader *c);

#endif
