/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "t.h"
#include "util/fmt.h"

#define S INT64_C(1000000000)

static void sizes(void)
{
	static const struct {
		uint64_t n;
		const char *iec, *si;
	} T[] = {
		{ 0, "0 B", "0 B" },
		{ 999, "999 B", "999 B" },
		{ 1000, "1000 B", "1.00 kB" },
		{ 1023, "1023 B", "1.02 kB" },
		{ 1024, "1.00 KiB", "1.02 kB" },
		{ 1536, "1.50 KiB", "1.54 kB" },
		{ 10239, "10.0 KiB", "10.2 kB" },
		{ 1024000, "1000 KiB", "1.02 MB" },
		{ 1023 * 1024, "1023 KiB", "1.05 MB" },
		{ 1048575, "1.00 MiB", "1.05 MB" },
		{ 1048576, "1.00 MiB", "1.05 MB" },
		{ 999999, "977 KiB", "1.00 MB" },
		{ UINT64_C(1320702443), "1.23 GiB", "1.32 GB" },
		{ UINT64_C(200) << 30, "200 GiB", "215 GB" },
		{ UINT64_MAX, "16.0 EiB", "18.4 EB" },
	};
	char got[FMT_BYTES];

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		CHECK_STR(fmt_size(T[i].n, FMT_IEC, got), T[i].iec);
		CHECK_STR(fmt_size(T[i].n, FMT_SI, got), T[i].si);
	}
	CHECK_STR(fmt_size(UINT64_MAX, FMT_PLAIN, got), "18446744073709551615");
}

/* Close to the true value for any number, in either unit. */
static void sizes_are_near(void)
{
	static const char *const UNITS = "BKMGTPE";
	uint64_t seed = 3;

	for (int i = 0; i < 200000; i++) {
		uint64_t n = t_rng(&seed) >> (t_rng(&seed) % 64);
		char got[FMT_BYTES], unit;
		double v, f = 1;

		fmt_size(n, FMT_IEC, got);
		CHECK_EQ(sscanf(got, "%lf %c", &v, &unit), 2);
		for (const char *u = UNITS; *u != unit; u++)
			f *= 1024;
		if (v * f < (double)n * 0.9949 || v * f > (double)n * 1.0051)
			T_FAIL("%" PRIu64 " is shown as %s", n, got);
	}
}

static void counts(void)
{
	char got[FMT_BYTES];

	CHECK_STR(fmt_count(0, got), "0");
	CHECK_STR(fmt_count(999, got), "999");
	CHECK_STR(fmt_count(1000, got), "1,000");
	CHECK_STR(fmt_count(1234567, got), "1,234,567");
	CHECK_STR(fmt_count(UINT64_MAX, got), "18,446,744,073,709,551,615");
	CHECK_STR(fmt_things(0, "file", got), "0 files");
	CHECK_STR(fmt_things(1, "file", got), "1 file");
	CHECK_STR(fmt_things(1234, "snapshot", got), "1,234 snapshots");
	CHECK_STR(fmt_things(UINT64_MAX, "sixteen-letters!", got),
		  "18,446,744,073,709,551,615 sixteen-letters!s");
	CHECK_STR(fmt_ratio(35, 1, got), "35.0");
	CHECK_STR(fmt_ratio(104, 100, got), "1.04");
	CHECK_STR(fmt_ratio(1, 0, got), "-");
	CHECK_STR(fmt_ratio(UINT64_MAX, UINT64_MAX, got), "1.00");
	CHECK_STR(fmt_ratio(UINT64_MAX / 2, UINT64_MAX, got), "0.50");
}

static void spans(void)
{
	char got[FMT_BYTES];

	CHECK_STR(fmt_seconds(0, got), "0.000 s");
	CHECK_STR(fmt_seconds(42 * S / 1000, got), "0.042 s");
	CHECK_STR(fmt_seconds(3 * S + S / 10, got), "3.1 s");
	CHECK_STR(fmt_seconds(252 * S, got), "4 min 12 s");
	CHECK_STR(fmt_seconds(7500 * S, got), "2 h 5 min");
	CHECK_STR(fmt_eta(52, got), "0:52");
	CHECK_STR(fmt_eta(3725, got), "1:02:05");
	CHECK_STR(fmt_eta(-5, got), "0:00");
	CHECK_STR(fmt_ago(0, S / 2, got), "just now");
	CHECK_STR(fmt_ago(0, 3 * 3600 * S, got), "3 h ago");
	CHECK_STR(fmt_ago(0, 59 * S, got), "59 s ago");
	CHECK_STR(fmt_ago(3600 * S, 0, got), "in 1 h");
	CHECK_STR(fmt_ago(0, 400 * 86400 * S, got), "1 y ago");
	fmt_ago(INT64_MIN, INT64_MAX, got); /* must not overflow */
	fmt_ago(INT64_MAX, INT64_MIN, got);
}

static void times(void)
{
	char got[FMT_BYTES];

	CHECK_STR(fmt_time_utc(0, true, got), "1970-01-01T00:00:00Z");
	CHECK_STR(fmt_time_utc(S / 2, true, got),
		  "1970-01-01T00:00:00.500000000Z");
	CHECK_STR(fmt_time_utc(S / 2, false, got), "1970-01-01T00:00:00Z");
	CHECK_STR(fmt_time_utc(-1, true, got),
		  "1969-12-31T23:59:59.999999999Z");
	CHECK_STR(fmt_time_local(INT64_C(1777593600) * S, got),
		  "2026-05-01 02:00:00");
	fmt_time_utc(INT64_MIN, true, got);
	fmt_time_local(INT64_MAX, got);
}

static void modes(void)
{
	char got[FMT_BYTES];

	CHECK_STR(fmt_mode(S_IFREG | 0644, got), "-rw-r--r--");
	CHECK_STR(fmt_mode(S_IFDIR | 01777, got), "drwxrwxrwt");
	CHECK_STR(fmt_mode(S_IFREG | 06755, got), "-rwsr-sr-x");
	CHECK_STR(fmt_mode(S_IFREG | 07000, got), "---S--S--T");
	CHECK_STR(fmt_mode(S_IFLNK | 0777, got), "lrwxrwxrwx");
}

int main(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	RUN(sizes);
	RUN(sizes_are_near);
	RUN(counts);
	RUN(spans);
	RUN(times);
	RUN(modes);
	return 0;
}
