/* SPDX-License-Identifier: Apache-2.0 */
/* index: what opens, what it covers, what it finds, and what damage does. */
#include "index/index.h"

#include "index/writer.h"
#include "index/stream.h"
#include "tests/unit/test_index.h"

static void expect_cover(struct fx *x, uint64_t gen)
{
	struct index *ix = fx_index(x);
	struct digest got, want = fx_digest(gen);
	uint64_t g;

	index_covered(ix, &g, &got);
	CHECK_EQ(g, gen);
	CHECK(digest_eq(&got, &want));
	index_close(ix);
}

static void empty_folder(void)
{
	struct fx x;
	struct index *ix;
	struct digest id = { { 1 } };
	const struct digest *ids[] = { &id, &id };
	struct index_loc loc[2];
	bool found[2] = { true, true };
	struct index_stats st;
	struct err e = ERR_INIT;

	fx_open(&x);
	expect_cover(&x, 0);
	ix = fx_index(&x);
	CHECK_EQ(index_find(ix, &id, loc, 2), 0);
	index_find_many(ix, ids, 2, loc, found);
	CHECK(!found[0] && !found[1]);
	CHECK(!index_wants_merge(ix));
	index_stats(ix, &st);
	CHECK_EQ(st.bytes, 0);
	CHECK_OK(index_merge(ix, NULL, NULL, &e), &e);
	CHECK_OK(index_sweep(ix, NULL, &e), &e);
	index_close(ix);
	index_close(NULL);
	fx_close(&x);
}

/* Runs of every size around a page, alone, with every kind of id. */
static void runs_find_their_ids(void)
{
	static const size_t sizes[] = { 0,   1,	  2,   313,  314,   315,
					627, 628, 629, 5000, 31400, 40001 };
	struct fx x;
	uint64_t s = 11;

	fx_open(&x);
	for (int kind = 0; kind < FX_IDS_N; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct ref r;
			struct index *ix;

			ref_init(&r, sizes[i]);
			ref_grow(&r, (enum fx_ids)kind, &s, sizes[i]);
			fx_run(&x, &r, 0, 0, 5);
			ix = fx_index(&x);
			ref_check(&r, ix, &s, 0);
			index_close(ix);
			ref_fini(&r);
		}
	fx_close(&x);
}

/* Several runs: all of them answer, and the batch agrees with the single. */
static void chain_of_runs(void)
{
	struct fx x;
	struct ref r;
	struct index *ix;
	uint64_t s = 12;
	const struct digest **ids;
	struct index_loc *first;
	bool *found;

	fx_open(&x);
	ref_init(&r, 6000);
	for (uint64_t g = 0; g < 6; g++) {
		ref_grow(&r, g % 2 == 0 ? FX_RANDOM : FX_SAME_KEY, &s, 1000);
		fx_run(&x, &r, r.n - 1000, g, g + 1);
	}
	expect_cover(&x, 6);
	ix = fx_index(&x);
	ref_check(&r, ix, &s, 0);

	ids = calloc(12000, sizeof(*ids));
	first = calloc(12000, sizeof(*first));
	found = calloc(12000, sizeof(*found));
	CHECK(ids != NULL && first != NULL && found != NULL);
	for (size_t i = 0; i < 12000; i++) {
		struct digest *d = malloc(sizeof(*d));

		CHECK(d != NULL);
		*d = i % 2 == 0 ? r.id[i / 2] : fx_id(FX_RANDOM, &s, i);
		ids[i] = d;
	}
	for (size_t n = 0; n < 12000; n = n * 2 + 1) {
		index_find_many(ix, ids, n, first, found);
		for (size_t i = 0; i < n; i++) {
			struct index_loc one;
			size_t k = index_find(ix, ids[i], &one, 1);

			CHECK_EQ(found[i], k == 1);
			CHECK(i % 2 != 0 || found[i]);
			if (k == 1)
				CHECK(one.pack == first[i].pack &&
				      one.slot == first[i].slot);
		}
	}
	for (size_t i = 0; i < 12000; i++)
		free((void *)(uintptr_t)ids[i]);
	free(ids);
	free(first);
	free(found);
	index_close(ix);
	ref_fini(&r);
	fx_close(&x);
}

