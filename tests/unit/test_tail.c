/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the log, seen while its writer is at work, and after the writer
 * has died: no view may hold a group that can still be lost.
 */
#include "io/fault.h"
#include "check/check.h"
#include "pack/gather.h"
#include "repo/health.h"
#include "tests/unit/repo_kit.h"

static const struct kit_spec small = {
	.name = "small", .seed = 1, .files = 5, .bytes = 3000, .chunk = 3000
};

/* Of other bytes, so that its group holds them. */
static const struct kit_spec other = {
	.name = "other", .seed = 2, .files = 5, .bytes = 3000, .chunk = 3000
};

enum { STEPS_BYTES = 256 };

/* What lies between a repository and the kernel: acts on the n-th sync below
 * log/, and counts them. */
struct meddler {
	struct kit *k;
	struct io *io; /* the other's */
	unsigned files, folders;
	unsigned at; /* 0: only count */
	bool write;
	enum bc_err rc;
	uint64_t seen;		   /* snapshots that the other has found */
	enum repo_catalog catalog; /* where it had its own */
	/* What was done to logs: w or W (refused) and s, with the offset. */
	char steps[STEPS_BYTES];
	bool refuse; /* writes to logs fail */
};

static void other_opens(struct meddler *m)
{
	struct repo_options o = {
		.io = m->io,
		.rng = { kit_fill, &m->k->rng },
		.clock = { kit_now, kit_now, kit_now, &m->k->now },
		.write = m->write,
		.lock_wait_ms = 20,
	};
	struct repo *r = NULL;
	struct repo_health h;
	struct err e = ERR_INIT;

	m->rc = repo_open(m->k->path, &o, &r, &e);
	if (m->rc == BC_OK) {
		m->seen = kit_count(r);
		CHECK_OK(repo_health(r, &h, &e), &e);
		m->catalog = h.catalog;
	}
	repo_close(r);
}

static int before(void *ctx, struct io_event *ev)
{
	struct meddler *m = ctx;
	const char *log = strstr(ev->path, "/repo/log/");
	size_t n = strlen(m->steps);

	if (log != NULL && ev->cls == IO_CLASS_WRITE && ev->len > 0)
		snprintf(m->steps + n, sizeof(m->steps) - n, "%c%llu ",
			 m->refuse ? 'W' : 'w', (unsigned long long)ev->off);
	else if (log != NULL && ev->cls == IO_CLASS_SYNC)
		snprintf(m->steps + n, sizeof(m->steps) - n, "s ");
	if (log != NULL && m->refuse && ev->cls == IO_CLASS_WRITE)
		return EIO;
	log = strstr(ev->path, "/repo/log");
	if (ev->cls != IO_CLASS_SYNC || log == NULL)
		return 0;
	if (log[9] == '\0') {
		m->folders++;
		return 0;
	}
	if (++m->files != m->at)
		return 0;
	other_opens(m);
	return EIO;
}

static int after(void *ctx, const struct io_event *ev, int sys)
{
	(void)ctx;
	(void)ev;
	return sys;
}

/* k works behind m, the others behind nothing. */
static void meddle(struct kit *k, struct meddler *m)
{
	struct io_seam seam = { before, after, m };
	struct io_options o = { .engine = IO_ENGINE_PSYNC, .seam = seam };

	*m = (struct meddler){ .k = k, .io = k->io };
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
}

static void meddle_no_more(struct kit *k, struct meddler *m)
{
	io_close(k->io);
	k->io = m->io;
}

/* A reader looks at the group between write and sync; then the sync fails, and
 * the group is committed in a new log. */
