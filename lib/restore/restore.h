/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore - write trees and files of a snapshot back; stream one file.
 *
 * Every chunk is verified against its id before a byte of it is written. A
 * file that cannot be restored whole is not there afterwards; the rest is. It
 * has its name when it is whole, with all its attributes, and not before:
 * whatever ends the run.
 * Nothing is overwritten. A directory that is there is entered, and gets the
 * attributes that it has in the snapshot; what looks like what is to be
 * restored (restore_there()) is taken for it, so that a run that was stopped or
 * killed is finished by another one. Nothing is written outside the
 * destination, whatever the snapshot says and whoever moves or plants names
 * meanwhile. Nothing is synced.
 */
#ifndef BC_RESTORE_RESTORE_H
#define BC_RESTORE_RESTORE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "tree/node.h"
#include "repo/repo.h"

enum { RESTORE_THREADS_MAX = 16 };

enum restore_owner {
	/* As root the recorded owner: by name where that name has another
	 * number here, else by number. As anybody else not attempted. */
	RESTORE_OWNER_AUTO,
	RESTORE_OWNER_NONE,
};

enum restore_want {
	RESTORE_NOT,	/* left out, with all below it */
	RESTORE_THIS,	/* restored */
	RESTORE_INSIDE, /* a directory: made if anything in it is restored */
};

/* Counts while it runs, for whoever shows them; only ever grow. */
struct restore_progress {
	_Atomic uint64_t files;	 /* regular files, further names included */
	_Atomic uint64_t dirs;	 /* made; the destination itself not counted */
	_Atomic uint64_t others; /* links, devices, ... */
	_Atomic uint64_t size;	 /* of those files, holes included */
	_Atomic uint64_t bytes;	 /* of files' content: chunks, as written */
	_Atomic uint64_t same; /* of those without directories: there before */
	_Atomic uint64_t same_size; /* of the files among them */
	_Atomic uint64_t errors;    /* items not restored, or not entirely */
	_Atomic uint64_t folders;   /* of those: nor all that is in them */
};

struct restore_options {
	/* What to restore: a snapshot's root (a directory named ".") or any
	 * entry below it. Borrowed until return. */
	const struct tree_entry *what;
	/*
	 * Relative to the working directory. A directory's contents go into
	 * dest, which is made (with its parents) if missing. Anything else is
	 * made under the name dest, or under its own name in dest if that is
	 * an existing directory. Attributes of the directory itself are given
	 * to dest only if it was made or empty; until then there is an empty
	 * file .blobctl-get-ID in it, so that the next run does it too.
	 */
	const char *dest;
	bool keep_dest;	  /* not even if it was empty */
	unsigned threads; /* 1 to RESTORE_THREADS_MAX; fewer if files are few */
	enum restore_owner owner;
	bool sparse; /* recorded zeros become holes too */
	/*
	 * Called from any thread, one at a time. `path` is relative to dest,
	 * in bytes as they are, and only valid during the call. Each may be
	 * NULL.
	 *
	 *   error  an item was not restored (BC_EEXIST: the name is taken;
	 *	    BC_EDAMAGE; ...), or something about items cannot be
	 *	    restored here (BC_EPARTIAL: told once for each kind, with
	 *	    the first path)
	 *   item   restored
	 *   want   is it to be restored? Called by one thread; all of `en`
	 *	    but its name may be looked at
	 */
	void (*error)(void *ctx, const char *path, enum bc_err code,
		      const char *text);
	void (*item)(void *ctx, const char *path, enum tree_type type,
		     uint64_t size);
	enum restore_want (*want)(void *ctx, const char *path,
				  const struct tree_entry *en);
	void *ctx;
	struct restore_progress *progress; /* may be NULL */
	const atomic_int *stop;		   /* not 0: stop; may be NULL */
};

struct restore_result {
	/* As in the progress. */
	uint64_t files, dirs, others, size, bytes, same, errors, folders;
	enum bc_err worst; /* what restore_run() returned */
};

/*
 * restore_run - restore one thing.
 *
 *   out  [out] always filled
 *
 *   BC_OK        everything
 *   BC_EPARTIAL  all but some items (taken names among them) or attributes
 *   BC_EDAMAGE   all but what is damaged in the repository
 *   BC_ENOSPC    the destination is full; stopped, `e` names the path
 *   BC_ECANCEL   stopped on request
 *   BC_EEXIST    the one thing to restore is there already, or dest is no
 *	          directory
 *   others       nothing could be begun, or stopped there
 *
 * When it stops early, what is there is whole, and directories that were made
 * and are not are open to their owner alone.
 * With BC_EPARTIAL and BC_EDAMAGE `e` tells about the first item of that kind.
 * Memory is bounded: some 40 MB for two threads, at most 128 MB; hard links
 * take some hundred bytes a group on top. Needs a few
 * file descriptors a thread and takes fewer threads if they are scarce. One
 * thread; starts its own.
 */
BC_MUST_CHECK enum bc_err restore_run(struct repo *r,
				      const struct restore_options *o,
				      struct restore_result *out,
				      struct err *e);

/* What has a name. */
enum restore_there {
	RESTORE_FREE,  /* nothing */
	RESTORE_SAME,  /* the thing, as far as that can be seen: type, and size
			  and time of a file, target, device */
	RESTORE_TAKEN, /* something else */
};

/* restore_there - is `name` in a directory what entry `en` says?
 *   st  [out] unless it is free */
enum restore_there restore_there(int dirfd, const char *name,
				 const struct tree_entry *en, struct stat *st);

/* Where restore_cat() gives the bytes. Anything but BC_OK ends it. */
struct restore_sink {
	enum bc_err (*write)(void *ctx, struct bytes piece, struct err *e);
	void *ctx;
};

/*
 * restore_cat - the bytes [from, to) of a file, in order, verified: a whole
 * file by the ids of its chunks, a short range as restore/ranges.h does it.
 *
 *   file  a regular file's entry; borrowed
 *   to    cut to the file's size; UINT64_MAX for all
 *   stop  as above; may be NULL
 *
 *   BC_EINVAL   no regular file
 *   BC_EDAMAGE  what was given is right; what follows cannot be read
 *   BC_ECANCEL, BC_ENOMEM, or what write() returns
 */
BC_MUST_CHECK enum bc_err restore_cat(struct repo *r,
				      const struct tree_entry *file,
				      uint64_t from, uint64_t to,
				      const struct restore_sink *sink,
				      const atomic_int *stop, struct err *e);

#endif
