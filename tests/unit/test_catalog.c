/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation and every question, against what they are said to do. */
#include "test_catalog.h"

#include <pthread.h>
#include <sqlite3.h>

#include "catalog/statements.h"
#include "util/hex.h"

/* ---- helpers ---- */

static struct catalog_position begin(struct catalog *c)
{
	struct catalog_position at;
	struct err e = ERR_INIT;

	CHECK_OK(catalog_begin(c, &at, &e), &e);
	return at;
}

/* Move one generation on and commit. */
static void commit(struct catalog *c)
{
	struct catalog_position at;
	struct err e = ERR_INIT;

	CHECK_OK(catalog_position(c, &at, &e), &e);
	at.generation++;
	CHECK_OK(catalog_move(c, &at, &e), &e);
	CHECK_OK(catalog_commit(c, &e), &e);
}

/* The call must fail so, and say something in `e`. Its transaction is rolled
 * back and a new one begun. */
#define CHECK_FAILS(c, call, code)                                             \
	do {                                                                   \
		err_clear(&e);                                                 \
		CHECK_EQ((call), (code));                                      \
		CHECK(e.text[0] != '\0');                                      \
		CHECK_EQ(catalog_commit(c, &e), BC_EINVAL);                    \
		begin(c);                                                      \
	} while (0)

struct seen {
	uint64_t g[64];
	size_t n;
};

static enum bc_err note(void *ctx, const struct catalog_snapshot *s,
			struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	CHECK(seen->n < 64);
	seen->g[seen->n++] = s->generation;
	return BC_OK;
}

static enum bc_err refuse(void *ctx, const struct catalog_snapshot *s,
			  struct err *e)
{
	(void)s;
	++*(int *)ctx;
	return err_set(e, BC_ECANCEL, "enough");
}

static enum bc_err never(void *ctx, const struct catalog_snapshot *s,
			 struct err *e)
{
	(void)ctx;
	(void)s;
	(void)e;
	T_FAIL("called");
}

static void add(struct catalog *c, uint64_t g, int64_t time, const char *name,
		const struct tag *tags, size_t count)
{
	struct catalog_snapshot s;
	struct err e = ERR_INIT;
	char unused[32];

	t_snapshot(g, &s, unused);
	s.time = time;
	s.name = bytes_str(name);
	CHECK_OK(catalog_add_snapshot(c, &s, tags, count, &e), &e);
}

static void expect(struct catalog *c, const struct catalog_select *q,
		   const uint64_t *want, size_t n)
{
	struct catalog_snapshot s;
	struct seen seen = { .n = 0 };
	struct err e = ERR_INIT;

	CHECK_OK(catalog_walk(c, q, note, &seen, &e), &e);
	CHECK_EQ(seen.n, n);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(seen.g[i], want[i]);
	if (n == 0) {
		CHECK_EQ(catalog_find(c, q, &s, &e), BC_ENOTFOUND);
	} else {
		CHECK_OK(catalog_find(c, q, &s, &e), &e);
		CHECK_EQ(s.generation, want[0]);
	}
}

#define EXPECT(c, q, ...)                                                      \
	do {                                                                   \
		const uint64_t want[] = { __VA_ARGS__ };                       \
		expect(c, q, want, sizeof(want) / sizeof(*want));              \
	} while (0)

/* ---- tests ---- */

static void *thread_run(void *path)
{
	struct catalog *c = t_open(path);
	struct err e = ERR_INIT;
	uint32_t crc = 0;
	uint64_t g = 0;

	for (int i = 0; i < 20; i++) {
		CHECK_OK(t_advance(c, &g, &e), &e);
		CHECK_OK(t_dump(c, &g, &crc, &e), &e);
	}
	catalog_close(c);
	c = t_open(NULL);
	t_advance_to(c, 20);
	catalog_close(c);
	return NULL;
}

/* A handle for each thread, on one file. Runs first: the library is loaded by
 * all of them at once. */
static void test_threads(void)
{
	char dir[PATH_BYTES], path[PATH_BYTES];
	pthread_t thread[4];
	struct catalog_position at;
	struct catalog *c;
	struct err e = ERR_INIT;

	t_folder(dir);
	t_join(path, dir, "c.db");
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, thread_run, path), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	c = t_open(path);
	CHECK_OK(catalog_position(c, &at, &e), &e);
	CHECK_EQ(at.generation, 80);
	CHECK_OK(catalog_verify(c, &e), &e);
	catalog_close(c);
	t_unfolder(dir);
}

