/* SPDX-License-Identifier: Apache-2.0 */
/* bench chunk, hash, codec, lookup: stages that need no device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunk/reference.h"
#include "cmd/bench.h"
#include "codec/zstd.h"
#include "hash/sha256.h"
#include "index/build.h"
#include "index/index.h"

enum {
	DATA_BYTES = 64 << 20,
	EDIT_EVERY_BYTES = 512 << 10,
	EDIT_MAX_BYTES = 200,
	METHODS_MAX = CHUNK_KERNEL_COUNT + 2,
	CHUNK_BYTES = 64 << 10,
	BLOCK_BYTES = 256 << 10,
};

/* ---- chunk -----------------------------------------------------------------
 */

/* A copy with a few bytes put in or taken out here and there. Returns its
 * length, at most n. */
static size_t edited_copy(uint64_t *s, const uint8_t *from, size_t n,
			  uint8_t *to)
{
	size_t in = 0, out = 0;

	while (in < n) {
		size_t run = EDIT_EVERY_BYTES / 2 +
			     bench_random(s) % EDIT_EVERY_BYTES;
		size_t k = bench_random(s) % EDIT_MAX_BYTES;

		if (run > n - in)
			run = n - in;
		if (run > n - out)
			run = n - out;
		memcpy(to + out, from + in, run);
		in += run;
		out += run;
		if (bench_random(s) % 2 == 0 && k < n - out) {
			bench_fill(s, to + out, k);
			out += k;
		} else if (k < n - in) {
			in += k;
		}
		if (out == n)
			break;
	}
	return out;
}

struct contender {
	const char *name;
	struct chunk_method m;
};

static enum bc_err chunk_one(struct ctx *c, const struct contender *k,
			     struct bytes old, struct bytes new, struct err *e)
{
	struct chunk_tally t = CHUNK_TALLY_INIT;
	struct clock clk = clock_system();
	struct show_bench row = { .stage = "chunk",
				  .variant = k->name,
				  .bytes = old.n,
				  .p50_us = -1,
				  .p99_us = -1 };
	enum bc_err rc = chunk_tally_file(&t, &k->m, old);

	if (rc == BC_OK)
		rc = chunk_tally_file(&t, &k->m, new);
	if (rc != BC_OK) {
		chunk_tally_fini(&t);
		return err_set(e, rc, "no memory to count chunks");
	}
	row.seconds =
		(double)chunk_method_time(&k->m, old, BENCH_RUNS, &clk) / 1e9;
	row.ratio = (double)t.unique_bytes / (double)(t.bytes + !t.bytes);
	row.operations = t.chunks / 2;
	chunk_tally_fini(&t);
	show_bench(&c->out, &row);
	return bench_stopped(c, e);
}

static enum bc_err chunk_all(struct ctx *c, struct bytes old, struct bytes new,
			     struct err *e)
{
	static struct chunk_rabin rabin;
	struct chunk_params params;
	struct chunker ours[CHUNK_KERNEL_COUNT];
	struct contender v[METHODS_MAX];
	size_t n = 0;
	enum bc_err rc = chunk_params_parse("cdc:64KiB", &params, e);

	memset(v, 0, sizeof(v));
	for (int k = CHUNK_KERNEL_SCALAR; k < CHUNK_KERNEL_COUNT; k++) {
		if (!chunk_kernel_supported((enum chunk_kernel)k))
			continue;
		chunker_init(&ours[k], &params, (enum chunk_kernel)k);
		v[n].name = chunk_kernel_name((enum chunk_kernel)k);
		v[n++].m.ours = &ours[k];
	}
	v[n].name = "plain gear";
	v[n++].m.gear = &params;
	chunk_rabin_init(&rabin);
	v[n].name = "rabin";
	v[n].m.rabin_params = &params;
	v[n++].m.rabin = &rabin;
	for (size_t i = 0; i < n && rc == BC_OK; i++)
		rc = chunk_one(c, &v[i], old, new, e);
	return rc;
}

