/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pick.h"

#include <sys/stat.h>

#include "cmd/show.h"
#include "util/arith.h"
#include "util/hex.h"

void pick_close(struct pick *k)
{
	resolved_fini(&k->at);
	chunk_reader_free(k->chunks);
	snapshot_free(k->snapshot);
	*k = (struct pick)PICK_INIT;
}

static enum bc_err find(struct pick *k, struct repo *r,
			const struct snap_key *key, struct err *e)
{
	enum bc_err rc = snapshots_find(r, key, &k->snapshot, e);

	if (rc == BC_OK)
		hex_encode(k->snapshot->id.b, DIGEST_BYTES, k->hex);
	return rc;
}

enum bc_err pick_snapshot(struct pick *k, struct repo *r, const char *text,
			  int64_t now, struct err *e)
{
	struct snap_key key;
	enum bc_err rc = parse_key(text, now, &key, e);

	if (rc == BC_OK && key.path != NULL)
		rc = err_set(e, BC_EUSAGE,
			     "'%.256s' names something in a snapshot, not a "
			     "whole one",
			     text);
	return rc == BC_OK ? find(k, r, &key, e) : rc;
}

/* Ready to read trees, at the root. */
static enum bc_err open_tree(struct pick *k, struct repo *r, struct err *e)
{
	enum bc_err rc = chunk_reader_new(r, &k->chunks, e);

	if (rc != BC_OK)
		return rc;
	k->source = chunk_node_source(k->chunks);
	k->entry = &k->snapshot->rec.root;
	k->path = bytes_of("", 0);
	return BC_OK;
}

enum bc_err pick_open(struct pick *k, struct repo *r, const char *text,
		      int64_t now, struct err *e)
{
	struct snap_key key;
	enum bc_err rc = parse_key(text, now, &key, e);

	if (rc == BC_OK)
		rc = find(k, r, &key, e);
	if (rc == BC_OK)
		rc = open_tree(k, r, e);
	if (rc != BC_OK || key.path == NULL)
		return rc;
	rc = resolve_path(k->chunks, k->snapshot, key.path, &k->at, e);
	if (rc == BC_ENOTFOUND && e != NULL && e->hint[0] == '\0')
		err_hint(e, "blobctl ls %.*s   shows what there is",
			 PICK_KEY_DIGITS, k->hex);
	if (rc == BC_OK && k->at.path[0] != '\0') {
		k->entry = &k->at.entry;
		k->path = bytes_str(k->at.path);
	}
	return rc;
}

enum bc_err pick_open_id(struct pick *k, struct repo *r,
			 const struct digest *id, struct err *e)
{
	enum bc_err rc = snapshots_get(r, id, &k->snapshot, e);

	if (rc != BC_OK)
		return rc;
	hex_encode(id->b, DIGEST_BYTES, k->hex);
	return open_tree(k, r, e);
}

/* ---- many snapshots --------------------------------------------------------
 */

static enum bc_err add_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct buf *b = ctx;
	enum bc_err rc = buf_add(b, t->key.p, t->key.n);

	if (rc == BC_OK)
		rc = buf_add(b, "=", 1);
	if (rc == BC_OK)
		rc = buf_add(b, t->value.p, t->value.n);
	if (rc == BC_OK)
		rc = buf_u8(b, 0);
	return rc == BC_OK ? BC_OK : err_set(e, rc, "no memory for tags");
}

enum bc_err pick_tags(struct repo *r, const struct digest *id, struct buf *out,
		      struct err *e)
{
	return snapshots_tags(r, id, add_tag, out, e);
}

/* ---- entries ---------------------------------------------------------------
 */

const char *pick_type(enum tree_type t)
{
	switch (t) {
	case TREE_FILE:
		return "file";
	case TREE_DIR:
		return "dir";
	case TREE_LINK:
		return "link";
	case TREE_FIFO:
		return "fifo";
	case TREE_SOCKET:
		return "socket";
	case TREE_CHAR:
		return "char";
	case TREE_BLOCK:
		return "block";
	}
	return "unknown";
}

/* st_mode of an entry. */
static uint32_t mode_of(const struct tree_entry *en)
{
	static const uint32_t FORMATS[] = {
		[TREE_FILE] = S_IFREG,	  [TREE_DIR] = S_IFDIR,
		[TREE_LINK] = S_IFLNK,	  [TREE_FIFO] = S_IFIFO,
		[TREE_SOCKET] = S_IFSOCK, [TREE_CHAR] = S_IFCHR,
		[TREE_BLOCK] = S_IFBLK,
	};

	return FORMATS[en->type] | en->mode;
}

void pick_show(struct show_entry *out, const struct pick *k,
	       const struct tree_entry *en, struct bytes path, struct bytes key)
{
	*out = (struct show_entry){
		.snapshot_id = k->hex,
		.path = path,
		.key = key,
		.target = en->target,
		.type = pick_type(en->type),
		.mode = mode_of(en),
		.uid = en->uid,
		.gid = en->gid,
		.user = en->user,
		.group = en->group,
		.size = en->type == TREE_FILE  ? en->content.size
			: en->type == TREE_DIR ? en->dir.bytes
					       : en->target.n,
		.mtime = ns_of(en->mtime, en->mtime_nsec),
	};
	if (en->type != TREE_LINK)
		out->target = bytes_of(NULL, 0);
}
