/* SPDX-License-Identifier: Apache-2.0 */
/* restore_run: what was put comes back equal, whatever it is. */
#include "tests/unit/test_restore.h"

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static bool is_root(void)
{
	return geteuid() == 0;
}

static void set_time(const char *dir, const char *name, int64_t sec, long ns)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
				  { .tv_sec = sec, .tv_nsec = ns } };
	char path[3 * KIT_PATH_BYTES];

	CHECK(utimensat(AT_FDCWD, bed_at(dir, name, path), ts,
			AT_SYMLINK_NOFOLLOW) == 0);
}

/* ---- every kind of entry --------------------------------------------------
 */

static void make_specials(const char *dir)
{
	char path[3 * KIT_PATH_BYTES], two[3 * KIT_PATH_BYTES];
	char target[4000];
	uint64_t s = 5;

	CHECK(mkfifo(bed_at(dir, "fifo", path), 0620) == 0);
	CHECK(mknod(bed_at(dir, "socket", path), S_IFSOCK | 0755, 0) == 0);
	CHECK(symlink("../else/where", bed_at(dir, "link", path)) == 0);
	CHECK(symlink(".", bed_at(dir, "dot", path)) == 0);
	for (size_t i = 0; i < sizeof(target) - 1; i++)
		target[i] = (char)('a' + t_rng(&s) % 26);
	target[sizeof(target) - 1] = '\0';
	CHECK(symlink(target, bed_at(dir, "long link", path)) == 0);
	CHECK(link(bed_at(dir, "fifo", path), bed_at(dir, "fifo2", two)) == 0);
	CHECK(link(bed_at(dir, "link", path), bed_at(dir, "link2", two)) == 0);
	if (!is_root())
		return;
	CHECK(mknod(bed_at(dir, "null", path), S_IFCHR | 0666, makedev(1, 3)) ==
	      0);
	CHECK(mknod(bed_at(dir, "disk", path), S_IFBLK | 0640,
		    makedev(4095, 1048575)) == 0);
	CHECK(lchown(bed_at(dir, "link", path), 12, 34) == 0);
	CHECK(lchown(bed_at(dir, "fifo", path), 12, 34) == 0);
	CHECK(lchown(bed_at(dir, "null", path), 4000000000u, 34) == 0);
}

