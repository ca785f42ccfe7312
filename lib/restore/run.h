/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/run - one restore: what its threads share, and what becomes of
 * trouble. Private to lib/restore.
 *
 *	run.c      from the options to the verdict; batches and their jobs
 *	report.c   what could not be restored, and how it is told
 *	walk.c     down the tree: directories, and references to chunks
 *	dest.c     the destination, and the directories in it
 *	files.c    regular files
 *	part.c     ... until they are whole
 *	other.c    links, fifos, sockets and devices
 *	kept.c     what has the name already: taken for it, or in the way
 *	there.c    ... whether it is the thing
 *	fskind.c   what kinds of file system do differently
 *	meta.c     owner, attributes, mode, times
 *	owner.c    ... which number a name has here
 *	links.c    hard links
 *	late.c     what is set when all else is done
 *
 *	batch.c    which chunks are needed where, and in which reads
 *	loader.c   these reads, and the chunks in them verified
 *
 * One thread walks the tree: it makes directories and everything without
 * content, and fills batches with references to chunks. All threads, the
 * walker among them when it is ahead, do the jobs of batches: they make, fill
 * and finish files. So memory holds what is in flight, and no more.
 */
#ifndef BC_RESTORE_RUN_H
#define BC_RESTORE_RUN_H

#include <pthread.h>

#include "restore/dest.h"
#include "restore/links.h"
#include "restore/loader.h"
#include "restore/owner.h"
#include "restore/restore.h"

struct late;

enum {
	FILE_LOCKS = 64,
	/* A batch: references, and files. */
	BATCH_REFS = 48 << 10,
	BATCH_FILES = 12 << 10,
	/* The first one is small, so that all threads start soon. */
	BATCH_FIRST_FILES = 512,
};

struct worker {
	struct run *run;
	struct loader loader;
	struct dir_fds fds;
	struct buf path; /* for reports */
	pthread_t thread;
	bool started;
};

struct run {
	struct repo *r;
	struct restore_options o;
	struct restore_progress own; /* where the caller wants none */
	struct restore_progress *progress;
	int root; /* the destination, or the folder of the one file */
	bool root_only_path; /* opened O_PATH: it may not be read */
	bool marked;	     /* the destination has a mark of this run */
	bool begun;	     /* ... or had one of a run that did not end */
	atomic_bool no_openat2;
	bool parts_named;   /* no nameless files here */
	bool links_by_proc; /* they are named by way of /proc */
	struct birth birth;
	bool is_root;
	struct owner_map users, groups;
	uint64_t serial;	     /* the walker's: of the last directory */
	_Atomic uint32_t noted;	     /* bits of enum note */
	_Atomic uint32_t open_files; /* shared ones, kept for the next chunk */
	uint32_t open_max;
	pthread_mutex_t files[FILE_LOCKS];
	struct links links;

	pthread_mutex_t report; /* callbacks, and what follows */
	struct err first;	/* of the worst kind */
	int rank;
	struct late *late;

	atomic_int fatal;     /* enum bc_err: stop */
	struct err fatal_err; /* under report */

	/* Batches. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch *queue, **queue_end; /* jobs to be claimed */
	struct batch *idle;		  /* empty ones */
	uint32_t unclaimed;
	unsigned batches; /* in all; the walker's */
	bool walked;	  /* no more will come */
	struct pack_files packs;
	struct worker worker[RESTORE_THREADS_MAX];
	unsigned threads;
};

/* run_stop - end it all; the first reason counts. */
void run_stop(struct run *run, const struct err *e);

/* run_dead - is it to end? */
bool run_dead(struct run *run);

/* run_batch - an empty batch; run_submit - plan it and let it be done. The
 * walker, who lends a hand while the others have enough to do. */
BC_MUST_CHECK enum bc_err run_batch(struct run *run, struct batch **out,
				    struct err *e);
void run_submit(struct worker *w, struct batch *b);

/* run_settle - until all that was submitted is done. The walker. */
void run_settle(struct worker *w);

#endif
