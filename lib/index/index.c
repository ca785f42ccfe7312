/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include <stdlib.h>

#include "index/chain.h"
#include "util/arith.h"

enum {
	LIST_TRIES = 16, /* a merge elsewhere may remove what was listed */
	BATCH_IDS = 32,	 /* in flight at once in index_find_many() */
};

/* ---- opening ------------------------------------------------------------ */

struct candidate {
	enum index_kind kind;
	uint64_t from;
	uint64_t to;
	bool tried;
};

struct listing {
	struct candidate *c;
	size_t n;
	size_t cap;
};

static enum bc_err list_one(void *ctx, const char *name, enum io_type type)
{
	struct listing *l = ctx;
	struct candidate c = { 0 };

	if (type != IO_TYPE_FILE ||
	    !index_name_decode(name, &c.kind, &c.from, &c.to) || c.from >= c.to)
		return BC_OK;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 32 : l->cap * 2;
		struct candidate *p = realloc(l->c, cap * sizeof(*p));

		if (p == NULL)
			return BC_ENOMEM;
		l->c = p;
		l->cap = cap;
	}
	l->c[l->n++] = c;
	return BC_OK;
}

/* The untried file that goes on from generation `from` and reaches furthest;
 * of two that reach as far the base. */
static struct candidate *best_from(const struct listing *l, uint64_t from)
{
	struct candidate *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		struct candidate *c = &l->c[i];

		if (c->tried || c->from != from)
			continue;
		if (best == NULL || c->to > best->to ||
		    (c->to == best->to && c->kind == INDEX_BASE))
			best = c;
	}
	return best;
}

/* Does f go on where the chain ends? */
static bool continues(const struct index *ix, const uint8_t *repo_id,
		      const struct index_file *f)
{
	static const struct digest none;
	const struct digest *end =
		ix->n == 0 ? &none : &ix->files[ix->n - 1].h.range.to_digest;

	return memcmp(f->h.range.repo_id, repo_id, INDEX_REPO_ID_BYTES) == 0 &&
	       digest_eq(&f->h.range.from_digest, end);
}

static enum bc_err append(struct index *ix, struct index_file *f)
{
	struct index_file *p = realloc(ix->files, (ix->n + 1) * sizeof(*p));

	if (p == NULL)
		return BC_ENOMEM;
	ix->files = p;
	ix->files[ix->n++] = *f;
	*f = (struct index_file){ 0 };
	return BC_OK;
}

/*
 * Open what the listing offers. BC_ENOTFOUND: a listed file has gone, so the
 * listing is old.
 */
static enum bc_err build_chain(struct index *ix, struct listing *l,
			       const uint8_t *repo_id, struct err *e)
{
	uint64_t at = 0;
	struct candidate *c;

	while (ix->n < INDEX_FILES_MAX && (c = best_from(l, at)) != NULL) {
		struct index_file f = { 0 };
		char name[INDEX_NAME_BYTES];
		enum bc_err rc;

		c->tried = true;
		index_name_encode(c->kind, c->from, c->to, name);
		rc = index_file_open(ix->d, name, &f, e);
		if (rc == BC_ENOMEM || rc == BC_ENOTFOUND)
			return rc;
		if (rc != BC_OK)
			continue; /* as if absent; the next best */
		if (!continues(ix, repo_id, &f)) {
			index_file_fini(&f);
			continue;
		}
		rc = append(ix, &f);
		if (rc != BC_OK) {
			index_file_fini(&f);
			return err_set(e, rc, "no memory to open the index");
		}
		at = c->to;
	}
	return BC_OK;
}

static void drop_files(struct index *ix)
{
	for (size_t i = 0; i < ix->n; i++)
		index_file_fini(&ix->files[i]);
	free(ix->files);
	ix->files = NULL;
	ix->n = 0;
}

enum bc_err index_open(struct io_dir *d,
		       const uint8_t repo_id[INDEX_REPO_ID_BYTES],
		       struct index **out, struct err *e)
{
	struct index *ix = calloc(1, sizeof(*ix));
	enum bc_err rc = BC_ENOTFOUND;

	if (ix == NULL)
		return err_set(e, BC_ENOMEM, "no memory to open the index");
	ix->d = d;
	for (int i = 0; i < LIST_TRIES && rc == BC_ENOTFOUND; i++) {
		struct listing l = { 0 };

		drop_files(ix);
		rc = io_list(d, ".", e, list_one, &l);
		if (rc == BC_OK)
			rc = build_chain(ix, &l, repo_id, e);
		else if (rc == BC_ENOMEM)
			rc = err_set(e, rc, "no memory to list the index");
		free(l.c);
	}
	if (rc != BC_OK) {
		index_close(ix);
		return rc;
	}
	err_clear(e);
	*out = ix;
	return BC_OK;
}

