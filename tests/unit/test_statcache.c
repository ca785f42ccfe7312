/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stat cache: what is found in a damaged one is what was written, or
 * nothing is. `test_statcache DIR` writes the fuzzer's seeds there.
 */
#include "ingest/statcache.h"

#include <unistd.h>

#include "tests/unit/t.h"
#include "util/crc32c.h"

enum { DIRS = 4, FILE_MAX = 64 << 10, TABLE_AT_AT = 72, CRC_AT = 4092 };

static const struct pack_id repo = { { 1, 2, 3 } };

/* The second one is of two parts. */
static const char *const paths[DIRS] = { "/a", "/a/b", "/a/b", "" };
static const uint32_t parts[DIRS] = { 0, 0, 1, 0 };

static struct stat_bond the_bond(void)
{
	struct stat_bond b = { .begun = INT64_C(-77) };

	memset(b.root.b, 7, DIGEST_BYTES);
	memset(b.hurt.b, 9, DIGEST_BYTES);
	memset(b.snapshot.b, 8, DIGEST_BYTES);
	return b;
}

static struct stat_entry entry(unsigned dir, unsigned i)
{
	static const char *const names[] = { "one", "two-longer", "\xff\n" };

	return (struct stat_entry){ .name = bytes_str(names[i]),
				    .type = (uint8_t)(1 + i),
				    .racy = i == 1,
				    .ino = 1000 * dir + i,
				    .size = UINT64_MAX - i,
				    .mtime_ns = -(int64_t)i,
				    .ctime_ns = INT64_MAX - dir };
}

/* Directory i has i entries. */
static struct stat_record record(unsigned dir, struct buf *raw)
{
	struct stat_record r = { .count = dir + 100,
				 .part = parts[dir],
				 .more = dir == 1,
				 .path = bytes_str(paths[dir]) };

	memset(r.sum.dir.id.b, (int)dir + 1, DIGEST_BYTES);
	r.sum.dir.entries = dir;
	r.sum.dir.bytes = 1 + dir;
	r.sum.files = 2 + dir;
	r.sum.dirs = 3 + dir;
	r.sum.others = 4 + dir;
	buf_clear(raw);
	for (unsigned i = 0; i < dir; i++) {
		struct stat_entry en = entry(dir, i);

		CHECK_EQ(stat_entry_add(raw, &en), BC_OK);
	}
	r.raw = buf_bytes(raw);
	return r;
}

/* ---- a folder to write it in ----------------------------------------------
 */

struct kit {
	char path[64];
	struct io *io;
	struct io_dir *dir;
	struct buf file; /* a whole cache */
};

static void put_all(struct kit *k)
{
	const struct stat_bond bond = the_bond();
	struct buf raw = BUF_INIT(FILE_MAX);
	struct statcache_writer *w = NULL;
	struct err e = ERR_INIT;

	CHECK_OK(statcache_writer_new(k->dir, "stat-x", &w, &e), &e);
	for (unsigned i = 0; i < DIRS; i++) {
		struct stat_record r = record(i, &raw);

		statcache_writer_put(w, &r);
	}
	CHECK_OK(statcache_writer_finish(w, &repo, &bond, &e), &e);
	buf_fini(&raw);
}

/* One made of copies of what `c` has of these directories. */
static void copy_some(struct kit *k, struct statcache *c,
		      const char *const *path, size_t n)
{
	const struct stat_bond bond = the_bond();
	struct statcache_writer *w = NULL;
	struct err e = ERR_INIT;

	CHECK_OK(statcache_writer_new(k->dir, "stat-x", &w, &e), &e);
	for (size_t i = 0; i < n; i++) {
		struct stat_record r;

		CHECK(statcache_find(c, bytes_str(path[i]), 0, &r));
		statcache_keep(c, &r);
	}
	statcache_writer_copy(w, c);
	CHECK_OK(statcache_writer_finish(w, &repo, &bond, &e), &e);
}

static void kit_init(struct kit *k)
{
	struct err e = ERR_INIT;

	*k = (struct kit){ .path = "/tmp/blobctl-statcache-XXXXXX" };
	buf_init(&k->file, FILE_MAX);
	CHECK(mkdtemp(k->path) != NULL);
	CHECK_OK(io_open(NULL, &k->io, &e), &e);
	CHECK_OK(io_dir_open(k->io, k->path, &k->dir, &e), &e);
	put_all(k);
	CHECK_OK(io_read_small(k->dir, "stat-x", &k->file, &e), &e);
}

