/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec/zstd - compress and decompress one block at a time.
 *
 * A block becomes exactly one zstd frame that states its plain length and has
 * neither checksum nor dictionary: the pack has a checksum over the stored
 * bytes, and the chunks their ids. Contexts are made once and used for any
 * number of blocks, by one thread at a time.
 *
 * The only user of <zstd.h>.
 */
#ifndef BC_CODEC_ZSTD_H
#define BC_CODEC_ZSTD_H

#include "util/bytes.h"
#include "util/err.h"

/* How a block is stored; on disk, never renumbered. */
enum codec_id {
	CODEC_RAW = 0,
	CODEC_ZSTD = 1,
};

enum {
	CODEC_LEVEL_MIN = 1,
	CODEC_LEVEL_MAX = 19,
	CODEC_LEVEL_DEFAULT = 1,
	/* Neither side handles larger blocks, and no frame may ask for a
	 * larger window than 2^23. */
	CODEC_PLAIN_MAX = 8 << 20,
};

struct codec_enc;
struct codec_dec;

/* codec_enc_new - a compressor. BC_ENOMEM. */
BC_MUST_CHECK enum bc_err codec_enc_new(struct codec_enc **out, struct err *e);
void codec_enc_free(struct codec_enc *enc);

/*
 * codec_enc_memory - bytes that enc holds now. Grows with the level and the
 * size of the blocks it has seen, then stays: at level 1 below 0.7 MiB, at
 * level 3 below 1.5 MiB, at level 19 below 60 MiB for blocks of 4 MiB.
 */
size_t codec_enc_memory(const struct codec_enc *enc);

/*
 * codec_compress - one block into one frame, if that is worth it.
 *
 *   level  CODEC_LEVEL_MIN to CODEC_LEVEL_MAX; others are brought into range.
 *	    1 is a set of our own, the others are libzstd's
 *   in     1 byte to CODEC_PLAIN_MAX; borrowed until return
 *   out    cap bytes, may be written to whatever the result
 *   n      [out] length of the frame; untouched unless BC_OK
 *
 *   BC_EFULL   no frame of at most cap and in.n - in.n / 32 bytes: store the
 *	        block raw. An answer and no failure: e is untouched
 *   BC_EINVAL  in.n is 0 or above CODEC_PLAIN_MAX
 *   BC_ENOMEM  may be repeated
 *
 * The same input, level and zstd version give the same frame.
 */
BC_MUST_CHECK enum bc_err codec_compress(struct codec_enc *enc, int level,
					 struct bytes in, uint8_t *out,
					 size_t cap, size_t *n, struct err *e);

/* codec_dec_new - a decompressor. BC_ENOMEM. */
BC_MUST_CHECK enum bc_err codec_dec_new(struct codec_dec **out, struct err *e);
void codec_dec_free(struct codec_dec *dec);

/*
 * codec_decompress - one frame into exactly plain_len bytes.
 *
 *   in         the frame, all of it and nothing more
 *   out        plain_len bytes; their contents are undefined on failure
 *   plain_len  1 to CODEC_PLAIN_MAX
 *
 *   BC_EDAMAGE  not one whole frame as codec_compress() makes them: bad bytes,
 *	         another plain length, a checksum or dictionary asked for, a
 *	         window above CODEC_PLAIN_MAX, a second frame or trailing bytes
 *   BC_EINVAL   plain_len is out of range
 *   BC_ENOMEM
 *
 * Safe on hostile input. A frame can still decode to wrong bytes: the
 * caller compares the chunks' ids.
 */
BC_MUST_CHECK enum bc_err codec_decompress(struct codec_dec *dec,
					   struct bytes in, uint8_t *out,
					   size_t plain_len, struct err *e);

/*
 * codec_verify - decode a frame and compare it with the bytes it was made of.
 *
 * The results of codec_decompress(); BC_EDAMAGE also where a byte differs.
 */
BC_MUST_CHECK enum bc_err codec_verify(struct codec_dec *dec, struct bytes in,
				       struct bytes plain, struct err *e);

#endif
