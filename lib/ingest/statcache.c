/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   header   4096: magic 8, version 4, zero 4, repository 16, root 32,
 *            records 8, offset of the table 8, hurt 32, begun 8, ...,
 *            CRC at 4092
 *   records  length 4, CRC of what follows 4, then: flags 4 (1: more parts),
 *            part 4, node 32, entries 8, bytes 8, files 8, dirs 8, others 8,
 *            count 8, path length 4, path, entries to the end
 *   entry    name length 2, type 1, racy 1, ino 8, size 8, mtime 8, ctime 8,
 *            name
 *   table    by key: key 8, offset 8 each; key from path and part
 */
#include "ingest/statcache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/arith.h"
#include "util/crc32c.h"
#include "util/cursor.h"

enum {
	HEAD_BYTES = 4096,
	/* Zeros in caches of older versions: nothing, long ago. */
	HEAD_HURT_AT = 80,
	HEAD_BEGUN_AT = 112,
	HEAD_CRC_AT = 4092,
	CACHE_VERSION = 1,
	RECORD_HEAD_BYTES = 8,
	ENTRY_HEAD_BYTES = 36,
	SLOT_BYTES = 16,
	NAME_ROOM = 128,
	OUT_BYTES = 256 << 10,
	PART_BYTES_MAX = STAT_PART_ENTRIES * (ENTRY_HEAD_BYTES + 256),
};

static const char cache_magic[8] = { 'B', 'L', 'O', 'B', 'S', 'T', 'A', 'T' };

