/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several copies of one chunk: the overlay knows one, the index on disk the
 * other, and what is damaged of either does not hide the good one.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "index/format.h"
#include "io/fault.h"
#include "repo/absent.h"
#include "repo/dirs.h"
#include "repo/pack_files.h"
#include "repo/views.h"
#include "tests/unit/repo_kit.h"

/* One chunk, which lies in the log. */
static const struct kit_spec spec = {
	.name = "x", .seed = 3, .files = 1, .bytes = 30000, .chunk = 30000
};

/* The same chunk among others, in a pack. */
static const struct kit_spec many = {
	.name = "x", .seed = 3, .files = 60, .bytes = 30000, .chunk = 30000
};

static struct digest chunk_id(void)
{
	uint8_t *p = malloc(spec.chunk);
	struct digest id;

	CHECK(p != NULL);
	kit_bytes(&spec, 0, 0, 0, p, spec.bytes);
	sha256_one(bytes_of(p, spec.bytes), &id);
	free(p);
	return id;
}

/* Where a block lies. */
struct spot {
	uint32_t pack, offset;
};

/* Another copy of what is in a block, or in all of a pack. */
static void copy(struct kit *k, const struct kit_spec *sp, struct spot b)
{
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);
	struct digest snapshot;

	repo_hurt_found(r, b.pack, b.offset);
	CHECK_EQ(kit_put(k, s, sp, &snapshot), sp->files);
	session_end(s);
	repo_close(r);
	/* So that no other handle takes the block for hurt. */
	kit_sh("rm -rf %s/cache", k->path);
}

static void index_now(struct kit *k)
{
	struct repo *r = kit_repo(k, true);

	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	repo_update_index(r, true);
	CHECK_EQ(r->overlay.n, 0);
	repo_close(r);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t b = 0;

	CHECK(fd >= 0 && pread(fd, &b, 1, at) == 1);
	b ^= 0x5a;
	CHECK(pwrite(fd, &b, 1, at) == 1);
	close(fd);
}

/* Every page of the index, but not the headers: the files are opened. */
static void spoil_index(const struct kit *k)
{
	char folder[2 * KIT_PATH_BYTES];
	unsigned pages = 0;
	struct dirent *de;
	DIR *d = opendir(kit_at(k, "index", folder));

	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL) {
		char path[4 * KIT_PATH_BYTES];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, de->d_name);
		CHECK(stat(path, &st) == 0);
		for (off_t at = INDEX_PAGE_BYTES;
		     S_ISREG(st.st_mode) && at < st.st_size;
		     at += INDEX_PAGE_BYTES) {
			flip(path, at + 40);
			pages++;
		}
	}
	closedir(d);
	CHECK(pages > 0);
}

/* The block of the first place that a new handle finds, and its file. */
static struct spot first_block(struct kit *k, bool spoil, char *path)
{
	struct digest id = chunk_id();
	struct repo *r = kit_repo(k, false);
	struct chunk_place p;
	struct io_file *f = NULL;
	struct pack_ref ref;
	struct spot b;

	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	CHECK_OK(repo_locate(r, &id, &p, &k->e), &k->e);
	b = (struct spot){ p.ref.pack.number,
			   p.ref.dir->blocks[p.block].offset };
	CHECK_OK(repo_pack_ref(r, b.pack, &ref, &k->e), &k->e);
	CHECK_OK(repo_open_pack(r, &ref, false, &f, &k->e), &k->e);
	if (spoil)
		flip(io_file_path(f), b.offset + BLOCK_HEAD_BYTES + 100);
	if (path != NULL)
		snprintf(path, 4 * KIT_PATH_BYTES, "%s", io_file_path(f));
	io_file_close(f, NULL);
	chunk_place_put(r, &p);
	repo_close(r);
	return b;
}

/* B, good, in the index on disk; A, later, in the overlay. */
static void two_copies(struct kit *k, bool spoil)
{
	struct spot a, b;

	kit_create(k, 0);
	kit_one(k, &spec);
	b = first_block(k, false, NULL);
	index_now(k);
	copy(k, &spec, b);
	a = first_block(k, spoil, NULL);
	CHECK(a.pack != b.pack || a.offset != b.offset);
}

static enum bc_err read_it(struct kit *k, struct repo *r)
{
	struct digest id = chunk_id(), got;
	struct chunk_reader *c = NULL;
	struct bytes out;
	enum bc_err rc;

