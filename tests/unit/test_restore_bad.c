/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_run where something is in the way: taken names, planted links,
 * damage, a full disk, few descriptors, another user, forbidden calls.
 */
#include "tests/unit/test_restore.h"
#include "tests/unit/t_mount.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { NOBODY = 65534 };

/* `dirs` folders "dN" with `files` files "fN" of random sizes. */
static void make_tree(const char *dir, int dirs, int files, size_t max,
		      uint64_t seed)
{
	char name[64], path[3 * KIT_PATH_BYTES];

	for (int d = 0; d < dirs; d++) {
		snprintf(name, sizeof(name), "d%d", d);
		CHECK(mkdir(bed_at(dir, name, path), 0755) == 0);
		for (int f = 0; f < files; f++) {
			snprintf(name, sizeof(name), "d%d/f%d", d, f);
			bed_file(dir, name, t_rng(&seed) % max,
				 seed + (uint64_t)f, f % 2 == 0);
		}
	}
}

/* ---- names that are taken -------------------------------------------------
 */

static void taken(void)
{
	char path[3 * KIT_PATH_BYTES], outside[3 * KIT_PATH_BYTES];
	struct restore_options o;
	struct stat st;
	struct bed b;
	mode_t mode;

	bed_init(&b, IO_ENGINE_AUTO);
	make_tree(b.src, 6, 5, 3000, 1);
	bed_file(b.src, "file", 100, 1, false);
	bed_file(b.src, "linked", 100, 2, false);
	CHECK(link(bed_at(b.src, "linked", path),
		   bed_at(b.src, "linked 2", outside)) == 0);
	CHECK(symlink("x", bed_at(b.src, "link", path)) == 0);
	bed_put(&b);
	bed_open(&b);

	CHECK(mkdir(bed_at(b.k.dir, "outside", outside), 0777) == 0);
	CHECK(mkdir(b.out, 0755) == 0);
	/* A link at a directory's name, an absolute and a relative one, a
	 * dangling one at a file's, a file at a directory's, a directory. */
	CHECK(symlink(outside, bed_at(b.out, "d0", path)) == 0);
	CHECK(symlink("../outside", bed_at(b.out, "d1", path)) == 0);
	CHECK(symlink("../outside/new", bed_at(b.out, "file", path)) == 0);
	bed_file(b.out, "d2", 10, 1, false);
	CHECK(mkdir(bed_at(b.out, "d3", path), 0711) == 0);
	CHECK(symlink("mine", bed_at(b.out, "link", path)) == 0);
	bed_file(b.out, "linked", 10, 1, false);

	o = bed_options(&b);
	CHECK_EQ(bed_run(&b, &o), BC_EPARTIAL);
	CHECK_EQ(b.n_told, 6);
	CHECK_EQ(b.res.errors, 6);
	CHECK_EQ(bed_told(&b, "d0"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "d1"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "d2"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "file"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "link"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "linked"), BC_EEXIST);
	/* What was there is what it was, nothing went through the links. */
	CHECK(rmdir(outside) == 0);
	/* The directory is entered, what was missing in it is there. */
	CHECK(bed_exists(b.out, "d3/f0"));
	CHECK(stat(bed_at(b.src, "d3", path), &st) == 0);
	mode = st.st_mode;
	CHECK(stat(bed_at(b.out, "d3", path), &st) == 0);
	CHECK_EQ(st.st_mode, mode);
	CHECK(stat(bed_at(b.out, "linked", path), &st) == 0);
	CHECK_EQ(st.st_size, 10);
	/* The rest is there; the second name is a file of its own. */
	CHECK(bed_exists(b.out, "d4/f0") && bed_exists(b.out, "d5/f4"));
	CHECK(stat(bed_at(b.out, "linked 2", path), &st) == 0);
	CHECK_EQ(st.st_size, 100);
	CHECK_EQ(st.st_nlink, 1);
	bed_fini(&b);
}

/* Somebody puts a link in place of a directory that was just made. */
struct swap {
	struct bed *b;
	unsigned swapped;
};

