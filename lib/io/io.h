/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io - the one seam through which the repository touches the file system.
 *
 * A struct io chooses the engine and carries the seam at which tests see,
 * fail or stop every operation. Directories and files are opened through it
 * and keep a pointer to it; names are relative to a struct io_dir. This
 * header has the namespace and the small synchronous operations; blocks in
 * bulk go through io/queue.h.
 *
 * Every call that fails records operation, full path and errno in `e`, which
 * may be NULL. Outputs are untouched on failure. EINTR and short transfers
 * are dealt with inside. Names and paths are borrowed until return.
 *
 * Threads: a struct io and a struct io_dir may be used by any number of
 * threads at once; a struct io_file too, as long as each works on its own
 * byte range. Opening and closing an object has one caller.
 *
 * Durability: nothing is durable before a sync call says so. A new or renamed
 * name is durable after io_dir_sync() on its directory.
 */
#ifndef BC_IO_IO_H
#define BC_IO_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/bytes.h"
#include "util/err.h"

enum {
	/* Unit of address, offset and length that suits direct I/O on every
	 * device whose logical block is at most this. */
	IO_ALIGN = 4096,
	IO_WHY_BYTES = 160,
	/* Files of the repository are the owner's. Further restricted by the
	 * umask; a shared repository sets both in struct io_options. */
	IO_FILE_MODE = 0600,
	IO_DIR_MODE = 0700,
};

/* Names that io_write_small() makes on its way start like this. After a crash
 * such a file is rubbish and may be removed by whoever holds the repository's
 * lock. */
#define IO_TMP_PREFIX ".tmp-"

struct io;
struct io_dir;
struct io_file;

/* ---- the seam --------------------------------------------------------- */

enum io_class {
	IO_CLASS_READ = 1,  /* open for reading, read, map, stat, list */
	IO_CLASS_WRITE = 2, /* write, allocate, punch, truncate */
	IO_CLASS_SYNC = 4,  /* datasync and sync of a file or directory */
	IO_CLASS_NAME = 8,  /* create, rename, link, unlink, mkdir, rmdir */
	IO_CLASS_LOCK = 16, /* lock and unlock */
	IO_CLASS_CHANGE = 2 | 4 | 8,
	IO_CLASS_ALL = 31,
};

/*
 * One attempt at one operation, as the seam sees it. A transfer that is
 * continued after a short result or EINTR is several attempts.
 */
struct io_event {
	enum io_class cls; /* exactly one class */
	const char *op;	   /* "write", "rename": constant, for messages */
	const char *path;  /* full path; for rename and link the old one */
	const char *path2; /* the new path of rename and link, else NULL */
	const void *buf;   /* bytes to be written, else NULL */
	size_t len;	   /* bytes asked for by a transfer, else 0 */
	uint64_t off;
	uint64_t tag; /* the seam's own; before() may set it */
};

/*
 * What a test puts between the repository and the kernel. Called from any
 * thread that does I/O. For a queued request both are called by the thread
 * that owns the queue.
 *
 *   before  0 to go on, or an errno: the operation is not done and fails with
 *	     it. May lower ev->len of a transfer (not below 1).
 *   after   sys is 0 or the errno of the operation; not called when before()
 *	     refused. Its result (0 or an errno) becomes the operation's.
 */
struct io_seam {
	int (*before)(void *ctx, struct io_event *ev);
	int (*after)(void *ctx, const struct io_event *ev, int sys);
	void *ctx;
};

/* ---- engine ------------------------------------------------------------ */

enum io_engine {
	IO_ENGINE_AUTO,	 /* the ring where it works, silently psync elsewhere */
	IO_ENGINE_URING, /* the ring or an error from the queue */
	IO_ENGINE_PSYNC, /* pread, pwrite and a few threads */
};

struct io_options {
	enum io_engine engine;
	bool no_direct;	     /* never use O_DIRECT */
	unsigned file_mode;  /* 0: IO_FILE_MODE */
	unsigned dir_mode;   /* 0: IO_DIR_MODE */
	struct io_seam seam; /* all NULL: none */
	/* Raised (not 0) by a signal handler, say: wait for no lock any longer.
	 * Borrowed until io_close(); NULL: never. */
	const atomic_int *stop;
};

