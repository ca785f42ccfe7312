/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/state - what an open repository holds.
 *
 * For lib/repo, and for lib/check, which looks at the views themselves; all
 * others ask the functions. The mutex guards what the struct says it does.
 */
#ifndef BC_REPO_STATE_H
#define BC_REPO_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog/catalog.h"
#include "index/index.h"
#include "log/file.h"
#include "repo/hurt.h"
#include "repo/overlay.h"
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

/*
 * Index and overlay answer together, and this is how it is with them. Only
 * become() in repo/views.c changes it.
 *
 *	NONE -- opened when it is first needed --> ON_DISK or IN_MEMORY
 *	ON_DISK -- damaged, and made again ------> ON_DISK or IN_MEMORY
 *	each -- opening or making it fails ------> BROKEN
 *	each -- repo_index_anew() ---------------> IN_MEMORY
 *	each -- closed, or the head moves on ----> NONE
 */
enum index_state {
	INDEX_NONE,	 /* to be opened; what there is may lack something */
	INDEX_ON_DISK,	 /* `index`, and in the overlay what it lacks */
	INDEX_IN_MEMORY, /* nothing could be written: all is in the overlay */
	INDEX_BROKEN,	 /* there is neither; `index_why` */
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
	/* Why: BC_ELOCKED, a commit is under way; BC_EDAMAGE, the one on disk
	 * has seen more than the log; others, it cannot be written. */
	enum bc_err catalog_why;
	bool catalog_trusted; /* the log cannot be read: it is all there is */
	bool may_lack;	      /* repo_may_lack() */
	enum index_state index_state;
	struct index *index;   /* NULL unless it is on disk */
	struct err index_why;  /* of INDEX_BROKEN */
	unsigned index_made;   /* how often the state has changed */
	unsigned index_healed; /* how often it was found damaged */
	bool index_doubted;    /* made again though it was whole */
	bool packs_lost;       /* some cannot be read: no index has them */
	/* On disk or in memory: for who looks without the mutex. */
	atomic_bool index_ready;
	struct overlay overlay;
	uint64_t overlay_secret; /* so that nobody makes ids that collide */
	struct hurt hurt;	 /* has a lock of its own */
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

#endif
