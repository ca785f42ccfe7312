/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/window - buffers for large files.
 *
 * There is a fixed number of them. Who reads a file fills one after the other
 * and pushes them; any worker takes and hashes them. Who must wait, for a free
 * window or for its own to be done, works on others' meanwhile, so that all
 * workers may read large files at once.
 */
#ifndef BC_INGEST_WINDOW_H
#define BC_INGEST_WINDOW_H

#include "chunk/chunker.h"
#include "util/digest.h"

struct put;
struct worker;
struct big_file;

enum { WINDOW_SEGS = 2048 };

struct window {
	struct window *next;
	struct big_file *file;
	uint64_t seq; /* in the file */
	uint8_t *buf; /* put.window_bytes */
	struct chunk_seg *seg;
	size_t n_segs;
	struct digest *ids; /* of the data segments */
};

/* window_get - a free window; works on others' while there is none. NULL
 * after a failure of the put. */
struct window *window_get(struct worker *w);
/* window_push - have somebody work on it; window_put - it is free again. */
void window_push(struct put *p, struct window *win);
void window_put(struct put *p, struct window *win);

/* window_take - the oldest that was pushed, NULL if there is none. Under the
 * lock. */
struct window *window_take(struct put *p);

/* window_help - work on windows until enough(ctx), which is asked again when
 * one was pushed or put. */
void window_help(struct worker *w, bool (*enough)(void *ctx), void *ctx);

/* windows_free - all; none is in use. */
void windows_free(struct put *p);

#endif
