/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "t.h"
#include "util/parse.h"

#define BAD UINT64_C(0xdeadbeefdeadbeef)

static void sizes(void)
{
	static const struct {
		const char *text;
		uint64_t want; /* BAD: must be refused */
	} T[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "512B", 512 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "64M", UINT64_C(64) << 20 },
		{ "64MiB", UINT64_C(64) << 20 },
		{ "64MB", UINT64_C(64000000) },
		{ "1kB", 1000 },
		{ "1KB", 1000 },
		{ "3G", UINT64_C(3) << 30 },
		{ "2TiB", UINT64_C(2) << 40 },
		{ "2PB", UINT64_C(2000000000000000) },
		{ "15E", UINT64_C(15) << 60 },
		{ "16E", BAD },
		{ "18446744073709551615", UINT64_MAX },
		{ "18446744073709551616", BAD },
		{ "99999999999999999999999", BAD },
		{ "", BAD },
		{ " 1", BAD },
		{ "1 ", BAD },
		{ "1 M", BAD },
		{ "-1", BAD },
		{ "+1", BAD },
		{ "1m", BAD },
		{ "1g", BAD },
		{ "1Mi", BAD },
		{ "1MIB", BAD },
		{ "1.5M", BAD },
		{ "0x10", BAD },
		{ "M", BAD },
		{ "1b", BAD },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct err e = ERR_INIT;
		uint64_t got = BAD;
		enum bc_err rc = parse_size(T[i].text, &got, &e);

		if ((rc == BC_OK) != (T[i].want != BAD) || got != T[i].want)
			T_FAIL("'%s' is %" PRIu64 " (%d)", T[i].text, got, rc);
		if (rc != BC_OK) {
			CHECK_EQ(rc, BC_EINVAL);
			CHECK(e.text[0] != '\0' && e.hint[0] != '\0');
		}
	}
}

static void durations(void)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: must be refused */
	} T[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "90s", 90 },
		{ "5min", 300 },
		{ "2h", 7200 },
		{ "1d", 86400 },
		{ "2w", 14 * 86400 },
		{ "1mo", 30 * 86400 },
		{ "1y", 365 * 86400 },
		{ "1d12h", 86400 + 43200 },
		{ "1h30min5s", 5405 },
		{ "200y", INT64_C(200) * 365 * 86400 },
		{ "200y1s", -1 },
		{ "99999999999999999999y", -1 },
		{ "18446744073709551615w", -1 },
		{ "5m", -1 },
		{ "5M", -1 },
		{ "1h5m", -1 },
		{ "5", -1 },
		{ "00", -1 },
		{ "", -1 },
		{ "h", -1 },
		{ "1 h", -1 },
		{ "-1h", -1 },
		{ "1h ", -1 },
		{ "1hour", -1 },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct err e = ERR_INIT;
		int64_t got = -1;
		enum bc_err rc = parse_duration(T[i].text, &got, &e);

		if ((rc == BC_OK) != (T[i].want >= 0) || got != T[i].want)
			T_FAIL("'%s' is %" PRId64 " (%d)", T[i].text, got, rc);
	}
}

static void bare_m_says_why(void)
{
	struct err e = ERR_INIT;
	int64_t v;

	CHECK_EQ(parse_duration("5m", &v, &e), BC_EINVAL);
	CHECK(strstr(e.hint, "min") != NULL && strstr(e.hint, "mo") != NULL);
}

#define S NS_PER_SECOND
/* 2026-05-01T00:00:00Z */
#define MAY (INT64_C(1777593600) * S)

