/* SPDX-License-Identifier: Apache-2.0 */
#include "index/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BATCH_PAGES = 64,
	TMP_TRIES = 10000,
};

struct index_writer {
	struct io_dir *d;
	struct io_file *file;
	struct index_header h;
	uint64_t last_key;

	/* The page that is being filled. Primary pages are completed in the
	 * order of their numbers and leave through the batch; the overflow
	 * pages of a base, which are rare, are written where they belong. */
	uint8_t page[INDEX_PAGE_BYTES];
	uint32_t number;
	uint32_t count;

	uint32_t batch_first; /* number of the first page in the batch */
	uint32_t batch_n;
	uint8_t batch[BATCH_PAGES * INDEX_PAGE_BYTES];

	char tmp[INDEX_NAME_BYTES];
};

static enum bc_err create_tmp(struct index_writer *w, struct err *e)
{
	enum bc_err rc = BC_EEXIST;

	/* Leftovers of an earlier process with our number are passed over. */
	for (unsigned i = 0; i < TMP_TRIES && rc == BC_EEXIST; i++) {
		snprintf(w->tmp, sizeof(w->tmp), INDEX_TMP_PREFIX "%ld-%u",
			 (long)getpid(), i);
		rc = io_file_open(w->d, w->tmp,
				  IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE,
				  &w->file, e);
	}
	return rc;
}

enum bc_err index_writer_open(struct io_dir *d, enum index_kind kind,
			      const struct index_range *range, uint32_t pages,
			      unsigned bits, struct index_writer **out,
			      struct err *e)
{
	struct index_writer *w;
	enum bc_err rc;

	if (range->from_gen >= range->to_gen || bits > INDEX_BITS_MAX ||
	    pages > INDEX_PAGES_MAX ||
	    (kind == INDEX_BASE &&
	     (range->from_gen != 0 || pages < UINT32_C(1) << bits)) ||
	    (kind == INDEX_RUN && (pages != 0 || bits != 0)) ||
	    (kind != INDEX_BASE && kind != INDEX_RUN))
		return err_set(e, BC_EINVAL, "no such index file can be");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(e, BC_ENOMEM, "no memory to write the index");
	w->d = d;
	w->h.kind = kind;
	w->h.bits = bits;
	w->h.primary = w->h.pages = pages;
	w->h.range = *range;
	index_header_seed(&w->h);
	rc = create_tmp(w, e);
	if (rc != BC_OK) {
		free(w);
		return rc;
	}
	*out = w;
	return BC_OK;
}

static enum bc_err write_pages(struct index_writer *w, const uint8_t *p,
			       uint32_t first, uint32_t n, struct err *e)
{
	return io_file_pwrite(w->file, p, (size_t)n * INDEX_PAGE_BYTES,
			      ((uint64_t)first + 1) * INDEX_PAGE_BYTES, e);
}

static enum bc_err flush_batch(struct index_writer *w, struct err *e)
{
	enum bc_err rc;

	if (w->batch_n == 0)
		return BC_OK;
	rc = write_pages(w, w->batch, w->batch_first, w->batch_n, e);
	w->batch_first += w->batch_n;
	w->batch_n = 0;
	return rc;
}

/* Seal the current page, pass it on, and begin page `next` empty. */
static enum bc_err turn_page(struct index_writer *w, uint32_t next,
			     struct err *e)
{
	enum bc_err rc = BC_OK;

	if (w->h.kind == INDEX_BASE)
		index_base_set_count(w->page, w->count);
	index_page_seal(w->page, w->h.seed, w->number);
	if (w->h.kind == INDEX_BASE && w->number >= w->h.primary) {
		rc = write_pages(w, w->page, w->number, 1, e);
	} else {
		memcpy(w->batch + (size_t)w->batch_n * INDEX_PAGE_BYTES,
		       w->page, INDEX_PAGE_BYTES);
		if (++w->batch_n == BATCH_PAGES)
			rc = flush_batch(w, e);
	}
	memset(w->page, 0, sizeof(w->page));
	w->number = next;
	w->count = 0;
	return rc;
}

static enum bc_err add_run(struct index_writer *w, uint64_t key,
			   struct index_loc loc, struct err *e)
{
	enum bc_err rc;

	if (w->count == INDEX_RUN_PAGE_ENTRIES) {
		if (w->number + 1 >= INDEX_PAGES_MAX)
			return err_set(e, BC_ELIMIT, "index run is full");
		rc = turn_page(w, w->number + 1, e);
		if (rc != BC_OK)
			return rc;
	}
	le_put64(w->page + INDEX_RUN_PAGE_HEADER_BYTES +
			 (size_t)w->count * INDEX_RUN_KEY_BYTES,
		 key);
	index_loc_put(w->page + INDEX_RUN_LOCS_AT +
			      (size_t)w->count * INDEX_LOC_BYTES,
		      loc);
	w->count++;
	return BC_OK;
}

