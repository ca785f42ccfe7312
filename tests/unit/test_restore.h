/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lib/restore share: a repository with one snapshot of a
 * folder of files, a restore of it, and a comparison of all that a tree is.
 */
#ifndef BC_TESTS_TEST_RESTORE_H
#define BC_TESTS_TEST_RESTORE_H

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "ingest/put.h"
#include "restore/restore.h"
#include "tests/unit/repo_kit.h"

enum { TOLD_MAX = 64, TOLD_BYTES = 512 };

/* A repository, `src` and `out` beside it, and what a restore told. */
struct bed {
	struct kit k;
	char src[2 * KIT_PATH_BYTES];
	char out[2 * KIT_PATH_BYTES];
	struct repo *r;
	struct buf record;
	struct snapshot_record snap;
	struct restore_result res;
	struct err e;
	struct {
		char path[TOLD_BYTES];
		char text[TOLD_BYTES];
		enum bc_err code;
	} told[TOLD_MAX];
	unsigned n_told; /* may pass TOLD_MAX */
	unsigned items;
};

static inline void bed_init(struct bed *b, enum io_engine engine)
{
	memset(b, 0, sizeof(*b));
	kit_open(&b->k, engine, NULL);
	CHECK(chmod(b->k.dir, 0755) == 0);
	kit_create(&b->k, 0);
	snprintf(b->src, sizeof(b->src), "%s/src", b->k.dir);
	snprintf(b->out, sizeof(b->out), "%s/out", b->k.dir);
	CHECK(mkdir(b->src, 0755) == 0);
}

/* Thousands of files: in memory where that is possible. ext4 looks long for an
 * inode when many were removed shortly before. */
static inline void bed_init_memory(struct bed *b, enum io_engine engine)
{
	static const char memory[] = "/dev/shm";
	bool use = getenv("TMPDIR") == NULL && access(memory, W_OK) == 0;

	if (use)
		CHECK(setenv("TMPDIR", memory, 1) == 0);
	bed_init(b, engine);
	if (use)
		CHECK(unsetenv("TMPDIR") == 0);
}

/* Put src. */
static inline void bed_put(struct bed *b)
{
	struct put_root root = { .how = PUT_CONTENTS,
				 .path = b->src,
				 .source = b->src };
	struct put_options o = { .roots = &root,
				 .n_roots = 1,
				 .threads = 2,
				 .no_cache = true,
				 .name = bytes_str("src"),
				 .host = bytes_str("h"),
				 .user = bytes_str("u"),
				 .program = bytes_str("test"),
				 .time = INT64_MIN };
	struct put_result res;
	struct repo *r = kit_repo(&b->k, true);

	CHECK_OK(ingest_put(r, &o, &res, &b->e), &b->e);
	CHECK_EQ(res.unreadable, 0);
	repo_close(r);
}

/* Open the repository and decode its newest snapshot. */
static inline void bed_open(struct bed *b)
{
	struct catalog_select newest = { .name = NULL };
	struct catalog_snapshot row;
	struct chunk_reader *c;
	struct bytes raw;

	b->r = kit_repo(&b->k, false);
	CHECK_OK(catalog_find(b->r->catalog, &newest, &row, &b->e), &b->e);
	CHECK_OK(chunk_reader_new(b->r, &c, &b->e), &b->e);
	CHECK_OK(chunk_read(c, &row.id, &raw, &b->e), &b->e);
	buf_init(&b->record, SNAPSHOT_MAX_BYTES);
	CHECK(buf_add(&b->record, raw.p, raw.n) == BC_OK);
	chunk_reader_free(c);
	CHECK_OK(snapshot_record_decode(buf_bytes(&b->record), &b->snap, &b->e),
		 &b->e);
}

static inline void bed_shut(struct bed *b)
{
	if (b->r == NULL)
		return;
	snapshot_record_fini(&b->snap);
	buf_fini(&b->record);
	repo_close(b->r);
	b->r = NULL;
}

static inline void bed_fini(struct bed *b)
{
	bed_shut(b);
	/* Deep trees and immutable files are too much for kit_rm(). */
	kit_sh("cd '%s'; chattr -R -i -a . 2>/dev/null; "
	       "chmod -R u+rwX src out 2>/dev/null; rm -rf src out",
	       b->k.dir);
	kit_close(&b->k);
}

static inline void bed_error(void *ctx, const char *path, enum bc_err code,
			     const char *text)
{
	struct bed *b = ctx;
	unsigned i = b->n_told++;

	if (i >= TOLD_MAX)
		return;
	snprintf(b->told[i].path, TOLD_BYTES, "%s", path);
	snprintf(b->told[i].text, TOLD_BYTES, "%s", text);
	b->told[i].code = code;
}

