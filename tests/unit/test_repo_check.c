/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check finds, and what it says is affected: whole repositories, and
 * each part of one missing, cut short, changed or exchanged.
 */
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check/check.h"
#include "index/build.h"
#include "pack/writer.h"
#include "repo/dir_load.h"
#include "repo/lease.h"
#include "repo/usage.h"
#include "tests/unit/repo_kit.h"
#include "util/crc32c.h"
#include "util/hex.h"

/* ---- running one ----------------------------------------------------------
 */

enum { LINES = 4000, LINE_BYTES = 400 };

struct run {
	struct check_result res;
	char *damage; /* lines "file@offset: text" */
	char *notes;
	char *paths; /* lines "name:path" */
	size_t nexts;
	unsigned phases;
	unsigned percent, threads;
	atomic_int stop;
	int stop_at; /* phase; -1: none */
	int arm_at;  /* a phase that sets *arm to arm_n; likewise */
	atomic_int *arm;
	int arm_n;
};

static void line(char *to, const char *fmt, ...) BC_PRINTF(2, 3);
static void line(char *to, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list ap;

	CHECK(n + LINE_BYTES < (size_t)LINES * LINE_BYTES);
	va_start(ap, fmt);
	vsnprintf(to + n, LINE_BYTES, fmt, ap);
	va_end(ap);
}

static void on_phase(void *ctx, enum check_phase p)
{
	struct run *r = ctx;

	r->phases |= 1U << p;
	CHECK(check_phase_name(p)[0] != '\0');
	if ((int)p == r->stop_at)
		atomic_store(&r->stop, 1);
	if ((int)p == r->arm_at)
		atomic_store(r->arm, r->arm_n);
}

static void on_finding(void *ctx, const struct check_finding *f)
{
	struct run *r = ctx;

	CHECK(f->text[0] != '\0');
	r->nexts += f->next != NULL;
	line(f->weight == CHECK_DAMAGE ? r->damage : r->notes,
	     "%.100s@%lld: %.250s\n", f->file == NULL ? "" : f->file,
	     f->has_offset ? (long long)f->offset : -1LL, f->text);
}

static void on_affected(void *ctx, const struct check_affected *a)
{
	struct run *r = ctx;

	line(r->paths, "%.*s:%.*s%s\n", (int)a->name.n, (const char *)a->name.p,
	     (int)a->path.n, (const char *)a->path.p,
	     a->type == TREE_DIR ? "/" : "");
}

static void run_init(struct run *r)
{
	memset(r, 0, sizeof(*r));
	r->damage = calloc(LINES, LINE_BYTES);
	r->notes = calloc(LINES, LINE_BYTES);
	r->paths = calloc(LINES, LINE_BYTES);
	CHECK(r->damage != NULL && r->notes != NULL && r->paths != NULL);
	r->stop_at = r->arm_at = -1;
	r->threads = 2;
}

static void run_fini(struct run *r)
{
	free(r->damage);
	free(r->notes);
	free(r->paths);
}

static enum bc_err run_check(struct kit *k, struct run *r)
{
	struct repo_options ro = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};
	struct check_progress progress;
	struct check_options o = { .threads = r->threads,
				   .read_data = r->percent,
				   .phase = on_phase,
				   .finding = on_finding,
				   .affected = on_affected,
				   .ctx = r,
				   .progress = &progress,
				   .stop = &r->stop };
	enum bc_err rc;

	memset(&progress, 0, sizeof(progress));
	r->damage[0] = r->notes[0] = r->paths[0] = '\0';
	r->phases = 0;
	r->nexts = 0;
	atomic_store(&r->stop, 0);
	err_clear(&k->e);
	rc = repo_check(k->path, &ro, &o, &r->res, &k->e);
	if (rc == BC_EDAMAGE)
		CHECK(k->e.text[0] != '\0');
	return rc;
}

static void is_whole(struct kit *k, struct run *r)
{
	if (run_check(k, r) != BC_OK)
		T_FAIL("%s\n%s%s", k->e.text, r->damage, r->paths);
	CHECK_STR(r->damage, "");
	CHECK_STR(r->paths, "");
}

/* Damaged, and one line of it has both of these. */
static void is_damaged(struct kit *k, struct run *r, const char *a,
		       const char *b)
{
	CHECK_EQ(run_check(k, r), BC_EDAMAGE);
	CHECK(r->res.damages > 0);
	for (char *p = r->damage; *p != '\0'; p = strchr(p, '\n') + 1) {
		char one[LINE_BYTES];

		snprintf(one, sizeof(one), "%.*s", (int)(strchr(p, '\n') - p),
			 p);
		if (strstr(one, a) != NULL && strstr(one, b) != NULL)
			return;
	}
	T_FAIL("no \"%s\" with \"%s\" in:\n%s", a, b, r->damage);
}

static void save(struct kit *k)
{
	kit_sh("rm -rf %s/good; cp -a %s %s/good", k->dir, k->path, k->dir);
}

static void put_back(struct kit *k)
{
	kit_sh("rm -rf %s; cp -a %s/good %s", k->path, k->dir, k->path);
}

/* ---- a repository ---------------------------------------------------------
 */

/* "a": 4 directories; "b": the same and one more; "c": small, in the log. */
static const struct kit_spec spec[3] = {
	{ .name = "a",
	  .seed = 1,
	  .dirs = 4,
	  .files = 20,
	  .bytes = 100000,
	  .chunk = 50000 },
	{ .name = "b",
	  .seed = 1,
	  .dirs = 5,
	  .files = 20,
	  .bytes = 100000,
	  .chunk = 50000 },
	{ .name = "c", .seed = 3, .files = 3, .bytes = 5000, .chunk = 5000 },
};

struct world {
	struct digest id[3];
	struct run run;
};

static void world_make(struct kit *k, struct world *w)
{
	run_init(&w->run);
	kit_create(k, 4 << 20);
	for (int i = 0; i < 3; i++)
		w->id[i] = kit_one(k, &spec[i]);
}

static void flip(const char *path, off_t at)
{
	struct stat st;
	uint8_t b;
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	if (at < 0)
		at += st.st_size;
	CHECK(pread(fd, &b, 1, at) == 1);
	b ^= 0x10;
	CHECK(pwrite(fd, &b, 1, at) == 1);
	close(fd);
}

struct pack_at {
	char path[3 * KIT_PATH_BYTES];
	char file[64]; /* "packs/..." */
	uint32_t number;
	uint64_t dir_offset;
	enum catalog_kind kind;
};

static enum bc_err next_pack(void *ctx, const struct catalog_pack *p,
			     struct err *e)
{
	struct pack_at *at = ctx;
	struct pack_id id;