enum bc_err bench_chunk(struct ctx *c, struct err *e)
{
	uint8_t *old = malloc(DATA_BYTES), *new = malloc(DATA_BYTES);
	uint64_t s = 1;
	enum bc_err rc = BC_ENOMEM;

	if (old == NULL || new == NULL) {
		(void)err_set(e, rc, "no memory for the data");
	} else {
		size_t n;

		bench_fill(&s, old, DATA_BYTES);
		n = edited_copy(&s, old, DATA_BYTES, new);
		rc = chunk_all(c, bytes_of(old, DATA_BYTES), bytes_of(new, n),
			       e);
	}
	free(old);
	free(new);
	return rc;
}

/* ---- hash ------------------------------------------------------------------
 */

struct hashing {
	enum sha256_kernel kernel;
	bool automatic; /* whatever sha256_many() chooses */
	struct sha256_job *jobs;
	size_t n;
};

static void hash_all(void *ctx)
{
	struct hashing *h = ctx;

	if (h->automatic)
		sha256_many(h->jobs, h->n);
	else
		sha256_many_with(h->kernel, h->jobs, h->n);
}

static enum bc_err hash_with(struct ctx *c, struct hashing *h, size_t bytes,
			     struct err *e)
{
	char name[64];
	struct show_bench row = { .stage = "hash",
				  .variant = name,
				  .bytes = bytes,
				  .operations = h->n,
				  .p50_us = -1,
				  .p99_us = -1 };

	snprintf(name, sizeof(name), "%s%s",
		 h->automatic ? "chosen here: " : "",
		 sha256_kernel_name(h->automatic ? sha256_best() : h->kernel));
	row.seconds = bench_median(hash_all, h);
	show_bench(&c->out, &row);
	return bench_stopped(c, e);
}

enum bc_err bench_hash(struct ctx *c, struct err *e)
{
	enum { N = DATA_BYTES / CHUNK_BYTES };
	static struct sha256_job jobs[N];
	static struct digest digests[N];
	uint8_t *data = malloc(DATA_BYTES);
	struct hashing h = { .jobs = jobs, .n = N };
	uint64_t s = 1;
	enum bc_err rc = BC_OK;

	if (data == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the data");
	bench_fill(&s, data, DATA_BYTES);
	for (size_t i = 0; i < N; i++)
		jobs[i] = (struct sha256_job){ bytes_of(data + i * CHUNK_BYTES,
							CHUNK_BYTES),
					       &digests[i] };
	for (int k = 0; k < SHA256_KERNELS && rc == BC_OK; k++) {
		h.kernel = (enum sha256_kernel)k;
		if (sha256_supported(h.kernel))
			rc = hash_with(c, &h, DATA_BYTES, e);
	}
	h.automatic = true;
	if (rc == BC_OK)
		rc = hash_with(c, &h, DATA_BYTES, e);
	free(data);
	return rc;
}

/* ---- codec -----------------------------------------------------------------
 */

struct coding {
	struct codec_enc *enc;
	struct codec_dec *dec;
	int level;
	uint8_t *plain, *coded, *back;		  /* back: one block */
	size_t lengths[DATA_BYTES / BLOCK_BYTES]; /* 0: stored as it is */
	size_t n;				  /* blocks */
	enum bc_err rc;
	struct err e;
};

static void encode_all(void *ctx)
{
	struct coding *k = ctx;

	for (size_t i = 0; i < k->n && k->rc == BC_OK; i++) {
		size_t at = i * BLOCK_BYTES;

		k->lengths[i] = 0;
		k->rc = codec_compress(
			k->enc, k->level, bytes_of(k->plain + at, BLOCK_BYTES),
			k->coded + at, BLOCK_BYTES, &k->lengths[i], &k->e);
		if (k->rc == BC_EFULL)
			k->rc = BC_OK;
	}
}

static void decode_all(void *ctx)
{
	struct coding *k = ctx;

	for (size_t i = 0; i < k->n && k->rc == BC_OK; i++)
		if (k->lengths[i] != 0)
			k->rc = codec_decompress(
				k->dec,
				bytes_of(k->coded + i * BLOCK_BYTES,
					 k->lengths[i]),
				k->back, BLOCK_BYTES, &k->e);
}

static void code_show(struct ctx *c, struct coding *k, const char *what,
		      const char *data, bool decode)
{
	char name[64];
	size_t stored = 0;
	struct show_bench row = { .stage = "codec",
				  .variant = name,
				  .bytes = k->n * BLOCK_BYTES,
				  .p50_us = -1,
				  .p99_us = -1 };

	row.seconds = bench_median(decode ? decode_all : encode_all, k);
	for (size_t i = 0; i < k->n; i++)
		stored += k->lengths[i] == 0 ? BLOCK_BYTES : k->lengths[i];
	row.ratio = (double)stored / (double)row.bytes;
	if (decode && stored == row.bytes)
		return; /* nothing was compressed */
	snprintf(name, sizeof(name), "%s zstd:%d, %s", what, k->level, data);
	show_bench(&c->out, &row);
}

static enum bc_err code_levels(struct ctx *c, struct coding *k,
			       const char *data, size_t bytes, struct err *e)
{
	static const int LEVELS[] = { 1, 3, 9 };

	for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
		k->level = LEVELS[i];
		/* High levels are slow: less will do. */
		k->n = bytes / BLOCK_BYTES / (LEVELS[i] > 3 ? 8 : 1);
		code_show(c, k, "compress", data, false);
		code_show(c, k, "decompress", data, true);
		if (k->rc != BC_OK) {
			*e = k->e;
			return k->rc;
		}
		if (bench_stopped(c, e) != BC_OK)
			return BC_ECANCEL;
	}
	return BC_OK;
}

