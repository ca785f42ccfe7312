/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/session_state - what a session is; for the files that it is made of.
 * Private to repo/session.c and repo/session_commit.c.
 */
#ifndef BC_REPO_SESSION_STATE_H
#define BC_REPO_SESSION_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pack/writer.h"
#include "repo/claims.h"
#include "repo/hurt.h"
#include "repo/lease.h"
#include "repo/session.h"

enum { SESSION_COMMAND_BYTES = 32 };

struct session {
	struct repo *r;
	struct lease lease;
	char command[SESSION_COMMAND_BYTES];
	bool frees; /* may use the reserve */
	struct flusher *flusher;

	pthread_mutex_t lock; /* of these: */
	struct claims claims; /* since the last commit */
	struct session_counts counts;
	uint64_t stored_at_commit;
	struct err failed; /* the first failure */

	struct hurt_look look;
	atomic_bool told; /* that a pack cannot be read */

	pthread_mutex_t data_lock;
	struct pack_writer *data;

	pthread_mutex_t meta_lock;
	struct pack_writer *meta;
	struct gather nodes;
	struct sealer sealer;
};

/* session_keep - keep the first failure of a thread for all; returns rc.
 * session_kept - that failure. */
enum bc_err session_keep(struct session *s, enum bc_err rc,
			 const struct err *e);
enum bc_err session_kept(struct session *s, struct err *e);

/* session_flush_nodes - the nodes gathered so far, into a block. Under
 * meta_lock, or while no other thread is at work. */
BC_MUST_CHECK enum bc_err session_flush_nodes(struct session *s, struct err *e);

#endif
