/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/statcache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/arith.h"

enum { NAME_ROOM = 128, OUT_BYTES = 256 << 10 };

/* ---- reading --------------------------------------------------------------
 */

struct statcache {
	struct io_map map;
	struct stat_head head;
	atomic_uchar *kept; /* a bit for each line of the table */
};

static struct bytes all_of(const struct statcache *c)
{
	return bytes_of(c->map.p, c->map.n);
}

enum bc_err statcache_open(struct io_dir *d, const char *name,
			   const struct pack_id *repo, struct statcache **out,
			   struct stat_bond *bond, struct err *e)
{
	struct statcache *c = calloc(1, sizeof(*c));
	struct io_file *f = NULL;
	uint64_t size = 0;
	enum bc_err rc;

	if (c == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the stat cache");
	rc = io_file_open(d, name, IO_READ, &f, e);
	if (rc == BC_OK)
		rc = io_file_size(f, &size, e);
	if (rc == BC_OK && size < STAT_HEAD_BYTES)
		rc = BC_ENOTFOUND;
	if (rc == BC_OK)
		rc = io_file_map(f, 0, (size_t)size, &c->map, e);
	io_file_close(f, NULL);
	if (rc == BC_OK &&
	    (!stat_head_decode(all_of(c), &c->head) ||
	     !pack_id_eq(&c->head.repo, repo) || io_map_hurt(&c->map)))
		rc = BC_ENOTFOUND;
	if (rc == BC_OK) {
		c->kept = calloc((size_t)(c->head.records / 8) + 1, 1);
		rc = c->kept == NULL ? BC_ENOMEM : BC_OK;
	}
	if (rc != BC_OK) {
		statcache_close(c);
		return err_set(e, BC_ENOTFOUND, "no stat cache");
	}
	*bond = c->head.bond;
	*out = c;
	return BC_OK;
}

void statcache_close(struct statcache *c)
{
	if (c == NULL)
		return;
	io_unmap(&c->map);
	free(c->kept);
	free(c);
}

bool statcache_find(const struct statcache *c, struct bytes path, uint32_t part,
		    struct stat_record *out)
{
	/* A page that is lost after the checksum was right reads as zeros: of
	 * a hurt cache nothing more is taken. */
	return c != NULL && stat_find(all_of(c), &c->head, path, part, out) &&
	       !io_map_hurt(&c->map);
}

static uint8_t bit_of(uint64_t line)
{
	return (uint8_t)(1 << line % 8);
}

void statcache_keep(struct statcache *c, const struct stat_record *part0)
{
	atomic_fetch_or(&c->kept[part0->line / 8], bit_of(part0->line));
}

static bool is_kept(const struct statcache *c, uint64_t line)
{
	return (atomic_load(&c->kept[line / 8]) & bit_of(line)) != 0;
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
	w->at = STAT_HEAD_BYTES;
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

void statcache_writer_put(struct statcache_writer *w,
			  const struct stat_record *r)
{
	uint8_t head[STAT_RECORD_BYTES];

	stat_record_encode(r, head);
	pthread_mutex_lock(&w->lock);
	add_slot(w, stat_key(r->path, r->part));
	put_out(w, head, sizeof(head));
	put_out(w, r->path.p, r->path.n);
	put_out(w, r->raw.p, r->raw.n);
	pthread_mutex_unlock(&w->lock);
}

static int by_offset(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Where the marked records lie, in order. NULL without memory. */
static uint64_t *kept_at(const struct statcache *c, size_t *count)
{
	uint64_t *at;
	size_t n = 0;

	for (uint64_t i = 0; i < c->head.records; i++)
		n += is_kept(c, i);
	at = malloc((n + 1) * sizeof(*at));
	if (at == NULL)
		return NULL;
	n = 0;
	for (uint64_t i = 0; i < c->head.records; i++)
		if (is_kept(c, i))
			at[n++] = stat_line_off(all_of(c), &c->head, i);
	qsort(at, n, sizeof(*at), by_offset);
	*count = n;
	return at;
}

static void copy_parts(struct statcache_writer *w, const struct statcache *c,
		       uint64_t off)
{
	struct stat_record r;

	if (!stat_record_at(all_of(c), &c->head, off, &r))
		return;
	do {
		add_slot(w, stat_key(r.path, r.part));
		put_out(w, r.whole.p, r.whole.n);
	} while (r.more && statcache_find(c, r.path, r.part + 1, &r));
}

void statcache_writer_copy(struct statcache_writer *w,
			   const struct statcache *c)
{
	uint64_t *at;
	size_t n = 0;

	if (c == NULL)
		return;
	at = kept_at(c, &n);
	pthread_mutex_lock(&w->lock);
	if (at == NULL)
		err_set(&w->failed, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < n; i++)
		copy_parts(w, c, at[i]);
	pthread_mutex_unlock(&w->lock);
	free(at);
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
	const struct stat_head h = { .repo = *repo,
				     .bond = *bond,
				     .records = w->n,
				     .table = w->at + w->out_n };
	uint8_t head[STAT_HEAD_BYTES];
	enum bc_err rc;

	if (w->n > 1)
		qsort(w->slots, w->n, sizeof(*w->slots), by_key);
	for (size_t i = 0; i < w->n; i++) {
		uint8_t raw[STAT_SLOT_BYTES];

		stat_slot_encode(w->slots[i].key, w->slots[i].off, raw);
		put_out(w, raw, sizeof(raw));
	}
	flush_out(w);
	stat_head_encode(&h, head);
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
