/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_index - the chunk index at any size, on synthetic ids.
 *
 *	bench_index [-d FOLDER] [CHUNKS ...]
 *
 * For each number of chunks (default 1e4 1e6 1e7 1e8) writes a base by
 * streaming sorted random keys, so that memory does not grow with it, and
 * prints bytes per chunk, time to open, warm and cold lookups, and the speed of
 * a merge with a run of a twentieth of its size and of a builder. Medians.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "index/build.h"
#include "index/chain.h"
#include "index/merge.h"
#include "index/writer.h"
#include "tests/unit/t.h"

enum {
	SAMPLES = 1 << 20,
	OPENS = 101,
	ROUNDS = 5,
	COLD = 1000,
	BUILD_MAX = 10 * 1000 * 1000,
	SMALL = 10000, /* chunks of the index that the others are set beside */
};

static const uint8_t repo[INDEX_REPO_ID_BYTES] = "benchmark";

struct bench {
	struct io_dir *d;
	uint64_t chunks;
	struct digest *hit; /* ids that are in the index, shuffled */
	struct digest *miss;
	const struct digest **ids;
	size_t samples;
	uint64_t seed;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static struct digest id_of(uint64_t key)
{
	struct digest d = { { 0 } };

	for (int i = 0; i < 8; i++)
		d.b[i] = (uint8_t)(key >> (56 - 8 * i));
	return d;
}

static struct index_loc loc_of(uint64_t i)
{
	return (struct index_loc){ (uint32_t)(i >> 10) & INDEX_PACK_MAX,
				   (uint16_t)(i & 1023) };
}

/* The next of n sorted random keys: gaps of a Poisson process. */
static uint64_t next_key(struct bench *b, uint64_t key, double mean)
{
	double u = ((double)(t_rng(&b->seed) >> 11) + 0.5) * 0x1p-53;
	double gap = -log(u) * mean;
	uint64_t step = gap < 1 ? 1 : (uint64_t)gap;

	return key > UINT64_MAX - step ? UINT64_MAX : key + step;
}

static struct index_range range_of(uint64_t from, uint64_t to)
{
	struct index_range r = { .from_gen = from, .to_gen = to };

	memcpy(r.repo_id, repo, sizeof(repo));
	r.to_digest.b[0] = (uint8_t)to;
	r.from_digest.b[0] = (uint8_t)from;
	return r;
}

/* Writes a base of b->chunks and fills in the samples: entries a second. */
static double generate(struct bench *b, struct err *e)
{
	struct index_range range = range_of(0, 1);
	uint32_t pages = index_pages_for(b->chunks);
	unsigned bits = index_bits_for(pages);
	uint64_t key = 0, every = b->chunks / SAMPLES + 1;
	/* A little closer than even, so that the sum of the gaps stays below
	 * 2^64 and the last page does not get what is left. */
	double n = (double)b->chunks, t = now();
	double mean = 0x1p64 / (n + 6 * sqrt(n) + 1);
	struct index_writer *w;

	b->samples = 0;
	CHECK_OK(
		index_writer_open(b->d, INDEX_BASE, &range, pages, bits, &w, e),
		e);
	for (uint64_t i = 0; i < b->chunks; i++) {
		key = next_key(b, key, mean);
		CHECK_OK(
			index_writer_add(w, index_top(key, bits), loc_of(i), e),
			e);
		if (i % every == 0)
			b->hit[b->samples++] = id_of(key);
	}
	CHECK_OK(index_writer_finish(w, NULL, e), e);
	t = now() - t;
	for (size_t i = b->samples; i > 1; i--) {
		size_t k = t_rng(&b->seed) % i;
		struct digest x = b->hit[k];

		b->hit[k] = b->hit[i - 1];
		b->hit[i - 1] = x;
	}
	for (size_t i = 0; i < b->samples; i++)
		b->miss[i] = id_of(t_rng(&b->seed));
	return (double)b->chunks / t;
}

static struct index *open_index(struct bench *b)
{
	struct err e = ERR_INIT;
	struct index *ix;