static void test_open_and_position(void)
{
	char dir[PATH_BYTES], path[PATH_BYTES];
	struct catalog_options o;
	struct catalog_position at, back;
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	t_folder(dir);
	t_join(path, dir, "c.db");
	o = t_options(path);
	o.create = false;
	CHECK_EQ(catalog_open(&o, &c, &e), BC_ENOTFOUND);
	CHECK(c == NULL);
	c = t_open(path);
	CHECK_OK(catalog_position(c, &at, &e), &e);
	CHECK_EQ(at.generation, 0);
	CHECK_EQ(at.next_pack, 1);

	/* A position alone may move, even to itself, but not back. */
	begin(c);
	at = t_position(12);
	CHECK_OK(catalog_move(c, &at, &e), &e);
	CHECK_OK(catalog_commit(c, &e), &e);
	catalog_close(c);
	CHECK_OK(catalog_open(&o, &c, &e), &e);
	CHECK_OK(catalog_position(c, &back, &e), &e);
	CHECK_EQ(back.generation, 12);
	CHECK_EQ(back.log_seq, at.log_seq);
	CHECK_EQ(back.log_end, at.log_end);
	CHECK_EQ(back.next_pack, at.next_pack);
	CHECK_EQ(back.next_slot, at.next_slot);
	CHECK(digest_eq(&back.digest, &at.digest));
	CHECK(memcmp(back.log_id, at.log_id, sizeof(at.log_id)) == 0);
	at = begin(c);
	CHECK_OK(catalog_move(c, &at, &e), &e);
	CHECK_OK(catalog_commit(c, &e), &e);
	begin(c);
	at.generation = 11;
	CHECK_FAILS(c, catalog_move(c, &at, &e), BC_EINVAL);
	at.generation = UINT64_MAX;
	CHECK_FAILS(c, catalog_move(c, &at, &e), BC_EINVAL);
	catalog_close(c); /* with an open transaction */

	/* Another repository's. */
	o.repository[3] ^= 1;
	c = NULL;
	CHECK_EQ(catalog_open(&o, &c, &e), BC_EDAMAGE);
	CHECK(c == NULL && strstr(e.text, "another repository") != NULL);
	catalog_close(NULL);
	CHECK_OK(catalog_remove(path, &e), &e);
	CHECK_OK(catalog_remove(path, &e), &e);
	CHECK_EQ(t_size(path, ""), -1);
	CHECK_EQ(t_size(path, "-wal"), -1);
	CHECK_EQ(t_size(path, "-shm"), -1);
	t_unfolder(dir);
}

static void test_long_and_odd_paths(void)
{
	char dir[PATH_BYTES], home[PATH_BYTES], path[1024];
	struct catalog_options o;
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[600] = '\0';
	o = t_options(path);
	CHECK_EQ(catalog_open(&o, &c, &e), BC_ELIMIT);

	/* Names that SQLite gives a meaning are file names here. */
	t_folder(dir);
	CHECK(getcwd(home, sizeof(home)) != NULL);
	CHECK_EQ(chdir(dir), 0);
	c = t_open("file:c.db?mode=memory");
	catalog_close(c);
	CHECK(t_size("file:c.db?mode=memory", "") >= 0);
	CHECK_OK(catalog_remove("file:c.db?mode=memory", &e), &e);
	c = t_open(":memory:");
	catalog_close(c);
	CHECK(t_size(":memory:", "") >= 0);
	CHECK_OK(catalog_remove(":memory:", &e), &e);
	CHECK_EQ(chdir(home), 0);
	t_unfolder(dir);
}

static void test_transactions(void)
{
	struct catalog *c = t_open(NULL);
	struct catalog_position at;
	struct catalog_snapshot s;
	struct digest id = t_digest(1, 1);
	struct err e = ERR_INIT;
	uint64_t n = 9;

	CHECK_EQ(catalog_commit(c, &e), BC_EINVAL);
	CHECK_EQ(catalog_remove_snapshot(c, &id, &e), BC_EINVAL);
	CHECK_EQ(catalog_move(c, &at, &e), BC_EINVAL);
	catalog_rollback(c);
	begin(c);
	CHECK_EQ(catalog_begin(c, &at, &e), BC_EINVAL);
	CHECK_EQ(catalog_read_begin(c, &at, &e), BC_EINVAL);
	CHECK_EQ(catalog_verify(c, &e), BC_EINVAL);

	/* Changed, but where does it stand now? */
	add(c, 1, 1, "n", NULL, 0);
	CHECK_OK(catalog_count(c, &n, &e), &e);
	CHECK_EQ(n, 1);
	CHECK_EQ(catalog_commit(c, &e), BC_EINVAL);
	CHECK_OK(catalog_count(c, &n, &e), &e);
	CHECK_EQ(n, 0);
	CHECK_EQ(catalog_get_snapshot(c, &id, &s, &e), BC_ENOTFOUND);

	begin(c);
	add(c, 1, 1, "n", NULL, 0);
	catalog_rollback(c);
	CHECK_EQ(catalog_get_snapshot(c, &id, &s, &e), BC_ENOTFOUND);
	begin(c);
	add(c, 1, 1, "n", NULL, 0);
	commit(c);
	CHECK_OK(catalog_get_snapshot(c, &id, &s, &e), &e);
	CHECK_OK(catalog_verify(c, &e), &e);

	/* After a failure nothing more is taken. */
	begin(c);
	CHECK_EQ(catalog_set_pack(c, 77, CATALOG_FREED, 1, &e), BC_EDAMAGE);
	CHECK_EQ(catalog_remove_snapshot(c, &id, &e), BC_EINVAL);
	CHECK_EQ(catalog_commit(c, &e), BC_EINVAL);
	CHECK_OK(catalog_get_snapshot(c, &id, &s, &e), &e);
	catalog_close(c);
}

