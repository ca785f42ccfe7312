/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/internal - what the files of the put pipeline share.
 *
 *	sched.c   workers, tasks, the pause for a commit of packs
 *	source.c  the file system that is read: open, list, stat, attributes
 *	dir.c     a directory: recognised as unchanged, or built from ranges
 *	file.c    a file's bytes: batches of small files, windows of large ones
 *	put.c     roots, stat cache, snapshot
 *
 * Life of a directory (struct dir_job):
 *
 *	queued -> listed --(all as the stat cache says)--> children checked
 *		     \                                      |        \
 *		      \			     (a child differs)	      all same:
 *		       \				    |	       known
 *			+--> ranges of 128 names, in any order --> emitted in
 *			     order into the tree builder --> known
 *
 * A range waits for its files' chunks and for its subdirectories; a directory
 * that is known completes an entry of its parent's range.
 */
#ifndef BC_INGEST_INTERNAL_H
#define BC_INGEST_INTERNAL_H

#include <pthread.h>

#include "chunk/chunker.h"
#include "hash/sha256.h"
#include "ingest/put.h"
#include "ingest/statcache.h"
#include "repo/chunks.h"
#include "tree/content_builder.h"
#include "repo/session.h"
#include "tree/builder.h"
#include "tree/reader.h"

enum {
	RANGE_NAMES = 128,
	/* Ranges of one directory that may wait to be emitted. */
	RANGES_WAITING_MAX = 64,
	/* Files up to this are read whole into a batch. */
	SMALL_FILE_BYTES = 192 << 10,
	SPARSE_MIN_BYTES = 4096, /* shorter files are not asked for holes */
	/* Lists of a hundred chunks keep all lanes of the hash busy. With many
	 * workers each has less: BATCHES_BYTES between them. */
	BATCH_MIN_BYTES = 256 << 10,
	BATCH_MAX_BYTES = 2 << 20,
	BATCHES_BYTES = 16 << 20,
	BATCH_SEGS = 1024,
	BATCH_FILES = 512,
	/* Ranges read to their end whose files are still in the batch. */
	HELD_MAX = 64,
	WINDOW_MIN_BYTES = 1 << 20,
	WINDOW_MAX_BYTES = 2 << 20,
	WINDOW_SEGS = 2048,
	LIST_BYTES = 64 << 10,
	REREADS_MAX = 2,
};

/* ---- memory of a range ----------------------------------------------------
 */

struct arena {
	struct arena_block *last;
};
void *arena_alloc(struct arena *a, size_t n);
struct bytes arena_copy(struct arena *a, struct bytes b);
void arena_free(struct arena *a);

/* ---- the source -----------------------------------------------------------
 */

/* Where names of the top directory come from. */
struct base {
	int fd;
	uint64_t dev;
};

/* What one statx() says. */
struct item {
	uint8_t type; /* enum tree_type; 0: of no kind that is stored */
	uint32_t mode, uid, gid;
	uint64_t ino, dev, size, blocks;
	uint32_t nlink;
	int64_t mtime, ctime;
	uint32_t mtime_nsec, ctime_nsec;
	uint32_t rmajor, rminor;
	uint32_t flags; /* as FS_IOC_GETFLAGS */
};

/* source_stat - errno or 0. */
int source_stat(int dirfd, const char *name, struct item *out);
int source_fstat(int fd, struct item *out);
bool item_same(const struct item *a, const struct item *b);

/* source_open_dir - `path` below base, never through a link; -1 and errno. */
int source_open_dir(int base, const char *path);
int source_open_file(int dirfd, const char *name);

/* Names of a directory, sorted. */
struct names {
	struct buf text; /* NUL-ended */
	struct name_ref {
		uint32_t at;
		uint16_t len;
		uint16_t base;
	} * ref;
	size_t n, cap;
};
void names_free(struct names *v);
BC_MUST_CHECK enum bc_err names_add(struct names *v, const char *name,
				    uint16_t base);
