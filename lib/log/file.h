/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/file - one log file: make it, walk its groups, append to it, seal it.
 *
 * The caller holds the commit lock for everything that writes. The order of
 * writes, and what a reader may believe, is in docs/format.md, section 6.
 */
#ifndef BC_LOG_FILE_H
#define BC_LOG_FILE_H

#include "io/io.h"
#include "log/group.h"

struct log_file;

enum {
	/* "SEQ-ID": 16 and 32 hex digits. */
	LOG_NAME_BYTES = 50,
	/* Kept allocated behind the end, so that what frees space can be
	 * committed on a full disk. */
	LOG_SPARE_BYTES = 1 << 20,
};

void log_name(uint64_t seq, const struct pack_id *id, char out[LOG_NAME_BYTES]);
/* log_name_decode - false if it is not exactly such a name. */
bool log_name_decode(const char *name, uint64_t *seq, struct pack_id *id);

/*
 * log_file_create - make a log with this header; file and folder are synced
 * before it returns. Without room for it no file is left behind; after any
 * other failure it may be there, and whole.
 *   out  [out] open for writing; release with log_file_close()
 */
BC_MUST_CHECK enum bc_err log_file_create(struct io_dir *dir,
					  const struct log_head *h,
					  struct log_file **out, struct err *e);

/*
 * log_file_open - open a log by name and check its header against it.
 *   BC_EDAMAGE, BC_EVERSION, BC_ENOTFOUND
 */
BC_MUST_CHECK enum bc_err log_file_open(struct io_dir *dir, const char *name,
					bool write, struct log_file **out,
					struct err *e);
void log_file_close(struct log_file *l);

const struct log_head *log_file_head(const struct log_file *l);
const char *log_file_path(const struct log_file *l);
struct io_file *log_file_io(const struct log_file *l);

/* How much of a group is read. */
enum group_part {
	GROUP_LEAD,  /* record and directory */
	GROUP_WHOLE, /* also the blocks, every one of them whole */
	GROUP_BYTES, /* also the blocks, in whatever state */
};

/*
 * log_file_group - read the group at `offset`.
 *
 *   part  with blocks the bytes are kept (group->raw). A group at the end,
 *	   which may be torn, is believed only as GROUP_WHOLE
 *
 *   BC_ENOTFOUND  no whole group of this log begins there
 *   BC_EIO, BC_EVERSION, BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err log_file_group(struct log_file *l, uint64_t offset,
					 enum group_part part,
					 struct codec_dec *dec,
					 struct group **out, struct err *e);

/*
 * log_file_group_before - the group that ends at `end`, found by looking
 * backwards.
 *   BC_ENOTFOUND  there is none
 */
BC_MUST_CHECK enum bc_err
log_file_group_before(struct log_file *l, uint64_t end, struct codec_dec *dec,
		      struct group **out, struct err *e);

/*
 * log_file_later_group - is there, at any aligned offset from `offset` on, a
 * whole group of this log with a generation above `generation`, or the header
 * of one above the next? Then what lies at `offset` is damage, not a torn tail:
 * whoever wrote that had read the one before.
 */
BC_MUST_CHECK enum bc_err
log_file_later_group(struct log_file *l, uint64_t offset, uint64_t generation,
		     struct codec_dec *dec, bool *found, struct err *e);

/* What lies beyond a log's last group. */
enum log_tail_kind {
	/* Zeros, or a directory that a seal had begun: it is made again. */
	LOG_TAIL_NOTHING,
	/* What an append that was cut short leaves: of the group that began
	 * here a sector is zero or not there at all. */
	LOG_TAIL_TORN,
	/* Bytes of another make. */
	LOG_TAIL_STRANGE,
	/* A group of which every sector has been written, and that is not
	 * whole; or one whose header, which no crash tears, is not. */
	LOG_TAIL_DAMAGED,
	/* A whole group. */
	LOG_TAIL_WHOLE,
};

struct log_tail {
	enum log_tail_kind kind;
	uint64_t generation; /* of the group; 0: unknown */
	bool zeros;	     /* few or none, and nothing else to the end */
};

/* log_file_tail - judge the bytes from `offset`, an end of groups, on. */
BC_MUST_CHECK enum bc_err log_file_tail(struct log_file *l, uint64_t offset,
					struct codec_dec *dec,
					struct log_tail *out, struct err *e);

/*
 * log_file_settle - write the same bytes again and sync them, so that the group
 * at `offset` may be believed: after a sync that failed in another process the
 * next one can succeed without a byte on the device. The log is open for
 * writing.
 *
 *   offset  0: the log's header
 *
 *   BC_ENOTFOUND  no whole group there
 */
BC_MUST_CHECK enum bc_err log_file_settle(struct log_file *l, uint64_t offset,
					  struct codec_dec *dec, struct err *e);

/* log_file_trim - give the room behind the file's end back, of a log that
 * will not grow. What fails does no harm. */
void log_file_trim(struct log_file *l);

/*
 * log_file_append - write an encoded group at `offset`, its end at the moment,
 * and sync it: the commit. Bytes beyond the offset are cut off first; whether
 * they may be, log_file_tail() tells. Zeros that it has seen there on this
 * handle stay, and are written over: no other writer may come between. When
 * the file grows, zeros are written behind the group.
 *
 *   raw    whole group, a multiple of LOG_ALIGN; address aligned to IO_ALIGN
 *   frees  the group leads to freed space: go on without fresh spare room
 *   begun  [out] false: not a byte of it was written
 *
 *   BC_OK   committed and durable
 *   others  if it was begun, unknown whether it will be there after a crash:
 *	     the log must not be appended to again by this process, begin a
 *	     new one. If not, nothing has happened
 */
BC_MUST_CHECK enum bc_err log_file_append(struct log_file *l, uint64_t offset,
					  struct bytes raw, bool frees,
					  bool *begun, struct err *e);

/*
 * log_file_seal - give the log directory and footer, at `end`, so that it is
 * a pack from now on; synced.
 *
 *   length  [out] bytes of the file
 */
BC_MUST_CHECK enum bc_err log_file_seal(struct log_file *l, uint64_t end,
					const struct dir_builder *dir,
					struct sealer *s, uint64_t *length,
					struct err *e);

#endif
