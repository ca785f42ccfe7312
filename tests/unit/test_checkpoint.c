/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: a catalog made from one is the catalog made from the logs. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "io/fault.h"
#include "check/internal.h"
#include "repo/checkpoint.h"
#include "repo/commit.h"
#include "repo/snapshots.h"
#include "util/crc32c.h"

#include "repo/dirs.h"
#include "repo/replay.h"
#include "tests/unit/repo_kit.h"

static const struct kit_spec small = {
	.name = "small", .seed = 1, .files = 3, .bytes = 4096, .chunk = 4096
};

static const struct pack_id nobody = { { 1, 2, 3 } };

/* ---- what a catalog says --------------------------------------------------
 */

struct view {
	struct digest rows[2];
	struct catalog_checkpoint checkpoint;
	struct log_pos head;
	uint64_t count;
};

static struct view look_at(struct repo *r)
{
	struct view v = { .head = r->head };
	struct err e = ERR_INIT;

	CHECK_OK(check_summarise(r->catalog, v.rows, &e), &e);
	CHECK_OK(catalog_checkpoint(r->catalog, &v.checkpoint, &e), &e);
	CHECK_OK(catalog_verify(r->catalog, &e), &e);
	v.count = kit_count(r);
	return v;
}

static void same_view(const struct view *a, const struct view *b)
{
	CHECK_EQ(a->count, b->count);
	CHECK(digest_eq(&a->rows[0], &b->rows[0]));
	CHECK(digest_eq(&a->rows[1], &b->rows[1]));
	CHECK_EQ(a->head.generation, b->head.generation);
	CHECK(digest_eq(&a->head.digest, &b->head.digest));
	CHECK_EQ(a->head.seq, b->head.seq);
	CHECK(pack_id_eq(&a->head.log, &b->head.log));
	CHECK_EQ(a->head.end, b->head.end);
	CHECK_EQ(a->head.next_pack, b->head.next_pack);
	CHECK_EQ(a->head.next_slot, b->head.next_slot);
	CHECK_EQ(a->checkpoint.generation, b->checkpoint.generation);
	CHECK(digest_eq(&a->checkpoint.root, &b->checkpoint.root));
	CHECK_EQ(a->checkpoint.log_seq, b->checkpoint.log_seq);
	CHECK_EQ(a->checkpoint.offset, b->checkpoint.offset);
	CHECK_EQ(a->checkpoint.lost, b->checkpoint.lost);
}

enum how { BY_LOG, BY_CHECKPOINT };

/* From nothing, in memory: what the log says, or a checkpoint and the rest.
 * Returns the generation of the checkpoint. */
static uint64_t rebuild(struct kit *k, enum how how, struct view *out)
{
	struct catalog_options o = { .create = true };
	struct repo *r = kit_repo(k, false);
	bool used = false;
	uint64_t c;

	memcpy(o.repository, r->sb.id.b, PACK_ID_BYTES);
	catalog_close(r->catalog);
	r->catalog = NULL;
	r->catalog_in_memory = true;
	r->head = (struct log_pos){ .generation = 0 };
	CHECK_OK(catalog_open(&o, &r->catalog, &k->e), &k->e);
	if (how == BY_CHECKPOINT)
		CHECK_OK(checkpoint_restore(r, &used, &k->e), &k->e);
	c = r->head.generation;
	CHECK_EQ(used, c != 0);
	CHECK_OK(repo_catch_up(r, false, &k->e), &k->e);
	*out = look_at(r);
	repo_close(r);
	return c;
}

/* By both ways the same; the checkpoint is that of generation c. And what a
 * handle on disk has. */
static void same_by_both(struct kit *k, uint64_t c)
{
	struct view a, b, disk;
	struct repo *r = kit_repo(k, false);

	disk = look_at(r);
	repo_close(r);
	CHECK_EQ(rebuild(k, BY_LOG, &a), 0);
	CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), c);
	same_view(&a, &b);
	same_view(&a, &disk);
	/* And with the catalog gone. */
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, true);
	disk = look_at(r);
	repo_close(r);
	same_view(&a, &disk);
}

struct told {
	unsigned checkpoints;
	bool placed;
};

static void tell(void *ctx, const struct check_finding *f)
{
	struct told *t = ctx;

	if (f->weight != CHECK_DAMAGE)
		return;
	if (getenv("SHOW") != NULL)
		fprintf(stderr, "# %s: %s\n", f->file == NULL ? "" : f->file,
			f->text);
	if (strstr(f->text, "checkpoint") == NULL)
		return;
	t->checkpoints++;
	t->placed = f->file != NULL && f->has_offset && f->offset > 0;
}

static enum bc_err check(struct kit *k, struct told *t)
{
	struct repo_options ro = {
		.io = k->io,
		.rng = { kit_fill, &k->rng },
		.clock = { kit_now, kit_now, kit_now, &k->now },
	};
	struct check_options o = { .threads = 1, .finding = tell, .ctx = t };
	struct check_result res;

