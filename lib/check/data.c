/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every block of every pack: read in the order of the file, its checksum, its
 * bytes decoded, and the id of each chunk in it. A thread takes one pack after
 * the other. Ids are computed for many chunks at once, which the hash wants.
 */
#include <stdlib.h>

#include "check/internal.h"
#include "check/stream.h"
#include "pack/sums.h"
#include "pack/verifier.h"
#include "repo/dir_load.h"
#include "util/arith.h"

enum {
	/* Plain bytes and chunks hashed together. */
	BATCH_BYTES = 4 << 20,
	BATCH_CHUNKS = 1024,
	THREADS_MAX = 64,
};

/* ---- one thread -----------------------------------------------------------
 */

struct data_check {
	struct check *c;
	const struct pack_numbers *v;
	atomic_size_t next; /* of v */
	atomic_ullong bytes;
	pthread_mutex_t lock;
	struct err failed; /* the first failure of any thread */
	atomic_bool over;
};

/* A chunk that is being verified. */
struct pending {
	uint32_t slot;
	uint64_t offset; /* of its block */
};

struct reader {
	struct data_check *d;
	struct stream stream;
	struct verifier verifier;
	struct pending *pending; /* of the verifier's chunks */
	uint32_t number;
	struct check_at at;
	unsigned held;
	bool whole; /* every block was read, well or not */
};

static enum bc_err mark_bad(struct reader *r, uint32_t slot, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->d->c->lock);
	rc = marks_set(&r->d->c->bad, r->number, slot);
	pthread_mutex_unlock(&r->d->c->lock);
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for marks");
}

/* Some chunks of a block are damaged: told when it is known what that means,
 * the first blocks of a file one by one. */
static void hold(struct reader *r, uint32_t slot, uint32_t n, uint64_t offset,
		 const char *text)
{
	r->held++;
	check_hold_block(r->d->c, r->number, slot, n, offset,
			 r->held <= CHECK_TELL_MAX ? text : NULL);
}

/* Verify the chunks that have gathered. */
static enum bc_err flush(struct reader *r, struct err *e)
{
	enum bc_err rc = BC_OK;
	uint64_t told = UINT64_MAX;

	verifier_run(&r->verifier);
	for (size_t i = 0; i < r->verifier.n && rc == BC_OK; i++) {
		const struct pending *p = &r->pending[i];
		struct bytes chunk;

		if (verifier_take(&r->verifier, i, &chunk))
			continue;
		hold(r, p->slot, 1, p->offset,
		     p->offset == told ? NULL
				       : "the block is whole, but chunks in "
					 "it are not what they were");
		told = p->offset;
		rc = mark_bad(r, p->slot, e);
	}
	verifier_clear(&r->verifier);
	return rc;
}

static enum bc_err lose_block(struct reader *r, const struct pack_dir *d,
			      uint32_t first, const struct dir_block *b,
			      const struct err *why, struct err *e)
{
	struct check *c = r->d->c;
	bool told;
	enum bc_err rc = BC_OK;

	/* A block of the log may have been told with the chain. */
	pthread_mutex_lock(&c->lock);
	told = marks_get(&c->bad, r->number, d->base_slot + first);
	pthread_mutex_unlock(&c->lock);
	if (!told)
		hold(r, d->base_slot + first, b->chunks, b->offset, why->text);
	for (uint32_t i = 0; i < b->chunks && rc == BC_OK; i++)
		rc = mark_bad(r, d->base_slot + first + i, e);
	return rc;
}

static enum bc_err check_block(struct reader *r, const struct pack_dir *d,
			       uint32_t first, const struct dir_block *b,
			       struct err *e)
{
	struct err why = ERR_INIT;
	struct bytes raw, plain;
	uint32_t ordinal = (uint32_t)(b - d->blocks);
	enum bc_err rc = BC_OK;
	bool known; /* what is there, be it nothing */

