/* SPDX-License-Identifier: Apache-2.0 */
/* pack/open - stored bytes of a block back to plain ones, checked. Pure. */
#ifndef BC_PACK_OPEN_H
#define BC_PACK_OPEN_H

#include "pack/block.h"
#include "util/buf.h"

struct codec_dec;

/* block_check - do the stored bytes match the header's checksum? BC_EDAMAGE
 * if not. */
BC_MUST_CHECK enum bc_err block_check(const struct block_head *h,
				      struct bytes stored, struct err *e);

/*
 * block_open - check and decode.
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

#endif
