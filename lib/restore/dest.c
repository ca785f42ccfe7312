/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/dest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "restore/meta.h"
#include "restore/part.h"
#include "restore/report.h"
#include "restore/run.h"
#include "util/hex.h"

#define MARK_PREFIX ".blobctl-get-"

enum {
	MARK_ID_BYTES = 8,
	MARK_BYTES = sizeof(MARK_PREFIX) + 2 * MARK_ID_BYTES,
	/* Of a path given to the kernel at once. */
	PIECE_BYTES = 3500,
	DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	PATH_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

/* ---- opening below --------------------------------------------------------
 */

/* Close what is not the caller's own; errno stays. */
static void step_off(int at, int base)
{
	int sys = errno;

	if (at != base)
		close(at);
	errno = sys;
}

/* Component by component, where openat2() is missing or forbidden. */
static int open_steps(int base, char *path, int flags)
{
	int at = base, fd = -1;

	for (char *p = path, *end; p != NULL; p = end) {
		end = strchr(p, '/');
		if (end != NULL)
			*end = '\0';
		fd = openat(at, p, end != NULL ? PATH_FLAGS : flags);
		if (end != NULL)
			*end++ = '/';
		step_off(at, base);
		if (fd < 0)
			return -1;
		at = fd;
	}
	return fd;
}

static int open_piece(struct run *run, int base, char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags,
				.resolve = RESOLVE_BENEATH |
					   RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	long fd;

	if (atomic_load_explicit(&run->no_openat2, memory_order_relaxed))
		return open_steps(base, path, flags);
	do
		fd = syscall(SYS_openat2, base, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		atomic_store(&run->no_openat2, true);
		return open_steps(base, path, flags);
	}
	return (int)fd;
}

/* A path of any length. It is changed while it is read. */
static int open_below(struct run *run, int base, char *path, int flags)
{
	int at = base, fd = -1;

	while (path != NULL) {
		char *cut = NULL;

		if (strlen(path) > PIECE_BYTES) {
			cut = path + PIECE_BYTES;
			while (cut > path && *cut != '/')
				cut--;
			*cut = '\0';
		}
		fd = open_piece(run, at, path,
				cut != NULL ? PATH_FLAGS : flags);
		if (cut != NULL)
			*cut++ = '/';
		step_off(at, base);
		if (fd < 0)
			return -1;
		at = fd;
		path = cut;
	}
	return fd;
}

/* ---- cache of a thread ----------------------------------------------------
 */

void dir_fds_init(struct dir_fds *c, unsigned n)
{
	memset(c, 0, sizeof(*c));
	c->n = n;
}

void dir_fds_fini(struct dir_fds *c)
{
	for (int i = 0; i < DIR_FDS_MAX; i++) {
		if (c->at[i].serial != 0)
			close(c->at[i].fd);
		c->at[i].serial = 0;
	}
}

static int cached(struct dir_fds *c, const struct rdir *d)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->at[i].serial == d->serial) {
			c->at[i].used = ++c->tick;
			return c->at[i].fd;
		}
	return -1;
}

static void keep(struct dir_fds *c, const struct rdir *d, int fd)
{
	unsigned old = 0;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->at[i].serial == 0) {
			old = i;
			break;
		}
		if (c->at[i].used < c->at[old].used)
			old = i;
	}
	if (c->at[old].serial != 0)
		close(c->at[old].fd);
	c->at[old].serial = d->serial;
	c->at[old].used = ++c->tick;
	c->at[old].fd = fd;
}

void dest_reclaim(struct worker *w)
{
	dir_fds_fini(&w->fds);
}

/* Path of d below its ancestor `top`, with a NUL; "" if they are one. */
static char *path_below(const struct rdir *d, const struct rdir *top,
			const char *name, struct buf *out)
{
	size_t n = name != NULL ? strlen(name) + 1 : 0;
	uint8_t *to;

	for (const struct rdir *k = d; k != top; k = k->parent)
		n += k->name_n + (size_t)1;
	buf_clear(out);
	if (buf_extend(out, n > 0 ? n : 1, &to) != BC_OK)
		return NULL;
	if (n == 0) {
		*to = '\0';
		return (char *)to;
	}
	to += n;
	if (name != NULL) {
		to -= strlen(name) + 1;
		memcpy(to, name, strlen(name));
		to[strlen(name)] = '/';
	}
	for (; d != top; d = d->parent) {
		to -= d->name_n + 1;
		memcpy(to, d->name, d->name_n);
		to[d->name_n] = '/';
	}
	to[n - 1] = '\0';
	return (char *)to;
}

