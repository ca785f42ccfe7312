/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/names - the names of one directory, sorted by their bytes.
 *
 * Begins zeroed. Each name knows the root it is below, as the names of the
 * top directory come from several. One thread while it grows, any after.
 */
#ifndef BC_INGEST_NAMES_H
#define BC_INGEST_NAMES_H

#include "util/buf.h"

enum { LIST_BYTES = 64 << 10 };

struct names {
	struct buf text; /* NUL-ended */
	struct name_ref {
		uint32_t at;
		uint16_t len;
		uint16_t root; /* of struct put */
	} * ref;
	size_t n, cap;
};

void names_free(struct names *v);

BC_MUST_CHECK enum bc_err names_add(struct names *v, const char *name,
				    uint16_t root);

/*
 * names_list - add all of an open directory's but "." and "..".
 *   scratch  LIST_BYTES of the caller's
 * Errno, or 0. ENOMEM is the caller's trouble, all others the directory's.
 */
int names_list(struct names *v, int fd, uint16_t root, uint8_t *scratch);

void names_sort(struct names *v);

static inline const char *name_at(const struct names *v, size_t i)
{
	return (const char *)v->text.p + v->ref[i].at;
}

/* path_join - with a slash between, but for an empty `above`. The caller
 * frees it; NULL without memory. */
char *path_join(const char *above, const char *name);

#endif
