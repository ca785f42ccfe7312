/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/flusher.h"

#include <pthread.h>
#include <stdlib.h>

#include "io/pool.h"
#include "io/queue.h"

enum { FLUSH_DEPTH = 8 };

/* A hand-over: a write, or with buf NULL the end of a file. What takes one may
 * not fail, so all are there before: one for each buffer, and one in each file
 * for its end. */
struct job {
	struct io_req req;
	struct flush_file *ff;
	struct job *next;
	bool flying; /* in the queue; the thread's alone */
};

struct flush_file {
	struct io_file *file;
	uint64_t size;
	struct job end;

	/* Under the flusher's lock. */
	unsigned pending; /* requests not yet complete */
	bool finish;	  /* the end is handed over */
	bool ended;	  /* synced and closed, or failed and closed */
	struct err err;	  /* the first failure */
};

struct flusher {
	struct io *io;
	struct io_pool *pool;
	/* The thread's alone, once it runs. NULL: it has failed as a whole, and
	 * `broken` says why. */
	struct io_queue *queue;
	struct err broken;
	unsigned n_jobs;
	struct job *jobs; /* as many as buffers */
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below */
	bool started;
	pthread_cond_t work;
	pthread_cond_t done;
	struct job *first, *last;
	struct job *spare; /* at least one for each buffer that is lent */
	bool stop;
};

enum bc_err flusher_new(struct io *io, unsigned buffers, size_t bytes,
			struct flusher **out, struct err *e)
{
	struct flusher *f = calloc(1, sizeof(*f));
	enum bc_err rc;

	if (f == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the pack writer");
	f->io = io;
	f->n_jobs = buffers;
	f->jobs = calloc(buffers, sizeof(*f->jobs));
	if (f->jobs == NULL)
		rc = err_set(e, BC_ENOMEM, "no memory for the pack writer");
	else
		rc = io_pool_new(buffers, bytes, &f->pool, e);
	if (rc != BC_OK) {
		free(f->jobs);
		free(f);
		return rc;
	}
	for (unsigned i = 0; i < buffers; i++) {
		f->jobs[i].next = f->spare;
		f->spare = &f->jobs[i];
	}
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->work, NULL);
	pthread_cond_init(&f->done, NULL);
	*out = f;
	return BC_OK;
}

size_t flusher_buffer_bytes(const struct flusher *f)
{
	return io_pool_bytes(f->pool);
}

uint8_t *flusher_buffer(struct flusher *f)
{
	return io_pool_get(f->pool);
}

void flusher_return(struct flusher *f, uint8_t *buf)
{
	io_pool_put(f->pool, buf);
}

/* Under the lock: keep the first failure of a file. */
static void file_failed(struct flush_file *ff, const struct err *e)
{
	if (ff->err.code == BC_OK)
		ff->err = *e;
}

/* The thread: a completed or refused write. */
static void write_ended(struct flusher *f, struct job *j, const struct err *e)
{
	struct flush_file *ff = j->ff;
	uint8_t *buf = j->req.buf;

	pthread_mutex_lock(&f->lock);
	if (e->code != BC_OK)
		file_failed(ff, e);
	ff->pending--;
	j->next = f->spare;
	f->spare = j;
	pthread_mutex_unlock(&f->lock);
	/* Only now, so that whoever is lent it finds a job. */
	io_pool_put(f->pool, buf);
}

static enum bc_err file_state(struct flusher *f, const struct flush_file *ff)
{
	enum bc_err rc;

	pthread_mutex_lock(&f->lock);
	rc = ff->err.code;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/*
 * A ring that fails as a whole gives nothing back any more. What is in it is
 * lost, and so are the files; the kernel may still read the buffers, for files
 * that nobody will believe.
 */
static void give_up(struct flusher *f, const struct err *why)
{
	f->broken = *why;
	io_queue_free(f->queue);
	f->queue = NULL;
	for (unsigned i = 0; i < f->n_jobs; i++) {
		struct job *j = &f->jobs[i];
		bool lost;

		/* Others fill in those that are spare. */
		pthread_mutex_lock(&f->lock);
		lost = j->flying;
		pthread_mutex_unlock(&f->lock);
		if (!lost)
			continue;
		j->flying = false;
		write_ended(f, j, why);
	}
}

/* At least one completion; or there is no queue afterwards. */
static void reap(struct flusher *f)
{
	struct err e = ERR_INIT;
	struct io_req *r;

	if (io_queue_wait(f->queue, 1, &e) != BC_OK) {
		give_up(f, &e);
		return;
	}
	while ((r = io_queue_take(f->queue)) != NULL) {
		struct job *j = r->user;

		err_clear(&e);
		if (io_req_check(r, &e) != BC_OK && e.code == BC_OK)
			e.code = BC_EIO;
		j->flying = false;
		write_ended(f, j, &e);
	}
}

static unsigned in_flight(const struct flusher *f)
{
	return f->queue == NULL ? 0 : io_queue_count(f->queue);
}

static void start_write(struct flusher *f, struct job *j)
{
	struct err e = ERR_INIT;

	if (file_state(f, j->ff) != BC_OK) {
		write_ended(f, j, &e);
		return;
	}
	while (in_flight(f) >= FLUSH_DEPTH)
		reap(f);
	if (f->queue == NULL) {
		write_ended(f, j, &f->broken);
		return;
	}
	j->req.user = j;
	j->flying = io_queue_submit(f->queue, &j->req, &e) == BC_OK;
	if (!j->flying)
		write_ended(f, j, &e);
}

/* All writes of ff are complete: sync and close it. */
static void end_file(struct flusher *f, struct flush_file *ff)
{
	struct err e = ERR_INIT;
	enum bc_err rc = file_state(f, ff);

	if (rc == BC_OK)
		rc = io_file_truncate(ff->file, ff->size, &e);
	if (rc == BC_OK)
		rc = io_file_datasync(ff->file, &e);
	if (rc == BC_OK)
		rc = io_file_close(ff->file, &e);
	else
		io_file_close(ff->file, NULL);
	pthread_mutex_lock(&f->lock);
	ff->file = NULL;
	if (rc != BC_OK)
		file_failed(ff, &e);
	ff->ended = true;
	pthread_cond_broadcast(&f->done);
	pthread_mutex_unlock(&f->lock);
}

/* The end of a file comes after its writes in the list, so it only has to
 * wait for what is in flight. */
static void finish_file(struct flusher *f, struct flush_file *ff)
{
	unsigned pending;

	for (;;) {
		pthread_mutex_lock(&f->lock);
		pending = ff->pending;
		pthread_mutex_unlock(&f->lock);
		if (pending == 0)
			break;
		reap(f);
	}
	end_file(f, ff);
}

static struct job *next_job(struct flusher *f, bool *stop)
{
	struct job *j;

