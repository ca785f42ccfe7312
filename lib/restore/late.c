/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/late.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/dest.h"
#include "restore/meta.h"
#include "restore/report.h"
#include "restore/run.h"

void late_add(struct worker *w, const struct rdir *dir, const char *name,
	      const struct stat *st, uint32_t mode, uint32_t flags)
{
	const char *path = dest_path(dir, NULL, &w->path);
	size_t n = path == NULL ? 0 : strlen(path) + 1;
	size_t m = name == NULL ? 0 : strlen(name) + 1;
	struct late *l = path == NULL ? NULL : malloc(sizeof(*l) + n + m);

	if (l == NULL) {
		report_note(w, dir, name, NOTE_LATE, ENOMEM);
		return;
	}
	l->mode = mode;
	l->flags = flags;
	l->dev = st == NULL ? 0 : st->st_dev;
	l->ino = st == NULL ? 0 : st->st_ino;
	memcpy(l->folder, path, n);
	l->name = NULL;
	if (name != NULL)
		l->name = memcpy(l->folder + n, name, m);
	pthread_mutex_lock(&w->run->report);
	l->next = w->run->late;
	w->run->late = l;
	pthread_mutex_unlock(&w->run->report);
}

/* Below its folder. errno */
static bool set_file(int dir, const struct late *l)
{
	int fd = openat(dir, l->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool ok;
	int sys;

	if (fd < 0)
		return false;
	ok = fstat(fd, &st) == 0;
	if (ok && (st.st_dev != l->dev || st.st_ino != l->ino)) {
		ok = false;
		errno = ESTALE;
	}
	ok = ok && meta_flags(fd, l->flags, l->flags);
	sys = errno;
	close(fd);
	errno = sys;
	return ok;
}

static bool set_late(struct run *run, const struct late *l)
{
	char proc[64];
	int dir = dest_path_dir(run, l->folder), sys;
	bool ok;

	if (dir < 0)
		return false;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir);
	ok = l->name != NULL ? set_file(dir, l) : chmod(proc, l->mode) == 0;
	sys = errno;
	close(dir);
	errno = sys;
	return ok;
}

/* Directories were remembered after those below them, so they come out before
 * them: turn the list round. */
void late_finish(struct worker *w)
{
	struct late *l = w->run->late, *list = NULL, *next;

	for (; l != NULL; l = next) {
		next = l->next;
		l->next = list;
		list = l;
	}
	w->run->late = NULL;
	for (l = list; l != NULL; l = next) {
		next = l->next;
		if ((l->flags == 0 || !run_dead(w->run)) &&
		    !set_late(w->run, l)) {
			struct rdir top = { .name_n = 0 };

			report_note(w, &top, l->folder, NOTE_LATE, errno);
		}
		free(l);
	}
}
