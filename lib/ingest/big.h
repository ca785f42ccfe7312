/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/big - a large file, or a stream, window by window.
 *
 * One worker reads; any hashes what is read (window.h); contents grow in the
 * order of the file. Each stretch of data between holes is cut by itself.
 */
#ifndef BC_INGEST_BIG_H
#define BC_INGEST_BIG_H

#include "ingest/source.h"
#include "util/err.h"

struct worker;
struct window;
struct range;
struct reading;

/*
 * big_read - read a file once, from its beginning, into entry i of a range.
 *
 *   it   tells of holes; NULL: read on from where fd stands to the end
 *   got  [out] how long it was; on an error of the source, no content
 *
 * A failure is the repository's.
 */
BC_MUST_CHECK enum bc_err big_read(struct worker *w, struct range *r,
				   uint32_t i, int fd, const struct item *it,
				   struct reading *got, struct err *e);

/* big_window - hash, look up and gather one window. Any worker. */
void big_window(struct worker *w, struct window *win);

#endif
