/* SPDX-License-Identifier: Apache-2.0 */
/* Where the latest checkpoints are, by what the log says. */
#include "repo/checkpoint.h"

#include "log/list.h"
#include "repo/packs.h"

static void add_place(struct checkpoint_list *l,
		      const struct checkpoint_place *p)
{
	size_t i = 0;

	while (i < l->n && l->at[i].generation > p->generation)
		i++;
	if (i == CHECKPOINT_TRIES ||
	    (i < l->n && l->at[i].generation == p->generation))
		return;
	if (l->n < CHECKPOINT_TRIES)
		l->n++;
	for (size_t j = l->n - 1; j > i; j--)
		l->at[j] = l->at[j - 1];
	l->at[i] = *p;
}

static void look_at_record(const struct group *g, uint64_t seq,
			   struct checkpoint_list *out)
{
	struct cursor c = cursor_of(g->record.ops);
	struct log_op op;

	for (uint32_t i = 0; i < g->record.n_ops; i++) {
		struct checkpoint_place p = { .seq = seq,
					      .log = g->head.log,
					      .offset = g->offset };

		if (log_op_next(&c, &op, NULL) != BC_OK)
			return;
		p.generation = op.u.checkpoint.generation;
		if (op.code == LOG_OP_CHECKPOINT)
			add_place(out, &p);
	}
}

static enum bc_err look_at_groups(struct repo *r, struct log_file *l,
				  struct checkpoint_list *out, struct err *e)
{
	uint64_t at = LOG_HEAD_BYTES;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK) {
		struct group *g = NULL;

		rc = log_file_group(l, at, GROUP_LEAD, r->dec, &g, e);
		if (rc == BC_OK) {
			look_at_record(g, log_file_head(l)->seq, out);
			at = g->next;
		}
		group_free(g);
	}
	if (rc != BC_ENOTFOUND)
		return rc;
	err_clear(e);
	return BC_OK;
}

/* What a header says; its log's SEQ is known by the list alone. */
static void look_at_header(const struct log_list *list,
			   const struct log_head *h,
			   struct checkpoint_list *out)
{
	struct checkpoint_place p = { .generation = h->checkpoint,
				      .log = h->checkpoint_log,
				      .offset = h->checkpoint_at };

	for (size_t i = 0; i < list->n && h->checkpoint != 0; i++) {
		if (!pack_id_eq(&list->at[i].id, &p.log))
			continue;
		p.seq = list->at[i].seq;
		add_place(out, &p);
	}
}

enum bc_err checkpoint_find(struct repo *r, struct checkpoint_list *out,
			    struct err *e)
{
	struct log_list list;
	uint64_t newest = 0;
	enum bc_err rc = log_list_read(r->log_dir, &list, e);

	out->n = 0;
	for (size_t i = list.n; i > 0 && rc == BC_OK; i--) {
		const struct log_name *n = &list.at[i - 1];
		struct log_file *l = NULL;

		if (newest != 0 && n->seq != newest &&
		    out->n == CHECKPOINT_TRIES)
			break;
		rc = repo_open_own_log(r, n->seq, &n->id, &l, e);
		if (rc == BC_OK) {
			if (newest == 0)
				newest = n->seq;
			if (n->seq == newest)
				rc = look_at_groups(r, l, out, e);
			look_at_header(&list, log_file_head(l), out);
		} else if (rc != BC_ENOMEM) {
			err_clear(e);
			rc = BC_OK;
		}
		log_file_close(l);
	}
	log_list_free(&list);
	return rc;
}
