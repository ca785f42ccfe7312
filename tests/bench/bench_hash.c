/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_hash - every SHA-256 kernel of this machine beside libcrypto's EVP.
 *
 * Medians of five rounds, by one thread's processor time. `mixed` has the
 * lengths of a source tree: half below 5 KiB, a long tail. The memory of a row
 * is 256 MiB, so it comes from DRAM, as the bytes of an archive do; `hot` is 64
 * KiB messages in 512 KiB.
 */
#include "hash/sha256.h"

#include <openssl/evp.h>
#include <time.h>

#include "tests/unit/t.h"

enum {
	ROUNDS = 5,
	ARENA = 256 << 20,
	BATCH = 256, /* jobs per call, as a stage of the pipeline has them */
	MAX_JOBS = 1 << 19,
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void evp(const struct sha256_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned len = DIGEST_BYTES;

		CHECK(EVP_Digest(jobs[i].msg.p, jobs[i].msg.n, jobs[i].out->b,
				 &len, EVP_sha256(), NULL) == 1);
	}
}

/* Runners beyond the kernels. */
enum { EVP = SHA256_KERNELS, AUTO, RUNNERS };

static const char *runner_name(int r)
{
	return r == EVP	   ? "EVP"
	       : r == AUTO ? "chosen"
			   : sha256_kernel_name((enum sha256_kernel)r);
}

static void run(int r, const struct sha256_job *jobs, size_t n)
{
	if (r == EVP)
		evp(jobs, n);
	else if (r == AUTO)
		sha256_many(jobs, n);
	else
		sha256_many_with((enum sha256_kernel)r, jobs, n);
}

static double rate(int r, const struct sha256_job *jobs, size_t n, size_t batch,
		   double bytes)
{
	double t[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double begin = now();

		for (size_t at = 0; at < n; at += batch)
			run(r, jobs + at, n - at < batch ? n - at : batch);
		t[i] = bytes / (now() - begin) * 1e-9;
	}
	qsort(t, ROUNDS, sizeof(t[0]), by_value);
	return t[ROUNDS / 2];
}

static size_t mixed_length(uint64_t *s)
{
	uint64_t v = t_rng(s);
	size_t octave = (size_t)1 << (9 + v % 8);

	return octave + (size_t)(v >> 8) % octave;
}

/* One row: messages of `len` bytes (0: mixed) through `arena` bytes. */
static void row(const char *name, const uint8_t *mem, size_t len, size_t arena,
		size_t total, size_t batch)
{
	static struct sha256_job jobs[MAX_JOBS];
	static struct digest out[MAX_JOBS];
	size_t n = 0, at = 0, sum = 0;
	uint64_t s = 7;

	while (n < MAX_JOBS && sum < total) {
		size_t m = len != 0 ? len : mixed_length(&s);

		if (at + m > arena)
			at = 0;
		jobs[n].msg = bytes_of(mem + at, m);
		jobs[n].out = &out[n];
		at += m;
		sum += m;
		n++;
	}
	printf("%-22s", name);
	for (int r = 0; r < RUNNERS; r++) {
		if (r < SHA256_KERNELS &&
		    !sha256_supported((enum sha256_kernel)r))
			continue;
		printf(" %9.2f", rate(r, jobs, n, batch, (double)sum));
		fflush(stdout);
	}
	printf("\n");
}

int main(void)
{
	uint8_t *mem = malloc(ARENA);
	uint64_t s = 1;

	CHECK(mem != NULL);
	for (size_t i = 0; i < ARENA; i += 8) {
		uint64_t v = t_rng(&s);

		memcpy(mem + i, &v, 8);
	}
	printf("%-22s", "GB/s, one core");
	for (int r = 0; r < RUNNERS; r++)
		if (r >= SHA256_KERNELS ||
		    sha256_supported((enum sha256_kernel)r))
			printf(" %9s", runner_name(r));
	printf("\n");
	row("64 KiB hot", mem, 65536, 512 << 10, 64 << 20, BATCH);
	row("64 KiB", mem, 65536, ARENA, 128 << 20, BATCH);
	row("mixed, 256 a call", mem, 0, ARENA, 128 << 20, BATCH);
	row("mixed, 32 a call", mem, 0, ARENA, 128 << 20, 32);
	row("20 KiB", mem, 20480, ARENA, 128 << 20, BATCH);
	row("4 KiB", mem, 4096, ARENA, 64 << 20, BATCH);
	row("1 KiB", mem, 1024, ARENA, 64 << 20, BATCH);
	row("100 bytes", mem, 100, ARENA, 16 << 20, BATCH);
	row("64 KiB, 1 a call", mem, 65536, ARENA, 32 << 20, 1);
	row("64 KiB, 2 a call", mem, 65536, ARENA, 32 << 20, 2);
	row("64 KiB, 4 a call", mem, 65536, ARENA, 32 << 20, 4);
	row("64 KiB, 8 a call", mem, 65536, ARENA, 32 << 20, 8);
	row("64 KiB, 12 a call", mem, 65536, ARENA, 32 << 20, 12);
	row("64 KiB, 16 a call", mem, 65536, ARENA, 32 << 20, 16);
	row("64 KiB, 24 a call", mem, 65536, ARENA, 32 << 20, 24);
	free(mem);
	return 0;
}