static void test_snapshot_row(void)
{
	static const char odd[] = "a\0b\n\xff\xfe/";
	struct catalog *c = t_open(NULL);
	struct catalog_snapshot s, got;
	struct tag tag = { bytes_of(odd, 3), bytes_of(NULL, 0) };
	struct catalog_select q = { .name = &s.name };
	struct err e = ERR_INIT;
	bool live = false;
	char name[32];
	uint8_t *record = malloc(300000);
	uint64_t seed = 5;

	CHECK(record != NULL);
	t_fill(&seed, record, 300000);
	t_snapshot(42, &s, name);
	s.name = bytes_of(odd, sizeof(odd));
	s.host = bytes_of(NULL, 0);
	s.record = bytes_of(record, 300000);
	s.time = INT64_MIN;
	s.files = INT64_MAX;
	s.pack = UINT32_MAX;
	s.slot = UINT16_MAX;
	begin(c);
	CHECK_OK(catalog_add_snapshot(c, &s, &tag, 1, &e), &e);
	commit(c);
	CHECK_OK(catalog_find(c, &q, &got, &e), &e);
	CHECK(digest_eq(&got.id, &s.id) && digest_eq(&got.root, &s.root));
	CHECK(bytes_eq(got.name, s.name) && bytes_eq(got.host, s.host));
	CHECK(bytes_eq(got.record, s.record));
	CHECK_EQ(got.time, s.time);
	CHECK_EQ(got.generation, 42);
	CHECK_EQ(got.files, INT64_MAX);
	CHECK_EQ(got.dirs, 43);
	CHECK_EQ(got.others, 44);
	CHECK_EQ(got.bytes, 42 << 20);
	CHECK_EQ(got.new_chunks, 46);
	CHECK_EQ(got.new_bytes, 47);
	CHECK_EQ(got.new_stored, 48);
	CHECK_EQ(got.pack, UINT32_MAX);
	CHECK_EQ(got.slot, UINT16_MAX);
	CHECK_OK(catalog_root_live(c, &s.root, &live, &e), &e);
	CHECK(live);
	CHECK_OK(catalog_root_live(c, &s.id, &live, &e), &e);
	CHECK(!live);
	q = (struct catalog_select){ .tags = &tag, .tag_count = 1 };
	CHECK_OK(catalog_find(c, &q, &got, &e), &e);
	begin(c);
	s.id.b[0] ^= 1;
	s.slot = 1;
	s.files = (uint64_t)INT64_MAX + 1;
	CHECK_FAILS(c, catalog_add_snapshot(c, &s, NULL, 0, &e), BC_EINVAL);
	catalog_close(c);
	free(record);
}

static void test_names_and_times(void)
{
	struct catalog *c = t_open(NULL);
	struct bytes a = bytes_str("a"), z = bytes_str("z");
	int64_t from, until;
	struct catalog_select q = { 0 };

	/* 3 and 4 are of one time: the later commit counts as newer. */
	begin(c);
	add(c, 1, 10, "a", NULL, 0);
	add(c, 3, 30, "a", NULL, 0);
	add(c, 4, 30, "a", NULL, 0);
	add(c, 2, 20, "b", NULL, 0);
	add(c, 5, -5, "b", NULL, 0);
	commit(c);
	EXPECT(c, &q, 4, 3, 2, 1, 5);
	q.oldest_first = true;
	EXPECT(c, &q, 5, 1, 2, 3, 4);
	q.limit = 2;
	q.skip = 1;
	EXPECT(c, &q, 1, 2);
	q = (struct catalog_select){ .name = &a };
	EXPECT(c, &q, 4, 3, 1); /* NAME */
	q.skip = 2;
	EXPECT(c, &q, 1); /* NAME~2 */
	q.skip = 3;
	expect(c, &q, NULL, 0);
	q.skip = 0;
	until = 30;
	q.until = &until;
	EXPECT(c, &q, 4, 3, 1); /* NAME@DATE */
	until = 29;
	EXPECT(c, &q, 1);
	until = 9;
	expect(c, &q, NULL, 0);
	q = (struct catalog_select){ .name = &z };
	expect(c, &q, NULL, 0);
	from = 10;
	until = 20;
	q = (struct catalog_select){ .from = &from, .until = &until };
	EXPECT(c, &q, 2, 1);
	q.oldest_first = true;
	EXPECT(c, &q, 1, 2);
	catalog_close(c);
}

static void test_tags(void)
{
	struct tag main_tag = { bytes_str("branch"), bytes_str("main") };
	struct tag dev_tag = { bytes_str("branch"), bytes_str("dev") };
	struct tag both[] = { main_tag, { bytes_str("os"), bytes_str("x") } };
	struct bytes drop[] = { bytes_str("os"), bytes_str("none") };
	struct catalog *c = t_open(NULL);
	struct catalog_select q = { .tags = &main_tag, .tag_count = 1 };
	struct digest id = t_digest(1, 3), absent = t_digest(1, 99);
	struct bytes a = bytes_str("a");
	struct err e = ERR_INIT;
	struct t_dump d = { .c = c };

	begin(c);
	add(c, 1, 1, "a", both, 2);
	add(c, 2, 2, "a", &dev_tag, 1);
	add(c, 3, 3, "a", both, 2);
	add(c, 4, 4, "b", both, 1);
	commit(c);
	EXPECT(c, &q, 4, 3, 1);
	q.oldest_first = true;
	EXPECT(c, &q, 1, 3, 4);
	q.skip = 1;
	q.limit = 1;
	EXPECT(c, &q, 3);
	q = (struct catalog_select){ .tags = both, .tag_count = 2 };
	EXPECT(c, &q, 3, 1);
	q.skip = 1;
	EXPECT(c, &q, 1);
	q = (struct catalog_select){ .name = &a, .tags = both, .tag_count = 1 };
	EXPECT(c, &q, 3, 1);
	q.limit = 1;
	EXPECT(c, &q, 3);

	/* Set replaces; of the keys to drop any may be missing. */
	begin(c);
	CHECK_OK(catalog_tag_snapshot(c, &id, &dev_tag, 1, drop, 2, &e), &e);
	commit(c);
	q = (struct catalog_select){ .tags = &dev_tag, .tag_count = 1 };
	EXPECT(c, &q, 3, 2);
	q.tags = both;
	EXPECT(c, &q, 4, 1);
	q.tags = both + 1;
	EXPECT(c, &q, 1);
	CHECK_OK(catalog_walk_tags(c, &id, t_dump_tag, &d, &e), &e);
	{
		struct t_dump want = { .c = c };

		t_add_bytes(&want, dev_tag.key);
		t_add_bytes(&want, dev_tag.value);
		CHECK_EQ(d.crc, want.crc);
	}
	d.crc = 0;
	CHECK_OK(catalog_walk_tags(c, &absent, t_dump_tag, &d, &e), &e);
	CHECK_EQ(d.crc, 0);

	/* Tags go with their snapshot, and do not come back with it. */
	begin(c);
	CHECK_OK(catalog_remove_snapshot(c, &id, &e), &e);
	add(c, 3, 3, "a", NULL, 0);
	commit(c);
	q.tags = &dev_tag;
	EXPECT(c, &q, 2);
	CHECK_OK(catalog_verify(c, &e), &e);
	begin(c);
	CHECK_FAILS(c,
		    catalog_tag_snapshot(c, &absent, &dev_tag, 1, NULL, 0, &e),
		    BC_EDAMAGE);
	catalog_close(c);
}

