/* SPDX-License-Identifier: Apache-2.0 */
#include "index/combine.h"

#include "index/stream.h"
#include "index/writer.h"

/* What the output will be. */
struct plan {
	enum index_kind kind;
	uint32_t pages;
	unsigned bits;
};

/* Entries of one file that will be kept, by the dead packs alone. */
static enum bc_err count_live(struct index_file *f,
			      const struct index_combine_options *o,
			      uint64_t *live, struct err *e)
{
	for (uint32_t number = 0; number < f->h.pages; number++) {
		const uint8_t *page = index_file_verify(f, number);
		bool base = f->h.kind == INDEX_BASE;
		uint32_t n;

		if (page == NULL)
			return index_file_damage(f, e);
		n = base ? index_base_count(page)
			 : index_run_count(&f->h, number);
		for (uint32_t i = 0; i < n; i++) {
			struct index_loc loc = base ? index_base_loc(page, i)
						    : index_run_loc(page, i);

			*live += !o->dead(o->ctx, loc.pack);
		}
	}
	return BC_OK;
}

/* The size of a base must be known before its first page, so with dead packs
 * the inputs are read twice. */
static enum bc_err make_plan(struct index_file *const files[], size_t n,
			     uint64_t from_gen,
			     const struct index_combine_options *o,
			     struct plan *out, struct err *e)
{
	unsigned bits = INDEX_BITS_MAX;
	uint64_t entries = 0;
	bool base = false;

	for (size_t i = 0; i < n; i++) {
		const struct index_header *h = &files[i]->h;

		if (h->kind == INDEX_BASE) {
			base = true;
			bits = h->bits < bits ? h->bits : bits;
		}
		if (o->dead != NULL) {
			enum bc_err rc = count_live(files[i], o, &entries, e);

			if (rc != BC_OK)
				return rc;
		} else {
			entries += h->entries;
		}
	}
	*out = (struct plan){ .kind = INDEX_RUN };
	if (from_gen == 0 && (base || entries >= INDEX_BASE_MIN_ENTRIES)) {
		out->kind = INDEX_BASE;
		out->pages = index_pages_for(entries);
		out->bits = index_bits_for(out->pages);
		out->bits = out->bits < bits ? out->bits : bits;
	}
	return BC_OK;
}

static enum bc_err copy_all(struct index_stream *s, struct index_writer *w,
			    const struct index_combine_options *o,
			    struct err *e)
{
	uint64_t last_key = 0, key = 0;
	struct index_loc last = { 0, 0 }, loc = { 0, 0 };
	bool done = false, any = false;

	for (;;) {
		enum bc_err rc = index_stream_next(s, &key, &loc, &done, e);

		if (rc != BC_OK || done)
			return rc;
		if (any && key == last_key && loc.pack == last.pack &&
		    loc.slot == last.slot)
			continue;
		if (o->dead != NULL && o->dead(o->ctx, loc.pack))
			continue;
		rc = index_writer_add(w, key, loc, e);
		if (rc != BC_OK)
			return rc;
		any = true;
		last_key = key;
		last = loc;
	}
}

enum bc_err index_combine(struct io_dir *d, struct index_file *const files[],
			  size_t n, const struct index_range *range,
			  const struct index_combine_options *o,
			  char name[INDEX_NAME_BYTES], struct err *e)
{
	struct index_stream s = { 0 };
	struct index_writer *w = NULL;
	struct plan p;
	enum bc_err rc;

	rc = make_plan(files, n, range->from_gen, o, &p, e);
	if (rc != BC_OK)
		return rc;
	rc = index_stream_init(&s, files, n, p.kind, p.bits, e);
	if (rc != BC_OK)
		return rc;
	rc = index_writer_open(d, p.kind, range, p.pages, p.bits, &w, e);
	if (rc == BC_OK)
		rc = copy_all(&s, w, o, e);
	if (rc == BC_OK) {
		rc = index_writer_finish(w, name, e);
		w = NULL;
	}
	index_writer_abort(w);
	index_stream_fini(&s);
	return rc;
}
