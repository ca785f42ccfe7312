/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_snapshot - snapshot records. What is accepted can be written again,
 * and that reads as the same bytes from then on. */
#include <stdint.h>

#include "tree/snapshot_record.h"
#include "tests/fuzz/fuzz.h"

static void encode(const struct snapshot_record *s, struct buf *out)
{
	if (snapshot_record_encode(s, out, NULL) != BC_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf one = BUF_INIT(2 * SNAPSHOT_MAX_BYTES);
	struct buf two = BUF_INIT(2 * SNAPSHOT_MAX_BYTES);
	struct snapshot_record s, t;

	if (snapshot_record_decode(bytes_of(data, n), &s, NULL) != BC_OK)
		return 0;
	/* Readers take inline attributes that writers put elsewhere. */
	if (s.root.attrs.raw.n <= ATTRS_INLINE_MAX_BYTES) {
		encode(&s, &one);
		if (snapshot_record_decode(buf_bytes(&one), &t, NULL) != BC_OK)
			abort();
		encode(&t, &two);
		if (!bytes_eq(buf_bytes(&one), buf_bytes(&two)) ||
		    tree_entry_diff(&s.root, &t.root) != 0)
			abort();
		snapshot_record_fini(&t);
	}
	snapshot_record_fini(&s);
	buf_fini(&one);
	buf_fini(&two);
	return 0;
}