static void test_prefixes(void)
{
	struct catalog *c = t_open(NULL);
	struct digest ids[64];
	struct err e = ERR_INIT;
	struct seen seen;
	char hex[DIGEST_HEX_BYTES];
	size_t want;

	begin(c);
	for (uint64_t g = 0; g < 64; g++) {
		ids[g] = t_digest(1, g);
		add(c, g, (int64_t)g, "n", NULL, 0);
	}
	commit(c);
	for (size_t i = 0; i < 64; i++) {
		for (size_t n = 1; n <= 64; n += n < 4 ? 1 : 20) {
			char mine[DIGEST_HEX_BYTES];

			hex_encode(ids[i].b, DIGEST_BYTES, mine);
			mine[n] = '\0';
			want = 0;
			for (size_t k = 0; k < 64; k++) {
				hex_encode(ids[k].b, DIGEST_BYTES, hex);
				want += strncmp(hex, mine, n) == 0;
			}
			seen.n = 0;
			CHECK_OK(catalog_walk_prefix(c, mine, 64, note, &seen,
						     &e),
				 &e);
			CHECK_EQ(seen.n, want);
			seen.n = 0;
			CHECK_OK(catalog_walk_prefix(c, mine, 1, note, &seen,
						     &e),
				 &e);
			CHECK_EQ(seen.n, 1);
		}
	}
	CHECK_EQ(catalog_walk_prefix(c, "", 1, never, NULL, &e), BC_EINVAL);
	CHECK_EQ(catalog_walk_prefix(c, "12g4", 1, never, NULL, &e), BC_EINVAL);
	memset(hex, '0', sizeof(hex));
	CHECK_OK(catalog_walk_prefix(c, "00000000", 1, never, NULL, &e), &e);
	{
		char longer[66];

		memset(longer, '0', 65);
		longer[65] = '\0';
		CHECK_EQ(catalog_walk_prefix(c, longer, 1, never, NULL, &e),
			 BC_EINVAL);
	}
	catalog_close(c);
}

static enum bc_err ask_more(void *ctx, const struct catalog_snapshot *s,
			    struct err *e)
{
	static const struct catalog_select all = { 0 };
	struct catalog *c = ctx;
	struct catalog_snapshot other;
	uint64_t n = 0;

	/* Other questions may be asked; the row stays. */
	CHECK_OK(catalog_get_snapshot(c, &s->id, &other, e), e);
	CHECK(bytes_eq(s->name, other.name));
	CHECK_EQ(s->generation, other.generation);
	CHECK_OK(catalog_count(c, &n, e), e);
	/* The same walk may not. */
	CHECK_EQ(catalog_walk(c, &all, never, NULL, e), BC_EINVAL);
	return BC_OK;
}

static void test_callbacks(void)
{
	static const struct catalog_select all = { 0 };
	struct catalog *c = t_open(NULL);
	struct err e = ERR_INIT;
	int calls = 0;

	t_advance_to(c, 20);
	CHECK_EQ(catalog_walk(c, &all, refuse, &calls, &e), BC_ECANCEL);
	CHECK_EQ(calls, 1);
	CHECK_STR(e.text, "enough");
	CHECK_OK(catalog_walk(c, &all, ask_more, c, &e), &e);
	catalog_close(c);
}

static struct catalog_pack pack(uint32_t number, enum catalog_kind kind)
{
	struct catalog_pack p = {
		.number = number,
		.kind = kind,
		.class = 7,
		.length = 100 * number,
		.chunks = number,
		.blocks = 10,
		.plain = 1000 * number,
		.directory = t_digest(1, number),
		.tier = 1,
		.generation = 3,
	};

	memcpy(p.id, t_digest(2, number).b, sizeof(p.id));
	return p;
}

struct numbers {
	uint32_t n[16];
	size_t count;
};

static enum bc_err note_pack(void *ctx, const struct catalog_pack *p,
			     struct err *e)
{
	struct numbers *seen = ctx;

	(void)e;
	CHECK(seen->count < 16);
	seen->n[seen->count++] = p->number;
	return BC_OK;
}

static enum bc_err note_block(void *ctx, uint32_t number, uint32_t block,
			      enum catalog_state state, struct err *e)
{
	struct numbers *seen = ctx;

	(void)e;
	(void)number;
	CHECK(seen->count < 16);
	seen->n[seen->count++] = block * 10 + state;
	return BC_OK;
}

