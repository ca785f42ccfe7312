/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header, footer and directory of a pack, header of a block: golden bytes made
 * by hand from docs/format.md, round trips, every flip and every truncation.
 *
 * With a folder as argument the program writes the seeds of fuzz_block,
 * fuzz_packdir, fuzz_footer and fuzz_superblock there instead.
 */
#include "codec/zstd.h"
#include "format_store.h"
#include "pack/gather.h"
#include "pack/open.h"
#include "repo/superblock.h"
#include "util/crc32c.h"

static struct err e = ERR_INIT;

static const char head_hex[] =
	"424c4f425041434b0100010034120000101112131415161718191a1b1c1d1e1f"
	"303132333435363738393a3b3c3d3e3f505152535455565758595a5b5c5d5e5f"
	"15cd853dfe9c9717000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000008b7ca49a";
static const char foot_hex[] =
	"424c4f42464f4f5456341200000000009a780000e80300004d00000000000000"
	"9a78563412000000101112131415161718191a1b1c1d1e1f00000000822ab716";
static const char block_hex[] =
	"424c4b3102010000e8030000a00f00001100e8fd000000000000000000000000"
	"01020304000000000000000000000000000000000000000000000000e70cd45c";
static const char block_sealed_hex[] =
	"424c4b31010001004d0000004d00000001000300909192939495969798999a9b"
	"606162636465666768696a6b6c6d6e6f050000000000000000000000fbea19cc";
static const char dir_hex[] =
	"0200000003000000800000002c010000340100000000020001010000d4c3b2a1"
	"ec010000e8030000e803000002000100020000000403020164000000c8000000"
	"e8030000000102030405060708090a0b0c0d0e0f101112131415161718191a1b"
	"1c1d1e1f404142434445464748494a4b4c4d4e4f505152535455565758595a5b"
	"5c5d5e5f808182838485868788898a8b8c8d8e8f909192939495969798999a9b"
	"9c9d9e9f";

static struct pack_head sample_head(void)
{
	struct pack_head h = { .kind = PACK_DATA,
			       .placement = 0x1234,
			       .created = INT64_C(1700000000123456789) };

	pattern(h.id.b, PACK_ID_BYTES, 0x10);
	pattern(h.repo.b, PACK_ID_BYTES, 0x30);
	pattern(h.session.b, PACK_ID_BYTES, 0x50);
	return h;
}

static struct pack_foot sample_foot(void)
{
	struct pack_foot f = { .dir_offset = 0x123456,
			       .dir_length = 0x789a,
			       .chunks = 1000,
			       .blocks = 77,
			       .plain = UINT64_C(0x123456789a) };

	pattern(f.id.b, PACK_ID_BYTES, 0x10);
	return f;
}

static struct block_head sample_block(void)
{
	struct block_head h = { .kind = BLOCK_TREE,
				.codec = BLOCK_ZSTD,
				.stored = 1000,
				.plain = 4000,
				.chunks = 17,
				.first_slot = 65000 };

	le_put32(h.tag, 0x04030201);
	return h;
}

static struct block_head sample_sealed(void)
{
	struct block_head h = { .kind = BLOCK_DATA,
				.cipher = BLOCK_AES_256_GCM,
				.stored = 77,
				.plain = 77,
				.chunks = 1,
				.first_slot = 3,
				.epoch = 5 };

	pattern(h.tag, BLOCK_TAG_BYTES, 0x60);
	pattern(h.nonce, BLOCK_NONCE_BYTES, 0x90);
	return h;
}

/* ---- header and footer ---- */

