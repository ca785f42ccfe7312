/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C against the vectors of RFC 3720 and against itself, bit by bit. */
#include <stdlib.h>

#include "tests/unit/t.h"
#include "util/crc32c.h"

static void test_vectors(void)
{
	uint8_t b[32];

	memset(b, 0, sizeof(b));
	CHECK_EQ(crc32c(0, b, sizeof(b)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	CHECK_EQ(crc32c(0, b, sizeof(b)), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	CHECK_EQ(crc32c(0, b, sizeof(b)), 0x46dd794e);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(31 - i);
	CHECK_EQ(crc32c(0, b, sizeof(b)), 0x113fdb5c);
	CHECK_EQ(crc32c(0, "123456789", 9), 0xe3069283);
	CHECK_EQ(crc32c_portable(0, "123456789", 9), 0xe3069283);
	CHECK_EQ(crc32c(0, NULL, 0), 0);
}

enum { ROOM = 40000, ODD = 7 };

static void test_lengths(void)
{
	uint8_t *b = malloc(ROOM + ODD);
	uint64_t rng = 11;

	CHECK(b != NULL);
	t_fill(&rng, b, ROOM + ODD);
	/* All short ones, and those about the ends of lanes. */
	for (size_t n = 0; n <= ROOM; n += n < 3200 || n % 3072 < 9 ? 1 : 61) {
		const uint8_t *p = b + n % ODD;
		uint32_t begin = (uint32_t)n * 2654435761u;

		CHECK_EQ(crc32c(begin, p, n), crc32c_portable(begin, p, n));
	}
	free(b);
}

static void test_pieces(void)
{
	uint8_t *b = malloc(ROOM);
	uint64_t rng = 12;
	uint32_t whole;

	CHECK(b != NULL);
	t_fill(&rng, b, ROOM);
	whole = crc32c(0, b, ROOM);
	for (size_t cut = 0; cut <= ROOM; cut += 997)
		CHECK_EQ(crc32c(crc32c(0, b, cut), b + cut, ROOM - cut), whole);
	free(b);
}

int main(void)
{
	RUN(test_vectors);
	RUN(test_lengths);
	RUN(test_pieces);
	return 0;
}