/* The walk gives these numbers; END after them. */
enum { END = UINT16_MAX };
#define EXPECT_NUMBERS(call, ...)                                              \
	do {                                                                   \
		const uint32_t want[] = { __VA_ARGS__ };                       \
		struct numbers seen = { .count = 0 };                          \
		CHECK_OK(call, &e);                                            \
		CHECK_EQ(seen.count, sizeof(want) / sizeof(*want) - 1);        \
		for (size_t t_i = 0; t_i < seen.count; t_i++)                  \
			CHECK_EQ(seen.n[t_i], want[t_i]);                      \
	} while (0)

static void test_packs(void)
{
	struct catalog *c = t_open(NULL);
	struct catalog_pack p, got;
	struct catalog_sums sums;
	struct err e = ERR_INIT;

	begin(c);
	for (uint32_t i = 1; i <= 4; i++) {
		p = pack(i, i == 2 ? CATALOG_METADATA : CATALOG_DATA);
		CHECK_OK(catalog_add_pack(c, &p, &e), &e);
	}
	CHECK_OK(catalog_set_pack(c, 3, CATALOG_CONDEMNED, 8, &e), &e);
	CHECK_OK(catalog_set_pack(c, 4, CATALOG_CONDEMNED, 8, &e), &e);
	CHECK_OK(catalog_set_pack(c, 4, CATALOG_FREED, 9, &e), &e);
	CHECK_OK(catalog_move_pack(c, 2, 3, bytes_str("r"), bytes_str("key"),
				   &e),
		 &e);
	commit(c);
	CHECK_EQ(catalog_get_pack(c, 5, &got, &e), BC_ENOTFOUND);
	p = pack(2, CATALOG_METADATA);
	CHECK_OK(catalog_get_pack_id(c, p.id, &got, &e), &e);
	CHECK_EQ(got.number, 2);
	CHECK_EQ(got.kind, CATALOG_METADATA);
	CHECK_EQ(got.class, 7);
	CHECK_EQ(got.length, 200);
	CHECK_EQ(got.chunks, 2);
	CHECK_EQ(got.blocks, 10);
	CHECK_EQ(got.plain, 2000);
	CHECK(digest_eq(&got.directory, &p.directory));
	CHECK_EQ(got.tier, 3);
	CHECK(bytes_eq(got.remote, bytes_str("r")));
	CHECK(bytes_eq(got.object, bytes_str("key")));
	CHECK_EQ(got.state, CATALOG_LIVE);
	CHECK_EQ(got.generation, 3);
	p.id[0] ^= 1;
	CHECK_EQ(catalog_get_pack_id(c, p.id, &got, &e), BC_ENOTFOUND);
	CHECK_OK(catalog_get_pack(c, 4, &got, &e), &e);
	CHECK_EQ(got.state, CATALOG_FREED);
	CHECK_EQ(got.generation, 9);

	EXPECT_NUMBERS(catalog_walk_packs(c, CATALOG_ANY, CATALOG_ANY,
					  note_pack, &seen, &e),
		       1, 2, 3, 4, END);
	EXPECT_NUMBERS(catalog_walk_packs(c, 1 << CATALOG_DATA, CATALOG_ANY,
					  note_pack, &seen, &e),
		       1, 3, 4, END);
	EXPECT_NUMBERS(
		catalog_walk_packs(c, CATALOG_ANY,
				   1 << CATALOG_CONDEMNED | 1 << CATALOG_FREED,
				   note_pack, &seen, &e),
		3, 4, END);
	EXPECT_NUMBERS(catalog_walk_packs(c, 1 << CATALOG_LOG, CATALOG_ANY,
					  note_pack, &seen, &e),
		       END);
	CHECK_OK(catalog_sum(c, &sums, &e), &e);
	CHECK_EQ(sums.of[CATALOG_DATA][CATALOG_LIVE].packs, 1);
	CHECK_EQ(sums.of[CATALOG_METADATA][CATALOG_LIVE].length, 200);
	CHECK_EQ(sums.of[CATALOG_DATA][CATALOG_CONDEMNED].plain, 3000);
	CHECK_EQ(sums.of[CATALOG_DATA][CATALOG_FREED].chunks, 4);
	CHECK_EQ(sums.of[CATALOG_DATA][CATALOG_FREED].blocks, 10);
	CHECK_EQ(sums.of[CATALOG_LOG][CATALOG_LIVE].packs, 0);

	/* States: back to life, twice is no harm, freed is for ever. */
	begin(c);
	CHECK_OK(catalog_set_pack(c, 3, CATALOG_CONDEMNED, 11, &e), &e);
	CHECK_OK(catalog_get_pack(c, 3, &got, &e), &e);
	CHECK_EQ(got.generation, 11);
	CHECK_OK(catalog_set_pack(c, 3, CATALOG_LIVE, 12, &e), &e);
	CHECK_OK(catalog_set_pack(c, 3, CATALOG_LIVE, 13, &e), &e);
	CHECK_OK(catalog_get_pack(c, 3, &got, &e), &e);
	CHECK_EQ(got.state, CATALOG_LIVE);
	CHECK_EQ(got.generation, 12);
	CHECK_FAILS(c, catalog_set_pack(c, 4, CATALOG_LIVE, 9, &e), BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_pack(c, 4, CATALOG_CONDEMNED, 9, &e),
		    BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_pack(c, 4, CATALOG_FREED, 9, &e),
		    BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_pack(c, 5, CATALOG_LIVE, 9, &e), BC_EDAMAGE);
	CHECK_FAILS(
		c,
		catalog_move_pack(c, 4, 2, bytes_str("r"), bytes_str("k"), &e),
		BC_EDAMAGE);
	/* Number and id are each used once; a kind must be a pack's. */
	p = pack(1, CATALOG_DATA);
	p.id[0] ^= 1;
	CHECK_FAILS(c, catalog_add_pack(c, &p, &e), BC_EDAMAGE);
	p = pack(1, CATALOG_DATA);
	p.number = 9;
	CHECK_FAILS(c, catalog_add_pack(c, &p, &e), BC_EDAMAGE);
	p = pack(9, CATALOG_LOG);
	CHECK_FAILS(c, catalog_add_pack(c, &p, &e), BC_EINVAL);
	p = pack(0, CATALOG_DATA);
	CHECK_FAILS(c, catalog_add_pack(c, &p, &e), BC_EINVAL);
	catalog_close(c);
}