/* FNV-1a over path and part; a collision shows when the path is compared. */
static uint64_t key_of(struct bytes path, uint32_t part)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ part;

	for (size_t i = 0; i < path.n; i++)
		h = (h ^ path.p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* ---- reading --------------------------------------------------------------
 */

struct statcache {
	struct io_map map;
	uint64_t count;
	const uint8_t *table;
	size_t records_end;
};

static bool header_valid(const struct io_map *m, const struct pack_id *repo,
			 uint64_t *count, uint64_t *table)
{
	const uint8_t *p = m->p;
	uint64_t bytes;

	if (m->n < HEAD_BYTES ||
	    memcmp(p, cache_magic, sizeof(cache_magic)) != 0 ||
	    le_get32(p + 8) != CACHE_VERSION ||
	    memcmp(p + 16, repo->b, PACK_ID_BYTES) != 0 ||
	    le_get32(p + HEAD_CRC_AT) != crc32c(0, p, HEAD_CRC_AT))
		return false;
	*count = le_get64(p + 64);
	*table = le_get64(p + 72);
	return mul_u64(*count, SLOT_BYTES, &bytes) && *table <= m->n &&
	       *table >= HEAD_BYTES && bytes == m->n - *table;
}

enum bc_err statcache_open(struct io_dir *d, const char *name,
			   const struct pack_id *repo, struct statcache **out,
			   struct stat_bond *bond, struct err *e)
{
	struct statcache *c = calloc(1, sizeof(*c));
	struct io_file *f = NULL;
	uint64_t size = 0, table = 0;
	enum bc_err rc;

	if (c == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the stat cache");
	rc = io_file_open(d, name, IO_READ, &f, e);
	if (rc == BC_OK)
		rc = io_file_size(f, &size, e);
	if (rc == BC_OK && size < HEAD_BYTES)
		rc = BC_ENOTFOUND;
	if (rc == BC_OK)
		rc = io_file_map(f, 0, (size_t)size, &c->map, e);
	io_file_close(f, NULL);
	if (rc == BC_OK && !header_valid(&c->map, repo, &c->count, &table))
		rc = BC_ENOTFOUND;
	if (rc != BC_OK) {
		statcache_close(c);
		return err_set(e, BC_ENOTFOUND, "no stat cache");
	}
	memcpy(bond->root.b, c->map.p + 32, DIGEST_BYTES);
	memcpy(bond->hurt.b, c->map.p + HEAD_HURT_AT, DIGEST_BYTES);
	bond->begun = (int64_t)le_get64(c->map.p + HEAD_BEGUN_AT);
	c->table = c->map.p + table;
	c->records_end = (size_t)table;
	*out = c;
	return BC_OK;
}

void statcache_close(struct statcache *c)
{
	if (c == NULL)
		return;
	io_unmap(&c->map);
	free(c);
}

static bool record_decode(struct bytes whole, struct bytes path, uint32_t part,
			  struct stat_record *out)
{
	struct cursor c = cursor_of(whole);
	struct stat_record r = { .whole = whole };
	struct bytes node, at;
	uint32_t flags;

	cursor_span(&c, RECORD_HEAD_BYTES);
	flags = cursor_u32(&c);
	r.part = cursor_u32(&c);
	node = cursor_span(&c, DIGEST_BYTES);
	r.sum.dir.entries = cursor_u64(&c);
	r.sum.dir.bytes = cursor_u64(&c);
	r.sum.files = cursor_u64(&c);
	r.sum.dirs = cursor_u64(&c);
	r.sum.others = cursor_u64(&c);
	r.count = cursor_u64(&c);
	at = cursor_span(&c, cursor_u32(&c));
	if (!cursor_ok(&c) || r.part != part || !bytes_eq(at, path))
		return false;
	memcpy(r.sum.dir.id.b, node.p, DIGEST_BYTES);
	r.more = (flags & 1) != 0;
	r.raw = bytes_of(c.p, c.left);
	*out = r;
	return true;
}

static bool record_at(const struct statcache *c, uint64_t off,
		      struct bytes path, uint32_t part, struct stat_record *out)
{
	const uint8_t *p = c->map.p + off;
	uint32_t length;

	if (off < HEAD_BYTES || off + RECORD_HEAD_BYTES > c->records_end)
		return false;
	length = le_get32(p);
	if (length < RECORD_HEAD_BYTES || length > c->records_end - off ||
	    crc32c(0, p + RECORD_HEAD_BYTES, length - RECORD_HEAD_BYTES) !=
		    le_get32(p + 4))
		return false;
	return record_decode(bytes_of(p, length), path, part, out);
}

bool statcache_find(const struct statcache *c, struct bytes path, uint32_t part,
		    struct stat_record *out)
{
	uint64_t key = key_of(path, part);
	uint64_t lo = 0, hi;

	if (c == NULL)
		return false;
	for (hi = c->count; lo < hi;) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (le_get64(c->table + mid * SLOT_BYTES) < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < c->count && le_get64(c->table + lo * SLOT_BYTES) == key;
	     lo++)
		if (record_at(c, le_get64(c->table + lo * SLOT_BYTES + 8), path,
			      part, out))
			return true;
	return false;
}

bool statcache_next(struct bytes *left, struct stat_entry *out)
{
	const uint8_t *p = left->p;
	size_t name;

	if (left->n < ENTRY_HEAD_BYTES)
		return false;
	name = le_get16(p);
	if (name > left->n - ENTRY_HEAD_BYTES)
		return false;
	*out = (struct stat_entry){
		.name = bytes_of(p + ENTRY_HEAD_BYTES, name),
		.type = p[2],
		.racy = p[3] != 0,
		.ino = le_get64(p + 4),
		.size = le_get64(p + 12),
		.mtime_ns = (int64_t)le_get64(p + 20),
		.ctime_ns = (int64_t)le_get64(p + 28),
	};
	*left = bytes_of(p + ENTRY_HEAD_BYTES + name,
			 left->n - ENTRY_HEAD_BYTES - name);
	return true;
}

/* ---- writing --------------------------------------------------------------
 */

struct slot {
	uint64_t key, off;
};

struct statcache_writer {
	struct io_dir *dir;
	struct io_file *file;
	char name[NAME_ROOM];
	char tmp[NAME_ROOM];
	pthread_mutex_t lock; /* guards all below */
	uint8_t *out;
	size_t out_n;
	uint64_t at; /* of out[0] in the file */
	struct slot *slots;
	size_t n, cap;
	struct err failed;
};

/* What a writer that was killed has left: its lock can be had. */
static enum bc_err sweep_one(void *ctx, const char *name, enum io_type type)
{
	static const char prefix[] = IO_TMP_PREFIX "stat-";
	struct io_dir *d = ctx;
	struct io_file *f = NULL;

	if (type != IO_TYPE_FILE ||
	    strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
	    io_file_open(d, name, IO_WRITE, &f, NULL) != BC_OK)
		return BC_OK;
	if (io_file_lock(f, 0, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, NULL) ==
	    BC_OK)
		(void)!io_unlink(d, name, NULL);
	io_file_close(f, NULL);
	return BC_OK;
}

/* A sweep may come between the two and remove the file: then the name is not
 * there in the end, and no cache is kept this time. */
static enum bc_err open_tmp(struct statcache_writer *w, struct err *e)
{
	enum bc_err rc;

	(void)!io_list(w->dir, ".", NULL, sweep_one, w->dir);
	rc = io_file_open(w->dir, w->tmp, IO_WRITE | IO_CREATE | IO_TRUNCATE,
			  &w->file, e);
	if (rc == BC_OK)
		(void)!io_file_lock(w->file, 0, 1, IO_LOCK_EXCLUSIVE,
				    IO_LOCK_TRY, NULL);
	return rc;
}

enum bc_err statcache_writer_new(struct io_dir *d, const char *name,
				 struct statcache_writer **out, struct err *e)
{
	struct statcache_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the stat cache");
	pthread_mutex_init(&w->lock, NULL);
	w->dir = d;
	w->at = HEAD_BYTES;
	snprintf(w->name, sizeof(w->name), "%s", name);
	snprintf(w->tmp, sizeof(w->tmp), "%s%.80s.%d", IO_TMP_PREFIX, name,
		 (int)getpid());
	w->out = malloc(OUT_BYTES);
	if (w->out == NULL) {
		statcache_writer_abort(w);
		return err_set(e, BC_ENOMEM, "no memory for the stat cache");
	}
	*out = w;
	return BC_OK;
}

void statcache_writer_abort(struct statcache_writer *w)
{
	if (w == NULL)
		return;
	if (w->file != NULL)
		(void)!io_unlink(w->dir, w->tmp, NULL);
	io_file_close(w->file, NULL);
	pthread_mutex_destroy(&w->lock);
	free(w->out);
	free(w->slots);
	free(w);
}

/* The file is made with its first bytes: most runs on an unchanged tree, or on
 * one small file, keep no new cache, and making one costs a millisecond. */
static void flush_out(struct statcache_writer *w)
{
	if (w->file == NULL && w->failed.code == BC_OK &&
	    open_tmp(w, &w->failed) != BC_OK)
		w->out_n = 0;
	if (w->failed.code == BC_OK && w->out_n > 0 &&
	    io_file_pwrite(w->file, w->out, w->out_n, w->at, &w->failed) !=
		    BC_OK)
		w->out_n = 0;
	w->at += w->out_n;
	w->out_n = 0;
}

static void put_out(struct statcache_writer *w, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n > 0 && w->failed.code == BC_OK) {
		size_t part = min_size(n, OUT_BYTES - w->out_n);

		memcpy(w->out + w->out_n, from, part);
		w->out_n += part;
		from += part;
		n -= part;
		if (w->out_n == OUT_BYTES)
			flush_out(w);
	}
}

static void add_slot(struct statcache_writer *w, uint64_t key)
{
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 256 : w->cap * 2;
		struct slot *s = realloc(w->slots, cap * sizeof(*s));

		if (s == NULL) {
			err_set(&w->failed, BC_ENOMEM, "no memory");
			return;
		}
		w->slots = s;
		w->cap = cap;
	}
	w->slots[w->n++] = (struct slot){ key, w->at + w->out_n };
}

