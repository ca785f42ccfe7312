/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves, inner nodes, attributes: round trips, strictness, golden bytes. */
#include "node_store.h"
#include "tree/node_inner.h"
#include "tree/node_leaf.h"

static struct err e = ERR_INIT;

static bool inside(struct bytes outer, struct bytes b)
{
	return b.n == 0 || (b.p >= outer.p && b.n <= outer.n &&
			    b.p + b.n <= outer.p + outer.n);
}

/* Read all that a node says, and see that all of it lies within. */
static void read_leaf(struct bytes node, struct leaf *l)
{
	struct tree_entry en;
	struct content_iter ci;
	struct content_item item;
	struct attrs_iter ai;
	struct attr a;
	uint64_t n = 0, sum;

	while (leaf_next(l, &en)) {
		n++;
		CHECK(inside(node, en.name) && en.name.n != 0);
		CHECK(inside(node, en.user) && inside(node, en.group));
		CHECK(inside(node, en.target) && inside(node, en.attrs.raw));
		CHECK(inside(node, en.content.ids));
		for (attrs_begin(&ai, en.attrs); attrs_next(&ai, &a);)
			CHECK(inside(node, a.name) && inside(node, a.value));
		sum = 0;
		for (content_begin(&ci, &en.content); content_next(&ci, &item);)
			sum += item.length;
		CHECK_EQ(sum, en.content.size);
	}
	CHECK_EQ(n, l->count);
}

static void test_leaf_round_trip(void)
{
	struct leaf_writer w;
	struct t_entry t;
	struct tree_entry en;
	struct leaf l;
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	char name[64];
	int n;

	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	for (uint64_t seed = 0; seed < 300; seed++) {
		uint64_t count = seed % 40;

		for (uint64_t i = 0; i < count; i++) {
			n = snprintf(name, sizeof(name), "%03d-%" PRIx64,
				     (int)i, seed);
			t_make(&t, bytes_of(name, (size_t)n), seed * 1000 + i);
			if (leaf_writer_add(&w, &t.en, &e) == BC_EFULL)
				count = i;
		}
		CHECK_EQ(w.count, count);
		size_t size = leaf_writer_size(&w);

		buf_clear(&out);
		CHECK_OK(leaf_writer_finish(&w, &out, &e), &e);
		CHECK_EQ(size, out.n);
		CHECK_OK(leaf_open(buf_bytes(&out), LEAF_OF_DIRECTORY, &l, &e),
			 &e);
		CHECK_EQ(l.count, count);
		for (uint64_t i = 0; i < count; i++) {
			n = snprintf(name, sizeof(name), "%03d-%" PRIx64,
				     (int)i, seed);
			t_make(&t, bytes_of(name, (size_t)n), seed * 1000 + i);
			CHECK(leaf_next(&l, &en));
			CHECK_EQ(tree_entry_diff(&t.en, &en), 0);
		}
		CHECK(!leaf_next(&l, &en));
	}
	leaf_writer_fini(&w);
	buf_fini(&out);
}

/* Names and owners of the largest sizes, many owners: the tables' marks. */
static void test_leaf_many_owners(void)
{
	struct leaf_writer w;
	struct t_entry t;
	struct tree_entry en;
	struct leaf l;
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	char name[32], owner[300];
	uint32_t i, count;

	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	for (i = 0;; i++) {
		enum bc_err rc;
		int n = snprintf(name, sizeof(name), "%08u", i);

		t_make(&t, bytes_of(name, (size_t)n), 6);
		t.en.type = TREE_FIFO;
		t.en.has = 0;
		t.en.uid = i;
		n = snprintf(owner, sizeof(owner), "u%u", i / 2);
		t.en.user = bytes_of(owner, (size_t)n);
		rc = leaf_writer_add(&w, &t.en, &e);
		if (rc == BC_EFULL)
			break;
		CHECK_OK(rc, &e);
	}
	count = i;
	CHECK(count > 4 * LEAF_TABLE_MARKS);
	CHECK(leaf_writer_size(&w) <= LEAF_TARGET_BYTES);
	CHECK(leaf_writer_size(&w) > LEAF_TARGET_BYTES - 100);
	CHECK_OK(leaf_writer_finish(&w, &out, &e), &e);
	CHECK_OK(leaf_open(buf_bytes(&out), LEAF_OF_DIRECTORY, &l, &e), &e);
	for (i = 0; i < count; i++) {
		int n = snprintf(owner, sizeof(owner), "u%u", i / 2);

		CHECK(leaf_next(&l, &en));
		CHECK_EQ(en.uid, i);
		CHECK(bytes_eq(en.user, bytes_of(owner, (size_t)n)));
	}
	leaf_writer_fini(&w);
	buf_fini(&out);
}

