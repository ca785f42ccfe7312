/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/entry - what the system says of an item, as a tree entry. */
#ifndef BC_INGEST_ENTRY_H
#define BC_INGEST_ENTRY_H

#include "ingest/range.h"

struct put;

/*
 * entry_fill - everything of entry i but its content or node, from
 * r->item[i].
 *
 *   fd     the item itself, or -1
 *   dirfd  the directory it is in
 *
 * A link whose target cannot be read is left out (r->present[i]); extended
 * attributes that cannot be read, or are more than the format holds, are, and
 * the rest stands (PUT_NO_ATTRS). A failure is one of memory or of the
 * repository.
 */
BC_MUST_CHECK enum bc_err entry_fill(struct worker *w, struct range *r,
				     uint32_t i, int fd, int dirfd,
				     struct err *e);

/* entry_metadata - the same without attributes and target. */
void entry_metadata(struct put *p, const struct item *it,
		    struct tree_entry *en);

/* entry_stat - for the stat cache. */
struct stat_entry entry_stat(const struct put *p, const struct item *it,
			     struct bytes name);

#endif