enum bc_err statcache_part_add(struct buf *part, const struct stat_entry *en)
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

enum { FIXED_BYTES = RECORD_HEAD_BYTES + 4 + 4 + DIGEST_BYTES + 6 * 8 + 4 };

void statcache_writer_put(struct statcache_writer *w, struct bytes path,
			  const struct stat_record *r)
{
	uint8_t head[FIXED_BYTES];
	uint32_t crc;

	le_put32(head, (uint32_t)(FIXED_BYTES + path.n + r->raw.n));
	le_put32(head + 8, r->more ? 1 : 0);
	le_put32(head + 12, r->part);
	memcpy(head + 16, r->sum.dir.id.b, DIGEST_BYTES);
	le_put64(head + 48, r->sum.dir.entries);
	le_put64(head + 56, r->sum.dir.bytes);
	le_put64(head + 64, r->sum.files);
	le_put64(head + 72, r->sum.dirs);
	le_put64(head + 80, r->sum.others);
	le_put64(head + 88, r->count);
	le_put32(head + 96, (uint32_t)path.n);
	crc = crc32c(0, head + RECORD_HEAD_BYTES,
		     FIXED_BYTES - RECORD_HEAD_BYTES);
	crc = crc32c(crc, path.p, path.n);
	le_put32(head + 4, crc32c(crc, r->raw.p, r->raw.n));
	pthread_mutex_lock(&w->lock);
	add_slot(w, key_of(path, r->part));
	put_out(w, head, sizeof(head));
	put_out(w, path.p, path.n);
	put_out(w, r->raw.p, r->raw.n);
	pthread_mutex_unlock(&w->lock);
}

