/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots by key, their listing, and paths in them. */
#include "repo/resolve.h"
#include "repo/snapshots.h"
#include "tests/unit/repo_kit.h"
#include "util/hex.h"

#define DAY (INT64_C(86400) * NS_PER_SECOND)
/* 2026-05-01 12:00 UTC */
#define MAY (INT64_C(1777636800) * NS_PER_SECOND)

static struct digest put(struct kit *k, struct repo *r, const char *name,
			 int64_t time, const char *key, const char *value)
{
	struct tag tag = { bytes_str(key == NULL ? "" : key),
			   bytes_str(key == NULL ? "" : value) };
	struct kit_spec sp = { .name = name,
			       .seed = 1,
			       .files = 1,
			       .bytes = 10,
			       .chunk = 10,
			       .tags = &tag,
			       .n_tags = key != NULL,
			       .time = time };
	struct session *s = kit_session(k, r);
	struct digest id;

	kit_put(k, s, &sp, &id);
	session_end(s);
	return id;
}

static enum bc_err find(struct kit *k, struct repo *r, const char *text,
			struct snapshot **out)
{
	struct snap_key key;

	*out = NULL;
	err_clear(&k->e);
	CHECK_OK(parse_key(text, MAY + 10 * DAY, &key, &k->e), &k->e);
	return snapshots_find(r, &key, out, &k->e);
}

static void is(struct kit *k, struct repo *r, const char *text,
	       const struct digest *id)
{
	struct snapshot *s;

	if (find(k, r, text, &s) != BC_OK)
		T_FAIL("%s: %s", text, k->e.text);
	if (!digest_eq(&s->id, id))
		T_FAIL("%s is another snapshot", text);
	snapshot_free(s);
}

static void is_not(struct kit *k, struct repo *r, const char *text,
		   enum bc_err code, const char *hint)
{
	struct snapshot *s;

	CHECK_EQ(find(k, r, text, &s), code);
	CHECK(k->e.text[0] != '\0');
	if (strstr(k->e.hint, hint) == NULL)
		T_FAIL("%s: hint is \"%s\"", text, k->e.hint);
}

static void keys(struct kit *k)
{
	struct digest docs[4], other, named;
	char hex[DIGEST_HEX_BYTES], name[16];
	struct repo *r;

	setenv("TZ", "UTC", 1);
	kit_create(k, 0);
	r = kit_repo(k, true);
	is_not(k, r, "latest", BC_ENOTFOUND, "put");
	for (int i = 0; i < 4; i++)
		docs[i] = put(k, r, "documents", MAY + i * DAY,
			      i < 2 ? "kind" : NULL, "full");
	other = put(k, r, "photos", MAY + DAY / 2, "kind", "part");
	is(k, r, "documents", &docs[3]);
	is(k, r, "documents~0", &docs[3]);
	is(k, r, "documents~2", &docs[1]);
	is(k, r, "documents@2026-05-02", &docs[1]);
	is(k, r, "documents@2026-05-02~1", &docs[0]);
	is(k, r, "photos", &other);
	is(k, r, "latest", &docs[3]);
	is(k, r, "latest~3", &other);
	is(k, r, "latest@2026-05-01", &docs[0]);
	is(k, r, "latest:tag=kind=full", &docs[1]);
	is(k, r, "latest:tag=kind=full~1", &docs[0]);
	is(k, r, "latest:tag=kind=part:some/path", &other);
	is_not(k, r, "latest:tag=kind=none", BC_ENOTFOUND, "ls");
	is_not(k, r, "latest~9", BC_ENOTFOUND, "ls");
	is_not(k, r, "documents~4", BC_ENOTFOUND, "ls");
	is_not(k, r, "documents@2026-04-30", BC_ENOTFOUND, "ls");
	is_not(k, r, "document", BC_ENOTFOUND, "did you mean documents?");
	is_not(k, r, "dcouments", BC_ENOTFOUND, "did you mean documents?");
	is_not(k, r, "photso", BC_ENOTFOUND, "did you mean photos?");
	is_not(k, r, "elsewhere", BC_ENOTFOUND, "ls");

	/* Ids, whole and in part; a name that looks like one may be either. */
	hex_encode(docs[0].b, DIGEST_BYTES, hex);
	is(k, r, hex, &docs[0]);
	hex[8] = '\0';
	is(k, r, hex, &docs[0]);
	hex_encode(docs[0].b, DIGEST_BYTES, hex);
	snprintf(name, sizeof(name), "%.8s", hex);
	named = put(k, r, name, MAY, NULL, NULL);
	is_not(k, r, name, BC_EAMBIGUOUS, "documents");
	is_not(k, r, name, BC_EAMBIGUOUS, "; ");
	hex_encode(named.b, DIGEST_BYTES, hex);
	is(k, r, hex, &named);
	hex_encode(docs[0].b, DIGEST_BYTES, hex);
	is(k, r, hex, &docs[0]);
	snprintf(name, sizeof(name), "\\%.8s", hex);
	is(k, r, name, &named);
	/* Digits that only its own id begins with, or none. */
	named = put(k, r, "abcdef", MAY, NULL, NULL);
	is(k, r, "abcdef", &named);
	hex[10] = '\0';
	is(k, r, hex, &docs[0]);
	is_not(k, r, "0000000000ff", BC_ENOTFOUND, "ls");
	repo_close(r);
}

