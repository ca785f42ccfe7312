/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks through zstd: round trips of all shapes and levels, what is refused
 * as not worth it, and every kind of frame that must not be accepted, made
 * with libzstd itself or by changing bytes.
 */
#include "codec/zstd.h"

#include <zstd.h>

#include "tests/unit/t.h"

enum { MAX = 4 << 20 };

static uint8_t *plain, *frame, *back;
static struct codec_enc *enc;
static struct codec_dec *dec;

/* Words of a small vocabulary: compresses about as source text does. */
static void fill_text(uint64_t *s, uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		uint64_t word = t_rng(s) % 500, v = word;
		size_t len = 2 + t_rng(&v) % 9;

		for (size_t i = 0; i < len && at < n; i++)
			p[at++] = (uint8_t)('a' + t_rng(&v) % 26);
		if (at < n)
			p[at++] = t_rng(s) % 8 == 0 ? '\n' : ' ';
	}
}

static size_t compress_ok(int level, size_t n)
{
	struct err e = ERR_INIT;
	size_t len = 0;

	CHECK_OK(codec_compress(enc, level, bytes_of(plain, n), frame, MAX,
				&len, &e),
		 &e);
	CHECK(len > 0 && len <= n - n / 32);
	return len;
}

static void check_refused(struct bytes in, size_t plain_len)
{
	struct err e = ERR_INIT;

	CHECK_EQ(codec_decompress(dec, in, back, plain_len, &e), BC_EDAMAGE);
	CHECK(e.text[0] != '\0');
}

static void test_round_trip(void)
{
	static const size_t sizes[] = {
		40,    255,    256,    257,    1000,   65535,	65536,	 65791,
		65792, 131072, 262143, 262144, 262145, 1 << 20, MAX - 1, MAX,
	};
	uint64_t s = 1;

	fill_text(&s, plain, MAX);
	memset(plain, 'x', 40); /* so that the shortest can shrink */
	for (int level = 1; level <= 7; level++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct err e = ERR_INIT;
			size_t n = sizes[i], len = compress_ok(level, n);

			memset(back, 0xee, n + 1);
			CHECK_OK(codec_decompress(dec, bytes_of(frame, len),
						  back, n, &e),
				 &e);
			CHECK(memcmp(back, plain, n) == 0);
			CHECK_EQ(back[n], 0xee);
			CHECK_OK(codec_verify(dec, bytes_of(frame, len),
					      bytes_of(plain, n), &e),
				 &e);
			/* What any zstd can read, and states its length. */
			CHECK(ZSTD_getFrameContentSize(frame, len) == n);
			CHECK(ZSTD_getDictID_fromFrame(frame, len) == 0);
			CHECK(ZSTD_decompress(back, n, frame, len) == n);
			CHECK(memcmp(back, plain, n) == 0);
		}
	}
}

/* The context remembers its level: no block may see that of another. */
static void test_levels_do_not_mix(void)
{
	static const int levels[] = { 1, 3, 9, 19, -5, 0, 100, 1 };
	enum { N = 100000 };
	uint64_t s = 2;
	size_t first[8], len;

	fill_text(&s, plain, N);
	for (size_t i = 0; i < 8; i++)
		first[i] = compress_ok(levels[i], N);
	CHECK_EQ(first[0], first[7]);
	CHECK_EQ(first[0], first[4]);
	CHECK_EQ(first[0], first[5]);
	CHECK_EQ(first[3], first[6]);
	CHECK(first[3] < first[2] && first[2] < first[0]);
	(void)compress_ok(1, MAX);
	len = compress_ok(1, N);
	CHECK_EQ(len, first[0]);
}