void statcache_writer_copy(struct statcache_writer *w,
			   const struct stat_record *r)
{
	size_t path_n = r->whole.n - r->raw.n - FIXED_BYTES;

	pthread_mutex_lock(&w->lock);
	add_slot(w,
		 key_of(bytes_of(r->whole.p + FIXED_BYTES, path_n), r->part));
	put_out(w, r->whole.p, r->whole.n);
	pthread_mutex_unlock(&w->lock);
}

static int by_key(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

enum bc_err statcache_writer_finish(struct statcache_writer *w,
				    const struct pack_id *repo,
				    const struct stat_bond *bond, struct err *e)
{
	uint8_t head[HEAD_BYTES] = { 0 };
	uint64_t table = w->at + w->out_n;
	enum bc_err rc;

	if (w->n > 1)
		qsort(w->slots, w->n, sizeof(*w->slots), by_key);
	for (size_t i = 0; i < w->n; i++) {
		uint8_t raw[SLOT_BYTES];

		le_put64(raw, w->slots[i].key);
		le_put64(raw + 8, w->slots[i].off);
		put_out(w, raw, sizeof(raw));
	}
	flush_out(w);
	memcpy(head, cache_magic, sizeof(cache_magic));
	le_put32(head + 8, CACHE_VERSION);
	memcpy(head + 16, repo->b, PACK_ID_BYTES);
	memcpy(head + 32, bond->root.b, DIGEST_BYTES);
	le_put64(head + 64, w->n);
	le_put64(head + 72, table);
	memcpy(head + HEAD_HURT_AT, bond->hurt.b, DIGEST_BYTES);
	le_put64(head + HEAD_BEGUN_AT, (uint64_t)bond->begun);
	le_put32(head + HEAD_CRC_AT, crc32c(0, head, HEAD_CRC_AT));
	rc = w->failed.code;
	if (rc != BC_OK && e != NULL)
		*e = w->failed;
	if (rc == BC_OK)
		rc = io_file_pwrite(w->file, head, sizeof(head), 0, e);
	if (rc == BC_OK)
		rc = io_rename(w->dir, w->tmp, w->dir, w->name, IO_REPLACE, e);
	if (rc == BC_OK) {
		io_file_close(w->file, NULL);
		w->file = NULL;
	}
	statcache_writer_abort(w);
	return rc;
}
