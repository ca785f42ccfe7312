/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes. Always by a descriptor of the very thing that was made, in this
 * order: owner (clears set-id bits and capabilities), extended attributes
 * (want the file to be writable), mode, times, flags.
 */
#include "restore/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "restore/dest.h"
#include "restore/files.h"
#include "restore/late.h"
#include "restore/owner.h"
#include "restore/report.h"
#include "restore/run.h"

#define FLAGS_EARLY ((uint32_t)(FS_COMPR_FL | FS_NOCOW_FL))
#define FLAGS_LATE  ((uint32_t)(FS_IMMUTABLE_FL | FS_APPEND_FL))
#define FLAGS_OTHER                                                            \
	((uint32_t)(FS_SECRM_FL | FS_UNRM_FL | FS_SYNC_FL | FS_NODUMP_FL |     \
		    FS_NOATIME_FL | FS_JOURNAL_DATA_FL | FS_NOTAIL_FL |        \
		    FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_PROJINHERIT_FL))

enum {
	SET_ID = 06000,
	PROC_PATH_BYTES = 64,
	FULL_BYTES = 256 << 10,
};

/* ---- what is asked for ----------------------------------------------------
 */

void meta_of(struct worker *w, const struct rdir *dir, const char *name,
	     const struct tree_entry *en, struct meta *m)
{
	struct run *run = w->run;
	bool owns = run->is_root && run->o.owner == RESTORE_OWNER_AUTO;

	memset(m, 0, sizeof(*m));
	m->mode = en->mode;
	m->mtime = en->mtime;
	m->mtime_nsec = en->mtime_nsec;
	if ((en->has & TREE_HAS_FLAGS) != 0)
		m->flags = en->inode_flags &
			   (FLAGS_EARLY | FLAGS_LATE | FLAGS_OTHER);
	if ((en->has & TREE_HAS_ATTRS) != 0)
		m->attrs = en->attrs;
	m->by_id = (en->has & TREE_HAS_ATTRS_ID) != 0;
	if (m->by_id)
		m->attrs_id = en->attrs_id;
	if (owns) {
		m->uid = owner_user(&run->users, en->uid, en->user);
		m->gid = owner_group(&run->groups, en->gid, en->group);
		m->own = true;
		return;
	}
	/* A set-id bit is a right given by the owner: not for another one. */
	if (en->type == TREE_DIR || (m->mode & SET_ID) == 0)
		return;
	if (en->uid != run->birth.uid)
		m->mode &= ~(uint32_t)S_ISUID;
	if (en->gid != run->birth.gid)
		m->mode &= ~(uint32_t)S_ISGID;
	if (m->mode != en->mode)
		report_note(w, dir, name, NOTE_SETID, 0);
}

static bool has_attrs(const struct meta *m)
{
	return m->by_id || m->attrs.raw.n > 0;
}

uint32_t meta_open_mode(const struct run *run, const struct meta *m,
			bool reopened, bool *later)
{
	/* Born as it shall be, if nobody could use it meanwhile as he may not
	 * in the end, and nothing takes bits away. */
	*later = has_attrs(m) || !run->birth.known || run->birth.acl ||
		 (m->mode & ~run->birth.mode) != 0 ||
		 (reopened && (m->mode & 0600) != 0600);
	return *later ? 0600 : m->mode;
}

/* ---- setting --------------------------------------------------------------
 */

bool meta_flags(int fd, uint32_t want, uint32_t mask)
{
	int now = 0, next;

	if ((want & mask) == 0)
		return true;
	if (ioctl(fd, FS_IOC_GETFLAGS, &now) != 0)
		return false;
	next = (int)(((uint32_t)now & ~mask) | (want & mask));
	return now == next || ioctl(fd, FS_IOC_SETFLAGS, &next) == 0;
}

