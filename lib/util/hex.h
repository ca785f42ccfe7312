/* SPDX-License-Identifier: Apache-2.0 */
/* util/hex - lower-case hexadecimal. */
#ifndef BC_UTIL_HEX_H
#define BC_UTIL_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hex_encode - 2n digits and a NUL into out, which holds 2n + 1 bytes. */
void hex_encode(const uint8_t *p, size_t n, char *out);

/* hex_decode - exactly 2n digits of either case from s; false if others. */
bool hex_decode(const char *s, size_t n, uint8_t *out);

#endif
