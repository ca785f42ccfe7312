/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/flusher: what is handed over is on disk, and handing over needs no
 * memory. On glibc this program's own malloc() can be told to fail for one
 * thread.
 */
#include "pack/flusher.h"

#include <fcntl.h>
#include <stdbool.h>

#include "tests/unit/test_io.h"

/* A sanitizer brings its own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(__GLIBC__) && !defined(SANITIZED)
#define OWN_MALLOC 1
#else
#define OWN_MALLOC 0
#endif

enum { BUFFERS = 4, BYTES = 64 << 10, WRITES = 24 };

static _Thread_local bool no_memory;

#if OWN_MALLOC
/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);

void *malloc(size_t n)
{
	return no_memory ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __libc_calloc(n, size);
}
#endif

static struct err e = ERR_INIT;

static struct io_file *create(const struct scratch *s, const char *name)
{
	struct io_file *file = NULL;

	CHECK_OK(io_file_open(s->d, name,
			      IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT, &file,
			      &e),
		 &e);
	return file;
}

/* Buffer i is full of bytes i + 1. */
static void write_all(struct flusher *f, struct flush_file *ff)
{
	for (unsigned i = 0; i < WRITES; i++) {
		uint8_t *buf = flusher_buffer(f);

		memset(buf, (int)i + 1, BYTES);
		flusher_write(f, ff, buf, BYTES, (uint64_t)i * BYTES);
	}
}

/* Every buffer is back. */
static void expect_buffers(struct flusher *f)
{
	uint8_t *buf[BUFFERS];

	for (unsigned i = 0; i < BUFFERS; i++)
		buf[i] = flusher_buffer(f);
	for (unsigned i = 0; i < BUFFERS; i++)
		flusher_return(f, buf[i]);
}

static void expect_file(const struct scratch *s, const char *name,
			uint64_t size)
{
	static uint8_t raw[BYTES];
	struct io_file *file = NULL;
	uint64_t n = 0;

	CHECK_OK(io_file_open(s->d, name, IO_READ, &file, &e), &e);
	CHECK_OK(io_file_size(file, &n, &e), &e);
	CHECK_EQ(n, size);
	for (unsigned i = 0; i < WRITES; i++) {
		size_t len =
			i + 1 < WRITES ? BYTES : size - (uint64_t)i * BYTES;

		CHECK_OK(io_file_pread(file, raw, len, (uint64_t)i * BYTES, &e),
			 &e);
		for (size_t k = 0; k < len; k++)
			CHECK(raw[k] == i + 1);
	}
	CHECK_OK(io_file_close(file, &e), &e);
}

static void write_and_wait(struct scratch *s)
{
	static const char *const names[] = { "a", "b" };
	uint64_t size = (uint64_t)WRITES * BYTES - 100;
	struct flush_file *ff[2];
	struct flusher *f = NULL;

	CHECK_OK(flusher_new(s->io, BUFFERS, BYTES, &f, &e), &e);
	CHECK_EQ(flusher_buffer_bytes(f), BYTES);
	for (int i = 0; i < 2; i++)
		CHECK_OK(flusher_open(f, create(s, names[i]), &ff[i], &e), &e);
	no_memory = true;
	for (int i = 0; i < 2; i++) {
		write_all(f, ff[i]);
		flusher_finish(f, ff[i], size);
	}
	no_memory = false;
	for (int i = 0; i < 2; i++) {
		CHECK_OK(flusher_wait(f, ff[i], &e), &e);
		expect_file(s, names[i], size);
	}
	expect_buffers(f);
	flusher_free(f);
}

static void written(void)
{
	everywhere(write_and_wait);
}

/* The only hand-over without memory is the last one: the file has its size. */
static void end_without_memory(struct scratch *s)
{
	uint64_t size = (uint64_t)WRITES * BYTES - 100;
	struct flush_file *ff = NULL;
	struct flusher *f = NULL;

	CHECK_OK(flusher_new(s->io, BUFFERS, BYTES, &f, &e), &e);
	CHECK_OK(flusher_open(f, create(s, "end"), &ff, &e), &e);
	write_all(f, ff);
	/* Whatever could be left over from a write is in use. */
	for (unsigned i = 0; i < BUFFERS; i++) {
		uint8_t *buf = flusher_buffer(f);

		memset(buf, WRITES, BYTES);
		flusher_write(f, ff, buf, BYTES,
			      (uint64_t)(WRITES - 1) * BYTES);
	}
	no_memory = true;
	flusher_finish(f, ff, size);
	no_memory = false;
	CHECK_OK(flusher_wait(f, ff, &e), &e);
	expect_file(s, "end", size);
	flusher_free(f);
}

static void ended(void)
{
	everywhere(end_without_memory);
}

