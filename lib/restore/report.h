/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/report - what was restored, and what was not. Private to lib/restore.
 *
 * Any thread; calls of the caller come one at a time.
 */
#ifndef BC_RESTORE_REPORT_H
#define BC_RESTORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "tree/node.h"
#include "util/err.h"

struct rdir;
struct run;
struct worker;

/* Kinds of what could not be restored, each told once. */
enum note {
	NOTE_OWNER,
	NOTE_SETID,
	NOTE_MODE,
	NOTE_TIME,
	NOTE_FLAGS,
	NOTE_DEVICE,
	NOTE_ACL,
	NOTE_XATTR_USER,
	NOTE_XATTR_TRUSTED,
	NOTE_XATTR_SECURITY,
	NOTE_XATTR_OTHER,
	NOTE_LATE,
	NOTE_LINK,
	NOTE_LINKS_MANY,
	NOTE_LINK_THERE,
	NOTE_MARK,
};

/* report_error - an item is not restored. Counts it. name may be NULL: `dir`
 * itself. */
void report_error(struct worker *w, const struct rdir *dir, const char *name,
		  enum bc_err code, const char *text);

/*
 * report_failed - the same for a failed system call or whatever `e` says; stops
 * the run if the destination is full or broken.
 */
void report_failed(struct worker *w, const struct rdir *dir, const char *name,
		   const struct err *e);

/* report_lost - the same where it is the repository that fails: the rest may
 * still be whole. */
void report_lost(struct worker *w, const struct rdir *dir, const char *name,
		 const struct err *e);

/* report_note - something about items cannot be restored here; told once. */
void report_note(struct worker *w, const struct rdir *dir, const char *name,
		 enum note kind, int sys);

/* report_item - restored. */
void report_item(struct worker *w, const struct rdir *dir, const char *name,
		 enum tree_type type, uint64_t size);

/* report_same - there before, and taken for what is to be restored. */
void report_same(struct worker *w, enum tree_type type, uint64_t size);

/*
 * report_verdict - the result of the run: the worst error wins, and damage
 * beats all but a stop on request.
 *   one  a single thing was wanted: what hit it is the result
 */
BC_MUST_CHECK enum bc_err report_verdict(const struct run *run, bool one,
					 struct err *e);

#endif
