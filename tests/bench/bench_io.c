/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_io - the I/O engines beside fio on the same file system.
 *
 *	bench_io [DIR [MIB [ROUNDS]]]
 *
 * Sequential writing of a new file as packs are written (1 MiB, four in
 * flight, space reserved), then random reads of 4 KiB and 64 KiB with 1 and
 * 256 in flight. Every row is the median of ROUNDS (5) rounds, in which fio
 * and each engine take turns so that the neighbours' noise hits all alike.
 * Without fio its rows are missing. All direct, unless the row says buffered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/io.h"
#include "io/pool.h"
#include "io/queue.h"
#include "util/clock.h"

enum {
	MIB = 1 << 20,
	WRITE_DEPTH = 4,
	READ_MAX_DEPTH = 256,
	MAX_ROUNDS = 31,
	/* Reads of one round: enough for a 99th percentile. */
	READS_ALONE = 4000,
	READS_DEEP = 40000,
};

struct figure {
	double rate; /* MB/s of writes, operations/s of reads */
	double p50;  /* microseconds */
	double p99;
	double cpu; /* seconds per GB of writes, microseconds per read */
};

struct bench {
	struct io *io;
	struct io_dir *d;
	const char *dir;
	uint64_t mib;
	unsigned rounds;
	unsigned round; /* in which each engine reads the same places */
};

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "bench_io: %s: %s\n", what, e->text);
	exit(1);
}

