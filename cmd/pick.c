/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cmd/show.h"
#include "repo/internal.h"
#include "util/hex.h"

enum { PATH_MAX_BYTES = 1 << 20, CANDIDATES = 4 };

void pick_close(struct pick *k)
{
	if (!k->open)
		return;
	snapshot_record_fini(&k->record);
	tree_reader_fini(&k->reader);
	chunk_reader_free(k->chunks);
	buf_fini(&k->raw);
	buf_fini(&k->name);
	buf_fini(&k->path);
	k->open = false;
}

static void init(struct pick *k, struct repo *r)
{
	*k = (struct pick){ .repo = r, .open = true };
	buf_init(&k->name, SNAPSHOT_TEXT_MAX_BYTES);
	buf_init(&k->path, PATH_MAX_BYTES);
	buf_init(&k->raw, SNAPSHOT_MAX_BYTES);
}

/* ---- the snapshot ----------------------------------------------------------
 */

static enum bc_err take_row(struct pick *k, const struct catalog_snapshot *s,
			    struct err *e)
{
	k->id = s->id;
	k->time = s->time;
	hex_encode(s->id.b, DIGEST_BYTES, k->hex);
	buf_clear(&k->name);
	return buf_add(&k->name, s->name.p, s->name.n) == BC_OK
		       ? BC_OK
		       : err_set(e, BC_ENOMEM, "no memory for a name");
}

struct candidates {
	struct pick *k;
	size_t n;
	char list[ERR_HINT_BYTES];
};

static enum bc_err take_candidate(void *ctx, const struct catalog_snapshot *s,
				  struct err *e)
{
	struct candidates *c = ctx;
	size_t at = strlen(c->list);
	enum bc_err rc = take_row(c->k, s, e);

	if (c->n++ < CANDIDATES)
		snprintf(c->list + at, sizeof(c->list) - at, "%s%.16s",
			 at > 0 ? ", " : "", c->k->hex);
	else if (c->n == CANDIDATES + 1)
		snprintf(c->list + at, sizeof(c->list) - at, ", ...");
	return rc;
}

static enum bc_err by_prefix(struct pick *k, const char *hex, struct err *e)
{
	struct candidates c = { .k = k };
	enum bc_err rc = catalog_walk_prefix(
		k->repo->catalog, hex, CANDIDATES + 1, take_candidate, &c, e);

	if (rc != BC_OK)
		return rc;
	if (c.n == 0)
		return BC_ENOTFOUND;
	if (c.n == 1)
		return BC_OK;
	(void)err_set(e, BC_EAMBIGUOUS,
		      "several snapshots have an id that begins with %s", hex);
	err_hint(e, "they are %s", c.list);
	return BC_EAMBIGUOUS;
}

static enum bc_err by_selector(struct pick *k, const struct snap_key *key,
			       struct err *e)
{
	struct bytes name = bytes_str(key->name);
	struct catalog_tag tag = { bytes_str(key->tag_key),
				   bytes_str(key->tag_value) };
	int64_t until = key->when.to - 1;
	struct catalog_select q = { .name = key->latest ? NULL : &name,
				    .tags = &tag,
				    .tag_count = tag.key.n > 0,
				    .until = key->has_when ? &until : NULL,
				    .skip = key->nth };
	struct catalog_snapshot row;
	enum bc_err rc = catalog_find(k->repo->catalog, &q, &row, e);

	return rc == BC_OK ? take_row(k, &row, e) : rc;
}

static enum bc_err find(struct pick *k, const struct snap_key *key,
			struct err *e)
{
	enum bc_err rc = BC_ENOTFOUND;

	/* A full id, then a name, then the beginning of an id. */
	if (key->maybe_id && strlen(key->name) == KEY_HEX_MAX)
		rc = by_prefix(k, key->name, e);
	if (rc == BC_ENOTFOUND)
		rc = by_selector(k, key, e);
	if (rc == BC_ENOTFOUND && key->maybe_id)
		rc = by_prefix(k, key->name, e);
	return rc;
}

/* `text` up to where its path begins. */
static int snap_length(const char *text, const struct snap_key *key)
{
	return (int)(key->path == NULL ? strlen(text)
				       : (size_t)(key->path - text) - 1);
}