static void sync_fails(struct kit *k)
{
	struct meddler m;
	struct digest id[2];
	struct repo *r;

	kit_create(k, 0);
	id[0] = kit_one(k, &small);
	meddle(k, &m);
	m.at = 1;
	id[1] = kit_one(k, &small);
	meddle_no_more(k, &m);
	CHECK_EQ(m.rc, BC_OK);
	CHECK(m.seen == 1 || m.seen == 2);
	CHECK_EQ(m.catalog, REPO_CATALOG_BUSY);
	CHECK(m.files > 1);

	r = kit_repo(k, true);
	/* One of them is the checkpoint that a new log gets. */
	CHECK_EQ(repo_generation(r), 4);
	CHECK_STR(k->notes, "");
	kit_verify(r, &id[0], &small);
	kit_verify(r, &id[1], &small);
	repo_close(r);
	kit_one(k, &small);
	r = kit_repo(k, false);
	CHECK_EQ(kit_count(r), 3);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

/* The same without any view: what a reader makes anew ends before the group. */
static void sync_fails_anew(struct kit *k)
{
	struct meddler m;
	struct digest id;
	struct repo *r, *w;
	struct session *s;

	kit_create(k, 0);
	kit_one(k, &small);
	meddle(k, &m);
	w = kit_repo(k, true);
	s = kit_session(k, w);
	kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
	m.at = 1;
	kit_put(k, s, &small, &id);
	session_end(s);
	repo_close(w);
	meddle_no_more(k, &m);
	CHECK_EQ(m.rc, BC_OK);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 2);
	kit_verify(r, &id, &small);
	repo_close(r);
}

/* Who wants to write waits for the one at work, and says so. */
static void sync_fails_for_writer(struct kit *k)
{
	struct meddler m;
	struct repo *r;

	kit_create(k, 0);
	repo_close(kit_repo(k, false));
	meddle(k, &m);
	m.at = 1;
	m.write = true;
	kit_one(k, &small);
	meddle_no_more(k, &m);
	CHECK_EQ(m.rc, BC_ELOCKED);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 1);
	repo_close(r);
}

/* A process of its own that dies where the plan says. */
static void dies_putting(struct kit *k, const struct kit_spec *sp,
			 const char *text)
{
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct io_options o = { .engine = IO_ENGINE_PSYNC };
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_OK(io_fault_parse(text, &plan, &k->e), &k->e);
		CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
		o.seam = io_fault_seam(f);
		k->rng.state += 12345;
		k->now += INT64_C(5000000000000);
		CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
		kit_one(k, sp);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void dies(struct kit *k, const char *text)
{
	dies_putting(k, &small, text);
}

/* The group of a writer that has died before its sync is made durable by
 * whoever believes it first, once. */
static void dead_writer(struct kit *k)
{
	struct meddler m;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &small);
	dies(k, "sync@/repo/log/:1:kill");
	meddle(k, &m);
	r = kit_repo(k, false);
	CHECK_EQ(kit_count(r), 2);
	repo_close(r);
	CHECK_EQ(m.files, 1);
	r = kit_repo(k, false);
	CHECK_EQ(kit_count(r), 2);
	repo_close(r);
	CHECK_EQ(m.files, 1);
	meddle_no_more(k, &m);
	kit_one(k, &small);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 3);
	repo_close(r);
}

/* A log whose maker has died before the folder was synced: its name must be
 * durable before anything stands in it. */
static void dead_maker(struct kit *k)
{
	for (int write = 0; write < 2; write++) {
		struct meddler m;
		struct repo *r;

		kit_rm(k->path);
		kit_create(k, 0);
		kit_one(k, &small);
		dies(k, "sync@/repo/log:1:EIO;sync@/repo/log:3:kill");
		kit_sh("test `ls %s/log | wc -l` = 2", k->path);
		meddle(k, &m);
		r = kit_repo(k, write != 0);
		CHECK_EQ(kit_count(r), 1);
		CHECK_EQ(r->head.seq, 2);
		repo_close(r);
		CHECK(m.files >= 1);
		CHECK_EQ(m.folders, 1);
		meddle_no_more(k, &m);
		kit_one(k, &small);
		r = kit_repo(k, true);
		CHECK_EQ(kit_count(r), 2);
		repo_close(r);
	}
}

static unsigned logs_of(const struct kit *k)
{
	char path[2 * KIT_PATH_BYTES], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "ls %s/log | wc -l", k->path);
	f = popen(path, "r");
	CHECK(f != NULL && fgets(line, sizeof(line), f) != NULL);
	pclose(f);
	return (unsigned)strtoul(line, NULL, 10);
}

