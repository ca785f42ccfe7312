/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/dest.h"
#include "restore/links.h"
#include "restore/meta.h"
#include "restore/part.h"
#include "restore/report.h"
#include "restore/run.h"

/* Whose it would be if a run had made it. */
static bool is_ours(const struct run *run, const struct meta *m,
		    const struct stat *st)
{
	struct stat top;

	return st->st_uid == run->birth.uid ||
	       (m->own && st->st_uid == m->uid) ||
	       (fstat(run->root, &top) == 0 && st->st_uid == top.st_uid);
}

/* There before this run: taken for it, if nobody else has put it there. */
static enum bc_err keep(struct worker *w, struct rdir *dir, const char *name,
			const struct tree_entry *en, int dirfd,
			const struct stat *st, struct err *e)
{
	bool linked = (en->has & TREE_HAS_LINK) != 0;
	enum bc_err rc = BC_OK;
	struct meta m;

	meta_of(w, dir, name, en, &m);
	if (!is_ours(w->run, &m, st))
		return err_sys(e, EEXIST, "cannot make it");
	if (en->type == TREE_FILE)
		meta_kept(w, dir, name, dirfd, m.flags, linked);
	if (linked)
		rc = links_there(w, dir, name, en, st, e);
	if (rc == BC_OK)
		report_same(w, en->type, (uint64_t)st->st_size);
	return rc;
}

/* What a killed run has left of it; or, with two names, of its move: with the
 * thing in place, only that inode is known to be a part. */
static void sweep(const struct run *run, const struct rdir *dir,
		  const char *name, int dirfd, enum restore_there what,
		  const struct stat *st)
{
	bool any = what == RESTORE_FREE || run->begun;
	char part[PART_NAME_BYTES];

	if (!any && st->st_nlink <= 1)
		return;
	part_name(dir, name, part);
	part_sweep(dirfd, part, any ? NULL : st);
}

bool kept_entry(struct worker *w, struct rdir *dir, const char *name,
		const struct tree_entry *en)
{
	int dirfd = dir->there ? dest_dir(w, dir) : -1;
	enum restore_there what;
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;
	struct stat st;

	if (dirfd < 0)
		return false;
	what = restore_there(dirfd, name, en, &st);
	sweep(w->run, dir, name, dirfd, what, &st);
	if (what == RESTORE_SAME)
		rc = keep(w, dir, name, en, dirfd, &st, &e);
	else if (what == RESTORE_TAKEN)
		rc = err_sys(&e, EEXIST, "cannot make it");
	if (rc != BC_OK)
		report_failed(w, dir, name, &e);
	return what != RESTORE_FREE;
}

/* One of our own that an earlier run has made as it shall be, read-only or not
 * to be entered: what is missing in it needs more. */
static void make_usable(int dirfd, const struct rdir *d, const struct stat *st)
{
	char proc[64];
	struct stat now;
	int fd;

	if (st->st_uid != geteuid() || (st->st_mode & S_IRWXU) == S_IRWXU)
		return;
	fd = openat(dirfd, d->name,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (fstat(fd, &now) == 0 && now.st_uid == geteuid())
		(void)!chmod(proc, (now.st_mode & 07777) | S_IRWXU);
	close(fd);
}

bool kept_dir(struct worker *w, int dirfd, struct rdir *d, bool on_the_way)
{
	struct stat st;

	if (fstatat(dirfd, d->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISDIR(st.st_mode))
		return false;
	/* What is made in it may get its group, or an ACL. */
	atomic_store(&w->run->birth.known, false);
	atomic_store(&w->run->birth.acl, true);
	d->there = true;
	d->apply = !on_the_way || w->run->begun;
	if (!w->run->is_root && d->apply)
		make_usable(dirfd, d, &st);
	return true;
}
