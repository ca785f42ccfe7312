/* SPDX-License-Identifier: Apache-2.0 */
/* index/combine - several index files into one. Private to this folder. */
#ifndef BC_INDEX_COMBINE_H
#define BC_INDEX_COMBINE_H

#include "index/file.h"

struct index_combine_options {
	/* Entries of such packs are left out; may be NULL. */
	bool (*dead)(void *ctx, uint32_t pack);
	void *ctx;
};

/*
 * index_combine - write what n files hold to one file that covers `range`: a
 * base when the range begins at generation 0 and there is a base among the
 * files or entries enough for one, else a run. Entries that follow themselves
 * in the merged order are written once.
 *
 *   name  [out] of the new file
 *
 *   BC_EDAMAGE	 an input is damaged; nothing written
 */
BC_MUST_CHECK enum bc_err
index_combine(struct io_dir *d, struct index_file *const files[], size_t n,
	      const struct index_range *range,
	      const struct index_combine_options *o,
	      char name[INDEX_NAME_BYTES], struct err *e);

#endif
