/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/arena.h"

#include <stddef.h>
#include <stdlib.h>

enum { ARENA_BLOCK_BYTES = 16 << 10 };

struct arena_block {
	struct arena_block *before;
	size_t used, size;
	max_align_t at[];
};

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->last;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (b == NULL || b->size - b->used < n) {
		size_t size = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;

		b = malloc(sizeof(*b) + size);
		if (b == NULL)
			return NULL;
		*b = (struct arena_block){ a->last, 0, size };
		a->last = b;
	}
	p = (uint8_t *)b->at + b->used;
	b->used += n;
	return p;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
	uint8_t *p = b.n == 0 ? NULL : arena_alloc(a, b.n);

	if (p == NULL)
		return bytes_of(NULL, 0);
	memcpy(p, b.p, b.n);
	return bytes_of(p, b.n);
}

void arena_free(struct arena *a)
{
	struct arena_block *b;

	while ((b = a->last) != NULL) {
		a->last = b->before;
		free(b);
	}
}
