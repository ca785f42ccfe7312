/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/ranges - bytes from anywhere in the files of a repository, with many
 * reads in flight.
 *
 *	ranges_new(r, 256, &g, e)
 *	ranges_submit(g, read, e)	the reader owns read and read->out
 *	ranges_wait(g, e)		until at least one is complete
 *	read = ranges_take(g)		yours again: read->done, read->failed
 *
 * All reads go past the page cache. Of a block that is stored raw only the
 * sectors are read that hold what is wanted, and verified by the checksums of
 * its parts, where its pack has them (pack/sums.h). Any other block is read
 * whole and each chunk verified by its id. What does not prove right is read
 * again whole, by its id and from every place there is, before it is given up:
 * wrong bytes are never given.
 *
 * A reader belongs to one thread. It takes about what the reads in flight ask
 * for (a compressed block as a whole), and at most 12 MB besides.
 */
#ifndef BC_RESTORE_RANGES_H
#define BC_RESTORE_RANGES_H

#include "tree/content.h"
#include "repo/repo.h"

enum { RANGES_MAX = 256, RANGE_MAX_BYTES = 1 << 20 };

struct ranges;

struct range_read {
	/* Set by the caller. */
	const struct content *content; /* of a file's entry */
	uint64_t offset;
	size_t len;   /* at most RANGE_MAX_BYTES */
	uint8_t *out; /* room for len bytes */
	bool by_id;   /* verify every chunk whole, whatever it costs */
	void *user;   /* the caller's own */

	/* Set when complete. `done` bytes are right: fewer than len at the end
	 * of the file, or where failed.code is set: BC_EDAMAGE, ... */
	size_t done;
	struct err failed;

	struct range_read *next; /* private */
};

/*
 * ranges_new
 *   depth  reads in flight, 1 to RANGES_MAX
 *   out    [out] release with ranges_free(), before the buffers of reads that
 *	    were not taken
 */
BC_MUST_CHECK enum bc_err ranges_new(struct repo *r, unsigned depth,
				     struct ranges **out, struct err *e);
void ranges_free(struct ranges *g);

/*
 * ranges_submit - begin a read, or make it wait for ranges_wait() to begin it.
 * Content lists that are not in memory are read at once.
 *
 *   BC_EFULL  `depth` reads have not been taken
 *   BC_ESYS   as ranges_wait()
 */
BC_MUST_CHECK enum bc_err ranges_submit(struct ranges *g, struct range_read *r,
					struct err *e);

/*
 * ranges_wait - until at least one read can be taken, or there is none.
 *
 *   BC_ESYS  the ring itself failed: the reader can only be released
 */
BC_MUST_CHECK enum bc_err ranges_wait(struct ranges *g, struct err *e);

/* ranges_take - a complete read, or NULL. */
struct range_read *ranges_take(struct ranges *g);

/* range_check - the outcome of a complete read as a result. */
BC_MUST_CHECK enum bc_err range_check(const struct range_read *r,
				      struct err *e);

#endif
