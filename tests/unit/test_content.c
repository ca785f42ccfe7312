/* SPDX-License-Identifier: Apache-2.0 */
/* Content of files: lists, reading in order, seeking, damage. */
#include "node_store.h"
#include "tree/content_builder.h"
#include "tree/content_reader.h"

static struct err e = ERR_INIT;

/* The reference: what the file consists of, neighbours of a kind joined. */
struct model {
	struct content_run *run;
	size_t n;
	uint64_t size;
};

static void make_id(uint64_t v, struct digest *id)
{
	sha256_one(bytes_of(&v, sizeof(v)), id);
}

static void model_add(struct model *m, enum content_what what, uint64_t length,
		      uint64_t seed)
{
	struct content_run *last = m->n == 0 ? NULL : &m->run[m->n - 1];

	m->size += length;
	if (last != NULL && what != CONTENT_CHUNK && last->what == what) {
		last->length += length;
		return;
	}
	m->run[m->n] = (struct content_run){ .what = what,
					     .offset = m->size - length,
					     .length = length };
	if (what == CONTENT_CHUNK)
		make_id(seed, &m->run[m->n].id);
	m->n++;
}

static struct model make_model(uint64_t seed, size_t n)
{
	struct model m = { calloc(n + 1, sizeof(*m.run)), 0, 0 };
	uint64_t r;

	CHECK(m.run != NULL);
	for (size_t i = 0; i < n; i++) {
		r = t_rng(&seed);
		if (r % 8 < 6)
			model_add(&m, CONTENT_CHUNK, 1 + (r >> 8) % 262144,
				  r >> 32);
		else
			model_add(&m, r % 8 == 6 ? CONTENT_HOLE : CONTENT_ZEROS,
				  4096 * (1 + (r >> 8) % 100), 0);
	}
	return m;
}

/* Build it, holes and zeros in `pieces` parts each. */
static void build(struct content_builder *b, const struct model *m,
		  uint64_t pieces, struct content *out)
{
	uint64_t done, part;

	content_builder_begin(b);
	for (size_t i = 0; i < m->n; i++) {
		const struct content_run *r = &m->run[i];

		if (r->what == CONTENT_CHUNK) {
			CHECK_OK(
				content_builder_chunk(b, &r->id, r->length, &e),
				&e);
			continue;
		}
		for (done = 0; done < r->length; done += part) {
			part = r->length / pieces;
			if (part == 0 || part > r->length - done)
				part = r->length - done;
			CHECK_OK((r->what == CONTENT_HOLE
					  ? content_builder_hole
					  : content_builder_zeros)(b, part, &e),
				 &e);
		}
	}
	CHECK_OK(content_builder_finish(b, out, &e), &e);
	CHECK_EQ(out->size, m->size);
	CHECK(out->count <= CONTENT_INLINE_MAX_ITEMS);
	CHECK(content_valid(out));
}

static void check_run(const struct content_run *got,
		      const struct content_run *want)
{
	CHECK_EQ(got->what, want->what);
	CHECK_EQ(got->offset, want->offset);
	CHECK_EQ(got->length, want->length);
	if (want->what == CONTENT_CHUNK)
		CHECK(digest_eq(&got->id, &want->id));
}

static void check_seek(struct content_reader *r, const struct model *m,
		       uint64_t offset)
{
	struct content_run run;
	size_t lo = 0, hi = m->n;

	CHECK_OK(content_reader_seek(r, offset, &e), &e);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->run[mid].offset + m->run[mid].length <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i < m->n && i < lo + 3; i++) {
		CHECK_OK(content_reader_next(r, &run, &e), &e);
		check_run(&run, &m->run[i]);
	}
	if (lo >= m->n) {
		CHECK_OK(content_reader_next(r, &run, &e), &e);
		CHECK_EQ(run.what, CONTENT_END);
	}
}

static void check_content(struct node_store *s, const struct content *c,
			  const struct model *m, uint64_t seed)
{
	struct node_source src = store_source(s);
	struct content_reader r;
	struct content_run run;
	size_t before;

	content_reader_init(&r, &src);
	content_reader_open(&r, c);
	for (size_t i = 0; i < m->n; i++) {
		CHECK_OK(content_reader_next(&r, &run, &e), &e);
		check_run(&run, &m->run[i]);
	}
	CHECK_OK(content_reader_next(&r, &run, &e), &e);
	CHECK_EQ(run.what, CONTENT_END);
	CHECK_OK(content_reader_next(&r, &run, &e), &e);
	CHECK_EQ(run.what, CONTENT_END);
	for (int i = 0; i < 50 && m->size != 0; i++) {
		before = s->fetched;
		check_seek(&r, m, t_rng(&seed) % m->size);
		CHECK(s->fetched - before <= 8);
	}
	for (size_t i = 0; i < m->n && i < 300; i++) {
		check_seek(&r, m, m->run[i].offset);
		check_seek(&r, m, m->run[i].offset + m->run[i].length - 1);
	}
	check_seek(&r, m, m->size);
	check_seek(&r, m, UINT64_MAX);
	content_reader_fini(&r);
}

