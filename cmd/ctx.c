/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/signal.h"
#include "io/io.h"
#include "repo/look.h"
#include "repo/repo.h"
#include "util/arith.h"
#include "util/fmt_text.h"
#include "util/rng.h"

#ifdef BLOBCTL_TESTING
#include "tests/testing/seam.h"
#endif

enum { ANSWER_BYTES = 4096 }; /* the longest line that a terminal gives */

const char *const ctx_env_names[] = { "BLOBCTL_IO",
#ifdef BLOBCTL_TESTING
				      "BLOBCTL_FAULT", "BLOBCTL_TRACE",
				      "BLOBCTL_PORTABLE",
#endif
				      NULL };

enum bc_err ctx_find_repo(struct ctx *c, struct err *e)
{
	struct config conf = { 0 };
	char *path = NULL;
	enum bc_err rc;

	if (c->repo_path != NULL)
		return BC_OK;
	if (c->g.repo != NULL && *c->g.repo == '\0') {
		rc = err_set(e, BC_EUSAGE,
			     "--repo: the folder's name is empty");
		err_hint(e, "is a variable empty in the shell? Without -R, "
			    "core.repo of the configuration counts");
		return rc;
	}
	if (c->g.repo != NULL) {
		c->repo_path = strdup(c->g.repo);
		return c->repo_path != NULL
			       ? BC_OK
			       : err_set(e, BC_ENOMEM, "no memory");
	}
	rc = config_path(&path, e);
	if (rc == BC_OK)
		rc = config_load(path, &conf, e);
	free(path);
	/* Without a home directory there is no file that could name one. */
	if (rc == BC_OK || rc == BC_ENOTFOUND) {
		c->repo_path = conf.repo;
		conf.repo = NULL;
		rc = BC_OK;
	}
	config_free(&conf);
	if (rc != BC_OK || c->repo_path != NULL)
		return rc;
	rc = err_set(e, BC_ENOREPO, "no repository set");
	err_hint(e,
		 "blobctl init DIR   makes one; blobctl -R DIR %s   uses "
		 "another",
		 c->cmd->name);
	return rc;
}

/* A new folder in `path`, for a hint. */
static const char *word_below(const char *path, char word[CTX_WORD_BYTES])
{
	char below[CTX_WORD_BYTES];
	int n = snprintf(below, sizeof(below), "%s%sblobs", path,
			 path[strlen(path) - 1] == '/' ? "" : "/");

	/* Beside the rest of the hint there is not that much room. */
	return n > 0 && n < 100 ? ctx_word(below, "DIR", word) : "DIR";
}

enum bc_err ctx_no_repo(struct ctx *c, enum bc_err rc, struct err *e)
{
	const char *path = c->repo_path;
	struct repo_look l = { .found = REPO_MISSING };
	char word[CTX_WORD_BYTES];

	if (e->hint[0] != '\0')
		return rc;
	/* What cannot be looked at has been said already. */
	(void)!repo_look(c->io, path, &l, NULL);
	switch (l.found) {
	case REPO_NO_FOLDER:
		(void)err_set(e, rc, "%s is a file; a repository is a folder",
			      path);
		err_hint(e, "name the folder, or make a repository: blobctl "
			    "init DIR");
		break;
	case REPO_LOST_SUPERBLOCKS:
		rc = err_set(e, BC_EDAMAGE,
			     "%s holds a repository's data, but both of its "
			     "superblocks are gone",
			     path);
		err_hint(e, "put `superblock` back from a copy of this "
			    "repository, however old");
		break;
	case REPO_FOREIGN:
		err_hint(e,
			 "it holds %.60s; name the repository's own folder, "
			 "or make one: blobctl init %s",
			 l.what, word_below(path, word));
		break;
	case REPO_MISSING:
	case REPO_FREE:
	case REPO_HALF_MADE:
	case REPO_THERE:
		err_hint(e, "blobctl init %s", ctx_word(path, "DIR", word));
		break;
	}
	return rc;
}

static enum bc_err check_folder(struct ctx *c, struct err *e)
{
	struct stat st;
	enum bc_err rc;

	if (stat(c->repo_path, &st) == 0 && S_ISDIR(st.st_mode))
		return BC_OK;
	if (errno != 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, errno, "cannot open the repository %s",
			       c->repo_path);
	rc = err_set(e, BC_ENOREPO, "there is no repository at %s",
		     c->repo_path);
	return ctx_no_repo(c, rc, e);
}

#if defined(BLOBCTL_TESTING) && defined(__x86_64__)
/*
 * BLOBCTL_PORTABLE=1 in the testing build: the processor seems to have nothing
 * that can be asked about by __builtin_cpu_supports(), whose answers gcc's and
 * clang's run-time libraries keep here. Before anything has asked.
 */
extern struct {
	unsigned vendor, type, subtype, features[1];
} __cpu_model;

__attribute__((constructor)) static void forget_processor(void)
{
	const char *asked = getenv("BLOBCTL_PORTABLE");

	__builtin_cpu_init();
	if (asked != NULL && strcmp(asked, "1") == 0)
		__cpu_model.features[0] = 0;
}
#endif