static void test_blocks(void)
{
	const uint32_t some[] = { 2, 0, 9 }, two = 2, beyond = 10;
	struct catalog *c = t_open(NULL);
	struct catalog_pack p = pack(1, CATALOG_DATA);
	struct err e = ERR_INIT;

	begin(c);
	CHECK_OK(catalog_add_pack(c, &p, &e), &e);
	CHECK_OK(catalog_set_blocks(c, 1, CATALOG_CONDEMNED, some, 3, &e), &e);
	CHECK_OK(catalog_set_blocks(c, 1, CATALOG_CONDEMNED, some, 3, &e), &e);
	commit(c);
	EXPECT_NUMBERS(catalog_walk_blocks(c, 1, note_block, &seen, &e), 1, 21,
		       91, END);
	begin(c);
	CHECK_OK(catalog_set_blocks(c, 1, CATALOG_FREED, some + 1, 1, &e), &e);
	CHECK_OK(catalog_set_blocks(c, 1, CATALOG_LIVE, &two, 1, &e), &e);
	CHECK_OK(catalog_set_blocks(c, 1, CATALOG_LIVE, &two, 1, &e), &e);
	commit(c);
	EXPECT_NUMBERS(catalog_walk_blocks(c, 1, note_block, &seen, &e), 2, 91,
		       END);
	begin(c);
	CHECK_FAILS(c, catalog_set_blocks(c, 1, CATALOG_LIVE, some, 2, &e),
		    BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_blocks(c, 1, CATALOG_FREED, some, 2, &e),
		    BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_blocks(c, 1, CATALOG_FREED, &beyond, 1, &e),
		    BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_blocks(c, 2, CATALOG_FREED, some, 1, &e),
		    BC_EDAMAGE);
	/* All of it freed: the single blocks say nothing more. */
	CHECK_OK(catalog_set_pack(c, 1, CATALOG_FREED, 5, &e), &e);
	commit(c);
	EXPECT_NUMBERS(catalog_walk_blocks(c, 1, note_block, &seen, &e), END);
	begin(c);
	CHECK_FAILS(c, catalog_set_blocks(c, 1, CATALOG_FREED, some, 1, &e),
		    BC_EDAMAGE);
	catalog_close(c);
}

static enum bc_err note_log(void *ctx, const struct catalog_log *l,
			    struct err *e)
{
	struct numbers *seen = ctx;

	(void)e;
	CHECK(seen->count < 16);
	seen->n[seen->count++] = l->number;
	return BC_OK;
}

static void test_logs(void)
{
	const uint32_t ninety = 90, hundred = 100;
	struct catalog *c = t_open(NULL);
	struct catalog_log l = { .number = 5, .seq = 1, .first_generation = 1 };
	struct catalog_log got;
	struct catalog_pack p, as_pack;
	struct err e = ERR_INIT;
	uint64_t offset = 7;
	uint16_t first = 7;

	l.id[0] = 1;
	begin(c);
	CHECK_OK(catalog_add_log(c, &l, &e), &e);
	CHECK_OK(catalog_add_group(c, 5, 0, 4096, &e), &e);
	CHECK_OK(catalog_add_group(c, 5, 10, 8192, &e), &e);
	CHECK_OK(catalog_add_group(c, 5, 65535, UINT64_C(1) << 40, &e), &e);
	commit(c);
	CHECK_OK(catalog_find_group(c, 5, 9, &first, &offset, &e), &e);
	CHECK_EQ(first, 0);
	CHECK_EQ(offset, 4096);
	CHECK_OK(catalog_find_group(c, 5, 10, &first, &offset, &e), &e);
	CHECK_EQ(first, 10);
	CHECK_OK(catalog_find_group(c, 5, 65534, &first, &offset, &e), &e);
	CHECK_EQ(offset, 8192);
	CHECK_OK(catalog_find_group(c, 5, 65535, &first, &offset, &e), &e);
	CHECK_EQ(offset, INT64_C(1) << 40);
	CHECK_EQ(catalog_find_group(c, 4, 10, &first, &offset, &e),
		 BC_ENOTFOUND);
	CHECK_EQ(first, 65535);
	CHECK_OK(catalog_get_log(c, 5, &got, &e), &e);
	CHECK_EQ(got.seq, 1);
	CHECK_EQ(got.length, 0);
	CHECK_EQ(got.first_generation, 1);
	CHECK(!got.sealed && got.id[0] == 1);
	CHECK_EQ(catalog_get_log(c, 6, &got, &e), BC_ENOTFOUND);
	CHECK_OK(catalog_get_pack(c, 5, &as_pack, &e), &e);
	CHECK_EQ(as_pack.kind, CATALOG_LOG);

	begin(c);
	/* Same number, SEQ or id; a slot twice; a log that is not there. */
	CHECK_FAILS(c, catalog_add_log(c, &l, &e), BC_EDAMAGE);
	l.number = 6;
	l.id[0] = 2;
	CHECK_FAILS(c, catalog_add_log(c, &l, &e), BC_EDAMAGE);
	l.seq = 2;
	l.id[0] = 1;
	CHECK_FAILS(c, catalog_add_log(c, &l, &e), BC_EDAMAGE);
	CHECK_FAILS(c, catalog_add_group(c, 5, 10, 1, &e), BC_EDAMAGE);
	CHECK_FAILS(c, catalog_add_group(c, 6, 10, 1, &e), BC_EDAMAGE);
	/* A growing log's blocks are not counted yet. */
	CHECK_OK(catalog_set_blocks(c, 5, CATALOG_CONDEMNED, &ninety, 1, &e),
		 &e);
	p = pack(5, CATALOG_LOG);
	p.blocks = 95;
	CHECK_OK(catalog_seal_log(c, &p, &e), &e);
	l.id[0] = 2;
	CHECK_OK(catalog_add_log(c, &l, &e), &e);
	CHECK_OK(catalog_add_group(c, 6, 0, 4096, &e), &e);
	commit(c);
	CHECK_OK(catalog_get_log(c, 5, &got, &e), &e);
	CHECK_EQ(got.length, 500);
	CHECK(got.sealed);
	CHECK_OK(catalog_get_pack(c, 5, &as_pack, &e), &e);
	CHECK_EQ(as_pack.blocks, 95);
	CHECK_EQ(as_pack.chunks, 5);
	CHECK_EQ(as_pack.plain, 5000);
	CHECK(digest_eq(&as_pack.directory, &p.directory));
	CHECK_EQ(as_pack.id[0], 1);
	CHECK_EQ(catalog_find_group(c, 5, 10, &first, &offset, &e),
		 BC_ENOTFOUND);
	EXPECT_NUMBERS(catalog_walk_logs(c, note_log, &seen, &e), 5, 6, END);
	EXPECT_NUMBERS(catalog_walk_packs(c, 1 << CATALOG_LOG, CATALOG_ANY,
					  note_pack, &seen, &e),
		       5, 6, END);
	begin(c);
	CHECK_FAILS(c, catalog_seal_log(c, &p, &e), BC_EDAMAGE);
	CHECK_FAILS(c, catalog_add_group(c, 5, 20, 1, &e), BC_EDAMAGE);
	CHECK_FAILS(c, catalog_set_blocks(c, 5, CATALOG_FREED, &hundred, 1, &e),
		    BC_EDAMAGE);
	p.length = 0;
	CHECK_FAILS(c, catalog_seal_log(c, &p, &e), BC_EINVAL);
	commit(c);
	catalog_close(c);
}