/*
 * A log that is sealed, and whose maker died, or was told that the sync failed,
 * before the next one was begun: the seal is written again and synced first.
 */
static void sealed_not_followed(struct kit *k)
{
	char name[LOG_NAME_BYTES], want[STEPS_BYTES];
	struct sealer sealer = { .level = 0 };
	uint64_t at = LOG_HEAD_BYTES, length = 0;
	struct log_file *l = NULL;
	struct dir_builder d;
	struct meddler m;
	struct digest id[2];
	struct repo *r;

	kit_create(k, 0);
	id[0] = kit_one(k, &small);
	r = kit_repo(k, true);
	log_name(r->head.seq, &r->head.log, name);
	CHECK_OK(log_file_open(r->log_dir, name, true, &l, &k->e), &k->e);
	dir_builder_init(&d);
	while (at < r->head.end) {
		struct group *g = NULL;

		CHECK_OK(log_file_group(l, at, GROUP_LEAD, r->dec, &g, &k->e),
			 &k->e);
		for (uint32_t i = 0, n = 0;
		     g->dir != NULL && i < g->dir->n_blocks; i++) {
			CHECK_OK(dir_builder_add(&d, &g->dir->blocks[i],
						 g->dir->lengths + n,
						 g->dir->ids + n),
				 &k->e);
			n += g->dir->blocks[i].chunks;
		}
		at = g->next;
		group_free(g);
	}
	CHECK_OK(sealer_init(&sealer, 0, 1 << 20, &k->e), &k->e);
	CHECK_OK(log_file_seal(l, at, &d, &sealer, &length, &k->e), &k->e);
	sealer_fini(&sealer);
	dir_builder_fini(&d);
	log_file_close(l);
	repo_close(r);

	snprintf(want, sizeof(want), "w%llu s w0 s ", (unsigned long long)at);
	meddle(k, &m);
	id[1] = kit_one(k, &other);
	meddle_no_more(k, &m);
	CHECK(strncmp(m.steps, want, strlen(want)) == 0);
	CHECK_EQ(logs_of(k), 2);
	kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
	r = kit_repo(k, true);
	kit_verify(r, &id[0], &small);
	kit_verify(r, &id[1], &other);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

/*
 * A commit that fails to be synced, and again in a new log, is no commit for
 * who was told so; but its group may be there all the same, and then the packs
 * that it names must be. One that was refused before any group leaves none.
 */
static void packs_stay(struct kit *k)
{
	static const struct kit_spec large = { .name = "large",
					       .seed = 3,
					       .files = 3,
					       .bytes = 2000000,
					       .chunk = 100000 };
	static const char *const PLANS[] = {
		"sync@/repo/log/:1:EIO;write@/repo/log/:2+:EIO",
		"sync@/repo/packs:2:EIO",
	};

	for (int i = 0; i < 2; i++) {
		struct io_options o = { .engine = IO_ENGINE_PSYNC };
		struct catalog_select newest = { .name = NULL };
		struct catalog_snapshot row;
		struct io_fault_plan plan;
		struct io_fault *f = NULL;
		struct io *was = k->io;
		struct session *s;
		struct digest id;
		struct repo *r;
		size_t n;

		if (i > 0)
			kit_rm(k->path);
		kit_create(k, 0);
		repo_close(kit_repo(k, true));
		CHECK_OK(io_fault_parse(PLANS[i], &plan, &k->e), &k->e);
		CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
		o.seam = io_fault_seam(f);
		CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
		r = kit_repo(k, true);
		s = kit_session(k, r);
		CHECK_EQ(kit_try_put(k, s, &large, &id, &n), BC_EIO);
		session_end(s);
		repo_close(r);
		io_close(k->io);
		k->io = was;
		CHECK(io_fault_hits(f) > 0);
		io_fault_free(f);

		kit_sh("test `ls %s/packs | wc -l` = %d", k->path, 1 - i);
		r = kit_repo(k, false);
		CHECK_EQ(kit_count(r), 1 - i);
		if (i == 0) {
			CHECK_OK(catalog_find(r->catalog, &newest, &row, &k->e),
				 &k->e);
			id = row.id;
			kit_verify(r, &id, &large);
		}
		repo_close(r);
	}
}

/* ---- what is not believed as it stands ------------------------------------
 */

static struct log_pos head_of(struct kit *k)
{
	struct repo *r = kit_repo(k, false);
	struct log_pos head = r->head;

	repo_close(r);
	return head;
}

static enum repo_catalog catalog_of(struct kit *k, struct repo *r)
{
	struct repo_health h;

	CHECK_OK(repo_health(r, &h, &k->e), &k->e);
	return h.catalog;
}

/*
 * A writer whose sync has failed, and that could not begin another log either,
 * has told its user so. Its group may be in memory alone, and the next sync
 * succeed: so whoever believes it writes it first.
 */
static void sync_failed_for_good(struct kit *k)
{
	char want[STEPS_BYTES];
	struct log_pos was;
	struct meddler m;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &small);
	was = head_of(k);
	dies(k, "sync@/repo/log/:1:EIO;write@/repo/log/:2:kill");
	snprintf(want, sizeof(want), "w%llu s ", (unsigned long long)was.end);

	/* It cannot be written: no view on disk may hold it, nobody writes. */
	meddle(k, &m);
	m.refuse = true;
	r = kit_repo(k, false);
	CHECK(r->catalog_in_memory);
	CHECK_EQ(catalog_of(k, r), REPO_CATALOG_UNWRITABLE);
	repo_close(r);
	CHECK_EQ(kit_try(k, true, &r), BC_EIO);
	meddle_no_more(k, &m);

	meddle(k, &m);
	r = kit_repo(k, false);
	CHECK(!r->catalog_in_memory);
	CHECK_EQ(catalog_of(k, r), REPO_CATALOG_ON_DISK);
	CHECK_EQ(kit_count(r), 2);
	CHECK_EQ(repo_generation(r), was.generation + 1);
	repo_close(r);
	CHECK_STR(m.steps, want);
	/* Once is enough. */
	r = kit_repo(k, true);
	repo_close(r);
	CHECK_STR(m.steps, want);
	meddle_no_more(k, &m);
	kit_one(k, &small);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 3);
	repo_close(r);
}

