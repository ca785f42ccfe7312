/* SPDX-License-Identifier: Apache-2.0 */
/* chunk/kernel_internal - the kernels themselves, for kernel.c only. */
#ifndef BC_CHUNK_KERNEL_INTERNAL_H
#define BC_CHUNK_KERNEL_INTERNAL_H

#include "chunk/kernel.h"

chunk_scan_fn chunk_scan_scalar;

#if defined(__x86_64__) && !defined(__ILP32__)
#define CHUNK_HAVE_X86 1
chunk_scan_fn chunk_scan_x86;
chunk_scan_fn chunk_scan_avx512;
#else
#define CHUNK_HAVE_X86 0
#endif

#endif