static void test_not_worth_it(void)
{
	struct err e = ERR_INIT;
	uint64_t s = 3;
	size_t n = 77, len;

	t_fill(&s, plain, 300000);
	for (size_t size = 1; size <= 300000; size = size * 3 + 1) {
		CHECK_EQ(codec_compress(enc, 1, bytes_of(plain, size), frame,
					MAX, &n, &e),
			 BC_EFULL);
		CHECK_EQ(n, 77);
		CHECK_EQ(e.code, BC_OK);
	}
	/* Compressible, but not into so little; and exactly into enough. */
	fill_text(&s, plain, 50000);
	len = compress_ok(1, 50000);
	CHECK_EQ(codec_compress(enc, 1, bytes_of(plain, 50000), frame, len / 2,
				&n, &e),
		 BC_EFULL);
	CHECK_EQ(codec_compress(enc, 1, bytes_of(plain, 50000), frame, 0, &n,
				&e),
		 BC_EFULL);
	/* Nothing beyond cap is written. */
	memset(frame, 0xcc, MAX);
	CHECK_EQ(codec_compress(enc, 1, bytes_of(plain, 50000), frame,
				len - 200, &n, &e),
		 BC_EFULL);
	for (size_t i = len - 200; i < len + 1000; i++)
		CHECK_EQ(frame[i], 0xcc);
	/* And the context is as good as new. */
	CHECK_EQ(compress_ok(1, 50000), len);
}

static void test_arguments(void)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	CHECK_EQ(codec_compress(enc, 1, bytes_of(plain, 0), frame, MAX, &n, &e),
		 BC_EINVAL);
	CHECK_EQ(codec_compress(enc, 1,
				bytes_of(plain, (size_t)CODEC_PLAIN_MAX + 1),
				frame, MAX, &n, &e),
		 BC_EINVAL);
	CHECK_EQ(codec_decompress(dec, bytes_of(frame, 10), back, 0, &e),
		 BC_EINVAL);
	CHECK_EQ(codec_decompress(dec, bytes_of(frame, 10), back,
				  (size_t)CODEC_PLAIN_MAX + 1, &e),
		 BC_EINVAL);
	CHECK_EQ(codec_verify(dec, bytes_of(frame, 10), bytes_of(plain, 0), &e),
		 BC_EINVAL);
	CHECK_EQ(codec_verify(dec, bytes_of(frame, 10),
			      bytes_of(plain, (size_t)CODEC_PLAIN_MAX + 1), &e),
		 BC_EINVAL);
	codec_enc_free(NULL);
	codec_dec_free(NULL);
}

static void test_length_must_match(void)
{
	uint64_t s = 4;
	size_t len;

	fill_text(&s, plain, 70000);
	len = compress_ok(1, 70000);
	check_refused(bytes_of(frame, len), 69999);
	check_refused(bytes_of(frame, len), 70001);
	check_refused(bytes_of(frame, len), 1);
	check_refused(bytes_of(frame, len), CODEC_PLAIN_MAX);
}

static void test_truncated_and_trailing(void)
{
	uint64_t s = 5;
	size_t len;

	fill_text(&s, plain, 3000);
	len = compress_ok(1, 3000);
	for (size_t n = 0; n < len; n++) {
		/* An exact allocation, so that a read beyond is seen. */
		uint8_t *p = malloc(n + 1);

		CHECK(p != NULL);
		memcpy(p, frame, n);
		check_refused(bytes_of(p, n), 3000);
		free(p);
	}
	frame[len] = 0;
	check_refused(bytes_of(frame, len + 1), 3000);
	memcpy(frame + len, frame, len);
	check_refused(bytes_of(frame, 2 * len), 3000);
	check_refused(bytes_of(frame, 2 * len), 6000);
	/* A skippable frame before or behind. */
	memcpy(frame + len, "\x50\x2a\x4d\x18\0\0\0\0", 8);
	check_refused(bytes_of(frame, len + 8), 3000);
	memmove(frame + 8, frame, len);
	memcpy(frame, "\x50\x2a\x4d\x18\0\0\0\0", 8);
	check_refused(bytes_of(frame, len + 8), 3000);
}

