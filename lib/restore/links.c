/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard links. The walker makes the first name of each group at once, further
 * ones are links to it, if all else that the snapshot says of them is the same:
 * a link would otherwise give a name bytes or rights that are not its own. The
 * table keeps every group of the snapshot that was met, in some hundred bytes
 * each.
 */
#include "restore/links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "hash/sha256.h"
#include "restore/dest.h"
#include "restore/files.h"
#include "restore/report.h"
#include "restore/run.h"
#include "util/le.h"

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

static void add_bytes(struct sha256_ctx *c, struct bytes b)
{
	uint8_t n[8];

	le_put64(n, b.n);
	sha256_update(c, bytes_of(n, sizeof(n)));
	sha256_update(c, b);
}

/* All that an entry says but its name. */
static void print_of(const struct tree_entry *en, struct digest *out)
{
	const uint64_t v[] = { (uint64_t)en->type,
			       en->has,
			       en->mode,
			       en->uid,
			       en->gid,
			       (uint64_t)en->mtime,
			       en->mtime_nsec,
			       en->inode_flags,
			       en->major,
			       en->minor,
			       en->content.size,
			       en->content.count };
	struct sha256_ctx c;
	uint8_t raw[sizeof(v)];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		le_put64(raw + 8 * i, v[i]);
	sha256_init(&c);
	sha256_update(&c, bytes_of(raw, sizeof(raw)));
	add_bytes(&c, en->user);
	add_bytes(&c, en->group);
	if ((en->has & TREE_HAS_ATTRS) != 0)
		add_bytes(&c, en->attrs.raw);
	if ((en->has & TREE_HAS_ATTRS_ID) != 0)
		sha256_update(&c, bytes_of(en->attrs_id.b, DIGEST_BYTES));
	add_bytes(&c, en->content.items);
	add_bytes(&c, en->content.ids);
	add_bytes(&c, en->target);
	sha256_final(&c, out);
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
	struct digest print;
	bool pending = false, unlike;
	enum bc_err rc = BC_ENOTFOUND;

	print_of(en, &print);
	pthread_mutex_lock(&l->lock);
	s = l->cap == 0 ? NULL : find(l, en->link_group);
	unlike = s != NULL && s->name != 0 && !digest_eq(&s->print, &print);
	if (unlike)
		s = NULL; /* it begins a file of its own */
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
	if (unlike)
		report_note(w, dir, name, NOTE_LINK, 0);
	if (rc == BC_OK && !pending)
		report_item(w, dir, name, en->type,
			    en->type == TREE_FILE ? en->content.size : 0);
	return rc;
}

enum bc_err links_first(struct worker *w, struct rdir *dir, const char *name,
			const struct tree_entry *en, struct rfile *f,
			struct err *e)
{
	struct links *l = &w->run->links;
	struct link_slot *s;
	struct digest print;
	enum bc_err rc = BC_OK;
	uint32_t at;

	print_of(en, &print);
	pthread_mutex_lock(&l->lock);
	if (l->dir_at == 0 || l->dir_serial != dir->serial) {
		const char *path = dest_path(dir, NULL, &w->path);

		at = (uint32_t)l->text.n;
		rc = path == NULL ? BC_ENOMEM
				  : buf_add(&l->text, path, strlen(path) + 1);
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
		s = find(l, en->link_group);
		l->n += s->name == 0;
		*s = (struct link_slot){ en->link_group, f, l->dir_at, at,
					 print };
		if (f != NULL) {
			f->linked = true;
			f->group = en->link_group;
		}
	}
	pthread_mutex_unlock(&l->lock);
	/* Beyond the limit later names of it become files of their own. */
	if (rc == BC_ELIMIT) {
		report_note(w, dir, name, NOTE_LINKS_MANY, 0);
		return BC_OK;
	}
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
			report_item(w, k->dir, k->name, TREE_FILE, f->size);
		} else {
			fd = dest_dir(w, k->dir);
			if (fd >= 0)
				(void)unlinkat(fd, k->name, 0);
			if (!run_dead(w->run))
				report_error(w, k->dir, k->name, BC_EPARTIAL,
					     "the file that it is a further "
					     "name of could not be restored");
		}
		dest_release(w, k->dir);
		free(k);
	}
}
