/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: building, reading, looking up, comparing, damage. */
#include "node_store.h"
#include "tree/builder.h"
#include "tree/compare.h"

static struct err e = ERR_INIT;

/* A directory to be: sorted names, and what seed makes each entry. */
struct plan {
	struct item {
		char name[40];
		uint64_t seed;
	} * v;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static struct plan make_plan(uint64_t seed, size_t n)
{
	struct plan p = { calloc(n + 1, sizeof(*p.v)), 0 };
	uint64_t r;
	size_t out = 0;

	CHECK(p.v != NULL);
	for (size_t i = 0; i < n; i++) {
		r = t_rng(&seed);
		snprintf(p.v[i].name, sizeof(p.v[i].name), "%0*" PRIx64 ".txt",
			 (int)(r >> 60), r);
		p.v[i].seed = t_rng(&seed);
	}
	qsort(p.v, n, sizeof(*p.v), by_name);
	for (size_t i = 0; i < n; i++)
		if (out == 0 || strcmp(p.v[out - 1].name, p.v[i].name) != 0)
			p.v[out++] = p.v[i];
	p.n = out;
	return p;
}

static void build(struct tree_builder *b, const struct plan *p, bool mixed,
		  struct tree_dir *out)
{
	static struct t_entry t;
	uint64_t entries = 0, bytes = 0;

	tree_builder_begin(b);
	for (size_t i = 0; i < p->n; i++) {
		(mixed ? t_make : t_make_file)(&t, bytes_str(p->v[i].name),
					       p->v[i].seed);
		CHECK_OK(tree_builder_add(b, &t.en, &e), &e);
		entries += 1 + t.en.dir.entries;
		bytes += t.en.content.size + t.en.dir.bytes;
	}
	CHECK_OK(tree_builder_finish(b, out, &e), &e);
	CHECK_EQ(out->entries, entries);
	CHECK_EQ(out->bytes, bytes);
}

static void check_dir(struct node_store *s, const struct tree_dir *dir,
		      const struct plan *p, bool mixed)
{
	static struct t_entry t;
	struct node_source src = store_source(s);
	struct tree_reader r;
	const struct tree_entry *en;
	char name[48];
	uint64_t seed = 1;

	tree_reader_init(&r, &src);
	CHECK_OK(tree_reader_open(&r, &dir->id, &e), &e);
	for (size_t i = 0; i < p->n; i++) {
		CHECK_OK(tree_reader_next(&r, &en, &e), &e);
		CHECK(en != NULL);
		(mixed ? t_make : t_make_file)(&t, bytes_str(p->v[i].name),
					       p->v[i].seed);
		CHECK_EQ(tree_entry_diff(&t.en, en), 0);
	}
	CHECK_OK(tree_reader_next(&r, &en, &e), &e);
	CHECK(en == NULL);
	CHECK_OK(tree_reader_next(&r, &en, &e), &e);
	CHECK(en == NULL);
	for (size_t k = 0; k < 300 && p->n != 0; k++) {
		size_t i = t_rng(&seed) % p->n;
		size_t before = s->fetched;

		CHECK_OK(tree_reader_lookup(&r, &dir->id,
					    bytes_str(p->v[i].name), &en, &e),
			 &e);
		CHECK(bytes_eq(en->name, bytes_str(p->v[i].name)));
		CHECK(s->fetched - before <= 5);
		/* A name just behind is not there, and seek finds the next. */
		snprintf(name, sizeof(name), "%s!", p->v[i].name);
		CHECK_EQ(tree_reader_lookup(&r, &dir->id, bytes_str(name), &en,
					    &e),
			 BC_ENOTFOUND);
		CHECK_OK(tree_reader_seek(&r, &dir->id, bytes_str(name), &e),
			 &e);
		for (size_t j = i + 1; j < i + 4 && j <= p->n; j++) {
			CHECK_OK(tree_reader_next(&r, &en, &e), &e);
			CHECK((en == NULL) == (j == p->n));
			if (en != NULL)
				CHECK(bytes_eq(en->name,
					       bytes_str(p->v[j].name)));
		}
	}
	CHECK_EQ(tree_reader_lookup(&r, &dir->id, bytes_str(" "), &en, &e),
		 BC_ENOTFOUND);
	CHECK_EQ(tree_reader_lookup(&r, &dir->id, bytes_str("~"), &en, &e),
		 BC_ENOTFOUND);
	CHECK_OK(tree_reader_seek(&r, &dir->id, bytes_str(" "), &e), &e);
	CHECK_OK(tree_reader_next(&r, &en, &e), &e);
	CHECK((en == NULL) == (p->n == 0));
	tree_reader_fini(&r);
}

static void test_round_trip(void)
{
	static const size_t sizes[] = { 0,    1,    2,	   40,	  100,
					1000, 5000, 20000, 60000, 150000 };
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir, again;
	struct plan p;

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool mixed = sizes[i] < 100000;

		p = make_plan(i, sizes[i]);
		build(&b, &p, mixed, &dir);
		check_dir(&s, &dir, &p, mixed);
		/* A builder that did other things before makes the same. */
		build(&b, &p, mixed, &again);
		CHECK(digest_eq(&dir.id, &again.id));
		free(p.v);
	}
	CHECK(s.largest <= LEAF_TARGET_BYTES);
	tree_builder_fini(&b);
	store_fini(&s);
}