/*
 * io_open - make an I/O context. Cheap: no system call; a ring is set up by
 * the first queue that has enough to do.
 *
 *   o    borrowed until return; NULL for the defaults (AUTO)
 *   out  [out] release with io_close()
 *
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err io_open(const struct io_options *o, struct io **out,
				  struct err *e);

/* io_close - after everything opened through it is closed. NULL is fine. */
void io_close(struct io *io);

/*
 * io_engine_name - "uring" or "psync": what queues use. With AUTO this is
 * where the kernel is asked, so do not call it on a fast path.
 */
const char *io_engine_name(struct io *io);

/*
 * io_uring_usable - can this process use a ring? Sets one up and tears it
 * down again.
 *
 *   why  [out] empty when it can, else a clause for the user; always ends in
 *	  NUL
 */
bool io_uring_usable(char why[IO_WHY_BYTES]);

/* ---- directories ------------------------------------------------------- */

/*
 * io_dir_open - open the directory `path`, relative to the working directory.
 *   out  [out] release with io_dir_close()
 *   BC_ENOTFOUND, BC_EACCES, BC_ESYS, ...
 */
BC_MUST_CHECK enum bc_err io_dir_open(struct io *io, const char *path,
				      struct io_dir **out, struct err *e);

/* io_dir_open_at - open the directory `name` below d. */
BC_MUST_CHECK enum bc_err io_dir_open_at(struct io_dir *d, const char *name,
					 struct io_dir **out, struct err *e);

/* io_dir_close - NULL is fine. Files opened through d stay open. */
void io_dir_close(struct io_dir *d);

/* io_dir_path - the path it was opened by; valid until io_dir_close(). */
const char *io_dir_path(const struct io_dir *d);

/* io_dir_fd - for what this interface lacks and no test needs to see. */
int io_dir_fd(const struct io_dir *d);

/* io_dir_sync - make the names in d durable. */
BC_MUST_CHECK enum bc_err io_dir_sync(struct io_dir *d, struct err *e);

/* io_mkdir - BC_EEXIST when the name is taken. */
BC_MUST_CHECK enum bc_err io_mkdir(struct io_dir *d, const char *name,
				   struct err *e);

/* io_rmdir - remove an empty directory; BC_ENOTFOUND, BC_EEXIST (not empty). */
BC_MUST_CHECK enum bc_err io_rmdir(struct io_dir *d, const char *name,
				   struct err *e);

/* io_unlink - BC_ENOTFOUND when the name is not there. */
BC_MUST_CHECK enum bc_err io_unlink(struct io_dir *d, const char *name,
				    struct err *e);

enum io_rename_mode { IO_REPLACE, IO_NOREPLACE };

/*
 * io_rename - move a name. With IO_NOREPLACE a taken `to` is BC_EEXIST and
 * nothing changes; a file system without that rename gets link and unlink
 * instead, so a crash between may leave both names.
 */
BC_MUST_CHECK enum bc_err io_rename(struct io_dir *from_dir, const char *from,
				    struct io_dir *to_dir, const char *to,
				    enum io_rename_mode mode, struct err *e);

/* io_link - a second name for a file; BC_EEXIST when `to` is taken. */
BC_MUST_CHECK enum bc_err io_link(struct io_dir *from_dir, const char *from,
				  struct io_dir *to_dir, const char *to,
				  struct err *e);

enum io_type { IO_TYPE_FILE, IO_TYPE_DIR, IO_TYPE_OTHER };

