/* SPDX-License-Identifier: Apache-2.0 */
#include "util/parse.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "util/arith.h"
#include "util/tag.h"

enum {
	DURATION_MAX_YEARS = 200,
	SECONDS_PER_DAY = 86400,
	DAYS_PER_YEAR = 365,
	/* Nanoseconds in an int64_t reach from 1677 to 2262. */
	YEAR_MIN = 1678,
	YEAR_MAX = 2261,
	NS_DIGITS = 9,
	QUOTE_MAX = 64, /* bytes of bad input that a message repeats */
};

static const char SIZE_HINT[] =
	"write bytes, or a number with K M G T (1024) or KB MB GB TB (1000)";
static const char DURATION_HINT[] =
	"units are s min h d w mo y, as in 90s or 1d12h";
static const char WHEN_HINT[] =
	"write 2026-05-01, '2026-05-01 14:00', 2026-05-01T14:00:00Z or 3d";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum bc_err bad(struct err *e, const char *s, const char *what,
		       const char *hint)
{
	enum bc_err rc;

	if (*s == '\0')
		rc = err_set(e, BC_EINVAL, "an empty text is not a %s", what);
	else
		rc = err_set(e, BC_EINVAL, "'%.*s' is not a %s", QUOTE_MAX, s,
			     what);
	err_hint(e, "%s", hint);
	return rc;
}

/* Digits at *s, which moves behind them; false if none or too many. */
static bool take_u64(const char **s, uint64_t *out)
{
	uint64_t v = 0;

	if (!is_digit(**s))
		return false;
	for (; is_digit(**s); (*s)++)
		if (!mul_u64(v, 10, &v) ||
		    !add_u64(v, (uint64_t)(**s - '0'), &v))
			return false;
	*out = v;
	return true;
}

enum bc_err parse_u64(const char *s, uint64_t *out, struct err *e)
{
	const char *p = s;
	uint64_t v;

	if (!take_u64(&p, &v) || *p != '\0')
		return bad(e, s, "number", "write decimal digits only");
	*out = v;
	return BC_OK;
}

/* The factor of a size suffix; false if there is no such suffix. */
static bool size_factor(const char *p, uint64_t *out)
{
	static const char LETTERS[] = "KMGTPE";
	const char *at;
	uint64_t base, f = 1;

	*out = 1;
	if (*p == '\0' || strcmp(p, "B") == 0)
		return true;
	at = strchr(LETTERS, *p == 'k' ? 'K' : *p);
	if (at == NULL)
		return false;
	if (p[1] == '\0' || strcmp(p + 1, "iB") == 0)
		base = 1024;
	else if (strcmp(p + 1, "B") == 0)
		base = 1000;
	else
		return false;
	for (const char *l = LETTERS; l <= at; l++)
		f *= base; /* at most 1024^6 */
	*out = f;
	return true;
}

enum bc_err parse_size(const char *s, uint64_t *out, struct err *e)
{
	const char *p = s;
	uint64_t v, f;

	if (!take_u64(&p, &v) || !size_factor(p, &f) || !mul_u64(v, f, &v))
		return bad(e, s, "size", SIZE_HINT);
	*out = v;
	return BC_OK;
}

static const struct unit {
	char name[4];
	int64_t seconds;
} UNITS[] = {
	{ "s", 1 },
	{ "min", 60 },
	{ "h", 3600 },
	{ "d", SECONDS_PER_DAY },
	{ "w", 7 * SECONDS_PER_DAY },
	{ "mo", 30 * SECONDS_PER_DAY },
	{ "y", (int64_t)DAYS_PER_YEAR *SECONDS_PER_DAY },
};

static const struct unit *find_unit(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (strlen(UNITS[i].name) == n &&
		    memcmp(UNITS[i].name, p, n) == 0)
			return &UNITS[i];
	return NULL;
}

