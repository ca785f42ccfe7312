/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/ranges.h"

#include <stdlib.h>

#include "io/queue.h"
#include "pack/sums.h"
#include "pack/verifier.h"
#include "repo/chunks.h"
#include "tree/content_reader.h"
#include "restore/lists.h"
#include "repo/pack_files.h"
#include "util/arith.h"

enum {
	PACKS_OPEN = 32,       /* random reads come back to a pack */
	FETCH_BYTES = 1 << 20, /* neighbours are read together up to this */
	OPEN_BYTES = 1 << 20,  /* plain bytes decoded before they are hashed */
	OPEN_CHUNKS = 256,
	FETCHES = 4, /* requests of a read, about */
};

_Static_assert(IO_ALIGN % SUM_BYTES == 0, "a direct read brings whole parts");

/* One request of a read. */
struct fetch {
	struct io_req req;
	struct pack_file *pack; /* NULL: cannot be opened */
	uint32_t number;
	size_t at; /* in the slot's buffer */
};

/* What is wanted of one chunk. */
struct part {
	struct chunk_place place; /* ref.dir NULL: not found */
	struct digest id;
	uint64_t length;  /* of the chunk, as the file says */
	uint64_t from;	  /* in it */
	size_t to, n;	  /* in what is given */
	uint64_t file_at; /* where the bytes, or the whole block, begin */
	uint32_t fetch;
	bool summed; /* verified by checksums of parts */
};

struct slot {
	struct range_read *read;
	struct part *parts;
	struct fetch *fetches;
	uint32_t n_parts, cap_parts, n_fetches, cap_fetches;
	uint8_t *buf;
	size_t cap;
	unsigned waits; /* requests in flight */
	struct slot *next;
};

/* A chunk of a block that is open, not verified yet. */
struct opened {
	struct slot *slot;
	const struct part *part;
};

struct ranges {
	struct repo *repo;
	struct pack_files packs;
	struct chunk_reader *chunks;
	struct io_queue *queue;
	unsigned queue_depth;
	struct lists lists;
	struct content_reader content;
	struct slot *slots, *free;
	struct slot *ready; /* their requests are back */
	struct range_read *done, **done_end;
	unsigned depth, busy; /* reads not taken */

	/* Blocks opened together; whose their chunks are, in order. */
	struct verifier verifier;
	struct opened opened[OPEN_CHUNKS];
};

/* ---- begin and end --------------------------------------------------------
 */

enum bc_err ranges_new(struct repo *r, unsigned depth, struct ranges **out,
		       struct err *e)
{
	struct ranges *g = calloc(1, sizeof(*g));
	struct node_source source;
	enum bc_err rc;

