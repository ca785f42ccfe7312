/* SPDX-License-Identifier: Apache-2.0 */
/* main - from the arguments to a command, and from its result to a status. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/exit.h"
#include "cmd/signal.h"
#include "cmd/suggest.h"
#include "repo/repo.h"

enum { UNKNOWN_SHOWN = 4, ENV_NAME_BYTES = 64 };

/*
 * A closed descriptor 0, 1 or 2 would be given to the next file that is
 * opened, and a message would then land in the repository. Each is opened the
 * wrong way round, so that reading or writing it still fails.
 */
static void open_standard_fds(void)
{
	static const int MODES[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", MODES[fd]) != fd)
			_exit(STATUS_FAILED);
}

/* Called with the first operand: the command's own options follow. */
static enum bc_err on_command(struct opt_parser *p, const char *word,
			      struct err *e)
{
	struct ctx *c = p->ctx;
	const struct cmd *cmd = cmd_lookup(word);
	void *opts;

	if (cmd == NULL)
		return cmd_unknown(word, e);
	opts = calloc(1, cmd->opts_bytes == 0 ? 1 : cmd->opts_bytes);
	if (opts == NULL)
		return err_set(e, BC_ENOMEM, "no memory for options");
	if (cmd->opts_default != NULL)
		memcpy(opts, cmd->opts_default, cmd->opts_bytes);
	c->cmd = cmd;
	c->opts = opts;
	p->own = cmd->opts;
	p->own_at = opts;
	p->own_name = cmd->name;
	return BC_OK;
}

static bool env_known(const char *name)
{
	/* The last two are set by installers and images for themselves. */
	static const char *const OTHERS[] = { "BLOBCTL_PAGER",
					      "BLOBCTL_VERSION",
					      "BLOBCTL_HELP" };
	char want[ENV_NAME_BYTES];

	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		if (strcmp(OTHERS[i], name) == 0)
			return true;
	for (const char *const *n = ctx_env_names; *n != NULL; n++)
		if (strcmp(*n, name) == 0)
			return true;
	for (const struct opt *o = global_opts; o->type != OPT_END; o++)
		if (opt_env_name(o->name, want, sizeof(want)) &&
		    strcmp(want, name) == 0)
			return true;
	for (const struct cmd *const *c = cmd_table; *c != NULL; c++)
		for (const struct opt *o = (*c)->opts;
		     o != NULL && o->type != OPT_END; o++)
			if (opt_env_name(o->name, want, sizeof(want)) &&
			    strcmp(want, name) == 0)
				return true;
	return false;
}

static const char ENV_PREFIX[] = "BLOBCTL_";

/* What all names begin with makes none more like another: only the rest is
 * compared. The nearest is in `best`, whole. */
static void offer_env_names(struct suggest *s, const struct opt *table,
			    char (*best)[ENV_NAME_BYTES])
{
	const size_t skip = sizeof(ENV_PREFIX) - 1;
	char name[ENV_NAME_BYTES];

	for (const struct opt *o = table; o != NULL && o->type != OPT_END;
	     o++) {
		if ((o->flags & OPT_NO_ENV) ||
		    !opt_env_name(o->name, name, sizeof(name)))
			continue;
		suggest_offer(s, name + skip);
		if (s->best == name + skip) {
			memcpy(*best, name, sizeof(name));
			s->best = *best + skip;
		}
	}
}

/* One warning for all names of ours that mean nothing. */
static void warn_unknown_env(struct msg *m, char *const *envp)
{
	const size_t skip = sizeof(ENV_PREFIX) - 1;
	char all[512] = "", name[ENV_NAME_BYTES], best[ENV_NAME_BYTES] = "";
	size_t n = 0, count = 0;

	for (; *envp != NULL; envp++) {
		const char *eq = strchr(*envp, '=');
		size_t len = eq == NULL ? 0 : (size_t)(eq - *envp);
		struct suggest s;

		if (strncmp(*envp, ENV_PREFIX, skip) != 0 || len < skip)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, *envp);
		if (env_known(name))
			continue;
		if (count++ >= UNKNOWN_SHOWN || n >= sizeof(all))
			continue;
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
				      count > 1 ? ", " : "", name);
		s = suggest_begin(name + skip);
		offer_env_names(&s, global_opts, &best);
		for (const struct cmd *const *c = cmd_table; *c != NULL; c++)
			offer_env_names(&s, (*c)->opts, &best);
		if (s.best != NULL && n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n,
					      " (did you mean %s?)", best);
	}
	if (count > 0)
		msg_warn(m, "unknown_environment",
			 "unknown in the environment: %s%s", all,
			 count > UNKNOWN_SHOWN ? ", ..." : "");
}