static void test_head(void)
{
	struct pack_head h = sample_head(), r;
	uint8_t raw[PACK_HEAD_BYTES];

	pack_head_encode(&h, raw);
	check_hex(raw, sizeof(raw), head_hex);
	CHECK_OK(pack_head_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK_EQ(r.kind, h.kind);
	CHECK_EQ(r.placement, h.placement);
	CHECK_EQ(r.created, h.created);
	CHECK(pack_id_eq(&r.id, &h.id) && pack_id_eq(&r.repo, &h.repo) &&
	      pack_id_eq(&r.session, &h.session));
	for (size_t i = 0; i < 8 * sizeof(raw); i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(pack_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < sizeof(raw); n++)
		CHECK(pack_head_decode(bytes_of(raw, n), &r, &e) == BC_EDAMAGE);
}

/* Whole, and of a version or kind that is not known: newer, not damaged. */
static void test_head_newer(void)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = { { 8, 2 }, { 9, 1 }, { 8, 0 }, { 10, 0 }, { 10, 4 } };
	struct pack_head h = sample_head(), r;
	uint8_t raw[PACK_HEAD_BYTES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pack_head_encode(&h, raw);
		raw[cases[i].at] = cases[i].value;
		le_put32(raw + 124, crc32c(0, raw, 124));
		CHECK(pack_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EVERSION);
	}
}

static void test_foot(void)
{
	struct pack_foot f = sample_foot(), r;
	uint8_t raw[PACK_FOOT_BYTES];

	pack_foot_encode(&f, raw);
	check_hex(raw, sizeof(raw), foot_hex);
	CHECK_OK(pack_foot_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK_EQ(r.dir_offset, f.dir_offset);
	CHECK_EQ(r.dir_length, f.dir_length);
	CHECK_EQ(r.chunks, f.chunks);
	CHECK_EQ(r.blocks, f.blocks);
	CHECK_EQ(r.plain, f.plain);
	CHECK(pack_id_eq(&r.id, &f.id));
	for (size_t i = 0; i < 8 * sizeof(raw); i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(pack_foot_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < sizeof(raw); n++)
		CHECK(pack_foot_decode(bytes_of(raw, n), &r, &e) == BC_EDAMAGE);
}

/* With a right checksum, but numbers that no pack can have. */
static void test_foot_impossible(void)
{
	struct pack_foot cases[4], r;
	uint8_t raw[PACK_FOOT_BYTES];

	for (size_t i = 0; i < 4; i++)
		cases[i] = sample_foot();
	cases[0].chunks = PACK_CHUNKS_MAX + 1;
	cases[1].blocks = cases[1].chunks + 1;
	cases[2].dir_length = BLOCK_HEAD_BYTES - 1;
	cases[3].dir_length = BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES + 1;
	for (size_t i = 0; i < 4; i++) {
		pack_foot_encode(&cases[i], raw);
		CHECK(pack_foot_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
	}
}

/* ---- block headers ---- */

static void check_block(const struct block_head *h, const char *hex)
{
	uint8_t raw[BLOCK_HEAD_BYTES];
	struct block_head r;

	block_head_encode(h, raw);
	check_hex(raw, sizeof(raw), hex);
	CHECK_OK(block_head_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK(r.kind == h->kind && r.codec == h->codec &&
	      r.cipher == h->cipher && r.stored == h->stored &&
	      r.plain == h->plain && r.chunks == h->chunks &&
	      r.first_slot == h->first_slot && r.epoch == h->epoch);
	CHECK(memcmp(r.nonce, h->nonce, sizeof(r.nonce)) == 0);
	CHECK(memcmp(r.tag, h->tag, sizeof(r.tag)) == 0);
	for (size_t i = 0; i < 8 * sizeof(raw); i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(block_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < sizeof(raw); n++)
		CHECK(block_head_decode(bytes_of(raw, n), &r, &e) ==
		      BC_EDAMAGE);
	/* The slot can be changed in place, and nothing else changes. */
	block_head_set_slot(raw, 12345);
	CHECK_OK(block_head_decode(bytes_of(raw, sizeof(raw)), &r, &e), &e);
	CHECK_EQ(r.first_slot, 12345);
	block_head_set_slot(raw, h->first_slot);
	check_hex(raw, sizeof(raw), hex);
}

static void test_block(void)
{
	struct block_head h = sample_block();

	check_block(&h, block_hex);
	h = sample_sealed();
	check_block(&h, block_sealed_hex);
}

static void test_block_impossible(void)
{
	struct block_head cases[6], r;
	uint8_t raw[BLOCK_HEAD_BYTES];
	static const uint8_t unknown[][2] = {
		{ 4, 0 }, { 4, 7 }, { 5, 2 }, { 6, 2 }
	};

	for (size_t i = 0; i < 6; i++)
		cases[i] = sample_block();
	cases[0].plain = BLOCK_PLAIN_MAX_BYTES + 1;
	cases[1].stored = cases[1].plain + 1;
	cases[2].codec = BLOCK_RAW; /* and the lengths differ */
	cases[3].plain = cases[3].stored = 17 * 4 + 16;
	cases[4].plain = cases[4].stored = 0;
	cases[5].chunks = 65535;
	for (size_t i = 0; i < 6; i++) {
		block_head_encode(&cases[i], raw);
		CHECK(block_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EDAMAGE);
	}
	for (size_t i = 0; i < 4; i++) {
		struct block_head h = sample_block();

		block_head_encode(&h, raw);
		raw[unknown[i][0]] = unknown[i][1];
		le_put32(raw + 60, crc32c(0, raw, 60));
		CHECK(block_head_decode(bytes_of(raw, sizeof(raw)), &r, &e) ==
		      BC_EVERSION);
	}
}

/* ---- blocks, sealed and opened ---- */

static void check_opens(struct sealer *s, const struct sealed_block *b,
			struct bytes want)
{
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	uint8_t *bad = malloc(b->stored.n);

	CHECK(bad != NULL);
	CHECK_OK(block_open(&b->head, b->stored, s->dec, &plain, &e), &e);
	CHECK(bytes_eq(buf_bytes(&plain), want));
	/* One wrong byte anywhere is found by the checksum. */
	memcpy(bad, b->stored.p, b->stored.n);
	for (size_t i = 0; i < b->stored.n; i += 1 + b->stored.n / 97) {
		bad[i] ^= 0x20;
		CHECK(block_open(&b->head, bytes_of(bad, b->stored.n), s->dec,
				 &plain, &e) == BC_EDAMAGE);
		bad[i] ^= 0x20;
	}
	CHECK(block_open(&b->head, bytes_of(bad, b->stored.n - 1), s->dec,
			 &plain, &e) == BC_EDAMAGE);
	free(bad);
	buf_fini(&plain);
}

static void test_seal_open(void)
{
	uint8_t chunk[3000];
	struct sealed_block b;
	struct sealer s;
	struct gather g;
	struct digest id = { { 1 } };
	uint64_t seed = 7;

	for (int level = 0; level <= 1; level++) {
		CHECK_OK(sealer_init(&s, level, 1 << 20, &e), &e);
		CHECK_OK(gather_init(&g, BLOCK_DATA, 64 << 10, 64 << 10, &e),
			 &e);
		for (int i = 0; i < 9; i++) {
			t_fill(&seed, chunk, sizeof(chunk) / 2);
			memset(chunk + sizeof(chunk) / 2, i, sizeof(chunk) / 2);
			CHECK(gather_fits(&g, sizeof(chunk)));
			gather_add(&g, &id, bytes_of(chunk, sizeof(chunk)));
		}
		CHECK_OK(sealer_seal(&s, &g, &b, &e), &e);
		CHECK_EQ(b.head.chunks, 9);
		CHECK_EQ(b.head.codec, level == 0 ? BLOCK_RAW : BLOCK_ZSTD);
		CHECK_EQ(b.head.plain, 9 * 4 + 9 * sizeof(chunk));
		CHECK(level == 0 || b.head.stored < b.head.plain);
		/* gather.mem: room for the longest table, then the data. */
		check_opens(&s, &b,
			    bytes_of(g.mem + BLOCK_CHUNKS_MAX * 4 - 9 * 4,
				     b.head.plain));
		gather_fini(&g);
		sealer_fini(&s);
	}
}

static void test_open_sealed(void)
{
	struct block_head h = sample_sealed();
	struct buf plain = BUF_INIT(1 << 20);
	uint8_t raw[77] = { 0 };

	CHECK(block_open(&h, bytes_of(raw, sizeof(raw)), NULL, &plain, &e) ==
	      BC_EKEY);
	buf_fini(&plain);
}

/* Lengths that no compressed block has, under right checksums. */
static void test_open_lengths(void)
{
	static const uint32_t plain_of[] = { 0, (8 << 20) + 1, 16 << 20 };
	uint8_t raw[9] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0 };
	struct codec_dec *dec = NULL;

	CHECK_OK(codec_dec_new(&dec, &e), &e);
	for (size_t i = 0; i < 3; i++) {
		struct block_head h = { .kind = BLOCK_DATA,
					.codec = BLOCK_ZSTD,
					.chunks = 1,
					.stored = sizeof(raw),
					.plain = plain_of[i] };
		struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);

		le_put32(h.tag, crc32c(0, raw, sizeof(raw)));
		CHECK_EQ(block_open(&h, bytes_of(raw, sizeof(raw)), dec, &plain,
				    &e),
			 BC_EDAMAGE);
		buf_fini(&plain);
	}
	codec_dec_free(dec);
}

/* ---- directories ---- */

static void golden_dir(struct dir_builder *d)
{
	static const struct dir_block blocks[] = {
		{ 128, 300, 308, 0, 2, BLOCK_DATA, BLOCK_ZSTD, 0, 0xa1b2c3d4 },
		{ 492, 1000, 1000, 2, 1, BLOCK_TREE, BLOCK_RAW, 0, 0x01020304 },
	};
	static const uint32_t lengths[] = { 100, 200, 1000 };
	struct digest ids[3];

	for (unsigned i = 0; i < 3; i++)
		pattern(ids[i].b, DIGEST_BYTES, (uint8_t)(0x40 * i));
	dir_builder_init(d);
	CHECK_EQ(dir_builder_add(d, &blocks[0], lengths, ids), BC_OK);
	CHECK_EQ(dir_builder_add(d, &blocks[1], lengths + 2, ids + 2), BC_OK);
}

static void check_dir(const struct pack_dir *d)
{
	struct digest id;

	CHECK_EQ(d->n_blocks, 2);
	CHECK_EQ(d->n_chunks, 3);
	CHECK_EQ(d->base_slot, 0);
	CHECK_EQ(d->starts[0], 8);
	CHECK_EQ(d->starts[1], 108);
	CHECK_EQ(d->starts[2], 0);
	CHECK_EQ(d->block_of[1], 0);
	CHECK_EQ(d->block_of[2], 1);
	CHECK_EQ(d->blocks[0].check, 0xa1b2c3d4);
	CHECK_EQ(d->blocks[1].offset, 492);
	pattern(id.b, DIGEST_BYTES, 0x40);
	CHECK(pack_dir_has(d, 1, &id) && !pack_dir_has(d, 2, &id) &&
	      !pack_dir_has(d, 3, &id) && !pack_dir_has(d, UINT32_MAX, &id));
}

static void test_dir(void)
{
	struct buf raw = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct dir_builder b;
	struct pack_dir *d = NULL;

	golden_dir(&b);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	check_hex(raw.p, raw.n, dir_hex);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	check_dir(d);
	encode_dir(d, &again);
	CHECK(bytes_eq(buf_bytes(&raw), buf_bytes(&again)));
	pack_dir_free(d);
	for (size_t n = 0; n < raw.n; n++)
		CHECK(pack_dir_decode(bytes_of(raw.p, n), &d, &e) ==
		      BC_EDAMAGE);
	CHECK_EQ(buf_u8(&raw, 0), BC_OK);
	CHECK(pack_dir_decode(buf_bytes(&raw), &d, &e) == BC_EDAMAGE);
	buf_fini(&raw);
	buf_fini(&again);
	dir_builder_fini(&b);
}

/* A directory has no checksum of its own: a flip is found, or gives another
 * directory that is whole and encodes to just these bytes. */
static void test_dir_flips(void)
{
	struct buf raw = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct dir_builder b;
	size_t found = 0;

	golden_dir(&b);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	for (size_t i = 0; i < 8 * raw.n; i++) {
		struct pack_dir *d = NULL;

		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
		if (pack_dir_decode(buf_bytes(&raw), &d, &e) == BC_OK) {
			buf_clear(&again);
			encode_dir(d, &again);
			/* Reserved bytes are not read. */
			raw.p[8 + 19] = raw.p[8 + PACK_DIR_BLOCK_BYTES + 19] =
				0;
			CHECK(bytes_eq(buf_bytes(&raw), buf_bytes(&again)));
			pack_dir_free(d);
			if (i / 8 == 8 + 19 ||
			    i / 8 == 8 + PACK_DIR_BLOCK_BYTES + 19)
				continue;
		} else {
			found++;
		}
		raw.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CHECK(found > 300);
	buf_fini(&raw);
	buf_fini(&again);
	dir_builder_fini(&b);
}

static void test_dir_impossible(void)
{
	/* Offset in the encoded directory and what to write there. */
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 0, 3 },		      /* more blocks */
		{ 4, 2 },		      /* fewer chunks */
		{ 4, 65536 },		      /* too many */
		{ 8 + 8, 309 },		      /* plain length */
		{ 8 + 4, 309 },		      /* stored above plain */
		{ 8 + 12, 3 << 16 },	      /* chunks of the block */
		{ 8 + 24 + 12, 3 | 1 << 16 }, /* a slot is left out */
		{ 8 + 24, 128 },	      /* blocks overlap */
		{ 8 + 24, UINT32_MAX - 9 },   /* beyond 4 GiB */
		{ 8 + 48, 0 },		      /* a chunk of no bytes */
		{ 8 + 48 + 4, 201 },
	};
	struct buf raw = BUF_INIT(1 << 20);
	struct pack_dir *d = NULL;
	struct dir_builder b;

	golden_dir(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&raw);
		CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
		le_put32(raw.p + cases[i].at, cases[i].value);
		if (pack_dir_decode(buf_bytes(&raw), &d, &e) != BC_EDAMAGE)
			T_FAIL("case %zu was accepted", i);
	}
	buf_fini(&raw);
	dir_builder_fini(&b);
}

static void test_dir_shift(void)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct dir_builder b, two;
	struct pack_dir *d = NULL;
	struct digest id;

	golden_dir(&b);
	CHECK_EQ(dir_builder_encode(&b, 100000, 500, &raw), BC_OK);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK_EQ(d->base_slot, 500);
	CHECK_EQ(d->blocks[1].offset, 100492);
	pattern(id.b, DIGEST_BYTES, 0x80);
	CHECK(pack_dir_has(d, 502, &id) && !pack_dir_has(d, 2, &id) &&
	      !pack_dir_has(d, 503, &id));
	pack_dir_free(d);
	/* And one behind the other, as when a pack's blocks join a group. */
	golden_dir(&two);
	CHECK_EQ(dir_builder_merge(&b, &two, 1556, 3), BC_OK);
	CHECK_EQ(b.plain, 2600);
	buf_clear(&raw);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK_EQ(d->n_blocks, 4);
	CHECK_EQ(d->blocks[2].offset, 128 + 1556);
	CHECK_EQ(d->blocks[3].first_slot, 5);
	CHECK(pack_dir_has(d, 5, &id));
	pack_dir_free(d);
	buf_fini(&raw);
	dir_builder_fini(&b);
	dir_builder_fini(&two);
}

/* ---- checksums of parts ---- */

enum { PARTS_BYTES = 3 * SUM_BYTES + 100 };

/* A small raw block, one of several parts, and a compressed one. The second
 * block's bytes begin 100 before a multiple of SUM_BYTES. */
static void parts_dir(struct dir_builder *d, const uint8_t *stored,
		      struct dir_block blocks[3])
{
	static const uint32_t lengths[] = { 1000, 5000, PARTS_BYTES - 5008,
					    9000 };
	static const struct digest ids[4];
	enum { AT = 2 * SUM_BYTES - 100 - BLOCK_HEAD_BYTES };

	blocks[0] = (struct dir_block){ 128,	    1000, 1000, 0, 1,
					BLOCK_DATA, 0,	  0,	0 };
	blocks[1] =
		(struct dir_block){ AT,		PARTS_BYTES, PARTS_BYTES, 1, 2,
				    BLOCK_DATA, 0,	     0,		  0 };
	blocks[2] = (struct dir_block){ AT + BLOCK_HEAD_BYTES + PARTS_BYTES,
					8000,
					9000,
					3,
					1,
					BLOCK_DATA,
					BLOCK_ZSTD,
					0,
					0 };
	dir_builder_init(d);
	for (int i = 0, n = 0; i < 3; n += blocks[i++].chunks) {
		CHECK_EQ(dir_builder_add(d, &blocks[i], lengths + n, ids + n),
			 BC_OK);
		CHECK_EQ(dir_builder_sum(d, &blocks[i],
					 bytes_of(stored, blocks[i].stored)),
			 BC_OK);
	}
}

static void test_sums(void)
{
	struct buf raw = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	/* The sectors that the second block lies in. */
	uint8_t file[5 * SUM_BYTES];
	uint8_t *stored = file + SUM_BYTES - 100;
	struct dir_block blocks[3];
	struct pack_dir *d = NULL;
	struct dir_builder b;
	uint64_t seed = 1;

	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)t_rng(&seed);
	parts_dir(&b, stored, blocks);
	CHECK_EQ(sums_count(&blocks[0]), 0);
	CHECK_EQ(sums_count(&blocks[1]), 4);
	CHECK_EQ(sums_count(&blocks[2]), 0);
	blocks[1].cipher = BLOCK_AES_256_GCM;
	CHECK_EQ(sums_count(&blocks[1]), 0);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	CHECK_EQ(raw.n, 8 + 3 * 24 + 4 * 36 + 4 * 4);
	CHECK_EQ(le_get32(raw.p + raw.n - 16), crc32c(0, stored, 100));
	CHECK_EQ(le_get32(raw.p + raw.n - 4),
		 crc32c(0, stored + 100 + 2 * SUM_BYTES, SUM_BYTES));
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK(!sums_have(d, 0) && sums_have(d, 1) && !sums_have(d, 2));
	encode_dir(d, &again);
	CHECK(bytes_eq(buf_bytes(&raw), buf_bytes(&again)));
	for (uint64_t i = 0; i < 5; i++) {
		uint64_t at = SUM_BYTES + i * SUM_BYTES;
		uint8_t *p = file + i * SUM_BYTES;

		CHECK(sums_match(d, 1, at, bytes_of(p, SUM_BYTES)));
		/* In the last sector nothing is of the block. */
		p[SUM_BYTES - 1] ^= 1;
		CHECK(sums_match(d, 1, at, bytes_of(p, SUM_BYTES)) == (i == 4));
		CHECK(sums_match(d, 1, SUM_BYTES,
				 bytes_of(file, sizeof(file))) == (i == 4));
		p[SUM_BYTES - 1] ^= 1;
		/* In the first one, a byte before the block is not either. */
		p[0] ^= 1;
		CHECK(sums_match(d, 1, at, bytes_of(p, SUM_BYTES)) ==
		      (i == 0 || i == 4));
		p[0] ^= 1;
	}
	/* Half a part is no part. */
	CHECK(!sums_match(d, 1, 2 * SUM_BYTES + 1,
			  bytes_of(file + SUM_BYTES + 1, SUM_BYTES - 1)));
	CHECK(!sums_match(d, 1, 2 * SUM_BYTES,
			  bytes_of(file + SUM_BYTES, SUM_BYTES - 1)));
	pack_dir_free(d);
	/* All of them, or none. */
	for (size_t n = raw.n - 17; n < raw.n; n++) {
		bool none = n == raw.n - 16;

		d = NULL;
		CHECK_EQ(pack_dir_decode(bytes_of(raw.p, n), &d, &e),
			 none ? BC_OK : BC_EDAMAGE);
		CHECK(!none || d->sums == NULL);
		pack_dir_free(d);
	}
	dir_builder_fini(&b);
	buf_fini(&raw);
	buf_fini(&again);
}

