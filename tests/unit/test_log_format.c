/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of logs and groups, groups, generation records and operations:
 * golden bytes made by hand from docs/format.md, round trips, every flip and
 * every truncation.
 *
 * With a folder as argument the program writes the seeds of fuzz_log,
 * fuzz_group and fuzz_record there instead.
 */
#include "codec/zstd.h"
#include "format_store.h"
#include "hash/sha256.h"
#include "log/file.h"
#include "util/crc32c.h"

static struct err e = ERR_INIT;
static struct codec_dec *dec;

/* Bytes 128 to 255 of a log's header; the CRCs stand apart. */
static const char log_hex[] =
	"424c4f424c4f473107000000000000002c01000000000000e803000000000000"
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0010000400000000c0c1c2c3c4c5c6c7"
	"c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf8403000000000000"
	"e0e1e2e3e4e5e6e7e8e9eaebecedeeef00200000000000000000000000000000";
static const char record_hex[] =
	"01e903000000000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6"
	"d7d8d9dadbdcdddedf0000000000000000000000000000000000000000000000"
	"000000000000000000505152535455565758595a5b5c5d5e5f15cd853dfe9c97"
	"170d0110303132333435363738393a3b3c3d3e3f02200102030405060708090a"
	"0b0c0d0e0f101112131415161718191a1b1c1d1e1f2003200203040506070809"
	"0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021042e030405060708"
	"090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212202016b017601"
	"6c000104676f6e65054f09000000101112131415161718191a1b1c1d1e1f0205"
	"000000400000000000d20400003800000021436587090000000405060708090a"
	"0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222306090900000003"
	"0005ac020705090000000008080900000001feff0309130900000002056d696e"
	"696f077061636b732f780a284d0000000000000005060708090a0b0c0d0e0f10"
	"1112131415161718191a1b1c1d1e1f20212223240b5c03000000202122232425"
	"262728292a2b2c2d2e2f02000000000000000000000400000000ffff00004d00"
	"000021436587090000000708090a0b0c0d0e0f101112131415161718191a1b1c"
	"1d1e1f2021222324252628000000000000000c33060708090a0b0c0d0e0f1011"
	"12131415161718191a1b1c1d1e1f202122232425290000000000000004000000"
	"ffff01016101620d0d09000000013700000000000000";
static const char group_hex[] =
	"424c4f424752555001000000000000003f02000000000000e903000000000000"
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf707172737475767778797a7b7c7d7e7f"
	"0500020001000000c4000000a800000000000000000000000000000000000000"
	"00000000000000000000000000000000000000000000000000000000cb07a5c9"
	"424c4b3105000000840000008400000000000000000000000000000000000000"
	"e3a7f0fe000000000000000000000000000000000000000000000000337d3c4c"
	"01e903000000000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6"
	"d7d8d9dadbdcdddedf2a76dabed86847ca30b53c24ed48b9efe8186b0f0c3e56"
	"7b7b3e18690b0e0345505152535455565758595a5b5c5d5e5f15cd853dfe9c97"
	"170102200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c"
	"1d1e1f20424c4b31040000006800000068000000000000000000000000000000"
	"0000000087997b26000000000000000000000000000000000000000000000000"
	"1ac2a9560100000002000000ec21000013000000130000000500020001000000"
	"8b9d8d1f05000000060000002cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c"
	"1fa7425e73043362938b9824711e9609339e92b03ddc0a211827dba421f38f9e"
	"d8b9d806e1ffdd8c15ffa03d424c4b3101000000130000001300000002000500"
	"0000000000000000000000008b9d8d1f00000000000000000000000000000000"
	"00000000000000009474a6fe050000000600000068656c6c6f776f726c6421";

enum { GROUP_AT = 8192, GROUP_SLOT = 5 };

/* ---- samples ---- */

static struct log_head sample_log(void)
{
	struct log_head h = { .pack = { .kind = PACK_LOG,
					.created =
						INT64_C(1700000000123456789) },
			      .seq = 7,
			      .number = 300,
			      .first_generation = 1000,
			      .prev_end = 0x4001000,
			      .checkpoint = 900,
			      .checkpoint_at = 0x2000 };

