/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/run - one put: what its workers share, and what becomes of trouble.
 *
 *	put.c      the run from its options to its snapshot
 *	root.c     the paths and streams given
 *	sched.c    workers and what they do next
 *	worker.c   one worker's buffers: hash, look up, gather
 *
 *	dir.c      a directory's way from a name to a node
 *	recheck.c  ... is it as it was?
 *	known.c    what the last put has seen (stat cache)
 *	range.c    ... or some of its names at a time, into entries
 *	reuse.c    an entry that is as it was, from the last snapshot
 *	entry.c    what the system says of an item
 *	dir_node.c entries in order into a node and a record of the cache
 *
 *	file.c     a file's bytes
 *	small.c    ... small ones together
 *	big.c      ... a large one, or a stream, window by window
 *	window.c   the buffers for these
 *
 *	source.c, names.c, owners.c  the system
 */
#ifndef BC_INGEST_RUN_H
#define BC_INGEST_RUN_H

#include <pthread.h>

#include "chunk/chunker.h"
#include "ingest/known.h"
#include "ingest/put.h"
#include "ingest/racy.h"

enum { THREADS_MAX = 64 };

struct put {
	struct repo *repo;
	const struct put_options *o;
	uint64_t own_dev, own_ino; /* of the repository; 0: not known */
	struct session *session;   /* NULL: nothing is to be stored */
	struct chunker chunker;
	struct owners *owners;
	struct known known;
	bool distrust;	    /* no cache: the repository was found damaged */
	struct digest hurt; /* what was lost of it when the run began */
	struct racy racy;
	struct put_progress own_progress, *progress;
	struct root *roots;
	size_t n_roots;
	size_t batch_bytes, window_bytes;

	pthread_mutex_t lock; /* guards all below, and where a header says so */
	pthread_cond_t wake;
	struct dir_job *stack;
	struct dir_job *all;
	struct range *stored;	/* whose small files are, to go on */
	struct window *windows; /* to be worked on */
	struct window *free_windows;
	unsigned n_windows, max_windows;
	uint64_t changes; /* of windows, so that no wake-up is lost */
	unsigned busy;	  /* workers on a task */
	unsigned workers; /* running */
	unsigned paused;  /* waiting in the pause */
	bool pause;
	uint64_t pauses;
	bool finished;
	struct err failed;
	struct tree_sum root;
	bool root_known;
	uint64_t vanished, changed, unreadable;
	int sys; /* why the first item was left out */
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;

	pthread_mutex_t event_lock; /* one call of the caller's at a time */
};

/* put_fail - the repository failed: the run ends with the first such error.
 * put_no_memory - so it did, for want of memory for `what`. */
void put_fail(struct put *p, enum bc_err rc, const struct err *e);
void put_no_memory(struct put *p, const char *what);

/* put_failed - failed, or stopped from outside? */
bool put_failed(struct put *p);

/* put_failure - the code of what has failed it or stopped it, BC_OK if nothing
 * has. */
enum bc_err put_failure(struct put *p, struct err *e);

/* put_event - tell the caller of an item, below the root as it is shown; count
 * it, and go on. */
void put_event(struct put *p, enum put_event_kind kind, const char *dir,
	       const char *name, int sys);

/* put_skip - an item that errno `sys` keeps out: vanished, or unreadable. */
void put_skip(struct put *p, const char *dir, const char *name, int sys);

/* put_stored - tell the caller, if it wants to know, of a stored item. */
void put_stored(struct put *p, const char *dir, const char *name,
		enum tree_type type, uint64_t size, enum put_item_state state);

#endif
