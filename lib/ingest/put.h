/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/put - files and trees into a snapshot.
 *
 * Workers take directories apart, read what the stat cache does not know to be
 * unchanged, cut, hash and look up in batches that fit the processor's cache,
 * and store what is new; directories become tree nodes as soon as all below
 * them is known. Memory does not depend on the size of the input.
 */
#ifndef BC_INGEST_PUT_H
#define BC_INGEST_PUT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "repo/repo.h"
#include "tree/snapshot_record.h"

enum put_how {
	PUT_NAMED,    /* stored under its last component */
	PUT_CONTENTS, /* a directory's contents */
	PUT_STDIN,    /* a descriptor's bytes, as a file */
};

struct io_dir;

struct put_root {
	enum put_how how;
	const char *path;   /* as to be opened; of PUT_STDIN for messages */
	const char *name;   /* in the snapshot, of PUT_NAMED also the end of
			       its path; NULL for PUT_CONTENTS */
	const char *source; /* absolute path for the record; NULL: none */
	int fd;		    /* of PUT_STDIN */
};

/* What became of a source item that was not stored as it was found. */
enum put_event_kind {
	PUT_VANISHED,	/* between listing and reading: a note */
	PUT_CHANGED,	/* while it was read, each time: stored as last read */
	PUT_UNREADABLE, /* left out */
	PUT_SKIPPED,	/* of a kind that is not stored; left out */
	PUT_NO_ATTRS,	/* stored without some or all extended attributes */
};

struct put_event {
	enum put_event_kind kind;
	const char *path; /* below the root's name; bytes, not text */
	const struct err *err;
};

/* How a stored item came into the snapshot. */
enum put_item_state {
	PUT_ITEM_READ,	  /* nothing was known of it */
	PUT_ITEM_CHANGED, /* read, as it no longer looks as it did */
	PUT_ITEM_SAME,	  /* taken over: it looks as it did when it was read */
};

/* Grows while ingest_put() works; any thread may read it. */
struct put_progress {
	atomic_ullong files, dirs, others;
	atomic_ullong bytes;	   /* of files that are done, or in part */
	atomic_ullong bytes_known; /* of these, stored before */
	atomic_ullong bytes_new;   /* to the repository, compressed */
	atomic_ullong errors;
};

struct put_options {
	const struct put_root *roots;
	size_t n_roots;
	unsigned threads;     /* at least 1 */
	bool no_cache;	      /* read every file */
	struct io_dir *cache; /* folder of the stat cache, the user's own; NULL:
				 in the repository */
	bool one_file_system; /* do not enter other file systems */
	/* For the record. */
	struct bytes name, host, user, program;
	int64_t time;		   /* INT64_MIN: now */
	const struct clock *clock; /* NULL: the system's */
	const struct tag *tags;
	size_t n_tags;
	const char *own; /* the repository's folder: where it is met below a
			    root it is stored empty; NULL: not known */
	bool if_changed; /* no new snapshot if the newest of this name has the
			    same root; the result is that one */
	bool dry_run;	 /* read and cut, store nothing */
	/* Called from any worker, one at a time. May be NULL. */
	void (*event)(void *ctx, const struct put_event *ev);
	/* Each stored item that is no directory, if not NULL; likewise. Of a
	 * directory that is as it was, itself in place of what it holds: its
	 * path ends in '/', and its state is PUT_ITEM_SAME. */
	void (*item)(void *ctx, const char *path, enum tree_type type,
		     uint64_t size, enum put_item_state state);
	/* Before each read of a PUT_STDIN: waits until there is something, or
	 * the end; false to stop, and then `stop` is raised. May be NULL. */
	bool (*await_input)(void *ctx, int fd);
	void *ctx;
	struct put_progress *progress; /* may be NULL */
	const atomic_int *stop;	       /* not 0: stop; may be NULL */
};

struct put_result {
	struct digest id; /* of the snapshot */
	struct digest root;
	bool unchanged; /* if_changed: the old one serves */
	uint64_t files, dirs, others, bytes;
	uint64_t new_chunks, new_bytes, new_stored;
	uint64_t vanished, changed;
	uint64_t unreadable; /* or stored without extended attributes */
};

/*
 * ingest_put - store and commit one snapshot.
 *
 *   BC_OK       committed and durable; *out says what was skipped
 *   BC_EUSAGE   two roots have one name
 *   BC_ENOTFOUND, BC_EACCES  a root itself cannot be opened; nothing committed
 *   BC_ESYS     nothing of what was named could be read; nothing committed
 *   BC_ECANCEL  stopped; what is stored so far is committed without a
 *		 snapshot, and the next run need not store it again
 *   others      the repository failed; no snapshot
 */
BC_MUST_CHECK enum bc_err ingest_put(struct repo *r,
				     const struct put_options *o,
				     struct put_result *out, struct err *e);

#endif
