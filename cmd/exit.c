/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/exit.h"

#include <stddef.h>

int exit_status_of(enum bc_err code)
{
	/* No default: a new code must be given a status here. */
	switch (code) {
	case BC_OK:
		return STATUS_DONE;
	case BC_EUSAGE:
	case BC_EINVAL:
	case BC_EAMBIGUOUS:
		return STATUS_USAGE;
	case BC_EPARTIAL:
	case BC_ESOURCE:
		return STATUS_PARTIAL;
	case BC_ENOTFOUND:
		return STATUS_NOT_FOUND;
	case BC_EDIFFER:
		return STATUS_DIFFERS;
	case BC_ECONFIG:
		return STATUS_CONFIG;
	case BC_EREFUSED:
		return STATUS_REFUSED;
	case BC_ENOREPO:
		return STATUS_NO_REPO;
	case BC_ELOCKED:
		return STATUS_LOCKED;
	case BC_EKEY:
		return STATUS_WRONG_KEY;
	case BC_EDAMAGE:
		return STATUS_DAMAGE;
	case BC_ENOSPC:
		return STATUS_NO_SPACE;
	case BC_EVERSION:
		return STATUS_NEWER;
	case BC_ENOMEM:
	case BC_EIO:
	case BC_EEXIST:
	case BC_EACCES:
	case BC_EFULL:
	case BC_ELIMIT:
	case BC_ECANCEL: /* main knows why: a signal, or the time was up */
	case BC_ESYS:
		return STATUS_FAILED;
	}
	return STATUS_FAILED;
}

static int rank(int status)
{
	if (status >= STATUS_SIGNAL)
		return 6;
	switch (status) {
	case STATUS_DAMAGE:
		return 5;
	case STATUS_DONE:
		return 0;
	case STATUS_DIFFERS:
		return 1;
	case STATUS_PARTIAL:
		return 2;
	case STATUS_TIME_UP:
		return 3;
	default:
		return 4;
	}
}

int exit_worse(int a, int b)
{
	return rank(b) > rank(a) ? b : a;
}

const char *exit_meaning(int status)
{
	static const struct {
		int status;
		const char *words;
	} MEANINGS[] = {
		{ STATUS_DONE, "done" },
		{ STATUS_FAILED, "failed" },
		{ STATUS_USAGE, "bad option, argument or ambiguous name" },
		{ STATUS_PARTIAL, "done, but some items failed" },
		{ STATUS_NOT_FOUND, "not found" },
		{ STATUS_DIFFERS, "differences found" },
		{ STATUS_CONFIG, "configuration invalid" },
		{ STATUS_REFUSED, "refused by a guard, or needs a prompt" },
		{ STATUS_TIME_UP, "stopped at --max-duration; run again" },
		{ STATUS_NO_REPO, "no repository" },
		{ STATUS_LOCKED, "locked by another run; try again" },
		{ STATUS_WRONG_KEY, "wrong key" },
		{ STATUS_DAMAGE, "data damage" },
		{ STATUS_NO_SPACE, "no space or quota" },
		{ STATUS_NEWER, "repository needs a newer blobctl" },
		{ STATUS_NETWORK, "network or server trouble" },
		{ STATUS_DENIED, "access denied by the server" },
		{ STATUS_NO_OBJECT, "bucket or object missing" },
		{ STATUS_CONDITION, "precondition failed" },
		{ STATUS_ARCHIVED, "object must be thawed first" },
	};

	if (status >= STATUS_SIGNAL)
		return "ended by a signal";
	for (size_t i = 0; i < sizeof(MEANINGS) / sizeof(MEANINGS[0]); i++)
		if (MEANINGS[i].status == status)
			return MEANINGS[i].words;
	return "failed";
}