/* Checksums belong to a place: moved blocks have none. */
static void test_sums_moved(void)
{
	static const uint8_t stored[PARTS_BYTES];
	struct buf raw = BUF_INIT(1 << 20);
	struct dir_block blocks[3];
	struct pack_dir *d = NULL;
	struct dir_builder b, two;

	parts_dir(&b, stored, blocks);
	dir_builder_init(&two);
	CHECK_EQ(dir_builder_merge(&two, &b, 0, 0), BC_OK);
	CHECK_EQ(dir_builder_encode(&two, 0, 0, &raw), BC_OK);
	CHECK_EQ(raw.n, 8 + 3 * 24 + 4 * 36);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK(!sums_have(d, 1));
	pack_dir_free(d);
	buf_clear(&raw);
	CHECK_EQ(dir_builder_encode(&b, SUM_BYTES, 0, &raw), BC_OK);
	CHECK_EQ(raw.n, 8 + 3 * 24 + 4 * 36);
	CHECK_EQ(dir_builder_merge(&b, &two, 100000, 4), BC_OK);
	buf_clear(&raw);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	CHECK_EQ(raw.n, 8 + 6 * 24 + 8 * 36);
	dir_builder_fini(&b);
	dir_builder_fini(&two);
	buf_fini(&raw);
}

