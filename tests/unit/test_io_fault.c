/* SPDX-License-Identifier: Apache-2.0 */
/* io/fault: plans, and sweeps that fail each operation of a job in turn. */
#include "tests/unit/test_io.h"

#include <errno.h>
#include <signal.h>

/* ---- plans --------------------------------------------------------------- */

static void plans(void)
{
	static const char *const bad[] = {
		"",
		"write",
		"write:1",
		"write:1:",
		"write:0:EIO",
		"write::EIO",
		"write:x:EIO",
		"writ:1:EIO",
		"write:1:EWHAT",
		"write,:1:EIO",
		"@a:1:EIO",
		"write@:1:EIO",
		"write:1:EIO;",
		";write:1:EIO",
		"write:-1:EIO",
		"write:+:EIO",
		"sync:1+:EINTR",
		"write:1:EIO:",
		"write:1: EIO",
		"write:99999999999999999999:EIO",
		"all:1:EIO;all:1:EIO;all:1:EIO;all:1:EIO;all:1:EIO;"
		"all:1:EIO;all:1:EIO;all:1:EIO;all:1:EIO",
		"write@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaa:1:EIO",
	};
	struct io_fault_plan p = { .n = 77 };
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (io_fault_parse(bad[i], &p, &e) != BC_EINVAL)
			T_FAIL("\"%s\" was taken for a plan", bad[i]);
		CHECK_EQ(p.n, 77);
	}
	CHECK_OK(io_fault_parse("write:7:EIO", &p, &e), &e);
	CHECK_EQ(p.n, 1);
	CHECK_EQ(p.rule[0].classes, IO_CLASS_WRITE);
	CHECK_EQ(p.rule[0].nth, 7);
	CHECK_EQ(p.rule[0].sys, EIO);
	CHECK(!p.rule[0].on && p.rule[0].match[0] == '\0');
	CHECK_OK(io_fault_parse("read,sync@packs/:12+:ENOSPC;change:3:torn", &p,
				&e),
		 &e);
	CHECK_EQ(p.n, 2);
	CHECK_EQ(p.rule[0].classes, IO_CLASS_READ | IO_CLASS_SYNC);
	CHECK_STR(p.rule[0].match, "packs/");
	CHECK(p.rule[0].on);
	CHECK_EQ(p.rule[0].sys, ENOSPC);
	CHECK_EQ(p.rule[1].classes, IO_CLASS_CHANGE);
	CHECK_EQ(p.rule[1].action, IO_FAULT_TORN);
}

/* ---- a job with every kind of operation in it -------------------------------
 */

enum { BLOCKS = 8, BLOCK = 8192, JOB_BYTES = BLOCKS * BLOCK };

static const char old_text[] = "what was there before";
static const char new_text[] = "what the job puts there, which is longer";

static enum bc_err transfer(struct io *io, struct io_file *f, enum io_req_op op,
			    uint8_t *p, struct err *e)
{
	struct io_req r[BLOCKS], *t;
	struct io_queue *q;
	enum bc_err rc, first;

	rc = io_queue_new(io, BLOCKS, &q, e);
	if (rc != BC_OK)
		return rc;
	for (int i = 0; i < BLOCKS; i++) {
		r[i] = (struct io_req){ .op = op,
					.file = f,
					.buf = p + i * BLOCK,
					.len = BLOCK,
					.off = (uint64_t)i * BLOCK };
		CHECK_OK(io_queue_submit(q, &r[i], e), e);
	}
	CHECK_OK(io_queue_wait(q, BLOCKS, e), e);
	first = BC_OK;
	while ((t = io_queue_take(q)) != NULL) {
		rc = io_req_check(t, first == BC_OK ? e : NULL);
		if (first == BC_OK)
			first = rc;
	}
	io_queue_free(q);
	return first;
}

static enum bc_err skip_name(void *ctx, const char *name, enum io_type type)
{
	(void)ctx;
	(void)name;
	(void)type;
	return BC_OK;
}

/* Write a file by the queue, read it back, and replace a small one. */
static enum bc_err job_steps(struct io_dir *d, struct io *io,
			     struct io_file **f, uint8_t *p, struct err *e)
{
	uint8_t *back = p + JOB_BYTES;
	struct io_map m;
	enum bc_err rc;

