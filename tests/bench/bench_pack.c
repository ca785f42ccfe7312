/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pack [DIR [MIB]] - writing packs, without reading, cutting or hashing.
 *
 * Random chunks of 64 KiB go in raw blocks through the writer and the flusher
 * into packs, as a put's do, until all is durable, their names too. Prints MiB,
 * seconds, MB/s, CPU seconds and packs; removes the packs.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pack/writer.h"
#include "repo/create.h"
#include "util/arith.h"

enum {
	MIB = 1 << 20,
	DEFAULT_MIB = 1024,
	CHUNK_BYTES = 64 << 10,
	BLOCK_BYTES = 256 << 10,
	/* The same bytes again and again: nothing here looks at them. */
	DATA_BYTES = 64 << 20,
	/* As a session has them. */
	BUFFERS = 8,
};

struct packing {
	struct io *io;
	struct io_dir *dir;
	struct flusher *flusher;
	struct pack_writer *writer;
	struct gather gather;
	struct sealer sealer;
	uint8_t *data;
};

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "bench_pack: %s: %s\n", what,
		e == NULL ? strerror(errno) : e->text);
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

static void packing_open(struct packing *p, const char *path)
{
	struct repo_create_options defaults = { .pack_bytes = 0 };
	struct pack_writer_options o = { .rng = rng_system(),
					 .clock = clock_system(),
					 .kind = PACK_DATA };
	struct err e = ERR_INIT;

	repo_create_defaults(&defaults);
	if (io_open(NULL, &p->io, &e) != BC_OK ||
	    io_dir_open(p->io, path, &p->dir, &e) != BC_OK ||
	    flusher_new(p->io, BUFFERS, MIB, &p->flusher, &e) != BC_OK)
		die("set-up", &e);
	o.dir = p->dir;
	o.flusher = p->flusher;
	o.target = defaults.pack_bytes;
	if (pack_writer_new(&o, &p->writer, &e) != BC_OK ||
	    gather_init(&p->gather, BLOCK_DATA, BLOCK_BYTES, CHUNK_BYTES, &e) !=
		    BC_OK ||
	    sealer_init(&p->sealer, 0, BLOCK_BYTES, &e) != BC_OK ||
	    rng_fill(o.rng, p->data, DATA_BYTES, &e) != BC_OK)
		die("set-up", &e);
}

static void packing_close(struct packing *p)
{
	sealer_fini(&p->sealer);
	gather_fini(&p->gather);
	pack_writer_free(p->writer);
	flusher_free(p->flusher);
	io_dir_close(p->dir);
	io_close(p->io);
}

/* What the gather holds, in as many blocks as the sealer likes. */
static void write_block(struct packing *p)
{
	struct sealed_block b;
	struct err e = ERR_INIT;

	for (size_t first = 0; first < p->gather.chunks;
	     first += b.head.chunks) {
		sealer_seal_raw(&p->sealer, &p->gather, first, &b);
		if (pack_writer_append(p->writer, &b, &e) != BC_OK)
			die("write", &e);
	}
	gather_clear(&p->gather);
}

static void write_all(struct packing *p, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += CHUNK_BYTES) {
		const uint8_t *chunk = p->data + at % DATA_BYTES;
		struct digest id = { { 0 } };

		memcpy(id.b, &at, sizeof(at));
		if (!gather_fits(&p->gather, CHUNK_BYTES))
			write_block(p);
		gather_add(&p->gather, &id, bytes_of(chunk, CHUNK_BYTES));
	}
	write_block(p);
}

/* Frees the list and removes the files. */
static unsigned unmake(struct packing *p, struct pack_made *made)
{
	unsigned n = 0;

	for (struct pack_made *next; made != NULL; made = next, n++) {
		next = made->next;
		pack_made_unlink(made, p->dir);
		pack_made_free(made);
	}
	return n;
}

int main(int argc, char **argv)
{
	char path[4096];
	struct packing p = { .data = malloc(DATA_BYTES) };
	uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : DEFAULT_MIB;
	struct pack_made *made = NULL;
	struct err e = ERR_INIT;
	double began, cpu, took;

	if (mib == 0 || argc > 3) {
		fputs("usage: bench_pack [DIR [MIB]]\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/bench-pack-XXXXXX",
		 argc > 1 ? argv[1] : "/var/tmp");
	if (p.data == NULL || mkdtemp(path) == NULL)
		die(path, NULL);
	packing_open(&p, path);
	began = now_s();
	cpu = cpu_s();
	write_all(&p, mib * MIB);
	if (pack_writer_finish(p.writer, &made, &e) != BC_OK ||
	    io_dir_sync(p.dir, &e) != BC_OK)
		die("finish", &e);
	took = now_s() - began;
	cpu = cpu_s() - cpu;
	printf("%llu MiB\t%.4f s\t%.1f MB/s\t%.4f CPU-s\t%u packs\n",
	       (unsigned long long)mib, took, (double)mib * MIB / took * 1e-6,
	       cpu, unmake(&p, made));
	packing_close(&p);
	free(p.data);
	return rmdir(path) == 0 ? 0 : 1;
}