/* The same of a log's header, whose maker could not sync it. */
static void head_not_synced(struct kit *k)
{
	struct meddler m;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &small);
	(void)head_of(k);
	dies(k, "sync@/repo/log/:1:EIO;sync@/repo/log/:2:kill");
	meddle(k, &m);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 1);
	CHECK_EQ(r->head.seq, 2);
	repo_close(r);
	CHECK_STR(m.steps, "w0 s ");
	meddle_no_more(k, &m);
	kit_one(k, &small);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 2);
	repo_close(r);
}

/* ---- what is not cut off --------------------------------------------------
 */

static const char *newest_log(const struct kit *k, const struct log_pos *head,
			      char out[2 * KIT_PATH_BYTES])
{
	char name[LOG_NAME_BYTES];
	int n;

	log_name(head->seq, &head->log, name);
	n = snprintf(out, 2 * KIT_PATH_BYTES, "%s/log/%s", k->path, name);
	CHECK(n > 0 && n < 2 * KIT_PATH_BYTES);
	return out;
}

static void flip(const char *path, uint64_t at, uint8_t mask)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t b;

	CHECK(fd >= 0 && pread(fd, &b, 1, (off_t)at) == 1);
	b ^= mask;
	CHECK(pwrite(fd, &b, 1, (off_t)at) == 1);
	close(fd);
}

static void clear(const char *path, uint64_t at, size_t n)
{
	static const uint8_t zero[4096];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && n <= sizeof(zero));
	CHECK(pwrite(fd, zero, n, (off_t)at) == (ssize_t)n);
	close(fd);
}

struct told {
	unsigned damages, notes;
	char text[1024];
};