	(void)e;
	if (p->number <= at->number || at->path[0] != '\0')
		return BC_OK;
	at->number = p->number;
	at->kind = p->kind;
	memcpy(id.b, p->id, PACK_ID_BYTES);
	memcpy(at->file, "packs/", 6);
	pack_name(&id, at->file + 6);
	at->path[0] = 'x';
	return BC_OK;
}

/* The first pack of that kind with a number above `after`. */
static struct pack_at find_pack(struct kit *k, unsigned kinds, uint32_t after)
{
	struct pack_at at = { .number = after };
	struct repo *r = kit_repo(k, false);

	CHECK_OK(catalog_walk_packs(r->catalog, kinds, CATALOG_ANY, next_pack,
				    &at, &k->e),
		 &k->e);
	repo_close(r);
	CHECK(at.path[0] != '\0');
	snprintf(at.path, sizeof(at.path), "%.255s/%.63s", k->path, at.file);
	return at;
}

static void read_dir(struct kit *k, const struct pack_at *at, repo_dir_fn *fn,
		     void *ctx)
{
	struct repo *r = kit_repo(k, false);

	CHECK_OK(repo_each_dir(r, at->number, fn, ctx, &k->e), &k->e);
	repo_close(r);
}

/* ---- whole ----------------------------------------------------------------
 */

static void whole(struct kit *k)
{
	struct world w;

	world_make(k, &w);
	is_whole(k, &w.run);
	CHECK_STR(w.run.notes, "");
	CHECK_EQ(w.run.res.snapshots, 3);
	CHECK_EQ(w.run.res.generation, 4);
	CHECK(w.run.res.packs >= 2);
	CHECK_EQ(w.run.res.logs, 1);
	CHECK(w.run.res.nodes >= 4 + 1 + 1 + 1 + 1);
	CHECK_EQ(w.run.res.bytes_read, 0);
	CHECK_EQ(w.run.res.skipped, 1U << CHECK_DATA);
	for (int threads = 1; threads <= 4; threads += 3) {
		w.run.percent = 100;
		w.run.threads = (unsigned)threads;
		is_whole(k, &w.run);
		CHECK(w.run.res.bytes_read > 5 * 20 * 100000);
		CHECK_EQ(w.run.res.skipped, 0);
		CHECK_EQ(w.run.phases, (1U << CHECK_PHASES) - 1);
	}
	w.run.percent = 1;
	is_whole(k, &w.run);
	CHECK(w.run.res.bytes_read < 5 * 20 * 100000);
	run_fini(&w.run);
}

/* An empty repository, and one of which all is removed. */
static void empty(struct kit *k)
{
	struct kit_spec sp = spec[2];
	struct run run;
	struct repo *r;
	struct session *s;
	struct digest id;

	run_init(&run);
	CHECK_EQ(run_check(k, &run), BC_ENOREPO);
	kit_create(k, 0);
	run.percent = 100;
	is_whole(k, &run);
	id = kit_one(k, &sp);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_OK(session_remove(s, &id, 1, &k->e), &k->e);
	session_end(s);
	repo_close(r);
	is_whole(k, &run);
	CHECK_EQ(run.res.snapshots, 0);
	run_fini(&run);
}

/* Many groups, sealed logs, compressed blocks. */
static void several_logs(struct kit *k)
{
	struct kit_spec sp = { .name = "s",
			       .files = 7000,
			       .bytes = 40,
			       .chunk = 40,
			       .text = true };
	struct run run;

	run_init(&run);
	run.percent = 100;
	kit_create(k, 0);
	for (uint64_t i = 0; i < 11; i++) {
		sp.seed = i + 1;
		kit_one(k, &sp);
	}
	is_whole(k, &run);
	CHECK_EQ(run.res.logs, 2);
	CHECK_EQ(run.res.snapshots, 11);
	run_fini(&run);
}

/* Nothing is written. */
static void nothing_written(struct kit *k)
{
	struct world w;

	world_make(k, &w);
	w.run.percent = 100;
	kit_sh("cd %s && rm -rf catalog.db* index cache && find . -printf "
	       "'%%p %%s %%T@\\n' | sort > ../before",
	       k->path);
	is_whole(k, &w.run);
	CHECK(strstr(w.run.notes, "catalog.db@-1: it is missing") != NULL);
	CHECK(strstr(w.run.notes, "index@-1") != NULL);
	kit_sh("cd %s && find . -printf '%%p %%s %%T@\\n' | sort > ../after "
	       "&& cmp ../before ../after",
	       k->path);
	run_fini(&w.run);
}

static void stop(struct kit *k)
{
	static const int at[] = { CHECK_PACKS, CHECK_VIEWS, CHECK_DATA };
	struct world w;

	world_make(k, &w);
	w.run.percent = 100;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		w.run.stop_at = at[i];
		CHECK_EQ(run_check(k, &w.run), BC_ECANCEL);
	}
	run_fini(&w.run);
}

/* ---- superblocks ----------------------------------------------------------
 */

static void superblocks(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct world w;

	world_make(k, &w);
	save(k);
	kit_sh("rm %s/superblock", k->path);
	is_damaged(k, &w.run, "superblock@", "missing");
	CHECK_EQ(w.run.res.damages, 1);
	CHECK_EQ(w.run.nexts, 1);
	CHECK_EQ(w.run.res.snapshots, 3);
	put_back(k);
	flip(kit_at(k, "superblock.copy", path), 100);
	is_damaged(k, &w.run, "superblock.copy@", "damaged");
	CHECK_EQ(w.run.res.damages, 1);
	flip(kit_at(k, "superblock", path), 100);
	is_damaged(k, &w.run, "superblock@", "damaged");
	CHECK(w.run.res.skipped & 1U << CHECK_TREES);
	put_back(k);
	kit_sh("rm %s/superblock*", k->path);
	CHECK_EQ(run_check(k, &w.run), BC_ENOREPO);
	put_back(k);
	kit_sh("rm -r %s/packs", k->path);
	is_damaged(k, &w.run, "packs@", "missing");
	put_back(k);
	kit_sh("rm -r %s/log", k->path);
	is_damaged(k, &w.run, "log@", "missing");
	put_back(k);
	kit_sh("mkdir %s/x.tmp; : > %s/.tmp-1", k->path, k->path);
	is_whole(k, &w.run);
	CHECK(strstr(w.run.notes, ".tmp-1@") != NULL);
	run_fini(&w.run);
}

/* ---- packs ----------------------------------------------------------------
 */

struct name_list {
	struct digest id[512]; /* chunks of a pack, or of one block */
	size_t n;
	uint32_t block; /* UINT32_MAX: all */
	uint64_t offset;
	uint32_t stored;
};