static void kit_fini(struct kit *k)
{
	CHECK_EQ(io_unlink(k->dir, "stat-x", NULL), BC_OK);
	io_dir_close(k->dir);
	io_close(k->io);
	CHECK(rmdir(k->path) == 0);
	buf_fini(&k->file);
}

/* ---- what a reader may see ------------------------------------------------
 */

static void same_record(const struct stat_record *r, unsigned dir)
{
	struct buf raw = BUF_INIT(FILE_MAX);
	struct stat_record w = record(dir, &raw);
	struct bytes left = r->raw;
	struct stat_entry en;

	CHECK(bytes_eq(r->path, w.path) && bytes_eq(r->raw, w.raw));
	CHECK(r->part == w.part && r->more == w.more && r->count == w.count);
	CHECK(digest_eq(&r->sum.dir.id, &w.sum.dir.id));
	CHECK_EQ(r->sum.dir.entries, w.sum.dir.entries);
	CHECK_EQ(r->sum.dir.bytes, w.sum.dir.bytes);
	CHECK_EQ(r->sum.files, w.sum.files);
	CHECK_EQ(r->sum.dirs, w.sum.dirs);
	CHECK_EQ(r->sum.others, w.sum.others);
	for (unsigned i = 0; i < dir; i++) {
		struct stat_entry was = entry(dir, i);

		CHECK(stat_entry_next(&left, &en));
		CHECK(bytes_eq(en.name, was.name) && en.type == was.type);
		CHECK(en.racy == was.racy && en.ino == was.ino);
		CHECK(en.size == was.size && en.mtime_ns == was.mtime_ns);
		CHECK_EQ(en.ctime_ns, was.ctime_ns);
	}
	CHECK(!stat_entry_next(&left, &en) && left.n == 0);
	buf_fini(&raw);
}

/* How many records are found; each is what was written, or the test fails. */
static unsigned found(struct bytes file)
{
	const struct stat_bond bond = the_bond();
	struct stat_head h;
	struct stat_record r;
	unsigned n = 0;

	if (!stat_head_decode(file, &h))
		return 0;
	CHECK(pack_id_eq(&h.repo, &repo));
	CHECK(digest_eq(&h.bond.root, &bond.root));
	CHECK(digest_eq(&h.bond.hurt, &bond.hurt));
	CHECK(digest_eq(&h.bond.snapshot, &bond.snapshot));
	CHECK_EQ(h.bond.begun, bond.begun);
	for (unsigned i = 0; i < DIRS; i++) {
		if (!stat_find(file, &h, bytes_str(paths[i]), parts[i], &r))
			continue;
		same_record(&r, i);
		n++;
	}
	CHECK(!stat_find(file, &h, bytes_str("/b"), 0, &r));
	CHECK(!stat_find(file, &h, bytes_str("/a"), 1, &r));
	return n;
}

/* A copy of its own size, so that a sanitizer sees a read beyond it. */
static struct bytes copy_of(const struct buf *file, size_t n)
{
	uint8_t *p = malloc(n + 1);

	CHECK(p != NULL);
	memcpy(p, file->p, n);
	p[n] = 0xff;
	return bytes_of(p, n);
}

static void round_trip(void)
{
	struct stat_bond bond = the_bond(), out;
	struct pack_id other = { { 9 } };
	struct statcache *c = NULL;
	struct stat_record r;
	struct err e = ERR_INIT;
	struct kit k;

	kit_init(&k);
	CHECK_EQ(found(buf_bytes(&k.file)), DIRS);
	CHECK_EQ(statcache_open(k.dir, "stat-x", &other, &c, &out, &e),
		 BC_ENOTFOUND);
	CHECK_EQ(statcache_open(k.dir, "none", &repo, &c, &out, &e),
		 BC_ENOTFOUND);
	CHECK_OK(statcache_open(k.dir, "stat-x", &repo, &c, &out, &e), &e);
	CHECK(digest_eq(&out.root, &bond.root) && out.begun == bond.begun);
	for (unsigned i = 0; i < DIRS; i++) {
		CHECK(statcache_find(c, bytes_str(paths[i]), parts[i], &r));
		same_record(&r, i);
	}
	CHECK(!statcache_find(c, bytes_str("/none"), 0, &r));
	CHECK(!statcache_find(NULL, bytes_str("/a"), 0, &r));
	statcache_close(c);
	kit_fini(&k);
}

