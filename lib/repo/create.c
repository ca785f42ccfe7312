/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/create.h"

#include <stdio.h>
#include <stdlib.h>

#include "hash/sha256.h"
#include "log/file.h"
#include "repo/holder.h"
#include "repo/layout.h"
#include "util/arith.h"
#include "util/fmt.h"

enum { RESERVE_MAX_BYTES = 16 << 20, RESERVE_SHARE = 100 };

void repo_create_defaults(struct repo_create_options *o)
{
	o->chunker = (struct chunk_params){ .kind = CHUNK_CDC,
					    .min = 16 << 10,
					    .avg = 64 << 10,
					    .max = 256 << 10 };
	o->level = 1;
	o->pack_bytes = 64 << 20;
	o->reserve_bytes = UINT64_MAX;
}

/* May a repository be made in what there is? */
static enum bc_err judge(const char *path, const struct repo_look *l,
			 struct err *e)
{
	switch (l->found) {
	case REPO_MISSING:
	case REPO_FREE:
	case REPO_HALF_MADE:
		return BC_OK;
	case REPO_THERE:
		err_set(e, BC_EEXIST, "%s is a repository already", path);
		if (l->damaged) {
			err_set(e, BC_EEXIST,
				"%s is a repository already, and damaged",
				path);
			err_hint(e, "put `superblock` back from a copy of "
				    "this repository, however old");
			return BC_EEXIST;
		}
		err_hint(e, "use it as it is; with --if-missing that is no "
			    "failure");
		return BC_EEXIST;
	case REPO_LOST_SUPERBLOCKS:
		err_set(e, BC_EEXIST,
			"%s holds data (%s/) but no superblock: a damaged "
			"repository",
			path, l->what);
		err_hint(e, "put `superblock` back from a copy of this "
			    "repository, however old");
		return BC_EEXIST;
	case REPO_FOREIGN:
		err_set(e, BC_EEXIST, "%s is not empty (it holds %s)", path,
			l->what);
		break;
	case REPO_NO_FOLDER:
		err_set(e, BC_EEXIST, "%s is no folder", path);
		break;
	}
	err_hint(e, "choose an empty or a new folder");
	return BC_EEXIST;
}

static enum bc_err drop_one(void *ctx, const char *name, enum io_type type)
{
	(void)type;
	return io_unlink(ctx, name, NULL);
}

static enum bc_err drop_tmp(void *ctx, const char *name, enum io_type type)
{
	if (type == IO_TYPE_FILE &&
	    strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)) == 0)
		return io_unlink(ctx, name, NULL);
	return BC_OK;
}

/* A half-made repository may have a log: it names another id. */
static enum bc_err make_folders(struct io_dir *dir, struct err *e)
{
	struct io_dir *log = NULL;
	enum bc_err rc;

	for (size_t i = 0; i < REPO_FOLDERS; i++) {
		rc = io_mkdir(dir, repo_folders[i], e);
		if (rc != BC_OK && rc != BC_EEXIST)
			return rc;
	}
	rc = io_dir_open_at(dir, REPO_LOG_DIR, &log, e);
	if (rc == BC_OK)
		rc = io_list(log, ".", e, drop_one, log);
	io_dir_close(log);
	if (rc == BC_OK)
		rc = io_list(dir, ".", e, drop_tmp, dir);
	return rc;
}

static enum bc_err no_room(uint64_t bytes, uint64_t available, struct err *e)
{
	char want[FMT_BYTES], have[FMT_BYTES];

	err_set(e, BC_ENOSPC, "a reserve of %s does not fit in the %s free",
		fmt_size(bytes, FMT_IEC, want),
		fmt_size(available, FMT_IEC, have));
	err_hint(e, "a smaller one, --reserve=16MiB, or none, --reserve=0");
	return BC_ENOSPC;
}

static enum bc_err make_reserve(struct io_dir *dir, struct superblock *s,
				struct err *e)
{
	struct io_file *f = NULL;
	struct io_space space;
	enum bc_err rc = io_dir_space(dir, &space, e);

	if (rc != BC_OK)
		return rc;
	if (s->reserve_bytes == UINT64_MAX)
		s->reserve_bytes = round_down(
			min_u64(space.total / RESERVE_SHARE, RESERVE_MAX_BYTES),
			IO_ALIGN);
	if (s->reserve_bytes > space.available)
		return no_room(s->reserve_bytes, space.available, e);
	rc = io_file_open(dir, REPO_RESERVE_FILE,
			  IO_WRITE | IO_CREATE | IO_TRUNCATE, &f, e);
	if (rc == BC_OK && s->reserve_bytes > 0)
		rc = io_file_allocate(f, 0, s->reserve_bytes, IO_ALLOC_GROW, e);
	if (rc == BC_OK)
		rc = io_file_sync(f, e);
	io_file_close(f, NULL);
	return rc;
}