static double now_s(void)
{
	struct clock c = clock_system();

	return (double)c.mono(c.ctx) * 1e-9;
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static uint64_t rng_next(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 31);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static unsigned reads_of(size_t size, unsigned depth)
{
	unsigned n = depth == 1 ? READS_ALONE : READS_DEEP;

	return size > IO_ALIGN ? n / 4 : n;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* ---- our engines --------------------------------------------------------- */

struct setting {
	enum io_engine engine;
	bool buffered;
	enum io_alloc_mode alloc;
};

static void setting_open(struct bench *b, const struct setting *s)
{
	struct io_options o = { .engine = s->engine, .no_direct = s->buffered };
	struct err e;

	if (io_open(&o, &b->io, &e) != BC_OK ||
	    io_dir_open(b->io, b->dir, &b->d, &e) != BC_OK)
		die("open", &e);
}

static void setting_close(struct bench *b)
{
	io_dir_close(b->d);
	io_close(b->io);
}

/* Keep `depth` requests going until `total` are done. next() places each. */
struct flow {
	struct io_queue *q;
	struct io_req *r;
	double *start; /* of each request */
	double *lat;   /* [out] of each transfer; NULL: not wanted */
	unsigned depth;
	uint64_t total;
	uint64_t begun;
	uint64_t places; /* 0: one after the other */
	uint64_t rng;
};

static void flow_begin(struct flow *w, struct io_req *t)
{
	uint64_t place = w->begun++;
	struct err e;

	if (w->places != 0)
		place = rng_next(&w->rng) % w->places;
	t->off = place * t->len;
	w->start[t - w->r] = now_s();
	if (io_queue_submit(w->q, t, &e) != BC_OK)
		die("submit", &e);
}

static void flow_run(struct flow *w)
{
	uint64_t done = 0;
	struct io_req *t;
	struct err e;

	for (unsigned i = 0; i < w->depth && w->begun < w->total; i++)
		flow_begin(w, &w->r[i]);
	while (done < w->total) {
		if (io_queue_wait(w->q, 1, &e) != BC_OK)
			die("wait", &e);
		while ((t = io_queue_take(w->q)) != NULL) {
			if (io_req_check(t, &e) != BC_OK)
				die("transfer", &e);
			if (w->lat != NULL)
				w->lat[done] = now_s() - w->start[t - w->r];
			done++;
			if (w->begun < w->total)
				flow_begin(w, t);
		}
	}
}

/* Queue, requests and buffers for one file. */
static struct io_pool *flow_open(struct bench *b, struct flow *w,
				 struct io_file *f, enum io_req_op op,
				 size_t size)
{
	struct io_pool *pool;
	struct err e;

	if (io_pool_new(w->depth, size, &pool, &e) != BC_OK ||
	    io_queue_new(b->io, w->depth, &w->q, &e) != BC_OK)
		die("set-up", &e);
	w->r = calloc(w->depth, sizeof(*w->r));
	w->start = calloc(w->depth, sizeof(*w->start));
	if (w->r == NULL || w->start == NULL)
		exit(1);
	for (unsigned i = 0; i < w->depth; i++) {
		w->r[i] = (struct io_req){ .op = op, .file = f, .len = size };
		w->r[i].buf = io_pool_get(pool);
		for (size_t k = 0; k < size; k += 8) {
			uint64_t v = rng_next(&w->rng);

			memcpy((char *)w->r[i].buf + k, &v, 8);
		}
	}
	return pool;
}

static void flow_close(struct flow *w, struct io_pool *pool)
{
	io_queue_free(w->q);
	io_pool_free(pool);
	free(w->r);
	free(w->start);
}

/* Write b->mib of a new file; the time includes the sync when `sync`. */
static struct figure write_once(struct bench *b, const struct setting *s,
				bool sync)
{
	struct flow w = { .depth = WRITE_DEPTH, .total = b->mib, .rng = 1 };
	double t0, c0, took;
	struct io_pool *pool;
	struct io_file *f;
	struct err e;

	setting_open(b, s);
	(void)!io_unlink(b->d, "bench-seq", NULL);
	if (io_file_open(b->d, "bench-seq",
			 IO_WRITE | IO_CREATE | IO_EXCLUSIVE | IO_DIRECT, &f,
			 &e) != BC_OK ||
	    io_file_allocate(f, 0, b->mib * MIB, s->alloc, &e) != BC_OK)
		die("set-up", &e);
	pool = flow_open(b, &w, f, IO_REQ_WRITE, MIB);
	t0 = now_s();
	c0 = cpu_s();
	flow_run(&w);
	if (sync && io_file_datasync(f, &e) != BC_OK)
		die("sync", &e);
	took = now_s() - t0;
	c0 = cpu_s() - c0;
	/* Whoever comes next finds nothing left to write. */
	if (!sync && io_file_datasync(f, &e) != BC_OK)
		die("sync", &e);
	flow_close(&w, pool);
	if (io_file_close(f, &e) != BC_OK)
		die("close", &e);
	setting_close(b);
	return (struct figure){
		.rate = (double)(b->mib * MIB) / took * 1e-6,
		.cpu = c0 / ((double)(b->mib * MIB) * 1e-9),
	};
}

/* Random reads of the file that write_once() left. */
static struct figure read_once(struct bench *b, const struct setting *s,
			       size_t size, unsigned depth)
{
	unsigned total = reads_of(size, depth);
	struct flow w = { .depth = depth,
			  .total = total,
			  .places = b->mib * MIB / size,
			  .rng = 2 + b->round };
	struct io_pool *pool;
	struct io_file *f;
	struct figure out;
	double t0, c0;
	struct err e;

	w.lat = malloc(total * sizeof(*w.lat));
	if (w.lat == NULL)
		exit(1);
	setting_open(b, s);
	if (io_file_open(b->d, "bench-seq", IO_READ | IO_DIRECT, &f, &e) !=
	    BC_OK)
		die("open", &e);
	io_file_forget(f, 0, 0);
	pool = flow_open(b, &w, f, IO_REQ_READ, size);
	t0 = now_s();
	c0 = cpu_s();
	flow_run(&w);
	out.rate = total / (now_s() - t0);
	out.cpu = (cpu_s() - c0) / total * 1e6;
	flow_close(&w, pool);
	io_file_close(f, NULL);
	setting_close(b);
	qsort(w.lat, total, sizeof(*w.lat), by_value);
	out.p50 = w.lat[total / 2] * 1e6;
	out.p99 = w.lat[total - total / 100 - 1] * 1e6;
	free(w.lat);
	return out;
}

/* ---- fio ----------------------------------------------------------------- */

/* The n-th field (from 0) of fio's terse output, version 3. */
static double field(const char *line, unsigned n)
{
	while (n-- > 0) {
		line = strchr(line, ';');
		if (line == NULL)
			return 0;
		line++;
	}
	return strtod(line, NULL);
}

/* "99.000000%=123" of the reads, which come first. */
static double percentile(const char *line, const char *which)
{
	const char *at = strstr(line, which);

	return at == NULL ? 0 : strtod(at + strlen(which), NULL);
}

enum {
	FIO_READ_IOPS = 7,
	FIO_WRITE_KIBPS = 47,
};

static bool fio_run(const struct bench *b, const char *file, const char *args,
		    char *line, int size)
{
	char cmd[1024];
	FILE *p;
	bool ok;

	snprintf(cmd, sizeof(cmd),
		 "fio --name=b --filename='%s/%s' --size=%lluM "
		 "--direct=1 --output-format=terse --terse-version=3 %s "
		 "2>/dev/null",
		 b->dir, file, (unsigned long long)b->mib, args);
	p = popen(cmd, "r");
	if (p == NULL)
		return false;
	ok = fgets(line, size, p) != NULL;
	return pclose(p) == 0 && ok;
}

static bool fio_write(const struct bench *b, struct figure *out)
{
	char line[4096], path[512];

	/* A new file each time, as ours is. */
	snprintf(path, sizeof(path), "%s/bench-fio", b->dir);
	(void)unlink(path);
	if (!fio_run(b, "bench-fio",
		     "--rw=write --bs=1M --iodepth=4 --ioengine=io_uring "
		     "--fallocate=native --refill_buffers=0",
		     line, sizeof(line)))
		return false;
	*out = (struct figure){ .rate = field(line, FIO_WRITE_KIBPS) * 1024 *
					1e-6 };
	return true;
}

static bool fio_read(const struct bench *b, size_t size, unsigned depth,
		     struct figure *out)
{
	char args[256], line[4096];

	snprintf(args, sizeof(args),
		 "--rw=randread --bs=%zu --iodepth=%u --ioengine=io_uring "
		 "--readonly --norandommap --randrepeat=0 --io_size=%zu",
		 size, depth, reads_of(size, depth) * size);
	/* The file that ours read, too. */
	if (!fio_run(b, "bench-seq", args, line, sizeof(line)))
		return false;
	*out = (struct figure){
		.rate = field(line, FIO_READ_IOPS),
		.p50 = percentile(line, ";50.000000%="),
		.p99 = percentile(line, ";99.000000%="),
	};
	return true;
}

/* ---- tables -------------------------------------------------------------- */

struct series {
	const char *name;
	double rate[MAX_ROUNDS], p50[MAX_ROUNDS], p99[MAX_ROUNDS],
		cpu[MAX_ROUNDS];
	unsigned n;
};

static void add(struct series *s, struct figure f)
{
	s->rate[s->n] = f.rate;
	s->p50[s->n] = f.p50;
	s->p99[s->n] = f.p99;
	s->cpu[s->n] = f.cpu;
	s->n++;
}

static void bench_writes(struct bench *b)
{
	static const struct {
		const char *name;
		struct setting s;
		bool sync;
	} rows[] = {
		{ "uring", { IO_ENGINE_URING, false, IO_ALLOC_GROW }, false },
		{ "uring, size kept",
		  { IO_ENGINE_URING, false, IO_ALLOC_KEEP_SIZE },
		  false },
		{ "uring, synced",
		  { IO_ENGINE_URING, false, IO_ALLOC_GROW },
		  true },
		{ "psync", { IO_ENGINE_PSYNC, false, IO_ALLOC_GROW }, false },
		{ "psync, synced",
		  { IO_ENGINE_PSYNC, false, IO_ALLOC_GROW },
		  true },
		{ "uring buffered, synced",
		  { IO_ENGINE_URING, true, IO_ALLOC_GROW },
		  true },
		{ "psync buffered, synced",
		  { IO_ENGINE_PSYNC, true, IO_ALLOC_GROW },
		  true },
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	static struct series ours[ROWS], fio;
	struct figure f;
	double base;

	for (b->round = 0; b->round < b->rounds; b->round++) {
		if (fio_write(b, &f))
			add(&fio, f);
		for (unsigned i = 0; i < ROWS; i++)
			add(&ours[i], write_once(b, &rows[i].s, rows[i].sync));
	}
	base = fio.n > 0 ? median(fio.rate, fio.n) : 0;
	printf("new file of %llu MiB, 1 MiB x %d in flight\n",
	       (unsigned long long)b->mib, WRITE_DEPTH);
	printf("  %-26s %10s %10s %8s\n", "", "MB/s", "CPU s/GB", "of fio");
	if (fio.n > 0)
		printf("  %-26s %10.0f %10s %8.2f\n", "fio", base, "", 1.0);
	for (unsigned i = 0; i < ROWS; i++) {
		double rate = median(ours[i].rate, ours[i].n);

		printf("  %-26s %10.0f %10.2f %8.2f\n", rows[i].name, rate,
		       median(ours[i].cpu, ours[i].n),
		       base > 0 ? rate / base : 0);
	}
}

static void bench_reads(struct bench *b, size_t size, unsigned depth)
{
	static const struct {
		const char *name;
		struct setting s;
	} rows[] = {
		{ "uring", { IO_ENGINE_URING, false, IO_ALLOC_GROW } },
		{ "auto", { IO_ENGINE_AUTO, false, IO_ALLOC_GROW } },
		{ "psync", { IO_ENGINE_PSYNC, false, IO_ALLOC_GROW } },
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct series *ours = calloc(ROWS + 1, sizeof(*ours));
	struct series *fio;
	struct figure f;

	if (ours == NULL)
		exit(1);
	fio = &ours[ROWS];
	for (b->round = 0; b->round < b->rounds; b->round++) {
		if (fio_read(b, size, depth, &f))
			add(fio, f);
		for (unsigned i = 0; i < ROWS; i++)
			add(&ours[i], read_once(b, &rows[i].s, size, depth));
	}
	printf("random reads of %zu KiB, %u in flight\n", size / 1024, depth);
	printf("  %-26s %10s %10s %10s %10s\n", "", "reads/s", "p50 us",
	       "p99 us", "CPU us");
	if (fio->n > 0)
		printf("  %-26s %10.0f %10.0f %10.0f\n", "fio",
		       median(fio->rate, fio->n), median(fio->p50, fio->n),
		       median(fio->p99, fio->n));
	for (unsigned i = 0; i < ROWS; i++)
		printf("  %-26s %10.0f %10.0f %10.0f %10.1f\n", rows[i].name,
		       median(ours[i].rate, ours[i].n),
		       median(ours[i].p50, ours[i].n),
		       median(ours[i].p99, ours[i].n),
		       median(ours[i].cpu, ours[i].n));
	free(ours);
}

static uint64_t number(const char *s, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long v = strtoull(s, &end, 10);

	if (*s == '\0' || *end != '\0' || v < least || v > most) {
		fprintf(stderr, "usage: bench_io [DIR [MIB [ROUNDS]]]\n");
		exit(2);
	}
	return v;
}

int main(int argc, char **argv)
{
	struct bench b = { .dir = "/var/tmp", .mib = 512, .rounds = 5 };
	char why[IO_WHY_BYTES], path[512];

	if (argc > 1)
		b.dir = argv[1];
	if (argc > 2)
		b.mib = number(argv[2], 16, 1 << 20);
	if (argc > 3)
		b.rounds = (unsigned)number(argv[3], 1, MAX_ROUNDS);
	if (!io_uring_usable(why)) {
		fprintf(stderr, "bench_io: no ring: %s\n", why);
		return 1;
	}
	bench_writes(&b);
	bench_reads(&b, 4096, 1);
	bench_reads(&b, 4096, READ_MAX_DEPTH);
	bench_reads(&b, 65536, 1);
	bench_reads(&b, 65536, READ_MAX_DEPTH);
	snprintf(path, sizeof(path), "%s/bench-seq", b.dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/bench-fio", b.dir);
	(void)unlink(path);
	return 0;
}
