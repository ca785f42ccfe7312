/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/err - result codes and the one record of what went wrong.
 *
 * A call that can fail returns enum bc_err and is must-check. Who detects,
 * describes: err_set() records the operation, the object and errno once, in
 * the caller's struct err. Callers on the way up may add one clause with
 * err_wrap(). Only cmd/ turns a struct err into words on a stream, and derives
 * the exit code from the bc_err alone.
 */
#ifndef BC_UTIL_ERR_H
#define BC_UTIL_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define BC_MUST_CHECK	__attribute__((warn_unused_result))
#define BC_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum bc_err {
	BC_OK = 0,
	BC_ENOMEM = -1,	     /* no memory; nothing changed */
	BC_EIO = -2,	     /* the device or file system failed */
	BC_ENOSPC = -3,	     /* no space, quota or inodes left */
	BC_EINVAL = -4,	     /* an argument that cannot be meant */
	BC_ENOTFOUND = -5,   /* a named thing is not there */
	BC_EEXIST = -6,	     /* a thing to be made is there already */
	BC_ELOCKED = -7,     /* held by another run */
	BC_EDAMAGE = -8,     /* bytes on disk are not what was written */
	BC_EVERSION = -9,    /* written by a newer blobctl */
	BC_ENOREPO = -10,    /* no repository here */
	BC_EKEY = -11,	     /* wrong key or passphrase */
	BC_EACCES = -12,     /* not permitted, or a read-only file system */
	BC_EFULL = -13,	     /* a bounded container is full: start another */
	BC_ELIMIT = -14,     /* a stated ceiling would be passed */
	BC_ECANCEL = -15,    /* stopped on request */
	BC_ESOURCE = -16,    /* a source file could not be read; skip it */
	BC_EREFUSED = -17,   /* a safety guard said no */
	BC_ECONFIG = -18,    /* the configuration is not valid */
	BC_EAMBIGUOUS = -19, /* a name stands for several things */
	BC_ESYS = -20,	     /* any other failed system call */
	BC_EUSAGE = -21,     /* the command line cannot be understood */
	BC_EPARTIAL = -22,   /* done, but some items were skipped */
	BC_EDIFFER = -23,    /* differences were found */
};

enum {
	ERR_TEXT_BYTES = 768,
	ERR_HINT_BYTES = 256,
};

struct err {
	enum bc_err code;
	int sys_errno;		   /* 0 when no system call was involved */
	char text[ERR_TEXT_BYTES]; /* one sentence, no full stop, no newline */
	char hint[ERR_HINT_BYTES]; /* what to try next; empty when unknown */
	bool unsure; /* what failed may take effect all the same */
};

#define ERR_INIT                                                               \
	{                                                                      \
		BC_OK, 0, { 0 }, { 0 }, false                                  \
	}

/*
 * err_set - record a failure and return its code, so that the place of
 * detection reads `return err_set(e, BC_EDAMAGE, "...", ...)`.
 *
 *   e     may be NULL: the code is returned all the same
 */
enum bc_err err_set(struct err *e, enum bc_err code, const char *fmt, ...)
	BC_PRINTF(3, 4);

/*
 * err_sys - record a failed system call. errno `sys` becomes BC_ENOSPC
 * (ENOSPC, EDQUOT, EFBIG), BC_EACCES (EACCES, EPERM, EROFS), BC_ENOTFOUND
 * (ENOENT), BC_EEXIST, BC_ENOMEM, BC_EIO or BC_ESYS; its text is appended.
 * EFBIG has a hint of its own.
 */
enum bc_err err_sys(struct err *e, int sys, const char *fmt, ...)
	BC_PRINTF(3, 4);

/* err_wrap - put "clause: " before the recorded text; returns its code. */
enum bc_err err_wrap(struct err *e, const char *fmt, ...) BC_PRINTF(2, 3);

/* err_hint - say what to try next; replaces an earlier hint. */
void err_hint(struct err *e, const char *fmt, ...) BC_PRINTF(2, 3);

/* err_clear - back to BC_OK. */
void err_clear(struct err *e);

/* bc_err_name - a stable lower-case word for a code ("damage"). Never NULL. */
const char *bc_err_name(enum bc_err code);

/* bc_err_from_errno - the mapping err_sys() uses. */
enum bc_err bc_err_from_errno(int sys);

#endif
