/* SPDX-License-Identifier: Apache-2.0 */
/* The line of progress, and the thread that draws it. Compiled in; the
 * terminal and the JSON lines are replaced by counters. */
#include "cmd/json.c"
#include "cmd/progress.c"

#include "t.h"

static atomic_int bars, lines, events;
static atomic_int usr1 = -1;

void msg_bar(struct msg *m, const char *line)
{
	(void)m;
	if (line != NULL)
		atomic_fetch_add(&bars, 1);
}

void msg_progress(struct msg *m, const char *line)
{
	(void)m;
	CHECK(line[0] != '\0');
	atomic_fetch_add(&lines, 1);
}

void out_emit(struct out *o, struct json *j)
{
	(void)o;
	CHECK(json_line(j).n > 0);
	json_free(j);
	atomic_fetch_add(&events, 1);
}

bool out_events(const struct out *o)
{
	return o->opt.json;
}

void signal_on_usr1(int fd)
{
	atomic_store(&usr1, fd);
}

static void check_line(struct progress_view v, struct progress_now n,
		       const char *want)
{
	char got[LINE_BYTES];

	v.verb = "put";
	progress_line(&v, &n, got, sizeof(got));
	CHECK_STR(got, want);
}

static void text(void)
{
	const struct progress_view wide = { .width = 200,
					    .rate = 1 << 20,
					    .elapsed_ns = 6 * NS_PER_SECOND };
	struct progress_view bar = wide, narrow = wide;
	struct progress_now n = { .bytes_done = 72 << 20,
				  .bytes_total = 100 << 20,
				  .bytes_known = 53 << 20,
				  .bytes_new = 2 << 20,
				  .files_done = 1234,
				  .errors = 2,
				  .total_final = true };

	check_line(wide, n,
		   "put  72.0 MiB of 100 MiB 19% + 53% already stored  "
		   "1.00 MiB/s  1,234 files  new 2.00 MiB (36.0x)  2 err  "
		   "ETA 0:28");
	bar.bar = true;
	bar.width = 60;
	check_line(bar, n,
		   "put  72.0 MiB of 100 MiB  [###========-----] 19%"
		   "  1.00 MiB/s");
	narrow.width = 30;
	check_line(narrow, n, "put  72.0 MiB of 100 MiB 19%");
	n = (struct progress_now){ .bytes_done = 5 };
	check_line(bar, n, "put  5 B  1.00 MiB/s");
	n.files_done = 1;
	check_line(wide, n, "put  5 B  1.00 MiB/s  1 file");
	/* Counters that were read while they grew. */
	n = (struct progress_now){ .bytes_done = 9,
				   .bytes_known = 12,
				   .bytes_total = 3,
				   .total_final = true };
	check_line((struct progress_view){ .width = 200 }, n,
		   "put  9 B of 9 B 0% + 100% already stored  0 B/s");
}

static void never_too_wide(void)
{
	uint64_t seed = 9;
	char got[LINE_BYTES];

	for (int i = 0; i < 20000; i++) {
		struct progress_view v = { .verb = "put",
					   .width = (unsigned)(t_rng(&seed) %
							       120),
					   .rate = t_rng(&seed),
					   .elapsed_ns = INT64_MAX,
					   .bar = i % 2,
					   .unit = (enum fmt_unit)(i % 3) };
		struct progress_now n = { t_rng(&seed), t_rng(&seed),
					  t_rng(&seed), t_rng(&seed),
					  t_rng(&seed), t_rng(&seed),
					  t_rng(&seed), i % 5 < 2 };

		progress_line(&v, &n, got, sizeof(got));
		CHECK(strlen(got) <= v.width);
	}
}

static atomic_uint_fast64_t done_bytes;
static atomic_int samples;

static void sample(void *ctx, struct progress_now *now)
{
	(void)ctx;
	now->bytes_done = atomic_fetch_add(&done_bytes, 1000);
	now->bytes_total = 1 << 30;
	atomic_fetch_add(&samples, 1);
}

static int64_t real_mono(void *ctx)
{
	struct clock c = clock_system();

	(void)ctx;
	return c.mono(c.ctx);
}

static void wait_for(atomic_int *what, int n)
{
	while (atomic_load(what) < n)
		poll(NULL, 0, 5);
}

static void thread(void)
{
	const struct progress_source src = { "put", sample, NULL, false };
	struct out o = { .width = 80, .opt = { .json = true } };
	const uint64_t one = 1;
	struct progress *p;
	int seen;

	o.clk = (struct clock){ real_mono, real_mono, real_mono, NULL };
	p = progress_start(&o, NULL, PROGRESS_BAR, &src);
	CHECK(p != NULL);
	wait_for(&bars, 2);
	wait_for(&events, 1);
	CHECK_EQ(atomic_load(&lines), 0);
	/* As SIGUSR1 does. */
	CHECK_EQ(write(atomic_load(&usr1), &one, sizeof(one)), 8);
	wait_for(&lines, 1);
	progress_stop(p);
	CHECK_EQ(atomic_load(&usr1), -1);
	seen = atomic_load(&samples);
	poll(NULL, 0, 300);
	CHECK_EQ(atomic_load(&samples), seen);
	progress_stop(NULL);
}

int main(void)
{
	RUN(text);
	RUN(never_too_wide);
	RUN(thread);
	return 0;
}
