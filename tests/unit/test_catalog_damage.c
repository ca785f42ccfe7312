/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may happen to a view: bytes flipped, cut off, replaced; an older copy;
 * a kill in the middle; other processes; no space; no permission. Each time
 * the catalog either says BC_EDAMAGE, or answers exactly as one that stands at
 * the generation it claims.
 */
#include "test_catalog.h"

#include <signal.h>
#include <sqlite3.h>

#include "tests/unit/t_mount.h"

enum { TO = 200 };

static uint32_t want[4 * TO + 1]; /* answers at each generation */

/* ---- helpers ---- */

static void copy_file(const char *from, const char *to)
{
	uint8_t buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	ssize_t n;

	unlink(to);
	if (in < 0)
		return; /* none to copy, none there */
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, (size_t)n), n);
	CHECK_EQ(n, 0);
	close(in);
	close(out);
}

struct place {
	char dir[PATH_BYTES];
	char db[PATH_BYTES], wal[PATH_BYTES];
	char old_db[PATH_BYTES], old_wal[PATH_BYTES];
};

static void place_make(struct place *p)
{
	t_folder(p->dir);
	t_join(p->db, p->dir, "c.db");
	t_join(p->wal, p->dir, "c.db-wal");
	t_join(p->old_db, p->dir, "old.db");
	t_join(p->old_wal, p->dir, "old-wal");
}

static void place_save(const struct place *p)
{
	copy_file(p->db, p->old_db);
	copy_file(p->wal, p->old_wal);
}

static void place_restore(const struct place *p)
{
	struct err e = ERR_INIT;

	CHECK_OK(catalog_remove(p->db, &e), &e);
	copy_file(p->old_db, p->db);
	copy_file(p->old_wal, p->wal);
}

/* Advance to `from` and on until the write-ahead file has just been folded, so
 * that everything is in the database. Returns the generation. */
static uint64_t make_folded(const char *db, uint64_t from)
{
	struct catalog *c = t_open(db);
	struct err e = ERR_INIT;
	uint64_t g = 0;

	t_advance_to(c, from);
	do
		CHECK_OK(t_advance(c, &g, &e), &e);
	while (t_size(db, "-wal") != 0);
	catalog_close(c);
	return g;
}

/* Open, ask for everything. BC_OK means that the answers were right for some
 * generation, *g; only BC_EDAMAGE is allowed beside it. */
static enum bc_err examine(const char *path, uint64_t *g)
{
	struct catalog_options o = t_options(path);
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	uint32_t crc = 0;
	enum bc_err rc;

	o.create = false;
	rc = catalog_open(&o, &c, &e);
	if (rc == BC_OK)
		rc = t_dump(c, g, &crc, &e);
	catalog_close(c);
	if (rc == BC_OK) {
		CHECK(*g <= 4 * TO);
		CHECK_EQ(crc, want[*g]);
	} else {
		if (rc != BC_EDAMAGE)
			T_FAIL("%d: %s", rc, e.text);
		CHECK(e.text[0] != '\0');
	}
	return rc;
}

/* Damage is found by a question, or by looking at everything. */
static bool found_out(const char *path)
{
	struct err e = ERR_INIT;
	struct catalog *c;
	uint64_t g = 0;
	enum bc_err rc;

	if (examine(path, &g) == BC_EDAMAGE)
		return true;
	c = t_open(path);
	rc = catalog_verify(c, &e);
	catalog_close(c);
	return rc == BC_EDAMAGE;
}

/* Damage is answered so: remove, make anew, apply again. */
static void check_rebuild(const char *path)
{
	struct err e = ERR_INIT;
	struct catalog *c;
	uint32_t crc = 0;
	uint64_t g = 0;

	CHECK_OK(catalog_remove(path, &e), &e);
	c = t_open(path);
	t_advance_to(c, 20);
	CHECK_OK(t_dump(c, &g, &crc, &e), &e);
	CHECK_EQ(g, 20);
	CHECK_EQ(crc, want[20]);
	catalog_close(c);
}

