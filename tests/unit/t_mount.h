/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of a test's own, seen by no other process. Containers forbid them,
 * and in a chroot whose root is no mount point nothing can make them private:
 * they would show in, and change, the system outside.
 */
#ifndef BC_TESTS_T_MOUNT_H
#define BC_TESTS_T_MOUNT_H

#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/t.h"

#define T_NO_MOUNT "needs root and a mount of its own"

/* From here on this process has its own mounts; false: not here. */
static inline bool t_own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Whether a child can make mounts of its own, tried on the folder dir. */
static inline bool t_may_mount(const char *dir)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(t_own_mounts() &&
				      mount("none", dir, "tmpfs", 0, NULL) == 0
			      ? 0
			      : 1);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