static void test_leaf_add_refuses(void)
{
	struct leaf_writer w;
	struct t_entry t;
	uint8_t long_name[256];
	struct bytes bad[] = {
		bytes_str(""),	  bytes_str("."),      bytes_str(".."),
		bytes_str("a/b"), bytes_of("a\0b", 3), bytes_of(long_name, 256),
		bytes_str("a"), /* not after "b" */
		bytes_str("b"),
	};

	memset(long_name, 'x', sizeof(long_name));
	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	t_make_file(&t, bytes_str("b"), 1);
	CHECK_OK(leaf_writer_add(&w, &t.en, &e), &e);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.en.name = bad[i];
		CHECK_EQ(leaf_writer_add(&w, &t.en, &e), BC_EINVAL);
	}
#define REFUSED(change)                                                        \
	do {                                                                   \
		t_make_file(&t, bytes_str("c"), 1);                            \
		change;                                                        \
		CHECK_EQ(leaf_writer_add(&w, &t.en, &e), BC_EINVAL);           \
		CHECK_EQ(w.count, 1);                                          \
	} while (0)
	REFUSED(t.en.mode = 010000);
	REFUSED(t.en.mtime_nsec = 1000000000);
	REFUSED(t.en.has = 16);
	REFUSED(t.en.has = TREE_HAS_ATTRS | TREE_HAS_ATTRS_ID);
	REFUSED(t.en.has = TREE_HAS_ATTRS); /* none are there */
	REFUSED(t.en.type = (enum tree_type)8);
	REFUSED(t.en.type = TREE_LINK); /* without a target */
	REFUSED(t.en.content.size = 0);
	REFUSED(t.en.content.count = 2);
	REFUSED(t.en.content.ids.n = 0);
	REFUSED(t.en.content.size = (UINT64_C(1) << 62));
	REFUSED(t.items[0] = 4);
	REFUSED(t.en.user = bytes_of("a\0", 2));
	REFUSED(t.en.user = bytes_of(long_name, 256));
#undef REFUSED
	leaf_writer_fini(&w);
	leaf_writer_init(&w, LEAF_OF_SNAPSHOT);
	t_make_file(&t, bytes_str("."), 1);
	CHECK_EQ(leaf_writer_add(&w, &t.en, &e), BC_EINVAL);
	t.en.type = TREE_DIR;
	CHECK_OK(leaf_writer_add(&w, &t.en, &e), &e);
	CHECK_EQ(leaf_writer_add(&w, &t.en, &e), BC_EINVAL);
	leaf_writer_fini(&w);
}

