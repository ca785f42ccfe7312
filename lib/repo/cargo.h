/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/cargo - blocks and packs on their way into one commit.
 *
 * What is small travels in the group itself; what is not goes into packs,
 * which are durable before the group names them. Packs that no group can name
 * are removed again.
 *
 * Private to lib/repo; one thread.
 */
#ifndef BC_REPO_CARGO_H
#define BC_REPO_CARGO_H

#include "pack/writer.h"
#include "repo/commit.h"

struct cargo {
	struct repo *r;
	struct group_builder group;
	/* Under the commit lock, at the head: may refuse; adds the operations
	 * that depend on the head, cargo_name_packs() among them. */
	enum bc_err (*look)(void *ctx, struct repo *r, struct err *e);
	void *ctx;
	bool frees; /* as in struct commit */

	struct pack_made *made; /* private: to be named */
	bool named;		/* private: a group names them, or may */
};

/* cargo_init - ended by cargo_fini(), which removes packs that no group can
 * name. The fields above are the caller's to set. */
void cargo_init(struct cargo *c, struct repo *r);
void cargo_fini(struct cargo *c);

/* cargo_take - all that the writer holds, into the group or into packs. After
 * a failure neither is of further use. */
BC_MUST_CHECK enum bc_err cargo_take(struct cargo *c, struct pack_writer *w,
				     struct err *e);

/* cargo_add_record - group_add_chunk(), with words for a failure. */
BC_MUST_CHECK enum bc_err cargo_add_record(struct cargo *c,
					   enum block_kind kind,
					   struct bytes raw, struct digest *id,
					   struct err *e);

/* cargo_name_packs - give the packs their numbers. From `look` alone. */
BC_MUST_CHECK enum bc_err cargo_name_packs(struct cargo *c, struct err *e);

/* cargo_commit - sync the packs' folder, then repo_commit(). */
BC_MUST_CHECK enum bc_err
cargo_commit(struct cargo *c, const struct pack_id *session, struct err *e);

#endif