const char *dest_path(const struct rdir *d, const char *name, struct buf *out)
{
	const struct rdir *top = d;
	const char *path;

	while (top->parent != NULL)
		top = top->parent;
	path = path_below(d, top, name, out);
	return path == NULL || path[0] != '\0' ? path : ".";
}

static int open_dir(struct worker *w, const struct rdir *d)
{
	const struct rdir *top = d->parent;
	int base = -1, fd;
	char *path;

	while (top->parent != NULL && (base = cached(&w->fds, top)) < 0)
		top = top->parent;
	if (top->parent == NULL)
		base = w->run->root;
	if (top == d->parent)
		return openat(base, d->name, DIR_FLAGS);
	path = path_below(d, top, NULL, &w->path);
	if (path == NULL) {
		errno = ENOMEM;
		return -1;
	}
	fd = open_below(w->run, base, path, DIR_FLAGS);
	return fd;
}

int dest_dir(struct worker *w, const struct rdir *d)
{
	int fd;

	if (d->parent == NULL)
		return w->run->root;
	fd = cached(&w->fds, d);
	if (fd >= 0)
		return fd;
	fd = open_dir(w, d);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		dest_reclaim(w);
		fd = open_dir(w, d);
	}
	if (fd >= 0)
		keep(&w->fds, d, fd);
	return fd;
}

int dest_path_dir(struct run *run, const char *path)
{
	char *copy;
	int fd, sys;

	if (strcmp(path, ".") == 0)
		return openat(run->root, ".", PATH_FLAGS);
	copy = strdup(path);
	if (copy == NULL)
		return -1;
	fd = open_below(run, run->root, copy, PATH_FLAGS);
	sys = errno;
	free(copy);
	errno = sys;
	return fd;
}

/* ---- mark -----------------------------------------------------------------
 */

/*
 * The destination gets the directory's attributes if it was made or empty when
 * a run of the same began. A mark in it says so, for the next run, until they
 * are set. Its name is of no tree that it can be in.
 */
static void mark_name(const struct run *run, char out[MARK_BYTES])
{
	memcpy(out, MARK_PREFIX, sizeof(MARK_PREFIX) - 1);
	hex_encode(run->o.what->dir.id.b, MARK_ID_BYTES,
		   out + sizeof(MARK_PREFIX) - 1);
}