	if (!verifier_fits(&r->verifier, b) ||
	    (r->verifier.n > 0 && r->verifier.n + b->chunks > BATCH_CHUNKS))
		rc = flush(r, e);
	if (rc != BC_OK)
		return rc;
	rc = stream_get(&r->stream, b->offset,
			BLOCK_HEAD_BYTES + (size_t)b->stored, &raw, &why);
	known = rc == BC_OK || rc == BC_EIO || rc == BC_EDAMAGE;
	if (rc == BC_OK)
		rc = verifier_open(&r->verifier, b, raw, &plain, &why);
	if (!known || rc == BC_ENOMEM) {
		if (e != NULL)
			*e = why;
		return rc;
	}
	if (rc != BC_OK)
		return lose_block(r, d, first, b, &why, e);
	/* Its chunks may be right all the same: their ids will tell. */
	if (sums_have(d, ordinal) && !sums_match(d, ordinal, b->offset, raw))
		hold(r, d->base_slot + first, b->chunks, b->offset,
		     "the block is whole, but not what the directory says of "
		     "its parts");
	for (uint32_t i = first; i < first + b->chunks && rc == BC_OK; i++) {
		r->pending[r->verifier.n] =
			(struct pending){ d->base_slot + i, b->offset };
		rc = verifier_add(&r->verifier, plain, d->starts[i],
				  d->lengths[i], &d->ids[i], e);
	}
	return rc;
}

static bool over(struct reader *r, enum bc_err *rc, struct err *e)
{
	if (check_stopped(r->d->c, rc, e))
		return true;
	if (!atomic_load_explicit(&r->d->over, memory_order_relaxed))
		return false;
	*rc = err_set(e, BC_ECANCEL, "stopped");
	return true;
}

static enum bc_err check_dir(struct reader *r, const struct pack_dir *d,
			     struct err *e)
{
	uint32_t first = 0;
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < d->n_blocks && rc == BC_OK; i++) {
		const struct dir_block *b = &d->blocks[i];

		if (over(r, &rc, e))
			break;
		rc = check_block(r, d, first, b, e);
		first += b->chunks;
		atomic_fetch_add_explicit(&r->d->bytes,
					  BLOCK_HEAD_BYTES + b->stored,
					  memory_order_relaxed);
		check_step(r->d->c, BLOCK_HEAD_BYTES + (uint64_t)b->stored);
	}
	return rc == BC_OK ? flush(r, e) : rc;
}

/* A pack that cannot be read at all: told with the packs, if it could not be
 * then. */
static void lose_pack(struct reader *r, enum bc_err rc, const struct err *why)
{
	if (!check_holds_pack(r->d->c, r->number))
		check_hold_pack(r->d->c, r->number,
				rc == BC_ENOTFOUND ? "the file is missing"
						   : why->text);
}

/* A pack, or a log that is one by now. */
static enum bc_err check_sealed(struct reader *r, const struct pack_ref *p,
				struct io_file *f, struct err *e)
{
	struct pack_dir *d = NULL;
	struct digest digest;
	struct err why = ERR_INIT;
	enum bc_err rc = check_read_dir(r->d->c, f, p, &d, &digest, &why), end;

	if (rc == BC_EDAMAGE || rc == BC_EIO) {
		lose_pack(r, rc, &why);
		return BC_OK;
	}
	if (rc != BC_OK && e != NULL)
		*e = why;
	if (rc == BC_OK)
		rc = stream_begin(&r->stream, f, p->length, e);
	if (rc == BC_OK)
		rc = check_dir(r, d, e);
	r->whole = rc == BC_OK;
	end = stream_end(&r->stream, rc == BC_OK ? e : NULL);
	pack_dir_free(d);
	return rc == BC_OK ? end : rc;
}

/* Where the groups of a log begin, the last first. */
static enum bc_err list_groups(struct repo *repo, uint32_t number,
			       struct buf *out, struct err *e)
{
	uint16_t slot = CATALOG_SLOT_MAX;
	uint64_t at = 0;
	enum bc_err rc = BC_OK;
	bool more = true;

	pthread_mutex_lock(&repo->mutex);
	while (rc == BC_OK && more) {
		rc = catalog_find_group(repo->catalog, number, slot, &slot, &at,
					e);
		if (rc == BC_OK && buf_add(out, &at, sizeof(at)) != BC_OK)
			rc = err_set(e, BC_ENOMEM, "no memory for a list");
		more = slot-- > 0;
	}
	pthread_mutex_unlock(&repo->mutex);
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}

static enum bc_err check_groups(struct reader *r, const struct pack_ref *p,
				struct io_file *f, struct err *e)
{
	struct repo *repo = r->d->c->r;
	struct buf list = BUF_INIT(8 << 20);
	struct log_file *l = NULL;
	uint64_t end = 0, at;
	enum bc_err rc = io_file_size(f, &end, e), last;

