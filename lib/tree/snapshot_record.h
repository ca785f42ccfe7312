/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/snapshot_record - the record that a snapshot is.
 *
 * A chunk of kind 3; its digest is the snapshot's id. Layout: docs/format.md,
 * section 8. Pure; any thread.
 */
#ifndef BC_TREE_SNAPSHOT_RECORD_H
#define BC_TREE_SNAPSHOT_RECORD_H

#include "tree/node.h"
#include "util/tag.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_MAX_BYTES = 8 << 20,
	SNAPSHOT_TEXT_MAX_BYTES = 4096, /* name, host, user, program, path */
};

enum snapshot_how {
	SNAPSHOT_NAMED = 0,    /* stored under a name */
	SNAPSHOT_CONTENTS = 1, /* its contents are stored */
	SNAPSHOT_STDIN = 2,    /* standard input */
};

enum snapshot_flags {
	SNAPSHOT_MADE_UP = 1, /* the root directory: there were several roots */
	SNAPSHOT_SKIPPED = 2, /* some items were skipped */
};

struct snapshot_root {
	enum snapshot_how how;
	struct bytes name;
	struct bytes path; /* absolute, where it came from; empty for stdin */
};

struct snapshot_record {
	struct bytes name, host, user, program;
	int64_t time, end_time; /* nanoseconds since 1970 */
	struct tag *tags;	/* keys strictly ascending */
	size_t tag_count;
	struct snapshot_root *roots;
	size_t root_count;
	uint32_t flags;		/* enum snapshot_flags; unknown bits are kept */
	struct tree_entry root; /* a directory with the name "." */
	uint64_t files, dirs, others, bytes;
	uint64_t new_chunks, new_bytes, new_stored;
};

/*
 * snapshot_record_encode - append the record to `out`.
 *
 *   BC_EINVAL  not a valid record: tags out of order, texts too long, a root
 *              that is no directory "."
 *   BC_ELIMIT  it would pass SNAPSHOT_MAX_BYTES or the ceiling of `out`
 *   BC_ENOMEM; after a failure `out` is as it was
 */
BC_MUST_CHECK enum bc_err
snapshot_record_encode(const struct snapshot_record *s, struct buf *out,
		       struct err *e);

/*
 * snapshot_record_decode - validate a record and point into it.
 *
 *   raw  borrowed by *out until snapshot_record_fini()
 *   out  [out] release with snapshot_record_fini(); untouched on failure
 *
 *   BC_EVERSION  written by a newer blobctl
 *   BC_EDAMAGE   not a valid record
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err snapshot_record_decode(struct bytes raw,
						 struct snapshot_record *out,
						 struct err *e);

/* snapshot_record_fini - release the arrays of a decoded record. */
void snapshot_record_fini(struct snapshot_record *s);

/* snapshot_tags_sort - into order of keys. */
void snapshot_tags_sort(struct tag *v, size_t n);

#endif
