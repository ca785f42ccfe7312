/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/worker - what one worker holds, and the chunks' way through it: hash,
 * look up, gather, seal, session.
 *
 * One thread has it. A worker takes its memory when it first stores anything;
 * one that only finds things unchanged needs none.
 */
#ifndef BC_INGEST_WORKER_H
#define BC_INGEST_WORKER_H

#include "hash/sha256.h"
#include "ingest/small.h"
#include "repo/chunks.h"
#include "repo/session.h"
#include "tree/content_builder.h"
#include "tree/reader.h"

struct worker {
	struct put *p;
	/* Directories that may move on. */
	struct dir_job **todo;
	size_t n_todo, cap_todo;
	uint8_t *list; /* LIST_BYTES, for names_list() */
	/* The last snapshot's trees. */
	struct tree_reader old;
	struct chunk_reader *reader;

	bool ready; /* all below is there */
	struct batch batch;
	struct content_builder content;
	struct gather gather;
	struct sealer sealer;
	/* Of the chunks that are looked up together: WINDOW_SEGS each. */
	struct sha256_job *job;
	struct digest *ids;
	const struct digest **id_refs;
	uint32_t *sizes;
	bool *fresh;
};

/* worker_ready - have all memory that storing takes, or none of it: BC_ENOMEM
 * may be tried again. */
BC_MUST_CHECK enum bc_err worker_ready(struct worker *w, struct err *e);
void worker_fini(struct worker *w);

/*
 * worker_store - hash the chunks w->job[0..n).msg, and gather those that the
 * repository has not.
 *   ids  [out] n, theirs
 */
BC_MUST_CHECK enum bc_err worker_store(struct worker *w, size_t n,
				       struct digest *ids, struct err *e);

/* worker_flush - what is gathered becomes a block of the session's. */
BC_MUST_CHECK enum bc_err worker_flush(struct worker *w, struct err *e);

/* worker_count - so many bytes of files are done. */
void worker_count(struct worker *w, uint64_t bytes);

#endif
