/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/hurt - what is known to be lost: packs whose file is gone or has not
 * the length it was sealed with, and blocks that could not be read.
 *
 * A chunk of which every place is hurt counts as absent, so that a put of the
 * same bytes stores it again. Lost packs are seen by a look at the files; bad
 * blocks are found when somebody reads them, and remembered in `cache/hurt`
 * (docs/format.md, section 11). That file is a view like any other: without it
 * nothing is wrong, but what was found is forgotten. It is changed under the
 * lock of the views.
 *
 * Private to lib/repo and lib/check.
 */
#ifndef BC_REPO_HURT_H
#define BC_REPO_HURT_H

#include <pthread.h>
#include <stdatomic.h>

#include "hash/sha256.h"
#include "pack/format.h"
#include "util/buf.h"

struct repo;
struct catalog;

enum {
	/* In place of a block's offset: all of the pack. No block begins
	 * there. */
	HURT_WHOLE = 0,
	/* What a file holds at most; beyond it new ones are forgotten. */
	HURT_MAX = 65536,
};

struct hurt_spot {
	uint32_t pack;	 /* its number; 0: not in the catalog */
	uint32_t offset; /* of the block's header, or HURT_WHOLE */
	struct pack_id id;
	bool found; /* by this process, by reading */
};

/* The spots a handle knows. Any thread. */
struct hurt {
	pthread_mutex_t lock;
	atomic_bool any;      /* so that who has nothing to ask does not lock */
	struct hurt_spot *at; /* ascending by pack and offset */
	size_t n, cap;
	size_t found;
};

void hurt_init(struct hurt *h);
void hurt_fini(struct hurt *h);

/* hurt_add - BC_ENOMEM. One that is there already is not added twice. */
BC_MUST_CHECK enum bc_err hurt_add(struct hurt *h, const struct hurt_spot *s);

/* hurt_found - add one that this process has found by reading, if there is
 * memory for it. */
void hurt_found(struct hurt *h, uint32_t pack, const struct pack_id *id,
		uint32_t offset);

/* hurt_has - is this block, or all of its pack, hurt? */
bool hurt_has(struct hurt *h, uint32_t pack, uint32_t offset);

/* hurt_knows - has this pack any spot? */
bool hurt_knows(struct hurt *h, uint32_t pack);

/* hurt_state - a digest that names the set; zeros if it is empty. */
void hurt_state(struct hurt *h, struct digest *out);

/* ---- the file -------------------------------------------------------------
 */

/* hurt_decode - append the spots of a file's bytes to `out` (of struct
 * hurt_spot), pack numbers 0. BC_EDAMAGE; BC_ENOMEM. */
BC_MUST_CHECK enum bc_err
hurt_decode(struct bytes raw, const struct pack_id *repo, struct buf *out);
BC_MUST_CHECK enum bc_err hurt_encode(const struct hurt_spot *v, size_t n,
				      const struct pack_id *repo,
				      struct buf *out);

/* ---- of a repository ------------------------------------------------------
 */

/* repo_hurt_load - add to r->hurt what the file knows of packs that are there.
 * No failure: it is a view. Not under the mutex. */
void repo_hurt_load(struct repo *r);

/*
 * repo_hurt_found - a block of a pack, or with HURT_WHOLE its file or
 * directory, could not be read. Known at once, and remembered by
 * repo_hurt_save(). Any thread, not under the mutex.
 */
void repo_hurt_found(struct repo *r, uint32_t pack, uint32_t offset);

/* repo_hurt_save - remember what was found, if that can be written. Lost packs
 * are not: every look sees them anew. */
void repo_hurt_save(struct repo *r);

/* What a look has missed. */
struct hurt_look {
	size_t lost;	 /* packs */
	char first[256]; /* one of them: "packs/ID.pack is missing" */
};

/*
 * repo_hurt_look - look at the file of every live pack, and add those that are
 * lost to r->hurt. Some microseconds a pack.
 *
 *   BC_EIO, BC_ENOMEM, ...  the packs could not be looked at
 */
BC_MUST_CHECK enum bc_err repo_hurt_look(struct repo *r, struct hurt_look *out,
					 struct err *e);

/* What a check has to say about packs, by their numbers. */
struct hurt_report {
	struct buf bad;	    /* struct hurt_spot: pack and offset */
	struct buf dir_ok;  /* u32: file, header and directory are well */
	struct buf data_ok; /* u32: every block was read; what is bad is in
			       `bad` */
};

/*
 * hurt_report_save - bring the file up to date: spots that were read well, and
 * those of packs that are freed, go. Removes a file that would be empty.
 *
 *   r  a handle opened for the check; its own rights do not count
 *
 *   BC_ELOCKED, BC_EACCES, ...  nothing was changed
 */
BC_MUST_CHECK enum bc_err
hurt_report_save(struct repo *r, const struct hurt_report *h, struct err *e);

#endif