static enum bc_err duration_n(const char *s, size_t n, int64_t *out,
			      struct err *e)
{
	const uint64_t max =
		(uint64_t)DURATION_MAX_YEARS * DAYS_PER_YEAR * SECONDS_PER_DAY;
	const char *p = s, *end = s + n;
	uint64_t sum = 0, v;

	if (n == 1 && *s == '0') {
		*out = 0;
		return BC_OK;
	}
	if (n == 0)
		return bad(e, "", "duration", DURATION_HINT);
	while (p < end) {
		const char *name;
		const struct unit *u;

		if (!take_u64(&p, &v) || p > end)
			return bad(e, s, "duration", DURATION_HINT);
		name = p;
		while (p < end && !is_digit(*p))
			p++;
		if (p - name == 1 && *name == 'm') {
			enum bc_err rc = bad(e, s, "duration", "");

			err_hint(e, "m is minutes to some tools and months to "
				    "others: write min or mo");
			return rc;
		}
		u = find_unit(name, (size_t)(p - name));
		if (u == NULL || !mul_u64(v, (uint64_t)u->seconds, &v) ||
		    !add_u64(sum, v, &sum) || sum > max)
			return bad(e, s, "duration", DURATION_HINT);
	}
	*out = (int64_t)sum;
	return BC_OK;
}

enum bc_err parse_duration(const char *s, int64_t *out, struct err *e)
{
	return duration_n(s, strlen(s), out, e);
}