static void flip(const char *path, off_t at, unsigned int bit)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t b;

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &b, 1, at), 1);
	b ^= (uint8_t)(1U << bit);
	CHECK_EQ(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

/* ---- damage ---- */

/* Any flipped bit of the database is found by whoever needs the page; nothing
 * wrong is ever answered. Pages that no question needs may pass. */
static void test_flips(void)
{
	struct place p;
	uint64_t g = 0, seed = 3, end, found = 0, tried = 0;
	off_t size;

	place_make(&p);
	end = make_folded(p.db, 150);
	place_save(&p);
	size = t_size(p.db, "");
	CHECK(size > 20 * 4096);
	for (off_t at = 0; at < size;) {
		place_restore(&p);
		flip(p.db, at, (unsigned int)(t_rng(&seed) % 8));
		tried++;
		if (examine(p.db, &g) == BC_OK)
			CHECK_EQ(g, end);
		else
			found++;
		/* Every byte of the header, then about ten in each page. */
		at += at < 100 ? 1 : (off_t)(t_rng(&seed) % 800 + 1);
	}
	CHECK(tried > 300);
	CHECK(found * 10 > tried * 9);
	check_rebuild(p.db);
	t_unfolder(p.dir);
}

/* Damage that a question meets inside a transaction ends it: nothing of it is
 * committed, and above all not the position alone. */
static void test_in_transaction(void)
{
	struct place p;
	struct catalog_position at, to;
	struct catalog_snapshot row;
	struct err e = ERR_INIT;
	struct catalog *c;
	struct digest id;
	uint64_t last, met = 0;
	enum bc_err rc;

	place_make(&p);
	last = make_folded(p.db, 150);
	place_save(&p);
	for (off_t page = 4096; page < t_size(p.old_db, ""); page += 4096) {
		struct catalog_options o = t_options(p.db);

		place_restore(&p);
		flip(p.db, page + 70, 1);
		if (catalog_open(&o, &c, &e) != BC_OK)
			continue;
		CHECK(!catalog_damaged(c));
		CHECK_OK(catalog_begin(c, &at, &e), &e);
		rc = BC_ENOTFOUND;
		for (uint64_t i = 1; i <= last && rc != BC_EDAMAGE; i++) {
			id = t_digest(1, i);
			rc = catalog_get_snapshot(c, &id, &row, &e);
		}
		CHECK_EQ(catalog_damaged(c), rc == BC_EDAMAGE);
		if (rc == BC_EDAMAGE) {
			met++;
			to = at;
			to.generation++;
			CHECK_OK(catalog_move(c, &to, &e), &e);
			CHECK(catalog_commit(c, &e) != BC_OK);
		}
		catalog_close(c);
		c = t_open(p.db);
		CHECK_OK(catalog_position(c, &to, &e), &e);
		CHECK_EQ(to.generation, at.generation);
		catalog_close(c);
	}
	CHECK(met > 3);
	t_unfolder(p.dir);
}

static int read_at(sqlite3_file *f, uint8_t *out, int n, off_t at)
{
	return f->pMethods->xRead(f, out, n, at);
}

/* SQLite may ask for a piece of a page, as it does since 3.45 with long values:
 * it gets it, and not from a page that is not what was written. */
static void test_pieces(void)
{
	static const int from_to[][2] = { { 0, 4088 }, { 0, 60 },
					  { 0, 100 },  { 4, 4096 },
					  { 24, 40 },  { 4000, 4088 } };
	struct place p;
	sqlite3 *db = NULL;
	sqlite3_file *f = NULL;
	uint8_t page[4096], piece[4096];
	uint64_t seed = 11;

	place_make(&p);
	make_folded(p.db, 60);
	CHECK_EQ(sqlite3_open_v2(p.db, &db, SQLITE_OPEN_READWRITE,
				 "blobctl-catalog"),
		 SQLITE_OK);
	CHECK_EQ(
		sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f),
		SQLITE_OK);
	CHECK_EQ(f->pMethods->xDeviceCharacteristics(f) & 0x8000, 0);
	for (off_t at = 4096; at < t_size(p.db, ""); at += 4096) {
		size_t k = t_rng(&seed) % 6;
		int from = from_to[k][0], n = from_to[k][1] - from;
		off_t bad = at + (off_t)(t_rng(&seed) % 4088);

		CHECK_EQ(read_at(f, page, 4096, at), SQLITE_OK);
		CHECK_EQ(read_at(f, piece, n, at + from), SQLITE_OK);
		CHECK(memcmp(piece, page + from, (size_t)n) == 0);
		flip(p.db, bad, 5);
		CHECK_EQ(read_at(f, piece, n, at + from), SQLITE_IOERR_DATA);
		flip(p.db, bad, 5);
	}
	/* Of two pages, of none, and of the first one but its header. */
	CHECK_EQ(read_at(f, piece, 200, 8192 - 100), SQLITE_IOERR_DATA);
	CHECK_EQ(read_at(f, piece, 60, t_size(p.db, "")), SQLITE_IOERR_DATA);
	CHECK_EQ(read_at(f, piece, 512, 0), SQLITE_IOERR_DATA);
	CHECK_EQ(read_at(f, piece, 100, 0), SQLITE_OK);
	CHECK_EQ(sqlite3_close(db), SQLITE_OK);
	t_unfolder(p.dir);
}

