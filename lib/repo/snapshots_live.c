/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/snapshots_live.h"

#include "repo/state.h"

enum bc_err repo_root_live(struct repo *r, const struct digest *root,
			   bool *live, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_root_live(r->catalog, root, live, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

enum bc_err repo_snapshot_live(struct repo *r, const struct digest *id,
			       bool *live, struct err *e)
{
	struct catalog_snapshot row;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_get_snapshot(r->catalog, id, &row, e);
	pthread_mutex_unlock(&r->mutex);
	*live = rc == BC_OK;
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}

enum bc_err repo_newest_root(struct repo *r, struct bytes name,
			     const struct digest *root, struct digest *id,
			     bool *same, struct err *e)
{
	struct catalog_select q = { .name = &name };
	struct catalog_snapshot row;
	enum bc_err rc;

	*same = false;
	pthread_mutex_lock(&r->mutex);
	rc = catalog_find(r->catalog, &q, &row, e);
	if (rc == BC_OK && digest_eq(&row.root, root)) {
		*same = true;
		*id = row.id;
	}
	pthread_mutex_unlock(&r->mutex);
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}
