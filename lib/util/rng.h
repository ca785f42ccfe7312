/* SPDX-License-Identifier: Apache-2.0 */
/* util/rng - random bytes for identities and nonces. */
#ifndef BC_UTIL_RNG_H
#define BC_UTIL_RNG_H

#include <stdint.h>

#include "util/err.h"

/*
 * A source of randomness, passed in so that tests can fix it.
 *   fill  n random bytes; cannot return fewer
 */
struct rng {
	enum bc_err (*fill)(void *ctx, void *p, size_t n, struct err *e);
	void *ctx;
};

/* rng_system - the kernel's getrandom(2). Any thread. */
struct rng rng_system(void);

BC_MUST_CHECK static inline enum bc_err rng_fill(struct rng r, void *p,
						 size_t n, struct err *e)
{
	return r.fill(r.ctx, p, n, e);
}

#endif
