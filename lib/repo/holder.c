/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/holder.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PROC_PATH_BYTES = 600, PROC_LINE_BYTES = 256 };

struct wanted {
	struct stat file;
	uint64_t at;
};

/* "lock:\t1: OFDLCK  ADVISORY  WRITE -1 08:01:1234 0 EOF" */
static bool line_tells(const char *line, uint64_t at)
{
	uint64_t first = 0, last = UINT64_MAX;
	char mode[8] = "", end[24] = "";

	if (sscanf(line, "lock:%*s %*s %*s %7s %*s %*s %" SCNu64 " %23s", mode,
		   &first, end) != 3)
		return false;
	if (strcmp(end, "EOF") != 0)
		last = strtoull(end, NULL, 10);
	return strcmp(mode, "WRITE") == 0 && first <= at && at <= last;
}

static bool descriptor_holds(const char *pid, const char *fd, uint64_t at)
{
	char path[PROC_PATH_BYTES], line[PROC_LINE_BYTES];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = line_tells(line, at);
	fclose(f);
	return found;
}

static bool process_holds(const char *pid, const struct wanted *w)
{
	char path[PROC_PATH_BYTES];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (d = readdir(dir)) != NULL) {
		struct stat st;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, d->d_name);
		found = stat(path, &st) == 0 && st.st_dev == w->file.st_dev &&
			st.st_ino == w->file.st_ino &&
			descriptor_holds(pid, d->d_name, w->at);
	}
	closedir(dir);
	return found;
}

/* "PID (command) STATE ...": a command may hold spaces and brackets. */
static void describe(const char *pid, struct lock_holder *out)
{
	char path[PROC_PATH_BYTES], line[PROC_LINE_BYTES] = "";
	char *open, *close;
	FILE *f;

	*out = (struct lock_holder){ .pid = strtoll(pid, NULL, 10) };
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	open = strchr(line, '(');
	close = strrchr(line, ')');
	if (open == NULL || close == NULL || close < open)
		return;
	snprintf(out->command, sizeof(out->command), "%.*s",
		 (int)(close - open - 1), open + 1);
	out->stopped =
		strncmp(close, ") T", 3) == 0 || strncmp(close, ") t", 3) == 0;
}

bool lock_holder_find(const char *path, uint64_t at, struct lock_holder *out)
{
	struct wanted w = { .at = at };
	struct dirent *d;
	bool found = false;
	DIR *proc;

	if (stat(path, &w.file) != 0)
		return false;
	proc = opendir("/proc");
	if (proc == NULL)
		return false;
	while (!found && (d = readdir(proc)) != NULL) {
		found = d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
			process_holds(d->d_name, &w);
		if (found)
			describe(d->d_name, out);
	}
	closedir(proc);
	return found;
}