static void swap_dir(void *ctx, const char *path, enum tree_type type,
		     uint64_t size)
{
	struct swap *s = ctx;
	char at[3 * KIT_PATH_BYTES], moved[4 * KIT_PATH_BYTES];

	(void)size;
	if (type != TREE_DIR || s->swapped > 0)
		return;
	bed_at(s->b->out, path, at);
	snprintf(moved, sizeof(moved), "%s moved", at);
	CHECK(rename(at, moved) == 0);
	CHECK(symlink("../outside", at) == 0);
	s->swapped++;
}

static void swap_error(void *ctx, const char *path, enum bc_err code,
		       const char *text)
{
	bed_error(((struct swap *)ctx)->b, path, code, text);
}

static void swapped_for_a_link(void)
{
	char outside[3 * KIT_PATH_BYTES];
	struct restore_options o;
	struct swap s = { 0 };
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	make_tree(b.src, 3, 20, 100000, 1);
	bed_put(&b);
	bed_open(&b);
	CHECK(mkdir(bed_at(b.k.dir, "outside", outside), 0777) == 0);
	s.b = &b;
	o = bed_options(&b);
	o.item = swap_dir;
	o.error = swap_error;
	o.ctx = &s;
	CHECK_EQ(bed_run(&b, &o), BC_EPARTIAL);
	CHECK_EQ(s.swapped, 1);
	CHECK(b.n_told >= 20);
	CHECK(rmdir(outside) == 0); /* empty */
	CHECK(bed_exists(b.out, "d1/f0") && bed_exists(b.out, "d2/f19"));
	bed_fini(&b);
}

/* ---- damage ---------------------------------------------------------------
 */

/* Paths of the pack files, the largest first. */
static unsigned packs(const struct bed *b, char path[][3 * KIT_PATH_BYTES],
		      unsigned max)
{
	char dir[2 * KIT_PATH_BYTES];
	struct dirent *en;
	unsigned n = 0;
	DIR *d = opendir(kit_at(&b->k, "packs", dir));

	CHECK(d != NULL);
	while ((en = readdir(d)) != NULL)
		if (strstr(en->d_name, ".pack") != NULL && n < max)
			bed_at(dir, en->d_name, path[n++]);
	closedir(d);
	return n;
}

static void flip(const char *path, off_t at, size_t n)
{
	int fd = open(path, O_RDWR);
	uint8_t p[4096];

	CHECK(fd >= 0 && n <= sizeof(p));
	CHECK(pread(fd, p, n, at) == (ssize_t)n);
	for (size_t i = 0; i < n; i++)
		p[i] ^= 0x5a;
	CHECK(pwrite(fd, p, n, at) == (ssize_t)n);
	CHECK(fsync(fd) == 0);
	close(fd);
}

/* Every file of src is either equal in out, or was told and is not there. */
static unsigned whole_or_told(const struct bed *b, int dirs, int files)
{
	unsigned missing = 0;

	for (int d = 0; d < dirs; d++) {
		char name[64], path[3 * KIT_PATH_BYTES];
		int in, out;

		snprintf(name, sizeof(name), "d%d", d);
		in = open(bed_at(b->src, name, path), O_RDONLY);
		out = open(bed_at(b->out, name, path), O_RDONLY);
		CHECK(in >= 0 && out >= 0);
		for (int f = 0; f < files; f++) {
			snprintf(path, sizeof(path), "d%d/f%d", d, f);
			snprintf(name, sizeof(name), "f%d", f);
			if (faccessat(out, name, F_OK, 0) == 0) {
				same_entry(in, out, name, true);
				CHECK_EQ(bed_told(b, path), BC_OK);
			} else {
				missing++;
			}
		}
		close(in);
		close(out);
	}
	return missing;
}