/* names_list - add all of an open directory's; errno or 0, ENOMEM. */
int names_list(struct names *v, int fd, uint16_t base, uint8_t *scratch);
void names_sort(struct names *v);
static inline const char *name_at(const struct names *v, size_t i)
{
	return (const char *)v->text.p + v->ref[i].at;
}

/* Owners' names, looked up once. */
struct owners;
BC_MUST_CHECK enum bc_err owners_new(struct owners **out);
void owners_free(struct owners *o);
/* Borrowed until owners_free(); empty if the system knows none. */
struct bytes owners_user(struct owners *o, uint32_t uid);
struct bytes owners_group(struct owners *o, uint32_t gid);

/* ---- jobs -----------------------------------------------------------------
 */

struct put;
struct worker;
struct dir_job;

struct range {
	struct dir_job *dir;
	uint32_t first, n;
	uint64_t seq;
	struct tree_entry *entry; /* n */
	struct item *item;	  /* n */
	bool *present;		  /* n: to be stored */
	struct arena arena;
	uint32_t children; /* directories not yet known */
	uint32_t batched;  /* files in the batch of the worker that reads it */
	bool read;	   /* everything else is done */
	uint64_t files, others;
	struct tree_sum below; /* of its directories, under the lock */
	struct range *next;    /* by seq, in the directory's list */
};

/* A subdirectory that was known before its parent was built. */
struct child {
	uint32_t name; /* in the directory's names */
	bool same;     /* as the stat cache had it */
	bool lost;     /* could not be listed */
	struct tree_sum sum;
};

struct dir_job {
	struct dir_job *next;	       /* on the stack */
	struct dir_job *newer, *older; /* of all */
	struct dir_job *parent;
	struct range *range; /* of the parent, to be completed */
	uint32_t slot;	     /* entry in that range, or place in children */
	bool top;
	uint16_t base;
	char *path; /* below its base; of the top "" */
	uint64_t dev;
	struct names names;

	/* The check against the stat cache. */
	bool has_record;
	struct stat_record record; /* part 0 */
	struct child *children;
	size_t n_children;
	size_t children_left;
	bool children_same;
	bool building;

	/* Building, under the lock of struct put but for the builder, which
	 * one worker at a time has. */
	uint32_t next_name;
	uint64_t next_seq, emit_seq;
	struct range *waiting; /* read or not, in order of seq */
	uint32_t n_waiting;
	bool parked;   /* too many wait */
	bool emitting; /* a worker has the builder */
	bool finishing;
	bool lost;	/* could not be listed */
	unsigned users; /* workers that will still look at it */
	bool dead;	/* to be freed by the last of them */
	struct tree_builder builder;
	bool builder_ready;
	struct tree_sum sum;
	struct buf part; /* of the stat cache's record */
	struct buf part0;
	uint32_t part_n, parts;
	uint64_t recorded;
	bool more; /* the record has more than part0 */
};

/* A window of a large file. */
struct window {
	struct window *next;
	struct big_file *file;
	uint64_t seq;
	uint8_t *buf;
	size_t len;
	struct chunk_seg *seg;
	size_t n_segs;
	struct digest *ids; /* of the data segments */
	bool done;
};

struct put {
	struct repo *repo;
	const struct put_options *o;
	struct session *session;
	struct chunker chunker;
	struct owners *owners;
	struct statcache *cache;
	struct statcache_writer *cache_out;
	int64_t racy_from; /* coarse clock at the start, ns */
	struct put_progress own_progress, *progress;
	struct base *bases;
	size_t n_bases;
	size_t batch_bytes, window_bytes;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct dir_job *stack;
	struct dir_job *all;
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
	bool cache_changed; /* something differs from the stat cache */
	struct kept_records {
		struct stat_record *at;
		size_t n, cap;
	} same; /* records that stay as they are */
	uint64_t vanished, changed, unreadable;
	pthread_t threads[64];
	unsigned n_threads;

	pthread_mutex_t event_lock;
};

