/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log is the truth and the views follow: whatever becomes of catalog,
 * index and caches, whoever is killed or stopped and wherever, the next one
 * finds what was committed and nothing else.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>

#include "io/fault.h"
#include "repo/health.h"
#include "repo/snapshots.h"
#include "repo/views.h"
#include "tests/unit/repo_kit.h"
#include "tests/unit/t_mount.h"
#include "util/arith.h"

enum { N = 6 };

/* Packs and groups, some of each; the third is removed again. */
struct world {
	struct kit_spec sp[N];
	struct digest id[N];
	bool there[N];
};

static void world_put(struct kit *k, struct world *w, int i)
{
	w->sp[i] = (struct kit_spec){ .name = i % 2 ? "odd" : "even",
				      .seed = 40 + (uint64_t)i,
				      .files = i % 2 ? 25 : 2,
				      .bytes = i % 2 ? 60000 : 5000,
				      .chunk = 30000 };
	w->id[i] = kit_one(k, &w->sp[i]);
	w->there[i] = true;
}

static void world_remove(struct kit *k, struct world *w, int i)
{
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	CHECK_OK(session_remove(s, &w->id[i], 1, &k->e), &k->e);
	session_end(s);
	repo_close(r);
	w->there[i] = false;
}

static void world_make(struct kit *k, struct world *w)
{
	memset(w, 0, sizeof(*w));
	kit_create(k, 4 << 20);
	for (int i = 0; i < 4; i++)
		world_put(k, w, i);
	world_remove(k, w, 2);
	w->there[2] = false;
}

static void world_check(struct repo *r, const struct world *w)
{
	uint64_t n = 0;

	for (int i = 0; i < N; i++) {
		if (w->sp[i].name == NULL)
			continue;
		CHECK_EQ(kit_has(r, &w->id[i]), w->there[i]);
		if (w->there[i])
			kit_verify(r, &w->id[i], &w->sp[i]);
		n += w->there[i];
	}
	CHECK_EQ(kit_count(r), n);
}

/* Readers see all of it, and a writer goes on. */
static void world_lives(struct kit *k, struct world *w)
{
	struct kit_spec sp = w->sp[1];
	struct repo *r = kit_repo(k, false);
	struct session *s;
	struct digest id;

	world_check(r, w);
	repo_close(r);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	/* What is there is found, so nothing is stored twice. */
	sp.name = "once more";
	CHECK_EQ(kit_put(k, s, &sp, &id), 0);
	CHECK_OK(session_remove(s, &id, 1, &k->e), &k->e);
	session_end(s);
	world_check(r, w);
	repo_close(r);
	r = kit_repo(k, false);
	world_check(r, w);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

/* Small sessions leave the index behind; bring it to the head. */
static void index_now(struct kit *k)
{
	struct repo *r = kit_repo(k, true);
	uint64_t at = 0;
	struct digest digest;

	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	repo_update_index(r, true);
	index_covered(r->index, &at, &digest);
	CHECK_EQ(at, repo_generation(r));
	repo_close(r);
}

static void save(struct kit *k, const char *as)
{
	kit_sh("rm -rf %s/%s; cp -a %s %s/%s", k->dir, as, k->path, k->dir, as);
}

/* Put back a part of what save() has kept: "catalog.db*", "index", "log". */
static void put_back(struct kit *k, const char *as, const char *what)
{
	kit_sh("cd %s && rm -rf %s && cd ../%s && for f in %s; do "
	       "test ! -e $f || cp -a $f %s/; done",
	       k->path, what, as, what, k->path);
}

static const char *const view[] = { "catalog.db*",
				    "catalog.db-*",
				    "catalog.db",
				    "index",
				    "index/*",
				    "cache",
				    "catalog.db* index cache" };
enum { VIEWS = sizeof(view) / sizeof(view[0]) };

static void deleted(struct kit *k)
{
	struct world w;

	world_make(k, &w);
	for (int i = 0; i < VIEWS; i++) {
		index_now(k);
		kit_sh("cd %s && rm -rf %s", k->path, view[i]);
		world_lives(k, &w);
	}
}

/* Older copies, each alone and together: also what a kill between commit and
 * the update of views leaves. */
static void older(struct kit *k)
{
	struct world w;
	struct repo *r;

	world_make(k, &w);
	index_now(k);
	save(k, "old");
	world_put(k, &w, 4);
	index_now(k);
	world_put(k, &w, 5);
	world_remove(k, &w, 1);
	/* The world has ids that the old views have not, and reverse. */
	save(k, "new");
	w.sp[1].name = NULL;
	for (int i = 0; i < VIEWS; i++) {
		if (strcmp(view[i], "catalog.db-*") == 0 ||
		    strcmp(view[i], "catalog.db") == 0)
			continue; /* a mixture: below */
		put_back(k, "old", view[i]);
		r = kit_repo(k, i % 2);
		CHECK(!kit_has(r, &w.id[1]));
		CHECK(!kit_has(r, &w.id[2]));
		world_check(r, &w);
		repo_close(r);
		put_back(k, "new", "*");
	}
	put_back(k, "old", "catalog.db");
	r = kit_repo(k, false);
	world_check(r, &w);
	repo_close(r);
}

static off_t size_of(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	return st.st_size;
}

/* Write at an offset of a file; from its end if negative. */
static void spoil(const char *path, off_t at, size_t n)
{
	struct stat st;
	uint8_t b[64];
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && fstat(fd, &st) == 0 && n <= sizeof(b));
	if (at < 0)
		at += st.st_size;
	CHECK(at >= 0);
	if (at + (off_t)n <= st.st_size) {
		CHECK(pread(fd, b, n, at) == (ssize_t)n);
		for (size_t i = 0; i < n; i++)
			b[i] ^= 0x5a;
		CHECK(pwrite(fd, b, n, at) == (ssize_t)n);
	}
	close(fd);
}

