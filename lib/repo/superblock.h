/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/superblock - what a repository is: docs/format.md, section 3. The codec
 * is pure; load and store go through the two copies.
 */
#ifndef BC_REPO_SUPERBLOCK_H
#define BC_REPO_SUPERBLOCK_H

#include "chunk/params.h"
#include "io/io.h"
#include "pack/format.h"

#define SUPERBLOCK_NAME	     "superblock"
#define SUPERBLOCK_COPY_NAME "superblock.copy"

enum {
	SUPERBLOCK_BYTES = 4096,
	REPO_FORMAT_VERSION = 1,
	REPO_PACK_MIN_BYTES = 4 << 20,
	REPO_PACK_MAX_BYTES = 512 << 20,
	/* 512 KiB stores 4 % less than 256 KiB on a source tree, in the same
	 * time; 1 MiB would store 2 % less again and cost every small read. */
	REPO_BLOCK_BYTES = 512 << 10,
};

/* What an unknown feature flag forbids. */
enum repo_work { REPO_READ, REPO_WRITE, REPO_CHECK, REPO_DELETE };

struct superblock {
	uint32_t version;
	uint32_t sequence;
	uint64_t features[4]; /* by enum repo_work */
	struct pack_id id;
	int64_t created;
	uint8_t hash;	/* 1: SHA-256 */
	uint8_t cipher; /* 0: none */
	uint8_t codec;	/* 1: zstd */
	struct chunk_params chunker;
	int32_t level;
	uint32_t block_bytes;
	uint64_t pack_bytes;
	uint64_t reserve_bytes;
};

void superblock_encode(const struct superblock *s, uint8_t *out);

/*
 * superblock_decode
 *   BC_EDAMAGE   not a whole superblock
 *   BC_EVERSION  of a newer format
 */
BC_MUST_CHECK enum bc_err
superblock_decode(struct bytes raw, struct superblock *s, struct err *e);

/*
 * superblock_load - from the better of the two copies.
 *
 *   copies  [out] how many are whole: 1 asks for a repair; may be NULL
 *
 *   BC_ENOREPO   neither copy is there
 *   BC_EDAMAGE   neither is whole, or they are of two repositories
 *   BC_EVERSION  newer than this program
 */
BC_MUST_CHECK enum bc_err superblock_load(struct io_dir *dir,
					  struct superblock *s, int *copies,
					  struct err *e);

/* superblock_store - write both copies durably, the copy first: the last step
 * of init. */
BC_MUST_CHECK enum bc_err
superblock_store(struct io_dir *dir, const struct superblock *s, struct err *e);

/*
 * superblock_mend - give the copy that is missing, damaged or older than `s`
 * its contents again, durably; at every moment one of them is whole. A copy
 * of a newer format, of another repository, or that cannot be read stays as
 * it is. Under REPO_LOCK_INIT.
 *
 *   s     from superblock_load()
 *   made  [out] how many were written
 */
BC_MUST_CHECK enum bc_err superblock_mend(struct io_dir *dir,
					  const struct superblock *s, int *made,
					  struct err *e);

/* superblock_allows - BC_EVERSION if a flag of this kind of work is unknown. */
BC_MUST_CHECK enum bc_err superblock_allows(const struct superblock *s,
					    enum repo_work work, struct err *e);

#endif
