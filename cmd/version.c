/* SPDX-License-Identifier: Apache-2.0 */
/* version - what this program is. */
#include "cmd/cmd.h"

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other"
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static enum bc_err version_run(struct ctx *c, struct err *e)
{
	struct json j;

	(void)e;
	out_print(&c->out, "blobctl %s\n", BLOBCTL_VERSION);
	if (c->g.verbose > 0)
		out_print(&c->out, "%s, built by %s\n", MACHINE, COMPILER);
	if (!out_events(&c->out))
		return BC_OK;
	json_begin(&j, "version");
	json_text(&j, "program_version", BLOBCTL_VERSION);
	json_text(&j, "machine", MACHINE);
	json_text(&j, "compiler", COMPILER);
	out_emit(&c->out, &j);
	return BC_OK;
}

const struct cmd cmd_version = {
	.name = "version",
	.summary = "print the version",
	.usage = "",
	.group = "Tools",
	.run = version_run,
};
