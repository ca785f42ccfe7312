/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/ls_ncdu.h"

#include "cmd/entries.h"
#include "cmd/json.h"

enum {
	FLUSH_BYTES = 64 << 10,
	ROOM_BYTES = JSON_LINE_MAX + FLUSH_BYTES,
};

struct export
{
	struct ctx *c;
	struct buf text;
	uint64_t entries;
};

static enum bc_err put(struct export *x, const char *s, struct err *e)
{
	return buf_add(&x->text, s, strlen(s)) == BC_OK
		       ? BC_OK
		       : err_set(e, BC_ENOMEM, "no memory for a list");
}

static enum bc_err flush(struct export *x, struct err *e)
{
	enum bc_err rc = out_payload(&x->c->out, buf_bytes(&x->text), e);

	buf_clear(&x->text);
	return rc;
}

static uint32_t type_bits(enum tree_type t)
{
	static const uint32_t BITS[] = {
		[TREE_FILE] = 0100000,	 [TREE_DIR] = 0040000,
		[TREE_LINK] = 0120000,	 [TREE_FIFO] = 0010000,
		[TREE_SOCKET] = 0140000, [TREE_CHAR] = 0020000,
		[TREE_BLOCK] = 0060000,
	};

	return BITS[t];
}

/* A directory begins a list, in which its own object comes first. */
static enum bc_err add(struct export *x, struct bytes name,
		       const struct tree_entry *en, struct err *e)
{
	uint64_t size = en->type == TREE_FILE ? en->content.size : 0;
	struct json j;
	enum bc_err rc = put(x, en->type == TREE_DIR ? ",\n[{" : ",\n{", e);

	json_fragment(&j);
	json_bytes(&j, "name", name);
	json_u64(&j, "asize", size);
	json_u64(&j, "dsize", size);
	if (en->link_group != 0) {
		json_bool(&j, "hlnkc", true);
		json_u64(&j, "ino", en->link_group);
	}
	if (en->type != TREE_FILE && en->type != TREE_DIR)
		json_bool(&j, "notreg", true);
	json_u64(&j, "uid", en->uid);
	json_u64(&j, "gid", en->gid);
	json_u64(&j, "mode", type_bits(en->type) | en->mode);
	json_i64(&j, "mtime", en->mtime);
	if (rc == BC_OK && (j.bad || buf_add(&x->text, j.b.p, j.b.n) != BC_OK))
		rc = err_set(e, BC_ENOMEM, "no memory for a list");
	json_free(&j);
	return rc == BC_OK ? put(x, "}", e) : rc;
}

static enum bc_err entry(void *ctx, struct bytes path,
			 const struct tree_entry *en, bool *enter,
			 struct err *e)
{
	struct export *x = ctx;
	enum bc_err rc;

	(void)path;
	*enter = true;
	x->entries++;
	rc = add(x, en->name, en, e);
	return rc == BC_OK && x->text.n >= FLUSH_BYTES ? flush(x, e) : rc;
}

static enum bc_err leave(void *ctx, struct bytes path, const struct digest *dir,
			 struct err *e)
{
	(void)path;
	(void)dir;
	return put(ctx, "]", e);
}

static enum bc_err begin(struct export *x, const struct pick *k, struct err *e)
{
	struct json head;
	enum bc_err rc = put(x, "[1,2,{", e);

	json_fragment(&head);
	json_text(&head, "progname", "blobctl");
	json_text(&head, "progver", BLOBCTL_VERSION);
	json_i64(&head, "timestamp", k->snapshot->rec.time / 1000000000);
	if (rc == BC_OK &&
	    (head.bad || buf_add(&x->text, head.b.p, head.b.n) != BC_OK))
		rc = err_set(e, BC_ENOMEM, "no memory for a list");
	json_free(&head);
	if (rc == BC_OK)
		rc = put(x, "}", e);
	return rc == BC_OK ? add(x, k->path.n > 0 ? k->path : bytes_str("/"),
				 k->entry, e)
			   : rc;
}

static enum bc_err check(struct ctx *c, const struct pick *k, struct err *e)
{
	if (k->entry->type != TREE_DIR)
		return err_set(e, BC_EUSAGE, "--ncdu needs a directory");
	if (!c->out.tty)
		return out_payload_ready(&c->out, e);
	err_set(e, BC_EUSAGE, "--ncdu is for ncdu to read, not a terminal");
	err_hint(e, "blobctl ls --ncdu SNAP | ncdu -f -");
	return BC_EUSAGE;
}

enum bc_err ls_ncdu(struct ctx *c, const struct pick *k, struct err *e)
{
	struct export x = { .c = c };
	struct entries_walk w = { .source = k->source,
				  .entry = entry,
				  .leave = leave,
				  .ctx = &x,
				  .stop = c->stop };
	enum bc_err rc = check(c, k, e);

	buf_init(&x.text, ROOM_BYTES);
	if (rc == BC_OK)
		rc = begin(&x, k, e);
	if (rc == BC_OK)
		rc = entries_walk(&w, &k->entry->dir.id, k->path, e);
	if (rc == BC_OK)
		rc = put(&x, "]\n", e);
	if (rc == BC_OK)
		rc = flush(&x, e);
	buf_fini(&x.text);
	if (rc == BC_OK)
		out_count_u64(&c->out, "entries", x.entries);
	return rc;
}
