/* SPDX-License-Identifier: Apache-2.0 */
/* check - is everything that was stored still there and whole? */
#include "check/check.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "util/hex.h"

enum { KEY_MAX_BYTES = 1 << 20, SKIPPED_BYTES = 256 };

struct check_opts {
	unsigned read_data; /* per cent */
};

/* "all", or a share: "5%". */
static enum bc_err read_share(const char *text, void *at, struct err *e)
{
	size_t n = strlen(text);
	char number[8] = "";
	uint64_t v = 0;

	if (strcmp(text, "all") == 0) {
		*(unsigned *)at = 100;
		return BC_OK;
	}
	if (n >= 2 && n <= sizeof(number) && text[n - 1] == '%')
		memcpy(number, text, n - 1);
	if (number[0] == '\0' || parse_u64(number, &v, NULL) != BC_OK ||
	    v < 1 || v > 100) {
		(void)err_set(e, BC_EINVAL, "'%.64s' is no share of the data",
			      text);
		err_hint(e, "write all, or 1%% to 100%%");
		return BC_EINVAL;
	}
	*(unsigned *)at = (unsigned)v;
	return BC_OK;
}

static const struct opt check_opts[] = {
	{ .name = "read-data",
	  .type = OPT_CUSTOM,
	  .at = offsetof(struct check_opts, read_data),
	  .arg = "SHARE",
	  .implied = "all",
	  .read = read_share,
	  .help = "read every byte too; or of 5% of the packs" },
	{ .type = OPT_END },
};

/* ---- what is told ----------------------------------------------------------
 */

struct run {
	struct ctx *c;
	struct check_progress progress;
	struct buf key, last; /* SNAP:PATH of what was told */
	uint64_t folders;     /* of those told */
};

static void sample(void *ctx, struct progress_now *now)
{
	struct run *r = ctx;

	if (atomic_load(&r->progress.phase) != CHECK_DATA)
		return;
	now->bytes_done = atomic_load(&r->progress.done);
	now->bytes_total = atomic_load(&r->progress.all);
	now->total_final = true;
}

static void tell_phase(void *ctx, enum check_phase p)
{
	struct ctx *c = ((struct run *)ctx)->c;

	msg_detail(&c->msg, "checking %s", check_phase_name(p));
}

/* A stable word for where something was found. */
static const char *what_of(enum check_phase p)
{
	switch (p) {
	case CHECK_FOLDER:
		return "folder";
	case CHECK_LOG:
		return "log";
	case CHECK_PACKS:
		return "pack";
	case CHECK_VIEWS:
		return "view";
	case CHECK_DATA:
		return "data";
	case CHECK_TREES:
		return "tree";
	case CHECK_PHASES:
		break;
	}
	return "repository";
}

static void tell_finding(void *ctx, const struct check_finding *f)
{
	struct ctx *c = ((struct run *)ctx)->c;
	const struct show_damage d = {
		.what = what_of(f->phase),
		.object = f->file == NULL ? bytes_of(NULL, 0)
					  : bytes_str(f->file),
		.offset = f->has_offset ? &f->offset : NULL,
		.detail = bytes_str(f->text),
		.next = f->next,
		.note = f->weight == CHECK_NOTE,
	};

	show_damage(&c->out, &d);
}

static void tell_affected(void *ctx, const struct check_affected *a)
{
	struct run *r = ctx;
	struct buf last;
	char id[DIGEST_HEX_BYTES];
	struct show_affected s = { .snapshot_id = id,
				   .type = pick_type(a->type),
				   .lost_bytes = a->size,
				   .detail = bytes_str(a->text) };

	hex_encode(a->snapshot->b, DIGEST_BYTES, id);
	last = r->last;
	r->last = r->key;
	r->key = last;
	buf_clear(&r->key);
	/* Too long for memory: the snapshot at least is named. */
	if (buf_add(&r->key, id, PICK_KEY_DIGITS) != BC_OK ||
	    buf_add(&r->key, ":", 1) != BC_OK ||
	    buf_add(&r->key, a->path.p, a->path.n) != BC_OK)
		s.key = bytes_of(id, PICK_KEY_DIGITS);
	else
		s.key = buf_bytes(&r->key);
	/* A directory of which several nodes are lost is one path. */
	if (bytes_eq(s.key, buf_bytes(&r->last)))
		return;
	r->folders += a->type == TREE_DIR;
	show_affected(&r->c->out, &s);
}

/* ---- the command -----------------------------------------------------------
 */

