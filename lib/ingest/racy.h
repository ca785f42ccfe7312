/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/racy - may a file's time stamps tell that it is as it was read?
 *
 * A file that changes after it was read, in the same unit of its time stamps,
 * shows nothing. So a stamp is trusted only if the clock that gives stamps had
 * passed it when the run began. Which clock that is depends on the file
 * system: a local one asks this kernel's coarse clock, and is compared with
 * it; on any other (NFS, SMB, FUSE, clusters) stamps come from another
 * machine, whose clock may be behind ours by up to RACY_SKEW_NS, and a stamp
 * must be that much older.
 *
 * A clock that is set back breaks the comparison: a run during which that has
 * happened leaves no cache, and a cache of a run that began later than now is
 * not used. What remains, and is not seen: another machine's clock that is
 * further behind, and a clock that is set back and forward again between two
 * looks, when a file is changed to the same size at the very nanosecond of its
 * old stamps.
 */
#ifndef BC_INGEST_RACY_H
#define BC_INGEST_RACY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "util/clock.h"

enum {
	RACY_FS_MAX = 64,
	/* What may pass unseen between two looks at the clocks; no stamp so
	 * near to the beginning of a run is trusted. */
	RACY_STEP_NS = 10 * 1000 * 1000,
};

/* A day: the clock of a server that takes local time for UTC is wrong by no
 * more than fourteen hours. */
#define RACY_SKEW_NS (INT64_C(86400) * 1000000000)

struct racy {
	struct clock clock;
	int64_t begun;	    /* of the coarse clock */
	int64_t real, mono; /* at the same moment */
	pthread_mutex_t lock;
	atomic_uint n;
	struct racy_fs {
		uint64_t dev;
		bool local;
	} fs[RACY_FS_MAX];
};

/* racy_init - a run begins. racy_fini - the memory may go. */
void racy_init(struct racy *r, const struct clock *c);
void racy_fini(struct racy *r);

/* racy_learn - whose clock has the file system of this descriptor? Any
 * thread. racy_meet - the same unless `dev` is known. */
void racy_learn(struct racy *r, int fd);
void racy_meet(struct racy *r, int fd, uint64_t dev);

/* racy_set - what racy_learn() finds; a device that nobody has told is not
 * local. */
void racy_set(struct racy *r, uint64_t dev, bool local);

/* racy_stamp - could a change that this run did not see leave this stamp of an
 * item on `dev` as it is? Any thread. */
bool racy_stamp(const struct racy *r, uint64_t dev, int64_t stamp_ns);

/* racy_set_back - was the clock set back since the run began? */
bool racy_set_back(const struct racy *r);

/* racy_local_type - does a file system of this type (statfs) give stamps from
 * this kernel's clock? */
bool racy_local_type(uint64_t type);

#endif
