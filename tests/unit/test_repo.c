/* SPDX-License-Identifier: Apache-2.0 */
/* A repository from the outside: make, write, read, write again. */
#include <dirent.h>
#include <signal.h>

#include "io/fault.h"
#include "repo/views.h"
#include "check/check.h"

#include "tests/unit/repo_kit.h"
#include "util/parse.h"

static const struct kit_spec small = {
	.name = "small", .seed = 1, .files = 3, .bytes = 4096, .chunk = 4096
};
static const struct kit_spec middle = { .name = "middle",
					.seed = 2,
					.dirs = 4,
					.files = 30,
					.bytes = 150000,
					.chunk = 65536 };

static unsigned count_names(const struct kit *k, const char *folder)
{
	char path[2 * KIT_PATH_BYTES];
	struct dirent *de;
	unsigned n = 0;
	DIR *d = opendir(kit_at(k, folder, path));

	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL)
		n += de->d_name[0] != '.';
	closedir(d);
	return n;
}

static void create_and_open(struct kit *k)
{
	struct repo *r = NULL;

	CHECK_EQ(kit_try(k, false, &r), BC_ENOREPO);
	kit_create(k, 0);
	r = kit_repo(k, false);
	CHECK_EQ(repo_generation(r), 1);
	CHECK_EQ(kit_count(r), 0);
	CHECK(repo_cache_dir(r) != NULL);
	CHECK_STR(repo_path(r), k->path);
	repo_close(r);
	r = kit_repo(k, true);
	CHECK_EQ(repo_generation(r), 1);
	repo_close(r);
	CHECK_STR(k->notes, "");
}

static void create_refuses(struct kit *k)
{
	struct repo_create_options o = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};
	char path[2 * KIT_PATH_BYTES];

	repo_create_defaults(&o);
	o.reserve_bytes = 0;
	kit_create(k, 0);
	CHECK_EQ(repo_create(k->path, &o, NULL, &k->e), BC_EEXIST);
	/* Something else lies there. */
	snprintf(path, sizeof(path), "%s/other", k->dir);
	CHECK(mkdir(path, 0700) == 0);
	kit_sh("echo x > %s/file", path);
	CHECK_EQ(repo_create(path, &o, NULL, &k->e), BC_EEXIST);
	kit_sh("test `ls -A %s` = file", path);
	/* No parent. */
	snprintf(path, sizeof(path), "%s/no/where", k->dir);
	CHECK_EQ(repo_create(path, &o, NULL, &k->e), BC_ENOTFOUND);
	/* What an interrupted init left is taken up, */
	kit_sh("rm %s/superblock %s/superblock.copy", k->path, k->path);
	CHECK_OK(repo_create(k->path, &o, NULL, &k->e), &k->e);
	repo_close(kit_repo(k, true));
	/* or completed, when only the last step is missing. */
	kit_sh("rm %s/superblock; : > %s/.tmp-1-2", k->path, k->path);
	CHECK_EQ(repo_create(k->path, &o, NULL, &k->e), BC_EEXIST);
	kit_sh("cmp %s/superblock %s/superblock.copy", k->path, k->path);
	kit_sh("test ! -e %s/.tmp-1-2", k->path);
	/* But not when packs are there. */
	kit_sh("rm %s/superblock*; : > %s/packs/x", k->path, k->path);
	CHECK_EQ(repo_create(k->path, &o, NULL, &k->e), BC_EEXIST);
}

static void one_snapshot(struct kit *k)
{
	struct repo *r;
	struct digest id;

	kit_create(k, 0);
	id = kit_one(k, &small);
	r = kit_repo(k, false);
	CHECK_EQ(repo_generation(r), 2);
	CHECK_EQ(kit_count(r), 1);
	kit_verify(r, &id, &small);
	repo_close(r);
	/* It travelled in the log. */
	CHECK_EQ(count_names(k, "packs"), 0);
	CHECK_EQ(count_names(k, "leases"), 0);
}