static void test_refuses(void)
{
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir, two;
	struct t_entry t;

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	t_make_file(&t, bytes_str("a"), 1);
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	t_make_file(&t, bytes_str("c"), 2);
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	CHECK_EQ(tree_builder_add(&b, &t.en, &e), BC_EINVAL);
	t.en.name = bytes_str("b");
	CHECK_EQ(tree_builder_add(&b, &t.en, &e), BC_EINVAL);
	t.en.name = bytes_str("d/");
	CHECK_EQ(tree_builder_add(&b, &t.en, &e), BC_EINVAL);
	CHECK_OK(tree_builder_finish(&b, &dir, &e), &e);
	CHECK_EQ(dir.entries, 2);
	/* What was refused left no trace. */
	t_make_file(&t, bytes_str("a"), 1);
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	t_make_file(&t, bytes_str("c"), 2);
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	CHECK_OK(tree_builder_finish(&b, &two, &e), &e);
	CHECK(digest_eq(&dir.id, &two.id));
	/* Unsigned order, a prefix first. */
	t.en.name = bytes_str("a");
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	t.en.name = bytes_str("a\x80");
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	t.en.name = bytes_str("ab");
	CHECK_EQ(tree_builder_add(&b, &t.en, &e), BC_EINVAL);
	/* Totals that overflow. */
	t.en.name = bytes_str("d");
	t.en.type = TREE_DIR;
	t.en.dir.entries = UINT64_MAX;
	CHECK_EQ(tree_builder_add(&b, &t.en, &e), BC_ELIMIT);
	tree_builder_fini(&b);
	store_fini(&s);
}

static void test_sink_fails(void)
{
	struct plan p = make_plan(4, 3000);
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir, want;
	static struct t_entry t;
	size_t all;

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	build(&b, &p, false, &want);
	all = s.emitted;
	for (size_t at = 1; at <= all; at++) {
		enum bc_err rc = BC_OK;

		s.emitted = 0;
		s.fail_emit_at = at;
		tree_builder_begin(&b);
		for (size_t i = 0; i < p.n && rc == BC_OK; i++) {
			t_make_file(&t, bytes_str(p.v[i].name), p.v[i].seed);
			rc = tree_builder_add(&b, &t.en, &e);
		}
		if (rc == BC_OK)
			rc = tree_builder_finish(&b, &dir, &e);
		CHECK_EQ(rc, BC_EIO);
	}
	s.fail_emit_at = 0;
	build(&b, &p, false, &dir);
	CHECK(digest_eq(&dir.id, &want.id));
	tree_builder_fini(&b);
	store_fini(&s);
	free(p.v);
}