/* As many chunks as a pack may have, and not one more. */
static void test_dir_full(void)
{
	struct buf raw = BUF_INIT(16 << 20);
	struct dir_builder b;
	struct pack_dir *d = NULL;
	struct digest id = { { 0 } };
	struct dir_block one = {
		.stored = 1, .plain = 1, .chunks = 1, .kind = BLOCK_DATA
	};
	uint32_t length = 1;

	dir_builder_init(&b);
	for (uint32_t i = 0; i < PACK_CHUNKS_MAX; i++) {
		one.offset = PACK_HEAD_BYTES + i * (BLOCK_HEAD_BYTES + 1);
		one.first_slot = (uint16_t)i;
		le_put32(id.b, i);
		CHECK_EQ(dir_builder_add(&b, &one, &length, &id), BC_OK);
	}
	CHECK_EQ(dir_builder_add(&b, &one, &length, &id), BC_EFULL);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK_EQ(d->n_chunks, PACK_CHUNKS_MAX);
	CHECK_EQ(d->block_of[65534], 65534);
	CHECK(pack_dir_has(d, 65534, &id));
	pack_dir_free(d);
	/* Empty is a directory too: of a log that was sealed without data. */
	dir_builder_clear(&b);
	buf_clear(&raw);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	CHECK_EQ(raw.n, 8);
	CHECK_OK(pack_dir_decode(buf_bytes(&raw), &d, &e), &e);
	CHECK_EQ(d->n_chunks, 0);
	pack_dir_free(d);
	buf_fini(&raw);
	dir_builder_fini(&b);
}