struct io_stat {
	enum io_type type;
	unsigned mode;	 /* permission bits */
	uint64_t size;	 /* bytes */
	uint64_t stored; /* bytes that take space on the device */
	uint64_t dev;
	uint64_t ino;
	uint64_t nlink;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* io_stat_at - what `name` below d is; a last symbolic link is followed. */
BC_MUST_CHECK enum bc_err io_stat_at(struct io_dir *d, const char *name,
				     struct io_stat *out, struct err *e);

/*
 * io_list - call each() for every name in directory `name` below d ("." for d
 * itself), in no order, without "." and "..". A result other than BC_OK ends
 * the listing and is returned as it is. each() may unlink the name it is
 * given; whether it sees names made meanwhile is not said.
 */
BC_MUST_CHECK enum bc_err
io_list(struct io_dir *d, const char *name, struct err *e,
	enum bc_err (*each)(void *ctx, const char *name, enum io_type type),
	void *ctx);

struct io_space {
	uint64_t total;	    /* bytes of the file system */
	uint64_t available; /* bytes this user may still fill */
	uint64_t block;	    /* bytes of one block */
	bool read_only;
};

/* io_dir_space - the file system below d. */
BC_MUST_CHECK enum bc_err io_dir_space(struct io_dir *d, struct io_space *out,
				       struct err *e);

/* ---- files ------------------------------------------------------------- */

enum io_flags {
	IO_READ = 1,
	IO_WRITE = 2,
	IO_CREATE = 4,	  /* make it when it is not there */
	IO_EXCLUSIVE = 8, /* with IO_CREATE: BC_EEXIST when it is there */
	IO_TRUNCATE = 16, /* to nothing, at once */
	/* Bypass the page cache when the file system can; else keep the cache
	 * small. Callers pass addresses, offsets and lengths that are
	 * multiples of IO_ALIGN and need not know which it is. */
	IO_DIRECT = 32,
};

/*
 * io_file_open - open the regular file `name` below d.
 *
 *   flags  of enum io_flags; IO_READ, IO_WRITE or both must be there
 *   out    [out] release with io_file_close()
 *
 *   BC_ENOTFOUND, BC_EEXIST, BC_EACCES, BC_ESYS (too many open files, with a
 *   hint), BC_EDAMAGE (not a regular file)
 */
BC_MUST_CHECK enum bc_err io_file_open(struct io_dir *d, const char *name,
				       unsigned flags, struct io_file **out,
				       struct err *e);

/*
 * io_file_close - no request on it may be in flight. NULL is fine. A failure
 * to close a written file counts as a failed write; it is closed either way.
 * Ignoring the result is right for a file that was only read or is given up.
 */
enum bc_err io_file_close(struct io_file *f, struct err *e);

/* io_file_path - full path, valid until io_file_close(). */
const char *io_file_path(const struct io_file *f);

/* io_file_fd - as io_dir_fd(). */
int io_file_fd(const struct io_file *f);

/* io_file_direct - is the page cache bypassed? May turn false at the first
 * transfer, never true. */
bool io_file_direct(const struct io_file *f);

/*
 * io_file_pread - read exactly len bytes at off.
 *
 * On an IO_DIRECT file any address, offset and length will do; what is not
 * aligned is copied through an aligned buffer.
 *
 *   BC_EDAMAGE  the file ends before off + len
 *   BC_EIO	 the device or file system failed to, in whichever words
 *   BC_ENOMEM, BC_ESYS
 *   After these three the content of buf is undefined.
 */
BC_MUST_CHECK enum bc_err io_file_pread(struct io_file *f, void *buf,
					size_t len, uint64_t off,
					struct err *e);

/* io_file_pread_some - as above, but less than len at the end of the file is
 * success.  got  [out] bytes read */
BC_MUST_CHECK enum bc_err io_file_pread_some(struct io_file *f, void *buf,
					     size_t len, uint64_t off,
					     size_t *got, struct err *e);

/*
 * io_file_pwrite - write exactly len bytes at off. After a failure any part
 * of them may have been written. BC_EINVAL when the file is IO_DIRECT and
 * something is not aligned.
 */
BC_MUST_CHECK enum bc_err io_file_pwrite(struct io_file *f, const void *buf,
					 size_t len, uint64_t off,
					 struct err *e);

/*
 * io_file_datasync, io_file_sync - make content and size (sync: all
 * attributes) durable. After a failure the file is poison: give it up and
 * write its content into another; a second sync that succeeds proves nothing.
 */
BC_MUST_CHECK enum bc_err io_file_datasync(struct io_file *f, struct err *e);
BC_MUST_CHECK enum bc_err io_file_sync(struct io_file *f, struct err *e);

enum io_alloc_mode { IO_ALLOC_KEEP_SIZE, IO_ALLOC_GROW };

/*
 * io_file_allocate - reserve space for a range; IO_ALLOC_GROW also moves the
 * end of the file, what is new reads as zeros. A file system that cannot
 * reserve is not an error: KEEP_SIZE does nothing, GROW extends sparsely.
 */
BC_MUST_CHECK enum bc_err io_file_allocate(struct io_file *f, uint64_t off,
					   uint64_t len,
					   enum io_alloc_mode mode,
					   struct err *e);

/*
 * io_file_punch - give the space of whole blocks in a range back; they read as
 * zeros and the size stays.
 *
 *   done  [out] false when the file system cannot do it (nothing changed);
 *	   may be NULL
 */
BC_MUST_CHECK enum bc_err io_file_punch(struct io_file *f, uint64_t off,
					uint64_t len, bool *done,
					struct err *e);

/* io_file_truncate - set the size in bytes. */
BC_MUST_CHECK enum bc_err io_file_truncate(struct io_file *f, uint64_t size,
					   struct err *e);

BC_MUST_CHECK enum bc_err io_file_size(struct io_file *f, uint64_t *out,
				       struct err *e);
BC_MUST_CHECK enum bc_err io_file_stat(struct io_file *f, struct io_stat *out,
				       struct err *e);

/* io_file_forget - drop the range from the page cache if it is there; len 0
 * is to the end. A hint: cannot fail. */
void io_file_forget(struct io_file *f, uint64_t off, uint64_t len);

/* ---- locks ------------------------------------------------------------- */

enum io_lock_mode { IO_LOCK_SHARED, IO_LOCK_EXCLUSIVE };

enum { IO_LOCK_TRY = 0, IO_LOCK_FOREVER = -1 };

/*
 * io_file_lock - lock a byte range against every other open file, in this
 * process or another. The kernel drops the lock when the file is closed or
 * its holder dies. A range held already changes its mode, not atomically.
 *
 *   len      0: to the end, wherever that moves
 *   wait_ms  milliseconds to wait, IO_LOCK_TRY or IO_LOCK_FOREVER
 *
 *   BC_OK       held
 *   BC_ELOCKED  another holder after wait_ms; who, the kernel does not tell
 *   BC_ECANCEL  io_options.stop was raised while waiting; may be called again.
 *		 Other signals, and a flag that was raised before, end no wait
 *   BC_ESYS     this file system has no locks, ...
 *
 * IO_LOCK_EXCLUSIVE needs IO_WRITE, IO_LOCK_SHARED IO_READ.
 */
BC_MUST_CHECK enum bc_err io_file_lock(struct io_file *f, uint64_t off,
				       uint64_t len, enum io_lock_mode mode,
				       int64_t wait_ms, struct err *e);

/* io_file_unlock - of a range that is not held: no error. */
BC_MUST_CHECK enum bc_err io_file_unlock(struct io_file *f, uint64_t off,
					 uint64_t len, struct err *e);

/* ---- maps -------------------------------------------------------------- */

struct io_guard;

struct io_map {
	const uint8_t *p; /* first byte of the range asked for */
	size_t n;
	void *base;  /* private */
	size_t span; /* private */
	struct io_guard *guard;
};

/*
 * io_file_map - map a range for reading. The file may be closed; the map
 * stays. The range must lie within the file (BC_EDAMAGE if not).
 *
 * A page that cannot be had when it is touched - a bad sector, a file that
 * somebody has truncated - reads as zeros from then on, also one that was
 * read before; io_map_hurt() tells. The first map installs a handler of
 * SIGBUS for that, which leaves other faults to the action before it; so a
 * thread that reads a map must not block this signal.
 *
 *   out  [out] release with io_unmap()
 */
BC_MUST_CHECK enum bc_err io_file_map(struct io_file *f, uint64_t off,
				      size_t len, struct io_map *out,
				      struct err *e);

/*
 * io_map_hurt - has a page of it been lost? What was read out of the map
 * before a false answer is what the file held. Any thread; cheap, but not for
 * each byte.
 */
bool io_map_hurt(const struct io_map *m);

/* io_unmap - leaves *m all zero; an all-zero map is fine. */
void io_unmap(struct io_map *m);

/* ---- small files ------------------------------------------------------- */

/*
 * io_read_small - append the whole of a file to `out`.
 *   BC_ELIMIT  it does not fit below the ceiling of `out`
 */
BC_MUST_CHECK enum bc_err io_read_small(struct io_dir *d, const char *name,
					struct buf *out, struct err *e);

/*
 * io_write_small - put a file under a name, whole or not at all, and durably:
 * temporary name, write, sync, rename, sync of d. With IO_NOREPLACE a taken
 * name is BC_EEXIST.
 *
 *   name  without a slash (BC_EINVAL)
 *
 * On failure the name is what it was; only after a failed sync of d it may be
 * either. The temporary file is removed if that is possible.
 */
BC_MUST_CHECK enum bc_err io_write_small(struct io_dir *d, const char *name,
					 struct bytes data,
					 enum io_rename_mode mode,
					 struct err *e);

#endif
