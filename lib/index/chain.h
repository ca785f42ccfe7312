/* SPDX-License-Identifier: Apache-2.0 */
/* index/chain - the open files of an index. Private to this folder and its
 * tests. */
#ifndef BC_INDEX_CHAIN_H
#define BC_INDEX_CHAIN_H

#include "index/file.h"
#include "index/index.h"

enum { INDEX_FILES_MAX = 4096 };

struct index {
	struct io_dir *d;
	struct index_file *files; /* in the order of generations */
	size_t n;
};

#endif