static void test_round_trip(void)
{
	static const size_t sizes[] = { 0,   1,	  2,	95,   96,    97,    98,
					128, 500, 1024, 5000, 60000, 200000 };
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct model m;
	size_t before;

	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		m = make_model(i + 1, sizes[i]);
		build(&b, &m, 1, &c);
		if (m.n <= CONTENT_INLINE_MAX_ITEMS)
			CHECK_EQ(s.n, 0);
		else
			CHECK(s.n != 0);
		check_content(&s, &c, &m, i);
		before = s.n;
		build(&b, &m, 3, &c);
		CHECK_EQ(s.n, before); /* the same lists */
		check_content(&s, &c, &m, i);
		free(m.run);
		if (sizes[i] <= 97)
			store_fini(&s);
	}
	CHECK(s.largest <= NODE_MAX_BYTES);
	content_builder_fini(&b);
	store_fini(&s);
}

/* The worst for the cut rule: every id says "cut here". */
static void test_all_cut(void)
{
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct model m = { calloc(100000, sizeof(*m.run)), 0, 0 };

	CHECK(m.run != NULL);
	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	for (size_t i = 0; i < 100000; i++) {
		model_add(&m, CONTENT_CHUNK, 1000, 0);
		memset(&m.run[i].id, 0, DIGEST_BYTES);
	}
	build(&b, &m, 1, &c);
	CHECK(s.emitted <= 100000 / CONTENT_LIST_MIN_ITEMS + 100);
	check_content(&s, &c, &m, 9);
	/* No cut at all: lists of 1,024. */
	s.emitted = 0;
	for (size_t i = 0; i < 100000; i++)
		m.run[i].id.b[0] = 1;
	build(&b, &m, 1, &c);
	CHECK(s.emitted >= 98 && s.emitted <= 102);
	CHECK(s.largest <= NODE_MAX_BYTES);
	check_content(&s, &c, &m, 9);
	content_builder_fini(&b);
	store_fini(&s);
	free(m.run);
}

/* A change in the middle makes a few new lists, not all of them. */
/* The last list of a level may be as long as lists get. */
static void test_last_list(void)
{
	static const size_t ENDS[] = { 63,   64,   65,	 900,  1000, 1023,
				       1024, 1025, 1087, 2000, 2048 };
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	uint64_t seed = 5;

	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	for (size_t k = 0; k < sizeof(ENDS) / sizeof(ENDS[0]); k++) {
		struct model m = { calloc(ENDS[k], sizeof(*m.run)), 0, 0 };

		CHECK(m.run != NULL);
		while (m.n < ENDS[k]) {
			uint64_t r = t_rng(&seed);

			model_add(&m, CONTENT_CHUNK, 1 + r % 65536, r);
			/* Nothing that would end a list. */
			m.run[m.n - 1].id.b[0] |= 1;
		}
		build(&b, &m, 1, &c);
		check_content(&s, &c, &m, seed);
		free(m.run);
	}
	content_builder_fini(&b);
	store_fini(&s);
}

static void test_local_change(void)
{
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct model m = make_model(77, 100000);
	size_t all, at = m.n / 2;

	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	build(&b, &m, 1, &c);
	all = s.n;
	CHECK(all > 200);
	while (m.run[at].what != CONTENT_CHUNK)
		at++;
	memset(&m.run[at].id, 0x77, DIGEST_BYTES);
	build(&b, &m, 1, &c);
	CHECK(s.n - all >= 1 && s.n - all <= 6);
	all = s.n;
	/* One more at the front: everything moves, the lists stay. */
	memmove(m.run + 1, m.run, (m.n - 1) * sizeof(*m.run));
	m.run[0] = m.run[at];
	m.size = 0;
	for (size_t i = 0; i < m.n; i++) {
		m.run[i].offset = m.size;
		m.size += m.run[i].length;
	}
	build(&b, &m, 1, &c);
	CHECK(s.n - all <= 8);
	check_content(&s, &c, &m, 3);
	content_builder_fini(&b);
	store_fini(&s);
	free(m.run);
}