static void test_snapshot_contradictions(void)
{
	struct catalog *c = t_open(NULL);
	struct digest id = t_digest(1, 2);
	struct catalog_snapshot s;
	struct err e = ERR_INIT;
	char name[32];

	begin(c);
	add(c, 1, 1, "n", NULL, 0);
	commit(c);
	begin(c);
	CHECK_FAILS(c, catalog_remove_snapshot(c, &id, &e), BC_EDAMAGE);
	t_snapshot(1, &s, name);
	s.slot++;
	CHECK_FAILS(c, catalog_add_snapshot(c, &s, NULL, 0, &e), BC_EDAMAGE);
	t_snapshot(1, &s, name);
	s.id.b[0] ^= 1;
	CHECK_FAILS(c, catalog_add_snapshot(c, &s, NULL, 0, &e), BC_EDAMAGE);
	catalog_close(c);
}

/* Random commits and rollbacks, reopening now and then, on disk and in memory:
 * the same answers at every generation. */
static void test_history(void)
{
	enum { TO = 1300 };
	static uint32_t want[TO + 1];
	char dir[PATH_BYTES], path[PATH_BYTES];
	uint64_t seed = 11, g = 0, at;
	struct err e = ERR_INIT;
	struct catalog *c;
	struct catalog_position p;
	uint32_t crc = 0;

	t_reference(TO, want);
	t_folder(dir);
	t_join(path, dir, "c.db");
	c = t_open(path);
	while (g < TO) {
		uint64_t pick = t_rng(&seed) % 16, n = 1 + t_rng(&seed) % 20;

		if (pick == 0) {
			catalog_close(c);
			c = t_open(path);
		}
		p = begin(c);
		CHECK_EQ(p.generation, g);
		n = n > TO - g ? TO - g : n;
		for (uint64_t i = 1; i <= n; i++)
			CHECK_OK(t_apply(c, g + i, &e), &e);
		if (pick < 4) {
			catalog_rollback(c);
		} else {
			CHECK_OK(catalog_commit(c, &e), &e);
			g += n;
		}
		CHECK_OK(t_dump(c, &at, &crc, &e), &e);
		CHECK_EQ(at, g);
		CHECK_EQ(crc, want[g]);
	}
	CHECK_OK(catalog_verify(c, &e), &e);
	catalog_close(c);
	t_unfolder(dir);
}