static void each_file(const char *folder, void (*fn)(const char *path, int i),
		      int i)
{
	struct dirent *de;
	DIR *d = opendir(folder);

	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL) {
		char path[4 * KIT_PATH_BYTES];

		snprintf(path, sizeof(path), "%s/%s", folder, de->d_name);
		if (de->d_type == DT_REG)
			fn(path, i);
	}
	closedir(d);
}

static const off_t spots[] = { 0,    24,    100, 4096, 4200,  8192,
			       9000, 20000, -1,	 -60,  -2000, -5000 };
enum { SPOTS = sizeof(spots) / sizeof(spots[0]) };

static void spoil_one(const char *path, int i)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	if (st.st_size > 0 && (spots[i] >= 0 || st.st_size >= -spots[i]))
		spoil(path, spots[i], 8);
}

static void cut_one(const char *path, int i)
{
	static const off_t to[] = { 0, 1, 100, 4096, 5000, 9000 };

	if (truncate(path, to[i % 6]) != 0)
		CHECK(0);
}

static void damaged(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct world w;

	world_make(k, &w);
	world_lives(k, &w);
	index_now(k);
	save(k, "good");
	for (int i = 0; i < SPOTS; i++) {
		spoil_one(kit_at(k, "catalog.db", path), i);
		world_lives(k, &w);
		if (access(kit_at(k, "catalog.db-wal", path), F_OK) == 0)
			spoil_one(path, i);
		world_lives(k, &w);
		put_back(k, "good", "*");
		each_file(kit_at(k, "index", path), spoil_one, i);
		world_lives(k, &w);
		put_back(k, "good", "*");
		each_file(kit_at(k, "index", path), cut_one, i);
		world_lives(k, &w);
		put_back(k, "good", "*");
		cut_one(kit_at(k, "catalog.db", path), i);
		world_lives(k, &w);
	}
}

/* Tags that fill pages, so that most of them are met by some question only. */
static void tag_much(struct kit *k, struct world *w, const char *prefix)
{
	enum { TAGS = 60, SIZE = 4000 };
	struct tag set[TAGS];
	char key[TAGS][32], *value = malloc(SIZE);
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	CHECK(value != NULL);
	memset(value, 'v', SIZE);
	for (int i = 0; i < TAGS; i++) {
		snprintf(key[i], sizeof(key[i]), "%s-%d", prefix, i);
		set[i].key = bytes_str(key[i]);
		set[i].value = bytes_of(value, i % 3 == 0 ? 10 : SIZE);
	}
	CHECK_OK(session_tag(s, &w->id[0], set, TAGS, NULL, 0, &k->e), &k->e);
	session_end(s);
	repo_close(r);
	free(value);
}

static enum bc_err count_tag(void *ctx, const struct tag *t, struct err *e)
{
	uint64_t *bytes = ctx;

	(void)e;
	*bytes += t->key.n + t->value.n;
	return BC_OK;
}