static enum bc_err check_operands(const struct ctx *c, struct err *e)
{
	if (c->n_args < c->cmd->args_min)
		return ctx_usage(c, e, "an operand is missing");
	if (c->n_args > c->cmd->args_max)
		return ctx_usage(c, e, "'%.64s' is one operand too many",
				 c->args[c->cmd->args_max]);
	return BC_OK;
}

static enum bc_err check_status_fd(struct ctx *c, struct err *e)
{
	int fd = (int)c->g.status_fd;

	if (c->g.status_fd == UINT64_MAX || fcntl(fd, F_GETFD) >= 0)
		return BC_OK;
	c->g.status_fd = UINT64_MAX;
	(void)err_set(e, BC_EUSAGE,
		      "--status-fd=%d: that descriptor is not "
		      "open",
		      fd);
	err_hint(e, "open it in the shell: --status-fd=3 3>events.jsonl");
	return BC_EUSAGE;
}

static void start_output(struct ctx *c)
{
	struct out_options o = {
		.json = c->g.json,
		.status_fd =
			c->g.status_fd == UINT64_MAX ? -1 : (int)c->g.status_fd,
		.quiet = c->g.quiet && c->g.verbose == 0,
		.colour = c->g.colour,
		.unit = c->g.plain_bytes ? FMT_PLAIN
			: c->g.si	 ? FMT_SI
					 : FMT_IEC,
		.utc = c->g.utc,
		.pager = c->cmd != NULL && (c->cmd->needs & CMD_PAGED) &&
			 !c->g.no_pager,
	};

	out_init(&c->out, &o, c->clk);
	msg_init(&c->msg, &c->out, o.quiet, c->g.verbose);
	/* What the environment names is named for the next command too. */
	if (c->g.repo != NULL && c->g.repo != getenv("BLOBCTL_REPO"))
		c->msg.repo = c->g.repo;
}

/*
 * The command has done what it could by a log that is damaged: what it had to
 * go by may be older than what was stored. Damage outranks all but a signal; a
 * failure of the command's own keeps its words.
 */
static enum bc_err add_damage(struct ctx *c, enum bc_err rc, struct err *e)
{
	bool silent = rc == BC_OK || rc == BC_EDIFFER ||
		      (rc == BC_EPARTIAL && e->text[0] == '\0');

	bool reads = !(c->cmd->needs & CMD_WRITES) || c->g.dry_run;

	if (!(c->cmd->needs & CMD_REPO) || !reads || !repo_may_lack(c->repo))
		return rc;
	c->damaged = true;
	if (!silent)
		return rc;
	return err_set(e, BC_EDAMAGE,
		       "the log of %s is damaged: commits may be missing here",
		       repo_path(c->repo));
}

/* Everything between a parsed line and the result. */
static enum bc_err run(struct ctx *c, struct err *e)
{
	enum bc_err rc;

	if (c->g.log_file != NULL) {
		rc = msg_log_open(&c->msg, c->g.log_file, e);
		if (rc != BC_OK)
			return rc;
	}
	if (c->cmd->needs & CMD_STOPS)
		signal_catch_stops();
	if (c->g.max_duration > 0)
		signal_deadline(c->g.max_duration);
	rc = ctx_open(c, e);
	if (rc == BC_OK)
		rc = add_damage(c, c->cmd->run(c, e), e);
	ctx_close(c);
	return rc;
}