	*t = (struct told){ 0 };
	err_clear(&k->e);
	return repo_check(k->path, &ro, &o, &res, &k->e);
}

static void check_whole(struct kit *k)
{
	struct told t;

	CHECK_OK(check(k, &t), &k->e);
}

/* ---- what is done ---------------------------------------------------------
 */

static uint64_t write_one(struct kit *k)
{
	struct repo *r = kit_repo(k, true);
	uint64_t c = r->head.generation;

	CHECK_OK(checkpoint_write(r, &nobody, &k->e), &k->e);
	CHECK_EQ(r->head.generation, c + 1);
	repo_close(r);
	CHECK_STR(k->notes, "");
	return c;
}

static struct digest put(struct kit *k, uint64_t seed)
{
	struct kit_spec sp = small;

	sp.seed = seed;
	return kit_one(k, &sp);
}

static void tag(struct kit *k, const struct digest *id, const char *key,
		const char *value)
{
	struct tag set = { bytes_str(key), bytes_str(value) };
	struct bytes drop = bytes_str(key);
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	if (value[0] != '\0')
		CHECK_OK(session_tag(s, id, &set, 1, NULL, 0, &k->e), &k->e);
	else
		CHECK_OK(session_tag(s, id, NULL, 0, &drop, 1, &k->e), &k->e);
	session_end(s);
	repo_close(r);
}

static void drop(struct kit *k, const struct digest *id)
{
	struct repo *r = kit_repo(k, true);
	struct session *s = kit_session(k, r);

	CHECK_OK(session_remove(s, id, 1, &k->e), &k->e);
	session_end(s);
	repo_close(r);
}

/* Operations that no command makes yet. */
static void commit_ops(struct repo *r, struct group_builder *g)
{
	struct commit c = { .session = nobody, .group = g };
	struct err e = ERR_INIT;

	CHECK_OK(repo_commit(r, &c, &e), &e);
	group_builder_fini(g);
}

static void add_op(struct group_builder *g, const struct log_op *op)
{
	CHECK_EQ(log_ops_add(&g->ops, op, NULL), BC_OK);
}

static void add_blocks(struct group_builder *g, enum log_op_code code,
		       uint32_t number, uint32_t from, uint32_t n)
{
	struct buf list = BUF_INIT(1 << 20);
	struct log_op op = { .code = (uint8_t)code,
			     .u.blocks = { .number = number, .n = n } };

	for (uint32_t i = 0; i < n; i++)
		CHECK_EQ(buf_varint(&list, from + i), BC_OK);
	op.u.blocks.ordinals = buf_bytes(&list);
	add_op(g, &op);
	buf_fini(&list);
}

static void add_pack(struct kit *k, struct group_builder *g, uint32_t number)
{
	struct log_op op = { .code = LOG_OP_PACK_ADDED,
			     .u.pack = { .number = number,
					 .kind = number % 2 == 0 ? PACK_DATA
								 : PACK_META,
					 .placement = (uint16_t)number,
					 .length = 4096 * number,
					 .chunks = 60000,
					 .blocks = 50000,
					 .plain = 99 * number } };

	t_fill(&k->rng.state, op.u.pack.id.b, PACK_ID_BYTES);
	t_fill(&k->rng.state, op.u.pack.directory.b, DIGEST_BYTES);
	add_op(g, &op);
}

/* ---- cases ----------------------------------------------------------------
 */

static void snapshots_and_tags(struct kit *k)
{
	struct kit_spec sp = small;
	struct digest id[8];
	struct repo *r;
	uint64_t c;

	kit_create(k, 0);
	same_by_both(k, 0);
	for (uint64_t i = 0; i < 6; i++)
		id[i] = put(k, i);
	tag(k, &id[0], "kept", "1");
	tag(k, &id[1], "a", "old");
	tag(k, &id[1], "b", "gone");
	tag(k, &id[1], "a", "new");
	tag(k, &id[1], "b", "");
	tag(k, &id[2], "with", "it");
	drop(k, &id[2]);
	c = write_one(k);
	same_by_both(k, c);
	/* And what comes after. */
	tag(k, &id[1], "a", "newest");
	drop(k, &id[3]);
	id[6] = put(k, 6);
	same_by_both(k, c);
	c = write_one(k);
	drop(k, &id[4]);
	id[7] = put(k, 7);
	same_by_both(k, c);
	kit_sh("rm -rf %s/catalog.db* %s/index", k->path, k->path);
	r = kit_repo(k, true);
	for (uint64_t i = 0; i < 8; i++) {
		bool gone = i == 2 || i == 3 || i == 4;

		CHECK_EQ(kit_has(r, &id[i]), !gone);
		sp.seed = i;
		if (!gone)
			kit_verify(r, &id[i], &sp);
	}
	repo_close(r);
	CHECK_STR(k->notes, "");
	check_whole(k);
}

