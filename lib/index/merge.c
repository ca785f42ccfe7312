/* SPDX-License-Identifier: Apache-2.0 */
#include "index/merge.h"

#include <stdlib.h>

#include "index/chain.h"
#include "index/combine.h"

/* What a file weighs in the policy: its entries, and for the work of having a
 * file at all as many as a page holds. */
static uint64_t weight(const struct index_file *f)
{
	return f->h.entries + INDEX_RUN_PAGE_ENTRIES;
}

/*
 * The first file of the newest runs that are due, or n for none. Going back
 * over each run that is at most twice the sum of those after it, a run grows
 * by half at least whenever it is rewritten. What stops the walk early is a
 * chain so steep that the few that are merged weigh next to nothing beside
 * the rest.
 */
static size_t due_runs(const struct index *ix, size_t first)
{
	size_t runs = ix->n - first, i = ix->n - 1;
	uint64_t sum;

	if (runs <= INDEX_RUNS_MAX)
		return ix->n;
	sum = weight(&ix->files[i]);
	while (i > first && (weight(&ix->files[i - 1]) <= 2 * sum ||
			     i - first + 1 > INDEX_RUNS_MAX || i == ix->n - 1))
		sum += weight(&ix->files[--i]);
	return i;
}

/* The first file of the merge that is due, or n for none. */
static size_t due(const struct index *ix)
{
	bool base = ix->n != 0 && ix->files[0].h.kind == INDEX_BASE;
	size_t first = base ? 1 : 0;
	uint64_t runs = 0;

	if (ix->n <= first)
		return ix->n;
	for (size_t i = first; i < ix->n; i++)
		runs += ix->files[i].h.entries;
	if (base ? runs > ix->files[0].h.entries / INDEX_BASE_GROWTH
		 : runs >= INDEX_BASE_MIN_ENTRIES)
		return 0;
	return due_runs(ix, first);
}

bool index_wants_merge(const struct index *ix)
{
	return due(ix) < ix->n;
}

/* Remove what the new file stands for. A failure leaves a file that the next
 * opening passes over. */
static void unlink_old(struct index *ix, size_t first, const char *made)
{
	for (size_t i = first; i < ix->n; i++) {
		enum bc_err rc = BC_OK;

		if (strcmp(ix->files[i].name, made) != 0)
			rc = io_unlink(ix->d, ix->files[i].name, NULL);
		(void)rc;
	}
}

enum bc_err index_merge(struct index *ix, const struct index_merge_options *o,
			bool *did, struct err *e)
{
	static const struct index_merge_options defaults;
	struct index_combine_options c = { 0 };
	struct index_range range;
	char name[INDEX_NAME_BYTES];
	struct index_file **files;
	size_t first;
	enum bc_err rc;

	o = o == NULL ? &defaults : o;
	first = o->all ? 0 : due(ix);
	if (did != NULL)
		*did = false;
	/* One file by itself is worth the work only for what it drops. */
	if (first == ix->n || (ix->n == 1 && o->all && o->dead == NULL))
		return BC_OK;
	files = calloc(ix->n - first, sizeof(struct index_file *));
	if (files == NULL)
		return err_set(e, BC_ENOMEM, "no memory to merge the index");
	for (size_t i = first; i < ix->n; i++)
		files[i - first] = &ix->files[i];

	range = ix->files[ix->n - 1].h.range;
	range.from_gen = ix->files[first].h.range.from_gen;
	range.from_digest = ix->files[first].h.range.from_digest;
	c.dead = o->dead;
	c.ctx = o->ctx;
	rc = index_combine(ix->d, files, ix->n - first, &range, &c, name, e);
	free(files);
	if (rc != BC_OK)
		return rc;
	unlink_old(ix, first, name);
	if (did != NULL)
		*did = true;
	return BC_OK;
}