static void damaged_block(void)
{
	enum { DIRS = 8, FILES = 40 };
	char path[4][3 * KIT_PATH_BYTES];
	struct restore_options o;

	FOR_ENGINES(i)
	{
		struct stat st;
		struct bed b;
		unsigned n, missing;

		bed_init(&b, ENGINES[i]);
		make_tree(b.src, DIRS, FILES, 100000, 3);
		bed_put(&b);
		n = packs(&b, path, 4);
		CHECK(n >= 1);
		for (unsigned k = 0; k < n; k++) {
			CHECK(stat(path[k], &st) == 0);
			if (st.st_size > 4 << 20)
				flip(path[k], st.st_size / 2, 100);
		}
		bed_open(&b);
		o = bed_options(&b);
		CHECK_EQ(bed_run(&b, &o), BC_EDAMAGE);
		missing = whole_or_told(&b, DIRS, FILES);
		CHECK(missing >= 1 && missing < DIRS * FILES / 4);
		CHECK_EQ(missing, b.res.errors);
		CHECK_EQ(missing, b.n_told);
		CHECK_EQ(b.told[0].code, BC_EDAMAGE);
		CHECK(strstr(b.told[0].text, ".pack") != NULL);
		CHECK(strstr(b.e.text, b.told[0].path) != NULL);
		bed_fini(&b);
	}
}

/* All of a pack is gone, and a file has two names. */
static void missing_pack(void)
{
	char path[8][3 * KIT_PATH_BYTES], two[3 * KIT_PATH_BYTES];
	char one[3 * KIT_PATH_BYTES];
	struct restore_options o;
	struct stat st;
	struct bed b;
	unsigned n;

	bed_init(&b, IO_ENGINE_AUTO);
	bed_file(b.src, "small", 0, 1, false);
	bed_file(b.src, "large", 8 << 20, 2, false);
	CHECK(link(bed_at(b.src, "large", one), bed_at(b.src, "two", two)) ==
	      0);
	CHECK(symlink("x", bed_at(b.src, "link", one)) == 0);
	bed_put(&b);
	n = packs(&b, path, 8);
	for (unsigned k = 0; k < n; k++) {
		CHECK(stat(path[k], &st) == 0);
		if (st.st_size > 4 << 20)
			CHECK(unlink(path[k]) == 0);
	}
	bed_open(&b);
	o = bed_options(&b);
	CHECK_EQ(bed_run(&b, &o), BC_EDAMAGE);
	CHECK(bed_exists(b.out, "small") && bed_exists(b.out, "link"));
	CHECK(!bed_exists(b.out, "large") && !bed_exists(b.out, "two"));
	CHECK_EQ(b.n_told, 2);
	CHECK_EQ(bed_told(&b, "large"), BC_EDAMAGE);
	CHECK(bed_told(&b, "two") != BC_OK);
	bed_fini(&b);
}

/* Two sessions store the same at once: a second copy. Whichever is damaged,
 * the other one serves. */
static void second_copy(void)
{
	static const struct kit_spec sp = { .name = "two",
					    .seed = 1,
					    .files = 100,
					    .bytes = 100000,
					    .chunk = 50000 };

	for (unsigned hurt = 0; hurt < 2; hurt++) {
		char path[8][3 * KIT_PATH_BYTES];
		struct session *s[2];
		struct repo *r[2];
		struct digest id;
		struct stat st;
		struct bed b;
		unsigned n, large = 0;

		bed_init(&b, IO_ENGINE_AUTO);
		for (int i = 0; i < 2; i++) {
			r[i] = kit_repo(&b.k, true);
			s[i] = kit_session(&b.k, r[i]);
		}
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(kit_put(&b.k, s[i], &sp, &id), 200);
			session_end(s[i]);
			repo_close(r[i]);
		}
		n = packs(&b, path, 8);
		for (unsigned k = 0; k < n; k++) {
			CHECK(stat(path[k], &st) == 0);
			if (st.st_size < 4 << 20)
				continue;
			if (large++ == hurt)
				for (off_t at = 4096; at < st.st_size - 65536;
				     at += 40960)
					flip(path[k], at, 16);
		}
		CHECK_EQ(large, 2);
		bed_open(&b);
		bed_restore(&b);
		CHECK_EQ(b.res.files, 100);
		CHECK_EQ(b.res.bytes, 100 * 100000);
		for (unsigned f = 0; f < 100; f++) {
			static uint8_t want[100000], got[100001];
			char name[32];
			int fd;

			snprintf(name, sizeof(name), "f%05u", f);
			fd = open(bed_at(b.out, name, path[0]), O_RDONLY);
			CHECK(fd >= 0);
			CHECK_EQ(read(fd, got, sizeof(got)), 100000);
			for (size_t at = 0; at < 100000; at += sp.chunk)
				kit_bytes(&sp, 0, f, at, want + at, sp.chunk);
			CHECK(memcmp(got, want, sizeof(want)) == 0);
			close(fd);
		}
		bed_fini(&b);
	}
}

