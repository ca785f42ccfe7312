/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the catalog's tests share: a made-up history, of which generation g is
 * the same wherever it is applied, and a digest of all that a catalog answers.
 * So "consistent" is one comparison: a catalog that stands at g must answer as
 * a fresh one to which 1 to g were applied.
 */
#ifndef BC_TESTS_TEST_CATALOG_H
#define BC_TESTS_TEST_CATALOG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "t.h"
#include "util/crc32c.h"

enum {
	PATH_BYTES = 256,
	BUSY_MS = 20000,
	LIVES = 40, /* generations after which a snapshot is removed */
};

/* ---- scratch folder ---- */

static inline void t_folder(char dir[PATH_BYTES])
{
	const char *base = getenv("TMPDIR");

	/* Nothing here depends on the disk, and much of it syncs. */
	if (base == NULL || base[0] != '/')
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(dir, PATH_BYTES, "%s/catalog-XXXXXX", base);
	CHECK(mkdtemp(dir) != NULL);
}

static inline void t_join(char *out, const char *dir, const char *name)
{
	CHECK(snprintf(out, PATH_BYTES, "%s/%s", dir, name) < PATH_BYTES);
}

/* Remove the folder and the files that these tests make in one. */
static inline void t_unfolder(const char *dir)
{
	static const char *const names[] = { "c.db",	     "old.db",
					     "old-wal",	     "other.db",
					     "other.db-wal", "other.db-shm",
					     "filler" };
	char path[PATH_BYTES];
	struct err e = ERR_INIT;

	t_join(path, dir, "c.db");
	CHECK_OK(catalog_remove(path, &e), &e);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		t_join(path, dir, names[i]);
		unlink(path);
	}
	CHECK_EQ(rmdir(dir), 0);
}

