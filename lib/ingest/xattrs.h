/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/xattrs - the extended attributes of an item, into its tree entry. */
#ifndef BC_INGEST_XATTRS_H
#define BC_INGEST_XATTRS_H

#include "ingest/range.h"

/*
 * xattrs_read - those of entry i, as far as they can be had.
 *
 *   fd     the item itself, or -1
 *   dirfd  the directory it is in
 *   sys    [out] why some or all cannot be had, the others are; 0. E2BIG: they
 *          are more than the format has room for, and none is kept. ENOSYS:
 *          without `fd` they are read by way of /proc, which is not there
 *
 * A file system without them, and an item that is gone, have none. A failure
 * is one of memory or of the repository.
 */
BC_MUST_CHECK enum bc_err xattrs_read(struct worker *w, struct range *r,
				      uint32_t i, int fd, int dirfd, int *sys,
				      struct err *e);

#endif