/* One name more, one less, one changed: a few nodes, whatever the size. */
static void test_local_change(void)
{
	struct plan p = make_plan(8, 100000);
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir;
	size_t before, worst = 0, sum = 0;
	uint64_t seed = 3;

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	build(&b, &p, false, &dir);
	CHECK(s.n > 500);
	for (int k = 0; k < 12; k++) {
		size_t i = t_rng(&seed) % p.n;

		before = s.n;
		if (k % 3 == 0) {
			p.v[i].seed++;
		} else if (k % 3 == 1) {
			memmove(p.v + i, p.v + i + 1,
				(p.n - i - 1) * sizeof(*p.v));
			p.n--;
		} else {
			/* the removed one made room */
			memmove(p.v + i + 1, p.v + i, (p.n - i) * sizeof(*p.v));
			p.n++;
			strcat(p.v[i + 1].name, "+");
		}
		build(&b, &p, false, &dir);
		sum += s.n - before;
		if (s.n - before > worst)
			worst = s.n - before;
	}
	CHECK(worst <= 12);
	CHECK(sum <= 60);
	tree_builder_fini(&b);
	store_fini(&s);
	free(p.v);
}

static size_t memory_of(const struct tree_builder *b)
{
	size_t n = b->out.cap + b->leaf.entries.cap + b->leaf.ids.cap +
		   b->leaf.users.raw.cap + b->leaf.users.slots.cap +
		   b->leaf.groups.raw.cap + b->leaf.groups.slots.cap;

	for (int i = 0; i < INNER_LEVEL_MAX; i++)
		n += b->level[i].node.items.cap + b->level[i].node.ids.cap;
	return n;
}

static void test_million(void)
{
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir;
	struct t_entry t;
	char name[32];
	size_t small, peak = 0;
	int n;

	store_init(&s);
	s.keep = false;
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	t_make_file(&t, bytes_str("a"), 1);
	CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
	small = memory_of(&b);
	CHECK(small < 4096);
	tree_builder_begin(&b);
	for (uint64_t i = 0; i < 1000000; i++) {
		n = snprintf(name, sizeof(name), "%08" PRIu64 ".jpg", i);
		t_make_file(&t, bytes_of(name, (size_t)n), i);
		CHECK_OK(tree_builder_add(&b, &t.en, &e), &e);
		if (memory_of(&b) > peak)
			peak = memory_of(&b);
	}
	CHECK_OK(tree_builder_finish(&b, &dir, &e), &e);
	CHECK_EQ(dir.entries, 1000000);
	CHECK(peak < 400000);
	CHECK(s.emitted > 5000 && s.emitted < 20000);
	CHECK(s.emitted_bytes < 80000000);
	CHECK(s.largest <= LEAF_TARGET_BYTES);
	tree_builder_fini(&b);
	store_fini(&s);
}

/* ---- comparing ---- */

struct expect {
	const struct plan *a, *b;
	size_t i, j, calls;
};

/* The reference walks both plans to the next difference. */
static enum bc_err expect_fn(void *ctx, const struct tree_entry *a,
			     const struct tree_entry *b, unsigned diff,
			     struct err *err)
{
	struct expect *x = ctx;
	int order;

	(void)err;
	x->calls++;
	for (;;) {
		CHECK(x->i < x->a->n || x->j < x->b->n);
		if (x->i == x->a->n)
			order = 1;
		else if (x->j == x->b->n)
			order = -1;
		else
			order = strcmp(x->a->v[x->i].name, x->b->v[x->j].name);
		if (order != 0 || x->a->v[x->i].seed != x->b->v[x->j].seed)
			break;
		x->i++;
		x->j++;
	}
	CHECK((a != NULL) == (order <= 0));
	CHECK((b != NULL) == (order >= 0));
	CHECK((diff != 0) == (order == 0));
	if (a != NULL)
		CHECK(bytes_eq(a->name, bytes_str(x->a->v[x->i].name)));
	if (b != NULL)
		CHECK(bytes_eq(b->name, bytes_str(x->b->v[x->j].name)));
	x->i += order <= 0;
	x->j += order >= 0;
	return BC_OK;
}

