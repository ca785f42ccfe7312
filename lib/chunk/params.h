/* SPDX-License-Identifier: Apache-2.0 */
/* chunk/params - how a repository cuts its files, as numbers and as text. */
#ifndef BC_CHUNK_PARAMS_H
#define BC_CHUNK_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/* The values are those of the format; 3 is kept for `private`. */
enum chunk_kind {
	CHUNK_CDC = 1,	 /* cut by content */
	CHUNK_FIXED = 2, /* cut at multiples of one length */
};

enum {
	CHUNK_CDC_AVG_MIN_BYTES = 4 << 10,
	CHUNK_CDC_AVG_MAX_BYTES = 4 << 20,
	CHUNK_CDC_MIN_BYTES = 256, /* several windows of the hash */
	CHUNK_FIXED_MIN_BYTES = 4 << 10,
	CHUNK_MAX_BYTES = 16 << 20, /* no chunk of any kind is longer */
	CHUNK_PARAMS_TEXT_BYTES = 64,
};

/*
 * Lengths in bytes, all powers of two. For CHUNK_FIXED the three are equal.
 * For CHUNK_CDC 2 * min <= avg and 2 * avg <= max; chunks of a file's inside
 * are min to max long, and avg long on average.
 */
struct chunk_params {
	enum chunk_kind kind;
	uint32_t min;
	uint32_t avg;
	uint32_t max;
};

/*
 * chunk_params_parse - "cdc:64KiB" (min is a quarter of it, max four times
 * it), "cdc:16KiB/64KiB/256KiB" (min, avg, max) or "fixed:4MiB".
 *
 *   text  sizes as parse_size() takes them
 *   out   [out] valid by chunk_params_valid(); untouched on failure
 *
 *   BC_EINVAL  not of these forms, or out of bounds; e says which and how
 */
BC_MUST_CHECK enum bc_err
chunk_params_parse(const char *text, struct chunk_params *out, struct err *e);

/*
 * chunk_params_format - the shortest text that parses to p.
 *   p    valid
 *   out  CHUNK_PARAMS_TEXT_BYTES
 */
void chunk_params_format(const struct chunk_params *p, char *out);

/* chunk_params_valid - may these be used? For values read from disk. */
bool chunk_params_valid(const struct chunk_params *p);

#endif
