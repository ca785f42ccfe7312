/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo_kit - for tests of whole repositories: a scratch folder, a repository
 * in it, snapshots made from a seed and compared with the seed again.
 */
#ifndef BC_TESTS_REPO_KIT_H
#define BC_TESTS_REPO_KIT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash/sha256.h"
#include "repo/chunks.h"
#include "repo/create.h"
#include "repo/layout.h"
#include "repo/session.h"
#include "repo/state.h"
#include "tests/unit/t.h"
#include "tree/builder.h"
#include "tree/content_builder.h"
#include "tree/content_reader.h"
#include "tree/reader.h"
#include "tree/snapshot_record.h"

enum { KIT_PATH_BYTES = 256, KIT_NOTES_BYTES = 8192, KIT_BATCH = 16 };

/* ---- randomness and time that repeat --------------------------------------
 */

struct kit_rng {
	pthread_mutex_t lock;
	uint64_t state;
};

static inline enum bc_err kit_fill(void *ctx, void *p, size_t n, struct err *e)
{
	struct kit_rng *r = ctx;

	(void)e;
	pthread_mutex_lock(&r->lock);
	t_fill(&r->state, p, n);
	pthread_mutex_unlock(&r->lock);
	return BC_OK;
}

/* Each look at the clock is a second later than the one before. */
static inline int64_t kit_now(void *ctx)
{
	int64_t *now = ctx;

	return __atomic_add_fetch(now, 1000000000, __ATOMIC_RELAXED);
}

/* ---- a scratch folder -----------------------------------------------------
 */

struct kit {
	struct io *io;
	struct kit_rng rng;
	int64_t now;
	char dir[KIT_PATH_BYTES];  /* scratch */
	char path[KIT_PATH_BYTES]; /* of the repository */
	char notes[KIT_NOTES_BYTES];
	struct err e;
};

