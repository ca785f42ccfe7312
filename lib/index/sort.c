/* SPDX-License-Identifier: Apache-2.0 */
#include "index/build.h"

enum {
	RADIX = 256,
	INSERTION_MAX = 24,
	/* Key, pack and slot, most significant byte first. */
	KEY_BYTES = 8,
	PACK_BYTES = 4,
	SORT_BYTES = KEY_BYTES + PACK_BYTES + 2,
};

static bool entry_before(const struct index_entry *a,
			 const struct index_entry *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	if (a->pack != b->pack)
		return a->pack < b->pack;
	return a->slot < b->slot;
}

static void insertion_sort(struct index_entry *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct index_entry x = v[i];
		size_t k = i;

		for (; k > 0 && entry_before(&x, &v[k - 1]); k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

static unsigned sort_byte(const struct index_entry *x, unsigned depth)
{
	if (depth < KEY_BYTES)
		return (unsigned)(x->key >> (56 - 8 * depth)) & 0xff;
	depth -= KEY_BYTES;
	if (depth < PACK_BYTES)
		return x->pack >> (24 - 8 * depth) & 0xff;
	depth -= PACK_BYTES;
	return (unsigned)x->slot >> (8 - 8 * depth) & 0xff;
}

/*
 * Radix sort in place from the top byte: "American flag" of McIlroy, Bostic
 * and McIlroy, "Engineering Radix Sort" (1993). Ids are hashes, so two passes
 * leave a handful; ids that are not cost at most SORT_BYTES passes.
 */
static void radix_sort(struct index_entry *v, size_t n, unsigned depth)
{
	size_t at[RADIX], end[RADIX] = { 0 }, first = 0;

	for (size_t i = 0; i < n; i++)
		end[sort_byte(&v[i], depth)]++;
	for (unsigned b = 0; b < RADIX; b++) {
		at[b] = first;
		first += end[b];
		end[b] = first;
	}
	for (unsigned b = 0; b < RADIX; b++)
		while (at[b] < end[b]) {
			struct index_entry x = v[at[b]];
			unsigned home;

			/* Carry x home and what lay there on, until one
			 * belongs here. */
			while ((home = sort_byte(&x, depth)) != b) {
				struct index_entry t = v[at[home]];

				v[at[home]++] = x;
				x = t;
			}
			v[at[b]++] = x;
		}
	first = 0;
	for (unsigned b = 0; b < RADIX; b++) {
		size_t m = end[b] - first;

		if (m <= INSERTION_MAX)
			insertion_sort(v + first, m);
		else if (depth + 1 < SORT_BYTES)
			radix_sort(v + first, m, depth + 1);
		first = end[b];
	}
}

void index_sort(struct index_entry *v, size_t n)
{
	radix_sort(v, n, 0);
}
