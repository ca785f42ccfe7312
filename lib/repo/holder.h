/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/holder - which process holds a lock. The kernel does not tell by the
 * lock itself (its owner is an open file, not a process), but /proc lists the
 * locks of each descriptor. For messages: it takes some milliseconds, and what
 * it finds may have changed by then.
 */
#ifndef BC_REPO_HOLDER_H
#define BC_REPO_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

struct lock_holder {
	int64_t pid;
	bool stopped; /* by a signal or a debugger */
	char command[16];
};

/*
 * lock_holder_find - who has byte `at` of the file locked for writing.
 *
 * false: nobody, or nobody that this user may look at: a process of another
 * user, in another container or on another host.
 */
bool lock_holder_find(const char *path, uint64_t at, struct lock_holder *out);

#endif
