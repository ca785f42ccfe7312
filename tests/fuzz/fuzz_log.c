/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_log - a log's header: the input as it is, and as its first bytes (the
 * rest zeros) with magics and both checksums put right. Names of logs, too.
 */
#include <string.h>

#include "log/file.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

static void use(struct bytes raw)
{
	static uint8_t one[LOG_HEAD_BYTES], two[LOG_HEAD_BYTES];
	struct log_head h, g;

	if (log_head_decode(raw, &h, NULL) != BC_OK)
		return;
	MUST(h.seq > 0 && h.number > 0 && h.prev_end % LOG_ALIGN == 0);
	log_head_encode(&h, one);
	MUST(log_head_decode(bytes_of(one, sizeof(one)), &g, NULL) == BC_OK);
	log_head_encode(&g, two);
	MUST(memcmp(one, two, sizeof(one)) == 0);
}

static void use_name(const uint8_t *data, size_t n)
{
	char name[64] = "", again[LOG_NAME_BYTES];
	struct pack_id id;
	uint64_t seq;

	memcpy(name, data, n < sizeof(name) - 1 ? n : sizeof(name) - 1);
	if (!log_name_decode(name, &seq, &id))
		return;
	log_name(seq, &id, again);
	for (size_t i = 0; name[i] != '\0'; i++)
		MUST(again[i] == name[i] || again[i] == (name[i] | 0x20));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t raw[LOG_HEAD_BYTES];

	use(bytes_of(data, n));
	use_name(data, n);
	memset(raw, 0, sizeof(raw));
	memcpy(raw, data, n < sizeof(raw) ? n : sizeof(raw));
	memcpy(raw, "BLOBPACK", 8);
	memcpy(raw + 128, "BLOBLOG1", 8);
	le_put32(raw + 124, crc32c(0, raw, 124));
	le_put32(raw + 4092, crc32c(0, raw, 4092));
	use(bytes_of(raw, sizeof(raw)));
	return 0;
}