void meta_early(struct worker *w, const struct rdir *dir, const char *name,
		int fd, const struct meta *m)
{
	if (!meta_flags(fd, m->flags, FLAGS_EARLY))
		report_note(w, dir, name, NOTE_FLAGS, errno);
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static enum note attr_note(const char *name)
{
	return begins(name, "system.posix_acl") ? NOTE_ACL
	       : begins(name, "user.")		? NOTE_XATTR_USER
	       : begins(name, "trusted.")	? NOTE_XATTR_TRUSTED
	       : begins(name, "security.")	? NOTE_XATTR_SECURITY
						: NOTE_XATTR_OTHER;
}

/* One thing whose attributes are set. */
struct target {
	struct worker *w;
	const struct rdir *dir;
	const char *name;
	int fd;
	struct err *ends;	    /* NULL: whatever fails is a note */
	bool lacks;		    /* attributes that cannot be read */
	bool opaque;		    /* O_PATH: calls go through `proc` */
	char proc[PROC_PATH_BYTES]; /* of such a descriptor */
};

/* Is it the room on the disk that lacks, or what one file may have there? */
static bool is_full(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) != 0 || fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

static void note(const struct target *t, enum note kind)
{
	int sys = errno;

	if (t->ends != NULL && (sys == EDQUOT || sys == ENOMEM ||
				(sys == ENOSPC && is_full(t->fd))))
		err_sys(t->ends, sys, "cannot set its attributes");
	else
		report_note(t->w, t->dir, t->name, kind, sys);
}

static void set_attrs(const struct target *t, struct attrs set)
{
	char name[ATTR_NAME_MAX_BYTES + 1];
	struct attrs_iter it;
	struct attr a;

	attrs_begin(&it, set);
	while (attrs_next(&it, &a)) {
		int rc;

		memcpy(name, a.name.p, a.name.n);
		name[a.name.n] = '\0';
		rc = t->opaque
			     ? setxattr(t->proc, name, a.value.p, a.value.n, 0)
			     : fsetxattr(t->fd, name, a.value.p, a.value.n, 0);
		if (rc != 0)
			note(t, attr_note(name));
	}
}

static void load_attrs(struct target *t, const struct digest *id)
{
	struct err e = ERR_INIT;
	struct chunk_reader *c = loader_reader(&t->w->loader, &e);
	struct bytes node;
	struct attrs set;
	enum bc_err rc = c == NULL ? e.code : chunk_read(c, id, &node, &e);

	if (rc == BC_OK)
		rc = attrs_open_node(node, &set, &e);
	if (rc == BC_OK) {
		set_attrs(t, set);
		return;
	}
	err_wrap(&e, "its extended attributes cannot be read");
	t->lacks = true;
	if (t->ends == NULL) {
		report_lost(t->w, t->dir, t->name, &e);
		return;
	}
	/* Without them it is not whole, and may be open to more than it was: an
	 * ACL's mask stands where the group's rights do. */
	*t->ends = e;
	t->ends->sys_errno = 0;
}

/* An ACL that the destination hands down is not the snapshot's. */
static void drop_acl(const struct target *t, bool dir)
{
	(void)!(t->opaque ? removexattr(t->proc, "system.posix_acl_access")
			  : fremovexattr(t->fd, "system.posix_acl_access"));
	if (dir)
		(void)!fremovexattr(t->fd, "system.posix_acl_default");
}

/* Whoever asks must be done making it: what is made in a folder that turns
 * out to be there may be born with another group. */
static bool born_so(const struct birth *b, const struct meta *m)
{
	return b->known && m->uid == b->uid && m->gid == b->gid;
}

static void set_owner(const struct target *t, const struct meta *m,
		      uint32_t *mode)
{
	if (born_so(&t->w->run->birth, m))
		return;
	if (fchownat(t->fd, "", m->uid, m->gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return;
	note(t, NOTE_OWNER);
	*mode &= ~(uint32_t)SET_ID;
}

static void set_times(const struct target *t, const struct meta *m)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
				  { .tv_sec = (time_t)m->mtime,
				    .tv_nsec = (long)m->mtime_nsec } };

	if ((t->opaque ? utimensat(t->fd, "", ts, AT_EMPTY_PATH)
		       : futimens(t->fd, ts)) != 0)
		note(t, NOTE_TIME);
}

static void set_all(struct target *t, const struct meta *m, enum tree_type type,
		    bool set_mode)
{
	uint32_t mode = m->mode;

	if (m->own)
		set_owner(t, m, &mode);
	if (t->w->run->birth.acl && type != TREE_LINK)
		drop_acl(t, type == TREE_DIR);
	if (m->by_id)
		load_attrs(t, &m->attrs_id);
	else if (m->attrs.raw.n > 0)
		set_attrs(t, m->attrs);
	/* A folder has its name already. */
	if (t->lacks)
		mode &= S_IRWXU;
	if (set_mode &&
	    (t->opaque ? chmod(t->proc, mode) : fchmod(t->fd, mode)) != 0)
		note(t, NOTE_MODE);
	/* By its time it would pass for whole in the next run. */
	if (!t->lacks || type == TREE_DIR)
		set_times(t, m);
}

enum bc_err meta_file(struct worker *w, const struct rfile *f, int fd,
		      bool set_mode, struct err *e)
{
	struct err own = ERR_INIT;
	struct target t = {
		.w = w, .dir = f->dir, .name = f->name, .fd = fd, .ends = &own
	};

	set_all(&t, &f->meta, TREE_FILE, set_mode);
	if (!meta_flags(fd, f->meta.flags, FLAGS_OTHER))
		note(&t, NOTE_FLAGS);
	if (own.code != BC_OK && e != NULL)
		*e = own;
	return own.code;
}

/* An immutable file can get no name. */
void meta_file_last(struct worker *w, const struct rfile *f, int fd)
{
	struct stat st = { .st_dev = f->dev, .st_ino = f->ino };

	if ((f->meta.flags & FLAGS_LATE) == 0)
		return;
	if (!f->linked && fd >= 0) {
		if (!meta_flags(fd, f->meta.flags, FLAGS_LATE))
			report_note(w, f->dir, f->name, NOTE_FLAGS, errno);
	} else if (fd < 0 || fstat(fd, &st) == 0) {
		late_add(w, f->dir, f->name, &st, 0,
			 f->meta.flags & FLAGS_LATE);
	}
}

void meta_kept(struct worker *w, const struct rdir *dir, const char *name,
	       int dirfd, uint32_t flags, bool linked)
{
	struct stat st;
	int fd, now = 0;

	if ((flags & FLAGS_LATE) == 0)
		return;
	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    ioctl(fd, FS_IOC_GETFLAGS, &now) != 0)
		report_note(w, dir, name, NOTE_FLAGS, errno);
	else if ((flags & FLAGS_LATE & ~(uint32_t)now) == 0)
		; /* as nearly always */
	else if (linked)
		late_add(w, dir, name, &st, 0, flags & FLAGS_LATE);
	else if (!meta_flags(fd, flags, FLAGS_LATE))
		report_note(w, dir, name, NOTE_FLAGS, errno);
	if (fd >= 0)
		close(fd);
}

