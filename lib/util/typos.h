/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/typos - what may have been meant by a name that is not there: the
 * Damerau-Levenshtein distance in its restricted form (optimal string
 * alignment), which counts insertions, deletions, replacements and swaps of
 * neighbours. Pure.
 */
#ifndef BC_UTIL_TYPOS_H
#define BC_UTIL_TYPOS_H

#include "util/bytes.h"

enum { TYPOS_MAX = 2, TYPOS_NAME_BYTES = 255 };

/* typos - the distance of two names, as far as `max` (at most 255); more, or
 * a name that is longer than TYPOS_NAME_BYTES, is max + 1. */
unsigned typos(struct bytes a, struct bytes b, unsigned max);

/* The nearest of the names offered; of equally near ones the first. */
struct nearest {
	struct bytes typed; /* borrowed */
	unsigned typos;	    /* beyond TYPOS_MAX: none is near */
	char name[TYPOS_NAME_BYTES + 1];
};

struct nearest nearest_begin(struct bytes typed);

/* nearest_offer - near is what differs in at most TYPOS_MAX places and in less
 * than half of its letters; a name with a NUL is not. Returns the distance. */
unsigned nearest_offer(struct nearest *m, struct bytes name);

/* nearest_end - the name, or NULL; it points into m. */
const char *nearest_end(const struct nearest *m);

#endif
