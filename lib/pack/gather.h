/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/gather - chunks on their way into one block, and the block sealed.
 *
 * Neighbouring small chunks share a block: better compression, fewer reads.
 * A gather belongs to one thread, is allocated once and used again and again.
 */
#ifndef BC_PACK_GATHER_H
#define BC_PACK_GATHER_H

#include "pack/format.h"

struct codec_enc;
struct codec_dec;

struct gather {
	enum block_kind kind;
	size_t target; /* data bytes at which a block is full */
	size_t cap;    /* data bytes that fit */
	size_t data;   /* data bytes held */
	size_t chunks;
	uint8_t *mem; /* room for the length table, then the data */
	uint32_t *lengths;
	struct digest *ids;
};

/*
 * gather_init
 *   target     data bytes of a full block
 *   chunk_max  the largest chunk; a chunk beyond target gets its own block
 */
BC_MUST_CHECK enum bc_err gather_init(struct gather *g, enum block_kind kind,
				      size_t target, size_t chunk_max,
				      struct err *e);
void gather_fini(struct gather *g);

/* gather_fits - may this chunk join, or must the block be sealed first? An
 * empty gather takes any chunk of at most chunk_max. */
bool gather_fits(const struct gather *g, size_t len);

/* gather_add - take one chunk that fits; bytes and id are copied. */
void gather_add(struct gather *g, const struct digest *id, struct bytes chunk);

/* gather_clear - forget what is held. */
void gather_clear(struct gather *g);

/* How blocks are sealed. One per thread. */
struct sealer {
	struct codec_enc *enc;
	struct codec_dec *dec;
	int level; /* 0: store raw */
	uint8_t *out;
	size_t cap;
};

BC_MUST_CHECK enum bc_err sealer_init(struct sealer *s, int level,
				      size_t plain_max, struct err *e);
void sealer_fini(struct sealer *s);

/* A sealed block; everything borrowed from the sealer and the gather. */
struct sealed_block {
	struct block_head head; /* first_slot 0 */
	struct bytes stored;
	const uint32_t *lengths;
	const struct digest *ids;
};

/*
 * sealer_seal - compress what the gather holds, decode and compare it, and
 * make its header. Valid until the next call or until the gather changes.
 *
 *   BC_EDAMAGE  the decoded block differs: memory or compressor is faulty
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err sealer_seal(struct sealer *s, struct gather *g,
				      struct sealed_block *out, struct err *e);

/*
 * sealer_seal_raw - the next few of the gather's chunks as they are, in a block
 * of their own. For what does not compress: gathering gains nothing then, and
 * a small block costs a reader less.
 *
 *   first  of the chunks to be stored; b->head.chunks says how many were
 */
void sealer_seal_raw(struct sealer *s, const struct gather *g, size_t first,
		     struct sealed_block *out);

/* sealer_seal_plain - the same for a directory or a record: no chunks. */
BC_MUST_CHECK enum bc_err
sealer_seal_plain(struct sealer *s, enum block_kind kind, struct bytes plain,
		  struct sealed_block *out, struct err *e);

#endif
