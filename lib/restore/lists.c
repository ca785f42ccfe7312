/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/lists.h"

/* The list, or the place of the one that was not used for longest. */
static struct kept_list *find(struct lists *l, const struct digest *id)
{
	struct kept_list *old = &l->kept[0];

	for (struct kept_list *k = l->kept; k < l->kept + LISTS_MAX; k++) {
		if (k->used != 0 && digest_eq(&k->id, id))
			return k;
		if (k->used < old->used)
			old = k;
	}
	return old;
}

static enum bc_err fetch(void *ctx, const struct digest *id, struct buf *out,
			 struct err *e)
{
	struct lists *l = ctx;
	struct kept_list *k = find(l, id);
	struct bytes b = buf_bytes(&k->raw);
	enum bc_err rc = BC_OK;

	if (b.n == 0 || !digest_eq(&k->id, id)) {
		rc = chunk_read(l->chunks, id, &b, e);
		buf_clear(&k->raw);
		/* What does not fit is no list: it fails below. */
		if (rc == BC_OK && buf_add(&k->raw, b.p, b.n) == BC_OK)
			k->id = *id;
	}
	k->used = ++l->uses;
	buf_clear(out);
	if (rc == BC_OK) {
		rc = buf_add(out, b.p, b.n);
		if (rc != BC_OK)
			err_set(e, rc, "a content list does not fit");
	}
	return rc;
}

struct node_source lists_init(struct lists *l)
{
	*l = (struct lists){ .chunks = NULL };
	for (int i = 0; i < LISTS_MAX; i++)
		buf_init(&l->kept[i].raw, NODE_MAX_BYTES);
	return (struct node_source){ fetch, l };
}

void lists_fini(struct lists *l)
{
	for (int i = 0; i < LISTS_MAX; i++)
		buf_fini(&l->kept[i].raw);
}
