/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/replay - bring the catalog to the end of the log.
 *
 * The log is the truth and the catalog follows it, group by group. One thread.
 */
#ifndef BC_REPO_REPLAY_H
#define BC_REPO_REPLAY_H

#include "repo/state.h"

/*
 * repo_catch_up - read what the log has beyond r->head, bring the catalog
 * there, and r->head with it.
 *
 *   locked  the commit lock is held: the tail is synced before it is believed.
 *	     Without it, what has been followed by another group is known to be
 *	     synced; for the last group the lock is taken, shared, for as long
 *	     as it takes to sync it. Who only reads, with a catalog in memory,
 *	     believes the log as it stands
 *
 * An open index follows (its overlay), unless another process has moved the
 * catalog meanwhile: then it is opened again when it is next needed.
 *
 *   BC_EDAMAGE  the log contradicts itself or the views
 *   BC_ELOCKED  a commit is under way and does not end: after lock_wait_ms, or
 *		 a second for who only reads
 */
BC_MUST_CHECK enum bc_err repo_catch_up(struct repo *r, bool locked,
					struct err *e);

/* repo_follow - repo_catch_up() without the lock, so far as that goes: what
 * this process has committed itself, and what others have followed. */
BC_MUST_CHECK enum bc_err repo_follow(struct repo *r, struct err *e);

/* repo_pos_of - where a catalog stands, as a place in the log. */
struct log_pos repo_pos_of(const struct catalog_position *c);

/* repo_catalog_pos - the other way round. */
struct catalog_position repo_catalog_pos(const struct log_pos *p);

/* repo_open_catalog - open or make the catalog and set r->head from it. */
BC_MUST_CHECK enum bc_err repo_open_catalog(struct repo *r, struct err *e);

/* repo_close_catalog - and remove it from disk if it was found damaged, so that
 * whoever opens the repository next makes it again. */
void repo_close_catalog(struct repo *r);

#endif
