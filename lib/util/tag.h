/* SPDX-License-Identifier: Apache-2.0 */
/* util/tag - what a snapshot is tagged with: a key, and what it says. */
#ifndef BC_UTIL_TAG_H
#define BC_UTIL_TAG_H

#include "util/bytes.h"

/* What a tag may be, wherever it is written or read. */
enum { TAG_KEY_MAX_BYTES = 255, TAG_VALUE_MAX_BYTES = 4096 };

/* Borrowed. A key is not empty; a value may be. */
struct tag {
	struct bytes key;
	struct bytes value;
};

#endif
