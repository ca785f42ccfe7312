/* SPDX-License-Identifier: Apache-2.0 */
/* index/merge and index/build: nothing is lost, whatever is merged when. */
#include "index/merge.h"

#include <pthread.h>
#include <stdatomic.h>

#include "index/build.h"
#include "io/fault.h"
#include "tests/unit/test_index.h"

static void merge(struct fx *x, const struct index_merge_options *o, bool want)
{
	struct index *ix = fx_index(x);
	struct err e = ERR_INIT;
	bool did;

	CHECK_OK(index_merge(ix, o, &did, &e), &e);
	CHECK_EQ(did, want);
	index_close(ix);
}

static void check_all(struct fx *x, struct ref *r, uint64_t *seed, uint64_t gen,
		      uint32_t gone_below)
{
	struct index *ix = fx_index(x);
	struct digest got, want = fx_digest(gen);
	uint64_t g;

	index_covered(ix, &g, &got);
	CHECK_EQ(g, gen);
	CHECK(digest_eq(&got, &want));
	ref_check(r, ix, seed, gone_below);
	index_close(ix);
}

/* A chain that grows commit by commit and merges when it wants to: sizes that
 * cross from runs to a base and grow the base several times. */
static void grows(enum fx_ids kind, size_t step, int commits)
{
	struct fx x;
	struct ref r;
	uint64_t s = 21 + (uint64_t)kind;
	struct index_stats st = { 0 };

	fx_open(&x);
	ref_init(&r, step * (size_t)commits * 2);
	for (int g = 0; g < commits; g++) {
		size_t n = t_rng(&s) % (2 * step);
		struct index *ix;
		struct err e = ERR_INIT;

		ref_grow(&r, kind, &s, n);
		fx_run(&x, &r, r.n - n, (uint64_t)g, (uint64_t)g + 1);
		ix = fx_index(&x);
		if (index_wants_merge(ix)) {
			bool did;

			CHECK_OK(index_merge(ix, NULL, &did, &e), &e);
			CHECK(did);
			/* Files that were replaced still answer. */
			if (g % 8 == 0)
				ref_check(&r, ix, &s, 0);
		}
		index_close(ix);
		ix = fx_index(&x);
		CHECK(!index_wants_merge(ix));
		index_stats(ix, &st);
		CHECK(st.runs <= INDEX_RUNS_MAX);
		CHECK_EQ(st.entries, r.n);
		CHECK_EQ(fx_files(&x), ix->n);
		index_close(ix);
		if (g % 8 == 0 || g == commits - 1)
			check_all(&x, &r, &s, (uint64_t)g + 1, 0);
	}
	if (r.n >= INDEX_BASE_MIN_ENTRIES)
		CHECK(st.base_entries > 0);
	ref_fini(&r);
	fx_close(&x);
}

static void grows_with_random_ids(void)
{
	grows(FX_RANDOM, 1, 300);
	grows(FX_RANDOM, 40, 200);
	grows(FX_RANDOM, 6000, 60);
}

static void grows_with_bad_ids(void)
{
	for (int kind = FX_RANDOM + 1; kind < FX_IDS_N; kind++) {
		grows((enum fx_ids)kind, 700, 30);
		grows((enum fx_ids)kind, 9000, 14);
	}
}

/* A base of n pages becomes one of m: around the powers of two, where B
 * changes, down and up again. */
