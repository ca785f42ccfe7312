/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/checkpoint_parts - the chunks of one checkpoint by their digests, out of
 * its group and the metadata packs that the group's record adds. They are not
 * in the index. Private to lib/repo.
 */
#ifndef BC_REPO_CHECKPOINT_PARTS_H
#define BC_REPO_CHECKPOINT_PARTS_H

#include "repo/checkpoint.h"

enum { CHECKPOINT_SOURCES_MAX = 1024 /* the group, and metadata packs */ };

/* The group, or a metadata pack that its record adds. */
struct checkpoint_source {
	const struct pack_dir *dir;
	struct pack_dir *own; /* to be freed */
	struct io_file *file; /* NULL: the group */
	uint32_t next;	      /* chunks are asked for in their order */
};

struct checkpoint_parts {
	struct repo *r;
	struct group *group;
	struct digest root; /* of the checkpoint, as the record says */
	struct checkpoint_source source[CHECKPOINT_SOURCES_MAX];
	size_t n_sources;
	/* The block decoded last. */
	const struct checkpoint_source *held;
	uint32_t held_block;
	struct buf plain, stored;
};

/* checkpoint_parts_open - of the one at this place. After a failure
 * checkpoint_parts_close() is due too. BC_EDAMAGE, ... */
BC_MUST_CHECK enum bc_err
checkpoint_parts_open(struct checkpoint_parts *c, struct repo *r,
		      const struct checkpoint_place *p, struct err *e);
void checkpoint_parts_close(struct checkpoint_parts *c);

/* checkpoint_parts_get - a chunk, verified; borrowed until the next one.
 * BC_EDAMAGE. */
BC_MUST_CHECK enum bc_err checkpoint_parts_get(struct checkpoint_parts *c,
					       const struct digest *id,
					       struct bytes *out,
					       struct err *e);

#endif