static enum bc_err count_snapshot(void *ctx, const struct catalog_snapshot *s,
				  struct err *e)
{
	uint64_t *bytes = ctx;

	(void)e;
	*bytes += s->record.n;
	return BC_OK;
}

/* Ask for all snapshots and tags; their bytes, to compare. */
static enum bc_err ask(struct repo *r, const struct world *w, uint64_t *bytes,
		       struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	enum bc_err rc = snapshots_each(r, &q, count_snapshot, bytes, e);

	return rc == BC_OK ? snapshots_tags(r, &w->id[0], count_tag, bytes, e)
			   : rc;
}

/* A page is looked at when a question needs it, which may be long after
 * opening. The one who meets it fails; the next one finds all in order. */
static void damaged_inside(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	uint64_t want = 0, got, met = 0, anew = 0;
	enum bc_err rc;
	struct world w;
	struct repo *r;
	off_t size;

	world_make(k, &w);
	tag_much(k, &w, "old");
	save(k, "old");
	tag_much(k, &w, "new");
	save(k, "good");
	r = kit_repo(k, false);
	CHECK_OK(ask(r, &w, &want, &k->e), &k->e);
	repo_close(r);
	CHECK_STR(k->notes, "");
	size = size_of(kit_at(k, "catalog.db", path));
	CHECK(size > 30 * 4096);
	for (off_t at = 4096 + 50; at < size; at += 4096) {
		put_back(k, "good", "catalog.db*");
		spoil(kit_at(k, "catalog.db", path), at, 8);
		got = 0;
		r = kit_repo(k, at % 8192 == 50);
		rc = ask(r, &w, &got, &k->e);
		repo_close(r);
		if (rc == BC_OK)
			CHECK_EQ(got, want);
		else
			CHECK_EQ(rc, BC_EDAMAGE);
		if (rc == BC_EDAMAGE) {
			met++;
			CHECK(strstr(k->notes, "the next command") != NULL);
		}
		got = 0;
		r = kit_repo(k, false);
		CHECK_OK(ask(r, &w, &got, &k->e), &k->e);
		repo_close(r);
		CHECK_EQ(got, want);
		CHECK_STR(k->notes, "");
	}
	CHECK(met > 10);
	/* Met while the log is followed: made again at once. */
	put_back(k, "old", "catalog.db*");
	size = size_of(path);
	for (off_t at = 4096 + 50; at < size; at += 4096) {
		put_back(k, "old", "catalog.db*");
		spoil(kit_at(k, "catalog.db", path), at, 8);
		r = kit_repo(k, at % 8192 == 50);
		anew += strstr(k->notes, "making it again") != NULL;
		repo_close(r);
	}
	CHECK(anew > 2);
	put_back(k, "good", "*");
	world_lives(k, &w);
}

/* ---- the log --------------------------------------------------------------
 */

static void log_went_back(struct kit *k)
{
	struct world w;
	struct repo *r = NULL;
	struct session *s = NULL;
	struct repo_health h;

	world_make(k, &w);
	save(k, "old");
	world_put(k, &w, 4);
	world_lives(k, &w);
	index_now(k);
	put_back(k, "old", "log");
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	CHECK(strstr(k->e.text, "generation") != NULL);
	CHECK(k->e.hint[0] != '\0');
	/* Who only reads gets what the log has, and is told. */
	w.there[4] = false;
	r = kit_repo(k, false);
	CHECK(k->notes[0] != '\0');
	world_check(r, &w);
	CHECK_OK(repo_health(r, &h, &k->e), &k->e);
	CHECK_EQ(h.catalog, REPO_CATALOG_AHEAD);
	repo_close(r);
	/* It stays so: the catalog is the witness. */
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	/* The index is another. */
	kit_sh("cd %s && rm -f catalog.db*", k->path);
	r = kit_repo(k, false);
	world_check(r, &w);
	repo_close(r);
	r = kit_repo(k, true);
	CHECK_EQ(session_begin(r, "test", &s, &k->e), BC_EDAMAGE);
	CHECK(strstr(k->e.hint, "index") != NULL);
	repo_close(r);
	/* On purpose, then. */
	kit_sh("cd %s && rm -f catalog.db* index/*", k->path);
	world_lives(k, &w);
}

