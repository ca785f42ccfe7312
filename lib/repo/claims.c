/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/claims.h"

#include <stdlib.h>

enum {
	TABLE_MAX = 256 << 10,
	/* Of one key in the table: it has 64 bits, and more than one chunk of
	 * it is chance. Who has none of these is stored once more. */
	CANDIDATES_MAX = 8,
};

void claims_init(struct claims *c, uint64_t secret)
{
	*c = (struct claims){ .ids = NULL };
	index_mem_init(&c->table, TABLE_MAX, secret);
}

void claims_fini(struct claims *c)
{
	index_mem_fini(&c->table);
	free(c->ids);
}

bool claims_has(const struct claims *c, const struct digest *id)
{
	uint32_t at[CANDIDATES_MAX];
	size_t n = index_mem_find(&c->table, id, at, CANDIDATES_MAX);

	for (size_t i = 0; i < n; i++)
		if (digest_eq(&c->ids[at[i]], id))
			return true;
	return false;
}

enum bc_err claims_add(struct claims *c, const struct digest *id, struct err *e)
{
	enum bc_err rc;

	if (c->n == c->cap) {
		uint32_t cap = c->cap == 0 ? 256 : c->cap * 2;
		struct digest *ids = realloc(c->ids, cap * sizeof(*ids));

		if (ids == NULL)
			return err_set(e, BC_ENOMEM, "no memory for chunks");
		c->ids = ids;
		c->cap = cap;
	}
	rc = index_mem_add(&c->table, id, c->n);
	if (rc == BC_EFULL)
		return BC_OK;
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for chunks");
	c->ids[c->n++] = *id;
	return BC_OK;
}

void claims_clear(struct claims *c)
{
	index_mem_clear(&c->table);
	c->n = 0;
}
