/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunker against a slow reading of its definition: all kernels, any
 * division into windows, data made to be awkward; resynchronisation, natural
 * cuts, holes, the mean length. The oracle shares nothing with lib/chunk but
 * the text of its headers; even the table is made anew.
 */
#include <openssl/sha.h>

#include "chunk/chunker.h"
#include "chunk/gear.h"
#include "tests/unit/t.h"

enum { SEGS_MAX = 1 << 14 };

struct cuts {
	struct chunk_seg seg[SEGS_MAX];
	size_t n;
};

static struct cuts want_cuts, have_cuts;
static uint64_t table[256];

static void make_table(void)
{
	unsigned char text[15] = "blobctl gear64", md[SHA256_DIGEST_LENGTH];

	for (unsigned i = 0; i < 256; i++) {
		text[14] = (unsigned char)i;
		SHA256(text, sizeof(text), md);
		table[i] = 0;
		for (int b = 7; b >= 0; b--)
			table[i] = table[i] << 8 | md[b];
	}
}

static void test_table(void)
{
	for (int i = 0; i < 256; i++)
		CHECK(GEAR64[i] == table[i]);
}

/* ---- the oracle -----------------------------------------------------------
 */

/* Adds a segment; zero segments that touch are one. */
static void add(struct cuts *c, struct chunk_seg s)
{
	CHECK(s.len > 0);
	if (s.kind == CHUNK_SEG_ZERO && c->n > 0 &&
	    c->seg[c->n - 1].kind == CHUNK_SEG_ZERO) {
		c->seg[c->n - 1].len += s.len;
		return;
	}
	CHECK(c->n < SEGS_MAX);
	c->seg[c->n++] = s;
}

/* The length of the first chunk of a stretch of data with n bytes. */
static size_t slow_cut(const struct chunk_params *p, const uint8_t *b, size_t n,
		       bool *natural)
{
	size_t end = n < p->max ? n : p->max;
	int bits = 0;

	while (1u << bits < p->avg)
		bits++;
	*natural = false;
	for (size_t len = p->min; len <= end; len++) {
		int zero = bits + (len < p->avg / 16 * 13 ? 2 : -2);
		uint64_t h = 0;

		for (size_t k = 0; k < 64; k++)
			h += table[b[len - 1 - k]] << k;
		if (h >> (64 - zero) == 0) {
			*natural = b[len - 1] != 0;
			return len;
		}
	}
	return end;
}

static void slow_stretch(const struct chunk_params *p, const uint8_t *b,
			 size_t n, struct cuts *out)
{
	while (n > 0) {
		bool natural;
		size_t len = slow_cut(p, b, n, &natural);

		add(out, (struct chunk_seg){ (uint32_t)len, CHUNK_SEG_DATA,
					     natural });
		b += len;
		n -= len;
	}
}

static size_t run_at(const uint8_t *b, size_t i, size_t n)
{
	size_t j = i;

	while (j < n && b[j] == 0)
		j++;
	return j - i;
}

static void slow_cdc(const struct chunk_params *p, const uint8_t *b, size_t n,
		     struct cuts *out)
{
	size_t from = 0, i = 0;

	out->n = 0;
	while (i < n) {
		size_t zeros = run_at(b, i, n);

		if (zeros >= p->min) {
			slow_stretch(p, b + from, i - from, out);
			add(out, (struct chunk_seg){ (uint32_t)zeros,
						     CHUNK_SEG_ZERO, 0 });
			from = i + zeros;
		}
		i += zeros > 0 ? zeros : 1;
	}
	slow_stretch(p, b + from, n - from, out);
}

static void slow_fixed(const struct chunk_params *p, const uint8_t *b, size_t n,
		       struct cuts *out)
{
	out->n = 0;
	for (size_t i = 0; i < n; i += p->avg) {
		size_t len = n - i < p->avg ? n - i : p->avg;
		bool zero = len == p->avg && run_at(b, i, i + len) == len;

		add(out, (struct chunk_seg){
				 (uint32_t)len,
				 zero ? CHUNK_SEG_ZERO : CHUNK_SEG_DATA, 0 });
	}
}

/* ---- ours -----------------------------------------------------------------
 */

/*
 * Cuts b in windows whose growth comes from rng (NULL: all at once), asking
 * for a few segments at a time.
 */
