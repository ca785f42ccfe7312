/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_superblock - the input as it is, and as the fields of a superblock with
 * a right checksum. What is accepted encodes to bytes that read as the same.
 */
#include <string.h>

#include "hash/sha256.h"
#include "repo/superblock.h"
#include "tests/fuzz/fuzz.h"

enum { SUM_AT = SUPERBLOCK_BYTES - DIGEST_BYTES };

static void use(struct bytes raw)
{
	uint8_t one[SUPERBLOCK_BYTES], two[SUPERBLOCK_BYTES];
	char text[CHUNK_PARAMS_TEXT_BYTES];
	struct chunk_params params;
	struct superblock s, t;

	if (superblock_decode(raw, &s, NULL) != BC_OK)
		return;
	MUST(raw.n == SUPERBLOCK_BYTES);
	for (int work = REPO_READ; work <= REPO_DELETE; work++)
		MUST(superblock_allows(&s, (enum repo_work)work, NULL) ==
		     (s.features[work] == 0 && s.cipher == 0 ? BC_OK
							     : BC_EVERSION));
	superblock_encode(&s, one);
	MUST(superblock_decode(bytes_of(one, sizeof(one)), &t, NULL) == BC_OK);
	superblock_encode(&t, two);
	MUST(memcmp(one, two, sizeof(one)) == 0);
	/* The parameters can be shown, and what is shown means them. */
	chunk_params_format(&s.chunker, text);
	MUST(chunk_params_parse(text, &params, NULL) == BC_OK);
	MUST(params.min == s.chunker.min && params.avg == s.chunker.avg &&
	     params.max == s.chunker.max && params.kind == s.chunker.kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t raw[SUPERBLOCK_BYTES] = { 0 };
	struct digest sum;

	use(bytes_of(data, n));
	memcpy(raw, data, n < SUM_AT ? n : SUM_AT);
	memcpy(raw, "BLOBREPO", 8);
	sha256_one(bytes_of(raw, SUM_AT), &sum);
	memcpy(raw + SUM_AT, sum.b, DIGEST_BYTES);
	use(bytes_of(raw, sizeof(raw)));
	return 0;
}
