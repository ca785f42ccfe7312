/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_codec - ratio against speed of zstd's parameters on a source tree.
 *
 *   bench_codec DIR [EVERY [WHAT...]]
 *
 * Reads the files below DIR in directory order (sorted by name) in windows of
 * 8 MiB, of which it keeps one in EVERY (default 8), lays them end to end and
 * cuts blocks. WHAT is any of `levels`, `sets`, `sizes`, `files`, `order`,
 * `codec`;
 * all without.
 *
 * Every set runs in turns with zstd's level 1 on blocks of 256 KiB, and the
 * columns with a sign are the medians of its gain over that in the same turn:
 * a busy machine slows both. Times are one thread's processor time.
 */
#include <fts.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include "codec/zstd.h"
#include "tests/unit/t.h"

enum {
	ROUNDS = 7,
	WINDOW = 8 << 20,
	MAX_FILES = 1 << 18,
	KIB = 1024,
};

struct file {
	char *path;
	const char *ext;
	size_t size, window;
};

static struct file files[MAX_FILES];
static size_t n_files;

struct corpus {
	uint8_t *p;
	size_t n;
};

struct set {
	const char *name;
	int level; /* 0: the parameters; else zstd's own level */
	int wlog, hlog, clog, slog, mml, tlen;
	int strategy;
};

static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void walk(char *dir, size_t every)
{
	char *roots[] = { dir, NULL };
	FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	size_t seen = 0;
	FTSENT *e;

	CHECK(f != NULL);
	while ((e = fts_read(f)) != NULL && n_files < MAX_FILES) {
		size_t window = seen / WINDOW;
		char *dot;

		if (e->fts_info != FTS_F)
			continue;
		seen += (size_t)e->fts_statp->st_size;
		if (window % every != 0)
			continue;
		dot = strrchr(e->fts_name, '.');
		files[n_files].path = strdup(e->fts_path);
		files[n_files].ext = dot != NULL ? strdup(dot) : "";
		files[n_files].size = (size_t)e->fts_statp->st_size;
		files[n_files].window = window / every;
		CHECK(files[n_files].path != NULL);
		n_files++;
	}
	fts_close(f);
}

static void corpus_load(struct corpus *c)
{
	size_t sum = 0;

	for (size_t i = 0; i < n_files; i++)
		sum += files[i].size;
	c->p = malloc(sum + 1);
	c->n = 0;
	CHECK(c->p != NULL);
	for (size_t i = 0; i < n_files; i++) {
		FILE *f = fopen(files[i].path, "rb");

		if (f == NULL)
			continue;
		c->n += fread(c->p + c->n, 1, files[i].size, f);
		fclose(f);
	}
}

/* ---- measuring ----------------------------------------------------------- */

static void set_params(ZSTD_CCtx *c, const struct set *s)
{
	ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel,
			       s->level != 0 ? s->level : 1);
	if (s->level != 0)
		return;
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, s->wlog);
	ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, s->hlog);
	ZSTD_CCtx_setParameter(c, ZSTD_c_chainLog, s->clog);
	ZSTD_CCtx_setParameter(c, ZSTD_c_searchLog, s->slog);
	ZSTD_CCtx_setParameter(c, ZSTD_c_minMatch, s->mml);
	ZSTD_CCtx_setParameter(c, ZSTD_c_targetLength, s->tlen);
	ZSTD_CCtx_setParameter(c, ZSTD_c_strategy, s->strategy);
}

static const struct set base = { .name = "level 1", .level = 1 };

struct work {
	ZSTD_CCtx *c;
	size_t block, total;
	uint8_t *out;
	size_t *len;
};

static void work_init(struct work *w, const struct corpus *in,
		      const struct set *s, size_t block)
{
	size_t blocks = in->n / block + 1;

	w->c = ZSTD_createCCtx();
	w->block = block;
	w->out = malloc(in->n + blocks * 1024 + ZSTD_compressBound(block));
	w->len = calloc(blocks, sizeof(*w->len));
	CHECK(w->c != NULL && w->out != NULL && w->len != NULL);
	set_params(w->c, s);
}

static void work_fini(struct work *w)
{
	ZSTD_freeCCtx(w->c);
	free(w->out);
	free(w->len);
}

/* Seconds for the whole corpus. */
static double work_compress(struct work *w, const struct corpus *in)
{
	double t = cpu_now();
	size_t at = 0;

	w->total = 0;
	for (size_t b = 0; at < in->n; b++) {
		size_t n = in->n - at < w->block ? in->n - at : w->block;

		w->len[b] = ZSTD_compress2(w->c, w->out + w->total,
					   ZSTD_compressBound(w->block),
					   in->p + at, n);
		CHECK(!ZSTD_isError(w->len[b]));
		w->total += w->len[b];
		at += n;
	}
	return cpu_now() - t;
}

