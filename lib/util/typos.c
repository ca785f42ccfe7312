/* SPDX-License-Identifier: Apache-2.0 */
#include "util/typos.h"

#include <string.h>

#include "util/arith.h"

unsigned typos(struct bytes a, struct bytes b, unsigned max)
{
	/* Three rows of the table: this one and the two above it. */
	unsigned row[3][TYPOS_NAME_BYTES + 1];
	unsigned *before = row[0], *above = row[1], *at = row[2];

	if (a.n > TYPOS_NAME_BYTES || b.n > TYPOS_NAME_BYTES ||
	    a.n > b.n + max || b.n > a.n + max)
		return max + 1;
	for (size_t j = 0; j <= b.n; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *swap = before;
		unsigned least = at[0] = (unsigned)i;

		for (size_t j = 1; j <= b.n; j++) {
			unsigned d = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);

			if (above[j] + 1 < d)
				d = above[j] + 1;
			if (at[j - 1] + 1 < d)
				d = at[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			at[j] = d;
			least = d < least ? d : least;
		}
		if (least > max)
			return max + 1;
		before = above;
		above = at;
		at = swap;
	}
	return above[b.n] > max ? max + 1 : above[b.n];
}

struct nearest nearest_begin(struct bytes typed)
{
	return (struct nearest){ .typed = typed, .typos = TYPOS_MAX + 1 };
}

unsigned nearest_offer(struct nearest *m, struct bytes name)
{
	unsigned d = typos(m->typed, name, TYPOS_MAX);

	if (d < m->typos && 2 * d < max_size(m->typed.n, name.n) &&
	    memchr(name.p, '\0', name.n) == NULL) {
		m->typos = d;
		memcpy(m->name, name.p, name.n);
		m->name[name.n] = '\0';
	}
	return d;
}

const char *nearest_end(const struct nearest *m)
{
	return m->typos <= TYPOS_MAX ? m->name : NULL;
}
