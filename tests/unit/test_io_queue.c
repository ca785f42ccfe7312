/* SPDX-License-Identifier: Apache-2.0 */
/* io/queue: transfers at every depth, failures, cancelling, laziness. */
#include "tests/unit/test_io.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>

enum { FILE_BYTES = 4 << 20, BLOCK_MAX = 9 * IO_ALIGN };

/* Queue requests to cut `data` into; each as the caller would embed it. */
struct slot {
	struct io_req r;
	uint8_t *buf;
};

static struct slot *slots_new(unsigned n)
{
	struct slot *s = calloc(n, sizeof(*s));

	CHECK(s != NULL);
	for (unsigned i = 0; i < n; i++) {
		s[i].buf = aligned_bytes(BLOCK_MAX);
		s[i].r.user = &s[i];
	}
	return s;
}

static void slots_free(struct slot *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(s[i].buf);
	free(s);
}

/* Take one back; a read must hold what the file should. */
static struct slot *back(struct io_queue *q, const uint8_t *data)
{
	struct io_req *r = io_queue_take(q);
	struct err e;

	if (r == NULL)
		return NULL;
	CHECK_OK(io_req_check(r, &e), &e);
	CHECK_EQ(r->done, r->len);
	if (r->op == IO_REQ_READ)
		CHECK(memcmp(r->buf, data + r->off, r->len) == 0);
	return r->user;
}

/* Move the whole file in random pieces with `depth` in flight. */
static void pump(struct scratch *s, struct io_file *f, enum io_req_op op,
		 unsigned depth, const uint8_t *data, uint64_t *rng)
{
	struct slot *all = slots_new(depth), **idle, *one;
	struct io_queue *q;
	unsigned n = depth;
	uint64_t off = 0;

	idle = calloc(depth, sizeof(struct slot *));
	CHECK(idle != NULL);
	for (unsigned i = 0; i < depth; i++)
		idle[i] = &all[i];
	CHECK_OK(io_queue_new(s->io, depth, &q, &s->e), &s->e);
	while (off < FILE_BYTES || io_queue_count(q) > 0) {
		while (n > 0 && off < FILE_BYTES) {
			size_t len = (1 + t_rng(rng) % 9) * IO_ALIGN;

			if (len > FILE_BYTES - off)
				len = FILE_BYTES - off;
			one = idle[--n];
			one->r.op = op;
			one->r.file = f;
			one->r.buf = one->buf;
			one->r.len = len;
			one->r.off = off;
			if (op == IO_REQ_WRITE)
				memcpy(one->buf, data + off, len);
			else
				memset(one->buf, 0xee, len);
			CHECK_OK(io_queue_submit(q, &one->r, &s->e), &s->e);
			off += len;
			if (t_rng(rng) % 4 == 0)
				CHECK_OK(io_queue_start(q, &s->e), &s->e);
		}
		CHECK_OK(io_queue_wait(q, (unsigned)(t_rng(rng) % (depth + 2)),
				       &s->e),
			 &s->e);
		while ((one = back(q, data)) != NULL)
			idle[n++] = one;
	}
	CHECK_EQ(n, depth);
	io_queue_free(q);
	free(idle);
	slots_free(all, depth);
}

static void every_depth(struct scratch *s)
{
	static const unsigned depth[] = { 1, 2, 7, 64, 300 };
	uint8_t *data = aligned_bytes(FILE_BYTES);
	uint8_t *got = aligned_bytes(FILE_BYTES);
	uint64_t rng = 5;

	for (size_t i = 0; i < sizeof(depth) / sizeof(depth[0]); i++) {
		struct io_file *f = must_open(s, "f",
					      IO_READ | IO_WRITE | IO_CREATE |
						      IO_TRUNCATE | IO_DIRECT);

		t_fill(&rng, data, FILE_BYTES);
		pump(s, f, IO_REQ_WRITE, depth[i], data, &rng);
		CHECK_OK(io_file_datasync(f, &s->e), &s->e);
		CHECK_OK(io_file_pread(f, got, FILE_BYTES, 0, &s->e), &s->e);
		CHECK(memcmp(data, got, FILE_BYTES) == 0);
		pump(s, f, IO_REQ_READ, depth[i], data, &rng);
		CHECK_OK(io_file_close(f, &s->e), &s->e);
	}
	free(data);
	free(got);
}