/* The newest run answers before the older. */
static void newest_first(void)
{
	struct fx x;
	struct index *ix;
	struct index_loc got[8];
	struct digest id = { { 42 } };
	struct err e = ERR_INIT;

	fx_open(&x);
	for (uint32_t g = 0; g < 4; g++) {
		struct index_range range = fx_range(g, g + 1);
		struct index_loc loc = { 100 + g, 7 };
		struct index_entry v = index_entry_of(&id, loc);

		CHECK_OK(index_write_run(x.d, &range, &v, 1, &e), &e);
	}
	ix = fx_index(&x);
	CHECK_EQ(index_find(ix, &id, got, 8), 4);
	/* The first file stands for the base. */
	CHECK_EQ(got[0].pack, 100);
	CHECK_EQ(got[1].pack, 103);
	CHECK_EQ(got[2].pack, 102);
	CHECK_EQ(got[3].pack, 101);
	CHECK_EQ(index_find(ix, &id, got, 2), 2);
	CHECK_EQ(index_find(ix, &id, got, 0), 0);
	index_close(ix);
	fx_close(&x);
}

static void some_run(struct fx *x, uint64_t from, uint64_t to)
{
	struct ref r;
	uint64_t s = from * 100 + to;

	ref_init(&r, 10);
	ref_grow(&r, FX_RANDOM, &s, 10);
	fx_run(x, &r, 0, from, to);
	ref_fini(&r);
}

static void remove_name(struct fx *x, enum index_kind kind, uint64_t from,
			uint64_t to)
{
	char name[INDEX_NAME_BYTES];
	struct err e = ERR_INIT;

	index_name_encode(kind, from, to, name);
	CHECK_OK(io_unlink(x->d, name, &e), &e);
}

/* Which files form the chain. */
static void cover(void)
{
	struct fx x;
	struct index *ix;
	struct index_range range;
	struct err e = ERR_INIT;
	size_t removed;

	fx_open(&x);
	some_run(&x, 3, 4); /* goes on from nothing */
	expect_cover(&x, 0);
	some_run(&x, 0, 2);
	expect_cover(&x, 2);
	some_run(&x, 2, 3);
	expect_cover(&x, 4);
	some_run(&x, 0, 3); /* as after a crash between rename and unlink */
	expect_cover(&x, 4);
	remove_name(&x, INDEX_RUN, 2, 3);
	expect_cover(&x, 4);
	some_run(&x, 9, 10);

	/* A run whose predecessor is another history is not taken. */
	range = fx_range(4, 5);
	range.from_digest.b[0] ^= 1;
	CHECK_OK(index_write_run(x.d, &range, NULL, 0, &e), &e);
	expect_cover(&x, 4);
	range = fx_range(4, 6);
	range.repo_id[3] ^= 1;
	CHECK_OK(index_write_run(x.d, &range, NULL, 0, &e), &e);
	expect_cover(&x, 4);

	ix = fx_index(&x);
	CHECK_EQ(fx_files(&x), 6);
	CHECK_OK(index_sweep(ix, &removed, &e), &e);
	CHECK_EQ(removed, 4); /* 0-2, 4-5, 4-6, 9-10 */
	CHECK_EQ(fx_files(&x), 2);
	index_close(ix);
	expect_cover(&x, 4);
	CHECK_OK(index_wipe(x.d, &e), &e);
	expect_cover(&x, 0);
	CHECK_EQ(fx_files(&x), 0);
	fx_close(&x);
}

