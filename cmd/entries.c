/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/entries.h"

#include <stdlib.h>

enum { PATH_BYTES_MAX = 64 << 20 };

/* A directory that is being read. Its reader keeps where it stands. */
struct level {
	struct level *above;
	struct tree_reader reader;
	struct digest dir;
	size_t path_n; /* of its own path */
};

static enum bc_err push(struct level **top, const struct entries_walk *w,
			const struct digest *dir, size_t path_n, struct err *e)
{
	struct level *l = malloc(sizeof(*l));
	enum bc_err rc;

	if (l == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	tree_reader_init(&l->reader, &w->source);
	l->dir = *dir;
	l->path_n = path_n;
	l->above = *top;
	*top = l;
	rc = tree_reader_open(&l->reader, dir, e);
	return rc;
}

static void pop(struct level **top)
{
	struct level *l = *top;

	*top = l->above;
	tree_reader_fini(&l->reader);
	free(l);
}

/* The path of an entry in the directory whose path ends at n. */
static enum bc_err set_path(struct buf *path, size_t n, struct bytes name,
			    struct err *e)
{
	enum bc_err rc = BC_OK;

	path->n = n;
	if (n > 0)
		rc = buf_add(path, "/", 1);
	if (rc == BC_OK)
		rc = buf_add(path, name.p, name.n);
	return rc == BC_OK ? BC_OK : err_set(e, rc, "no memory for a path");
}

/* One step: an entry, or the end of a directory. */
static enum bc_err step(const struct entries_walk *w, struct level **top,
			struct buf *path, struct err *e)
{
	struct level *l = *top;
	const struct tree_entry *en;
	bool enter = true;
	struct digest dir;
	enum bc_err rc = tree_reader_next(&l->reader, &en, e);

	if (rc != BC_OK)
		return rc;
	if (en == NULL) {
		path->n = l->path_n;
		if (w->leave != NULL)
			rc = w->leave(w->ctx, buf_bytes(path), &l->dir, e);
		pop(top);
		return rc;
	}
	rc = set_path(path, l->path_n, en->name, e);
	if (rc == BC_OK)
		rc = w->entry(w->ctx, buf_bytes(path), en, &enter, e);
	if (rc != BC_OK || en->type != TREE_DIR || !enter)
		return rc;
	dir = en->dir.id;
	return push(top, w, &dir, path->n, e);
}

enum bc_err entries_walk(const struct entries_walk *w, const struct digest *dir,
			 struct bytes at, struct err *e)
{
	struct buf path = BUF_INIT(PATH_BYTES_MAX);
	struct level *top = NULL;
	enum bc_err rc = buf_add(&path, at.p, at.n);

	if (rc != BC_OK)
		(void)err_set(e, rc, "no memory for a path");
	else
		rc = push(&top, w, dir, path.n, e);
	while (rc == BC_OK && top != NULL) {
		rc = step(w, &top, &path, e);
		if (rc == BC_OK && w->stop != NULL &&
		    atomic_load_explicit(w->stop, memory_order_relaxed) != 0)
			rc = err_set(e, BC_ECANCEL, "stopped");
	}
	while (top != NULL)
		pop(&top);
	buf_fini(&path);
	return rc;
}
