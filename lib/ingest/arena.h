/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/arena - memory that is given back all at once.
 *
 * Begins as { NULL }. One thread.
 */
#ifndef BC_INGEST_ARENA_H
#define BC_INGEST_ARENA_H

#include "util/bytes.h"

struct arena {
	struct arena_block *last;
};

/* arena_alloc - n bytes, aligned for anything; NULL without memory. */
void *arena_alloc(struct arena *a, size_t n);

/* arena_copy - of b; empty without memory, as it is for an empty b. */
struct bytes arena_copy(struct arena *a, struct bytes b);

/* arena_free - all of it; the arena is empty and may be used again. */
void arena_free(struct arena *a);

#endif
