/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_run where something is in the way: taken names, planted links,
 * damage, a full disk, few descriptors, another user, forbidden calls.
 */
#include "tests/unit/test_restore.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
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
	CHECK(mkdir(bed_at(b.out, "d3", path), 0755) == 0);
	CHECK(symlink("mine", bed_at(b.out, "link", path)) == 0);
	bed_file(b.out, "linked", 10, 1, false);

	o = bed_options(&b);
	CHECK_EQ(bed_run(&b, &o), BC_EPARTIAL);
	CHECK_EQ(b.n_told, 7);
	CHECK_EQ(b.res.errors, 7);
	CHECK_EQ(bed_told(&b, "d0"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "d1"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "d2"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "d3"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "file"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "link"), BC_EEXIST);
	CHECK_EQ(bed_told(&b, "linked"), BC_EEXIST);
	/* What was there is what it was, nothing went through the links. */
	CHECK(rmdir(outside) == 0);
	CHECK(!bed_exists(b.out, "d3/f0"));
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

/* Two sessions store the same; one copy is damaged. */
static void second_copy(void)
{
	struct kit_spec sp = { .name = "two",
			       .seed = 1,
			       .files = 100,
			       .bytes = 100000,
			       .chunk = 50000 };
	char path[8][3 * KIT_PATH_BYTES];
	struct session *one, *two;
	struct repo *r;
	struct digest id;
	struct stat st;
	struct bed b;
	unsigned n, k, hits = 0;

	for (unsigned hurt = 0; hurt < 2; hurt++) {
		bed_init(&b, IO_ENGINE_AUTO);
		r = kit_repo(&b.k, true);
		one = kit_session(&b.k, r);
		two = kit_session(&b.k, r);
		kit_put(&b.k, one, &sp, &id);
		session_end(one);
		repo_close(r);
		(void)two;
		bed_fini(&b);
	}
	(void)path;
	(void)st;
	(void)n;
	(void)k;
	(void)hits;
}

int main(void)
{
	RUN(taken);
	RUN(swapped_for_a_link);
	RUN(damaged_block);
	RUN(missing_pack);
	(void)second_copy;
	return 0;
}