/* What is not an index file does no harm and is not swept. */
static void foreign_names(void)
{
	static const char *const names[] = { "README", "base-1", "run-",
					     ".tmp-other" };
	struct fx x;
	struct index *ix;
	struct io_file *f;
	struct err e = ERR_INIT;

	fx_open(&x);
	for (size_t i = 0; i < 4; i++) {
		CHECK_OK(io_file_open(x.d, names[i], IO_WRITE | IO_CREATE, &f,
				      &e),
			 &e);
		CHECK_OK(io_file_close(f, &e), &e);
	}
	CHECK_OK(io_mkdir(x.d, "base-0000000000000001", &e), &e);
	expect_cover(&x, 0);
	ix = fx_index(&x);
	CHECK_OK(index_sweep(ix, NULL, &e), &e);
	index_close(ix);
	CHECK_EQ(fx_files(&x), 5);
	CHECK_OK(io_rmdir(x.d, "base-0000000000000001", &e), &e);
	fx_close(&x);
}

/* ---- base --------------------------------------------------------------- */

static void write_base(struct fx *x, struct ref *r, uint32_t pages,
		       unsigned bits)
{
	struct index_range range = fx_range(0, 5);
	struct index_writer *w;
	struct err e = ERR_INIT;

	ref_sort(r);
	CHECK_OK(index_writer_open(x->d, INDEX_BASE, &range, pages, bits, &w,
				   &e),
		 &e);
	for (size_t i = 0; i < r->n; i++) {
		struct index_loc loc = { r->sorted[i].pack, r->sorted[i].slot };

		CHECK_OK(index_writer_add(w, index_top(r->sorted[i].key, bits),
					  loc, &e),
			 &e);
	}
	CHECK_OK(index_writer_finish(w, NULL, &e), &e);
}

/* Bases of any number of pages, from nearly empty to overflowing. */
static void bases_find_their_ids(void)
{
	static const struct {
		uint32_t pages;
		unsigned bits;
		size_t entries;
	} cases[] = {
		{ 1, 0, 0 },	  { 1, 0, 453 },     { 1, 0, 454 },
		{ 1, 0, 2000 },	  { 2, 1, 907 },     { 3, 1, 1100 },
		{ 7, 2, 3500 },	  { 100, 6, 30000 }, { 255, 7, 90000 },
		{ 256, 8, 100 },  { 256, 8, 90368 }, { 257, 8, 90368 },
		{ 300, 8, 5000 }, { 300, 0, 20000 }, { 64, 6, 40000 },
	};
	struct fx x;
	uint64_t s = 13;

	fx_open(&x);
	for (int kind = 0; kind < FX_IDS_N; kind++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct ref r;
			struct index *ix;
			struct index_stats st;

			ref_init(&r, cases[i].entries);
			ref_grow(&r, (enum fx_ids)kind, &s, cases[i].entries);
			write_base(&x, &r, cases[i].pages, cases[i].bits);
			ix = fx_index(&x);
			index_stats(ix, &st);
			CHECK_EQ(st.base_entries, r.n);
			CHECK_EQ(st.runs, 0);
			ref_check(&r, ix, &s, 0);
			index_close(ix);
			ref_fini(&r);
		}
	fx_close(&x);
}

/* One page takes exactly 453 entries before it gets a second. */
static void page_fill_limit(void)
{
	struct fx x;
	uint64_t s = 14;

	fx_open(&x);
	for (size_t n = 452; n <= 3 * 453 + 1; n++) {
		struct ref r;
		struct index *ix;
		struct index_stats st;

		ref_init(&r, n);
		ref_grow(&r, FX_CLUSTER, &s, n);
		write_base(&x, &r, 256, 8);
		ix = fx_index(&x);
		index_stats(ix, &st);
		CHECK_EQ(st.overflow_pages, (n - 1) / 453);
		if (n % 453 < 2 || n % 453 > 451)
			ref_check(&r, ix, &s, 0);
		index_close(ix);
		ref_fini(&r);
		n += n % 453 < 450 && n % 453 > 3 ? 40 : 0;
	}
	fx_close(&x);
}

