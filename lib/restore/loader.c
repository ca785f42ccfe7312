/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/loader.h"

#include <errno.h>
#include <stdlib.h>

#include "codec/zstd.h"
#include "pack/open.h"
#include "repo/dirs.h"
#include "util/arith.h"

struct loader_got {
	const uint8_t *p; /* NULL: not to be had from here */
	uint32_t hash;	  /* its place in digests */
};

/* ---- begin and end --------------------------------------------------------
 */

size_t loader_memory(size_t block_max)
{
	return LOADER_SLOTS * max_size(JOB_BYTES, block_max) +
	       LOADER_GROUP_BYTES + 2 * block_max + (1 << 20);
}

enum bc_err loader_init(struct loader *l, struct repo *r, struct packs *packs,
			const struct loader_calls *calls, struct err *e)
{
	enum bc_err rc;

	memset(l, 0, sizeof(*l));
	l->r = r;
	l->packs = packs;
	l->calls = *calls;
	rc = io_queue_new(repo_io(r), LOADER_SLOTS, &l->queue, e);
	if (rc == BC_OK)
		rc = codec_dec_new(&l->dec, e);
	if (rc != BC_OK)
		loader_fini(l);
	return rc;
}

void loader_fini(struct loader *l)
{
	io_queue_free(l->queue);
	codec_dec_free(l->dec);
	chunk_reader_free(l->again);
	for (int i = 0; i < LOADER_SLOTS; i++)
		free(l->slot[i].buf);
	free(l->plain);
	free(l->got);
	free(l->hashes);
	free(l->digests);
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
	s->pack = packs_get(l->packs, j->pack);
	if (s->pack == NULL)
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

/* The plain bytes of r's block: in the read itself if it is stored raw, else
 * decoded to `to`. NULL if it is not whole. */
static const uint8_t *open_block(struct loader *l, const struct loader_slot *s,
				 const struct ref *r, uint8_t *to)
{
	uint64_t at = r->block.offset - s->job->from;
	struct bytes plain;

	if (at > s->req.done ||
	    block_open_in(&r->block,
			  bytes_of(s->buf + at, s->req.done - (size_t)at),
			  l->dec, to, &plain, NULL) != BC_OK)
		return NULL;
	return plain.p;
}

static bool same_block(const struct ref *a, const struct ref *b)
{
	return a->block.offset ==
	       b->block.offset; /* of one job, hence of one pack */
}

/* Room for n references. */
static bool reserve(struct loader *l, size_t n)
{
	if (n <= l->cap)
		return true;
	free(l->got);
	free(l->hashes);
	free(l->digests);
	l->cap = max_size(n, JOB_REFS + BLOCK_CHUNKS_MAX);
	l->got = malloc(l->cap * sizeof(*l->got));
	l->hashes = malloc(l->cap * sizeof(*l->hashes));
	l->digests = malloc(l->cap * sizeof(*l->digests));
	if (l->got != NULL && l->hashes != NULL && l->digests != NULL)
		return true;
	l->cap = 0;
	return false;
}

/* Open blocks from v[0] on until they fill a group, and hash their chunks, a
 * chunk with several references once. Returns how many references. */
static size_t load_group(struct loader *l, const struct loader_slot *s,
			 struct ref *const *v, size_t n)
{
	size_t used = 0, hashes = 0, i = 0;

	while (i < n) {
		const struct ref *b = v[i];
		const uint8_t *p = NULL;

		if (used > 0 && used + b->block.plain > LOADER_GROUP_BYTES)
			break;
		if (grow(&l->plain, &l->plain_cap,
			 max_size(used + b->block.plain, LOADER_GROUP_BYTES)))
			p = open_block(l, s, b, l->plain + used);
		used += b->block.plain;
		for (; i < n && same_block(b, v[i]); i++) {
			struct loader_got *g = &l->got[i];

			g->p = NULL;
			if (p == NULL ||
			    v[i]->length > b->block.plain - v[i]->start)
				continue;
			g->p = p + v[i]->start;
			if (i > 0 && g[-1].p == g->p &&
			    v[i - 1]->length == v[i]->length) {
				g->hash = g[-1].hash;
				continue;
			}
			g->hash = (uint32_t)hashes++;
			l->hashes[g->hash].msg =
				bytes_of(g->p, (size_t)v[i]->length);
			l->hashes[g->hash].out = &l->digests[g->hash];
		}
	}
	sha256_many(l->hashes, hashes);
	for (size_t k = 0; k < i; k++)
		if (l->got[k].p != NULL &&
		    !digest_eq(&l->digests[l->got[k].hash], &v[k]->id))
			l->got[k].p = NULL;
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
	enum bc_err rc = c == NULL ? e.code : chunk_read(c, &r->id, &b, &e);

	if (rc == BC_OK && b.n != r->length)
		rc = err_set(&e, BC_EDAMAGE,
			     "a chunk is not as long as its file says");
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
	packs_put(l->packs, s->pack);
	s->pack = NULL;
	do_job(l, s);
	l->head = (l->head + 1) % LOADER_SLOTS;
	l->busy--;
	return s->batch;
}
