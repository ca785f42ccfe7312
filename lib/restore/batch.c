/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/batch.h"

#include <stdlib.h>

#include "io/io.h"
#include "util/arith.h"

enum bc_err batch_new(uint32_t cap, struct batch **out, struct err *e)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b != NULL) {
		b->cap = cap;
		b->refs = malloc(cap * sizeof(*b->refs));
		b->order = malloc(cap * sizeof(*b->order));
		b->sorted = malloc(cap * sizeof(struct ref *));
		b->jobs = malloc(cap * sizeof(*b->jobs));
	}
	if (b == NULL || b->refs == NULL || b->order == NULL ||
	    b->sorted == NULL || b->jobs == NULL) {
		batch_free(b);
		return err_set(e, BC_ENOMEM, "no memory for a batch");
	}
	*out = b;
	return BC_OK;
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	free(b->refs);
	free(b->order);
	free(b->sorted);
	free(b->jobs);
	free(b);
}

void batch_clear(struct batch *b)
{
	b->n = 0;
	b->n_jobs = 0;
	b->claimed = 0;
	b->next = NULL;
}

struct ref *batch_add(struct batch *b)
{
	if (b->n == b->cap)
		return NULL;
	memset(&b->refs[b->n], 0, sizeof(b->refs[b->n]));
	return &b->refs[b->n++];
}

static int cmp_order(const void *pa, const void *pb)
{
	const struct order *a = pa, *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* One chunk in several places: in the order of the walk. */
	return a->at < b->at ? -1 : a->at > b->at;
}

static uint64_t block_end(const struct ref *r)
{
	return (uint64_t)r->block.offset + BLOCK_HEAD_BYTES + r->block.stored;
}

/* May `r` join the job that ends at `end`? */
static bool joins(const struct job *j, uint64_t end, const struct ref *r,
		  const struct ref *last)
{
	if (r->pack != j->pack)
		return false;
	/* A block is decoded once, unless half the tree is one chunk. */
	if (r->pack != 0 && r->block.offset == last->block.offset)
		return j->n < JOB_REFS_MAX;
	if (j->n >= JOB_REFS)
		return false;
	return r->pack == 0 || (r->block.offset <= end + JOB_GAP_BYTES &&
				block_end(r) - j->from <= JOB_BYTES);
}

void batch_plan(struct batch *b)
{
	struct job *j = NULL;
	uint64_t end = 0;

	for (uint32_t i = 0; i < b->n; i++)
		b->order[i] = (struct order){ (uint64_t)b->refs[i].pack << 32 |
						      b->refs[i].block.offset,
					      b->refs[i].start, i };
	qsort(b->order, b->n, sizeof(*b->order), cmp_order);
	for (uint32_t i = 0; i < b->n; i++) {
		struct ref *r = &b->refs[b->order[i].at];

		b->sorted[i] = r;
		if (j == NULL || !joins(j, end, r, b->sorted[i - 1])) {
			j = &b->jobs[b->n_jobs++];
			*j = (struct job){ .pack = r->pack, .first = i };
			j->from = round_down(r->block.offset, IO_ALIGN);
			end = 0;
		}
		j->n++;
		end = max_u64(end, block_end(r));
		if (r->pack != 0)
			j->bytes = (uint32_t)round_up(end - j->from, IO_ALIGN);
	}
	atomic_store(&b->left, b->n_jobs);
}

/* ---- places ---------------------------------------------------------------
 */

void locator_init(struct locator *l, struct repo *r)
{
	*l = (struct locator){ .r = r };
}

void locator_fini(struct locator *l)
{
	if (l->r != NULL)
		chunk_place_put(l->r, &l->last);
}

/* Chunks that were stored one after the other are wanted that way: the index
 * is asked at the breaks only. */
static bool follows(struct locator *l, const struct digest *id)
{
	const struct pack_dir *d = l->last.ref.dir;

	if (d == NULL || l->last.chunk + 1 >= d->n_chunks ||
	    !digest_eq(&d->ids[l->last.chunk + 1], id))
		return false;
	l->last.chunk++;
	l->last.block = d->block_of[l->last.chunk];
	return true;
}

enum bc_err locator_find(struct locator *l, struct ref *ref, struct err *e)
{
	if (!follows(l, &ref->id)) {
		struct chunk_place p;
		enum bc_err rc = repo_locate(l->r, &ref->id, &p, e);

		if (rc == BC_ENOTFOUND)
			return err_set(e, BC_EDAMAGE,
				       "a chunk is missing in the repository");
		if (rc != BC_OK)
			return rc;
		chunk_place_put(l->r, &l->last);
		l->last = p;
	}
	if (l->last.ref.dir->lengths[l->last.chunk] != ref->length)
		return err_set(e, BC_EDAMAGE,
			       "a chunk is not as long as its file says");
	ref->pack = l->last.ref.pack.number;
	ref->block = l->last.ref.dir->blocks[l->last.block];
	ref->start = l->last.ref.dir->starts[l->last.chunk];
	return BC_OK;
}