/* Read while the session that wrote it is still there, and after. */
static void one_session_many(struct kit *k)
{
	struct kit_spec sp[3] = { small, middle, small };
	struct digest id[3];
	struct session *s;
	struct repo *r;

	sp[2].name = "third";
	sp[2].seed = 99;
	kit_create(k, 0);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	for (int i = 0; i < 3; i++) {
		CHECK(kit_put(k, s, &sp[i], &id[i]) > 0);
		for (int j = 0; j <= i; j++)
			kit_verify(r, &id[j], &sp[j]);
	}
	session_end(s);
	for (int j = 0; j < 3; j++)
		kit_verify(r, &id[j], &sp[j]);
	repo_close(r);
	r = kit_repo(k, false);
	for (int j = 0; j < 3; j++)
		kit_verify(r, &id[j], &sp[j]);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

static void dedup(struct kit *k)
{
	struct kit_spec sp = middle;
	struct session_counts n;
	struct digest id[3];
	struct session *s;
	struct repo *r;

	kit_create(k, 0);
	id[0] = kit_one(k, &sp);
	/* In another process' place: nothing is new. */
	r = kit_repo(k, true);
	s = kit_session(k, r);
	sp.name = "again";
	CHECK_EQ(kit_put(k, s, &sp, &id[1]), 0);
	n = session_counts(s);
	CHECK_EQ(n.chunks, 0);
	CHECK_EQ(n.stored, 0);
	/* One directory more: only that is new. */
	sp.dirs++;
	sp.name = "more";
	CHECK_EQ(kit_put(k, s, &sp, &id[2]), 30 * 3);
	n = session_counts(s);
	CHECK_EQ(n.chunks, 30 * 3 + 2);
	session_end(s);
	repo_close(r);
	r = kit_repo(k, false);
	kit_verify(r, &id[0], &middle);
	kit_verify(r, &id[2], &sp);
	repo_close(r);
}

static void many_packs(struct kit *k)
{
	struct kit_spec sp = { .name = "big",
			       .seed = 5,
			       .dirs = 10,
			       .files = 40,
			       .bytes = 100000,
			       .chunk = 65536,
			       .checkpoint = true };
	struct digest id, id2;
	struct repo *r;
	unsigned packs;

	kit_create(k, 4 << 20);
	id = kit_one(k, &sp);
	packs = count_names(k, "packs");
	CHECK(packs >= 10);
	r = kit_repo(k, false);
	kit_verify(r, &id, &sp);
	repo_close(r);
	sp.checkpoint = false;
	sp.seed = 6;
	sp.name = "big2";
	id2 = kit_one(k, &sp);
	CHECK(count_names(k, "packs") >= packs + 10);
	r = kit_repo(k, false);
	kit_verify(r, &id2, &sp);
	sp.seed = 5;
	sp.name = "big";
	kit_verify(r, &id, &sp);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

/* Compressible data: blocks of zstd, in packs and in the log. */
static void compressed(struct kit *k)
{
	struct kit_spec sp = { .name = "text",
			       .seed = 3,
			       .dirs = 3,
			       .files = 200,
			       .bytes = 30000,
			       .chunk = 16384,
			       .text = true };
	struct digest id;
	struct repo *r;

	kit_create(k, 0);
	id = kit_one(k, &sp);
	r = kit_repo(k, false);
	kit_verify(r, &id, &sp);
	repo_close(r);
}

/* All of a spec into a session's packs, and no commit. */
static void fill_packs(struct session *s, const struct kit_spec *sp)
{
	struct kit_put p = { .s = s, .sp = sp };
	struct node_sink sink = session_node_sink(s);
	struct tree_dir root;

	p.mem = malloc(KIT_BATCH * sp->chunk);
	CHECK(p.mem != NULL);
	CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 256 << 10, sp->chunk, &p.e),
		 &p.e);
	CHECK_OK(sealer_init(&p.sealer, 1, 512 << 10, &p.e), &p.e);
	content_builder_init(&p.content, &sink);
	kit_root(&p, &root);
	kit_flush(&p);
	content_builder_fini(&p.content);
	gather_fini(&p.gather);
	sealer_fini(&p.sealer);
	free(p.mem);
}

