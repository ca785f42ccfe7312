/* SPDX-License-Identifier: Apache-2.0 */
#include "log/format.h"

#include "util/arith.h"
#include "util/crc32c.h"
#include "util/le.h"

enum { LOG_CRC_AT = 4092, GROUP_CRC_AT = 124, GROUP_VERSION = 1 };

static const char log_magic[8] = { 'B', 'L', 'O', 'B', 'L', 'O', 'G', '1' };
static const char group_magic[8] = { 'B', 'L', 'O', 'B', 'G', 'R', 'U', 'P' };

void log_head_encode(const struct log_head *h, uint8_t *out)
{
	memset(out, 0, LOG_HEAD_BYTES);
	pack_head_encode(&h->pack, out);
	memcpy(out + 128, log_magic, sizeof(log_magic));
	le_put64(out + 136, h->seq);
	le_put32(out + 144, h->number);
	le_put64(out + 152, h->first_generation);
	memcpy(out + 160, h->prev_id.b, PACK_ID_BYTES);
	le_put64(out + 176, h->prev_end);
	memcpy(out + 184, h->chain.b, DIGEST_BYTES);
	le_put64(out + 216, h->checkpoint);
	memcpy(out + 224, h->checkpoint_log.b, PACK_ID_BYTES);
	le_put64(out + 240, h->checkpoint_at);
	le_put32(out + LOG_CRC_AT, crc32c(0, out, LOG_CRC_AT));
}

enum bc_err log_head_decode(struct bytes raw, struct log_head *h, struct err *e)
{
	const uint8_t *p = raw.p;
	enum bc_err rc;

	if (raw.n < LOG_HEAD_BYTES ||
	    memcmp(p + 128, log_magic, sizeof(log_magic)) != 0 ||
	    le_get32(p + LOG_CRC_AT) != crc32c(0, p, LOG_CRC_AT))
		return err_set(e, BC_EDAMAGE, "the log's header is damaged");
	rc = pack_head_decode(raw, &h->pack, e);
	if (rc != BC_OK)
		return rc;
	h->seq = le_get64(p + 136);
	h->number = le_get32(p + 144);
	h->first_generation = le_get64(p + 152);
	memcpy(h->prev_id.b, p + 160, PACK_ID_BYTES);
	h->prev_end = le_get64(p + 176);
	memcpy(h->chain.b, p + 184, DIGEST_BYTES);
	h->checkpoint = le_get64(p + 216);
	memcpy(h->checkpoint_log.b, p + 224, PACK_ID_BYTES);
	h->checkpoint_at = le_get64(p + 240);
	if (h->pack.kind != PACK_LOG || h->seq == 0 || h->number == 0 ||
	    h->first_generation == 0 || h->prev_end % LOG_ALIGN != 0)
		return err_set(e, BC_EDAMAGE,
			       "the log's header holds impossible numbers");
	return BC_OK;
}

uint32_t group_zero_sectors(struct bytes group)
{
	uint32_t n = 0;

	for (size_t at = 0; at < group.n; at += LOG_SECTOR_BYTES) {
		const uint8_t *p = group.p + at;
		size_t rest = min_size(LOG_SECTOR_BYTES, group.n - at) - 1;

		n += p[0] == 0 && memcmp(p, p + 1, rest) == 0;
	}
	return n;
}

void group_head_encode(const struct group_head *h, uint8_t *out)
{
	memset(out, 0, GROUP_HEAD_BYTES);
	memcpy(out, group_magic, sizeof(group_magic));
	le_put32(out + 8, GROUP_VERSION);
	le_put64(out + 16, h->length);
	le_put64(out + 24, h->generation);
	memcpy(out + 32, h->log.b, PACK_ID_BYTES);
	memcpy(out + 48, h->group.b, PACK_ID_BYTES);
	le_put16(out + 64, h->first_slot);
	le_put16(out + 66, h->chunks);
	le_put32(out + 68, h->blocks);
	le_put32(out + 72, h->record_length);
	le_put32(out + 76, h->dir_length);
	le_put32(out + 80, h->zero_sectors);
	le_put32(out + GROUP_CRC_AT, crc32c(0, out, GROUP_CRC_AT));
}

enum bc_err group_head_decode(struct bytes raw, struct group_head *h,
			      struct err *e)
{
	const uint8_t *p = raw.p;
	struct group_head r;

	if (raw.n < GROUP_HEAD_BYTES ||
	    memcmp(p, group_magic, sizeof(group_magic)) != 0 ||
	    le_get32(p + GROUP_CRC_AT) != crc32c(0, p, GROUP_CRC_AT))
		return err_set(e, BC_ENOTFOUND, "no group begins here");
	if (le_get32(p + 8) != GROUP_VERSION)
		return err_set(e, BC_EVERSION,
			       "a log group of version %u is unknown to this "
			       "version",
			       le_get32(p + 8));
	r.length = le_get64(p + 16);
	r.generation = le_get64(p + 24);
	memcpy(r.log.b, p + 32, PACK_ID_BYTES);
	memcpy(r.group.b, p + 48, PACK_ID_BYTES);
	r.first_slot = le_get16(p + 64);
	r.chunks = le_get16(p + 66);
	r.blocks = le_get32(p + 68);
	r.record_length = le_get32(p + 72);
	r.dir_length = le_get32(p + 76);
	r.zero_sectors = le_get32(p + 80);
	if (r.length > GROUP_MAX_BYTES || r.generation == 0 ||
	    r.record_length < BLOCK_HEAD_BYTES ||
	    (r.chunks == 0) != (r.dir_length == 0) ||
	    (r.dir_length != 0 && r.dir_length < BLOCK_HEAD_BYTES) ||
	    (uint64_t)GROUP_HEAD_BYTES + r.record_length + r.dir_length >
		    r.length)
		return err_set(e, BC_ENOTFOUND,
			       "a group header holds impossible numbers");
	*h = r;
	return BC_OK;
}

bool group_head_like(struct bytes raw, const struct pack_id *log)
{
	return raw.n >= GROUP_HEAD_BYTES &&
	       (memcmp(raw.p, group_magic, sizeof(group_magic)) == 0 ||
		memcmp(raw.p + 32, log->b, PACK_ID_BYTES) == 0);
}