static size_t memory_of(const struct content_builder *b)
{
	size_t n = b->out.cap;

	for (int i = 0; i < CONTENT_DEPTH_MAX; i++)
		n += b->level[i].cap * sizeof(uint64_t) +
		     b->level[i].cap_ids * sizeof(struct digest);
	return n;
}

static void test_bounded_memory(void)
{
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct digest id = { { 0 } };
	uint64_t seed = 5, n = 3000000;

	store_init(&s);
	s.keep = false;
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	CHECK_OK(content_builder_chunk(&b, &id, 1, &e), &e);
	CHECK(memory_of(&b) < 1024);
	content_builder_begin(&b);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t r = t_rng(&seed);

		memcpy(id.b, &r, sizeof(r));
		CHECK_OK(content_builder_chunk(&b, &id, 65536, &e), &e);
	}
	CHECK_OK(content_builder_finish(&b, &c, &e), &e);
	CHECK_EQ(c.size, n * 65536);
	CHECK(memory_of(&b) < 300000);
	CHECK(s.emitted > n / 1024 && s.emitted < n / 200);
	CHECK(s.largest <= NODE_MAX_BYTES);
	content_builder_fini(&b);
	store_fini(&s);
}

static void test_refuses(void)
{
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct digest id = { { 1 } };

	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	CHECK_EQ(content_builder_chunk(&b, &id, 0, &e), BC_EINVAL);
	CHECK_EQ(
		content_builder_chunk(&b, &id, CONTENT_CHUNK_MAX_BYTES + 1, &e),
		BC_EINVAL);
	CHECK_OK(content_builder_hole(&b, CONTENT_MAX_BYTES, &e), &e);
	CHECK_EQ(content_builder_hole(&b, 1, &e), BC_ELIMIT);
	CHECK_EQ(content_builder_chunk(&b, &id, 1, &e), BC_ELIMIT);
	CHECK_OK(content_builder_finish(&b, &c, &e), &e);
	CHECK_EQ(c.count, 1);
	CHECK_EQ(c.items.n, 1);
	/* A sink that fails ends the file; the builder can begin anew. */
	for (size_t at = 1; at <= 3; at++) {
		enum bc_err rc = BC_OK;

		content_builder_begin(&b);
		s.emitted = 0;
		s.fail_emit_at = at;
		for (int i = 0; i < 2100 && rc == BC_OK; i++)
			rc = content_builder_chunk(&b, &id, 10, &e);
		if (rc == BC_OK)
			rc = content_builder_finish(&b, &c, &e);
		CHECK_EQ(rc, BC_EIO);
	}
	s.fail_emit_at = 0;
	content_builder_begin(&b);
	CHECK_OK(content_builder_finish(&b, &c, &e), &e);
	CHECK_EQ(c.count, 0);
	content_builder_fini(&b);
	store_fini(&s);
}

/* Lengths whose sum comes round to the size again. */
static void test_wraps(void)
{
	struct buf b = BUF_INIT(200);
	struct content c = { .size = 100, .count = 5 };

	for (int i = 0; i < 4; i++)
		CHECK_OK(buf_varint(&b, CONTENT_MAX_BYTES << 2 | CONTENT_HOLE),
			 &e);
	CHECK_OK(buf_varint(&b, (100 + 4) << 2 | CONTENT_HOLE), &e);
	c.items = buf_bytes(&b);
	CHECK(!content_valid(&c));
	buf_clear(&b);
	for (int i = 0; i < 5; i++)
		CHECK_OK(buf_varint(&b, 20 << 2 | CONTENT_HOLE), &e);
	c.items = buf_bytes(&b);
	CHECK(content_valid(&c));
	buf_fini(&b);
}