static void cut(const struct chunker *c, const uint8_t *b, size_t n,
		uint64_t *rng, struct cuts *out)
{
	struct chunk_cursor cur = { 0 };
	size_t at = 0, have = rng != NULL ? 0 : n;
	uint64_t step = 1;

	/* some files byte by byte, so that windows end at every place */
	if (rng != NULL && t_rng(rng) % 4 != 0)
		step = 1 + t_rng(rng) % (2 * c->params.max);
	out->n = 0;
	while (at < n) {
		struct chunk_seg seg[8];
		size_t room = rng != NULL ? 1 + t_rng(rng) % 8 : 8;
		size_t used, sum = 0, k;

		k = chunker_next(c, &cur, bytes_of(b + at, have - at),
				 have == n, seg, room, &used);
		CHECK(k <= room);
		for (size_t i = 0; i < k; i++) {
			add(out, seg[i]);
			sum += seg[i].len;
		}
		CHECK_EQ(sum, used);
		at += used;
		CHECK_EQ(cur.offset, at);
		if (k > 0)
			continue;
		CHECK(have < n && have - at < chunker_need(c));
		have += 1 + t_rng(rng) % step;
		if (have > n)
			have = n;
	}
}

static void compare(const struct cuts *a, const struct cuts *b)
{
	CHECK_EQ(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		CHECK_EQ(a->seg[i].len, b->seg[i].len);
		CHECK_EQ(a->seg[i].kind, b->seg[i].kind);
		CHECK_EQ(a->seg[i].natural, b->seg[i].natural);
	}
}

/* ---- awkward data ---------------------------------------------------------
 */

enum shape {
	SHAPE_RANDOM,
	SHAPE_TEXT,
	SHAPE_ZEROS,	/* runs of lengths about min, between short data */
	SHAPE_PERIODIC, /* a period of a few bytes to a few KiB */
	SHAPE_SAME,	/* one byte, not zero */
	SHAPE_HITS,	/* copies of a window that hits, wherever it falls */
	SHAPE_SPARSE,	/* mostly zero, single bytes set */
	SHAPE_COUNT,
};

static void fill_text(uint64_t *s, uint8_t *p, size_t n)
{
	static const char *const words[] = { "the ",  "int ", "return ",
					     "for (", "\n\t", "size ",
					     "= ",    ";\n",  "struct ",
					     "if (" };

	for (size_t i = 0; i < n;) {
		const char *w = words[t_rng(s) % 10];

		for (; *w != '\0' && i < n; w++)
			p[i++] = (uint8_t)*w;
	}
}

static void fill_zeros(uint64_t *s, uint8_t *p, size_t n, size_t min)
{
	memset(p, 0, n);
	for (size_t i = 0; i < n;) {
		/* min - 2 to min + 2 zeros half of the time */
		size_t zeros = t_rng(s) % 2 != 0 ? min - 2 + t_rng(s) % 5
						 : t_rng(s) % (3 * min);
		size_t data = 1 + t_rng(s) % (t_rng(s) % 2 != 0 ? 4 : 2 * min);

		i += zeros;
		for (; data > 0 && i < n; data--, i++)
			p[i] = (uint8_t)(1 + t_rng(s) % 255);
	}
}

/* A 64-byte window that is a cut for any mask up to `bits`. */
static void find_hit(uint64_t *s, uint8_t w[64], int bits)
{
	uint64_t h = 1;

	t_fill(s, w, 64);
	do {
		uint64_t v = t_rng(s);

		memmove(w, w + 8, 56);
		memcpy(w + 56, &v, 8);
		h = 0;
		for (size_t k = 0; k < 64; k++)
			h += table[w[63 - k]] << k;
	} while (h >> (64 - bits) != 0);
}