static void bases_of_many_sizes(void)
{
	static const size_t sizes[] = {
		INDEX_BASE_MIN_ENTRIES - 1,
		INDEX_BASE_MIN_ENTRIES,
		INDEX_BASE_MIN_ENTRIES + 1,
		(size_t)INDEX_BASE_FILL * 511,
		(size_t)INDEX_BASE_FILL * 512,
		(size_t)INDEX_BASE_FILL * 512 + 1,
		200000,
	};
	struct index_merge_options all = { .all = true };
	uint64_t s = 22;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fx x;
		struct ref r;
		struct index *ix;
		size_t second = 1 + t_rng(&s) % 150000;
		uint32_t n;

		fx_open(&x);
		ref_init(&r, sizes[i] + second);
		ref_grow(&r, FX_RANDOM, &s, sizes[i]);
		fx_run(&x, &r, 0, 0, 1);
		merge(&x, NULL, sizes[i] >= INDEX_BASE_MIN_ENTRIES);
		check_all(&x, &r, &s, 1, 0);
		ix = fx_index(&x);
		CHECK_EQ(ix->files[0].h.kind, sizes[i] >= INDEX_BASE_MIN_ENTRIES
						      ? INDEX_BASE
						      : INDEX_RUN);
		n = ix->files[0].h.primary;
		if (ix->files[0].h.kind == INDEX_BASE)
			CHECK_EQ(ix->files[0].h.bits, index_bits_for(n));
		index_close(ix);

		ref_grow(&r, FX_EDGES, &s, second);
		fx_run(&x, &r, sizes[i], 1, 2);
		merge(&x, &all, true);
		check_all(&x, &r, &s, 2, 0);
		ref_fini(&r);
		fx_close(&x);
	}
}

/* At most 14 bytes per chunk from 65,536 chunks on, in either form. */
static void bytes_per_chunk(void)
{
	static const size_t sizes[] = { 65536, 90367, 90368, 150000, 400000 };
	uint64_t s = 23;

	for (size_t i = 0; i < 5; i++) {
		struct fx x;
		struct ref r;
		struct index *ix;
		struct index_stats st;

		fx_open(&x);
		ref_init(&r, sizes[i]);
		ref_grow(&r, FX_RANDOM, &s, sizes[i]);
		fx_run(&x, &r, 0, 0, 1);
		merge(&x, NULL, sizes[i] >= INDEX_BASE_MIN_ENTRIES);
		ix = fx_index(&x);
		index_stats(ix, &st);
		CHECK(st.bytes <= 14 * st.entries);
		CHECK_EQ(st.overflow_pages, 0);
		index_close(ix);
		ref_fini(&r);
		fx_close(&x);
	}
}

static bool dead_below(void *ctx, uint32_t pack)
{
	return pack < *(uint32_t *)ctx;
}

/* Dead packs leave; a base may shrink below the size of a first base, and
 * then grow again, with the fewer bits it has. */
static void dead_packs(void)
{
	struct fx x;
	struct ref r;
	struct index *ix;
	struct index_stats st;
	uint64_t s = 24;
	uint32_t limit = 7000;
	struct index_merge_options o = { dead_below, &limit, true };
	size_t live = 0;

	fx_open(&x);
	ref_init(&r, 400000);
	ref_grow(&r, FX_RANDOM, &s, 120000);
	fx_run(&x, &r, 0, 0, 1);
	merge(&x, NULL, true);
	ref_grow(&r, FX_RANDOM, &s, 5000);
	fx_run(&x, &r, 120000, 1, 2);
	merge(&x, &o, true);
	for (size_t i = 0; i < r.n; i++)
		live += r.v[i].pack >= limit;
	ix = fx_index(&x);
	index_stats(ix, &st);
	CHECK_EQ(st.entries, live);
	CHECK_EQ(st.base_entries, live);
	CHECK_EQ(ix->files[0].h.primary, index_pages_for(live));
	CHECK(ix->files[0].h.bits < 8);
	CHECK(st.bytes <= live * 14);
	index_close(ix);
	check_all(&x, &r, &s, 2, limit);

	/* Once more with nothing to drop and one file: same name, same set. */
	merge(&x, &o, true);
	check_all(&x, &r, &s, 2, limit);
	CHECK_EQ(fx_files(&x), 1);

	ref_grow(&r, FX_RANDOM, &s, 200000);
	fx_run(&x, &r, 125000, 2, 3);
	merge(&x, NULL, true);
	check_all(&x, &r, &s, 3, limit);

	limit = UINT32_MAX;
	merge(&x, &o, true);
	ix = fx_index(&x);
	index_stats(ix, &st);
	CHECK_EQ(st.entries, 0);
	CHECK_EQ(ix->n, 1);
	index_close(ix);
	ref_grow(&r, FX_RANDOM, &s, 10);
	fx_run(&x, &r, r.n - 10, 3, 4);
	merge(&x, NULL, true);
	ref_fini(&r);
	fx_close(&x);
}

