/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dir_node.h"

#include <stdlib.h>

#include "ingest/run.h"
#include "ingest/worker.h"

enum { PART_MAX_BYTES = 4 << 20 };

static enum bc_err begin(struct worker *w, struct dir_node *n, struct err *e)
{
	enum bc_err rc = worker_ready(w, e);

	if (rc != BC_OK || n->builder != NULL)
		return rc;
	n->builder = malloc(sizeof(*n->builder));
	if (n->builder == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a directory");
	tree_builder_init(n->builder, &w->content.sink);
	tree_builder_begin(n->builder);
	buf_init(&n->part, PART_MAX_BYTES);
	buf_init(&n->part0, PART_MAX_BYTES);
	return BC_OK;
}

void dir_node_fini(struct dir_node *n)
{
	if (n->builder == NULL)
		return;
	tree_builder_fini(n->builder);
	free(n->builder);
	buf_fini(&n->part);
	buf_fini(&n->part0);
	n->builder = NULL;
}

/* A part of the record is full, or the last. */
static enum bc_err end_part(struct worker *w, struct dir_node *n,
			    const char *path, bool more)
{
	struct stat_record r = { .part = n->parts,
				 .more = more,
				 .raw = buf_bytes(&n->part) };
	enum bc_err rc = BC_OK;

	if (n->parts == 0) {
		rc = buf_add(&n->part0, n->part.p, n->part.n);
		n->more = more;
	} else {
		known_record(w->p, path, &r);
	}
	buf_clear(&n->part);
	n->part_n = 0;
	n->parts++;
	return rc;
}

static bool records(const struct worker *w, const struct dir_node *n)
{
	return w->p->known.after != NULL && !n->unrecorded;
}

/* There is no memory for the record: the next put reads the directory again.
 * What parts of it are written is never looked at, as part 0 comes last. */
static void give_up_record(struct dir_node *n)
{
	buf_fini(&n->part);
	buf_fini(&n->part0);
	n->unrecorded = true;
}

static void record(struct worker *w, struct dir_node *n, const char *path,
		   const struct stat_entry *st)
{
	enum bc_err rc = BC_OK;

	if (!records(w, n))
		return;
	if (n->part_n == STAT_PART_ENTRIES)
		rc = end_part(w, n, path, true);
	if (rc == BC_OK)
		rc = stat_entry_add(&n->part, st);
	n->part_n++;
	n->recorded++;
	if (rc != BC_OK)
		give_up_record(n);
}

static void end_record(struct worker *w, struct dir_node *n, const char *path,
		       const struct tree_sum *sum)
{
	struct stat_record r = { .sum = *sum, .count = n->recorded };

	if (!records(w, n) || end_part(w, n, path, false) != BC_OK)
		return;
	r.more = n->more;
	r.raw = buf_bytes(&n->part0);
	known_record(w->p, path, &r);
}

enum bc_err dir_node_add(struct worker *w, struct dir_node *n, const char *path,
			 const struct tree_entry *en,
			 const struct stat_entry *st, struct err *e)
{
	enum bc_err rc = begin(w, n, e);

	if (rc == BC_OK)
		rc = tree_builder_add(n->builder, en, e);
	if (rc == BC_OK)
		record(w, n, path, st);
	return rc;
}

enum bc_err dir_node_finish(struct worker *w, struct dir_node *n,
			    const char *path, struct tree_sum *sum,
			    struct err *e)
{
	enum bc_err rc = begin(w, n, e);

	if (rc == BC_OK)
		rc = tree_builder_finish(n->builder, &sum->dir, e);
	if (rc == BC_OK)
		end_record(w, n, path, sum);
	return rc;
}

enum bc_err dir_node_empty(struct worker *w, struct tree_dir *out,
			   struct err *e)
{
	struct dir_node n = { .builder = NULL };
	enum bc_err rc = begin(w, &n, e);

	if (rc == BC_OK)
		rc = tree_builder_finish(n.builder, out, e);
	dir_node_fini(&n);
	return rc;
}