/* One entry of each type and with each option. */
static void sample_leaf(struct buf *out)
{
	static const char *const names[] = { "block",  "char", "dir",  "empty",
					     "fifo",   "file", "hole", "link",
					     "socket", "two" };
	static const enum tree_type types[] = {
		TREE_BLOCK, TREE_CHAR, TREE_DIR,  TREE_FILE,   TREE_FIFO,
		TREE_FILE,  TREE_FILE, TREE_LINK, TREE_SOCKET, TREE_FILE
	};
	static const uint8_t two_items[] = {
		0x80, 0x80, 0x04, 0x41, 0x82, 0x01
	};
	struct attr attrs[] = { { bytes_str("user.a"), bytes_str("1") },
				{ bytes_str("user.b"), bytes_str("") } };
	struct buf raw = BUF_INIT(1024);
	struct leaf_writer w;

	CHECK_OK(attrs_encode(attrs, 2, &raw, &e), &e);
	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	for (size_t i = 0; i < 10; i++) {
		struct t_entry t;
		struct tree_entry *en = &t.en;

		t_make_file(&t, bytes_str(names[i]), i);
		en->type = types[i];
		en->mtime = 1700000000 - 5 * (int64_t)i;
		en->uid = i % 3 == 0 ? 0 : 1000;
		en->user = bytes_str(i % 3 == 0 ? "root" : "me");
		en->gid = (uint32_t)i % 2;
		en->group = bytes_str("");
		memset(t.ids, 0xa0 + (int)i, sizeof(t.ids));
		if (i == 1 || i == 5) {
			en->has = TREE_HAS_ATTRS;
			en->attrs.raw = buf_bytes(&raw);
		}
		if (i == 2 || i == 9) {
			en->has = TREE_HAS_ATTRS_ID;
			memset(en->attrs_id.b, 0xd0, DIGEST_BYTES);
		}
		if (i == 5) {
			en->has |= TREE_HAS_LINK | TREE_HAS_FLAGS;
			en->link_group = UINT64_C(0x0102030405060708);
			en->inode_flags = 0x80010;
		}
		en->major = 8;
		en->minor = 300;
		memset(en->dir.id.b, 0xdd, DIGEST_BYTES);
		en->dir.entries = 1000000;
		en->dir.bytes = UINT64_C(1) << 40;
		en->target = bytes_str("../target");
		if (i == 3) {
			en->content = (struct content){ .size = 0 };
		} else if (i == 6) {
			t.items[0] = CONTENT_HOLE;
			en->content.ids.n = 0;
			en->content.size = UINT64_C(1) << 33;
		} else if (i == 9) {
			/* 16384 a chunk, 16 a hole, 32 zeros */
			en->content.items = bytes_of(two_items, 6);
			en->content.count = 3;
			en->content.size = 16384 + 16 + 32;
		}
		CHECK_OK(leaf_writer_add(&w, en, &e), &e);
	}
	CHECK_OK(leaf_writer_finish(&w, out, &e), &e);
	leaf_writer_fini(&w);
	buf_fini(&raw);
}

static void sample_inner(struct buf *out)
{
	static const char *const names[] = { "Makefile", "b", "b\xff", "c" };
	struct inner_writer w;
	struct inner_item it;

	inner_writer_init(&w, 3);
	for (size_t i = 0; i < 4; i++) {
		it.first = bytes_str(names[i]);
		it.entries = UINT64_C(100) << i;
		memset(it.id.b, 0x10 + (int)i, DIGEST_BYTES);
		CHECK_OK(inner_writer_add(&w, &it, &e), &e);
	}
	CHECK_EQ(w.entries, 1500);
	CHECK_OK(inner_writer_finish(&w, out, &e), &e);
	inner_writer_fini(&w);
}

static void test_inner(void)
{
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct inner_item it;
	struct inner n;

	sample_inner(&out);
	CHECK_OK(inner_open(buf_bytes(&out), &n, &e), &e);
	CHECK_EQ(n.level, 3);
	CHECK_EQ(n.entries, 1500);
	CHECK(!inner_seek(&n, bytes_str("A")));
	CHECK(inner_peek(&n, &it) && bytes_eq(it.first, bytes_str("Makefile")));
	CHECK(inner_seek(&n, bytes_str("a")));
	CHECK(inner_next(&n, &it) && it.id.b[0] == 0x10);
	CHECK(inner_seek(&n, bytes_str("b")));
	CHECK(inner_next(&n, &it) && it.id.b[0] == 0x11 && it.entries == 200);
	CHECK(inner_seek(&n, bytes_str("zz")));
	CHECK(inner_next(&n, &it) && it.id.b[0] == 0x13);
	CHECK(!inner_next(&n, &it));
	buf_fini(&out);
}

