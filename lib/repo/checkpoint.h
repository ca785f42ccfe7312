/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/checkpoint - all that is live at generation C, in the log itself:
 * docs/format.md, section 6.
 *
 * A catalog that has to be made from nothing begins at the latest checkpoint
 * and replays what follows, instead of all logs from the first on. A
 * checkpoint never says more than the log: one with which anything is wrong is
 * passed over for the one before it, and then for the whole log.
 *
 * Private to lib/repo and lib/check. Threads: as repo_catch_up(), none beside
 * it.
 */
#ifndef BC_REPO_CHECKPOINT_H
#define BC_REPO_CHECKPOINT_H

#include "repo/replay.h"
#include "repo/state.h"

enum {
	/* One is due after so many generations, */
	CHECKPOINT_GENERATIONS = 1024,
	/* or in a new log; but no more than one entry in so many is written
	 * again for each generation. */
	CHECKPOINT_SHARE = 16,
	/* So many are looked at before the whole log is read. */
	CHECKPOINT_TRIES = 2,
};

/* The group that holds one. */
struct checkpoint_place {
	uint64_t generation; /* C */
	uint64_t seq;
	struct pack_id log;
	uint64_t offset;
};

struct checkpoint_list {
	struct checkpoint_place at[CHECKPOINT_TRIES]; /* the latest first */
	size_t n;
};

/*
 * checkpoint_find - the latest ones that the log names: by the groups of the
 * newest log whose header is whole, then by the headers of logs backwards.
 * None of them is looked at yet. What cannot be read is passed over.
 */
BC_MUST_CHECK enum bc_err
checkpoint_find(struct repo *r, struct checkpoint_list *out, struct err *e);

/*
 * checkpoint_load - verify a checkpoint and apply it to the catalog, which must
 * be empty, in one transaction; r->head is then at C. If another process has
 * moved the catalog meanwhile, r->head is where that one stands.
 *
 *   BC_EDAMAGE    damaged, or it contradicts the log or itself
 *   BC_ENOTFOUND  something that it needs is not there
 *   others        as they say; on every failure the catalog is as it was
 */
BC_MUST_CHECK enum bc_err checkpoint_load(struct repo *r,
					  const struct checkpoint_place *p,
					  struct err *e);

/*
 * checkpoint_restore - load the latest that is good, if there is one. What is
 * wrong with others is a note.
 *   used  [out] one was loaded
 */
BC_MUST_CHECK enum bc_err checkpoint_restore(struct repo *r, bool *used,
					     struct err *e);

/*
 * checkpoint_write - write one of the generation at which the catalog stands,
 * and commit it in a group of its own. Does not wait for the commit lock.
 *
 *   session  whose lease is held
 *
 *   BC_OK       committed, or somebody else has been quicker
 *   BC_EDAMAGE  the catalog is damaged, or lacks snapshots
 *   BC_ELOCKED  somebody else is committing
 */
BC_MUST_CHECK enum bc_err
checkpoint_write(struct repo *r, const struct pack_id *session, struct err *e);

/*
 * checkpoint_if_due - after a commit: write one if it is time. The commit
 * stands whatever becomes of this: a failure is a note.
 */
void checkpoint_if_due(struct repo *r, const struct pack_id *session);

#endif
