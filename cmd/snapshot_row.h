/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_row - a snapshot of the catalog as ls lists it and put reports it.
 */
#ifndef BC_CMD_SNAPSHOT_ROW_H
#define BC_CMD_SNAPSHOT_ROW_H

#include "catalog/catalog.h"
#include "cmd/show.h"
#include "repo/repo.h"
#include "tree/snapshot_record.h"

struct snapshot_row {
	struct show_snapshot show; /* its spans lie here and in the source */
	bool partial;		   /* made without items that were not read */
	char id[DIGEST_HEX_BYTES], root[DIGEST_HEX_BYTES];
	/* Private. */
	struct snapshot_record rec;
	struct buf tags;
};

/* snapshot_row_init, snapshot_row_fini - around any number of fills. */
void snapshot_row_init(struct snapshot_row *w);
void snapshot_row_fini(struct snapshot_row *w);

/* snapshot_row_fill - set `show` from s, which must live as long. */
BC_MUST_CHECK enum bc_err snapshot_row_fill(struct snapshot_row *w,
					    struct repo *r,
					    const struct catalog_snapshot *s,
					    struct err *e);

#endif