	rc = io_file_open(
		d, "bulk",
		IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE | IO_DIRECT, f, e);
	if (rc == BC_OK)
		rc = io_file_lock(*f, 0, 0, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, e);
	if (rc == BC_OK)
		rc = io_file_allocate(*f, 0, JOB_BYTES, IO_ALLOC_KEEP_SIZE, e);
	if (rc == BC_OK)
		rc = transfer(io, *f, IO_REQ_WRITE, p, e);
	if (rc == BC_OK)
		rc = io_file_datasync(*f, e);
	if (rc == BC_OK)
		rc = transfer(io, *f, IO_REQ_READ, back, e);
	if (rc == BC_OK)
		CHECK(memcmp(p, back, JOB_BYTES) == 0);
	if (rc == BC_OK)
		rc = io_file_pread(*f, back, 999, 1, e);
	if (rc == BC_OK)
		rc = io_file_map(*f, 4096, 4096, &m, e);
	if (rc != BC_OK)
		return rc;
	io_unmap(&m);
	rc = io_file_punch(*f, 0, 4096, NULL, e);
	if (rc == BC_OK)
		rc = io_file_unlock(*f, 0, 0, e);
	if (rc == BC_OK)
		rc = io_write_small(d, "small",
				    bytes_of(new_text, sizeof(new_text)),
				    IO_REPLACE, e);
	if (rc == BC_OK)
		rc = io_mkdir(d, "dir", e);
	if (rc == BC_OK)
		rc = io_rename(d, "dir", d, "dir2", IO_NOREPLACE, e);
	if (rc == BC_OK)
		rc = io_rmdir(d, "dir2", e);
	if (rc == BC_OK)
		rc = io_list(d, ".", e, skip_name, NULL);
	return rc;
}

static enum bc_err job(struct io *io, const char *path, struct err *e)
{
	uint8_t *p = aligned_bytes(2 * JOB_BYTES);
	struct io_file *f = NULL;
	struct io_dir *d = NULL;
	uint64_t rng = 8;
	enum bc_err rc, close_rc;

	t_fill(&rng, p, JOB_BYTES);
	rc = io_dir_open(io, path, &d, e);
	if (rc == BC_OK)
		rc = job_steps(d, io, &f, p, e);
	close_rc = io_file_close(f, rc == BC_OK ? e : NULL);
	io_dir_close(d);
	free(p);
	return rc != BC_OK ? rc : close_rc;
}

static enum bc_err count_tmp(void *ctx, const char *name, enum io_type type)
{
	(void)type;
	*(int *)ctx += strncmp(name, IO_TMP_PREFIX, 5) == 0;
	return BC_OK;
}

/* The small file is one of the two, whole; temporary files: at most `tmp`. */
static void check_state(struct scratch *s, int tmp)
{
	struct buf b = BUF_INIT(4096);
	int n = 0;

	CHECK_OK(io_read_small(s->d, "small", &b, &s->e), &s->e);
	CHECK(bytes_eq(buf_bytes(&b), bytes_of(old_text, sizeof(old_text))) ||
	      bytes_eq(buf_bytes(&b), bytes_of(new_text, sizeof(new_text))));
	buf_fini(&b);
	CHECK_OK(io_list(s->d, ".", &s->e, count_tmp, &n), &s->e);
	CHECK(n <= tmp);
}

static void reset(struct scratch *s)
{
	(void)!io_rmdir(s->d, "dir", NULL);
	(void)!io_rmdir(s->d, "dir2", NULL);
	CHECK_OK(io_write_small(s->d, "small",
				bytes_of(old_text, sizeof(old_text)),
				IO_REPLACE, &s->e),
		 &s->e);
}

/* The engine of s behind a plan; *out counts. */
static struct io *faulty(struct scratch *s, const char *plan,
			 struct io_fault **out)
{
	struct io_options o = { .engine = IO_ENGINE_PSYNC };
	struct io_fault_plan p;
	struct io *io;

	if (strcmp(io_engine_name(s->io), "uring") == 0)
		o.engine = IO_ENGINE_URING;
	CHECK_OK(io_fault_parse(plan, &p, &s->e), &s->e);
	CHECK_OK(io_fault_new(&p, out, &s->e), &s->e);
	o.seam = io_fault_seam(*out);
	CHECK_OK(io_open(&o, &io, &s->e), &s->e);
	return io;
}

/* What a fault may do to the job. */
enum outcome { MUST_FAIL, MUST_PASS };

/* Fail the n-th for n = 1, 2, ... until the job ends before it is reached.
 * Returns how many there were. */
static int sweep(struct scratch *s, const char *classes, const char *action,
		 enum outcome outcome, enum bc_err code)
{
	for (int n = 1;; n++) {
		struct io_fault *f;
		struct io *io;
		struct err e = ERR_INIT;
		enum bc_err rc;
		uint64_t hits;
		char plan[64];

		snprintf(plan, sizeof(plan), "%s:%d:%s", classes, n, action);
		reset(s);
		io = faulty(s, plan, &f);
		rc = job(io, s->path, &e);
		hits = io_fault_hits(f);
		io_close(io);
		io_fault_free(f);
		check_state(s, 0);
		if (hits == 0) {
			CHECK_OK(rc, &e);
			return n - 1;
		}
		CHECK_EQ(hits, 1);
		if (outcome == MUST_PASS)
			CHECK_OK(rc, &e);
		else if (rc != code)
			T_FAIL("%s: %d: %s", plan, rc, e.text);
		if (rc != BC_OK)
			CHECK(strstr(e.text, s->path) != NULL);
	}
}

