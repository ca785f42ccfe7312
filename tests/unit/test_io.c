/* SPDX-License-Identifier: Apache-2.0 */
/* io: names, files, maps and small files; failures and their messages. */
#include "tests/unit/test_io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define HAS(e, part) CHECK(strstr((e).text, part) != NULL)

static void put(struct scratch *s, const char *name, const char *text)
{
	CHECK_OK(io_write_small(s->d, name, bytes_str(text), IO_REPLACE, &s->e),
		 &s->e);
}

static void expect(struct scratch *s, const char *name, const char *text)
{
	struct buf b = BUF_INIT(1 << 20);

	CHECK_OK(io_read_small(s->d, name, &b, &s->e), &s->e);
	CHECK(bytes_eq(buf_bytes(&b), bytes_str(text)));
	buf_fini(&b);
}

/* ---- names --------------------------------------------------------------- */

struct listing {
	int files, dirs, others;
	struct io_dir *unlink_in;
};

static enum bc_err count_one(void *ctx, const char *name, enum io_type type)
{
	struct listing *l = ctx;

	CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	l->files += type == IO_TYPE_FILE;
	l->dirs += type == IO_TYPE_DIR;
	l->others += type == IO_TYPE_OTHER;
	return l->unlink_in == NULL ? BC_OK
				    : io_unlink(l->unlink_in, name, NULL);
}

static enum bc_err stop_at_once(void *ctx, const char *name, enum io_type type)
{
	(void)name;
	(void)type;
	++*(int *)ctx;
	return BC_ECANCEL;
}

static int names_in(struct scratch *s, const char *dir)
{
	struct listing l = { 0 };

	CHECK_OK(io_list(s->d, dir, &s->e, count_one, &l), &s->e);
	return l.files + l.dirs + l.others;
}

/* A stamp that 64 bits of nanoseconds do not hold is the last that they do,
 * where the file system holds it. */
static void far_stamp(struct scratch *s, const char *name)
{
	const struct timespec t[2] = { { 0, UTIME_OMIT },
				       { INT64_C(9300000000), 5 } };
	struct io_stat st;
	struct stat is;

	CHECK(utimensat(io_dir_fd(s->d), name, t, 0) == 0);
	CHECK(fstatat(io_dir_fd(s->d), name, &is, 0) == 0);
	CHECK_OK(io_stat_at(s->d, name, &st, &s->e), &s->e);
	if (is.st_mtim.tv_sec == t[1].tv_sec)
		CHECK_EQ(st.mtime_ns, INT64_MAX);
}

