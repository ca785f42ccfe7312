/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/lists - content lists that were read lately: random reads of one
 * large file come back to them. Private to lib/restore; one thread.
 */
#ifndef BC_RESTORE_LISTS_H
#define BC_RESTORE_LISTS_H

#include "repo/chunks.h"
#include "util/buf.h"

enum { LISTS_MAX = 128 }; /* of some 100 chunks each */

struct kept_list {
	struct digest id;
	uint64_t used; /* when; 0: never */
	struct buf raw;
};

struct lists {
	struct chunk_reader *chunks; /* the user sets it; borrowed */
	struct kept_list kept[LISTS_MAX];
	uint64_t uses;
};

/* lists_init - the source that a content reader is to read from. */
struct node_source lists_init(struct lists *l);
void lists_fini(struct lists *l);

#endif