static struct plan edit(const struct plan *p, uint64_t seed, uint64_t rate)
{
	struct plan q = { calloc(2 * p->n + 2, sizeof(*q.v)), 0 };

	CHECK(q.v != NULL);
	for (size_t i = 0; i < p->n; i++) {
		uint64_t r = t_rng(&seed);

		q.v[q.n] = p->v[i];
		if (r % rate != 0) {
			q.n++;
			continue;
		}
		switch (r / rate % 3) {
		case 0: /* gone */
			break;
		case 1: /* changed */
			q.v[q.n++].seed ^= 0xffff;
			break;
		default: /* one more */
			q.v[q.n + 1] = q.v[q.n];
			strcat(q.v[q.n + 1].name, "0");
			q.n += 2;
			break;
		}
	}
	return q;
}

static size_t compare(struct node_store *s, const struct plan *p,
		      const struct tree_dir *dp, const struct plan *q,
		      const struct tree_dir *dq)
{
	struct node_source src = store_source(s);
	struct tree_reader ra, rb;
	struct expect x = { p, q, 0, 0, 0 };
	size_t before = s->fetched;

	tree_reader_init(&ra, &src);
	tree_reader_init(&rb, &src);
	CHECK_OK(tree_compare(&ra, dp == NULL ? NULL : &dp->id, &rb,
			      dq == NULL ? NULL : &dq->id, expect_fn, &x, &e),
		 &e);
	/* The reference finds nothing more either. */
	for (; x.i < p->n && x.j < q->n; x.i++, x.j++) {
		CHECK_STR(p->v[x.i].name, q->v[x.j].name);
		CHECK_EQ(p->v[x.i].seed, q->v[x.j].seed);
	}
	CHECK_EQ(x.i, p->n);
	CHECK_EQ(x.j, q->n);
	tree_reader_fini(&ra);
	tree_reader_fini(&rb);
	return s->fetched - before;
}

static void test_compare(void)
{
	static const size_t sizes[] = { 0, 1, 50, 2000, 30000 };
	static const uint64_t rates[] = { 2, 50, 1000, 20000 };
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dp, dq;
	struct plan p, q, none = { NULL, 0 };

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	for (size_t i = 0; i < 5; i++) {
		p = make_plan(40 + i, sizes[i]);
		build(&b, &p, false, &dp);
		CHECK_EQ(compare(&s, &p, &dp, &p, &dp), 0);
		compare(&s, &p, &dp, &none, NULL);
		compare(&s, &none, NULL, &p, &dp);
		for (size_t k = 0; k < 4; k++) {
			q = edit(&p, i * 10 + k, rates[k]);
			build(&b, &q, false, &dq);
			size_t reads = compare(&s, &p, &dp, &q, &dq);

			CHECK_EQ(compare(&s, &q, &dq, &p, &dp), reads);
			/* Two changes or so among 300 leaves. */
			if (sizes[i] == 30000 && rates[k] == 20000)
				CHECK(reads < 30);
			free(q.v);
		}
		free(p.v);
	}
	tree_builder_fini(&b);
	store_fini(&s);
}

/* One side has a level more: what is new is read, and little else. */
static void test_compare_levels(void)
{
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dp, dq;
	struct plan q = make_plan(7, 40000), p = q;
	size_t old;

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	p.n = 6000;
	build(&b, &p, false, &dp);
	old = s.n;
	build(&b, &q, false, &dq);
	CHECK(compare(&s, &p, &dp, &q, &dq) <= s.n - old + 12);
	CHECK(compare(&s, &q, &dq, &p, &dp) <= s.n - old + 12);
	tree_builder_fini(&b);
	store_fini(&s);
	free(q.v);
}

static enum bc_err stop_fn(void *ctx, const struct tree_entry *a,
			   const struct tree_entry *b, unsigned diff,
			   struct err *err)
{
	(void)a;
	(void)b;
	(void)diff;
	++*(int *)ctx;
	return err_set(err, BC_ECANCEL, "enough");
}

