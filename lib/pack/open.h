/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/open - stored bytes of a block back to plain ones, and these to chunks;
 * each step checked.
 */
#ifndef BC_PACK_OPEN_H
#define BC_PACK_OPEN_H

#include "pack/format.h"

struct codec_dec;
struct io_file;

/*
 * block_open - check and decode a block that no directory lists.
 *
 *   stored  h->stored bytes
 *   plain   [out] emptied, then h->plain bytes; its ceiling must allow them
 *
 *   BC_EDAMAGE  checksum, length or compressed bytes are wrong
 *   BC_EKEY     the block is sealed and there is no key
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err block_open(const struct block_head *h,
				     struct bytes stored, struct codec_dec *dec,
				     struct buf *plain, struct err *e);

/*
 * block_check_in - is this the block that a directory lists, and whole?
 *
 *   b    what the directory says of it
 *   raw  from its header on, b->stored bytes behind that; more is not looked at
 *
 *   BC_EDAMAGE  cut short, or header, directory and checksum disagree
 *   BC_EVERSION, BC_EKEY
 */
BC_MUST_CHECK enum bc_err block_check_in(const struct dir_block *b,
					 struct bytes raw, struct err *e);

/*
 * block_open_in - block_check_in(), and decode.
 *
 *   to     room for b->plain bytes
 *   plain  [out] b->plain bytes: in raw if they are stored so, else in `to`
 */
BC_MUST_CHECK enum bc_err block_open_in(const struct dir_block *b,
					struct bytes raw, struct codec_dec *dec,
					uint8_t *to, struct bytes *plain,
					struct err *e);

/* block_open_to - the same into a buffer, which is emptied first. */
BC_MUST_CHECK enum bc_err block_open_to(const struct dir_block *b,
					struct bytes raw, struct codec_dec *dec,
					struct buf *plain, struct err *e);

/*
 * block_read - block_open_to() out of an open pack or log.
 *   raw  scratch; its ceiling must allow header and stored bytes
 */
BC_MUST_CHECK enum bc_err block_read(struct io_file *f,
				     const struct dir_block *b,
				     struct codec_dec *dec, struct buf *raw,
				     struct buf *plain, struct err *e);

/*
 * pack_dir_chunk - chunk i of a directory out of its block's plain bytes,
 * verified by its id. BC_EDAMAGE.
 */
BC_MUST_CHECK enum bc_err pack_dir_chunk(const struct pack_dir *d, uint32_t i,
					 struct bytes plain, struct bytes *out,
					 struct err *e);

#endif