/* The primary page that the current page, itself or by its chain, belongs to
 * is the number of primary pages that have been completed before it. */
static uint32_t current_primary(const struct index_writer *w)
{
	uint32_t done = w->batch_first + w->batch_n;

	return w->number < w->h.primary ? w->number : done - 1;
}

static enum bc_err add_base(struct index_writer *w, uint64_t top,
			    struct index_loc loc, struct err *e)
{
	uint64_t place = index_place(top, w->h.bits, w->h.primary);
	uint32_t page = (uint32_t)(place >> 32), at = current_primary(w);
	enum bc_err rc = BC_OK;

	if (page >= w->h.primary)
		return err_set(e, BC_EINVAL, "index key is too large");
	for (; rc == BC_OK && at < page; at++)
		rc = turn_page(w, at + 1, e);
	if (rc == BC_OK && w->count == INDEX_BASE_PAGE_ENTRIES) {
		if (w->h.pages == INDEX_PAGES_MAX)
			return err_set(e, BC_ELIMIT, "index base is full");
		index_base_set_next(w->page, w->h.pages);
		rc = turn_page(w, w->h.pages++, e);
	}
	if (rc != BC_OK)
		return rc;
	le_put32(w->page + INDEX_BASE_PAGE_HEADER_BYTES +
			 (size_t)w->count * INDEX_BASE_REM_BYTES,
		 (uint32_t)place);
	index_loc_put(w->page + INDEX_BASE_LOCS_AT +
			      (size_t)w->count * INDEX_LOC_BYTES,
		      loc);
	w->count++;
	return BC_OK;
}

enum bc_err index_writer_add(struct index_writer *w, uint64_t key,
			     struct index_loc loc, struct err *e)
{
	enum bc_err rc;

	if (loc.pack > INDEX_PACK_MAX || key < w->last_key)
		return err_set(e, BC_EINVAL, "index entry out of order");
	rc = w->h.kind == INDEX_BASE ? add_base(w, key, loc, e)
				     : add_run(w, key, loc, e);
	if (rc != BC_OK)
		return rc;
	w->last_key = key;
	w->h.entries++;
	return BC_OK;
}

/* Everything but the name. */
static enum bc_err complete(struct index_writer *w, struct err *e)
{
	uint8_t head[INDEX_PAGE_BYTES] = { 0 };
	enum bc_err rc = BC_OK;

	if (w->h.kind == INDEX_BASE) {
		uint32_t at = current_primary(w);

		for (; rc == BC_OK && at < w->h.primary; at++)
			rc = turn_page(w, at + 1, e);
	} else if (w->count != 0) {
		rc = turn_page(w, w->number + 1, e);
		w->h.primary = w->h.pages = w->number;
	}
	if (rc == BC_OK)
		rc = flush_batch(w, e);
	if (rc != BC_OK)
		return rc;
	index_header_encode(&w->h, head);
	return io_file_pwrite(w->file, head, sizeof(head), 0, e);
}

enum bc_err index_writer_finish(struct index_writer *w,
				char name[INDEX_NAME_BYTES], struct err *e)
{
	char final[INDEX_NAME_BYTES];
	enum bc_err rc;

	rc = complete(w, e);
	if (rc != BC_OK)
		goto out;
	rc = io_file_close(w->file, e);
	w->file = NULL;
	if (rc != BC_OK)
		goto out;
	index_name_encode(w->h.kind, w->h.range.from_gen, w->h.range.to_gen,
			  final);
	rc = io_rename(w->d, w->tmp, w->d, final, IO_REPLACE, e);
	if (rc != BC_OK)
		goto out;
	w->tmp[0] = '\0';
	if (name != NULL)
		memcpy(name, final, sizeof(final));
out:
	index_writer_abort(w);
	return rc;
}

enum bc_err index_writer_finish_unnamed(struct index_writer *w,
					struct index_file *out, struct err *e)
{
	struct io_map map = { 0 };
	struct index_file f = { 0 };
	uint64_t bytes;
	enum bc_err rc;

	rc = complete(w, e);
	if (rc != BC_OK)
		goto out;
	bytes = ((uint64_t)w->h.pages + 1) * INDEX_PAGE_BYTES;
	rc = io_file_map(w->file, 0, (size_t)bytes, &map, e);
	if (rc != BC_OK)
		goto out;
	rc = index_file_init(&f, bytes_of(map.p, map.n), e);
	if (rc != BC_OK)
		goto out;
	f.map = map;
	map = (struct io_map){ 0 };
	*out = f;
out:
	io_unmap(&map);
	index_writer_abort(w);
	return rc;
}

void index_writer_abort(struct index_writer *w)
{
	if (w == NULL)
		return;
	io_file_close(w->file, NULL);
	/* A name that stays behind is rubbish, not damage. */
	if (w->tmp[0] != '\0' && io_unlink(w->d, w->tmp, NULL) != BC_OK)
		w->tmp[0] = '\0';
	free(w);
}
