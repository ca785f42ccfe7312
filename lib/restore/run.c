/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "restore/files.h"
#include "restore/late.h"
#include "restore/report.h"
#include "restore/walk.h"
#include "util/arith.h"

enum {
	BATCHES_MAX = 4,
	/* Jobs for each other thread at which the walker goes on walking. */
	JOBS_AHEAD = 3,
	/* What makes another thread worth its start. */
	ENTRIES_A_THREAD = 64,
	BYTES_A_THREAD = 4 << 20,
	/* Memory for all loaders. */
	LOADERS_BYTES = 80 << 20,
	/* Descriptors: of a thread (ring, directories, a pack, a file), of the
	 * run, and what is left for other things. */
	FDS_A_THREAD = 7,
	FDS_OF_RUN = 6,
	FDS_SPARE = 6,
	FDS_PLENTY = 1024,
	OPEN_FILES_MIN = 2,
	OPEN_FILES_MAX = 256,
};

/* ---- the end, if it comes early --------------------------------------------
 */

void run_stop(struct run *run, const struct err *e)
{
	int none = 0;

	pthread_mutex_lock(&run->report);
	if (atomic_compare_exchange_strong(&run->fatal, &none, (int)e->code))
		run->fatal_err = *e;
	pthread_mutex_unlock(&run->report);
}

bool run_dead(struct run *run)
{
	static const struct err stopped = { .code = BC_ECANCEL,
					    .text = "stopped" };

	if (atomic_load_explicit(&run->fatal, memory_order_relaxed) != 0)
		return true;
	if (run->o.stop == NULL || atomic_load(run->o.stop) == 0)
		return false;
	run_stop(run, &stopped);
	return true;
}

/* ---- batches --------------------------------------------------------------
 */

/* The next job, or NULL: fewer than `more` are left. Under the lock. */
static const struct job *claim(struct run *run, uint32_t more, struct batch **b)
{
	const struct job *j;

	if (run->unclaimed <= more)
		return NULL;
	*b = run->queue;
	j = &(*b)->jobs[(*b)->claimed++];
	run->unclaimed--;
	if ((*b)->claimed == (*b)->n_jobs) {
		run->queue = (*b)->next;
		if (run->queue == NULL)
			run->queue_end = &run->queue;
	}
	return j;
}

static void job_done(struct run *run, struct batch *b)
{
	if (atomic_fetch_sub(&b->left, 1) != 1)
		return;
	pthread_mutex_lock(&run->lock);
	batch_clear(b);
	b->next = run->idle;
	run->idle = b;
	pthread_cond_broadcast(&run->wake);
	pthread_mutex_unlock(&run->lock);
}

/* Do jobs until no more than `more` are unclaimed and those begun are done. */
static void help(struct worker *w, uint32_t more)
{
	struct loader *l = &w->loader;

	for (;;) {
		while (!loader_full(l)) {
			struct batch *b = NULL;
			const struct job *j;

			pthread_mutex_lock(&w->run->lock);
			j = claim(w->run, more, &b);
			pthread_mutex_unlock(&w->run->lock);
			if (j == NULL)
				break;
			loader_start(l, b, j);
		}
		if (l->busy == 0)
			return;
		job_done(w->run, loader_finish(l));
	}
}

enum bc_err run_batch(struct run *run, struct batch **out, struct err *e)
{
	struct worker *w = &run->worker[0];

	for (;;) {
		struct batch *b;

		pthread_mutex_lock(&run->lock);
		b = run->idle;
		if (b != NULL) {
			run->idle = b->next;
			b->next = NULL;
		} else if (run->batches == BATCHES_MAX && run->unclaimed == 0) {
			pthread_cond_wait(&run->wake, &run->lock);
		}
		pthread_mutex_unlock(&run->lock);
		if (b != NULL) {
			*out = b;
			return BC_OK;
		}
		if (run->batches < BATCHES_MAX) {
			enum bc_err rc = batch_new(BATCH_REFS, out, e);

			run->batches += rc == BC_OK;
			return rc;
		}
		help(w, 0);
	}
}

void run_submit(struct worker *w, struct batch *b)
{
	struct run *run = w->run;

	batch_plan(b);
	pthread_mutex_lock(&run->lock);
	if (b->n_jobs == 0) {
		b->next = run->idle;
		run->idle = b;
	} else {
		*run->queue_end = b;
		run->queue_end = &b->next;
		run->unclaimed += b->n_jobs;
		pthread_cond_broadcast(&run->wake);
	}
	pthread_mutex_unlock(&run->lock);
	help(w, (run->threads - 1) * JOBS_AHEAD);
}

static bool is_settled(const struct run *run)
{
	unsigned n = 0;

	for (const struct batch *b = run->idle; b != NULL; b = b->next)
		n++;
	return n == run->batches;
}

void run_settle(struct worker *w)
{
	struct run *run = w->run;

	help(w, 0);
	pthread_mutex_lock(&run->lock);
	while (!is_settled(run))
		pthread_cond_wait(&run->wake, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *run = w->run;
	bool end = false;

	while (!end) {
		help(w, 0);
		pthread_mutex_lock(&run->lock);
		while (run->unclaimed == 0 && !run->walked)
			pthread_cond_wait(&run->wake, &run->lock);
		end = run->unclaimed == 0;
		pthread_mutex_unlock(&run->lock);
	}
	loader_fini(&w->loader); /* its queue is this thread's */
	return NULL;
}

/* ---- the run --------------------------------------------------------------
 */

/* Descriptors that may still be opened. */
static unsigned free_fds(void)
{
	struct rlimit lim;
	unsigned used = 0, max = FDS_PLENTY;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < max)
		max = (unsigned)lim.rlim_cur;
	for (unsigned i = 0; i < max; i++)
		used += fcntl((int)i, F_GETFD) >= 0;
	return max - used;
}