static void names(struct scratch *s)
{
	struct io_dir *sub, *none = NULL;
	struct io_stat st;
	struct io_space sp;
	struct listing l = { 0 };
	int calls = 0;

	CHECK_OK(io_mkdir(s->d, "sub", &s->e), &s->e);
	CHECK_EQ(io_mkdir(s->d, "sub", &s->e), BC_EEXIST);
	HAS(s->e, "/sub: File exists");
	HAS(s->e, s->path);
	CHECK_OK(io_stat_at(s->d, "sub", &st, &s->e), &s->e);
	CHECK_EQ(st.type, IO_TYPE_DIR);
	CHECK_OK(io_dir_open_at(s->d, "sub", &sub, &s->e), &s->e);
	CHECK(strstr(io_dir_path(sub), "/sub") != NULL);
	CHECK_EQ(io_dir_open_at(s->d, "nothing", &none, &s->e), BC_ENOTFOUND);
	HAS(s->e, "cannot open directory");
	CHECK(none == NULL);

	put(s, "a", "one");
	CHECK_OK(io_link(s->d, "a", sub, "b", &s->e), &s->e);
	CHECK_EQ(io_link(s->d, "a", sub, "b", &s->e), BC_EEXIST);
	HAS(s->e, "/sub/b");
	CHECK_OK(io_stat_at(s->d, "sub/b", &st, &s->e), &s->e);
	CHECK_EQ(st.size, 3);
	CHECK_EQ(st.nlink, 2);
	CHECK_EQ(st.mode, IO_FILE_MODE);
	CHECK(st.mtime_ns > 0 && st.ctime_ns > 0);
	far_stamp(s, "sub/b");

	/* A taken name stops one kind of rename and not the other. */
	put(s, "c", "two");
	CHECK_EQ(io_rename(s->d, "c", sub, "b", IO_NOREPLACE, &s->e),
		 BC_EEXIST);
	HAS(s->e, "/sub/b");
	expect(s, "sub/b", "one");
	CHECK_OK(io_rename(s->d, "c", sub, "b", IO_REPLACE, &s->e), &s->e);
	expect(s, "sub/b", "two");
	CHECK_OK(io_rename(sub, "b", s->d, "d", IO_NOREPLACE, &s->e), &s->e);
	expect(s, "d", "two");
	CHECK_EQ(io_rename(s->d, "c", s->d, "x", IO_REPLACE, &s->e),
		 BC_ENOTFOUND);
	HAS(s->e, "cannot rename");

	CHECK(symlinkat("sub", io_dir_fd(s->d), "to-dir") == 0);
	CHECK(symlinkat("gone", io_dir_fd(s->d), "dangling") == 0);
	CHECK_OK(io_list(s->d, ".", &s->e, count_one, &l), &s->e);
	CHECK_EQ(l.files, 2);
	CHECK_EQ(l.dirs, 2);
	CHECK_EQ(l.others, 1);
	CHECK_EQ(io_list(s->d, ".", &s->e, stop_at_once, &calls), BC_ECANCEL);
	CHECK_EQ(calls, 1);
	CHECK_EQ(io_list(s->d, "none", &s->e, count_one, &l), BC_ENOTFOUND);

	CHECK_EQ(io_unlink(s->d, "none", &s->e), BC_ENOTFOUND);
	CHECK_OK(io_rename(s->d, "d", sub, "d", IO_REPLACE, &s->e), &s->e);
	CHECK_EQ(io_rmdir(s->d, "sub", &s->e), BC_EEXIST);
	CHECK_EQ(s->e.code, BC_EEXIST);
	l = (struct listing){ .unlink_in = sub };
	CHECK_OK(io_list(sub, ".", &s->e, count_one, &l), &s->e);
	CHECK_EQ(names_in(s, "sub"), 0);
	CHECK_OK(io_dir_sync(sub, &s->e), &s->e);
	io_dir_close(sub);
	CHECK_OK(io_rmdir(s->d, "sub", &s->e), &s->e);
	CHECK_OK(io_dir_space(s->d, &sp, &s->e), &s->e);
	CHECK(sp.total >= sp.available && sp.block > 0 && !sp.read_only);
	io_dir_close(NULL);
}

/* ---- files --------------------------------------------------------------- */

static void open_flags(struct scratch *s)
{
	struct io_file *f = NULL, *g = NULL;
	uint64_t size;

	CHECK_EQ(io_file_open(s->d, "f", IO_READ, &f, &s->e), BC_ENOTFOUND);
	HAS(s->e, "cannot open");
	CHECK_EQ(io_file_open(s->d, "f", IO_CREATE, &f, &s->e), BC_EINVAL);
	f = must_open(s, "f",
		      IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE |
			      IO_DIRECT);
	CHECK(strstr(io_file_path(f), "/f") != NULL);
	CHECK_EQ(io_file_open(s->d, "f", IO_WRITE | IO_CREATE | IO_EXCLUSIVE,
			      &g, &s->e),
		 BC_EEXIST);
	HAS(s->e, "cannot create");
	CHECK_OK(io_file_truncate(f, 5, &s->e), &s->e);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	f = must_open(s, "f", IO_WRITE | IO_TRUNCATE);
	CHECK_OK(io_file_size(f, &size, &s->e), &s->e);
	CHECK_EQ(size, 0);
	CHECK_OK(io_file_close(f, &s->e), &s->e);

	/* Whatever is not a regular file is refused, without waiting. */
	f = NULL;
	CHECK(mkfifoat(io_dir_fd(s->d), "pipe", 0600) == 0);
	CHECK_EQ(io_file_open(s->d, "pipe", IO_READ, &f, &s->e), BC_EDAMAGE);
	HAS(s->e, "not a regular file");
	CHECK_EQ(io_file_open(s->d, "pipe", IO_WRITE, &f, &s->e), BC_EDAMAGE);
	CHECK_EQ(io_file_open(s->d, ".", IO_READ, &f, &s->e), BC_EDAMAGE);
	CHECK_EQ(io_file_open(s->d, ".", IO_WRITE, &f, &s->e), BC_EDAMAGE);
	CHECK_EQ(io_file_open(s->d, "/dev/null", IO_READ, &f, &s->e),
		 BC_EDAMAGE);
	CHECK(f == NULL);
	CHECK_OK(io_file_close(NULL, &s->e), &s->e);
}