static inline int kit_rm_one(const char *path, const struct stat *st, int flag,
			     struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void kit_rm(const char *path)
{
	if (access(path, F_OK) == 0)
		CHECK(nftw(path, kit_rm_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static inline void kit_sh(const char *fmt, ...) BC_PRINTF(1, 2);
static inline void kit_sh(const char *fmt, ...)
{
	char line[4 * KIT_PATH_BYTES];
	va_list ap;

	va_start(ap, fmt);
	CHECK(vsnprintf(line, sizeof(line), fmt, ap) < (int)sizeof(line));
	va_end(ap);
	if (system(line) != 0)
		T_FAIL("failed: %s", line);
}

static inline void kit_open(struct kit *k, enum io_engine engine,
			    const struct io_seam *seam)
{
	const char *tmp = getenv("TMPDIR");
	struct io_options o = { .engine = engine };

	memset(k, 0, sizeof(*k));
	if (seam != NULL)
		o.seam = *seam;
	pthread_mutex_init(&k->rng.lock, NULL);
	k->now = INT64_C(1700000000) * 1000000000;
	snprintf(k->dir, sizeof(k->dir), "%.200s/blobctl-repo-XXXXXX",
		 tmp == NULL ? "/tmp" : tmp);
	CHECK(mkdtemp(k->dir) != NULL);
	snprintf(k->path, sizeof(k->path), "%.240s/repo", k->dir);
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
}

static inline void kit_close(struct kit *k)
{
	io_close(k->io);
	kit_rm(k->dir);
	pthread_mutex_destroy(&k->rng.lock);
}

/* Full path of something in the repository. */
static inline const char *kit_at(const struct kit *k, const char *name,
				 char out[2 * KIT_PATH_BYTES])
{
	snprintf(out, 2 * KIT_PATH_BYTES, "%s/%s", k->path, name);
	return out;
}

/* The newest log file. */
static inline const char *kit_log(const struct kit *k,
				  char out[4 * KIT_PATH_BYTES])
{
	char folder[2 * KIT_PATH_BYTES], best[256] = "";
	struct dirent *de;
	DIR *d = opendir(kit_at(k, "log", folder));

	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL)
		if (de->d_name[0] != '.' && strcmp(de->d_name, best) > 0)
			snprintf(best, sizeof(best), "%s", de->d_name);
	closedir(d);
	snprintf(out, 4 * KIT_PATH_BYTES, "%s/%s", folder, best);
	return out;
}

static inline off_t kit_size(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	return st.st_size;
}

/* Where the last group of a log ends: behind it lie zeros, to be written
 * over. */
static inline off_t kit_end(const char *path)
{
	static const uint8_t zeros[4096];
	off_t end = (kit_size(path) + 4095) / 4096 * 4096;
	uint8_t page[4096];
	int fd = open(path, O_RDONLY);
	bool nothing = true;

	CHECK(fd >= 0);
	while (end > 0 && nothing) {
		ssize_t n = pread(fd, page, sizeof(page), end - 4096);

		CHECK(n > 0);
		nothing = memcmp(page, zeros, (size_t)n) == 0;
		end -= nothing ? 4096 : 0;
	}
	close(fd);
	return end;
}

static inline void kit_create(struct kit *k, uint64_t pack_bytes)
{
	struct repo_create_options o = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};

	repo_create_defaults(&o);
	o.reserve_bytes = 64 << 10;
	if (pack_bytes != 0)
		o.pack_bytes = pack_bytes;
	CHECK_OK(repo_create(k->path, &o, NULL, &k->e), &k->e);
}

static inline void kit_say(void *ctx, const char *text)
{
	struct kit *k = ctx;
	size_t n = strlen(k->notes);

	snprintf(k->notes + n, sizeof(k->notes) - n, "%s\n", text);
}

static inline enum bc_err kit_try(struct kit *k, bool write, struct repo **out)
{
	struct repo_options o = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
		.write = write,
		.lock_wait_ms = 10000,
		.note = { kit_say, k },
	};

	k->notes[0] = '\0';
	err_clear(&k->e);
	return repo_open(k->path, &o, out, &k->e);
}

static inline struct repo *kit_repo(struct kit *k, bool write)
{
	struct repo *r = NULL;

	CHECK_OK(kit_try(k, write, &r), &k->e);
	return r;
}

static inline struct session *kit_session(struct kit *k, struct repo *r)
{
	struct session *s = NULL;

	CHECK_OK(session_begin(r, "test", &s, &k->e), &k->e);
	return s;
}

/* ---- what is stored -------------------------------------------------------
 */

/*
 * `dirs` directories "d000".. below the root (0: all in the root) with `files`
 * files "f00000" each of `bytes` bytes, in chunks of at most `chunk` bytes;
 * what they hold depends on seed, directory and file alone.
 */
struct kit_spec {
	const char *name;
	uint64_t seed;
	unsigned dirs, files;
	size_t bytes, chunk;
	const struct tag *tags;
	size_t n_tags;
	const struct snapshot_root *roots;
	size_t n_roots;
	int64_t time;	 /* 0: by the clock */
	bool checkpoint; /* after each directory */
	bool text;	 /* compressible */
};

static inline void kit_bytes(const struct kit_spec *sp, unsigned dir,
			     unsigned file, size_t at, uint8_t *p, size_t n)
{
	uint64_t s = sp->seed * 1000003 + dir * UINT64_C(7919) +
		     file * UINT64_C(104729) + at * UINT64_C(1299709);

	if (sp->text)
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)('a' + (i % 61 < 12 ? t_rng(&s) % 26
							    : i % 26));
	else
		for (size_t i = 0; i < n; i += 8) {
			uint64_t v = t_rng(&s);

			memcpy(p + i, &v, n - i < 8 ? n - i : 8);
		}
}

struct kit_put {
	struct session *s;
	const struct kit_spec *sp;
	struct gather gather;
	struct sealer sealer;
	struct content_builder content;
	uint8_t *mem;
	size_t stored; /* chunks that were new */
	struct err e;
};

static inline void kit_flush(struct kit_put *p)
{
	struct sealed_block b;

	if (p->gather.chunks == 0)
		return;
	CHECK_OK(sealer_seal(&p->sealer, &p->gather, &b, &p->e), &p->e);
	CHECK_OK(session_block(p->s, &b, &p->e), &p->e);
	gather_clear(&p->gather);
}

