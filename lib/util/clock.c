/* SPDX-License-Identifier: Apache-2.0 */
#include "util/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t system_real(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_coarse(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME_COARSE);
}

static int64_t system_mono(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

struct clock clock_system(void)
{
	return (struct clock){ system_real, system_coarse, system_mono, NULL };
}
