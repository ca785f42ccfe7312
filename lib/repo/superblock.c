/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/superblock.h"

#include "hash/sha256.h"
#include "util/arith.h"
#include "util/le.h"

enum { SUM_AT = SUPERBLOCK_BYTES - DIGEST_BYTES, HASH_SHA256 = 1 };

static const char magic[8] = { 'B', 'L', 'O', 'B', 'R', 'E', 'P', 'O' };

void superblock_encode(const struct superblock *s, uint8_t *out)
{
	struct digest sum;

	memset(out, 0, SUPERBLOCK_BYTES);
	memcpy(out, magic, sizeof(magic));
	le_put32(out + 8, s->version);
	le_put32(out + 12, s->sequence);
	for (int i = 0; i < 4; i++)
		le_put64(out + 16 + 8 * i, s->features[i]);
	memcpy(out + 48, s->id.b, PACK_ID_BYTES);
	le_put64(out + 64, (uint64_t)s->created);
	out[72] = s->hash;
	out[73] = s->cipher;
	out[74] = (uint8_t)s->chunker.kind;
	out[75] = s->codec;
	le_put32(out + 76, s->chunker.min);
	le_put32(out + 80, s->chunker.avg);
	le_put32(out + 84, s->chunker.max);
	le_put32(out + 88, (uint32_t)s->level);
	le_put32(out + 92, s->block_bytes);
	le_put64(out + 96, s->pack_bytes);
	le_put64(out + 104, s->reserve_bytes);
	sha256_one(bytes_of(out, SUM_AT), &sum);
	memcpy(out + SUM_AT, sum.b, DIGEST_BYTES);
}

static bool parameters_valid(const struct superblock *s)
{
	return s->hash == HASH_SHA256 && s->cipher <= 1 && s->codec <= 1 &&
	       chunk_params_valid(&s->chunker) && s->block_bytes >= 4096 &&
	       s->block_bytes <= BLOCK_PLAIN_MAX_BYTES / 2 &&
	       s->pack_bytes >= REPO_PACK_MIN_BYTES &&
	       s->pack_bytes <= REPO_PACK_MAX_BYTES;
}

enum bc_err superblock_decode(struct bytes raw, struct superblock *s,
			      struct err *e)
{
	const uint8_t *p = raw.p;
	struct superblock r;
	struct digest sum;

	if (raw.n != SUPERBLOCK_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
		return err_set(e, BC_EDAMAGE, "the superblock is damaged");
	sha256_one(bytes_of(p, SUM_AT), &sum);
	if (memcmp(sum.b, p + SUM_AT, DIGEST_BYTES) != 0)
		return err_set(e, BC_EDAMAGE, "the superblock is damaged");
	r.version = le_get32(p + 8);
	r.sequence = le_get32(p + 12);
	for (int i = 0; i < 4; i++)
		r.features[i] = le_get64(p + 16 + 8 * i);
	memcpy(r.id.b, p + 48, PACK_ID_BYTES);
	r.created = (int64_t)le_get64(p + 64);
	r.hash = p[72];
	r.cipher = p[73];
	r.chunker = (struct chunk_params){ .kind = (enum chunk_kind)p[74],
					   .min = le_get32(p + 76),
					   .avg = le_get32(p + 80),
					   .max = le_get32(p + 84) };
	r.codec = p[75];
	r.level = (int32_t)le_get32(p + 88);
	r.block_bytes = le_get32(p + 92);
	r.pack_bytes = le_get64(p + 96);
	r.reserve_bytes = le_get64(p + 104);
	if (r.version > REPO_FORMAT_VERSION || !parameters_valid(&r))
		return err_set(e, BC_EVERSION,
			       "the repository has format %u or parameters "
			       "that this version does not know",
			       r.version);
	*s = r;
	return BC_OK;
}

/* One copy; *there says whether the file exists at all. */
static enum bc_err load_one(struct io_dir *dir, const char *name,
			    struct superblock *s, bool *there, struct err *e)
{
	struct buf raw = BUF_INIT(SUPERBLOCK_BYTES + 1);
	enum bc_err rc = io_read_small(dir, name, &raw, e);