static inline void bed_item(void *ctx, const char *path, enum tree_type type,
			    uint64_t size)
{
	struct bed *b = ctx;

	(void)path;
	(void)type;
	(void)size;
	b->items++;
}

/* Was something told of this path? */
static inline enum bc_err bed_told(const struct bed *b, const char *path)
{
	for (unsigned i = 0; i < b->n_told && i < TOLD_MAX; i++)
		if (strcmp(b->told[i].path, path) == 0)
			return b->told[i].code;
	return BC_OK;
}

static inline struct restore_options bed_options(struct bed *b)
{
	return (struct restore_options){ .what = &b->snap.root,
					 .dest = b->out,
					 .threads = 3,
					 .error = bed_error,
					 .item = bed_item,
					 .ctx = b };
}

static inline enum bc_err bed_run(struct bed *b,
				  const struct restore_options *o)
{
	enum bc_err rc;

	b->n_told = b->items = 0;
	err_clear(&b->e);
	rc = restore_run(b->r, o, &b->res, &b->e);
	CHECK_EQ(b->res.worst, rc);
	return rc;
}

/* All of it, without a word. */
static inline void bed_restore(struct bed *b)
{
	struct restore_options o = bed_options(b);
	enum bc_err rc = bed_run(b, &o);

	if (rc != BC_OK || b->n_told > 0)
		T_FAIL("%d: %s; %s: %s", rc, b->e.text, b->told[0].path,
		       b->told[0].text);
}

/* The entry of a path below the root; borrowed from the reader. */
static inline void bed_find(struct bed *b, struct chunk_reader *c,
			    struct tree_reader *t, const char *path,
			    const struct tree_entry **out)
{
	struct node_source source = chunk_node_source(c);
	struct digest dir = b->snap.root.dir.id;
	struct bytes part[16];
	size_t n = 0;

	for (const char *p = path; p != NULL; n++) {
		const char *end = strchr(p, '/');

		part[n] = end == NULL ? bytes_str(p)
				      : bytes_of(p, (size_t)(end - p));
		p = end == NULL ? NULL : end + 1;
	}
	tree_reader_init(t, &source);
	for (size_t i = 0; i < n; i++) {
		CHECK_OK(tree_reader_lookup(t, &dir, part[i], out, &b->e),
			 &b->e);
		dir = (*out)->dir.id;
	}
}

/* ---- files ----------------------------------------------------------------
 */

static inline const char *bed_at(const char *dir, const char *name,
				 char out[3 * KIT_PATH_BYTES])
{
	CHECK(snprintf(out, 3 * KIT_PATH_BYTES, "%s/%s", dir, name) <
	      3 * KIT_PATH_BYTES);
	return out;
}

/* Random bytes, or text that compresses. */
static inline void bed_file(const char *dir, const char *name, size_t n,
			    uint64_t seed, bool text)
{
	char path[3 * KIT_PATH_BYTES];
	uint8_t *p = malloc(n + 8);
	int fd = open(bed_at(dir, name, path), O_WRONLY | O_CREAT | O_EXCL,
		      0644);

	CHECK(fd >= 0 && p != NULL);
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = t_rng(&seed);

		if (text && i % 64 != 0)
			v = UINT64_C(0x6162636465666768);
		memcpy(p + i, &v, 8);
	}
	CHECK(write(fd, p, n) == (ssize_t)n);
	close(fd);
	free(p);
}

static inline bool bed_exists(const char *dir, const char *name)
{
	char path[3 * KIT_PATH_BYTES];
	struct stat st;

	return lstat(bed_at(dir, name, path), &st) == 0;
}

/* ---- comparison -----------------------------------------------------------
 */

static inline void same_bytes(int a, int b, const char *name)
{
	static __thread uint8_t pa[1 << 16], pb[1 << 16];
	ssize_t n;

	do {
		n = read(a, pa, sizeof(pa));
		CHECK(n >= 0);
		if (read(b, pb, sizeof(pb)) != n ||
		    memcmp(pa, pb, (size_t)n) != 0)
			T_FAIL("%s: its bytes differ", name);
	} while (n > 0);
}

static inline void same_xattrs(const char *pa, const char *pb, const char *name)
{
	static __thread char la[65536], lb[65536], va[65536], vb[65536];
	ssize_t na = llistxattr(pa, la, sizeof(la));
	ssize_t nb = llistxattr(pb, lb, sizeof(lb));

	if (na != nb)
		T_FAIL("%s: %zd and %zd bytes of attribute names", name, na,
		       nb);
	for (char *at = la; na > 0 && at < la + na; at += strlen(at) + 1) {
		ssize_t ra = lgetxattr(pa, at, va, sizeof(va));
		ssize_t rb = lgetxattr(pb, at, vb, sizeof(vb));

		if (ra != rb || (ra > 0 && memcmp(va, vb, (size_t)ra) != 0))
			T_FAIL("%s: %s differs", name, at);
	}
}