/* A session that is given up leaves nothing that anybody sees. */
static void abandoned(struct kit *k)
{
	struct kit_spec sp = { .name = "x",
			       .seed = 8,
			       .files = 100,
			       .bytes = 100000,
			       .chunk = 50000 };
	struct session *s;
	struct digest id;
	struct repo *r;

	kit_create(k, 4 << 20);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	fill_packs(s, &sp);
	session_end(s);
	CHECK_EQ(repo_generation(r), 1);
	/* And the next one stores all of it again. */
	s = kit_session(k, r);
	CHECK_EQ(kit_put(k, s, &sp, &id), 200);
	session_end(s);
	kit_verify(r, &id, &sp);
	repo_close(r);
	CHECK_EQ(count_names(k, "leases"), 0);
}

/* What the names in the folder no longer mean is not committed. */
static void moved_away(struct kit *k)
{
	struct kit_spec sp = { .name = "x",
			       .seed = 8,
			       .files = 100,
			       .bytes = 100000,
			       .chunk = 50000 };

	for (int i = 0; i < 3; i++) {
		struct repo *r;
		struct session *s;

		kit_create(k, 4 << 20);
		r = kit_repo(k, true);
		s = kit_session(k, r);
		fill_packs(s, &sp);
		if (i == 0)
			kit_sh("cd %s && mv packs was && mkdir packs", k->path);
		else if (i == 1)
			kit_sh("cd %s && mv log was && cp -a was log", k->path);
		else
			kit_sh("rm %s/packs/*", k->path);
		CHECK_EQ(session_checkpoint(s, &k->e), BC_EIO);
		CHECK_EQ(repo_generation(r), 1);
		session_end(s);
		repo_close(r);
		err_clear(&k->e);
		kit_sh("rm -rf %s", k->path);
	}
}

/* Groups of 250 KB until several logs are full. */
static void log_rolls(struct kit *k)
{
	enum { N = 560, STEP = 37 };
	struct digest *id = calloc(N, sizeof(*id));
	struct kit_spec sp = {
		.name = "roll", .files = 1, .bytes = 250000, .chunk = 250000
	};
	struct repo *r = NULL;
	struct session *s = NULL;

	CHECK(id != NULL);
	kit_create(k, 0);
	for (int i = 0; i < N; i++) {
		if (r == NULL) {
			r = kit_repo(k, true);
			CHECK_STR(k->notes, "");
		}
		if (s == NULL)
			s = kit_session(k, r);
		sp.seed = 1000 + (uint64_t)i;
		CHECK_EQ(kit_put(k, s, &sp, &id[i]), 1);
		if (i % 10 == 9) {
			session_end(s);
			s = NULL;
		}
		if (i % 100 == 99) {
			session_end(s);
			s = NULL;
			repo_close(r);
			r = NULL;
		}
	}
	session_end(s);
	repo_close(r);
	CHECK_EQ(count_names(k, "log"), 3);
	CHECK_EQ(count_names(k, "packs"), 0);
	for (int pass = 0; pass < 2; pass++) {
		r = kit_repo(k, false);
		CHECK_EQ(kit_count(r), N);
		/* And in each new log a checkpoint. */
		CHECK_EQ(repo_generation(r), N + 1 + 2);
		for (int i = 0; i < N; i += STEP) {
			sp.seed = 1000 + (uint64_t)i;
			kit_verify(r, &id[i], &sp);
		}
		sp.seed = 1000 + N - 1;
		kit_verify(r, &id[N - 1], &sp);
		repo_close(r);
		/* From the logs alone. */
		if (pass == 0)
			kit_sh("rm -rf %s/catalog.db* %s/index %s/cache",
			       k->path, k->path, k->path);
	}
	free(id);
}

/* A group that does not fit the rest of a log, and one that would pass the
 * slots of a log. */
static void log_rolls_by_slots(struct kit *k)
{
	struct kit_spec sp = {
		.name = "slots", .files = 7000, .bytes = 40, .chunk = 40
	};
	struct digest id[11];
	struct repo *r;

	kit_create(k, 0);
	for (uint64_t i = 0; i < 11; i++) {
		sp.seed = i + 1;
		id[i] = kit_one(k, &sp);
	}
	CHECK_EQ(count_names(k, "log"), 2);
	r = kit_repo(k, false);
	for (uint64_t i = 0; i < 11; i++) {
		sp.seed = i + 1;
		kit_verify(r, &id[i], &sp);
	}
	repo_close(r);
}

