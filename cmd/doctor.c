/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - what this machine offers and what is set up, with fixes.
 *
 * Each check prints one line. What slows is a warning, what breaks is bad; a
 * repository that cannot be opened gives its own status.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "chunk/kernel.h"
#include "cmd/cmd.h"
#include "cmd/pick.h"
#include "cmd/show.h"
#include "hash/sha256.h"
#include "repo/health.h"

enum {
	TEXT_BYTES = 1024,
	FILES_WANTED = 256,
	SPACE_LOW_BYTES = 256 << 20,
	PROBE_NAME_BYTES = 64,
	LINE_BYTES = 256,
};

struct exam {
	struct ctx *c;
	unsigned bad, warnings;
};

BC_PRINTF(5, 6)
static void finding(struct exam *x, enum show_health health, const char *code,
		    const char *fix, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	const struct show_finding f = { health, code, text, fix };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	x->bad += health == HEALTH_BAD;
	x->warnings += health == HEALTH_WARN;
	show_finding(&x->c->out, &f);
}

/* ---- the machine -----------------------------------------------------------
 */

static void check_engine(struct exam *x)
{
	const char *asked = getenv("BLOBCTL_IO");
	char why[IO_WHY_BYTES] = "";

	if (asked != NULL && strcmp(asked, "psync") == 0)
		finding(x, HEALTH_GOOD, "io_engine", NULL,
			"I/O by threads, as BLOBCTL_IO asks");
	else if (io_uring_usable(why))
		finding(x, HEALTH_GOOD, "io_engine", NULL, "I/O by io_uring");
	else
		finding(x, HEALTH_WARN, "io_engine",
			"allow io_uring: kernel.io_uring_disabled, or the "
			"container's seccomp profile",
			"I/O by threads: no io_uring (%s)", why);
}

static void check_kernels(struct exam *x)
{
	char text[FMT_BYTES];
	enum chunk_kernel k = chunk_kernel_pick(CHUNK_KERNEL_AUTO);

	finding(x, HEALTH_GOOD, "chunk_kernel", NULL,
		"files are cut by the %s "
		"loop",
		chunk_kernel_name(k));
	finding(x, sha256_best() == SHA256_PORTABLE ? HEALTH_WARN : HEALTH_GOOD,
		"hash_kernel", NULL, "chunks are hashed by the %s kernel%s",
		sha256_kernel_name(sha256_best()),
		sha256_best() == SHA256_PORTABLE
			? ": this processor has nothing quicker"
			: "");
	finding(x, HEALTH_GOOD, "threads", NULL, "computing with %s",
		fmt_things(ctx_threads(x->c), "thread", text));
}

static void check_files(struct exam *x)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	if (r.rlim_cur < FILES_WANTED)
		finding(x, HEALTH_WARN, "open_files", "ulimit -n 1024",
			"only %" PRIu64 " files may be open: slower",
			(uint64_t)r.rlim_cur);
	else
		finding(x, HEALTH_GOOD, "open_files", NULL,
			"%" PRIu64 " files may be open", (uint64_t)r.rlim_cur);
}

/* ---- the file system of the repository -------------------------------------
 */