/* Ids with the same six digits. */
static void ambiguous(struct kit *k)
{
	struct catalog_position pos;
	struct snapshot *s;
	struct repo *r;
	uint64_t seed = 3;

	kit_create(k, 0);
	r = kit_repo(k, true);
	put(k, r, "base", MAY, NULL, NULL);
	/* Straight into the catalog: ids made to measure. */
	CHECK_OK(catalog_begin(r->catalog, &pos, &k->e), &k->e);
	for (int i = 0; i < 7; i++) {
		struct catalog_snapshot row = { .name = bytes_str("made"),
						.host = bytes_str("h"),
						.time = MAY + i,
						.generation = 2,
						.pack = 1,
						.slot = (uint16_t)(100 + i),
						.record = bytes_str("x") };

		t_fill(&seed, row.id.b, DIGEST_BYTES);
		memcpy(row.id.b, i < 2 ? "\x11\x22\x33" : "\x44\x55\x66", 3);
		CHECK_OK(catalog_add_snapshot(r->catalog, &row, NULL, 0, &k->e),
			 &k->e);
	}
	CHECK_OK(catalog_move(r->catalog, &pos, &k->e), &k->e);
	CHECK_OK(catalog_commit(r->catalog, &k->e), &k->e);
	CHECK_EQ(find(k, r, "112233", &s), BC_EAMBIGUOUS);
	CHECK(strstr(k->e.hint, "112233") != NULL);
	CHECK(strstr(k->e.hint, "; ") != NULL);
	CHECK(strstr(k->e.hint, "made") != NULL);
	CHECK_EQ(find(k, r, "445566", &s), BC_EAMBIGUOUS);
	CHECK(strstr(k->e.hint, "...") != NULL);
	repo_close(r);
}

struct seen {
	struct repo *r;
	size_t n;
	struct digest id[8];
	size_t tags;
	uint64_t stop_at;
};

static enum bc_err see_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	CHECK(t->key.n > 0);
	s->tags++;
	return BC_OK;
}

static enum bc_err see(void *ctx, const struct catalog_snapshot *row,
		       struct err *e)
{
	struct seen *s = ctx;

	CHECK(s->n < 8);
	if (s->n == s->stop_at)
		return err_set(e, BC_ECANCEL, "enough");
	s->id[s->n++] = row->id;
	return snapshots_tags(s->r, &row->id, see_tag, s, e);
}

