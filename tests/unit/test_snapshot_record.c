/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot record: round trip, strictness, golden bytes. */
#include "node_store.h"
#include "tree/snapshot_record.h"

static struct err e = ERR_INIT;

static struct tag tags[] = {
	{ { (const uint8_t *)"branch", 6 }, { (const uint8_t *)"main", 4 } },
	{ { (const uint8_t *)"empty", 5 }, { (const uint8_t *)"", 0 } },
};
static struct snapshot_root roots[] = {
	{ SNAPSHOT_NAMED,
	  { (const uint8_t *)"Pictures", 8 },
	  { (const uint8_t *)"/home/me/Pictures", 17 } },
	{ SNAPSHOT_CONTENTS, { NULL, 0 }, { (const uint8_t *)"/srv", 4 } },
	{ SNAPSHOT_STDIN, { (const uint8_t *)"dump", 4 }, { NULL, 0 } },
};

static struct snapshot_record sample(void)
{
	struct snapshot_record s = {
		.name = bytes_str("home"),
		.host = bytes_str("box"),
		.user = bytes_str("me"),
		.program = bytes_str("blobctl 0.1"),
		.time = INT64_C(1700000000123456789),
		.end_time = -1,
		.tags = tags,
		.tag_count = 2,
		.roots = roots,
		.root_count = 3,
		.flags = SNAPSHOT_MADE_UP | SNAPSHOT_SKIPPED,
		.files = 1000000,
		.dirs = 2000,
		.others = 3,
		.bytes = UINT64_C(1) << 45,
		.new_chunks = 77,
		.new_bytes = 88888,
		.new_stored = 9999,
	};

	s.root.name = bytes_str(".");
	s.root.type = TREE_DIR;
	s.root.mode = 0755;
	s.root.user = s.root.group = bytes_str("root");
	s.root.mtime = 1699999999;
	s.root.mtime_nsec = 5;
	memset(s.root.dir.id.b, 0x5a, DIGEST_BYTES);
	s.root.dir.entries = 1002003;
	s.root.dir.bytes = UINT64_C(1) << 45;
	return s;
}

static void check_equal(const struct snapshot_record *a,
			const struct snapshot_record *b)
{
	CHECK(bytes_eq(a->name, b->name) && bytes_eq(a->host, b->host));
	CHECK(bytes_eq(a->user, b->user) && bytes_eq(a->program, b->program));
	CHECK_EQ(a->time, b->time);
	CHECK_EQ(a->end_time, b->end_time);
	CHECK_EQ(a->tag_count, b->tag_count);
	for (size_t i = 0; i < a->tag_count; i++) {
		CHECK(bytes_eq(a->tags[i].key, b->tags[i].key));
		CHECK(bytes_eq(a->tags[i].value, b->tags[i].value));
	}
	CHECK_EQ(a->root_count, b->root_count);
	for (size_t i = 0; i < a->root_count; i++) {
		CHECK_EQ(a->roots[i].how, b->roots[i].how);
		CHECK(bytes_eq(a->roots[i].name, b->roots[i].name));
		CHECK(bytes_eq(a->roots[i].path, b->roots[i].path));
	}
	CHECK_EQ(a->flags, b->flags);
	CHECK_EQ(tree_entry_diff(&a->root, &b->root), 0);
	CHECK_EQ(a->files, b->files);
	CHECK_EQ(a->dirs, b->dirs);
	CHECK_EQ(a->others, b->others);
	CHECK_EQ(a->bytes, b->bytes);
	CHECK_EQ(a->new_chunks, b->new_chunks);
	CHECK_EQ(a->new_bytes, b->new_bytes);
	CHECK_EQ(a->new_stored, b->new_stored);
}

static void test_round_trip(void)
{
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct snapshot_record s = sample(), got;

	CHECK_OK(snapshot_record_encode(&s, &raw, &e), &e);
	CHECK_OK(snapshot_record_decode(buf_bytes(&raw), &got, &e), &e);
	check_equal(&s, &got);
	snapshot_record_fini(&got);
	s.tag_count = s.root_count = 0;
	s.name = bytes_str("");
	s.flags = 0xffff0000;
	buf_clear(&raw);
	CHECK_OK(snapshot_record_encode(&s, &raw, &e), &e);
	CHECK_OK(snapshot_record_decode(buf_bytes(&raw), &got, &e), &e);
	check_equal(&s, &got);
	snapshot_record_fini(&got);
	buf_fini(&raw);
}