static void make_files(const char *dir)
{
	char path[3 * KIT_PATH_BYTES], two[3 * KIT_PATH_BYTES];
	int fd;

	bed_file(dir, "empty", 0, 1, false);
	bed_file(dir, "one", 1, 1, false);
	bed_file(dir, "small", 10000, 2, true);
	bed_file(dir, "same", 10000, 2, true);
	bed_file(dir, "chunks", 1500000, 3, true);
	bed_file(dir, "random", 3000000, 4, false);
	bed_file(dir, "a\nname\xff\x01", 100, 5, false);
	bed_file(dir, "linked", 200000, 6, false);
	CHECK(link(bed_at(dir, "linked", path),
		   bed_at(dir, "sub/linked too", two)) == 0);
	CHECK(link(path, bed_at(dir, "linked 3", two)) == 0);
	bed_file(dir, "empty linked", 0, 6, false);
	CHECK(link(bed_at(dir, "empty linked", path),
		   bed_at(dir, "sub/empty too", two)) == 0);
	bed_file(dir, "none", 10, 7, false);
	/* Only root can read it to store it. */
	CHECK(chmod(bed_at(dir, "none", path), is_root() ? 0 : 0400) == 0);
	bed_file(dir, "suid", 10, 8, false);
	CHECK(chmod(bed_at(dir, "suid", path), 06755) == 0);
	bed_file(dir, "public", 300000, 8, false);
	CHECK(chmod(bed_at(dir, "public", path), 0666) == 0);
	bed_file(dir, "read only", 300000, 9, false);
	CHECK(chmod(bed_at(dir, "read only", path), 0444) == 0);
	/* A hole, data, a hole at the end; only a hole. */
	bed_file(dir, "sparse", 10, 10, false);
	fd = open(bed_at(dir, "sparse", path), O_WRONLY);
	CHECK(fd >= 0 && pwrite(fd, "middle", 6, 5000000) == 6 &&
	      ftruncate(fd, 9000001) == 0);
	close(fd);
	fd = open(bed_at(dir, "hole", path), O_WRONLY | O_CREAT, 0640);
	CHECK(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	close(fd);
	if (is_root()) {
		CHECK(chown(bed_at(dir, "small", path), 1234, 5678) == 0);
		CHECK(chown(bed_at(dir, "suid", path), 1234, 5678) == 0);
		CHECK(chmod(path, 06755) == 0);
	}
}

/* Returns false where the file system knows none. */
static bool make_attrs(const char *dir)
{
	/* Version 2, effective, one bit: as `setcap cap_net_raw+ep`. */
	static const uint8_t cap[20] = { 1, 0, 0, 2, 0, 0x20 };
	/* Version 2: owner rw, user 33 r, group r, mask rw, others none. */
	static const uint8_t acl[] = { 2,    0,	   0,	 0,    1,  0, 6, 0,
				       0xff, 0xff, 0xff, 0xff, 2,  0, 4, 0,
				       33,   0,	   0,	 0,    4,  0, 4, 0,
				       0xff, 0xff, 0xff, 0xff, 16, 0, 6, 0,
				       0xff, 0xff, 0xff, 0xff, 32, 0, 0, 0,
				       0xff, 0xff, 0xff, 0xff };
	char path[3 * KIT_PATH_BYTES], big[3000];

	if (setxattr(bed_at(dir, "small", path), "user.x", "1", 1, 0) != 0)
		return false;
	memset(big, 'v', sizeof(big));
	CHECK(setxattr(path, "user.empty", "", 0, 0) == 0);
	CHECK(chmod(bed_at(dir, "read only", path), 0644) == 0);
	CHECK(setxattr(path, "user.y", "2", 1, 0) == 0);
	CHECK(chmod(path, 0444) == 0);
	CHECK(setxattr(bed_at(dir, "chunks", path), "user.big", big,
		       sizeof(big), 0) == 0);
	CHECK(setxattr(bed_at(dir, "sub", path), "user.dir", "3", 1, 0) == 0);
	(void)!setxattr(bed_at(dir, "public", path), "system.posix_acl_access",
			acl, sizeof(acl), 0);
	(void)!setxattr(bed_at(dir, "sub", path), "system.posix_acl_default",
			acl, sizeof(acl), 0);
	if (is_root()) {
		(void)!setxattr(bed_at(dir, "suid", path),
				"security.capability", cap, sizeof(cap), 0);
		(void)!setxattr(bed_at(dir, "null", path), "trusted.t", "t", 1,
				0);
		(void)!lsetxattr(bed_at(dir, "link", path), "trusted.l", "l", 1,
				 0);
	}
	return true;
}

static void make_all(const char *dir)
{
	char path[3 * KIT_PATH_BYTES];

	CHECK(mkdir(bed_at(dir, "sub", path), 0755) == 0);
	CHECK(mkdir(bed_at(dir, "sub/deeper", path), 0700) == 0);
	CHECK(mkdir(bed_at(dir, "bare", path), 0755) == 0);
	CHECK(mkdir(bed_at(dir, "sticky", path), 0755) == 0);
	make_files(dir);
	make_specials(dir);
	if (!make_attrs(dir))
		printf("   no extended attributes here\n");
	bed_file(dir, "sub/deeper/file", 5000, 11, true);
	bed_file(dir, "sticky/file", 5000, 12, true);
	CHECK(chmod(bed_at(dir, "sticky", path), 03775) == 0);
	CHECK(chmod(bed_at(dir, "sub/deeper", path), 0555) == 0);
	set_time(dir, "small", 1234567890, 123456789);
	set_time(dir, "link", -5, 1);
	set_time(dir, "fifo", 1, 999999999);
	set_time(dir, "one", -2, 500000000);
	set_time(dir, "sub/deeper", 86400, 7);
	set_time(dir, "sub", 86401, 8);
	set_time(dir, "bare", 86402, 9);
	set_time(dir, ".", 86403, 10);
}

static void all_kinds(void)
{
	FOR_ENGINES(i)
	{
		struct bed b;

		bed_init(&b, ENGINES[i]);
		make_all(b.src);
		bed_put(&b);
		bed_open(&b);
		bed_restore(&b);
		same_tree(b.src, b.out, true);
		CHECK_EQ(b.res.errors, 0);
		CHECK_EQ(b.res.dirs, 4);
		CHECK_EQ(b.res.files, b.snap.files);
		CHECK_EQ(b.res.others, b.snap.others);
		CHECK_EQ(b.items, b.res.files + b.res.dirs + b.res.others);
		bed_fini(&b);
	}
}

/* Group and default ACL of the destination are not handed down. */
static void odd_destination(void)
{
	static const uint8_t acl[] = { 2,    0,	   0,	 0,    1,  0, 7, 0,
				       0xff, 0xff, 0xff, 0xff, 2,  0, 7, 0,
				       33,   0,	   0,	 0,    4,  0, 5, 0,
				       0xff, 0xff, 0xff, 0xff, 16, 0, 7, 0,
				       0xff, 0xff, 0xff, 0xff, 32, 0, 5, 0,
				       0xff, 0xff, 0xff, 0xff };
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	make_all(b.src);
	bed_put(&b);
	bed_open(&b);
	CHECK(mkdir(b.out, 0700) == 0);
	(void)!setxattr(b.out, "system.posix_acl_default", acl, sizeof(acl), 0);
	if (is_root())
		CHECK(chown(b.out, 77, 88) == 0);
	CHECK(chmod(b.out, 02777) == 0);
	umask(027);
	bed_restore(&b);
	umask(022);
	(void)!removexattr(b.out, "system.posix_acl_default");
	same_tree(b.src, b.out, is_root());
	bed_fini(&b);
}

/* ---- shapes ---------------------------------------------------------------
 */

enum { LEVELS = 3000, LEVEL_FILE = 100 };

/* A snapshot that is a chain of directories, longer than any path may be. */
static void put_deep(struct bed *b)
{
	struct kit_spec sp = { .name = "deep", .bytes = 100, .chunk = 100 };
	struct repo *r = kit_repo(&b->k, true);
	struct kit_put p = { .s = kit_session(&b->k, r), .sp = &sp };
	struct node_sink sink = session_node_sink(p.s);
	struct buf record = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct tree_builder t;
	struct tree_entry dir = kit_entry("directory", TREE_DIR);
	struct tree_entry file = kit_entry("file", TREE_FILE);
	struct digest id;

	p.mem = malloc(KIT_BATCH * sp.chunk);
	CHECK(p.mem != NULL);
	CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 1 << 18, 100, &p.e), &p.e);
	CHECK_OK(sealer_init(&p.sealer, 1, 1 << 19, &p.e), &p.e);
	content_builder_init(&p.content, &sink);
	tree_builder_init(&t, &sink);
	tree_builder_begin(&t);
	for (unsigned i = 0; i < LEVELS; i++) {
		if (i > 0) {
			dir.mtime = i;
			CHECK_OK(tree_builder_add(&t, &dir, &p.e), &p.e);
		}
		if (i % LEVEL_FILE == 0) {
			kit_file(&p, 0, i, &file);
			CHECK_OK(tree_builder_add(&t, &file, &p.e), &p.e);
		}
		CHECK_OK(tree_builder_finish(&t, &dir.dir, &p.e), &p.e);
	}
	kit_flush(&p);
	kit_record(&sp, kit_now(&b->k.now), &dir.dir, &record);
	CHECK_OK(session_commit_snapshot(p.s, buf_bytes(&record), &id, &p.e),
		 &p.e);
	buf_fini(&record);
	tree_builder_fini(&t);
	content_builder_fini(&p.content);
	gather_fini(&p.gather);
	sealer_fini(&p.sealer);
	free(p.mem);
	session_end(p.s);
	repo_close(r);
}