static void on_finding(void *ctx, const struct check_finding *f)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	if (f->phase != CHECK_LOG)
		return;
	t->damages += f->weight == CHECK_DAMAGE;
	t->notes += f->weight == CHECK_NOTE;
	snprintf(t->text + n, sizeof(t->text) - n, "%s\n", f->text);
}

static struct told tell(struct kit *k)
{
	struct told t = { .damages = 0 };
	struct repo_options ro = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};
	struct check_options o = { .threads = 1,
				   .finding = on_finding,
				   .ctx = &t };
	struct check_result res;
	enum bc_err rc = repo_check(k->path, &ro, &o, &res, &k->e);

	CHECK_EQ(rc, t.damages > 0 ? BC_EDAMAGE : BC_OK);
	return t;
}

/*
 * The last commit is damaged, and no view knows of it: each way to damage it,
 * the same. `check` says so before and after somebody writes, and nobody cuts
 * it off.
 */
static void damaged_last(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct log_pos was, now;
	unsigned held = 0;
	uint64_t end;

	kit_create(k, 0);
	kit_one(k, &small);
	was = head_of(k);
	kit_one(k, &other);
	newest_log(k, &was, path);
	end = (uint64_t)kit_end(path);
	kit_sh("cp -a %s %s/good", k->path, k->dir);
	for (uint64_t at = was.end; at < end;
	     at += at < was.end + 512 ? 37 : 509) {
		struct told t;
		struct repo *r = NULL;
		struct session *s;
		struct digest id;

		kit_sh("rm -rf %s && cp -a %s/good %s", k->path, k->dir,
		       k->path);
		/* With its view nobody takes it for a torn one. */
		flip(path, at, 0x10);
		if (kit_try(k, true, &r) != BC_OK) {
			CHECK(strstr(k->e.hint, "put log/ back") != NULL);
			CHECK(strstr(k->e.hint, "generation 3") != NULL);
		}
		repo_close(r);
		kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
		now = head_of(k);
		if (now.generation > was.generation)
			continue; /* nobody reads that byte */
		held++;
		t = tell(k);
		CHECK_EQ(t.damages, 1);
		CHECK(strstr(t.text, "commit may be lost") != NULL);
		kit_sh("cp %s %s/was", path, k->dir);
		r = kit_repo(k, true);
		s = kit_session(k, r);
		kit_put(k, s, &small, &id);
		session_end(s);
		CHECK(strstr(k->notes, "blobctl check") != NULL);
		repo_close(r);
		kit_sh("cmp %s %s/was", path, k->dir);
		CHECK_EQ(logs_of(k), 2);
		r = kit_repo(k, true);
		CHECK_EQ(kit_count(r), 2);
		CHECK_STR(k->notes, "");
		repo_close(r);
		t = tell(k);
		CHECK_EQ(t.damages, 1);
	}
	CHECK(held > 30);
}

/* A group of which something was never written is no damage, and not cut off
 * either: a device that lost it would look the same. */
static void torn_last(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct log_pos was;
	uint64_t end;

	kit_create(k, 0);
	kit_one(k, &small);
	was = head_of(k);
	kit_one(k, &other);
	newest_log(k, &was, path);
	end = (uint64_t)kit_end(path);
	CHECK(end - was.end >= 3 * LOG_ALIGN);
	kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
	kit_sh("cp -a %s %s/good", k->path, k->dir);
	for (int how = 0; how < 5; how++) {
		struct told t;
		struct repo *r;

		kit_sh("rm -rf %s && cp -a %s/good %s", k->path, k->dir,
		       k->path);
		if (how == 0)
			CHECK(truncate(path, (off_t)was.end + 4096) == 0);
		else if (how == 1)
			CHECK(truncate(path, (off_t)was.end + 512) == 0);
		else if (how == 2)
			clear(path, end - 8192, 4096);
		else if (how == 3)
			clear(path, was.end, 4096);
		else
			clear(path, was.end + 4096 + 512, 512);
		t = tell(k);
		CHECK_EQ(t.damages, 0);
		CHECK_EQ(t.notes, 1);
		CHECK(strstr(t.text, "cut short") != NULL);
		kit_sh("cp %s %s/was", path, k->dir);
		kit_one(k, &small);
		kit_sh("cmp %s %s/was", path, k->dir);
		CHECK_EQ(logs_of(k), 2);
		r = kit_repo(k, true);
		CHECK_EQ(kit_count(r), 2);
		CHECK_STR(k->notes, "");
		repo_close(r);
		t = tell(k);
		CHECK_EQ(t.damages, 0);
		/* Nothing but zeros is nothing. */
		if (how > 0)
			continue;
		kit_sh("rm -rf %s && cp -a %s/good %s", k->path, k->dir,
		       k->path);
		CHECK(truncate(path, (off_t)was.end) == 0);
		CHECK(truncate(path, (off_t)was.end + 100000) == 0);
		t = tell(k);
		CHECK_EQ(t.damages + t.notes, 0);
		kit_one(k, &small);
		CHECK_EQ(logs_of(k), 1);
	}
}