	if (g == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a reader");
	g->repo = r;
	g->depth = depth;
	g->queue_depth =
		(unsigned)min_size((size_t)depth * FETCHES, IO_QUEUE_MAX_DEPTH);
	g->done_end = &g->done;
	pack_files_init(&g->packs, r, true, PACKS_OPEN);
	source = lists_init(&g->lists);
	content_reader_init(&g->content, &source);
	g->slots = calloc(depth, sizeof(*g->slots));
	rc = g->slots == NULL ? err_set(e, BC_ENOMEM, "no memory for reads")
			      : BC_OK;
	for (unsigned i = 0; rc == BC_OK && i < depth; i++) {
		g->slots[i].next = g->free;
		g->free = &g->slots[i];
	}
	if (rc == BC_OK)
		rc = chunk_reader_new(r, &g->chunks, e);
	g->lists.chunks = g->chunks;
	if (rc == BC_OK)
		rc = verifier_init(&g->verifier, OPEN_BYTES, false, e);
	if (rc == BC_OK)
		rc = io_queue_new(repo_io(r), g->queue_depth, &g->queue, e);
	if (rc != BC_OK) {
		ranges_free(g);
		return rc;
	}
	*out = g;
	return BC_OK;
}

static void release(struct ranges *g, struct slot *s)
{
	for (uint32_t i = 0; i < s->n_parts; i++)
		chunk_place_put(g->repo, &s->parts[i].place);
	for (uint32_t i = 0; i < s->n_fetches; i++)
		pack_files_put(&g->packs, s->fetches[i].pack);
	s->n_parts = s->n_fetches = 0;
}

void ranges_free(struct ranges *g)
{
	if (g == NULL)
		return;
	/* First: requests may still be reading into the buffers. */
	io_queue_free(g->queue);
	for (unsigned i = 0; g->slots != NULL && i < g->depth; i++) {
		struct slot *s = &g->slots[i];

		release(g, s);
		free(s->parts);
		free(s->fetches);
		free(s->buf);
	}
	free(g->slots);
	lists_fini(&g->lists);
	content_reader_fini(&g->content);
	verifier_fini(&g->verifier);
	chunk_reader_free(g->chunks);
	pack_files_fini(&g->packs);
	free(g);
}

static void fail(struct slot *s, size_t at, const struct err *why)
{
	struct range_read *r = s->read;

	if (r->failed.code != BC_OK && at >= r->done)
		return;
	r->done = at;
	r->failed = *why;
}

/* ---- planning -------------------------------------------------------------
 */

static enum bc_err no_memory(struct err *e)
{
	return err_set(e, BC_ENOMEM, "no memory for a read");
}

/* The array, with room for one more than n; NULL leaves it as it is. */
static void *room(void *v, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap == 0 ? FETCHES : *cap * 2;
	void *p = v;

	if (n < *cap)
		return v;
	p = realloc(v, want * size);
	if (p != NULL)
		*cap = want;
	return p;
}

/* Have [from, to) of the pack read, with what is read before it if they touch
 * each other. */
static enum bc_err plan_fetch(struct ranges *g, struct slot *s, struct part *p,
			      uint64_t to, struct err *e)
{
	uint64_t lo = round_down(p->file_at, IO_ALIGN);
	uint64_t hi = round_up(to, IO_ALIGN);
	struct fetch *f;

	if (s->n_fetches > 0) {
		f = &s->fetches[s->n_fetches - 1];
		p->fetch = s->n_fetches - 1;
		if (f->number == p->place.ref.pack.number && lo >= f->req.off &&
		    lo <= f->req.off + f->req.len &&
		    (hi <= f->req.off + f->req.len ||
		     hi - f->req.off <= FETCH_BYTES)) {
			f->req.len =
				max_size(f->req.len, (size_t)(hi - f->req.off));
			return BC_OK;
		}
	}
	f = room(s->fetches, s->n_fetches, &s->cap_fetches, sizeof(*f));
	if (f == NULL)
		return no_memory(e);
	s->fetches = f;
	p->fetch = s->n_fetches;
	f = &s->fetches[s->n_fetches++];
	*f = (struct fetch){ .number = p->place.ref.pack.number,
			     .req = { .op = IO_REQ_READ,
				      .off = lo,
				      .len = (size_t)(hi - lo),
				      .user = s } };
	(void)!pack_files_get(&g->packs, f->number, &f->pack, NULL);
	return BC_OK;
}

static enum bc_err plan_chunk(struct ranges *g, struct slot *s, struct part *p,
			      struct err *e)
{
	const struct pack_dir *d;
	const struct dir_block *b;
	uint64_t to;

	/* What is not to be found comes out when it is read by its id. */
	if (repo_locate(g->repo, &p->id, &p->place, NULL) != BC_OK)
		return BC_OK;
	d = p->place.ref.dir;
	b = &d->blocks[p->place.block];
	if (d->lengths[p->place.chunk] != p->length)
		return err_set(e, BC_EDAMAGE,
			       "a chunk is not as long as its file says");
	p->summed = !s->read->by_id && sums_have(d, p->place.block);
	p->file_at = b->offset;
	to = p->file_at + BLOCK_HEAD_BYTES + b->stored;
	if (p->summed) {
		p->file_at +=
			BLOCK_HEAD_BYTES + d->starts[p->place.chunk] + p->from;
		to = p->file_at + p->n;
	}
	return plan_fetch(g, s, p, to, e);
}

/* The next run of the content; zeros are given at once. */
static enum bc_err plan_run(struct ranges *g, struct slot *s,
			    const struct content_run *run, struct err *e)
{
	struct range_read *r = s->read;
	uint64_t from = max_u64(run->offset, r->offset);
	uint64_t to = min_u64(run->offset + run->length, r->offset + r->len);
	size_t n = (size_t)(to - from);
	struct part *p;
	enum bc_err rc;

	if (run->what != CONTENT_CHUNK) {
		memset(r->out + r->done, 0, n);
		r->done += n;
		return BC_OK;
	}
	p = room(s->parts, s->n_parts, &s->cap_parts, sizeof(*p));
	if (p == NULL)
		return no_memory(e);
	s->parts = p;
	p += s->n_parts;
	*p = (struct part){ .id = run->id,
			    .length = run->length,
			    .from = from - run->offset,
			    .to = r->done,
			    .n = n };
	rc = plan_chunk(g, s, p, e);
	if (rc != BC_OK) {
		chunk_place_put(g->repo, &p->place);
		return rc;
	}
	s->n_parts++;
	r->done += n;
	return BC_OK;
}

static enum bc_err plan(struct ranges *g, struct slot *s, struct err *e)
{
	struct range_read *r = s->read;
	uint64_t end;
	enum bc_err rc;