/* A list that is missing, or is not what its item says. */
static void test_damage(void)
{
	struct node_store s;
	struct node_sink sink;
	struct node_source src;
	struct content_builder b;
	struct content_reader r;
	struct content_run run;
	struct content c, bad;
	struct digest id = { { 1 } };
	uint8_t item;
	size_t at;

	store_init(&s);
	sink = store_sink(&s);
	src = store_source(&s);
	content_builder_init(&b, &sink);
	for (int i = 0; i < 500; i++)
		CHECK_OK(content_builder_chunk(&b, &id, 10, &e), &e);
	CHECK_OK(content_builder_finish(&b, &c, &e), &e);
	CHECK_EQ(c.count, 1);
	content_reader_init(&r, &src);
	content_reader_open(&r, &c);
	CHECK_OK(content_reader_next(&r, &run, &e), &e);
	/* of another length */
	bad = c;
	bad.size--;
	CHECK(content_valid(&bad));
	content_reader_open(&r, &bad);
	CHECK_EQ(content_reader_next(&r, &run, &e), BC_EDAMAGE);
	CHECK_EQ(content_reader_next(&r, &run, &e), BC_EDAMAGE);
	CHECK_EQ(content_reader_seek(&r, 20, &e), BC_EDAMAGE);
	/* missing: never the end of the file, never "not found" */
	item = CONTENT_LIST;
	bad.items = bytes_of(&item, 1);
	bad.ids = bytes_of(&id, sizeof(id));
	content_reader_open(&r, &bad);
	CHECK_EQ(content_reader_next(&r, &run, &e), BC_EDAMAGE);
	CHECK_EQ(e.code, BC_EDAMAGE);
	/* not a list */
	at = store_find(&s, (const struct digest *)c.ids.p);
	CHECK(s.slot[at].node.p != NULL);
	((uint8_t *)(uintptr_t)s.slot[at].node.p)[0] = NODE_LEAF;
	content_reader_open(&r, &c);
	CHECK_EQ(content_reader_next(&r, &run, &e), BC_EDAMAGE);
	content_reader_fini(&r);
	content_builder_fini(&b);
	store_fini(&s);
}

/* Lists within one another without end cannot be made with honest digests,
 * but must not overrun the frames either. */
static enum bc_err same_list(void *ctx, const struct digest *id,
			     struct buf *out, struct err *err)
{
	static const uint8_t list[] = { NODE_LIST, 1, 10 << 2 | CONTENT_LIST };

	(void)ctx;
	(void)err;
	buf_clear(out);
	if (buf_add(out, list, sizeof(list)) != BC_OK)
		return BC_ENOMEM;
	return buf_add(out, id->b, DIGEST_BYTES);
}

static void test_depth(void)
{
	struct node_source src = { same_list, NULL };
	struct content_reader r;
	struct content_run run;
	struct digest id = { { 1 } };
	uint8_t item = CONTENT_LIST;
	struct content c = { .size = 10,
			     .count = 1,
			     .items = bytes_of(&item, 1),
			     .ids = bytes_of(&id, sizeof(id)) };

	content_reader_init(&r, &src);
	content_reader_open(&r, &c);
	CHECK_EQ(content_reader_next(&r, &run, &e), BC_EDAMAGE);
	content_reader_open(&r, &c);
	CHECK_EQ(content_reader_seek(&r, 5, &e), BC_EDAMAGE);
	content_reader_fini(&r);
}

static void test_golden(void)
{
	struct node_store s;
	struct node_sink sink;
	struct content_builder b;
	struct content c;
	struct digest id;
	char hex[DIGEST_HEX_BYTES], items[2 * 10 + 1];

	store_init(&s);
	sink = store_sink(&s);
	content_builder_init(&b, &sink);
	for (uint64_t i = 0; i < 200000; i++) {
		make_id(i, &id);
		CHECK_OK(content_builder_chunk(&b, &id, 60000 + i % 1000, &e),
			 &e);
		if (i % 50 == 0)
			CHECK_OK(content_builder_hole(&b, 4096, &e), &e);
		if (i % 70 == 0)
			CHECK_OK(content_builder_zeros(&b, 512, &e), &e);
	}
	CHECK_OK(content_builder_finish(&b, &c, &e), &e);
	CHECK_EQ(c.count, 3);
	CHECK_EQ(c.ids.n, 96);
	hex_encode(c.items.p, c.items.n < 10 ? c.items.n : 10, items);
	CHECK_STR(items, "cb87d5fa8001ebc5eda8");
	hex_encode(c.ids.p, DIGEST_BYTES, hex);
	CHECK_STR(hex, "8489231838800dd527b3a75e57f751a5dd2ed38a0c91244ae6fbdc1"
		       "a0a55a2b5");
	content_builder_fini(&b);
	store_fini(&s);
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_all_cut);
	RUN(test_last_list);
	RUN(test_local_change);
	RUN(test_bounded_memory);
	RUN(test_refuses);
	RUN(test_wraps);
	RUN(test_damage);
	RUN(test_depth);
	RUN(test_golden);
	return 0;
}
