/* SPDX-License-Identifier: Apache-2.0 */
/* repo/internal - what the files of lib/repo share. */
#ifndef BC_REPO_INTERNAL_H
#define BC_REPO_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog/catalog.h"
#include "index/build.h"
#include "index/index.h"
#include "index/mem.h"
#include "log/file.h"
#include "repo/repo.h"

struct codec_dec;
struct dir_cache;

/* A place in the log: after the group of `generation`. */
struct log_pos {
	uint64_t generation;
	struct digest digest; /* of its record */
	uint64_t seq;
	struct pack_id log;
	uint64_t end;
	uint32_t next_pack;
	uint32_t next_slot;
};

/* The names in log/, in order of SEQ. Two of one SEQ: an interrupted start of
 * a log; what the chain does not name is passed over. */
struct log_list {
	struct log_name {
		uint64_t seq;
		struct pack_id id;
	} * at;
	size_t n;
};

/* Chunks that the log has and the index on disk lacks. */
struct overlay {
	struct index_mem mem; /* to places in `at` */
	struct index_entry *at;
	size_t n, cap;
	uint64_t from; /* the generation that the index stands at */
	struct digest from_digest;
};

struct repo {
	struct io *io;
	struct rng rng;
	struct clock clock;
	struct repo_note note;
	bool write;
	bool read_only;	    /* the file system is */
	bool whole_log;	    /* replay from the first log, by no checkpoint */
	bool no_checkpoint; /* one could not be written: do not try again */
	uint64_t until;	    /* replay no further than this; 0: to the head */
	int64_t lock_wait_ms;
	char *path;
	struct superblock sb;
	struct io_dir *dir, *log_dir, *packs_dir;
	/* NULL where they are missing and cannot be made. */
	struct io_dir *leases_dir, *index_dir, *cache_dir;
	struct io_file *lock;

	/* One lock for what several threads of this process reach: catalog,
	 * directory cache, open pack files. */
	pthread_mutex_t mutex;
	struct catalog *catalog;
	bool catalog_in_memory;
	struct index *index; /* NULL if nothing could be written */
	atomic_bool index_ready;
	struct overlay overlay;
	uint64_t overlay_secret; /* so that nobody makes ids that collide */
	struct dir_cache *dirs;
	unsigned pieces;       /* parts of directories that were read */
	struct codec_dec *dec; /* under the mutex */
	struct log_pos head;
	/* What this process has synced itself need not be synced again. */
	struct pack_id synced_log;
	uint64_t synced_end;
	bool tail_busy; /* a commit was waited for in vain */
};

/* repo_note_f - tell the user something. */
void repo_note_f(struct repo *r, const char *fmt, ...) BC_PRINTF(2, 3);

/* ---- replay.c ---- */

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

/* repo_open_catalog - open or make the catalog and set r->head from it. */
BC_MUST_CHECK enum bc_err repo_open_catalog(struct repo *r, struct err *e);

BC_MUST_CHECK enum bc_err log_list_read(struct io_dir *dir, struct log_list *l,
					struct err *e);
void log_list_free(struct log_list *l);

/* ---- commit.c ---- */

/* repo_commit_busy - BC_ELOCKED, and in `e` what to do about it. */
enum bc_err repo_commit_busy(const struct repo *r, struct err *e);

/* ---- apply.c ---- */

/*
 * repo_apply_group - the group's operations into the catalog, inside a
 * transaction; moves *pos. g->raw must be there.
 */
BC_MUST_CHECK enum bc_err repo_apply_group(struct repo *r,
					   const struct group *g,
					   uint32_t log_number,
					   struct log_pos *pos, struct err *e);

/*
 * repo_apply_present - an operation of a checkpoint, but snapshots, into the
 * catalog, inside a transaction. pos->next_pack is that after the packs so far.
 */
BC_MUST_CHECK enum bc_err repo_apply_present(struct repo *r,
					     const struct log_op *op,
					     struct log_pos *pos,
					     struct err *e);

/* repo_apply_snapshot - one that is present in a checkpoint; raw is its record.
 */
BC_MUST_CHECK enum bc_err
repo_apply_snapshot(struct repo *r, const struct log_snapshot_present *p,
		    struct bytes raw, struct err *e);

/* ---- views.c ---- */

/* repo_open_index - open the index, and the overlay of what it lacks up to
 * r->head. A damaged or foreign index is made again. */
BC_MUST_CHECK enum bc_err repo_open_index(struct repo *r, struct err *e);
void repo_close_index(struct repo *r);