/* In the write-ahead file a flip loses what comes after it, so that the
 * catalog is older, and nothing else. */
static void test_flips_in_wal(void)
{
	struct place p;
	uint64_t g = 0, seed = 4, folded, older = 0, end;
	struct catalog *c;
	off_t size;

	place_make(&p);
	folded = make_folded(p.db, 60);
	c = t_open(p.db);
	t_advance_to(c, folded + 8);
	end = folded + 8;
	catalog_close(c);
	place_save(&p);
	size = t_size(p.wal, "");
	CHECK(size > 20 * 4096);
	for (off_t at = 0; at < size; at += (off_t)(t_rng(&seed) % 900 + 1)) {
		place_restore(&p);
		flip(p.wal, at, (unsigned int)(t_rng(&seed) % 8));
		if (examine(p.db, &g) == BC_OK) {
			CHECK(g >= folded && g <= end);
			older += g < end;
		}
		place_restore(&p);
		CHECK_EQ(truncate(p.wal, at), 0);
		CHECK_EQ(examine(p.db, &g), BC_OK);
		CHECK(g >= folded && g < end);
	}
	CHECK(older > 50);
	t_unfolder(p.dir);
}

static void zero_bytes(const struct place *p, off_t at, size_t n)
{
	static const uint8_t zero[4096];
	int fd;

	place_restore(p);
	fd = open(p->db, O_WRONLY | O_CLOEXEC);
	CHECK_EQ(pwrite(fd, zero, n, at), (ssize_t)n);
	close(fd);
}

static void test_truncation(void)
{
	struct place p;
	uint64_t seed = 5;
	uint64_t g = 0;
	unsigned found = 0;
	off_t size;

	place_make(&p);
	make_folded(p.db, 60);
	place_save(&p);
	size = t_size(p.db, "");
	for (off_t at = 0; at < size; at += (off_t)(t_rng(&seed) % 2000 + 1)) {
		place_restore(&p);
		CHECK_EQ(truncate(p.db, at), 0);
		CHECK(found_out(p.db));
	}
	/* A page lost in the middle, as a crash can leave it, or its last
	 * sector, which has the seal; then the answers are right where there
	 * was nothing else in it. */
	for (off_t at = 0; at < size; at += 4096) {
		zero_bytes(&p, at, 4096);
		CHECK(found_out(p.db));
		zero_bytes(&p, at + 4096 - 512, 512);
		found += examine(p.db, &g) == BC_EDAMAGE;
	}
	CHECK(found > 0);
	check_rebuild(p.db);
	t_unfolder(p.dir);
}

/* A page that is whole, but was written to another's place, or is older. */
static void test_misplaced_page(void)
{
	struct place p;
	uint64_t seed = 6;
	uint8_t page[4096];
	off_t pages, from, to;
	int fd;

	place_make(&p);
	make_folded(p.db, 60);
	place_save(&p);
	pages = t_size(p.db, "") / 4096;
	for (int i = 0; i < 40; i++) {
		from = (off_t)(t_rng(&seed) % (uint64_t)pages);
		to = (off_t)(t_rng(&seed) % (uint64_t)pages);
		if (from == to)
			continue;
		place_restore(&p);
		fd = open(p.db, O_RDWR | O_CLOEXEC);
		CHECK_EQ(pread(fd, page, 4096, from * 4096), 4096);
		CHECK_EQ(pwrite(fd, page, 4096, to * 4096), 4096);
		close(fd);
		CHECK(found_out(p.db));
	}
	t_unfolder(p.dir);
}

static void put_bytes(const char *path, const void *b, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, b, n), (ssize_t)n);
	close(fd);
}

/* Take the seals off, which would find what run_sql() does. */
static void unseal(const char *path)
{
	static const uint8_t none[8];
	off_t size = t_size(path, "");
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	for (off_t at = 4096; at <= size; at += 4096)
		CHECK_EQ(pwrite(fd, none, 8, at - 8), 8);
	close(fd);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db); /* folds */
}

