/* SPDX-License-Identifier: Apache-2.0 */
/* chunk/zero - runs of zero bytes, found without reading what has none. */
#ifndef BC_CHUNK_ZERO_H
#define BC_CHUNK_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* zero_end - the first byte in [from, to) that is not zero, or `to`. */
size_t zero_end(const uint8_t *p, size_t from, size_t to);

/*
 * zero_find - the first run of at least `min` zeros that lies in [from, to).
 *
 *   min  at least 16 and even
 *   at   [out] where that run begins; without one, the begin of the zeros
 *	  that end at `to` and may go on behind it, or `to` if there are none
 *
 * A run of `min` zeros holds a whole zero block of any grid of min/2, so on
 * other data this reads eight bytes of every min/2.
 */
bool zero_find(const uint8_t *p, size_t from, size_t to, size_t min,
	       size_t *at);

#endif
