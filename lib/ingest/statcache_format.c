/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/statcache_format.h"

#include "util/arith.h"
#include "util/crc32c.h"
#include "util/cursor.h"

enum {
	HEAD_REPO_AT = 16,
	HEAD_ROOT_AT = 32,
	HEAD_RECORDS_AT = 64,
	HEAD_TABLE_AT = 72,
	/* Zeros in caches of older versions: nothing, long ago. */
	HEAD_HURT_AT = 80,
	HEAD_BEGUN_AT = 112,
	HEAD_SNAPSHOT_AT = 120,
	HEAD_CRC_AT = 4092,
	CACHE_VERSION = 1,
	RECORD_SUMMED_AT = 8, /* length and checksum come before */
	ENTRY_HEAD_BYTES = 36,
};

static const char cache_magic[8] = { 'B', 'L', 'O', 'B', 'S', 'T', 'A', 'T' };

/* ---- header and table -----------------------------------------------------
 */

void stat_head_encode(const struct stat_head *h, uint8_t out[STAT_HEAD_BYTES])
{
	memset(out, 0, STAT_HEAD_BYTES);
	memcpy(out, cache_magic, sizeof(cache_magic));
	le_put32(out + 8, CACHE_VERSION);
	memcpy(out + HEAD_REPO_AT, h->repo.b, PACK_ID_BYTES);
	memcpy(out + HEAD_ROOT_AT, h->bond.root.b, DIGEST_BYTES);
	le_put64(out + HEAD_RECORDS_AT, h->records);
	le_put64(out + HEAD_TABLE_AT, h->table);
	memcpy(out + HEAD_HURT_AT, h->bond.hurt.b, DIGEST_BYTES);
	le_put64(out + HEAD_BEGUN_AT, (uint64_t)h->bond.begun);
	memcpy(out + HEAD_SNAPSHOT_AT, h->bond.snapshot.b, DIGEST_BYTES);
	le_put32(out + HEAD_CRC_AT, crc32c(0, out, HEAD_CRC_AT));
}

bool stat_head_decode(struct bytes file, struct stat_head *out)
{
	const uint8_t *p = file.p;
	struct stat_head h;
	uint64_t bytes;

	if (file.n < STAT_HEAD_BYTES ||
	    memcmp(p, cache_magic, sizeof(cache_magic)) != 0 ||
	    le_get32(p + 8) != CACHE_VERSION ||
	    le_get32(p + HEAD_CRC_AT) != crc32c(0, p, HEAD_CRC_AT))
		return false;
	memcpy(h.repo.b, p + HEAD_REPO_AT, PACK_ID_BYTES);
	memcpy(h.bond.root.b, p + HEAD_ROOT_AT, DIGEST_BYTES);
	memcpy(h.bond.hurt.b, p + HEAD_HURT_AT, DIGEST_BYTES);
	h.bond.begun = (int64_t)le_get64(p + HEAD_BEGUN_AT);
	memcpy(h.bond.snapshot.b, p + HEAD_SNAPSHOT_AT, DIGEST_BYTES);
	h.records = le_get64(p + HEAD_RECORDS_AT);
	h.table = le_get64(p + HEAD_TABLE_AT);
	if (!mul_u64(h.records, STAT_SLOT_BYTES, &bytes) ||
	    h.table < STAT_HEAD_BYTES || h.table > file.n ||
	    bytes != file.n - h.table)
		return false;
	*out = h;
	return true;
}