static enum bc_err find_snapshot(struct pick *k, const char *text,
				 const struct snap_key *key, struct err *e)
{
	uint64_t count = 0;
	enum bc_err rc;

	pthread_mutex_lock(&k->repo->mutex);
	rc = find(k, key, e);
	if (rc == BC_ENOTFOUND &&
	    catalog_count(k->repo->catalog, &count, NULL) != BC_OK)
		count = 1;
	pthread_mutex_unlock(&k->repo->mutex);
	if (rc != BC_ENOTFOUND)
		return rc;
	(void)err_set(e, rc, "there is no snapshot '%.*s'",
		      snap_length(text, key), text);
	err_hint(e, count == 0 ? "blobctl put PATH   makes the first one"
			       : "blobctl ls");
	return rc;
}

enum bc_err pick_snapshot(struct pick *k, struct repo *r, const char *text,
			  int64_t now, struct err *e)
{
	struct snap_key key;
	enum bc_err rc;

	init(k, r);
	rc = parse_key(text, now, &key, e);
	return rc == BC_OK ? find_snapshot(k, text, &key, e) : rc;
}

/* ---- what is in it ---------------------------------------------------------
 */

static enum bc_err load_record(struct pick *k, struct err *e)
{
	struct bytes raw;
	enum bc_err rc = chunk_reader_new(k->repo, &k->chunks, e);

	if (rc != BC_OK)
		return rc;
	k->source = chunk_node_source(k->chunks);
	tree_reader_init(&k->reader, &k->source);
	rc = chunk_read(k->chunks, &k->id, &raw, e);
	if (rc == BC_OK && buf_add(&k->raw, raw.p, raw.n) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory for a snapshot");
	if (rc == BC_OK)
		rc = snapshot_record_decode(buf_bytes(&k->raw), &k->record, e);
	if (rc == BC_EDAMAGE)
		(void)err_wrap(e, "snapshot %.16s", k->hex);
	k->entry = &k->record.root;
	return rc;
}

/* The next component of a path; false at its end. */
static bool next_name(struct bytes *path, struct bytes *name)
{
	const uint8_t *slash;

	while (path->n > 0 && path->p[0] == '/')
		*path = bytes_of(path->p + 1, path->n - 1);
	if (path->n == 0)
		return false;
	slash = memchr(path->p, '/', path->n);
	*name = bytes_of(path->p,
			 slash == NULL ? path->n : (size_t)(slash - path->p));
	*path = bytes_of(path->p + name->n, path->n - name->n);
	return true;
}

/* Does `path` go through `base`, component by component? What is left of it
 * is then in *rest. */
static bool goes_through(struct bytes path, struct bytes base,
			 struct bytes *rest)
{
	struct bytes a, b;

	while (next_name(&base, &b))
		if (!next_name(&path, &a) || !bytes_eq(a, b))
			return false;
	*rest = path;
	return true;
}

/* A root's name and the rest of the path, without doubled slashes. */
static enum bc_err join(struct buf *out, struct bytes name, struct bytes rest,
			struct err *e)
{
	struct bytes part = name;
	enum bc_err rc = BC_OK;

	buf_clear(out);
	while (rc == BC_OK && (part.n > 0 || next_name(&rest, &part))) {
		if (out->n > 0)
			rc = buf_add(out, "/", 1);
		if (rc == BC_OK)
			rc = buf_add(out, part.p, part.n);
		part.n = 0;
	}
	return rc == BC_OK ? BC_OK
			   : err_set(e, BC_EINVAL, "the path is too long");
}

/* Follow k->path from the root of the snapshot. */
static enum bc_err follow(struct pick *k, struct err *e)
{
	struct bytes path = buf_bytes(&k->path), *names = NULL, name;
	size_t n = 0, cap = 0;
	enum bc_err rc;

	while (next_name(&path, &name)) {
		if (n == cap) {
			struct bytes *more;

			cap = cap == 0 ? 16 : 2 * cap;
			more = realloc(names, cap * sizeof(*names));
			if (more == NULL) {
				free(names);
				return err_set(e, BC_ENOMEM,
					       "no memory for a path");
			}
			names = more;
		}
		names[n++] = name;
	}
	if (n == 0) {
		free(names);
		k->entry = &k->record.root;
		return BC_OK;
	}
	rc = tree_walk_path(&k->reader, &k->record.root.dir.id, names, n,
			    &k->entry, NULL, e);
	free(names);
	return rc;
}

/* An absolute path goes through the root that it was put from. */
static enum bc_err follow_absolute(struct pick *k, struct bytes path,
				   struct err *e)
{
	struct bytes rest;
	enum bc_err rc = BC_ENOTFOUND;