static void writer_refuses(void)
{
	struct fx x;
	struct index_writer *w;
	struct index_range range = fx_range(0, 5), later = fx_range(3, 5);
	struct index_range none = fx_range(5, 5);
	struct index_loc loc = { 1, 1 }, far = { INDEX_PACK_MAX + 1, 0 };
	struct err e = ERR_INIT;

	fx_open(&x);
	CHECK_EQ(index_writer_open(x.d, INDEX_BASE, &later, 1, 0, &w, &e),
		 BC_EINVAL);
	CHECK_EQ(index_writer_open(x.d, INDEX_BASE, &range, 255, 8, &w, &e),
		 BC_EINVAL);
	CHECK_EQ(index_writer_open(x.d, INDEX_RUN, &none, 0, 0, &w, &e),
		 BC_EINVAL);
	CHECK_EQ(index_writer_open(x.d, INDEX_FILTER, &range, 0, 0, &w, &e),
		 BC_EINVAL);
	CHECK_OK(index_writer_open(x.d, INDEX_RUN, &range, 0, 0, &w, &e), &e);
	CHECK_OK(index_writer_add(w, 5, loc, &e), &e);
	CHECK_EQ(index_writer_add(w, 4, loc, &e), BC_EINVAL);
	CHECK_EQ(index_writer_add(w, 6, far, &e), BC_EINVAL);
	index_writer_abort(w);
	CHECK_OK(index_writer_open(x.d, INDEX_BASE, &range, 256, 8, &w, &e),
		 &e);
	CHECK_EQ(index_writer_add(w, UINT64_C(1) << 40, loc, &e), BC_EINVAL);
	index_writer_abort(w);
	index_writer_abort(NULL);
	CHECK_EQ(fx_files(&x), 0);
	fx_close(&x);
}

/* ---- damage ------------------------------------------------------------- */

static void flip(struct fx *x, const char *name, uint64_t at, uint8_t with)
{
	struct io_file *f;
	struct err e = ERR_INIT;
	uint8_t b;

	CHECK_OK(io_file_open(x->d, name, IO_READ | IO_WRITE, &f, &e), &e);
	CHECK_OK(io_file_pread(f, &b, 1, at, &e), &e);
	b ^= with;
	CHECK_OK(io_file_pwrite(f, &b, 1, at, &e), &e);
	CHECK_OK(io_file_close(f, &e), &e);
}

/* Ask for everything; returns how many stored ids were not found. */
static size_t ask_all(struct ref *r, struct index *ix)
{
	size_t missing = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct index_loc got[4];
		size_t n = index_find(ix, &r->id[i], got, 4);
		bool seen = false;

		for (size_t k = 0; k < n; k++)
			seen |= got[k].pack == r->v[i].pack &&
				got[k].slot == r->v[i].slot;
		missing += !seen;
	}
	return missing;
}

static bool none_dead(void *ctx, uint32_t pack)
{
	(void)ctx;
	(void)pack;
	return false;
}

/* A flipped byte: the file is not taken, or the lookup that meets the page
 * misses and says so. Never a silent miss. */