/* Nothing but the flags asked for may stay on the descriptor. */
static void descriptor_flags(struct scratch *s)
{
	struct io_file *f =
		must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	int fl = fcntl(io_file_fd(f), F_GETFL);

	CHECK((fl & O_NONBLOCK) == 0);
	CHECK_EQ((fl & O_DIRECT) != 0, io_file_direct(f));
	CHECK((fcntl(io_file_fd(f), F_GETFD) & FD_CLOEXEC) != 0);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	f = must_open(s, "f", IO_READ);
	fl = fcntl(io_file_fd(f), F_GETFL);
	CHECK((fl & (O_NONBLOCK | O_DIRECT)) == 0);
	CHECK(!io_file_direct(f));
	io_file_close(f, NULL);
}

static void read_write(struct scratch *s)
{
	enum { N = 12345 };
	uint8_t data[N], back[N];
	uint64_t rng = 1;
	struct io_file *f;
	size_t got = 99;

	t_fill(&rng, data, N);
	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_pwrite(f, data, N, 0, &s->e), &s->e);
	CHECK_OK(io_file_pwrite(f, data, 0, 0, &s->e), &s->e);
	CHECK_OK(io_file_pread(f, back, N, 0, &s->e), &s->e);
	CHECK(memcmp(data, back, N) == 0);
	CHECK_OK(io_file_datasync(f, &s->e), &s->e);
	CHECK_OK(io_file_sync(f, &s->e), &s->e);

	CHECK_EQ(io_file_pread(f, back, 10, N - 9, &s->e), BC_EDAMAGE);
	HAS(s->e, "/f ends at byte 12345, wanted 12346");
	CHECK_OK(io_file_pread_some(f, back, 10, N - 9, &got, &s->e), &s->e);
	CHECK_EQ(got, 9);
	CHECK_OK(io_file_pread_some(f, back, 10, N + 9, &got, &s->e), &s->e);
	CHECK_EQ(got, 0);
	CHECK_EQ(io_file_pread(f, back, 1, UINT64_MAX, &s->e), BC_ESYS);
	CHECK_EQ(io_file_pread(f, back, 1, INT64_MAX, &s->e), BC_ESYS);
	CHECK_OK(io_file_close(f, &s->e), &s->e);

	f = must_open(s, "f", IO_READ);
	CHECK(io_file_pwrite(f, data, 1, 0, &s->e) != BC_OK);
	HAS(s->e, "cannot write");
	HAS(s->e, "at byte 0");
	io_file_close(f, NULL);
}

