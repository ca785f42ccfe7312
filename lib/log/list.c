/* SPDX-License-Identifier: Apache-2.0 */

#include "log/list.h"

#include <stdlib.h>
#include <string.h>

#include "log/file.h"

static enum bc_err list_one(void *ctx, const char *name, enum io_type type)
{
	struct log_list *l = ctx;
	struct log_name n, *at;

	if (type == IO_TYPE_DIR || !log_name_decode(name, &n.seq, &n.id))
		return BC_OK;
	at = realloc(l->at, (l->n + 1) * sizeof(*at));
	if (at == NULL)
		return BC_ENOMEM;
	l->at = at;
	at[l->n++] = n;
	return BC_OK;
}

static int by_seq(const void *a, const void *b)
{
	const struct log_name *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return memcmp(x->id.b, y->id.b, PACK_ID_BYTES);
}

enum bc_err log_list_read(struct io_dir *dir, struct log_list *l, struct err *e)
{
	enum bc_err rc;

	*l = (struct log_list){ NULL, 0 };
	rc = io_list(dir, ".", e, list_one, l);
	if (rc == BC_ENOMEM)
		err_set(e, rc, "no memory for the list of logs");
	if (rc != BC_OK)
		log_list_free(l);
	else if (l->n > 1)
		qsort(l->at, l->n, sizeof(*l->at), by_seq);
	return rc;
}

void log_list_free(struct log_list *l)
{
	free(l->at);
	*l = (struct log_list){ NULL, 0 };
}