/* The seam shortens and interrupts at will; nothing is lost or doubled. */
static int disturb_before(void *ctx, struct io_event *ev)
{
	uint64_t r = t_rng(ctx);

	if (ev->len == 0)
		return 0;
	if (r % 5 == 0)
		return EINTR;
	if (r % 5 < 3)
		ev->len = 1 + (r >> 8) % ev->len;
	return 0;
}

static int disturb_after(void *ctx, const struct io_event *ev, int sys)
{
	return sys == 0 && ev->len > 0 && t_rng(ctx) % 7 == 0 ? EINTR : sys;
}

static void disturbed(struct scratch *s)
{
	uint8_t *data = aligned_bytes(FILE_BYTES);
	uint64_t rng = 6, seam_rng = 7;
	struct io_options o = {
		.engine = strcmp(io_engine_name(s->io), "uring") == 0
				  ? IO_ENGINE_URING
				  : IO_ENGINE_PSYNC,
		.seam = { disturb_before, disturb_after, &seam_rng },
	};
	struct scratch t = { 0 };
	struct io_file *f;

	CHECK_OK(io_open(&o, &t.io, &t.e), &t.e);
	CHECK_OK(io_dir_open(t.io, s->path, &t.d, &t.e), &t.e);
	t_fill(&rng, data, FILE_BYTES);
	for (unsigned flags = 0; flags <= IO_DIRECT; flags += IO_DIRECT) {
		f = must_open(&t, "f",
			      IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE |
				      flags);
		pump(&t, f, IO_REQ_WRITE, 33, data, &rng);
		pump(&t, f, IO_REQ_READ, 33, data, &rng);
		CHECK_OK(io_file_close(f, &t.e), &t.e);
	}
	io_dir_close(t.d);
	io_close(t.io);
	free(data);
}

static struct io_req request(enum io_req_op op, struct io_file *f, uint8_t *buf,
			     size_t len, uint64_t off)
{
	return (struct io_req){
		.op = op, .file = f, .buf = buf, .len = len, .off = off
	};
}

