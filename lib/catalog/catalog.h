/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog/catalog - what the repository's log says, in a form that can be
 * asked: snapshots, tags, packs, logs. docs/format.md, "Catalog and state".
 *
 * The catalog is a view. The log is the truth; the catalog may be missing,
 * damaged or old at any time, and the answer is always the same: bring it up
 * to date from the log, or catalog_remove() it and begin with an empty one.
 * So that it can never hold half an operation, or forget where it stands, the
 * position in the log is written in the same transaction as the changes that
 * lead there: catalog_begin() says where the catalog stands, the caller applies
 * the operations of the groups that follow, sets the new position, commits.
 *
 * What is relied on and how it is made sure of:
 *   - a page that is not what was written is found when it is read (a checksum
 *     with the page's number in every page, catalog/vfs.c);
 *   - a database file and a write-ahead file that do not belong together, as
 *     when one of them was replaced by an older copy, are found at open (the
 *     two places where `epoch` is kept, catalog/catalog.c);
 *   - frames of the write-ahead file have SQLite's checksums, which whoever
 *     first maps its shared memory checks; who comes later believes the index
 *     of frames that lies there and reads a frame unchecked. So damage to the
 *     device or the file while somebody has the catalog open can be an answer
 *     until all have closed it. It is a view: nothing is stored, or not stored,
 *     by it alone (docs/architecture.md, "Views");
 *   - an older copy of the whole is consistent and says where it stands.
 *
 * Common to all calls
 *   threads     one at a time for each struct catalog; several handles, in
 *               several threads or processes, may be open on one file
 *   fork        a handle must not be used, nor closed, in a child
 *   durability  none is promised: after a power failure the catalog may stand
 *               at an earlier position; it is whole at that position
 *   spans       in rows: borrowed, see each call; in arguments: borrowed until
 *               return
 *   errors      BC_EDAMAGE   the database, or an operation that contradicts
 *                            it: remove the catalog and replay the log; if it
 *                            comes again, the log itself is wrong
 *               BC_ELOCKED   another handle is writing; nothing happened
 *               BC_ENOSPC, BC_EIO, BC_EACCES, BC_ENOMEM
 *                            as they say; a transaction can only be rolled back
 *               BC_EINVAL    a call out of order, or a number beyond its range
 */
#ifndef BC_CATALOG_CATALOG_H
#define BC_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/digest.h"
#include "util/err.h"
#include "util/tag.h"

struct catalog;

enum {
	CATALOG_SCHEMA = 1, /* raised by any change of tables or meaning */
	CATALOG_ID_BYTES = 16,
	CATALOG_SLOT_MAX = 65535,
};

struct catalog_options {
	const char *path; /* of catalog.db; NULL: in memory, always new */
	uint8_t repository[CATALOG_ID_BYTES]; /* stored, and compared at open */
	bool create;			      /* make it if it is not there */
	unsigned int busy_ms; /* how long to wait for other handles' writing */
};

/*
 * catalog_open - open or make a catalog.
 *
 *   o      copied
 *   out    [out] release with catalog_close(); untouched on failure
 *
 *   BC_ENOTFOUND  not there, and o->create is not set
 *   BC_EDAMAGE    not a catalog, another schema, another repository, damaged
 *   BC_EACCES     not permitted; or nothing can be written there and not all
 *                 of its files are left from the last writer. Use one in memory
 *   BC_ELIMIT     the path is longer than SQLite can take (some 500 bytes)
 *   BC_ESYS       the SQLite library cannot be loaded
 *
 * Where nothing can be written, a catalog with all of its files opens all the
 * same: catalog_writable() is false, questions are answered, catalog_begin() is
 * BC_EACCES.
 * The first call in a process loads the library; see catalog/sqlite_load.h.
 */
BC_MUST_CHECK enum bc_err catalog_open(const struct catalog_options *o,
				       struct catalog **out, struct err *e);

/* catalog_writable - may catalog_begin() succeed? */
bool catalog_writable(const struct catalog *c);

/* catalog_close - roll back what is not committed and release; NULL is
 * harmless. Neither syncs nor folds the write-ahead file, so it is cheap. */
void catalog_close(struct catalog *c);

/*
 * catalog_remove - unlink the database and its companions, in this order;
 * missing ones are no error. No handle of this process may be open on it. Other
 * processes may have it open: what they write is lost, which a view can bear.
 * But it goes by names: none may make a new one meanwhile, or it would be left
 * with a part of its files while others make the rest again. So whoever removes
 * or makes one holds a lock (lib/repo: REPO_LOCK_CATALOG), and who opens one
 * without it asks catalog_moved() afterwards.
 */
BC_MUST_CHECK enum bc_err catalog_remove(const char *path, struct err *e);

/* catalog_damaged - has this handle met a page or a row that is not what was
 * written? Then the file is to be removed. False after an operation that only
 * contradicts what is there, and of NULL. */
bool catalog_damaged(const struct catalog *c);

/* catalog_moved - is what this handle has open no longer at its path, as when
 * another process has removed it? */
bool catalog_moved(struct catalog *c);

/*
 * catalog_verify - read everything and compare: structure, indexes, types,
 * every page, and the set of snapshots with the count and the sum that were
 * kept beside it. Takes some seconds for a gigabyte. BC_EDAMAGE says what.
 */
BC_MUST_CHECK enum bc_err catalog_verify(struct catalog *c, struct err *e);

/* ---- where it stands ------------------------------------------------------
 */

struct catalog_position {
	uint64_t generation;  /* last one applied; 0: none yet */
	struct digest digest; /* of that generation's record */
	uint64_t log_seq;     /* the log that holds it */
	uint8_t log_id[CATALOG_ID_BYTES];
	uint64_t log_end;   /* offset after its group */
	uint32_t next_pack; /* pack number that no pack or log has yet */
	uint32_t next_slot; /* first free slot of that log, up to 65,536 */
};

/* catalog_position - where the catalog stands now. */
BC_MUST_CHECK enum bc_err catalog_position(struct catalog *c,
					   struct catalog_position *out,
					   struct err *e);

/* catalog_set_wait - from now on wait so many milliseconds for others' writing,
 * up to INT32_MAX. Returns what it was. */
unsigned int catalog_set_wait(struct catalog *c, unsigned int busy_ms);

/*
 * catalog_begin - begin to write. Waits up to busy_ms for other writers.
 *
 *   at     [out] where the catalog stands in this transaction: another process
 *          may have moved it since the caller looked. Apply what follows it
 */
BC_MUST_CHECK enum bc_err
catalog_begin(struct catalog *c, struct catalog_position *at, struct err *e);

/*
 * catalog_move - in a transaction: where the catalog will stand. The generation
 * may not go back (BC_EINVAL); it may stay, as when a log is sealed.
 */
BC_MUST_CHECK enum bc_err catalog_move(struct catalog *c,
				       const struct catalog_position *to,
				       struct err *e);

/*
 * catalog_commit - end the transaction. Every failure rolls it back: the
 * catalog stands where it stood. BC_EINVAL if a call in it had failed, or if
 * something was changed and catalog_move() was not called.
 * Now and then it also folds the write-ahead file into the database, which
 * takes two syncs; if that fails, the commit stands all the same.
 */
BC_MUST_CHECK enum bc_err catalog_commit(struct catalog *c, struct err *e);

/* catalog_rollback - forget the transaction; harmless without one. */
void catalog_rollback(struct catalog *c);

/*
 * catalog_read_begin - until catalog_read_end(), every query sees the same
 * state, the one at the position returned. Without it each query sees the
 * newest. Keep it short: it holds back the folding of the write-ahead file.
 */
BC_MUST_CHECK enum bc_err catalog_read_begin(struct catalog *c,
					     struct catalog_position *at,
					     struct err *e);
void catalog_read_end(struct catalog *c);

/* ---- rows -----------------------------------------------------------------
 */

struct catalog_snapshot {
	struct digest id;
	struct digest root;  /* digest of the root leaf */
	uint64_t generation; /* that made it */
	int64_t time;	     /* nanoseconds since 1970 */
	struct bytes name;
	struct bytes host;
	uint64_t files;
	uint64_t dirs;
	uint64_t others;
	uint64_t bytes;
	uint64_t new_chunks;
	uint64_t new_bytes;
	uint64_t new_stored;
	uint32_t pack; /* where its record lies; orders snapshots of one time */
	uint16_t slot;
	struct bytes record;
};

enum catalog_state {
	CATALOG_LIVE = 0,
	CATALOG_CONDEMNED = 1,
	CATALOG_FREED = 2,
};

enum catalog_kind { /* of docs/format.md, "Pack" */
		    CATALOG_DATA = 1,
		    CATALOG_METADATA = 2,
		    CATALOG_LOG = 3,
};

enum catalog_tier { /* of docs/format.md, section 6 */
		    CATALOG_WARM = 1,
		    CATALOG_COLD = 2,
		    CATALOG_ARCHIVE = 3,
};

/* A pack, or a log: logs take numbers as packs do, and become packs. */
struct catalog_pack {
	uint32_t number;
	uint8_t id[CATALOG_ID_BYTES];
	enum catalog_kind kind;
	uint16_t class;	 /* placement */
	uint64_t length; /* of the file; 0 for a log that grows */
	uint32_t chunks;
	uint32_t blocks;
	uint64_t plain;
	struct digest directory;
	uint8_t tier;	     /* enum catalog_tier */
	struct bytes remote; /* empty while it has not been moved */
	struct bytes object;
	enum catalog_state state;
	uint64_t generation; /* that set the state */
};

/* The latest checkpoint of the log (format.md, section 6), and how many
 * snapshots the catalog lacks because their records were damaged when it was
 * made: what is made from it would lack them too. */
struct catalog_checkpoint {
	uint64_t generation; /* that it describes; 0: there is none */
	struct digest root;
	uint64_t log_seq; /* the log that holds its group */
	uint8_t log_id[CATALOG_ID_BYTES];
	uint64_t offset; /* of that group */
	uint64_t lost;
};

struct catalog_log {
	uint32_t number;
	uint8_t id[CATALOG_ID_BYTES];
	uint64_t seq;
	uint64_t length; /* 0 until it is sealed */
	uint64_t first_generation;
	bool sealed;
};

/* ---- operations of the log, inside a transaction --------------------------
 *
 * One call for each operation of a generation record. An operation that
 * contradicts what is there is BC_EDAMAGE, with the reason. After any failure
 * the transaction can only be rolled back.
 */

/* catalog_add_snapshot - made, or present in a checkpoint. Its id and its place
 * (pack, slot) must be new. Tags have distinct keys. */
BC_MUST_CHECK enum bc_err catalog_add_snapshot(struct catalog *c,
					       const struct catalog_snapshot *s,
					       const struct tag *tags,
					       size_t count, struct err *e);

/* catalog_remove_snapshot - with its tags. It must be there. */
BC_MUST_CHECK enum bc_err catalog_remove_snapshot(struct catalog *c,
						  const struct digest *id,
						  struct err *e);

/* catalog_tag_snapshot - first remove the keys in `drop`, of which any may be
 * missing, then set those in `set`. The snapshot must be there. */
BC_MUST_CHECK enum bc_err
catalog_tag_snapshot(struct catalog *c, const struct digest *id,
		     const struct tag *set, size_t set_count,
		     const struct bytes *drop, size_t drop_count,
		     struct err *e);

/* catalog_add_pack - number and id must be new; remote and object are ignored
 * and empty, see catalog_move_pack(). kind is not CATALOG_LOG. */
BC_MUST_CHECK enum bc_err catalog_add_pack(struct catalog *c,
					   const struct catalog_pack *p,
					   struct err *e);

/*
 * catalog_set_pack - a whole pack or log was condemned (CATALOG_CONDEMNED),
 * resurrected (CATALOG_LIVE) or freed (CATALOG_FREED) by `generation`.
 *
 * What has been freed stays so: anything else is a contradiction. To condemn
 * what is condemned sets the generation anew; to resurrect what lives changes
 * nothing. Freeing a pack forgets the states of its blocks.
 */
BC_MUST_CHECK enum bc_err catalog_set_pack(struct catalog *c, uint32_t number,
					   enum catalog_state state,
					   uint64_t generation, struct err *e);

/* catalog_set_blocks - the same for single blocks, by ordinal, of a pack that
 * is not freed. Ordinals beyond a sealed pack's blocks are a contradiction. */
BC_MUST_CHECK enum bc_err catalog_set_blocks(struct catalog *c, uint32_t number,
					     enum catalog_state state,
					     const uint32_t *blocks,
					     size_t count, struct err *e);

/* catalog_move_pack - the pack is now in this tier, under this key. */
BC_MUST_CHECK enum bc_err catalog_move_pack(struct catalog *c, uint32_t number,
					    uint8_t tier, struct bytes remote,
					    struct bytes object, struct err *e);

/* catalog_add_log - a log that grows; number, id and SEQ must be new. `length`
 * and `sealed` are ignored, see catalog_seal_log(). */
BC_MUST_CHECK enum bc_err
catalog_add_log(struct catalog *c, const struct catalog_log *l, struct err *e);

/*
 * catalog_seal_log - the log is a pack now: number, length, chunks, blocks,
 * plain and directory are taken from p. Its groups are forgotten, since its
 * directory says where its chunks are. Once for each log.
 */
BC_MUST_CHECK enum bc_err catalog_seal_log(struct catalog *c,
					   const struct catalog_pack *p,
					   struct err *e);

/* catalog_add_group - a group with chunks in a log that grows. Groups without
 * chunks are not recorded. */
BC_MUST_CHECK enum bc_err catalog_add_group(struct catalog *c, uint32_t log,
					    uint16_t first_slot,
					    uint64_t offset, struct err *e);

/* catalog_present_pack - the state that a pack or log has in a checkpoint, and
 * the generation that set it. It must be there and not be freed. */
BC_MUST_CHECK enum bc_err catalog_present_pack(struct catalog *c,
					       uint32_t number,
					       enum catalog_state state,
					       uint64_t generation,
					       struct err *e);

/* catalog_set_checkpoint - a group with a checkpoint; `lost` is ignored. */
BC_MUST_CHECK enum bc_err
catalog_set_checkpoint(struct catalog *c, const struct catalog_checkpoint *p,
		       struct err *e);

/* catalog_lose_snapshot - a snapshot was made and its record is damaged. */
BC_MUST_CHECK enum bc_err catalog_lose_snapshot(struct catalog *c,
						struct err *e);

/* ---- snapshots ------------------------------------------------------------
 *
 * A row in *out: its spans are the catalog's and good until the next call that
 * fills one. A row in a callback: good until the callback returns. A callback
 * may ask other questions, but not begin the same walk again (BC_EINVAL), nor
 * write. Whatever it returns but BC_OK ends the walk and is its result.
 */

typedef enum bc_err
catalog_snapshot_fn(void *ctx, const struct catalog_snapshot *s, struct err *e);
typedef enum bc_err catalog_tag_fn(void *ctx, const struct tag *t,
				   struct err *e);

/* Which snapshots, and in which order. Zero-initialise: all of them, newest
 * first. Of equal times the later commit is newer. */
struct catalog_select {
	const struct bytes *name; /* exactly this name; NULL: any */
	const struct tag *tags;	  /* having all of these */
	size_t tag_count;
	const int64_t *from;  /* not earlier than this; NULL: any */
	const int64_t *until; /* not later */
	bool oldest_first;
	uint64_t skip;
	uint64_t limit; /* 0: no limit */
};

/* catalog_find - the first snapshot selected: NAME, NAME~skip, NAME@until,
 * latest, latest:tag. BC_ENOTFOUND (no text) if there is none. */
BC_MUST_CHECK enum bc_err catalog_find(struct catalog *c,
				       const struct catalog_select *q,
				       struct catalog_snapshot *out,
				       struct err *e);

/* catalog_walk - all that are selected. One step costs the same whatever the
 * number of snapshots; so does the first when not more than one tag, or a
 * name and no tag, is asked for. */
BC_MUST_CHECK enum bc_err catalog_walk(struct catalog *c,
				       const struct catalog_select *q,
				       catalog_snapshot_fn *fn, void *ctx,
				       struct err *e);

/* catalog_get_snapshot - by id; BC_ENOTFOUND (no text). */
BC_MUST_CHECK enum bc_err catalog_get_snapshot(struct catalog *c,
					       const struct digest *id,
					       struct catalog_snapshot *out,
					       struct err *e);

/* catalog_walk_prefix - at most `limit` snapshots whose id begins with these
 * hex digits (1 to 64, either case; else BC_EINVAL), in order of ids. */
BC_MUST_CHECK enum bc_err catalog_walk_prefix(struct catalog *c,
					      const char *hex, size_t limit,
					      catalog_snapshot_fn *fn,
					      void *ctx, struct err *e);

/* catalog_walk_tags - tags of one snapshot in order of keys; none if there is
 * no such snapshot. */
BC_MUST_CHECK enum bc_err catalog_walk_tags(struct catalog *c,
					    const struct digest *id,
					    catalog_tag_fn *fn, void *ctx,
					    struct err *e);

/* catalog_root_live - does a snapshot have this root? */
BC_MUST_CHECK enum bc_err catalog_root_live(struct catalog *c,
					    const struct digest *root,
					    bool *out, struct err *e);

/* catalog_count - number of snapshots; costs one look-up. */
BC_MUST_CHECK enum bc_err catalog_count(struct catalog *c, uint64_t *out,
					struct err *e);

/* ---- packs and logs; rows as above ----------------------------------------
 */

typedef enum bc_err catalog_pack_fn(void *ctx, const struct catalog_pack *p,
				    struct err *e);
typedef enum bc_err catalog_block_fn(void *ctx, uint32_t pack, uint32_t block,
				     enum catalog_state state, struct err *e);
typedef enum bc_err catalog_log_fn(void *ctx, const struct catalog_log *l,
				   struct err *e);

/* catalog_get_pack - a pack or log by number; BC_ENOTFOUND (no text). */
BC_MUST_CHECK enum bc_err catalog_get_pack(struct catalog *c, uint32_t number,
					   struct catalog_pack *out,
					   struct err *e);

/* catalog_get_pack_id - a pack or log by its id; BC_ENOTFOUND (no text). */
BC_MUST_CHECK enum bc_err
catalog_get_pack_id(struct catalog *c, const uint8_t id[CATALOG_ID_BYTES],
		    struct catalog_pack *out, struct err *e);

enum { /* sets of kinds and states: bits 1 << enum catalog_kind / _state */
       CATALOG_ANY = 0xff,
};

/* catalog_walk_packs - packs and logs of these kinds and states, by number. */
BC_MUST_CHECK enum bc_err
catalog_walk_packs(struct catalog *c, unsigned int kinds, unsigned int states,
		   catalog_pack_fn *fn, void *ctx, struct err *e);

/* catalog_walk_blocks - blocks of a pack that are not live, by ordinal. */
BC_MUST_CHECK enum bc_err catalog_walk_blocks(struct catalog *c, uint32_t pack,
					      catalog_block_fn *fn, void *ctx,
					      struct err *e);

struct catalog_sum {
	uint64_t packs;
	uint64_t length; /* bytes of the files; a growing log counts as 0 */
	uint64_t plain;
	uint64_t chunks;
	uint64_t blocks;
};

struct catalog_sums {
	struct catalog_sum of[CATALOG_LOG + 1][CATALOG_FREED + 1];
};

/* catalog_sum - by kind and state. Reads every pack's row. */
BC_MUST_CHECK enum bc_err catalog_sum(struct catalog *c,
				      struct catalog_sums *out, struct err *e);

/* catalog_get_log - by number; BC_ENOTFOUND (no text). */
BC_MUST_CHECK enum bc_err catalog_get_log(struct catalog *c, uint32_t number,
					  struct catalog_log *out,
					  struct err *e);

/* catalog_walk_logs - every log, oldest first. */
BC_MUST_CHECK enum bc_err catalog_walk_logs(struct catalog *c,
					    catalog_log_fn *fn, void *ctx,
					    struct err *e);

/*
 * catalog_find_group - where the group that would hold this slot begins: of
 * the groups of a growing log the last that begins at or before it.
 *
 *   first_slot, offset  [out] untouched on failure
 *
 *   BC_ENOTFOUND (no text)  no group begins so early, or the log is sealed
 */
BC_MUST_CHECK enum bc_err catalog_find_group(struct catalog *c, uint32_t log,
					     uint16_t slot,
					     uint16_t *first_slot,
					     uint64_t *offset, struct err *e);

/* catalog_checkpoint - the latest one. */
BC_MUST_CHECK enum bc_err catalog_checkpoint(struct catalog *c,
					     struct catalog_checkpoint *out,
					     struct err *e);

#endif