void meta_dir(struct worker *w, const struct rdir *d, int fd)
{
	struct target t = { .w = w, .dir = d, .fd = fd };
	struct meta m = d->meta;

	/* Names in it may still be wanted as the first of a hard link. */
	if (!w->run->is_root && (m.mode & S_IXUSR) == 0) {
		late_add(w, d, NULL, NULL, m.mode, 0);
		m.mode |= S_IXUSR;
	}
	set_all(&t, &m, TREE_DIR, true);
	if (!meta_flags(fd, m.flags, FLAGS_EARLY | FLAGS_LATE | FLAGS_OTHER))
		note(&t, NOTE_FLAGS);
}

static mode_t type_mode(enum tree_type type)
{
	switch (type) {
	case TREE_LINK:
		return S_IFLNK;
	case TREE_FIFO:
		return S_IFIFO;
	case TREE_SOCKET:
		return S_IFSOCK;
	case TREE_CHAR:
		return S_IFCHR;
	case TREE_BLOCK:
		return S_IFBLK;
	case TREE_FILE:
	case TREE_DIR:
	default:
		return 0;
	}
}

enum bc_err meta_other(struct worker *w, const struct rdir *dir,
		       const char *name, int dirfd, const char *at,
		       enum tree_type type, const struct meta *m, struct err *e)
{
	struct err own = ERR_INIT;
	struct target t = {
		.w = w, .dir = dir, .name = name, .ends = &own, .opaque = true
	};
	struct stat st;
	bool later;

	t.fd = openat(dirfd, at, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (t.fd < 0)
		return err_sys(e, errno,
			       "cannot open it to set its attributes");
	/* Is it what was made? In a destination where others may write, a
	 * name can be something else by now. */
	if (fstat(t.fd, &st) != 0 || (st.st_mode & S_IFMT) != type_mode(type) ||
	    st.st_nlink != 1 || st.st_uid != w->run->birth.uid) {
		close(t.fd);
		return err_set(e, BC_EREFUSED,
			       "somebody put something else in its place");
	}
	snprintf(t.proc, sizeof(t.proc), "/proc/self/fd/%d", t.fd);
	(void)meta_open_mode(w->run, m, false, &later);
	set_all(&t, m, type, later && type != TREE_LINK);
	close(t.fd);
	if (own.code != BC_OK && e != NULL)
		*e = own;
	return own.code;
}
