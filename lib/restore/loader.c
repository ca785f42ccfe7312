/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/loader.h"

#include <errno.h>
#include <stdlib.h>

#include "util/arith.h"

struct loader_got {
	const uint8_t *p; /* NULL: not to be had from here */
	size_t chunk;	  /* of the verifier's */
};

/* ---- begin and end --------------------------------------------------------
 */

size_t loader_memory(size_t block_max)
{
	return LOADER_SLOTS * max_size(JOB_BYTES, block_max) +
	       LOADER_GROUP_BYTES + 2 * block_max + (1 << 20);
}

enum bc_err loader_init(struct loader *l, struct repo *r,
			struct pack_files *packs,
			const struct loader_calls *calls, struct err *e)
{
	enum bc_err rc;

	memset(l, 0, sizeof(*l));
	l->r = r;
	l->packs = packs;
	l->calls = *calls;
	rc = io_queue_new(repo_io(r), LOADER_SLOTS, &l->queue, e);
	if (rc == BC_OK)
		rc = verifier_init(&l->verifier, LOADER_GROUP_BYTES, false, e);
	if (rc != BC_OK)
		loader_fini(l);
	return rc;
}

void loader_fini(struct loader *l)
{
	io_queue_free(l->queue);
	verifier_fini(&l->verifier);
	chunk_reader_free(l->again);
	for (int i = 0; i < LOADER_SLOTS; i++)
		free(l->slot[i].buf);
	free(l->got);
	memset(l, 0, sizeof(*l));
}

struct chunk_reader *loader_reader(struct loader *l, struct err *e)
{
	if (l->again == NULL && chunk_reader_new(l->r, &l->again, e) != BC_OK)
		return NULL;
	return l->again;
}

/* ---- reading --------------------------------------------------------------
 */

static bool grow(uint8_t **p, size_t *cap, size_t want)
{
	uint8_t *q;

	if (*cap >= want)
		return true;
	q = aligned_alloc(IO_ALIGN, round_up(want, IO_ALIGN));
	if (q == NULL)
		return false;
	free(*p);
	*p = q;
	*cap = want;
	return true;
}

void loader_start(struct loader *l, struct batch *b, const struct job *j)
{
	struct loader_slot *s = &l->slot[(l->head + l->busy++) % LOADER_SLOTS];

	s->batch = b;
	s->job = j;
	s->pack = NULL;
	s->waits = false;
	s->req.done = 0;
	if (j->pack == 0 || l->calls.dead(l->calls.ctx) ||
	    !grow(&s->buf, &s->cap, max_size(j->bytes, JOB_BYTES)))
		return;
	/* Why not comes out when its chunks are read one by one. */
	if (pack_files_get(l->packs, j->pack, &s->pack, NULL) != BC_OK)
		return;
	s->req = (struct io_req){ .op = IO_REQ_READ,
				  .file = s->pack->file,
				  .buf = s->buf,
				  .len = j->bytes,
				  .off = j->from,
				  .user = s };
	s->waits = io_queue_submit(l->queue, &s->req, NULL) == BC_OK;
	if (s->waits)
		(void)!io_queue_start(l->queue, NULL);
}

static void await(struct loader *l, struct loader_slot *s)
{
	struct io_req *r;

	while (s->waits) {
		if (io_queue_wait(l->queue, 1, NULL) != BC_OK) {
			/* The ring is gone, and the buffer with it until the
			 * queue is: leave both, read through the reader. */
			s->buf = NULL;
			s->cap = 0;
			s->req.done = 0;
			s->waits = false;
			return;
		}
		while ((r = io_queue_take(l->queue)) != NULL) {
			struct loader_slot *k = r->user;

			k->waits = false;
			if (r->sys != 0)
				r->done = 0;
		}
	}
}

/* ---- blocks ---------------------------------------------------------------
 */

/* False if the block is not whole. */
static bool open_block(struct loader *l, const struct loader_slot *s,
		       const struct dir_block *b, struct bytes *plain)
{
	uint64_t at = b->offset - s->job->from;

	return at <= s->req.done &&
	       verifier_open(&l->verifier, b,
			     bytes_of(s->buf + at, s->req.done - (size_t)at),
			     plain, NULL) == BC_OK;
}

/* Of one job, hence of one pack. */
static bool same_block(const struct ref *a, const struct ref *b)
{
	return a->block.offset == b->block.offset;
}