/* A child without entries, children out of order, too high a level. */
static void test_inner_strict(void)
{
	static const struct {
		unsigned level;
		const char *one, *two;
		uint64_t entries;
		enum bc_err want;
	} cases[] = {
		{ 1, "a", "b", 1, BC_OK },
		{ INNER_LEVEL_MAX, "a", "b", 1, BC_OK },
		{ 0, "a", "b", 1, BC_EDAMAGE },
		{ INNER_LEVEL_MAX + 1, "a", "b", 1, BC_EDAMAGE },
		{ 1, "a", "b", 0, BC_EDAMAGE },
		{ 1, "a", "b", UINT64_MAX, BC_EDAMAGE },
		{ 1, "b", "a", 1, BC_EDAMAGE },
		{ 1, "a", "a", 1, BC_EDAMAGE },
		{ 1, "", "a", 1, BC_EDAMAGE },
		{ 1, "a", "a/b", 1, BC_EDAMAGE },
	};
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct inner_writer w;
	struct inner n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inner_item one = { .first = bytes_str(cases[i].one),
					  .entries = 1 };
		struct inner_item two = { .first = bytes_str(cases[i].two),
					  .entries = cases[i].entries };

		inner_writer_init(&w, cases[i].level);
		CHECK_OK(inner_writer_add(&w, &one, &e), &e);
		CHECK_OK(inner_writer_add(&w, &two, &e), &e);
		buf_clear(&out);
		CHECK_OK(inner_writer_finish(&w, &out, &e), &e);
		CHECK_EQ(inner_open(buf_bytes(&out), &n, &e), cases[i].want);
		inner_writer_fini(&w);
	}
	buf_fini(&out);
}

static void test_inner_full(void)
{
	struct inner_writer w;
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct inner_item it = { .entries = UINT64_C(1) << 40 };
	struct inner n;
	uint8_t name[TREE_NAME_MAX_BYTES];
	enum bc_err rc;

	memset(name, 'n', sizeof(name));
	it.first = bytes_of(name, sizeof(name));
	inner_writer_init(&w, 1);
	for (unsigned i = 0;; i++) {
		name[0] = (uint8_t)(i + 48); /* no slash */
		rc = inner_writer_add(&w, &it, &e);
		if (rc == BC_EFULL)
			break;
		CHECK_OK(rc, &e);
	}
	CHECK(w.count > 190);
	CHECK_OK(inner_writer_finish(&w, &out, &e), &e);
	CHECK(out.n <= INNER_TARGET_BYTES);
	CHECK_OK(inner_open(buf_bytes(&out), &n, &e), &e);
	inner_writer_fini(&w);
	buf_fini(&out);
}

/* Decode whatever it is; all that is accepted lies within the bytes. */
static bool decodes(struct bytes node)
{
	struct leaf l;
	struct inner n;
	struct inner_item it;
	struct attrs set;
	struct content c;
	bool ok = false;

	if (leaf_open(node, LEAF_OF_DIRECTORY, &l, NULL) == BC_OK) {
		read_leaf(node, &l);
		ok = true;
	}
	if (leaf_open(node, LEAF_OF_SNAPSHOT, &l, NULL) == BC_OK) {
		read_leaf(node, &l);
		ok = true;
	}
	if (inner_open(node, &n, NULL) == BC_OK) {
		while (inner_next(&n, &it))
			CHECK(inside(node, it.first));
		ok = true;
	}
	if (attrs_open_node(node, &set, NULL) == BC_OK)
		ok = true;
	if (content_list_open(node, 16432, &c, NULL) == BC_OK)
		ok = true;
	return ok;
}

