/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/xattrs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/source.h"
#include "ingest/worker.h"
#include "tree/attrs.h"

enum {
	XATTR_LIST_BYTES = 64 << 10, /* the kernel's XATTR_LIST_MAX */
	XATTR_PATH_BYTES = 512,
	FD_PATH_BYTES = 32,
};

/* Attributes of an open file, or by name where there is none. */
struct attr_source {
	int fd;
	char path[XATTR_PATH_BYTES]; /* /proc/self/fd/N/name */
};

static ssize_t attr_list(const struct attr_source *s, char *p, size_t n)
{
	return s->fd >= 0 ? flistxattr(s->fd, p, n) : llistxattr(s->path, p, n);
}

static ssize_t attr_get(const struct attr_source *s, const char *name, void *p,
			size_t n)
{
	return s->fd >= 0 ? fgetxattr(s->fd, name, p, n)
			  : lgetxattr(s->path, name, p, n);
}

/* Not an error: this file system, or this kind of file, has none, or the item
 * is gone; whoever reads its contents says so. */
static bool no_attrs(int sys)
{
	return sys == ENOTSUP || sys == EPERM || sys == EACCES ||
	       sys == ELOOP || sys == ENOENT || sys == ENOTDIR;
}

/*
 * Nothing that a name below /proc/self/fd gives says anything of the item
 * where that is not there: no /proc is mounted, or it is not to be read.
 */
static bool proc_missing(int dirfd, const char *name)
{
	char path[FD_PATH_BYTES];
	struct item it;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	return access(path, F_OK) != 0 && source_stat(dirfd, name, &it) == 0;
}

/*
 * The names, into `small` or memory of its own (*big, to be freed).
 *   sys  [out] why they cannot be had; 0
 */
static ssize_t list_names(const struct attr_source *s, char *small, size_t room,
			  char **big, int *sys)
{
	ssize_t n = attr_list(s, small, room);

	if (n < 0 && errno == ERANGE) {
		*big = malloc(XATTR_LIST_BYTES);
		if (*big == NULL)
			errno = ENOMEM;
		else
			n = attr_list(s, *big, XATTR_LIST_BYTES);
	}
	*sys = n < 0 && !no_attrs(errno) ? errno : 0;
	return n;
}

static size_t count_names(const char *list, size_t n)
{
	size_t count = 0;

	for (const char *at = list; at < list + n; at += strlen(at) + 1)
		count++;
	return count;
}

/* One value. `sys`: ENODATA, it is gone since it was listed; others. */
static enum bc_err read_value(struct range *r, const struct attr_source *s,
			      const char *name, struct attr *out, int *sys,
			      struct err *e)
{
	ssize_t n = attr_get(s, name, NULL, 0);
	uint8_t *value;

	if (n >= 0) {
		value = arena_alloc(&r->arena, (size_t)n + 1);
		if (value == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
		n = attr_get(s, name, value, (size_t)n);
		out->name = arena_copy(&r->arena, bytes_str(name));
		out->value = bytes_of(value, n < 0 ? 0 : (size_t)n);
		if (out->name.n == 0)
			return err_set(e, BC_ENOMEM, "no memory");
	}
	*sys = n < 0 ? errno : 0;
	return BC_OK;
}

/* All that can be read, in order of names, each once. `sys`: why one cannot. */
static enum bc_err read_values(struct range *r, const struct attr_source *s,
			       struct bytes list, struct attr *v, size_t *count,
			       int *sys, struct err *e)
{
	const char *at = (const char *)list.p, *end = at + list.n;
	enum bc_err rc = BC_OK;
	size_t n = 0, kept = 0;

	for (; rc == BC_OK && at < end; at += strlen(at) + 1) {
		int one = 0;

		rc = read_value(r, s, at, &v[n], &one, e);
		if (rc == BC_OK && one == 0)
			n++;
		else if (one != ENODATA && one != ENOENT)
			*sys = one;
	}
	attrs_sort(v, n);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || bytes_cmp(v[kept - 1].name, v[i].name) != 0)
			v[kept++] = v[i];
	*count = kept;
	return rc;
}

/*
 * Small sets into the entry, others into a chunk of their own.
 *   sys  [out] it is not a set that the format has a place for
 */
static enum bc_err store_attrs(struct worker *w, struct range *r, uint32_t i,
			       struct attr *v, size_t n, int *sys,
			       struct err *e)
{
	struct buf raw = BUF_INIT(ATTRS_MAX_BYTES - 1);
	struct tree_entry *en = &r->entry[i];
	struct node_sink sink = w->content.sink;
	enum bc_err rc = attrs_encode(v, n, &raw, e);

	if (rc == BC_EINVAL || rc == BC_ELIMIT) {
		err_clear(e);
		*sys = E2BIG;
		rc = BC_OK;
	} else if (rc == BC_OK && raw.n <= ATTRS_INLINE_MAX_BYTES) {
		en->attrs.raw = arena_copy(&r->arena, buf_bytes(&raw));
		if (en->attrs.raw.n == 0)
			rc = err_set(e, BC_ENOMEM, "no memory for attributes");
		else
			en->has |= TREE_HAS_ATTRS;
	} else if (rc == BC_OK) {
		struct attrs set = { buf_bytes(&raw) };

		rc = attrs_emit(set, &sink, &en->attrs_id, e);
		if (rc == BC_OK)
			en->has |= TREE_HAS_ATTRS_ID;
	}
	buf_fini(&raw);
	return rc;
}

enum bc_err xattrs_read(struct worker *w, struct range *r, uint32_t i, int fd,
			int dirfd, int *sys, struct err *e)
{
	const char *name = name_at(&r->dir->names, r->first + i);
	struct attr_source s = { .fd = fd };
	char small[1024];
	char *big = NULL;
	struct bytes list;
	struct attr *v = NULL;
	size_t count = 0;
	enum bc_err rc = BC_OK;
	ssize_t n;

	if (fd < 0)
		snprintf(s.path, sizeof(s.path), "/proc/self/fd/%d/%s", dirfd,
			 name);
	n = list_names(&s, small, sizeof(small), &big, sys);
	if (n < 0 && fd < 0 && *sys == 0 && proc_missing(dirfd, name))
		*sys = ENOSYS;
	list = bytes_of(big != NULL ? big : small, n > 0 ? (size_t)n : 0);
	if (list.n > 0) {
		v = calloc(count_names((const char *)list.p, list.n),
			   sizeof(*v));
		if (v == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory for attributes");
		if (rc == BC_OK)
			rc = read_values(r, &s, list, v, &count, sys, e);
	}
	if (rc == BC_OK && count > 0)
		rc = worker_ready(w, e);
	if (rc == BC_OK && count > 0)
		rc = store_attrs(w, r, i, v, count, sys, e);
	free(v);
	free(big);
	return *sys == ENOMEM ? err_set(e, BC_ENOMEM, "no memory") : rc;
}
