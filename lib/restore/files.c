/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files. One with a single reference is made, written and finished in
 * one visit. Others are made by whoever brings their first chunk and stay open,
 * as long as there are not too many; who brings the last finishes them.
 */
#include "restore/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/dest.h"
#include "restore/links.h"
#include "restore/meta.h"
#include "restore/part.h"
#include "restore/report.h"
#include "restore/run.h"
#include "util/arith.h"

enum { ZEROS_BYTES = 64 << 10 };

static pthread_mutex_t *file_lock(struct run *run, const struct rfile *f)
{
	return &run->files[((uintptr_t)f / sizeof(*f)) % FILE_LOCKS];
}

struct rfile *file_new(struct worker *w, struct rdir *dir,
		       const struct tree_entry *en)
{
	size_t attrs = (en->has & TREE_HAS_ATTRS) != 0 ? en->attrs.raw.n : 0;
	struct rfile *f = calloc(1, sizeof(*f) + en->name.n + 1 + attrs);

	if (f == NULL)
		return NULL;
	f->dir = dir;
	dest_hold(dir);
	f->fd = -1;
	f->size = en->content.size;
	f->name = (char *)(f + 1);
	f->name_n = (unsigned)en->name.n;
	memcpy(f->name, en->name.p, en->name.n);
	meta_of(w, dir, f->name, en, &f->meta);
	if (attrs > 0) {
		uint8_t *copy = (uint8_t *)f->name + f->name_n + 1;

		memcpy(copy, en->attrs.raw.p, attrs);
		f->meta.attrs.raw = bytes_of(copy, attrs);
	}
	return f;
}

/* ---- descriptors ----------------------------------------------------------
 */

/* Make it, or open it again. */
static int open_file(struct worker *w, struct rfile *f)
{
	int dirfd = dest_dir(w, f->dir);
	bool later;
	uint32_t mode = meta_open_mode(w->run, &f->meta, !f->single, &later);

	if (dirfd < 0)
		return -1;
	return f->made ? part_reopen(dirfd, f) : part_make(w, dirfd, f, mode);
}

/* Under the lock. */
static enum bc_err want_fd(struct worker *w, struct rfile *f, struct err *e)
{
	if (f->fd >= 0)
		return BC_OK;
	f->fd = open_file(w, f);
	if (f->fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		dest_reclaim(w);
		f->fd = open_file(w, f);
	}
	if (f->fd < 0)
		return err_sys(e, errno,
			       f->made ? "cannot open it again"
				       : "cannot make it");
	if (!f->made && f->meta.flags != 0)
		meta_early(w, f->dir, f->name, f->fd, &f->meta);
	f->made = true;
	if (!f->single)
		atomic_fetch_add(&w->run->open_files, 1);
	return BC_OK;
}

static int drop_fd(struct worker *w, struct rfile *f)
{
	int fd = f->fd;

	f->fd = -1;
	if (!f->single)
		atomic_fetch_sub(&w->run->open_files, 1);
	return close(fd);
}

/* Nobody writes to it just now: may it stay open? */
static enum bc_err rest_fd(struct worker *w, struct rfile *f, struct err *e)
{
	int dirfd;

	if (f->fd < 0 || f->users > 0 ||
	    atomic_load(&w->run->open_files) <= w->run->open_max)
		return BC_OK;
	dirfd = dest_dir(w, f->dir);
	if (dirfd < 0 || part_keep(w, dirfd, f) != 0)
		return err_sys(e, errno, "cannot keep it");
	if (drop_fd(w, f) != 0)
		return err_sys(e, errno, "cannot write it");
	return BC_OK;
}

/* ---- failing and finishing ------------------------------------------------
 */

static bool fails_first(struct worker *w, struct rfile *f)
{
	bool first;

	if (!f->single)
		pthread_mutex_lock(file_lock(w->run, f));
	first = !f->failed;
	f->failed = true;
	if (!f->single)
		pthread_mutex_unlock(file_lock(w->run, f));
	return first;
}

void file_fail(struct worker *w, struct rfile *f, const struct err *e)
{
	if (fails_first(w, f))
		report_failed(w, f->dir, f->name, e);
}

void file_lose(struct worker *w, struct rfile *f, const struct err *e)
{
	if (fails_first(w, f))
		report_lost(w, f->dir, f->name, e);
}

/* It is whole: close it, and give it its name. */
static enum bc_err settle(struct worker *w, struct rfile *f, struct err *e)
{
	int dirfd = dest_dir(w, f->dir);