static void test_refuses(void)
{
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct buf small = BUF_INIT(100);
	struct snapshot_record s = sample();
	struct tag t[2] = { tags[1], tags[0] };
	char *text = calloc(1, SNAPSHOT_TEXT_MAX_BYTES + 1);

	CHECK(text != NULL);
	CHECK_EQ(snapshot_record_encode(&s, &small, &e), BC_ELIMIT);
	CHECK_EQ(small.n, 0);
	s.tags = t;
	CHECK_EQ(snapshot_record_encode(&s, &raw, &e), BC_EINVAL);
	snapshot_tags_sort(t, 2);
	CHECK_OK(snapshot_record_encode(&s, &raw, &e), &e);
	buf_clear(&raw);
	t[1] = t[0];
	CHECK_EQ(snapshot_record_encode(&s, &raw, &e), BC_EINVAL);
	s = sample();
	s.root.type = TREE_FIFO;
	CHECK_EQ(snapshot_record_encode(&s, &raw, &e), BC_EINVAL);
	s = sample();
	s.root.name = bytes_str("a");
	CHECK_EQ(snapshot_record_encode(&s, &raw, &e), BC_EINVAL);
	s = sample();
	s.host = bytes_of(text, SNAPSHOT_TEXT_MAX_BYTES + 1);
	CHECK_EQ(snapshot_record_encode(&s, &raw, &e), BC_EINVAL);
	CHECK_EQ(raw.n, 0);
	buf_fini(&raw);
	buf_fini(&small);
	free(text);
}

static void test_mangled(void)
{
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct snapshot_record s = sample(), got;
	size_t accepted = 0;
	uint8_t *copy;
	enum bc_err rc;

	CHECK_OK(snapshot_record_encode(&s, &raw, &e), &e);
	for (size_t n = 0; n < raw.n; n++) {
		copy = malloc(n == 0 ? 1 : n);
		CHECK(copy != NULL);
		memcpy(copy, raw.p, n);
		CHECK_EQ(snapshot_record_decode(bytes_of(copy, n), &got, &e),
			 BC_EDAMAGE);
		free(copy);
	}
	copy = malloc(raw.n + 1);
	CHECK(copy != NULL);
	memcpy(copy, raw.p, raw.n);
	copy[raw.n] = 0;
	CHECK_EQ(snapshot_record_decode(bytes_of(copy, raw.n + 1), &got, &e),
		 BC_EDAMAGE);
	for (size_t i = 0; i < raw.n; i++)
		for (unsigned x = 1; x < 256; x++) {
			copy[i] = (uint8_t)(raw.p[i] ^ x);
			rc = snapshot_record_decode(bytes_of(copy, raw.n), &got,
						    &e);
			CHECK(rc == BC_OK || rc == BC_EDAMAGE ||
			      (rc == BC_EVERSION && i == 0));
			if (rc == BC_OK) {
				accepted++;
				snapshot_record_fini(&got);
			}
			copy[i] = raw.p[i];
		}
	CHECK(accepted < raw.n * 255);
	free(copy);
	buf_fini(&raw);
}

static void test_golden(void)
{
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct snapshot_record s = sample();
	struct digest id;
	char *text, hex[DIGEST_HEX_BYTES];

	CHECK_OK(snapshot_record_encode(&s, &raw, &e), &e);
	text = malloc(2 * raw.n + 1);
	CHECK(text != NULL);
	hex_encode(raw.p, raw.n, text);
	CHECK_STR(text,
		  "0104686f6d6503626f78026d650b626c6f6263746c20302e3115cd853dfe"
		  "9c9717ffffffffffffffff02066272616e6368046d61696e05656d707479"
		  "000300085069637475726573112f686f6d652f6d652f5069637475726573"
		  "0100042f737276020464756d7000034901010004726f6f74010004726f6f"
		  "74fec39fd50c01012e0200ed030000000593943d808080808080085a5a5a"
		  "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5ac0"
		  "843dd00f03808080808080084db8b6058f4e");
	t_sha(buf_bytes(&raw), &id);
	hex_encode(id.b, DIGEST_BYTES, hex);
	CHECK_STR(hex, "6dbf89f766c78938c9b93eda4fa948523cb2dbf9dfaa669a6877fc7"
		       "a2a57d43a");
	free(text);
	buf_fini(&raw);
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_refuses);
	RUN(test_mangled);
	RUN(test_golden);
	return 0;
}