/* More tags than one operation, or one node, takes. */
static void many_tags(struct kit *k)
{
	enum { N = 200, SIZE = 4000 };
	char *value = calloc(1, SIZE + 1);
	struct tag set[N];
	char key[N][16];
	struct digest id;
	struct session *s;
	struct repo *r;

	CHECK(value != NULL);
	kit_create(k, 0);
	id = put(k, 1);
	put(k, 2);
	memset(value, 'v', SIZE);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(key[i], sizeof(key[i]), "%d-%d", round, i);
			set[i].key = bytes_str(key[i]);
			set[i].value = bytes_of(
				value, (size_t)(i % 2 == 0 ? SIZE : i));
		}
		CHECK_OK(session_tag(s, &id, set, N, NULL, 0, &k->e), &k->e);
	}
	session_end(s);
	repo_close(r);
	free(value);
	same_by_both(k, write_one(k));
	check_whole(k);
}

/* Packs in every state, blocks of packs, tiers; of logs too. */
static void states(struct kit *k)
{
	struct log_op moved = { .code = LOG_OP_MOVED,
				.u.moved = { 12, 2, bytes_str("minio"),
					     bytes_str("packs/x") } };
	struct group_builder g;
	struct repo *r;

	kit_create(k, 0);
	put(k, 1);
	r = kit_repo(k, true);
	group_builder_init(&g);
	for (uint32_t i = 10; i < 20; i++)
		add_pack(k, &g, i);
	commit_ops(r, &g);
	group_builder_init(&g);
	add_blocks(&g, LOG_OP_CONDEMNED, 10, 0, 0);
	add_blocks(&g, LOG_OP_CONDEMNED, 11, 0, 0);
	add_blocks(&g, LOG_OP_CONDEMNED, 13, 0, 0);
	add_blocks(&g, LOG_OP_CONDEMNED, 14, 100, 30000);
	add_blocks(&g, LOG_OP_CONDEMNED, 15, 7, 3);
	add_blocks(&g, LOG_OP_CONDEMNED, 1, 0, 1); /* of the log */
	add_op(&g, &moved);
	moved.u.moved.number = 13;
	add_op(&g, &moved);
	commit_ops(r, &g);
	group_builder_init(&g);
	add_blocks(&g, LOG_OP_FREED, 10, 0, 0);
	add_blocks(&g, LOG_OP_RESURRECTED, 11, 0, 0);
	add_blocks(&g, LOG_OP_FREED, 13, 0, 0);
	add_blocks(&g, LOG_OP_FREED, 14, 200, 20000);
	add_blocks(&g, LOG_OP_RESURRECTED, 15, 8, 1);
	add_blocks(&g, LOG_OP_CONDEMNED, 16, 0, 0);
	commit_ops(r, &g);
	repo_close(r);
	same_by_both(k, write_one(k));
	r = kit_repo(k, true);
	group_builder_init(&g);
	add_blocks(&g, LOG_OP_FREED, 16, 0, 0);
	add_blocks(&g, LOG_OP_RESURRECTED, 14, 150, 10);
	add_pack(k, &g, 40);
	commit_ops(r, &g);
	repo_close(r);
	same_by_both(k, 5);
}

/* One that fits no group: metadata packs. */
static void in_packs(struct kit *k)
{
	struct checkpoint_list list;
	struct group_builder g;
	struct view a, b;
	struct repo *r;
	uint64_t c = 0;
	char path[2 * KIT_PATH_BYTES];

	kit_create(k, 4 << 20);
	r = kit_repo(k, true);
	for (int round = 0; round < 1; round++) {
		group_builder_init(&g);
		for (uint32_t i = 0; i < 30000; i++)
			add_pack(k, &g, r->head.next_pack + i);
		commit_ops(r, &g);
	}
	c = r->head.generation;
	CHECK_OK(checkpoint_write(r, &nobody, &k->e), &k->e);
	CHECK_EQ(r->head.generation, c + 1);
	CHECK_OK(checkpoint_find(r, &list, &k->e), &k->e);
	CHECK_EQ(list.n, 1);
	repo_close(r);
	CHECK_EQ(rebuild(k, BY_LOG, &a), 0);
	CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), c);
	same_view(&a, &b);
	/* Without a pack of it, or with a damaged one: by the log. */
	kit_sh("ls %s | wc -l | { read n; test $n -gt 0; }",
	       kit_at(k, "packs", path));
	kit_sh("cd %s && for f in *; do printf x | dd of=$f bs=1 seek=2000000 "
	       "conv=notrunc status=none; break; done",
	       kit_at(k, "packs", path));
	CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), 0);
	same_view(&a, &b);
	kit_sh("rm %s/*", kit_at(k, "packs", path));
	CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), 0);
	CHECK(strstr(k->notes, "cannot be used") != NULL);
	same_view(&a, &b);
}

static struct log_head newest_head(struct kit *k, char file[LOG_NAME_BYTES])
{
	struct repo *r = kit_repo(k, false);
	struct log_file *l = NULL;
	struct log_head h;

