/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_chunk [--avg SIZE] [FILE...] - ways to cut files, side by side.
 *
 * Cuts 64 MiB of fixed random bytes and then the files, all of one size
 * setting. Throughput is the median of 9 over data in memory, on one thread;
 * for the files it is of the first 256 MiB of them. The dedup ratio (bytes
 * without zero segments / distinct bytes) is over all of them together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk/reference.h"
#include "util/arith.h"
#include "util/clock.h"

enum {
	RANDOM_BYTES = 64 << 20,
	TIMED_BYTES = 256 << 20,
	RUNS = 9,
	METHODS_MAX = CHUNK_KERNEL_COUNT + 2,
};

struct contender {
	const char *name;
	struct chunk_method m;
	struct chunk_tally tally;
	int64_t ns;
	uint64_t timed;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t rng_next(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Times every contender on the data and counts its chunks. */
static void measure(struct contender *c, size_t n, struct bytes data)
{
	const struct clock clock = clock_system();

	for (size_t i = 0; i < n; i++) {
		struct bytes head = bytes_of(data.p, data.n);

		if (c[i].timed + head.n > TIMED_BYTES)
			head.n = TIMED_BYTES - c[i].timed;
		if (head.n > 0) {
			c[i].ns +=
				chunk_method_time(&c[i].m, head, RUNS, &clock);
			c[i].timed += head.n;
		}
		if (chunk_tally_file(&c[i].tally, &c[i].m, data) != BC_OK) {
			fputs("no memory\n", stderr);
			exit(1);
		}
	}
}

static void report(const char *title, struct contender *c, size_t n)
{
	printf("%s\n  %-14s %8s %10s %9s %8s %8s\n", title, "", "GB/s",
	       "chunks", "mean", "zeros", "dedup");
	for (size_t i = 0; i < n; i++) {
		struct chunk_tally *t = &c[i].tally;

		printf("  %-14s %8.2f %10llu %9.0f %7.1f%% %8.3f\n", c[i].name,
		       (double)c[i].timed / (double)(c[i].ns + !c[i].ns),
		       (unsigned long long)t->chunks,
		       (double)t->bytes / (double)(t->chunks + !t->chunks),
		       100.0 * (double)t->zero_bytes /
			       (double)(t->bytes + t->zero_bytes + 1),
		       (double)t->bytes /
			       (double)(t->unique_bytes + !t->unique_bytes));
		chunk_tally_fini(t);
		c[i].ns = 0;
		c[i].timed = 0;
	}
}

static void measure_file(struct contender *c, size_t n, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ,
			 MAP_PRIVATE | MAP_POPULATE, fd, 0);
		if (p == MAP_FAILED) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			exit(1);
		}
		measure(c, n, bytes_of(p, (size_t)st.st_size));
		munmap(p, (size_t)st.st_size);
	}
	close(fd);
}

static void measure_random(struct contender *c, size_t n)
{
	uint8_t *p = malloc(RANDOM_BYTES);
	uint64_t s = 1;

	if (p == NULL) {
		fputs("no memory\n", stderr);
		exit(1);
	}
	for (size_t i = 0; i < RANDOM_BYTES; i += 8) {
		uint64_t v = rng_next(&s);

		memcpy(p + i, &v, 8);
	}
	measure(c, n, bytes_of(p, RANDOM_BYTES));
	free(p);
}

int main(int argc, char **argv)
{
	static struct chunk_rabin rabin;
	struct chunker ours[CHUNK_KERNEL_COUNT];
	struct contender c[METHODS_MAX];
	struct chunk_params params;
	struct err e = ERR_INIT;
	char text[CHUNK_PARAMS_TEXT_BYTES + 8] = "cdc:64KiB";
	size_t n = 0;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "--avg") == 0) {
		snprintf(text, sizeof(text), "cdc:%s", argv[2]);
		first = 3;
	}
	if (chunk_params_parse(text, &params, &e) != BC_OK) {
		fprintf(stderr, "%s (%s)\n", e.text, e.hint);
		return 2;
	}
	memset(c, 0, sizeof(c));
	for (int k = CHUNK_KERNEL_SCALAR; k < CHUNK_KERNEL_COUNT; k++) {
		if (!chunk_kernel_supported((enum chunk_kernel)k))
			continue;
		chunker_init(&ours[k], &params, (enum chunk_kernel)k);
		c[n].name = chunk_kernel_name((enum chunk_kernel)k);
		c[n++].m.ours = &ours[k];
	}
	c[n].name = "plain gear";
	c[n++].m.gear = &params;
	chunk_rabin_init(&rabin);
	c[n].name = "rabin";
	c[n].m.rabin = &rabin;
	c[n++].m.rabin_params = &params;

	printf("%s, auto is %s\n", text,
	       chunk_kernel_name(chunk_kernel_pick(CHUNK_KERNEL_AUTO)));
	measure_random(c, n);
	report("random bytes", c, n);
	for (int i = first; i < argc; i++)
		measure_file(c, n, argv[i]);
	if (first < argc)
		report("files", c, n);
	return 0;
}