/* One frame of n plain bytes by libzstd with a parameter of its own. */
static size_t foreign(size_t n, ZSTD_cParameter p, int value, size_t pledged)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = { plain, n, 0 };
	ZSTD_outBuffer out = { frame, MAX, 0 };

	CHECK(c != NULL);
	CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, p, value)));
	if (pledged != 0)
		CHECK(!ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c, pledged)));
	/* In two steps, so that libzstd does not learn the length by itself. */
	CHECK(!ZSTD_isError(
		ZSTD_compressStream2(c, &out, &in, ZSTD_e_continue)));
	while (ZSTD_compressStream2(c, &out, &in, ZSTD_e_end) != 0)
		continue;
	ZSTD_freeCCtx(c);
	return out.pos;
}

static void test_foreign_frames(void)
{
	struct err e = ERR_INIT;
	uint64_t s = 6;
	size_t len;

	fill_text(&s, plain, MAX);
	len = foreign(50000, ZSTD_c_checksumFlag, 1, 50000);
	check_refused(bytes_of(frame, len), 50000);
	len = foreign(50000, ZSTD_c_compressionLevel, 1, 0);
	check_refused(bytes_of(frame, len), 50000);
	len = foreign(50000, ZSTD_c_contentSizeFlag, 0, 50000);
	check_refused(bytes_of(frame, len), 50000);
	/* A window below the length: not one segment, but fine. */
	len = foreign(MAX, ZSTD_c_windowLog, 17, MAX);
	CHECK((frame[4] & 0x20) == 0);
	CHECK_OK(codec_decompress(dec, bytes_of(frame, len), back, MAX, &e),
		 &e);
	CHECK(memcmp(back, plain, MAX) == 0);
	/* The same asking for 8 MiB, for more, for 2^41. */
	frame[5] = (23 - 10) << 3;
	CHECK_OK(codec_decompress(dec, bytes_of(frame, len), back, MAX, &e),
		 &e);
	frame[5] = (23 - 10) << 3 | 1;
	check_refused(bytes_of(frame, len), MAX);
	frame[5] = (24 - 10) << 3;
	check_refused(bytes_of(frame, len), MAX);
	frame[5] = 0xff;
	check_refused(bytes_of(frame, len), MAX);
}

/* A few bytes that decode to a lot: 8 MiB from a single repeated byte. */
static void test_bomb(void)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	enum { BIG = 9 << 20 };
	uint8_t *big = calloc(1, BIG), out[4096];
	size_t len;

	CHECK(c != NULL && big != NULL);
	len = ZSTD_compress2(c, out, sizeof(out), big, BIG);
	CHECK(!ZSTD_isError(len));
	check_refused(bytes_of(out, len), 100);
	check_refused(bytes_of(out, len), CODEC_PLAIN_MAX);
	free(big);
	ZSTD_freeCCtx(c);
}

/* Changed bytes give an error or other bytes, never a write out of bounds,
 * and codec_verify() always sees them. */
static void test_flips(void)
{
	enum { N = 2000 };
	uint64_t s = 7;
	uint8_t *exact = malloc(N);
	size_t len, refused = 0;

	CHECK(exact != NULL);
	fill_text(&s, plain, N);
	len = compress_ok(1, N);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct err e = ERR_INIT;
		enum bc_err rc;

		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = codec_decompress(dec, bytes_of(frame, len), exact, N, &e);
		CHECK(rc == BC_OK || rc == BC_EDAMAGE);
		refused += rc != BC_OK;
		rc = codec_verify(dec, bytes_of(frame, len), bytes_of(plain, N),
				  &e);
		/* A bit may be padding that nothing depends on. */
		CHECK(rc == BC_EDAMAGE || memcmp(exact, plain, N) == 0);
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(refused > 0);
	for (int i = 0; i < 3000; i++) {
		uint8_t junk[64];
		struct err e = ERR_INIT;
		size_t n = t_rng(&s) % sizeof(junk);

		t_fill(&s, junk, sizeof(junk));
		memcpy(junk, frame, 5 + t_rng(&s) % 10);
		(void)!codec_decompress(dec, bytes_of(junk, n), exact, N, &e);
	}
	free(exact);
}

