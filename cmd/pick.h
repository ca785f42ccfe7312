/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick - from a KEY of the command line to a snapshot and a thing in it.
 *
 * PATH is a path in the snapshot, or the absolute path from which one of its
 * roots was put. Slashes at its ends and doubled ones do not count. One
 * thread; everything that a pick shows is borrowed from it.
 */
#ifndef BC_CMD_PICK_H
#define BC_CMD_PICK_H

#include "catalog/catalog.h"
#include "repo/chunks.h"
#include "repo/snapshot_record.h"
#include "repo/tree_reader.h"
#include "util/parse_key.h"

enum {
	/* Digits of an id in a key that is printed: no two snapshots of one
	 * repository will ever share so many. */
	PICK_KEY_DIGITS = 16,
};

struct pick {
	struct repo *repo;
	struct digest id;
	char hex[DIGEST_HEX_BYTES];
	int64_t time;	 /* of the snapshot */
	struct buf name; /* of the snapshot */
	struct buf path; /* of the entry in the snapshot; empty: all of it */
	struct chunk_reader *chunks; /* NULL: only the snapshot is known */
	struct node_source source;
	struct buf raw;
	struct snapshot_record record; /* of raw */
	struct tree_reader reader;
	const struct tree_entry *entry;
	bool open;
};

/*
 * pick_snapshot - find the snapshot alone.
 *
 *   text  a KEY; its PATH is not looked at
 *   now   for relative dates
 *   k     [out] release with pick_close(), also on failure
 *
 *   BC_EINVAL      no such key can exist
 *   BC_ENOTFOUND   there is no such snapshot
 *   BC_EAMBIGUOUS  several ids begin so; the hint lists them
 */
BC_MUST_CHECK enum bc_err pick_snapshot(struct pick *k, struct repo *r,
					const char *text, int64_t now,
					struct err *e);

/*
 * pick_open - the same, and the thing that its PATH names: k->entry.
 *   BC_ENOTFOUND  also: there is no such path in it
 *   BC_EDAMAGE    the way there cannot be read
 */
BC_MUST_CHECK enum bc_err pick_open(struct pick *k, struct repo *r,
				    const char *text, int64_t now,
				    struct err *e);

/* pick_open_id - the root of the snapshot with that id. */
BC_MUST_CHECK enum bc_err pick_open_id(struct pick *k, struct repo *r,
				       const struct digest *id, struct err *e);

/* pick_close - of a pick that was never used: all zeros are fine. */
void pick_close(struct pick *k);

/* pick_each - all snapshots that are selected, in the catalog's order; fn may
 * ask about their tags. */
BC_MUST_CHECK enum bc_err pick_each(struct repo *r,
				    const struct catalog_select *q,
				    catalog_snapshot_fn *fn, void *ctx,
				    struct err *e);

/* pick_tags - "k=v k=v" of a snapshot, in order of keys, appended to out. */
BC_MUST_CHECK enum bc_err pick_tags(struct repo *r, const struct digest *id,
				    struct buf *out, struct err *e);

/* pick_type - a word for a type, as in JSON lines. */
const char *pick_type(enum tree_type t);

struct show_entry;

/* pick_show - what is shown of an entry; borrows from all of them. */
void pick_show(struct show_entry *out, const struct pick *k,
	       const struct tree_entry *en, struct bytes path,
	       struct bytes key);

/* pick_mode - st_mode of an entry. */
uint32_t pick_mode(const struct tree_entry *en);

#endif
