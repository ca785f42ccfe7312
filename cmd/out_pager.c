/* SPDX-License-Identifier: Apache-2.0 */
/* A pager between a long listing and the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/out.h"

static const char PAGER_DEFAULT[] = "less -FRX";

/* Can the program that a command begins with be run? Asked because a shell that
 * cannot find it would swallow the output. What only a shell can tell is taken
 * to be there. */
static bool can_run(const char *command)
{
	size_t n = strcspn(command, " \t");
	const char *path = getenv("PATH");
	char file[4096];

	if (strcspn(command, "\"'\\$`=~(){};&|<>*?[#") < n)
		return true;
	if (memchr(command, '/', n) != NULL) {
		snprintf(file, sizeof(file), "%.*s", (int)n, command);
		return access(file, X_OK) == 0;
	}
	while (path != NULL && *path != '\0') {
		const char *end = strchrnul(path, ':');
		int len = snprintf(file, sizeof(file), "%.*s/%.*s",
				   (int)(end - path), path, (int)n, command);

		if (len > 0 && (size_t)len < sizeof(file) &&
		    access(file, X_OK) == 0)
			return true;
		path = *end == ':' ? end + 1 : end;
	}
	return false;
}

/* The command to run, NULL for none. */
static const char *choose(void)
{
	const char *p = getenv("BLOBCTL_PAGER");

	if (p == NULL)
		p = getenv("PAGER");
	if (p == NULL)
		p = PAGER_DEFAULT;
	if (*p == '\0' || strcmp(p, "cat") == 0 || !can_run(p))
		return NULL;
	return p;
}

void out_pager_start(struct out *o)
{
	const char *command = choose();
	FILE *to = NULL;
	int fd[2];
	pid_t pid;

	if (command == NULL || pipe2(fd, O_CLOEXEC) != 0)
		return;
	/* Who looks at a page reads no further. */
	o->pager = (struct out_fd){ .fd = fd[1], .own = true };
	if (fcntl(fd[1], F_SETFL, O_NONBLOCK) != 0)
		o->pager.bounded = true;
	to = out_fd_stream(&o->pager);
	if (to == NULL) {
		close(fd[0]);
		close(fd[1]);
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (dup2(fd[0], STDIN_FILENO) >= 0)
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fd[0]);
	if (pid < 0) {
		fclose(to);
		return;
	}
	o->unpaged = o->text;
	o->text = to;
	o->pager_pid = pid;
}

void out_pager_wait(struct out *o)
{
	int status;

	if (o->pager_pid == 0)
		return;
	/* The pager, not this process, answers to the keyboard from here. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	fclose(o->text);
	o->text = o->unpaged;
	while (waitpid(o->pager_pid, &status, 0) < 0 && errno == EINTR)
		;
	o->pager_pid = 0;
}