static void test_verify_differs(void)
{
	struct err e = ERR_INIT;
	uint64_t s = 8;
	size_t len;

	fill_text(&s, plain, 9000);
	len = compress_ok(1, 9000);
	for (size_t at = 0; at < 9000; at += 999) {
		plain[at] ^= 1;
		CHECK_EQ(codec_verify(dec, bytes_of(frame, len),
				      bytes_of(plain, 9000), &e),
			 BC_EDAMAGE);
		plain[at] ^= 1;
	}
	CHECK_OK(codec_verify(dec, bytes_of(frame, len), bytes_of(plain, 9000),
			      &e),
		 &e);
	CHECK_EQ(codec_verify(dec, bytes_of(frame, len), bytes_of(plain, 8999),
			      &e),
		 BC_EDAMAGE);
}

/* The figures that the header promises. */
static void test_memory(void)
{
	struct err e = ERR_INIT;
	struct codec_enc *c = NULL;
	struct codec_dec *d = NULL;
	uint64_t s = 9;
	size_t n, small;

	fill_text(&s, plain, MAX);
	CHECK_OK(codec_enc_new(&c, &e), &e);
	CHECK_OK(codec_dec_new(&d, &e), &e);
	CHECK_OK(codec_compress(c, 1, bytes_of(plain, 256 << 10), frame, MAX,
				&n, &e),
		 &e);
	small = codec_enc_memory(c);
	CHECK(small <= 700 << 10);
	CHECK_OK(codec_verify(d, bytes_of(frame, n), bytes_of(plain, 256 << 10),
			      &e),
		 &e);
	for (int i = 0; i < 20; i++)
		CHECK_OK(codec_compress(c, 1, bytes_of(plain, 256 << 10), frame,
					MAX, &n, &e),
			 &e);
	CHECK_EQ(codec_enc_memory(c), small);
	CHECK_OK(codec_compress(c, 1, bytes_of(plain, MAX), frame, MAX, &n, &e),
		 &e);
	CHECK(codec_enc_memory(c) <= 700 << 10);
	CHECK_OK(codec_compress(c, 3, bytes_of(plain, MAX), frame, MAX, &n, &e),
		 &e);
	CHECK(codec_enc_memory(c) <= 3 << 19);
	CHECK_OK(
		codec_compress(c, 19, bytes_of(plain, MAX), frame, MAX, &n, &e),
		&e);
	CHECK(codec_enc_memory(c) <= 60 << 20);
	printf("memory: level 1, 256 KiB: %zu; level 19, 4 MiB: %zu\n", small,
	       codec_enc_memory(c));
	codec_enc_free(c);
	codec_dec_free(d);
}

int main(void)
{
	struct err e = ERR_INIT;

	plain = malloc((size_t)CODEC_PLAIN_MAX + 1);
	frame = malloc(MAX);
	back = malloc((size_t)CODEC_PLAIN_MAX + 1);
	CHECK(plain != NULL && frame != NULL && back != NULL);
	CHECK_OK(codec_enc_new(&enc, &e), &e);
	CHECK_OK(codec_dec_new(&dec, &e), &e);
	RUN(test_round_trip);
	RUN(test_levels_do_not_mix);
	RUN(test_not_worth_it);
	RUN(test_arguments);
	RUN(test_length_must_match);
	RUN(test_truncated_and_trailing);
	RUN(test_foreign_frames);
	RUN(test_bomb);
	RUN(test_flips);
	RUN(test_verify_differs);
	RUN(test_memory);
	codec_enc_free(enc);
	codec_dec_free(dec);
	free(plain);
	free(frame);
	free(back);
	return 0;
}
