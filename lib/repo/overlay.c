/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/overlay.h"

#include <stdlib.h>

#include "util/arith.h"

enum {
	/* 8 M entries at most: 350 MB. Only an index made in memory comes near
	 * it. */
	OVERLAY_MAX = 8 << 20,
	FIRST_ENTRIES = 256,
	/* Candidates for one id: the index on disk has some as well. */
	FOUND_MAX = 8,
};

void overlay_init(struct overlay *o, uint64_t secret)
{
	*o = (struct overlay){ .n = 0 };
	index_mem_init(&o->mem, OVERLAY_MAX, secret);
}

void overlay_fini(struct overlay *o)
{
	index_mem_fini(&o->mem);
	free(o->at);
	*o = (struct overlay){ .mem = o->mem };
}

void overlay_clear(struct overlay *o)
{
	index_mem_clear(&o->mem);
	o->n = 0;
}

static enum bc_err add(struct overlay *o, const struct digest *id,
		       struct index_loc loc)
{
	enum bc_err rc;

	if (o->n == o->cap) {
		size_t cap = o->cap == 0 ? FIRST_ENTRIES : o->cap * 2;
		struct index_entry *at = realloc(o->at, cap * sizeof(*at));

		if (at == NULL)
			return BC_ENOMEM;
		o->at = at;
		o->cap = cap;
	}
	rc = index_mem_add(&o->mem, id, (uint32_t)o->n);
	if (rc == BC_OK)
		o->at[o->n++] = index_entry_of(id, loc);
	return rc;
}

enum bc_err overlay_add_dir(struct overlay *o, const struct pack_dir *d,
			    uint32_t number, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < d->n_chunks && rc == BC_OK; i++) {
		struct index_loc loc = { number, (uint16_t)(d->base_slot + i) };

		rc = add(o, &d->ids[i], loc);
	}
	if (rc == BC_EFULL)
		return err_set(e, rc,
			       "the index has more than %zu chunks, too many "
			       "to be kept in memory",
			       o->mem.max);
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for the index");
}

size_t overlay_find(const struct overlay *o, const struct digest *id,
		    struct index_loc *out, size_t max)
{
	uint32_t at[FOUND_MAX];
	size_t n = index_mem_find(&o->mem, id, at, min_size(max, FOUND_MAX));

	for (size_t i = 0; i < n; i++)
		out[i] = (struct index_loc){ o->at[at[i]].pack,
					     o->at[at[i]].slot };
	return n;
}