static enum bc_err list_chunks(void *ctx, const struct pack_dir *d,
			       uint32_t number, struct err *e)
{
	struct name_list *l = ctx;

	(void)number;
	(void)e;
	for (uint32_t i = 0; i < d->n_chunks; i++)
		if (l->block == UINT32_MAX || d->block_of[i] == l->block) {
			CHECK(l->n < 512);
			l->id[l->n++] = d->ids[i];
		}
	if (l->block != UINT32_MAX) {
		l->offset = d->blocks[l->block].offset;
		l->stored = d->blocks[l->block].stored;
	}
	return BC_OK;
}

/* Is the file of one of the worlds' snapshots in the list? */
static bool needs(const struct kit_spec *sp, unsigned dir, unsigned file,
		  const struct name_list *l)
{
	uint8_t *mem = malloc(sp->chunk);
	bool hit = false;

	CHECK(mem != NULL);
	for (size_t at = 0; at < sp->bytes; at += sp->chunk) {
		struct digest id;

		kit_bytes(sp, dir, file, at, mem, sp->chunk);
		sha256_one(bytes_of(mem, sp->chunk), &id);
		for (size_t i = 0; i < l->n; i++)
			hit |= digest_eq(&id, &l->id[i]);
	}
	free(mem);
	return hit;
}

/* Exactly the files that need chunks of the list are told as affected. */
static void affects(const struct run *r, const struct name_list *l)
{
	size_t want = 0, lines = 0;

	for (int s = 0; s < 3; s++)
		for (unsigned i = 0; i < (spec[s].dirs ? spec[s].dirs : 1); i++)
			for (unsigned j = 0; j < spec[s].files; j++) {
				char path[64];

				if (spec[s].dirs > 0)
					snprintf(path, sizeof(path),
						 "%s:d%03u/f%05u\n",
						 spec[s].name, i, j);
				else
					snprintf(path, sizeof(path),
						 "%s:f%05u\n", spec[s].name, j);
				if (needs(&spec[s], i, j, l)) {
					want++;
					if (strstr(r->paths, path) == NULL)
						T_FAIL("not told: %s", path);
				}
			}
	for (const char *p = r->paths; *p != '\0'; p++)
		lines += *p == '\n';
	CHECK_EQ(lines, want);
	CHECK_EQ(r->res.affected_paths, want);
}

/* What is there without a footer or a directory is read by its blocks: nothing
 * is lost (2, 3), or what was cut off (1). */
static void hurts(const struct run *r, const struct name_list *all, int harm)
{
	switch (harm) {
	case 1:
		CHECK(r->res.affected_paths > 0);
		CHECK_EQ(r->res.affected_snapshots, 2);
		break;
	case 2:
	case 3:
		CHECK_STR(r->paths, "");
		CHECK_EQ(r->res.affected_paths, 0);
		break;
	default:
		affects(r, all);
		CHECK_EQ(r->res.affected_snapshots, 2);
		break;
	}
}

static void damaged_packs(struct kit *k)
{
	struct name_list all = { .block = UINT32_MAX };
	struct pack_at pack, other;
	struct world w;

	world_make(k, &w);
	pack = find_pack(k, 1 << CATALOG_DATA, 0);
	other = find_pack(k, 1 << CATALOG_DATA, pack.number);
	read_dir(k, &pack, list_chunks, &all);
	CHECK(all.n > 20);
	save(k);
	for (int i = 0; i < 6; i++) {
		static const char *const text[] = {
			"missing",   "bytes, not the", "footer",
			"directory", "not the one",    "bytes, not the",
		};

		switch (i) {
		case 0:
			CHECK(unlink(pack.path) == 0);
			break;
		case 1:
			CHECK(truncate(pack.path, 4096 * 100) == 0);
			break;
		case 2:
			flip(pack.path, -30);
			break;
		case 3:
			/* The ids, whatever the directory's encoding. */
			flip(pack.path, -4096);
			break;
		case 4:
			/* Both were sealed at about the same size; make the
			 * other as long, its own footer at its own end. */
			kit_sh("cp %s %s", other.path, pack.path);
			break;
		default:
			CHECK(truncate(pack.path, 0) == 0);
			break;
		}
		if (i == 4) {
			CHECK_EQ(run_check(k, &w.run), BC_EDAMAGE);
			CHECK(strstr(w.run.damage, pack.file) != NULL);
		} else {
			is_damaged(k, &w.run, pack.file, text[i]);
		}
		CHECK(w.run.nexts > 0);
		hurts(&w.run, &all, i);
		w.run.percent = 100;
		CHECK_EQ(run_check(k, &w.run), BC_EDAMAGE);
		hurts(&w.run, &all, i);
		w.run.percent = 0;
		put_back(k);
	}
	/* Its header is needed by nobody who reads. */
	flip(pack.path, 20);
	is_damaged(k, &w.run, pack.file, "header");
	CHECK_STR(w.run.paths, "");
	run_fini(&w.run);
}

static void damaged_block(struct kit *k)
{
	struct name_list l = { .block = 3 };
	struct pack_at pack;
	struct world w;
	char at[32];

	world_make(k, &w);
	pack = find_pack(k, 1 << CATALOG_DATA, 0);
	read_dir(k, &pack, list_chunks, &l);
	CHECK(l.n > 0);
	save(k);
	for (int i = 0; i < 3; i++) {
		struct repo *r;

		flip(pack.path, (off_t)l.offset + (i == 0 ? 5 : 64 + i * 999));
		/* The structure is whole... */
		w.run.percent = 0;
		is_whole(k, &w.run);
		/* ...but not what it holds. */
		w.run.percent = 100;
		snprintf(at, sizeof(at), "@%llu", (unsigned long long)l.offset);
		is_damaged(k, &w.run, pack.file, at);
		CHECK_EQ(w.run.res.damages, 2);
		affects(&w.run, &l);
		/* The rest restores. */
		r = kit_repo(k, false);
		kit_verify(r, &w.id[2], &spec[2]);
		repo_close(r);
		put_back(k);
	}
	is_whole(k, &w.run);
	run_fini(&w.run);
}

/* Chunks of 60 bytes in one block: more than any writer of ours puts there, and
 * what a reader of the format takes. */
static void store_crowd(struct kit *k, uint16_t chunks)
{
	enum { EACH = 60 };
	size_t table = (size_t)chunks * 4, n = table + (size_t)chunks * EACH;
	uint32_t *lengths = malloc(chunks * sizeof(*lengths));
	struct digest *ids = malloc(chunks * sizeof(*ids));
	uint8_t *plain = malloc(n);
	struct sealed_block b = { .head = { .kind = BLOCK_DATA,
					    .codec = BLOCK_RAW,
					    .stored = (uint32_t)n,
					    .plain = (uint32_t)n,
					    .chunks = chunks },
				  .stored = bytes_of(plain, n),
				  .lengths = lengths,
				  .ids = ids };
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	CHECK(lengths != NULL && ids != NULL && plain != NULL);
	kit_fill(&k->rng, plain + table, n - table, NULL);
	for (uint32_t i = 0; i < chunks; i++) {
		const struct digest *id = &ids[i];
		bool fresh = false;

		lengths[i] = EACH;
		le_put32(plain + 4 * (size_t)i, EACH);
		sha256_one(bytes_of(plain + table + (size_t)i * EACH, EACH),
			   &ids[i]);
		CHECK_OK(session_filter(s, &id, &lengths[i], 1, &fresh, &k->e),
			 &k->e);
		CHECK(fresh);
	}
	le_put32(b.head.tag, crc32c(0, plain, n));
	CHECK_OK(session_block(s, &b, &k->e), &k->e);
	CHECK_OK(session_checkpoint(s, &k->e), &k->e);
	session_end(s);
	repo_close(r);
	free(lengths);
	free(ids);
	free(plain);
}