/* What is marked, in whatever order, is copied as it lies there. */
static void copies(void)
{
	static const char *const all[] = { "", "/a", "/a/b" };
	struct buf again = BUF_INIT(FILE_MAX);
	struct statcache *c = NULL;
	struct stat_bond bond;
	struct stat_record r;
	struct err e = ERR_INIT;
	struct kit k;

	kit_init(&k);
	CHECK_OK(statcache_open(k.dir, "stat-x", &repo, &c, &bond, &e), &e);
	copy_some(&k, c, all + 2, 1);
	statcache_close(c);
	CHECK_OK(io_read_small(k.dir, "stat-x", &again, &e), &e);
	CHECK_EQ(found(buf_bytes(&again)), 2);
	CHECK_OK(statcache_open(k.dir, "stat-x", &repo, &c, &bond, &e), &e);
	CHECK(statcache_find(c, bytes_str("/a/b"), 1, &r));
	same_record(&r, 2);
	statcache_close(c);
	/* Copies of all are the same to the last byte. */
	put_all(&k);
	CHECK_OK(statcache_open(k.dir, "stat-x", &repo, &c, &bond, &e), &e);
	copy_some(&k, c, all, 3);
	statcache_close(c);
	buf_clear(&again);
	CHECK_OK(io_read_small(k.dir, "stat-x", &again, &e), &e);
	CHECK(bytes_eq(buf_bytes(&again), buf_bytes(&k.file)));
	buf_fini(&again);
	kit_fini(&k);
}

static void truncations(void)
{
	struct kit k;

	kit_init(&k);
	for (size_t n = 0; n < k.file.n; n++) {
		struct bytes cut = copy_of(&k.file, n);
		struct stat_head h;

		CHECK(!stat_head_decode(cut, &h));
		free((void *)(uintptr_t)cut.p);
	}
	/* Nor one with something behind it. */
	CHECK_EQ(buf_add(&k.file, "", 1), BC_OK);
	CHECK_EQ(found(buf_bytes(&k.file)), 0);
	kit_fini(&k);
}

/* Pages that are lost while the cache is open, known or not: nothing is found
 * any more, and nothing else happens. */
static void lost_pages(void)
{
	for (int looked = 0; looked < 2; looked++) {
		struct statcache_writer *w = NULL;
		struct statcache *c = NULL;
		struct stat_bond bond;
		struct stat_record r;
		struct err e = ERR_INIT;
		struct kit k;
		char path[96];

		kit_init(&k);
		snprintf(path, sizeof(path), "%s/stat-x", k.path);
		CHECK_OK(statcache_open(k.dir, "stat-x", &repo, &c, &bond, &e),
			 &e);
		if (looked) {
			CHECK(statcache_find(c, bytes_str("/a"), 0, &r));
			statcache_keep(c, &r);
		}
		CHECK(truncate(path, STAT_HEAD_BYTES) == 0);
		for (unsigned i = 0; i < DIRS; i++)
			CHECK(!statcache_find(c, bytes_str(paths[i]), parts[i],
					      &r));
		CHECK_OK(statcache_writer_new(k.dir, "stat-x", &w, &e), &e);
		statcache_writer_copy(w, c);
		statcache_writer_abort(w);
		statcache_close(c);
		kit_fini(&k);
	}
}

/* A record alone: the first of the file. */
static void record_cut(void)
{
	struct stat_record r;
	struct kit k;
	size_t n;

	kit_init(&k);
	CHECK(stat_record_decode(bytes_of(k.file.p + STAT_HEAD_BYTES,
					  k.file.n - STAT_HEAD_BYTES),
				 &r));
	same_record(&r, 0);
	n = r.whole.n;
	for (size_t i = 0; i < n; i++)
		CHECK(!stat_record_decode(bytes_of(r.whole.p, i), &r));
	CHECK(stat_record_decode(bytes_of(r.whole.p, n), &r));
	kit_fini(&k);
}