/* Given up with writes in flight, before and after it is finished. */
static void give_up(struct scratch *s)
{
	for (int finish = 0; finish < 2; finish++) {
		struct flush_file *ff = NULL;
		struct flusher *f = NULL;

		CHECK_OK(flusher_new(s->io, BUFFERS, BYTES, &f, &e), &e);
		CHECK_OK(flusher_open(f, create(s, "gone"), &ff, &e), &e);
		no_memory = true;
		write_all(f, ff);
		if (finish)
			flusher_finish(f, ff, BYTES);
		flusher_abandon(f, ff);
		no_memory = false;
		expect_buffers(f);
		flusher_free(f);
	}
}

static void abandoned(void)
{
	everywhere(give_up);
}

/* A write that is refused poisons its file, and no other. */
static void poison(struct scratch *s)
{
	struct flush_file *bad = NULL, *good = NULL;
	struct flusher *f = NULL;
	uint8_t *buf;

	CHECK_OK(flusher_new(s->io, BUFFERS, BYTES, &f, &e), &e);
	CHECK_OK(flusher_open(f, create(s, "bad"), &bad, &e), &e);
	CHECK_OK(flusher_open(f, create(s, "good"), &good, &e), &e);
	buf = flusher_buffer(f);
	memset(buf, 1, BYTES);
	flusher_write(f, bad, buf, 0, 0);
	write_all(f, bad);
	write_all(f, good);
	flusher_finish(f, bad, BYTES);
	flusher_finish(f, good, (uint64_t)WRITES * BYTES);
	CHECK_EQ(flusher_wait(f, bad, &e), BC_EINVAL);
	CHECK_EQ(e.code, BC_EINVAL);
	err_clear(&e);
	CHECK_OK(flusher_wait(f, good, &e), &e);
	expect_file(s, "good", (uint64_t)WRITES * BYTES);
	expect_buffers(f);
	flusher_free(f);
}

static void poisoned(void)
{
	everywhere(poison);
}

/* The descriptor of the one ring of this process, or -1. */
static int ring_fd(void)
{
	for (int fd = 3; fd < 64; fd++) {
		char path[32], to[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, to, sizeof(to) - 1) > 0 &&
		    strstr(to, "[io_uring]") != NULL)
			return fd;
	}
	return -1;
}

/* The ring dies under the thread: what is in flight fails, what comes after it
 * too, and nobody waits for ever. */
static void ring_dies(void)
{
	struct io_options o = { .engine = IO_ENGINE_URING };
	struct flush_file *good = NULL, *bad = NULL, *last = NULL;
	char why[IO_WHY_BYTES];
	struct flusher *f = NULL;
	struct scratch s;
	int fd, null;

	if (!io_uring_usable(why)) {
		T_SKIP("no io_uring");
		return;
	}
	scratch_open(&s, "/var/tmp", &o);
	CHECK_OK(flusher_new(s.io, BUFFERS, BYTES, &f, &e), &e);
	CHECK_OK(flusher_open(f, create(&s, "good"), &good, &e), &e);
	write_all(f, good);
	flusher_finish(f, good, (uint64_t)WRITES * BYTES);
	CHECK_OK(flusher_wait(f, good, &e), &e);
	fd = ring_fd();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && null >= 0 && dup3(null, fd, O_CLOEXEC) == fd);
	CHECK_OK(flusher_open(f, create(&s, "bad"), &bad, &e), &e);
	CHECK_OK(flusher_open(f, create(&s, "last"), &last, &e), &e);
	write_all(f, bad);
	flusher_finish(f, bad, (uint64_t)WRITES * BYTES);
	CHECK(flusher_wait(f, bad, &e) != BC_OK);
	CHECK(e.code != BC_OK && e.text[0] != '\0');
	err_clear(&e);
	write_all(f, last);
	flusher_finish(f, last, (uint64_t)WRITES * BYTES);
	CHECK(flusher_wait(f, last, &e) != BC_OK);
	err_clear(&e);
	expect_buffers(f);
	flusher_free(f);
	expect_file(&s, "good", (uint64_t)WRITES * BYTES);
	close(null);
	scratch_close(&s);
}

static void no_memory_for_a_flusher(void)
{
	struct flusher *f = NULL;

	no_memory = true;
	if (OWN_MALLOC)
		CHECK_EQ(flusher_new(NULL, BUFFERS, BYTES, &f, &e), BC_ENOMEM);
	no_memory = false;
	CHECK(f == NULL);
	err_clear(&e);
}

int main(void)
{
	RUN(written);
	RUN(ended);
	RUN(abandoned);
	RUN(poisoned);
	RUN(ring_dies);
	RUN(no_memory_for_a_flusher);
	return 0;
}