/* ---- bounds of the system -------------------------------------------------
 */

static void with_64_files(struct bed *b)
{
	struct rlimit lim = { 64, 64 };
	struct restore_options o;

	CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	bed_open(b);
	o = bed_options(b);
	o.threads = 16;
	CHECK_OK(bed_run(b, &o), &b->e);
	CHECK_EQ(b->n_told, 0);
}

/* More files of several chunks than may be open at a time, whose chunks lie
 * anywhere. */
static void few_descriptors(void)
{
	char name[64], path[3 * KIT_PATH_BYTES];

	FOR_ENGINES(i)
	{
		struct bed b;

		bed_init(&b, ENGINES[i]);
		make_tree(b.src, 30, 20, 60000, 4);
		/* Beginnings first, so that the ends lie far behind them. */
		for (int round = 0; round < 2; round++) {
			for (int f = 0; f < 150; f++) {
				uint64_t seed = (uint64_t)f;
				static uint8_t p[300000];
				int fd;

				snprintf(name, sizeof(name), "m%d", f);
				fd = open(bed_at(b.src, name, path),
					  O_WRONLY | O_CREAT | O_APPEND, 0644);
				seed += (uint64_t)round * 1000;
				t_fill(&seed, p, sizeof(p));
				CHECK(fd >= 0 &&
				      write(fd, p, sizeof(p)) == sizeof(p));
				close(fd);
			}
			bed_put(&b);
		}
		in_child(with_64_files, &b);
		same_tree(b.src, b.out, true);
		bed_fini(&b);
	}
}

static void on_small_disk(struct bed *b)
{
	struct restore_options o;
	char *path = b->out;

	CHECK(t_own_mounts());
	CHECK(mount("none", path, "tmpfs", 0, "size=3m") == 0);
	bed_open(b);
	o = bed_options(b);
	CHECK_EQ(bed_run(b, &o), BC_ENOSPC);
	CHECK(strstr(b->e.text, "No space left") != NULL);
	CHECK(strchr(b->e.text, '/') != NULL); /* a path */
	CHECK(b->e.hint[0] != '\0');
	for (int d = 0; d < 10; d++) {
		char name[64], at[3 * KIT_PATH_BYTES];
		int in, out;

		snprintf(name, sizeof(name), "d%d", d);
		in = open(bed_at(b->src, name, at), O_RDONLY);
		out = open(bed_at(path, name, at), O_RDONLY);
		for (int f = 0; f < 20 && out >= 0; f++) {
			snprintf(name, sizeof(name), "f%d", f);
			if (faccessat(out, name, F_OK, 0) == 0)
				same_entry(in, out, name, true);
		}
		close(in);
		close(out);
	}
}

static void full_disk(void)
{
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	CHECK(mkdir(b.out, 0755) == 0);
	if (!t_may_mount(b.out)) {
		T_SKIP(T_NO_MOUNT);
		bed_fini(&b);
		return;
	}
	make_tree(b.src, 10, 20, 100000, 5);
	bed_put(&b);
	in_child(on_small_disk, &b);
	bed_fini(&b);
}

static void as_nobody(struct bed *b)
{
	struct restore_options o;
	char path[3 * KIT_PATH_BYTES];
	struct stat st;

	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	bed_open(b);
	o = bed_options(b);
	o.dest = bed_at(b->out, "mine", path);
	CHECK_EQ(bed_run(b, &o), BC_EPARTIAL);
	/* Owners are not told; the device is, and the other's set-id bits. */
	CHECK_EQ(b->n_told, 2);
	CHECK_EQ(bed_told(b, "null"), BC_EPARTIAL);
	CHECK_EQ(bed_told(b, "suid"), BC_EPARTIAL);
	CHECK(!bed_exists(o.dest, "null"));
	CHECK(stat(o.dest, &st) == 0);
	CHECK_EQ(st.st_uid, NOBODY);
	CHECK_EQ(st.st_mode & 07777, 0755);
}