	CHECK_OK(chunk_reader_new(r, &c, &k->e), &k->e);
	rc = chunk_read(c, &id, &out, &k->e);
	if (rc == BC_OK) {
		sha256_one(out, &got);
		CHECK(digest_eq(&got, &id));
	}
	chunk_reader_free(c);
	return rc;
}

/* The index is healed while the copies are gone through, and lists them in
 * another order then. */
static void healed_between(struct kit *k)
{
	struct repo *r;

	two_copies(k, true);
	spoil_index(k);
	r = kit_repo(k, true);
	CHECK_OK(read_it(k, r), &k->e);
	CHECK(strstr(k->notes, "the index is damaged") != NULL);
	repo_close(r);
}

/* The same when A cannot be found at all: its pack is gone. */
static void lost_before_healed(struct kit *k)
{
	char path[4 * KIT_PATH_BYTES];
	struct spot a, b;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &many);
	b = first_block(k, false, path);
	CHECK(strstr(path, "/packs/") != NULL);
	index_now(k);
	b.offset = HURT_WHOLE;
	copy(k, &many, b);
	a = first_block(k, false, path);
	CHECK(a.pack != b.pack);
	spoil_index(k);
	r = kit_repo(k, true);
	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	CHECK(unlink(path) == 0);
	CHECK_OK(read_it(k, r), &k->e);
	CHECK(strstr(k->notes, "the index is damaged") != NULL);
	repo_close(r);
}

/* Two searches at once: the one that did not heal the index finds what the
 * other does. */
static void healed_by_another(struct kit *k)
{
	struct digest id = chunk_id();
	struct chunk_search s[2];
	struct repo *r;

	two_copies(k, false);
	spoil_index(k);
	r = kit_repo(k, true);
	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	for (int i = 0; i < 2; i++)
		repo_search(&s[i], r, &id, DIR_HINT);
	for (int i = 0; i < 2; i++) {
		struct chunk_place p;
		struct spot at[2];

		for (int j = 0; j < 2; j++) {
			CHECK_OK(repo_search_next(&s[i], &p, &k->e), &k->e);
			at[j] = (struct spot){
				p.ref.pack.number,
				p.ref.dir->blocks[p.block].offset
			};
			chunk_place_put(r, &p);
		}
		CHECK(at[0].pack != at[1].pack || at[0].offset != at[1].offset);
		for (int j = 0; j < 2; j++)
			CHECK_EQ(repo_search_next(&s[i], &p, &k->e),
				 BC_ENOTFOUND);
	}
	repo_close(r);
}

/* A pack that cannot be read is told, whatever the reason, when what it should
 * have is stored again. */
static void unread_is_told(struct kit *k)
{
	static const char *const why[] = { "EMFILE", "EACCES", "EIO" };
	struct io *was = k->io;
	char path[4 * KIT_PATH_BYTES];

	kit_create(k, 0);
	kit_one(k, &many);
	(void)first_block(k, false, path);
	CHECK(strstr(path, "/packs/") != NULL);
	index_now(k);
	kit_sh("cp -a %s %s/good", k->path, k->dir);
	for (int i = 0; i < 3; i++) {
		struct io_fault_plan plan;
		struct io_fault *f = NULL;
		struct io_options o = { .engine = IO_ENGINE_PSYNC };
		struct kit_spec sp = many;
		struct digest id;
		struct session *s;
		struct repo *r;
		char text[128];

		snprintf(text, sizeof(text), "read@%s:1+:%s",
			 strrchr(path, '/'), why[i]);
		CHECK_OK(io_fault_parse(text, &plan, &k->e), &k->e);
		CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
		o.seam = io_fault_seam(f);
		CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
		r = kit_repo(k, true);
		s = kit_session(k, r);
		CHECK_EQ(kit_put(k, s, &sp, &id), many.files);
		CHECK(strstr(k->notes, "is stored again") != NULL);
		session_end(s);
		repo_close(r);
		io_close(k->io);
		io_fault_free(f);
		kit_sh("rm -r %s; cp -a %s/good %s", k->path, k->dir, k->path);
	}
	k->io = was;
}

/* ---- an index that cannot be healed ---------------------------------------
 */

/* Ask for a chunk that is there, as get and put do: the failure is what became
 * of the index, and never that the chunk is missing. */