	log_name(r->head.seq, &r->head.log, file);
	CHECK_OK(log_file_open(r->log_dir, file, false, &l, &k->e), &k->e);
	h = *log_file_head(l);
	log_file_close(l);
	repo_close(r);
	return h;
}

static void put_bytes(const struct kit *k, const char *file, uint64_t at,
		      const uint8_t *p, size_t n)
{
	char path[3 * KIT_PATH_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/log/%s", k->path, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, p, n, (off_t)at) == (ssize_t)n);
	close(fd);
}

static uint8_t flip(const struct kit *k, const char *file, uint64_t at)
{
	char path[3 * KIT_PATH_BYTES];
	uint8_t v = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/log/%s", k->path, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && pread(fd, &v, 1, (off_t)at) == 1);
	close(fd);
	v ^= 0x10;
	put_bytes(k, file, at, &v, 1);
	return v;
}

/* Through several logs: each new one has a checkpoint, by itself. */
static void rolls(struct kit *k)
{
	enum { PUTS = 25 }; /* nine of them fill a log's slots */
	struct kit_spec sp = {
		.name = "roll", .files = 7000, .bytes = 10, .chunk = 10
	};
	char file[LOG_NAME_BYTES], first[LOG_NAME_BYTES];
	struct digest id[PUTS], gone = { { 0 } };
	struct log_head h;
	struct view a, b;
	struct repo *r;
	uint64_t c;

	kit_create(k, 0);
	newest_head(k, first);
	for (uint64_t i = 0; i < PUTS; i++) {
		sp.seed = 1 + i;
		id[i] = kit_one(k, &sp);
		CHECK_STR(k->notes, "");
		if (i % 10 == 3)
			drop(k, &id[i]);
		if (i % 10 == 4)
			tag(k, &id[i], "x", "y");
	}
	gone = id[3];
	h = newest_head(k, file);
	CHECK_EQ(h.seq, 3);
	CHECK(h.checkpoint > 0 && h.checkpoint_at >= LOG_HEAD_BYTES);
	r = kit_repo(k, false);
	a = look_at(r);
	repo_close(r);
	CHECK(a.checkpoint.generation > h.checkpoint);
	CHECK_EQ(a.checkpoint.log_seq, h.seq);
	c = a.checkpoint.generation;
	same_by_both(k, c);
	check_whole(k);
	/* The beginning is lost, and a catalog is made all the same. */
	flip(k, first, LOG_HEAD_BYTES);
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, true);
	b = look_at(r);
	same_view(&a, &b);
	CHECK(!kit_has(r, &gone));
	CHECK(kit_has(r, &id[5]));
	sp.seed = PUTS;
	kit_verify(r, &id[PUTS - 1], &sp);
	repo_close(r);
	flip(k, first, LOG_HEAD_BYTES);
	same_by_both(k, c);
	/* A header that names nothing, or something else. */
	{
		static uint8_t raw[LOG_HEAD_BYTES];
		struct log_head bad = h;

		bad.checkpoint_at += LOG_ALIGN;
		log_head_encode(&bad, raw);
		put_bytes(k, file, 0, raw, sizeof(raw));
		same_by_both(k, c);
		bad = h;
		bad.checkpoint = UINT64_MAX;
		log_head_encode(&bad, raw);
		put_bytes(k, file, 0, raw, sizeof(raw));
		same_by_both(k, c);
		bad.checkpoint_log.b[0] ^= 1;
		bad.checkpoint = 7;
		log_head_encode(&bad, raw);
		put_bytes(k, file, 0, raw, sizeof(raw));
		same_by_both(k, c);
	}
}

/* Every block of the checkpoint's group, one after the other. */
static void damaged(struct kit *k)
{
	char file[LOG_NAME_BYTES];
	struct checkpoint_list list;
	struct log_file *l = NULL;
	struct group *g = NULL, *first = NULL;
	uint64_t older, later;
	struct view a, b;
	struct told t;
	struct repo *r;

	kit_create(k, 0);
	for (uint64_t i = 0; i < 4; i++)
		put(k, i);
	older = write_one(k);
	put(k, 4);
	later = write_one(k);
	put(k, 5);
	CHECK_EQ(rebuild(k, BY_LOG, &a), 0);
	r = kit_repo(k, false);
	CHECK_OK(checkpoint_find(r, &list, &k->e), &k->e);
	CHECK_EQ(list.n, 2);
	CHECK_EQ(list.at[0].generation, later);
	CHECK_EQ(list.at[1].generation, older);
	log_name(list.at[0].seq, &list.at[0].log, file);
	CHECK_OK(log_file_open(r->log_dir, file, false, &l, &k->e), &k->e);
	CHECK_OK(log_file_group(l, list.at[0].offset, GROUP_BYTES, r->dec, &g,
				&k->e),
		 &k->e);
	CHECK_OK(log_file_group(l, list.at[1].offset, GROUP_BYTES, r->dec,
				&first, &k->e),
		 &k->e);
	repo_close(r);
	CHECK_EQ(g->dir->n_blocks, 2); /* nodes, root */
	CHECK_EQ(first->dir->n_blocks, 2);
	for (uint32_t i = 0; i < g->dir->n_blocks; i++) {
		const struct dir_block *d = &g->dir->blocks[i];
		uint64_t at = d->offset + BLOCK_HEAD_BYTES + d->stored / 2;
		const struct dir_block *was = &first->dir->blocks[i];
		uint64_t old = was->offset + BLOCK_HEAD_BYTES + was->stored / 2;

		flip(k, file, at);
		CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), older);
		CHECK(strstr(k->notes, "cannot be used") != NULL);
		same_view(&a, &b);
		CHECK_EQ(check(k, &t), BC_EDAMAGE);
		CHECK_EQ(t.checkpoints, 1);
		CHECK(t.placed);
		/* Neither is good: the log. */
		flip(k, file, old);
		CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), 0);
		same_view(&a, &b);
		CHECK_EQ(check(k, &t), BC_EDAMAGE);
		CHECK_EQ(t.checkpoints, 2);
		flip(k, file, at);
		CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), later);
		same_view(&a, &b);
		flip(k, file, old);
	}
	group_free(g);
	group_free(first);
	log_file_close(l);
	check_whole(k);
}