static void crowded_block(struct kit *k)
{
	struct pack_at pack;
	struct run run;

	run_init(&run);
	run.percent = 100;
	kit_create(k, 0);
	kit_one(k, &spec[2]);
	store_crowd(k, 4097);
	store_crowd(k, UINT16_MAX);
	is_whole(k, &run);
	CHECK_STR(run.notes, "");
	CHECK(run.res.chunks > 4097 + UINT16_MAX);
	CHECK(run.res.bytes_read > UINT64_C(60) * UINT16_MAX);
	pack = find_pack(k, 1 << CATALOG_DATA, 0);
	flip(pack.path, 100000);
	is_damaged(k, &run, pack.file, "@128: ");
	CHECK_EQ(run.res.damages, 1);
	run_fini(&run);
}

/* A sector of a file that reads fail on, alone or among others. */
struct bad_sector {
	const char *file; /* NULL: all is well */
	uint64_t at;
	bool all; /* whatever is read of it */
	int sys;
	atomic_int times; /* so often; below 0: always */
};

static int refuse(void *ctx, struct io_event *ev)
{
	struct bad_sector *b = ctx;

	if (b->file == NULL || ev->cls != IO_CLASS_READ || ev->len == 0 ||
	    strstr(ev->path, b->file) == NULL)
		return 0;
	if (!b->all && (ev->off >= b->at + 4096 || b->at >= ev->off + ev->len))
		return 0;
	if (atomic_load(&b->times) == 0)
		return 0;
	if (atomic_load(&b->times) > 0)
		atomic_fetch_sub(&b->times, 1);
	return b->sys;
}

/* The blocks that lie in it are lost; their neighbours, read with it by the
 * megabyte, are not. */
static void bad_sector(enum io_engine engine, int sys)
{
	struct bad_sector bad = { .sys = sys, .times = -1 };
	struct io_seam seam = { .before = refuse, .ctx = &bad };
	struct name_list l = { .block = 3 };
	struct pack_at pack;
	struct world w;
	struct repo *r;
	struct kit k;
	char at[32];

	kit_open(&k, engine, &seam);
	world_make(&k, &w);
	pack = find_pack(&k, 1 << CATALOG_DATA, 0);
	read_dir(&k, &pack, list_chunks, &l);
	CHECK(l.n > 0);
	bad.at = (l.offset + 8192) / 4096 * 4096;
	w.run.percent = 100;
	bad.file = pack.file;
	snprintf(at, sizeof(at), "@%llu", (unsigned long long)l.offset);
	is_damaged(&k, &w.run, pack.file, at);
	CHECK_EQ(w.run.res.damages, 2);
	affects(&w.run, &l);
	/* No more than that is remembered. */
	bad.file = NULL;
	r = kit_repo(&k, true);
	CHECK_EQ(r->hurt.n, 0);
	repo_hurt_load(r);
	CHECK_EQ(r->hurt.n, 1);
	repo_close(r);
	is_whole(&k, &w.run);
	run_fini(&w.run);
	kit_close(&k);
}

static void bad_sectors(void)
{
	char why[IO_WHY_BYTES];

	bad_sector(IO_ENGINE_PSYNC, EIO);
	bad_sector(IO_ENGINE_PSYNC, ENODATA);
	if (io_uring_usable(why))
		bad_sector(IO_ENGINE_URING, EIO);
	t_ok("bad_sectors");
}

/* A footer that cannot be read for a moment: snapshots need its pack, and
 * nothing that is said invites to remove it. */
static void footer_for_a_moment(void)
{
	struct bad_sector bad = { .sys = EIO };
	struct io_seam seam = { .before = refuse, .ctx = &bad };
	struct pack_at pack;
	struct world w;
	struct kit k;

	kit_open(&k, IO_ENGINE_PSYNC, &seam);
	world_make(&k, &w);
	pack = find_pack(&k, 1 << CATALOG_DATA, 0);
	bad.at = (uint64_t)kit_size(pack.path) - 4096;
	bad.file = pack.file;
	for (int i = 0; i < 2; i++) {
		w.run.percent = i == 0 ? 0 : 100;
		atomic_store(&bad.times, 1);
		is_whole(&k, &w.run);
		CHECK(strstr(w.run.notes, pack.file) != NULL);
		CHECK(strstr(w.run.notes, "second attempt") != NULL);
		CHECK(strstr(w.run.notes, "no snapshot") == NULL);
	}
	w.run.percent = 0;
	atomic_store(&bad.times, 2);
	is_damaged(&k, &w.run, pack.file, "cannot read");
	CHECK_EQ(w.run.res.damages, 1);
	CHECK(strstr(w.run.notes, "no snapshot") == NULL);
	CHECK_STR(w.run.paths, "");
	is_whole(&k, &w.run);
	CHECK_STR(w.run.notes, "");
	/* Nor is a pack passed over when all is to be read. */
	w.run.percent = 100;
	w.run.arm_at = CHECK_DATA;
	w.run.arm = &bad.times;
	w.run.arm_n = 1;
	is_whole(&k, &w.run);
	CHECK(strstr(w.run.notes, "second attempt") != NULL);
	w.run.arm_n = 2;
	is_damaged(&k, &w.run, pack.file, "cannot read");
	CHECK(strstr(w.run.notes, "no snapshot") == NULL);
	CHECK_STR(w.run.paths, "");
	run_fini(&w.run);
	kit_close(&k);
	t_ok("footer_for_a_moment");
}

/* A pack that cannot be read for a moment while the index is completed from
 * it: the index on disk lacks nothing, and nothing is lost. */