static void test_not_a_catalog(void)
{
	static const char *const spoil[] = {
		"PRAGMA user_version = 2",
		"PRAGMA application_id = 7",
		"UPDATE position SET schema = 2",
		"UPDATE position SET digest = x'00'",
		"UPDATE position SET next_slot = 70000",
		"UPDATE position SET epoch = epoch + 1",
		"DELETE FROM position",
		"DROP TABLE base",
		"DROP TABLE snapshot",
		"ALTER TABLE snapshot RENAME COLUMN host TO guest",
		"UPDATE snapshot SET root = x'0102' WHERE place % 16 = 9",
		"UPDATE snapshot SET files = -1 WHERE place % 16 = 9",
		"UPDATE pack SET kind = 4 WHERE number % 8 = 3",
		"UPDATE pack SET state = 3 WHERE number % 8 = 3",
	};
	struct place p;
	struct catalog_options o;
	struct catalog *c = NULL;
	struct err e = ERR_INIT;
	uint8_t garbage[20000];
	uint64_t g = 0, seed = 7;
	enum bc_err rc;

	place_make(&p);
	o = t_options(p.db);
	t_fill(&seed, garbage, sizeof(garbage));
	/* To SQLite a file of one byte is an empty one. */
	for (size_t n = 2; n < sizeof(garbage); n = n * 3 + 5) {
		put_bytes(p.db, garbage, n);
		CHECK_EQ(examine(p.db, &g), BC_EDAMAGE);
		/* Nor is it written over. */
		CHECK_EQ(catalog_open(&o, &c, &e), BC_EDAMAGE);
		CHECK_EQ(t_size(p.db, ""), (off_t)n);
	}
	/* Nothing at all is where one may be made, but only then. */
	put_bytes(p.db, "", 0);
	CHECK_EQ(examine(p.db, &g), BC_EDAMAGE);
	check_rebuild(p.db);
	CHECK_OK(catalog_remove(p.db, &e), &e);

	/* Somebody else's database. */
	run_sql(p.db, "CREATE TABLE mine(a); INSERT INTO mine VALUES(1)");
	CHECK_EQ(examine(p.db, &g), BC_EDAMAGE);
	CHECK_EQ(catalog_open(&o, &c, &e), BC_EDAMAGE);
	CHECK_OK(catalog_remove(p.db, &e), &e);

	/* Whole pages, wrong contents. */
	make_folded(p.db, 60);
	place_save(&p);
	run_sql(p.db, "UPDATE snapshot SET files = files + 1");
	CHECK_EQ(examine(p.db, &g), BC_EDAMAGE);
	for (size_t i = 0; i < sizeof(spoil) / sizeof(*spoil); i++) {
		place_restore(&p);
		unseal(p.db);
		run_sql(p.db, spoil[i]);
		rc = examine(p.db, &g);
		/* The first two are for people and for file(1). */
		if (i < 2)
			CHECK_EQ(rc, BC_OK);
		else if (rc != BC_EDAMAGE)
			T_FAIL("%s: %d", spoil[i], rc);
	}
	t_unfolder(p.dir);
}

/* What SQLite takes for whole, the sums do not. */
static void test_verify(void)
{
	static const char *const spoil[] = {
		"DELETE FROM snapshot WHERE place = (SELECT MAX(place)"
		" FROM snapshot); DELETE FROM tag WHERE snapshot NOT IN"
		" (SELECT place FROM snapshot)",
		"UPDATE snapshot SET id = randomblob(32) WHERE place ="
		" (SELECT MAX(place) FROM snapshot)",
		"INSERT INTO tag VALUES(1, x'00', x'00', 1)",
		"UPDATE tag SET time = time + 1 WHERE snapshot ="
		" (SELECT MAX(place) FROM snapshot)",
		"UPDATE position SET snapshots = snapshots - 1",
	};
	struct place p;
	struct catalog *c;
	struct err e = ERR_INIT;

	place_make(&p);
	make_folded(p.db, 60);
	place_save(&p);
	for (size_t i = 0; i < sizeof(spoil) / sizeof(*spoil); i++) {
		place_restore(&p);
		unseal(p.db);
		c = t_open(p.db);
		CHECK_OK(catalog_verify(c, &e), &e);
		catalog_close(c);
		run_sql(p.db, spoil[i]);
		c = t_open(p.db);
		if (catalog_verify(c, &e) != BC_EDAMAGE)
			T_FAIL("not found: %s", spoil[i]);
		catalog_close(c);
	}
	t_unfolder(p.dir);
}

