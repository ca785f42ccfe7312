/* SPDX-License-Identifier: Apache-2.0 */
/* restore_cat, and the planning of reads. */
#include "tests/unit/test_restore.h"

#include "restore/batch.h"

/* ---- the stream -----------------------------------------------------------
 */

struct got {
	uint8_t *p;
	size_t n, cap;
	size_t fail_at; /* refuse what comes after so many bytes */
};

static enum bc_err take(void *ctx, struct bytes piece, struct err *e)
{
	struct got *g = ctx;

	CHECK(piece.n > 0);
	CHECK(g->n + piece.n <= g->cap);
	memcpy(g->p + g->n, piece.p, piece.n);
	g->n += piece.n;
	if (g->fail_at != 0 && g->n >= g->fail_at)
		return err_set(e, BC_EIO, "the reader has gone");
	return BC_OK;
}

struct source {
	struct bed b;
	struct chunk_reader *c;
	struct tree_reader t;
	const struct tree_entry *file;
	uint8_t *want;
	size_t n;
	struct got got;
};

/* 12 MB of everything: text, random bytes, holes, a tail that is a hole. */
static void source_init(struct source *s, enum io_engine engine)
{
	enum { BYTES = 12000001 };
	char path[3 * KIT_PATH_BYTES];
	struct stat st;
	int fd;

	memset(s, 0, sizeof(*s));
	bed_init(&s->b, engine);
	bed_file(s->b.src, "f", 6500000, 1, false);
	fd = open(bed_at(s->b.src, "f", path), O_RDWR);
	CHECK(fd >= 0);
	s->want = calloc(1, BYTES);
	s->got.p = malloc(BYTES);
	s->got.cap = s->n = BYTES;
	CHECK(s->want != NULL && s->got.p != NULL);
	for (int i = 0; i < 40000; i++)
		CHECK(pwrite(fd, "the same line over and over again\n", 34,
			     34 * i) == 34);
	CHECK(pwrite(fd, "x", 1, 9000000) == 1);
	CHECK(ftruncate(fd, BYTES) == 0);
	CHECK(pread(fd, s->want, BYTES, 0) == BYTES);
	CHECK(fstat(fd, &st) == 0);
	close(fd);
	bed_file(s->b.src, "small", 10000, 2, false);
	bed_put(&s->b);
	bed_open(&s->b);
	CHECK_OK(chunk_reader_new(s->b.r, &s->c, &s->b.e), &s->b.e);
	bed_find(&s->b, s->c, &s->t, "f", &s->file);
}

static void source_fini(struct source *s)
{
	tree_reader_fini(&s->t);
	chunk_reader_free(s->c);
	free(s->want);
	free(s->got.p);
	bed_fini(&s->b);
}

static void check_range(struct source *s, uint64_t from, uint64_t to)
{
	struct restore_sink sink = { take, &s->got };
	uint64_t end = to < s->n ? to : s->n;
	size_t n = from < end ? (size_t)(end - from) : 0;

	s->got.n = 0;
	CHECK_OK(restore_cat(s->b.r, s->file, from, to, &sink, NULL, &s->b.e),
		 &s->b.e);
	CHECK_EQ(s->got.n, n);
	CHECK(n == 0 || memcmp(s->got.p, s->want + from, n) == 0);
}

static void ranges(void)
{
	FOR_ENGINES(i)
	{
		struct source s;
		uint64_t rng = 3;

		source_init(&s, ENGINES[i]);
		check_range(&s, 0, UINT64_MAX);
		check_range(&s, 0, 1);
		check_range(&s, 0, 0);
		check_range(&s, s.n - 1, s.n);
		check_range(&s, s.n, UINT64_MAX);
		check_range(&s, UINT64_MAX, UINT64_MAX);
		check_range(&s, 5, 4);
		check_range(&s, 6499999, 9000002);
		for (int k = 0; k < 200; k++) {
			uint64_t from = t_rng(&rng) % s.n;
			uint64_t most = k % 4 == 0 ? s.n : 70000;

			check_range(&s, from, from + t_rng(&rng) % most);
		}
		source_fini(&s);
	}
}

static void refusals(void)
{
	struct restore_sink sink;
	atomic_int stop = 1;
	struct source s;

	source_init(&s, IO_ENGINE_AUTO);
	sink = (struct restore_sink){ take, &s.got };
	s.got.fail_at = 5000000;
	CHECK_EQ(restore_cat(s.b.r, s.file, 0, UINT64_MAX, &sink, NULL, &s.b.e),
		 BC_EIO);
	CHECK_STR(s.b.e.text, "the reader has gone");
	CHECK(memcmp(s.got.p, s.want, s.got.n) == 0);
	s.got.n = s.got.fail_at = 0;
	CHECK_EQ(
		restore_cat(s.b.r, s.file, 0, UINT64_MAX, &sink, &stop, &s.b.e),
		BC_ECANCEL);
	CHECK_EQ(s.got.n, 0);
	CHECK_EQ(restore_cat(s.b.r, &s.b.snap.root, 0, 1, &sink, NULL, &s.b.e),
		 BC_EINVAL);
	source_fini(&s);
}