static void listing(struct kit *k)
{
	const struct bytes a = bytes_str("a");
	const struct tag t1 = { bytes_str("t"), bytes_str("1") };
	struct catalog_select q = { .oldest_first = true };
	struct tag more[2] = { { bytes_str("b"), bytes_str("2") },
			       { bytes_str("a"), bytes_str("1") } };
	struct seen seen = { .stop_at = 99 };
	struct snapshot *s = NULL;
	struct session *se;
	struct digest id[4];
	struct repo *r;

	kit_create(k, 0);
	r = kit_repo(k, true);
	seen.r = r;
	id[2] = put(k, r, "b", MAY + 2, "t", "1");
	id[0] = put(k, r, "a", MAY, "t", "1");
	id[1] = put(k, r, "a", MAY + 1, NULL, NULL);
	id[3] = put(k, r, "c", MAY + 2, "t", "2");
	CHECK_OK(snapshots_each(r, &q, see, &seen, &k->e), &k->e);
	CHECK_EQ(seen.n, 4);
	CHECK(memcmp(seen.id, id, sizeof(id)) == 0);
	CHECK_EQ(seen.tags, 3);
	q.oldest_first = false;
	q.limit = 1;
	seen.n = 0;
	CHECK_OK(snapshots_each(r, &q, see, &seen, &k->e), &k->e);
	CHECK_EQ(seen.n, 1);
	CHECK(digest_eq(&seen.id[0], &id[3]));
	q = (struct catalog_select){ .tags = &t1, .tag_count = 1 };
	seen.n = 0;
	CHECK_OK(snapshots_each(r, &q, see, &seen, &k->e), &k->e);
	CHECK_EQ(seen.n, 2);
	q = (struct catalog_select){ .name = &a };
	seen.n = 0;
	CHECK_OK(snapshots_each(r, &q, see, &seen, &k->e), &k->e);
	CHECK_EQ(seen.n, 2);
	seen.n = 0;
	seen.stop_at = 1;
	CHECK_EQ(snapshots_each(r, &q, see, &seen, &k->e), BC_ECANCEL);

	/* Tags as they are now, not as they were. */
	se = kit_session(k, r);
	CHECK_OK(session_tag(se, &id[0], more, 2, NULL, 0, &k->e), &k->e);
	session_end(se);
	CHECK_OK(snapshots_get(r, &id[0], &s, &k->e), &k->e);
	CHECK_EQ(s->tag_count, 3);
	CHECK(bytes_eq(s->tags[0].key, bytes_str("a")));
	CHECK(bytes_eq(s->tags[0].value, bytes_str("1")));
	CHECK(bytes_eq(s->tags[2].key, bytes_str("t")));
	CHECK_EQ(s->rec.tag_count, 1);
	CHECK(bytes_eq(s->rec.name, bytes_str("a")));
	snapshot_free(s);
	CHECK_EQ(snapshots_get(r, &(struct digest){ { 1 } }, &s, &k->e),
		 BC_ENOTFOUND);
	repo_close(r);
}

/* ---- paths ----------------------------------------------------------------
 */

/* A directory with these entries, already in order. */
static struct tree_dir build(struct session *s, const struct tree_entry *v,
			     size_t n)
{
	struct node_sink sink = session_node_sink(s);
	struct tree_builder b;
	struct tree_dir d;
	struct err e = ERR_INIT;

	tree_builder_init(&b, &sink);
	tree_builder_begin(&b);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(tree_builder_add(&b, &v[i], &e), &e);
	CHECK_OK(tree_builder_finish(&b, &d, &e), &e);
	tree_builder_fini(&b);
	return d;
}

/*
 * Pictures/ (from /home/u/Pictures)
 *     2026/ may.jpg
 *     link -> 2026
 * notes.txt (from /home/u/notes.txt)
 */
static struct digest make_tree(struct kit *k, struct repo *r,
			       const struct snapshot_root *roots, size_t n,
			       bool contents)
{
	struct kit_spec sp = { .name = "home", .roots = roots, .n_roots = n };
	struct session *s = kit_session(k, r);
	struct buf record = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct tree_entry v[2];
	struct tree_dir d;
	struct digest id;

	v[0] = kit_entry("may.jpg", TREE_FIFO);
	d = build(s, v, 1);
	v[0] = kit_entry("2026", TREE_DIR);
	v[0].dir = d;
	v[1] = kit_entry("link", TREE_LINK);
	v[1].target = bytes_str("2026");
	d = build(s, v, 2);
	if (!contents) {
		v[0] = kit_entry("Pictures", TREE_DIR);
		v[0].dir = d;
		v[1] = kit_entry("notes.txt", TREE_SOCKET);
		d = build(s, v, 2);
	}
	kit_record(&sp, kit_now(&k->now), &d, &record);
	CHECK_OK(session_commit_snapshot(s, buf_bytes(&record), &id, &k->e),
		 &k->e);
	buf_fini(&record);
	session_end(s);
	return id;
}

struct lookup {
	struct kit *k;
	struct chunk_reader *c;
	struct snapshot *s;
};

static void finds(const struct lookup *l, const char *path, const char *as,
		  enum tree_type type)
{
	struct resolved x;

	if (resolve_path(l->c, l->s, path, &x, &l->k->e) != BC_OK)
		T_FAIL("%s: %s", path, l->k->e.text);
	CHECK_STR(x.path, as);
	CHECK_EQ(x.entry.type, type);
	if (as[0] != '\0') {
		const char *last = strrchr(as, '/');

		CHECK(bytes_eq(x.entry.name,
			       bytes_str(last == NULL ? as : last + 1)));
	} else {
		CHECK(bytes_eq(x.entry.name, bytes_str(".")));
	}
	CHECK(bytes_eq(x.entry.user, bytes_str("me")));
	if (type == TREE_LINK)
		CHECK(bytes_eq(x.entry.target, bytes_str("2026")));
	resolved_fini(&x);
}

