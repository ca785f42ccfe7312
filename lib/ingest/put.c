/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/entry.h"
#include "repo/snapshots_live.h"
#include "util/arith.h"
#include "util/hex.h"

enum {
	BASES_MAX = 65535,
	/* Windows in memory: two for each worker, and bounded. */
	WINDOWS_BYTES_MAX = 20 << 20,
	CACHE_NAME_BYTES = 64,
	/* One file of this size is read and hashed in less time than it takes
	 * to keep a cache for it. */
	CACHE_WORTH_BYTES = 256 << 10,
};

/* ---- roots ----------------------------------------------------------------
 */

/* The directory that holds a path's last component. */
static int open_parent(const char *path)
{
	char *copy = strdup(path), *slash;
	int fd;

	if (copy == NULL)
		return -1;
	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash == NULL)
		fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else {
		slash[1] = '\0';
		fd = open(copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	free(copy);
	return fd;
}

/* The last component as it is on disk; the root's name may differ. */
static const char *last_component(const char *path, size_t *n)
{
	size_t end = strlen(path), at;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (at = end; at > 0 && path[at - 1] != '/';)
		at--;
	*n = end - at;
	return path + at;
}

static enum bc_err open_base(struct put *p, const struct put_root *root,
			     struct err *e)
{
	struct base *b = &p->bases[p->n_bases];
	struct item it;
	int sys;

	b->fd = root->how == PUT_CONTENTS
			? open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			: open_parent(root->path);
	if (b->fd < 0)
		return err_sys(e, errno, "cannot open %s", root->path);
	p->n_bases++;
	sys = source_fstat(b->fd, &it);
	if (sys != 0)
		return err_sys(e, sys, "cannot open %s", root->path);
	b->dev = it.dev;
	return BC_OK;
}

static enum bc_err add_root(struct put *p, struct dir_job *top,
			    const struct put_root *root, struct err *e)
{
	uint16_t base = (uint16_t)p->n_bases;
	uint8_t *scratch;
	struct item it;
	size_t n;
	int sys;
	enum bc_err rc = open_base(p, root, e);

	if (rc != BC_OK)
		return rc;
	if (root->how == PUT_NAMED) {
		const char *last = last_component(root->path, &n);

		sys = source_stat(p->bases[base].fd, root->name, &it);
		if (strncmp(last, root->name, n) != 0)
			sys = EINVAL;
		if (sys != 0)
			return err_sys(e, sys, "cannot open %s", root->path);
		if (names_add(&top->names, root->name, base) != BC_OK)
			return err_set(e, BC_ENOMEM, "no memory");
		return BC_OK;
	}
	scratch = malloc(LIST_BYTES);
	sys = scratch == NULL ? ENOMEM
			      : names_list(&top->names, p->bases[base].fd, base,
					   scratch);
	free(scratch);
	return sys == 0 ? BC_OK : err_sys(e, sys, "cannot list %s", root->path);
}

static enum bc_err check_names(const struct dir_job *top, struct err *e)
{
	for (size_t i = 1; i < top->names.n; i++)
		if (strcmp(name_at(&top->names, i - 1),
			   name_at(&top->names, i)) == 0)
			return err_set(e, BC_EUSAGE,
				       "two of the paths given would both be "
				       "stored as %s",
				       name_at(&top->names, i));
	return BC_OK;
}

static enum bc_err open_roots(struct put *p, struct dir_job *top, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (p->o->n_roots > BASES_MAX)
		return err_set(e, BC_EUSAGE, "more than %d paths", BASES_MAX);
	p->bases = calloc(p->o->n_roots + 1, sizeof(*p->bases));
	if (p->bases == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < p->o->n_roots && rc == BC_OK; i++)
		rc = add_root(p, top, &p->o->roots[i], e);
	names_sort(&top->names);
	top->dev = p->n_bases > 0 ? p->bases[0].dev : 0;
	return rc == BC_OK ? check_names(top, e) : rc;
}

/* ---- standard input -------------------------------------------------------
 */

/* One file without a directory around it. */
static enum bc_err store_stdin(struct put *p, struct err *e)
{
	const struct put_root *root = &p->o->roots[0];
	struct worker w = { .p = p };
	struct dir_job *top = dir_new(p, NULL, "", 0);
	struct tree_entry en = { .name = bytes_str(root->name),
				 .type = TREE_FILE,
				 .mode = 0644,
				 .uid = geteuid(),
				 .gid = getegid() };
	struct item item = { .type = TREE_FILE };
	bool present = true;
	struct range r = { .dir = top,
			   .n = 1,
			   .entry = &en,
			   .item = &item,
			   .present = &present };
	struct tree_builder b;
	int64_t now = p->racy_from;
	enum bc_err rc = BC_OK;

	if (top == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	en.user = owners_user(p->owners, en.uid);
	en.group = owners_group(p->owners, en.gid);
	en.mtime = now / 1000000000;
	en.mtime_nsec = (uint32_t)(now % 1000000000);
	p->workers = p->busy = 1;
	rc = file_stream(&w, root->fd, &r, 0, e);
	if (rc == BC_OK && p->failed.code != BC_OK) {
		rc = p->failed.code;
		*e = p->failed;
	}
	if (rc == BC_OK) {
		tree_builder_init(&b, &w.content.sink);
		tree_builder_begin(&b);
		rc = tree_builder_add(&b, &en, e);
		if (rc == BC_OK)
			rc = tree_builder_finish(&b, &p->root.dir, e);
		tree_builder_fini(&b);
		p->root.files = 1;
		p->root_known = rc == BC_OK;
		atomic_fetch_add(&p->progress->files, 1);
	}
	if (rc == BC_OK)
		rc = worker_flush(&w, e);
	pthread_mutex_lock(&p->lock);
	p->finished = true;
	p->busy--;
	p->workers--;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	sched_worker_fini(&w);
	arena_free(&r.arena);
	sched_free_windows(p);
	return rc;
}

/* ---- the stat cache -------------------------------------------------------
 */

/* One per set of roots: a digest of their paths names the file. */
static void cache_name(const struct put *p, char out[CACHE_NAME_BYTES])
{
	struct sha256_ctx c;
	struct digest d;

	sha256_init(&c);
	for (size_t i = 0; i < p->o->n_roots; i++) {
		const struct put_root *r = &p->o->roots[i];
		const char *path = r->source == NULL ? "" : r->source;
		uint8_t how = (uint8_t)r->how;

		sha256_update(&c, bytes_of(&how, 1));
		sha256_update(&c, bytes_of(path, strlen(path) + 1));
	}
	if (p->o->one_file_system)
		sha256_update(&c, bytes_str("x"));
	sha256_final(&c, &d);
	memcpy(out, "stat-", 5);
	hex_encode(d.b, 16, out + 5);
}

static void open_cache(struct put *p)
{
	struct io_dir *dir =
		p->o->cache != NULL ? p->o->cache : repo_cache_dir(p->repo);
	const struct superblock *sb = repo_superblock(p->repo);
	char name[CACHE_NAME_BYTES];
	struct digest root;
	bool live = false;

	if (dir == NULL || p->o->dry_run || p->session == NULL)
		return;
	cache_name(p, name);
	/* The trees it names must be reachable from a snapshot that lives at
	 * this session's generation. */
	if (!p->o->no_cache &&
	    statcache_open(dir, name, &sb->id, &p->cache, &root, NULL) ==
		    BC_OK &&
	    (repo_root_live(p->repo, &root, &live, NULL) != BC_OK || !live)) {
		statcache_close(p->cache);
		p->cache = NULL;
	}
	if (statcache_writer_new(dir, name, &p->cache_out, NULL) != BC_OK)
		p->cache_out = NULL;
}

static bool worth_a_cache(const struct put *p)
{
	return p->root.files != 1 || p->root.dirs > 0 || p->root.others > 0 ||
	       p->root.dir.bytes > CACHE_WORTH_BYTES;
}

static void save_cache(struct put *p)
{
	const struct superblock *sb = repo_superblock(p->repo);

	if (p->cache_out == NULL)
		return;
	if (!p->cache_changed || !worth_a_cache(p)) {
		statcache_writer_abort(p->cache_out);
		p->cache_out = NULL;
		return;
	}
	for (size_t i = 0; i < p->same.n; i++)
		statcache_writer_copy(p->cache_out, &p->same.at[i]);
	/* It is a cache: failing to keep it only costs the next run time. */
	(void)!statcache_writer_finish(p->cache_out, &sb->id, &p->root.dir.id,
				       NULL);
	p->cache_out = NULL;
}

/* ---- the snapshot ---------------------------------------------------------
 */

/* The root's own metadata: the directory's, or made up for several roots. */
static void root_entry(struct put *p, struct tree_entry *en)
{
	const struct put_options *o = p->o;
	struct item it;

	*en = (struct tree_entry){ .name = bytes_str("."),
				   .type = TREE_DIR,
				   .mode = 0755,
				   .uid = geteuid(),
				   .gid = getegid() };
	if (o->n_roots == 1 && o->roots[0].how == PUT_CONTENTS &&
	    source_fstat(p->bases[0].fd, &it) == 0) {
		entry_metadata(p, &it, en);
	} else {
		en->user = owners_user(p->owners, en->uid);
		en->group = owners_group(p->owners, en->gid);
	}
	en->dir = p->root.dir;
}

static enum bc_err commit(struct put *p, int64_t begun, struct put_result *out,
			  struct err *e)
{
	const struct put_options *o = p->o;
	struct session_counts n = session_counts(p->session);
	struct snapshot_root *roots = calloc(o->n_roots + 1, sizeof(*roots));
	struct clock clk = clock_system();
	struct buf raw = BUF_INIT(SNAPSHOT_MAX_BYTES);
	bool made_up = o->n_roots != 1 || o->roots[0].how != PUT_CONTENTS;
	struct snapshot_record s = {
		.name = o->name,
		.host = o->host,
		.user = o->user,
		.program = o->program,
		.time = o->time == INT64_MIN ? begun : o->time,
		.end_time = clk.real(clk.ctx),
		.tags = NULL,
		.roots = roots,
		.root_count = o->n_roots,
		.flags = (made_up ? SNAPSHOT_MADE_UP : 0) |
			 (p->unreadable > 0 ? SNAPSHOT_SKIPPED : 0),
		.files = p->root.files,
		.dirs = p->root.dirs,
		.others = p->root.others,
		.bytes = p->root.dir.bytes,
		.new_chunks = n.chunks,
		.new_bytes = n.bytes,
		.new_stored = n.stored,
	};
	struct snapshot_tag *tags = calloc(o->n_tags + 1, sizeof(*tags));
	enum bc_err rc = BC_OK;

	if (roots == NULL || tags == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for the snapshot");
		goto out;
	}
	for (size_t i = 0; i < o->n_roots; i++) {
		const struct put_root *r = &o->roots[i];

		roots[i] = (struct snapshot_root){
			.how = r->how == PUT_NAMED	? SNAPSHOT_NAMED
			       : r->how == PUT_CONTENTS ? SNAPSHOT_CONTENTS
							: SNAPSHOT_STDIN,
			.name = bytes_str(r->name == NULL ? "" : r->name),
			.path = bytes_str(r->source == NULL ? "" : r->source)
		};
	}
	if (o->n_tags > 0)
		memcpy(tags, o->tags, o->n_tags * sizeof(*tags));
	snapshot_tags_sort(tags, o->n_tags);
	s.tags = tags;
	s.tag_count = o->n_tags;
	root_entry(p, &s.root);
	rc = snapshot_record_encode(&s, &raw, e);
	if (rc == BC_OK)
		rc = session_commit_snapshot(p->session, buf_bytes(&raw),
					     &out->id, e);
	if (rc == BC_OK) {
		n = session_counts(p->session);
		out->new_chunks = n.chunks;
		out->new_bytes = n.bytes;
		out->new_stored = n.stored;
	}
out:
	buf_fini(&raw);
	free(roots);
	free(tags);
	return rc;
}

/* ---- all of it ------------------------------------------------------------
 */

static enum bc_err store(struct put *p, struct err *e)
{
	struct dir_job *top;
	enum bc_err rc;

	if (p->o->n_roots == 1 && p->o->roots[0].how == PUT_STDIN)
		return store_stdin(p, e);
	top = dir_new(p, NULL, "", 0);
	if (top == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	top->top = true;
	rc = open_roots(p, top, e);
	if (rc != BC_OK)
		return rc;
	open_cache(p);
	sched_push(p, top);
	return sched_run(p, e);
}

/* Buffers do not grow with the number of workers, but become smaller. */
static void share_memory(struct put *p)
{
	size_t workers = p->o->threads;
	size_t window = WINDOWS_BYTES_MAX / (2 * workers + 1);
	size_t batch = BATCHES_BYTES / workers;

	window = max_size(WINDOW_MIN_BYTES, min_size(window, WINDOW_MAX_BYTES));
	p->window_bytes = window + chunker_need(&p->chunker);
	p->max_windows = (unsigned)max_size(
		2,
		min_size(2 * workers + 1, WINDOWS_BYTES_MAX / p->window_bytes));
	p->batch_bytes =
		max_size(BATCH_MIN_BYTES, min_size(batch, BATCH_MAX_BYTES));
}

static enum bc_err begin(struct put *p, struct err *e)
{
	const struct superblock *sb = repo_superblock(p->repo);
	struct clock clk = clock_system();

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_mutex_init(&p->event_lock, NULL);
	p->racy_from = clk.coarse(clk.ctx);
	p->progress =
		p->o->progress == NULL ? &p->own_progress : p->o->progress;
	chunker_init(&p->chunker, &sb->chunker, CHUNK_KERNEL_AUTO);
	share_memory(p);
	if (owners_new(&p->owners) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory");
	if (p->o->dry_run)
		return BC_OK;
	return session_begin(p->repo, "put", &p->session, e);
}

static void end(struct put *p)
{
	while (p->all != NULL)
		dir_free(p, p->all);
	session_end(p->session);
	statcache_writer_abort(p->cache_out);
	statcache_close(p->cache);
	owners_free(p->owners);
	for (size_t i = 0; i < p->n_bases; i++)
		close(p->bases[i].fd);
	free(p->bases);
	free(p->same.at);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->event_lock);
	pthread_cond_destroy(&p->wake);
	free(p);
}

enum bc_err ingest_put(struct repo *r, const struct put_options *o,
		       struct put_result *out, struct err *e)
{
	struct put *p = calloc(1, sizeof(*p));
	struct clock clk = clock_system();
	int64_t begun = clk.real(clk.ctx);
	struct put_result res = { .unchanged = false };
	enum bc_err rc;

	if (p == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	p->repo = r;
	p->o = o;
	rc = begin(p, e);
	if (rc == BC_OK)
		rc = store(p, e);
	if (rc == BC_OK && !p->root_known)
		rc = err_set(e, BC_ESYS, "the tree was not finished");
	res.root = p->root.dir.id;
	if (rc == BC_OK && o->if_changed)
		rc = repo_newest_root(r, o->name, &p->root.dir.id, &res.id,
				      &res.unchanged, e);
	if (rc == BC_OK && !o->dry_run && !res.unchanged)
		rc = commit(p, begun, &res, e);
	if (rc == BC_OK && !res.unchanged)
		save_cache(p);
	res.files = p->root.files;
	res.dirs = p->root.dirs;
	res.others = p->root.others;
	res.bytes = p->root.dir.bytes;
	res.vanished = p->vanished;
	res.changed = p->changed;
	res.unreadable = p->unreadable;
	end(p);
	if (rc == BC_OK)
		*out = res;
	return rc;
}
