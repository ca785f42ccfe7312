/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/parse - numbers, sizes, durations and moments as people type them.
 *
 * Every call takes a whole NUL-terminated text: a blank or a letter left over
 * is an error. On failure nothing is written to `out`, the code is BC_EINVAL,
 * and `e` holds one clause that quotes the text, with a hint that lists what
 * would be accepted. Any thread. No call depends on the locale; parse_when()
 * depends on the C library's time zone.
 */
#ifndef BC_UTIL_PARSE_H
#define BC_UTIL_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define NS_PER_SECOND INT64_C(1000000000)

/* A span of time given by one text. */
struct when {
	int64_t from; /* first nanosecond since 1970 that it means */
	int64_t to;   /* the nanosecond after the last; to > from */
};

/* parse_u64 - decimal digits only, at most UINT64_MAX. */
BC_MUST_CHECK enum bc_err parse_u64(const char *s, uint64_t *out,
				    struct err *e);

/*
 * parse_size - bytes, with the suffixes of GNU coreutils: K M G T P E and
 * KiB ... EiB are powers of 1024; kB KB MB GB ... EB are powers of 1000; B and
 * no suffix are bytes. `k` is the only lower-case letter, so that nobody reads
 * `m` as a thousandth.
 */
BC_MUST_CHECK enum bc_err parse_size(const char *s, uint64_t *out,
				     struct err *e);

/*
 * parse_duration - one or more pairs of digits and unit: s, min, h, d, w,
 * mo (30 days), y (365 days), as in `90s` or `1d12h`. A bare `m` is an error:
 * other tools read it as minutes or as months. `0` needs no unit.
 *   out  seconds, at most 200 years
 */
BC_MUST_CHECK enum bc_err parse_duration(const char *s, int64_t *out,
					 struct err *e);

/*
 * parse_when - a moment or a day.
 *
 *   2026-05-01                      the whole day
 *   2026-05-01 14:00                the whole minute (also with `T`)
 *   2026-05-01 14:00:30[.5]         the whole second, or the fraction
 *   any of the last two and Z, +02:00 or -02:30   that zone, else local time
 *   3d, 2h30min, `3d ago`           one nanosecond, that long before `now`
 *   now                             `now` itself
 *
 *   now  nanoseconds since 1970
 */
BC_MUST_CHECK enum bc_err parse_when(const char *s, int64_t now,
				     struct when *out, struct err *e);

/*
 * parse_range - `A-B` inclusive, `A-` to the end, `-N` the last N; A, B and N
 * are sizes.
 */
struct byte_range {
	uint64_t first; /* first byte, or the count when `tail` */
	uint64_t last;	/* last byte, UINT64_MAX for the end */
	bool tail;	/* the last `first` bytes of the object */
};
BC_MUST_CHECK enum bc_err parse_range(const char *s, struct byte_range *out,
				      struct err *e);

/* parse_tag - is `s` a tag, `key=value`, with a key that is not empty, neither
 * of them too long, and no control character? */
BC_MUST_CHECK enum bc_err parse_tag(const char *s, struct err *e);

#endif
