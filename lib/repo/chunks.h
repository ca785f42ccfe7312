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

#include "pack/format.h"
#include "tree/node_io.h"
#include "repo/repo.h"

struct io_file;

/* Where a chunk lies. Ended by chunk_place_put(). */
struct chunk_place {
	const struct pack_dir *dir;
	uint32_t pack;	/* local number */
	uint32_t chunk; /* in dir */
	uint32_t block; /* in dir */
	void *entry[8]; /* private */
};

/*
 * repo_locate - find one place of a chunk. Any thread.
 *
 *   skip  how many places to pass over: 0 for the first
 *
 *   BC_ENOTFOUND  there is none (or no more)
 *   BC_EDAMAGE    a pack that should have it cannot be read
 */
BC_MUST_CHECK enum bc_err repo_locate(struct repo *r, const struct digest *id,
				      unsigned skip, struct chunk_place *out,
				      struct err *e);
void chunk_place_put(struct repo *r, struct chunk_place *p);

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

/* chunk_node_source - for the readers of trees and contents. */
struct node_source chunk_node_source(struct chunk_reader *c);

#endif