/* How many threads are worth it, and possible. */
static void share_out(struct run *run)
{
	const struct superblock *sb = repo_superblock(run->r);
	const struct tree_entry *what = run->o.what;
	size_t each = loader_memory(max_size(sb->block_bytes, sb->chunker.max));
	size_t fds = free_fds(), n = run->o.threads;
	uint64_t bytes =
		what->type == TREE_DIR ? what->dir.bytes : what->content.size;

	fds -= min_size(fds, FDS_OF_RUN + FDS_SPARE);
	n = min_size(n, RESTORE_THREADS_MAX);
	n = min_size(n, LOADERS_BYTES / each);
	n = min_size(n, fds / (FDS_A_THREAD + 1));
	n = (size_t)min_u64(n, 1 + what->dir.entries / ENTRIES_A_THREAD +
				       bytes / BYTES_A_THREAD);
	n = max_size(n, 1);
	run->threads = (unsigned)n;
	fds -= min_size(fds, n * FDS_A_THREAD);
	run->open_max = (uint32_t)max_size(OPEN_FILES_MIN,
					   min_size(fds / 2, OPEN_FILES_MAX));
	for (size_t i = 0; i < n; i++)
		dir_fds_init(&run->worker[i].fds,
			     fds / 2 >= n * DIR_FDS_MAX ? DIR_FDS_MAX : 2);
}

static bool loader_dead(void *ctx)
{
	struct worker *w = ctx;

	return run_dead(w->run);
}

static enum bc_err start(struct run *run, struct err *e)
{
	struct loader_calls calls = { .land = file_land,
				      .fail = file_lost,
				      .dead = loader_dead };
	enum bc_err rc = BC_OK;

	share_out(run);
	for (unsigned i = 0; i < run->threads && rc == BC_OK; i++) {
		struct worker *w = &run->worker[i];

		w->run = run;
		buf_init(&w->path, SIZE_MAX / 2);
		calls.ctx = w;
		rc = loader_init(&w->loader, run->r, &run->packs, &calls, e);
		/* The first is the walker. Fewer threads do as well. */
		if (rc == BC_OK && i > 0)
			w->started =
				pthread_create(&w->thread, NULL, work, w) == 0;
	}
	return rc;
}

static void stop(struct run *run)
{
	struct worker *w = &run->worker[0];

	if (w->run != NULL)
		help(w, 0);
	pthread_mutex_lock(&run->lock);
	run->walked = true;
	pthread_cond_broadcast(&run->wake);
	pthread_mutex_unlock(&run->lock);
	for (unsigned i = 1; i < run->threads; i++)
		if (run->worker[i].started)
			pthread_join(run->worker[i].thread, NULL);
	if (w->run != NULL)
		late_finish(w);
	for (unsigned i = 0; i < run->threads; i++) {
		if (run->worker[i].run == NULL)
			continue;
		loader_fini(&run->worker[i].loader);
		dir_fds_fini(&run->worker[i].fds);
		buf_fini(&run->worker[i].path);
	}
	while (run->idle != NULL) {
		struct batch *b = run->idle;

		run->idle = b->next;
		batch_free(b);
	}
}

static struct run *new_run(struct repo *r, const struct restore_options *o)
{
	struct run *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->r = r;
	run->o = *o;
	run->progress = o->progress != NULL ? o->progress : &run->own;
	run->root = -1;
	run->is_root = geteuid() == 0;
	run->queue_end = &run->queue;
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->wake, NULL);
	pthread_mutex_init(&run->report, NULL);
	for (int i = 0; i < FILE_LOCKS; i++)
		pthread_mutex_init(&run->files[i], NULL);
	pack_files_init(&run->packs, r, true, LOADER_PACKS);
	return run;
}

static void free_run(struct run *run)
{
	pack_files_fini(&run->packs);
	links_fini(&run->links);
	owner_fini(&run->users);
	owner_fini(&run->groups);
	for (int i = 0; i < FILE_LOCKS; i++)
		pthread_mutex_destroy(&run->files[i]);
	pthread_mutex_destroy(&run->report);
	pthread_cond_destroy(&run->wake);
	pthread_mutex_destroy(&run->lock);
	if (run->root >= 0)
		close(run->root);
	free(run);
}

enum bc_err restore_run(struct repo *r, const struct restore_options *o,
			struct restore_result *out, struct err *e)
{
	bool is_dir = o->what->type == TREE_DIR;
	enum dest_state state = DEST_IN_USE;
	struct run *run = new_run(r, o);
	char *name = NULL;
	enum bc_err rc;

	*out = (struct restore_result){ .worst = BC_OK };
	if (run == NULL) {
		out->worst = BC_ENOMEM;
		return err_set(e, BC_ENOMEM, "no memory to restore");
	}
	rc = links_init(&run->links, e);
	if (rc == BC_OK)
		rc = dest_open(run, is_dir, &name, &state, e);
	if (rc == BC_OK) {
		rc = start(run, e);
		if (rc == BC_OK)
			walk_run(&run->worker[0], name, state);
		stop(run);
	}
	if (rc == BC_OK)
		rc = report_verdict(run, !is_dir, e);
	out->files = run->progress->files;
	out->dirs = run->progress->dirs;
	out->others = run->progress->others;
	out->size = run->progress->size;
	out->bytes = run->progress->bytes;
	out->same = run->progress->same;
	out->errors = run->progress->errors;
	out->folders = run->progress->folders;
	out->worst = rc;
	free(name);
	free_run(run);
	return rc;
}