/* The first group: generation 1 says which repository this is. */
static enum bc_err first_group(struct log_file *log, struct rng rng,
			       int64_t now, const struct pack_id *repo,
			       struct err *e)
{
	struct group_place at = { .log = log_file_head(log)->pack.id,
				  .offset = LOG_HEAD_BYTES,
				  .generation = 1,
				  .time = now };
	struct log_op begin = { .code = LOG_OP_BEGIN, .u.begin = *repo };
	struct buf raw = BUF_INIT(GROUP_MAX_BYTES);
	struct group_builder g;
	struct digest digest;
	uint8_t *aligned = NULL;
	enum bc_err rc;
	bool begun;

	group_builder_init(&g);
	rc = rng_fill(rng, at.group.b, PACK_ID_BYTES, e);
	if (rc == BC_OK)
		rc = log_ops_add(&g.ops, &begin, e);
	if (rc == BC_OK)
		rc = group_encode(&g, &at, &raw, &digest, e);
	if (rc == BC_OK) {
		aligned = aligned_alloc(IO_ALIGN, raw.n);
		if (aligned == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory for a group");
	}
	if (rc == BC_OK) {
		memcpy(aligned, raw.p, raw.n);
		rc = log_file_append(log, at.offset, bytes_of(aligned, raw.n),
				     false, &begun, e);
	}
	free(aligned);
	buf_fini(&raw);
	group_builder_fini(&g);
	return rc;
}

static enum bc_err make_log(struct io_dir *dir, struct rng rng, int64_t now,
			    const struct pack_id *repo, struct err *e)
{
	struct log_head h = {
		.pack = { .kind = PACK_LOG, .repo = *repo, .created = now },
		.seq = 1,
		.number = 1,
		.first_generation = 1
	};
	struct io_dir *folder = NULL;
	struct log_file *log = NULL;
	enum bc_err rc = rng_fill(rng, h.pack.id.b, PACK_ID_BYTES, e);

	if (rc == BC_OK)
		rc = io_dir_open_at(dir, REPO_LOG_DIR, &folder, e);
	if (rc == BC_OK)
		rc = log_file_create(folder, &h, &log, e);
	if (rc == BC_OK)
		rc = first_group(log, rng, now, repo, e);
	log_file_close(log);
	io_dir_close(folder);
	return rc;
}

/* Open the folder in which `path` is a name; *name is within *copy, which is
 * to be freed. */
static enum bc_err open_parent(struct io *io, const char *path, char **copy,
			       const char **name, struct io_dir **out,
			       struct err *e)
{
	char *slash;

	*copy = strdup(path);
	if (*copy == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a path");
	/* The last component, without slashes that may follow it. */
	while (strlen(*copy) > 1 && (*copy)[strlen(*copy) - 1] == '/')
		(*copy)[strlen(*copy) - 1] = '\0';
	slash = strrchr(*copy, '/');
	*name = slash == NULL ? *copy : slash + 1;
	if (slash == NULL)
		return io_dir_open(io, ".", out, e);
	*slash = '\0';
	return io_dir_open(io, slash == *copy ? "/" : *copy, out, e);
}

static enum bc_err make_folder(struct io *io, const char *path, struct err *e)
{
	struct io_dir *parent = NULL;
	const char *name = NULL;
	char *copy = NULL;
	enum bc_err rc = open_parent(io, path, &copy, &name, &parent, e);

	if (rc == BC_OK)
		rc = io_mkdir(parent, name, e);
	if (rc == BC_EEXIST)
		rc = BC_OK;
	if (rc == BC_OK)
		rc = io_dir_sync(parent, e);
	io_dir_close(parent);
	free(copy);
	return rc;
}

enum bc_err repo_create_check(struct io *io, const char *path, struct err *e)
{
	struct io_dir *parent = NULL;
	const char *name = NULL;
	char *copy = NULL;
	struct repo_look l;
	enum bc_err rc = repo_look(io, path, &l, e);

	if (rc == BC_OK)
		rc = judge(path, &l, e);
	if (rc == BC_OK && l.found == REPO_MISSING)
		rc = open_parent(io, path, &copy, &name, &parent, e);
	io_dir_close(parent);
	free(copy);
	return rc;
}

static enum bc_err fill(struct io_dir *dir, const struct repo_create_options *o,
			struct pack_id *id, struct err *e)
{
	int64_t now = o->clock.real(o->clock.ctx);
	struct superblock s = { .version = REPO_FORMAT_VERSION,
				.sequence = 1,
				.created = now,
				.hash = 1,
				.codec = o->level == 0 ? 0 : 1,
				.chunker = o->chunker,
				.level = o->level,
				.block_bytes = REPO_BLOCK_BYTES,
				.pack_bytes = o->pack_bytes,
				.reserve_bytes = o->reserve_bytes };
	struct repo_look l;
	enum bc_err rc = repo_look_dir(dir, &l, e);
	bool reserve = false;