static double work_decompress(const struct work *w, const struct corpus *in)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	uint8_t *plain = malloc(w->block);
	double t = cpu_now();
	size_t at = 0;

	CHECK(d != NULL && plain != NULL);
	for (size_t b = 0, done = 0; done < in->n; b++) {
		size_t n = ZSTD_decompressDCtx(d, plain, w->block, w->out + at,
					       w->len[b]);

		CHECK(!ZSTD_isError(n));
		CHECK(memcmp(plain, in->p + done, n) == 0);
		at += w->len[b];
		done += n;
	}
	t = cpu_now() - t;
	ZSTD_freeDCtx(d);
	free(plain);
	return t;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(v[0]), by_value);
	return v[ROUNDS / 2];
}

static void measure(const struct corpus *in, const struct set *s, size_t block)
{
	double mb = (double)in->n * 1e-6, c[ROUNDS], d[ROUNDS], gain[ROUNDS];
	struct work w, b;

	work_init(&w, in, s, block);
	work_init(&b, in, &base, 256 * KIB);
	for (int r = 0; r < ROUNDS; r++) {
		double bt = work_compress(&b, in), t = work_compress(&w, in);

		c[r] = mb / t;
		gain[r] = 100 * (bt / t - 1);
		d[r] = mb / work_decompress(&w, in);
	}
	printf("%-28s %5zu %7.4f %+6.1f%% %7.1f %+6.1f%% %7.1f %7zu\n", s->name,
	       block / KIB, (double)in->n / (double)w.total,
	       100 * ((double)b.total / (double)w.total - 1), median(c),
	       median(gain), median(d), ZSTD_sizeof_CCtx(w.c) / KIB);
	fflush(stdout);
	work_fini(&w);
	work_fini(&b);
}

static void head(const char *what)
{
	printf("\n%-28s %5s %7s %7s %7s %7s %7s %7s\n", what, "KiB", "ratio",
	       "", "MB/s", "", "decomp", "ctx KiB");
}

static void bench_levels(const struct corpus *c)
{
	static const struct set sets[] = {
		{ .name = "level -1", .level = -1 },
		{ .name = "level 1", .level = 1 },
		{ .name = "level 2", .level = 2 },
		{ .name = "level 3", .level = 3 },
		{ .name = "level 4", .level = 4 },
		{ .name = "level 5", .level = 5 },
	};

	head("levels");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		measure(c, &sets[i], 256 * KIB);
}

struct range {
	int from, to;
};

/* All sets with the tables of `hash` and `chain` (dfast: the short hash). */
static void sweep(const struct corpus *c, int strategy, struct range hash,
		  struct range chain, struct range min, int tlen, size_t block)
{
	for (int h = hash.from; h <= hash.to; h++) {
		for (int cl = chain.from; cl <= chain.to; cl++) {
			for (int m = min.from; m <= min.to; m++) {
				char name[64];
				struct set s = { .name = name,
						 .hlog = h,
						 .clog = cl,
						 .slog = 1,
						 .mml = m,
						 .tlen = tlen,
						 .strategy = strategy };

				s.wlog = 10;
				while ((size_t)1 << s.wlog < block)
					s.wlog++;
				snprintf(name, sizeof(name),
					 "%s hash %d %d min %d target %d",
					 strategy == ZSTD_fast ? "fast"
							       : "dfast",
					 h, cl, m, tlen);
				measure(c, &s, block);
			}
		}
	}
}

static void bench_sets(const struct corpus *c)
{
	head("parameter sets");
	sweep(c, ZSTD_fast, (struct range){ 13, 17 }, (struct range){ 13, 13 },
	      (struct range){ 5, 7 }, 0, 256 * KIB);
	sweep(c, ZSTD_fast, (struct range){ 15, 16 }, (struct range){ 13, 13 },
	      (struct range){ 5, 6 }, 2, 256 * KIB);
	sweep(c, ZSTD_dfast, (struct range){ 12, 15 }, (struct range){ 12, 14 },
	      (struct range){ 4, 6 }, 0, 256 * KIB);
	sweep(c, ZSTD_fast, (struct range){ 14, 17 }, (struct range){ 13, 13 },
	      (struct range){ 5, 7 }, 0, 1024 * KIB);
	sweep(c, ZSTD_fast, (struct range){ 15, 16 }, (struct range){ 13, 13 },
	      (struct range){ 6, 7 }, 0, 512 * KIB);
}

static void bench_sizes(const struct corpus *c)
{
	static const size_t kib[] = { 64, 128, 256, 512, 1024, 4096 };
	static const struct set sets[] = {
		{ .name = "level 1", .level = 1 },
		{ .name = "level 3", .level = 3 },
	};

	head("block sizes");
	for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
		for (size_t i = 0; i < sizeof(kib) / sizeof(kib[0]); i++)
			measure(c, &sets[s], kib[i] * KIB);
}