static void torn_tail(struct kit *k)
{
	char path[4 * KIT_PATH_BYTES];
	struct world w;
	off_t before, after;

	world_make(k, &w);
	/* Zeros are nothing, and the log goes on. */
	kit_sh("truncate -s +70000 %s", kit_log(k, path));
	world_lives(k, &w);
	kit_sh("test `ls %s/log | wc -l` = 1", k->path);
	CHECK_EQ(kit_size(path) % LOG_ALIGN, 0);
	/* Rubbish of many lengths: it stays, and a new log goes on. */
	for (int i = 0; i < 6; i++) {
		static const int n[] = { 1, 127, 4096, 5000, 50000, 300000 };

		kit_sh("yes rubbish | head -c %d >> %s", n[i],
		       kit_log(k, path));
		kit_sh("cp %s %s/was", path, k->dir);
		world_lives(k, &w);
		kit_sh("cmp %s %s/was", path, k->dir);
		kit_sh("test `ls %s/log | wc -l` = %d", k->path, i + 2);
	}
	kit_log(k, path);
	/* A group of which a part is there: nothing of it is. */
	save(k, "old");
	before = kit_end(path);
	world_put(k, &w, 4);
	after = kit_end(path);
	CHECK(after > before);
	kit_sh("cp %s %s/group", path, k->dir);
	w.there[4] = false;
	for (off_t to = before + 1; to < after - 1;
	     to += 1 + (after - before) / 7) {
		struct repo *r;

		put_back(k, "old", "*");
		kit_sh("head -c %lld %s/group > %s", (long long)to, k->dir,
		       path);
		r = kit_repo(k, false);
		world_check(r, &w);
		CHECK_STR(k->notes, "");
		repo_close(r);
		world_lives(k, &w);
	}
	/* All of its length, but not what was written. */
	put_back(k, "old", "*");
	kit_sh("cp %s/group %s", k->dir, path);
	spoil(path, before + (after - before) / 2, 8);
	kit_sh("cp %s %s/was", path, k->dir);
	world_lives(k, &w);
	kit_sh("cmp %s %s/was", path, k->dir);
	/* Whole, and the views do not know: it counts. */
	put_back(k, "old", "*");
	kit_sh("cp %s/group %s", k->dir, path);
	w.there[4] = true;
	world_lives(k, &w);
}

static void damaged_middle(struct kit *k)
{
	char path[4 * KIT_PATH_BYTES];
	struct world w;
	struct repo *r = NULL;
	off_t middle;

	world_make(k, &w);
	middle = kit_end(kit_log(k, path));
	world_put(k, &w, 4);
	world_put(k, &w, 5);
	spoil(path, middle + 40, 1);
	save(k, "bad");
	/* The catalog is beyond it, and what it says is true. What lies in
	 * the damaged group itself is lost. */
	r = kit_repo(k, false);
	CHECK(kit_has(r, &w.id[4]) && kit_has(r, &w.id[5]));
	kit_verify(r, &w.id[5], &w.sp[5]);
	kit_verify(r, &w.id[0], &w.sp[0]);
	repo_close(r);
	/* Without the catalog: what comes before, and no more writing. */
	kit_sh("cd %s && rm -f catalog.db* index/*", k->path);
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	CHECK(k->e.hint[0] != '\0');
	w.there[4] = w.there[5] = false;
	r = kit_repo(k, false);
	CHECK(strstr(k->notes, "damaged") != NULL);
	world_check(r, &w);
	repo_close(r);
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	/* Nothing was cut off. */
	put_back(k, "bad", "catalog.db* index");
	r = kit_repo(k, false);
	CHECK(kit_has(r, &w.id[4]) && kit_has(r, &w.id[5]));
	repo_close(r);
}

static void log_missing(struct kit *k)
{
	char path[4 * KIT_PATH_BYTES];
	struct world w;
	struct repo *r = NULL;

	world_make(k, &w);
	save(k, "good");
	kit_sh("rm %s", kit_log(k, path));
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	/* A reader still has the catalog. */
	r = kit_repo(k, false);
	CHECK(strstr(k->notes, "catalog remembers") != NULL);
	CHECK_EQ(kit_count(r), 3);
	repo_close(r);
	kit_sh("cd %s && rm -f catalog.db*", k->path);
	CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
	CHECK_EQ(kit_try(k, false, &r), BC_EDAMAGE);
	put_back(k, "good", "*");
	kit_sh("rm -r %s/log", k->path);
	CHECK_EQ(kit_try(k, false, &r), BC_EDAMAGE);
	put_back(k, "good", "*");
	world_lives(k, &w);
}

/* ---- superblocks ----------------------------------------------------------
 */

