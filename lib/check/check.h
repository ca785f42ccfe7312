/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check/check - is all that was committed still there and whole?
 *
 * Works on a repository that does not open any more, as far as what is left
 * allows. Repairs nothing, and writes nothing but what it has found, for puts
 * (repo/hurt.h); leases of dead sessions go, as whenever leases are listed.
 *
 * Damage by which nothing is lost is a note: a block of which all chunks have
 * another, good place, and a pack that no snapshot needs any more. So a put of
 * the source heals.
 */
#ifndef BC_CHECK_CHECK_H
#define BC_CHECK_CHECK_H

#include <stdatomic.h>

#include "tree/node.h"
#include "repo/repo.h"

/* In this order. A phase that cannot be done is in result.skipped. */
enum check_phase {
	CHECK_FOLDER, /* superblocks, folders, sessions */
	CHECK_LOG,    /* every group, record and directory of the chain */
	CHECK_PACKS,  /* each pack's file, header, footer, directory */
	CHECK_VIEWS,  /* catalog and index against log and packs */
	CHECK_DATA,   /* every block and chunk, if asked for */
	CHECK_TREES,  /* every snapshot's tree, and the chunks of its files */
	CHECK_PHASES,
};

/* check_phase_name - a clause that says what is being checked. */
const char *check_phase_name(enum check_phase p);

enum check_weight {
	CHECK_NOTE,   /* worth knowing; nothing is lost or wrong */
	CHECK_DAMAGE, /* bytes are missing, or not what was written */
};

struct check_finding {
	enum check_phase phase;
	enum check_weight weight;
	const char *file; /* below the repository; NULL: none */
	bool has_offset;
	uint64_t offset;  /* in the file */
	const char *text; /* what is wrong */
	const char *next; /* what to do; NULL: nothing */
};

/* A path that a snapshot has lost, in part or as a whole. */
struct check_affected {
	const struct digest *snapshot;
	struct bytes name; /* of the snapshot */
	int64_t time;
	struct bytes path;   /* empty: the root */
	enum tree_type type; /* a directory: with what lies below it */
	uint64_t size;	     /* of a file: bytes known to be lost */
	const char *text;
};

/* Of the phase that runs: packs, bytes, snapshots. Any thread may read it. */
struct check_progress {
	atomic_int phase;
	atomic_ullong done, all;
};

struct check_options {
	unsigned threads; /* for CHECK_DATA; at least 1 */
	/* Per cent of the packs; 100: all; 0: those known to be hurt. */
	unsigned read_data;
	/* Each may be NULL; called by one thread at a time. What they are
	 * given is good until they return. */
	void (*phase)(void *ctx, enum check_phase p);
	void (*finding)(void *ctx, const struct check_finding *f);
	void (*affected)(void *ctx, const struct check_affected *a);
	void *ctx;
	struct check_progress *progress; /* may be NULL */
	const atomic_int *stop;		 /* not 0: BC_ECANCEL; may be NULL */
};

struct check_result {
	uint64_t damages, notes;
	uint64_t affected_paths, affected_snapshots;
	uint64_t generation;
	uint64_t snapshots, packs, logs;
	uint64_t chunks;     /* in the directories */
	uint64_t nodes;	     /* of trees, read */
	uint64_t bytes_read; /* of packs' blocks */
	unsigned skipped;    /* bits 1 << enum check_phase */
};

/*
 * repo_check
 *
 *   r    how to open it; `write` and `note` are not used
 *   out  [out] filled also when something is damaged
 *
 *   BC_OK       whole
 *   BC_EDAMAGE  something is damaged; all of it was told
 *   BC_ENOREPO, BC_EVERSION, BC_EACCES, BC_ECANCEL, BC_ENOMEM, ...
 */
BC_MUST_CHECK enum bc_err repo_check(const char *path,
				     const struct repo_options *r,
				     const struct check_options *o,
				     struct check_result *out, struct err *e);

#endif