static void fill(enum shape shape, uint64_t *s, uint8_t *p, size_t n,
		 size_t min)
{
	uint8_t w[64];
	size_t period = 1 + t_rng(s) % (t_rng(s) % 2 != 0 ? 70 : 5000);

	switch (shape) {
	case SHAPE_RANDOM:
		t_fill(s, p, n);
		break;
	case SHAPE_TEXT:
		fill_text(s, p, n);
		break;
	case SHAPE_ZEROS:
		fill_zeros(s, p, n, min);
		break;
	case SHAPE_PERIODIC:
		t_fill(s, p, n < period ? n : period);
		for (size_t i = period; i < n; i++)
			p[i] = p[i - period];
		break;
	case SHAPE_SAME:
		memset(p, (int)(1 + t_rng(s) % 255), n);
		break;
	case SHAPE_HITS:
		t_fill(s, p, n);
		find_hit(s, w, 14);
		for (size_t i = 0; i + 64 <= n; i += 64 + t_rng(s) % period)
			memcpy(p + i, w, 64);
		break;
	case SHAPE_SPARSE:
		memset(p, 0, n);
		for (size_t i = t_rng(s) % 9000; i < n; i += t_rng(s) % 9000)
			p[i] = 1;
		break;
	case SHAPE_COUNT:
		break;
	}
}

/* ---- properties -----------------------------------------------------------
 */

static const struct chunk_params small_cdc[] = {
	{ CHUNK_CDC, 1 << 10, 4 << 10, 16 << 10 },
	{ CHUNK_CDC, 256, 4 << 10, 32 << 10 },
	{ CHUNK_CDC, 4 << 10, 16 << 10, 64 << 10 },
	{ CHUNK_CDC, 2 << 10, 4 << 10, 8 << 10 },
};

static void check_all_ways(const struct chunk_params *p, const uint8_t *b,
			   size_t n, uint64_t *rng)
{
	if (p->kind == CHUNK_CDC)
		slow_cdc(p, b, n, &want_cuts);
	else
		slow_fixed(p, b, n, &want_cuts);
	for (int k = 0; k < CHUNK_KERNEL_COUNT; k++) {
		struct chunker c;

		chunker_init(&c, p, (enum chunk_kernel)k);
		cut(&c, b, n, NULL, &have_cuts);
		compare(&have_cuts, &want_cuts);
		cut(&c, b, n, rng, &have_cuts);
		compare(&have_cuts, &want_cuts);
	}
}

static void test_same_cuts(void)
{
	enum { BYTES = 200 << 10, ROUNDS = 4 };
	uint8_t *b = malloc(BYTES);
	uint64_t s = 7;

	CHECK(b != NULL);
	for (int r = 0; r < ROUNDS; r++) {
		for (int shape = 0; shape < SHAPE_COUNT; shape++) {
			const struct chunk_params *p =
				&small_cdc[(r + shape) % 4];
			size_t n = BYTES - t_rng(&s) % (BYTES / 2);

			fill((enum shape)shape, &s, b, n, p->min);
			check_all_ways(p, b, n, &s);
		}
	}
	free(b);
}

/* Many small files: every length near a bound, all shapes. */
static void test_small_files(void)
{
	enum { BYTES = 20 << 10 };
	uint8_t *b = malloc(BYTES);
	uint64_t s = 8;

	CHECK(b != NULL);
	for (int r = 0; r < 300; r++) {
		const struct chunk_params *p = &small_cdc[r % 2];
		static const size_t edges[] = { 0,	 64,	  256,
						1 << 10, 4 << 10, 16 << 10 };
		size_t n = edges[t_rng(&s) % 6] + t_rng(&s) % 3;

		n -= n > 0 ? t_rng(&s) % 2 : 0;
		fill((enum shape)(r % SHAPE_COUNT), &s, b, n, p->min);
		check_all_ways(p, b, n, &s);
	}
	free(b);
}

static void test_fixed(void)
{
	enum { BYTES = 100 << 10, N = 4 << 10 };
	struct chunk_params p = { CHUNK_FIXED, N, N, N };
	uint8_t *b = malloc(BYTES);
	uint64_t s = 9;

	CHECK(b != NULL);
	for (int r = 0; r < 40; r++) {
		size_t n = BYTES - t_rng(&s) % N;

		fill((enum shape)(r % SHAPE_COUNT), &s, b, n, N);
		check_all_ways(&p, b, n, &s);
	}
	free(b);
}

/*
 * One hit, for the easy mask or for both, that ends at or beside each length
 * where the rule changes, in data that is never cut otherwise.
 */
