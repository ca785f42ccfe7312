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
 * before it returns.
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
 * whole group of this log with a generation above `generation`? Then what lies
 * at `offset` is damage, not a torn tail.
 */
BC_MUST_CHECK enum bc_err
log_file_later_group(struct log_file *l, uint64_t offset, uint64_t generation,
		     struct codec_dec *dec, bool *found, struct err *e);

/* log_file_sync - make durable what another writer may have left unsynced. */
BC_MUST_CHECK enum bc_err log_file_sync(struct log_file *l, struct err *e);

/*
 * log_file_append - write an encoded group at `offset`, its end at the moment,
 * and sync it: the commit. Bytes beyond the offset (a torn tail) are cut off
 * first.
 *
 *   raw    whole group, a multiple of LOG_ALIGN; address aligned to IO_ALIGN
 *   frees  the group leads to freed space: go on without fresh spare room
 *
 *   BC_OK   committed and durable
 *   others  unknown whether it will be there after a crash; the log must not
 *	     be appended to again by this process: begin a new one
 */
BC_MUST_CHECK enum bc_err log_file_append(struct log_file *l, uint64_t offset,
					  struct bytes raw, bool frees,
					  struct err *e);

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