static inline void kit_chunks(struct kit_put *p, const struct digest *ids,
			      const uint32_t *sizes, size_t n)
{
	const struct digest *at[KIT_BATCH] = { NULL };
	bool fresh[KIT_BATCH];
	uint8_t *mem = p->mem;

	for (size_t i = 0; i < n; i++)
		at[i] = &ids[i];
	CHECK_OK(session_filter(p->s, at, sizes, n, fresh, &p->e), &p->e);
	for (size_t i = 0; i < n; i++) {
		if (fresh[i]) {
			if (!gather_fits(&p->gather, sizes[i]))
				kit_flush(p);
			gather_add(&p->gather, &ids[i],
				   bytes_of(mem, sizes[i]));
			p->stored++;
		}
		mem += sizes[i];
	}
}

static inline void kit_file(struct kit_put *p, unsigned dir, unsigned file,
			    struct tree_entry *en)
{
	const struct kit_spec *sp = p->sp;
	struct digest ids[KIT_BATCH];
	uint32_t sizes[KIT_BATCH];
	uint8_t *mem = p->mem;
	size_t n = 0;

	content_builder_begin(&p->content);
	for (size_t at = 0; at < sp->bytes; at += sp->chunk) {
		size_t size =
			sp->bytes - at < sp->chunk ? sp->bytes - at : sp->chunk;

		kit_bytes(sp, dir, file, at, mem, size);
		sha256_one(bytes_of(mem, size), &ids[n]);
		sizes[n] = (uint32_t)size;
		CHECK_OK(content_builder_chunk(&p->content, &ids[n], size,
					       &p->e),
			 &p->e);
		mem += size;
		if (++n == KIT_BATCH) {
			kit_chunks(p, ids, sizes, n);
			n = 0;
			mem = p->mem;
		}
	}
	kit_chunks(p, ids, sizes, n);
	CHECK_OK(content_builder_finish(&p->content, &en->content, &p->e),
		 &p->e);
}

static inline struct tree_entry kit_entry(const char *name, enum tree_type type)
{
	return (struct tree_entry){ .name = bytes_str(name),
				    .type = type,
				    .mode = type == TREE_DIR ? 0755 : 0644,
				    .uid = 1000,
				    .gid = 1000,
				    .user = bytes_str("me"),
				    .group = bytes_str("us"),
				    .mtime = 1700000000 };
}

/* The files of one directory. */
static inline void kit_dir(struct kit_put *p, unsigned dir,
			   struct tree_dir *out)
{
	struct node_sink sink = session_node_sink(p->s);
	struct tree_builder b;

	tree_builder_init(&b, &sink);
	tree_builder_begin(&b);
	for (unsigned i = 0; i < p->sp->files; i++) {
		char name[32];
		struct tree_entry en;

		snprintf(name, sizeof(name), "f%05u", i);
		en = kit_entry(name, TREE_FILE);
		kit_file(p, dir, i, &en);
		CHECK_OK(tree_builder_add(&b, &en, &p->e), &p->e);
	}
	CHECK_OK(tree_builder_finish(&b, out, &p->e), &p->e);
	tree_builder_fini(&b);
	if (p->sp->checkpoint) {
		kit_flush(p);
		CHECK_OK(session_checkpoint(p->s, &p->e), &p->e);
	}
}

static inline void kit_root(struct kit_put *p, struct tree_dir *out)
{
	struct node_sink sink = session_node_sink(p->s);
	struct tree_builder b;

	if (p->sp->dirs == 0) {
		kit_dir(p, 0, out);
		return;
	}
	tree_builder_init(&b, &sink);
	tree_builder_begin(&b);
	for (unsigned i = 0; i < p->sp->dirs; i++) {
		char name[32];
		struct tree_entry en;

		snprintf(name, sizeof(name), "d%03u", i);
		en = kit_entry(name, TREE_DIR);
		kit_dir(p, i, &en.dir);
		CHECK_OK(tree_builder_add(&b, &en, &p->e), &p->e);
	}
	CHECK_OK(tree_builder_finish(&b, out, &p->e), &p->e);
	tree_builder_fini(&b);
}

