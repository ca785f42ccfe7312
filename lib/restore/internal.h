/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/internal - what the files of restore_run() share.
 *
 * One thread walks the tree: it makes directories and everything without
 * content, and fills batches with references to chunks. All threads, the
 * walker among them when it is ahead, do the jobs of batches: they make, fill
 * and finish files. A directory gets its attributes from whoever finishes the
 * last thing in it. So memory holds what is in flight, and no more.
 */
#ifndef BC_RESTORE_INTERNAL_H
#define BC_RESTORE_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include "tree/attrs.h"
#include "restore/loader.h"
#include "restore/restore.h"

enum {
	DIR_FDS_MAX = 8, /* directories that a thread keeps open */
	FILE_LOCKS = 64,
	/* A batch: references, and files. */
	BATCH_REFS = 48 << 10,
	BATCH_FILES = 12 << 10,
	/* The first one is small, so that all threads start soon. */
	BATCH_FIRST_FILES = 512,
};

/* Attributes of anything. */
struct meta {
	uint32_t mode;
	uint32_t uid, gid;
	bool own;	    /* uid and gid are to be set */
	uint32_t flags;	    /* as FS_IOC_GETFLAGS */
	bool by_id;	    /* extended attributes: a chunk of their own */
	struct attrs attrs; /* or these; owned by the holder of the meta */
	struct digest attrs_id;
	int64_t mtime;
	uint32_t mtime_nsec;
};

/* A directory that is being restored. Freed when all in it is done. */
struct rdir {
	struct rdir *parent; /* NULL: the destination itself */
	struct rdir *next;   /* the walker's list */
	uint64_t serial;     /* never used again, unlike the address */
	_Atomic uint32_t holds;
	bool apply; /* made, or empty: attributes are to be set */
	bool later; /* made when something in it is; the walker's */
	struct meta meta;
	struct digest node;
	unsigned name_n;
	char *name;
};

struct link_name;

/* A regular file that is being restored. */
struct rfile {
	struct rdir *dir;
	struct meta meta;
	uint64_t size;
	/* References that have not landed, and one for the walker. */
	_Atomic uint32_t left;
	bool single; /* one reference: no lock, one visit */
	bool sparse; /* its size must be set: it may end in a hole */
	/* The rest under file_lock(), once it is not single. */
	bool made;   /* there is such a name, of this run */
	bool failed; /* and told */
	unsigned users;
	int fd;
	dev_t dev;
	ino_t ino;
	/* Hard links: under run.links.lock. */
	bool linked;
	uint64_t group;
	struct link_name *names; /* further ones, to remove on failure */
	unsigned name_n;
	char *name;
};

/* ---- directories, safely: dest.c ---- */

/* A few open directories of one thread. */
struct dir_fds {
	unsigned n; /* may keep */
	uint64_t tick;
	struct {
		uint64_t serial; /* 0: empty */
		uint64_t used;
		int fd;
	} at[DIR_FDS_MAX];
};

/* What creating a file gives by itself. */
struct birth {
	bool known;
	uint32_t mode; /* of 0777 */
	uint32_t uid, gid;
	bool acl; /* the destination hands down an ACL */
};

/* ---- hard links: links.c ---- */

struct link_slot {
	uint64_t group;
	struct rfile *pending; /* content is still coming */
	uint32_t dir, name;    /* in text; 0: empty slot */
	struct digest print;   /* of what the entry says */
};

struct links {
	pthread_mutex_t lock;
	struct link_slot *slot;
	size_t n, cap;
	struct buf text; /* NUL-terminated paths and names */
	uint64_t dir_serial;
	uint32_t dir_at; /* path of the directory of that serial */
};

/* What is set when all else is done: a path and what it gets. */
struct late {
	struct late *next;
	uint32_t mode;	  /* of a directory */
	uint32_t flags;	  /* of a file; 0: it is a directory's mode */
	const char *name; /* behind the path of its folder */
	char folder[];
};

/* ---- owners: owner.c ---- */

struct owner_map {
	struct owner_line {
		uint32_t from, to;
		size_t n;
		char *name;
	} * at;
	size_t n, cap, last;
};

/* Kinds of what could not be restored, each told once. */
enum note {
	NOTE_OWNER,
	NOTE_SETID,
	NOTE_MODE,
	NOTE_TIME,
	NOTE_FLAGS,
	NOTE_DEVICE,
	NOTE_ACL,
	NOTE_XATTR_USER,
	NOTE_XATTR_TRUSTED,
	NOTE_XATTR_SECURITY,
	NOTE_XATTR_OTHER,
	NOTE_LATE,
	NOTE_LINK,
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
	atomic_bool no_openat2;
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
	struct packs packs;
	struct worker worker[RESTORE_THREADS_MAX];
	unsigned threads;
};

/* ---- run.c ---- */

/* run_report - an item is not restored. Counts it. name may be NULL: `dir`
 * itself. */
void run_report(struct worker *w, const struct rdir *dir, const char *name,
		enum bc_err code, const char *text);

/*
 * run_failed - the same for a failed system call or whatever `e` says; stops
 * the run if the destination is full or broken.
 */
void run_failed(struct worker *w, const struct rdir *dir, const char *name,
		const struct err *e);

/* run_lost - the same where it is the repository that fails: the rest may
 * still be whole. */
void run_lost(struct worker *w, const struct rdir *dir, const char *name,
	      const struct err *e);

/* run_note - something about items cannot be restored here; told once. */
void run_note(struct worker *w, const struct rdir *dir, const char *name,
	      enum note kind, int sys);

/* run_item - restored. */
void run_item(struct worker *w, const struct rdir *dir, const char *name,
	      enum tree_type type, uint64_t size);

