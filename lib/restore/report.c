/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/report.h"

#include <errno.h>

#include "restore/dest.h"
#include "restore/run.h"

/* Of kinds of errors: the worst is what the run returns. */
enum {
	RANK_PARTIAL = 1,
	RANK_IO = 2,
	RANK_DAMAGE = 3,
};

static int rank_of(enum bc_err code)
{
	if (code == BC_EDAMAGE)
		return RANK_DAMAGE;
	return code == BC_EIO ? RANK_IO : RANK_PARTIAL;
}

/* For messages alone. */
static const char *shown_path(const struct rdir *dir, const char *name,
			      struct buf *out)
{
	const char *path = dest_path(dir, name, out);

	return path == NULL ? "?" : path;
}

static void report(struct worker *w, const struct rdir *dir, const char *name,
		   enum bc_err code, const char *text)
{
	struct run *run = w->run;
	const char *path = shown_path(dir, name, &w->path);

	pthread_mutex_lock(&run->report);
	if (rank_of(code) > run->rank) {
		run->rank = rank_of(code);
		err_set(&run->first, code, "%.256s: %s", path, text);
	}
	if (run->o.error != NULL)
		run->o.error(run->o.ctx, path, code, text);
	pthread_mutex_unlock(&run->report);
}

void report_error(struct worker *w, const struct rdir *dir, const char *name,
		  enum bc_err code, const char *text)
{
	atomic_fetch_add(&w->run->progress->errors, 1);
	report(w, dir, name, code, text);
}

static bool ends_all(const struct err *e)
{
	switch (e->sys_errno) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
	case EMFILE:
	case ENFILE:
		return true;
	default:
		return e->code == BC_ENOMEM;
	}
}

void report_failed(struct worker *w, const struct rdir *dir, const char *name,
		   const struct err *e)
{
	struct err all = *e;

	/* What was given up is not an item that failed. */
	if (e->code == BC_ECANCEL)
		return;
	report_error(w, dir, name, e->code, e->text);
	if (!ends_all(e))
		return;
	err_wrap(&all, "%.256s", shown_path(dir, name, &w->path));
	if (all.code == BC_ENOSPC)
		err_hint(&all,
			 "make room and run it again; what is there now is "
			 "whole");
	run_stop(w->run, &all);
}

void report_lost(struct worker *w, const struct rdir *dir, const char *name,
		 const struct err *e)
{
	struct err own = *e;

	own.sys_errno = 0;
	report_failed(w, dir, name, &own);
}

static const char *const note_text[] = {
	[NOTE_OWNER] = "owners cannot be set here",
	[NOTE_SETID] = "set-id bits are not given to another owner",
	[NOTE_MODE] = "modes cannot be set here",
	[NOTE_TIME] = "times cannot be set here",
	[NOTE_FLAGS] = "inode flags cannot be set here",
	[NOTE_DEVICE] = "devices can be made by root only",
	[NOTE_ACL] = "access control lists cannot be set here",
	[NOTE_XATTR_USER] = "user attributes cannot be set here",
	[NOTE_XATTR_TRUSTED] = "trusted attributes cannot be set here",
	[NOTE_XATTR_SECURITY] = "security attributes cannot be set here",
	[NOTE_XATTR_OTHER] = "extended attributes cannot be set here",
	[NOTE_LATE] = "attributes that come last could not be set",
	[NOTE_LINKS_MANY] = "not linked: more hard links than memory for them",
	[NOTE_LINK] = "not linked: the file that it is a name of differs",
	[NOTE_LINK_THERE] = "is there already, but is no further name",
	[NOTE_MARK] = "cannot be removed, and is not the snapshot's",
};

void report_note(struct worker *w, const struct rdir *dir, const char *name,
		 enum note kind, int sys)
{
	uint32_t bit = UINT32_C(1) << kind;
	struct err e = ERR_INIT;

	atomic_fetch_add(&w->run->progress->errors, 1);
	if ((atomic_fetch_or(&w->run->noted, bit) & bit) != 0)
		return;
	if (sys != 0)
		err_sys(&e, sys, "%s; further ones are not told",
			note_text[kind]);
	else
		err_set(&e, BC_EPARTIAL, "%s; further ones are not told",
			note_text[kind]);
	report(w, dir, name, BC_EPARTIAL, e.text);
}

void report_item(struct worker *w, const struct rdir *dir, const char *name,
		 enum tree_type type, uint64_t size)
{
	struct run *run = w->run;
	_Atomic uint64_t *count = type == TREE_FILE  ? &run->progress->files
				  : type == TREE_DIR ? &run->progress->dirs
						     : &run->progress->others;

	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	if (type == TREE_FILE)
		atomic_fetch_add_explicit(&run->progress->size, size,
					  memory_order_relaxed);
	if (run->o.item == NULL)
		return;
	pthread_mutex_lock(&run->report);
	run->o.item(run->o.ctx, shown_path(dir, name, &w->path), type, size);
	pthread_mutex_unlock(&run->report);
}

void report_same(struct worker *w, enum tree_type type, uint64_t size)
{
	struct restore_progress *p = w->run->progress;

	atomic_fetch_add_explicit(&p->same, 1, memory_order_relaxed);
	if (type == TREE_FILE)
		atomic_fetch_add_explicit(&p->same_size, size,
					  memory_order_relaxed);
}

/* Worst wins; damage beats all but a stop on request. */
enum bc_err report_verdict(const struct run *run, bool one, struct err *e)
{
	enum bc_err fatal = (enum bc_err)atomic_load(&run->fatal);
	const struct err *say = &run->first;
	enum bc_err rc = BC_OK;

	if (fatal != BC_OK &&
	    (run->rank < RANK_DAMAGE || fatal == BC_ECANCEL)) {
		say = &run->fatal_err;
		rc = fatal;
	} else if (run->rank >= RANK_IO || (one && run->rank > 0)) {
		rc = run->first.code;
	} else if (run->rank > 0) {
		rc = BC_EPARTIAL;
	}
	if (rc == BC_OK || e == NULL)
		return rc;
	*e = *say;
	e->code = rc;
	if (fatal != BC_OK && rc != fatal) {
		err_set(e, rc, "%.256s; then stopped: %.256s", run->first.text,
			run->fatal_err.text);
		err_hint(e, "%s", run->fatal_err.hint);
	}
	return rc;
}