/* A group, and what was there when it was whole. */
struct site {
	char file[LOG_NAME_BYTES];
	uint64_t from, blocks, end, next; /* of the group, in the file */
	uint64_t older, later;
	struct view whole;
	uint64_t count; /* snapshots before it */
	bool last;
};

static void make_site(struct kit *k, struct site *s, bool last)
{
	struct checkpoint_list list;
	struct log_file *l = NULL;
	struct group *g = NULL;
	struct repo *r;

	kit_rm(k->path);
	kit_create(k, 0);
	for (uint64_t i = 0; i < 3; i++)
		put(k, i);
	s->older = write_one(k);
	put(k, 4);
	s->later = write_one(k);
	s->last = last;
	s->count = 4;
	if (!last)
		put(k, 5);
	CHECK_EQ(rebuild(k, BY_LOG, &s->whole), 0);
	r = kit_repo(k, false);
	CHECK_OK(checkpoint_find(r, &list, &k->e), &k->e);
	CHECK_EQ(list.at[0].generation, s->later);
	log_name(list.at[0].seq, &list.at[0].log, s->file);
	CHECK_OK(log_file_open(r->log_dir, s->file, false, &l, &k->e), &k->e);
	CHECK_OK(log_file_group(l, list.at[0].offset, GROUP_LEAD, r->dec, &g,
				&k->e),
		 &k->e);
	s->from = g->offset;
	s->blocks = g->offset + GROUP_HEAD_BYTES + g->head.record_length +
		    g->head.dir_length;
	s->end = g->offset + g->head.length;
	s->next = g->next;
	group_free(g);
	log_file_close(l);
	repo_close(r);
}

/* With no view left, the group damaged at `at`: what each command meets. */
static void meet(struct kit *k, const struct site *s, uint64_t at)
{
	bool lead = at < s->blocks, padding = at >= s->end;
	struct repo *r = NULL;
	struct view v;
	struct told t;
	uint64_t c;

	kit_sh("rm -rf %s/catalog.db* %s/index/*", k->path, k->path);
	CHECK_EQ(check(k, &t), padding ? BC_OK : BC_EDAMAGE);
	c = rebuild(k, BY_CHECKPOINT, &v);
	CHECK_EQ(c, padding ? s->later : s->older);
	if (padding || (!s->last && !lead)) {
		same_view(&s->whole, &v);
	} else {
		CHECK_EQ(v.count, s->count);
		CHECK_EQ(v.head.generation, s->later);
	}
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, false);
	CHECK_EQ(kit_count(r), v.count);
	if (!padding && lead)
		CHECK(strstr(k->notes, "damaged") != NULL);
	else if (!padding)
		CHECK(strstr(k->notes, "cannot be used") != NULL);
	else
		CHECK_STR(k->notes, "");
	repo_close(r);
	if (!padding && !s->last && lead) {
		/* Later groups follow: nobody writes on. */
		CHECK_EQ(kit_try(k, true, &r), BC_EDAMAGE);
		CHECK(k->e.hint[0] != '\0');
	} else {
		repo_close(kit_repo(k, true));
	}
}

/* Each part of a checkpoint's group, in the middle of the log and at its end:
 * header, record, directory, nodes, root, padding. */