static void check_deep(const char *out)
{
	struct kit_spec sp = { .bytes = 100 };
	uint8_t want[100], got[101];
	int at = open(out, O_RDONLY | O_DIRECTORY), next;
	struct stat st;

	for (unsigned i = LEVELS; i-- > 0;) {
		CHECK(at >= 0);
		if (i % LEVEL_FILE == 0) {
			int fd = openat(at, "file", O_RDONLY);

			CHECK(fd >= 0);
			CHECK_EQ(read(fd, got, sizeof(got)), 100);
			kit_bytes(&sp, 0, i, 0, want, 100);
			CHECK(memcmp(got, want, 100) == 0);
			close(fd);
		}
		if (i == 0)
			break;
		next = openat(at, "directory", O_RDONLY | O_DIRECTORY);
		CHECK(next >= 0 && fstat(next, &st) == 0);
		CHECK_EQ(st.st_mtime, i);
		CHECK_EQ(st.st_mode & 07777, 0755);
		close(at);
		at = next;
	}
	close(at);
}

static void deep(void)
{
	struct bed b;

	bed_init_memory(&b, IO_ENGINE_AUTO);
	put_deep(&b);
	bed_open(&b);
	bed_restore(&b);
	CHECK_EQ(b.res.dirs, LEVELS - 1);
	CHECK_EQ(b.res.files, LEVELS / LEVEL_FILE);
	check_deep(b.out);
	bed_fini(&b);
}