/* A reader sees one state as long as it likes; a second writer is told. */
static void test_two_handles(void)
{
	static uint32_t want[31];
	char dir[PATH_BYTES], path[PATH_BYTES];
	struct catalog_options o;
	struct catalog *a, *b = NULL;
	struct catalog_position p;
	struct err e = ERR_INIT;
	uint32_t crc = 0;
	uint64_t n = 0, g;

	t_reference(30, want);
	t_folder(dir);
	t_join(path, dir, "c.db");
	o = t_options(path);
	o.busy_ms = 0;
	a = t_open(path);
	CHECK_OK(catalog_open(&o, &b, &e), &e);
	t_advance_to(a, 10);
	CHECK_OK(catalog_read_begin(b, &p, &e), &e);
	CHECK_EQ(p.generation, 10);
	t_advance_to(a, 30);
	CHECK_OK(catalog_position(b, &p, &e), &e);
	CHECK_EQ(p.generation, 10);
	CHECK_OK(catalog_count(b, &n, &e), &e);
	CHECK_EQ(n, 10);
	catalog_read_end(b);
	CHECK_OK(catalog_count(b, &n, &e), &e);
	CHECK_EQ(n, 30);
	begin(a);
	CHECK_EQ(catalog_begin(b, &p, &e), BC_ELOCKED);
	CHECK_OK(t_dump(b, &g, &crc, &e), &e);
	CHECK_EQ(g, 30);
	CHECK_EQ(crc, want[30]);
	catalog_rollback(a);
	CHECK_OK(catalog_begin(b, &p, &e), &e);
	CHECK_EQ(p.generation, 30);
	catalog_rollback(b);
	catalog_close(b);
	catalog_close(a);
	t_unfolder(dir);
}

/* ---- how SQLite carries the questions out ---- */

/* True if SQLite would walk a whole table or sort. */
static bool walks_all(sqlite3 *db, const char *sql, char *plan, size_t size)
{
	char explain[2048];
	sqlite3_stmt *st = NULL;
	bool bad = false;
	size_t used = 0;

	snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
	CHECK_EQ(sqlite3_prepare_v2(db, explain, -1, &st, NULL), SQLITE_OK);
	plan[0] = '\0';
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(st, 3);

		used += (size_t)snprintf(plan + used, size - used, "%s; ",
					 step);
		bad |= strncmp(step, "SCAN", 4) == 0 ||
		       strstr(step, "TEMP B-TREE") != NULL;
	}
	sqlite3_finalize(st);
	return bad;
}

static void test_plans(void)
{
	/* These read a table from end to end, and say so in the header. */
	static const enum catalog_statement whole[] = {
		CATALOG_Q_LIVE_IDS, CATALOG_Q_STRAY_TAG, CATALOG_Q_PACKS,
		CATALOG_Q_SUM,	    CATALOG_Q_LOGS,	 CATALOG_Q_EMPTY,
	};
	sqlite3 *db = NULL;
	char plan[1024];
	bool meant;

	CHECK_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, catalog_statement_schema(), NULL, NULL, NULL),
		 SQLITE_OK);
	for (int i = 0; i < CATALOG_STATEMENTS; i++) {
		const char *sql =
			catalog_statement_sql((enum catalog_statement)i);

		meant = false;
		for (size_t k = 0; k < sizeof(whole) / sizeof(*whole); k++)
			meant |= (int)whole[k] == i;
		if (!meant && walks_all(db, sql, plan, sizeof(plan)))
			T_FAIL("%s: %s", sql, plan);
	}
	/* The check itself can tell. */
	CHECK(walks_all(db, catalog_statement_sql(CATALOG_Q_LIVE_IDS), plan,
			sizeof(plan)));
	CHECK(walks_all(db, "SELECT id FROM snapshot WHERE host = 1", plan,
			sizeof(plan)));
	sqlite3_close(db);
}

/* Another program reads and folds the catalog: the tables are those of the
 * format, and what it writes back is still good. */
static void test_other_program(void)
{
	static uint32_t want[101];
	char dir[PATH_BYTES], path[PATH_BYTES];
	struct err e = ERR_INIT;
	struct catalog *c;
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	uint32_t crc = 0;
	uint64_t g = 0;

	t_reference(100, want);
	t_folder(dir);
	t_join(path, dir, "c.db");
	c = t_open(path);
	t_advance_to(c, 60);
	catalog_close(c);
	CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_prepare_v2(
			 db,
			 "SELECT p.generation, p.snapshots,"
			 " (SELECT COUNT(*) FROM snapshot), s.place >> 16,"
			 " s.place & 65535 FROM position p, snapshot s"
			 " ORDER BY s.time DESC, s.place DESC LIMIT 1",
			 -1, &st, NULL),
		 SQLITE_OK);
	CHECK_EQ(sqlite3_step(st), SQLITE_ROW);
	CHECK_EQ(sqlite3_column_int(st, 0), 60);
	CHECK_EQ(sqlite3_column_int(st, 1), sqlite3_column_int(st, 2));
	CHECK_EQ(sqlite3_column_int(st, 3), 1);
	CHECK_EQ(sqlite3_column_int(st, 4), 60);
	sqlite3_finalize(st);
	sqlite3_close(db); /* the last one: folds and removes the -wal */
	CHECK_EQ(t_size(path, "-wal"), -1);
	c = t_open(path);
	CHECK_OK(t_dump(c, &g, &crc, &e), &e);
	CHECK_EQ(g, 60);
	CHECK_EQ(crc, want[60]);
	t_advance_to(c, 100);
	CHECK_OK(t_dump(c, &g, &crc, &e), &e);
	CHECK_EQ(crc, want[100]);
	CHECK_OK(catalog_verify(c, &e), &e);
	catalog_close(c);
	t_unfolder(dir);
}

int main(void)
{
	RUN(test_threads);
	RUN(test_open_and_position);
	RUN(test_long_and_odd_paths);
	RUN(test_transactions);
	RUN(test_snapshot_row);
	RUN(test_names_and_times);
	RUN(test_tags);
	RUN(test_prefixes);
	RUN(test_callbacks);
	RUN(test_packs);
	RUN(test_blocks);
	RUN(test_logs);
	RUN(test_snapshot_contradictions);
	RUN(test_history);
	RUN(test_two_handles);
	RUN(test_plans);
	RUN(test_other_program);
	return 0;
}
