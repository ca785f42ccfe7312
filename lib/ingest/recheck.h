/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/recheck - is a directory, with all below it, as the last put saw it?
 *
 * Its own names are compared first, each with one statx(); if they are the
 * same, its directories are checked, by whoever is free, and the last of them
 * decides. CHILDREN_ASKED_MAX of them are asked at a time, so that what waits
 * is bounded, and none after one that differs. What is known by then is not
 * lost: a directory that is built takes the node of each that has been checked.
 */
#ifndef BC_INGEST_RECHECK_H
#define BC_INGEST_RECHECK_H

#include <stdatomic.h>

#include "ingest/statcache.h"

struct put;
struct worker;
struct dir_job;

/* Enough to keep every worker busy. */
enum { CHILDREN_ASKED_MAX = 64 };

enum child_state {
	CHILD_UNKNOWN, /* not checked */
	CHILD_SAME,    /* as it was */
	CHILD_BUILT,   /* it has a node of its own */
	CHILD_LOST,    /* it could not be listed, and that has been told */
};

/* A directory in the one that is checked. */
struct child {
	uint32_t name; /* in the directory's names */
	enum child_state state;
	struct tree_sum sum;
};

struct recheck {
	bool known;		   /* there is a record */
	struct stat_record record; /* its part 0 */
	atomic_uint part;	   /* where the last range began; a hint */
	struct child *child;	   /* in order of names */
	size_t n, cap;
	/* Under the lock of struct put, once there are children. */
	size_t asked; /* of these, the first */
	size_t left;  /* of those asked, without an answer */
	bool same;    /* all so far */
};

/* What follows from the answer of a child. */
enum recheck_then {
	RECHECK_WAITS, /* for those that are asked */
	RECHECK_ASKS,  /* for one more, that is to be asked now */
	RECHECK_ENDS,  /* for none: check.same is the answer */
};

void recheck_free(struct recheck *c);

/* recheck_names - find the directory's record, and compare its names. If they
 * are the same, check.child are the directories among them.
 *   fd  the open directory; of the top unused */
void recheck_names(struct worker *w, struct dir_job *d, int fd);

/* recheck_children - let others check the first of them; recheck_ask - child
 * `slot`. The directory may be gone when they return. */
void recheck_children(struct put *p, struct dir_job *d);
void recheck_ask(struct put *p, struct dir_job *d, uint32_t slot);

/* recheck_child - what became of child `slot`, under the lock.
 *   ask  [out] of RECHECK_ASKS: the child to be asked */
enum recheck_then recheck_child(struct dir_job *d, uint32_t slot,
				enum child_state state,
				const struct tree_sum *sum, uint32_t *ask);

/* recheck_keep - the answer was yes: count what is below, keep the record. */
void recheck_keep(struct put *p, struct dir_job *d);

/* recheck_found - what the check has found for a name; with a node its sum. */
enum child_state recheck_found(const struct dir_job *d, uint32_t name,
			       const struct tree_sum **sum);

#endif
