/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/lease - a session's claim on what it has seen: docs/format.md,
 * section 9. The kernel ends it with the process.
 */
#ifndef BC_REPO_LEASE_H
#define BC_REPO_LEASE_H

#include "io/io.h"
#include "pack/format.h"
#include "util/rng.h"

struct lease {
	struct io_dir *dir;
	struct io_file *file; /* NULL: none is held */
	struct pack_id id;
};

struct lease_info {
	struct pack_id id;
	bool alive;
	uint64_t generation; /* 0: it has not read one yet, or not known */
	int64_t pid;	     /* 0: not known */
	char command[32];
	char host[64];
};

/*
 * lease_take - make and lock a lease; lease_set() then says which generation.
 *   command  for whoever has to wait
 */
BC_MUST_CHECK enum bc_err lease_take(struct lease *l, struct io_dir *dir,
				     struct rng rng, const char *command,
				     struct err *e);
BC_MUST_CHECK enum bc_err lease_set(struct lease *l, const char *command,
				    uint64_t generation, struct err *e);

/* lease_drop - end it; harmless if none is held. */
void lease_drop(struct lease *l);

/*
 * lease_list - tell each() about every lease, dead ones removed on the way. One
 * that cannot be opened counts as alive.
 *   mine  is passed over; may be NULL
 */
BC_MUST_CHECK enum bc_err
lease_list(struct io_dir *dir, const struct lease *mine,
	   enum bc_err (*each)(void *ctx, const struct lease_info *info),
	   void *ctx, struct err *e);

/* lease_sweep - remove the leases of the dead. Failing to is no failure. */
void lease_sweep(struct io_dir *dir, const struct lease *mine);

#endif