static inline void kit_record(const struct kit_spec *sp, int64_t now,
			      const struct tree_dir *root, struct buf *out)
{
	static const char path[] = "/src/data";
	struct snapshot_root one = { .how = SNAPSHOT_CONTENTS,
				     .name = bytes_str(""),
				     .path = bytes_str(path) };
	struct snapshot_record r = {
		.name = bytes_str(sp->name),
		.host = bytes_str("host"),
		.user = bytes_str("me"),
		.program = bytes_str("test"),
		.time = sp->time != 0 ? sp->time : now,
		.tags = (struct tag *)(uintptr_t)sp->tags,
		.tag_count = sp->n_tags,
		.roots = &one,
		.root_count = 1,
		.root = kit_entry(".", TREE_DIR),
		.files = (uint64_t)sp->files * (sp->dirs == 0 ? 1 : sp->dirs),
		.dirs = sp->dirs,
		.bytes = root->bytes,
	};
	struct err e = ERR_INIT;

	r.end_time = r.time;
	r.root.dir = *root;
	if (sp->roots != NULL) {
		r.roots = (struct snapshot_root *)(uintptr_t)sp->roots;
		r.root_count = sp->n_roots;
	}
	CHECK_OK(snapshot_record_encode(&r, out, &e), &e);
}

/* Store all of a spec in a session and commit it; returns the new chunks. */
static inline enum bc_err kit_try_put(struct kit *k, struct session *s,
				      const struct kit_spec *sp,
				      struct digest *id, size_t *new_chunks)
{
	struct kit_put p = { .s = s, .sp = sp };
	struct node_sink sink = session_node_sink(s);
	struct buf record = BUF_INIT(SNAPSHOT_MAX_BYTES);
	struct tree_dir root;
	enum bc_err rc;

	p.mem = malloc(KIT_BATCH * sp->chunk);
	CHECK(p.mem != NULL);
	CHECK_OK(gather_init(&p.gather, BLOCK_DATA, 256 << 10, sp->chunk, &p.e),
		 &p.e);
	CHECK_OK(sealer_init(&p.sealer, 1, (256 << 10) + 2 * sp->chunk, &p.e),
		 &p.e);
	content_builder_init(&p.content, &sink);
	kit_root(&p, &root);
	kit_flush(&p);
	kit_record(sp, kit_now(&k->now), &root, &record);
	rc = session_commit_snapshot(s, buf_bytes(&record), id, &p.e);
	k->e = p.e;
	buf_fini(&record);
	content_builder_fini(&p.content);
	gather_fini(&p.gather);
	sealer_fini(&p.sealer);
	free(p.mem);
	*new_chunks = p.stored;
	return rc;
}

static inline size_t kit_put(struct kit *k, struct session *s,
			     const struct kit_spec *sp, struct digest *id)
{
	size_t n = 0;

	CHECK_OK(kit_try_put(k, s, sp, id, &n), &k->e);
	return n;
}

/* In one go: open, put, close. */
static inline struct digest kit_one(struct kit *k, const struct kit_spec *sp)
{
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);
	struct digest id;

	kit_put(k, s, sp, &id);
	session_end(s);
	repo_close(r);
	return id;
}

/* ---- and compared ---------------------------------------------------------
 */

static inline void kit_verify_file(struct chunk_reader *c,
				   const struct kit_spec *sp, unsigned dir,
				   unsigned file, const struct tree_entry *en)
{
	struct node_source source = chunk_node_source(c);
	struct content_reader cr;
	struct content_run run = { .what = CONTENT_CHUNK };
	struct err e = ERR_INIT;
	uint8_t *want = malloc(sp->chunk);
	size_t at = 0;

	CHECK(want != NULL);
	CHECK_EQ(en->type, TREE_FILE);
	CHECK_EQ(en->content.size, sp->bytes);
	content_reader_init(&cr, &source);
	content_reader_open(&cr, &en->content);
	while (run.what != CONTENT_END) {
		struct bytes got;

		CHECK_OK(content_reader_next(&cr, &run, &e), &e);
		if (run.what == CONTENT_END)
			break;
		CHECK_EQ(run.what, CONTENT_CHUNK);
		CHECK_EQ(run.offset, at);
		CHECK_OK(chunk_read(c, &run.id, &got, &e), &e);
		CHECK_EQ(got.n, run.length);
		CHECK(got.n <= sp->chunk);
		kit_bytes(sp, dir, file, at, want, got.n);
		CHECK(memcmp(want, got.p, got.n) == 0);
		at += got.n;
	}
	CHECK_EQ(at, sp->bytes);
	content_reader_fini(&cr);
	free(want);
}