static void each_place(struct kit *k)
{
	char path[3 * KIT_PATH_BYTES];
	struct site s;

	for (int last = 0; last < 2; last++) {
		make_site(k, &s, last != 0);
		for (uint64_t at = s.from; at < s.next;
		     at += at < s.end ? 11 : 1009) {
			flip(k, s.file, at);
			meet(k, &s, at);
			flip(k, s.file, at);
		}
		kit_sh("rm -f %s/catalog.db*", k->path);
		same_by_both(k, s.later);
	}
	/* Cut short: a torn append, no damage. */
	snprintf(path, sizeof(path), "%s/log/%s", k->path, s.file);
	kit_sh("cp %s %s/whole", path, k->dir);
	for (uint64_t to = s.from; to < s.end; to += 512) {
		struct view v;
		struct told t;

		kit_sh("cp %s/whole %s && rm -rf %s/catalog.db*", k->dir, path,
		       k->path);
		CHECK(truncate(path, (off_t)to) == 0);
		CHECK_EQ(check(k, &t), BC_OK);
		CHECK_EQ(rebuild(k, BY_CHECKPOINT, &v), s.older);
		CHECK_EQ(v.count, s.count);
		repo_close(kit_repo(k, true));
	}
}

/* ---- checkpoints that are whole and wrong ---------------------------------
 */

struct lie {
	struct buf root, node;
	struct log_ops ops;
	struct digest root_id;
};

/* Commits a checkpoint of the head with these operations and root. */
static void lie(struct repo *r, const struct log_ops *ops, uint8_t version,
		uint64_t c, bool other_record, uint32_t next_pack)
{
	struct buf node = BUF_INIT(1 << 20), root = BUF_INIT(1 << 20);
	struct log_op op = { .code = LOG_OP_CHECKPOINT,
			     .u.checkpoint = { .generation =
						       r->head.generation } };
	struct group_builder g;
	struct digest id, record = r->head.digest;

	record.b[5] ^= other_record;
	group_builder_init(&g);
	CHECK_EQ(buf_varint(&node, ops->n), BC_OK);
	CHECK_EQ(buf_add(&node, ops->raw.p, ops->raw.n), BC_OK);
	CHECK_EQ(group_add_chunk(&g, BLOCK_CHECKPOINT, buf_bytes(&node), &id),
		 BC_OK);
	CHECK_EQ(buf_u8(&root, version), BC_OK);
	CHECK_EQ(buf_u64(&root, c), BC_OK);
	CHECK_EQ(buf_add(&root, record.b, DIGEST_BYTES), BC_OK);
	CHECK_EQ(buf_u32(&root, next_pack), BC_OK);
	CHECK_EQ(buf_varint(&root, 1), BC_OK);
	CHECK_EQ(buf_add(&root, id.b, DIGEST_BYTES), BC_OK);
	CHECK_EQ(group_add_chunk(&g, BLOCK_CHECKPOINT, buf_bytes(&root),
				 &op.u.checkpoint.root),
		 BC_OK);
	add_op(&g, &op);
	commit_ops(r, &g);
	buf_fini(&node);
	buf_fini(&root);
}

static void lies(struct kit *k)
{
	enum { LIES = 9 };
	struct digest id, none = { { 9 } };

	for (int i = 0; i <= LIES; i++) {
		struct log_op log = { .code = LOG_OP_LOG_PRESENT };
		struct log_op snap = { .code = LOG_OP_SNAPSHOT_PRESENT };
		struct catalog_snapshot row;
		struct log_ops ops;
		struct view a, b;
		struct repo *r;
		struct told t;
		uint64_t c;

		kit_sh("rm -rf %s", k->path);
		kit_create(k, 0);
		id = put(k, 1);
		r = kit_repo(k, true);
		c = r->head.generation;
		log.u.log = (struct log_present){ .number = 1,
						  .id = r->head.log,
						  .seq = 1,
						  .first_generation = 1 };
		CHECK_OK(catalog_get_snapshot(r->catalog, &id, &row, &k->e),
			 &k->e);
		snap.u.present =
			(struct log_snapshot_present){ .id = id,
						       .generation =
							       row.generation,
						       .pack = row.pack,
						       .slot = row.slot };
		if (i == 1)
			snap.u.present.id = none;
		if (i == 2)
			snap.u.present.slot++;
		if (i == 3)
			snap.u.present.generation = c + 1;
		if (i == 4)
			log.u.log.length = 4096;
		if (i == 5)
			log.u.log.number = 2;
		log_ops_init(&ops);
		if (i != 6)
			CHECK_EQ(log_ops_add(&ops, &log, NULL), BC_OK);
		CHECK_EQ(log_ops_add(&ops, &snap, NULL), BC_OK);
		lie(r, &ops, i == 7 ? 2 : 1, i == 8 ? c - 1 : c, i == 9,
		    r->head.next_pack);
		log_ops_fini(&ops);
		repo_close(r);
		rebuild(k, BY_LOG, &a);
		/* The first is none, to show that the others could work. */
		CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), i == 0 ? c : 0);
		same_view(&a, &b);
		CHECK_EQ(check(k, &t), i == 0 ? BC_OK : BC_EDAMAGE);
		CHECK_EQ(t.checkpoints, i == 0 ? 0 : 1);
	}
}

