/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/zstd.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "util/le.h"

enum {
	WINDOW_LOG_MAX = 23,
	BLOCK_SMALL = 528 << 10, /* 512 KiB and a table of lengths */
};

_Static_assert(CODEC_PLAIN_MAX == 1 << WINDOW_LOG_MAX,
	       "a frame that is one segment has a window of its length");

/* ---- compress ------------------------------------------------------------ */

struct codec_enc {
	ZSTD_CCtx *z;
	int level; /* that z is set to; 0: none */
	bool small;
};

enum bc_err codec_enc_new(struct codec_enc **out, struct err *e)
{
	struct codec_enc *enc = calloc(1, sizeof(*enc));

	if (enc != NULL)
		enc->z = ZSTD_createCCtx();
	if (enc == NULL || enc->z == NULL) {
		free(enc);
		return err_set(e, BC_ENOMEM, "no memory for a compressor");
	}
	*out = enc;
	return BC_OK;
}

void codec_enc_free(struct codec_enc *enc)
{
	if (enc == NULL)
		return;
	ZSTD_freeCCtx(enc->z);
	free(enc);
}

size_t codec_enc_memory(const struct codec_enc *enc)
{
	return sizeof(*enc) + ZSTD_sizeof_CCtx(enc->z);
}

/*
 * Level 1 is not libzstd's, whose tables are made for long streams. Against
 * that one in blocks of 256 KiB, on a kernel source tree: 3 % smaller at 91 %
 * of its speed in the same blocks, 5 % smaller at 95 % in blocks of 512 KiB,
 * which is what a repository uses; with the larger tables 7 % smaller at 91 %
 * in blocks of 1 MiB. Two
 * hash tables, for matches of 8 and of 5 bytes, small enough for L1 and L2
 * and to be cleared for each block (tests/bench/bench_codec.c, `sets`).
 */
static const struct {
	ZSTD_cParameter name;
	int small, large;
} level_one[] = {
	{ ZSTD_c_windowLog, 19, 22 },
	{ ZSTD_c_hashLog, 14, 15 },
	{ ZSTD_c_chainLog, 12, 12 },
	{ ZSTD_c_searchLog, 1, 1 },
	{ ZSTD_c_minMatch, 5, 5 },
	{ ZSTD_c_targetLength, 0, 0 },
	{ ZSTD_c_strategy, ZSTD_dfast, ZSTD_dfast },
};

/* level_set - parameters for a level and a class of block sizes; they stay in
 * the context, so this costs nothing from block to block. */
static size_t level_set(struct codec_enc *enc, int level, bool small)
{
	size_t r;

	if (enc->level == level && enc->small == small)
		return 0;
	enc->level = 0;
	r = ZSTD_CCtx_reset(enc->z, ZSTD_reset_session_and_parameters);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(enc->z, ZSTD_c_compressionLevel,
					   level);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(enc->z, ZSTD_c_contentSizeFlag, 1);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(enc->z, ZSTD_c_checksumFlag, 0);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(enc->z, ZSTD_c_dictIDFlag, 0);
	for (size_t i = 0; level == 1 && !ZSTD_isError(r) &&
			   i < sizeof(level_one) / sizeof(level_one[0]);
	     i++)
		r = ZSTD_CCtx_setParameter(enc->z, level_one[i].name,
					   small ? level_one[i].small
						 : level_one[i].large);
	if (ZSTD_isError(r))
		return r;
	enc->level = level;
	enc->small = small;
	return 0;
}

enum bc_err codec_compress(struct codec_enc *enc, int level, struct bytes in,
			   uint8_t *out, size_t cap, size_t *n, struct err *e)
{
	size_t most = in.n - in.n / 32, r;

	if (in.n == 0 || in.n > CODEC_PLAIN_MAX)
		return err_set(e, BC_EINVAL,
			       "cannot compress a block of %zu bytes", in.n);
	if (level < CODEC_LEVEL_MIN)
		level = CODEC_LEVEL_MIN;
	if (level > CODEC_LEVEL_MAX)
		level = CODEC_LEVEL_MAX;
	if (most > cap)
		most = cap;
	r = level_set(enc, level, in.n <= BLOCK_SMALL);
	if (!ZSTD_isError(r))
		r = ZSTD_compress2(enc->z, out, most, in.p, in.n);
	if (!ZSTD_isError(r)) {
		*n = r;
		return BC_OK;
	}
	if (ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall)
		return BC_EFULL;
	if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
		return err_set(e, BC_ENOMEM, "no memory to compress a block");
	return err_set(e, BC_EINVAL, "zstd: %s", ZSTD_getErrorName(r));
}

/* ---- decompress ---------------------------------------------------------- */