static void test_compare_stops(void)
{
	struct plan p = make_plan(1, 100);
	struct node_store s;
	struct node_sink sink;
	struct node_source src;
	struct tree_builder b;
	struct tree_reader ra, rb;
	struct tree_dir dir;
	int calls = 0;

	store_init(&s);
	sink = store_sink(&s);
	src = store_source(&s);
	tree_builder_init(&b, &sink);
	build(&b, &p, false, &dir);
	tree_reader_init(&ra, &src);
	tree_reader_init(&rb, &src);
	CHECK_EQ(tree_compare(&ra, &dir.id, &rb, NULL, stop_fn, &calls, &e),
		 BC_ECANCEL);
	CHECK_EQ(calls, 1);
	tree_reader_fini(&ra);
	tree_reader_fini(&rb);
	tree_builder_fini(&b);
	store_fini(&s);
	free(p.v);
}

/* ---- damage ---- */

static enum bc_err read_all(struct tree_reader *r, const struct digest *dir)
{
	const struct tree_entry *en = NULL;
	enum bc_err rc = tree_reader_open(r, dir, &e);

	do {
		if (rc == BC_OK)
			rc = tree_reader_next(r, &en, &e);
	} while (rc == BC_OK && en != NULL);
	return rc;
}

/* Nodes that are whole but do not belong where they are named. */
static void test_misfits(void)
{
	struct plan p = make_plan(21, 30000);
	struct node_store s;
	struct node_sink sink;
	struct node_source src;
	struct tree_builder b;
	struct tree_reader r;
	struct tree_dir dir;
	struct inner n;
	struct inner_item it, first, second;
	struct inner_writer w;
	struct buf out = BUF_INIT(NODE_MAX_BYTES);
	struct digest id;
	const struct tree_entry *en;

	store_init(&s);
	sink = store_sink(&s);
	src = store_source(&s);
	tree_builder_init(&b, &sink);
	tree_reader_init(&r, &src);
	build(&b, &p, false, &dir);
	CHECK_EQ(read_all(&r, &dir.id), BC_OK);
	CHECK_OK(inner_open(s.slot[store_find(&s, &dir.id)].node, &n, &e), &e);
	CHECK(inner_next(&n, &first) && inner_next(&n, &second));

#define MISFIT(lvl, one, two)                                                  \
	do {                                                                   \
		inner_writer_init(&w, lvl);                                    \
		it = first;                                                    \
		one;                                                           \
		CHECK_OK(inner_writer_add(&w, &it, &e), &e);                   \
		it = second;                                                   \
		two;                                                           \
		CHECK_OK(inner_writer_add(&w, &it, &e), &e);                   \
		buf_clear(&out);                                               \
		CHECK_OK(inner_writer_finish(&w, &out, &e), &e);               \
		inner_writer_fini(&w);                                         \
		CHECK_OK(store_emit(&s, buf_bytes(&out), &id, &e), &e);        \
	} while (0)
	MISFIT(n.level, (void)0, (void)0);
	CHECK_EQ(read_all(&r, &id), BC_OK);
	MISFIT(n.level + 1, (void)0, (void)0);
	CHECK_EQ(read_all(&r, &id), BC_EDAMAGE);
	MISFIT(n.level, it.entries++, (void)0);
	CHECK_EQ(read_all(&r, &id), BC_EDAMAGE);
	MISFIT(n.level, (void)0, it.id = first.id);
	CHECK_EQ(read_all(&r, &id), BC_EDAMAGE);
	/* The second begins within the first. */
	MISFIT(n.level, (void)0, {
		it.first.n = first.first.n;
		it = first;
		it.first = bytes_str(p.v[1].name);
	});
	CHECK_EQ(read_all(&r, &id), BC_EDAMAGE);
	CHECK_EQ(tree_reader_lookup(&r, &id, bytes_str(p.v[1].name), &en, &e),
		 BC_EDAMAGE);
	/* A node that is missing is no name that is missing. */
	MISFIT(n.level, memset(it.id.b, 7, DIGEST_BYTES), (void)0);
	CHECK_EQ(read_all(&r, &id), BC_EDAMAGE);
	CHECK_EQ(tree_reader_lookup(&r, &id, bytes_str(p.v[0].name), &en, &e),
		 BC_EDAMAGE);
#undef MISFIT
	memset(id.b, 7, DIGEST_BYTES);
	CHECK_EQ(tree_reader_open(&r, &id, &e), BC_EDAMAGE);
	tree_reader_fini(&r);
	tree_builder_fini(&b);
	store_fini(&s);
	buf_fini(&out);
	free(p.v);
}