/* What is in two files at once is in the merged one once. */
static void doubles(void)
{
	struct fx x;
	struct ref r;
	struct index *ix;
	struct index_stats st;
	uint64_t s = 25;
	struct index_merge_options all = { .all = true };

	fx_open(&x);
	ref_init(&r, 100000);
	ref_grow(&r, FX_RANDOM, &s, 50000);
	fx_run(&x, &r, 0, 0, 1);
	fx_run(&x, &r, 0, 1, 2);
	fx_run(&x, &r, 100, 2, 3);
	merge(&x, &all, true);
	check_all(&x, &r, &s, 3, 0);
	ix = fx_index(&x);
	index_stats(ix, &st);
	CHECK_EQ(st.entries, 50000);
	CHECK_EQ(st.runs, 0);
	index_close(ix);
	fx_run(&x, &r, 0, 3, 4);
	merge(&x, &all, true);
	check_all(&x, &r, &s, 4, 0);
	ix = fx_index(&x);
	index_stats(ix, &st);
	CHECK_EQ(st.entries, 50000);
	index_close(ix);
	ref_fini(&r);
	fx_close(&x);
}

/* ---- builder ------------------------------------------------------------ */

static void build(struct fx *x, struct ref *r, size_t from,
		  const struct index_range *range)
{
	struct index_builder *b;
	struct err e = ERR_INIT;

	CHECK_OK(index_builder_new(x->d, &b, &e), &e);
	for (size_t i = from; i < r->n; i++) {
		struct index_loc loc = { r->v[i].pack, r->v[i].slot };

		CHECK_OK(index_builder_add(b, &r->id[i], loc, &e), &e);
	}
	CHECK_OK(index_builder_finish(b, range, &e), &e);
}

static void builds_of_many_sizes(void)
{
	static const size_t sizes[] = {
		0, 1, 90367, 90368, 98304, 98305, 196609
	};
	uint64_t s = 26;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct index_range range = fx_range(0, 9);
		struct index_range next = fx_range(9, 10);
		struct fx x;
		struct ref r;
		struct index *ix;
		struct index_stats st;

		fx_open(&x);
		ref_init(&r, 2 * sizes[i]);
		ref_grow(&r, i % 2 == 0 ? FX_RANDOM : FX_MIXED, &s, sizes[i]);
		build(&x, &r, 0, &range);
		CHECK_EQ(fx_files(&x), 1);
		check_all(&x, &r, &s, 9, 0);
		ref_grow(&r, FX_RANDOM, &s, sizes[i]);
		build(&x, &r, sizes[i], &next);
		CHECK_EQ(fx_files(&x), 2);
		check_all(&x, &r, &s, 10, 0);
		ix = fx_index(&x);
		index_stats(ix, &st);
		CHECK_EQ(st.entries, r.n);
		CHECK_EQ(st.base_entries,
			 sizes[i] >= INDEX_BASE_MIN_ENTRIES ? sizes[i] : 0);
		index_close(ix);
		ref_fini(&r);
		fx_close(&x);
	}
}

static void builder_aborts(void)
{
	struct fx x;
	struct index_builder *b;
	struct err e = ERR_INIT;
	uint64_t s = 27;

	fx_open(&x);
	CHECK_OK(index_builder_new(x.d, &b, &e), &e);
	for (uint64_t i = 0; i < 250000; i++) {
		struct digest id = fx_id(FX_RANDOM, &s, i);

		CHECK_OK(index_builder_add(b, &id, ref_loc(i), &e), &e);
	}
	CHECK_EQ(fx_files(&x), 0); /* parts have no names */
	index_builder_abort(b);
	index_builder_abort(NULL);
	CHECK_EQ(fx_files(&x), 0);
	fx_close(&x);
}

