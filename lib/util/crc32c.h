/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/crc32c - CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected, with
 * initial value and final complement of all ones.
 */
#ifndef BC_UTIL_CRC32C_H
#define BC_UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc32c - continue `crc` (0 to begin) over n bytes. Any thread. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* crc32c_portable - the same without the processor's instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);

#endif
