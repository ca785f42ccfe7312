/* SPDX-License-Identifier: Apache-2.0 */
#include "util/rng.h"

#include <errno.h>
#include <sys/random.h>

static enum bc_err system_fill(void *ctx, void *p, size_t n, struct err *e)
{
	uint8_t *at = p;

	(void)ctx;
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "cannot get random bytes");
		at += got;
		n -= (size_t)got;
	}
	return BC_OK;
}

struct rng rng_system(void)
{
	return (struct rng){ system_fill, NULL };
}