/* Exactly n digits. */
static bool take_fixed(const char **s, int n, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (!is_digit(**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*out = v;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const char DAYS[] = { 31, 28, 31, 30, 31, 30,
				     31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return DAYS[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **s, struct tm *tm)
{
	int y, m, d;

	if (!take_fixed(s, 4, &y) || !take_char(s, '-') ||
	    !take_fixed(s, 2, &m) || !take_char(s, '-') ||
	    !take_fixed(s, 2, &d))
		return false;
	if (y < YEAR_MIN || y > YEAR_MAX || m < 1 || m > 12 || d < 1 ||
	    d > days_in_month(y, m))
		return false;
	tm->tm_year = y - 1900;
	tm->tm_mon = m - 1;
	tm->tm_mday = d;
	return true;
}

/*
 * HH:MM[:SS[.fraction]] - the precision that was given, in nanoseconds, goes
 * to *step, the fraction to *ns.
 */
static bool take_clock(const char **s, struct tm *tm, int64_t *ns,
		       int64_t *step)
{
	int64_t digit = NS_PER_SECOND;

	if (!take_fixed(s, 2, &tm->tm_hour) || !take_char(s, ':') ||
	    !take_fixed(s, 2, &tm->tm_min))
		return false;
	if (tm->tm_hour > 23 || tm->tm_min > 59)
		return false;
	*step = 60 * NS_PER_SECOND;
	if (!take_char(s, ':'))
		return true;
	if (!take_fixed(s, 2, &tm->tm_sec) || tm->tm_sec > 60)
		return false;
	*step = NS_PER_SECOND;
	if (!take_char(s, '.'))
		return true;
	if (!is_digit(**s))
		return false;
	for (int i = 0; is_digit(**s); i++, (*s)++) {
		if (i >= NS_DIGITS)
			return false;
		digit /= 10;
		*ns += digit * (**s - '0');
	}
	*step = digit;
	return true;
}

/* Z or +HH:MM; *zoned tells whether there was one. */
static bool take_zone(const char **s, int64_t *offset, bool *zoned)
{
	int sign, h, m;

	*zoned = **s != '\0';
	*offset = 0;
	if (!*zoned)
		return true;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if (!take_char(s, '+') && !take_char(s, '-'))
		return false;
	if (!take_fixed(s, 2, &h) || !take_char(s, ':') ||
	    !take_fixed(s, 2, &m) || h > 23 || m > 59)
		return false;
	*offset = sign * (h * 3600 + m * 60);
	return true;
}

static bool local_seconds(struct tm tm, int64_t *out)
{
	time_t t;

	tm.tm_isdst = -1;
	tm.tm_wday = -1; /* mktime sets it, unless it fails */
	t = mktime(&tm);
	if (t == (time_t)-1 && tm.tm_wday == -1)
		return false;
	*out = (int64_t)t;
	return true;
}

static bool parse_calendar(const char *s, struct when *out)
{
	struct tm tm = { 0 }, next;
	int64_t ns = 0, step = 0, first, after, offset = 0;
	bool zoned = false;
	const char *p = s;

	if (!take_date(&p, &tm))
		return false;
	if (*p == '\0') {
		/* A day is not always 24 hours long. */
		next = tm;
		next.tm_mday++;
		if (!local_seconds(tm, &first) || !local_seconds(next, &after))
			return false;
		out->from = first * NS_PER_SECOND;
		out->to = after * NS_PER_SECOND;
		return after > first;
	}
	if (!take_char(&p, 'T') && !take_char(&p, 't') && !take_char(&p, ' '))
		return false;
	if (!take_clock(&p, &tm, &ns, &step) ||
	    !take_zone(&p, &offset, &zoned) || *p != '\0')
		return false;
	if (zoned)
		first = (int64_t)timegm(&tm) - offset;
	else if (!local_seconds(tm, &first))
		return false;
	out->from = first * NS_PER_SECOND + ns;
	out->to = out->from + step;
	return true;
}

enum bc_err parse_when(const char *s, int64_t now, struct when *out,
		       struct err *e)
{
	static const char AGO[] = " ago";
	size_t n = strlen(s), ago = sizeof(AGO) - 1;
	struct when w;
	int64_t span;

	if (strcmp(s, "now") == 0) {
		*out = (struct when){ now, now + 1 };
		return BC_OK;
	}
	if (parse_calendar(s, &w)) {
		*out = w;
		return BC_OK;
	}
	if (n > ago && strcmp(s + n - ago, AGO) == 0)
		n -= ago;
	if (n == 0 || strchr(s, '-') != NULL ||
	    duration_n(s, n, &span, NULL) != BC_OK ||
	    __builtin_sub_overflow(now, span * NS_PER_SECOND, &w.from))
		return bad(e, s, "date", WHEN_HINT);
	*out = (struct when){ w.from, w.from + 1 };
	return BC_OK;
}

enum bc_err parse_range(const char *s, struct byte_range *out, struct err *e)
{
	static const char HINT[] =
		"write FIRST-LAST (both included), FIRST- or -COUNT";
	struct byte_range r = { 0, UINT64_MAX, false };
	const char *dash = strchr(s, '-');
	char first[QUOTE_MAX];
	size_t n;

	if (dash == NULL || (n = (size_t)(dash - s)) >= sizeof(first))
		return bad(e, s, "range of bytes", HINT);
	memcpy(first, s, n);
	first[n] = '\0';
	r.tail = n == 0;
	if (r.tail) {
		if (parse_size(dash + 1, &r.first, NULL) != BC_OK)
			return bad(e, s, "range of bytes", HINT);
	} else if (parse_size(first, &r.first, NULL) != BC_OK ||
		   (dash[1] != '\0' &&
		    parse_size(dash + 1, &r.last, NULL) != BC_OK) ||
		   r.last < r.first) {
		return bad(e, s, "range of bytes", HINT);
	}
	*out = r;
	return BC_OK;
}

enum bc_err parse_tag(const char *s, struct err *e)
{
	static const char HINT[] = "write KEY=VALUE, as in project=web";
	const char *eq = strchr(s, '=');

	if (eq == NULL || eq == s)
		return bad(e, s, "tag", HINT);
	if (eq - s > TAG_KEY_MAX_BYTES || strlen(eq + 1) > TAG_VALUE_MAX_BYTES)
		return err_set(e, BC_EINVAL,
			       "the tag '%.32s...' is too long: a key has %d "
			       "bytes at most, a value %d",
			       s, TAG_KEY_MAX_BYTES, TAG_VALUE_MAX_BYTES);
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return bad(e, s, "tag without control characters",
				   HINT);
	return BC_OK;
}
