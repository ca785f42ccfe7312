/* SPDX-License-Identifier: Apache-2.0 */
/* How files are cut, as text and from disk; and the reference chunkers. */
#include "chunk/gear.h"
#include "chunk/params.h"
#include "chunk/reference.h"
#include "tests/unit/t.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static void test_parse_good(void)
{
	static const struct {
		const char *text, *back;
		struct chunk_params p;
	} t[] = {
		{ "cdc:64KiB",
		  "cdc:64KiB",
		  { CHUNK_CDC, 16 * KIB, 64 * KIB, 256 * KIB } },
		{ "cdc:16K",
		  "cdc:16KiB",
		  { CHUNK_CDC, 4 * KIB, 16 * KIB, 64 * KIB } },
		{ "cdc:1048576",
		  "cdc:1MiB",
		  { CHUNK_CDC, 256 * KIB, MIB, 4 * MIB } },
		{ "cdc:4KiB",
		  "cdc:4KiB",
		  { CHUNK_CDC, KIB, 4 * KIB, 16 * KIB } },
		{ "cdc:4MiB",
		  "cdc:4MiB",
		  { CHUNK_CDC, MIB, 4 * MIB, 16 * MIB } },
		{ "cdc:256/4KiB/64KiB",
		  "cdc:256/4KiB/64KiB",
		  { CHUNK_CDC, 256, 4 * KIB, 64 * KIB } },
		{ "cdc:16KiB/64KiB/256KiB",
		  "cdc:64KiB",
		  { CHUNK_CDC, 16 * KIB, 64 * KIB, 256 * KIB } },
		{ "fixed:4MiB",
		  "fixed:4MiB",
		  { CHUNK_FIXED, 4 * MIB, 4 * MIB, 4 * MIB } },
		{ "fixed:4096",
		  "fixed:4KiB",
		  { CHUNK_FIXED, 4 * KIB, 4 * KIB, 4 * KIB } },
		{ "fixed:16MiB",
		  "fixed:16MiB",
		  { CHUNK_FIXED, 16 * MIB, 16 * MIB, 16 * MIB } },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char back[CHUNK_PARAMS_TEXT_BYTES];
		struct chunk_params p;
		struct err e = ERR_INIT;

		CHECK_OK(chunk_params_parse(t[i].text, &p, &e), &e);
		CHECK_EQ(p.kind, t[i].p.kind);
		CHECK_EQ(p.min, t[i].p.min);
		CHECK_EQ(p.avg, t[i].p.avg);
		CHECK_EQ(p.max, t[i].p.max);
		chunk_params_format(&p, back);
		CHECK_STR(back, t[i].back);
	}
}

static void test_parse_bad(void)
{
	static const char *const t[] = {
		"",
		"cdc",
		"cdc:",
		"cdc:64KiBs",
		"cdc:63KiB",
		"cdc:2KiB",
		"cdc:8MiB",
		"cdc:-64KiB",
		"cdc: 64KiB",
		"cdc:64KiB/",
		"cdc:/",
		"cdc:16KiB/64KiB",
		"cdc:4KiB/4KiB/4KiB",
		"cdc:128/4KiB/16KiB",
		"cdc:16KiB/64KiB/256KiB/1MiB",
		"cdc:16KiB/64KiB/32MiB",
		"fixed:",
		"fixed:2KiB",
		"fixed:32MiB",
		"fixed:4KiB/4KiB",
		"fixed:5000",
		"private:64KiB",
		"CDC:64KiB",
		"cdc:18446744073709551616",
		"cdc:0000000000000000000000000000000000065536",
		"fixed:0",
		"cdc:0",
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct chunk_params p = { CHUNK_FIXED, 1, 2, 3 };
		struct err e = ERR_INIT;

		if (chunk_params_parse(t[i], &p, &e) != BC_EINVAL)
			T_FAIL("\"%s\" was taken", t[i]);
		CHECK(e.code == BC_EINVAL && e.text[0] != 0 && e.hint[0] != 0);
		CHECK_EQ(p.max, 3); /* untouched */
		CHECK(chunk_params_parse(t[i], &p, NULL) == BC_EINVAL);
	}
}

static void test_valid(void)
{
	struct chunk_params p = { CHUNK_CDC, 1024, 4096, 16384 };

	CHECK(chunk_params_valid(&p));
	p.kind = (enum chunk_kind)3; /* as a newer format may say */
	CHECK(!chunk_params_valid(&p));
	p = (struct chunk_params){ CHUNK_CDC, 0, 0, 0 };
	CHECK(!chunk_params_valid(&p));
	p = (struct chunk_params){ CHUNK_FIXED, 0, 4096, 4096 };
	CHECK(!chunk_params_valid(&p));
	p = (struct chunk_params){ CHUNK_CDC, 1024, 4096, 1u << 31 };
	CHECK(!chunk_params_valid(&p));
}