/* More names than a batch has files, and more directories than are noted. */
static void wide(void)
{
	enum { FILES = 20000, DIRS = 700 };
	char name[64], path[3 * KIT_PATH_BYTES];

	FOR_ENGINES(i)
	{
		struct bed b;

		bed_init_memory(&b, ENGINES[i]);
		for (int f = 0; f < FILES; f++) {
			snprintf(name, sizeof(name), "f%d", f * 7);
			bed_file(b.src, name, 40, (uint64_t)f, false);
		}
		for (int d = 0; d < DIRS; d++) {
			snprintf(name, sizeof(name), "d%d", d * 3);
			CHECK(mkdir(bed_at(b.src, name, path), 0755) == 0);
			snprintf(name, sizeof(name), "d%d/x", d * 3);
			bed_file(b.src, name, 3000, (uint64_t)d, true);
		}
		bed_put(&b);
		bed_open(&b);
		bed_restore(&b);
		CHECK_EQ(b.res.files, FILES + DIRS);
		CHECK_EQ(b.res.dirs, DIRS);
		same_tree(b.src, b.out, true);
		bed_fini(&b);
	}
}

/* One chunk that thousands of files share, and files that share many. */
static void duplicates(void)
{
	char name[64];
	struct bed b;

	bed_init_memory(&b, IO_ENGINE_AUTO);
	for (int f = 0; f < 9000; f++) {
		snprintf(name, sizeof(name), "same%d", f);
		bed_file(b.src, name, 500, 1, false);
	}
	for (int f = 0; f < 40; f++) {
		snprintf(name, sizeof(name), "big%d", f);
		bed_file(b.src, name, 2000000, (uint64_t)(f % 3), false);
	}
	bed_put(&b);
	bed_open(&b);
	bed_restore(&b);
	same_tree(b.src, b.out, true);
	bed_fini(&b);
}

/* ---- one thing ------------------------------------------------------------
 */

static enum bc_err restore_one(struct bed *b, const char *what,
			       const char *dest)
{
	struct restore_options o = bed_options(b);
	struct chunk_reader *c;
	struct tree_reader t;
	enum bc_err rc;

	CHECK_OK(chunk_reader_new(b->r, &c, &b->e), &b->e);
	bed_find(b, c, &t, what, &o.what);
	o.dest = dest;
	rc = bed_run(b, &o);
	tree_reader_fini(&t);
	chunk_reader_free(c);
	return rc;
}