static void another_user(void)
{
	char path[3 * KIT_PATH_BYTES], two[3 * KIT_PATH_BYTES];
	char mine[3 * KIT_PATH_BYTES];
	struct stat st;
	struct bed b;

	if (geteuid() != 0) {
		T_SKIP("needs root to become another user");
		return;
	}
	bed_init(&b, IO_ENGINE_AUTO);
	make_tree(b.src, 3, 10, 100000, 6);
	CHECK(mkdir(bed_at(b.src, "locked", path), 0755) == 0);
	bed_file(b.src, "locked/first", 300000, 1, false);
	CHECK(link(bed_at(b.src, "locked/first", path),
		   bed_at(b.src, "second", two)) == 0);
	CHECK(chmod(bed_at(b.src, "locked", path), 0) == 0);
	bed_file(b.src, "read only", 400000, 7, false);
	CHECK(chmod(bed_at(b.src, "read only", path), 0444) == 0);
	(void)!setxattr(path, "user.x", "1", 1, 0);
	bed_file(b.src, "suid", 4, 7, false);
	CHECK(chmod(bed_at(b.src, "suid", path), 04755) == 0);
	CHECK(mknod(bed_at(b.src, "null", path), S_IFCHR | 0666, 0x103) == 0);
	bed_put(&b);
	kit_sh("chmod -R a+rX '%s'", b.k.path);
	CHECK(mkdir(b.out, 0777) == 0 && chmod(b.out, 0777) == 0);
	in_child(as_nobody, &b);
	bed_at(b.out, "mine", mine);
	CHECK(unlink(bed_at(b.src, "null", path)) == 0);
	CHECK(chmod(bed_at(b.src, "suid", path), 0755) == 0);
	CHECK(stat(bed_at(mine, "second", path), &st) == 0);
	CHECK_EQ(st.st_nlink, 2);
	kit_sh("touch -r '%s' '%s'", mine, b.src);
	same_tree(b.src, mine, false);
	bed_fini(&b);
}

static void without_openat2(struct bed *b)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
	bed_open(b);
	bed_restore(b);
}

static void forbidden_openat2(void)
{
	char path[3 * KIT_PATH_BYTES], name[64] = "d0";
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	make_tree(b.src, 12, 12, 100000, 8);
	for (int i = 0; i < 10; i++) {
		snprintf(name + strlen(name), sizeof(name) - strlen(name),
			 "/a%d", i);
		CHECK(mkdir(bed_at(b.src, name, path), 0755) == 0);
	}
	snprintf(path, sizeof(path), "%s/f", name);
	bed_file(b.src, path, 1000, 1, false);
	bed_put(&b);
	in_child(without_openat2, &b);
	same_tree(b.src, b.out, true);
	bed_fini(&b);
}

/* ---- stopped --------------------------------------------------------------
 */

struct stopper {
	struct bed *b;
	atomic_int stop;
	int after;
};

static void stop_after(void *ctx, const char *path, enum tree_type type,
		       uint64_t size)
{
	struct stopper *s = ctx;

	(void)path;
	(void)type;
	(void)size;
	if (--s->after == 0)
		atomic_store(&s->stop, 1);
}

static void stopped(void)
{
	static const int after[] = { 1, 5, 60, 200 };

	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		struct restore_options o;
		struct stopper s = { .after = after[i] };
		struct bed b;

		bed_init(&b, IO_ENGINE_AUTO);
		make_tree(b.src, 10, 40, 100000, 9);
		bed_put(&b);
		bed_open(&b);
		s.b = &b;
		o = bed_options(&b);
		o.error = NULL;
		o.item = stop_after;
		o.ctx = &s;
		o.stop = &s.stop;
		CHECK_EQ(bed_run(&b, &o), BC_ECANCEL);
		CHECK_EQ(b.res.errors, 0);
		for (int d = 0; d < 10; d++) {
			char name[64], path[3 * KIT_PATH_BYTES];
			int in, out;

			snprintf(name, sizeof(name), "d%d", d);
			in = open(bed_at(b.src, name, path), O_RDONLY);
			out = open(bed_at(b.out, name, path), O_RDONLY);
			for (int f = 0; f < 40 && out >= 0; f++) {
				snprintf(name, sizeof(name), "f%d", f);
				if (faccessat(out, name, F_OK, 0) == 0)
					same_entry(in, out, name, true);
			}
			close(in);
			close(out);
		}
		bed_fini(&b);
	}
}

