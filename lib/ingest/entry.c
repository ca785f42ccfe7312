/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/entry.h"

#include <errno.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/owners.h"
#include "ingest/root.h"
#include "ingest/run.h"
#include "ingest/worker.h"
#include "ingest/xattrs.h"
#include "util/arith.h"

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
	enum bc_err rc = BC_OK;
	int sys = 0;

	entry_metadata(w->p, &r->item[i], &r->entry[i]);
	if (r->item[i].type == TREE_LINK) {
		rc = read_target(r, i, dirfd, name, &sys, e);
		if (rc == BC_OK && sys != 0) {
			r->present[i] = false;
			put_skip(w->p, r->dir->path, name, sys);
		}
		if (rc != BC_OK || sys != 0)
			return rc;
	}
	rc = xattrs_read(w, r, i, fd, dirfd, &sys, e);
	if (rc == BC_OK && sys != 0) {
		r->item[i].lossy = true;
		put_event(w->p, PUT_NO_ATTRS, r->dir->path, name, sys);
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
		.mtime_ns = ns_of(it->mtime, it->mtime_nsec),
		.ctime_ns = ns_of(it->ctime, it->ctime_nsec),
	};

	s.racy = it->lossy || racy_stamp(&p->racy, it->dev, s.mtime_ns) ||
		 racy_stamp(&p->racy, it->dev, s.ctime_ns);
	return s;
}