/* Open for writing, and be killed at the n-th change of the folder itself; is
 * there one? The child's randomness goes on here. */
static bool dies_opening(struct kit *k, int n)
{
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct io_options o = { .engine = IO_ENGINE_PSYNC };
	char text[64];
	int status = 0;
	pid_t pid;

	CHECK(n < 100);
	snprintf(text, sizeof(text), "change:%d:kill", n);
	fflush(stdout);
	k->rng.state += 12345;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_OK(io_fault_parse(text, &plan, &k->e), &k->e);
		CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
		o.seam = io_fault_seam(f);
		CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
		repo_close(kit_repo(k, true));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status)) {
		CHECK_EQ(WTERMSIG(status), SIGKILL);
		return true;
	}
	CHECK_EQ(WEXITSTATUS(status), 0);
	return false;
}

static void superblocks(struct kit *k)
{
	char one[2 * KIT_PATH_BYTES], two[2 * KIT_PATH_BYTES];
	struct world w;
	struct repo *r = NULL;

	world_make(k, &w);
	kit_at(k, "superblock", one);
	kit_at(k, "superblock.copy", two);
	save(k, "good");
	for (int i = 0; i < 4; i++) {
		const char *path = i % 2 ? one : two;

		if (i < 2)
			CHECK(unlink(path) == 0);
		else
			spoil(path, 60, 1);
		r = kit_repo(k, false);
		CHECK(strstr(k->notes, "superblock") != NULL);
		world_check(r, &w);
		repo_close(r);
		/* Who writes mends it, and may be killed before any step. */
		for (int n = 1; dies_opening(k, n); n++) {
			r = kit_repo(k, false);
			repo_close(r);
		}
		r = kit_repo(k, true);
		CHECK_STR(k->notes, "");
		repo_close(r);
		kit_sh("cmp %s %s && ! ls %s/.tmp-* 2>/dev/null", one, two,
		       k->path);
		put_back(k, "good", "superblock*");
	}
	spoil(one, 4000, 1);
	spoil(two, 8, 1);
	CHECK_EQ(kit_try(k, false, &r), BC_EDAMAGE);
	put_back(k, "good", "superblock*");
	kit_sh("rm %s %s", one, two);
	CHECK_EQ(kit_try(k, false, &r), BC_ENOREPO);
	put_back(k, "good", "superblock*");
	kit_sh("rm %s; : > %s", one, two);
	CHECK_EQ(kit_try(k, false, &r), BC_EDAMAGE);
	put_back(k, "good", "superblock*");
	world_lives(k, &w);
}

static void set_superblock(struct kit *k, uint32_t version, unsigned feature)
{
	struct io_dir *d = NULL;
	struct superblock sb;

	CHECK_OK(io_dir_open(k->io, k->path, &d, &k->e), &k->e);
	CHECK_OK(superblock_load(d, &sb, NULL, &k->e), &k->e);
	sb.version = version;
	memset(sb.features, 0, sizeof(sb.features));
	if (feature < 4)
		sb.features[feature] = 4;
	sb.sequence++;
	CHECK_OK(superblock_store(d, &sb, &k->e), &k->e);
	io_dir_close(d);
}

static void newer(struct kit *k)
{
	struct world w;
	struct repo *r = NULL;

	world_make(k, &w);
	save(k, "good");
	set_superblock(k, 1, REPO_WRITE);
	CHECK_EQ(kit_try(k, true, &r), BC_EVERSION);
	r = kit_repo(k, false);
	world_check(r, &w);
	repo_close(r);
	set_superblock(k, 1, REPO_READ);
	CHECK_EQ(kit_try(k, false, &r), BC_EVERSION);
	set_superblock(k, 1, REPO_CHECK);
	repo_close(kit_repo(k, false));
	set_superblock(k, 2, 4);
	CHECK_EQ(kit_try(k, false, &r), BC_EVERSION);
	CHECK_EQ(kit_try(k, true, &r), BC_EVERSION);
	put_back(k, "good", "superblock*");
	world_lives(k, &w);
}

/* ---- nothing can be written -----------------------------------------------
 */