/* run_stop - end it all; the first reason counts. */
void run_stop(struct run *run, const struct err *e);

/* run_dead - is it to end? */
bool run_dead(struct run *run);

/* run_batch - an empty batch; run_submit - plan it and let it be done. The
 * walker, who lends a hand while the others have enough to do. */
BC_MUST_CHECK enum bc_err run_batch(struct run *run, struct batch **out,
				    struct err *e);
void run_submit(struct worker *w, struct batch *b);

/* run_late - remember what is set at the very end. */
void run_late(struct worker *w, const struct rdir *dir, const char *name,
	      uint32_t mode, uint32_t flags);

/* ---- dest.c ---- */

/*
 * dest_open - open or make the destination; sets root and birth.
 *   dir   the thing is a directory
 *   name  [out] malloc'ed: the name of the one thing; NULL for a directory
 *   fresh [out] made or empty
 */
BC_MUST_CHECK enum bc_err dest_open(struct run *run, bool dir, char **name,
				    bool *fresh, struct err *e);

void dir_fds_init(struct dir_fds *c, unsigned n);
void dir_fds_fini(struct dir_fds *c);

/* dest_dir - a descriptor of directory d, the cache's; -1 and errno. */
int dest_dir(struct worker *w, const struct rdir *d);

/* dest_path_dir - the same by its path below the destination, the caller's. */
int dest_path_dir(struct run *run, const char *path);

/* dest_path - path below the destination, in `out`, with a NUL. name may be
 * NULL. */
const char *dest_path(const struct rdir *d, const char *name, struct buf *out);

/* dest_reclaim - a descriptor is wanted: give up those that w could do
 * without. */
void dest_reclaim(struct worker *w);

/* dest_hold, dest_release - the last release sets d's attributes, and may
 * release its parent. */
static inline void dest_hold(struct rdir *d)
{
	atomic_fetch_add_explicit(&d->holds, 1, memory_order_relaxed);
}
void dest_release(struct worker *w, struct rdir *d);

/* ---- meta.c ---- */

/* meta_of - what entry en asks for. Attributes are borrowed. */
void meta_of(struct worker *w, const struct rdir *dir, const char *name,
	     const struct tree_entry *en, struct meta *out);

/* meta_open_mode - the mode to create a file with; *later: it must be set when
 * the file is done. */
uint32_t meta_open_mode(const struct run *run, const struct meta *m,
			bool reopened, bool *later);

/* meta_early - what must be set before there is content. */
void meta_early(struct worker *w, const struct rdir *dir, const char *name,
		int fd, const struct meta *m);

/* meta_file, meta_dir - all attributes, by a descriptor. */
void meta_file(struct worker *w, const struct rfile *f, int fd, bool set_mode);
void meta_dir(struct worker *w, const struct rdir *d, int fd);

/* meta_other - of a link, fifo, socket or device. */
void meta_other(struct worker *w, const struct rdir *dir, const char *name,
		int dirfd, enum tree_type type, const struct meta *m);

/* meta_flags - inode flags among `mask`. False and errno. */
bool meta_flags(int fd, uint32_t want, uint32_t mask);

/* ---- owner.c ---- */

uint32_t owner_user(struct owner_map *m, uint32_t uid, struct bytes name);
uint32_t owner_group(struct owner_map *m, uint32_t gid, struct bytes name);
void owner_fini(struct owner_map *m);

/* ---- files.c ---- */

/* file_new - a file of dir, which it holds. NULL without memory. */
struct rfile *file_new(struct worker *w, struct rdir *dir,
		       const struct tree_entry *en);

/* file_create - make it now, empty. BC_EEXIST, ... */
BC_MUST_CHECK enum bc_err file_create(struct worker *w, struct rfile *f,
				      struct err *e);

/* file_fail - it cannot be written; file_lose - its content cannot be had. The
 * first reason is told. */
void file_fail(struct worker *w, struct rfile *f, const struct err *e);
void file_lose(struct worker *w, struct rfile *f, const struct err *e);

/* file_drop - n references have landed, or never will. The last one finishes
 * the file and frees it. */
void file_drop(struct worker *w, struct rfile *f, uint32_t n);

/* file_land, file_lost - struct loader_calls of a run. */
void file_land(void *ctx, struct ref *const *v, size_t n, struct bytes data);
void file_lost(void *ctx, struct ref *r, const struct err *why);

/* ---- links.c ---- */

BC_MUST_CHECK enum bc_err links_init(struct links *l, struct err *e);
void links_fini(struct links *l);

/*
 * links_join - make `name` in dir, as `en` is one, a further name of its
 * group's first. If the two entries differ in more than their names, that is
 * said once, and it begins a file of its own.
 *
 *   BC_ENOTFOUND  there is none yet, or none like it; e is not set
 *   others        could not be made
 */
BC_MUST_CHECK enum bc_err links_join(struct worker *w, struct rdir *dir,
				     const char *name,
				     const struct tree_entry *en,
				     struct err *e);

/* links_first - `name` in dir, which is made, is the group's first. f may be
 * NULL: it is complete. */
BC_MUST_CHECK enum bc_err links_first(struct worker *w, struct rdir *dir,
				      const char *name,
				      const struct tree_entry *en,
				      struct rfile *f, struct err *e);

/* links_done - f is finished, or failed: then all its names are removed, and
 * links to it are no longer made. */
void links_done(struct worker *w, struct rfile *f, bool failed);

/* ---- walk.c ---- */

/* walk_run - walk o->what into the run; all errors are reported.
 *   name   of the one thing; NULL: a directory's contents
 *   fresh  the destination gets the directory's attributes */
void walk_run(struct worker *w, const char *name, bool fresh);

#endif