static void test_hit_at_bounds(void)
{
	const struct chunk_params *p = &small_cdc[0];
	const size_t normal = p->avg / 16 * 13, n = 3 * p->max;
	const size_t bounds[] = { p->min, normal, p->max };
	uint8_t *b = malloc(n), w[64];
	uint64_t s = 14;

	CHECK(b != NULL);
	for (int r = 0; r < 3 * 5 * 2; r++) {
		size_t len = bounds[r % 3] + (size_t)(r / 3 % 5) - 2;

		find_hit(&s, w, r < 15 ? 10 : 14);
		memset(b, 0x55, n);
		memcpy(b + len - 64, w, 64);
		memcpy(b + 2 * len - 64, w, 64);
		check_all_ways(p, b, n, &s);
	}
	free(b);
}

/* A run of zeros, just too short or just long enough, beside each length
 * where a chunk may end, and at the end of a file. */
static void test_zeros_at_bounds(void)
{
	const struct chunk_params *p = &small_cdc[0];
	const size_t n = 3 * p->max;
	const size_t bounds[] = { 2, p->min, p->max, n - p->min - 2 };
	uint8_t *b = malloc(n);
	uint64_t s = 15;

	CHECK(b != NULL);
	for (size_t r = 0; r < 4 * 5 * 3; r++) {
		size_t at = bounds[r % 4] + r / 4 % 5 - 2;
		size_t zeros = p->min + r / 20 - 1;

		memset(b, 0x55, n);
		memset(b + at, 0, zeros < n - at ? zeros : n - at);
		check_all_ways(p, b, n, &s);
	}
	free(b);
}

/* Only zeros: a segment from min on, a chunk below it. */
static void test_only_zeros(void)
{
	const struct chunk_params *p = &small_cdc[0];
	uint8_t *b = calloc(1, 1 << 20);
	struct chunker c;

	CHECK(b != NULL);
	chunker_init(&c, p, CHUNK_KERNEL_AUTO);
	cut(&c, b, p->min - 1, NULL, &have_cuts);
	CHECK_EQ(have_cuts.n, 1);
	CHECK_EQ(have_cuts.seg[0].kind, CHUNK_SEG_DATA);
	cut(&c, b, p->min, NULL, &have_cuts);
	CHECK_EQ(have_cuts.n, 1);
	CHECK_EQ(have_cuts.seg[0].kind, CHUNK_SEG_ZERO);
	cut(&c, b, 1 << 20, NULL, &have_cuts);
	CHECK_EQ(have_cuts.n, 1);
	CHECK_EQ(have_cuts.seg[0].len, 1 << 20);
	CHECK_EQ(have_cuts.seg[0].kind, CHUNK_SEG_ZERO);
	free(b);
}

/*
 * What `natural` promises: the bytes of such a chunk, put at the start of a
 * file and followed by anything, are cut in the same place.
 */
static void test_natural(void)
{
	enum { BYTES = 300 << 10, TAIL = 40 << 10 };
	uint8_t *b = malloc(BYTES), *again = malloc(BYTES + TAIL);
	uint64_t s = 11;
	int seen = 0;

	CHECK(b != NULL && again != NULL);
	for (int shape = 0; shape < SHAPE_COUNT; shape++) {
		struct chunker c;
		size_t at = 0;

		chunker_init(&c, &small_cdc[0], CHUNK_KERNEL_AUTO);
		fill((enum shape)shape, &s, b, BYTES, small_cdc[0].min);
		cut(&c, b, BYTES, NULL, &want_cuts);
		for (size_t i = 0; i < want_cuts.n; i++) {
			struct chunk_seg seg = want_cuts.seg[i];

			if (seg.natural) {
				memcpy(again, b + at, seg.len);
				fill((enum shape)(t_rng(&s) % SHAPE_COUNT), &s,
				     again + seg.len, TAIL, small_cdc[0].min);
				cut(&c, again, seg.len + TAIL, NULL,
				    &have_cuts);
				CHECK_EQ(have_cuts.seg[0].len, seg.len);
				CHECK_EQ(have_cuts.seg[0].natural, 1);
				seen++;
			}
			at += seg.len;
		}
	}
	CHECK(seen > 50);
	free(b);
	free(again);
}

