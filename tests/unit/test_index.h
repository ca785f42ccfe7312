/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the index share: a scratch folder, a repository of
 * entries to compare with, and ids of every unpleasant kind. */
#ifndef BC_TESTS_TEST_INDEX_H
#define BC_TESTS_TEST_INDEX_H

#include <stdbool.h>
#include <unistd.h>

#include "index/build.h"
#include "index/chain.h"
#include "index/index.h"
#include "index/merge.h"
#include "io/io.h"
#include "tests/unit/t.h"

static const uint8_t fx_repo[INDEX_REPO_ID_BYTES] = "repository-0001";

struct fx {
	char path[64];
	struct io *io;
	struct io_dir *d;
};

static inline void fx_open(struct fx *x)
{
	struct io_options o = { .engine = IO_ENGINE_PSYNC };
	struct err e = ERR_INIT;

	snprintf(x->path, sizeof(x->path), "/tmp/test-index-XXXXXX");
	CHECK(mkdtemp(x->path) != NULL);
	CHECK_OK(io_open(&o, &x->io, &e), &e);
	CHECK_OK(io_dir_open(x->io, x->path, &x->d, &e), &e);
}

static inline enum bc_err fx_unlink_one(void *ctx, const char *name,
					enum io_type type)
{
	struct err e = ERR_INIT;

	(void)type;
	return io_unlink(ctx, name, &e);
}

static inline void fx_empty(struct fx *x)
{
	struct err e = ERR_INIT;

	CHECK_OK(io_list(x->d, ".", &e, fx_unlink_one, x->d), &e);
}

static inline void fx_close(struct fx *x)
{
	fx_empty(x);
	io_dir_close(x->d);
	io_close(x->io);
	CHECK(rmdir(x->path) == 0);
}

static inline enum bc_err fx_count_one(void *ctx, const char *name,
				       enum io_type type)
{
	size_t *n = ctx;

	(void)name;
	(void)type;
	(*n)++;
	return BC_OK;
}

static inline size_t fx_files(struct fx *x)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	CHECK_OK(io_list(x->d, ".", &e, fx_count_one, &n), &e);
	return n;
}

/* The digest of generation g; zeros for 0. */
static inline struct digest fx_digest(uint64_t g)
{
	struct digest d = { { 0 } };
	uint64_t s = g;

	if (g != 0)
		t_fill(&s, d.b, sizeof(d.b));
	return d;
}

static inline struct index_range fx_range(uint64_t from, uint64_t to)
{
	struct index_range r = { .from_gen = from, .to_gen = to };

	memcpy(r.repo_id, fx_repo, sizeof(fx_repo));
	r.from_digest = fx_digest(from);
	r.to_digest = fx_digest(to);
	return r;
}

enum fx_ids {
	FX_RANDOM,
	FX_ZERO,     /* all ids 0 */
	FX_ONES,     /* all bits set */
	FX_SAME_KEY, /* agree in 64 bits, differ after them */
	FX_CLUSTER,  /* agree in 24 bits: one page has them all */
	FX_NEAR,     /* agree in 40 bits: one place of a base */
	FX_COUNTING, /* 1, 2, 3 ... at the low end of the key */
	FX_EDGES,    /* around the places where pages meet */
	FX_MIXED,    /* half random, half FX_CLUSTER */
	FX_IDS_N,
};

static inline struct digest fx_id(enum fx_ids kind, uint64_t *seed, uint64_t i)
{
	struct digest d;
	uint64_t k;

	/* A word at a time: tests make some millions of ids. */
	for (size_t b = 0; b < sizeof(d.b); b += sizeof(k)) {
		k = t_rng(seed);
		memcpy(d.b + b, &k, sizeof(k));
	}
	switch (kind) {
	case FX_ZERO:
		memset(d.b, 0, sizeof(d.b));
		break;
	case FX_ONES:
		memset(d.b, 0xff, sizeof(d.b));
		break;
	case FX_SAME_KEY:
		memset(d.b, 0x5a, 8);
		break;
	case FX_CLUSTER:
		memset(d.b, 0xc3, 3);
		break;
	case FX_NEAR:
		memset(d.b, 0x77, 5);
		break;
	case FX_COUNTING:
		for (int b = 0; b < 8; b++)
			d.b[b] = (uint8_t)((i + 1) >> (56 - 8 * b));
		break;
	case FX_EDGES:
		k = (t_rng(seed) % 512 << 55) + (t_rng(seed) % 5) - UINT64_C(2);
		for (int b = 0; b < 8; b++)
			d.b[b] = (uint8_t)(k >> (56 - 8 * b));
		break;
	case FX_MIXED:
		if (t_rng(seed) % 2 == 0)
			memset(d.b, 0xc3, 3);
		break;
	case FX_RANDOM:
	case FX_IDS_N:
	default:
		break;
	}
	return d;
}

/* Everything that was ever put into the index. */
struct ref {
	struct digest *id;
	struct index_entry *v; /* in the order of insertion */
	size_t n;
	size_t cap;
	struct index_entry *sorted;
	size_t sorted_n; /* how many that is of */
};

