/* SPDX-License-Identifier: Apache-2.0 */
#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum bc_err bc_err_from_errno(int sys)
{
	switch (sys) {
	case 0:
		return BC_OK;
	case ENOMEM:
		return BC_ENOMEM;
	case EIO:
	case EUCLEAN:
		return BC_EIO;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return BC_ENOSPC;
	case ENOENT:
	case ENOTDIR:
		return BC_ENOTFOUND;
	case EEXIST:
		return BC_EEXIST;
	case EACCES:
	case EPERM:
	case EROFS:
		return BC_EACCES;
	default:
		return BC_ESYS;
	}
}

BC_PRINTF(4, 0)
static void set_text(struct err *e, enum bc_err code, int sys, const char *fmt,
		     va_list ap)
{
	e->code = code;
	e->sys_errno = sys;
	e->hint[0] = '\0';
	e->unsure = false;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

enum bc_err err_set(struct err *e, enum bc_err code, const char *fmt, ...)
{
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		set_text(e, code, 0, fmt, ap);
		va_end(ap);
	}
	return code;
}

enum bc_err err_sys(struct err *e, int sys, const char *fmt, ...)
{
	enum bc_err code = bc_err_from_errno(sys);
	char why[128];
	size_t used;
	va_list ap;

	if (code == BC_OK)
		code = BC_ESYS;
	if (e == NULL)
		return code;
	va_start(ap, fmt);
	set_text(e, code, sys, fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	/* GNU strerror_r: the result may be a constant string, not `why`. */
	snprintf(e->text + used, sizeof(e->text) - used, ": %s",
		 strerror_r(sys, why, sizeof(why)));
	/* It counts as a lack of space, but room on the disk is no cure. */
	if (sys == EFBIG)
		err_hint(e, "raise the limit of file sizes (ulimit -f), or use "
			    "a file system that takes larger files");
	return code;
}

enum bc_err err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[ERR_TEXT_BYTES];
	size_t used;
	va_list ap;

	if (e == NULL)
		return BC_ESYS;
	memcpy(inner, e->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s", inner);
	return e->code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}

void err_clear(struct err *e)
{
	if (e != NULL)
		*e = (struct err)ERR_INIT;
}

const char *bc_err_name(enum bc_err code)
{
	switch (code) {
	case BC_OK:
		return "ok";
	case BC_ENOMEM:
		return "no_memory";
	case BC_EIO:
		return "io_error";
	case BC_ENOSPC:
		return "no_space";
	case BC_EINVAL:
		return "invalid_argument";
	case BC_ENOTFOUND:
		return "not_found";
	case BC_EEXIST:
		return "exists";
	case BC_ELOCKED:
		return "repo_locked";
	case BC_EDAMAGE:
		return "damage";
	case BC_EVERSION:
		return "newer_format";
	case BC_ENOREPO:
		return "no_repository";
	case BC_EKEY:
		return "wrong_key";
	case BC_EACCES:
		return "access_denied";
	case BC_EFULL:
		return "full";
	case BC_ELIMIT:
		return "limit";
	case BC_ECANCEL:
		return "interrupted";
	case BC_ESOURCE:
		return "source_error";
	case BC_EREFUSED:
		return "refused";
	case BC_ECONFIG:
		return "bad_config";
	case BC_EAMBIGUOUS:
		return "ambiguous_name";
	case BC_ESYS:
		return "system_error";
	case BC_EUSAGE:
		return "usage";
	case BC_EPARTIAL:
		return "partial";
	case BC_EDIFFER:
		return "differences";
	}
	return "unknown";
}
