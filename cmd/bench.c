/* SPDX-License-Identifier: Apache-2.0 */
/* bench - how fast each stage is on this machine. */
#include "cmd/bench.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/suggest.h"

static const struct stage {
	const char *name;
	bench_fn *run;
} STAGES[] = {
	{ "chunk", bench_chunk },   { "hash", bench_hash },
	{ "codec", bench_codec },   { "io", bench_io },
	{ "put", bench_put },	    { "get", bench_get },
	{ "lookup", bench_lookup },
};
enum { STAGE_COUNT = sizeof(STAGES) / sizeof(STAGES[0]) };

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t bench_random(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void bench_fill(uint64_t *s, uint8_t *p, size_t n)
{
	while (n > 0) {
		uint64_t v = bench_random(s);
		size_t k = n < sizeof(v) ? n : sizeof(v);

		memcpy(p, &v, k);
		p += k;
		n -= k;
	}
}

/* Words of a small vocabulary, some of which are new: zstd -1 makes a quarter
 * of it. */
void bench_text(uint64_t *s, uint8_t *p, size_t n)
{
	enum { WORDS = 512, WORD_BYTES = 12 };
	static const char LETTERS[] = "etaoinshrdlucmfwypvbgk_()=;*{}0";
	char words[WORDS][WORD_BYTES];
	size_t lengths[WORDS], i = 0;

	for (size_t w = 0; w < WORDS; w++) {
		lengths[w] = 2 + bench_random(s) % (WORD_BYTES - 2);
		for (size_t k = 0; k < lengths[w]; k++)
			words[w][k] = LETTERS[bench_random(s) %
					      (sizeof(LETTERS) - 1)];
	}
	while (i < n) {
		uint64_t r = bench_random(s);
		/* Common words are much more common than others. */
		size_t w = (r & 0xffff) * (r >> 16 & 0xffff) * WORDS >> 32;
		size_t k = lengths[w] < n - i ? lengths[w] : n - i;

		memcpy(p + i, words[w], k);
		i += k;
		if (i < n)
			p[i++] = r >> 60 == 0 ? '\n' : ' ';
	}
}

double bench_now(void)
{
	struct clock c = clock_system();

	return (double)c.mono(c.ctx) / 1e9;
}

enum bc_err bench_stopped(struct ctx *c, struct err *e)
{
	if (atomic_load_explicit(c->stop, memory_order_relaxed) == 0)
		return BC_OK;
	return err_set(e, BC_ECANCEL, "stopped");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *v, size_t n, double p)
{
	size_t at;

	if (n == 0)
		return -1;
	qsort(v, n, sizeof(*v), by_value);
	at = (size_t)((double)n * p);
	return v[at < n ? at : n - 1];
}

double bench_median(void (*fn)(void *ctx), void *ctx)
{
	double took[BENCH_RUNS];

	fn(ctx);
	for (int i = 0; i < BENCH_RUNS; i++) {
		double began = bench_now();

		fn(ctx);
		took[i] = bench_now() - began;
	}
	return bench_percentile(took, BENCH_RUNS, 0.5);
}

static enum bc_err bench_run(struct ctx *c, struct err *e)
{
	struct suggest s = suggest_begin(c->args[0]);

	for (size_t i = 0; i < STAGE_COUNT; i++) {
		enum bc_err rc;

		suggest_offer(&s, STAGES[i].name);
		if (strcmp(STAGES[i].name, c->args[0]) != 0)
			continue;
		rc = show_benches(&c->out, e);
		if (rc != BC_OK)
			return rc;
		rc = STAGES[i].run(c, e);
		(void)show_end(&c->out);
		return rc;
	}
	(void)ctx_usage(c, e, "there is no stage '%.64s'", c->args[0]);
	if (suggest_end(&s) != NULL)
		err_hint(e, "did you mean %s?", suggest_end(&s));
	return BC_EUSAGE;
}

const struct cmd cmd_bench = {
	.name = "bench",
	.summary = "measure the stages on this machine",
	.usage = "chunk|hash|codec|io|put|get|lookup",
	.group = "Tools",
	.examples = "  blobctl bench hash\n"
		    "  blobctl -R /srv/blobs bench get\n",
	.needs = CMD_STOPS,
	.args_min = 1,
	.args_max = 1,
	.run = bench_run,
};
