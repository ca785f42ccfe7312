/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published vectors: test_chunk_vectors [FILE] checks them, with --print
 * it writes them. They never change: a repository's dedup depends on them.
 */
#include "chunk/chunker.h"
#include "tests/unit/t.h"

#define VECTORS "tests/vectors/chunk-v1.txt"

enum { FILE_BYTES = 24 << 20, LINE_CUTS = 8 };

static const char *const settings[] = { "cdc:16KiB", "cdc:64KiB", "cdc:1MiB",
					"fixed:1MiB" };

static const char header[] =
	"# Where blobctl cuts: test vectors, version 1.\n"
	"#\n"
	"# The file that is cut is made of these parts, in order:\n"
	"#   12582912 random bytes of seed 1\n"
	"#    1000003 zero bytes\n"
	"#    2000000 bytes that repeat the 1000 first random bytes of seed 2\n"
	"#       4095 zero bytes\n"
	"#       5000 random bytes of seed 3, each set to 1 if it is zero\n"
	"#       4096 zero bytes\n"
	"#   the rest, to 25165824 bytes in all, random bytes of seed 4\n"
	"# Random bytes of a seed are splitmix64's outputs, 8 bytes each, "
	"least\n"
	"# significant first: s += 0x9e3779b97f4a7c15; z = s;\n"
	"#   z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;\n"
	"#   z = (z ^ z >> 27) * 0x94d049bb133111eb;  output z ^ z >> 31\n"
	"# all modulo 2^64, with s the seed at first.\n"
	"#\n"
	"# Then for each setting its name and the lengths of the segments in\n"
	"# order: plain for a chunk, with n before it for a chunk whose end "
	"its\n"
	"# own bytes show, with z for zeros.\n";

static uint8_t *put_random(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = t_rng(&seed);

		for (size_t k = 0; k < 8 && i + k < n; k++)
			p[i + k] = (uint8_t)(v >> (8 * k));
	}
	return p + n;
}

static uint8_t *make_file(void)
{
	uint8_t *b = calloc(1, FILE_BYTES), *p = b;

	CHECK(b != NULL);
	p = put_random(p, 12582912, 1) + 1000003;
	put_random(p, 1000, 2);
	for (size_t i = 1000; i < 2000000; i++)
		p[i] = p[i - 1000];
	p += 2000000 + 4095;
	put_random(p, 5000, 3);
	for (size_t i = 0; i < 5000; i++)
		p[i] = (uint8_t)(p[i] | (p[i] == 0));
	p += 5000 + 4096;
	put_random(p, (size_t)(b + FILE_BYTES - p), 4);
	return b;
}

static void emit(FILE *f, const uint8_t *b, const char *setting,
		 enum chunk_kernel k)
{
	struct chunk_cursor cur = { 0 };
	struct chunk_params p;
	struct err e = ERR_INIT;
	struct chunker c;
	size_t at = 0;
	int column = 0;

	CHECK_OK(chunk_params_parse(setting, &p, &e), &e);
	chunker_init(&c, &p, k);
	fprintf(f, "\n%s", setting);
	while (at < FILE_BYTES) {
		struct chunk_seg s;
		size_t used;

		CHECK_EQ(chunker_next(&c, &cur,
				      bytes_of(b + at, FILE_BYTES - at), true,
				      &s, 1, &used),
			 1);
		fprintf(f, "%s%s%u", column++ % LINE_CUTS == 0 ? "\n" : " ",
			s.kind == CHUNK_SEG_ZERO ? "z"
			: s.natural		 ? "n"
						 : "",
			s.len);
		at += used;
	}
	fputc('\n', f);
}

/* The whole text as kernel k makes it; the caller frees it. */
static char *render(const uint8_t *b, enum chunk_kernel k, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	CHECK(f != NULL);
	fputs(header, f);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		emit(f, b, settings[i], k);
	CHECK(fclose(f) == 0);
	return text;
}

static void check(const uint8_t *b, const char *path, enum chunk_kernel k)
{
	size_t n, got;
	char *text = render(b, k, &n), *have = malloc(n + 2);
	FILE *f = fopen(path, "r");

	if (f == NULL)
		T_FAIL("cannot open %s (run from the top of the tree)", path);
	CHECK(have != NULL);
	got = fread(have, 1, n + 1, f);
	CHECK_EQ(fclose(f), 0);
	CHECK_EQ(got, n);
	for (size_t i = 0; i < n; i++) {
		if (have[i] != text[i])
			T_FAIL("%s: %s differs at byte %zu", path,
			       chunk_kernel_name(k), i);
	}
	free(have);
	free(text);
	printf("ok vectors %s\n", chunk_kernel_name(k));
}

int main(int argc, char **argv)
{
	uint8_t *b = make_file();

	if (argc > 1 && strcmp(argv[1], "--print") == 0) {
		size_t n;
		char *text = render(b, CHUNK_KERNEL_SCALAR, &n);

		fwrite(text, 1, n, stdout);
		free(text);
	} else {
		const char *path = argc > 1 ? argv[1] : VECTORS;

		for (int k = 0; k < CHUNK_KERNEL_COUNT; k++) {
			if (chunk_kernel_supported((enum chunk_kernel)k))
				check(b, path, (enum chunk_kernel)k);
		}
	}
	free(b);
	return 0;
}
