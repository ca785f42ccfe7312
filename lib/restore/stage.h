/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/stage - where things are that are not whole yet. Private to
 * lib/restore.
 *
 * A thing that is missing from a directory that is there is made in a stage, a
 * folder of its own on the same mount, and renamed to where it belongs when it
 * is whole; what is made below it has its final name at once. So nothing that
 * is half made ever has its name, whatever ends the run. A stage is named after
 * what is restored: the same command finds it again and goes on with it. It is
 * locked while a run is at it, and removed at its end unless something is left
 * in it.
 */
#ifndef BC_RESTORE_STAGE_H
#define BC_RESTORE_STAGE_H

#include <sys/stat.h>

#include "restore/dest.h"
#include "tree/node.h"

enum { STAGES_MAX = 8 }; /* mounts */

struct stage {
	struct rdir *dir; /* held */
	uint64_t mount;
	int lock; /* -1: none */
};

/* stage_mount - which mount a directory is on. */
uint64_t stage_mount(int fd);

/*
 * stage_of - the stage for things that are missing from `home`, which is
 * there; made or found when it is first needed. The walker. Not held for the
 * caller.
 *
 *   BC_ELOCKED  another run restores the same thing there
 *   others      it cannot be made
 */
BC_MUST_CHECK enum bc_err stage_of(struct worker *w, struct rdir *home,
				   struct rdir **out, struct err *e);

/* stage_name - what `name` of `home` is called in its stage. BC_ENOMEM. */
BC_MUST_CHECK enum bc_err stage_name(struct worker *w, const struct rdir *home,
				     const char *name,
				     char out[STAGE_NAME_BYTES], struct err *e);

/* stage_publish - give a thing its name; it must be free. */
BC_MUST_CHECK enum bc_err
stage_publish(struct worker *w, const struct rdir *stage, const char *from,
	      const struct rdir *home, const char *name, struct err *e);

/* stages_end - no more will be staged. */
void stages_end(struct worker *w);

/* stage_end - of dest_release(): all in it is done. */
void stage_end(struct worker *w, struct rdir *d);

#endif
