/* SPDX-License-Identifier: Apache-2.0 */
#include "index/build.h"

#include <stdlib.h>

#include "index/combine.h"
#include "index/writer.h"

/* 1.5 MiB; with the buffers of a writer less than 2 MiB. */
enum { PART_ENTRIES = 98304 };

struct index_builder {
	struct io_dir *d;
	struct index_entry *v;
	size_t n;
	/* Sorted parts: runs without a name. */
	struct index_file *parts;
	size_t parts_n;
	size_t parts_cap;
};

/* A run under its temporary name; the caller finishes it. */
static enum bc_err begin_run(struct io_dir *d, const struct index_range *range,
			     struct index_entry *v, size_t n,
			     struct index_writer **out, struct err *e)
{
	struct index_writer *w;
	enum bc_err rc = index_writer_open(d, INDEX_RUN, range, 0, 0, &w, e);

	if (rc != BC_OK)
		return rc;
	index_sort(v, n);
	for (size_t i = 0; i < n; i++) {
		struct index_loc loc = { v[i].pack, v[i].slot };

		rc = index_writer_add(w, v[i].key, loc, e);
		if (rc != BC_OK) {
			index_writer_abort(w);
			return rc;
		}
	}
	*out = w;
	return BC_OK;
}

enum bc_err index_write_run(struct io_dir *d, const struct index_range *range,
			    struct index_entry *v, size_t n, struct err *e)
{
	struct index_writer *w;
	enum bc_err rc = begin_run(d, range, v, n, &w, e);

	return rc == BC_OK ? index_writer_finish(w, NULL, e) : rc;
}

enum bc_err index_builder_new(struct io_dir *d, struct index_builder **out,
			      struct err *e)
{
	struct index_builder *b = calloc(1, sizeof(*b));

	if (b != NULL) {
		b->d = d;
		b->v = malloc(PART_ENTRIES * sizeof(*b->v));
	}
	if (b == NULL || b->v == NULL) {
		free(b);
		return err_set(e, BC_ENOMEM, "no memory to build the index");
	}
	*out = b;
	return BC_OK;
}

/* Sort what is in memory and put it aside. */
static enum bc_err spill(struct index_builder *b, struct err *e)
{
	/* A part has no place in any chain; its range only has to be one. */
	static const struct index_range any = { .to_gen = 1 };
	struct index_writer *w;
	enum bc_err rc;

	if (b->parts_n == b->parts_cap) {
		size_t cap = b->parts_cap == 0 ? 16 : b->parts_cap * 2;
		struct index_file *p = realloc(b->parts, cap * sizeof(*p));

		if (p == NULL)
			return err_set(e, BC_ENOMEM,
				       "no memory to build the index");
		b->parts = p;
		b->parts_cap = cap;
	}
	rc = begin_run(b->d, &any, b->v, b->n, &w, e);
	if (rc != BC_OK)
		return rc;
	rc = index_writer_finish_unnamed(w, &b->parts[b->parts_n], e);
	if (rc != BC_OK)
		return rc;
	b->parts_n++;
	b->n = 0;
	return BC_OK;
}

enum bc_err index_builder_add(struct index_builder *b, const struct digest *id,
			      struct index_loc loc, struct err *e)
{
	if (b->n == PART_ENTRIES) {
		enum bc_err rc = spill(b, e);

		if (rc != BC_OK)
			return rc;
	}
	b->v[b->n++] = index_entry_of(id, loc);
	return BC_OK;
}

/* All parts into one file. */
static enum bc_err join(struct index_builder *b,
			const struct index_range *range, struct err *e)
{
	static const struct index_combine_options none;
	char name[INDEX_NAME_BYTES];
	struct index_file **files;
	enum bc_err rc;

	files = calloc(b->parts_n, sizeof(struct index_file *));
	if (files == NULL)
		return err_set(e, BC_ENOMEM, "no memory to build the index");
	for (size_t i = 0; i < b->parts_n; i++)
		files[i] = &b->parts[i];
	rc = index_combine(b->d, files, b->parts_n, range, &none, name, e);
	free(files);
	return rc;
}

enum bc_err index_builder_finish(struct index_builder *b,
				 const struct index_range *range, struct err *e)
{
	enum bc_err rc;

	if (b->parts_n == 0 &&
	    (range->from_gen != 0 || b->n < INDEX_BASE_MIN_ENTRIES)) {
		rc = index_write_run(b->d, range, b->v, b->n, e);
	} else {
		rc = b->n == 0 ? BC_OK : spill(b, e);
		/* The parts are on disk: give the memory to the writer. */
		free(b->v);
		b->v = NULL;
		if (rc == BC_OK)
			rc = join(b, range, e);
	}
	index_builder_abort(b);
	return rc;
}

void index_builder_abort(struct index_builder *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->parts_n; i++)
		index_file_fini(&b->parts[i]);
	free(b->parts);
	free(b->v);
	free(b);
}
