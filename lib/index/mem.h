/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/mem - chunks that no index on disk has yet: those that a session has
 * written itself, and those of the log's last groups. 64-bit key of the id to
 * the caller's ordinal of the chunk.
 *
 * Open addressing, at most three quarters full, 12 bytes per slot. The table
 * holds keys, not ids: what it returns are candidates that the caller compares
 * with the ids it keeps by ordinal. Slots are picked by a product with a
 * secret odd number, so that chosen ids cannot be made to cluster. One thread
 * at a time; a reader counts as one.
 */
#ifndef BC_INDEX_MEM_H
#define BC_INDEX_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"
#include "util/err.h"

struct index_mem {
	uint64_t *keys;
	uint32_t *ordinals; /* INDEX_MEM_NONE marks an empty slot */
	uint64_t secret;
	size_t slots; /* a power of two, or 0 before the first entry */
	size_t used;
	size_t max;
	unsigned shift; /* 64 - log2(slots) */
};

#define INDEX_MEM_NONE UINT32_MAX

/*
 * index_mem_init - an empty table; allocates nothing.
 *
 *   max	ceiling on the entries, at most 2^30. The table then has at most
 *		32 bytes per entry, and for the moment of growing to that size
 *		half as much again.
 *   secret	random bits of this session
 */
void index_mem_init(struct index_mem *m, size_t max, uint64_t secret);

/* index_mem_fini - release the memory; may be initialised again. */
void index_mem_fini(struct index_mem *m);

/* index_mem_clear - forget the entries, keep the memory. */
void index_mem_clear(struct index_mem *m);

/*
 * index_mem_add - remember a chunk. Equal ids are not recognised: look first.
 *
 *   ordinal  below INDEX_MEM_NONE
 *
 *   BC_EFULL	the ceiling is reached; nothing added
 *   BC_ENOMEM	nothing added
 */
BC_MUST_CHECK enum bc_err
index_mem_add(struct index_mem *m, const struct digest *id, uint32_t ordinal);

/*
 * index_mem_find - the ordinals whose key is that of `id`, at most `max` of
 * them; returns how many were written to out.
 */
size_t index_mem_find(const struct index_mem *m, const struct digest *id,
		      uint32_t *out, size_t max);

/* index_mem_bytes - anonymous memory held now. */
size_t index_mem_bytes(const struct index_mem *m);

#endif
