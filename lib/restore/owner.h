/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/owner - names of owners to the numbers that they have here. Private
 * to lib/restore.
 */
#ifndef BC_RESTORE_OWNER_H
#define BC_RESTORE_OWNER_H

#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

struct owner_map {
	struct owner_line {
		uint32_t from, to;
		size_t n;
		char *name;
	} * at;
	size_t n, cap, last;
};

uint32_t owner_user(struct owner_map *m, uint32_t uid, struct bytes name);
uint32_t owner_group(struct owner_map *m, uint32_t gid, struct bytes name);
void owner_fini(struct owner_map *m);

#endif