static void mangle(struct bytes node)
{
	uint8_t *copy;
	size_t accepted = 0;

	CHECK(decodes(node));
	for (size_t n = 0; n < node.n; n++) {
		copy = malloc(n == 0 ? 1 : n);
		CHECK(copy != NULL);
		memcpy(copy, node.p, n);
		CHECK(!decodes(bytes_of(copy, n)));
		free(copy);
	}
	copy = malloc(node.n + 1);
	CHECK(copy != NULL);
	memcpy(copy, node.p, node.n);
	copy[node.n] = 0;
	CHECK(!decodes(bytes_of(copy, node.n + 1)));
	free(copy);
	copy = malloc(node.n);
	CHECK(copy != NULL);
	memcpy(copy, node.p, node.n);
	for (size_t i = 0; i < node.n; i++)
		for (unsigned x = 1; x < 256; x++) {
			copy[i] = (uint8_t)(node.p[i] ^ x);
			accepted += decodes(bytes_of(copy, node.n));
			copy[i] = node.p[i];
		}
	/* Digests, times and the like may be anything, most may not. */
	CHECK(accepted < node.n * 255);
	free(copy);
}

static void sample_attrs(struct buf *out)
{
	struct attr v[] = { { bytes_str("security.selinux"), bytes_str("x") },
			    { bytes_str("user.b"), bytes_str("") },
			    { bytes_str("user.a"), bytes_of("\0\xff", 2) } };

	attrs_sort(v, 3);
	CHECK(bytes_eq(v[1].name, bytes_str("user.a")));
	CHECK_OK(buf_u8(out, NODE_ATTRS), &e);
	CHECK_OK(attrs_encode(v, 3, out, &e), &e);
}

static void test_mangled(void)
{
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	static const uint8_t list[] = { 3, 3, 0x80, 0x80, 0x04, 0x41, 0x82, 1 };

	sample_leaf(&out);
	mangle(buf_bytes(&out));
	buf_clear(&out);
	sample_inner(&out);
	mangle(buf_bytes(&out));
	buf_clear(&out);
	sample_attrs(&out);
	mangle(buf_bytes(&out));
	buf_clear(&out);
	CHECK_OK(buf_add(&out, list, sizeof(list)), &e);
	CHECK_OK(buf_add(&out, "0123456789abcdef0123456789abcdef", 32), &e);
	mangle(buf_bytes(&out));
	buf_fini(&out);
}

static void test_attrs(void)
{
	struct buf b = BUF_INIT(4 * ATTRS_MAX_BYTES);
	struct node_store s;
	struct node_sink sink;
	struct attrs set;
	struct attrs_iter it;
	struct attr v[20], a;
	struct digest id;
	char names[20][16];
	uint8_t *value = calloc(1, ATTR_VALUE_MAX_BYTES);

	CHECK(value != NULL);
	store_init(&s);
	sink = store_sink(&s);
	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "u.%02d", i);
		v[i].name = bytes_str(names[i]);
		v[i].value = bytes_of(value, ATTR_VALUE_MAX_BYTES);
	}
	CHECK_OK(attrs_encode(v, 15, &b, &e), &e);
	set.raw = buf_bytes(&b);
	CHECK_OK(attrs_emit(set, &sink, &id, &e), &e);
	CHECK_OK(attrs_open_node(s.slot[store_find(&s, &id)].node, &set, &e),
		 &e);
	attrs_begin(&it, set);
	for (int i = 0; i < 15; i++) {
		CHECK(attrs_next(&it, &a));
		CHECK(bytes_eq(a.name, v[i].name));
		CHECK(bytes_eq(a.value, v[i].value));
	}
	CHECK(!attrs_next(&it, &a));
	buf_clear(&b);
	CHECK_OK(attrs_encode(v, 20, &b, &e), &e);
	set.raw = buf_bytes(&b);
	CHECK_EQ(attrs_emit(set, &sink, &id, &e), BC_ELIMIT);
	CHECK_EQ(attrs_encode(v, 0, &b, &e), BC_EINVAL);
	a = v[0];
	v[0] = v[1];
	CHECK_EQ(attrs_encode(v, 2, &b, &e), BC_EINVAL);
	v[1] = a;
	CHECK_EQ(attrs_encode(v, 2, &b, &e), BC_EINVAL);
	attrs_sort(v, 2);
	v[0].name = bytes_str("");
	CHECK_EQ(attrs_encode(v, 2, &b, &e), BC_EINVAL);
	store_fini(&s);
	buf_fini(&b);
	free(value);
}

