/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard links. The walker makes the first name of each group at once, further
 * ones are links to it. The table keeps every group of the snapshot that was
 * met, in some fifty bytes each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "restore/internal.h"

enum {
	LINKS_MIN = 64,
	/* Names of 40 M groups; beyond that they are no longer linked. */
	LINKS_TEXT_BYTES = 1 << 30,
};

/* A further name of a file whose content is still coming. */
struct link_name {
	struct link_name *next;
	struct rdir *dir; /* held */
	char name[];
};

/* Place in the text of a group whose first could not be restored. */
static const uint32_t LOST = UINT32_MAX;

enum bc_err links_init(struct links *l, struct err *e)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	buf_init(&l->text, LINKS_TEXT_BYTES);
	/* Place 0 stands for no text. */
	if (buf_u8(&l->text, 0) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for hard links");
	return BC_OK;
}

void links_fini(struct links *l)
{
	free(l->slot);
	buf_fini(&l->text);
	pthread_mutex_destroy(&l->lock);
}

static uint64_t mix(uint64_t v)
{
	v *= UINT64_C(0x9e3779b97f4a7c15);
	return v ^ v >> 32;
}

/* The slot of a group, or the empty one where it belongs. There are some. */
static struct link_slot *find(const struct links *l, uint64_t group)
{
	size_t at = (size_t)mix(group) & (l->cap - 1);

	while (l->slot[at].name != 0 && l->slot[at].group != group)
		at = (at + 1) & (l->cap - 1);
	return &l->slot[at];
}

static bool grow(struct links *l)
{
	struct links next = *l;

	if ((l->n + 1) * 4 <= l->cap * 3)
		return true;
	next.cap = l->cap == 0 ? LINKS_MIN : l->cap * 2;
	next.slot = calloc(next.cap, sizeof(*next.slot));
	if (next.slot == NULL)
		return false;
	for (size_t i = 0; i < l->cap; i++)
		if (l->slot[i].name != 0)
			*find(&next, l->slot[i].group) = l->slot[i];
	free(l->slot);
	l->slot = next.slot;
	l->cap = next.cap;
	return true;
}

/* A name in a file's list, so that all go when the file cannot be had. */
static bool add_name(struct rfile *f, struct rdir *dir, const char *name)
{
	struct link_name *k = malloc(sizeof(*k) + strlen(name) + 1);

	if (k == NULL)
		return false;
	memcpy(k->name, name, strlen(name) + 1);
	k->dir = dir;
	dest_hold(dir);
	k->next = f->names;
	f->names = k;
	return true;
}

/* Link `name` in dir to the first of s. */
static enum bc_err make_link(struct worker *w, struct rdir *dir,
			     const char *name, const struct link_slot *s,
			     struct err *e)
{
	struct links *l = &w->run->links;
	const char *folder = (const char *)l->text.p + s->dir;
	const char *first = (const char *)l->text.p + s->name;
	int to = dest_dir(w, dir), from, rc, sys;

	if (to < 0)
		return err_sys(e, errno, "cannot open its directory");
	from = dest_path_dir(w->run, folder);
	if (from < 0)
		return err_sys(e, errno, "cannot open %s", folder);
	rc = linkat(from, first, to, name, 0);
	sys = errno;
	close(from);
	if (rc != 0 && sys == EMLINK)
		return BC_ENOTFOUND; /* full: the next inode begins */
	return rc == 0 ? BC_OK : err_sys(e, sys, "cannot link it to %s", first);
}

enum bc_err links_join(struct worker *w, struct rdir *dir, const char *name,
		       const struct tree_entry *en, struct err *e)
{
	struct links *l = &w->run->links;
	struct link_slot *s;
	bool pending = false;
	enum bc_err rc = BC_ENOTFOUND;

	pthread_mutex_lock(&l->lock);
	s = l->cap == 0 ? NULL : find(l, en->link_group);
	if (s != NULL && s->name == LOST) {
		rc = err_set(e, BC_EPARTIAL,
			     "the file that it is a further name of could not "
			     "be restored");
	} else if (s != NULL && s->name != 0) {
		rc = make_link(w, dir, name, s, e);
		pending = rc == BC_OK && s->pending != NULL;
		if (pending && !add_name(s->pending, dir, name)) {
			(void)unlinkat(dest_dir(w, dir), name, 0);
			rc = err_set(e, BC_ENOMEM, "no memory for a link");
		}
	}
	pthread_mutex_unlock(&l->lock);
	if (rc == BC_OK && !pending)
		run_item(w, dir, name, en->type, 0);
	return rc;
}

enum bc_err links_first(struct worker *w, struct rdir *dir, const char *name,
			uint64_t group, struct rfile *f, struct err *e)
{
	struct links *l = &w->run->links;
	struct link_slot *s;
	enum bc_err rc = BC_OK;
	uint32_t at;

	pthread_mutex_lock(&l->lock);
	if (l->dir_at == 0 || l->dir_serial != dir->serial) {
		const char *path = dest_path(dir, NULL, &w->path);

		at = (uint32_t)l->text.n;
		rc = buf_add(&l->text, path, strlen(path) + 1);
		if (rc == BC_OK) {
			l->dir_at = at;
			l->dir_serial = dir->serial;
		}
	}
	at = (uint32_t)l->text.n;
	if (rc == BC_OK)
		rc = buf_add(&l->text, name, strlen(name) + 1);
	if (rc == BC_OK && !grow(l))
		rc = BC_ENOMEM;
	if (rc == BC_OK) {
		s = find(l, group);
		l->n += s->name == 0;
		*s = (struct link_slot){ group, f, l->dir_at, at };
		if (f != NULL) {
			f->linked = true;
			f->group = group;
		}
	}
	pthread_mutex_unlock(&l->lock);
	/* Without room, later names of it become files of their own. */
	return rc == BC_OK ? BC_OK : err_set(e, rc, "no memory for hard links");
}

void links_done(struct worker *w, struct rfile *f, bool failed)
{
	struct links *l = &w->run->links;
	struct link_name *k, *next;
	struct link_slot *s;

	pthread_mutex_lock(&l->lock);
	s = find(l, f->group);
	if (s->pending == f) {
		s->pending = NULL;
		if (failed)
			s->name = LOST;
	}
	k = f->names;
	f->names = NULL;
	pthread_mutex_unlock(&l->lock);
	for (; k != NULL; k = next) {
		int fd;

		next = k->next;
		if (!failed) {
			run_item(w, k->dir, k->name, TREE_FILE, 0);
		} else {
			fd = dest_dir(w, k->dir);
			if (fd >= 0)
				(void)unlinkat(fd, k->name, 0);
			if (!run_dead(w->run))
				run_report(w, k->dir, k->name, BC_EPARTIAL,
					   "the file that it is a further "
					   "name of could not be restored");
		}
		dest_release(w, k->dir);
		free(k);
	}
}