	end = round_down(end, IO_ALIGN);
	if (rc == BC_OK)
		rc = repo_open_log(repo, p->seq, &p->id, &l, e);
	if (rc == BC_OK)
		rc = list_groups(repo, p->number, &list, e);
	if (rc == BC_OK)
		rc = stream_begin(&r->stream, f, end, e);
	for (size_t i = list.n; rc == BC_OK && i > 0; i -= sizeof(at)) {
		struct group *g = NULL;

		memcpy(&at, list.p + i - sizeof(at), sizeof(at));
		rc = log_file_group(l, at, GROUP_LEAD, r->verifier.dec, &g, e);
		if (rc == BC_OK && g->dir != NULL)
			rc = check_dir(r, g->dir, e);
		if (rc == BC_ENOTFOUND) {
			check_tell(r->d->c, CHECK_DAMAGE, &r->at, NULL, "%s",
				   e->text);
			err_clear(e);
			rc = BC_OK;
		}
		group_free(g);
	}
	r->whole = rc == BC_OK;
	last = stream_end(&r->stream, rc == BC_OK ? e : NULL);
	log_file_close(l);
	buf_fini(&list);
	return rc == BC_OK ? last : rc;
}

static enum bc_err check_one(struct reader *r, uint32_t number, struct err *e)
{
	struct repo *repo = r->d->c->r;
	char file[CHECK_FILE_BYTES];
	struct catalog_pack row;
	struct io_file *f = NULL;
	struct pack_ref p;
	struct err why = ERR_INIT;
	enum bc_err rc;
	bool grows;

	pthread_mutex_lock(&repo->mutex);
	rc = repo_pack_ref(repo, number, &p, e);
	if (rc == BC_OK)
		rc = catalog_get_pack(repo->catalog, number, &row, e);
	pthread_mutex_unlock(&repo->mutex);
	if (rc != BC_OK || row.tier != CATALOG_WARM)
		return rc;
	check_file(&p, file);
	r->number = number;
	r->at = (struct check_at){ .file = file };
	r->held = 0;
	r->whole = false;
	rc = repo_open_pack(repo, &p, true, &f, &why);
	grows = p.log && p.length == 0;
	if (grows && (rc == BC_EDAMAGE || rc == BC_ENOTFOUND))
		return BC_OK; /* told with the chain */
	if (!grows &&
	    (rc == BC_EDAMAGE || rc == BC_EIO || rc == BC_ENOTFOUND)) {
		lose_pack(r, rc, &why);
		return BC_OK;
	}
	if (rc != BC_OK && e != NULL)
		*e = why;
	if (rc == BC_OK && grows)
		rc = check_groups(r, &p, f, e);
	else if (rc == BC_OK)
		rc = check_sealed(r, &p, f, e);
	io_file_close(f, NULL);
	if (rc == BC_OK && r->whole)
		check_hurt_well(r->d->c, number, true);
	return rc;
}

static enum bc_err reader_init(struct reader *r, struct data_check *d,
			       struct err *e)
{
	/* A full batch, or any block alone: what writers put into one is no
	 * promise of the format. */
	enum { ROOM = BATCH_CHUNKS + UINT16_MAX };
	enum bc_err rc;

	*r = (struct reader){ .d = d };
	r->pending = malloc(ROOM * sizeof(*r->pending));
	if (r->pending == NULL)
		rc = err_set(e, BC_ENOMEM, "no memory to check with");
	else
		rc = stream_init(&r->stream, d->c->r->io, e);
	if (rc == BC_OK)
		rc = verifier_init(&r->verifier, BATCH_BYTES, true, e);
	return rc;
}

static void reader_fini(struct reader *r)
{
	verifier_fini(&r->verifier);
	stream_fini(&r->stream);
	free(r->pending);
}

