/* SPDX-License-Identifier: Apache-2.0 */
/* util/clock - time, passed in so that tests can fix it. */
#ifndef BC_UTIL_CLOCK_H
#define BC_UTIL_CLOCK_H

#include <stdint.h>

/*
 *   real    nanoseconds since 1970, may jump
 *   coarse  the same from the clock that file systems stamp files with, which
 *	     lags `real` by up to a tick; never ahead of it
 *   mono    nanoseconds since some moment, never goes back
 */
struct clock {
	int64_t (*real)(void *ctx);
	int64_t (*coarse)(void *ctx);
	int64_t (*mono)(void *ctx);
	void *ctx;
};

/* clock_system - the kernel's clocks. Any thread. */
struct clock clock_system(void);

#endif
