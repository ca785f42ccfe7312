/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/packs.h"

#include <stdlib.h>

#include "pack/writer.h"
#include "repo/state.h"

enum bc_err repo_pack_ref(struct repo *r, uint32_t number, struct pack_ref *out,
			  struct err *e)
{
	struct catalog_pack p;
	struct catalog_log l;
	enum bc_err rc = catalog_get_pack(r->catalog, number, &p, e);

	if (rc == BC_ENOTFOUND)
		return err_set(e, rc, "there is no pack %u", number);
	if (rc != BC_OK)
		return rc;
	*out = (struct pack_ref){ .number = number,
				  .log = p.kind == CATALOG_LOG,
				  .length = p.length,
				  .freed = p.state == CATALOG_FREED };
	memcpy(out->id.b, p.id, PACK_ID_BYTES);
	if (!out->log)
		return BC_OK;
	rc = catalog_get_log(r->catalog, number, &l, e);
	if (rc == BC_OK)
		out->seq = l.seq;
	return rc;
}

enum bc_err repo_open_pack(struct repo *r, const struct pack_ref *p,
			   bool direct, struct io_file **out, struct err *e)
{
	unsigned flags = IO_READ | (direct ? IO_DIRECT : 0);
	char name[LOG_NAME_BYTES];
	enum bc_err rc;

	if (p->log) {
		log_name(p->seq, &p->id, name);
		return io_file_open(r->log_dir, name, flags, out, e);
	}
	pack_name(&p->id, name);
	rc = io_file_open(r->packs_dir, name, flags, out, e);
	if (rc == BC_ENOTFOUND)
		return err_set(e, BC_EDAMAGE, "the pack %s/%s is missing",
			       io_dir_path(r->packs_dir), name);
	return rc;
}

enum bc_err repo_open_numbered(struct repo *r, uint32_t number, bool direct,
			       struct io_file **out, struct err *e)
{
	struct pack_ref ref;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = repo_pack_ref(r, number, &ref, e);
	pthread_mutex_unlock(&r->mutex);
	return rc == BC_OK ? repo_open_pack(r, &ref, direct, out, e) : rc;
}

enum bc_err repo_open_log(struct repo *r, uint64_t seq,
			  const struct pack_id *id, struct log_file **out,
			  struct err *e)
{
	char name[LOG_NAME_BYTES];

	log_name(seq, id, name);
	return log_file_open(r->log_dir, name, false, out, e);
}

enum bc_err repo_open_own_log(struct repo *r, uint64_t seq,
			      const struct pack_id *id, struct log_file **out,
			      struct err *e)
{
	struct log_file *l = NULL;
	enum bc_err rc = repo_open_log(r, seq, id, &l, e);

	if (rc == BC_OK && !pack_id_eq(&log_file_head(l)->pack.repo, &r->sb.id))
		rc = err_set(e, BC_EDAMAGE, "%s is of another repository",
			     log_file_path(l));
	if (rc == BC_OK)
		*out = l;
	else
		log_file_close(l);
	return rc;
}

/* ---- all of them ----
 */

static enum bc_err add_number(void *ctx, const struct catalog_pack *p,
			      struct err *e)
{
	struct pack_numbers *v = ctx;

	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 64 : v->cap * 2;
		uint32_t *at = realloc(v->at, cap * sizeof(*at));

		if (at == NULL)
			return err_set(e, BC_ENOMEM, "no memory");
		v->at = at;
		v->cap = cap;
	}
	v->at[v->n++] = p->number;
	return BC_OK;
}

enum bc_err repo_pack_numbers(struct repo *r, unsigned states,
			      struct pack_numbers *out, struct err *e)
{
	struct pack_numbers v = { NULL, 0, 0 };
	enum bc_err rc = catalog_walk_packs(r->catalog, CATALOG_ANY, states,
					    add_number, &v, e);

	if (rc != BC_OK)
		free(v.at);
	else
		*out = v;
	return rc;
}