/* A direct file can be read at any address, offset and length. */
static void unaligned_reads(struct scratch *s)
{
	enum { N = 700 * 1000 };
	uint8_t *data = malloc(N), *back = malloc(N);
	uint64_t rng = 2;
	struct io_file *f;
	size_t got;

	CHECK(data != NULL && back != NULL);
	t_fill(&rng, data, N);
	f = must_open(s, "f", IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_pwrite(f, data, N, 0, &s->e), &s->e);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	f = must_open(s, "f", IO_READ | IO_DIRECT);
	for (int i = 0; i < 200; i++) {
		uint64_t off = t_rng(&rng) % (N + 5000);
		size_t len = t_rng(&rng) % (i % 2 == 0 ? 9000 : N);
		size_t want = off >= N ? 0 : len < N - off ? len : N - off;

		CHECK_OK(io_file_pread_some(f, back, len, off, &got, &s->e),
			 &s->e);
		CHECK_EQ(got, want);
		CHECK(memcmp(back, data + off, want) == 0 || want == 0);
	}
	CHECK_EQ(io_file_pread(f, back, 100, N - 99, &s->e), BC_EDAMAGE);
	HAS(s->e, "ends at byte 700000");
	io_file_close(f, NULL);
	free(data);
	free(back);
}

/* Above all of the C library's, whose header may have it inline: so many bytes
 * at most come at once. */
extern size_t read_limit;
size_t read_limit;

ssize_t pread(int fd, void *p, size_t n, off_t off)
{
	if (read_limit != 0 && n > read_limit)
		n = read_limit;
	return syscall(SYS_pread64, fd, p, n, off);
}

/* What some file systems do: a direct read that ends where no block does, and
 * is not the end of the file. The kernel here would refuse to be asked so, so
 * the file is not really direct. */
static void odd_reads(struct scratch *s)
{
	enum { N = 9 * IO_ALIGN + 77, SPAN = 10 * IO_ALIGN };
	static const size_t limit[] = { 1, 1000, 4097, 5000, 3 * 4096 + 1 };
	uint8_t *p = aligned_alloc(IO_ALIGN, SPAN);
	uint8_t *q = aligned_alloc(IO_ALIGN, SPAN);
	uint64_t rng = 11;
	struct io_file *f;

	t_fill(&rng, p, N);
	f = must_open(s, "odd", IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_pwrite(f, p, N, 0, &s->e), &s->e);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	for (size_t i = 0; i < sizeof(limit) / sizeof(limit[0]); i++) {
		size_t got;

		f = must_open(s, "odd", IO_READ | IO_DIRECT);
		CHECK(fcntl(io_file_fd(f), F_SETFL, 0) == 0);
		read_limit = limit[i];
		CHECK_OK(io_file_pread_some(f, q, SPAN, 0, &got, &s->e), &s->e);
		CHECK(got == N && memcmp(p, q, N) == 0);
		CHECK_OK(io_file_pread(f, q, N - 5, 5, &s->e), &s->e);
		CHECK(memcmp(p + 5, q, N - 5) == 0);
		read_limit = 0;
		io_file_close(f, NULL);
	}
	free(p);
	free(q);
}

static void aligned_writes(struct scratch *s)
{
	uint8_t *p = aligned_bytes(3 * IO_ALIGN);
	uint8_t *back = aligned_bytes(3 * IO_ALIGN);
	uint64_t rng = 3, size;
	struct io_file *f;

	t_fill(&rng, p, 3 * IO_ALIGN);
	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_file_pwrite(f, p, 3 * IO_ALIGN, IO_ALIGN, &s->e), &s->e);
	/* The same answer whether or not O_DIRECT is in force. */
	CHECK_EQ(io_file_pwrite(f, p + 1, IO_ALIGN, 0, &s->e), BC_EINVAL);
	CHECK_EQ(io_file_pwrite(f, p, IO_ALIGN - 1, 0, &s->e), BC_EINVAL);
	CHECK_EQ(io_file_pwrite(f, p, IO_ALIGN, 512, &s->e), BC_EINVAL);
	CHECK_OK(io_file_pread(f, back, 3 * IO_ALIGN, IO_ALIGN, &s->e), &s->e);
	CHECK(memcmp(p, back, 3 * IO_ALIGN) == 0);
	CHECK_OK(io_file_truncate(f, 2 * IO_ALIGN + 77, &s->e), &s->e);
	CHECK_OK(io_file_datasync(f, &s->e), &s->e);
	CHECK_OK(io_file_size(f, &size, &s->e), &s->e);
	CHECK_EQ(size, 2 * IO_ALIGN + 77);
	CHECK_OK(io_file_pread(f, back, 77, 2 * IO_ALIGN, &s->e), &s->e);
	CHECK(memcmp(p + IO_ALIGN, back, 77) == 0);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
	free(back);
}

