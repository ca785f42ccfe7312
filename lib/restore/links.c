/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard links. The first name of a group is a file, further ones are links to
 * it, made once it is whole, if all else that the snapshot says of them is the
 * same: a link would otherwise give a name bytes or rights that are not its
 * own. The table keeps every group of the snapshot that was met, in some
 * hundred bytes each.
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
	/* Names that wait for one file: fewer than any file system allows, so
	 * that who meets the limit can begin the next inode. And in all. */
	WAITING_MAX = 50,
	WAITING_ALL_MAX = 20000,
	/* So many names are met by a file system's limit. */
	NAMES_MANY = 1000,
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

/* A name that waits for its file. */
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
	f->n_names++;
	return true;
}

/* The folder of a group's first, the caller's. */
static int first_dir(struct worker *w, const char *folder)
{
	int fd = dest_path_dir(w->run, folder);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		dest_reclaim(w);
		fd = dest_path_dir(w->run, folder);
	}
	return fd;
}

/* Link `name` in dir to the first of s. Under the lock. BC_EFULL, without a
 * text: that inode has as many names as it can have. */
static enum bc_err make_link(struct worker *w, struct rdir *dir,
			     const char *name, const struct link_slot *s,
			     struct err *e)
{
	struct links *l = &w->run->links;
	const char *folder = (const char *)l->text.p + s->dir;
	const char *first = (const char *)l->text.p + s->name;
	int from = first_dir(w, folder), to, rc = -1, sys;

	if (from < 0)
		return err_sys(e, errno, "cannot open %s", folder);
	to = dest_dir(w, dir);
	if (to >= 0)
		rc = linkat(from, first, to, name, 0);
	sys = errno;
	close(from);
	if (rc != 0 && sys == EMLINK)
		return BC_EFULL; /* the next inode begins */
	return rc == 0 ? BC_OK : err_sys(e, sys, "cannot link it to %s", first);
}

bool links_full(struct run *run, const struct tree_entry *en)
{
	struct links *l = &run->links;
	const struct link_slot *s;
	bool full;

	pthread_mutex_lock(&l->lock);
	s = l->cap == 0 ? NULL : find(l, en->link_group);
	full = s != NULL && s->pending != NULL &&
	       (s->pending->n_names >= WAITING_MAX ||
		l->waiting >= WAITING_ALL_MAX);
	pthread_mutex_unlock(&l->lock);
	return full;
}

enum bc_err links_join(struct worker *w, struct rdir *dir, const char *name,
		       const struct tree_entry *en, struct err *e)
{
	struct links *l = &w->run->links;
	struct link_slot *s;
	struct digest print;
	bool unlike, made = false;
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
	} else if (s != NULL && s->pending != NULL) {
		rc = add_name(s->pending, dir, name)
			     ? BC_OK
			     : err_set(e, BC_ENOMEM, "no memory for a link");
		l->waiting += rc == BC_OK;
	} else if (s != NULL && s->name != 0) {
		rc = make_link(w, dir, name, s, e);
		made = rc == BC_OK;
		/* The first was moved away: not that there is none yet. */
		if (rc == BC_ENOTFOUND)
			rc = BC_ESYS;
		else if (rc == BC_EFULL)
			rc = BC_ENOTFOUND;
	}
	pthread_mutex_unlock(&l->lock);
	if (unlike)
		report_note(w, dir, name, NOTE_LINK, 0);
	if (made)
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
			f->link_dir = l->dir_at;
			f->link_name = at;
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

/* Is what was there another name of the group's first? Under the lock. */
static bool is_first(struct worker *w, const struct link_slot *s,
		     const struct stat *st)
{
	const char *text = (const char *)w->run->links.text.p;
	int folder = first_dir(w, text + s->dir);
	struct stat first;
	bool same;

	if (folder < 0)
		return false;
	same = fstatat(folder, text + s->name, &first, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       first.st_dev == st->st_dev && first.st_ino == st->st_ino;
	close(folder);
	return same;
}

enum bc_err links_there(struct worker *w, struct rdir *dir, const char *name,
			const struct tree_entry *en, const struct stat *st,
			struct err *e)
{
	struct links *l = &w->run->links;
	const struct link_slot *s;
	bool none, unlike, joined = false, next;
	struct digest print;

	print_of(en, &print);
	pthread_mutex_lock(&l->lock);
	s = l->cap == 0 ? NULL : find(l, en->link_group);
	none = s == NULL || s->name == 0;
	unlike = !none && !digest_eq(&s->print, &print);
	if (!none && !unlike && s->name != LOST && s->pending == NULL)
		joined = is_first(w, s, st);
	pthread_mutex_unlock(&l->lock);
	/* With more names than one file may have there is a next one. */
	next = none || unlike || (!joined && st->st_nlink > NAMES_MANY);
	if (unlike)
		report_note(w, dir, name, NOTE_LINK, 0);
	else if (!next && !joined)
		report_note(w, dir, name, NOTE_LINK_THERE, 0);
	return next ? links_first(w, dir, name, en, NULL, e) : BC_OK;
}

/* A name that has waited, and whether its file has come. */
static void done_name(struct worker *w, struct rfile *f,
		      const struct link_name *k, bool failed)
{
	static const char GONE[] = "the file that it is a further name of "
				   "could not be restored";
	struct links *l = &w->run->links;
	struct link_slot first = { .name = 0 };
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;

	if (failed) {
		if (!run_dead(w->run))
			report_error(w, k->dir, k->name, BC_ENOTFOUND, GONE);
		return;
	}
	pthread_mutex_lock(&l->lock);
	first.dir = f->link_dir;
	first.name = f->link_name;
	rc = make_link(w, k->dir, k->name, &first, &e);
	pthread_mutex_unlock(&l->lock);
	if (rc == BC_EFULL)
		rc = err_set(&e, BC_EPARTIAL,
			     "this file system has not so many names for one "
			     "file");
	if (rc == BC_OK)
		report_item(w, k->dir, k->name, TREE_FILE, f->size);
	else
		report_failed(w, k->dir, k->name, &e);
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
	l->waiting -= f->n_names;
	pthread_mutex_unlock(&l->lock);
	for (; k != NULL; k = next) {
		next = k->next;
		done_name(w, f, k, failed);
		dest_release(w, k->dir);
		free(k);
	}
}
