/* SPDX-License-Identifier: Apache-2.0 */
/* restore/ranges: any bytes of a file, many reads at a time. */
#include "restore/ranges.h"

#include "pack/sums.h"
#include "repo/dirs.h"
#include "tests/unit/test_restore.h"
#include "tree/content_reader.h"

enum { DEPTH = 64, READ_MAX = 100000 };

struct source {
	struct bed b;
	struct chunk_reader *c;
	struct tree_reader t;
	const struct content *file;
	uint8_t *want;
	struct ranges *g;
	struct err e;
};

/* One file of a repository, as it is and as it is stored. */
static void source_open(struct source *s, const char *name)
{
	char path[3 * KIT_PATH_BYTES];
	const struct tree_entry *en;
	int fd = open(bed_at(s->b.src, name, path), O_RDONLY);

	CHECK(fd >= 0);
	bed_open(&s->b);
	CHECK_OK(chunk_reader_new(s->b.r, &s->c, &s->e), &s->e);
	bed_find(&s->b, s->c, &s->t, name, &en);
	s->file = &en->content;
	s->want = malloc(s->file->size);
	CHECK(s->want != NULL);
	CHECK(read(fd, s->want, s->file->size) == (ssize_t)s->file->size);
	close(fd);
	CHECK_OK(ranges_new(s->b.r, DEPTH, &s->g, &s->e), &s->e);
}

static void source_shut(struct source *s)
{
	ranges_free(s->g);
	tree_reader_fini(&s->t);
	chunk_reader_free(s->c);
	free(s->want);
	bed_shut(&s->b);
}

static void source_init(struct source *s, enum io_engine engine)
{
	memset(s, 0, sizeof(*s));
	bed_init(&s->b, engine);
}

/* ---- reading --------------------------------------------------------------
 */

static void check_read(const struct source *s, const struct range_read *r)
{
	uint64_t left =
		r->offset < s->file->size ? s->file->size - r->offset : 0;

	if (r->failed.code != BC_OK)
		T_FAIL("%zu at %llu: %s", r->len, (unsigned long long)r->offset,
		       r->failed.text);
	CHECK_EQ(r->done, left < r->len ? left : r->len);
	CHECK(r->done == 0 ||
	      memcmp(r->out, s->want + r->offset, r->done) == 0);
}

/* Takes at least one; returns how many. */
static size_t reap(struct source *s, struct range_read **unused)
{
	struct range_read *r;
	size_t n = 0;

	CHECK_OK(ranges_wait(s->g, &s->e), &s->e);
	while ((r = ranges_take(s->g)) != NULL) {
		check_read(s, r);
		r->next = *unused;
		*unused = r;
		n++;
	}
	CHECK(n > 0);
	return n;
}

static void many_reads(struct source *s, size_t n, uint64_t seed)
{
	struct range_read *reads = calloc(DEPTH, sizeof(*reads));
	struct range_read *unused = NULL;
	size_t flying = 0;

	CHECK(reads != NULL);
	for (int i = 0; i < DEPTH; i++) {
		reads[i].out = malloc(READ_MAX);
		CHECK(reads[i].out != NULL);
		reads[i].next = unused;
		unused = &reads[i];
	}
	for (size_t i = 0; i < n; i++) {
		struct range_read *r;

		while (unused == NULL)
			flying -= reap(s, &unused);
		r = unused;
		unused = r->next;
		r->content = s->file;
		/* Some begin beyond the end, some ask for nothing. */
		r->offset = t_rng(&seed) % (s->file->size + 1000);
		r->len =
			(size_t)(t_rng(&seed) % (i % 3 == 0 ? READ_MAX : 5000));
		r->by_id = i % 5 == 0;
		memset(r->out, 0xee, READ_MAX);
		CHECK_OK(ranges_submit(s->g, r, &s->e), &s->e);
		flying++;
	}
	while (flying > 0)
		flying -= reap(s, &unused);
	CHECK(ranges_take(s->g) == NULL);
	CHECK_OK(ranges_wait(s->g, &s->e), &s->e);
	for (int i = 0; i < DEPTH; i++)
		free(reads[i].out);
	free(reads);
}