	if (dirfd < 0)
		return err_sys(e, errno, "cannot open its directory");
	/* Some file systems say only here that it is not written. */
	if (f->part && drop_fd(w, f) != 0)
		return err_sys(e, errno, "cannot write it");
	if (part_publish(w, dirfd, f) != 0)
		return err_sys(e, errno, "cannot give it its name");
	meta_file_last(w, f, f->fd);
	if (f->fd >= 0 && drop_fd(w, f) != 0)
		return err_sys(e, errno, "cannot write it");
	return BC_OK;
}

static void finish(struct worker *w, struct rfile *f)
{
	struct err e = ERR_INIT;
	enum bc_err rc = want_fd(w, f, &e);
	bool set_mode;

	if (rc == BC_OK && f->sparse && ftruncate(f->fd, (off_t)f->size) != 0)
		rc = err_sys(&e, errno, "cannot set its size");
	if (rc == BC_OK) {
		(void)meta_open_mode(w->run, &f->meta, !f->single, &set_mode);
		rc = meta_file(w, f, f->fd, set_mode, &e);
	}
	if (rc == BC_OK)
		rc = settle(w, f, &e);
	if (rc != BC_OK)
		file_fail(w, f, &e);
}

static void undo(struct worker *w, struct rfile *f)
{
	int dirfd;

	if (f->fd >= 0)
		(void)drop_fd(w, f);
	dirfd = f->part || f->named ? dest_dir(w, f->dir) : -1;
	if (dirfd >= 0)
		part_remove(dirfd, f);
}

void file_drop(struct worker *w, struct rfile *f, uint32_t n)
{
	struct rdir *dir = f->dir;

	if (atomic_fetch_sub_explicit(&f->left, n, memory_order_acq_rel) != n)
		return;
	if (!f->failed)
		finish(w, f);
	if (f->failed)
		undo(w, f);
	if (f->linked)
		links_done(w, f, f->failed);
	if (!f->failed)
		report_item(w, dir, f->name, TREE_FILE, f->size);
	free(f);
	dest_release(w, dir);
}

/* ---- writing --------------------------------------------------------------
 */

static enum bc_err write_bytes(int fd, struct bytes b, uint64_t off,
			       struct err *e)
{
	while (b.n > 0) {
		ssize_t n = pwrite(fd, b.p, b.n, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, n < 0 ? errno : EIO,
				       "cannot write it");
		b = bytes_of(b.p + n, b.n - (size_t)n);
		off += (uint64_t)n;
	}
	return BC_OK;
}

/* Zeros that take space. */
static enum bc_err write_zeros(struct worker *w, int fd, const struct ref *r,
			       struct err *e)
{
	static const uint8_t zeros[ZEROS_BYTES];
	uint64_t off = r->offset, end = r->offset + r->length;
	enum bc_err rc = BC_OK;

	if (off == end)
		return BC_OK;
	if (fallocate(fd, 0, (off_t)off, (off_t)(end - off)) == 0)
		return BC_OK;
	if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
		return err_sys(e, errno, "cannot write it");
	while (off < end && rc == BC_OK && !run_dead(w->run)) {
		size_t n = (size_t)min_u64(end - off, ZEROS_BYTES);

		rc = write_bytes(fd, bytes_of(zeros, n), off, e);
		off += n;
	}
	if (rc == BC_OK && off < end)
		return err_set(e, BC_ECANCEL, "stopped");
	return rc;
}

void file_land(void *ctx, struct ref *const *v, size_t n, struct bytes data)
{
	struct worker *w = ctx;
	struct rfile *f = v[0]->owner;
	pthread_mutex_t *lock = f->single ? NULL : file_lock(w->run, f);
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;
	bool skip;

	if (lock != NULL)
		pthread_mutex_lock(lock);
	skip = f->failed;
	if (!skip)
		rc = want_fd(w, f, &e);
	f->users++;
	if (lock != NULL)
		pthread_mutex_unlock(lock);
	if (!skip && rc == BC_OK)
		rc = v[0]->pack == 0
			     ? write_zeros(w, f->fd, v[0], &e)
			     : write_bytes(f->fd, data, v[0]->offset, &e);
	if (!skip && rc == BC_OK)
		atomic_fetch_add_explicit(&w->run->progress->bytes, data.n,
					  memory_order_relaxed);
	if (lock != NULL)
		pthread_mutex_lock(lock);
	f->users--;
	if (lock != NULL && rc == BC_OK)
		rc = rest_fd(w, f, &e);
	if (lock != NULL)
		pthread_mutex_unlock(lock);
	if (rc != BC_OK)
		file_fail(w, f, &e);
	file_drop(w, f, (uint32_t)n);
}

void file_lost(void *ctx, struct ref *r, const struct err *why)
{
	struct worker *w = ctx;
	struct rfile *f = r->owner;

	file_lose(w, f, why);
	file_drop(w, f, 1);
}