static void check_broken(struct kit *k, struct repo *r, enum bc_err want,
			 const char *text)
{
	const struct digest id = chunk_id(), *one = &id;
	struct err unread = ERR_INIT;
	struct chunk_search s;
	struct chunk_place p;
	bool fresh = true;

	err_clear(&k->e);
	repo_search(&s, r, &id, DIR_HINT);
	CHECK_EQ(repo_search_next(&s, &p, &k->e), want);
	CHECK(repo_search_failed(&s));
	CHECK(strstr(k->e.text, text) != NULL);
	err_clear(&k->e);
	CHECK_EQ(repo_absent(r, &one, 1, &fresh, &unread, &k->e), want);
	CHECK_EQ(unread.code, BC_OK);
	CHECK(strstr(k->e.text, text) != NULL);
	err_clear(&k->e);
	CHECK_EQ(repo_need_index(r, &k->e), want);
	CHECK(strstr(k->e.text, text) != NULL);
	err_clear(&k->e);
}

/* A handle whose index on disk is met damaged by the next lookup. */
static struct repo *with_spoilt_index(struct kit *k, bool write)
{
	struct repo *r = kit_repo(k, write);

	CHECK_OK(repo_need_index(r, &k->e), &k->e);
	spoil_index(k);
	return r;
}

/* It cannot be written, and is too large for memory. */
static void broken_too_large(struct kit *k)
{
	struct digest id = chunk_id();
	struct chunk_reader *c = NULL;
	struct bytes out;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &many);
	for (int write = 0; write < 2; write++) {
		index_now(k);
		r = with_spoilt_index(k, write);
		CHECK_OK(chunk_reader_new(r, &c, &k->e), &k->e);
		r->read_only = true;
		r->overlay.mem.max = 5;
		for (int i = 0; i < 2; i++)
			check_broken(k, r, BC_ELIMIT, "more than 5 chunks");
		CHECK_EQ(chunk_read(c, &id, &out, &k->e), BC_ELIMIT);
		chunk_reader_free(c);
		/* Once, not at each lookup. */
		CHECK(strstr(strstr(k->notes, "making it") + 1, "making it") ==
		      NULL);
		repo_close(r);
		/* The same when it is opened. */
		kit_sh("rm -r %s/index", k->path);
		r = kit_repo(k, write);
		r->read_only = true;
		r->overlay.mem.max = 5;
		CHECK_EQ(repo_need_index(r, &k->e), BC_ELIMIT);
		CHECK(strstr(k->e.text, "more than 5 chunks") != NULL);
		CHECK(k->e.hint[0] != '\0');
		r->overlay.mem.max = 1000;
		CHECK_OK(repo_index_anew(r, &k->e), &k->e);
		CHECK_OK(read_it(k, r), &k->e);
		repo_close(r);
	}
}

/* No file can be opened. It stays so: what a half has been made of is gone. */
static void broken_without_files(struct kit *k)
{
	struct rlimit was, none;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &many);
	index_now(k);
	r = with_spoilt_index(k, false);
	CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
	none = was;
	none.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	check_broken(k, r, BC_ESYS, "Too many open files");
	CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
	check_broken(k, r, BC_ESYS, "Too many open files");
	repo_close(r);
	r = kit_repo(k, false);
	CHECK_OK(read_it(k, r), &k->e);
	repo_close(r);
}

static struct io_file *views_lock(struct kit *k, struct io_dir **dir)
{
	struct io_file *lock = NULL;

	CHECK_OK(io_dir_open(k->io, k->path, dir, &k->e), &k->e);
	CHECK_OK(io_file_open(*dir, REPO_LOCK_FILE, IO_READ | IO_WRITE, &lock,
			      &k->e),
		 &k->e);
	CHECK_OK(io_file_lock(lock, REPO_LOCK_VIEWS, 1, IO_LOCK_EXCLUSIVE,
			      IO_LOCK_TRY, &k->e),
		 &k->e);
	return lock;
}

static void *unlock_soon(void *lock)
{
	usleep(200000);
	CHECK(io_file_unlock(lock, REPO_LOCK_VIEWS, 1, NULL) == BC_OK);
	return NULL;
}

/* Another process is at the index on disk: it is waited for, and without it the
 * index is made in memory, if it fits. */