/* The outcome of one read; what it gives is right. */
static enum bc_err one_read(struct source *s, uint64_t offset, size_t len,
			    bool by_id, size_t *done)
{
	struct range_read r = { .content = s->file,
				.offset = offset,
				.len = len,
				.by_id = by_id,
				.out = malloc(len + 1) };

	CHECK(r.out != NULL);
	memset(r.out, 0xee, len + 1);
	CHECK_OK(ranges_submit(s->g, &r, &s->e), &s->e);
	CHECK_OK(ranges_wait(s->g, &s->e), &s->e);
	CHECK(ranges_take(s->g) == &r);
	CHECK(memcmp(r.out, s->want + offset, r.done) == 0);
	CHECK_EQ(r.out[len], 0xee);
	*done = r.done;
	free(r.out);
	return range_check(&r, &s->e);
}

/* ---- where a byte of the file is stored -----------------------------------
 */

static struct chunk_place place_of(struct source *s, uint64_t offset,
				   struct content_run *run)
{
	struct node_source nodes = chunk_node_source(s->c);
	struct chunk_place p = { .chunk = 0 };
	struct content_reader cr;
	struct dir_ref whole;

	content_reader_init(&cr, &nodes);
	content_reader_open(&cr, s->file);
	CHECK_OK(content_reader_seek(&cr, offset, &s->e), &s->e);
	CHECK_OK(content_reader_next(&cr, run, &s->e), &s->e);
	content_reader_fini(&cr);
	CHECK_EQ(run->what, CONTENT_CHUNK);
	CHECK_OK(repo_locate(s->b.r, &run->id, &p, &s->e), &s->e);
	/* Not only of one block. */
	if (repo_dir_get_whole(s->b.r, p.ref.pack.number, &whole, &s->e) ==
	    BC_OK) {
		repo_dir_put(s->b.r, &whole);
		chunk_place_put(s->b.r, &p);
		CHECK_OK(repo_locate(s->b.r, &run->id, &p, &s->e), &s->e);
	}
	return p;
}

static void spoil(struct source *s, uint32_t pack, uint64_t at, uint8_t mask)
{
	struct pack_ref ref;
	struct io_file *f;
	char path[64];
	uint8_t byte;
	int fd;

	CHECK_OK(repo_pack_ref(s->b.r, pack, &ref, &s->e), &s->e);
	CHECK_OK(repo_open_pack(s->b.r, &ref, false, &f, &s->e), &s->e);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", io_file_fd(f));
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	CHECK(pread(fd, &byte, 1, (off_t)at) == 1);
	byte ^= mask;
	CHECK(pwrite(fd, &byte, 1, (off_t)at) == 1);
	CHECK(fsync(fd) == 0);
	close(fd);
	io_file_close(f, NULL);
}

/* ---- tests ----------------------------------------------------------------
 */

/* Random bytes, text, holes, neighbours of all kinds; a content list. */
static void mixed(void)
{
	FOR_ENGINES(i)
	{
		char path[3 * KIT_PATH_BYTES];
		struct content_run run;
		struct chunk_place p;
		struct source s;
		int fd;

		source_init(&s, ENGINES[i]);
		bed_file(s.b.src, "f", 9000000, 1, false);
		fd = open(bed_at(s.b.src, "f", path), O_RDWR);
		CHECK(fd >= 0);
		for (int k = 0; k < 60000; k++)
			CHECK(pwrite(fd, "the same line, over and over\n", 29,
				     29 * k) == 29);
		CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				3000000, 600000) == 0);
		CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				5000000, 5000) == 0);
		CHECK(ftruncate(fd, 9100000) == 0);
		close(fd);
		bed_put(&s.b);
		source_open(&s, "f");
		p = place_of(&s, 6000000, &run);
		CHECK(sums_have(p.ref.dir, p.block));
		chunk_place_put(s.b.r, &p);
		p = place_of(&s, 100000, &run);
		CHECK_EQ(p.ref.dir->blocks[p.block].codec, BLOCK_ZSTD);
		chunk_place_put(s.b.r, &p);
		many_reads(&s, 1500, 7 + i);
		source_shut(&s);
		bed_fini(&s.b);
	}
}