static inline void ref_init(struct ref *r, size_t cap)
{
	r->n = 0;
	r->sorted_n = SIZE_MAX;
	r->cap = cap;
	r->id = calloc(cap + 1, sizeof(*r->id));
	r->v = calloc(cap + 1, sizeof(*r->v));
	r->sorted = calloc(cap + 1, sizeof(*r->sorted));
	CHECK(r->id != NULL && r->v != NULL && r->sorted != NULL);
}

static inline void ref_fini(struct ref *r)
{
	free(r->id);
	free(r->v);
	free(r->sorted);
}

/* A location that no other entry has. */
static inline struct index_loc ref_loc(uint64_t i)
{
	return (struct index_loc){ (uint32_t)(i * 7 / 100 % 0x1000000),
				   (uint16_t)(i % 65536) };
}

static inline void ref_grow(struct ref *r, enum fx_ids kind, uint64_t *seed,
			    size_t n)
{
	for (; n > 0; n--) {
		CHECK(r->n < r->cap);
		r->id[r->n] = fx_id(kind, seed, r->n);
		r->v[r->n] = index_entry_of(&r->id[r->n], ref_loc(r->n));
		r->n++;
	}
}

static inline int ref_order(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return (x->slot > y->slot) - (x->slot < y->slot);
}

static inline void ref_sort(struct ref *r)
{
	if (r->sorted_n == r->n)
		return;
	r->sorted_n = r->n;
	memcpy(r->sorted, r->v, r->n * sizeof(*r->v));
	qsort(r->sorted, r->n, sizeof(*r->sorted), ref_order);
}

/* Put entries from..r->n into the folder as one run. */
static inline void fx_run(struct fx *x, struct ref *r, size_t from,
			  uint64_t gen_from, uint64_t gen_to)
{
	struct index_range range = fx_range(gen_from, gen_to);
	size_t n = r->n - from;
	struct index_entry *copy = malloc((n + 1) * sizeof(*copy));
	struct err e = ERR_INIT;

	CHECK(copy != NULL);
	memcpy(copy, r->v + from, n * sizeof(*copy));
	CHECK_OK(index_write_run(x->d, &range, copy, n, &e), &e);
	free(copy);
}

static inline struct index *fx_index(struct fx *x)
{
	struct err e = ERR_INIT;
	struct index *ix;

	CHECK_OK(index_open(x->d, fx_repo, &ix, &e), &e);
	return ix;
}

/* Bits of the key that every file of ix can tell apart. */
static inline unsigned fx_key_bits(const struct index *ix)
{
	if (ix->n != 0 && ix->files[0].h.kind == INDEX_BASE)
		return ix->files[0].h.bits + 32;
	return 64;
}

static inline size_t ref_lower(const struct ref *r, uint64_t key)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->sorted[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * Compare the answers for one key with the reference, which is sorted: every
 * entry with that key must be there, and nothing that does not agree with it
 * in the bits the base keeps. `gone` packs may be missing, and only they.
 */
static inline size_t ref_check_key(const struct ref *r, struct index *ix,
				   const struct digest *id, uint32_t gone_below)
{
	enum { MAX = 1 << 18 };
	static struct index_loc got[MAX];
	uint64_t key = digest_key(id);
	unsigned drop = 64 - fx_key_bits(ix);
	size_t n = index_find(ix, id, got, MAX);
	size_t want_all = 0, want_least = 0, hits = 0;
	uint64_t low = key >> drop << drop;

	CHECK(n < MAX);
	for (size_t i = ref_lower(r, low);
	     i < r->n && r->sorted[i].key >> drop == key >> drop; i++) {
		const struct index_entry *w = &r->sorted[i];
		bool seen = false;

		want_all++;
		if (w->key == key && w->pack >= gone_below)
			want_least++;
		/* Bounded: adversarial sets have thousands of equals, and the
		 * counts below hold them together. */
		for (size_t k = 0; k < n && want_all <= 64 && !seen; k++)
			seen = got[k].pack == w->pack && got[k].slot == w->slot;
		if (want_all <= 64 && w->key == key && w->pack >= gone_below)
			CHECK(seen);
		hits += seen;
	}
	CHECK(n >= want_least);
	CHECK(n <= want_all);
	if (want_all <= 64)
		CHECK_EQ(hits, n);
	return n;
}

/* Every stored id (or a sample of them) and as many that are not there. */
static inline void ref_check(struct ref *r, struct index *ix, uint64_t *seed,
			     uint32_t gone_below)
{
	struct err e = ERR_INIT;
	size_t step = r->n / 1200 + 1, hits = 0;

	ref_sort(r);
	/* Where thousands are equal, a few questions ask about them all. */
	for (size_t i = 0; i < r->n && hits < 40000; i += step) {
		struct digest other = r->id[i];

		hits += ref_check_key(r, ix, &r->id[i], gone_below);
		t_fill(seed, other.b, sizeof(other.b));
		hits += ref_check_key(r, ix, &other, gone_below);
		/* A neighbour in the order of keys. */
		other = r->id[i];
		other.b[t_rng(seed) % 8] ^= (uint8_t)(1 << t_rng(seed) % 8);
		hits += ref_check_key(r, ix, &other, gone_below);
	}
	CHECK_OK(index_damage(ix, &e), &e);
}

#endif