	pattern(h.pack.id.b, PACK_ID_BYTES, 0x10);
	pattern(h.pack.repo.b, PACK_ID_BYTES, 0x30);
	pattern(h.pack.session.b, PACK_ID_BYTES, 0x50);
	pattern(h.prev_id.b, PACK_ID_BYTES, 0xa0);
	pattern(h.chain.b, DIGEST_BYTES, 0xc0);
	pattern(h.checkpoint_log.b, PACK_ID_BYTES, 0xe0);
	return h;
}

/* One operation of each code. Lists inside are encoded here by hand. */
enum { SAMPLE_OPS = 13 };

static void sample_ops(struct log_op op[SAMPLE_OPS])
{
	static const uint8_t three[] = { 0, 5, 0xac, 0x02 };
	static const uint8_t last[] = { 0xfe, 0xff, 0x03 };

	memset(op, 0, SAMPLE_OPS * sizeof(*op));
	for (int i = 0; i < SAMPLE_OPS; i++)
		op[i].code = (uint8_t)(i + 1);
	pattern(op[0].u.begin.b, PACK_ID_BYTES, 0x30);
	pattern(op[1].u.snapshot.b, DIGEST_BYTES, 1);
	pattern(op[2].u.snapshot.b, DIGEST_BYTES, 2);
	op[3].u.tagging = (struct log_tagging){
		.n_set = 2,
		.set = bytes_of("\1k\1v\1l\0", 7),
		.n_remove = 1,
		.remove = bytes_of("\4gone", 5),
	};
	pattern(op[3].u.tagging.snapshot.b, DIGEST_BYTES, 3);
	op[4].u.pack = (struct log_pack_added){
		.number = 9,
		.kind = PACK_META,
		.placement = 5,
		.length = 0x400000,
		.chunks = 1234,
		.blocks = 56,
		.plain = UINT64_C(0x987654321),
	};
	pattern(op[4].u.pack.id.b, PACK_ID_BYTES, 0x10);
	pattern(op[4].u.pack.directory.b, DIGEST_BYTES, 4);
	op[5].u.blocks = (struct log_blocks){ 9, 3, bytes_of(three, 4) };
	op[6].u.blocks = (struct log_blocks){ 9, 0, bytes_of(NULL, 0) };
	op[7].u.blocks = (struct log_blocks){ 9, 1, bytes_of(last, 3) };
	op[8].u.moved = (struct log_moved){ 9, 2, bytes_str("minio"),
					    bytes_str("packs/x") };
	op[9].u.checkpoint.generation = 77;
	pattern(op[9].u.checkpoint.root.b, DIGEST_BYTES, 5);
	op[10].u.log = (struct log_present){ .number = 3,
					     .seq = 2,
					     .length = 0x4000000,
					     .chunks = 65535,
					     .blocks = 77,
					     .plain = UINT64_C(0x987654321),
					     .first_generation = 40 };
	pattern(op[10].u.log.id.b, PACK_ID_BYTES, 0x20);
	pattern(op[10].u.log.directory.b, DIGEST_BYTES, 7);
	op[11].u.present = (struct log_snapshot_present){
		.generation = 41,
		.pack = 4,
		.slot = 65535,
		.n_tags = 1,
		.tags = bytes_of("\1a\1b", 4),
	};
	pattern(op[11].u.present.id.b, DIGEST_BYTES, 6);
	op[12].u.state = (struct log_pack_state){ 9, 1, 55 };
}

static void sample_record(struct log_ops *ops, struct buf *out)
{
	struct log_op op[SAMPLE_OPS];
	struct log_record r = { .generation = 1001,
				.time = INT64_C(1700000000123456789) };

	log_ops_init(ops);
	sample_ops(op);
	for (int i = 0; i < SAMPLE_OPS; i++)
		CHECK_EQ(log_ops_add(ops, &op[i], &e), BC_OK);
	pattern(r.prev.b, DIGEST_BYTES, 0xc0);
	pattern(r.session.b, PACK_ID_BYTES, 0x50);
	r.n_ops = ops->n;
	r.ops = buf_bytes(&ops->raw);
	CHECK_EQ(log_record_encode(&r, out), BC_OK);
}