	r->done = 0;
	if (r->offset >= r->content->size)
		return BC_OK;
	end = r->offset + min_u64(r->len, r->content->size - r->offset);
	content_reader_open(&g->content, r->content);
	rc = content_reader_seek(&g->content, r->offset, e);
	while (rc == BC_OK && r->offset + r->done < end) {
		struct content_run run;

		rc = content_reader_next(&g->content, &run, e);
		if (rc == BC_OK)
			rc = plan_run(g, s, &run, e);
	}
	return rc;
}

/* ---- in flight ------------------------------------------------------------
 */

/* Those whose last request that was are ready. */
static enum bc_err reap(struct ranges *g, struct err *e)
{
	enum bc_err rc = io_queue_wait(g->queue, 1, e);
	struct io_req *req;

	while (rc == BC_OK && (req = io_queue_take(g->queue)) != NULL) {
		struct slot *s = req->user;

		if (req->sys != 0)
			req->done = 0;
		if (--s->waits == 0) {
			s->next = g->ready;
			g->ready = s;
		}
	}
	return rc;
}

static enum bc_err send(struct ranges *g, struct slot *s, struct err *e)
{
	size_t bytes = 0;
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < s->n_fetches; i++) {
		s->fetches[i].at = bytes;
		bytes += s->fetches[i].req.len;
	}
	if (bytes > s->cap) {
		free(s->buf);
		s->cap = 0;
		s->buf = aligned_alloc(IO_ALIGN, bytes);
		if (s->buf != NULL)
			s->cap = bytes;
	}
	/* Held here, so that it is not ready before all are submitted. */
	s->waits = 1;
	for (uint32_t i = 0; rc == BC_OK && i < s->n_fetches; i++) {
		struct fetch *f = &s->fetches[i];

		if (f->pack == NULL || bytes > s->cap)
			continue;
		f->req.file = f->pack->file;
		f->req.buf = s->buf + f->at;
		while (rc == BC_OK &&
		       io_queue_count(g->queue) == g->queue_depth)
			rc = reap(g, e);
		if (rc == BC_OK)
			rc = io_queue_submit(g->queue, &f->req, e);
		if (rc == BC_OK)
			s->waits++;
	}
	if (--s->waits == 0) {
		s->next = g->ready;
		g->ready = s;
	}
	return rc;
}

enum bc_err ranges_submit(struct ranges *g, struct range_read *r, struct err *e)
{
	struct err why = ERR_INIT;
	struct slot *s = g->free;

	if (g->busy == g->depth || s == NULL)
		return err_set(e, BC_EFULL, "too many reads in flight");
	if (r->len > RANGE_MAX_BYTES)
		return err_set(e, BC_EINVAL, "too many bytes for one read");
	g->free = s->next;
	g->busy++;
	s->read = r;
	err_clear(&r->failed);
	/* What was planned before a failure is read all the same. */
	if (plan(g, s, &why) != BC_OK)
		fail(s, r->done, &why);
	return send(g, s, e);
}

/* ---- what came back -------------------------------------------------------
 */

static void give(const struct slot *s, const struct part *p,
		 const uint8_t *bytes)
{
	memcpy(s->read->out + p->to, bytes, p->n);
}

/* By its id, from wherever there is a copy. */
static void read_again(struct ranges *g, struct slot *s, const struct part *p)
{
	struct err why = ERR_INIT;
	struct bytes b;
	enum bc_err rc =
		chunk_read_sized(g->chunks, &p->id, p->length, &b, &why);

	if (rc == BC_OK)
		give(s, p, b.p + p->from);
	else
		fail(s, p->to, &why);
}

/*
 * Verify the chunks of the blocks that are open, and close these. Opening a
 * block has checked its CRC, which sends the reader away from most damage
 * before anything is digested; the digest stays the proof, as one damage in
 * 2^32 passes a CRC, and whoever asks for ids must not get less.
 */