	pthread_mutex_lock(&f->lock);
	while (f->first == NULL && !f->stop && in_flight(f) == 0)
		pthread_cond_wait(&f->work, &f->lock);
	j = f->first;
	if (j != NULL) {
		f->first = j->next;
		if (f->first == NULL)
			f->last = NULL;
	}
	*stop = f->stop && j == NULL;
	pthread_mutex_unlock(&f->lock);
	return j;
}

static void *flush_thread(void *ctx)
{
	struct flusher *f = ctx;
	bool stop = false;

	for (;;) {
		struct job *j = next_job(f, &stop);

		if (j != NULL && j->req.buf != NULL)
			start_write(f, j);
		else if (j != NULL)
			finish_file(f, j->ff);
		else if (in_flight(f) > 0)
			reap(f);
		else if (stop)
			return NULL;
	}
}

/* Under the lock. */
static enum bc_err start_thread(struct flusher *f, struct err *e)
{
	enum bc_err rc;
	int sys;

	if (f->started)
		return BC_OK;
	rc = io_queue_new(f->io, FLUSH_DEPTH, &f->queue, e);
	if (rc != BC_OK)
		return rc;
	sys = pthread_create(&f->thread, NULL, flush_thread, f);
	if (sys != 0) {
		io_queue_free(f->queue);
		f->queue = NULL;
		return err_sys(e, sys, "cannot start a thread");
	}
	f->started = true;
	return BC_OK;
}

enum bc_err flusher_open(struct flusher *f, struct io_file *file,
			 struct flush_file **out, struct err *e)
{
	struct flush_file *ff = calloc(1, sizeof(*ff));
	enum bc_err rc;

	if (ff == NULL) {
		io_file_close(file, NULL);
		return err_set(e, BC_ENOMEM, "no memory for a pack");
	}
	pthread_mutex_lock(&f->lock);
	rc = start_thread(f, e);
	pthread_mutex_unlock(&f->lock);
	if (rc != BC_OK) {
		io_file_close(file, NULL);
		free(ff);
		return rc;
	}
	ff->file = file;
	*out = ff;
	return BC_OK;
}

/* Under the lock: the thread takes jobs in this order. */
static void hand_over(struct flusher *f, struct job *j)
{
	j->next = NULL;
	if (f->last != NULL)
		f->last->next = j;
	else
		f->first = j;
	f->last = j;
	pthread_cond_signal(&f->work);
}

void flusher_write(struct flusher *f, struct flush_file *ff, uint8_t *buf,
		   size_t len, uint64_t off)
{
	struct job *j;

	pthread_mutex_lock(&f->lock);
	j = f->spare;
	f->spare = j->next;
	*j = (struct job){ .ff = ff,
			   .req = { .op = IO_REQ_WRITE,
				    .file = ff->file,
				    .buf = buf,
				    .len = len,
				    .off = off } };
	ff->pending++;
	hand_over(f, j);
	pthread_mutex_unlock(&f->lock);
}

void flusher_finish(struct flusher *f, struct flush_file *ff, uint64_t size)
{
	pthread_mutex_lock(&f->lock);
	ff->size = size;
	ff->end.ff = ff;
	ff->finish = true;
	hand_over(f, &ff->end);
	pthread_mutex_unlock(&f->lock);
}

enum bc_err flusher_wait(struct flusher *f, struct flush_file *ff,
			 struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&f->lock);
	while (!ff->ended)
		pthread_cond_wait(&f->done, &f->lock);
	pthread_mutex_unlock(&f->lock);
	rc = ff->err.code;
	if (rc != BC_OK && e != NULL)
		*e = ff->err;
	free(ff);
	return rc;
}

void flusher_abandon(struct flusher *f, struct flush_file *ff)
{
	struct err gone = ERR_INIT;
	bool finish;

	err_set(&gone, BC_ECANCEL, "given up");
	pthread_mutex_lock(&f->lock);
	file_failed(ff, &gone);
	finish = ff->finish;
	pthread_mutex_unlock(&f->lock);
	if (!finish)
		flusher_finish(f, ff, 0);
	(void)!flusher_wait(f, ff, NULL);
}

void flusher_free(struct flusher *f)
{
	if (f == NULL)
		return;
	/* Nobody else is left who could start it. */
	if (f->started) {
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_cond_signal(&f->work);
		pthread_mutex_unlock(&f->lock);
		pthread_join(f->thread, NULL);
		io_queue_free(f->queue);
	}
	pthread_cond_destroy(&f->work);
	pthread_cond_destroy(&f->done);
	pthread_mutex_destroy(&f->lock);
	io_pool_free(f->pool);
	free(f->jobs);
	free(f);
}