/* Kill after kill in the middle of an append: so many files and no more. */
static void many_torn(struct kit *k)
{
	struct told t;
	struct repo *r;

	kit_create(k, 0);
	for (int i = 0; i < 68; i++) {
		struct kit_spec sp = other;

		sp.seed = (uint64_t)i + 100;
		/* So large that nothing is written behind it, which would be
		 * the half that is missing. */
		sp.bytes = 20000;
		dies_putting(k, &sp, "write@/repo/log/:1:torn");
		kit_one(k, &small);
	}
	CHECK(logs_of(k) >= 64 && logs_of(k) <= 65);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 68);
	repo_close(r);
	t = tell(k);
	CHECK_EQ(t.damages, 0);
}

/* Small groups are written over zeros that an earlier one has left, so that
 * the file does not grow with each. */
static void zeros_ahead(struct kit *k)
{
	char path[2 * KIT_PATH_BYTES];
	struct kit_spec sp = other;
	struct log_pos was;
	struct told t;
	off_t size, end = 0;

	kit_create(k, 0);
	kit_one(k, &small);
	was = head_of(k);
	newest_log(k, &was, path);
	CHECK_EQ((uint64_t)kit_end(path), was.end);
	size = kit_size(path);
	CHECK(size > kit_end(path));
	for (uint64_t i = 0; kit_size(path) == size; i++) {
		CHECK(i < 100);
		t = tell(k);
		CHECK_EQ(t.damages + t.notes, 0);
		end = kit_end(path);
		sp.seed = i + 10;
		kit_one(k, &sp);
		CHECK(kit_end(path) > end);
		CHECK_EQ((uint64_t)kit_end(path), head_of(k).end);
	}
	CHECK(end > (off_t)was.end);
	CHECK(kit_size(path) > size && kit_size(path) > kit_end(path));
	/* Without them, and with others, all is as it was. */
	CHECK(truncate(path, kit_end(path)) == 0);
	kit_one(k, &small);
	CHECK(truncate(path, kit_size(path) + 300000) == 0);
	kit_one(k, &small);
	kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
	t = tell(k);
	CHECK_EQ(t.damages + t.notes, 0);
	CHECK_EQ(logs_of(k), 1);
	kit_one(k, &small);
}

int main(void)
{
#define CASE(f)                                                                \
	do {                                                                   \
		struct kit k;                                                  \
                                                                               \
		kit_open(&k, IO_ENGINE_PSYNC, NULL);                           \
		f(&k);                                                         \
		kit_close(&k);                                                 \
		printf("ok %s\n", #f);                                         \
	} while (0)
	CASE(sync_fails);
	CASE(sync_fails_anew);
	CASE(sync_fails_for_writer);
	CASE(dead_writer);
	CASE(dead_maker);
	CASE(sync_failed_for_good);
	CASE(head_not_synced);
	CASE(sealed_not_followed);
	CASE(packs_stay);
	CASE(damaged_last);
	CASE(torn_last);
	CASE(zeros_ahead);
	CASE(many_torn);
	return 0;
}