	CHECK_OK(index_open(b->d, repo, &ix, &e), &e);
	return ix;
}

static double time_one_open(struct bench *b)
{
	double t = now();
	struct index *ix = open_index(b);

	t = now() - t;
	index_close(ix);
	return t;
}

/* In turn with a small one, so that both meet the machine at the same speed. */
static void time_open(struct bench *b, struct bench *small)
{
	double v[OPENS], u[OPENS];

	for (int i = 0; i < OPENS; i++) {
		v[i] = time_one_open(b);
		u[i] = time_one_open(small);
	}
	printf("  open            %8.1f us; of %" PRIu64
	       " chunks, in turn, %.1f us\n",
	       median(v, OPENS) * 1e6, small->chunks, median(u, OPENS) * 1e6);
}

static size_t ask_single(struct index *ix, const struct digest *ids, size_t n)
{
	struct index_loc got[4];
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += index_find(ix, &ids[i], got, 4) != 0;
	return found;
}

static size_t ask_many(struct bench *b, struct index *ix,
		       const struct digest *ids, size_t n)
{
	enum { AT_ONCE = 256 };
	struct index_loc first[AT_ONCE];
	bool found[AT_ONCE];
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		b->ids[i] = &ids[i];
	for (size_t i = 0; i < n; i += AT_ONCE) {
		size_t m = n - i < AT_ONCE ? n - i : AT_ONCE;

		index_find_many(ix, b->ids + i, m, first, found);
		for (size_t k = 0; k < m; k++)
			sum += found[k];
	}
	return sum;
}

static void time_warm(struct bench *b, struct index *ix)
{
	size_t n = b->samples, wrong = 0;
	double v[4][ROUNDS];

	ask_single(ix, b->hit, n);
	ask_single(ix, b->miss, n);
	for (int r = 0; r < ROUNDS; r++) {
		double t = now();

		CHECK_EQ(ask_single(ix, b->hit, n), n);
		v[0][r] = now() - t;
		t = now();
		wrong = ask_single(ix, b->miss, n);
		v[1][r] = now() - t;
		t = now();
		CHECK_EQ(ask_many(b, ix, b->hit, n), n);
		v[2][r] = now() - t;
		t = now();
		ask_many(b, ix, b->miss, n);
		v[3][r] = now() - t;
	}
	printf("  warm single     %8.2f M/s hits, %.2f M/s misses\n",
	       (double)n / median(v[0], ROUNDS) / 1e6,
	       (double)n / median(v[1], ROUNDS) / 1e6);
	printf("  warm batched    %8.2f M/s hits, %.2f M/s misses\n",
	       (double)n / median(v[2], ROUNDS) / 1e6,
	       (double)n / median(v[3], ROUNDS) / 1e6);
	printf("  false hints     %8.1e of %zu absent ids\n",
	       (double)wrong / (double)n, n);
}

static uint64_t device_reads(void)
{
	char line[64];
	uint64_t v = 0;
	FILE *f = fopen("/proc/self/io", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "read_bytes: ", 12) == 0)
			v = strtoull(line + 12, NULL, 10);
	if (f != NULL)
		fclose(f);
	return v;
}

