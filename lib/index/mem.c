/* SPDX-License-Identifier: Apache-2.0 */
#include "index/mem.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 1024, FIRST_SHIFT = 64 - 10 };

void index_mem_init(struct index_mem *m, size_t max, uint64_t secret)
{
	*m = (struct index_mem){ .max = max, .secret = secret | 1 };
}

void index_mem_fini(struct index_mem *m)
{
	free(m->keys);
	free(m->ordinals);
	index_mem_init(m, m->max, m->secret);
}

static void mark_empty(uint32_t *ordinals, size_t slots)
{
	/* INDEX_MEM_NONE is all ones. */
	memset(ordinals, 0xff, slots * sizeof(*ordinals));
}

void index_mem_clear(struct index_mem *m)
{
	if (m->slots != 0)
		mark_empty(m->ordinals, m->slots);
	m->used = 0;
}

/* The high bits of the product depend on all bits of the key. */
static size_t home(const struct index_mem *m, uint64_t key)
{
	return (size_t)((key * m->secret) >> m->shift);
}

static void place(struct index_mem *m, uint64_t key, uint32_t ordinal)
{
	size_t i = home(m, key);

	while (m->ordinals[i] != INDEX_MEM_NONE)
		i = (i + 1) & (m->slots - 1);
	m->keys[i] = key;
	m->ordinals[i] = ordinal;
}

static enum bc_err grow(struct index_mem *m)
{
	struct index_mem big = *m;

	big.slots = m->slots == 0 ? FIRST_SLOTS : m->slots * 2;
	big.shift = m->slots == 0 ? FIRST_SHIFT : m->shift - 1;
	big.keys = calloc(big.slots, sizeof(*big.keys));
	big.ordinals = calloc(big.slots, sizeof(*big.ordinals));
	if (big.keys == NULL || big.ordinals == NULL) {
		free(big.keys);
		free(big.ordinals);
		return BC_ENOMEM;
	}
	mark_empty(big.ordinals, big.slots);
	for (size_t i = 0; i < m->slots; i++)
		if (m->ordinals[i] != INDEX_MEM_NONE)
			place(&big, m->keys[i], m->ordinals[i]);
	free(m->keys);
	free(m->ordinals);
	*m = big;
	return BC_OK;
}

enum bc_err index_mem_add(struct index_mem *m, const struct digest *id,
			  uint32_t ordinal)
{
	enum bc_err rc;

	if (ordinal == INDEX_MEM_NONE)
		return BC_EINVAL;
	if (m->used >= m->max)
		return BC_EFULL;
	if (m->used >= m->slots / 4 * 3) {
		rc = grow(m);
		if (rc != BC_OK)
			return rc;
	}
	place(m, digest_key(id), ordinal);
	m->used++;
	return BC_OK;
}

size_t index_mem_find(const struct index_mem *m, const struct digest *id,
		      uint32_t *out, size_t max)
{
	uint64_t key = digest_key(id);
	size_t n = 0;

	if (m->slots == 0)
		return 0;
	for (size_t i = home(m, key);
	     n < max && m->ordinals[i] != INDEX_MEM_NONE;
	     i = (i + 1) & (m->slots - 1))
		if (m->keys[i] == key)
			out[n++] = m->ordinals[i];
	return n;
}

size_t index_mem_bytes(const struct index_mem *m)
{
	return m->slots * (sizeof(*m->keys) + sizeof(*m->ordinals));
}