/* ---- names of one file that are not alike ---------------------------------
 */

/* One group's names a to e, in one directory: b is as a, c has other bytes, d
 * another mode, e is as d. */
static void put_unlike(struct bed *b)
{
	static const struct kit_spec sp = {
		.name = "odd", .seed = 3, .files = 5, .bytes = 900, .chunk = 900
	};
	struct repo *r = kit_repo(&b->k, true);
	struct kit_put p = { .s = kit_session(&b->k, r), .sp = &sp };
	struct node_sink sink = session_node_sink(p.s);
	struct buf record = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct tree_builder t;
	struct tree_dir root;
	struct digest id;
	uint8_t mem[KIT_BATCH * 900];

	p.mem = mem;
	CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 256 << 10, sp.chunk, &p.e),
		 &p.e);
	CHECK_OK(sealer_init(&p.sealer, 1, 512 << 10, &p.e), &p.e);
	content_builder_init(&p.content, &sink);
	tree_builder_init(&t, &sink);
	tree_builder_begin(&t);
	for (unsigned i = 0; i < 5; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		struct tree_entry en = kit_entry(name, TREE_FILE);

		en.has = TREE_HAS_LINK;
		en.link_group = 77;
		en.mode = i < 3 ? 0644 : 0640;
		kit_file(&p, 0, i == 2, &en);
		CHECK_OK(tree_builder_add(&t, &en, &p.e), &p.e);
	}
	CHECK_OK(tree_builder_finish(&t, &root, &p.e), &p.e);
	kit_flush(&p);
	kit_record(&sp, kit_now(&b->k.now), &root, &record);
	CHECK_OK(session_commit_snapshot(p.s, buf_bytes(&record), &id, &p.e),
		 &p.e);
	buf_fini(&record);
	tree_builder_fini(&t);
	content_builder_fini(&p.content);
	gather_fini(&p.gather);
	sealer_fini(&p.sealer);
	session_end(p.s);
	repo_close(r);
}

static void unlike_links(void)
{
	static const nlink_t links[5] = { 2, 2, 1, 2, 2 };
	static const mode_t modes[5] = { 0644, 0644, 0644, 0640, 0640 };

	FOR_ENGINES(i)
	{
		struct restore_options o;
		struct stat st[5];
		struct bed b;

		bed_init(&b, ENGINES[i]);
		put_unlike(&b);
		bed_open(&b);
		o = bed_options(&b);
		o.owner = RESTORE_OWNER_NONE;
		CHECK_EQ(bed_run(&b, &o), BC_EPARTIAL);
		CHECK_EQ(b.n_told, 1);
		for (unsigned n = 0; n < 5; n++) {
			char name[2] = { (char)('a' + n), '\0' };
			char path[3 * KIT_PATH_BYTES];

			CHECK(lstat(bed_at(b.out, name, path), &st[n]) == 0);
			CHECK_EQ(st[n].st_nlink, links[n]);
			CHECK_EQ(st[n].st_mode & 07777, modes[n]);
			CHECK_EQ(st[n].st_size, 900);
		}
		CHECK(st[0].st_ino == st[1].st_ino);
		CHECK(st[3].st_ino == st[4].st_ino);
		kit_sh("cmp -s %s/a %s/d && ! cmp -s %s/a %s/c", b.out, b.out,
		       b.out, b.out);
		bed_fini(&b);
	}
}

int main(void)
{
	RUN(taken);
	RUN(unlike_links);
	RUN(swapped_for_a_link);
	RUN(damaged_block);
	RUN(missing_pack);
	RUN(second_copy);
	RUN(few_descriptors);
	RUN(full_disk);
	RUN(another_user);
	RUN(forbidden_openat2);
	RUN(stopped);
	return 0;
}
