/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick - from a KEY of the command line to a snapshot and a thing in it.
 *
 * One thread; everything that a pick shows is borrowed from it.
 */
#ifndef BC_CMD_PICK_H
#define BC_CMD_PICK_H

#include "catalog/catalog.h"
#include "repo/chunks.h"
#include "repo/resolve.h"
#include "repo/snapshots.h"

enum {
	/* Digits of an id in a key that is printed: no two snapshots of one
	 * repository will ever share so many. */
	PICK_KEY_DIGITS = 16,
};

struct pick {
	struct snapshot *snapshot;
	char hex[DIGEST_HEX_BYTES]; /* its id */
	struct chunk_reader *chunks;
	struct node_source source;
	struct resolved at;
	const struct tree_entry *entry; /* what the PATH names; else the root */
	struct bytes path; /* of the entry in the snapshot; empty: the root */
};

#define PICK_INIT                                                              \
	{                                                                      \
		.snapshot = NULL                                               \
	}

/*
 * pick_snapshot - find the snapshot alone.
 *
 *   k     PICK_INIT; release with pick_close(), also on failure
 *   text  a KEY without a PATH
 *   now   for relative dates
 *
 *   BC_EINVAL      no such key can exist
 *   BC_EUSAGE      there is a PATH
 *   BC_ENOTFOUND, BC_EAMBIGUOUS, ...  as snapshots_find()
 */
BC_MUST_CHECK enum bc_err pick_snapshot(struct pick *k, struct repo *r,
					const char *text, int64_t now,
					struct err *e);

/*
 * pick_open - the same, and the thing that its PATH names, if there is one:
 * k->entry.
 *   BC_ENOTFOUND, BC_EDAMAGE, ...  also as resolve_path()
 */
BC_MUST_CHECK enum bc_err pick_open(struct pick *k, struct repo *r,
				    const char *text, int64_t now,
				    struct err *e);

/* pick_open_id - the root of the snapshot with that id. */
BC_MUST_CHECK enum bc_err pick_open_id(struct pick *k, struct repo *r,
				       const struct digest *id, struct err *e);

void pick_close(struct pick *k);

/* pick_tags - "k=v" of a snapshot, each with a NUL behind it, in order of keys,
 * appended to out. */
BC_MUST_CHECK enum bc_err pick_tags(struct repo *r, const struct digest *id,
				    struct buf *out, struct err *e);

struct show_entry;

/* pick_show - what is shown of an entry; borrows from all of them. */
void pick_show(struct show_entry *out, const struct pick *k,
	       const struct tree_entry *en, struct bytes path,
	       struct bytes key);

/* pick_type - a word for a type, as in JSON lines. */
const char *pick_type(enum tree_type t);

#endif
