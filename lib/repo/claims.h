/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/claims - the chunks that a session has taken upon itself to store, and
 * that no index has yet: the set of their ids. It may forget: who claims more
 * than it holds stores a chunk once more, at worst.
 *
 * One thread at a time.
 */
#ifndef BC_REPO_CLAIMS_H
#define BC_REPO_CLAIMS_H

#include "index/mem.h"

struct claims {
	struct index_mem table;
	struct digest *ids; /* by ordinal */
	uint32_t n, cap;
};

/* claims_init - secret: random bits of this session. */
void claims_init(struct claims *c, uint64_t secret);
void claims_fini(struct claims *c);

bool claims_has(const struct claims *c, const struct digest *id);

/* claims_add - one that is not there. BC_ENOMEM. */
BC_MUST_CHECK enum bc_err claims_add(struct claims *c, const struct digest *id,
				     struct err *e);

/* claims_clear - committed: all of them are to be found by the index. */
void claims_clear(struct claims *c);

#endif