static void forget(struct bench *b, struct index *ix)
{
	for (size_t i = 0; i < ix->n; i++) {
		int fd = openat(io_dir_fd(b->d), ix->files[i].name, O_RDWR);

		CHECK(fd >= 0);
		fdatasync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
}

static void time_cold(struct bench *b, bool many)
{
	struct index *ix = open_index(b);
	size_t n = b->samples < COLD ? b->samples : COLD;
	uint64_t bytes;
	double t;

	/* A mapped page is not dropped: close, forget, open. */
	index_close(ix);
	ix = open_index(b);
	forget(b, ix);
	index_close(ix);
	ix = open_index(b);
	bytes = device_reads();
	t = now();
	if (many)
		ask_many(b, ix, b->hit, n);
	else
		ask_single(ix, b->hit, n);
	t = now() - t;
	bytes = device_reads() - bytes;
	printf("  cold %s %8.1f us per lookup, %.0f bytes read\n",
	       many ? "batched   " : "single    ", t / (double)n * 1e6,
	       (double)bytes / (double)n);
	index_close(ix);
}

static void time_merge(struct bench *b, struct err *e)
{
	struct index_range range = range_of(1, 2);
	struct index_merge_options all = { .all = true };
	uint64_t n = b->chunks / 20 + 1, total;
	struct index_builder *w;
	struct index *ix;
	double t = now();

	CHECK_OK(index_builder_new(b->d, &w, e), e);
	for (uint64_t i = 0; i < n; i++) {
		struct digest id = id_of(t_rng(&b->seed));

		CHECK_OK(index_builder_add(w, &id, loc_of(i), e), e);
	}
	CHECK_OK(index_builder_finish(w, &range, e), e);
	t = now() - t;
	printf("  run of a 20th   %8.2f M entries/s\n", (double)n / t / 1e6);

	ix = open_index(b);
	total = ix->files[0].h.entries + n;
	t = now();
	CHECK_OK(index_merge(ix, &all, NULL, e), e);
	t = now() - t;
	index_close(ix);
	printf("  merge           %8.2f M entries/s, %.0f MB/s written\n",
	       (double)total / t / 1e6, (double)total * 11.6 / t / 1e6);
}

static void time_build(struct bench *b, struct err *e)
{
	struct index_range range = range_of(0, 1);
	struct index_builder *w;
	uint64_t n = b->chunks < BUILD_MAX ? b->chunks : BUILD_MAX;
	double t = now();

	CHECK_OK(index_builder_new(b->d, &w, e), e);
	for (uint64_t i = 0; i < n; i++) {
		struct digest id = id_of(t_rng(&b->seed));

		CHECK_OK(index_builder_add(w, &id, loc_of(i), e), e);
	}
	CHECK_OK(index_builder_finish(w, &range, e), e);
	printf("  rebuild         %8.2f M entries/s (of %" PRIu64 ")\n",
	       (double)n / (now() - t) / 1e6, n);
}

static void one_size(struct bench *b, struct bench *small, uint64_t chunks)
{
	struct err e = ERR_INIT;
	struct index_stats st;
	struct index *ix;

	b->chunks = chunks;
	printf("%" PRIu64 " chunks\n", chunks);
	printf("  generate        %8.2f M entries/s\n", generate(b, &e) / 1e6);
	ix = open_index(b);
	index_stats(ix, &st);
	printf("  size            %8.2f bytes per chunk, %" PRIu32
	       " overflow pages, B = %u\n",
	       (double)st.bytes / (double)st.entries, st.overflow_pages,
	       ix->files[0].h.bits);
	time_warm(b, ix);
	CHECK_OK(index_damage(ix, &e), &e);
	index_close(ix);
	time_open(b, small);
	time_cold(b, false);
	time_cold(b, true);
	time_merge(b, &e);
	CHECK_OK(index_wipe(b->d, &e), &e);
	time_build(b, &e);
	CHECK_OK(index_wipe(b->d, &e), &e);
	fflush(stdout);
}

/* Both belong to main() until the process ends. */
static void begin(struct bench *b, struct io *io, const char *parent,
		  size_t samples, char path[static PATH_MAX])
{
	struct err e = ERR_INIT;

	snprintf(path, PATH_MAX, "%s/bench-index-XXXXXX", parent);
	CHECK(mkdtemp(path) != NULL);
	CHECK_OK(io_dir_open(io, path, &b->d, &e), &e);
	b->seed = 1;
	b->hit = calloc(samples, sizeof(*b->hit));
	b->miss = calloc(samples, sizeof(*b->miss));
	b->ids = calloc(samples, sizeof(*b->ids));
	CHECK(b->hit != NULL && b->miss != NULL && b->ids != NULL);
}

static int end(struct bench *b, const char *path)
{
	free(b->hit);
	free(b->miss);
	free(b->ids);
	io_dir_close(b->d);
	return rmdir(path) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const uint64_t sizes[] = { 10000, 1000000, 10000000, 100000000 };
	char path[PATH_MAX], small_path[PATH_MAX];
	struct bench b = { 0 }, small = { .chunks = SMALL };
	const char *parent = "/tmp";
	struct err e = ERR_INIT;
	struct rusage ru;
	struct io *io;
	int at = 1, failed;

	if (argc > 2 && strcmp(argv[1], "-d") == 0) {
		parent = argv[2];
		at = 3;
	}
	CHECK_OK(io_open(NULL, &io, &e), &e);
	begin(&b, io, parent, SAMPLES, path);
	begin(&small, io, parent, SMALL + 1, small_path);
	generate(&small, &e);
	if (at == argc)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			one_size(&b, &small, sizes[i]);
	for (; at < argc; at++)
		one_size(&b, &small, (uint64_t)strtod(argv[at], NULL));
	getrusage(RUSAGE_SELF, &ru);
	printf("peak RSS %ld KiB, files in the page cache included\n",
	       ru.ru_maxrss);
	CHECK_OK(index_wipe(small.d, &e), &e);
	failed = end(&small, small_path) | end(&b, path);
	io_close(io);
	return failed;
}