	if (rc == BC_OK || rc == BC_ELIMIT)
		*there = true;
	if (rc == BC_ELIMIT)
		rc = err_set(e, BC_EDAMAGE, "the superblock is damaged");
	if (rc == BC_OK)
		rc = superblock_decode(buf_bytes(&raw), s, e);
	buf_fini(&raw);
	return rc;
}

enum bc_err superblock_load(struct io_dir *dir, struct superblock *s,
			    int *copies, struct err *e)
{
	struct superblock one, two;
	struct err e2 = ERR_INIT;
	bool there = false;
	enum bc_err rc1 = load_one(dir, SUPERBLOCK_NAME, &one, &there, e);
	enum bc_err rc2;

	/* Without the first the repository was never finished, or somebody
	 * took it away: the copy then still tells what it is. */
	rc2 = load_one(dir, SUPERBLOCK_COPY_NAME, &two, &there, &e2);
	if (copies != NULL)
		*copies = (rc1 == BC_OK) + (rc2 == BC_OK);
	/* Which of them was put here by mistake, only the user knows; taking
	 * the wrong one would make all views anew, as of another repository. */
	if (rc1 == BC_OK && rc2 == BC_OK && !pack_id_eq(&one.id, &two.id)) {
		err_set(e, BC_EDAMAGE,
			SUPERBLOCK_NAME " and " SUPERBLOCK_COPY_NAME
					" of %s are of two repositories",
			io_dir_path(dir));
		err_hint(e,
			 "move the foreign one away: the other is made again "
			 "from what remains");
		return BC_EDAMAGE;
	}
	if (rc1 == BC_OK && (rc2 != BC_OK || one.sequence >= two.sequence)) {
		*s = one;
		return BC_OK;
	}
	if (rc1 == BC_EVERSION)
		return rc1;
	if (rc2 == BC_OK) {
		*s = two;
		err_clear(e);
		return BC_OK;
	}
	if (rc1 == BC_ENOTFOUND && rc2 == BC_ENOTFOUND)
		return err_set(e, BC_ENOREPO, "%s is not a blobctl repository",
			       io_dir_path(dir));
	if (rc2 == BC_EVERSION && e != NULL)
		*e = e2;
	if (rc2 == BC_EVERSION)
		return rc2;
	if (rc1 == BC_ENOTFOUND && there)
		return err_set(e, BC_EDAMAGE,
			       "the superblock of %s is missing and its copy "
			       "is damaged",
			       io_dir_path(dir));
	return err_wrap(e, "%s", io_dir_path(dir));
}

/* Is this copy in need of `s`? */
static bool wants(struct io_dir *dir, const char *name,
		  const struct superblock *s)
{
	struct superblock was;
	bool there;
	enum bc_err rc = load_one(dir, name, &was, &there, NULL);

	if (rc == BC_OK)
		return pack_id_eq(&was.id, &s->id) &&
		       was.sequence < s->sequence;
	return rc == BC_ENOTFOUND || rc == BC_EDAMAGE;
}

enum bc_err superblock_mend(struct io_dir *dir, const struct superblock *s,
			    int *made, struct err *e)
{
	static const char *const names[] = { SUPERBLOCK_COPY_NAME,
					     SUPERBLOCK_NAME };
	uint8_t raw[SUPERBLOCK_BYTES];
	enum bc_err rc = BC_OK;

	*made = 0;
	superblock_encode(s, raw);
	for (int i = 0; i < 2 && rc == BC_OK; i++) {
		if (!wants(dir, names[i], s))
			continue;
		rc = io_write_small(dir, names[i], bytes_of(raw, sizeof(raw)),
				    IO_REPLACE, e);
		*made += rc == BC_OK;
	}
	return rc;
}

enum bc_err superblock_store(struct io_dir *dir, const struct superblock *s,
			     struct err *e)
{
	uint8_t raw[SUPERBLOCK_BYTES];
	enum bc_err rc;

	superblock_encode(s, raw);
	rc = io_write_small(dir, SUPERBLOCK_COPY_NAME,
			    bytes_of(raw, sizeof(raw)), IO_REPLACE, e);
	if (rc == BC_OK)
		rc = io_write_small(dir, SUPERBLOCK_NAME,
				    bytes_of(raw, sizeof(raw)), IO_REPLACE, e);
	return rc;
}

enum bc_err superblock_allows(const struct superblock *s, enum repo_work work,
			      struct err *e)
{
	static const char *const what[] = { "read", "write to", "check",
					    "delete from" };

	if (s->cipher != 0)
		return err_set(e, BC_EVERSION,
			       "the repository is encrypted, which this "
			       "version cannot read");
	if (s->features[work] == 0)
		return BC_OK;
	return err_set(e, BC_EVERSION,
		       "the repository uses features (%#llx) that this "
		       "version would have to know to %s it",
		       (unsigned long long)s->features[work], what[work]);
}