static void remove_and_tag(struct kit *k)
{
	struct kit_spec sp = small;
	struct tag set[2] = { { bytes_str("a"), bytes_str("1") },
			      { bytes_str("b"), bytes_str("2") } };
	struct bytes drop = bytes_str("a");
	struct digest id[3], none = { { 9 } };
	struct catalog_select q = { 0 };
	struct tag tag = { bytes_str("b"), bytes_str("2") };
	struct catalog_snapshot row;
	struct session *s;
	struct repo *r;
	char text[5120];

	kit_create(k, 0);
	for (uint64_t i = 0; i < 3; i++) {
		sp.seed = i;
		id[i] = kit_one(k, &sp);
	}
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_OK(session_tag(s, &id[1], set, 2, NULL, 0, &k->e), &k->e);
	CHECK_OK(session_tag(s, &id[1], NULL, 0, &drop, 1, &k->e), &k->e);
	q.tags = &tag;
	q.tag_count = 1;
	CHECK_OK(catalog_find(r->catalog, &q, &row, &k->e), &k->e);
	CHECK(digest_eq(&row.id, &id[1]));
	CHECK_OK(session_remove(s, &id[1], 1, &k->e), &k->e);
	CHECK(!kit_has(r, &id[1]));
	CHECK_EQ(kit_count(r), 2);
	session_end(s);
	repo_close(r);

	/* Again, by another: it is gone; and all or none. */
	r = kit_repo(k, true);
	CHECK(!kit_has(r, &id[1]));
	s = kit_session(k, r);
	CHECK_EQ(session_remove(s, &id[1], 1, &k->e), BC_ENOTFOUND);
	session_end(s);
	s = kit_session(k, r);
	id[1] = none;
	CHECK_EQ(session_remove(s, id, 3, &k->e), BC_ENOTFOUND);
	session_end(s);
	CHECK_EQ(kit_count(r), 2);
	s = kit_session(k, r);
	CHECK_EQ(session_tag(s, &none, set, 2, NULL, 0, &k->e), BC_ENOTFOUND);
	session_end(s);
	s = kit_session(k, r);
	set[0].key.n = 0;
	CHECK_EQ(session_tag(s, &id[0], set, 2, NULL, 0, &k->e), BC_EINVAL);
	session_end(s);
	/* What no reader would take must not come into the log. */
	memset(text, 'x', sizeof(text));
	drop = bytes_of(text, 255);
	s = kit_session(k, r);
	CHECK_OK(session_tag(s, &id[0], NULL, 0, &drop, 1, &k->e), &k->e);
	session_end(s);
	for (size_t n = 0; n <= sizeof(text); n += 256) {
		drop = bytes_of(text, n);
		s = kit_session(k, r);
		CHECK_EQ(session_tag(s, &id[0], NULL, 0, &drop, 1, &k->e),
			 BC_EINVAL);
		session_end(s);
		set[0].key = drop;
		s = kit_session(k, r);
		CHECK_EQ(session_tag(s, &id[0], set, 1, NULL, 0, &k->e),
			 BC_EINVAL);
		session_end(s);
	}
	s = kit_session(k, r);
	id[1] = id[2];
	CHECK_OK(session_remove(s, id, 2, &k->e), &k->e);
	CHECK_EQ(kit_count(r), 0);
	session_end(s);
	repo_close(r);
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, false);
	CHECK_EQ(kit_count(r), 0);
	repo_close(r);
}

/* Each is short enough, and all of them are not. The words are of that. */
static void tags_too_long_together(struct kit *k)
{
	enum { TAGS = 1024 };
	static struct tag set[TAGS];
	static char value[TAG_VALUE_MAX_BYTES];
	struct kit_spec sp = small;
	struct digest id;
	struct session *s;
	struct repo *r;

	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < TAGS; i++)
		set[i] = (struct tag){ bytes_str("key"),
				       bytes_of(value, sizeof(value)) };
	kit_create(k, 0);
	id = kit_one(k, &sp);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_EQ(session_tag(s, &id, set, TAGS, NULL, 0, &k->e), BC_ELIMIT);
	CHECK(strstr(k->e.text, "together") != NULL);
	err_clear(&k->e);
	set[0].key.n = 0;
	CHECK_EQ(session_tag(s, &id, set, 1, NULL, 0, &k->e), BC_EINVAL);
	CHECK(strstr(k->e.text, "empty or too long") != NULL);
	err_clear(&k->e);
	session_end(s);
	repo_close(r);
}

