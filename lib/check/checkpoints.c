/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each checkpoint that a rebuild could begin at, against a replay from the
 * first log up to its generation: the same rows, the same position.
 */
#include "check/internal.h"
#include "repo/checkpoint.h"
#include "repo/packs.h"
#include "repo/replay.h"

static const char CHECKPOINT_NEXT[] =
	"nothing is lost: the log says it all; the next checkpoint takes its "
	"place";

/* What the handle stands on, while it stands on something else. */
struct aside {
	struct catalog *catalog;
	struct log_pos head;
	uint64_t until;
};

static enum bc_err step_aside(struct repo *r, struct aside *a, struct err *e)
{
	struct catalog_options o = { .path = NULL, .create = true };

	*a = (struct aside){ r->catalog, r->head, r->until };
	memcpy(o.repository, r->sb.id.b, PACK_ID_BYTES);
	r->catalog = NULL;
	r->head = (struct log_pos){ .generation = 0 };
	return catalog_open(&o, &r->catalog, e);
}

static void step_back(struct repo *r, const struct aside *a)
{
	catalog_close(r->catalog);
	r->catalog = a->catalog;
	r->head = a->head;
	r->until = a->until;
}

struct stand {
	struct digest rows[2];
	struct log_pos head;
};

/* At generation `c`, and beyond the end of a log that ends there. */
static enum bc_err stand_at(struct repo *r, uint64_t c, struct stand *out,
			    struct err *e)
{
	enum bc_err rc;

	r->until = c;
	rc = repo_catch_up(r, false, e);
	out->head = r->head;
	return rc == BC_OK ? check_summarise(r->catalog, out->rows, e) : rc;
}

static bool same_place(const struct log_pos *a, const struct log_pos *b)
{
	return a->generation == b->generation &&
	       digest_eq(&a->digest, &b->digest) && a->seq == b->seq &&
	       pack_id_eq(&a->log, &b->log) && a->end == b->end &&
	       a->next_pack == b->next_pack && a->next_slot == b->next_slot;
}

static void tell(struct check *c, const struct checkpoint_place *p,
		 const char *what)
{
	struct pack_ref log = { .log = true, .id = p->log, .seq = p->seq };
	char file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file, .offset = &p->offset };

	check_file(&log, file);
	check_tell(c, CHECK_DAMAGE, &at, CHECKPOINT_NEXT,
		   "the checkpoint of generation %llu cannot be used: %s",
		   (unsigned long long)p->generation, what);
}

/* What the checkpoint makes of an empty catalog. False: it was told. */
static bool load(struct check *c, const struct checkpoint_place *p,
		 struct stand *out, enum bc_err *rc, struct err *e)
{
	struct aside was;
	struct err why = ERR_INIT;
	enum bc_err one = step_aside(c->r, &was, &why);

	if (one == BC_OK)
		one = checkpoint_load(c->r, p, &why);
	if (one == BC_OK)
		one = stand_at(c->r, p->generation, out, &why);
	step_back(c->r, &was);
	if (one == BC_ENOMEM) {
		*rc = one;
		if (e != NULL)
			*e = why;
	} else if (one != BC_OK) {
		tell(c, p, why.text);
	}
	return one == BC_OK;
}

enum bc_err check_checkpoints(struct check *c, struct err *e)
{
	struct checkpoint_list list;
	struct aside was;
	enum bc_err rc = checkpoint_find(c->r, &list, e);

	if (rc != BC_OK || list.n == 0)
		return rc;
	/* One replay serves all, from the oldest to the latest. */
	rc = step_aside(c->r, &was, e);
	for (size_t i = list.n; i > 0 && rc == BC_OK; i--) {
		const struct checkpoint_place *p = &list.at[i - 1];
		struct stand want, got;

		/* One that was made since the check began. */
		if (p->generation > was.head.generation)
			break;
		if (!load(c, p, &got, &rc, e))
			continue;
		rc = stand_at(c->r, p->generation, &want, e);
		if (rc != BC_OK)
			break;
		if (!digest_eq(&got.rows[0], &want.rows[0]))
			tell(c, p, "its snapshots are not those of the log");
		if (!digest_eq(&got.rows[1], &want.rows[1]))
			tell(c, p,
			     "its packs and logs are not those of the log");
		if (!same_place(&got.head, &want.head))
			tell(c, p, "it does not stand where the log does");
	}
	step_back(c->r, &was);
	return rc;
}
