/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/stream - the entries of several index files as one sorted stream.
 *
 * Private to this folder. Reads the maps from front to back and checks each
 * page; holds some hundred bytes per file.
 */
#ifndef BC_INDEX_STREAM_H
#define BC_INDEX_STREAM_H

#include "index/file.h"

/* One input. All of it is private to stream.c. */
struct index_stream_in {
	struct index_file *f;
	const uint8_t *page; /* NULL at the end */
	uint32_t primary;    /* of a base: the page whose chain this is */
	uint32_t number;
	uint32_t count;
	uint32_t i;
	struct index_unplace keys; /* of a base: in page `primary` */
	unsigned shift; /* from the keys of this file to those of the stream */
	uint64_t key;
	struct index_loc loc;
	uint64_t asked; /* pages the kernel was told to read ahead */
};

struct index_stream {
	struct index_stream_in *in;
	struct index_stream_in **heap; /* those not at their end, least first */
	size_t n;
	size_t live;
	bool top; /* keys are T of `bits`, not 64 bits */
	unsigned bits;
};

/*
 * index_stream_init - begin.
 *
 *   files  not empty; must stay until index_stream_fini()
 *   kind   INDEX_RUN: 64-bit keys, every file must be a run. INDEX_BASE: keys
 *	    are T of `bits`, which no base among the files may fall short of
 *
 *   BC_ENOMEM, BC_EINVAL, BC_EDAMAGE
 */
BC_MUST_CHECK enum bc_err index_stream_init(struct index_stream *s,
					    struct index_file *const files[],
					    size_t n, enum index_kind kind,
					    unsigned bits, struct err *e);

/* index_stream_fini - release the memory; of an all-zero struct harmless. */
void index_stream_fini(struct index_stream *s);

/*
 * index_stream_next - the entry with the least key, of equal ones the least
 * location as far as the files are in that order.
 *
 *   done  [out] true: there was none, key and loc are untouched
 *
 *   BC_EDAMAGE  a page is not what was written; the stream is over
 */
BC_MUST_CHECK enum bc_err index_stream_next(struct index_stream *s,
					    uint64_t *key,
					    struct index_loc *loc, bool *done,
					    struct err *e);

#endif