static void leaf_of(struct node_store *s, const char *one, const char *two,
		    struct inner_item *out)
{
	struct leaf_writer w;
	struct t_entry t;
	struct buf raw = BUF_INIT(NODE_MAX_BYTES);

	leaf_writer_init(&w, LEAF_OF_DIRECTORY);
	t_make_file(&t, bytes_str(one), 1);
	CHECK_OK(leaf_writer_add(&w, &t.en, &e), &e);
	t_make_file(&t, bytes_str(two), 2);
	CHECK_OK(leaf_writer_add(&w, &t.en, &e), &e);
	CHECK_OK(leaf_writer_finish(&w, &raw, &e), &e);
	CHECK_OK(store_emit(s, buf_bytes(&raw), &out->id, &e), &e);
	out->first = bytes_str(one);
	out->entries = 2;
	leaf_writer_fini(&w);
	buf_fini(&raw);
}

/* Leaves that interleave: each is right, together they are out of order. */
static void test_overlap(void)
{
	static const char *const second[] = { "c", "b", "ba", "a9" };
	struct node_store s;
	struct node_source src;
	struct tree_reader r;
	struct inner_writer w;
	struct inner_item one, two;
	struct buf raw = BUF_INIT(NODE_MAX_BYTES);
	struct digest id;

	store_init(&s);
	src = store_source(&s);
	tree_reader_init(&r, &src);
	for (int i = 0; i < 4; i++) {
		leaf_of(&s, "a", second[i], &one);
		leaf_of(&s, "b", "d", &two);
		inner_writer_init(&w, 1);
		CHECK_OK(inner_writer_add(&w, &one, &e), &e);
		CHECK_OK(inner_writer_add(&w, &two, &e), &e);
		buf_clear(&raw);
		CHECK_OK(inner_writer_finish(&w, &raw, &e), &e);
		CHECK_OK(store_emit(&s, buf_bytes(&raw), &id, &e), &e);
		CHECK_EQ(read_all(&r, &id), i == 3 ? BC_OK : BC_EDAMAGE);
		inner_writer_fini(&w);
	}
	tree_reader_fini(&r);
	store_fini(&s);
	buf_fini(&raw);
}

/* Format drift would show here: cuts, levels and all. */
static void test_golden(void)
{
	struct node_store s;
	struct node_sink sink;
	struct tree_builder b;
	struct tree_dir dir;
	struct plan p = make_plan(2026, 50000);
	char hex[DIGEST_HEX_BYTES];

	store_init(&s);
	sink = store_sink(&s);
	tree_builder_init(&b, &sink);
	build(&b, &p, true, &dir);
	hex_encode(dir.id.b, DIGEST_BYTES, hex);
	CHECK_STR(hex, "a544dc184447d71bfd4b211107b83e6e"
		       "983641ccdce4a55d8528999956841dff");
	CHECK_EQ(s.emitted, 599);
	tree_builder_fini(&b);
	store_fini(&s);
	free(p.v);
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_refuses);
	RUN(test_sink_fails);
	RUN(test_local_change);
	RUN(test_million);
	RUN(test_compare);
	RUN(test_compare_levels);
	RUN(test_compare_stops);
	RUN(test_misfits);
	RUN(test_overlap);
	RUN(test_golden);
	return 0;
}