static void refusals(struct scratch *s)
{
	uint8_t *p = aligned_bytes(2 * IO_ALIGN);
	struct io_file *f =
		must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	struct io_queue *q = NULL;
	struct io_req r, r2, r3;

	CHECK_EQ(io_queue_new(s->io, 0, &q, &s->e), BC_EINVAL);
	CHECK_EQ(io_queue_new(s->io, IO_QUEUE_MAX_DEPTH + 1, &q, &s->e),
		 BC_EINVAL);
	CHECK(q == NULL);
	CHECK_OK(io_queue_new(s->io, 2, &q, &s->e), &s->e);
	r = request(IO_REQ_WRITE, f, p, 0, 0);
	CHECK_EQ(io_queue_submit(q, &r, &s->e), BC_EINVAL);
	r = request(IO_REQ_WRITE, f, p + 8, IO_ALIGN, 0);
	CHECK_EQ(io_queue_submit(q, &r, &s->e), BC_EINVAL);
	r = request(IO_REQ_WRITE, f, p, IO_ALIGN, 9);
	CHECK_EQ(io_queue_submit(q, &r, &s->e), BC_EINVAL);
	r = request(IO_REQ_WRITE, f, p, 100, 0);
	CHECK_EQ(io_queue_submit(q, &r, &s->e), BC_EINVAL);
	r = request(IO_REQ_READ, f, p, IO_ALIGN, UINT64_MAX - 4095);
	CHECK_EQ(io_queue_submit(q, &r, &s->e), BC_EINVAL);
	CHECK_EQ(io_queue_count(q), 0);
	CHECK(io_queue_take(q) == NULL);
	CHECK_OK(io_queue_wait(q, 5, &s->e), &s->e);

	/* Complete ones that were not taken still fill the queue. */
	r = request(IO_REQ_WRITE, f, p, IO_ALIGN, 0);
	r2 = request(IO_REQ_WRITE, f, p, IO_ALIGN, IO_ALIGN);
	r3 = r;
	CHECK_OK(io_queue_submit(q, &r, &s->e), &s->e);
	CHECK_OK(io_queue_submit(q, &r2, &s->e), &s->e);
	CHECK_EQ(io_queue_submit(q, &r3, &s->e), BC_EFULL);
	CHECK_OK(io_queue_wait(q, 2, &s->e), &s->e);
	CHECK_EQ(io_queue_submit(q, &r3, &s->e), BC_EFULL);
	CHECK(io_queue_take(q) != NULL);
	CHECK_OK(io_queue_submit(q, &r3, &s->e), &s->e);
	CHECK_EQ(io_queue_count(q), 2);
	io_queue_free(q);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

static void results(struct scratch *s)
{
	uint8_t *p = aligned_bytes(8 * IO_ALIGN);
	struct io_req r[4], *t;
	struct io_queue *q;
	struct io_file *f, *ro;

	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_file_pwrite(f, p, 2 * IO_ALIGN, 0, &s->e), &s->e);
	CHECK_OK(io_file_truncate(f, IO_ALIGN + 10, &s->e), &s->e);
	ro = must_open(s, "f", IO_READ | IO_DIRECT);
	CHECK_OK(io_queue_new(s->io, 4, &q, &s->e), &s->e);
	/* Over the end, at the end, beyond it; and not permitted. */
	r[0] = request(IO_REQ_READ, ro, p, 4 * IO_ALIGN, 0);
	r[1] = request(IO_REQ_READ, ro, p + 4 * IO_ALIGN, IO_ALIGN, IO_ALIGN);
	r[2] = request(IO_REQ_READ, ro, p + 5 * IO_ALIGN, IO_ALIGN,
		       64 * IO_ALIGN);
	r[3] = request(IO_REQ_WRITE, ro, p + 6 * IO_ALIGN, IO_ALIGN, 0);
	for (int i = 0; i < 4; i++)
		CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
	CHECK_OK(io_queue_wait(q, 100, &s->e), &s->e);
	for (int i = 0; i < 4; i++) {
		t = io_queue_take(q);
		CHECK(t >= r && t < r + 4);
	}
	CHECK_EQ(r[0].done, IO_ALIGN + 10);
	CHECK_EQ(r[0].sys, 0);
	CHECK_EQ(io_req_check(&r[0], &s->e), BC_EDAMAGE);
	CHECK(strstr(s->e.text, "/f ends at byte 4106, wanted 16384") != NULL);
	CHECK_EQ(r[1].done, 10);
	CHECK_EQ(io_req_check(&r[1], &s->e), BC_EDAMAGE);
	CHECK_EQ(r[2].done, 0);
	CHECK_EQ(io_req_check(&r[2], &s->e), BC_EDAMAGE);
	CHECK_EQ(r[3].sys, EBADF);
	CHECK_EQ(io_req_check(&r[3], &s->e), BC_ESYS);
	CHECK(strstr(s->e.text, "cannot write") != NULL);
	CHECK(strstr(s->e.text, "/f at byte 0: Bad file") != NULL);
	io_queue_free(q);
	io_file_close(ro, NULL);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

static void cancel(struct scratch *s)
{
	enum { N = 40 };
	uint8_t *p = aligned_bytes(N * IO_ALIGN);
	struct io_req r[N], *t;
	struct io_queue *q;
	struct io_file *f;
	int done = 0, stopped = 0;

	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_file_pwrite(f, p, N * IO_ALIGN, 0, &s->e), &s->e);
	CHECK_OK(io_queue_new(s->io, N, &q, &s->e), &s->e);
	for (int i = 0; i < N; i++) {
		r[i] = request(IO_REQ_READ, f, p + i * IO_ALIGN, IO_ALIGN,
			       (uint64_t)i * IO_ALIGN);
		CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
		if (i == N / 2 - 1)
			CHECK_OK(io_queue_start(q, &s->e), &s->e);
	}
	CHECK_OK(io_queue_cancel(q, &s->e), &s->e);
	while ((t = io_queue_take(q)) != NULL) {
		if (t->sys == ECANCELED) {
			CHECK_EQ(io_req_check(t, &s->e), BC_ECANCEL);
			CHECK_EQ(t->done, 0);
			stopped++;
		} else {
			CHECK_OK(io_req_check(t, &s->e), &s->e);
			done++;
		}
	}
	CHECK_EQ(done, N / 2);
	CHECK_EQ(stopped, N / 2);
	CHECK_EQ(io_queue_count(q), 0);

	/* It works again afterwards, and may be freed in full flight. */
	for (int i = 0; i < N; i++)
		CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
	CHECK_OK(io_queue_start(q, &s->e), &s->e);
	io_queue_free(q);
	io_queue_free(NULL);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

/* Each thread with a queue of its own, all on one file. */
struct writer {
	struct scratch *s;
	struct io_file *f;
	unsigned id;
};

enum { WRITERS = 4, EACH_BYTES = 1 << 20 };

static void *write_share(void *ctx)
{
	struct writer *w = ctx;
	uint8_t *p = aligned_bytes(EACH_BYTES);
	struct io_req r[EACH_BYTES / (32 * 1024)];
	unsigned n = sizeof(r) / sizeof(r[0]);
	struct io_queue *q;
	struct err e;

	memset(p, (int)w->id + 1, EACH_BYTES);
	CHECK_OK(io_queue_new(w->s->io, n, &q, &e), &e);
	for (unsigned i = 0; i < n; i++) {
		r[i] = request(IO_REQ_WRITE, w->f, p + i * 32768, 32768,
			       (uint64_t)w->id * EACH_BYTES + i * 32768);
		CHECK_OK(io_queue_submit(q, &r[i], &e), &e);
	}
	CHECK_OK(io_queue_wait(q, n, &e), &e);
	for (unsigned i = 0; i < n; i++)
		CHECK_OK(io_req_check(io_queue_take(q), &e), &e);
	io_queue_free(q);
	free(p);
	return NULL;
}

static void threads(struct scratch *s)
{
	struct io_file *f =
		must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	uint8_t *p = aligned_bytes(WRITERS * EACH_BYTES);
	struct writer w[WRITERS];
	pthread_t t[WRITERS];

	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ s, f, i };
		CHECK(pthread_create(&t[i], NULL, write_share, &w[i]) == 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	CHECK_OK(io_file_pread(f, p, WRITERS * EACH_BYTES, 0, &s->e), &s->e);
	for (size_t i = 0; i < WRITERS * EACH_BYTES; i++)
		CHECK(p[i] == i / EACH_BYTES + 1);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

/* ---- laziness ------------------------------------------------------------ */

static int entries(const char *path, const char *link_part)
{
	DIR *d = opendir(path);
	struct dirent *de;
	char to[256];
	int n = 0;

	CHECK(d != NULL);
	while ((de = readdir(d)) != NULL) {
		ssize_t len =
			readlinkat(dirfd(d), de->d_name, to, sizeof(to) - 1);

		if (de->d_name[0] == '.')
			continue;
		to[len < 0 ? 0 : len] = '\0';
		n += link_part == NULL || strstr(to, link_part) != NULL;
	}
	closedir(d);
	return n;
}

static int rings(void)
{
	return entries("/proc/self/fd", "io_uring");
}

static int tasks(void)
{
	return entries("/proc/self/task", NULL);
}

/* ThreadSanitizer has a thread of its own. */
#ifdef __SANITIZE_THREAD__
enum { TASKS_OWN = 2 };
#else
enum { TASKS_OWN = 1 };
#endif

/* A thread that was joined, and a ring's helper, stay in /proc a little. */
static int tasks_at_rest(void)
{
	while (tasks() > TASKS_OWN)
		usleep(1000);
	return tasks();
}

/* A few small reads, one after the other, pay for no ring and no thread;
 * many at once get what the engine has. */
static void lazy(struct scratch *s)
{
	enum { N = 32 };
	bool auto_engine = strcmp(io_engine_name(s->io), "psync") == 0;
	uint8_t *p = aligned_bytes(N * IO_ALIGN);
	int before = tasks_at_rest();
	struct io_req r[N];
	struct io_queue *q;
	struct io_file *f;

	f = must_open(s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_file_pwrite(f, p, N * IO_ALIGN, 0, &s->e), &s->e);
	CHECK_OK(io_queue_new(s->io, N, &q, &s->e), &s->e);
	CHECK_EQ(rings(), 0);
	for (int i = 0; i < N; i++)
		r[i] = request(IO_REQ_READ, f, p + i * IO_ALIGN, IO_ALIGN,
			       (uint64_t)i * IO_ALIGN);
	if (auto_engine) {
		for (int i = 0; i < N; i++) {
			CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
			CHECK_OK(io_queue_wait(q, 1, &s->e), &s->e);
			CHECK(io_queue_take(q) == &r[i]);
		}
		CHECK_EQ(rings(), 0);
		CHECK_EQ(tasks(), before);
	}
	for (int i = 0; i < N; i++)
		CHECK_OK(io_queue_submit(q, &r[i], &s->e), &s->e);
	CHECK_OK(io_queue_wait(q, N, &s->e), &s->e);
	if (auto_engine)
		CHECK(rings() == 0 && tasks() > before);
	else
		CHECK_EQ(rings(), 1);
	io_queue_free(q);
	CHECK_EQ(rings(), 0);
	CHECK_OK(io_file_close(f, &s->e), &s->e);
	free(p);
}

/* AUTO: no ring for the work of a small command. */
static void small_command(void)
{
	struct io_options o = { .engine = IO_ENGINE_AUTO };
	uint8_t *p = aligned_bytes(2 * IO_ALIGN);
	int before = tasks_at_rest();
	struct io_queue *q;
	struct scratch s;
	struct io_file *f;
	struct io_req r[2];

	scratch_open(&s, "/var/tmp", &o);
	f = must_open(&s, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
	CHECK_OK(io_queue_new(s.io, 64, &q, &s.e), &s.e);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 2; i++) {
			r[i] = request(IO_REQ_WRITE, f, p + i * IO_ALIGN,
				       IO_ALIGN, (uint64_t)i * IO_ALIGN);
			CHECK_OK(io_queue_submit(q, &r[i], &s.e), &s.e);
		}
		CHECK_OK(io_queue_wait(q, 2, &s.e), &s.e);
		CHECK(io_queue_take(q) == &r[0]);
		CHECK(io_queue_take(q) == &r[1]);
	}
	CHECK_EQ(rings(), 0);
	CHECK_EQ(tasks(), before);
	io_queue_free(q);
	CHECK_OK(io_file_close(f, &s.e), &s.e);
	free(p);
	scratch_close(&s);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(struct scratch *s);
	} cases[] = {
		{ "every_depth", every_depth },
		{ "disturbed", disturbed },
		{ "refusals", refusals },
		{ "results", results },
		{ "cancel", cancel },
		{ "threads", threads },
		{ "lazy", lazy },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		everywhere(cases[i].fn);
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	RUN(small_command);
	return 0;
}
