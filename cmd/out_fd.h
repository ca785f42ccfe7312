/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_fd - a descriptor to write to, at which a stop does not wait for ever.
 *
 * Of a pipe that nobody reads a write never returns. Where it may block, it is
 * tried without blocking, or poll() says first that there is room; what nobody
 * takes for a while after a stop (signal_await_output()) is given up, and so
 * is all that would follow it: half a line is worse than none.
 */
#ifndef BC_CMD_OUT_FD_H
#define BC_CMD_OUT_FD_H

#include <stdbool.h>
#include <stdio.h>

#include "util/bytes.h"

struct out_fd {
	int fd;
	bool own;     /* to be closed: a copy that does not block */
	bool bounded; /* a write may block: no more at once than fits */
	bool gone;    /* given up */
};

/* out_fd_init - for a descriptor that stays open, whose flags others share. */
void out_fd_init(struct out_fd *f, int fd);

/* out_fd_fini - also of a struct of zeros. */
void out_fd_fini(struct out_fd *f);

/* out_fd_write - all of it: 0, or errno; ECANCELED: given up. One thread at a
 * time. */
int out_fd_write(struct out_fd *f, struct bytes b);

/* out_fd_stream - a stream that writes there; fclose() is out_fd_fini() too.
 * NULL without memory. */
FILE *out_fd_stream(struct out_fd *f);

#endif
