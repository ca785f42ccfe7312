/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/dir_node: a directory whose record of the stat cache cannot be made
 * is stored all the same, and the cache has those of the others. */
#include "ingest/dir_node.h"

#include "ingest/run.h"
#include "ingest/worker.h"
#include "tests/unit/node_store.h"
#include "tests/unit/repo_kit.h"

enum { LONG_BYTES = 60000, ENTRIES = 100, BATCH_BYTES = 1 << 20 };

static struct err e = ERR_INIT;

/* A directory of ENTRIES files, each with `name_bytes` for the cache alone. */
static void store(struct worker *w, const char *path, size_t name_bytes,
		  struct tree_dir *out)
{
	static uint8_t text[LONG_BYTES];
	struct stat_entry st = { .name = bytes_of(text, name_bytes),
				 .type = TREE_FILE };
	struct dir_node n = { .builder = NULL };
	struct tree_sum sum = { .files = ENTRIES };

	for (unsigned i = 0; i < ENTRIES; i++) {
		static struct t_entry t;
		char name[16];

		snprintf(name, sizeof(name), "%05u", i);
		t_make_file(&t, bytes_str(name), i);
		CHECK_OK(dir_node_add(w, &n, path, &t.en, &st, &e), &e);
	}
	CHECK_OK(dir_node_finish(w, &n, path, &sum, &e), &e);
	CHECK_EQ(sum.dir.entries, ENTRIES);
	*out = sum.dir;
	dir_node_fini(&n);
}

static void finish(struct put *p, struct statcache **out)
{
	const struct pack_id *repo = &repo_superblock(p->repo)->id;
	struct stat_bond bond = { .begun = 1 };

	CHECK_OK(statcache_writer_finish(p->known.after, repo, &bond, &e), &e);
	CHECK_OK(statcache_open(repo_cache_dir(p->repo), "stat-x", repo, out,
				&bond, &e),
		 &e);
}

static void no_room_for_the_record(void)
{
	struct kit k;
	struct put p = { .batch_bytes = BATCH_BYTES };
	struct worker w = { .p = &p };
	struct tree_dir dirs[3];
	struct stat_record r;
	struct statcache *c;

	kit_open(&k, IO_ENGINE_PSYNC, NULL);
	kit_create(&k, 0);
	p.repo = kit_repo(&k, true);
	CHECK_OK(statcache_writer_new(repo_cache_dir(p.repo), "stat-x",
				      &p.known.after, &e),
		 &e);
	store(&w, "a", 5, &dirs[0]);
	store(&w, "b", LONG_BYTES, &dirs[1]);
	store(&w, "c", 5, &dirs[2]);
	finish(&p, &c);
	CHECK(statcache_find(c, bytes_str("a"), 0, &r));
	CHECK_EQ(r.count, ENTRIES);
	CHECK(!statcache_find(c, bytes_str("b"), 0, &r));
	CHECK(statcache_find(c, bytes_str("c"), 0, &r));
	/* The nodes know nothing of it. */
	CHECK(digest_eq(&dirs[0].id, &dirs[1].id));
	CHECK(digest_eq(&dirs[0].id, &r.sum.dir.id));
	statcache_close(c);
	worker_fini(&w);
	repo_close(p.repo);
	kit_close(&k);
}

int main(void)
{
	RUN(no_room_for_the_record);
	return 0;
}