/* What is on disk already must stay what it is. */
static void golden(struct bytes node, const char *hex, const char *sha)
{
	struct digest id;
	char have[DIGEST_HEX_BYTES], *text = malloc(2 * node.n + 1);

	CHECK(text != NULL);
	hex_encode(node.p, node.n, text);
	CHECK_STR(text, hex);
	t_sha(node, &id);
	hex_encode(id.b, DIGEST_BYTES, have);
	CHECK_STR(have, sha);
	free(text);
}

static void test_golden(void)
{
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct leaf_writer w;

	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	CHECK_OK(leaf_writer_finish(&w, &out, &e), &e);
	leaf_writer_fini(&w);
	golden(buf_bytes(&out), "0100000000",
	       "957b88b12730e646e0f33d3618b77dfa579e8231e3c59c7104be7165611c802"
	       "7");
	buf_clear(&out);
	sample_leaf(&out);
	golden(buf_bytes(&out),
	       "01020004726f6f74e807026d65020000010080c49fd50c0a05626c6f636b070"
	       "0a403000000af9b86ba0208ac0204636861720601a403010109c19de15f0206"
	       "757365722e61013106757365722e620008ac02036469720202a403010013cee"
	       "9d3e802c0843d80808080802005656d7074790100a40300011dedcbbf010000"
	       "046669666f0400a403010027cae1841a0466696c65010da403010131daa6cd4"
	       "90206757365722e61013106757365722e62000807060504030201908020ef18"
	       "010004686f6c650100a40300003b809ce55780808080200101046c696e6b030"
	       "0a403010145d79bc2a903092e2e2f74617267657406736f636b65740500a403"
	       "01004fb6d49bae010374776f0102a403000159e4eca09b02b08001038080044"
	       "18201d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0"
	       "d0d0d0ddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	       "ddddddda5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
	       "a5a5a5a5d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d"
	       "0d0d0d0d0a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9"
	       "a9a9a9a9a9",
	       "8f8f4b156c3ae942395b421e378b6499419cce9b741e72a7fb8000ba2c57da4"
	       "a");
	buf_clear(&out);
	sample_inner(&out);
	golden(buf_bytes(&out),
	       "020304084d616b6566696c65640162c8010262ff90030163a00610101010101"
	       "010101010101010101010101010101010101010101010101010101111111111"
	       "111111111111111111111111111111111111111111111111111111121212121"
	       "212121212121212121212121212121212121212121212121212121213131313"
	       "13131313131313131313131313131313131313131313131313131313",
	       "dd7a7448b4908ec60e17e5ae422a3dae578e10acd0ed3aeb7336fc55d02154e"
	       "7");
	buf_clear(&out);
	sample_attrs(&out);
	golden(buf_bytes(&out),
	       "04031073656375726974792e73656c696e7578017806757365722e610200ff0"
	       "6757365722e6200",
	       "3fb034c38f08c5e6b0a7ac821b45dbbe883a31118245842432f841719e7a1e6"
	       "e");
	buf_fini(&out);
}

int main(void)
{
	RUN(test_leaf_round_trip);
	RUN(test_leaf_many_owners);
	RUN(test_leaf_add_refuses);
	RUN(test_inner);
	RUN(test_inner_strict);
	RUN(test_inner_full);
	RUN(test_mangled);
	RUN(test_attrs);
	RUN(test_golden);
	return 0;
}
