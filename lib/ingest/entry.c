/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/owners.h"
#include "ingest/root.h"
#include "ingest/run.h"
#include "ingest/worker.h"
#include "tree/attrs.h"

enum {
	XATTR_LIST_BYTES = 64 << 10,
	XATTR_PATH_BYTES = 512,
	XATTRS_MAX = 4096,
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

/* Not an error: this file system, or this kind of file, has none. */
static bool no_attrs(int sys)
{
	return sys == ENOTSUP || sys == EPERM || sys == EACCES ||
	       sys == ELOOP || sys == ENODATA;
}

static enum bc_err one_attr(struct range *r, const struct attr_source *s,
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
	}
	*sys = n < 0 ? errno : 0;
	return BC_OK;
}

static enum bc_err encode_attrs(struct worker *w, struct range *r, uint32_t i,
				struct attr *v, size_t n, struct err *e)
{
	struct buf raw = BUF_INIT(ATTRS_MAX_BYTES);
	struct tree_entry *en = &r->entry[i];
	struct node_sink sink = w->content.sink;
	enum bc_err rc;

	attrs_sort(v, n);
	rc = attrs_encode(v, n, &raw, e);
	if (rc == BC_OK && raw.n <= ATTRS_INLINE_MAX_BYTES) {
		en->has |= TREE_HAS_ATTRS;
		en->attrs.raw = arena_copy(&r->arena, buf_bytes(&raw));
	} else if (rc == BC_OK) {
		struct attrs set = { buf_bytes(&raw) };

		en->has |= TREE_HAS_ATTRS_ID;
		rc = attrs_emit(set, &sink, &en->attrs_id, e);
	}
	buf_fini(&raw);
	return rc;
}

static enum bc_err read_attrs(struct worker *w, struct range *r, uint32_t i,
			      const struct attr_source *s, struct err *e)
{
	char small[1024];
	char *list = small, *big = NULL;
	ssize_t n = attr_list(s, small, sizeof(small));
	struct attr *v = NULL;
	size_t count = 0;
	enum bc_err rc = BC_OK;

	if (n == 0 || (n < 0 && no_attrs(errno)))
		return BC_OK;
	if (n < 0 && errno == ERANGE) {
		list = big = malloc(XATTR_LIST_BYTES);
		n = big == NULL ? -1 : attr_list(s, big, XATTR_LIST_BYTES);
	}
	v = malloc(XATTRS_MAX * sizeof(*v));
	if (v == NULL || (n < 0 && errno == ENOMEM))
		rc = err_set(e, BC_ENOMEM, "no memory for attributes");
	for (char *at = list;
	     rc == BC_OK && n > 0 && at < list + n && count < XATTRS_MAX;
	     at += strlen(at) + 1) {
		int sys = 0;

		rc = one_attr(r, s, at, &v[count], &sys, e);
		if (rc == BC_OK && sys == 0)
			count++;
	}
	if (rc == BC_OK && count > 0) {
		rc = worker_ready(w, e);
		if (rc == BC_OK)
			rc = encode_attrs(w, r, i, v, count, e);
	}
	free(v);
	free(big);
	return rc;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): one to one. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Equal for all names of one inode in this snapshot, and from one put to the
 * next: a root's device counts by its place among the roots, as its own number
 * may change with a reboot. Different inodes of one device never meet, those
 * of two devices by a chance of 2^-64. */
static uint64_t link_group(const struct put *p, const struct item *it)
{
	uint64_t device = ~it->dev;

	for (size_t i = 0; i < p->n_roots; i++)
		if (p->roots[i].dev == it->dev) {
			device = i;
			break;
		}
	return mix(it->ino ^ mix(device + UINT64_C(0x9e3779b97f4a7c15)));
}

void entry_metadata(struct put *p, const struct item *it, struct tree_entry *en)
{
	en->type = (enum tree_type)it->type;
	en->mode = it->mode;
	en->uid = it->uid;
	en->gid = it->gid;
	en->user = owners_user(p->owners, it->uid);
	en->group = owners_group(p->owners, it->gid);
	en->mtime = it->mtime;
	en->mtime_nsec = it->mtime_nsec;
	en->major = it->rmajor;
	en->minor = it->rminor;
	if (it->flags != 0) {
		en->has |= TREE_HAS_FLAGS;
		en->inode_flags = it->flags;
	}
	if (it->nlink > 1 && it->type != TREE_DIR) {
		en->has |= TREE_HAS_LINK;
		en->link_group = link_group(p, it);
	}
}

static enum bc_err read_target(struct range *r, uint32_t i, int dirfd,
			       const char *name, int *sys, struct err *e)
{
	char text[TREE_TARGET_MAX_BYTES + 1];
	ssize_t n = readlinkat(dirfd, name, text, sizeof(text));

	*sys = n < 0 ? errno : n == 0 ? ENOENT : 0;
	if (n > TREE_TARGET_MAX_BYTES)
		*sys = ENAMETOOLONG;
	if (*sys != 0)
		return BC_OK;
	r->entry[i].target = arena_copy(&r->arena, bytes_of(text, (size_t)n));
	if (r->entry[i].target.n == 0)
		return err_set(e, BC_ENOMEM, "no memory for a link");
	return BC_OK;
}

enum bc_err entry_fill(struct worker *w, struct range *r, uint32_t i, int fd,
		       int dirfd, struct err *e)
{
	const struct names *v = &r->dir->names;
	const char *name = name_at(v, r->first + i);
	struct attr_source s = { .fd = fd };
	enum bc_err rc = BC_OK;
	int sys = 0;

	entry_metadata(w->p, &r->item[i], &r->entry[i]);
	if (r->item[i].type == TREE_LINK)
		rc = read_target(r, i, dirfd, name, &sys, e);
	if (rc == BC_OK && sys == 0) {
		if (fd < 0)
			snprintf(s.path, sizeof(s.path), "/proc/self/fd/%d/%s",
				 dirfd, name);
		rc = read_attrs(w, r, i, &s, e);
	}
	if (sys != 0) {
		r->present[i] = false;
		put_skip(w->p, r->dir->path, name, sys);
	}
	return rc;
}

struct stat_entry entry_stat(const struct put *p, const struct item *it,
			     struct bytes name)
{
	struct stat_entry s = {
		.name = name,
		.type = it->type,
		.ino = it->ino,
		.size = it->type == TREE_DIR ? 0 : it->size,
		.mtime_ns = it->mtime * 1000000000 + it->mtime_nsec,
		.ctime_ns = it->ctime * 1000000000 + it->ctime_nsec,
	};

	s.racy = racy_stamp(&p->racy, it->dev, s.mtime_ns) ||
		 racy_stamp(&p->racy, it->dev, s.ctime_ns);
	return s;
}