static void *work(void *ctx)
{
	struct data_check *d = ctx;
	struct err e = ERR_INIT;
	struct reader r;
	enum bc_err rc = reader_init(&r, d, &e);
	size_t i;

	while (rc == BC_OK && (i = atomic_fetch_add(&d->next, 1)) < d->v->n)
		rc = check_one(&r, d->v->at[i], &e);
	if (rc != BC_OK) {
		atomic_store(&d->over, true);
		pthread_mutex_lock(&d->lock);
		if (d->failed.code == BC_OK) {
			d->failed = e;
			d->failed.code = rc;
		}
		pthread_mutex_unlock(&d->lock);
	}
	reader_fini(&r);
	return NULL;
}

static void run_threads(struct data_check *d, unsigned n)
{
	pthread_t thread[THREADS_MAX];
	unsigned started = 0;

	/* This thread works too, so one that does not start only costs
	 * time. */
	while (started + 1 < n && started < THREADS_MAX &&
	       started + 1 < d->v->n &&
	       pthread_create(&thread[started], NULL, work, d) == 0)
		started++;
	work(d);
	while (started > 0)
		pthread_join(thread[--started], NULL);
}

/* ---- which packs ----------------------------------------------------------
 */

static enum bc_err size_of(struct check *c, uint32_t number, uint64_t *out,
			   struct err *e)
{
	struct catalog_pack row;
	enum bc_err rc = catalog_get_pack(c->r->catalog, number, &row, e);

	/* A log that grows counts as a full one. */
	if (rc == BC_OK)
		*out = row.kind == CATALOG_LOG && row.length == 0
			       ? c->r->head.end
			       : row.length;
	return rc;
}

/* Those first that are known to be hurt: are they still? Returns how many. */
static size_t hurt_first(struct check *c, struct pack_numbers *v)
{
	struct hurt *h = &c->r->hurt;
	size_t n = 0;

	for (size_t k = 0; k < h->n; k++)
		for (size_t i = n;
		     i < v->n && (k == 0 || h->at[k - 1].pack != h->at[k].pack);
		     i++)
			if (v->at[i] == h->at[k].pack) {
				v->at[i] = v->at[n];
				v->at[n++] = h->at[k].pack;
				break;
			}
	return n;
}

/* Some of the packs, by lot, with about so many per cent of the bytes; those
 * known to be hurt always. */
static enum bc_err draw(struct check *c, struct pack_numbers *v, struct rng rng,
			uint64_t *bytes, struct err *e)
{
	uint64_t all = 0, size = 0, want;
	size_t n = hurt_first(c, v);
	bool any = c->o->read_data > 0;
	enum bc_err rc = BC_OK;

	*bytes = 0;
	for (size_t i = 0; i < v->n && rc == BC_OK; i++) {
		rc = size_of(c, v->at[i], &size, e);
		all += size;
		*bytes += i < n ? size : 0;
	}
	want = c->o->read_data >= 100 ? all : all / 100 * c->o->read_data;
	*bytes = c->o->read_data >= 100 ? all : *bytes;
	while (rc == BC_OK && c->o->read_data < 100 && n < v->n &&
	       (*bytes < want || (n == 0 && any))) {
		uint64_t lot = 0;
		size_t i;
		uint32_t swap;

		rc = rng_fill(rng, &lot, sizeof(lot), e);
		i = n + (size_t)(lot % (v->n - n));
		swap = v->at[n];
		v->at[n] = v->at[i];
		v->at[i] = swap;
		if (rc == BC_OK)
			rc = size_of(c, v->at[n++], &size, e);
		*bytes += size;
	}
	if (c->o->read_data < 100)
		v->n = n;
	return rc;
}

enum bc_err check_data(struct check *c, struct rng rng, struct err *e)
{
	struct pack_numbers v = { NULL, 0, 0 };
	struct data_check d = { .c = c, .v = &v };
	uint64_t bytes = 0;
	enum bc_err rc = repo_pack_numbers(
		c->r, 1 << CATALOG_LIVE | 1 << CATALOG_CONDEMNED, &v, e);

	if (rc == BC_OK)
		rc = draw(c, &v, rng, &bytes, e);
	if (rc == BC_OK && v.n > 0) {
		check_begin(c, CHECK_DATA, bytes);
		pthread_mutex_init(&d.lock, NULL);
		run_threads(&d, c->o->threads);
		pthread_mutex_destroy(&d.lock);
		c->res.bytes_read = atomic_load(&d.bytes);
		rc = d.failed.code;
		if (rc != BC_OK && e != NULL)
			*e = d.failed;
	}
	free(v.at);
	return rc;
}