/* What gathering is worth: a frame to a file, as most peers store it. */
static void bench_files(const struct corpus *c)
{
	static const int levels[] = { 1, 3 };

	head("a frame to a file");
	for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
		ZSTD_CCtx *z = ZSTD_createCCtx();
		uint8_t *out = malloc(ZSTD_compressBound(c->n));
		size_t at = 0, total = 0;
		double t = cpu_now();

		CHECK(z != NULL && out != NULL);
		for (size_t i = 0; i < n_files; i++) {
			size_t n = ZSTD_compressCCtx(
				z, out, ZSTD_compressBound(c->n), c->p + at,
				files[i].size, levels[l]);

			CHECK(!ZSTD_isError(n));
			total += n;
			at += files[i].size;
		}
		t = cpu_now() - t;
		CHECK(at == c->n);
		printf("level %-22d %5s %7.4f %7s %7.1f\n", levels[l], "-",
		       (double)c->n / (double)total, "",
		       (double)c->n / t * 1e-6);
		ZSTD_freeCCtx(z);
		free(out);
	}
}

/* ---- order of files ------------------------------------------------------ */

static size_t order_windows; /* windows of WINDOW that are sorted together */

static int by_ext(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	size_t wx = x->window / order_windows, wy = y->window / order_windows;
	int c;

	if (wx != wy)
		return wx < wy ? -1 : 1;
	c = strcmp(x->ext, y->ext);
	return c != 0 ? c : strcmp(x->path, y->path);
}

static void bench_order(void)
{
	static const struct set sets[] = {
		{ .name = "level 1", .level = 1 },
		{ .name = "level 3", .level = 3 },
	};

	for (order_windows = 1; order_windows <= 64; order_windows *= 8) {
		char what[64];
		struct corpus c;

		qsort(files, n_files, sizeof(files[0]), by_ext);
		corpus_load(&c);
		snprintf(what, sizeof(what), "by extension within %zu MiB",
			 order_windows * WINDOW >> 20);
		head(what);
		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
			measure(&c, &sets[s], 256 * KIB);
		free(c.p);
	}
}

/* ---- our own calls ------------------------------------------------------- */

static void codec_round(const struct corpus *in, int level, size_t block)
{
	struct codec_enc *enc = NULL;
	struct codec_dec *dec = NULL;
	struct err e = ERR_INIT;
	uint8_t *out = malloc(block);
	double ct = 0, vt = 0;
	size_t total = 0;

	CHECK(out != NULL);
	CHECK_OK(codec_enc_new(&enc, &e), &e);
	CHECK_OK(codec_dec_new(&dec, &e), &e);
	for (size_t at = 0; at < in->n; at += block) {
		size_t n = in->n - at < block ? in->n - at : block, len = n;
		double t = cpu_now();
		enum bc_err rc =
			codec_compress(enc, level, bytes_of(in->p + at, n), out,
				       block, &len, &e);

		ct += cpu_now() - t;
		CHECK(rc == BC_OK || rc == BC_EFULL);
		total += len;
		if (rc != BC_OK)
			continue;
		t = cpu_now();
		CHECK_OK(codec_verify(dec, bytes_of(out, len),
				      bytes_of(in->p + at, n), &e),
			 &e);
		vt += cpu_now() - t;
	}
	printf("codec_compress level %-7d %5zu %7.4f %7s %7.1f %7s %7.1f "
	       "%7zu\n",
	       level, block / KIB, (double)in->n / (double)total, "",
	       (double)in->n / ct * 1e-6, "", (double)in->n / vt * 1e-6,
	       codec_enc_memory(enc) / KIB);
	codec_enc_free(enc);
	codec_dec_free(dec);
	free(out);
}

static void bench_codec(const struct corpus *c)
{
	static const int levels[] = { 1, 2, 3, 6, 9 };

	head("our calls (decomp: codec_verify)");
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		codec_round(c, levels[i], 256 * KIB);
	codec_round(c, 1, 4096 * KIB);
}

static int wanted(int argc, char **argv, const char *what)
{
	for (int i = 3; i < argc; i++)
		if (strcmp(argv[i], what) == 0)
			return 1;
	return argc <= 3;
}

int main(int argc, char **argv)
{
	struct corpus c;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_codec DIR [EVERY [WHAT...]]\n");
		return 2;
	}
	walk(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 8);
	corpus_load(&c);
	printf("zstd %s, %zu files, %.1f MB\n", ZSTD_versionString(), n_files,
	       (double)c.n * 1e-6);
	if (wanted(argc, argv, "levels"))
		bench_levels(&c);
	if (wanted(argc, argv, "sets"))
		bench_sets(&c);
	if (wanted(argc, argv, "sizes"))
		bench_sizes(&c);
	if (wanted(argc, argv, "files"))
		bench_files(&c);
	if (wanted(argc, argv, "codec"))
		bench_codec(&c);
	free(c.p);
	if (wanted(argc, argv, "order"))
		bench_order();
	return 0;
}