/* Copies are taken at random moments; later one or both of the files are put
 * back. Both: an older catalog. One: found, unless they do fit together. */
static void test_older_copy(void)
{
	struct place p;
	struct catalog *c;
	uint64_t g = 0, seed = 8, saved = 0, found = 0, older = 0;
	enum bc_err rc;

	for (int round = 0; round < 40; round++) {
		place_make(&p);
		c = t_open(p.db);
		t_advance_to(c, 1 + t_rng(&seed) % 100);
		catalog_close(c);
		place_save(&p);
		CHECK_EQ(examine(p.db, &saved), BC_OK);
		c = t_open(p.db);
		t_advance_to(c, saved + 1 + t_rng(&seed) % 100);
		catalog_close(c);
		switch (round % 3) {
		case 0: /* both */
			place_restore(&p);
			CHECK_EQ(examine(p.db, &g), BC_OK);
			CHECK_EQ(g, saved);
			older++;
			break;
		case 1: /* the database alone */
			copy_file(p.old_db, p.db);
			found += examine(p.db, &g) == BC_EDAMAGE;
			break;
		default: /* the write-ahead file alone */
			copy_file(p.old_wal, p.wal);
			found += examine(p.db, &g) == BC_EDAMAGE;
			break;
		}
		/* The database alone, without what was written ahead, is of
		 * the last fold, or empty. */
		place_restore(&p);
		unlink(p.wal);
		rc = examine(p.db, &g);
		if (rc == BC_OK)
			CHECK(g <= saved);
		/* And the write-ahead file alone is nothing. */
		place_restore(&p);
		unlink(p.db);
		c = t_open(p.db);
		catalog_close(c);
		CHECK_EQ(examine(p.db, &g), BC_OK);
		CHECK_EQ(g, 0);
		t_unfolder(p.dir);
	}
	CHECK(found > 5);
	CHECK(older > 5);
}

/* ---- processes ---- */

static int wait_child(pid_t pid)
{
	int status = 0;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static bool child_passed(pid_t pid)
{
	int status = wait_child(pid);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* SIGKILL at any moment: what is there is what some commit left, and it goes
 * on from there. */
static void test_kill(void)
{
	struct place p;
	uint64_t g = 0, last = 0, seed = 9, moved = 0;
	pid_t pid;
	int status;

	place_make(&p);
	/* Sooner or later, so that some come early and some get far. */
	for (uint64_t round = 0; moved < 12 && last < 4 * TO; round++) {
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			struct catalog *c = t_open(p.db);

			t_advance_to(c, 4 * TO);
			_exit(0);
		}
		usleep((useconds_t)(t_rng(&seed) % (1000 + 500 * round)));
		kill(pid, SIGKILL);
		status = wait_child(pid);
		CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		/* Killed before there was anything: also a state. */
		if (t_size(p.db, "") <= 0)
			continue;
		if (examine(p.db, &g) == BC_EDAMAGE) {
			CHECK_EQ(last, 0); /* tables were not yet made */
			continue;
		}
		CHECK(g >= last);
		moved += g > last;
		last = g;
	}
	CHECK(moved > 3);
	{
		struct catalog *c = t_open(p.db);
		struct err e = ERR_INIT;

		CHECK_OK(catalog_verify(c, &e), &e);
		catalog_close(c);
	}
	t_unfolder(p.dir);
}

/* Two write, two read; every reader sees whole generations, no step is lost
 * or taken twice. */
static void test_processes(void)
{
	enum { WRITERS = 2, READERS = 2, EACH = 120 };
	struct place p;
	pid_t pid[WRITERS + READERS];
	struct catalog *c;
	struct err e = ERR_INIT;
	uint64_t g = 0;

	place_make(&p);
	c = t_open(p.db);
	catalog_close(c);
	for (int i = 0; i < WRITERS + READERS; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] != 0)
			continue;
		c = t_open(p.db);
		for (int k = 0; k < EACH; k++) {
			uint32_t crc = 0;

			if (i < WRITERS) {
				CHECK_OK(t_advance(c, &g, &e), &e);
				continue;
			}
			CHECK_OK(t_dump(c, &g, &crc, &e), &e);
			CHECK_EQ(crc, want[g]);
		}
		catalog_close(c);
		_exit(0);
	}
	for (int i = 0; i < WRITERS + READERS; i++)
		CHECK(child_passed(pid[i]));
	CHECK_EQ(examine(p.db, &g), BC_OK);
	CHECK_EQ(g, WRITERS * EACH);
	t_unfolder(p.dir);
}