/* A small put, in the log, which has no checksums of parts. */
static void in_the_log(void)
{
	FOR_ENGINES(i)
	{
		struct content_run run;
		struct chunk_place p;
		struct source s;

		source_init(&s, ENGINES[i]);
		bed_file(s.b.src, "f", 150000, 3, false);
		bed_put(&s.b);
		source_open(&s, "f");
		p = place_of(&s, 0, &run);
		CHECK(!sums_have(p.ref.dir, p.block));
		CHECK_EQ(p.ref.dir->blocks[p.block].codec, BLOCK_RAW);
		chunk_place_put(s.b.r, &p);
		many_reads(&s, 300, 5);
		source_shut(&s);
		bed_fini(&s.b);
	}
}

/* A byte of a large raw chunk is wrong: who wants its sector is told, who
 * wants others is not disturbed. */
static void damaged_part(void)
{
	FOR_ENGINES(i)
	{
		struct content_run run;
		struct chunk_place p;
		struct source s;
		uint64_t at, first, next, in;
		size_t done;
		struct bytes b;

		source_init(&s, ENGINES[i]);
		bed_file(s.b.src, "f", 5000000, 1, false);
		bed_put(&s.b);
		source_open(&s, "f");
		p = place_of(&s, 2500000, &run);
		CHECK(sums_have(p.ref.dir, p.block));
		CHECK(run.length > 6 * SUM_BYTES);
		/* Where the chunk begins in the file, and the first byte of its
		 * second whole sector, there and in the file that was put. */
		at = p.ref.dir->blocks[p.block].offset +
		     (uint64_t)BLOCK_HEAD_BYTES + p.ref.dir->starts[p.chunk];
		first = (at / SUM_BYTES + 2) * SUM_BYTES;
		in = run.offset + (first - at);
		next = in + SUM_BYTES;
		spoil(&s, p.ref.pack.number, first + 1234, 1);
		/* Before, behind, and around it. */
		CHECK_EQ(one_read(&s, run.offset, (size_t)(in - run.offset),
				  false, &done),
			 BC_OK);
		CHECK_EQ(one_read(&s, next, 4000, false, &done), BC_OK);
		CHECK_EQ(done, 4000);
		CHECK_EQ(one_read(&s, next, 500000, false, &done), BC_OK);
		CHECK_EQ(one_read(&s, in + 1234, 1, false, &done), BC_EDAMAGE);
		CHECK_EQ(done, 0);
		/* In its sector, though another byte of it. */
		CHECK_EQ(one_read(&s, in, 1, false, &done), BC_EDAMAGE);
		CHECK_EQ(one_read(&s, next - 1, 2, false, &done), BC_EDAMAGE);
		CHECK_EQ(
			one_read(&s, run.offset - 300000, 600000, false, &done),
			BC_EDAMAGE);
		CHECK_EQ(done, 300000);
		CHECK(strstr(s.e.text, "pack") != NULL);
		/* By its id the chunk is wrong as a whole. */
		CHECK_EQ(one_read(&s, next, 4000, true, &done), BC_EDAMAGE);
		CHECK_EQ(chunk_read(s.c, &run.id, &b, &s.e), BC_EDAMAGE);
		chunk_place_put(s.b.r, &p);
		source_shut(&s);
		bed_fini(&s.b);
	}
}

static void damaged_block(void)
{
	struct content_run run;
	struct chunk_place p;
	struct source s;
	size_t done;

	source_init(&s, IO_ENGINE_AUTO);
	bed_file(s.b.src, "f", 3000000, 1, true);
	bed_put(&s.b);
	source_open(&s, "f");
	p = place_of(&s, 1500000, &run);
	CHECK_EQ(p.ref.dir->blocks[p.block].codec, BLOCK_ZSTD);
	spoil(&s, p.ref.pack.number,
	      p.ref.dir->blocks[p.block].offset + BLOCK_HEAD_BYTES + 1000, 1);
	CHECK_EQ(one_read(&s, run.offset + 5, 10, false, &done), BC_EDAMAGE);
	CHECK_EQ(done, 0);
	CHECK_EQ(one_read(&s, 5, 10, false, &done), BC_OK);
	/* The header alone. */
	chunk_place_put(s.b.r, &p);
	p = place_of(&s, 5, &run);
	spoil(&s, p.ref.pack.number, p.ref.dir->blocks[p.block].offset + 20, 1);
	CHECK_EQ(one_read(&s, 5, 10, false, &done), BC_EDAMAGE);
	chunk_place_put(s.b.r, &p);
	source_shut(&s);
	bed_fini(&s.b);
}

