/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/reuse - entries that are as they were, from the last snapshot.
 *
 * In a directory that has changed most files have not. Those that the stat
 * cache knows are not opened: their entries are copied from the directory's
 * old node, which is read beside the names, in the same order.
 */
#ifndef BC_INGEST_REUSE_H
#define BC_INGEST_REUSE_H

#include "ingest/known.h"
#include "ingest/range.h"

struct reuse {
	struct known_walk walk;
	struct stat_entry next; /* of the record, not before the names asked */
	bool have;		/* next is one */
	bool tree;		/* the worker's reader stands in the old node */
};

/* reuse_begin - stand before the first name of a range. A record or a node
 * that cannot be read: nothing is reused. */
struct reuse reuse_begin(struct worker *w, const struct range *r);

/* reuse_entry - make entry i, whose item is known, what it was. Names in
 * order. False if it must be read. */
bool reuse_entry(struct worker *w, struct range *r, uint32_t i,
		 struct reuse *u);

#endif