static void index_for_a_moment(void)
{
	struct bad_sector bad = { .sys = EIO };
	struct io_seam seam = { .before = refuse, .ctx = &bad };
	struct pack_at pack;
	struct world w;
	struct kit k;

	kit_open(&k, IO_ENGINE_PSYNC, &seam);
	world_make(&k, &w);
	pack = find_pack(&k, 1 << CATALOG_DATA, 0);
	bad.at = (uint64_t)kit_size(pack.path) - 4096;
	bad.file = pack.file;
	w.run.arm_at = CHECK_VIEWS;
	w.run.arm = &bad.times;
	w.run.arm_n = 1;
	is_whole(&k, &w.run);
	CHECK_STR(w.run.notes, "");
	/* Then by its blocks. */
	w.run.arm_n = 2;
	is_whole(&k, &w.run);
	/* And if none of it can be read for longer, the index is not to
	 * blame, and nobody is told to delete what is needed. */
	bad.all = true;
	for (int p = CHECK_PACKS; p <= CHECK_VIEWS; p++)
		for (w.run.arm_n = 1; w.run.arm_n < 8; w.run.arm_n++) {
			enum bc_err rc;

			w.run.arm_at = p;
			rc = run_check(&k, &w.run);
			CHECK(rc == BC_OK || rc == BC_EDAMAGE);
			CHECK(strstr(w.run.damage, "lacks") == NULL);
			CHECK(strstr(w.run.damage, "no snapshot") == NULL);
			CHECK(strstr(w.run.notes, "no snapshot") == NULL);
			kit_sh("rm -f %s/cache/hurt", k.path);
		}
	bad.all = false;
	/* The same of one that is made in memory, for there is none. */
	kit_sh("rm -r %s/index", k.path);
	w.run.arm_n = 1;
	is_whole(&k, &w.run);
	run_fini(&w.run);
	kit_close(&k);
	t_ok("index_for_a_moment");
}

/* Who may not read a pack has not found it damaged, and nothing is remembered
 * for puts of those who may. */
static void pack_not_for_us(void)
{
	struct bad_sector bad = { .sys = EACCES, .times = -1 };
	struct io_seam seam = { .before = refuse, .ctx = &bad };
	struct pack_at pack;
	struct world w;
	struct kit k;
	struct repo *r;

	kit_open(&k, IO_ENGINE_PSYNC, &seam);
	world_make(&k, &w);
	pack = find_pack(&k, 1 << CATALOG_DATA, 0);
	bad.at = (uint64_t)kit_size(pack.path) - 4096;
	bad.file = pack.file;
	CHECK_EQ(run_check(&k, &w.run), BC_EACCES);
	CHECK_STR(w.run.damage, "");
	bad.file = NULL;
	r = kit_repo(&k, true);
	repo_hurt_load(r);
	CHECK_EQ(r->hurt.n, 0);
	repo_close(r);
	is_whole(&k, &w.run);
	run_fini(&w.run);
	kit_close(&k);
	t_ok("pack_not_for_us");
}

static void forbid_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

/* Where the ring that is asked for is not to be had, a check says so: it
 * neither waits for reads that never began nor takes them for damage. */
static void forbidden_ring(void)
{
	struct io_options o = { .engine = IO_ENGINE_URING };
	int status = 0;
	struct world w;
	struct kit k;
	pid_t child;

	kit_open(&k, IO_ENGINE_PSYNC, NULL);
	world_make(&k, &w);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		forbid_uring();
		io_close(k.io);
		CHECK_OK(io_open(&o, &k.io, &k.e), &k.e);
		w.run.percent = 100;
		CHECK_EQ(run_check(&k, &w.run), BC_EACCES);
		CHECK(strstr(k.e.text, "io_uring") != NULL);
		CHECK_STR(w.run.damage, "");
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	run_fini(&w.run);
	kit_close(&k);
	t_ok("forbidden_ring");
}

/* Trees in packs of their own. */
static void damaged_trees(struct kit *k)
{
	struct kit_spec sp = { .name = "wide",
			       .seed = 9,
			       .dirs = 3,
			       .files = 15000,
			       .bytes = 24,
			       .chunk = 24 };
	struct kit_spec ok = {
		.name = "ok", .seed = 10, .files = 3, .bytes = 99, .chunk = 99
	};
	struct name_list l = { .block = 1 };
	struct pack_at pack;
	struct digest id;
	struct repo *r;
	struct run run;

	run_init(&run);
	kit_create(k, 0);
	kit_one(k, &sp);
	id = kit_one(k, &ok);
	is_whole(k, &run);
	CHECK_EQ(run.res.snapshots, 2);
	pack = find_pack(k, 1 << CATALOG_METADATA, 0);
	read_dir(k, &pack, list_chunks, &l);
	flip(pack.path, (off_t)l.offset + 500);
	CHECK_EQ(run_check(k, &run), BC_EDAMAGE);
	CHECK(strstr(run.paths, "wide:d00") != NULL);
	CHECK(strstr(run.paths, "ok:") == NULL);
	CHECK(strstr(run.damage, "cannot be restored") != NULL);
	run.percent = 100;
	is_damaged(k, &run, pack.file, "@");
	CHECK(strstr(run.paths, "wide:d00") != NULL);
	r = kit_repo(k, false);
	kit_verify(r, &id, &ok);
	repo_close(r);
	CHECK(unlink(pack.path) == 0);
	run.percent = 0;
	is_damaged(k, &run, pack.file, "missing");
	run_fini(&run);
}

static void unnamed(struct kit *k)
{
	struct pack_at pack;
	struct world w;

	world_make(k, &w);
	pack = find_pack(k, 1 << CATALOG_DATA, 0);
	kit_sh("cd %s/packs && cp %s 00112233445566778899aabbccddeeff.pack && "
	       "echo x > 10112233445566778899aabbccddeeff.pack && "
	       "echo x > note.txt",
	       k->path, pack.path);
	is_whole(k, &w.run);
	CHECK(strstr(w.run.notes, "packs/0011") != NULL);
	CHECK(strstr(w.run.notes, "ended without a commit") != NULL);
	CHECK(strstr(w.run.notes, "packs/1011") != NULL);
	CHECK(strstr(w.run.notes, "packs/note.txt") != NULL);
	CHECK_EQ(w.run.res.notes, 3);
	run_fini(&w.run);
}

/* ---- packs of sessions that are hard to see -------------------------------
 */

struct hidden {
	struct kit *k;
	struct lease lease[80];
	size_t n;
	bool refuse; /* to list leases */
	bool begin;  /* one, when packs/ is listed */
};

/* A session with nothing but a lease and the header of a pack. */
static void hidden_begin(struct hidden *h)
{
	struct lease *l = &h->lease[h->n++];
	char path[2 * KIT_PATH_BYTES], hex[PACK_ID_HEX_BYTES], name[64];
	struct pack_head head = { .kind = PACK_DATA };
	uint8_t raw[PACK_HEAD_BYTES];
	struct rng rng = { kit_fill, &h->k->rng };
	struct io_dir *d = NULL;
	FILE *f;

	kit_at(h->k, "leases", path);
	CHECK_OK(io_dir_open(h->k->io, path, &d, &h->k->e), &h->k->e);
	CHECK_OK(lease_take(l, d, rng, "put", &h->k->e), &h->k->e);
	kit_fill(&h->k->rng, head.id.b, PACK_ID_BYTES, NULL);
	head.session = l->id;
	pack_head_encode(&head, raw);
	hex_encode(head.id.b, PACK_ID_BYTES, hex);
	snprintf(name, sizeof(name), "packs/%.32s.pack", hex);
	f = fopen(kit_at(h->k, name, path), "w");
	CHECK(f != NULL && fwrite(raw, sizeof(raw), 1, f) == 1);
	CHECK(fclose(f) == 0);
}