/* Read all operations; how many were well formed. */
static enum bc_err read_ops(const struct log_record *r, uint32_t *n)
{
	struct cursor c = cursor_of(r->ops);
	struct log_op op;
	enum bc_err rc = BC_OK;

	for (*n = 0; *n < r->n_ops && rc == BC_OK; (*n)++)
		rc = log_op_next(&c, &op, &e);
	return rc == BC_OK && !cursor_done(&c) ? BC_EDAMAGE : rc;
}

/* A group of two chunks in one block, as in the golden bytes. */
static void sample_builder(struct group_builder *g, const uint8_t *plain,
			   size_t n, unsigned chunks)
{
	struct sealed_block b = { .head = { .kind = BLOCK_DATA,
					    .stored = (uint32_t)n,
					    .plain = (uint32_t)n,
					    .chunks = (uint16_t)chunks },
				  .stored = bytes_of(plain, n) };
	static const uint32_t lengths[] = { 5, 6 };
	static struct digest ids[2];
	struct log_op made = { .code = LOG_OP_SNAPSHOT_MADE };

	group_builder_init(g);
	pattern(made.u.snapshot.b, DIGEST_BYTES, 1);
	CHECK_EQ(log_ops_add(&g->ops, &made, &e), BC_OK);
	if (chunks == 0)
		return;
	sha256_one(bytes_str("hello"), &ids[0]);
	sha256_one(bytes_str("world!"), &ids[1]);
	b.lengths = lengths;
	b.ids = ids;
	le_put32(b.head.tag, crc32c(0, plain, n));
	CHECK_EQ(group_add_block(g, &b), BC_OK);
}

static struct group_place sample_place(void)
{
	struct group_place at = { .offset = GROUP_AT,
				  .generation = 1001,
				  .first_slot = GROUP_SLOT,
				  .time = INT64_C(1700000000123456789) };

	pattern(at.log.b, PACK_ID_BYTES, 0xa0);
	pattern(at.group.b, PACK_ID_BYTES, 0x70);
	pattern(at.prev.b, DIGEST_BYTES, 0xc0);
	pattern(at.session.b, PACK_ID_BYTES, 0x50);
	return at;
}

static const uint8_t two_chunks[] = "\5\0\0\0\6\0\0\0helloworld!";

static void sample_group(struct buf *out, struct digest *record)
{
	struct group_builder g;
	struct group_place at = sample_place();

	sample_builder(&g, two_chunks, sizeof(two_chunks) - 1, 2);
	CHECK_OK(group_encode(&g, &at, out, record, &e), &e);
	group_builder_fini(&g);
}

/* ---- headers ---- */

