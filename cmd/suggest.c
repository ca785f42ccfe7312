/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/suggest.h"

#include <string.h>

#include "util/arith.h"
#include "util/typos.h"

struct suggest suggest_begin(const char *typed)
{
	return (struct suggest){ .typed = typed,
				 .best_distance = TYPOS_MAX + 1 };
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t n = strlen(s->typed), long_n;
	unsigned d;

	if (n >= 2 && strncmp(candidate, s->typed, n) == 0) {
		s->prefixed = candidate;
		s->prefixed_count++;
	}
	d = typos(bytes_str(s->typed), bytes_str(candidate), TYPOS_MAX);
	long_n = max_size(n, strlen(candidate));
	/* Near in proportion to the length; of words of ours, which are few,
	 * one letter may be wrong in two. */
	if (d < s->best_distance && (2 * d < long_n || (d == 1 && n > 1))) {
		s->best = candidate;
		s->best_distance = d;
	}
}

const char *suggest_end(const struct suggest *s)
{
	if (s->best != NULL)
		return s->best;
	return s->prefixed_count == 1 ? s->prefixed : NULL;
}