static int hide(void *ctx, struct io_event *ev)
{
	struct hidden *h = ctx;

	if (strcmp(ev->op, "list") != 0)
		return 0;
	if (h->refuse && strstr(ev->path, "/leases/.") != NULL)
		return EIO;
	if (h->begin && strstr(ev->path, "/packs/.") != NULL) {
		h->begin = false;
		hidden_begin(h);
	}
	return 0;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void hidden_sessions(void)
{
	static struct hidden h;
	struct io_seam seam = { .before = hide, .ctx = &h };
	struct world w;
	struct kit k;

	h.k = &k;
	kit_open(&k, IO_ENGINE_PSYNC, &seam);
	world_make(&k, &w);
	/* That begins when all leases have been seen. */
	h.begin = true;
	is_whole(&k, &w.run);
	CHECK(!h.begin);
	CHECK_EQ(count(w.run.notes, "being written by session"), 1);
	/* That is one of many. */
	while (h.n < 80)
		hidden_begin(&h);
	is_whole(&k, &w.run);
	CHECK_EQ(count(w.run.notes, "being written by session"), 80);
	CHECK(strstr(w.run.notes, "ended without") == NULL);
	/* That cannot be known. */
	h.refuse = true;
	is_whole(&k, &w.run);
	CHECK_EQ(count(w.run.notes, "may be being written by session"), 80);
	CHECK(strstr(w.run.notes, "no snapshot") == NULL);
	h.refuse = false;
	/* With a file that has no header yet. */
	kit_sh("> %s/packs/00112233445566778899aabbccddeeff.pack", k.path);
	is_whole(&k, &w.run);
	CHECK(strstr(w.run.notes, "no snapshot") == NULL);
	while (h.n > 0) {
		struct lease *l = &h.lease[--h.n];
		struct io_dir *d = l->dir;

		lease_drop(l);
		io_dir_close(d);
	}
	is_whole(&k, &w.run);
	CHECK_EQ(count(w.run.notes, "ended without a commit"), 80);
	run_fini(&w.run);
	kit_close(&k);
	t_ok("hidden_sessions");
}

/* A session at work is no damage, and its files are its own. */
static void during_session(struct kit *k)
{
	struct kit_spec sp = spec[1];
	struct kit_put p = { .sp = &sp };
	struct node_sink sink;
	struct tree_dir root;
	struct world w;
	struct repo *r;

	world_make(k, &w);
	sp.seed = 55;
	r = kit_repo(k, true);
	p.s = kit_session(k, r);
	sink = session_node_sink(p.s);
	p.mem = malloc(KIT_BATCH * sp.chunk);
	CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 256 << 10, sp.chunk, &p.e),
		 &p.e);
	CHECK_OK(sealer_init(&p.sealer, 1, 512 << 10, &p.e), &p.e);
	content_builder_init(&p.content, &sink);
	kit_root(&p, &root);
	kit_flush(&p);
	is_whole(k, &w.run);
	CHECK(strstr(w.run.notes, "a session is at work: test") != NULL);
	CHECK(strstr(w.run.notes, "being written by session") != NULL);
	session_end(p.s);
	repo_close(r);
	content_builder_fini(&p.content);
	gather_fini(&p.gather);
	sealer_fini(&p.sealer);
	free(p.mem);
	is_whole(k, &w.run);
	CHECK_STR(w.run.notes, "");
	run_fini(&w.run);
}

/* ---- the log --------------------------------------------------------------
 */

static void damaged_log(struct kit *k)
{
	char path[4 * KIT_PATH_BYTES], at[32];
	struct kit_spec sp = spec[2];
	struct world w;
	off_t middle;

	world_make(k, &w);
	kit_log(k, path);
	middle = kit_end(path);
	sp.name = "lost";
	sp.seed = 70;
	kit_one(k, &sp);
	sp.name = "after";
	sp.seed = 71;
	kit_one(k, &sp);
	save(k);
	/* No append that was cut short leaves such bytes. */
	kit_sh("truncate -s %lld %s", (long long)kit_end(path), path);
	kit_sh("head -c 10000 /dev/urandom >> %s", path);
	is_damaged(k, &w.run, "log/", "no append has written");
	put_back(k);
	/* One that was: the file ends in it. */
	kit_sh("truncate -s %lld %s", (long long)kit_end(path), path);
	kit_sh("head -c 100 /dev/urandom >> %s", path);
	is_whole(k, &w.run);
	put_back(k);
	/* A block in the middle: the chain goes on, its chunks are lost. */
	flip(path, middle + 5000);
	for (int i = 0; i < 2; i++) {
		w.run.percent = i == 0 ? 0 : 100;
		is_damaged(k, &w.run, "log/", "damaged");
		CHECK_EQ(w.run.res.snapshots, 5);
		CHECK_EQ(w.run.res.damages, 2);
		CHECK(strstr(w.run.paths, "lost:f0") != NULL);
		CHECK(strstr(w.run.paths, "after:") == NULL);
	}
	w.run.percent = 0;
	put_back(k);
	/* Its header: all of the snapshot is gone, the next is not. */
	flip(path, middle + 20);
	snprintf(at, sizeof(at), "@%lld", (long long)middle);
	is_damaged(k, &w.run, at, "generation 5 is damaged");
	CHECK_EQ(w.run.res.snapshots, 5);
	CHECK(strstr(w.run.notes, "the catalog stands at 6") != NULL);
	CHECK(strstr(w.run.paths, "lost:") != NULL);
	CHECK(strstr(w.run.paths, "after:") == NULL);
	CHECK_EQ(w.run.res.affected_snapshots, 1);
	w.run.percent = 100;
	is_damaged(k, &w.run, at, "generation 5 is damaged");
	w.run.percent = 0;
	/* Without the catalog. */
	kit_sh("rm -f %s/catalog.db*", k->path);
	is_damaged(k, &w.run, at, "generation 5 is damaged");
	CHECK_EQ(w.run.res.snapshots, 3);
	CHECK_STR(w.run.paths, "");
	put_back(k);
	/* The header of the log itself. */
	flip(path, 200);
	is_damaged(k, &w.run, "", "header is damaged");
	kit_sh("rm -f %s/catalog.db*", k->path);
	is_damaged(k, &w.run, "", "header is damaged");
	CHECK(w.run.res.skipped & 1U << CHECK_TREES);
	run_fini(&w.run);
}