/* Holes, as far as the file system tells. */
static inline void same_holes(int a, int b, const char *name)
{
	off_t at = 0, da, db;

	for (int what = SEEK_DATA;;
	     what = what == SEEK_DATA ? SEEK_HOLE : SEEK_DATA) {
		da = lseek(a, at, what);
		db = lseek(b, at, what);
		if (da != db)
			T_FAIL("%s: data and holes differ at %lld", name,
			       (long long)at);
		if (da < 0)
			break;
		at = da;
	}
	lseek(a, 0, SEEK_SET);
	lseek(b, 0, SEEK_SET);
}

static inline void same_entry(int a, int b, const char *n, bool owner)
{
	char pa[320], pb[320], ta[4100], tb[4100];
	struct stat sa, sb;
	ssize_t la, lb;

	CHECK(fstatat(a, n, &sa, AT_SYMLINK_NOFOLLOW) == 0);
	if (fstatat(b, n, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		T_FAIL("%s: not there", n);
	if (sa.st_mode != sb.st_mode && !S_ISLNK(sa.st_mode))
		T_FAIL("%s: mode %o and %o", n, sa.st_mode, sb.st_mode);
	CHECK_EQ(sa.st_mode & S_IFMT, sb.st_mode & S_IFMT);
	if (owner && (sa.st_uid != sb.st_uid || sa.st_gid != sb.st_gid))
		T_FAIL("%s: owner %u:%u and %u:%u", n, sa.st_uid, sa.st_gid,
		       sb.st_uid, sb.st_gid);
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec ||
	    sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
		T_FAIL("%s: times differ", n);
	if (!S_ISDIR(sa.st_mode)) {
		CHECK_EQ(sa.st_size, sb.st_size);
		CHECK_EQ(sa.st_nlink, sb.st_nlink);
	}
	CHECK_EQ(sa.st_rdev, sb.st_rdev);
	snprintf(pa, sizeof(pa), "/proc/self/fd/%d/%s", a, n);
	snprintf(pb, sizeof(pb), "/proc/self/fd/%d/%s", b, n);
	same_xattrs(pa, pb, n);
	if (S_ISLNK(sa.st_mode)) {
		la = readlinkat(a, n, ta, sizeof(ta));
		lb = readlinkat(b, n, tb, sizeof(tb));
		CHECK(la == lb && la > 0 && memcmp(ta, tb, (size_t)la) == 0);
	}
	if (S_ISREG(sa.st_mode)) {
		int fa = openat(a, n, O_RDONLY), fb = openat(b, n, O_RDONLY);

		CHECK(fa >= 0 && fb >= 0);
		same_holes(fa, fb, n);
		same_bytes(fa, fb, n);
		close(fa);
		close(fb);
	}
}

static inline unsigned count_names(int fd)
{
	DIR *d = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* All below two open directories, which are closed. */
static inline void same_below(int a, int b, bool owner)
{
	DIR *d = fdopendir(dup(a));
	struct dirent *en;

	CHECK(d != NULL);
	CHECK_EQ(count_names(a), count_names(b));
	while ((en = readdir(d)) != NULL) {
		struct stat st;

		if (strcmp(en->d_name, "..") == 0)
			continue;
		same_entry(a, b, en->d_name, owner);
		if (strcmp(en->d_name, ".") == 0)
			continue;
		CHECK(fstatat(a, en->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		if (S_ISDIR(st.st_mode))
			same_below(openat(a, en->d_name, O_RDONLY),
				   openat(b, en->d_name, O_RDONLY), owner);
	}
	closedir(d);
	close(a);
	close(b);
}

static inline void same_tree(const char *pa, const char *pb, bool owner)
{
	int a = open(pa, O_RDONLY | O_DIRECTORY);
	int b = open(pb, O_RDONLY | O_DIRECTORY);

	CHECK(a >= 0 && b >= 0);
	same_below(a, b, owner);
}

/* Run f in a child that may spoil itself. */
static inline void in_child(void (*f)(struct bed *b), struct bed *b)
{
	pid_t pid;
	int status = 0;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		f(b);
		fflush(NULL);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		T_FAIL("the child failed: %d", status);
}

static const enum io_engine ENGINES[] = { IO_ENGINE_AUTO, IO_ENGINE_PSYNC };

#define FOR_ENGINES(i)                                                         \
	for (size_t i = 0; i < sizeof(ENGINES) / sizeof(ENGINES[0]); i++)

#endif
