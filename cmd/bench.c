/* SPDX-License-Identifier: Apache-2.0 */
/* bench - how fast each stage is on this machine. */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/show.h"
#include "cmd/suggest.h"

static const char *const KINDS[] = { "chunk", "hash", "codec", "io",
				     "put",   "get",  "lookup" };
enum { KIND_COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

static enum bc_err bench_run(struct ctx *c, struct err *e)
{
	struct suggest s = suggest_begin(c->args[0]);

	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (strcmp(KINDS[i], c->args[0]) == 0)
			return ctx_unwired(c, e); /* wire-up */
		suggest_offer(&s, KINDS[i]);
	}
	(void)ctx_usage(c, e, "there is no stage '%.64s'", c->args[0]);
	if (suggest_end(&s) != NULL)
		err_hint(e, "did you mean %s?", suggest_end(&s));
	return BC_EUSAGE;
}

const struct cmd cmd_bench = {
	.name = "bench",
	.summary = "measure the stages on this machine",
	.usage = "chunk|hash|codec|io|put|get|lookup",
	.group = "Tools",
	.needs = CMD_STOPS,
	.args_min = 1,
	.args_max = 1,
	.run = bench_run,
};
