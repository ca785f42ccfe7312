/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/writer - write one index file from entries that come in key order.
 *
 * The file is made under a temporary name and gets its own by rename, so a
 * name of the index always stands for a whole file. Nothing is synced: after
 * a power failure a file may hold zeros, which its checksums tell from what
 * was written, and the index can be made again. One thread per writer; 256
 * KiB of memory whatever the size of the file.
 */
#ifndef BC_INDEX_WRITER_H
#define BC_INDEX_WRITER_H

#include "index/file.h"

struct index_writer;

/*
 * index_writer_open - begin a file in folder d.
 *
 *   kind   INDEX_RUN or INDEX_BASE
 *   range  copied
 *   pages  of a base: n, at least 2^bits; see index_pages_for(). Else 0
 *   bits   of a base: B; see index_bits_for(). Else 0
 *   out    [out] release with index_writer_finish() or index_writer_abort()
 *
 *   BC_EINVAL, BC_ENOMEM, BC_ENOSPC, BC_EIO, ...
 */
BC_MUST_CHECK enum bc_err
index_writer_open(struct io_dir *d, enum index_kind kind,
		  const struct index_range *range, uint32_t pages,
		  unsigned bits, struct index_writer **out, struct err *e);

/*
 * index_writer_add - the next entry.
 *
 *   key  of a run the 64-bit key, of a base its T (index_top()); not below
 *	  the key before it. Equal keys may have several locations
 *
 *   BC_EINVAL	a key out of order, or a pack number too large
 *   BC_ELIMIT	the file would have more than INDEX_PAGES_MAX pages
 *   BC_EIO, BC_ENOSPC, ...  only index_writer_abort() may follow
 */
BC_MUST_CHECK enum bc_err index_writer_add(struct index_writer *w, uint64_t key,
					   struct index_loc loc, struct err *e);

/*
 * index_writer_finish - complete the file and rename it to its name, over
 * whatever has that name. Releases w, also on failure (then no file is left).
 *
 *   name  [out] the name; may be NULL
 */
BC_MUST_CHECK enum bc_err index_writer_finish(struct index_writer *w,
					      char name[INDEX_NAME_BYTES],
					      struct err *e);

/*
 * index_writer_finish_unnamed - complete the file, map it and remove its name:
 * it lives until index_file_fini(). Releases w, also on failure.
 */
BC_MUST_CHECK enum bc_err index_writer_finish_unnamed(struct index_writer *w,
						      struct index_file *out,
						      struct err *e);

/* index_writer_abort - remove the unfinished file. NULL is fine. */
void index_writer_abort(struct index_writer *w);

#endif