/* ---- seeds for the fuzzers ---- */

static void seed_block(const char *dir, const char *name,
		       const struct sealed_block *b)
{
	struct buf raw = BUF_INIT(1 << 20);
	uint8_t head[BLOCK_HEAD_BYTES];

	block_head_encode(&b->head, head);
	CHECK_EQ(buf_add(&raw, head, sizeof(head)), BC_OK);
	CHECK_EQ(buf_add(&raw, b->stored.p, b->stored.n), BC_OK);
	seed_write(dir, "block", name, buf_bytes(&raw));
	buf_fini(&raw);
}

static void seeds_block(const char *dir)
{
	static const char *const names[] = { "raw", "raw-many", "zstd",
					     "zstd-many" };
	static const uint8_t text[600] = "the same again, ";
	struct sealed_block b;
	struct sealer s;
	struct gather g;
	struct digest id = { { 0 } };

	for (int i = 0; i < 4; i++) {
		CHECK_OK(sealer_init(&s, i / 2, 1 << 20, &e), &e);
		CHECK_OK(gather_init(&g, BLOCK_DATA, 4096, 4096, &e), &e);
		for (int k = 0; k < (i % 2 == 0 ? 1 : 5); k++)
			gather_add(&g, &id, bytes_of(text, sizeof(text)));
		CHECK_OK(sealer_seal(&s, &g, &b, &e), &e);
		seed_block(dir, names[i], &b);
		gather_fini(&g);
		sealer_fini(&s);
	}
	b = (struct sealed_block){ .head = sample_sealed(),
				   .stored = bytes_of(text, 77) };
	seed_block(dir, "sealed", &b);
	b.head = sample_block();
	seed_block(dir, "short", &b);
}