static void check_file_system(struct exam *x)
{
	static const struct {
		long type;
		const char *name;
	} REMOTE[] = {
		{ 0x6969, "NFS" },	{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB2" }, { 0x65735546, "FUSE" },
		{ 0x01021997, "9p" },	{ 0x00c36400, "Ceph" },
		{ 0x5346414f, "AFS" },
	};
	struct statfs st;

	if (statfs(x->c->repo_path, &st) != 0)
		return;
	for (size_t i = 0; i < sizeof(REMOTE) / sizeof(REMOTE[0]); i++) {
		if ((unsigned long)st.f_type != (unsigned long)REMOTE[i].type)
			continue;
		finding(x, HEALTH_WARN, "file_system",
			"keep the repository on a local disk",
			"the repository is on %s: locks and syncs may not be "
			"what they say",
			REMOTE[i].name);
		return;
	}
	finding(x, HEALTH_GOOD, "file_system", NULL,
		"the repository is on a local file system");
}

static void check_space(struct exam *x, struct repo *r,
			const struct repo_health *h)
{
	char left[FMT_BYTES], held[FMT_BYTES];
	uint64_t want = repo_superblock(r)->reserve_bytes;
	struct io_space s;
	struct err e = ERR_INIT;

	if (repo_space(r, &s, &e) != BC_OK) {
		finding(x, HEALTH_BAD, "space", NULL, "%s", e.text);
		return;
	}
	if (s.read_only)
		finding(x, HEALTH_WARN, "space",
			"mount it writable to store more",
			"the file system is read-only");
	else
		finding(x,
			s.available < SPACE_LOW_BYTES ? HEALTH_WARN
						      : HEALTH_GOOD,
			"space",
			s.available < SPACE_LOW_BYTES
				? "make room on that file system"
				: NULL,
			"%s of %s are free",
			out_size(&x->c->out, s.available, left),
			out_size(&x->c->out, s.total, held));
	if (want == 0)
		return;
	if (h->reserve_stored < want)
		finding(x, HEALTH_WARN, "reserve", NULL,
			"%s of the reserve of %s are there: on a full disk "
			"even removing may fail",
			out_size(&x->c->out, h->reserve_stored, left),
			out_size(&x->c->out, want, held));
	else
		finding(x, HEALTH_GOOD, "reserve", NULL,
			"%s are kept back for a full disk",
			out_size(&x->c->out, want, held));
}

/* A file of our own, to try things on. */
static enum bc_err open_probe(struct io_dir *dir, const char *name, bool create,
			      struct io_file **out, struct err *e)
{
	return io_file_open(dir, name,
			    IO_READ | IO_WRITE | IO_DIRECT |
				    (create ? IO_CREATE | IO_EXCLUSIVE : 0),
			    out, e);
}

static enum bc_err try_direct(struct io_file *f, struct err *e)
{
	uint8_t *buf = aligned_alloc(IO_ALIGN, IO_ALIGN);
	enum bc_err rc;

	if (buf == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	memset(buf, 1, IO_ALIGN);
	rc = io_file_pwrite(f, buf, IO_ALIGN, 0, e);
	if (rc == BC_OK)
		rc = io_file_datasync(f, e);
	if (rc == BC_OK)
		rc = io_file_pread(f, buf, IO_ALIGN, 0, e);
	free(buf);
	return rc;
}

static void check_direct(struct exam *x, struct io_file *f)
{
	struct err e = ERR_INIT;

	if (try_direct(f, &e) != BC_OK)
		finding(x, HEALTH_BAD, "direct_io", NULL, "%s", e.text);
	else if (io_file_direct(f))
		finding(x, HEALTH_GOOD, "direct_io", NULL,
			"the repository is read and written past the page "
			"cache");
	else
		finding(x, HEALTH_WARN, "direct_io", NULL,
			"no direct I/O on this file system: the page cache is "
			"used, which is slower for large repositories");
}

/* Two open files of one process exclude each other as two processes do. */
static void check_locks(struct exam *x, struct io_file *a, struct io_file *b)
{
	static const char FIX[] = "keep the repository on a file system with "
				  "locks";
	struct err e = ERR_INIT;
	enum bc_err rc;

	rc = io_file_lock(a, 0, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, &e);
	if (rc != BC_OK) {
		finding(x, HEALTH_BAD, "locks", FIX, "%s", e.text);
		return;
	}
	rc = io_file_lock(b, 0, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, &e);
	if (rc == BC_ELOCKED)
		finding(x, HEALTH_GOOD, "locks", NULL, "locks work");
	else
		finding(x, HEALTH_BAD, "locks", FIX,
			"locks do not exclude on this file system");
}

static void check_probes(struct exam *x, struct repo *r)
{
	struct io_file *a = NULL, *b = NULL;
	struct io_dir *dir = repo_cache_dir(r);
	char name[PROBE_NAME_BYTES];
	struct err e = ERR_INIT;

	if (dir == NULL)
		return;
	snprintf(name, sizeof(name), IO_TMP_PREFIX "doctor-%ld",
		 (long)getpid());
	/* In containers the next one has the number of the one before. */
	(void)!io_unlink(dir, name, NULL);
	if (open_probe(dir, name, true, &a, &e) != BC_OK ||
	    open_probe(dir, name, false, &b, &e) != BC_OK) {
		finding(x, HEALTH_BAD, "writable", NULL, "%s", e.text);
	} else {
		check_direct(x, a);
		check_locks(x, a, b);
	}
	if (a != NULL)
		(void)!io_unlink(dir, name, NULL);
	io_file_close(a, NULL);
	io_file_close(b, NULL);
}

/* ---- the repository itself -------------------------------------------------
 */

static void check_superblocks(struct exam *x, const struct repo_health *h)
{
	if (h->superblocks == 2)
		finding(x, HEALTH_GOOD, "superblock", NULL,
			"both superblocks are whole");
	else
		finding(x, HEALTH_WARN, "superblock",
			"the next command that writes makes it again",
			"one of " SUPERBLOCK_NAME " and " SUPERBLOCK_COPY_NAME
			" is missing or damaged");
}

static void check_catalog(struct exam *x, struct repo *r,
			  const struct repo_health *h)
{
	switch (h->catalog) {
	case REPO_CATALOG_ON_DISK:
		finding(x, HEALTH_GOOD, "catalog", NULL,
			"the catalog stands at generation %" PRIu64,
			repo_generation(r));
		break;
	case REPO_CATALOG_BUSY:
		finding(x, HEALTH_GOOD, "catalog", NULL,
			"a commit is under way, and the catalog is made in "
			"memory meanwhile");
		break;
	case REPO_CATALOG_AHEAD:
		finding(x, HEALTH_BAD, "catalog", "blobctl check",
			"the catalog has seen commits that the log does not "
			"have");
		break;
	case REPO_CATALOG_UNWRITABLE:
		finding(x, HEALTH_WARN, "catalog", NULL,
			"the catalog is made in memory at each start, since "
			"it cannot be written");
		break;
	}
}

static void check_damage(struct exam *x, const struct repo_health *h)
{
	static const char FIX[] = "blobctl check";
	char some[FMT_BYTES];

	if (h->may_lack)
		finding(x, HEALTH_BAD, "log", FIX,
			"the log is damaged: commits may be missing");
	if (h->packs_lost > 0)
		finding(x, HEALTH_WARN, "packs", FIX,
			"the files of %s are gone or too short",
			fmt_things(h->packs_lost, "pack", some));
	if (h->hurt > 0)
		finding(x, HEALTH_WARN, "damage", FIX,
			"known to be damaged: %s in packs and logs",
			fmt_things(h->hurt, "place", some));
}

static void check_index(struct exam *x, struct repo *r,
			const struct repo_health *h)
{
	char chunks[FMT_BYTES], runs[FMT_BYTES];

	if (h->index_in_memory)
		finding(x, HEALTH_WARN, "index", NULL,
			"the index is made in memory, since %s",
			h->may_lack ? "the log is damaged"
				    : "it cannot be written");
	else
		finding(x, HEALTH_GOOD, "index", NULL,
			"the index stands at generation %" PRIu64 " of %" PRIu64
			": %s, %s",
			h->index_generation, repo_generation(r),
			fmt_things(h->index_chunks, "chunk", chunks),
			fmt_things(h->index_runs, "run", runs));
}

static enum bc_err tell_lease(void *ctx, const struct lease_info *l)
{
	struct exam *x = ctx;

	if (l->alive && l->pid == 0)
		finding(x, HEALTH_WARN, "session", NULL,
			"a lease cannot be read; it counts as a run at work");
	else if (l->alive)
		finding(x, HEALTH_GOOD, "session", NULL,
			"'%s' is at work (pid %" PRId64
			" on %s, generation %" PRIu64 ")",
			l->command, l->pid, l->host, l->generation);
	return BC_OK;
}

static void check_sessions(struct exam *x, struct repo *r)
{
	struct err e = ERR_INIT;

	if (repo_sessions(r, tell_lease, x, &e) == BC_OK)
		return;
	finding(x, HEALTH_WARN, "session", NULL, "%s", e.text);
}

/* A clock that went back makes the newest snapshot hard to find. */
static void check_clock(struct exam *x, struct repo *r)
{
	struct pick k = PICK_INIT;
	char when[FMT_BYTES];
	int64_t now = x->c->out.began_real;

	if (pick_snapshot(&k, r, "latest", now, NULL) == BC_OK &&
	    k.snapshot->rec.time > now)
		finding(x, HEALTH_WARN, "clock",
			"set the clock; timedatectl says whether it is kept",
			"the newest snapshot is of %s: in the future",
			out_time(&x->c->out, k.snapshot->rec.time, when));
	pick_close(&k);
}

static enum bc_err check_repo(struct exam *x, struct err *e)
{
	struct ctx *c = x->c;
	struct repo_health h;
	struct err why = ERR_INIT;
	enum bc_err views, rc = ctx_find_repo(c, e);

	if (rc == BC_ENOREPO) {
		finding(x, HEALTH_WARN, "repository", "blobctl init DIR",
			"no repository is set");
		err_clear(e);
		return BC_OK;
	}
	if (rc == BC_OK)
		rc = ctx_open_repo(c, false, e);
	if (rc != BC_OK) {
		finding(x, HEALTH_BAD, "repository",
			e->hint[0] != '\0' ? e->hint : NULL, "%s", e->text);
		return rc;
	}
	finding(x, HEALTH_GOOD, "repository", NULL, "%s can be opened",
		c->repo_path);
	check_file_system(x);
	views = repo_health(c->repo, &h, &why);
	check_superblocks(x, &h);
	check_space(x, c->repo, &h);
	check_probes(x, c->repo);
	check_catalog(x, c->repo, &h);
	check_damage(x, &h);
	if (views == BC_OK)
		check_index(x, c->repo, &h);
	else
		finding(x, HEALTH_BAD, "index", "blobctl check", "%s",
			why.text);
	check_clock(x, c->repo);
	check_sessions(x, c->repo);
	return h.may_lack
		       ? err_set(e, BC_EDAMAGE, "%s is damaged", c->repo_path)
		       : BC_OK;
}

static enum bc_err doctor_run(struct ctx *c, struct err *e)
{
	struct exam x = { .c = c };
	enum bc_err rc;

	check_engine(&x);
	check_kernels(&x);
	check_files(&x);
	rc = check_repo(&x, e);
	out_count_u64(&c->out, "bad_findings", x.bad);
	out_count_u64(&c->out, "warning_findings", x.warnings);
	if (rc == BC_OK && x.bad > 0)
		rc = err_set(e, BC_ESYS,
			     "something here does not work: see "
			     "the lines marked bad");
	return rc;
}

static const char *const DOCTOR_COUNTS[] = { "bad_findings", "warning_findings",
					     NULL };

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "look for what slows or breaks things here",
	.usage = "",
	.group = "Tools",
	.counts = DOCTOR_COUNTS,
	.run = doctor_run,
};