/* In a child; what it checks ends it. */
static void wait_ok(pid_t pid)
{
	int status = 0;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static void read_all(struct kit *k, struct world *w)
{
	struct repo *r = NULL;

	r = kit_repo(k, false);
	CHECK(repo_cache_dir(r) == NULL);
	world_check(r, w);
	CHECK(r->catalog_in_memory);
	CHECK_STR(k->notes, "");
	repo_close(r);
	CHECK_EQ(kit_try(k, true, &r), BC_EACCES);
}

static void not_writable(struct kit *k)
{
	struct world w;
	pid_t pid;

	if (geteuid() != 0) {
		T_SKIP("needs root to become another user");
		return;
	}
	world_make(k, &w);
	kit_sh("chmod -R a+rX %s", k->dir);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			kit_sh("cd %s && rm -rf catalog.db*", k->path);
		if (i == 2)
			kit_sh("cd %s && rm -rf index cache leases", k->path);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(setgid(65534) == 0 && setuid(65534) == 0);
			read_all(k, &w);
			_exit(0);
		}
		wait_ok(pid);
	}
	world_lives(k, &w);
}

static void read_only_mount(struct kit *k)
{
	struct world w;
	pid_t pid;

	world_make(k, &w);
	if (!t_may_mount(k->path)) {
		T_SKIP(T_NO_MOUNT);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			kit_sh("cd %s && rm -rf catalog.db* index cache",
			       k->path);
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(t_own_mounts());
			CHECK(mount(k->path, k->path, NULL, MS_BIND, NULL) ==
			      0);
			CHECK(mount(NULL, k->path, NULL,
				    MS_REMOUNT | MS_BIND | MS_RDONLY,
				    NULL) == 0);
			read_all(k, &w);
			_exit(0);
		}
		wait_ok(pid);
	}
	world_lives(k, &w);
}

/* ---- several at once ------------------------------------------------------
 */

enum { CHILDREN = 4, ROUNDS = 12 };

static struct kit_spec child_spec(int child, int round)
{
	return (struct kit_spec){ .name = "child",
				  .seed = 1000 +
					  (uint64_t)(child * 100 + round),
				  .files = round % 4 == 3 ? 60 : 3,
				  .bytes = 30000,
				  .chunk = 30000,
				  .time = 1 + child * 100 + round };
}

static void child_work(struct kit *k, int child, int fd)
{
	struct repo *r = NULL;

	/* Ids of packs, groups and leases must be its own. */
	k->rng.state += (uint64_t)(child + 1) * UINT64_C(0x123456789abcdef);
	for (int i = 0; i < ROUNDS; i++) {
		struct kit_spec sp = child_spec(child, i);
		struct session *s;
		struct digest id;

		if (r == NULL)
			r = kit_repo(k, true);
		s = kit_session(k, r);
		kit_put(k, s, &sp, &id);
		session_end(s);
		kit_verify(r, &id, &sp);
		CHECK(write(fd, &id, sizeof(id)) == sizeof(id));
		if (i % 3 == 2) {
			repo_close(r);
			r = NULL;
		}
	}
	repo_close(r);
}

static void at_once(struct kit *k)
{
	struct digest id[CHILDREN][ROUNDS];
	pid_t pid[CHILDREN];
	int fd[CHILDREN][2];
	struct repo *r;

	kit_create(k, 4 << 20);
	fflush(stdout);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK(pipe(fd[i]) == 0);
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			child_work(k, i, fd[i][1]);
			_exit(0);
		}
		close(fd[i][1]);
	}
	for (int i = 0; i < CHILDREN; i++) {
		wait_ok(pid[i]);
		CHECK(read(fd[i][0], id[i], sizeof(id[i])) == sizeof(id[i]));
		close(fd[i][0]);
	}
	for (int pass = 0; pass < 2; pass++) {
		r = kit_repo(k, false);
		CHECK_EQ(kit_count(r), CHILDREN * ROUNDS);
		CHECK_EQ(repo_generation(r), CHILDREN * ROUNDS + 1);
		for (int i = 0; i < CHILDREN; i++)
			for (int j = 0; j < ROUNDS; j++) {
				struct kit_spec sp = child_spec(i, j);

				kit_verify(r, &id[i][j], &sp);
			}
		repo_close(r);
		kit_sh("cd %s && rm -rf catalog.db* index", k->path);
	}
}

/* One of those who find the catalog damaged, all the time, and make it again:
 * each other's files come and go below them. */