/* Several make it at once: all of them get the one that is made. */
static void test_two_makers(void)
{
	enum { MAKERS = 4, ROUNDS = 10 };
	struct place p;
	pid_t pid[MAKERS];
	struct err e = ERR_INIT;
	uint64_t g = 0;
	int gate[2];
	char c1;

	place_make(&p);
	for (int round = 0; round < ROUNDS; round++) {
		CHECK_OK(catalog_remove(p.db, &e), &e);
		CHECK_EQ(pipe(gate), 0);
		for (int i = 0; i < MAKERS; i++) {
			pid[i] = fork();
			CHECK(pid[i] >= 0);
			if (pid[i] != 0)
				continue;
			close(gate[1]);
			(void)!read(gate[0], &c1, 1); /* all start at once */
			catalog_close(t_open(p.db));
			{
				struct catalog *c = t_open(p.db);

				CHECK_OK(t_advance(c, &g, &e), &e);
				catalog_close(c);
			}
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		for (int i = 0; i < MAKERS; i++)
			CHECK(child_passed(pid[i]));
		CHECK_EQ(examine(p.db, &g), BC_OK);
		CHECK_EQ(g, MAKERS);
	}
	t_unfolder(p.dir);
}

/* ---- the file system says no ---- */

static void try_open(const char *path, bool create, enum bc_err want_rc)
{
	struct catalog_options o = t_options(path);
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	o.create = create;
	CHECK_EQ(catalog_open(&o, &c, &e), want_rc);
	CHECK(c == NULL && e.text[0] != '\0');
}

static void chmod_all(const char *db, mode_t mode)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };
	char name[PATH_BYTES];

	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", db, suffix[i]);
		CHECK(chmod(name, mode) == 0 || errno == ENOENT);
	}
}