static inline off_t t_size(const char *path, const char *suffix)
{
	char name[PATH_BYTES + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? st.st_size : -1;
}

/* ---- catalogs ---- */

static inline struct catalog_options t_options(const char *path)
{
	struct catalog_options o = { .path = path,
				     .create = true,
				     .busy_ms = BUSY_MS };

	memset(o.repository, 0x5a, sizeof(o.repository));
	return o;
}

static inline struct catalog *t_open(const char *path)
{
	struct catalog_options o = t_options(path);
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	CHECK_OK(catalog_open(&o, &c, &e), &e);
	return c;
}

static inline struct digest t_digest(uint64_t kind, uint64_t n)
{
	uint64_t seed = kind << 48 | n;
	struct digest d;

	t_fill(&seed, d.b, sizeof(d.b));
	return d;
}

/* ---- the made-up history ---- */

/* Generation g makes snapshot g. Names repeat every 7, hosts are the same,
 * times rise, but every fifth has the time of the one before. */
static inline void t_snapshot(uint64_t g, struct catalog_snapshot *s,
			      char name[32])
{
	snprintf(name, 32, "name-%u", (unsigned int)(g % 7));
	*s = (struct catalog_snapshot){
		.id = t_digest(1, g),
		.root = t_digest(2, g / 2),
		.generation = g,
		.time = (int64_t)(g % 5 == 0 ? g - 1 : g) * 1000,
		.name = bytes_str(name),
		.host = bytes_str("host"),
		.files = g,
		.dirs = g + 1,
		.others = g + 2,
		.bytes = g << 20,
		.new_chunks = g + 4,
		.new_bytes = g + 5,
		.new_stored = g + 6,
		.pack = (uint32_t)(1 + g / 1000 * 1000),
		.slot = (uint16_t)(g % 1000),
		.record = bytes_of("record", 6),
	};
}

static inline enum bc_err t_apply_packs(struct catalog *c, uint64_t g,
					struct err *e)
{
	struct catalog_pack p = {
		.number = (uint32_t)g + 1000000,
		.kind = g % 2 == 0 ? CATALOG_DATA : CATALOG_METADATA,
		.length = g * 4096,
		.chunks = (uint32_t)g,
		.blocks = 8,
		.plain = g * 10000,
		.directory = t_digest(4, g),
		.tier = 1,
		.generation = g,
	};
	uint32_t blocks[] = { 1, 5 };
	enum bc_err rc;

	memcpy(p.id, t_digest(3, g).b, sizeof(p.id));
	rc = catalog_add_pack(c, &p, e);
	if (rc == BC_OK && g % 4 == 0)
		rc = catalog_set_blocks(c, p.number, CATALOG_CONDEMNED, blocks,
					2, e);
	if (rc == BC_OK && g % 6 == 5)
		rc = catalog_set_pack(c, p.number - 1, CATALOG_CONDEMNED, g, e);
	if (rc == BC_OK && g % 6 == 0)
		rc = catalog_set_pack(c, p.number - 2, CATALOG_FREED, g, e);
	if (rc == BC_OK && g % 9 == 0)
		rc = catalog_move_pack(c, p.number, 2, bytes_str("bucket"),
				       bytes_str("key"), e);
	return rc;
}

/* Logs have the numbers 1, 1001, 2001 and so on; each holds 1000 groups. */
static inline enum bc_err t_apply_log(struct catalog *c, uint64_t g,
				      struct err *e)
{
	struct catalog_log l = {
		.number = (uint32_t)(1 + g / 1000 * 1000),
		.seq = 1 + g / 1000,
		.first_generation = g,
	};
	struct catalog_pack sealed = {
		.number = l.number - 1000,
		.length = 64 << 20,
		.chunks = 1000,
		.blocks = 1000,
		.plain = 1 << 20,
		.directory = t_digest(5, g),
	};
	enum bc_err rc = BC_OK;

	memcpy(l.id, t_digest(6, g).b, sizeof(l.id));
	if (g % 1000 == 0)
		rc = catalog_seal_log(c, &sealed, e);
	if (rc == BC_OK && (g == 1 || g % 1000 == 0))
		rc = catalog_add_log(c, &l, e);
	if (rc == BC_OK)
		rc = catalog_add_group(c, l.number, (uint16_t)(g % 1000),
				       g * 4096, e);
	return rc;
}

static inline struct catalog_position t_position(uint64_t g)
{
	struct catalog_position p = {
		.generation = g,
		.digest = t_digest(7, g),
		.log_seq = 1 + g / 1000,
		.log_end = (g + 1) * 4096,
		.next_pack = (uint32_t)g + 1000001,
		.next_slot = (uint32_t)(g % 1000 + 1),
	};

	memcpy(p.log_id, t_digest(6, g / 1000 * 1000).b, sizeof(p.log_id));
	return p;
}

/* Apply generation g inside a transaction. */
static inline enum bc_err t_apply(struct catalog *c, uint64_t g, struct err *e)
{
	struct catalog_position to = t_position(g);
	struct tag tags[] = {
		{ bytes_str("branch"), bytes_str(g % 3 == 0 ? "main" : "dev") },
		{ bytes_str("kind"), bytes_str("t") },
	};
	struct bytes drop = bytes_str("kind");
	struct catalog_snapshot s;
	struct digest old;
	char name[32];
	enum bc_err rc;

	t_snapshot(g, &s, name);
	rc = catalog_add_snapshot(c, &s, tags, g % 2 + 1, e);
	if (rc == BC_OK && g > LIVES && g % 8 != 0) {
		old = t_digest(1, g - LIVES);
		rc = catalog_remove_snapshot(c, &old, e);
	} else if (rc == BC_OK && g > LIVES) {
		old = t_digest(1, g - LIVES);
		tags[0].value = bytes_str("kept");
		rc = catalog_tag_snapshot(c, &old, tags, 1, &drop, 1, e);
	}
	if (rc == BC_OK)
		rc = t_apply_packs(c, g, e);
	if (rc == BC_OK)
		rc = t_apply_log(c, g, e);
	if (rc == BC_OK)
		rc = catalog_move(c, &to, e);
	return rc;
}

/* One transaction that takes the catalog one generation further. */
static inline enum bc_err t_advance(struct catalog *c, uint64_t *g,
				    struct err *e)
{
	struct catalog_position at;
	enum bc_err rc = catalog_begin(c, &at, e);

	if (rc != BC_OK)
		return rc;
	rc = t_apply(c, at.generation + 1, e);
	if (rc == BC_OK)
		rc = catalog_commit(c, e);
	else
		catalog_rollback(c);
	if (rc == BC_OK)
		*g = at.generation + 1;
	return rc;
}

static inline void t_advance_to(struct catalog *c, uint64_t to)
{
	struct err e = ERR_INIT;
	uint64_t g = 0;

	while (g < to)
		CHECK_OK(t_advance(c, &g, &e), &e);
}

/* ---- all that it answers ---- */

struct t_dump {
	struct catalog *c;
	uint32_t crc;
	uint64_t snapshots;
};

static inline void t_add(struct t_dump *d, const void *p, size_t n)
{
	if (n > 0)
		d->crc = crc32c(d->crc, p, n);
}

static inline void t_add_u64(struct t_dump *d, uint64_t v)
{
	t_add(d, &v, sizeof(v));
}

static inline void t_add_bytes(struct t_dump *d, struct bytes b)
{
	t_add_u64(d, b.n);
	t_add(d, b.p, b.n);
}

static inline enum bc_err t_dump_tag(void *ctx, const struct tag *t,
				     struct err *e)
{
	(void)e;
	t_add_bytes(ctx, t->key);
	t_add_bytes(ctx, t->value);
	return BC_OK;
}

static inline enum bc_err
t_dump_row(void *ctx, const struct catalog_snapshot *s, struct err *e)
{
	struct t_dump *d = ctx;
	const uint64_t numbers[] = {
		s->generation, (uint64_t)s->time, s->files,	 s->dirs,
		s->others,     s->bytes,	  s->new_chunks, s->new_bytes,
		s->new_stored, s->pack,		  s->slot
	};

	t_add(d, s->id.b, DIGEST_BYTES);
	t_add(d, s->root.b, DIGEST_BYTES);
	t_add(d, numbers, sizeof(numbers));
	t_add_bytes(d, s->name);
	t_add_bytes(d, s->host);
	t_add_bytes(d, s->record);
	d->snapshots++;
	return catalog_walk_tags(d->c, &s->id, t_dump_tag, d, e);
}

static inline enum bc_err t_dump_block(void *ctx, uint32_t pack, uint32_t block,
				       enum catalog_state state, struct err *e)
{
	(void)e;
	t_add_u64(ctx, pack);
	t_add_u64(ctx, block);
	t_add_u64(ctx, state);
	return BC_OK;
}

static inline enum bc_err t_dump_pack(void *ctx, const struct catalog_pack *p,
				      struct err *e)
{
	struct t_dump *d = ctx;
	const uint64_t numbers[] = { p->number,	   p->kind,   p->class,
				     p->length,	   p->chunks, p->blocks,
				     p->plain,	   p->tier,   p->state,
				     p->generation };

	t_add(d, p->id, CATALOG_ID_BYTES);
	t_add(d, numbers, sizeof(numbers));
	t_add(d, p->directory.b, DIGEST_BYTES);
	t_add_bytes(d, p->remote);
	t_add_bytes(d, p->object);
	return catalog_walk_blocks(d->c, p->number, t_dump_block, d, e);
}

static inline enum bc_err t_dump_log(void *ctx, const struct catalog_log *l,
				     struct err *e)
{
	struct t_dump *d = ctx;
	uint64_t offset = 0;
	uint16_t first = 0;
	enum bc_err rc;

	t_add_u64(d, l->number);
	t_add(d, l->id, CATALOG_ID_BYTES);
	t_add_u64(d, l->seq);
	t_add_u64(d, l->length);
	t_add_u64(d, l->first_generation);
	t_add_u64(d, l->sealed);
	for (unsigned int slot = 0; slot < 1024; slot += 31) {
		rc = catalog_find_group(d->c, l->number, (uint16_t)slot, &first,
					&offset, e);
		if (rc != BC_OK && rc != BC_ENOTFOUND)
			return rc;
		t_add_u64(d, rc == BC_OK ? offset + first : 0);
	}
	return BC_OK;
}

/* Ask for everything, in several orders; *crc stands for the answers, *g for
 * the position. Any failure is returned. */
static inline enum bc_err t_dump(struct catalog *c, uint64_t *g, uint32_t *crc,
				 struct err *e)
{
	static const struct tag tag = { { (const uint8_t *)"branch", 6 },
					{ (const uint8_t *)"main", 4 } };
	struct bytes name = bytes_str("name-3");
	struct catalog_select oldest = { .oldest_first = true };
	struct catalog_select named = { .name = &name };
	struct catalog_select tagged = { .tags = &tag, .tag_count = 1 };
	struct t_dump d = { .c = c };
	struct catalog_position at;
	uint64_t count = 0;
	enum bc_err rc = catalog_read_begin(c, &at, e);

	if (rc != BC_OK)
		return rc;
	rc = catalog_walk(c, &oldest, t_dump_row, &d, e);
	if (rc == BC_OK)
		rc = catalog_count(c, &count, e);
	if (rc == BC_OK && count != d.snapshots)
		rc = err_set(e, BC_EDAMAGE, "count and rows differ");
	if (rc == BC_OK)
		rc = catalog_walk(c, &named, t_dump_row, &d, e);
	if (rc == BC_OK)
		rc = catalog_walk(c, &tagged, t_dump_row, &d, e);
	if (rc == BC_OK)
		rc = catalog_walk_prefix(c, "7", 100, t_dump_row, &d, e);
	if (rc == BC_OK)
		rc = catalog_walk_packs(c, CATALOG_ANY, CATALOG_ANY,
					t_dump_pack, &d, e);
	if (rc == BC_OK)
		rc = catalog_walk_logs(c, t_dump_log, &d, e);
	catalog_read_end(c);
	if (rc != BC_OK)
		return rc;
	t_add(&d, at.digest.b, DIGEST_BYTES);
	t_add(&d, at.log_id, CATALOG_ID_BYTES);
	t_add_u64(&d, at.log_seq);
	t_add_u64(&d, at.log_end);
	t_add_u64(&d, at.next_pack);
	t_add_u64(&d, at.next_slot);
	*g = at.generation;
	*crc = d.crc;
	return BC_OK;
}

/* The right answers of generations 0 to `to`: out holds to + 1. */
static inline void t_reference(uint64_t to, uint32_t *out)
{
	struct catalog *c = t_open(NULL);
	struct err e = ERR_INIT;
	uint64_t g = 0;

	CHECK_OK(t_dump(c, &g, &out[0], &e), &e);
	for (uint64_t i = 1; i <= to; i++) {
		CHECK_OK(t_advance(c, &g, &e), &e);
		CHECK_OK(t_dump(c, &g, &out[i], &e), &e);
		CHECK_EQ(g, i);
	}
	catalog_close(c);
}

#endif
