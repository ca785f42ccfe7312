/* SPDX-License-Identifier: Apache-2.0 */
/* Which time stamps are trusted, by a clock of the test's own. */
#include "ingest/racy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/statcache.h"
#include "tests/unit/t.h"

#define S INT64_C(1000000000)

enum { LOCAL = 1, FOREIGN = 2, UNKNOWN = 3 };

struct fake {
	int64_t real, mono;
	int64_t pause; /* between two looks */
};

static int64_t fake_real(void *ctx)
{
	struct fake *f = ctx;

	f->real += f->pause;
	f->mono += f->pause;
	return f->real;
}

static int64_t fake_mono(void *ctx)
{
	struct fake *f = ctx;

	f->real += f->pause;
	f->mono += f->pause;
	return f->mono;
}

static void begin(struct racy *r, struct fake *f)
{
	struct clock c = { fake_real, fake_real, fake_mono, f };

	racy_init(r, &c);
	racy_set(r, LOCAL, true);
	racy_set(r, FOREIGN, false);
}

static void local_stamps(void)
{
	struct fake f = { 1000000 * S, 50 * S, 0 };
	struct racy r;

	begin(&r, &f);
	CHECK(racy_stamp(&r, LOCAL, f.real));
	CHECK(racy_stamp(&r, LOCAL, f.real + 3600 * S));
	CHECK(racy_stamp(&r, LOCAL, f.real - 1));
	CHECK(racy_stamp(&r, LOCAL, f.real - RACY_STEP_NS));
	CHECK(!racy_stamp(&r, LOCAL, f.real - RACY_STEP_NS - 1));
	/* Of a file system that knows only even seconds, or 10 ms. */
	CHECK(racy_stamp(&r, LOCAL, f.real - 2 * S));
	CHECK(!racy_stamp(&r, LOCAL, f.real - 3 * S));
	CHECK(racy_stamp(&r, LOCAL, f.real - 20000000));
	CHECK(!racy_stamp(&r, LOCAL, f.real - 30000000));
	racy_fini(&r);
}

/* A server whose clock is hours behind ours gives old stamps to new files. */
static void foreign_stamps(void)
{
	struct fake f = { 1000000 * S, 50 * S, 0 };
	struct racy r;

	begin(&r, &f);
	for (int dev = FOREIGN; dev <= UNKNOWN; dev++) {
		CHECK(racy_stamp(&r, (uint64_t)dev, f.real - 14 * 3600 * S));
		CHECK(racy_stamp(&r, (uint64_t)dev, f.real - RACY_SKEW_NS));
		CHECK(!racy_stamp(&r, (uint64_t)dev,
				  f.real - RACY_SKEW_NS - 3 * S));
		CHECK(racy_stamp(&r, (uint64_t)dev, f.real + S));
	}
	racy_fini(&r);
}

static void clock_set_back(void)
{
	struct fake f = { 1000000 * S, 50 * S, 0 };
	struct racy r;

	begin(&r, &f);
	CHECK(!racy_set_back(&r));
	f.real += 100 * S;
	f.mono += 100 * S;
	CHECK(!racy_set_back(&r));
	/* Asleep, or set forward: stamps only get newer. */
	f.real += 3600 * S;
	CHECK(!racy_set_back(&r));
	f.real -= 3600 * S;
	f.real -= RACY_STEP_NS;
	CHECK(!racy_set_back(&r));
	f.real -= 1;
	CHECK(racy_set_back(&r));
	racy_fini(&r);
	/* Looks that take long err on the safe side. */
	f = (struct fake){ 1000000 * S, 50 * S, S };
	begin(&r, &f);
	f.pause = 0;
	f.real -= RACY_STEP_NS + 1;
	CHECK(racy_set_back(&r));
	racy_fini(&r);
}

static void file_systems(void)
{
	struct fake f = { 1000000 * S, 50 * S, 0 };
	struct racy r;
	struct stat st;
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(racy_local_type(EXT4_SUPER_MAGIC));
	CHECK(racy_local_type(TMPFS_MAGIC));
	CHECK(!racy_local_type(NFS_SUPER_MAGIC));
	CHECK(!racy_local_type(0xff534d42)); /* CIFS */
	CHECK(!racy_local_type(0x65735546)); /* FUSE */
	CHECK(!racy_local_type(V9FS_MAGIC));
	begin(&r, &f);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	racy_meet(&r, fd, st.st_dev);
	racy_learn(&r, -1);
	CHECK_EQ(r.n, 3);
	racy_meet(&r, fd, st.st_dev);
	CHECK_EQ(r.n, 3);
	CHECK(racy_stamp(&r, st.st_dev, f.real - 3600 * S));
	close(fd);
	/* More than there is room for: not trusted. */
	for (uint64_t i = 100; i < 200; i++)
		racy_set(&r, i, true);
	CHECK_EQ(r.n, RACY_FS_MAX);
	CHECK(!racy_stamp(&r, 100, f.real - 3600 * S));
	CHECK(racy_stamp(&r, 199, f.real - 3600 * S));
	racy_fini(&r);
}

/* What a cache is bound to comes back. */
static void bonds(void)
{
	struct stat_bond in = { .begun = 77 * S }, out;
	struct pack_id repo = { { 1, 2, 3 } };
	char dir[] = "/tmp/blobctl-racy-XXXXXX";
	struct statcache_writer *w = NULL;
	struct statcache *c = NULL;
	struct io_dir *d = NULL;
	struct io *io = NULL;
	struct err e = ERR_INIT;

	memset(in.root.b, 7, DIGEST_BYTES);
	memset(in.hurt.b, 9, DIGEST_BYTES);
	CHECK(mkdtemp(dir) != NULL);
	CHECK_OK(io_open(NULL, &io, &e), &e);
	CHECK_OK(io_dir_open(io, dir, &d, &e), &e);
	CHECK_OK(statcache_writer_new(d, "stat-x", &w, &e), &e);
	CHECK_OK(statcache_writer_finish(w, &repo, &in, &e), &e);
	CHECK_OK(statcache_open(d, "stat-x", &repo, &c, &out, &e), &e);
	CHECK(digest_eq(&in.root, &out.root) && digest_eq(&in.hurt, &out.hurt));
	CHECK_EQ(out.begun, in.begun);
	statcache_close(c);
	CHECK_OK(io_unlink(d, "stat-x", &e), &e);
	io_dir_close(d);
	io_close(io);
	CHECK(rmdir(dir) == 0);
}

int main(void)
{
	RUN(local_stamps);
	RUN(foreign_stamps);
	RUN(clock_set_back);
	RUN(file_systems);
	RUN(bonds);
	return 0;
}