static void dates_in_utc(void)
{
	static const struct {
		const char *text;
		int64_t from, to; /* to 0: must be refused */
	} T[] = {
		{ "2026-05-01", MAY, MAY + 86400 * S },
		{ "2026-05-01 14:00", MAY + 50400 * S, MAY + 50460 * S },
		{ "2026-05-01T14:00", MAY + 50400 * S, MAY + 50460 * S },
		{ "2026-05-01T14:00:07Z", MAY + 50407 * S, MAY + 50408 * S },
		{ "2026-05-01t14:00:07z", MAY + 50407 * S, MAY + 50408 * S },
		{ "2026-05-01T14:00:07.25Z", MAY + 50407 * S + S / 4,
		  MAY + 50407 * S + S / 4 + S / 100 },
		{ "2026-05-01T02:00+02:00", MAY, MAY + 60 * S },
		{ "2026-04-30T21:30:00-02:30", MAY, MAY + S },
		{ "1970-01-01", 0, 86400 * S },
		{ "1969-12-31T23:59:59Z", -S, 0 + 0 },
		{ "2024-02-29", INT64_C(1709164800) * S,
		  INT64_C(1709251200) * S },
		{ "2026-02-29", 0, 0 },
		{ "2026-13-01", 0, 0 },
		{ "2026-00-01", 0, 0 },
		{ "2026-05-00", 0, 0 },
		{ "2026-5-1", 0, 0 },
		{ "2026-05-01 24:00", 0, 0 },
		{ "2026-05-01 14:60", 0, 0 },
		{ "2026-05-01 14", 0, 0 },
		{ "2026-05-01 14:00:00.Z", 0, 0 },
		{ "2026-05-01 14:00:00.1234567891Z", 0, 0 },
		{ "2026-05-01 14:00+2", 0, 0 },
		{ "2026-05-01x", 0, 0 },
		{ "9999-01-01", 0, 0 },
		{ "0001-01-01", 0, 0 },
		{ "", 0, 0 },
		{ "yesterdayish", 0, 0 },
		{ "now", MAY, MAY + 1 },
		{ "3d", MAY - 3 * 86400 * S, MAY - 3 * 86400 * S + 1 },
		{ "2h ago", MAY - 7200 * S, MAY - 7200 * S + 1 },
		{ "1d12h", MAY - 129600 * S, MAY - 129600 * S + 1 },
		{ "5m", 0, 0 },
		{ " ago", 0, 0 },
		{ "-3d", 0, 0 },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct err e = ERR_INIT;
		struct when w = { 0, 0 };
		enum bc_err rc = parse_when(T[i].text, MAY, &w, &e);
		bool good = T[i].to != 0 || T[i].from != 0;

		if ((rc == BC_OK) != good || w.from != T[i].from ||
		    w.to != T[i].to)
			T_FAIL("'%s': %d, %" PRId64 " to %" PRId64, T[i].text,
			       rc, w.from, w.to);
	}
}

/* Days in which clocks are turned are 23 and 25 hours long. */
static void days_of_berlin(void)
{
	struct err e = ERR_INIT;
	struct when w;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	CHECK_OK(parse_when("2026-03-29", MAY, &w, &e), &e);
	CHECK_EQ((w.to - w.from) / S, 23 * 3600);
	CHECK_OK(parse_when("2026-10-25", MAY, &w, &e), &e);
	CHECK_EQ((w.to - w.from) / S, 25 * 3600);
	CHECK_OK(parse_when("2026-05-01 02:00", MAY, &w, &e), &e);
	CHECK_EQ(w.from, MAY);
	setenv("TZ", "UTC0", 1);
	tzset();
}

static void ranges(void)
{
	static const struct {
		const char *text;
		bool good;
		struct byte_range want;
	} T[] = {
		{ "0-0", true, { 0, 0, false } },
		{ "5-9", true, { 5, 9, false } },
		{ "1K-2KiB", true, { 1024, 2048, false } },
		{ "7-", true, { 7, UINT64_MAX, false } },
		{ "-100", true, { 100, UINT64_MAX, true } },
		{ "9-5", false, { 0 } },
		{ "-", false, { 0 } },
		{ "", false, { 0 } },
		{ "5", false, { 0 } },
		{ "a-b", false, { 0 } },
		{ "1-2-3", false, { 0 } },
		{ "--5", false, { 0 } },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct byte_range r = { 1, 1, true };

		if ((parse_range(T[i].text, &r, NULL) == BC_OK) != T[i].good)
			T_FAIL("'%s'", T[i].text);
		if (!T[i].good)
			continue;
		CHECK_EQ(r.first, T[i].want.first);
		CHECK_EQ(r.last, T[i].want.last);
		CHECK_EQ(r.tail, T[i].want.tail);
	}
}

static void tags(void)
{
	CHECK_EQ(parse_tag("a=b", NULL), BC_OK);
	CHECK_EQ(parse_tag("a=", NULL), BC_OK);
	CHECK_EQ(parse_tag("a=b=c", NULL), BC_OK);
	CHECK_EQ(parse_tag("=b", NULL), BC_EINVAL);
	CHECK_EQ(parse_tag("a", NULL), BC_EINVAL);
	CHECK_EQ(parse_tag("", NULL), BC_EINVAL);
	CHECK_EQ(parse_tag("a=b\n", NULL), BC_EINVAL);
	CHECK_EQ(parse_tag("a\x7f=b", NULL), BC_EINVAL);
}

int main(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	RUN(sizes);
	RUN(durations);
	RUN(bare_m_says_why);
	RUN(dates_in_utc);
	RUN(days_of_berlin);
	RUN(ranges);
	RUN(tags);
	return 0;
}