static void one_thing(void)
{
	char dest[3 * KIT_PATH_BYTES];
	struct bed b;
	int in, out;

	bed_init(&b, IO_ENGINE_AUTO);
	make_all(b.src);
	bed_put(&b);
	bed_open(&b);
	CHECK(mkdir(b.out, 0755) == 0);
	in = open(b.src, O_RDONLY | O_DIRECTORY);
	out = open(b.out, O_RDONLY | O_DIRECTORY);
	CHECK(in >= 0 && out >= 0);

	/* Below a directory that is there, and under another name. */
	CHECK_OK(restore_one(&b, "random", b.out), &b.e);
	same_entry(in, out, "random", true);
	CHECK_OK(restore_one(&b, "small", bed_at(b.out, "small", dest)), &b.e);
	same_entry(in, out, "small", true);
	CHECK_OK(restore_one(&b, "long link", b.out), &b.e);
	same_entry(in, out, "long link", true);
	CHECK_OK(restore_one(&b, "sub/deeper/file",
			     bed_at(b.out, "other name", dest)),
		 &b.e);
	CHECK(bed_exists(b.out, "other name"));
	/* One name of an inode is a file of its own. */
	CHECK_OK(restore_one(&b, "linked", b.out), &b.e);
	CHECK(bed_exists(b.out, "linked"));
	/* There, and the same. */
	CHECK_OK(restore_one(&b, "random", b.out), &b.e);
	CHECK_EQ(b.res.files, 0);
	CHECK_EQ(b.res.same, 1);
	same_entry(in, out, "random", true);
	/* Taken, no folder, a folder that is a file. */
	CHECK(utimensat(out, "small", NULL, 0) == 0);
	CHECK_EQ(restore_one(&b, "small", b.out), BC_EEXIST);
	CHECK_EQ(b.res.same, 0);
	CHECK_EQ(restore_one(&b, "one", bed_at(b.out, "no/such", dest)),
		 BC_ENOTFOUND);
	CHECK_EQ(restore_one(&b, "one", bed_at(b.out, "no/", dest)),
		 BC_ENOTFOUND);
	CHECK_EQ(restore_one(&b, "sub", bed_at(b.out, "random", dest)),
		 BC_EEXIST);
	/* A directory's contents, the folders above made. */
	CHECK_OK(restore_one(&b, "sub", bed_at(b.out, "x/y/z", dest)), &b.e);
	CHECK(bed_exists(b.out, "x/y/z/deeper/file"));
	close(in);
	close(out);
	bed_fini(&b);
}

/* ---- options --------------------------------------------------------------
 */

static enum restore_want no_sub(void *ctx, const char *path,
				const struct tree_entry *en)
{
	(void)ctx;
	(void)en;
	return strcmp(path, "sub") != 0 && strcmp(path, "sticky/file") != 0
		       ? RESTORE_THIS
		       : RESTORE_NOT;
}

static void leave_out(void)
{
	struct restore_options o;
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	make_all(b.src);
	bed_put(&b);
	bed_open(&b);
	o = bed_options(&b);
	o.want = no_sub;
	o.threads = 1;
	CHECK_OK(bed_run(&b, &o), &b.e);
	CHECK(!bed_exists(b.out, "sub"));
	CHECK(bed_exists(b.out, "sticky") && !bed_exists(b.out, "sticky/file"));
	CHECK(bed_exists(b.out, "chunks"));
	bed_fini(&b);
}

static void no_owner(void)
{
	char path[3 * KIT_PATH_BYTES];
	struct restore_options o;
	struct stat st;
	struct bed b;

	if (!is_root()) {
		T_SKIP("needs root to own files as another user");
		return;
	}
	bed_init(&b, IO_ENGINE_AUTO);
	make_all(b.src);
	bed_put(&b);
	bed_open(&b);
	o = bed_options(&b);
	o.owner = RESTORE_OWNER_NONE;
	/* Another's set-id bits are told, once. */
	CHECK_EQ(bed_run(&b, &o), BC_EPARTIAL);
	CHECK_EQ(b.n_told, 1);
	CHECK_EQ(bed_told(&b, "suid"), BC_EPARTIAL);
	CHECK(stat(bed_at(b.out, "suid", path), &st) == 0);
	CHECK_EQ(st.st_uid, 0);
	CHECK_EQ(st.st_mode & 07777, 0755);
	bed_fini(&b);
}

