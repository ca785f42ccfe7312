/* SPDX-License-Identifier: Apache-2.0 */
/* repo/packs - packs and logs by number: where they lie, and their files. */
#ifndef BC_REPO_PACKS_H
#define BC_REPO_PACKS_H

#include "pack/format.h"
#include "repo/repo.h"

struct io_file;
struct log_file;

/* Where a pack lies. */
struct pack_ref {
	uint32_t number;
	struct pack_id id;
	bool log;	 /* in log/, under its SEQ */
	uint64_t seq;	 /* of a log */
	uint64_t length; /* 0: a log that grows */
	bool freed;
};

/* repo_pack_ref - by its number. Under the mutex, or while no other thread is
 * at work. BC_ENOTFOUND. */
BC_MUST_CHECK enum bc_err repo_pack_ref(struct repo *r, uint32_t number,
					struct pack_ref *out, struct err *e);

/* repo_open_numbered - the file of a pack, for reading. Takes the mutex. */
BC_MUST_CHECK enum bc_err repo_open_numbered(struct repo *r, uint32_t number,
					     bool direct, struct io_file **out,
					     struct err *e);

/* repo_open_pack - the same of one that is known. */
BC_MUST_CHECK enum bc_err repo_open_pack(struct repo *r,
					 const struct pack_ref *p, bool direct,
					 struct io_file **out, struct err *e);

/* repo_open_log - a log by its number and id, for reading: BC_EDAMAGE if it is
 * missing or another one. repo_open_own_log - or of another repository. */
BC_MUST_CHECK enum bc_err repo_open_log(struct repo *r, uint64_t seq,
					const struct pack_id *id,
					struct log_file **out, struct err *e);
BC_MUST_CHECK enum bc_err repo_open_own_log(struct repo *r, uint64_t seq,
					    const struct pack_id *id,
					    struct log_file **out,
					    struct err *e);

/* The numbers of packs and logs, in order; free(at). */
struct pack_numbers {
	uint32_t *at;
	size_t n, cap;
};

/* repo_pack_numbers - those in any of the states (bits 1 << catalog_state). */
BC_MUST_CHECK enum bc_err repo_pack_numbers(struct repo *r, unsigned states,
					    struct pack_numbers *out,
					    struct err *e);

#endif