static void seed_parts(const char *dir)
{
	static const uint8_t stored[PARTS_BYTES];
	struct buf raw = BUF_INIT(1 << 20);
	struct dir_block blocks[3];
	struct dir_builder b;

	parts_dir(&b, stored, blocks);
	CHECK_EQ(buf_u8(&raw, 0), BC_OK);
	CHECK_EQ(dir_builder_encode(&b, 0, 0, &raw), BC_OK);
	seed_write(dir, "packdir", "parts", buf_bytes(&raw));
	/* The harness puts right what it finds. */
	raw.p[0] = 6;
	seed_write(dir, "packdir", "parts-fitted", buf_bytes(&raw));
	dir_builder_fini(&b);
	buf_fini(&raw);
}

static void seeds_dir(const char *dir)
{
	struct buf raw = BUF_INIT(1 << 20);
	struct dir_builder b, two;

	for (int i = 0; i < 5; i++) {
		golden_dir(&b);
		golden_dir(&two);
		if (i == 1)
			dir_builder_clear(&b);
		for (int k = 2; k < i + 2 && i >= 2; k++)
			CHECK_EQ(dir_builder_merge(&b, &two,
						   (uint32_t)(k - 1) * 1556,
						   (uint16_t)((k - 1) * 3)),
				 BC_OK);
		buf_clear(&raw);
		/* First byte: what the harness puts right. */
		CHECK_EQ(buf_u8(&raw, (uint8_t)(i % 4)), BC_OK);
		CHECK_EQ(dir_builder_encode(&b, i == 3 ? 8192 : 0,
					    i == 3 ? 77 : 0, &raw),
			 BC_OK);
		seed_write(dir, "packdir",
			   (const char *const[]){ "two", "empty", "six",
						  "shifted", "ten" }[i],
			   buf_bytes(&raw));
		dir_builder_fini(&b);
		dir_builder_fini(&two);
	}
	buf_fini(&raw);
}