static void flipped_bytes(enum index_kind kind)
{
	struct index_merge_options all = { .dead = none_dead, .all = true };
	struct fx x;
	struct ref r;
	char name[INDEX_NAME_BYTES];
	uint64_t s = 15, g;
	struct err e = ERR_INIT;
	struct digest d;

	fx_open(&x);
	ref_init(&r, 2500);
	ref_grow(&r, FX_RANDOM, &s, 2500);
	if (kind == INDEX_BASE)
		write_base(&x, &r, 4, 2); /* overflows */
	else
		fx_run(&x, &r, 0, 0, 5);
	index_name_encode(kind, 0, 5, name);
	for (int i = 0; i < 1000; i++) {
		uint64_t at = t_rng(&s) % (4 * INDEX_PAGE_BYTES);
		uint8_t with = (uint8_t)(t_rng(&s) | 1);
		struct index *ix;
		size_t missing;

		if (i < INDEX_HEADER_BYTES)
			at = (uint64_t)i;
		flip(&x, name, at, with);
		ix = fx_index(&x);
		index_covered(ix, &g, &d);
		CHECK(g == 5 || g == 0);
		if (at < INDEX_HEADER_BYTES)
			CHECK_EQ(g, 0);
		else if (at < INDEX_PAGE_BYTES)
			CHECK(g == 5 && ask_all(&r, ix) == 0);
		else {
			CHECK_EQ(g, 5);
			missing = ask_all(&r, ix);
			CHECK(missing > 0 && missing < r.n);
			CHECK_EQ(index_damage(ix, &e), BC_EDAMAGE);
			CHECK(strstr(e.text, name) != NULL);
			/* A merge does not pass it on. */
			CHECK_EQ(index_merge(ix, &all, NULL, &e), BC_EDAMAGE);
			CHECK_EQ(fx_files(&x), 1);
		}
		index_close(ix);
		flip(&x, name, at, with);
	}
	ref_fini(&r);
	fx_close(&x);
}

static void flipped_bytes_of_a_run(void)
{
	flipped_bytes(INDEX_RUN);
}

static void flipped_bytes_of_a_base(void)
{
	flipped_bytes(INDEX_BASE);
}

static void cut_to(struct fx *x, const char *name, uint32_t pages)
{
	struct io_file *f;
	struct err e = ERR_INIT;

	CHECK_OK(io_file_open(x->d, name, IO_READ | IO_WRITE, &f, &e), &e);
	CHECK_OK(io_file_truncate(f, (uint64_t)pages * INDEX_PAGE_BYTES, &e),
		 &e);
	CHECK_OK(io_file_close(f, &e), &e);
}

/* Pages that cannot be had any more, which the kernel tells by a signal: as
 * damaged ones, whether they were known as good or not. */
static void pages_lost(enum index_kind kind)
{
	struct index_merge_options all = { .dead = none_dead, .all = true };
	char name[INDEX_NAME_BYTES];
	uint64_t s = 16;
	struct err e = ERR_INIT;

	index_name_encode(kind, 0, 5, name);
	for (int known = 0; known < 2; known++) {
		struct index *ix;
		size_t missing;
		struct fx x;
		struct ref r;

		fx_open(&x);
		ref_init(&r, 2500);
		ref_grow(&r, FX_RANDOM, &s, 2500);
		if (kind == INDEX_BASE)
			write_base(&x, &r, 4, 2);
		else
			fx_run(&x, &r, 0, 0, 5);
		ix = fx_index(&x);
		if (known)
			CHECK_EQ(ask_all(&r, ix), 0);
		cut_to(&x, name, 3);
		missing = ask_all(&r, ix);
		CHECK(missing > 0 && missing < r.n);
		CHECK_EQ(index_damage(ix, &e), BC_EDAMAGE);
		CHECK(strstr(e.text, name) != NULL);
		CHECK_EQ(index_merge(ix, &all, NULL, &e), BC_EDAMAGE);
		index_close(ix);
		ref_fini(&r);
		fx_close(&x);
	}
}

static void lost_pages_of_a_run(void)
{
	pages_lost(INDEX_RUN);
}

static void lost_pages_of_a_base(void)
{
	pages_lost(INDEX_BASE);
}

/* A stream never gives what it read out of a page that was lost after it had
 * been checked. */