/* The rolling fingerprint is the remainder of the window, bit by bit. */
static void test_rabin(void)
{
	static struct chunk_rabin r;
	struct chunk_params p = { CHUNK_CDC, 256, 4096, 16384 };
	uint8_t b[16384];
	uint64_t s = 3;

	chunk_rabin_init(&r);
	for (int round = 0; round < 20; round++) {
		size_t want = sizeof(b), n;

		t_fill(&s, b, sizeof(b));
		n = chunk_reference_rabin(&r, &p, bytes_of(b, sizeof(b)));
		for (size_t i = p.min; i < sizeof(b) && want == sizeof(b);
		     i++) {
			uint64_t h = 0;

			for (size_t k = i - 63; k <= i; k++) {
				for (int bit = 7; bit >= 0; bit--) {
					h = h << 1 | (b[k] >> bit & 1);
					if (h >> 53 != 0)
						h ^= CHUNK_RABIN_POLYNOMIAL;
				}
			}
			if ((h & (p.avg - 1)) == p.avg - 1)
				want = i + 1;
		}
		CHECK_EQ(n, want);
	}
	CHECK_EQ(chunk_reference_rabin(&r, &p, bytes_of(b, 100)), 100);
	CHECK_EQ(chunk_reference_gear(&p, bytes_of(b, 100)), 100);
}

/* Plain Gear, a byte at a time. */
static void test_gear(void)
{
	struct chunk_params p = { CHUNK_CDC, 256, 4096, 16384 };
	static uint8_t b[20000];
	uint64_t s = 5;

	for (int round = 0; round < 200; round++) {
		size_t n = t_rng(&s) % sizeof(b), end = n < p.max ? n : p.max;
		size_t want = end;
		uint64_t h = 0;

		t_fill(&s, b, n);
		for (size_t i = p.min; i < end && want == end; i++) {
			h = 2 * h + GEAR64[b[i]];
			if (h >> 52 == 0)
				want = i + 1;
		}
		CHECK_EQ(chunk_reference_gear(&p, bytes_of(b, n)), want);
	}
}

/* v * w modulo the polynomial. */
static uint64_t gf_mul(uint64_t v, uint64_t w)
{
	uint64_t r = 0;

	for (; w != 0; w >>= 1) {
		if (w & 1)
			r ^= v;
		v <<= 1;
		if (v >> 53 & 1)
			v ^= CHUNK_RABIN_POLYNOMIAL;
	}
	return r;
}

/* Of prime degree 53: irreducible if x^(2^53) = x and neither 0 nor 1 is a
 * root. */
static void test_polynomial(void)
{
	uint64_t x = 2;

	CHECK_EQ(CHUNK_RABIN_POLYNOMIAL >> 53, 1);
	for (int i = 0; i < 53; i++)
		x = gf_mul(x, x);
	CHECK_EQ(x, 2);
	CHECK_EQ(CHUNK_RABIN_POLYNOMIAL & 1, 1);
	CHECK_EQ(__builtin_popcountll(CHUNK_RABIN_POLYNOMIAL) % 2, 1);
}

static void tally_twice(const struct chunk_method *m, struct bytes file)
{
	struct chunk_tally t = CHUNK_TALLY_INIT;
	uint64_t chunks, unique;

	CHECK_EQ(chunk_tally_file(&t, m, file), BC_OK);
	CHECK_EQ(t.bytes + t.zero_bytes, file.n);
	CHECK_EQ(t.unique_chunks, t.chunks);
	CHECK_EQ(t.unique_bytes, t.bytes);
	chunks = t.chunks;
	unique = t.unique_bytes;
	CHECK_EQ(chunk_tally_file(&t, m, file), BC_OK);
	CHECK_EQ(t.chunks, 2 * chunks);
	CHECK_EQ(t.unique_chunks, chunks);
	CHECK_EQ(t.unique_bytes, unique);
	CHECK_EQ(t.bytes, 2 * unique);
	chunk_tally_fini(&t);
	CHECK(t.seen == NULL && t.chunks == 0);
}

static int64_t tick(void *ctx)
{
	return *(int64_t *)ctx += 5;
}

static void test_tally(void)
{
	enum { BYTES = 24 << 20 };
	static struct chunk_rabin r;
	struct chunk_params p = { CHUNK_CDC, 1024, 4096, 16384 };
	struct chunk_method ours = { 0 }, gear = { .gear = &p };
	struct chunk_method rabin = { .rabin = &r, .rabin_params = &p };
	uint8_t *b = malloc(BYTES);
	uint64_t s = 4;
	int64_t now = 0;
	struct clock clock = { tick, tick, tick, &now };
	struct chunker c;

	CHECK(b != NULL);
	for (size_t i = 0; i < BYTES; i += 8) {
		uint64_t v = t_rng(&s);

		memcpy(b + i, &v, 8);
	}
	chunker_init(&c, &p, CHUNK_KERNEL_AUTO);
	chunk_rabin_init(&r);
	ours.ours = &c;
	tally_twice(&ours, bytes_of(b, BYTES));
	tally_twice(&gear, bytes_of(b, BYTES));
	tally_twice(&rabin, bytes_of(b, BYTES));
	memset(b + 100000, 0, 50000);
	tally_twice(&ours, bytes_of(b, BYTES));
	CHECK_EQ(chunk_method_time(&gear, bytes_of(b, 10000), 3, &clock), 5);
	free(b);
}

int main(void)
{
	RUN(test_parse_good);
	RUN(test_parse_bad);
	RUN(test_valid);
	RUN(test_gear);
	RUN(test_rabin);
	RUN(test_polynomial);
	RUN(test_tally);
	return 0;
}
