/* SPDX-License-Identifier: Apache-2.0 */
/* help - the overview, and a page per command out of its table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/exit.h"

enum { NAME_COLUMN = 30, LINE_BYTES = 128 };

static const char *const GROUPS[] = { "Archive", "Look", "Manage", "Tools" };

void help_overview(FILE *to)
{
	fputs("blobctl " BLOBCTL_VERSION
	      " - archive files and trees, each chunk stored once\n\n"
	      "  blobctl init ~/blobs             make a repository, once\n"
	      "  blobctl put ~/Pictures           store a tree, print its id\n"
	      "  blobctl ls                       what is stored\n"
	      "  blobctl get latest:Pictures out  bring it back\n\n",
	      to);
	for (size_t g = 0; g < sizeof(GROUPS) / sizeof(GROUPS[0]); g++) {
		bool first = true;

		for (const struct cmd *const *c = cmd_table; *c != NULL; c++) {
			if ((*c)->group == NULL ||
			    strcmp((*c)->group, GROUPS[g]) != 0)
				continue;
			fprintf(to, "%-8s  %-8s %s\n", first ? GROUPS[g] : "",
				(*c)->name, (*c)->summary);
			first = false;
		}
	}
	fputs("\nblobctl help COMMAND | options | exit    man blobctl\n", to);
}

static void print_opt(FILE *to, const struct opt *o)
{
	char left[LINE_BYTES];
	char short_form[8] = "    ";

	if (o->letter != 0)
		snprintf(short_form, sizeof(short_form), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "  %s--%s%s%s%s%s", short_form, o->name,
		 o->implied != NULL ? "[" : "", o->arg != NULL ? "=" : "",
		 o->arg != NULL ? o->arg : "", o->implied != NULL ? "]" : "");
	if (strlen(left) >= NAME_COLUMN)
		fprintf(to, "%s\n%*s%s\n", left, NAME_COLUMN, "", o->help);
	else
		fprintf(to, "%-*s%s\n", NAME_COLUMN, left, o->help);
}

static void print_opts(FILE *to, const struct opt *table)
{
	for (const struct opt *o = table; o != NULL && o->type != OPT_END; o++)
		print_opt(to, o);
}

static void help_on(FILE *to, const struct cmd *c)
{
	fprintf(to, "Usage: blobctl %s%s%s%s\n\n%c%s.\n", c->name,
		c->opts != NULL ? " [OPTIONS]" : "",
		*c->usage != '\0' ? " " : "", c->usage,
		c->summary[0] >= 'a' && c->summary[0] <= 'z'
			? c->summary[0] - 'a' + 'A'
			: c->summary[0],
		c->summary + 1);
	if (c->aliases != NULL) {
		fputs("Also called", to);
		for (const char *const *a = c->aliases; *a != NULL; a++)
			fprintf(to, " %s", *a);
		fputs(".\n", to);
	}
	if (c->opts != NULL) {
		fputs("\nOptions:\n", to);
		print_opts(to, c->opts);
	}
	if (c->examples != NULL)
		fprintf(to, "\nExamples:\n%s", c->examples);
	fputs("\nOptions of all commands: blobctl help options\n", to);
}

static void help_options(FILE *to)
{
	fputs("Options of all commands, before or after the command's name:\n",
	      to);
	print_opts(to, global_opts);
	fputs("\n--no-OPTION takes a switch back. --foo-bar is BLOBCTL_FOO_BAR "
	      "in "
	      "the\nenvironment; the command line wins. Options are never "
	      "abbreviated; -- ends them.\n"
	      "Sizes: 64M is 64MiB, 64MB is 64000000. "
	      "Durations: 90s 5min 2h 1d 1w 1mo 1y.\n",
	      to);
}

static void help_exit(FILE *to)
{
	fputs("Exit statuses; take one that is not here for a failure:\n", to);
	for (int s = 0; s <= STATUS_ARCHIVED; s++)
		if (s <= STATUS_FAILED ||
		    strcmp(exit_meaning(s), "failed") != 0)
			fprintf(to, "  %5d  %s\n", s, exit_meaning(s));
	fprintf(to, "  128+N  ended by signal N\n");
}

/* Where a topic's text goes: standard output, or with --json one string. */
static enum bc_err print_topic(struct ctx *c, void (*page)(FILE *to),
			       const struct cmd *of, struct err *e)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	struct json j;

	if (to == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	if (of != NULL)
		help_on(to, of);
	else
		page(to);
	if (fclose(to) != 0 || text == NULL) {
		free(text);
		return err_set(e, BC_ENOMEM, "no memory");
	}
	if (out_events(&c->out)) {
		json_begin(&j, "help");
		json_text(&j, "text", text);
		out_emit(&c->out, &j);
	}
	out_print(&c->out, "%s", text);
	free(text);
	return BC_OK;
}

static enum bc_err help_run(struct ctx *c, struct err *e)
{
	const struct cmd *of;
	const char *topic;

	if (c->n_args == 0)
		return print_topic(c, help_overview, NULL, e);
	topic = c->args[0];
	if (strcmp(topic, "options") == 0)
		return print_topic(c, help_options, NULL, e);
	if (strcmp(topic, "exit") == 0)
		return print_topic(c, help_exit, NULL, e);
	of = cmd_lookup(topic);
	if (of == NULL)
		return cmd_unknown(topic, e);
	return print_topic(c, NULL, of, e);
}

const struct cmd cmd_help = {
	.name = "help",
	.summary = "this overview, or help on a command",
	.usage = "[COMMAND|options|exit]",
	.group = "Tools",
	.needs = CMD_PAGED,
	.args_max = 1,
	.run = help_run,
};
