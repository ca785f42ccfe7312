/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testing/seam - what blobctl-testing does at the seam of lib/io, and blobctl
 * does not. From the environment:
 *
 *	BLOBCTL_FAULT  a plan of io/fault.h: fail, shorten or die at the n-th
 *		       operation; at the end a line on standard error says how
 *		       often that happened
 *	BLOBCTL_TRACE  a file that each change that was done is appended to, in
 *		       order: operation, path, bytes and offset, with tabs
 *
 * One struct io per process.
 */
#ifndef BC_TESTING_SEAM_H
#define BC_TESTING_SEAM_H

#include "io/io.h"

/* testing_seam - set o->seam, if the environment asks for it. */
BC_MUST_CHECK enum bc_err testing_seam(struct io_options *o, struct err *e);

/* testing_report - after io_close(). */
void testing_report(void);

#endif