/* Recorded zeros: allocated, or with `sparse` not. */
static void zeros(void)
{
	char path[3 * KIT_PATH_BYTES];
	struct restore_options o;
	struct stat plain, sparse;
	struct bed b;
	int fd;

	bed_init(&b, IO_ENGINE_AUTO);
	fd = open(bed_at(b.src, "zeros", path), O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0 && ftruncate(fd, 4 << 20) == 0);
	for (int i = 1; i < 3; i++) {
		static const uint8_t none[1 << 20];

		CHECK(pwrite(fd, none, sizeof(none), i << 20) == 1 << 20);
	}
	CHECK(pwrite(fd, "end", 3, 3 << 20) == 3);
	close(fd);
	bed_put(&b);
	bed_open(&b);
	bed_restore(&b);
	CHECK(stat(bed_at(b.out, "zeros", path), &plain) == 0);
	o = bed_options(&b);
	o.dest = bed_at(b.out, "again", path);
	o.sparse = true;
	CHECK_OK(bed_run(&b, &o), &b.e);
	CHECK(stat(bed_at(b.out, "again/zeros", path), &sparse) == 0);
	CHECK_EQ(plain.st_size, sparse.st_size);
	CHECK(sparse.st_blocks < plain.st_blocks);
	CHECK(sparse.st_blocks * 512 < 1 << 20);
	bed_fini(&b);
}

/* ---- attributes of the destination, flags ---------------------------------
 */

static void destination_itself(void)
{
	struct stat st;
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	bed_file(b.src, "f", 10, 1, false);
	CHECK(chmod(b.src, 0711) == 0);
	bed_put(&b);
	bed_open(&b);
	/* Not empty: it is somebody's. */
	CHECK(mkdir(b.out, 0750) == 0);
	bed_file(b.out, "mine", 1, 1, false);
	bed_restore(&b);
	CHECK(stat(b.out, &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0750);
	CHECK(bed_exists(b.out, "mine") && bed_exists(b.out, "f"));
	kit_sh("rm -rf '%s'", b.out);
	/* Empty, or made. */
	CHECK(mkdir(b.out, 0750) == 0);
	bed_restore(&b);
	same_tree(b.src, b.out, true);
	bed_fini(&b);
}

static bool set_flags(const char *dir, const char *name, int flags)
{
	char path[3 * KIT_PATH_BYTES];
	int fd = open(bed_at(dir, name, path), O_RDONLY), now = 0;
	bool ok;

	CHECK(fd >= 0);
	ok = ioctl(fd, FS_IOC_GETFLAGS, &now) == 0;
	now |= flags;
	ok = ok && ioctl(fd, FS_IOC_SETFLAGS, &now) == 0;
	close(fd);
	return ok;
}

static int get_flags(const char *dir, const char *name)
{
	char path[3 * KIT_PATH_BYTES];
	int fd = open(bed_at(dir, name, path), O_RDONLY), now = 0;

	CHECK(fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &now) == 0);
	close(fd);
	return now;
}

static void flags(void)
{
	char path[3 * KIT_PATH_BYTES], two[3 * KIT_PATH_BYTES];
	struct bed b;

	bed_init(&b, IO_ENGINE_AUTO);
	CHECK(mkdir(bed_at(b.src, "a", path), 0755) == 0);
	CHECK(mkdir(bed_at(b.src, "z", path), 0755) == 0);
	bed_file(b.src, "a/linked", 300000, 1, false);
	CHECK(link(bed_at(b.src, "a/linked", path),
		   bed_at(b.src, "z/linked", two)) == 0);
	bed_file(b.src, "plain", 100, 2, false);
	if (!is_root() || !set_flags(b.src, "a/linked", FS_IMMUTABLE_FL) ||
	    !set_flags(b.src, "plain", FS_NODUMP_FL | FS_APPEND_FL) ||
	    !set_flags(b.src, "z", FS_IMMUTABLE_FL)) {
		T_SKIP("needs root and a file system with inode flags");
		bed_fini(&b);
		return;
	}
	bed_put(&b);
	bed_open(&b);
	bed_restore(&b);
	same_tree(b.src, b.out, true);
	CHECK((get_flags(b.out, "z/linked") & FS_IMMUTABLE_FL) != 0);
	CHECK((get_flags(b.out, "z") & FS_IMMUTABLE_FL) != 0);
	CHECK_EQ(get_flags(b.out, "plain") & (FS_NODUMP_FL | FS_APPEND_FL),
		 FS_NODUMP_FL | FS_APPEND_FL);
	bed_fini(&b);
}

int main(void)
{
	RUN(all_kinds);
	RUN(odd_destination);
	RUN(one_thing);
	RUN(leave_out);
	RUN(no_owner);
	RUN(zeros);
	RUN(destination_itself);
	RUN(flags);
	RUN(duplicates);
	RUN(deep);
	RUN(wide);
	return 0;
}
