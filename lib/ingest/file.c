/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file.h"

#include <errno.h>
#include <unistd.h>

#include "ingest/big.h"
#include "ingest/dir.h"
#include "ingest/entry.h"
#include "ingest/run.h"
#include "ingest/worker.h"

enum {
	REREADS_MAX = 2,
	SPARSE_MIN_BYTES = 4096, /* shorter files are not asked for holes */
};

enum bc_err file_keep(struct range *r, uint32_t i, const struct content *c,
		      struct err *e)
{
	struct content *to = &r->entry[i].content;

	*to = *c;
	to->items = arena_copy(&r->arena, c->items);
	to->ids = arena_copy(&r->arena, c->ids);
	if (to->items.n != c->items.n || to->ids.n != c->ids.n)
		return err_set(e, BC_ENOMEM, "no memory for a file's chunks");
	return BC_OK;
}

static bool is_small(const struct item *it)
{
	return it->size <= SMALL_FILE_BYTES &&
	       (it->size <= SPARSE_MIN_BYTES || it->blocks * 512 >= it->size);
}

/* Nothing of others' waits while a large file is read. */
static enum bc_err read_big(struct worker *w, struct range *r, uint32_t i,
			    int fd, const struct item *it, struct reading *got,
			    struct err *e)
{
	enum bc_err rc = small_flush(w, e);

	return rc == BC_OK ? big_read(w, r, i, fd, it, got, e) : rc;
}

/* Read it once. *same: the entry has what its item says. */
static enum bc_err read_once(struct worker *w, struct range *r, uint32_t i,
			     int fd, struct reading *got, bool *same,
			     struct err *e)
{
	struct item *it = &r->item[i], after = { .type = 0 };
	bool small = is_small(it);
	enum bc_err rc = BC_OK;

	if (small) {
		rc = small_add(w, r, i, fd, got, e);
		small = !got->dense;
	}
	if (rc == BC_OK && !small)
		rc = read_big(w, r, i, fd, it, got, e);
	if (rc != BC_OK || got->sys != 0)
		return rc;
	got->sys = source_fstat(fd, &after);
	*same = got->sys == 0 && got->size == it->size && item_same(&after, it);
	if (!*same && small && got->size == it->size)
		small_drop(w);
	*it = after;
	return BC_OK;
}

/*
 * A file that changes while it is read, each time, is stored as far as it held
 * still: what was read is what it was at some moment of each of its parts.
 */
static enum bc_err read_changing(struct worker *w, struct range *r, uint32_t i,
				 int fd, struct reading *got, struct err *e)
{
	enum bc_err rc;

	if (lseek(fd, 0, SEEK_SET) != 0) {
		got->sys = errno;
		return BC_OK;
	}
	rc = read_big(w, r, i, fd, NULL, got, e);
	if (rc == BC_OK && got->sys == 0)
		put_event(w->p, PUT_CHANGED, r->dir->path,
			  name_at(&r->dir->names, r->first + i), 0);
	return rc;
}

static enum bc_err read_file(struct worker *w, struct range *r, uint32_t i,
			     int fd, struct reading *got, struct err *e)
{
	bool same = false;
	enum bc_err rc = worker_ready(w, e);

	for (int k = 0; k <= REREADS_MAX && rc == BC_OK && !same; k++) {
		rc = read_once(w, r, i, fd, got, &same, e);
		if (got->sys != 0)
			return rc;
	}
	if (rc == BC_OK && !same)
		rc = read_changing(w, r, i, fd, got, e);
	return rc;
}

/* It was a file when it was listed; now it may be anything. */
static int look_again(int fd, struct item *it)
{
	int sys = source_fstat(fd, it);

	return sys == 0 && it->type != TREE_FILE ? ENOENT : sys;
}

enum bc_err file_store(struct worker *w, struct range *r, uint32_t i, int dirfd,
		       struct err *e)
{
	const char *name = name_at(&r->dir->names, r->first + i);
	int fd = source_open_file(dirfd, name);
	struct reading got = { .sys = fd < 0 ? errno : 0 };
	enum bc_err rc = BC_OK;

	if (got.sys == 0)
		got.sys = look_again(fd, &r->item[i]);
	if (got.sys == 0)
		rc = read_file(w, r, i, fd, &got, e);
	if (rc == BC_OK && got.sys == 0)
		rc = entry_fill(w, r, i, fd, dirfd, e);
	if (fd >= 0)
		close(fd);
	if (got.sys != 0) {
		r->present[i] = false;
		put_skip(w->p, r->dir->path, name, got.sys);
	}
	return rc;
}

enum bc_err file_stream(struct worker *w, struct range *r, uint32_t i, int fd,
			struct err *e)
{
	struct reading got = { .size = 0 };
	enum bc_err rc = worker_ready(w, e);

	if (rc == BC_OK)
		rc = read_big(w, r, i, fd, NULL, &got, e);
	if (rc == BC_OK && got.sys != 0)
		rc = err_sys(e, got.sys, "cannot read standard input");
	entry_metadata(w->p, &r->item[i], &r->entry[i]);
	return rc;
}
