/* SPDX-License-Identifier: Apache-2.0 */
/* bench get: random reads out of objects, in one process. */
#include "cmd/bench.h"

enum bc_err bench_get(struct ctx *c, struct err *e)
{
	return ctx_unwired(c, e);
}