enum bc_err bench_codec(struct ctx *c, struct err *e)
{
	enum { CODED_BYTES = 16 << 20 };
	struct coding *k = calloc(1, sizeof(*k));
	uint64_t s = 1;
	enum bc_err rc;

	if (k != NULL) {
		k->plain = malloc(CODED_BYTES);
		k->coded = malloc(CODED_BYTES);
		k->back = malloc(BLOCK_BYTES);
	}
	if (k == NULL || k->plain == NULL || k->coded == NULL ||
	    k->back == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for the data");
	} else {
		rc = codec_enc_new(&k->enc, e);
		if (rc == BC_OK)
			rc = codec_dec_new(&k->dec, e);
		bench_text(&s, k->plain, CODED_BYTES);
		if (rc == BC_OK)
			rc = code_levels(c, k, "text", CODED_BYTES, e);
		bench_fill(&s, k->plain, CODED_BYTES);
		if (rc == BC_OK)
			rc = code_levels(c, k, "random", CODED_BYTES, e);
	}
	if (k != NULL) {
		codec_enc_free(k->enc);
		codec_dec_free(k->dec);
		free(k->plain);
		free(k->coded);
		free(k->back);
	}
	free(k);
	return rc;
}

/* ---- lookup ----------------------------------------------------------------
 */

enum {
	LOOKUP_AT_ONCE = 256,
	LOOKUP_ASKED = 1 << 18,
	LOOKUP_SPACE_BYTES = 512 << 20, /* with the sorted parts */
};

struct lookups {
	struct index *ix;
	struct digest *hit, *miss;
	bool many, absent;
	uint64_t found;
};

static void look_up(void *ctx)
{
	struct lookups *l = ctx;
	const struct digest *ids = l->absent ? l->miss : l->hit;
	const struct digest *at[LOOKUP_AT_ONCE];
	struct index_loc loc[LOOKUP_AT_ONCE];
	bool found[LOOKUP_AT_ONCE];

	l->found = 0;
	for (size_t i = 0; i < LOOKUP_ASKED; i += LOOKUP_AT_ONCE) {
		if (!l->many) {
			for (size_t k = 0; k < LOOKUP_AT_ONCE; k++)
				l->found +=
					index_find(l->ix, &ids[i + k], loc, 1);
			continue;
		}
		for (size_t k = 0; k < LOOKUP_AT_ONCE; k++)
			at[k] = &ids[i + k];
		index_find_many(l->ix, at, LOOKUP_AT_ONCE, loc, found);
		for (size_t k = 0; k < LOOKUP_AT_ONCE; k++)
			l->found += found[k];
	}
}