static void sorts(void)
{
	enum { N = 3000 };
	static struct index_entry a[N], b[N];
	uint64_t s = 28;

	for (int round = 0; round < 200; round++) {
		size_t n = t_rng(&s) % N;
		uint64_t mask = t_rng(&s) & t_rng(&s) & t_rng(&s);

		for (size_t i = 0; i < n; i++) {
			a[i].key = t_rng(&s) &
				   (round % 3 == 0 ? mask : UINT64_MAX);
			a[i].pack =
				(uint32_t)(t_rng(&s) & mask & INDEX_PACK_MAX);
			a[i].slot = (uint16_t)(t_rng(&s) & mask);
			if (round % 3 == 1)
				a[i].key = 7;
		}
		memset(b, 0, sizeof(b));
		memcpy(b, a, n * sizeof(*a));
		index_sort(a, n);
		qsort(b, n, sizeof(*b), ref_order);
		for (size_t i = 0; i < n; i++)
			CHECK(ref_order(&a[i], &b[i]) == 0);
	}
}

/* ---- others at work ------------------------------------------------------ */

struct shared {
	struct fx *x;
	struct ref *r;
	_Atomic(size_t) written; /* entries that a fresh index must have */
	_Atomic(bool) stop;
	_Atomic(uint64_t) opens;
};

static void *reader_main(void *arg)
{
	struct shared *sh = arg;
	uint64_t s = 30;

	while (!atomic_load(&sh->stop)) {
		size_t n = atomic_load(&sh->written);
		struct index *ix = fx_index(sh->x);
		struct err e = ERR_INIT;

		/* Twice, so that the files are replaced meanwhile. */
		for (int round = 0; round < 2; round++)
			for (size_t k = 0; k < 300 && n > 0; k++) {
				size_t i = t_rng(&s) % n;
				struct index_loc got[8];
				size_t m =
					index_find(ix, &sh->r->id[i], got, 8);
				bool seen = false;

				for (size_t j = 0; j < m; j++)
					seen |= got[j].pack ==
							sh->r->v[i].pack &&
						got[j].slot == sh->r->v[i].slot;
				CHECK(seen);
			}
		CHECK_OK(index_damage(ix, &e), &e);
		index_close(ix);
		atomic_fetch_add(&sh->opens, 1);
	}
	return NULL;
}

/* Readers open and ask all the time while another commits and merges: at no
 * moment is the chain incomplete. */
static void merges_under_readers(void)
{
	struct fx x;
	struct ref r;
	struct shared sh = { .x = &x, .r = &r };
	pthread_t t[2];
	uint64_t s = 29;
	struct err e = ERR_INIT;

	fx_open(&x);
	ref_init(&r, 200000);
	ref_grow(&r, FX_RANDOM, &s, 200000); /* ids are there before readers */
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, reader_main, &sh) == 0);
	for (uint64_t g = 0; g < 200; g++) {
		struct index_range range = fx_range(g, g + 1);
		struct index_entry v[1000];
		struct index *ix;

		memcpy(v, r.v + g * 1000, sizeof(v));
		CHECK_OK(index_write_run(x.d, &range, v, 1000, &e), &e);
		atomic_store(&sh.written, (g + 1) * 1000);
		ix = fx_index(&x);
		CHECK_OK(index_merge(ix, NULL, NULL, &e), &e);
		index_close(ix);
	}
	while (atomic_load(&sh.opens) < 4)
		usleep(1000);
	atomic_store(&sh.stop, true);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	check_all(&x, &r, &s, 200, 0);
	ref_fini(&r);
	fx_close(&x);
}

/* ---- faults -------------------------------------------------------------- */

/* Fail the n-th change of the folder for every n, once with each error: what
 * was there is there, no rubbish is left by a failure, and it works again
 * afterwards. */