/* What fits by itself need not fit into an operation, nor every operation into
 * a commit. Nothing is done then, and the words say what it was. */
static void too_much_at_once(struct kit *k)
{
	enum { TAGS = 256, REMOVED = 124000, SHORT = 2550 };
	static struct tag set[TAGS];
	static char value[TAG_VALUE_MAX_BYTES];
	struct digest *ids = calloc(REMOVED, sizeof(*ids));
	struct kit_spec sp = small;
	struct session *s;
	struct repo *r;

	CHECK(ids != NULL);
	memset(value, 'v', sizeof(value));
	/* Ten bytes less than 1 MiB, as lists of strings. */
	for (size_t i = 0; i < TAGS; i++)
		set[i] = (struct tag){ bytes_str("key"),
				       bytes_of(value, sizeof(value)) };
	set[0].value.n = SHORT;
	kit_create(k, 0);
	ids[0] = kit_one(k, &sp);
	for (size_t i = 1; i < REMOVED; i++)
		ids[i] = ids[0];
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_EQ(session_tag(s, &ids[0], set, TAGS, NULL, 0, &k->e), BC_ELIMIT);
	CHECK(strstr(k->e.text, "tags are too long together") != NULL);
	CHECK(k->e.hint[0] != '\0');
	err_clear(&k->e);
	session_end(s);
	s = kit_session(k, r);
	CHECK_EQ(session_remove(s, ids, REMOVED, &k->e), BC_ELIMIT);
	CHECK(strstr(k->e.text, "124000 snapshots are too many") != NULL);
	CHECK(k->e.hint[0] != '\0');
	err_clear(&k->e);
	session_end(s);
	CHECK_EQ(kit_count(r), 1);
	repo_close(r);
	free(ids);
}

/* The same record twice is the same snapshot. */
static void same_twice(struct kit *k)
{
	struct kit_spec sp = small;
	struct session *s;
	struct repo *r;
	struct digest id[2];

	sp.time = 1;
	kit_create(k, 0);
	id[0] = kit_one(k, &sp);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	kit_put(k, s, &sp, &id[1]);
	CHECK(digest_eq(&id[0], &id[1]));
	CHECK_EQ(kit_count(r), 1);
	session_end(s);
	repo_close(r);
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 1);
	kit_verify(r, &id[0], &sp);
	s = kit_session(k, r);
	CHECK_OK(session_remove(s, &id[0], 1, &k->e), &k->e);
	session_end(s);
	CHECK_EQ(kit_count(r), 0);
	repo_close(r);
}

/* A handle that stood still while others committed. */
static void two_handles(struct kit *k)
{
	struct kit_spec sp = middle;
	struct repo *a, *b;
	struct session *sa, *sb;
	struct digest id[3];

	kit_create(k, 4 << 20);
	a = kit_repo(k, true);
	b = kit_repo(k, true);
	sa = kit_session(k, a);
	sb = kit_session(k, b);
	kit_put(k, sa, &sp, &id[0]);
	/* b's session began before: it may store again, or dedup; either way
	 * what it commits is whole. */
	sp.name = "by b";
	kit_put(k, sb, &sp, &id[1]);
	sp.name = "by a";
	sp.dirs = 6;
	kit_put(k, sa, &sp, &id[2]);
	session_end(sa);
	session_end(sb);
	repo_close(a);
	/* The one that is behind answers for its generation, and goes on. */
	sp = middle;
	kit_verify(b, &id[0], &sp);
	sp.name = "by b";
	kit_verify(b, &id[1], &sp);
	sb = kit_session(k, b);
	sp.name = "by a";
	sp.dirs = 6;
	kit_verify(b, &id[2], &sp);
	sp.name = "last";
	CHECK_EQ(kit_put(k, sb, &sp, &id[0]), 0);
	session_end(sb);
	repo_close(b);
	b = kit_repo(k, false);
	CHECK_EQ(kit_count(b), 4);
	CHECK_EQ(repo_generation(b), 5);
	repo_close(b);
}

/* Who reads asks a catalog that others move on, of chunks that its own index
 * may not have; small ones and many, before the index is open and after. */