static inline void kit_verify_dir(struct chunk_reader *c,
				  const struct kit_spec *sp, unsigned dir,
				  const struct digest *node)
{
	/* Entries borrow from the reader's nodes, which its own fetches of
	 * other nodes do not touch. */
	struct node_source source = chunk_node_source(c);
	const struct tree_entry *en = NULL;
	struct tree_reader tr;
	struct err e = ERR_INIT;

	tree_reader_init(&tr, &source);
	CHECK_OK(tree_reader_open(&tr, node, &e), &e);
	for (unsigned i = 0; i <= sp->files; i++) {
		char name[32];

		CHECK_OK(tree_reader_next(&tr, &en, &e), &e);
		if (i == sp->files)
			break;
		snprintf(name, sizeof(name), "f%05u", i);
		CHECK(en != NULL);
		CHECK(bytes_eq(en->name, bytes_str(name)));
		kit_verify_file(c, sp, dir, i, en);
	}
	CHECK(en == NULL);
	tree_reader_fini(&tr);
}

static inline void kit_verify_root(struct chunk_reader *c,
				   const struct kit_spec *sp,
				   const struct digest *node)
{
	struct node_source source = chunk_node_source(c);
	const struct tree_entry *en = NULL;
	struct tree_reader tr;
	struct err e = ERR_INIT;

	if (sp->dirs == 0) {
		kit_verify_dir(c, sp, 0, node);
		return;
	}
	tree_reader_init(&tr, &source);
	CHECK_OK(tree_reader_open(&tr, node, &e), &e);
	for (unsigned i = 0; i < sp->dirs; i++) {
		CHECK_OK(tree_reader_next(&tr, &en, &e), &e);
		CHECK(en != NULL);
		kit_verify_dir(c, sp, i, &en->dir.id);
	}
	CHECK_OK(tree_reader_next(&tr, &en, &e), &e);
	CHECK(en == NULL);
	tree_reader_fini(&tr);
}

/* Every byte of a snapshot, through the open repository. */
static inline void kit_verify(struct repo *r, const struct digest *id,
			      const struct kit_spec *sp)
{
	struct catalog_snapshot row;
	struct snapshot_record rec;
	struct chunk_reader *c = NULL;
	struct err e = ERR_INIT;
	struct digest root;

	CHECK_OK(catalog_get_snapshot(r->catalog, id, &row, &e), &e);
	CHECK_OK(snapshot_record_decode(row.record, &rec, &e), &e);
	CHECK(bytes_eq(rec.name, bytes_str(sp->name)));
	root = rec.root.dir.id;
	snapshot_record_fini(&rec);
	CHECK_OK(chunk_reader_new(r, &c, &e), &e);
	kit_verify_root(c, sp, &root);
	chunk_reader_free(c);
}

static inline uint64_t kit_count(struct repo *r)
{
	struct err e = ERR_INIT;
	uint64_t n = 0;

	CHECK_OK(catalog_count(r->catalog, &n, &e), &e);
	return n;
}

static inline bool kit_has(struct repo *r, const struct digest *id)
{
	struct catalog_snapshot row;
	struct err e = ERR_INIT;
	enum bc_err rc = catalog_get_snapshot(r->catalog, id, &row, &e);

	CHECK(rc == BC_OK || rc == BC_ENOTFOUND);
	return rc == BC_OK;
}

/* both_engines - run one case with the ring, where there is one, and without.
 */
static inline void both_engines(void (*fn)(struct kit *k))
{
	char why[IO_WHY_BYTES];
	bool ring = io_uring_usable(why);

	for (int i = ring ? 0 : 1; i < 2; i++) {
		struct kit k;

		kit_open(&k, i == 0 ? IO_ENGINE_URING : IO_ENGINE_PSYNC, NULL);
		fn(&k);
		kit_close(&k);
	}
}

/* On a file system in memory: what counts is the order of operations, and
 * thousands of copies are made. */
static inline void kit_in_memory(void (*fn)(struct kit *k))
{
	const char *was = getenv("TMPDIR");
	char *keep = was == NULL ? NULL : strdup(was);
	struct kit k;

	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	kit_open(&k, IO_ENGINE_AUTO, NULL);
	fn(&k);
	kit_close(&k);
	if (keep != NULL)
		setenv("TMPDIR", keep, 1);
	else
		unsetenv("TMPDIR");
	free(keep);
}

#endif