/* BLOBCTL_IO names the engine. */
static enum bc_err open_io(struct ctx *c, struct err *e)
{
	const char *engine = getenv("BLOBCTL_IO");
	struct io_options o = { .engine = IO_ENGINE_AUTO, .stop = c->stop };
	enum bc_err rc = BC_OK;

#ifdef BLOBCTL_TESTING
	rc = testing_seam(&o, e);
#endif
	if (rc != BC_OK)
		return rc;
	if (engine != NULL && strcmp(engine, "psync") == 0)
		o.engine = IO_ENGINE_PSYNC;
	else if (engine != NULL && strcmp(engine, "uring") == 0)
		o.engine = IO_ENGINE_URING;
	else if (engine != NULL && *engine != '\0' &&
		 strcmp(engine, "auto") != 0) {
		rc = err_set(e, BC_EUSAGE,
			     "BLOBCTL_IO: '%.64s' is no I/O engine", engine);
		err_hint(e, "set it to auto, psync or uring");
		return rc;
	}
	return io_open(&o, &c->io, e);
}

static void say_note(void *ctx, const char *text)
{
	struct ctx *c = ctx;

	/* Whoever comes by the same damage again says so again. */
	if (strncmp(c->last_note, text, sizeof(c->last_note) - 1) == 0)
		return;
	snprintf(c->last_note, sizeof(c->last_note), "%s", text);
	msg_warn(&c->msg, "repository", "%s", text);
}

enum bc_err ctx_open_repo(struct ctx *c, bool write, struct err *e)
{
	struct repo_options o = {
		.io = c->io,
		.rng = rng_system(),
		.clock = c->clk,
		.write = write,
		.lock_wait_ms = c->g.lock_wait * 1000,
		.note = { say_note, c },
	};
	enum bc_err rc = repo_open(c->repo_path, &o, &c->repo, e);

	if (rc == BC_ENOREPO)
		rc = ctx_no_repo(c, rc, e);
	return rc;
}

enum bc_err ctx_open(struct ctx *c, struct err *e)
{
	enum bc_err rc = open_io(c, e);

	if (rc != BC_OK || !(c->cmd->needs & CMD_REPO))
		return rc;
	rc = ctx_find_repo(c, e);
	errno = 0;
	if (rc == BC_OK)
		rc = check_folder(c, e);
	if (rc != BC_OK)
		return rc;
	return ctx_open_repo(
		c, (c->cmd->needs & CMD_WRITES) != 0 && !c->g.dry_run, e);
}

void ctx_close(struct ctx *c)
{
	repo_close(c->repo);
	c->repo = NULL;
	io_close(c->io);
	c->io = NULL;
#ifdef BLOBCTL_TESTING
	testing_report();
#endif
	free(c->repo_path);
	c->repo_path = NULL;
}

unsigned ctx_threads(const struct ctx *c)
{
	enum { THREADS_MAX = 64 };
	cpu_set_t set;
	unsigned n = 1;

	/* Where cores are shared out, those of this process alone count. */
	if (c->g.threads > 0)
		n = (unsigned)min_u64(c->g.threads, THREADS_MAX);
	else if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
}

/* The first byte of what is typed; 0: nothing is, at the end or by a stop. */
static char ask(const char *question)
{
	char answer[ANSWER_BYTES];
	ssize_t n = 0;

	signal_asking(true);
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (signal_await_input(STDIN_FILENO))
		n = read(STDIN_FILENO, answer, sizeof(answer));
	signal_asking(false);
	if (n <= 0)
		fputc('\n', stderr);
	return n <= 0 ? '\0' : answer[0];
}

enum bc_err ctx_confirm(struct ctx *c, const char *question, struct err *e)
{
	enum bc_err rc;
	char answer;

	if (c->g.yes)
		return BC_OK;
	if (c->g.no_input || isatty(STDIN_FILENO) != 1 || !c->out.err_tty) {
		rc = err_set(e, BC_EREFUSED, "%s Nobody can be asked",
			     question);
		err_hint(e, "add --yes to do it without a question");
		return rc;
	}
	msg_bar(&c->msg, NULL);
	answer = ask(question);
	if (answer == 'y' || answer == 'Y')
		return BC_OK;
	return err_set(e, atomic_load(c->stop) != 0 ? BC_ECANCEL : BC_EREFUSED,
		       "not done");
}

const char *ctx_word(const char *text, const char *instead,
		     char buf[CTX_WORD_BYTES])
{
	struct buf plain = BUF_INIT(CTX_WORD_BYTES);
	struct buf b = BUF_INIT(CTX_WORD_BYTES);
	bool ok = (text[0] != '-' || buf_add(&plain, "./", 2) == BC_OK) &&
		  buf_add(&plain, text, strlen(text)) == BC_OK &&
		  fmt_shell(&b, buf_bytes(&plain)) == BC_OK &&
		  buf_u8(&b, 0) == BC_OK;

	if (ok)
		memcpy(buf, b.p, b.n);
	buf_fini(&plain);
	buf_fini(&b);
	return ok ? buf : instead;
}

enum bc_err ctx_usage(const struct ctx *c, struct err *e, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(e, BC_EUSAGE, "%s: %s", c->cmd->name, text);
	err_hint(e, "usage: blobctl %s%s%s", c->cmd->name,
		 *c->cmd->usage == '\0' ? "" : " ", c->cmd->usage);
	return BC_EUSAGE;
}