static void rebuild_work(struct kit *k, int child)
{
	enum { TURNS = 60 };
	char path[2 * KIT_PATH_BYTES];
	uint64_t seed = (uint64_t)child + 1;

	k->rng.state += (uint64_t)(child + 1) * UINT64_C(0x123456789abcdef);
	kit_at(k, REPO_CATALOG_FILE, path);
	for (int i = 0; i < TURNS; i++) {
		struct repo *r = NULL;
		uint64_t n = 0;
		int fd;
		enum bc_err rc;

		if (t_rng(&seed) % 2 == 0) {
			fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd >= 0)
				CHECK(pwrite(fd, "spoilt", 6, 0) == 6);
			if (fd >= 0)
				close(fd);
		}
		rc = kit_try(k, i % 8 == 7, &r);
		if (rc != BC_OK)
			T_FAIL("%d: %s", rc, k->e.text);
		/* It may be spoilt while it is asked, and then says so. */
		rc = catalog_count(r->catalog, &n, &k->e);
		if (rc == BC_OK)
			CHECK_EQ(n, CHILDREN);
		if (rc != BC_OK && rc != BC_EDAMAGE)
			T_FAIL("%d: %s", rc, k->e.text);
		repo_close(r);
	}
}

static void rebuilders(struct kit *k)
{
	struct catalog_position at;
	pid_t pid[CHILDREN];
	uint64_t n = 0, made;
	struct repo *r;

	kit_create(k, 4 << 20);
	for (int i = 0; i < CHILDREN; i++) {
		struct kit_spec sp = child_spec(0, i);

		kit_one(k, &sp);
	}
	fflush(stdout);
	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			rebuild_work(k, i);
			_exit(0);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		wait_ok(pid[i]);
	/* What is there in the end says what one from the log says. */
	r = kit_repo(k, false);
	CHECK(!r->catalog_in_memory);
	n = kit_count(r);
	CHECK_OK(catalog_verify(r->catalog, &k->e), &k->e);
	CHECK_OK(catalog_position(r->catalog, &at, &k->e), &k->e);
	repo_close(r);
	kit_sh("cd %s && rm -rf catalog.db* index", k->path);
	r = kit_repo(k, false);
	made = kit_count(r);
	CHECK_EQ(n, made);
	CHECK_EQ(at.generation, r->head.generation);
	repo_close(r);
}

/* While another process makes or removes the catalog nobody else does. */
static void making_is_locked(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct io_file *lock = NULL;
	struct io_dir *dir = NULL;
	struct kit_spec sp = child_spec(0, 0);
	struct repo *r;

	kit_create(k, 4 << 20);
	kit_one(k, &sp);
	kit_at(k, REPO_CATALOG_FILE, path);
	CHECK_OK(io_dir_open(k->io, k->path, &dir, &k->e), &k->e);
	CHECK_OK(io_file_open(dir, REPO_LOCK_FILE, IO_READ | IO_WRITE, &lock,
			      &k->e),
		 &k->e);
	CHECK_OK(io_file_lock(lock, REPO_LOCK_CATALOG, 1, IO_LOCK_EXCLUSIVE,
			      IO_LOCK_TRY, &k->e),
		 &k->e);
	/* Who finds a good one is not concerned. */
	r = kit_repo(k, false);
	CHECK(!r->catalog_in_memory);
	repo_close(r);
	kit_sh("rm -rf %s*", path);
	r = kit_repo(k, false);
	CHECK(r->catalog_in_memory);
	CHECK_EQ(kit_count(r), 1);
	repo_close(r);
	CHECK(access(path, F_OK) != 0);
	CHECK_OK(io_file_unlock(lock, REPO_LOCK_CATALOG, 1, &k->e), &k->e);
	r = kit_repo(k, false);
	CHECK(!r->catalog_in_memory);
	CHECK_EQ(kit_count(r), 1);
	repo_close(r);
	io_file_close(lock, NULL);
	io_dir_close(dir);
}

/*
 * Who reads follows a catalog that lags behind both the log and the index, as
 * the last one to commit was killed or is not that far: what the log has is
 * read while the index is opened, packs and all.
 */
