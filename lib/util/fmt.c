/* SPDX-License-Identifier: Apache-2.0 */
#include "util/fmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS     INT64_C(1000000)

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
	MONTH = 30 * DAY,
	YEAR = 365 * DAY
};

/* whole.thousandths with three significant digits; for whole < 1000. */
static int put_three(char *out, size_t cap, uint64_t whole, uint64_t milli)
{
	if (whole >= 100)
		return snprintf(out, cap, "%" PRIu64, whole);
	if (whole >= 10)
		return snprintf(out, cap, "%" PRIu64 ".%" PRIu64, whole,
				milli / 100);
	return snprintf(out, cap, "%" PRIu64 ".%02" PRIu64, whole, milli / 10);
}

/* 1000 * a / b for a < b, near enough when the product would not fit. */
static uint64_t thousandths(uint64_t a, uint64_t b)
{
	while (b > UINT64_MAX / 1000) {
		a >>= 1;
		b >>= 1;
	}
	return a * 1000 / b;
}

/* Round whole.milli to three digits, half up; may carry into `whole`. */
static void round_three(uint64_t *whole, uint64_t *milli)
{
	uint64_t step = *whole >= 100 ? 1000 : *whole >= 10 ? 100 : 10;
	uint64_t v = *milli + step / 2;

	v -= v % step;
	*whole += v / 1000;
	*milli = v % 1000;
}

const char *fmt_size(uint64_t bytes, enum fmt_unit unit, char out[FMT_BYTES])
{
	static const char *const IEC[] = { "B",	  "KiB", "MiB", "GiB",
					   "TiB", "PiB", "EiB" };
	static const char *const SI[] = { "B",	"kB", "MB", "GB",
					  "TB", "PB", "EB" };
	const char *const *names = unit == FMT_SI ? SI : IEC;
	uint64_t base = unit == FMT_SI ? 1000 : 1024, div = 1, whole, milli;
	size_t i = 0;
	int n;

	if (unit == FMT_PLAIN || bytes < base) {
		snprintf(out, FMT_BYTES, "%" PRIu64 "%s", bytes,
			 unit == FMT_PLAIN ? "" : " B");
		return out;
	}
	for (; i < 6 && bytes / div >= base; i++)
		div *= base;
	for (;;) {
		whole = bytes / div;
		milli = thousandths(bytes % div, div);
		round_three(&whole, &milli);
		if (whole < base || i >= 6)
			break;
		div *= base; /* 1023.9 KiB is 1.00 MiB */
		i++;
	}
	n = put_three(out, FMT_BYTES, whole, milli);
	snprintf(out + n, FMT_BYTES - (size_t)n, " %s", names[i]);
	return out;
}

const char *fmt_count(uint64_t v, char out[FMT_BYTES])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v);
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *fmt_things(uint64_t n, const char *noun, char out[FMT_BYTES])
{
	char count[FMT_BYTES];

	snprintf(out, FMT_BYTES, "%.28s %.16s%s", fmt_count(n, count), noun,
		 n == 1 ? "" : "s");
	return out;
}

const char *fmt_seconds(int64_t ns, char out[FMT_BYTES])
{
	int64_t s = ns / NS_PER_SECOND, ms = ns % NS_PER_SECOND / NS_PER_MS;

	if (ns < 0)
		snprintf(out, FMT_BYTES, "0 s");
	else if (s == 0)
		snprintf(out, FMT_BYTES, "0.%03" PRId64 " s", ms);
	else if (s < MINUTE)
		snprintf(out, FMT_BYTES, "%" PRId64 ".%" PRId64 " s", s,
			 ms / 100);
	else if (s < HOUR)
		snprintf(out, FMT_BYTES, "%" PRId64 " min %" PRId64 " s",
			 s / MINUTE, s % MINUTE);
	else
		snprintf(out, FMT_BYTES, "%" PRId64 " h %" PRId64 " min",
			 s / HOUR, s % HOUR / MINUTE);
	return out;
}

const char *fmt_eta(int64_t s, char out[FMT_BYTES])
{
	if (s < 0)
		s = 0;
	if (s < HOUR)
		snprintf(out, FMT_BYTES, "%" PRId64 ":%02" PRId64, s / MINUTE,
			 s % MINUTE);
	else
		snprintf(out, FMT_BYTES, "%" PRId64 ":%02" PRId64 ":%02" PRId64,
			 s / HOUR, s % HOUR / MINUTE, s % MINUTE);
	return out;
}

/* Seconds rounded down and the nanoseconds above them, also before 1970. */
static time_t split_ns(int64_t ns, int64_t *rest)
{
	int64_t s = ns / NS_PER_SECOND;

	*rest = ns % NS_PER_SECOND;
	if (*rest < 0) {
		*rest += NS_PER_SECOND;
		s--;
	}
	return (time_t)s;
}

const char *fmt_time_utc(int64_t ns, bool fraction, char out[FMT_BYTES])
{
	struct tm tm = { 0 };
	int64_t rest;
	time_t t = split_ns(ns, &rest);
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(out, FMT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	if (fraction && rest != 0)
		snprintf(out + n, FMT_BYTES - n, ".%09" PRId64 "Z", rest);
	else
		snprintf(out + n, FMT_BYTES - n, "Z");
	return out;
}

const char *fmt_time_local(int64_t ns, char out[FMT_BYTES])
{
	struct tm tm = { 0 };
	int64_t rest;
	time_t t = split_ns(ns, &rest);

	localtime_r(&t, &tm);
	if (strftime(out, FMT_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		out[0] = '\0';
	return out;
}

const char *fmt_ago(int64_t ns, int64_t now, char out[FMT_BYTES])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} UNITS[] = { { YEAR, "y" }, { MONTH, "mo" },	{ DAY, "d" },
		      { HOUR, "h" }, { MINUTE, "min" }, { 1, "s" } };
	int64_t s, back;

	if (__builtin_sub_overflow(now, ns, &back))
		back = ns < 0 ? INT64_MAX : INT64_MIN + 1;
	s = (back < 0 ? -back : back) / NS_PER_SECOND;
	if (s == 0) {
		snprintf(out, FMT_BYTES, "just now");
		return out;
	}
	for (size_t i = 0;; i++) {
		if (s < UNITS[i].seconds)
			continue;
		snprintf(out, FMT_BYTES, "%s%" PRId64 " %s%s",
			 back < 0 ? "in " : "", s / UNITS[i].seconds,
			 UNITS[i].name, back < 0 ? "" : " ago");
		return out;
	}
}

const char *fmt_ratio(uint64_t a, uint64_t b, char out[FMT_BYTES])
{
	uint64_t whole, milli;

	if (b == 0) {
		snprintf(out, FMT_BYTES, "-");
		return out;
	}
	whole = a / b;
	milli = thousandths(a % b, b);
	round_three(&whole, &milli);
	put_three(out, FMT_BYTES, whole, milli);
	return out;
}

static char type_letter(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	default:
		return '-';
	}
}

const char *fmt_mode(uint32_t mode, char out[FMT_BYTES])
{
	static const char BITS[] = "rwxrwxrwx";
	size_t i;

	out[0] = type_letter(mode);
	for (i = 0; i < 9; i++)
		out[1 + i] = (mode >> (8 - i)) & 1 ? BITS[i] : '-';
	if (mode & S_ISUID)
		out[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = mode & S_IXOTH ? 't' : 'T';
	out[10] = '\0';
	return out;
}