	for (size_t i = 0; i < k->record.root_count && rc == BC_ENOTFOUND;
	     i++) {
		const struct snapshot_root *r = &k->record.roots[i];

		if (r->how == SNAPSHOT_STDIN ||
		    !goes_through(path, r->path, &rest))
			continue;
		rc = join(&k->path,
			  r->how == SNAPSHOT_NAMED ? r->name : bytes_of("", 0),
			  rest, e);
		if (rc == BC_OK)
			rc = follow(k, e);
	}
	return rc;
}

static enum bc_err open_path(struct pick *k, const char *path, struct err *e)
{
	struct bytes p = bytes_str(path);
	enum bc_err rc = join(&k->path, bytes_of("", 0), p, e);

	if (rc == BC_OK)
		rc = follow(k, e);
	if (rc == BC_ENOTFOUND && path[0] == '/')
		rc = follow_absolute(k, p, e);
	if (rc == BC_ENOTFOUND) {
		(void)err_set(e, rc, "there is no '%.512s' in snapshot %.8s",
			      path, k->hex);
		err_hint(e, "blobctl ls %.8s   shows what there is", k->hex);
	}
	return rc;
}

enum bc_err pick_open(struct pick *k, struct repo *r, const char *text,
		      int64_t now, struct err *e)
{
	struct snap_key key;
	enum bc_err rc;

	init(k, r);
	rc = parse_key(text, now, &key, e);
	if (rc == BC_OK)
		rc = find_snapshot(k, text, &key, e);
	if (rc == BC_OK)
		rc = load_record(k, e);
	if (rc == BC_OK && key.path != NULL)
		rc = open_path(k, key.path, e);
	return rc;
}

enum bc_err pick_open_id(struct pick *k, struct repo *r,
			 const struct digest *id, struct err *e)
{
	struct catalog_snapshot row;
	enum bc_err rc;

	init(k, r);
	pthread_mutex_lock(&r->mutex);
	rc = catalog_get_snapshot(r->catalog, id, &row, e);
	if (rc == BC_OK)
		rc = take_row(k, &row, e);
	pthread_mutex_unlock(&r->mutex);
	return rc == BC_OK ? load_record(k, e) : rc;
}

/* ---- many snapshots --------------------------------------------------------
 */

enum bc_err pick_each(struct repo *r, const struct catalog_select *q,
		      catalog_snapshot_fn *fn, void *ctx, struct err *e)
{
	return catalog_walk(r->catalog, q, fn, ctx, e);
}

static enum bc_err add_tag(void *ctx, const struct catalog_tag *t,
			   struct err *e)
{
	struct buf *b = ctx;
	enum bc_err rc = b->n == 0 ? BC_OK : buf_add(b, " ", 1);

	if (rc == BC_OK)
		rc = buf_add(b, t->key.p, t->key.n);
	if (rc == BC_OK)
		rc = buf_add(b, "=", 1);
	if (rc == BC_OK)
		rc = buf_add(b, t->value.p, t->value.n);
	return rc == BC_OK ? BC_OK : err_set(e, rc, "no memory for tags");
}

enum bc_err pick_tags(struct repo *r, const struct digest *id, struct buf *out,
		      struct err *e)
{
	return catalog_walk_tags(r->catalog, id, add_tag, out, e);
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

uint32_t pick_mode(const struct tree_entry *en)
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
		.mode = pick_mode(en),
		.uid = en->uid,
		.gid = en->gid,
		.user = en->user,
		.group = en->group,
		.size = en->type == TREE_FILE  ? en->content.size
			: en->type == TREE_DIR ? en->dir.bytes
					       : en->target.n,
		.mtime = en->mtime * NS_PER_SECOND + en->mtime_nsec,
	};
	if (en->type != TREE_LINK)
		out->target = bytes_of(NULL, 0);
}