static void close_blocks(struct ranges *g)
{
	verifier_run(&g->verifier);
	for (size_t i = 0; i < g->verifier.n; i++) {
		const struct opened *o = &g->opened[i];
		struct bytes chunk;

		if (verifier_take(&g->verifier, i, &chunk))
			give(o->slot, o->part, chunk.p + o->part->from);
		else
			read_again(g, o->slot, o->part);
	}
	verifier_clear(&g->verifier);
}

/*
 * The chunk of a block that was read whole. Several chunks of one block come
 * one after the other: `plain` is that of `before`, if it is still open.
 */
static bool open_chunk(struct ranges *g, struct slot *s, const struct part *p,
		       struct bytes raw, const struct part *before,
		       struct bytes *plain)
{
	const struct pack_dir *d = p->place.ref.dir;
	const struct dir_block *b = &d->blocks[p->place.block];
	struct verifier *v = &g->verifier;
	bool same = before != NULL && v->n > 0 && v->n < OPEN_CHUNKS &&
		    before->place.ref.pack.number == p->place.ref.pack.number &&
		    before->file_at == p->file_at;

	if (!same) {
		if (v->n == OPEN_CHUNKS || !verifier_fits(v, b))
			close_blocks(g);
		if (verifier_open(v, b, raw, plain, NULL) != BC_OK)
			return false;
	}
	if (verifier_add(v, *plain, d->starts[p->place.chunk], p->length,
			 &p->id, NULL) != BC_OK)
		return false;
	g->opened[v->n - 1] = (struct opened){ s, p };
	return true;
}

static bool check_sums(struct slot *s, const struct part *p,
		       const struct fetch *f)
{
	const uint8_t *raw = s->buf + f->at;
	uint64_t lo = round_down(p->file_at, SUM_BYTES);
	uint64_t hi = round_up(p->file_at + p->n, SUM_BYTES);

	if (hi - f->req.off > f->req.done ||
	    !sums_match(p->place.ref.dir, p->place.block, lo,
			bytes_of(raw + (lo - f->req.off), (size_t)(hi - lo))))
		return false;
	give(s, p, raw + (p->file_at - f->req.off));
	return true;
}

static void open_parts(struct ranges *g, struct slot *s)
{
	const struct part *before = NULL;
	struct bytes plain = { NULL, 0 };

	for (uint32_t i = 0; i < s->n_parts; i++) {
		const struct part *p = &s->parts[i];
		const struct fetch *f;
		uint64_t at;
		bool good = false;

		f = p->place.ref.dir == NULL || p->fetch >= s->n_fetches
			    ? NULL
			    : &s->fetches[p->fetch];
		if (f != NULL && p->summed) {
			good = check_sums(s, p, f);
		} else if (f != NULL && p->file_at - f->req.off < f->req.done) {
			at = p->file_at - f->req.off;
			good = open_chunk(g, s, p,
					  bytes_of(s->buf + f->at + at,
						   f->req.done - (size_t)at),
					  before, &plain);
			before = good ? p : NULL;
		}
		if (!good)
			read_again(g, s, p);
	}
}

/* All that came back together is verified together: in lanes. */
static void finish(struct ranges *g)
{
	struct slot *v = g->ready, *s;

	g->ready = NULL;
	for (s = v; s != NULL; s = s->next)
		open_parts(g, s);
	close_blocks(g);
	while ((s = v) != NULL) {
		v = s->next;
		release(g, s);
		s->read->next = NULL;
		*g->done_end = s->read;
		g->done_end = &s->read->next;
		s->next = g->free;
		g->free = s;
	}
}

enum bc_err ranges_wait(struct ranges *g, struct err *e)
{
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && g->ready == NULL && g->done == NULL &&
	       g->busy > 0)
		rc = reap(g, e);
	if (rc == BC_OK)
		finish(g);
	return rc;
}

struct range_read *ranges_take(struct ranges *g)
{
	struct range_read *r = g->done;

	if (r == NULL)
		return NULL;
	g->done = r->next;
	if (g->done == NULL)
		g->done_end = &g->done;
	g->busy--;
	return r;
}

enum bc_err range_check(const struct range_read *r, struct err *e)
{
	if (r->failed.code != BC_OK && e != NULL)
		*e = r->failed;
	return r->failed.code;
}
