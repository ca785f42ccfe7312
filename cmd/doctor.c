/* SPDX-License-Identifier: Apache-2.0 */
/* doctor - what this machine offers and what is set up, with fixes. */
#include "cmd/cmd.h"
#include "cmd/show.h"

static enum bc_err doctor_run(struct ctx *c, struct err *e)
{
	return ctx_unwired(c, e); /* wire-up */
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "look for what slows or breaks things here",
	.usage = "",
	.group = "Tools",
	.run = doctor_run,
};