static void healed_beside_another(struct kit *k)
{
	struct io_dir *dir = NULL;
	struct io_file *lock;
	pthread_t t;
	struct repo *r;

	kit_create(k, 0);
	kit_one(k, &many);
	index_now(k);
	r = with_spoilt_index(k, false);
	lock = views_lock(k, &dir);
	r->lock_wait_ms = 1;
	r->overlay.mem.max = 5;
	check_broken(k, r, BC_ELOCKED, "is locked by another run");
	repo_close(r);
	r = kit_repo(k, false);
	r->lock_wait_ms = 1;
	CHECK_OK(read_it(k, r), &k->e);
	CHECK(r->index == NULL);
	repo_close(r);
	/* What the other has left there is looked at, and is no better. */
	r = kit_repo(k, false);
	CHECK(pthread_create(&t, NULL, unlock_soon, lock) == 0);
	CHECK_OK(read_it(k, r), &k->e);
	CHECK(r->index != NULL);
	CHECK(pthread_join(t, NULL) == 0);
	repo_close(r);
	io_file_close(lock, NULL);
	io_dir_close(dir);
	r = kit_repo(k, false);
	CHECK_OK(read_it(k, r), &k->e);
	CHECK_STR(k->notes, "");
	repo_close(r);
}

/* A run of the index that cannot be written costs the next lookups nothing. */
static void run_not_written(struct kit *k)
{
	struct io *was = k->io;
	struct io_options o = { .engine = IO_ENGINE_PSYNC };
	struct kit_spec sp = many;
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct session *s;
	struct digest id;
	struct repo *r;

	kit_create(k, 0);
	CHECK_OK(io_fault_parse("write@/index/:1+:ENOSPC", &plan, &k->e),
		 &k->e);
	CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
	o.seam = io_fault_seam(f);
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_EQ(kit_put(k, s, &sp, &id), many.files);
	repo_update_index(r, true);
	CHECK(strstr(k->notes, "the index was not updated") != NULL);
	sp.name = "again";
	CHECK_EQ(kit_put(k, s, &sp, &id), 0);
	kit_verify(r, &id, &sp);
	session_end(s);
	repo_close(r);
	io_close(k->io);
	io_fault_free(f);
	k->io = was;
}

/* ---- files ----------------------------------------------------------------
 */

static unsigned open_packs(const struct pack_files *p)
{
	unsigned n = 0;

	for (int i = 0; i < PACK_FILES_MAX; i++)
		n += p->at[i].file != NULL;
	return n;
}

/* Many packs in use at once, and then none: the last few stay open. */
static void few_packs_kept(struct kit *k)
{
	enum { PACKS = 6, KEPT = 2 };
	struct pack_numbers v = { NULL, 0, 0 };
	struct pack_file *f[PACKS], *again = NULL;
	struct kit_spec sp = many;
	struct pack_files p;
	struct repo *r;

	kit_create(k, 0);
	for (int i = 0; i < PACKS; i++) {
		sp.seed = 100 + (uint64_t)i;
		kit_one(k, &sp);
	}
	r = kit_repo(k, false);
	CHECK_OK(repo_pack_numbers(r, 1 << CATALOG_LIVE, &v, &k->e), &k->e);
	CHECK(v.n >= PACKS);
	pack_files_init(&p, r, false, KEPT);
	for (int i = 0; i < PACKS; i++)
		CHECK_OK(pack_files_get(&p, v.at[i], &f[i], &k->e), &k->e);
	CHECK_EQ(open_packs(&p), PACKS);
	for (unsigned i = 0; i < PACKS; i++) {
		pack_files_put(&p, f[i]);
		CHECK_EQ(open_packs(&p),
			 i < KEPT ? PACKS : PACKS + KEPT - 1 - i);
	}
	for (unsigned i = 0; i < PACKS; i++) {
		CHECK_OK(pack_files_get(&p, v.at[i], &again, &k->e), &k->e);
		CHECK(again->file != NULL);
		pack_files_put(&p, again);
		CHECK_EQ(open_packs(&p), KEPT);
	}
	pack_files_fini(&p);
	free(v.at);
	repo_close(r);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
#define BOTH(f)                                                                \
	do {                                                                   \
		both_engines(f);                                               \
		t_ok(#f);                                                      \
	} while (0)
	BOTH(healed_between);
	BOTH(lost_before_healed);
	BOTH(healed_by_another);
	BOTH(unread_is_told);
	BOTH(broken_too_large);
	BOTH(broken_without_files);
	BOTH(healed_beside_another);
	BOTH(run_not_written);
	BOTH(few_packs_kept);
	return 0;
}
