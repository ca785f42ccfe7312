/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/fmt - numbers and times as people read them.
 *
 * Each call fills a caller's buffer of FMT_BYTES and returns it, so that the
 * result can stand in an argument list. Independent of the locale; the local
 * forms depend on the C library's time zone. Any thread.
 */
#ifndef BC_UTIL_FMT_H
#define BC_UTIL_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FMT_BYTES = 48 };

enum fmt_unit {
	FMT_IEC,   /* 1.23 GiB: powers of 1024 */
	FMT_SI,	   /* 1.32 GB: powers of 1000 */
	FMT_PLAIN, /* 1320702443 */
};

/*
 * fmt_size - three significant digits and a unit. What is a whole number below
 * 1024 of a unit keeps it (`1000 KiB`), so powers of two look like themselves.
 */
const char *fmt_size(uint64_t bytes, enum fmt_unit unit, char out[FMT_BYTES]);

/* fmt_count - digits in groups of three: 1,234,567. */
const char *fmt_count(uint64_t n, char out[FMT_BYTES]);

/* fmt_things - `1 file`, `1,234 files`: a count and a noun, to which an s is
 * added where there is not one of them. The noun may have 16 letters. */
const char *fmt_things(uint64_t n, const char *noun, char out[FMT_BYTES]);

/* fmt_seconds - a duration: `0.042 s`, `3.1 s`, `4 min 12 s`, `2 h 5 min`. */
const char *fmt_seconds(int64_t ns, char out[FMT_BYTES]);

/* fmt_eta - m:ss or h:mm:ss. */
const char *fmt_eta(int64_t seconds, char out[FMT_BYTES]);

/* fmt_time_utc - RFC 3339 with Z; with `fraction` the nanoseconds follow the
 * seconds unless they are zero. */
const char *fmt_time_utc(int64_t ns, bool fraction, char out[FMT_BYTES]);

/* fmt_time_local - 2026-08-22 14:03:11 in the local zone. */
const char *fmt_time_local(int64_t ns, char out[FMT_BYTES]);

/* fmt_ago - how long before `now` that is: `3 h ago`, `just now`; a moment
 * that has not come gives `in 3 h`. */
const char *fmt_ago(int64_t ns, int64_t now, char out[FMT_BYTES]);

/* fmt_ratio - a / b with three digits: `35.0`, `1.04`; `-` when b is 0. */
const char *fmt_ratio(uint64_t a, uint64_t b, char out[FMT_BYTES]);

/* fmt_mode - the ten characters of ls -l for a st_mode. */
const char *fmt_mode(uint32_t mode, char out[FMT_BYTES]);

#endif
