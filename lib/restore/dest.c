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
#include "restore/report.h"
#include "restore/run.h"
#include "restore/stage.h"

enum {
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

static const struct rdir *above(const struct rdir *d, bool now)
{
	return now ? d->at : d->parent;
}

static const char *name_of(const struct rdir *d, bool now)
{
	return now ? d->at_name : d->name;
}

/* Path of d below its ancestor `top`, with a NUL; "" if they are one. */
static char *path_below(const struct rdir *d, const struct rdir *top,
			const char *name, bool now, struct buf *out)
{
	size_t n = name != NULL ? strlen(name) + 1 : 0;
	uint8_t *to;

	for (const struct rdir *k = d; k != top; k = above(k, now))
		n += strlen(name_of(k, now)) + 1;
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
	for (; d != top; d = above(d, now)) {
		size_t m = strlen(name_of(d, now));

		to -= m + 1;
		memcpy(to, name_of(d, now), m);
		to[m] = '/';
	}
	to[n - 1] = '\0';
	return (char *)to;
}

const char *dest_path(const struct rdir *d, const char *name,
		      enum dest_path which, struct buf *out)
{
	bool now = which == DEST_NOW;
	const struct rdir *top = d;
	const char *path;

	while (above(top, now) != NULL && !(which == DEST_SHOWN && top->base))
		top = above(top, now);
	path = path_below(d, top, name, now, out);
	return path == NULL || path[0] != '\0' ? path : ".";
}

static int open_dir(struct worker *w, const struct rdir *d)
{
	const struct rdir *top = d->at;
	int base = -1, fd;
	char *path;

	while (top->at != NULL && (base = cached(&w->fds, top)) < 0)
		top = top->at;
	if (top->at == NULL)
		base = w->run->root;
	if (top == d->at)
		return openat(base, d->at_name, DIR_FLAGS);
	path = path_below(d, top, NULL, true, &w->path);
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

	if (d->at == NULL)
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

bool dest_pair(struct worker *w, const struct rdir *a, const struct rdir *b,
	       int *fd_a, int *fd_b)
{
	/* Who opens the second may have to close the first. */
	for (int tries = 0; tries < 2; tries++) {
		*fd_a = dest_dir(w, a);
		*fd_b = *fd_a < 0 ? -1 : dest_dir(w, b);
		if (*fd_b < 0)
			return false;
		if (dest_dir(w, a) == *fd_a && dest_dir(w, b) == *fd_b)
			return true;
	}
	errno = EMFILE;
	return false;
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

/* ---- directories that are done --------------------------------------------
 */

static void finish(struct worker *w, struct rdir *d)
{
	struct err e = ERR_INIT;
	int fd = dest_dir(w, d);

	if (fd < 0) {
		err_sys(&e, errno, "cannot open the directory again");
		report_failed(w, d, NULL, &e);
		return;
	}
	if (d->held) {
		err_set(&e, BC_EPARTIAL,
			"it stays in %s: what a killed get has left in it "
			"cannot be told to be whole; remove that, and run it "
			"again",
			d->at->name);
		report_failed(w, d, NULL, &e);
		return;
	}
	if (d->apply)
		meta_dir(w, d, fd);
	if (d->at != d->parent && stage_publish(w, d->at, d->at_name, d->parent,
						d->name, &e) != BC_OK) {
		report_failed(w, d, NULL, &e);
		return;
	}
	if (d->apply)
		meta_dir_last(w, d, fd);
}

void dest_release(struct worker *w, struct rdir *d)
{
	while (d != NULL && atomic_fetch_sub_explicit(
				    &d->holds, 1, memory_order_acq_rel) == 1) {
		struct rdir *parent = d->parent, *at = d->at;

		if (d->stage != NULL)
			stage_end(w, d);
		/* Of a run that was stopped they are entered again. */
		else if ((d->apply || at != parent) && !run_dead(w->run))
			finish(w, d);
		free(d);
		if (at != parent)
			dest_release(w, at);
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

/* What a new file is by itself: a nameless one tells. */
static void learn_birth(struct run *run)
{
	struct birth *b = &run->birth;
	int fd = openat(run->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0777);
	struct stat st;

	b->uid = geteuid();
	b->gid = getegid();
	b->acl = fgetxattr(run->root, "system.posix_acl_default", NULL, 0) > 0;
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

/* Make the folders above. *name is within *copy. */
static int make_above(const char *dest, char **copy, const char **name)
{
	char *path = strdup(dest);
	size_t n = strlen(dest), last = 0;

	*copy = path;
	if (path == NULL)
		return -1;
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			return -1;
		path[i] = '/';
		last = i;
	}
	if (path[last] == '/')
		path[last++] = '\0';
	*name = path + last;
	return 0;
}

/* The destination is missing: it gets its name when it is whole. */
static enum bc_err open_above(struct run *run, char **name, struct err *e)
{
	const char *dest = run->o.dest, *last = NULL;
	char *copy = NULL;
	struct stat st;
	enum bc_err rc = BC_OK;

	if (lstat(dest, &st) == 0) /* a link to nowhere */
		return err_set(e, BC_EEXIST, "%s is there and no directory",
			       dest);
	if (make_above(dest, &copy, &last) != 0)
		rc = err_sys(e, errno, "cannot make %s", dest);
	if (rc == BC_OK) {
		*name = strdup(last);
		run->root = *name == NULL ? -1
			    : last == copy
				    ? open_plain(".", &run->root_only_path)
				    : open_plain(*copy == '\0' ? "/" : copy,
						 &run->root_only_path);
		if (run->root < 0)
			rc = err_sys(e, errno, "cannot make %s", dest);
	}
	free(copy);
	return rc;
}

static enum bc_err open_folder(struct run *run, char **name, bool *empty,
			       struct err *e)
{
	const char *dest = run->o.dest;

	run->root = open_plain(dest, &run->root_only_path);
	if (run->root < 0 && errno == ENOENT)
		return open_above(run, name, e);
	if (run->root < 0 && errno == ENOTDIR)
		return err_set(e, BC_EEXIST, "%s is there and no directory",
			       dest);
	if (run->root < 0)
		return err_sys(e, errno, "cannot open %s", dest);
	*empty = is_empty(run->root);
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

enum bc_err dest_open(struct run *run, bool dir, char **name, bool *empty,
		      struct err *e)
{
	struct err own = ERR_INIT;
	enum bc_err rc;

	*name = NULL;
	*empty = false;
	rc = dir ? open_folder(run, name, empty, &own)
		 : open_beside(run, name, &own);
	if (rc != BC_OK) {
		if (e != NULL)
			*e = own;
		return rc;
	}
	learn_birth(run);
	return BC_OK;
}