static void seeds_foot(const char *dir)
{
	static const char *const kinds[] = { "head-data", "head-meta",
					     "head-log" };
	uint8_t raw[1 + PACK_HEAD_BYTES];
	struct pack_foot f = sample_foot();
	struct pack_head h = sample_head();

	raw[0] = 0;
	pack_foot_encode(&f, raw + 1);
	seed_write(dir, "footer", "foot", bytes_of(raw, 1 + PACK_FOOT_BYTES));
	f.chunks = f.blocks = PACK_CHUNKS_MAX;
	pack_foot_encode(&f, raw + 1);
	seed_write(dir, "footer", "foot-full",
		   bytes_of(raw, 1 + PACK_FOOT_BYTES));
	raw[0] = 1;
	for (int i = 0; i < 3; i++) {
		h.kind = (enum pack_kind)(PACK_DATA + i);
		pack_head_encode(&h, raw + 1);
		seed_write(dir, "footer", kinds[i],
			   bytes_of(raw, 1 + PACK_HEAD_BYTES));
	}
}

static void seeds_superblock(const char *dir)
{
	static const char *const names[] = { "default", "fixed", "dense",
					     "features", "encrypted" };
	uint8_t raw[SUPERBLOCK_BYTES];

	for (int i = 0; i < 5; i++) {
		struct superblock s = {
			.version = 1,
			.sequence = 1,
			.created = INT64_C(1700000000123456789),
			.hash = 1,
			.codec = i == 1 ? 0 : 1,
			.chunker = { CHUNK_CDC, 16 << 10, 64 << 10, 256 << 10 },
			.level = i == 1 ? 0 : 1,
			.block_bytes = 256 << 10,
			.pack_bytes = 64 << 20,
			.reserve_bytes = 16 << 20,
		};

		pattern(s.id.b, PACK_ID_BYTES, 0x30);
		if (i == 1)
			s.chunker = (struct chunk_params){ CHUNK_FIXED, 4 << 20,
							   4 << 20, 4 << 20 };
		if (i == 2)
			s.chunker = (struct chunk_params){ CHUNK_CDC, 256, 4096,
							   65536 };
		if (i == 3)
			s.features[REPO_DELETE] = 5;
		s.cipher = i == 4;
		superblock_encode(&s, raw);
		seed_write(dir, "superblock", names[i],
			   bytes_of(raw, sizeof(raw)));
	}
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		seeds_block(argv[1]);
		seeds_dir(argv[1]);
		seed_parts(argv[1]);
		seeds_foot(argv[1]);
		seeds_superblock(argv[1]);
		return 0;
	}
	RUN(test_head);
	RUN(test_head_newer);
	RUN(test_foot);
	RUN(test_foot_impossible);
	RUN(test_block);
	RUN(test_block_impossible);
	RUN(test_seal_open);
	RUN(test_open_sealed);
	RUN(test_open_lengths);
	RUN(test_dir);
	RUN(test_dir_flips);
	RUN(test_dir_impossible);
	RUN(test_dir_shift);
	RUN(test_dir_full);
	RUN(test_sums);
	RUN(test_sums_moved);
	err_clear(&e);
	return 0;
}