struct batch_seg {
	uint32_t at; /* in the batch buffer */
	uint32_t len;
	uint8_t kind;
};

struct batch_file {
	struct range *range;
	uint32_t entry;	   /* of the range */
	uint32_t first, n; /* segments */
	uint64_t size;
};

/* A directory that something has become known for. */
struct ready {
	struct dir_job *dir;
	bool checked; /* its children are, not one of its ranges */
};

struct worker {
	struct put *p;
	/* Directories complete one another upwards: a list, as a tree may be
	 * deeper than a stack. */
	struct ready *todo;
	size_t n_todo, cap_todo;
	bool draining;
	struct gather gather;
	struct sealer sealer;
	bool ready;
	uint8_t *batch;
	size_t batch_n;
	struct batch_seg *seg;
	size_t n_segs;
	struct batch_file file[BATCH_FILES];
	size_t n_files;
	struct range *held[HELD_MAX];
	size_t n_held;
	struct sha256_job *job;
	struct digest *ids;
	const struct digest **id_refs;
	uint32_t *sizes;
	bool *fresh;
	struct content_builder content;
	struct tree_reader old; /* the last snapshot's trees */
	struct chunk_reader *reader;
	uint8_t *list;
};

/* ---- sched.c --------------------------------------------------------------
 */

void put_fail(struct put *p, enum bc_err rc, const struct err *e);
bool put_failed(struct put *p);
/* put_path - as it is shown: below the root. The caller frees it; NULL without
 * memory. */
char *put_path(const char *dir, const char *name);
void put_event(struct put *p, enum put_event_kind kind, const char *dir,
	       const char *name, int sys);

/* sched_push - give a directory to whoever is free; more workers start when
 * there is more to do than workers. */
void sched_push(struct put *p, struct dir_job *d);
void sched_push_window(struct put *p, struct window *w);
/* sched_window - a free window; helps with others' while there is none. NULL
 * after a failure. */
struct window *sched_window(struct worker *w);
/* sched_help - work on one queued window, or wait for a change. */
void sched_help(struct worker *w, bool (*enough)(void *ctx), void *ctx);
/* sched_pause_point - where a worker has no claimed chunk in its hands but
 * what is in its gather. */
void sched_pause_point(struct worker *w);
BC_MUST_CHECK enum bc_err sched_run(struct put *p, struct err *e);

void sched_worker_fini(struct worker *w);
void sched_free_windows(struct put *p);
BC_MUST_CHECK enum bc_err worker_ready(struct worker *w, struct err *e);

/* ---- dir.c ----------------------------------------------------------------
 */

struct dir_job *dir_new(struct put *p, struct dir_job *parent, const char *name,
			uint16_t base);
void dir_free(struct put *p, struct dir_job *d);
/* empty_dir - the node of a directory without entries. */
BC_MUST_CHECK enum bc_err empty_dir(struct worker *w, struct tree_dir *out,
				    struct err *e);
/* dir_work - the next piece of work on a directory. */
void dir_work(struct worker *w, struct dir_job *d);
/* dir_flush - have nothing that others may wait for. */
void dir_flush(struct worker *w);
/* range_release - the batch is empty: complete the ranges that wait for it. */
void range_release(struct worker *w);

/* ---- file.c ---------------------------------------------------------------
 */

/* file_store - read an open file into entry i of the range. Takes fd. */
void file_store(struct worker *w, struct range *r, uint32_t i, int dirfd);
/* file_flush - the batch's files get their contents, and the ranges that are
 * held for them go on. A failure is the put's. */
BC_MUST_CHECK enum bc_err file_flush(struct worker *w, struct err *e);
/* file_stream - a descriptor without a known size. */
BC_MUST_CHECK enum bc_err file_stream(struct worker *w, int fd, struct range *r,
				      uint32_t i, struct err *e);
/* file_window - work on one window. */
void file_window(struct worker *w, struct window *win);
BC_MUST_CHECK enum bc_err worker_flush(struct worker *w, struct err *e);

#endif
