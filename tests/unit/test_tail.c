/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the log, seen while its writer is at work, and after the writer
 * has died: no view may hold a group that can still be lost.
 */
#include "io/fault.h"
#include "tests/unit/repo_kit.h"

static const struct kit_spec small = {
	.name = "small", .seed = 1, .files = 5, .bytes = 3000, .chunk = 3000
};

/* What lies between a repository and the kernel: acts on the n-th sync below
 * log/, and counts them. */
struct meddler {
	struct kit *k;
	struct io *io; /* the other's */
	unsigned files, folders;
	unsigned at; /* 0: only count */
	bool write;
	enum bc_err rc;
	uint64_t seen; /* snapshots that the other has found */
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
	struct err e = ERR_INIT;

	m->rc = repo_open(m->k->path, &o, &r, &e);
	if (m->rc == BC_OK)
		m->seen = kit_count(r);
	repo_close(r);
}

static int before(void *ctx, struct io_event *ev)
{
	struct meddler *m = ctx;
	const char *log = strstr(ev->path, "/repo/log");

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
static void dies(struct kit *k, const char *text)
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
		kit_one(k, &small);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
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
	return 0;
}