static void faults(bool with_base, const char *sys)
{
	struct err e = ERR_INIT;
	uint64_t nth;
	bool acted = true;

	for (nth = 1; acted; nth++) {
		struct io_fault_plan plan;
		struct io_fault *fault;
		struct io_options o = { .engine = IO_ENGINE_PSYNC };
		char text[64];
		struct fx x, y;
		struct ref r;
		uint64_t s = 31;
		struct index *ix;
		enum bc_err rc;
		struct index_merge_options all = { .all = true };

		fx_open(&x);
		ref_init(&r, 95000);
		ref_grow(&r, FX_RANDOM, &s, with_base ? 91000 : 500);
		fx_run(&x, &r, 0, 0, 1);
		if (with_base)
			merge(&x, NULL, true);
		ref_grow(&r, FX_RANDOM, &s, 300);
		fx_run(&x, &r, r.n - 300, 1, 2);

		snprintf(text, sizeof(text), "write,name:%llu:%s",
			 (unsigned long long)nth, sys);
		CHECK_OK(io_fault_parse(text, &plan, &e), &e);
		CHECK_OK(io_fault_new(&plan, &fault, &e), &e);
		o.seam = io_fault_seam(fault);
		y = x;
		CHECK_OK(io_open(&o, &y.io, &e), &e);
		CHECK_OK(io_dir_open(y.io, x.path, &y.d, &e), &e);
		ix = fx_index(&y);
		rc = index_merge(ix, &all, NULL, &e);
		index_close(ix);
		acted = io_fault_hits(fault) != 0;
		check_all(&x, &r, &s, 2, 0);
		if (rc != BC_OK)
			CHECK_EQ(fx_files(&x), 2);
		ix = fx_index(&y);
		CHECK_OK(index_sweep(ix, NULL, &e), &e);
		CHECK_EQ(fx_files(&x), ix->n);
		CHECK_OK(index_merge(ix, &all, NULL, &e), &e);
		index_close(ix);
		check_all(&x, &r, &s, 2, 0);
		CHECK_EQ(fx_files(&x), 1);
		io_dir_close(y.d);
		io_close(y.io);
		io_fault_free(fault);
		ref_fini(&r);
		fx_close(&x);
	}
	CHECK(nth > 4);
}

static void faults_in_a_merge(void)
{
	faults(false, "EIO");
	faults(false, "ENOSPC");
	faults(true, "ENOSPC");
}

/* The same for a builder that spills. */
static void faults_in_a_build(void)
{
	struct err e = ERR_INIT;
	bool acted = true;

	for (uint64_t nth = 1; acted; nth++) {
		struct index_range range = fx_range(0, 1);
		struct io_fault_plan plan;
		struct io_fault *fault;
		struct io_options o = { .engine = IO_ENGINE_PSYNC };
		char text[64];
		struct fx x, y;
		uint64_t s = 32;
		struct index_builder *b;
		enum bc_err rc = BC_OK;

		snprintf(text, sizeof(text), "change:%llu:EIO",
			 (unsigned long long)nth);
		CHECK_OK(io_fault_parse(text, &plan, &e), &e);
		CHECK_OK(io_fault_new(&plan, &fault, &e), &e);
		o.seam = io_fault_seam(fault);
		fx_open(&x);
		y = x;
		CHECK_OK(io_open(&o, &y.io, &e), &e);
		CHECK_OK(io_dir_open(y.io, x.path, &y.d, &e), &e);
		CHECK_OK(index_builder_new(y.d, &b, &e), &e);
		for (uint64_t i = 0; i < 200000 && rc == BC_OK; i++) {
			struct digest id = fx_id(FX_RANDOM, &s, i);

			rc = index_builder_add(b, &id, ref_loc(i), &e);
		}
		if (rc == BC_OK)
			rc = index_builder_finish(b, &range, &e);
		else
			index_builder_abort(b);
		acted = io_fault_hits(fault) != 0;
		/* An unlink that failed leaves a name for the sweep, and is
		 * no failure of the build. */
		CHECK(fx_files(&x) <= 2);
		CHECK(rc == BC_OK || rc == BC_EIO);
		if (!acted)
			CHECK_EQ(rc, BC_OK);
		io_dir_close(y.d);
		io_close(y.io);
		fx_close(&x);
		io_fault_free(fault);
	}
}

int main(void)
{
	RUN(sorts);
	RUN(grows_with_random_ids);
	RUN(grows_with_bad_ids);
	RUN(bases_of_many_sizes);
	RUN(bytes_per_chunk);
	RUN(dead_packs);
	RUN(doubles);
	RUN(builds_of_many_sizes);
	RUN(builder_aborts);
	RUN(merges_under_readers);
	RUN(faults_in_a_merge);
	RUN(faults_in_a_build);
	return 0;
}