/* A real disk makes each sync slow and finds nothing else: a sample there. */
static bool on_disk(const struct scratch *s)
{
	return strncmp(s->path, "/var/tmp", 8) == 0;
}

static void fail_each(struct scratch *s)
{
	CHECK(sweep(s, "change", "ENOSPC", MUST_FAIL, BC_ENOSPC) >= BLOCKS + 9);
	if (on_disk(s))
		return;
	/* One write per block and as many reads; a sync of the bulk file, the
	 * small file and its directory. */
	CHECK(sweep(s, "write", "EIO", MUST_FAIL, BC_EIO) >= BLOCKS);
	CHECK(sweep(s, "read", "EIO", MUST_FAIL, BC_EIO) >= BLOCKS);
	CHECK_EQ(sweep(s, "sync", "EIO", MUST_FAIL, BC_EIO), 3);
	CHECK_EQ(sweep(s, "lock", "ENOLCK", MUST_FAIL, BC_ESYS), 2);
	/* bulk, temporary file, its rename, mkdir, rename, rmdir */
	CHECK_EQ(sweep(s, "name", "ENOSPC", MUST_FAIL, BC_ENOSPC), 6);
	CHECK(sweep(s, "change", "ENOSPC", MUST_FAIL, BC_ENOSPC) >= BLOCKS + 9);
}

static void disturb_each(struct scratch *s)
{
	CHECK(sweep(s, "write", "short", MUST_PASS, BC_OK) > BLOCKS);
	CHECK(sweep(s, "read", "short", MUST_PASS, BC_OK) > BLOCKS);
	if (on_disk(s))
		return;
	CHECK(sweep(s, "write,read,sync,name", "EINTR", MUST_PASS, BC_OK) >=
	      2 * BLOCKS + 9);
}

static void kill_each(struct scratch *s)
{
	static const char *const action[] = { "torn", "kill", "kill-after" };
	size_t actions = on_disk(s) ? 1 : 3;
	int kills = 0;

	for (size_t i = 0; i < actions; i++) {
		int n = 0, status;

		do {
			char plan[64];
			pid_t pid;

			n++;
			reset(s);
			snprintf(plan, sizeof(plan), "change:%d:%s", n,
				 action[i]);
			pid = fork();
			CHECK(pid >= 0);
			if (pid == 0) {
				struct io_fault *f;
				struct io *io = faulty(s, plan, &f);
				struct err e;

				_exit(job(io, s->path, &e) == BC_OK ? 0 : 1);
			}
			status = child_status(pid);
			CHECK(status == 0 || status == 128 + SIGKILL);
			/* Every kill may leave one temporary file more. */
			check_state(s, ++kills);
		} while (status != 0);
		CHECK(n > BLOCKS);
	}
}

/* ---- details ------------------------------------------------------------- */

static void counts_are_exact(struct scratch *s)
{
	struct io_fault *f;
	struct io *io = faulty(s, "all@nowhere:1:EIO", &f);
	uint64_t seen[2], writes[2];

	for (int i = 0; i < 2; i++) {
		reset(s);
		CHECK_OK(job(io, s->path, &s->e), &s->e);
		seen[i] = io_fault_seen(f, IO_CLASS_ALL);
		writes[i] = io_fault_seen(f, IO_CLASS_WRITE);
	}
	CHECK_EQ(seen[1], 2 * seen[0]);
	CHECK_EQ(writes[1], 2 * writes[0]);
	/* allocate, blocks, punch; small file; close of each */
	CHECK_EQ(writes[0], 1 + BLOCKS + 1 + 1 + 2);
	CHECK_EQ(io_fault_hits(f), 0);
	io_close(io);
	io_fault_free(f);
}