static void follows_a_lagging_catalog(struct kit *k)
{
	struct kit_spec sp = { .name = "one",
			       .seed = 70,
			       .files = 25,
			       .bytes = 60000,
			       .chunk = 30000 };
	char path[KIT_PATH_BYTES];
	struct digest id[2];
	struct repo *r;

	kit_create(k, 4 << 20);
	kit_one(k, &sp);
	index_now(k);
	r = kit_repo(k, false);
	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	sp.seed++;
	id[0] = kit_one(k, &sp);
	/* A copy goes on, and all that it has comes back but the catalog. */
	snprintf(path, sizeof(path), "%s", k->path);
	save(k, "ahead");
	snprintf(k->path, sizeof(k->path), "%.240s/ahead", k->dir);
	sp.seed++;
	id[1] = kit_one(k, &sp);
	index_now(k);
	kit_sh("cd %s && cp -a log packs index %s/", k->path, path);
	snprintf(k->path, sizeof(k->path), "%s", path);
	sp.seed--;
	alarm(60);
	kit_verify(r, &id[0], &sp);
	alarm(0);
	sp.seed++;
	kit_verify(r, &id[1], &sp);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

struct first_reader {
	struct repo *r;
	const struct digest *id;
	pthread_barrier_t *go;
};

static void *read_first(void *ctx)
{
	struct first_reader *f = ctx;
	struct chunk_reader *c = NULL;
	struct chunk_place p;
	struct err e = ERR_INIT;

	pthread_barrier_wait(f->go);
	CHECK_OK(chunk_reader_new(f->r, &c, &e), &e);
	CHECK_OK(repo_locate(f->r, f->id, &p, &e), &e);
	chunk_place_put(f->r, &p);
	chunk_reader_free(c);
	return NULL;
}

/* The first of several threads opens the index, the others wait for it. */
static void first_readers(struct kit *k)
{
	enum { THREADS = 4, ROUNDS_OF_IT = 20 };
	struct kit_spec sp = { .name = "x",
			       .seed = 4,
			       .files = 50,
			       .bytes = 3000,
			       .chunk = 1000 };
	struct digest id;

	kit_create(k, 0);
	id = kit_one(k, &sp);
	for (int n = 0; n < ROUNDS_OF_IT; n++) {
		pthread_barrier_t go;
		pthread_t t[THREADS];
		struct repo *r = kit_repo(k, false);
		struct first_reader f = { r, &id, &go };

		CHECK(pthread_barrier_init(&go, NULL, THREADS) == 0);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_create(&t[i], NULL, read_first, &f) == 0);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_join(t[i], NULL) == 0);
		pthread_barrier_destroy(&go);
		repo_close(r);
		if (n % 2 == 0)
			kit_sh("rm -rf %s/index", k->path);
	}
}

/* Stopped in the middle of a session, and killed later. */
static void stopped(struct kit *k)
{
	struct world w;
	struct repo *r;
	int ready[2];
	char c;
	pid_t pid;

	world_make(k, &w);
	CHECK(pipe(ready) == 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct kit_spec sp = w.sp[1];
		struct kit_put p = { .sp = &sp };
		struct node_sink sink;
		struct tree_dir root;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		k->rng.state += 77;
		r = kit_repo(k, true);
		p.s = kit_session(k, r);
		sp.seed = 4711;
		sink = session_node_sink(p.s);
		p.mem = malloc(KIT_BATCH * sp.chunk);
		CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 256 << 10, sp.chunk,
				     &p.e),
			 &p.e);
		CHECK_OK(sealer_init(&p.sealer, 1, 512 << 10, &p.e), &p.e);
		content_builder_init(&p.content, &sink);
		kit_root(&p, &root);
		CHECK(write(ready[1], "x", 1) == 1);
		raise(SIGSTOP);
		_exit(1);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(waitpid(pid, NULL, WUNTRACED) == pid);
	world_lives(k, &w);
	world_put(k, &w, 4);
	world_remove(k, &w, 0);
	world_lives(k, &w);
	kit_sh("cd %s && rm -rf catalog.db* index", k->path);
	world_lives(k, &w);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	world_lives(k, &w);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Thousands of syncs; test_repo does them on a disk. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
#define BOTH(f)                                                                \
	do {                                                                   \
		if (getenv("ONLY") == NULL || strcmp(getenv("ONLY"), #f) == 0) \
			both_engines(f);                                       \
		t_ok(#f);                                                      \
	} while (0)
	BOTH(rebuilders);
	BOTH(making_is_locked);
	BOTH(deleted);
	BOTH(older);
	BOTH(damaged);
	BOTH(damaged_inside);
	BOTH(log_went_back);
	BOTH(torn_tail);
	BOTH(damaged_middle);
	BOTH(log_missing);
	BOTH(superblocks);
	BOTH(newer);
	BOTH(not_writable);
	BOTH(read_only_mount);
	BOTH(first_readers);
	BOTH(follows_a_lagging_catalog);
	BOTH(at_once);
	BOTH(stopped);
	return 0;
}
