/* SPDX-License-Identifier: Apache-2.0 */
/* io/pool: bounds, alignment, waiting, closing. */
#include "io/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#include "io/io.h"
#include "tests/unit/t.h"

enum { COUNT = 4, THREADS = 6, ROUNDS = 2000 };

static void bounds(void)
{
	struct io_pool *p = NULL;
	uint8_t *b[COUNT];
	struct err e;

	CHECK_EQ(io_pool_new(0, 1, &p, &e), BC_EINVAL);
	CHECK_EQ(io_pool_new(1, 0, &p, &e), BC_EINVAL);
	CHECK_EQ(io_pool_new(SIZE_MAX / 2, IO_ALIGN, &p, &e), BC_EINVAL);
	CHECK_EQ(io_pool_new(1, SIZE_MAX, &p, &e), BC_EINVAL);
	CHECK(p == NULL);
	CHECK_OK(io_pool_new(COUNT, 5000, &p, &e), &e);
	CHECK_EQ(io_pool_bytes(p), 8192);
	CHECK_EQ(io_pool_count(p), COUNT);
	for (int i = 0; i < COUNT; i++) {
		b[i] = io_pool_get(p);
		CHECK(b[i] != NULL && (uintptr_t)b[i] % IO_ALIGN == 0);
		memset(b[i], i + 1, 8192);
	}
	/* No two share a byte. */
	for (int i = 0; i < COUNT; i++)
		CHECK(b[i][0] == i + 1 && b[i][8191] == i + 1);
	io_pool_put(p, NULL);
	for (int i = 0; i < COUNT; i++)
		io_pool_put(p, b[i]);
	io_pool_free(p);
	io_pool_free(NULL);
}

struct shared {
	struct io_pool *p;
	atomic_int lent;
};

static void *borrow(void *ctx)
{
	struct shared *s = ctx;

	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *b = io_pool_get(s->p);

		CHECK(b != NULL);
		CHECK(atomic_fetch_add(&s->lent, 1) < COUNT);
		b[0]++;
		atomic_fetch_sub(&s->lent, 1);
		io_pool_put(s->p, b);
	}
	return NULL;
}

static void many_threads(void)
{
	struct shared s = { NULL, 0 };
	pthread_t t[THREADS];
	struct err e;
	unsigned sum = 0;

	CHECK_OK(io_pool_new(COUNT, IO_ALIGN, &s.p, &e), &e);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, borrow, &s) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	/* Every increment is there: one borrower at a time. */
	for (int i = 0; i < COUNT; i++)
		sum += *io_pool_get(s.p);
	CHECK_EQ(sum % 256, THREADS * ROUNDS % 256);
	io_pool_free(s.p);
}

int main(void)
{
	RUN(bounds);
	RUN(many_threads);
	return 0;
}