/* A way out for what has none of its own yet: each failure names one. */
static void advise(const struct ctx *c, struct err *e)
{
	static const struct {
		enum bc_err code;
		const char *hint;
	} WAYS[] = {
		{ BC_EDAMAGE, "blobctl check   says what is damaged, and what "
			      "that hurts" },
		{ BC_EACCES, "look who may do that: ls -ld on it and on the "
			     "folders above it" },
		{ BC_ELOCKED, "wait for it: --lock-wait=10min; `blobctl "
			      "doctor` says who is at work" },
		{ BC_ENOSPC, "make room on that file system, then run it "
			     "again" },
		{ BC_ENOMEM, "allow more memory (ulimit -v), or use fewer "
			     "threads: -j1" },
		{ BC_EIO, "the kernel's log (dmesg) says whether the disk "
			  "fails; then blobctl check" },
		{ BC_EVERSION,
		  "install a newer blobctl; this is " BLOBCTL_VERSION },
		{ BC_ECONFIG, "with -R DIR no configuration is read" },
		{ BC_ENOTFOUND, "look at the spelling of the path, and where "
				"it begins" },
	};
	const char *hint = NULL;

	if (e->hint[0] != '\0' || e->code == BC_ECANCEL)
		return;
	for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++)
		if (WAYS[i].code == e->code)
			hint = WAYS[i].hint;
	if (e->sys_errno == EROFS)
		hint = "mount that file system writable, or use another";
	else if (e->sys_errno == EMFILE || e->sys_errno == ENFILE)
		hint = "raise the limit of open files (ulimit -n)";
	else if (hint == NULL && exit_status_of(e->code) == STATUS_FAILED)
		hint = "blobctl doctor   says what does not work here";
	/* No command sends to itself. */
	if (hint != NULL && !(c->cmd == &cmd_check && e->code == BC_EDAMAGE) &&
	    !(c->cmd == &cmd_doctor && hint[0] == 'b'))
		err_hint(e, "%s", hint);
}

/* `events`: the summary has not been written yet. */
static void say_time_up(struct ctx *c, const char *hint, bool events)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, BC_ECANCEL, "the time is up");
	err_hint(&e, "%s",
		 *hint != '\0' ? hint
			       : "a longer --max-duration lets it finish");
	if (events)
		msg_error_as(&c->msg, "time_up", &e);
	else
		msg_error_late(&c->msg, &e);
}

/* `--name` in a sentence about an option that was not typed: the variable. */
static void name_variable(const struct opt *o, struct err *e)
{
	char typed[ENV_NAME_BYTES], name[ENV_NAME_BYTES], rest[ERR_TEXT_BYTES];
	int n = snprintf(typed, sizeof(typed), "--%s", o->name);
	char *at = strstr(e->text, typed);
	size_t room;

	if (at == NULL || at[n] == '-' || (at[n] >= 'a' && at[n] <= 'z') ||
	    !opt_env_name(o->name, name, sizeof(name)))
		return;
	snprintf(rest, sizeof(rest), "%s", at + n);
	room = sizeof(e->text) - (size_t)(at - e->text);
	snprintf(at, room, "%s%s", name, rest);
}

static void name_variables(const struct opt_parser *p, struct err *e)
{
	const struct opt *tables[] = { p->own, p->global };

	for (size_t i = 0; i < 2; i++)
		for (const struct opt *o = tables[i];
		     o != NULL && o->type != OPT_END; o++)
			if (opt_from_env(p, o->name))
				name_variable(o, e);
}

/*
 * The exit status, decided here and nowhere else. A signal has the last word
 * even if the work was done: whoever pressed ^C in a loop wants the loop to
 * end.
 */
static int decide_status(struct ctx *c, enum bc_err rc, const struct err *e)
{
	/* The closing line comes last. */
	msg_end_groups(&c->msg);
	if (rc != BC_OK && rc != BC_EDIFFER &&
	    !(rc == BC_ECANCEL && signal_time_up())) {
		struct err said = *e;

		said.code = rc;
		name_variables(c->line, &said);
		if (exit_status_of(rc) == STATUS_USAGE && said.hint[0] == '\0')
			err_hint(&said, "blobctl help%s%s",
				 c->cmd == NULL ? "" : " ",
				 c->cmd == NULL ? "" : c->cmd->name);
		advise(c, &said);
		if (rc != BC_EPARTIAL || said.text[0] != '\0')
			msg_error(&c->msg, &said);
	}
	if (signal_number() != 0)
		return STATUS_SIGNAL + signal_number();
	if (rc == BC_ECANCEL && signal_time_up()) {
		say_time_up(c, e->hint, true);
		return STATUS_TIME_UP;
	}
	return exit_worse(exit_status_of(rc), c->damaged ? STATUS_DAMAGE : 0);
}