static enum bc_err add_snapshot_id(void *ctx, const struct catalog_snapshot *s,
				   struct err *e)
{
	(void)e;
	CHECK(buf_add(ctx, &s->id, sizeof(s->id)) == BC_OK);
	return BC_OK;
}

static void remove_all(struct kit *k)
{
	struct catalog_select q = { .oldest_first = true };
	struct buf ids = BUF_INIT(1 << 16);
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	CHECK_OK(catalog_walk(r->catalog, &q, add_snapshot_id, &ids, &k->e),
		 &k->e);
	CHECK_OK(session_remove(s, (const struct digest *)(void *)ids.p,
				ids.n / sizeof(struct digest), &k->e),
		 &k->e);
	session_end(s);
	repo_close(r);
	buf_fini(&ids);
}

static void damaged_sealed_log(struct kit *k)
{
	struct kit_spec sp = {
		.name = "s", .files = 7000, .bytes = 40, .chunk = 40
	};
	char path[4 * KIT_PATH_BYTES];
	struct run run;

	run_init(&run);
	kit_create(k, 0);
	kit_log(k, path);
	for (uint64_t i = 0; i < 10; i++) {
		sp.seed = i + 1;
		kit_one(k, &sp);
	}
	save(k);
	/* The header of the second group. */
	flip(path, 8192 + 10);
	is_damaged(k, &run, "@8192", "damaged");
	put_back(k);
	/* Its directory at the end: the groups have theirs. */
	flip(path, kit_end(path) - 40);
	CHECK_EQ(run_check(k, &run), BC_EDAMAGE);
	put_back(k);
	flip(path, kit_end(path) / 2);
	CHECK_EQ(run_check(k, &run), BC_EDAMAGE);
	put_back(k);
	is_whole(k, &run);
	/* The second log is gone: the chain simply ends, and the catalog
	 * knows better. */
	kit_sh("rm %s", kit_log(k, path));
	CHECK_EQ(run_check(k, &run), BC_EDAMAGE);
	run_fini(&run);
}

/* One that cannot be read for a moment, and of which no snapshot needs
 * anything: the log needs it. */
static void sealed_log_for_a_moment(void)
{
	struct kit_spec sp = {
		.name = "s", .files = 7000, .bytes = 40, .chunk = 40
	};
	struct bad_sector bad = { .sys = EIO };
	struct io_seam seam = { .before = refuse, .ctx = &bad };
	char path[4 * KIT_PATH_BYTES];
	struct run run;
	struct kit k;

	run_init(&run);
	kit_open(&k, IO_ENGINE_PSYNC, &seam);
	kit_create(&k, 0);
	kit_log(&k, path);
	for (uint64_t i = 0; i < 10; i++) {
		sp.seed = i + 1;
		kit_one(&k, &sp);
	}
	remove_all(&k);
	bad.at = (uint64_t)kit_end(path) - 4096;
	bad.file = path + strlen(k.path);
	run.arm_at = CHECK_PACKS;
	run.arm = &bad.times;
	run.arm_n = 2;
	is_whole(&k, &run);
	CHECK(strstr(run.notes, "no snapshot needs what it stores") != NULL);
	CHECK(strstr(run.notes, "no snapshot needs it") == NULL);
	run_fini(&run);
	kit_close(&k);
	t_ok("sealed_log_for_a_moment");
}

/* ---- views ----------------------------------------------------------------
 */

static void catalogs(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct catalog_position pos;
	struct world w;
	struct repo *r;

	world_make(k, &w);
	save(k);
	kit_at(k, "catalog.db", path);
	/* Behind: a note. */
	kit_sh("mkdir %s/old && cp -a %s* %s/old/", k->dir, path, k->dir);
	kit_one(k, &(struct kit_spec){ .name = "new",
				       .seed = 5,
				       .files = 1,
				       .bytes = 9,
				       .chunk = 9 });
	kit_sh("rm %s*; cp -a %s/old/* %s/", path, k->dir, k->path);
	is_whole(k, &w.run);
	CHECK(strstr(w.run.notes, "stands at generation 4 of 5") != NULL);
	/* Ahead: the log has lost something. */
	put_back(k);
	kit_sh("cp -a %s/log %s/log.old", k->path, k->dir);
	kit_one(k, &(struct kit_spec){ .name = "new",
				       .seed = 5,
				       .files = 1,
				       .bytes = 9,
				       .chunk = 9 });
	kit_sh("rm -r %s/log; cp -a %s/log.old %s/log", k->path, k->dir,
	       k->path);
	is_damaged(k, &w.run, "catalog.db@", "seen generation 5");
	put_back(k);
	/* Another truth. */
	r = kit_repo(k, true);
	CHECK_OK(catalog_begin(r->catalog, &pos, &k->e), &k->e);
	CHECK_OK(catalog_remove_snapshot(r->catalog, &w.id[0], &k->e), &k->e);
	CHECK_OK(catalog_move(r->catalog, &pos, &k->e), &k->e);
	CHECK_OK(catalog_commit(r->catalog, &k->e), &k->e);
	repo_close(r);
	is_damaged(k, &w.run, "catalog.db@", "snapshots are not those");
	CHECK_EQ(w.run.res.snapshots, 3);
	put_back(k);
	r = kit_repo(k, true);
	CHECK_OK(catalog_begin(r->catalog, &pos, &k->e), &k->e);
	CHECK_OK(catalog_set_pack(r->catalog, 4, CATALOG_CONDEMNED, 4, &k->e),
		 &k->e);
	CHECK_OK(catalog_move(r->catalog, &pos, &k->e), &k->e);
	CHECK_OK(catalog_commit(r->catalog, &k->e), &k->e);
	repo_close(r);
	is_damaged(k, &w.run, "catalog.db@", "packs and logs are not those");
	put_back(k);
	/* Not a catalog any more. */
	kit_sh("head -c 30000 /dev/urandom > %s; rm -f %s-*", path, path);
	is_damaged(k, &w.run, "catalog.db@", "");
	CHECK_EQ(w.run.res.snapshots, 3);
	run_fini(&w.run);
}