static void misses(const struct lookup *l, const char *path, enum bc_err code,
		   const char *text)
{
	struct resolved x;

	CHECK_EQ(resolve_path(l->c, l->s, path, &x, &l->k->e), code);
	if (strstr(l->k->e.text, text) == NULL)
		T_FAIL("%s: \"%s\"", path, l->k->e.text);
}

static void paths(struct kit *k)
{
	struct snapshot_root two[2] = {
		{ SNAPSHOT_NAMED, bytes_str("Pictures"),
		  bytes_str("/home/u/Pictures") },
		{ SNAPSHOT_NAMED, bytes_str("notes.txt"),
		  bytes_str("/home/u/notes.txt") },
	};
	struct snapshot_root one = { SNAPSHOT_CONTENTS, bytes_str(""),
				     bytes_str("/home/u/Pictures") };
	struct lookup l = { .k = k };
	struct digest id;
	struct repo *r;

	kit_create(k, 0);
	r = kit_repo(k, true);
	id = make_tree(k, r, two, 2, false);
	CHECK_OK(chunk_reader_new(r, &l.c, &k->e), &k->e);
	CHECK_OK(snapshots_get(r, &id, &l.s, &k->e), &k->e);
	finds(&l, NULL, "", TREE_DIR);
	finds(&l, "", "", TREE_DIR);
	finds(&l, ".", "", TREE_DIR);
	finds(&l, "./", "", TREE_DIR);
	finds(&l, "/", "", TREE_DIR);
	finds(&l, "Pictures", "Pictures", TREE_DIR);
	finds(&l, "Pictures/", "Pictures", TREE_DIR);
	finds(&l, "./Pictures//2026/./may.jpg", "Pictures/2026/may.jpg",
	      TREE_FIFO);
	finds(&l, "/Pictures/2026", "Pictures/2026", TREE_DIR);
	finds(&l, "/home/u/Pictures", "Pictures", TREE_DIR);
	finds(&l, "/home/u/Pictures/", "Pictures", TREE_DIR);
	finds(&l, "//home/./u//Pictures/2026/may.jpg", "Pictures/2026/may.jpg",
	      TREE_FIFO);
	finds(&l, "/home/u/notes.txt", "notes.txt", TREE_SOCKET);
	finds(&l, "Pictures/link", "Pictures/link", TREE_LINK);
	misses(&l, "Pictures/2027/may.jpg", BC_ENOTFOUND,
	       "no 2027 in Pictures");
	misses(&l, "/home/u/Pictures/2027", BC_ENOTFOUND,
	       "no 2027 in Pictures");
	misses(&l, "pictures", BC_ENOTFOUND, "no pictures");
	misses(&l, "/home/u/Pictures2", BC_ENOTFOUND, "no home");
	misses(&l, "/home/u", BC_ENOTFOUND, "no home");
	misses(&l, "Pictures/link/may.jpg", BC_ENOTFOUND, "symbolic link");
	misses(&l, "notes.txt/", BC_ENOTFOUND, "notes.txt is no directory");
	misses(&l, "notes.txt/x", BC_ENOTFOUND, "notes.txt is no directory");
	misses(&l, "Pictures/../notes.txt", BC_EINVAL, "..");
	snapshot_free(l.s);
	chunk_reader_free(l.c);

	id = make_tree(k, r, &one, 1, true);
	CHECK_OK(chunk_reader_new(r, &l.c, &k->e), &k->e);
	CHECK_OK(snapshots_get(r, &id, &l.s, &k->e), &k->e);
	finds(&l, "/home/u/Pictures", "", TREE_DIR);
	finds(&l, "/home/u/Pictures/2026/may.jpg", "2026/may.jpg", TREE_FIFO);
	finds(&l, "2026/may.jpg", "2026/may.jpg", TREE_FIFO);
	misses(&l, "/home/u/Pictures/2025", BC_ENOTFOUND, "no 2025");
	snapshot_free(l.s);
	chunk_reader_free(l.c);
	repo_close(r);
}

static void one_case(void (*fn)(struct kit *k))
{
	struct kit k;

	kit_open(&k, IO_ENGINE_AUTO, NULL);
	fn(&k);
	kit_close(&k);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	one_case(keys);
	puts("ok keys");
	one_case(ambiguous);
	puts("ok ambiguous");
	one_case(listing);
	puts("ok listing");
	one_case(paths);
	puts("ok paths");
	return 0;
}