/* Turn -h and -V into the commands they stand for. Help wins over errors. */
static enum bc_err apply_shortcuts(struct ctx *c, struct opt_parser *p,
				   enum bc_err rc, struct err *e)
{
	if (c->g.help) {
		c->args = p->operands;
		c->n_args = 0;
		if (c->cmd != NULL) {
			c->args[0] = c->cmd->name;
			c->n_args = 1;
		}
		c->cmd = &cmd_help;
		err_clear(e);
		return BC_OK;
	}
	if (c->g.version && rc == BC_OK) {
		c->cmd = &cmd_version;
		c->n_args = 0;
		return BC_OK;
	}
	if (rc == BC_OK && c->cmd == NULL) {
		rc = err_set(e, BC_EUSAGE, "no command was given");
		err_hint(e, "blobctl help");
	}
	return rc;
}

/* Nobody should do again what was done and could not be told. */
static void say_what_holds(const struct ctx *c, enum bc_err rc,
			   struct err *late)
{
	if (rc == BC_OK && c->cmd != NULL && !c->g.dry_run &&
	    ((c->cmd->needs & CMD_WRITES) || c->cmd == &cmd_get))
		err_hint(late, "only that is lost: what %s was to do is done",
			 c->cmd->name);
}

/* Output was lost; what that makes of the status. Whoever stops a run need not
 * be told that nobody read. */
static int lose_output(struct ctx *c, enum bc_err rc, int status,
		       struct err *late, bool events)
{
	if (late->code == BC_ECANCEL && signal_number() != 0)
		return STATUS_SIGNAL + signal_number();
	if (late->code == BC_ECANCEL) {
		if (rc != BC_ECANCEL)
			say_time_up(c, "", events);
		return exit_worse(status, STATUS_TIME_UP);
	}
	say_what_holds(c, rc, late);
	if (events)
		msg_error(&c->msg, late);
	else
		msg_error_late(&c->msg, late);
	return exit_worse(status, STATUS_FAILED);
}

/* Report, write the summary, close everything; returns the status. */
static int finish(struct ctx *c, enum bc_err rc, struct err *e)
{
	int status = decide_status(c, rc, e);
	struct err late = ERR_INIT;

	if (out_flush(&c->out, &late) != BC_OK)
		status = lose_output(c, rc, status, &late, true);
	if (out_finish(&c->out, status, signal_number(), &late) != BC_OK)
		status = lose_output(c, rc, status, &late, false);
	msg_fini(&c->msg, status);
	return status;
}

int main(int argc, char **argv)
{
	struct ctx c = { .g = global_defaults, .clk = clock_system() };
	struct opt_parser p = { .global = global_opts,
				.global_at = &c.g,
				.envp = environ,
				.on_command = on_command,
				.owner = cmd_owner,
				.ctx = &c };
	struct err e = ERR_INIT;
	enum bc_err rc, status_rc;
	int status;

	open_standard_fds();
	signal_setup();
	p.now = c.clk.real(c.clk.ctx);
	c.line = &p;
	c.stop = signal_stop_flag();
	rc = opt_parse(&p, argc, argv, &e);
	c.args = p.operands;
	c.n_args = p.operand_count;
	/* Not even an output to report it on could be set up. */
	status_rc = check_status_fd(&c, rc == BC_OK ? &e : NULL);
	if (rc == BC_OK)
		rc = status_rc;
	if (p.operands != NULL)
		rc = apply_shortcuts(&c, &p, rc, &e);
	if (rc == BC_OK)
		rc = check_operands(&c, &e);
	if (rc != BC_OK)
		c.g.no_pager = true;
	start_output(&c);
	out_start(&c.out, c.cmd == NULL ? NULL : c.cmd->name,
		  c.cmd == NULL ? NULL : c.cmd->counts, c.g.dry_run);
	if (rc == BC_OK) {
		warn_unknown_env(&c.msg, environ);
		rc = run(&c, &e);
	} else if (argc <= 1 && !c.g.json) {
		help_overview(stderr);
	}
	status = finish(&c, rc, &e);
	opt_parse_free(&p);
	free(p.own_at);
	if (status > STATUS_SIGNAL)
		signal_reraise(status - STATUS_SIGNAL);
	return status;
}