static void read_beside(struct kit *k)
{
	struct kit_spec sp = middle;
	struct digest id;

	kit_create(k, 4 << 20);
	kit_one(k, &sp);
	for (int i = 0; i < 4; i++) {
		struct repo *r = kit_repo(k, false);

		if (i % 2 == 1)
			CHECK_OK(repo_need_index(r, &k->e), &k->e);
		sp.seed = 1000 + (uint64_t)i;
		sp.bytes = middle.bytes * (i < 2 ? 1 : 4);
		for (int n = 0; n < 3; n++) {
			sp.seed += 10;
			id = kit_one(k, &sp);
			kit_verify(r, &id, &sp);
		}
		repo_close(r);
	}
}

/* ---- failures and kills, one after the other ------------------------------
 */

/* What is done under faults, and what was done before it. */
struct sweep {
	struct kit_spec base[12];
	struct digest base_id[12];
	int n_base;
	struct kit_spec sp;
	bool remove; /* instead of putting: remove the first */
};

enum {
	CHILD_DONE = 0,
	CHILD_FAILED = 1,
	CHILD_UNHARMED = 2,
	CHILD_UNSURE = 3, /* failed, and said that it may have happened */
};

/* A check that fails ends the child; how, its error tells. */
static struct kit *child_kit;

static void child_ends(void)
{
	if (child_kit->e.unsure)
		_exit(CHILD_UNSURE);
}

static void tell_damage(void *ctx, const struct check_finding *f)
{
	(void)ctx;
	if (f->weight == CHECK_DAMAGE)
		fprintf(stderr, "# %s: %s\n", f->file == NULL ? "" : f->file,
			f->text);
}

static void check_whole(struct kit *k)
{
	struct repo_options ro = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};
	struct check_options o = { .threads = 1,
				   .read_data = 100,
				   .finding = tell_damage };
	struct check_result res;

	CHECK_OK(repo_check(k->path, &ro, &o, &res, &k->e), &k->e);
}

/* A process of its own with that plan. */
static void child(struct kit *k, const struct sweep *sw, const char *text)
{
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct io_options o = { .engine = IO_ENGINE_AUTO };
	struct session *s = NULL;
	struct repo *r = NULL;
	struct digest id;

	if (getenv("SHOW") == NULL && freopen("/dev/null", "w", stderr) == NULL)
		_exit(9);
	CHECK_OK(io_fault_parse(text, &plan, &k->e), &k->e);
	CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
	o.seam = io_fault_seam(f);
	io_close(k->io); /* this process's copy of its parent's */
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
	k->rng.state += 12345;
	child_kit = k;
	CHECK_EQ(atexit(child_ends), 0);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	if (sw->remove)
		CHECK_OK(session_remove(s, &sw->base_id[0], 1, &k->e), &k->e);
	else
		kit_put(k, s, &sw->sp, &id);
	session_end(s);
	repo_close(r);
	_exit(io_fault_hits(f) > 0 ? CHILD_DONE : CHILD_UNHARMED);
}

/* Everything that was there is, what was done is and what was not is not, and
 * the same can be done now. */
static void after_fault(struct kit *k, const struct sweep *sw, bool may_be,
			bool may_not_be)
{
	struct kit_spec sp = sw->sp;
	struct repo *r = kit_repo(k, false);
	struct session *s;
	struct digest id;
	uint64_t n = kit_count(r), had = (uint64_t)sw->n_base;
	uint64_t then = sw->remove ? had - 1 : had + 1;

	CHECK((may_be && n == then) || (may_not_be && n == had));
	for (int i = sw->remove; i < sw->n_base; i += 1 + sw->n_base / 3)
		kit_verify(r, &sw->base_id[i], &sw->base[i]);
	repo_close(r);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	sp.name = "again";
	kit_put(k, s, &sp, &id);
	kit_verify(r, &id, &sp);
	session_end(s);
	repo_close(r);
	check_whole(k);
}

