/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/verifier - stored bytes of many blocks to chunks that are what their
 * ids say.
 *
 *	verifier_fits(v, b)		else run, take, clear first
 *	verifier_open(v, b, raw, &plain, e)
 *	verifier_add(v, plain, start, length, id, e)
 *	...				more chunks, more blocks
 *	verifier_run(v)
 *	verifier_take(v, i, &chunk)	the i-th that was added
 *	verifier_clear(v)
 *
 * Blocks are opened one after the other and stay open, so that the chunks of
 * all of them are hashed together, which the lanes of the hash want. Where
 * bytes come from, and what becomes of a block or a chunk that is not right,
 * is the caller's. Who wants a single chunk of a block has pack_dir_chunk().
 *
 * A verifier belongs to one thread. It takes memory when it first needs it.
 */
#ifndef BC_PACK_VERIFIER_H
#define BC_PACK_VERIFIER_H

#include "hash/sha256.h"
#include "pack/open.h"

struct verified {
	const struct digest *want;
	struct digest got;
};

struct verifier {
	struct codec_dec *dec; /* the caller may use it too */
	size_t n;	       /* chunks added */
	/* Private. */
	bool keeps;
	size_t room;
	uint8_t *plain;
	size_t used, cap;
	struct sha256_job *jobs;
	struct verified *chunks;
	size_t cap_chunks;
};

/*
 * verifier_init
 *   room   plain bytes of blocks that may be open together; of a single block
 *	    any number
 *   keeps  the raw bytes of a block are gone before verifier_run()
 *
 * After a failure verifier_fini() is harmless, as it is on one of all zeros.
 */
BC_MUST_CHECK enum bc_err verifier_init(struct verifier *v, size_t room,
					bool keeps, struct err *e);
void verifier_fini(struct verifier *v);

/* verifier_fits - is there room for one block more? */
bool verifier_fits(const struct verifier *v, const struct dir_block *b);

/*
 * verifier_open - block_open_in() into the verifier.
 *
 *   raw    borrowed until verifier_clear(), unless it keeps
 *   plain  [out] good until then
 *
 *   BC_EFULL  it does not fit; nor does any other failure change anything
 */
BC_MUST_CHECK enum bc_err verifier_open(struct verifier *v,
					const struct dir_block *b,
					struct bytes raw, struct bytes *plain,
					struct err *e);

/*
 * verifier_add - a chunk of an open block is to be verified.
 *   id  borrowed until verifier_clear()
 *   BC_EDAMAGE  the block is not that long
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err verifier_add(struct verifier *v, struct bytes plain,
				       uint64_t start, uint64_t length,
				       const struct digest *id, struct err *e);

/* verifier_run - hash all that was added. */
void verifier_run(struct verifier *v);

/* verifier_take - chunk i, in the order of adding; false if it is not what its
 * id says. After verifier_run(), until verifier_clear(). */
bool verifier_take(const struct verifier *v, size_t i, struct bytes *out);

/* verifier_clear - no block is open any more. */
void verifier_clear(struct verifier *v);

#endif