static void flips(void)
{
	struct stat_head h;
	struct kit k;

	kit_init(&k);
	CHECK(stat_head_decode(buf_bytes(&k.file), &h));
	for (size_t at = 0; at < k.file.n; at++) {
		uint8_t was = k.file.p[at];

		for (unsigned v = 1; v < 256; v++) {
			unsigned n;

			k.file.p[at] = (uint8_t)(was ^ v);
			n = found(buf_bytes(&k.file));
			if (at < STAT_HEAD_BYTES)
				CHECK_EQ(n, 0);
			else if (at < h.table)
				CHECK_EQ(n, DIRS - 1);
		}
		k.file.p[at] = was;
	}
	CHECK_EQ(found(buf_bytes(&k.file)), DIRS);
	kit_fini(&k);
}

/* A table may say anything. */
static void offsets(void)
{
	static const uint64_t bad[] = { 0,
					4095,
					UINT64_MAX,
					UINT64_MAX - 3,
					UINT64_MAX - 7,
					UINT64_C(1) << 63,
					UINT64_MAX - 4096 };
	struct stat_head h;
	struct kit k;

	kit_init(&k);
	CHECK(stat_head_decode(buf_bytes(&k.file), &h));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + 10; i++) {
		uint64_t off = i < 10 ? h.table - i : bad[i - 10];

		for (unsigned s = 0; s < DIRS; s++)
			le_put64(k.file.p + h.table + s * STAT_SLOT_BYTES + 8,
				 off);
		CHECK_EQ(found(buf_bytes(&k.file)), 0);
	}
	/* Any slot may lead to any record: it is not taken for another. */
	for (uint64_t off = STAT_HEAD_BYTES; off < h.table; off++) {
		for (unsigned s = 0; s < DIRS; s++)
			le_put64(k.file.p + h.table + s * STAT_SLOT_BYTES + 8,
				 off);
		CHECK(found(buf_bytes(&k.file)) <= 1);
	}
	kit_fini(&k);
}

/* Headers that cannot be, each under a right checksum. */
static void headers(void)
{
	static const uint64_t tables[] = { 0, 4095, UINT64_MAX,
					   UINT64_MAX - 15 };
	struct stat_head h;
	struct kit k;

	kit_init(&k);
	CHECK(stat_head_decode(buf_bytes(&k.file), &h));
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		h.table = tables[i];
		h.records = (k.file.n - h.table) / STAT_SLOT_BYTES;
		stat_head_encode(&h, k.file.p);
		CHECK_EQ(found(buf_bytes(&k.file)), 0);
	}
	h.table = k.file.n;
	h.records = UINT64_C(1) << 60;
	stat_head_encode(&h, k.file.p);
	CHECK_EQ(found(buf_bytes(&k.file)), 0);
	k.file.p[8] = 2;
	le_put64(k.file.p + TABLE_AT_AT, k.file.n);
	le_put32(k.file.p + CRC_AT, crc32c(0, k.file.p, CRC_AT));
	CHECK_EQ(found(buf_bytes(&k.file)), 0);
	kit_fini(&k);
}

/* The harness takes what follows a header. */
static void seed(const char *dir, const char *name, struct bytes b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	CHECK(f != NULL && fwrite(b.p, 1, b.n, f) == b.n && fclose(f) == 0);
}

static void seeds(const char *dir)
{
	struct stat_head h;
	struct kit k;

	kit_init(&k);
	CHECK(stat_head_decode(buf_bytes(&k.file), &h));
	seed(dir, "whole", buf_bytes(&k.file));
	seed(dir, "records",
	     bytes_of(k.file.p + STAT_HEAD_BYTES, k.file.n - STAT_HEAD_BYTES));
	seed(dir, "no-table",
	     bytes_of(k.file.p + STAT_HEAD_BYTES, h.table - STAT_HEAD_BYTES));
	kit_fini(&k);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		seeds(argv[1]);
		return 0;
	}
	RUN(round_trip);
	RUN(copies);
	RUN(truncations);
	RUN(lost_pages);
	RUN(record_cut);
	RUN(flips);
	RUN(offsets);
	RUN(headers);
	return 0;
}
