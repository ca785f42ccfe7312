/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_chunk [--avg SIZE] [FILE | FOLDER]... - ways to cut files, side by
 * side.
 *
 * Cuts 64 MiB of fixed random bytes, counts how many chunks change when bytes
 * are put into such data, and cuts the files (of folders: all below them), all
 * of one size setting. Throughput is the median over data in memory, on one
 * thread. Files are cut each by itself for the dedup ratio (bytes / distinct
 * bytes, zero segments needing none); as most are shorter than any chunk,
 * throughput is that of their first 256 MiB one behind the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
	EDITED_BYTES = 4 << 20,
	EDITS = 400,
	EDIT_MAX_BYTES = 1000,
	CUTS_MAX = 1 << 16,
	OPEN_FOLDERS = 32,
};

struct contender {
	const char *name;
	struct chunk_method m;
	struct chunk_tally tally;
	double gb_s;
};

struct table {
	struct contender c[METHODS_MAX];
	size_t n;
	/* The first bytes of all files. */
	uint8_t *stream;
	size_t stream_n;
};

/* What nftw() calls has no argument. */
static struct table table;

static void die(const char *what)
{
	fprintf(stderr, "bench_chunk: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t rng_next(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void fill(uint64_t *s, uint8_t *p, size_t n)
{
	while (n > 0) {
		uint64_t v = rng_next(s);
		size_t k = n < sizeof(v) ? n : sizeof(v);

		memcpy(p, &v, k);
		p += k;
		n -= k;
	}
}

static void time_all(struct table *t, struct bytes data)
{
	const struct clock clock = clock_system();

	for (size_t i = 0; i < t->n; i++)
		t->c[i].gb_s = (double)data.n /
			       (double)chunk_method_time(&t->c[i].m, data, RUNS,
							 &clock);
}

static void count_all(struct table *t, struct bytes file)
{
	for (size_t i = 0; i < t->n; i++)
		if (chunk_tally_file(&t->c[i].tally, &t->c[i].m, file) != BC_OK)
			die("tally");
}

static void report(const char *title, struct table *v)
{
	printf("%s\n  %-14s %8s %10s %9s %8s %8s\n", title, "", "GB/s",
	       "chunks", "mean", "zeros", "dedup");
	for (size_t i = 0; i < v->n; i++) {
		struct chunk_tally *t = &v->c[i].tally;
		double all = (double)(t->bytes + t->zero_bytes);

		printf("  %-14s %8.2f %10llu %9.0f %7.1f%% %8.3f\n",
		       v->c[i].name, v->c[i].gb_s,
		       (unsigned long long)t->chunks,
		       (double)t->bytes / (double)(t->chunks + !t->chunks),
		       100.0 * (double)t->zero_bytes / (all + 1),
		       all / (double)(t->unique_bytes + !t->unique_bytes));
		chunk_tally_fini(t);
	}
	fflush(stdout);
}

/* ---- files -------------------------------------------------------------- */

static int measure_file(const char *path, const struct stat *st, int type,
			struct FTW *at)
{
	struct table *t = &table;
	size_t n = (size_t)st->st_size, k = TIMED_BYTES - t->stream_n;
	void *p;
	int fd;

	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode) || n == 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	p = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	count_all(t, bytes_of(p, n));
	k = n < k ? n : k;
	memcpy(t->stream + t->stream_n, p, k);
	t->stream_n += k;
	munmap(p, n);
	close(fd);
	return 0;
}

static void measure_files(struct table *t, char **paths, int n)
{
	t->stream = malloc(TIMED_BYTES);
	if (t->stream == NULL)
		die("memory");
	for (int i = 0; i < n; i++)
		if (nftw(paths[i], measure_file, OPEN_FOLDERS, FTW_PHYS) != 0)
			die(paths[i]);
	time_all(t, bytes_of(t->stream, t->stream_n));
	report("files", t);
	free(t->stream);
}

static void measure_random(struct table *t)
{
	uint8_t *p = malloc(RANDOM_BYTES);
	uint64_t s = 1;

	if (p == NULL)
		die("memory");
	fill(&s, p, RANDOM_BYTES);
	time_all(t, bytes_of(p, RANDOM_BYTES));
	count_all(t, bytes_of(p, RANDOM_BYTES));
	report("random bytes", t);
	free(p);
}

/* ---- after an insertion -------------------------------------------------- */

/* Where the segments of a file end. */
struct cuts {
	size_t end[CUTS_MAX];
	size_t n, at;
};

static void keep_cut(void *ctx, struct bytes seg, bool zero)
{
	struct cuts *c = ctx;

	(void)zero;
	if (c->n == CUTS_MAX) {
		errno = ENOSPC;
		die("more cuts than expected");
	}
	c->at += seg.n;
	c->end[c->n++] = c->at;
}

static void cut(const struct chunk_method *m, struct bytes file, struct cuts *c)
{
	c->n = 0;
	c->at = 0;
	chunk_method_each(m, file, keep_cut, c);
}

/* Chunks of b, from that in which `more` bytes were put in at `change`, until
 * one ends where one of a did. */
static double chunks_changed(const struct cuts *a, const struct cuts *b,
			     size_t change, size_t more)
{
	size_t i = 0, k = 0;
	unsigned n = 1;

	while (b->end[k] <= change)
		k++;
	for (; k + 1 < b->n; k++, n++) {
		while (i + 1 < a->n && a->end[i] + more < b->end[k])
			i++;
		if (b->end[k] > change + more && a->end[i] + more == b->end[k])
			break;
	}
	return n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The same insertions for everyone: 1 to 1000 random bytes somewhere in the
 * first half of random data, so that there is room to find the way back. */
static void measure_edits(const struct contender *c, uint8_t *old, uint8_t *new)
{
	static struct cuts a, b;
	static double n[EDITS];
	uint64_t s = 13;

	fill(&s, old, EDITED_BYTES);
	cut(&c->m, bytes_of(old, EDITED_BYTES), &a);
	for (int i = 0; i < EDITS; i++) {
		size_t at = rng_next(&s) % (EDITED_BYTES / 2);
		size_t more = 1 + rng_next(&s) % EDIT_MAX_BYTES;

		memcpy(new, old, at);
		fill(&s, new + at, more);
		memcpy(new + at + more, old + at, EDITED_BYTES - at);
		cut(&c->m, bytes_of(new, EDITED_BYTES + more), &b);
		n[i] = chunks_changed(&a, &b, at, more);
	}
	qsort(n, EDITS, sizeof(n[0]), by_value);
	printf("  %-14s %8.0f %8.0f %8.0f\n", c->name, n[EDITS / 2],
	       n[EDITS * 99 / 100], n[EDITS - 1]);
	fflush(stdout);
}

/* Kernels cut alike: one of them speaks for all. */
static void measure_all_edits(const struct table *t)
{
	const char *ours =
		chunk_kernel_name(chunk_kernel_pick(CHUNK_KERNEL_AUTO));
	uint8_t *old = malloc(EDITED_BYTES);
	uint8_t *new = malloc(EDITED_BYTES + EDIT_MAX_BYTES);

	if (old == NULL || new == NULL)
		die("memory");
	printf("chunks that change with an insertion\n  %-14s %8s %8s %8s\n",
	       "", "median", "p99", "most");
	for (size_t i = 0; i < t->n; i++)
		if (t->c[i].m.ours == NULL || strcmp(t->c[i].name, ours) == 0)
			measure_edits(&t->c[i], old, new);
	free(old);
	free(new);
}

int main(int argc, char **argv)
{
	static struct chunk_rabin rabin;
	struct chunker ours[CHUNK_KERNEL_COUNT];
	struct contender *c = table.c;
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
	table.n = n;
	measure_random(&table);
	measure_all_edits(&table);
	if (first < argc)
		measure_files(&table, argv + first, argc - first);
	return 0;
}