static void test_log(void)
{
	struct log_head h = sample_log(), r;
	static uint8_t raw[LOG_HEAD_BYTES];

	log_head_encode(&h, raw);
	check_hex(raw + 128, 128, log_hex);
	check_hex(raw + 124, 4, "a69f2871");
	check_hex(raw + 4092, 4, "807b3f18");
	for (size_t i = 256; i < 4092; i++)
		CHECK_EQ(raw[i], 0);
	CHECK_OK(log_head_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK(r.seq == h.seq && r.number == h.number &&
	      r.first_generation == h.first_generation &&
	      r.prev_end == h.prev_end && r.checkpoint == h.checkpoint &&
	      r.checkpoint_at == h.checkpoint_at);
	CHECK(pack_id_eq(&r.pack.id, &h.pack.id) &&
	      pack_id_eq(&r.prev_id, &h.prev_id) &&
	      pack_id_eq(&r.checkpoint_log, &h.checkpoint_log) &&
	      digest_eq(&r.chain, &h.chain));
	for (size_t i = 0; i < 8 * sizeof(raw); i += i < 8 * 256 ? 1 : 61) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(log_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < sizeof(raw); n++)
		CHECK(log_head_decode(bytes_of(raw, n), &r, &e) == BC_EDAMAGE);
}

static void test_log_impossible(void)
{
	struct log_head cases[5], r;
	static uint8_t raw[LOG_HEAD_BYTES];

	for (size_t i = 0; i < 5; i++)
		cases[i] = sample_log();
	cases[0].pack.kind = PACK_DATA;
	cases[1].seq = 0;
	cases[2].number = 0;
	cases[3].first_generation = 0;
	cases[4].prev_end++;
	for (size_t i = 0; i < 5; i++) {
		log_head_encode(&cases[i], raw);
		CHECK(log_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
	}
}

static void test_names(void)
{
	static const char good[] =
		"00000000000001ff-101112131415161718191a1b1c1d1e1f";
	struct pack_id id, back;
	char name[LOG_NAME_BYTES + 4];
	uint64_t seq = 0;

	pattern(id.b, PACK_ID_BYTES, 0x10);
	log_name(0x1ff, &id, name);
	CHECK_STR(name, good);
	CHECK(log_name_decode(name, &seq, &back));
	CHECK(seq == 0x1ff && pack_id_eq(&id, &back));
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(name, good, sizeof(good));
		name[i] = 'g';
		CHECK(!log_name_decode(name, &seq, &back));
		name[i] = '\0';
		CHECK(!log_name_decode(name, &seq, &back));
	}
	memcpy(name, good, sizeof(good));
	memcpy(name + sizeof(good) - 1, "0", 2);
	CHECK(!log_name_decode(name, &seq, &back));
}

static void test_group_head(void)
{
	struct group_head h = { .length = 100000,
				.generation = 77,
				.first_slot = 1,
				.chunks = 2,
				.blocks = 1,
				.record_length = 1000,
				.dir_length = 500 };
	struct group_head cases[8], r;
	uint8_t raw[GROUP_HEAD_BYTES];

	group_head_encode(&h, raw);
	CHECK_OK(group_head_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK(r.length == h.length && r.generation == h.generation &&
	      r.first_slot == h.first_slot && r.chunks == h.chunks &&
	      r.blocks == h.blocks && r.record_length == h.record_length &&
	      r.dir_length == h.dir_length);
	for (size_t i = 0; i < 8 * sizeof(raw); i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(group_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_ENOTFOUND);
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < sizeof(raw); n++)
		CHECK(group_head_decode(bytes_of(raw, n), &r, &e) ==
		      BC_ENOTFOUND);
	for (size_t i = 0; i < 8; i++)
		cases[i] = h;
	cases[0].length = GROUP_MAX_BYTES + 1;
	cases[1].generation = 0;
	cases[2].record_length = BLOCK_HEAD_BYTES - 1;
	cases[3].dir_length = 0;
	cases[4].chunks = 0;
	cases[5].dir_length = BLOCK_HEAD_BYTES - 1;
	cases[6].length = GROUP_HEAD_BYTES + 1499;
	cases[7].record_length = UINT32_MAX;
	for (size_t i = 0; i < 8; i++) {
		group_head_encode(&cases[i], raw);
		CHECK(group_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_ENOTFOUND);
	}
	group_head_encode(&h, raw);
	raw[8] = 2;
	le_put32(raw + 124, crc32c(0, raw, 124));
	CHECK(group_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
	      BC_EVERSION);
}

/* ---- records and operations ---- */

static void check_ops(const struct log_record *r)
{
	struct cursor c = cursor_of(r->ops);
	struct log_op want[SAMPLE_OPS], op;
	struct log_ops again;

	sample_ops(want);
	log_ops_init(&again);
	for (int i = 0; i < SAMPLE_OPS; i++) {
		CHECK_OK(log_op_next(&c, &op, &e), &e);
		CHECK_EQ(op.code, want[i].code);
		CHECK_EQ(log_ops_add(&again, &op, &e), BC_OK);
		if (op.code == LOG_OP_SNAPSHOT_TAGGED) {
			CHECK_EQ(op.u.tagging.n_set, 2);
			CHECK(bytes_eq(op.u.tagging.remove,
				       want[i].u.tagging.remove));
		}
		if (op.code == LOG_OP_MOVED)
			CHECK(bytes_eq(op.u.moved.key, bytes_str("packs/x")));
	}
	CHECK(cursor_done(&c));
	CHECK(bytes_eq(buf_bytes(&again.raw), r->ops));
	log_ops_fini(&again);
}

static void test_record(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct log_ops ops;
	struct log_record r;
	uint32_t n;

	sample_record(&ops, &raw);
	check_hex(raw.p, raw.n, record_hex);
	CHECK_OK(log_record_decode(buf_bytes(&raw), &r, &e), &e);
	CHECK_EQ(r.generation, 1001);
	CHECK_EQ(r.n_ops, SAMPLE_OPS);
	CHECK_EQ(r.prev.b[0], 0xc0);
	CHECK_EQ(r.session.b[15], 0x5f);
	check_ops(&r);
	for (size_t i = 0; i < raw.n; i++)
		CHECK(log_record_decode(bytes_of(raw.p, i), &r, &e) != BC_OK ||
		      read_ops(&r, &n) != BC_OK);
	CHECK_EQ(buf_u8(&raw, 0), BC_OK);
	CHECK_OK(log_record_decode(buf_bytes(&raw), &r, &e), &e);
	CHECK(read_ops(&r, &n) == BC_EDAMAGE);
	raw.p[0] = 2;
	CHECK(log_record_decode(buf_bytes(&raw), &r, &e) == BC_EVERSION);
	raw.p[0] = 1;
	memset(raw.p + 1, 0, 8);
	CHECK(log_record_decode(buf_bytes(&raw), &r, &e) == BC_EDAMAGE);
	buf_fini(&raw);
	log_ops_fini(&ops);
}

/* Records have no checksum of their own: what a flip leaves readable encodes
 * to the same bytes again. */
static void test_record_flips(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct log_ops ops;
	size_t found = 0;

	sample_record(&ops, &raw);
	for (size_t i = 0; i < 8 * raw.n; i++) {
		struct log_record r;
		uint32_t n;

		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
		if (log_record_decode(buf_bytes(&raw), &r, &e) != BC_OK ||
		    read_ops(&r, &n) != BC_OK) {
			found++;
		} else {
			struct buf again = BUF_INIT(1 << 20);

			CHECK_EQ(log_record_encode(&r, &again), BC_OK);
			CHECK(bytes_eq(buf_bytes(&raw), buf_bytes(&again)));
			buf_fini(&again);
		}
		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CHECK(found > 200);
	buf_fini(&raw);
	log_ops_fini(&ops);
}

static enum bc_err next_of(const char *raw, size_t n, struct log_op *op)
{
	struct cursor c = cursor_of(bytes_of(raw, n));

	return log_op_next(&c, op, &e);
}

static void test_op_bounds(void)
{
	struct log_op op;

	/* Later versions: what may be passed over, and what may not. */
	CHECK_EQ(next_of("\xc8\5later", 7, &op), BC_OK);
	CHECK_EQ(op.code, 200);
	CHECK_EQ(next_of("\x80\0", 2, &op), BC_OK);
	CHECK_EQ(next_of("\x7f\0", 2, &op), BC_EVERSION);
	CHECK_EQ(next_of("\x0e\0", 2, &op), BC_EVERSION);
	CHECK_EQ(next_of("\0\0", 2, &op), BC_EVERSION);
	/* Too short, too long, and nothing. */
	CHECK_EQ(next_of("\1\0", 2, &op), BC_EDAMAGE);
	CHECK_EQ(next_of("\1\17123456789012345", 17, &op), BC_EDAMAGE);
	CHECK_EQ(next_of("\1\21"
			 "12345678901234567",
			 19, &op),
		 BC_EDAMAGE);
	CHECK_EQ(next_of("\1\20"
			 "1234567890123456",
			 18, &op),
		 BC_OK);
	CHECK_EQ(next_of("\1", 1, &op), BC_EDAMAGE);
	CHECK_EQ(next_of("", 0, &op), BC_EDAMAGE);
	/* A varint in a longer form than needed. */
	CHECK_EQ(next_of("\7\6\1\0\0\0\x80\0", 8, &op), BC_EDAMAGE);
	CHECK_EQ(next_of("\7\5\1\0\0\0\0", 7, &op), BC_OK);
}

/* ---- groups ---- */

static void test_group(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct digest record;
	struct group *g = NULL;
	size_t whole = sizeof(group_hex) / 2;

	sample_group(&raw, &record);
	CHECK_EQ(raw.n, LOG_ALIGN);
	check_hex(raw.p, whole, group_hex);
	for (size_t i = whole; i < raw.n; i++)
		CHECK_EQ(raw.p[i], 0);
	CHECK_OK(group_decode(buf_bytes(&raw), GROUP_AT, dec, &g, &e), &e);
	CHECK_EQ(g->head.length, whole);
	CHECK_EQ(g->next, GROUP_AT + LOG_ALIGN);
	CHECK(digest_eq(&g->digest, &record));
	CHECK_EQ(g->record.n_ops, 1);
	CHECK_EQ(g->dir->n_chunks, 2);
	CHECK_EQ(g->dir->base_slot, GROUP_SLOT);
	CHECK_OK(group_check_blocks(g, buf_bytes(&raw), &e), &e);
	group_free(g);
	buf_fini(&raw);
}

/* Every bit of a group counts: in header, record and directory it makes the
 * group invalid, in a block it shows when the blocks are looked at. */
static void test_group_flips(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct digest record;
	size_t whole = sizeof(group_hex) / 2;

	sample_group(&raw, &record);
	for (size_t i = 0; i < 8 * whole; i++) {
		struct group *g = NULL;
		enum bc_err rc;

		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
		rc = group_decode(buf_bytes(&raw), GROUP_AT, dec, &g, &e);
		if (rc == BC_OK)
			rc = group_check_blocks(g, buf_bytes(&raw), &e);
		if (rc != BC_ENOTFOUND)
			T_FAIL("bit %zu: %d", i, (int)rc);
		group_free(g);
		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < whole; n++) {
		struct group *g = NULL;
		enum bc_err rc =
			group_decode(bytes_of(raw.p, n), GROUP_AT, dec, &g, &e);

		if (rc == BC_OK)
			rc = group_check_blocks(g, bytes_of(raw.p, n), &e);
		CHECK_EQ(rc, BC_ENOTFOUND);
		group_free(g);
	}
	buf_fini(&raw);
}

/* A group at another place than where its directory says it is. */
static void test_group_elsewhere(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct digest record;
	struct group *g = NULL;

	sample_group(&raw, &record);
	for (uint64_t at = 0; at <= 2 * GROUP_AT; at += LOG_ALIGN) {
		CHECK_OK(group_decode(buf_bytes(&raw), at, dec, &g, &e), &e);
		CHECK_EQ(group_check_blocks(g, buf_bytes(&raw), &e),
			 at == GROUP_AT ? BC_OK : BC_ENOTFOUND);
		group_free(g);
	}
	buf_fini(&raw);
}

static void test_group_empty(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct group_place at = sample_place();
	struct group_builder b;
	struct group *g = NULL;
	struct digest record;

	sample_builder(&b, NULL, 0, 0);
	CHECK_OK(group_encode(&b, &at, &raw, &record, &e), &e);
	CHECK_OK(group_decode(buf_bytes(&raw), GROUP_AT, dec, &g, &e), &e);
	CHECK(g->dir == NULL);
	CHECK_EQ(g->head.dir_length, 0);
	CHECK_OK(group_check_blocks(g, buf_bytes(&raw), &e), &e);
	group_free(g);
	/* A log's slots and offsets have an end. */
	group_builder_fini(&b);
	sample_builder(&b, two_chunks, sizeof(two_chunks) - 1, 2);
	at.first_slot = PACK_CHUNKS_MAX - 1;
	CHECK_EQ(group_encode(&b, &at, &raw, &record, &e), BC_EFULL);
	at.first_slot = PACK_CHUNKS_MAX - 2;
	CHECK_EQ(group_encode(&b, &at, &raw, &record, &e), BC_OK);
	at.offset = UINT32_MAX - 100;
	CHECK_EQ(group_encode(&b, &at, &raw, &record, &e), BC_EFULL);
	group_builder_fini(&b);
	buf_fini(&raw);
}

/* ---- seeds for the fuzzers ---- */

static void seeds_log(const char *dir)
{
	static const char *const names[] = { "first", "later", "empty",
					     "checkpoint", "data-kind" };
	static uint8_t raw[LOG_HEAD_BYTES];

	for (int i = 0; i < 5; i++) {
		struct log_head h = sample_log();

		if (i == 0) {
			h.seq = h.number = 1;
			h.first_generation = 1;
			h.prev_end = h.checkpoint = h.checkpoint_at = 0;
		}
		if (i == 2)
			memset(&h.prev_id, 0, sizeof(h.prev_id));
		if (i == 3)
			h.checkpoint = UINT64_MAX;
		if (i == 4)
			h.pack.kind = PACK_DATA;
		log_head_encode(&h, raw);
		/* The zeros that follow are the harness's own. */
		seed_write(dir, "log", names[i], bytes_of(raw, 256));
	}
}

static void seeds_group(const char *dir)
{
	static const char *const names[] = { "data", "no-data", "all-ops",
					     "two-blocks", "tail" };

	for (int i = 0; i < 5; i++) {
		struct buf raw = BUF_INIT(1 << 20);
		struct group_place at = sample_place();
		struct log_op op[SAMPLE_OPS];
		struct group_builder b, two;
		struct digest record;

		sample_builder(&b, two_chunks, sizeof(two_chunks) - 1,
			       i == 1 || i == 2 ? 0 : 2);
		sample_builder(&two, two_chunks, sizeof(two_chunks) - 1, 2);
		sample_ops(op);
		for (int k = 0; i == 2 && k < SAMPLE_OPS; k++)
			CHECK_EQ(log_ops_add(&b.ops, &op[k], &e), BC_OK);
		if (i == 3)
			CHECK_EQ(group_add_blocks(&b, buf_bytes(&two.raw),
						  &two.dir, 0),
				 BC_OK);
		CHECK_OK(group_encode(&b, &at, &raw, &record, &e), &e);
		/* Most seeds without the zeros at the end. */
		while (i != 4 && raw.n > 0 && raw.p[raw.n - 1] == 0)
			raw.n--;
		seed_write(dir, "group", names[i], buf_bytes(&raw));
		group_builder_fini(&b);
		group_builder_fini(&two);
		buf_fini(&raw);
	}
}

static void seeds_record(const char *dir)
{
	static const char later[] = "\xc8\5later";
	struct buf raw = BUF_INIT(1 << 20);
	struct log_op op[SAMPLE_OPS];
	struct log_ops ops;
	struct log_record r = { .generation = 1 };
	char name[16];

	sample_record(&ops, &raw);
	seed_write(dir, "record", "all", buf_bytes(&raw));
	log_ops_fini(&ops);
	sample_ops(op);
	for (int i = 0; i < SAMPLE_OPS; i += 2) {
		log_ops_init(&ops);
		CHECK_EQ(log_ops_add(&ops, &op[i], &e), BC_OK);
		CHECK_EQ(log_ops_add(&ops, &op[i + 1], &e), BC_OK);
		r.n_ops = ops.n;
		r.ops = buf_bytes(&ops.raw);
		buf_clear(&raw);
		CHECK_EQ(log_record_encode(&r, &raw), BC_OK);
		snprintf(name, sizeof(name), "ops-%d-%d", i + 1, i + 2);
		seed_write(dir, "record", name, buf_bytes(&raw));
		log_ops_fini(&ops);
	}
	r.n_ops = 1;
	r.ops = bytes_of(later, sizeof(later) - 1);
	buf_clear(&raw);
	CHECK_EQ(log_record_encode(&r, &raw), BC_OK);
	seed_write(dir, "record", "later", buf_bytes(&raw));
	buf_fini(&raw);
}

int main(int argc, char **argv)
{
	CHECK_OK(codec_dec_new(&dec, &e), &e);
	if (argc == 2) {
		seeds_log(argv[1]);
		seeds_group(argv[1]);
		seeds_record(argv[1]);
	} else {
		RUN(test_log);
		RUN(test_log_impossible);
		RUN(test_names);
		RUN(test_group_head);
		RUN(test_record);
		RUN(test_record_flips);
		RUN(test_op_bounds);
		RUN(test_group);
		RUN(test_group_flips);
		RUN(test_group_elsewhere);
		RUN(test_group_empty);
	}
	codec_dec_free(dec);
	return 0;
}