static void read_only_child(const struct place *p, bool alone)
{
	char none[PATH_BYTES];
	struct catalog_position at;
	struct catalog *c;
	struct err e = ERR_INIT;
	uint64_t g = 0;

	t_join(none, p->dir, "none.db");
	if (geteuid() == 0) {
		CHECK(t_own_mounts());
		CHECK(mount(p->dir, p->dir, NULL, MS_BIND, NULL) == 0);
		CHECK(mount(NULL, p->dir, NULL,
			    MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	} else {
		/* A folder that is not writable does not protect its files. */
		chmod_all(p->db, 0444);
		CHECK(chmod(p->dir, 0555) == 0);
	}
	if (alone) {
		try_open(p->db, false, BC_EACCES);
		try_open(p->db, true, BC_EACCES);
	} else {
		CHECK_EQ(examine(p->db, &g), BC_OK);
		CHECK_EQ(g, 30);
		c = t_open(p->db);
		CHECK(!catalog_writable(c));
		CHECK_EQ(catalog_begin(c, &at, &e), BC_EACCES);
		CHECK_OK(catalog_verify(c, &e), &e);
		catalog_close(c);
	}
	try_open(none, true, BC_EACCES);
	try_open(none, false, BC_ENOTFOUND);
}

/* What the last writer left can be read; the database alone cannot. */
static void test_read_only(void)
{
	struct place p;
	struct catalog *c;
	uint64_t g = 0;
	pid_t pid;
	int status;

	place_make(&p);
	if (geteuid() == 0 && !t_may_mount(p.dir)) {
		T_SKIP(T_NO_MOUNT);
		t_unfolder(p.dir);
		return;
	}
	c = t_open(p.db);
	CHECK(catalog_writable(c));
	t_advance_to(c, 30);
	catalog_close(c);
	for (int alone = 0; alone < 2; alone++) {
		if (alone == 1)
			run_sql(p.db, "SELECT 1 FROM position");
		CHECK_EQ(t_size(p.db, "-wal") == -1, alone);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			read_only_child(&p, alone == 1);
			_exit(0);
		}
		status = wait_child(pid);
		chmod(p.dir, 0755);
		chmod_all(p.db, 0644);
		CHECK(WIFEXITED(status));
		CHECK_EQ(WEXITSTATUS(status), 0);
	}
	CHECK_EQ(examine(p.db, &g), BC_OK);
	CHECK_EQ(g, 30);
	t_unfolder(p.dir);
}

static void test_odd_places(void)
{
	struct place p;
	char path[PATH_BYTES];
	struct catalog_options o;
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	place_make(&p);
	t_join(path, p.dir, "no/c.db");
	o = t_options(path);
	CHECK_EQ(catalog_open(&o, &c, &e), BC_EACCES);
	o.create = false;
	CHECK_EQ(catalog_open(&o, &c, &e), BC_ENOTFOUND);
	o.path = p.dir; /* a folder */
	CHECK_EQ(catalog_open(&o, &c, &e), BC_EACCES);
	CHECK(c == NULL);
	t_unfolder(p.dir);
}

/* Fill up, fail, and stand where the last commit left it; with room again, go
 * on. */
static void full_disk_child(const struct place *p)
{
	struct catalog *c = NULL;
	struct catalog_options o = t_options(p->db);
	struct err e = ERR_INIT;
	char filler[PATH_BYTES];
	uint8_t block[4096] = { 1 };
	uint64_t g = 0, last = 0, failures = 0;
	uint32_t crc = 0;
	enum bc_err rc;
	int fd;

	CHECK(t_own_mounts());
	CHECK(mount("tmpfs", p->dir, "tmpfs", 0, "size=1m") == 0);
	t_join(filler, p->dir, "filler");
	/* With everything from no room to much of it. */
	for (off_t room = 0; room <= 800 * 1024; room += 20 * 1024) {
		CHECK_OK(catalog_remove(p->db, &e), &e);
		last = 0;
		fd = open(filler, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			  0644);
		CHECK(fd >= 0);
		while (write(fd, block, sizeof(block)) > 0)
			;
		CHECK_EQ(ftruncate(fd, lseek(fd, 0, SEEK_CUR) > room
					       ? lseek(fd, 0, SEEK_CUR) - room
					       : 0),
			 0);
		close(fd);
		err_clear(&e);
		rc = catalog_open(&o, &c, &e);
		while (rc == BC_OK && last < 300) {
			rc = t_advance(c, &g, &e);
			if (rc == BC_OK)
				last = g;
			if (rc == BC_OK && last % 10 == 0)
				CHECK_OK(t_dump(c, &g, &crc, &e), &e);
		}
		if (rc != BC_OK) {
			if (rc != BC_ENOSPC)
				T_FAIL("room %lld: %d: %s", (long long)room, rc,
				       e.text);
			failures++;
		}
		/* The handle that failed still answers. */
		if (c != NULL && last > 0) {
			CHECK_OK(t_dump(c, &g, &crc, &e), &e);
			CHECK_EQ(g, last);
			CHECK_EQ(crc, want[last]);
		}
		CHECK_EQ(unlink(filler), 0);
		if (c != NULL) {
			CHECK_OK(t_advance(c, &g, &e), &e);
			CHECK_EQ(g, last + 1);
		}
		catalog_close(c);
		c = t_open(p->db);
		CHECK_OK(t_dump(c, &g, &crc, &e), &e);
		CHECK_EQ(crc, want[g]);
		CHECK_OK(catalog_verify(c, &e), &e);
		catalog_close(c);
		c = NULL;
	}
	CHECK(failures > 10);
}

static void test_full_disk(void)
{
	struct place p;
	pid_t pid;
	int status;

	place_make(&p);
	if (!t_may_mount(p.dir)) {
		T_SKIP(T_NO_MOUNT);
		t_unfolder(p.dir);
		return;
	}
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		full_disk_child(&p);
		_exit(0);
	}
	status = wait_child(pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	t_unfolder(p.dir);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0); /* children must not repeat it */
	t_reference(4 * TO, want);
	RUN(test_flips);
	RUN(test_in_transaction);
	RUN(test_pieces);
	RUN(test_flips_in_wal);
	RUN(test_truncation);
	RUN(test_misplaced_page);
	RUN(test_not_a_catalog);
	RUN(test_verify);
	RUN(test_older_copy);
	RUN(test_kill);
	RUN(test_processes);
	RUN(test_two_makers);
	RUN(test_read_only);
	RUN(test_odd_places);
	RUN(test_full_disk);
	return 0;
}
