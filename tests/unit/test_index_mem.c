/* SPDX-License-Identifier: Apache-2.0 */
/* index/mem: against a plain array; the ceiling; equal keys; clearing. */
#include "index/mem.h"

#include "tests/unit/t.h"

enum { N = 50000, CANDIDATES = 64 };

static struct digest id_of(uint64_t i)
{
	struct digest d;

	t_fill(&i, d.b, sizeof(d.b));
	return d;
}

static bool has(const struct index_mem *m, uint64_t i)
{
	struct digest d = id_of(i);
	uint32_t out[CANDIDATES];
	size_t n = index_mem_find(m, &d, out, CANDIDATES);

	for (size_t k = 0; k < n; k++)
		if (out[k] == (uint32_t)i)
			return true;
	CHECK_EQ(n, 0);
	return false;
}

static void finds_what_was_added(void)
{
	struct index_mem m;

	index_mem_init(&m, N, 0x1234567);
	CHECK(!has(&m, 1));
	for (uint64_t i = 0; i < N; i++) {
		struct digest d = id_of(i);

		CHECK_EQ(index_mem_add(&m, &d, (uint32_t)i), BC_OK);
		if (i % 997 == 0)
			for (uint64_t k = 0; k <= i + 50; k += 101)
				CHECK_EQ(has(&m, k), k <= i);
	}
	for (uint64_t i = 0; i < 2 * N; i++)
		CHECK_EQ(has(&m, i), i < N);
	CHECK(index_mem_bytes(&m) <= (size_t)N * 32);

	index_mem_clear(&m);
	CHECK(!has(&m, 1));
	index_mem_fini(&m);
	CHECK_EQ(index_mem_bytes(&m), 0);
	index_mem_fini(&m);
}

static void ceiling(void)
{
	struct index_mem m;
	struct digest d = id_of(0);

	index_mem_init(&m, 3, 1);
	CHECK_EQ(index_mem_add(&m, &d, INDEX_MEM_NONE), BC_EINVAL);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQ(index_mem_add(&m, &d, i), BC_OK);
	CHECK_EQ(index_mem_add(&m, &d, 3), BC_EFULL);
	index_mem_clear(&m);
	CHECK_EQ(index_mem_add(&m, &d, 3), BC_OK);
	index_mem_fini(&m);
}

/* Ids that agree in the key are all candidates, in the order of adding. */
static void equal_keys(void)
{
	struct index_mem m;
	struct digest d = id_of(9);
	uint32_t out[CANDIDATES];

	index_mem_init(&m, N, 99);
	for (uint32_t i = 0; i < 40; i++) {
		d.b[31] = (uint8_t)i;
		CHECK_EQ(index_mem_add(&m, &d, i), BC_OK);
	}
	CHECK_EQ(index_mem_find(&m, &d, out, CANDIDATES), 40);
	for (uint32_t i = 0; i < 40; i++)
		CHECK_EQ(out[i], i);
	CHECK_EQ(index_mem_find(&m, &d, out, 7), 7);
	CHECK_EQ(index_mem_find(&m, &d, out, 0), 0);
	index_mem_fini(&m);
}

int main(void)
{
	RUN(finds_what_was_added);
	RUN(ceiling);
	RUN(equal_keys);
	return 0;
}
