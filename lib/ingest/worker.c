/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/worker.h"

#include <stdlib.h>

#include "ingest/run.h"
#include "ingest/window.h"
#include "util/arith.h"

/* ---- life -----------------------------------------------------------------
 */

static enum bc_err hash_only(void *ctx, struct bytes node, struct digest *id,
			     struct err *e)
{
	(void)ctx;
	(void)e;
	sha256_one(node, id);
	return BC_OK;
}

/* What worker_ready() takes, all or a part of it. */
static void give_back(struct worker *w)
{
	gather_fini(&w->gather);
	sealer_fini(&w->sealer);
	free(w->batch.buf);
	free(w->batch.seg);
	free(w->job);
	free(w->ids);
	free(w->id_refs);
	free(w->sizes);
	free(w->fresh);
	w->batch.buf = NULL;
	w->batch.seg = NULL;
	w->job = NULL;
	w->ids = NULL;
	w->id_refs = NULL;
	w->sizes = NULL;
	w->fresh = NULL;
}

void worker_fini(struct worker *w)
{
	if (w->ready)
		content_builder_fini(&w->content);
	give_back(w);
	if (w->reader != NULL) {
		tree_reader_fini(&w->old);
		chunk_reader_free(w->reader);
	}
	free(w->list);
	free(w->todo);
}

enum bc_err worker_ready(struct worker *w, struct err *e)
{
	const struct superblock *sb = repo_superblock(w->p->repo);
	size_t plain = max_size(sb->block_bytes, sb->chunker.max) +
		       BLOCK_CHUNKS_MAX * 4;
	struct node_sink sink = { hash_only, NULL };
	enum bc_err rc = BC_OK;

	if (w->ready)
		return BC_OK;
	if (w->p->session != NULL)
		sink = session_node_sink(w->p->session);
	w->batch.buf = malloc(w->p->batch_bytes + SMALL_FILE_BYTES);
	w->batch.seg = malloc(BATCH_SEGS * sizeof(*w->batch.seg));
	w->job = malloc(WINDOW_SEGS * sizeof(*w->job));
	w->ids = malloc(WINDOW_SEGS * sizeof(*w->ids));
	w->id_refs = malloc(WINDOW_SEGS * sizeof(*w->id_refs));
	w->sizes = malloc(WINDOW_SEGS * sizeof(*w->sizes));
	w->fresh = malloc(WINDOW_SEGS * sizeof(*w->fresh));
	if (w->batch.buf == NULL || w->batch.seg == NULL || w->job == NULL ||
	    w->ids == NULL || w->id_refs == NULL || w->sizes == NULL ||
	    w->fresh == NULL)
		rc = err_set(e, BC_ENOMEM, "no memory for a worker");
	if (rc == BC_OK)
		rc = gather_init(&w->gather, BLOCK_DATA, sb->block_bytes,
				 sb->chunker.max, e);
	if (rc == BC_OK)
		rc = sealer_init(&w->sealer, sb->level, plain, e);
	if (rc != BC_OK) {
		give_back(w);
		return rc;
	}
	content_builder_init(&w->content, &sink);
	w->ready = true;
	return BC_OK;
}

/* ---- chunks ---------------------------------------------------------------
 */

static enum bc_err store_block(struct worker *w, const struct sealed_block *b,
			       struct err *e)
{
	atomic_fetch_add_explicit(&w->p->progress->bytes_new,
				  BLOCK_HEAD_BYTES + b->stored.n,
				  memory_order_relaxed);
	return session_block(w->p->session, b, e);
}

enum bc_err worker_flush(struct worker *w, struct err *e)
{
	struct sealed_block b;
	enum bc_err rc;

	if (!w->ready || w->gather.chunks == 0)
		return BC_OK;
	rc = sealer_seal(&w->sealer, &w->gather, &b, e);
	if (rc == BC_OK && (b.head.codec != BLOCK_RAW || b.head.chunks == 1))
		rc = store_block(w, &b, e);
	else
		for (size_t i = 0; rc == BC_OK && i < w->gather.chunks;
		     i += b.head.chunks) {
			sealer_seal_raw(&w->sealer, &w->gather, i, &b);
			rc = store_block(w, &b, e);
		}
	gather_clear(&w->gather);
	return rc;
}

static enum bc_err gather_one(struct worker *w, const struct digest *id,
			      struct bytes chunk, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (!gather_fits(&w->gather, chunk.n))
		rc = worker_flush(w, e);
	if (rc == BC_OK)
		gather_add(&w->gather, id, chunk);
	return rc;
}

enum bc_err worker_store(struct worker *w, size_t n, struct digest *ids,
			 struct err *e)
{
	uint64_t known = 0;
	enum bc_err rc;

	for (size_t i = 0; i < n; i++) {
		w->job[i].out = &ids[i];
		w->id_refs[i] = &ids[i];
		w->sizes[i] = (uint32_t)w->job[i].msg.n;
	}
	sha256_many(w->job, n);
	if (w->p->session == NULL)
		return BC_OK;
	rc = session_filter(w->p->session, w->id_refs, w->sizes, n, w->fresh,
			    e);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		if (w->fresh[i])
			rc = gather_one(w, &ids[i], w->job[i].msg, e);
		else
			known += w->sizes[i];
	}
	atomic_fetch_add_explicit(&w->p->progress->bytes_known, known,
				  memory_order_relaxed);
	return rc;
}

void worker_count(struct worker *w, uint64_t bytes)
{
	atomic_fetch_add_explicit(&w->p->progress->bytes, bytes,
				  memory_order_relaxed);
}