struct codec_dec {
	ZSTD_DCtx *z;
	uint8_t *scratch; /* for codec_verify() */
	size_t cap;
};

enum bc_err codec_dec_new(struct codec_dec **out, struct err *e)
{
	struct codec_dec *dec = calloc(1, sizeof(*dec));

	if (dec != NULL)
		dec->z = ZSTD_createDCtx();
	if (dec == NULL || dec->z == NULL) {
		free(dec);
		return err_set(e, BC_ENOMEM, "no memory for a decompressor");
	}
	*out = dec;
	return BC_OK;
}

void codec_dec_free(struct codec_dec *dec)
{
	if (dec == NULL)
		return;
	ZSTD_freeDCtx(dec->z);
	free(dec->scratch);
	free(dec);
}

static enum bc_err damaged(struct err *e, const char *what)
{
	return err_set(e, BC_EDAMAGE, "compressed block: %s", what);
}

/*
 * frame_check - whether in is one frame as we write them, before libzstd
 * allocates or writes anything for it.
 *
 * The header by RFC 8878, 3.1.1.1: magic, descriptor (content size flag 7-6,
 * single segment 5, unused 4, reserved 3, checksum 2, dictionary id 1-0), the
 * window unless it is one segment, the content size.
 */
static enum bc_err frame_check(struct bytes in, size_t plain_len, struct err *e)
{
	static const uint8_t size_bytes[] = { 0, 2, 4, 8 };
	unsigned char flags;
	size_t at = 5, n;
	uint64_t size;
	bool single;

	if (in.n < at || le_get32(in.p) != ZSTD_MAGICNUMBER)
		return damaged(e, "no frame");
	flags = in.p[4];
	if ((flags & 0x0f) != 0)
		return damaged(e, "a frame of another kind");
	single = (flags & 0x20) != 0;
	n = size_bytes[flags >> 6];
	if (single && n == 0)
		n = 1;
	if (n == 0 || in.n < at + !single + n)
		return damaged(e, "a frame without its length");
	if (!single) {
		unsigned log = 10 + (in.p[at] >> 3);
		unsigned eighths = in.p[at] & 7;

		if (log > WINDOW_LOG_MAX ||
		    (log == WINDOW_LOG_MAX && eighths != 0))
			return damaged(e, "the window is too large");
		at++;
	}
	size = n == 1	? in.p[at]
	       : n == 2 ? le_get16(in.p + at) + UINT64_C(256)
	       : n == 4 ? le_get32(in.p + at)
			: le_get64(in.p + at);
	if (size != plain_len)
		return damaged(e, "another length than recorded");
	/* Walks the headers of the blocks inside: two for 256 KiB. */
	n = ZSTD_findFrameCompressedSize(in.p, in.n);
	if (ZSTD_isError(n))
		return damaged(e, ZSTD_getErrorName(n));
	if (n != in.n)
		return damaged(e, "bytes after the frame");
	return BC_OK;
}

enum bc_err codec_decompress(struct codec_dec *dec, struct bytes in,
			     uint8_t *out, size_t plain_len, struct err *e)
{
	enum bc_err rc;
	size_t r;

	if (plain_len == 0 || plain_len > CODEC_PLAIN_MAX)
		return err_set(e, BC_EINVAL,
			       "cannot decompress a block of %zu bytes",
			       plain_len);
	rc = frame_check(in, plain_len, e);
	if (rc != BC_OK)
		return rc;
	r = ZSTD_decompressDCtx(dec->z, out, plain_len, in.p, in.n);
	if (ZSTD_isError(r)) {
		if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
			return err_set(e, BC_ENOMEM,
				       "no memory to decompress a block");
		return damaged(e, ZSTD_getErrorName(r));
	}
	return r == plain_len ? BC_OK : damaged(e, "fewer bytes than recorded");
}

enum bc_err codec_verify(struct codec_dec *dec, struct bytes in,
			 struct bytes plain, struct err *e)
{
	enum bc_err rc;

	if (plain.n > CODEC_PLAIN_MAX)
		return err_set(e, BC_EINVAL,
			       "cannot verify a block of %zu bytes", plain.n);
	/* The same memory for every block: one of 256 KiB is decoded and
	 * compared without leaving L2. */
	if (dec->cap < plain.n) {
		uint8_t *p = malloc(plain.n);

		if (p == NULL)
			return err_set(e, BC_ENOMEM,
				       "no memory to verify a block");
		free(dec->scratch);
		dec->scratch = p;
		dec->cap = plain.n;
	}
	rc = codec_decompress(dec, in, dec->scratch, plain.n, e);
	if (rc != BC_OK)
		return rc;
	if (memcmp(dec->scratch, plain.p, plain.n) != 0)
		return damaged(e, "decodes to other bytes");
	return BC_OK;
}