static void space(struct scratch *s)
{
	enum { MIB = 1 << 20 };
	uint8_t *p = aligned_bytes(MIB);
	struct io_file *f;
	struct io_stat st;
	bool done = false;

	memset(p, 7, MIB);
	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_allocate(f, 0, MIB, IO_ALLOC_KEEP_SIZE, &s->e), &s->e);
	CHECK_OK(io_file_stat(f, &st, &s->e), &s->e);
	CHECK_EQ(st.size, 0);
	CHECK(st.stored >= MIB);
	CHECK_OK(io_file_allocate(f, 0, 100, IO_ALLOC_GROW, &s->e), &s->e);
	CHECK_OK(io_file_stat(f, &st, &s->e), &s->e);
	CHECK_EQ(st.size, 100);
	CHECK_EQ(st.type, IO_TYPE_FILE);
	CHECK_OK(io_file_pwrite(f, p, MIB, 0, &s->e), &s->e);
	CHECK_OK(io_file_datasync(f, &s->e), &s->e);
	CHECK_OK(io_file_punch(f, 4096, MIB / 2, &done, &s->e), &s->e);
	CHECK(done);
	CHECK_OK(io_file_stat(f, &st, &s->e), &s->e);
	CHECK_EQ(st.size, MIB);
	CHECK(st.stored <= MIB / 2 + 65536);
	CHECK_OK(io_file_pread(f, p, MIB, 0, &s->e), &s->e);
	CHECK(p[4095] == 7 && p[4096] == 0 && p[4095 + MIB / 2] == 0 &&
	      p[4096 + MIB / 2] == 7);
	CHECK(io_file_allocate(f, 0, 0, IO_ALLOC_GROW, &s->e) != BC_OK);
	HAS(s->e, "cannot reserve space for");
	io_file_forget(f, 0, 0);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

static void maps(struct scratch *s)
{
	enum { N = 10000 };
	uint8_t data[N];
	uint64_t rng = 4;
	struct io_map m = { 0 };
	struct io_file *f;

	t_fill(&rng, data, N);
	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_pwrite(f, data, N, 0, &s->e), &s->e);
	CHECK_OK(io_file_map(f, 5001, N - 5001, &m, &s->e), &s->e);
	CHECK_EQ(io_file_map(f, 5000, N, &m, &s->e), BC_EDAMAGE);
	CHECK_EQ(io_file_map(f, UINT64_MAX, 2, &m, &s->e), BC_EDAMAGE);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	CHECK_EQ(m.n, N - 5001);
	CHECK(memcmp(m.p, data + 5001, m.n) == 0);
	io_unmap(&m);
	CHECK(m.p == NULL && m.n == 0);
	io_unmap(&m);
	f = must_open(s, "f", IO_READ);
	CHECK_OK(io_file_map(f, N, 0, &m, &s->e), &s->e);
	CHECK_EQ(m.n, 0);
	io_unmap(&m);
	io_file_close(f, NULL);
}