/* repo_need_index - repo_open_index() at the first call only: commands that
 * ask the catalog alone do without. Any thread, not under the mutex: the
 * others wait for the first. */
BC_MUST_CHECK enum bc_err repo_need_index(struct repo *r, struct err *e);

/* repo_index_anew - do without the index on disk: in memory, from the
 * directories. */
BC_MUST_CHECK enum bc_err repo_index_anew(struct repo *r, struct err *e);

/* repo_heal_index - if a lookup has met a damaged page of the index, make the
 * index again; true if a second lookup may find more. Any thread. */
bool repo_heal_index(struct repo *r);

typedef enum bc_err repo_dir_fn(void *ctx, const struct pack_dir *d,
				uint32_t number, struct err *e);

/*
 * repo_each_dir - the directory of a sealed pack, or those of the groups of a
 * log that has none of its own, the last group first. What cannot be read is a
 * note and passed over; a freed pack has none. Under the mutex, or while no
 * other thread is at work.
 */
BC_MUST_CHECK enum bc_err repo_each_dir(struct repo *r, uint32_t number,
					repo_dir_fn *fn, void *ctx,
					struct err *e);

/* The numbers of packs and logs, in order; free(at). */
struct pack_numbers {
	uint32_t *at;
	size_t n, cap;
};

/* repo_pack_numbers - those in any of the states (bits 1 << catalog_state). */
BC_MUST_CHECK enum bc_err repo_pack_numbers(struct repo *r, unsigned states,
					    struct pack_numbers *out,
					    struct err *e);

/* overlay_add_dir - all chunks of a directory; under the mutex. */
BC_MUST_CHECK enum bc_err overlay_add_dir(struct overlay *o,
					  const struct pack_dir *d,
					  uint32_t number, struct err *e);

/* repo_overlay_pack - the chunks of a pack that has just become part of the
 * repository join the overlay; if that fails the index is opened anew. */
void repo_overlay_pack(struct repo *r, uint32_t number);

/*
 * repo_update_index - after a commit, with r->head and the overlay moved on:
 * put the overlay into a run if it is large, or spans many generations, or
 * `all`; merge runs when there are many. It is a view: a failure is a note.
 */
void repo_update_index(struct repo *r, bool all);

/* repo_find_hints - where the index and the overlay think a chunk is; any
 * thread. Returns how many. */
size_t repo_find_hints(struct repo *r, const struct digest *id,
		       struct index_loc *out, size_t max);

/* ---- dirs.c: pack directories, cached ---- */

/* Where a pack lies. */
struct pack_ref {
	uint32_t number;
	struct pack_id id;
	bool log;	 /* in log/, under its SEQ */
	uint64_t seq;	 /* of a log */
	uint64_t length; /* 0: a log that grows */
	bool freed;
};

BC_MUST_CHECK enum bc_err repo_pack_ref(struct repo *r, uint32_t number,
					struct pack_ref *out, struct err *e);

/* A cached directory. dir_put() returns the reference. */
struct dir_ref {
	const struct pack_dir *dir;
	struct pack_ref pack;
	void *entry;
};

BC_MUST_CHECK enum bc_err dir_cache_new(size_t budget, struct dir_cache **out);
void dir_cache_free(struct dir_cache *c);

/*
 * repo_dir_get - the directory that tells about `slot` of pack `number`.
 * Takes the mutex. BC_ENOTFOUND, BC_EDAMAGE, ...
 */
BC_MUST_CHECK enum bc_err repo_dir_get(struct repo *r, uint32_t number,
				       uint16_t slot, struct dir_ref *out,
				       struct err *e);
/* repo_dir_get_whole - the directory of all chunks of a sealed pack, where
 * repo_dir_get() may know but those of one block. */
BC_MUST_CHECK enum bc_err repo_dir_get_whole(struct repo *r, uint32_t number,
					     struct dir_ref *out,
					     struct err *e);
void repo_dir_put(struct repo *r, struct dir_ref *d);

/* repo_dir_add - give the cache a directory that was just written; it becomes
 * the cache's, also on failure. */
void repo_dir_add(struct repo *r, const struct pack_ref *p, struct pack_dir *d);

/* repo_read_dir - a sealed pack's directory from its file, not cached. */
BC_MUST_CHECK enum bc_err repo_read_dir(struct repo *r, struct io_file *f,
					uint64_t length, struct pack_dir **out,
					struct digest *digest, struct err *e);

/* repo_open_pack - the file of a pack, for reading. */
BC_MUST_CHECK enum bc_err repo_open_pack(struct repo *r,
					 const struct pack_ref *p, bool direct,
					 struct io_file **out, struct err *e);

#endif
