/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/health.h"

#include "repo/hurt.h"
#include "repo/layout.h"
#include "repo/state.h"
#include "repo/views.h"

static enum repo_catalog where_is_catalog(const struct repo *r)
{
	if (!r->catalog_in_memory)
		return REPO_CATALOG_ON_DISK;
	if (r->catalog_why == BC_ELOCKED)
		return REPO_CATALOG_BUSY;
	return r->catalog_why == BC_EDAMAGE ? REPO_CATALOG_AHEAD
					    : REPO_CATALOG_UNWRITABLE;
}

/* What is remembered first: a look adds to it. */
static void look_for_damage(struct repo *r, struct repo_health *out)
{
	struct hurt_look look;

	out->may_lack = repo_may_lack(r);
	repo_hurt_load(r);
	out->hurt = r->hurt.n;
	if (repo_hurt_look(r, &look, NULL) == BC_OK)
		out->packs_lost = look.lost;
}

enum bc_err repo_health(struct repo *r, struct repo_health *out, struct err *e)
{
	struct io_stat st = { .stored = 0 };
	struct index_stats index;
	struct superblock s;
	struct digest digest;
	enum bc_err rc;

	*out = (struct repo_health){ .catalog = where_is_catalog(r) };
	/* It was opened, so one was there a moment ago. */
	if (superblock_load(r->dir, &s, &out->superblocks, NULL) != BC_OK)
		out->superblocks = 0;
	if (io_stat_at(r->dir, REPO_RESERVE_FILE, &st, NULL) == BC_OK)
		out->reserve_stored = st.stored;
	look_for_damage(r, out);
	rc = repo_need_index(r, e);
	if (rc != BC_OK)
		return rc;
	out->index_in_memory = r->index == NULL;
	if (r->index != NULL) {
		index_covered(r->index, &out->index_generation, &digest);
		index_stats(r->index, &index);
		out->index_chunks = index.entries;
		out->index_runs = index.runs;
	}
	return BC_OK;
}

enum bc_err repo_space(struct repo *r, struct io_space *out, struct err *e)
{
	return io_dir_space(r->dir, out, e);
}

enum bc_err repo_sessions(struct repo *r,
			  enum bc_err (*each)(void *ctx,
					      const struct lease_info *info),
			  void *ctx, struct err *e)
{
	if (r->leases_dir == NULL)
		return BC_OK;
	return lease_list(r->leases_dir, NULL, each, ctx, e);
}