/* Touching what the file no longer has is a SIGBUS, as is a bad sector. */
static void hurt_maps(struct scratch *s)
{
	enum { N = 5 * 65536, LEFT = 2 * 65536 };
	uint8_t *data = malloc(N), sum = 0;
	struct io_map m = { 0 }, other = { 0 };
	struct io_file *f;

	memset(data, 7, N);
	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE);
	CHECK_OK(io_file_pwrite(f, data, N, 0, &s->e), &s->e);
	CHECK_OK(io_file_map(f, 3, N - 3, &m, &s->e), &s->e);
	CHECK_OK(io_file_map(f, 0, LEFT, &other, &s->e), &s->e);
	CHECK(m.p[N - 4] == 7 && !io_map_hurt(&m));
	CHECK_OK(io_file_truncate(f, LEFT, &s->e), &s->e);
	CHECK(m.p[LEFT - 4] == 7 && !io_map_hurt(&m));
	/* The one page that was touched is zeros now, and stays so. */
	CHECK(m.p[3 * 65536] == 0 && io_map_hurt(&m));
	CHECK_OK(io_file_truncate(f, N, &s->e), &s->e);
	CHECK_OK(io_file_pwrite(f, data, N, 0, &s->e), &s->e);
	CHECK(m.p[3 * 65536] == 0 && m.p[N - 4] == 7);
	CHECK_OK(io_file_truncate(f, LEFT, &s->e), &s->e);
	for (size_t i = LEFT; i < m.n; i++)
		sum |= m.p[i];
	CHECK_EQ(sum, 0);
	CHECK(m.p[LEFT - 4] == 7);
	CHECK(!io_map_hurt(&other) && memcmp(other.p, data, LEFT) == 0);
	io_unmap(&m);
	CHECK(!io_map_hurt(&m));
	/* The next one starts anew. */
	CHECK_OK(io_file_map(f, 0, LEFT, &m, &s->e), &s->e);
	CHECK(!io_map_hurt(&m) && memcmp(m.p, data, LEFT) == 0);
	io_unmap(&m);
	io_unmap(&other);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(data);
}

static int died_by(void (*fn)(struct scratch *s), struct scratch *s)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		fn(s);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void map_one(struct scratch *s, struct io_map *m)
{
	struct io_file *f = must_open(s, "m", IO_READ | IO_WRITE | IO_CREATE);

	CHECK_OK(io_file_pwrite(f, "m", 1, 0, &s->e), &s->e);
	CHECK_OK(io_file_map(f, 0, 1, m, &s->e), &s->e);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
}

static void touch_foreign(struct scratch *s)
{
	struct io_file *f = must_open(s, "e", IO_READ | IO_WRITE | IO_CREATE);
	struct io_map m = { 0 };
	volatile const char *p;

	map_one(s, &m);
	p = mmap(NULL, 1, PROT_READ, MAP_SHARED, io_file_fd(f), 0);
	CHECK(p != MAP_FAILED);
	(void)*p;
}

static void be_sent(struct scratch *s)
{
	struct io_map m = { 0 };

	map_one(s, &m);
	kill(getpid(), SIGBUS);
}

/* What is not of our maps ends the process, as ever. */
static void foreign_faults(struct scratch *s)
{
	CHECK_EQ(died_by(touch_foreign, s), SIGBUS);
	CHECK_EQ(died_by(be_sent, s), SIGBUS);
}

static void small_files(struct scratch *s)
{
	struct buf b = BUF_INIT(8);

	put(s, "x", "12345678");
	put(s, "y", "");
	expect(s, "y", "");
	CHECK_OK(buf_add(&b, "", 0), &s->e);
	CHECK_OK(io_read_small(s->d, "x", &b, &s->e), &s->e);
	CHECK_EQ(b.n, 8);
	/* Appends, and says so when it does not fit. */
	CHECK_EQ(io_read_small(s->d, "x", &b, &s->e), BC_ELIMIT);
	HAS(s->e, "/x is larger than it may be");
	CHECK_EQ(b.n, 8);
	CHECK_EQ(io_read_small(s->d, "none", &b, &s->e), BC_ENOTFOUND);

	CHECK_EQ(io_write_small(s->d, "x", bytes_str("new"), IO_NOREPLACE,
				&s->e),
		 BC_EEXIST);
	expect(s, "x", "12345678");
	put(s, "x", "new");
	expect(s, "x", "new");
	CHECK_OK(io_write_small(s->d, "z", bytes_str("1"), IO_NOREPLACE, &s->e),
		 &s->e);
	CHECK_EQ(io_write_small(s->d, "a/b", bytes_str("1"), IO_REPLACE, &s->e),
		 BC_EINVAL);
	CHECK_EQ(names_in(s, "."), 3);
	buf_fini(&b);
}

