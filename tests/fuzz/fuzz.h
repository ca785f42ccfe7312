/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz - what every fuzzer declares, and how it says that a promise broke. */
#ifndef BC_TESTS_FUZZ_H
#define BC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* libFuzzer calls it with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MUST(cond)                                                             \
	do {                                                                   \
		if (!(cond))                                                   \
			abort();                                               \
	} while (0)

#endif
