/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_footer - footers (first byte even) and headers (odd) of packs: as they
 * are, and with magic and checksum put right.
 */
#include <string.h>

#include "pack/format.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

static void use_foot(struct bytes raw)
{
	uint8_t one[PACK_FOOT_BYTES], two[PACK_FOOT_BYTES];
	struct pack_foot f, g;

	if (pack_foot_decode(raw, &f, NULL) != BC_OK)
		return;
	MUST(raw.n == PACK_FOOT_BYTES && f.chunks <= PACK_CHUNKS_MAX &&
	     f.blocks <= f.chunks);
	pack_foot_encode(&f, one);
	MUST(pack_foot_decode(bytes_of(one, sizeof(one)), &g, NULL) == BC_OK);
	pack_foot_encode(&g, two);
	MUST(memcmp(one, two, sizeof(one)) == 0);
}

static void use_head(struct bytes raw)
{
	uint8_t one[PACK_HEAD_BYTES], two[PACK_HEAD_BYTES];
	struct pack_head h, g;

	if (pack_head_decode(raw, &h, NULL) != BC_OK)
		return;
	MUST(h.kind >= PACK_DATA && h.kind <= PACK_LOG);
	pack_head_encode(&h, one);
	MUST(pack_head_decode(bytes_of(one, sizeof(one)), &g, NULL) == BC_OK);
	pack_head_encode(&g, two);
	MUST(memcmp(one, two, sizeof(one)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t raw[PACK_HEAD_BYTES] = { 0 };
	bool head;
	size_t size;

	if (n == 0)
		return 0;
	head = data[0] % 2 != 0;
	size = head ? PACK_HEAD_BYTES : PACK_FOOT_BYTES;
	data++;
	n--;
	if (head)
		use_head(bytes_of(data, n));
	else
		use_foot(bytes_of(data, n));
	memcpy(raw, data, n < size ? n : size);
	memcpy(raw, head ? "BLOBPACK" : "BLOBFOOT", 8);
	le_put32(raw + size - 4, crc32c(0, raw, size - 4));
	if (head)
		use_head(bytes_of(raw, size));
	else
		use_foot(bytes_of(raw, size));
	return 0;
}