/* A crashed run of the same process number has left its temporary files. */
static void small_file_passes_over_rubbish(struct scratch *s)
{
	for (int i = 0; i < 5; i++) {
		char name[64];

		snprintf(name, sizeof(name), IO_TMP_PREFIX "%ld-%d",
			 (long)getpid(), i);
		CHECK_OK(io_file_close(must_open(s, name, IO_WRITE | IO_CREATE),
				       &s->e),
			 &s->e);
	}
	put(s, "x", "data");
	expect(s, "x", "data");
	CHECK_EQ(names_in(s, "."), 6);
}

/* ---- limits -------------------------------------------------------------- */

static void few_descriptors(struct scratch *s)
{
	struct io_file *f = NULL;
	struct io_dir *d = NULL;
	struct io_queue *q;
	struct io_req r[4] = { 0 };
	struct rlimit lim;
	uint8_t *p;
	pid_t pid;

	put(s, "x", "data");
	pid = fork();
	CHECK(pid >= 0);
	if (pid != 0) {
		CHECK_EQ(child_status(pid), 0);
		return;
	}
	p = aligned_bytes(4 * IO_ALIGN);
	f = must_open(s, "x", IO_READ | IO_DIRECT);
	CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	lim.rlim_cur = (rlim_t)io_file_fd(f) + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	/* No descriptor for a ring: the queue works all the same, unless the
	 * ring was asked for. */
	CHECK_OK(io_queue_new(s->io, 4, &q, &s->e), &s->e);
	for (int i = 0; i < 4; i++) {
		enum bc_err rc;

		r[i] = (struct io_req){ .op = IO_REQ_READ,
					.file = f,
					.buf = p + i * IO_ALIGN,
					.len = IO_ALIGN };
		rc = io_queue_submit(q, &r[i], &s->e);
		if (rc != BC_OK) {
			HAS(s->e, "io_uring");
			_exit(0);
		}
	}
	CHECK_OK(io_queue_wait(q, 4, &s->e), &s->e);
	for (int i = 0; i < 4; i++) {
		CHECK(io_queue_take(q) != NULL);
		CHECK(r[i].sys == 0 && r[i].done == 4);
		CHECK(memcmp(r[i].buf, "data", 4) == 0);
	}
	io_queue_free(q);
	io_file_close(f, NULL);
	f = must_open(s, "x", IO_READ);
	CHECK_EQ(io_file_open(s->d, "x", IO_READ, &f, &s->e), BC_ESYS);
	HAS(s->e, "Too many open files");
	CHECK(strstr(s->e.hint, "ulimit -n") != NULL);
	CHECK_EQ(io_dir_open(s->io, "/", &d, &s->e), BC_ESYS);
	CHECK(strstr(s->e.hint, "ulimit -n") != NULL);
	_exit(0);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(struct scratch *s);
	} cases[] = {
		{ "names", names },
		{ "open_flags", open_flags },
		{ "descriptor_flags", descriptor_flags },
		{ "read_write", read_write },
		{ "unaligned_reads", unaligned_reads },
		{ "odd_reads", odd_reads },
		{ "aligned_writes", aligned_writes },
		{ "space", space },
		{ "maps", maps },
		{ "hurt_maps", hurt_maps },
		{ "foreign_faults", foreign_faults },
		{ "small_files", small_files },
		{ "small_file_passes_over_rubbish",
		  small_file_passes_over_rubbish },
		{ "few_descriptors", few_descriptors },
	};

	umask(022);
	signal(SIGBUS, SIG_DFL); /* not a sanitizer's */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		everywhere(cases[i].fn);
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
