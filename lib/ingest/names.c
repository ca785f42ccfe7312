/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

enum { NAMES_MAX_BYTES = 1 << 30 };

void names_free(struct names *v)
{
	buf_fini(&v->text);
	free(v->ref);
	*v = (struct names){ .n = 0 };
}

enum bc_err names_add(struct names *v, const char *name, uint16_t root)
{
	size_t len = strlen(name);

	if (v->text.max == 0)
		buf_init(&v->text, NAMES_MAX_BYTES);
	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 16 : v->cap * 2;
		struct name_ref *ref = realloc(v->ref, cap * sizeof(*ref));

		if (ref == NULL)
			return BC_ENOMEM;
		v->ref = ref;
		v->cap = cap;
	}
	v->ref[v->n] =
		(struct name_ref){ (uint32_t)v->text.n, (uint16_t)len, root };
	if (buf_add(&v->text, name, len + 1) != BC_OK)
		return BC_ENOMEM;
	v->n++;
	return BC_OK;
}

int names_list(struct names *v, int fd, uint16_t root, uint8_t *scratch)
{
	for (;;) {
		ssize_t got = getdents64(fd, scratch, LIST_BYTES);

		if (got < 0)
			return errno;
		if (got == 0)
			return 0;
		for (ssize_t at = 0; at < got;) {
			struct dirent64 *d =
				(struct dirent64 *)(void *)(scratch + at);

			at += d->d_reclen;
			if (strcmp(d->d_name, ".") == 0 ||
			    strcmp(d->d_name, "..") == 0)
				continue;
			if (names_add(v, d->d_name, root) != BC_OK)
				return ENOMEM;
		}
	}
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct name_ref *x = a, *y = b;
	const uint8_t *text = ctx;
	size_t n = x->len < y->len ? x->len : y->len;
	int c = memcmp(text + x->at, text + y->at, n);

	return c != 0 ? c : (int)x->len - (int)y->len;
}

void names_sort(struct names *v)
{
	if (v->n > 1)
		qsort_r(v->ref, v->n, sizeof(*v->ref), by_name, v->text.p);
}

char *path_join(const char *above, const char *name)
{
	size_t n = strlen(above), name_n = strlen(name) + 1;
	char *path = malloc(n + 1 + name_n);

	if (path == NULL)
		return NULL;
	memcpy(path, above, n);
	if (n > 0)
		path[n++] = '/';
	memcpy(path + n, name, name_n);
	return path;
}