/* It says less than the log: check sees it. */
static void omission(struct kit *k)
{
	struct log_op log = { .code = LOG_OP_LOG_PRESENT };
	struct log_ops ops;
	struct told t;
	struct repo *r;

	kit_create(k, 0);
	put(k, 1);
	r = kit_repo(k, true);
	log.u.log = (struct log_present){
		.number = 1, .id = r->head.log, .seq = 1, .first_generation = 1
	};
	log_ops_init(&ops);
	CHECK_EQ(log_ops_add(&ops, &log, NULL), BC_OK);
	lie(r, &ops, 1, r->head.generation, false, r->head.next_pack);
	log_ops_fini(&ops);
	repo_close(r);
	CHECK_EQ(check(k, &t), BC_EDAMAGE);
	CHECK_EQ(t.checkpoints, 1);
	CHECK(t.placed);
}

/* A catalog that lost a snapshot makes no checkpoint. */
static void lost(struct kit *k)
{
	char file[LOG_NAME_BYTES];
	struct catalog_snapshot row;
	struct dir_ref d;
	struct digest id;
	struct repo *r;
	uint64_t at, c;

	kit_create(k, 0);
	put(k, 1);
	id = put(k, 2);
	c = write_one(k);
	put(k, 3);
	r = kit_repo(k, false);
	CHECK_OK(catalog_get_snapshot(r->catalog, &id, &row, &k->e), &k->e);
	CHECK_OK(repo_dir_get(r, row.pack, row.slot, DIR_HINT, &d, &k->e),
		 &k->e);
	at = d.dir->blocks[d.dir->block_of[row.slot - d.dir->base_slot]].offset;
	repo_dir_put(r, &d);
	log_name(r->head.seq, &r->head.log, file);
	repo_close(r);
	flip(k, file, at + BLOCK_HEAD_BYTES + 5);
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, true);
	CHECK(strstr(k->notes, "is lost") != NULL);
	CHECK_EQ(kit_count(r), 2);
	CHECK_EQ(checkpoint_write(r, &nobody, &k->e), BC_EDAMAGE);
	repo_close(r);
	/* Put back, it is there again. */
	flip(k, file, at + BLOCK_HEAD_BYTES + 5);
	kit_sh("rm -f %s/catalog.db*", k->path);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 3);
	repo_close(r);
	same_by_both(k, c);
}

/* Nothing can be written: the catalog is made in memory, by the checkpoint. */
static void read_only(struct kit *k)
{
	struct view want;
	int status = 0;
	pid_t pid;

	kit_create(k, 0);
	for (uint64_t i = 0; i < 4; i++)
		put(k, i);
	write_one(k);
	put(k, 4);
	rebuild(k, BY_LOG, &want);
	kit_sh("rm -f %s/catalog.db*", k->path);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct view v;
		struct repo *r;

		if (unshare(CLONE_NEWNS) != 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount(k->path, k->path, NULL, MS_BIND, NULL) != 0 ||
		    mount(NULL, k->path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY,
			  NULL) != 0)
			_exit(77);
		r = kit_repo(k, false);
		CHECK(r->catalog_in_memory);
		CHECK_STR(k->notes, "");
		v = look_at(r);
		same_view(&want, &v);
		repo_close(r);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("skip read_only: no mount namespace\n");
	else
		CHECK_EQ(WEXITSTATUS(status), 0);
}

/* By itself after so many generations, and not before. */
static void due(struct kit *k)
{
	struct tag set = { bytes_str("n"), { NULL, 0 } };
	struct catalog_checkpoint c = { 0 };
	struct session *s;
	struct repo *r;
	struct digest id;
	char n[16];

	kit_create(k, 0);
	id = put(k, 1);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	for (int i = 0; r->head.generation < CHECKPOINT_GENERATIONS + 40; i++) {
		snprintf(n, sizeof(n), "%d", i);
		set.value = bytes_str(n);
		CHECK_OK(session_tag(s, &id, &set, 1, NULL, 0, &k->e), &k->e);
		CHECK_OK(catalog_checkpoint(r->catalog, &c, &k->e), &k->e);
		CHECK_EQ(c.generation,
			 r->head.generation > CHECKPOINT_GENERATIONS
				 ? CHECKPOINT_GENERATIONS
				 : 0);
	}
	session_end(s);
	repo_close(r);
	same_by_both(k, CHECKPOINT_GENERATIONS);
	check_whole(k);
}

/* ---- faults ---------------------------------------------------------------
 */

enum { CHILD_DONE = 0, CHILD_FAILED = 1, CHILD_UNHARMED = 2 };

static void child(struct kit *k, const char *text)
{
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct io_options o = { .engine = IO_ENGINE_AUTO };
	struct repo *r = NULL;
	enum bc_err rc;

	if (getenv("SHOW") == NULL && freopen("/dev/null", "w", stderr) == NULL)
		_exit(9);
	CHECK_OK(io_fault_parse(text, &plan, &k->e), &k->e);
	CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
	o.seam = io_fault_seam(f);
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
	k->rng.state += 12345;
	/* Opening settles the log's end: that may meet it, too. */
	rc = kit_try(k, true, &r);
	if (rc == BC_OK)
		rc = checkpoint_write(r, &nobody, &k->e);
	repo_close(r);
	if (io_fault_hits(f) == 0)
		_exit(rc == BC_OK ? CHILD_UNHARMED : 9);
	_exit(rc == BC_OK ? CHILD_DONE : CHILD_FAILED);
}