/* The rule for n = 1, 2, ... until it has nothing left to act on. */
static void sweep(struct kit *k, const struct sweep *sw, const char *before,
		  const char *after)
{
	for (int n = 1;; n++) {
		char text[64];
		int status = 0;
		bool failed, unsure;
		pid_t pid;

		CHECK(n < 5000);
		snprintf(text, sizeof(text), "%s:%d%s", before, n, after);
		kit_sh("rm -rf %s && cp -a %s/base %s", k->path, k->dir,
		       k->path);
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			child(k, sw, text);
		CHECK(waitpid(pid, &status, 0) == pid);
		if (WIFSIGNALED(status))
			CHECK_EQ(WTERMSIG(status), SIGKILL);
		else
			CHECK(WEXITSTATUS(status) <= CHILD_UNSURE);
		unsure = WIFSIGNALED(status) ||
			 WEXITSTATUS(status) == CHILD_UNSURE;
		failed = unsure || WEXITSTATUS(status) == CHILD_FAILED;
		if (getenv("SHOW") != NULL)
			printf("# %s: %#x\n", text, (unsigned)status);
		after_fault(k, sw, unsure || !failed, failed);
		if (!failed && WEXITSTATUS(status) == CHILD_UNHARMED)
			break;
	}
}

static void sweep_base(struct kit *k, struct sweep *sw, int n,
		       const struct kit_spec *sp)
{
	kit_create(k, 4 << 20);
	for (sw->n_base = 0; sw->n_base < n; sw->n_base++) {
		int i = sw->n_base;

		sw->base[i] = *sp;
		sw->base[i].seed = 100 + (uint64_t)i;
		sw->base_id[i] = kit_one(k, &sw->base[i]);
	}
	kit_sh("cp -a %s %s/base", k->path, k->dir);
}

/* The commit that seals a log and begins the next. */
static void faults_at_roll(struct kit *k)
{
	struct kit_spec sp = {
		.name = "many", .files = 7000, .bytes = 10, .chunk = 10
	};
	struct sweep sw = { .n_base = 0 };

	sweep_base(k, &sw, 9, &sp);
	sw.sp = sp;
	sw.sp.seed = 7;
	sweep(k, &sw, "change@log/", ":kill");
	sweep(k, &sw, "write@log/", ":torn");
	sweep(k, &sw, "change@log/", ":EIO");
	sweep(k, &sw, "change@log/", ":ENOSPC");
	CHECK_EQ(count_names(k, "log"), 2);
}

static void faults_at_put(struct kit *k)
{
	struct kit_spec sp = {
		.name = "base", .files = 5, .bytes = 9000, .chunk = 9000
	};
	struct sweep sw = { .n_base = 0 };

	sweep_base(k, &sw, 3, &sp);
	sw.sp = (struct kit_spec){ .name = "put",
				   .seed = 7,
				   .files = 30,
				   .bytes = 200000,
				   .chunk = 50000 };
	sweep(k, &sw, "change", ":kill");
	sweep(k, &sw, "change", ":EIO");
	sweep(k, &sw, "change", ":ENOSPC");
	sweep(k, &sw, "change@log/", "+:EIO");
}

static void faults_at_remove(struct kit *k)
{
	struct kit_spec sp = {
		.name = "base", .files = 5, .bytes = 9000, .chunk = 9000
	};
	struct sweep sw = { .remove = true };

	sweep_base(k, &sw, 3, &sp);
	sw.sp = sp;
	sw.sp.seed = 7;
	sweep(k, &sw, "change", ":kill");
	sweep(k, &sw, "change", ":EIO");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
#define CASE(how, f)                                                           \
	do {                                                                   \
		if (getenv("ONLY") == NULL || strcmp(getenv("ONLY"), #f) == 0) \
			how(f);                                                \
		t_ok(#f);                                                      \
	} while (0)
#define BOTH(f) CASE(both_engines, f)
	BOTH(create_and_open);
	BOTH(create_refuses);
	BOTH(one_snapshot);
	BOTH(one_session_many);
	BOTH(dedup);
	BOTH(many_packs);
	BOTH(compressed);
	BOTH(abandoned);
	BOTH(moved_away);
	BOTH(remove_and_tag);
	BOTH(tags_too_long_together);
	BOTH(too_much_at_once);
	BOTH(same_twice);
	BOTH(two_handles);
	BOTH(read_beside);
	BOTH(log_rolls_by_slots);
	BOTH(log_rolls);
	CASE(kit_in_memory, faults_at_roll);
	CASE(kit_in_memory, faults_at_put);
	CASE(kit_in_memory, faults_at_remove);
	return 0;
}