static void show_total(const struct run *run, const struct check_opts *o,
		       const struct check_result *r)
{
	struct ctx *c = run->c;
	char skipped[SKIPPED_BYTES] = "";
	struct show_check_total t = { .packs = r->packs,
				      .logs = r->logs,
				      .snapshots = r->snapshots,
				      .chunks = r->chunks,
				      .bytes_read = r->bytes_read,
				      .damages = r->damages,
				      .notes = r->notes,
				      .affected_paths = r->affected_paths,
				      .affected_folders = run->folders,
				      .affected_snapshots =
					      r->affected_snapshots,
				      .read_data = o->read_data };
	size_t n = 0;

	for (int p = 0; p < CHECK_PHASES; p++)
		if (r->skipped & 1u << p && n < sizeof(skipped) &&
		    (p != CHECK_DATA || o->read_data > 0))
			n += (size_t)snprintf(
				skipped + n, sizeof(skipped) - n, "%s%s",
				n > 0 ? ", " : "",
				check_phase_name((enum check_phase)p));
	if (n > 0)
		t.skipped = skipped;
	show_check_total(&c->out, &c->msg, &t);
}

/* What heals: paths are hurt, or only what each finding says itself. */
static void hint_damage(const struct check_result *r, struct err *e)
{
	if (r->affected_paths > 0)
		err_hint(e,
			 "put the damaged files back from a copy of the "
			 "repository, or `blobctl put` the source of the hurt "
			 "paths again; then blobctl check");
	else
		err_hint(e, "do what the findings say, then blobctl check");
}

static enum bc_err run_check(struct ctx *c, struct run *run, struct err *e)
{
	const struct check_opts *o = c->opts;
	const struct progress_source src = { "check", sample, run, false };
	const struct repo_options ro = { .io = c->io,
					 .rng = rng_system(),
					 .clock = c->clk,
					 .lock_wait_ms =
						 c->g.lock_wait * 1000 };
	const struct check_options co = { .threads = ctx_threads(c),
					  .read_data = o->read_data,
					  .phase = tell_phase,
					  .finding = tell_finding,
					  .affected = tell_affected,
					  .ctx = run,
					  .progress = &run->progress,
					  .stop = c->stop };
	struct check_result r = { .damages = 0 };
	struct progress *bar =
		progress_start(&c->out, &c->msg, c->g.progress, &src);
	enum bc_err rc = repo_check(c->repo_path, &ro, &co, &r, e);

	progress_stop(bar);
	if (rc == BC_OK || rc == BC_EDAMAGE)
		show_total(run, o, &r);
	if (rc == BC_ENOREPO)
		rc = ctx_no_repo(c, rc, e);
	if (rc == BC_EDAMAGE && e->hint[0] == '\0')
		hint_damage(&r, e);
	if (rc == BC_ECANCEL)
		err_hint(e, "%s found so far; --read-data=5%% reads a part",
			 r.damages == 0 ? "no damage was" : "damage was");
	return rc;
}

static enum bc_err check_run(struct ctx *c, struct err *e)
{
	struct run run = { .c = c };
	unsigned share;
	enum bc_err rc;

	if (c->n_args > 0) {
		rc = ctx_usage(c, e, "'%.64s' is one operand too many",
			       c->args[0]);
		if (read_share(c->args[0], &share, NULL) == BC_OK)
			err_hint(e, "blobctl check --read-data=%.8s",
				 c->args[0]);
		return rc;
	}
	rc = ctx_find_repo(c, e);
	if (rc != BC_OK)
		return rc;
	buf_init(&run.key, KEY_MAX_BYTES);
	buf_init(&run.last, KEY_MAX_BYTES);
	rc = run_check(c, &run, e);
	buf_fini(&run.key);
	buf_fini(&run.last);
	return rc;
}

static const char *const CHECK_COUNTS[] = {
	"packs",
	"logs",
	"snapshots",
	"chunks",
	"read_bytes",
	"damages",
	"notes",
	"affected_paths",
	"affected_folders",
	"affected_snapshots",
	"skipped",
	NULL,
};

/* No CMD_REPO: what cannot be opened any more can still be checked. */
const struct cmd cmd_check = {
	.name = "check",
	.summary = "verify the repository",
	.usage = "",
	.group = "Manage",
	.examples = "  blobctl check\n"
		    "  blobctl check --read-data=5%\n",
	.counts = CHECK_COUNTS,
	.needs = CMD_STOPS,
	.args_max = 1, /* to say where it belongs */
	.opts = check_opts,
	.opts_bytes = sizeof(struct check_opts),
	.run = check_run,
};
