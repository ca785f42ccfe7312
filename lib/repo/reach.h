/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/reach - everything that snapshots reach: nodes, content lists, sets of
 * attributes, chunks. Marks are bits by pack and slot, so memory is an eighth
 * of a byte for each chunk of the repository, and a walk enters no node twice.
 *
 * Private to lib/repo and lib/check. One thread for each walk.
 */
#ifndef BC_REPO_REACH_H
#define BC_REPO_REACH_H

#include <stdatomic.h>

#include "repo/chunks.h"
#include "tree/snapshot_record.h"

/* ---- marks ----------------------------------------------------------------
 */

struct marks {
	struct marks_pack {
		uint32_t slots;
		uint8_t *bits;
	} * pack;
	uint32_t packs;
};

/* marks_init - none; allocates nothing. */
void marks_init(struct marks *m);
void marks_fini(struct marks *m);

/* marks_set - BC_ENOMEM. */
BC_MUST_CHECK enum bc_err marks_set(struct marks *m, uint32_t pack,
				    uint32_t slot);
bool marks_get(const struct marks *m, uint32_t pack, uint32_t slot);

/* ---- walks ----------------------------------------------------------------
 */

/* Something that a snapshot names and the repository no longer has. */
struct reach_loss {
	struct bytes path;   /* in the snapshot; empty: the root */
	enum tree_type type; /* of the entry: a directory is lost with all
				that lies below it, a file in part or whole */
	uint64_t lost;	     /* of a file: bytes known to be lost */
	const struct err *why;
};

struct reach {
	struct repo *r;
	struct chunk_reader *reader;
	/*
	 * What has been reached; added to. A node is marked when all below it
	 * is reached as well, so a loss is found again from each snapshot.
	 */
	struct marks *seen;
	const struct marks *bad;  /* chunks that are damaged; may be NULL */
	const struct marks *pass; /* nodes not to be entered; may be NULL */
	/* NULL: a loss ends the walk with BC_EDAMAGE. */
	void (*loss)(void *ctx, const struct reach_loss *l);
	void *ctx;
	const atomic_int *stop; /* not 0: BC_ECANCEL; may be NULL */

	/* Counts, growing. */
	atomic_ullong nodes, chunks;

	/* Private. */
	struct reach_frame *frame;
	size_t frames, frame_cap;
	struct buf path;
	struct buf list[CONTENT_DEPTH_MAX];
};

/* reach_init - the fields above may be set afterwards. */
void reach_init(struct reach *w, struct repo *r, struct chunk_reader *reader,
		struct marks *seen);
void reach_fini(struct reach *w);

/*
 * reach_snapshot - walk from a snapshot's root entry.
 *
 *   e  not NULL
 *
 *   BC_OK  all was walked; losses were told
 *   BC_EDAMAGE, BC_ECANCEL, BC_ENOMEM, ...
 */
BC_MUST_CHECK enum bc_err
reach_snapshot(struct reach *w, const struct tree_entry *root, struct err *e);

#endif
