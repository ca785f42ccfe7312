/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/writer - sealed blocks in, a row of packs out.
 *
 * A writer fills one pack after another. The beginning of each stays in a
 * buffer: a file is made only when that is full, so that what is small can
 * still travel in a log group instead (pack_writer_take). Nothing is durable
 * until pack_writer_finish() has succeeded and the packs' folder is synced.
 *
 * One thread at a time; the caller serialises.
 */
#ifndef BC_PACK_WRITER_H
#define BC_PACK_WRITER_H

#include "pack/flusher.h"
#include "pack/gather.h"
#include "util/clock.h"
#include "util/rng.h"

struct pack_writer;

struct pack_writer_options {
	struct io_dir *dir;	 /* packs/; outlives the writer */
	struct flusher *flusher; /* outlives the writer */
	struct rng rng;
	struct clock clock;
	struct pack_id repo;
	struct pack_id session;
	enum pack_kind kind;
	uint16_t placement;
	uint64_t target; /* bytes of a pack */
};

/* A pack that is whole. */
struct pack_made {
	struct pack_id id;
	enum pack_kind kind;
	uint16_t placement;
	uint64_t length;
	uint32_t chunks;
	uint32_t blocks;
	uint64_t plain;
	struct digest directory;
	struct pack_dir *dir; /* decoded; the taker frees it */
	struct flush_file *file;
	struct pack_made *next;
};

/* Blocks that never became a pack: the bytes from the first block's header
 * on, and their directory, with offsets from PACK_HEAD_BYTES and slots from 0.
 * Borrowed from the writer until its next call. */
struct pack_pending {
	const uint8_t *raw;
	size_t n;
	const struct dir_builder *dir;
};

BC_MUST_CHECK enum bc_err pack_writer_new(const struct pack_writer_options *o,
					  struct pack_writer **out,
					  struct err *e);

/* pack_writer_free - packs that were not taken are abandoned and their files
 * removed. NULL is fine. */
void pack_writer_free(struct pack_writer *w);

/*
 * pack_writer_append - accept one block with its chunks; copied.
 *
 *   BC_OK   accepted, not yet durable
 *   others  the writer can only be freed
 *
 * May wait for buffers, that is for the device.
 */
BC_MUST_CHECK enum bc_err pack_writer_append(struct pack_writer *w,
					     const struct sealed_block *b,
					     struct err *e);

/* pack_writer_take - what is pending in memory alone; n is 0 if nothing is, if
 * the pack has become a file, or if packs before it are to be finished. */
struct pack_pending pack_writer_take(const struct pack_writer *w);

/* pack_writer_drop_pending - after what pack_writer_take() gave has been
 * committed elsewhere. */
void pack_writer_drop_pending(struct pack_writer *w);

/*
 * pack_writer_finish - seal the open pack, if any, and wait until every pack
 * is durable.
 *
 *   made  [out] list of packs since the last call, the caller's: end each
 *	   with pack_made_free(); its `file` is NULL
 */
BC_MUST_CHECK enum bc_err pack_writer_finish(struct pack_writer *w,
					     struct pack_made **made,
					     struct err *e);

void pack_made_free(struct pack_made *m);

/* pack_made_unlink - remove the file of a pack that no group can name. */
void pack_made_unlink(const struct pack_made *m, struct io_dir *dir);

/* pack_name - "ID.pack" in hex. */
enum { PACK_NAME_BYTES = 38 };
void pack_name(const struct pack_id *id, char out[PACK_NAME_BYTES]);

#endif
