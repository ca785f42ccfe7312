/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/suggest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t suggest_distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	/* Three rows of the table: this one and the two above it. */
	size_t rows[3][SUGGEST_MAX_BYTES + 1];
	size_t *above2 = rows[0], *above = rows[1], *row = rows[2];

	if (na > SUGGEST_MAX_BYTES || nb > SUGGEST_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++)
		above[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *spare = above2;

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
		above2 = above;
		above = row;
		row = spare;
	}
	return above[nb];
}

struct suggest suggest_begin(const char *typed)
{
	return (struct suggest){ .typed = typed, .best_distance = SIZE_MAX };
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t n = strlen(s->typed), d;

	if (n >= 2 && strncmp(candidate, s->typed, n) == 0) {
		s->prefixed = candidate;
		s->prefixed_count++;
	}
	d = suggest_distance(s->typed, candidate);
	/* Two edits turn any two letters into any others: be near in
	 * proportion to the length. */
	if (d <= SUGGEST_MAX_DISTANCE && d < strlen(candidate) && d < n &&
	    d < s->best_distance) {
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