static bool same_chunk(const struct ref *a, const struct ref *b)
{
	return same_block(a, b) && a->start == b->start &&
	       a->length == b->length && digest_eq(&a->id, &b->id);
}

/* Room for n references. */
static bool reserve(struct loader *l, size_t n)
{
	if (n <= l->cap)
		return true;
	free(l->got);
	l->cap = max_size(n, JOB_REFS + BLOCK_CHUNKS_MAX);
	l->got = malloc(l->cap * sizeof(*l->got));
	if (l->got == NULL)
		l->cap = 0;
	return l->cap > 0;
}

/* Open blocks from v[0] on until they fill a group, and verify their chunks, a
 * chunk with several references once. Returns how many references. */
static size_t load_group(struct loader *l, const struct loader_slot *s,
			 struct ref *const *v, size_t n)
{
	size_t bytes = 0, i = 0;

	verifier_clear(&l->verifier);
	while (i < n) {
		const struct ref *b = v[i];
		struct bytes plain;
		bool whole;

		if (bytes > 0 && bytes + b->block.plain > LOADER_GROUP_BYTES)
			break;
		bytes += b->block.plain;
		whole = open_block(l, s, &b->block, &plain);
		for (; i < n && same_block(b, v[i]); i++) {
			struct loader_got *g = &l->got[i];

			if (i > 0 && same_chunk(v[i - 1], v[i])) {
				*g = g[-1];
				continue;
			}
			g->p = NULL;
			if (!whole || verifier_add(&l->verifier, plain,
						   v[i]->start, v[i]->length,
						   &v[i]->id, NULL) != BC_OK)
				continue;
			g->p = plain.p + v[i]->start;
			g->chunk = l->verifier.n - 1;
		}
	}
	verifier_run(&l->verifier);
	for (size_t k = 0; k < i; k++) {
		struct loader_got *g = &l->got[k];
		struct bytes chunk;

		if (g->p != NULL &&
		    !verifier_take(&l->verifier, g->chunk, &chunk))
			g->p = NULL;
	}
	return i;
}

/* ---- handing over ---------------------------------------------------------
 */

/* From any other place; chunk_read() says what is wrong with the first. */
static void try_again(struct loader *l, struct ref *r)
{
	struct err e = ERR_INIT;
	struct bytes b = { NULL, 0 };
	struct chunk_reader *c = loader_reader(l, &e);
	enum bc_err rc =
		c == NULL ? e.code
			  : chunk_read_sized(c, &r->id, r->length, &b, &e);

	if (rc == BC_OK)
		l->calls.land(l->calls.ctx, &r, 1, b);
	else
		l->calls.fail(l->calls.ctx, r, &e);
}

static void give_group(struct loader *l, struct ref *const *v, size_t n)
{
	for (size_t i = 0, k; i < n; i = k) {
		const uint8_t *p = l->got[i].p;
		size_t bytes = (size_t)v[i]->length;

		k = i + 1;
		if (p == NULL) {
			try_again(l, v[i]);
			continue;
		}
		while (k < n && l->got[k].p == p + bytes &&
		       v[k]->owner == v[i]->owner &&
		       v[k]->offset == v[i]->offset + bytes)
			bytes += (size_t)v[k++]->length;
		l->calls.land(l->calls.ctx, v + i, k - i, bytes_of(p, bytes));
	}
}

static void do_job(struct loader *l, const struct loader_slot *s)
{
	struct ref *const *v = s->batch->sorted + s->job->first;
	size_t n = s->job->n, i = 0;
	struct err dead = { .code = BC_ECANCEL };
	bool room = s->job->pack == 0 || reserve(l, n);

	while (i < n) {
		if (l->calls.dead(l->calls.ctx)) {
			l->calls.fail(l->calls.ctx, v[i++], &dead);
		} else if (s->job->pack == 0) {
			l->calls.land(l->calls.ctx, v + i++, 1,
				      bytes_of(NULL, 0));
		} else if (!room || s->req.done == 0) {
			try_again(l, v[i++]);
		} else {
			size_t got = load_group(l, s, v + i, n - i);

			give_group(l, v + i, got);
			i += got;
		}
	}
}

struct batch *loader_finish(struct loader *l)
{
	struct loader_slot *s = &l->slot[l->head];

	await(l, s);
	pack_files_put(l->packs, s->pack);
	s->pack = NULL;
	do_job(l, s);
	l->head = (l->head + 1) % LOADER_SLOTS;
	l->busy--;
	return s->batch;
}