static void indexes(struct kit *k)
{
	struct kit_spec sp = { .name = "many",
			       .seed = 77,
			       .dirs = 2,
			       .files = 20000,
			       .bytes = 30,
			       .chunk = 30 };
	struct index_range range = { .from_gen = 0 };
	char path[2 * KIT_PATH_BYTES], name[256] = "";
	struct dirent *de;
	struct world w;
	struct repo *r;
	struct digest id;
	DIR *d;

	world_make(k, &w);
	id = kit_one(k, &sp);
	is_whole(k, &w.run);
	CHECK_STR(w.run.notes, "");
	save(k);
	/* A page of it. */
	d = opendir(kit_at(k, "index", path));
	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			snprintf(name, sizeof(name), "%s", de->d_name);
	closedir(d);
	CHECK(name[0] != '\0');
	for (int i = 0; i < 20; i++) {
		char file[3 * KIT_PATH_BYTES];

		snprintf(file, sizeof(file), "%.300s/%.200s", path, name);
		if (4096 * i + 600 < kit_size(file))
			flip(file, 4096 * i + 600);
	}
	w.run.percent = 0;
	CHECK(run_check(k, &w.run) == BC_EDAMAGE ||
	      strstr(w.run.notes, "index") != NULL);
	CHECK_STR(w.run.paths, "");
	/* Nobody who reads is kept from anything by it. */
	r = kit_repo(k, false);
	kit_verify(r, &id, &sp);
	for (int i = 0; i < 3; i++)
		kit_verify(r, &w.id[i], &spec[i]);
	repo_close(r);
	is_whole(k, &w.run);
	put_back(k);
	/* One that says it has seen all, and has nothing. */
	r = kit_repo(k, true);
	CHECK_OK(index_wipe(r->index_dir, &k->e), &k->e);
	range.to_gen = r->head.generation;
	range.to_digest = r->head.digest;
	memcpy(range.repo_id, r->sb.id.b, PACK_ID_BYTES);
	CHECK_OK(index_write_run(r->index_dir, &range, NULL, 0, &k->e), &k->e);
	repo_close(r);
	is_damaged(k, &w.run, "index@", "lacks");
	CHECK_STR(w.run.paths, "");
	/* Ahead of the log. */
	r = kit_repo(k, true);
	CHECK_OK(index_wipe(r->index_dir, &k->e), &k->e);
	range.to_gen++;
	CHECK_OK(index_write_run(r->index_dir, &range, NULL, 0, &k->e), &k->e);
	repo_close(r);
	is_damaged(k, &w.run, "index@", "seen generation");
	CHECK_STR(w.run.paths, "");
	put_back(k);
	is_whole(k, &w.run);
	run_fini(&w.run);
}

/* ---- usage ----------------------------------------------------------------
 */

static void usages(struct kit *k)
{
	struct usage_options o = { .n_remove = 0 };
	struct usage_progress progress;
	struct repo_totals t;
	struct usage u, v;
	struct world w;
	struct repo *r;
	struct session *s;
	struct digest none = { { 1 } };
	uint64_t all;

	memset(&progress, 0, sizeof(progress));
	world_make(k, &w);
	r = kit_repo(k, true);
	o.progress = &progress;
	CHECK_OK(repo_usage(r, &o, &u, &k->e), &k->e);
	CHECK_EQ(u.removed.stored, 0);
	CHECK_EQ(u.garbage.stored, 0);
	CHECK_EQ(u.garbage.chunks, 0);
	CHECK(u.kept.plain > 5 * 20 * 100000);
	CHECK_EQ(progress.snapshots, 3);
	CHECK_EQ(progress.snapshots_all, 3);
	all = u.kept.stored;
	/* All that "a" holds, "b" needs too, but its root and its record. */
	o.remove = &w.id[0];
	o.n_remove = 1;
	CHECK_OK(repo_usage(r, &o, &u, &k->e), &k->e);
	CHECK_EQ(u.removed.chunks, 2);
	CHECK(u.removed.plain < 2000);
	CHECK(u.removed.stored < 3000);
	CHECK_EQ(u.garbage.chunks, 0);
	CHECK_EQ(u.removed.stored + u.kept.stored, all);
	/* "b" has one directory more. */
	o.remove = &w.id[1];
	CHECK_OK(repo_usage(r, &o, &u, &k->e), &k->e);
	CHECK_EQ(u.removed.chunks, 20 * 2 + 1 + 2);
	CHECK(u.removed.plain > 20 * 100000);
	CHECK(u.removed.plain < 20 * 100000 + 10000);
	CHECK(u.removed.stored > 19 * 100000);
	/* Both of them. */
	o.remove = w.id;
	o.n_remove = 2;
	CHECK_OK(repo_usage(r, &o, &v, &k->e), &k->e);
	CHECK(v.removed.plain > 5 * 20 * 100000);
	CHECK(v.kept.plain < 40000);
	o.remove = &none;
	o.n_remove = 1;
	CHECK_EQ(repo_usage(r, &o, &u, &k->e), BC_ENOTFOUND);
	CHECK_OK(repo_totals(r, &t, &k->e), &k->e);
	CHECK_EQ(t.snapshots, 3);
	CHECK_EQ(t.logical,
		 spec[0].bytes * 80 + spec[1].bytes * 100 + spec[2].bytes * 3);
	CHECK_EQ(t.chunks, v.kept.chunks + v.removed.chunks);
	CHECK_EQ(t.unique, v.kept.plain + v.removed.plain);
	CHECK_EQ(t.reserve_bytes, 64 << 10);
	CHECK(t.packs >= 2 && t.logs == 1);
	CHECK(t.bytes >= t.pack_bytes);
	CHECK(t.catalog_bytes > 0);
	CHECK(t.oldest < t.newest);
	/* What was said comes true. */
	s = kit_session(k, r);
	CHECK_OK(session_remove(s, w.id, 2, &k->e), &k->e);
	session_end(s);
	o.n_remove = 0;
	CHECK_OK(repo_usage(r, &o, &u, &k->e), &k->e);
	CHECK_EQ(u.garbage.chunks, v.removed.chunks);
	CHECK_EQ(u.garbage.plain, v.removed.plain);
	CHECK_EQ(u.garbage.stored, v.removed.stored);
	CHECK_EQ(u.removed.chunks, 0);
	repo_close(r);
	run_fini(&w.run);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
#define BOTH(f)                                                                \
	do {                                                                   \
		if (getenv("ONLY") == NULL || strcmp(getenv("ONLY"), #f) == 0) \
			both_engines(f);                                       \
		t_ok(#f);                                                      \
	} while (0)
	BOTH(whole);
	BOTH(empty);
	BOTH(several_logs);
	BOTH(nothing_written);
	BOTH(stop);
	BOTH(superblocks);
	BOTH(damaged_packs);
	BOTH(damaged_block);
	BOTH(crowded_block);
	bad_sectors();
	footer_for_a_moment();
	index_for_a_moment();
	pack_not_for_us();
	forbidden_ring();
	BOTH(damaged_trees);
	BOTH(unnamed);
	hidden_sessions();
	BOTH(during_session);
	BOTH(damaged_log);
	BOTH(damaged_sealed_log);
	sealed_log_for_a_moment();
	BOTH(catalogs);
	BOTH(indexes);
	BOTH(usages);
	return 0;
}
