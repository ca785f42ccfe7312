/* SPDX-License-Identifier: Apache-2.0 */
/* cat - the bytes of one file on standard output. */
#include <inttypes.h>

#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "restore/restore.h"
#include "util/parse_key.h"

struct cat_opts {
	struct byte_range range;
};

static const struct cat_opts CAT_DEFAULT = { .range = { 0, UINT64_MAX,
							false } };

static const struct opt cat_opts[] = {
	{ .name = "range",
	  .type = OPT_RANGE,
	  .at = offsetof(struct cat_opts, range),
	  .arg = "A-B",
	  .help = "bytes A to B; A- to the end; -N the last N" },
	{ .type = OPT_END },
};

static enum bc_err give(void *ctx, struct bytes piece, struct err *e)
{
	return out_payload(ctx, piece, e);
}

/* [from, to) of a file of `size` bytes. Where it begins must exist; what stands
 * open may begin at the end, as of a copy that is complete. */
static enum bc_err bounds(const struct byte_range *r, uint64_t size,
			  uint64_t *from, uint64_t *to, struct err *e)
{
	enum bc_err rc;

	*to = r->tail || r->last >= size ? size : r->last + 1;
	*from = !r->tail ? r->first : r->first > size ? 0 : size - r->first;
	if (*from < size ||
	    (*from == size && (r->tail || r->last == UINT64_MAX)))
		return BC_OK;
	rc = err_set(e, BC_EINVAL,
		     "--range begins at %" PRIu64 ", and the file has %" PRIu64
		     " byte%s",
		     *from, size, size == 1 ? "" : "s");
	err_hint(e, "bytes count from 0; --range=-N gives the last N");
	return rc;
}

static enum bc_err write_file(struct ctx *c, const struct pick *k,
			      struct err *e)
{
	const struct cat_opts *o = c->opts;
	struct restore_sink sink = { give, &c->out };
	uint64_t from, to;
	enum bc_err rc;

	if (k->entry->type != TREE_FILE) {
		bool dir = k->entry->type == TREE_DIR;
		char word[CTX_WORD_BYTES];

		rc = err_set(e, BC_EINVAL, "'%.512s' is a %s, not a file",
			     c->args[0],
			     dir ? "directory" : pick_type(k->entry->type));
		err_hint(e, "blobctl %s %s   %s", dir ? "get" : "ls -l",
			 ctx_word(c->args[0], "SNAP:PATH", word),
			 dir ? "brings it back" : "shows it");
		return rc;
	}
	rc = bounds(&o->range, k->entry->content.size, &from, &to, e);
	if (rc != BC_OK)
		return rc;
	rc = restore_cat(c->repo, k->entry, from, to, &sink, c->stop, e);
	if (rc == BC_ENOTFOUND) /* the file is there, what it needs is not */
		rc = BC_EDAMAGE;
	if (rc == BC_OK)
		out_count_u64(&c->out, "written_bytes", to - from);
	return rc;
}

static enum bc_err cat_run(struct ctx *c, struct err *e)
{
	struct snap_key key;
	struct pick k = PICK_INIT;
	enum bc_err rc;

	rc = parse_key(c->args[0], c->out.began_real, &key, e);
	if (rc != BC_OK)
		return rc;
	if (key.path == NULL || *key.path == '\0')
		return ctx_usage(c, e, "'%.64s' names no file", c->args[0]);
	rc = out_payload_ready(&c->out, e);
	if (rc != BC_OK)
		return rc;
	rc = pick_open(&k, c->repo, c->args[0], c->out.began_real, e);
	if (rc == BC_OK)
		rc = write_file(c, &k, e);
	pick_close(&k);
	return rc;
}

static const char *const CAT_COUNTS[] = {
	"written_bytes",
	NULL,
};

const struct cmd cmd_cat = {
	.name = "cat",
	.summary = "write a stored file to standard output",
	.usage = "SNAP:PATH",
	.group = "Archive",
	.examples = "  blobctl cat latest:etc/fstab | less\n"
		    "  blobctl cat disk:image.raw --range=0-511 > mbr\n",
	.counts = CAT_COUNTS,
	.needs = CMD_REPO | CMD_STOPS,
	.args_min = 1,
	.args_max = 1,
	.opts = cat_opts,
	.opts_bytes = sizeof(struct cat_opts),
	.opts_default = &CAT_DEFAULT,
	.run = cat_run,
};
