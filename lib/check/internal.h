/* SPDX-License-Identifier: Apache-2.0 */
/* check/internal - what the phases of a check share. */
#ifndef BC_CHECK_INTERNAL_H
#define BC_CHECK_INTERNAL_H

#include "check/check.h"
#include "repo/packs.h"
#include "repo/hurt.h"
#include "repo/reach.h"
#include "repo/state.h"

enum {
	CHECK_FILE_BYTES = 128, /* "packs/" and a name */
	CHECK_TELL_MAX = 20,	/* findings told for one file */
	CHECK_DISK_WAIT_MS = 1000,
};

struct check {
	const char *path;
	const struct check_options *o;
	struct check_result res;
	enum check_phase phase;
	struct io_dir *dir; /* the folder, while r is NULL */
	struct superblock sb;
	/* Views in memory, made from the log alone. NULL: cannot be opened. */
	struct repo *r;
	bool log_whole;
	bool moved_on;		   /* the log has grown since r was opened */
	unsigned heard;		   /* notes of r; under its mutex */
	char note[ERR_TEXT_BYTES]; /* the latest */
	pthread_mutex_t lock;	   /* findings, and all below */
	struct marks bad;	   /* damaged chunks */
	struct marks seen;	   /* what snapshots reach, as far as trees were
				      walked */
	struct buf held;	   /* findings that wait: hurt.c */
	struct hurt_report report;
};

struct check_at {
	const char *file;
	const uint64_t *offset;
};

/*
 * check_tell - report one finding. Any thread.
 *   at    NULL, or where
 *   next  NULL, or what to do
 */
void check_tell(struct check *c, enum check_weight w, const struct check_at *at,
		const char *next, const char *fmt, ...) BC_PRINTF(5, 6);

/* check_moved_on - has somebody committed since the check began? Then a view
 * may rightly know more than it does. Looks at the log; one thread. */
bool check_moved_on(struct check *c);

void check_begin(struct check *c, enum check_phase p, uint64_t all);
void check_step(struct check *c, uint64_t n);
bool check_stopped(const struct check *c, enum bc_err *rc, struct err *e);

/* check_file - "packs/ID.pack", "log/SEQ-ID". */
void check_file(const struct pack_ref *p, char out[CHECK_FILE_BYTES]);

/* ---- hurt.c ---- */

void check_hurt_init(struct check *c);
void check_hurt_fini(struct check *c);

/* check_hurt_well - the pack's file and directory, or with `data` all of its
 * blocks but those that were found bad, are well. Any thread. */
void check_hurt_well(struct check *c, uint32_t pack, bool data);

/* check_hurt_save - remember it for puts; a note if that cannot be. */
void check_hurt_save(struct check *c);

/*
 * check_hold_block, check_hold_pack - damage that is told when it is known
 * whether anything is lost by it. Any thread.
 *
 *   slot, n  the chunks that are damaged
 *   text     what is wrong; NULL: only counted unless something is lost
 */
void check_hold_block(struct check *c, uint32_t pack, uint32_t slot, uint32_t n,
		      uint64_t offset, const char *text);
void check_hold_pack(struct check *c, uint32_t pack, const char *text);

/* check_holds_pack - was check_hold_pack() called for it? Any thread. */
bool check_holds_pack(struct check *c, uint32_t pack);

/*
 * check_release - tell what waits: of blocks, when all is read that will be;
 * with `packs` of packs too.
 *   sound  every snapshot is whole: a pack that none of them reaches does not
 *	    count
 */
void check_release(struct check *c, bool packs, bool sound);

/*
 * check_read_dir - the directory of a sealed pack, read once more if the device
 * fails: what it can do at the second time is a note. Any thread, not under the
 * mutex.
 */
BC_MUST_CHECK enum bc_err check_read_dir(struct check *c, struct io_file *f,
					 const struct pack_ref *p,
					 struct pack_dir **out,
					 struct digest *digest, struct err *e);

/* check_summarise - all rows of a catalog in two digests: of snapshots and
 * tags, and of packs and logs. Equal digests, equal rows. */
BC_MUST_CHECK enum bc_err check_summarise(struct catalog *c,
					  struct digest out[2], struct err *e);

/* The phases. What they find they tell; what they return ends the check. */
BC_MUST_CHECK enum bc_err
check_log(struct check *c, const struct repo_options *ro, struct err *e);
/* check_checkpoints - of the phase of the log: the latest checkpoints, each
 * against a replay from the first log. */
BC_MUST_CHECK enum bc_err check_checkpoints(struct check *c, struct err *e);
BC_MUST_CHECK enum bc_err check_packs(struct check *c, struct err *e);
BC_MUST_CHECK enum bc_err check_views(struct check *c, struct err *e);
BC_MUST_CHECK enum bc_err check_data(struct check *c, struct rng rng,
				     struct err *e);

#endif
