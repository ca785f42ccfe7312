/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/range - up to RANGE_NAMES names of one directory, made into entries.
 *
 * One worker reads a range, others the ranges after it. A range is complete
 * when its names are read, its files' chunks are known and its directories
 * have their nodes; the directory then emits it, in order.
 */
#ifndef BC_INGEST_RANGE_H
#define BC_INGEST_RANGE_H

#include "ingest/arena.h"
#include "ingest/source.h"
#include "ingest/statcache.h"

struct worker;
struct dir_job;

enum { RANGE_NAMES = 128 };

struct range {
	struct dir_job *dir;
	uint32_t first, n;	  /* of the directory's names */
	struct tree_entry *entry; /* n */
	struct item *item;	  /* n */
	bool *present;		  /* n: to be stored */
	uint8_t *state;		  /* n: enum put_item_state */
	struct arena arena;	  /* what entries borrow */
	uint32_t batched;	  /* files in the batch of its worker */
	uint64_t files, others;	  /* stored, once it is read */
	/* Under the lock of struct put. */
	uint32_t children;	   /* directories without a node */
	bool read;		   /* all but these is done */
	struct tree_sum below;	   /* of its directories */
	struct range *next;	   /* of the directory's, in order */
	struct range *next_stored; /* of sched_stored()'s */
};

/* range_new - of n names; it belongs to no list yet. NULL without memory. */
struct range *range_new(struct dir_job *d, uint32_t first, uint32_t n);
void range_free(struct range *r);

/* range_fill - read all its names, relative to fd (of the top unused). A
 * failure of the repository is the put's. */
void range_fill(struct worker *w, struct range *r, int fd);

/* range_child - the directory that is entry i has its node, or, without
 * `sum`, is lost. Under the lock. */
void range_child(struct range *r, uint32_t i, const struct tree_sum *sum);

/* range_count - all its files are stored: add them up, and tell of them. */
void range_count(struct worker *w, struct range *r);

static inline bool range_complete(const struct range *r)
{
	return r->read && r->children == 0;
}

#endif
