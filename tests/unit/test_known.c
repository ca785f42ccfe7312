/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/known: when a stat cache is kept, and when it is believed, by a clock
 * of the test's own. */
#include <glob.h>
#include <malloc.h>

#include "tests/unit/test_restore.h"

enum {
	FILE_BYTES = 3000000,
	DIRS = 10000,
	/* Its name and what is known of it, and a share of what a put takes. */
	DIR_MAX_BYTES = 512,
};

#define HOUR (INT64_C(3600) * 1000000000)

struct fake {
	int64_t real, mono;
	int64_t jump; /* of `real`, when an item is stored */
};

static int64_t fake_real(void *ctx)
{
	return ((struct fake *)ctx)->real;
}

static int64_t fake_mono(void *ctx)
{
	return ((struct fake *)ctx)->mono;
}

static void stored(void *ctx, const char *path, enum tree_type type,
		   uint64_t size, enum put_item_state state)
{
	struct fake *f = ctx;

	(void)path;
	(void)type;
	(void)size;
	(void)state;
	f->real += f->jump;
	f->jump = 0;
}

/* Bytes that this process has read so far. */
static uint64_t bytes_read(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/self/io", "re");

	if (f == NULL)
		return UINT64_MAX;
	CHECK(fscanf(f, "rchar: %llu", &n) == 1);
	fclose(f);
	return n;
}

/* A put at that time; was the file read? */
static bool reads(struct bed *b, struct fake *f)
{
	struct clock c = { fake_real, fake_real, fake_mono, f };
	struct put_root root = { .how = PUT_CONTENTS,
				 .path = b->src,
				 .source = b->src };
	struct put_options o = { .roots = &root,
				 .n_roots = 1,
				 .threads = 1,
				 .name = bytes_str("src"),
				 .time = INT64_MIN,
				 .clock = &c,
				 .item = stored,
				 .ctx = f };
	struct put_result res;
	struct repo *r = kit_repo(&b->k, true);
	uint64_t before = bytes_read();

	CHECK_OK(ingest_put(r, &o, &res, &b->e), &b->e);
	CHECK_EQ(res.files, 1);
	before = bytes_read() - before;
	repo_close(r);
	return before >= FILE_BYTES;
}

static bool cache_is_kept(struct bed *b)
{
	char path[2 * KIT_PATH_BYTES];
	glob_t g;
	bool kept = glob(kit_at(&b->k, "cache/stat-*", path), 0, NULL, &g) == 0;

	globfree(&g);
	return kept;
}

static void begin(struct bed *b, struct fake *f)
{
	bed_init(b, IO_ENGINE_PSYNC);
	bed_file(b->src, "f", FILE_BYTES, 1, false);
	/* All stamps are old by then, whosever they are. */
	*f = (struct fake){ .real = clock_system().real(NULL) + 240 * HOUR,
			    .mono = HOUR };
}

static void later(struct fake *f)
{
	f->real += HOUR;
	f->mono += HOUR;
}

/* A cache of a run that began later than now says nothing: the clock was set
 * back, and what is new may look old. */
static void of_the_future(void)
{
	struct fake f, then;
	struct bed b;

	if (bytes_read() == UINT64_MAX) {
		T_SKIP("no /proc/self/io");
		return;
	}
	begin(&b, &f);
	CHECK(reads(&b, &f));
	CHECK(cache_is_kept(&b));
	then = f;
	later(&f);
	CHECK(!reads(&b, &f));
	/* The same moment will do; one before it will not. */
	f = then;
	CHECK(!reads(&b, &f));
	f.real--;
	CHECK(reads(&b, &f));
	/* That run has left a cache of its own. */
	CHECK(!reads(&b, &f));
	bed_fini(&b);
}

/* A run during which the clock was set back keeps none. */
static void set_back(void)
{
	struct fake f;
	struct bed b;

	begin(&b, &f);
	f.jump = -HOUR;
	(void)reads(&b, &f);
	CHECK_EQ(f.jump, 0);
	CHECK(!cache_is_kept(&b));
	later(&f);
	f.jump = HOUR;
	(void)reads(&b, &f);
	CHECK(cache_is_kept(&b));
	bed_fini(&b);
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
#else
static size_t allocated(void)
{
	return 0;
}
#endif

struct peak {
	struct fake f;
	unsigned items;
	size_t most;
};

/* A directory that is as it was, in a put of them. */
static void dir_stored(void *ctx, const char *path, enum tree_type type,
		       uint64_t size, enum put_item_state state)
{
	struct peak *k = ctx;
	size_t now = k->items++ % 100 == 0 ? allocated() : 0;

	(void)path;
	(void)type;
	(void)size;
	CHECK_EQ(state, PUT_ITEM_SAME);
	k->most = now > k->most ? now : k->most;
}

static void put_dirs(struct bed *b, struct peak *k, unsigned threads)
{
	struct clock c = { fake_real, fake_real, fake_mono, &k->f };
	struct put_root root = { .how = PUT_CONTENTS,
				 .path = b->src,
				 .source = b->src };
	struct put_options o = { .roots = &root,
				 .n_roots = 1,
				 .threads = threads,
				 .name = bytes_str("src"),
				 .time = INT64_MIN,
				 .clock = &c,
				 .item = dir_stored,
				 .ctx = k };
	struct put_result res;
	struct repo *r = kit_repo(&b->k, true);

	k->items = 0;
	k->most = 0;
	CHECK_OK(ingest_put(r, &o, &res, &b->e), &b->e);
	CHECK_EQ(res.dirs, DIRS);
	repo_close(r);
}

/* What waits to be checked does not grow with what there is. */
static void many_directories(void)
{
	struct peak k = { .items = 0 };
	struct bed b;
	size_t before;

	bed_init_memory(&b, IO_ENGINE_PSYNC);
	kit_sh("cd '%s' && seq %d | xargs mkdir", b.src, DIRS);
	k.f.real = clock_system().real(NULL) + 240 * HOUR;
	k.f.mono = HOUR;
	put_dirs(&b, &k, 1);
	CHECK_EQ(k.items, 0);
	for (unsigned threads = 1; threads <= 3; threads += 2) {
		later(&k.f);
		before = allocated();
		put_dirs(&b, &k, threads);
		/* Each of them, and the one they are in. */
		CHECK_EQ(k.items, DIRS + 1);
		CHECK(k.most <= before + (size_t)DIRS * DIR_MAX_BYTES);
	}
	bed_fini(&b);
}

int main(void)
{
	RUN(of_the_future);
	RUN(set_back);
	RUN(many_directories);
	return 0;
}