static void after_fault(struct kit *k, const struct view *was)
{
	struct view a, b;
	struct repo *r = kit_repo(k, true);
	uint64_t c;

	a = look_at(r);
	CHECK_EQ(a.count, was->count);
	CHECK(digest_eq(&a.rows[0], &was->rows[0]));
	CHECK_OK(checkpoint_write(r, &nobody, &k->e), &k->e);
	c = r->head.generation - 1;
	repo_close(r);
	rebuild(k, BY_LOG, &a);
	CHECK_EQ(rebuild(k, BY_CHECKPOINT, &b), c);
	same_view(&a, &b);
}

static void sweep(struct kit *k, const char *before, const char *after)
{
	struct view was;

	rebuild(k, BY_LOG, &was);
	kit_sh("rm -rf %s/base && cp -a %s %s/base", k->dir, k->path, k->dir);
	for (int n = 1;; n++) {
		char text[64];
		int status = 0;
		pid_t pid;

		CHECK(n < 1000);
		kit_sh("rm -rf %s && cp -a %s/base %s", k->path, k->dir,
		       k->path);
		snprintf(text, sizeof(text), "%s:%d%s", before, n, after);
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			child(k, text);
		CHECK(waitpid(pid, &status, 0) == pid);
		if (WIFSIGNALED(status))
			CHECK_EQ(WTERMSIG(status), SIGKILL);
		else
			CHECK(WEXITSTATUS(status) <= CHILD_UNHARMED);
		after_fault(k, &was);
		if (!WIFSIGNALED(status) &&
		    WEXITSTATUS(status) == CHILD_UNHARMED)
			break;
	}
	kit_sh("rm -rf %s && cp -a %s/base %s", k->path, k->dir, k->path);
}

static void faults(struct kit *k)
{
	struct group_builder g;
	struct digest id;
	struct repo *r;

	kit_create(k, 4 << 20);
	put(k, 1);
	id = put(k, 2);
	tag(k, &id, "a", "b");
	sweep(k, "change", ":kill");
	sweep(k, "write", ":torn");
	sweep(k, "change", ":EIO");
	sweep(k, "change", ":ENOSPC");
	/* One in packs. */
	r = kit_repo(k, true);
	group_builder_init(&g);
	for (uint32_t i = 0; i < 13000; i++)
		add_pack(k, &g, r->head.next_pack + i);
	commit_ops(r, &g);
	repo_close(r);
	sweep(k, "change", ":kill");
	sweep(k, "change", ":EIO");
}

/* What fails there fails no command. */
static void never_fails_a_command(struct kit *k)
{
	struct io_fault_plan plan;
	struct io_fault *f = NULL;
	struct io_options o = { .engine = IO_ENGINE_AUTO };
	struct io *was = k->io;
	struct session *s;
	struct repo *r;
	struct digest id;

	kit_create(k, 0);
	id = put(k, 1);
	(void)id;
	CHECK_OK(io_fault_parse("write@log/:2+:EIO", &plan, &k->e), &k->e);
	CHECK_OK(io_fault_new(&plan, &f, &k->e), &k->e);
	o.seam = io_fault_seam(f);
	CHECK_OK(io_open(&o, &k->io, &k->e), &k->e);
	r = kit_repo(k, true);
	s = kit_session(k, r);
	CHECK_OK(session_checkpoint(s, &k->e), &k->e); /* the first write */
	/* As if it were due. */
	CHECK(checkpoint_write(r, &nobody, &k->e) != BC_OK);
	session_end(s);
	repo_close(r);
	io_close(k->io);
	k->io = was;
	io_fault_free(f);
	r = kit_repo(k, true);
	CHECK_EQ(kit_count(r), 1);
	repo_close(r);
	same_by_both(k, write_one(k));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
#define CASE(how, f)                                                           \
	do {                                                                   \
		if (getenv("ONLY") == NULL || strcmp(getenv("ONLY"), #f) == 0) \
			how(f);                                                \
		printf("ok %s\n", #f);                                         \
	} while (0)
	CASE(both_engines, snapshots_and_tags);
	CASE(both_engines, many_tags);
	CASE(both_engines, states);
	CASE(both_engines, in_packs);
	CASE(both_engines, rolls);
	CASE(both_engines, damaged);
	CASE(kit_in_memory, each_place);
	CASE(both_engines, lies);
	CASE(both_engines, omission);
	CASE(both_engines, lost);
	CASE(both_engines, read_only);
	CASE(kit_in_memory, due);
	CASE(kit_in_memory, never_fails_a_command);
	CASE(kit_in_memory, faults);
	return 0;
}