/* What comes before the damage is right. */
static void damaged(void)
{
	char dir[2 * KIT_PATH_BYTES], path[3 * KIT_PATH_BYTES];
	struct restore_sink sink;
	struct dirent *en;
	struct source s;
	struct stat st;
	DIR *d;

	source_init(&s, IO_ENGINE_AUTO);
	d = opendir(kit_at(&s.b.k, "packs", dir));
	CHECK(d != NULL);
	while ((en = readdir(d)) != NULL) {
		int fd = open(bed_at(dir, en->d_name, path), O_RDWR);

		if (fd < 0)
			continue;
		CHECK(fstat(fd, &st) == 0);
		if (S_ISREG(st.st_mode) && st.st_size > 1 << 19)
			CHECK(pwrite(fd, "damage", 6, st.st_size / 2) == 6);
		close(fd);
	}
	closedir(d);
	sink = (struct restore_sink){ take, &s.got };
	CHECK_EQ(restore_cat(s.b.r, s.file, 0, UINT64_MAX, &sink, NULL, &s.b.e),
		 BC_EDAMAGE);
	CHECK(s.got.n < s.n);
	CHECK(memcmp(s.got.p, s.want, s.got.n) == 0);
	source_fini(&s);
}

/* ---- batches --------------------------------------------------------------
 */

static struct ref *add(struct batch *b, uint32_t pack, uint32_t block,
		       uint32_t stored, uint32_t start)
{
	struct ref *r = batch_add(b);

	CHECK(r != NULL);
	r->pack = pack;
	r->block.offset = block;
	r->block.stored = stored;
	r->start = start;
	return r;
}

static void planned(void)
{
	struct err e = ERR_INIT;
	struct batch *b;

	CHECK_OK(batch_new(100, &b, &e), &e);
	/* Neighbours join over a small gap; not over a large one, not into
	 * another pack, not beyond what one read takes. */
	add(b, 2, 4096, 1000, 0);
	add(b, 1, 500000, 1000, 10);
	add(b, 1, 500000, 1000, 0);
	add(b, 1, 128, 100000, 0);
	add(b, 1, 150000, 200000, 0);
	add(b, 1, 500000 + JOB_BYTES, JOB_BYTES, 0);
	add(b, 0, 0, 0, 0);
	batch_plan(b);
	CHECK_EQ(b->n_jobs, 5);
	CHECK_EQ(atomic_load(&b->left), 5);
	CHECK_EQ(b->jobs[0].pack, 0);
	CHECK_EQ(b->jobs[0].bytes, 0);
	CHECK_EQ(b->jobs[1].pack, 1);
	CHECK_EQ(b->jobs[1].from, 0);
	CHECK_EQ(b->jobs[1].n, 2);
	CHECK_EQ(b->jobs[1].bytes, (150000 + 64 + 200000 + 4095) / 4096 * 4096);
	CHECK_EQ(b->jobs[2].n, 2);
	CHECK_EQ(b->sorted[b->jobs[2].first]->start, 0);
	CHECK_EQ(b->sorted[b->jobs[2].first + 1]->start, 10);
	CHECK_EQ(b->jobs[3].n, 1);
	CHECK(b->jobs[3].bytes > JOB_BYTES);
	CHECK_EQ(b->jobs[4].pack, 2);
	CHECK_EQ(b->jobs[4].from, 4096);
	batch_clear(b);
	batch_plan(b);
	CHECK_EQ(b->n_jobs, 0);
	for (int i = 0; i < 100; i++)
		CHECK(batch_add(b) != NULL);
	CHECK(batch_add(b) == NULL);
	batch_free(b);
}

/* Jobs cover all references once, whatever they are. */
static void planned_at_random(void)
{
	enum { N = 20000 };
	struct err e = ERR_INIT;
	uint64_t rng = 7;

	for (int round = 0; round < 10; round++) {
		struct batch *b;
		uint32_t at = 0;

		CHECK_OK(batch_new(N, &b, &e), &e);
		for (int i = 0; i < N; i++) {
			uint32_t block = (uint32_t)(t_rng(&rng) %
						    (1u << (round * 3 + 1)));

			add(b, (uint32_t)(t_rng(&rng) % 4), block * 700000u,
			    (uint32_t)(block % 600000), (uint32_t)i);
		}
		batch_plan(b);
		for (uint32_t j = 0; j < b->n_jobs; j++) {
			const struct job *job = &b->jobs[j];

			CHECK_EQ(job->first, at);
			CHECK(job->n >= 1 && job->n <= JOB_REFS_MAX);
			for (uint32_t k = at; k < at + job->n; k++) {
				const struct ref *r = b->sorted[k];

				CHECK_EQ(r->pack, job->pack);
				CHECK(r->pack == 0 ||
				      (r->block.offset >= job->from &&
				       r->block.offset + 64 +
						       (uint64_t)r->block
							       .stored <=
					       job->from + job->bytes));
			}
			at += job->n;
		}
		CHECK_EQ(at, N);
		batch_free(b);
	}
}

int main(void)
{
	RUN(planned);
	RUN(planned_at_random);
	RUN(ranges);
	RUN(refusals);
	RUN(damaged);
	return 0;
}
