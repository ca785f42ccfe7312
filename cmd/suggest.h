/* SPDX-License-Identifier: Apache-2.0 */
/* suggest - "did you mean". Suggests, never runs. Pure. */
#ifndef BC_CMD_SUGGEST_H
#define BC_CMD_SUGGEST_H

#include <stddef.h>

/*
 * A search over candidates, fed one by one; on equal distance the earlier
 * candidate stays. A candidate that begins with the typed text counts as
 * near when it is the only one.
 */
struct suggest {
	const char *typed;
	const char *best; /* NULL if none is near */
	unsigned best_distance;
	const char *prefixed;
	size_t prefixed_count;
};

struct suggest suggest_begin(const char *typed);
void suggest_offer(struct suggest *s, const char *candidate);
/* suggest_end - the candidate to name, or NULL. Borrowed from the offers. */
const char *suggest_end(const struct suggest *s);

#endif