static void stream_loses_a_page(void)
{
	struct index_file f = { 0 }, *const files[] = { &f };
	char name[INDEX_NAME_BYTES];
	struct index_stream st;
	struct index_loc loc;
	uint64_t s = 17, key = 0, last;
	struct err e = ERR_INIT;
	enum bc_err rc = BC_OK;
	bool done = false;
	struct fx x;
	struct ref r;

	fx_open(&x);
	ref_init(&r, 300);
	ref_grow(&r, FX_RANDOM, &s, 300);
	fx_run(&x, &r, 0, 0, 5);
	index_name_encode(INDEX_RUN, 0, 5, name);
	CHECK_OK(index_file_open(x.d, name, &f, &e), &e);
	CHECK_OK(index_stream_init(&st, files, 1, INDEX_RUN, 0, &e), &e);
	for (size_t i = 0; rc == BC_OK && !done; i++) {
		last = key;
		rc = index_stream_next(&st, &key, &loc, &done, &e);
		CHECK(rc != BC_OK || key > last);
		if (i == 100)
			cut_to(&x, name, 1);
	}
	CHECK_EQ(rc, BC_EDAMAGE);
	index_stream_fini(&st);
	index_file_fini(&f);
	ref_fini(&r);
	fx_close(&x);
}

static void wrong_length(void)
{
	struct fx x;
	struct ref r;
	struct io_file *f;
	uint64_t s = 16, size;
	struct err e = ERR_INIT;
	char name[INDEX_NAME_BYTES];

	fx_open(&x);
	ref_init(&r, 1000);
	ref_grow(&r, FX_RANDOM, &s, 1000);
	index_name_encode(INDEX_RUN, 0, 5, name);
	for (int k = 0; k < 8; k++) {
		static const int64_t cut[] = { 1,    255,  4095, 4096,
					       4097, 8192, -1,	 -4096 };

		fx_run(&x, &r, 0, 0, 5);
		expect_cover(&x, 5);
		CHECK_OK(io_file_open(x.d, name, IO_READ | IO_WRITE, &f, &e),
			 &e);
		CHECK_OK(io_file_size(f, &size, &e), &e);
		CHECK_OK(io_file_truncate(f, size - (uint64_t)cut[k], &e), &e);
		CHECK_OK(io_file_close(f, &e), &e);
		expect_cover(&x, 0);
	}
	CHECK_OK(io_file_open(x.d, name, IO_READ | IO_WRITE, &f, &e), &e);
	for (size = 4200; size-- > 0;) {
		CHECK_OK(io_file_truncate(f, size, &e), &e);
		if (size % 64 == 0)
			expect_cover(&x, 0);
	}
	CHECK_OK(io_file_close(f, &e), &e);
	ref_fini(&r);
	fx_close(&x);
}

/* A file under the name of another generation is not taken for it. */
static void renamed_file(void)
{
	struct fx x;
	struct err e = ERR_INIT;
	char from[INDEX_NAME_BYTES], to[INDEX_NAME_BYTES];

	fx_open(&x);
	some_run(&x, 0, 5);
	index_name_encode(INDEX_RUN, 0, 5, from);
	index_name_encode(INDEX_RUN, 0, 6, to);
	CHECK_OK(io_rename(x.d, from, x.d, to, IO_REPLACE, &e), &e);
	expect_cover(&x, 0);
	index_name_encode(INDEX_BASE, 0, 5, from);
	CHECK_OK(io_rename(x.d, to, x.d, from, IO_REPLACE, &e), &e);
	expect_cover(&x, 0);
	fx_close(&x);
}

int main(void)
{
	RUN(empty_folder);
	RUN(runs_find_their_ids);
	RUN(chain_of_runs);
	RUN(newest_first);
	RUN(cover);
	RUN(foreign_names);
	RUN(bases_find_their_ids);
	RUN(page_fill_limit);
	RUN(writer_refuses);
	RUN(flipped_bytes_of_a_run);
	RUN(flipped_bytes_of_a_base);
	RUN(lost_pages_of_a_run);
	RUN(lost_pages_of_a_base);
	RUN(stream_loses_a_page);
	RUN(wrong_length);
	RUN(renamed_file);
	return 0;
}