static void paths_and_persistence(struct scratch *s)
{
	struct io_fault *f;
	struct io *io =
		faulty(s, "name@/two:1:EACCES;write@/three:2+:ENOSPC", &f);
	struct io_file *file;
	struct io_dir *d;
	struct err e;

	CHECK_OK(io_dir_open(io, s->path, &d, &e), &e);
	CHECK_OK(io_mkdir(d, "one", &e), &e);
	/* The new name counts as well as the old one. */
	CHECK_EQ(io_rename(d, "one", d, "two", IO_REPLACE, &e), BC_EACCES);
	CHECK_OK(io_rename(d, "one", d, "two", IO_REPLACE, &e), &e);
	CHECK_EQ(io_fault_hits(f), 1);
	CHECK_OK(io_file_open(d, "three", IO_WRITE | IO_CREATE, &file, &e), &e);
	CHECK_OK(io_file_pwrite(file, "x", 1, 0, &e), &e);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(io_file_pwrite(file, "x", 1, 0, &e), BC_ENOSPC);
	CHECK(strstr(e.text, "/three at byte 0: No space") != NULL);
	CHECK_EQ(io_file_close(file, &e), BC_ENOSPC);
	CHECK_EQ(io_fault_hits(f), 5);
	io_dir_close(d);
	io_close(io);
	io_fault_free(f);
	io_fault_free(NULL);
}

/* Half of a write is there when the process is gone, and no more. */
static void torn_write(struct scratch *s)
{
	struct io_stat st;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		uint8_t *p = aligned_bytes(65536);
		struct io_fault *f;
		struct io *io = faulty(s, "write@/log:1:torn", &f);
		struct io_file *file;
		struct io_queue *q;
		struct io_req r;
		struct io_dir *d;
		struct err e;

		CHECK_OK(io_dir_open(io, s->path, &d, &e), &e);
		CHECK_OK(io_file_open(d, "log",
				      IO_WRITE | IO_CREATE | IO_DIRECT, &file,
				      &e),
			 &e);
		CHECK_OK(io_queue_new(io, 4, &q, &e), &e);
		r = (struct io_req){
			.op = IO_REQ_WRITE, .file = file, .buf = p, .len = 65536
		};
		CHECK_OK(io_queue_submit(q, &r, &e), &e);
		CHECK_OK(io_queue_wait(q, 1, &e), &e);
		_exit(1);
	}
	CHECK_EQ(child_status(pid), 128 + SIGKILL);
	CHECK_OK(io_stat_at(s->d, "log", &st, &s->e), &s->e);
	CHECK_EQ(st.size, 32768);
}

/* What a disk says of a bad sector is a failed transfer like any other; what
 * is said of a name is not. */
static void bad_sectors(struct scratch *s)
{
	struct io_fault *f;
	struct io *io = faulty(s, "read@/x:2+:ENODATA;write@/x:2:ENODATA", &f);
	uint8_t *p = aligned_alloc(IO_ALIGN, JOB_BYTES);
	struct io_file *x = NULL;
	struct io_dir *d = NULL;

	memset(p, 0, JOB_BYTES);
	CHECK_OK(io_dir_open(io, s->path, &d, &s->e), &s->e);
	CHECK_OK(io_file_open(d, "x", IO_WRITE | IO_CREATE, &x, &s->e), &s->e);
	CHECK_OK(io_file_pwrite(x, p, BLOCK, 0, &s->e), &s->e);
	CHECK_EQ(io_file_pwrite(x, p, BLOCK, 0, &s->e), BC_EIO);
	CHECK_OK(transfer(io, x, IO_REQ_WRITE, p, &s->e), &s->e);
	CHECK_OK(io_file_close(x, &s->e), &s->e);
	CHECK_OK(io_file_open(d, "x", IO_READ, &x, &s->e), &s->e);
	CHECK_EQ(io_file_pread(x, p, 1, 0, &s->e), BC_EIO);
	CHECK(strstr(s->e.text, "cannot read") != NULL);
	CHECK_EQ(transfer(io, x, IO_REQ_READ, p, &s->e), BC_EIO);
	io_file_close(x, NULL);
	CHECK_EQ(io_file_open(d, "x", IO_READ, &x, &s->e), BC_ESYS);
	CHECK(io_fault_hits(f) >= 4);
	io_dir_close(d);
	io_close(io);
	io_fault_free(f);
	free(p);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(struct scratch *s);
	} cases[] = {
		{ "fail_each", fail_each },
		{ "disturb_each", disturb_each },
		{ "kill_each", kill_each },
		{ "counts_are_exact", counts_are_exact },
		{ "paths_and_persistence", paths_and_persistence },
		{ "torn_write", torn_write },
		{ "bad_sectors", bad_sectors },
	};
	const enum io_engine engine[] = { IO_ENGINE_AUTO, IO_ENGINE_PSYNC };

	RUN(plans);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int k = 0; k < 4; k++) {
			struct io_options o = { .engine = engine[k % 2] };
			struct scratch s;

			scratch_open(&s, k < 2 ? scratch_shm() : "/var/tmp",
				     &o);
			cases[i].fn(&s);
			scratch_close(&s);
		}
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
