/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/statcache_format - the bytes of a stat cache. Pure.
 *
 *   header   4096: magic 8, version 4, zero 4, repository 16, root 32,
 *            records 8, offset of the table 8, hurt 32, begun 8,
 *            snapshot 32, ..., CRC at 4092
 *   records  length 4, CRC of what follows 4, then: flags 4 (1: more parts),
 *            part 4, node 32, entries 8, bytes 8, files 8, dirs 8, others 8,
 *            count 8, path length 4, path, entries to the end
 *   entry    name length 2, type 1, racy 1, ino 8, size 8, mtime 8, ctime 8,
 *            name
 *   table    by key: key 8, offset 8 each; key from path and part
 *
 * Nothing covers the table: what it leads to is whole by the record's checksum,
 * and is what was looked for by the path and the part in it. So a table that
 * lies hides records, and never passes one off as another.
 */
#ifndef BC_INGEST_STATCACHE_FORMAT_H
#define BC_INGEST_STATCACHE_FORMAT_H

#include "pack/format.h"
#include "tree/node.h"

enum {
	STAT_HEAD_BYTES = 4096,
	STAT_SLOT_BYTES = 16,
	/* A record before its path. */
	STAT_RECORD_BYTES = 8 + 4 + 4 + DIGEST_BYTES + 6 * 8 + 4,
	STAT_PART_ENTRIES = 4096,
};

struct stat_entry {
	struct bytes name;
	uint8_t type; /* enum tree_type */
	bool racy;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* What lies below a directory. */
struct tree_sum {
	struct tree_dir dir;
	uint64_t files, dirs, others;
};

/* A directory's record: entries in order of names, in parts. */
struct stat_record {
	struct tree_sum sum;
	uint64_t count;	    /* entries in all parts */
	uint32_t part;	    /* of this one */
	bool more;	    /* another part follows */
	struct bytes path;  /* of the directory, as it lies in the file */
	struct bytes raw;   /* entries of this part */
	struct bytes whole; /* the record as it lies in the file */
	uint64_t line;	    /* of the table, that has led to it */
};

/* What a cache is bound to. */
struct stat_bond {
	struct digest root; /* the root tree of a snapshot */
	/* What was lost of the repository when the run began that made it:
	 * session_hurt(). That run has relied on nothing of it, and what it
	 * has stored again is there if its own snapshot is: a repository that
	 * was put back from a copy may have another one of the same root. */
	struct digest hurt;
	struct digest snapshot; /* zeros: none was made */
	int64_t begun;		/* when that run began, ns: racy.h */
};

struct stat_head {
	struct pack_id repo;
	struct stat_bond bond;
	uint64_t records; /* slots of the table */
	uint64_t table;	  /* where it begins: after the last record */
};

void stat_head_encode(const struct stat_head *h, uint8_t out[STAT_HEAD_BYTES]);

/*
 * stat_head_decode - the header of a whole cache file, and whether a table of
 * the size it says is all of the rest.
 *
 *   file  the whole file, borrowed for the call
 *
 * false: not a cache, cut short, damaged, or of another version.
 */
bool stat_head_decode(struct bytes file, struct stat_head *out);

/* stat_key - what a record is found by. Two may have the same. */
uint64_t stat_key(struct bytes path, uint32_t part);

/* stat_slot_encode - a line of the table; lines ascend by key. */
void stat_slot_encode(uint64_t key, uint64_t off, uint8_t out[STAT_SLOT_BYTES]);

/* stat_record_encode - what comes before path and entries in the file; takes
 * sum, count, part, more, path and raw of `r`, which end up in its checksum. */
void stat_record_encode(const struct stat_record *r,
			uint8_t out[STAT_RECORD_BYTES]);

/*
 * stat_record_decode - the record that begins at `at`, which may have more
 * behind it. What it gives is borrowed from there.
 *
 * false: cut short, or its checksum says otherwise.
 */
bool stat_record_decode(struct bytes at, struct stat_record *out);

/*
 * stat_find - part `part` of the record of a directory.
 *
 *   file  a whole cache file whose header is `h`, by stat_head_decode()
 *   out   [out] borrowed from `file`
 *
 * false: there is none, or it is damaged.
 */
bool stat_find(struct bytes file, const struct stat_head *h, struct bytes path,
	       uint32_t part, struct stat_record *out);

/* stat_line_off - where a line of the table leads: anywhere, if it lies. */
uint64_t stat_line_off(struct bytes file, const struct stat_head *h,
		       uint64_t line);

/* stat_record_at - the record at an offset that a line has told; false: there
 * is none, or it is damaged. Its `line` is not known. */
bool stat_record_at(struct bytes file, const struct stat_head *h, uint64_t off,
		    struct stat_record *out);

/* stat_entry_add - append an entry to a part: at most STAT_PART_ENTRIES.
 * BC_ENOMEM, BC_ELIMIT. */
BC_MUST_CHECK enum bc_err stat_entry_add(struct buf *part,
					 const struct stat_entry *en);

/* stat_entry_next - walk a part's entries: *left is record.raw at first.
 * false after the last one. */
bool stat_entry_next(struct bytes *left, struct stat_entry *out);

#endif