/* Damage that a CRC does not see, one in 2^32: here the polynomial itself. Who
 * reads by id, or a block without checksums of parts, goes by the digest. */
static void damage_behind_the_crc(void)
{
	static const uint8_t same_crc[] = { 0xf1, 0x76, 0xec, 0x05, 0x01 };

	for (int large = 0; large < 2; large++) {
		struct content_run run;
		struct chunk_place p;
		struct source s;
		uint64_t at;
		size_t done;

		source_init(&s, IO_ENGINE_AUTO);
		bed_file(s.b.src, "f", large ? 3000000 : 150000, 1, false);
		bed_put(&s.b);
		source_open(&s, "f");
		p = place_of(&s, 0, &run);
		CHECK_EQ(p.ref.dir->blocks[p.block].codec, BLOCK_RAW);
		CHECK_EQ(sums_have(p.ref.dir, p.block), large);
		at = p.ref.dir->blocks[p.block].offset +
		     (uint64_t)BLOCK_HEAD_BYTES + p.ref.dir->starts[p.chunk];
		for (size_t i = 0; i < sizeof(same_crc); i++)
			spoil(&s, p.ref.pack.number, at + 100 + i, same_crc[i]);
		CHECK_EQ(one_read(&s, 90, 40, true, &done), BC_EDAMAGE);
		CHECK_EQ(done, 0);
		CHECK_EQ(one_read(&s, run.offset + run.length, 4000, true,
				  &done),
			 BC_OK);
		if (!large)
			CHECK_EQ(one_read(&s, 90, 40, false, &done),
				 BC_EDAMAGE);
		chunk_place_put(s.b.r, &p);
		source_shut(&s);
		bed_fini(&s.b);
	}
}

static void limits(void)
{
	struct range_read *r = calloc(DEPTH + 1, sizeof(*r));
	struct source s;
	size_t n = 0, done;

	source_init(&s, IO_ENGINE_AUTO);
	bed_file(s.b.src, "f", 2500000, 1, false);
	bed_put(&s.b);
	source_open(&s, "f");
	CHECK(r != NULL);
	for (int i = 0; i <= DEPTH; i++) {
		r[i].content = s.file;
		r[i].offset = (uint64_t)i * 7000;
		r[i].len = 7000;
		r[i].out = malloc(7000);
		CHECK(r[i].out != NULL);
	}
	for (int i = 0; i < DEPTH; i++)
		CHECK_OK(ranges_submit(s.g, &r[i], &s.e), &s.e);
	CHECK_EQ(ranges_submit(s.g, &r[DEPTH], &s.e), BC_EFULL);
	while (n < DEPTH) {
		struct range_read *one;

		CHECK_OK(ranges_wait(s.g, &s.e), &s.e);
		for (; (one = ranges_take(s.g)) != NULL; n++)
			check_read(&s, one);
	}
	r[DEPTH].len = RANGE_MAX_BYTES + 1;
	CHECK_EQ(ranges_submit(s.g, &r[DEPTH], &s.e), BC_EINVAL);
	CHECK_EQ(one_read(&s, 1, RANGE_MAX_BYTES, false, &done), BC_OK);
	CHECK_EQ(done, RANGE_MAX_BYTES);
	/* What was not taken is dropped. */
	CHECK_OK(ranges_submit(s.g, &r[0], &s.e), &s.e);
	CHECK_OK(ranges_submit(s.g, &r[1], &s.e), &s.e);
	source_shut(&s);
	for (int i = 0; i <= DEPTH; i++)
		free(r[i].out);
	free(r);
	bed_fini(&s.b);
}

int main(void)
{
	RUN(mixed);
	RUN(in_the_log);
	RUN(damaged_part);
	RUN(damaged_block);
	RUN(damage_behind_the_crc);
	RUN(limits);
	return 0;
}