void index_close(struct index *ix)
{
	if (ix == NULL)
		return;
	drop_files(ix);
	free(ix);
}

/* ---- asking ------------------------------------------------------------- */

void index_covered(const struct index *ix, uint64_t *gen, struct digest *digest)
{
	*gen = 0;
	*digest = (struct digest){ { 0 } };
	if (ix->n != 0) {
		*gen = ix->files[ix->n - 1].h.range.to_gen;
		*digest = ix->files[ix->n - 1].h.range.to_digest;
	}
}

/* The order of answers: file 0, then from the last back to 1. */
static struct index_file *nth_asked(struct index *ix, size_t i)
{
	return &ix->files[i == 0 ? 0 : ix->n - i];
}

size_t index_find(struct index *ix, const struct digest *id,
		  struct index_loc *out, size_t max)
{
	uint64_t key = digest_key(id);
	size_t n = 0;

	for (size_t i = 0; i < ix->n && n < max; i++)
		n += index_file_find(nth_asked(ix, i), key, out + n, max - n);
	return n;
}

/* One file asked for those ids of a batch that have no answer yet. */
static void batch_file(struct index_file *f, const uint64_t keys[], size_t n,
		       struct index_loc first[], bool found[])
{
	for (size_t i = 0; i < n; i++)
		if (!found[i])
			index_file_want(f, keys[i]);
	for (size_t i = 0; i < n; i++)
		if (!found[i])
			found[i] =
				index_file_find(f, keys[i], &first[i], 1) != 0;
}

void index_find_many(struct index *ix, const struct digest *const ids[],
		     size_t n, struct index_loc first[], bool found[])
{
	uint64_t keys[BATCH_IDS];

	for (size_t at = 0; at < n; at += BATCH_IDS) {
		size_t m = min_size(n - at, BATCH_IDS);

		for (size_t i = 0; i < m; i++) {
			keys[i] = digest_key(ids[at + i]);
			found[at + i] = false;
		}
		for (size_t i = 0; i < ix->n; i++)
			batch_file(nth_asked(ix, i), keys, m, first + at,
				   found + at);
	}
}

enum bc_err index_damage(const struct index *ix, struct err *e)
{
	for (size_t i = 0; i < ix->n; i++) {
		enum bc_err rc = index_file_damage(&ix->files[i], e);

		if (rc != BC_OK)
			return rc;
	}
	return BC_OK;
}

void index_stats(const struct index *ix, struct index_stats *out)
{
	*out = (struct index_stats){ 0 };
	for (size_t i = 0; i < ix->n; i++) {
		const struct index_header *h = &ix->files[i].h;

		out->entries += h->entries;
		out->bytes += ((uint64_t)h->pages + 1) * INDEX_PAGE_BYTES;
		if (h->kind == INDEX_BASE) {
			out->base_entries += h->entries;
			out->overflow_pages += h->pages - h->primary;
		} else {
			out->runs++;
		}
	}
}

/* ---- removing ----------------------------------------------------------- */

struct sweep {
	struct io_dir *d;
	const struct index *keep; /* NULL: nothing */
	size_t removed;
	struct err *e;
};

static bool is_ours(const char *name)
{
	enum index_kind kind;
	uint64_t from, to;

	return index_name_decode(name, &kind, &from, &to) ||
	       strncmp(name, INDEX_TMP_PREFIX, strlen(INDEX_TMP_PREFIX)) == 0;
}

static enum bc_err sweep_one(void *ctx, const char *name, enum io_type type)
{
	struct sweep *s = ctx;
	enum bc_err rc;

	if (type != IO_TYPE_FILE || !is_ours(name))
		return BC_OK;
	for (size_t i = 0; s->keep != NULL && i < s->keep->n; i++)
		if (strcmp(s->keep->files[i].name, name) == 0)
			return BC_OK;
	rc = io_unlink(s->d, name, s->e);
	if (rc == BC_OK)
		s->removed++;
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}

enum bc_err index_sweep(struct index *ix, size_t *removed, struct err *e)
{
	struct sweep s = { ix->d, ix, 0, e };
	enum bc_err rc = io_list(ix->d, ".", e, sweep_one, &s);

	if (removed != NULL)
		*removed = s.removed;
	return rc;
}

enum bc_err index_wipe(struct io_dir *d, struct err *e)
{
	struct sweep s = { d, NULL, 0, e };

	return io_list(d, ".", e, sweep_one, &s);
}
