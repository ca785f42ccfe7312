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
	bool later;	  /* it is made when the content has come */
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

	while (l->slot[at].now.name != 0 && l->slot[at].group != group)
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
		if (l->slot[i].now.name != 0)
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

void links_print(const struct tree_entry *en, struct digest *out)
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
static bool add_name(struct rfile *f, struct rdir *dir, const char *name,
		     bool later)
{
	struct link_name *k = malloc(sizeof(*k) + strlen(name) + 1);

	if (k == NULL)
		return false;
	memcpy(k->name, name, strlen(name) + 1);
	k->dir = dir;
	k->later = later;
	dest_hold(dir);
	k->next = f->names;
	f->names = k;
	return true;
}

/* 0 or errno. */
static int link_to(struct worker *w, const struct link_place *from, int to,
		   const char *name)
{
	const char *text = (const char *)w->run->links.text.p;
	int dir = dest_path_dir(w->run, text + from->dir), sys = 0;

	if (dir < 0)
		return errno;
	if (linkat(dir, text + from->name, to, name, 0) != 0)
		sys = errno;
	close(dir);
	return sys;
}

/* Link `name` in dir to the first of s. */
static enum bc_err make_link(struct worker *w, struct rdir *dir,
			     const char *name, const struct link_slot *s,
			     struct err *e)
{
	int to = dest_dir(w, dir), sys;

	if (to < 0)
		return err_sys(e, errno, "cannot open its directory");
	sys = link_to(w, &s->now, to, name);
	if (sys == ENOENT) /* it has its name by now */
		sys = link_to(w, &s->end, to, name);
	/* What a killed run has made of the name. */
	if (sys == EEXIST && dir->ours && unlinkat(to, name, 0) == 0) {
		sys = link_to(w, &s->now, to, name);
		if (sys == ENOENT)
			sys = link_to(w, &s->end, to, name);
	}
	if (sys == EMLINK)
		return BC_ENOTFOUND; /* full: the next inode begins */
	return sys == 0 ? BC_OK
			: err_sys(e, sys, "cannot link it to %s",
				  (const char *)w->run->links.text.p +
					  s->end.name);
}

enum bc_err links_join(struct worker *w, struct rdir *dir, const char *name,
		       const struct tree_entry *en, struct err *e)
{
	struct links *l = &w->run->links;
	struct link_slot *s;
	struct digest print;
	bool pending = false, later, unlike;
	enum bc_err rc = BC_ENOTFOUND;

	links_print(en, &print);
	pthread_mutex_lock(&l->lock);
	s = l->cap == 0 ? NULL : find(l, en->link_group);
	unlike = s != NULL && s->now.name != 0 && !digest_eq(&s->print, &print);
	if (unlike)
		s = NULL; /* it begins a file of its own */
	if (s != NULL && s->now.name == LOST) {
		rc = err_set(e, BC_EPARTIAL,
			     "the file that it is a further name of could not "
			     "be restored");
	} else if (s != NULL && s->now.name != 0) {
		/* No name in what is there before its content. */
		later = s->pending != NULL && dir->there;
		rc = later ? BC_OK : make_link(w, dir, name, s, e);
		pending = rc == BC_OK && s->pending != NULL;
		if (pending && !add_name(s->pending, dir, name, later)) {
			if (!later)
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

/* A string in the text. */
static enum bc_err add_text(struct links *l, const char *s, uint32_t *at)
{
	if (s == NULL)
		return BC_ENOMEM;
	*at = (uint32_t)l->text.n;
	return buf_add(&l->text, s, strlen(s) + 1);
}

/* The paths of a directory, unless they are those of the last one. */
static enum bc_err add_dir(struct worker *w, const struct rdir *dir)
{
	struct links *l = &w->run->links;
	const char *end;
	enum bc_err rc;

	if (l->dir_now != 0 && l->dir_serial == dir->serial)
		return BC_OK;
	l->dir_now = 0;
	rc = add_text(l, dest_path(dir, NULL, DEST_NOW, &w->path), &l->dir_now);
	if (rc != BC_OK)
		return rc;
	l->dir_serial = dir->serial;
	l->dir_end = l->dir_now;
	end = dest_path(dir, NULL, DEST_END, &w->path);
	if (end != NULL && strcmp(end, (char *)l->text.p + l->dir_now) == 0)
		return BC_OK;
	rc = add_text(l, end, &l->dir_end);
	if (rc != BC_OK)
		l->dir_now = 0;
	return rc;
}

/* Where the first name of a group is. */
static enum bc_err add_place(struct worker *w, const struct rdir *dir,
			     const char *name, struct link_place *now,
			     struct link_place *end)
{
	struct links *l = &w->run->links;
	enum bc_err rc = add_dir(w, dir);

	now->dir = l->dir_now;
	end->dir = l->dir_end;
	if (rc == BC_OK)
		rc = add_text(l, name, &now->name);
	end->name = now->name;
	return rc;
}

/* The same of a file that may be in a stage. */
static enum bc_err add_file_place(struct worker *w, const struct rfile *f,
				  struct link_place *now,
				  struct link_place *end)
{
	struct link_place not_yet;
	enum bc_err rc = add_place(w, f->at, f->at_name, now, end);

	if (rc == BC_OK && f->at != f->dir)
		rc = add_place(w, f->dir, f->name, &not_yet, end);
	return rc;
}

enum bc_err links_first(struct worker *w, struct rdir *dir, const char *name,
			const struct tree_entry *en, struct rfile *f,
			struct err *e)
{
	struct links *l = &w->run->links;
	struct link_place now, end;
	struct link_slot *s;
	struct digest print;
	enum bc_err rc;

	links_print(en, &print);
	pthread_mutex_lock(&l->lock);
	rc = f != NULL ? add_file_place(w, f, &now, &end)
		       : add_place(w, dir, name, &now, &end);
	if (rc == BC_OK && !grow(l))
		rc = BC_ENOMEM;
	if (rc == BC_OK) {
		s = find(l, en->link_group);
		l->n += s->now.name == 0;
		*s = (struct link_slot){ en->link_group, f, now, end, print };
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

/* One further name of a file that is whole. */
static void name_done(struct worker *w, const struct rfile *f,
		      const struct link_name *k)
{
	struct links *l = &w->run->links;
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;

	if (k->later) {
		pthread_mutex_lock(&l->lock);
		rc = make_link(w, k->dir, k->name, find(l, f->group), &e);
		pthread_mutex_unlock(&l->lock);
		if (rc == BC_ENOTFOUND)
			err_sys(&e, EMLINK, "cannot link it");
	}
	if (rc == BC_OK)
		report_item(w, k->dir, k->name, TREE_FILE, f->size);
	else
		report_failed(w, k->dir, k->name, &e);
}

/* ... and of one that cannot be had. */
static void name_lost(struct worker *w, const struct link_name *k)
{
	int fd = k->later ? -1 : dest_dir(w, k->dir);

	if (fd >= 0)
		(void)unlinkat(fd, k->name, 0);
	if (!run_dead(w->run))
		report_error(w, k->dir, k->name, BC_EPARTIAL,
			     "the file that it is a further name of could not "
			     "be restored");
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
			s->now.name = LOST;
	}
	k = f->names;
	f->names = NULL;
	pthread_mutex_unlock(&l->lock);
	for (; k != NULL; k = next) {
		next = k->next;
		if (failed)
			name_lost(w, k);
		else
			name_done(w, f, k);
		dest_release(w, k->dir);
		free(k);
	}
}