static void check_mean(const char *text, size_t bytes)
{
	uint8_t *b = malloc(bytes);
	struct chunk_params p;
	struct err e = ERR_INIT;
	struct chunker c;
	uint64_t s = 12;
	double mean;

	CHECK(b != NULL);
	CHECK_OK(chunk_params_parse(text, &p, &e), &e);
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t v = t_rng(&s);

		memcpy(b + i, &v, 8);
	}
	chunker_init(&c, &p, CHUNK_KERNEL_AUTO);
	cut(&c, b, bytes, NULL, &have_cuts);
	mean = (double)bytes / (double)have_cuts.n;
	if (mean < 0.95 * p.avg || mean > 1.05 * p.avg)
		T_FAIL("%s: mean %.0f", text, mean);
	free(b);
}

static void test_mean(void)
{
	check_mean("cdc:4KiB", 16 << 20);
	check_mean("cdc:16KiB", 32 << 20);
	check_mean("cdc:64KiB", 64 << 20);
}

/* ---- resynchronisation ----------------------------------------------------
 */

static int cmp_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Chunks of b, from the one the change lies in, until one ends where one of a
 * ends `shift` bytes earlier (counting bytes before the change out). */
static int chunks_to_sync(const struct cuts *a, const struct cuts *b,
			  size_t change, size_t shift)
{
	size_t i = 0, ai = a->seg[0].len, k = 0, bk = b->seg[0].len;
	int n = 0;

	while (bk <= change)
		bk += b->seg[++k].len;
	for (;;) {
		n++;
		while (ai + shift < bk && i + 1 < a->n)
			ai += a->seg[++i].len;
		if (bk > change + shift && ai + shift == bk)
			return n;
		CHECK(k + 1 < b->n);
		bk += b->seg[++k].len;
	}
}

/* One to a thousand bytes are put in somewhere in random data: how many
 * chunks differ? Issue: median at most 2, 99 of 100 at most 8. */
static void test_resync(void)
{
	enum { BYTES = 2 << 20, TRIALS = 400, INSERT = 1000 };
	struct chunk_params p = { CHUNK_CDC, 1 << 10, 4 << 10, 16 << 10 };
	uint8_t *a = malloc(BYTES), *b = malloc(BYTES + INSERT);
	static int n[TRIALS];
	struct chunker c;
	uint64_t s = 13;

	CHECK(a != NULL && b != NULL);
	chunker_init(&c, &p, CHUNK_KERNEL_AUTO);
	t_fill(&s, a, BYTES);
	cut(&c, a, BYTES, NULL, &want_cuts);
	for (int i = 0; i < TRIALS; i++) {
		size_t at = t_rng(&s) % (BYTES / 2);
		size_t more = 1 + t_rng(&s) % INSERT;

		memcpy(b, a, at);
		t_fill(&s, b + at, more);
		memcpy(b + at + more, a + at, BYTES - at);
		cut(&c, b, BYTES + more, NULL, &have_cuts);
		n[i] = chunks_to_sync(&want_cuts, &have_cuts, at, more);
	}
	qsort(n, TRIALS, sizeof(n[0]), cmp_int);
	printf("# resync: median %d, p99 %d, most %d chunks\n", n[TRIALS / 2],
	       n[TRIALS * 99 / 100], n[TRIALS - 1]);
	CHECK(n[TRIALS / 2] <= 2);
	CHECK(n[TRIALS * 99 / 100] <= 8);
	free(a);
	free(b);
}

static void test_kernels(void)
{
	CHECK(chunk_kernel_supported(CHUNK_KERNEL_SCALAR));
	CHECK(chunk_kernel_pick(CHUNK_KERNEL_AUTO) != CHUNK_KERNEL_AUTO);
	for (int k = 0; k < CHUNK_KERNEL_COUNT; k++) {
		enum chunk_kernel got = chunk_kernel_pick((enum chunk_kernel)k);

		CHECK(chunk_kernel_supported(got));
		CHECK(strcmp(chunk_kernel_name((enum chunk_kernel)k),
			     "unknown") != 0);
		if (!chunk_kernel_supported((enum chunk_kernel)k))
			printf("# no %s here: not tested\n",
			       chunk_kernel_name((enum chunk_kernel)k));
	}
}

int main(void)
{
	make_table();
	RUN(test_table);
	RUN(test_kernels);
	RUN(test_same_cuts);
	RUN(test_small_files);
	RUN(test_fixed);
	RUN(test_hit_at_bounds);
	RUN(test_zeros_at_bounds);
	RUN(test_only_zeros);
	RUN(test_natural);
	RUN(test_mean);
	RUN(test_resync);
	return 0;
}