	if (rc == BC_OK)
		rc = judge(io_dir_path(dir), &l, e);
	if (rc == BC_OK)
		rc = rng_fill(o->rng, s.id.b, PACK_ID_BYTES, e);
	if (rc == BC_OK)
		rc = make_folders(dir, e);
	reserve = rc == BC_OK;
	if (rc == BC_OK)
		rc = make_reserve(dir, &s, e);
	if (rc == BC_OK)
		rc = make_log(dir, o->rng, now, &s.id, e);
	if (rc == BC_OK)
		rc = io_dir_sync(dir, e);
	if (rc == BC_OK)
		rc = superblock_store(dir, &s, e);
	/* Not to keep from others what no repository has. */
	if (rc != BC_OK && reserve)
		(void)!io_unlink(dir, REPO_RESERVE_FILE, NULL);
	if (rc == BC_OK && id != NULL)
		*id = s.id;
	return rc;
}

/*
 * An init that was killed before its last rename has left a repository with
 * one superblock: put the other in place. A failure leaves things as they are,
 * which is good enough.
 */
static void complete(struct io_dir *dir)
{
	struct superblock copy;
	struct io_stat st;
	struct io_file *lock = NULL;

	if (io_stat_at(dir, SUPERBLOCK_NAME, &st, NULL) != BC_ENOTFOUND ||
	    superblock_load(dir, &copy, NULL, NULL) != BC_OK ||
	    io_file_open(dir, REPO_LOCK_FILE, IO_READ | IO_WRITE | IO_CREATE,
			 &lock, NULL) != BC_OK)
		return;
	/* One that still lives does it itself. */
	if (io_file_lock(lock, REPO_LOCK_INIT, 1, IO_LOCK_EXCLUSIVE,
			 IO_LOCK_TRY, NULL) == BC_OK) {
		(void)!io_list(dir, ".", NULL, drop_tmp, dir);
		(void)!superblock_store(dir, &copy, NULL);
	}
	io_file_close(lock, NULL);
}

/* `doctor` would look for a repository, and there is none yet. */
static void tell_busy(const char *path, struct err *e)
{
	size_t n = strlen(path) + sizeof("/" REPO_LOCK_FILE);
	char *file = malloc(n);
	struct lock_holder h;

	if (file != NULL)
		snprintf(file, n, "%s/%s", path, REPO_LOCK_FILE);
	if (file != NULL && lock_holder_find(file, REPO_LOCK_INIT, &h))
		err_set(e, BC_ELOCKED,
			"pid %lld is making a repository in %s and %s",
			(long long)h.pid, path,
			h.stopped ? "is stopped" : "has not finished in time");
	else
		err_set(e, BC_ELOCKED,
			"another process is making a repository in %s and has "
			"not finished in time",
			path);
	err_hint(e, "wait longer with --lock-wait");
	free(file);
}

enum bc_err repo_create(const char *path, const struct repo_create_options *o,
			struct pack_id *id, struct err *e)
{
	struct io_dir *dir = NULL;
	struct io_file *lock = NULL;
	struct repo_look l;
	enum bc_err rc;

	if (!chunk_params_valid(&o->chunker) ||
	    o->pack_bytes < REPO_PACK_MIN_BYTES ||
	    o->pack_bytes > REPO_PACK_MAX_BYTES)
		return err_set(e, BC_EINVAL,
			       "a repository cannot have these sizes");
	rc = repo_look(o->io, path, &l, e);
	if (rc == BC_OK && l.found == REPO_MISSING)
		rc = make_folder(o->io, path, e);
	if (rc == BC_OK && l.found != REPO_NO_FOLDER)
		rc = io_dir_open(o->io, path, &dir, e);
	if (rc == BC_OK && l.found == REPO_THERE)
		complete(dir);
	if (rc == BC_OK)
		rc = judge(path, &l, e);
	if (rc == BC_OK)
		rc = io_file_open(dir, REPO_LOCK_FILE,
				  IO_READ | IO_WRITE | IO_CREATE, &lock, e);
	if (rc == BC_OK) {
		rc = io_file_lock(lock, REPO_LOCK_INIT, 1, IO_LOCK_EXCLUSIVE,
				  o->lock_wait_ms, e);
		if (rc == BC_ELOCKED)
			tell_busy(path, e);
	}
	/* Once more under the lock: the other may have finished just now. */
	if (rc == BC_OK)
		rc = fill(dir, o, id, e);
	io_file_close(lock, NULL);
	io_dir_close(dir);
	return rc;
}