/* FNV-1a over path and part; a collision shows when the path is compared. */
uint64_t stat_key(struct bytes path, uint32_t part)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ part;

	for (size_t i = 0; i < path.n; i++)
		h = (h ^ path.p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

void stat_slot_encode(uint64_t key, uint64_t off, uint8_t out[STAT_SLOT_BYTES])
{
	le_put64(out, key);
	le_put64(out + 8, off);
}

static uint64_t slot_key(const uint8_t *table, uint64_t i)
{
	return le_get64(table + i * STAT_SLOT_BYTES);
}

uint64_t stat_line_off(struct bytes file, const struct stat_head *h,
		       uint64_t line)
{
	return le_get64(file.p + h->table + line * STAT_SLOT_BYTES + 8);
}

bool stat_record_at(struct bytes file, const struct stat_head *h, uint64_t off,
		    struct stat_record *out)
{
	return off >= STAT_HEAD_BYTES && off < h->table &&
	       stat_record_decode(
		       bytes_of(file.p + off, (size_t)(h->table - off)), out);
}

bool stat_find(struct bytes file, const struct stat_head *h, struct bytes path,
	       uint32_t part, struct stat_record *out)
{
	const uint8_t *table = file.p + h->table;
	uint64_t key = stat_key(path, part);
	uint64_t lo = 0, hi = h->records;
	struct stat_record r;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (slot_key(table, mid) < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < h->records && slot_key(table, lo) == key; lo++) {
		if (stat_record_at(file, h, stat_line_off(file, h, lo), &r) &&
		    r.part == part && bytes_eq(r.path, path)) {
			r.line = lo;
			*out = r;
			return true;
		}
	}
	return false;
}

/* ---- records --------------------------------------------------------------
 */

void stat_record_encode(const struct stat_record *r,
			uint8_t out[STAT_RECORD_BYTES])
{
	uint32_t crc;

	le_put32(out, (uint32_t)(STAT_RECORD_BYTES + r->path.n + r->raw.n));
	le_put32(out + 8, r->more ? 1 : 0);
	le_put32(out + 12, r->part);
	memcpy(out + 16, r->sum.dir.id.b, DIGEST_BYTES);
	le_put64(out + 48, r->sum.dir.entries);
	le_put64(out + 56, r->sum.dir.bytes);
	le_put64(out + 64, r->sum.files);
	le_put64(out + 72, r->sum.dirs);
	le_put64(out + 80, r->sum.others);
	le_put64(out + 88, r->count);
	le_put32(out + 96, (uint32_t)r->path.n);
	crc = crc32c(0, out + RECORD_SUMMED_AT,
		     STAT_RECORD_BYTES - RECORD_SUMMED_AT);
	crc = crc32c(crc, r->path.p, r->path.n);
	le_put32(out + 4, crc32c(crc, r->raw.p, r->raw.n));
}

static bool fields_decode(struct bytes whole, struct stat_record *out)
{
	struct cursor c = cursor_of(whole);
	struct stat_record r = { .whole = whole };
	struct bytes node;

	cursor_span(&c, RECORD_SUMMED_AT);
	r.more = (cursor_u32(&c) & 1) != 0;
	r.part = cursor_u32(&c);
	node = cursor_span(&c, DIGEST_BYTES);
	r.sum.dir.entries = cursor_u64(&c);
	r.sum.dir.bytes = cursor_u64(&c);
	r.sum.files = cursor_u64(&c);
	r.sum.dirs = cursor_u64(&c);
	r.sum.others = cursor_u64(&c);
	r.count = cursor_u64(&c);
	r.path = cursor_span(&c, cursor_u32(&c));
	if (!cursor_ok(&c))
		return false;
	memcpy(r.sum.dir.id.b, node.p, DIGEST_BYTES);
	r.raw = bytes_of(c.p, c.left);
	*out = r;
	return true;
}

bool stat_record_decode(struct bytes at, struct stat_record *out)
{
	struct cursor c = cursor_of(at);
	uint32_t length = cursor_u32(&c), crc = cursor_u32(&c);

	if (!cursor_ok(&c) || length < STAT_RECORD_BYTES || length > at.n ||
	    crc32c(0, c.p, length - RECORD_SUMMED_AT) != crc)
		return false;
	return fields_decode(bytes_of(at.p, length), out);
}

/* ---- entries --------------------------------------------------------------
 */

enum bc_err stat_entry_add(struct buf *part, const struct stat_entry *en)
{
	uint8_t *p;
	enum bc_err rc = buf_extend(part, ENTRY_HEAD_BYTES + en->name.n, &p);

	if (rc != BC_OK)
		return rc;
	le_put16(p, (uint16_t)en->name.n);
	p[2] = en->type;
	p[3] = en->racy;
	le_put64(p + 4, en->ino);
	le_put64(p + 12, en->size);
	le_put64(p + 20, (uint64_t)en->mtime_ns);
	le_put64(p + 28, (uint64_t)en->ctime_ns);
	memcpy(p + ENTRY_HEAD_BYTES, en->name.p, en->name.n);
	return BC_OK;
}

bool stat_entry_next(struct bytes *left, struct stat_entry *out)
{
	struct cursor c = cursor_of(*left);
	struct bytes head = cursor_span(&c, ENTRY_HEAD_BYTES), name;
	const uint8_t *p = head.p;

	if (!cursor_ok(&c))
		return false;
	name = cursor_span(&c, le_get16(p));
	if (!cursor_ok(&c))
		return false;
	*out = (struct stat_entry){
		.name = name,
		.type = p[2],
		.racy = p[3] != 0,
		.ino = le_get64(p + 4),
		.size = le_get64(p + 12),
		.mtime_ns = (int64_t)le_get64(p + 20),
		.ctime_ns = (int64_t)le_get64(p + 28),
	};
	*left = bytes_of(c.p, c.left);
	return true;
}