/* An index of `chunks` random ids in folder d. */
static enum bc_err make_index(struct ctx *c, struct io_dir *d, uint64_t chunks,
			      struct lookups *l, struct err *e)
{
	struct index_range range = { .to_gen = 1 };
	struct index_builder *b = NULL;
	uint64_t s = 1, every = chunks / LOOKUP_ASKED, n = 0;
	enum bc_err rc = index_builder_new(d, &b, e);

	for (uint64_t i = 0; i < chunks && rc == BC_OK; i++) {
		struct digest id;
		struct index_loc loc = { (uint32_t)(i >> 10) + 1,
					 (uint16_t)(i & 1023) };

		bench_fill(&s, id.b, DIGEST_BYTES);
		if (i % every == 0 && n < LOOKUP_ASKED)
			l->hit[n++] = id;
		rc = index_builder_add(b, &id, loc, e);
		if (rc == BC_OK && i % 65536 == 0)
			rc = bench_stopped(c, e);
	}
	for (size_t i = 0; i < LOOKUP_ASKED; i++)
		bench_fill(&s, l->miss[i].b, DIGEST_BYTES);
	if (rc != BC_OK) {
		index_builder_abort(b);
		return rc;
	}
	return index_builder_finish(b, &range, e);
}

static void lookup_show(struct ctx *c, struct lookups *l, uint64_t chunks)
{
	struct index_stats st;
	char name[96];
	struct show_bench row = { .stage = "lookup",
				  .variant = name,
				  .operations = LOOKUP_ASKED,
				  .p50_us = -1,
				  .p99_us = -1 };

	index_stats(l->ix, &st);
	snprintf(name, sizeof(name), "%llu chunks, %s, %s, %.1f bytes each",
		 (unsigned long long)chunks, l->absent ? "absent" : "present",
		 l->many ? "batched" : "one by one",
		 (double)st.bytes / (double)st.entries);
	row.seconds = bench_median(look_up, l);
	show_bench(&c->out, &row);
}

static enum bc_err lookup_size(struct ctx *c, struct io_dir *d, uint64_t chunks,
			       struct lookups *l, struct err *e)
{
	static const uint8_t NOBODY[INDEX_REPO_ID_BYTES] = { 0 };
	enum bc_err rc = index_wipe(d, e);

	if (rc == BC_OK)
		rc = make_index(c, d, chunks, l, e);
	if (rc == BC_OK)
		rc = index_open(d, NOBODY, &l->ix, e);
	if (rc != BC_OK)
		return rc;
	for (int k = 0; k < 4; k++) {
		l->many = (k & 1) != 0;
		l->absent = (k & 2) != 0;
		lookup_show(c, l, chunks);
		if (!l->absent && l->found != LOOKUP_ASKED)
			rc = err_set(
				e, BC_EDAMAGE,
				"the index lost %llu of its chunks",
				(unsigned long long)(LOOKUP_ASKED - l->found));
	}
	index_close(l->ix);
	l->ix = NULL;
	return rc;
}

enum bc_err bench_lookup(struct ctx *c, struct err *e)
{
	static const uint64_t SIZES[] = { 1000000, 10000000 };
	struct lookups l = { .ix = NULL };
	struct bench_scratch dir = BENCH_SCRATCH_INIT;
	enum bc_err rc = bench_scratch_make(c, LOOKUP_SPACE_BYTES, &dir, e);

	l.hit = malloc(LOOKUP_ASKED * sizeof(*l.hit));
	l.miss = malloc(LOOKUP_ASKED * sizeof(*l.miss));
	if (rc == BC_OK && (l.hit == NULL || l.miss == NULL))
		rc = err_set(e, BC_ENOMEM, "no memory for ids");
	for (size_t i = 0; i < 2 && rc == BC_OK; i++)
		rc = lookup_size(c, dir.dir, SIZES[i], &l, e);
	free(l.hit);
	free(l.miss);
	bench_scratch_remove(&dir);
	return rc;
}