static bool has_mark(const struct run *run)
{
	char name[MARK_BYTES];
	struct stat st, own;

	mark_name(run, name);
	if (fstatat(run->root, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	/* Files may belong to another one here than who makes them. */
	return st.st_uid == geteuid() ||
	       (fstat(run->root, &own) == 0 && st.st_uid == own.st_uid);
}

/* Without one the destination only is not recognised. */
static void put_mark(struct run *run)
{
	char name[MARK_BYTES];
	int fd;

	mark_name(run, name);
	if (!run->parts_named) {
		fd = openat(run->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC,
			    0600);
		run->marked =
			fd >= 0 && part_link(run, fd, run->root, name) == 0;
		/* Some guard against it, which nothing else tells. */
		run->parts_named = !run->marked;
	} else {
		fd = openat(run->root, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		run->marked = fd >= 0;
	}
	if (fd >= 0)
		close(fd);
}

/* Before the attributes, which may forbid it and have a time. Who is killed
 * between the two leaves a destination without them, but with all that is in
 * it. */
static void remove_mark(struct worker *w, const struct rdir *top)
{
	char name[MARK_BYTES];

	if (!w->run->marked)
		return;
	mark_name(w->run, name);
	if (unlinkat(w->run->root, name, 0) != 0 && errno != ENOENT)
		report_note(w, top, name, NOTE_MARK, errno);
	w->run->marked = false;
}

/* ---- directories that are done --------------------------------------------
 */

static void finish(struct worker *w, struct rdir *d)
{
	struct err e = ERR_INIT;
	int fd = dest_dir(w, d);

	if (d->parent == NULL)
		remove_mark(w, d);
	if (fd >= 0) {
		meta_dir(w, d, fd);
		return;
	}
	err_sys(&e, errno, "cannot open the directory again");
	report_failed(w, d, NULL, &e);
}

void dest_release(struct worker *w, struct rdir *d)
{
	while (d != NULL && atomic_fetch_sub_explicit(
				    &d->holds, 1, memory_order_acq_rel) == 1) {
		struct rdir *parent = d->parent;

		/* Of a run that was stopped they are entered again. */
		if (d->apply && !run_dead(w->run))
			finish(w, d);
		free(d);
		d = parent;
	}
}

/* ---- the destination ------------------------------------------------------
 */

static bool is_empty(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	struct dirent *en;
	bool empty = d != NULL;

	errno = 0;
	while (d != NULL && (en = readdir(d)) != NULL)
		if (strcmp(en->d_name, ".") != 0 &&
		    strcmp(en->d_name, "..") != 0) {
			empty = false;
			break;
		}
	if (errno != 0) /* who does not know changes nothing */
		empty = false;
	if (d != NULL)
		closedir(d);
	else if (own >= 0)
		close(own);
	return empty;
}

/* What a new file is by itself: a nameless one tells, or one that is removed at
 * once. */
static void learn_birth(struct run *run)
{
	static const char probe[] = ".blobctl-part-probe";
	struct birth *b = &run->birth;
	int fd = openat(run->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0777);
	struct stat st;

	b->uid = geteuid();
	b->gid = getegid();
	b->acl = fgetxattr(run->root, "system.posix_acl_default", NULL, 0) > 0;
	part_learn(run, fd);
	if (fd < 0) {
		part_sweep(run->root, probe, NULL);
		fd = openat(run->root, probe,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
		if (fd >= 0)
			(void)unlinkat(run->root, probe, 0);
	}
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		b->known = true;
		b->mode = st.st_mode & 0777;
		b->uid = st.st_uid;
		b->gid = st.st_gid;
	}
	close(fd);
}

static int open_plain(const char *path, bool *only_path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*only_path = false;
	if (fd < 0 && errno == EACCES) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		*only_path = fd >= 0;
	}
	return fd;
}

/* Make the folders above and the destination itself. */
static int make_dest(const char *dest)
{
	char *path = strdup(dest);
	size_t n = strlen(dest);
	int rc = path == NULL ? -1 : 0;

	while (rc == 0 && n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	for (size_t i = 1; rc == 0 && i < n; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			rc = -1;
		path[i] = '/';
	}
	if (rc == 0)
		rc = mkdir(path, 0700);
	free(path);
	return rc;
}

static enum bc_err open_folder(struct run *run, enum dest_state *state,
			       struct err *e)
{
	const char *dest = run->o.dest;

	run->root = open_plain(dest, &run->root_only_path);
	if (run->root < 0 && errno == ENOENT) {
		if (make_dest(dest) != 0)
			return err_sys(e, errno, "cannot make %s", dest);
		*state = DEST_EMPTY;
		run->root = open_plain(dest, &run->root_only_path);
	}
	if (run->root < 0 && errno == ENOTDIR)
		return err_set(e, BC_EEXIST, "%s is there and no directory",
			       dest);
	if (run->root < 0)
		return err_sys(e, errno, "cannot open %s", dest);
	if (*state != DEST_EMPTY && is_empty(run->root))
		*state = DEST_EMPTY;
	else if (*state != DEST_EMPTY && has_mark(run))
		*state = DEST_BEGUN;
	run->begun = run->marked = *state == DEST_BEGUN;
	return BC_OK;
}

static enum bc_err open_beside(struct run *run, char **name, struct err *e)
{
	const char *dest = run->o.dest, *slash = strrchr(dest, '/');
	struct bytes own = run->o.what->name;
	char *folder;

	run->root = open_plain(dest, &run->root_only_path);
	if (run->root >= 0) {
		*name = strndup((const char *)own.p, own.n);
		return *name != NULL ? BC_OK
				     : err_set(e, BC_ENOMEM, "no memory");
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, errno, "cannot open %s", dest);
	if (dest[0] == '\0' || (slash != NULL && slash[1] == '\0'))
		return err_set(e, BC_ENOTFOUND, "there is no directory %s",
			       dest);
	folder = slash == NULL	 ? strdup(".")
		 : slash == dest ? strdup("/")
				 : strndup(dest, (size_t)(slash - dest));
	*name = strdup(slash == NULL ? dest : slash + 1);
	run->root = folder == NULL || *name == NULL
			    ? -1
			    : open_plain(folder, &run->root_only_path);
	if (run->root < 0)
		err_sys(e, errno, "cannot open %s",
			folder == NULL ? dest : folder);
	free(folder);
	return run->root < 0 ? e->code : BC_OK;
}

enum bc_err dest_open(struct run *run, bool dir, char **name,
		      enum dest_state *state, struct err *e)
{
	struct err own = ERR_INIT;
	enum bc_err rc;

	*name = NULL;
	*state = DEST_IN_USE;
	rc = dir ? open_folder(run, state, &own) : open_beside(run, name, &own);
	if (rc != BC_OK) {
		if (e != NULL)
			*e = own;
		return rc;
	}
	learn_birth(run);
	if (*state == DEST_EMPTY && !run->o.keep_dest)
		put_mark(run);
	return BC_OK;
}
