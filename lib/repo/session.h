/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/session - write to a repository.
 *
 * A session takes a lease, stores new chunks in packs, and commits: one group
 * appended to the log under the commit lock. Before the commit nothing of it
 * exists for anybody else.
 *
 * Threads: session_filter, session_block and the node sink may be called by
 * any thread at once; begin, commit and end by one, while no other call runs.
 * The first failure of a call is kept: later calls return it too.
 */
#ifndef BC_REPO_SESSION_H
#define BC_REPO_SESSION_H

#include "pack/gather.h"
#include "tree/node_io.h"
#include "repo/repo.h"
#include "util/tag.h"

struct session;

/*
 * session_begin - take a lease and stand at the repository's head.
 *   command  names the session to whoever waits for it
 */
BC_MUST_CHECK enum bc_err session_begin(struct repo *r, const char *command,
					struct session **out, struct err *e);

/*
 * session_begin_freeing - as session_begin(), for what leads to freed space: a
 * full disk's reserve is given up for it, and made again by session_end() as
 * far as there is room.
 */
BC_MUST_CHECK enum bc_err session_begin_freeing(struct repo *r,
						const char *command,
						struct session **out,
						struct err *e);

/* session_end - give up what was not committed, its packs removed; drop the
 * lease. NULL is fine. */
void session_end(struct session *s);

/*
 * session_hurt - what is known to be lost of the repository: blocks that could
 * not be read, and packs whose files are not there. Who lets a view stand for
 * reading the source (a stat cache) asks first: the view may stand if nothing
 * is lost, or if it was made by a session that has begun with the same state,
 * as that one has stored again what it met.
 *
 *   look   look at the files of all packs, some microseconds each; else only
 *	    what is known already
 *   lost   [out] packs are
 *   state  [out] names all that is lost; zeros if nothing is
 *
 * Not while other threads use the session.
 */
BC_MUST_CHECK enum bc_err session_hurt(struct session *s, bool look, bool *lost,
				       struct digest *state, struct err *e);

/* session_tell_hurt - note what session_hurt() has found, once.
 *   all_read  because of it the whole source is read */
void session_tell_hurt(struct session *s, bool all_read);

/*
 * session_filter - which of these chunks are new? A new chunk is claimed: the
 * caller must store it with session_block() before the next commit. A chunk of
 * which every place is known to be lost or damaged is new.
 *
 *   ids    n of them; an id that comes twice is new once
 *   sizes  plain bytes of each, for the counts
 *   fresh  [out] n answers
 */
BC_MUST_CHECK enum bc_err session_filter(struct session *s,
					 const struct digest *const *ids,
					 const uint32_t *sizes, size_t n,
					 bool *fresh, struct err *e);

/* session_block - store a sealed block; copied. Kind data goes to data packs,
 * every other to metadata packs. */
BC_MUST_CHECK enum bc_err
session_block(struct session *s, const struct sealed_block *b, struct err *e);

/* session_node_sink - where tree nodes, content lists and attribute sets go:
 * hashed, and stored if they are new. */
struct node_sink session_node_sink(struct session *s);

/* What the session has added so far; of committed and open packs. */
struct session_counts {
	uint64_t chunks;
	uint64_t bytes;	 /* plain */
	uint64_t stored; /* in blocks, headers included */
};
struct session_counts session_counts(struct session *s);

/*
 * session_due - enough is stored that a commit of the packs alone is wise: a
 * kill then loses little, and the session's tables start anew.
 */
bool session_due(struct session *s);

/* session_checkpoint - commit what is stored, without a snapshot. The caller
 * has given every claimed chunk to session_block(). */
BC_MUST_CHECK enum bc_err session_checkpoint(struct session *s, struct err *e);

/*
 * session_commit_snapshot - store the record and commit: the snapshot exists.
 *   id  [out] its id
 */
BC_MUST_CHECK enum bc_err session_commit_snapshot(struct session *s,
						  struct bytes record,
						  struct digest *id,
						  struct err *e);

/* session_remove - remove snapshots, all or none. BC_ENOTFOUND if one is not
 * there (any more). Works on a full disk. */
BC_MUST_CHECK enum bc_err session_remove(struct session *s,
					 const struct digest *ids, size_t n,
					 struct err *e);

/* session_tag - set and remove tags of a snapshot. BC_ENOTFOUND, BC_EINVAL (a
 * tag too long, or too many), BC_ELIMIT (1 MiB of them). */
BC_MUST_CHECK enum bc_err session_tag(struct session *s,
				      const struct digest *id,
				      const struct tag *set, size_t n_set,
				      const struct bytes *drop, size_t n_drop,
				      struct err *e);

#endif
