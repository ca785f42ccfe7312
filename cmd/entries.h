/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries - all entries below a stored directory, in order of names, each
 * directory before what is in it.
 *
 * Memory grows with the depth alone. One thread.
 */
#ifndef BC_CMD_ENTRIES_H
#define BC_CMD_ENTRIES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "tree/reader.h"

struct entries_walk {
	struct node_source source;
	/*
	 * An entry. `path` is the start's path and the entry's, without a '/'
	 * at the front; both are borrowed until return. Set *enter to false
	 * to leave out what is below a directory. Anything but BC_OK ends the
	 * walk.
	 */
	enum bc_err (*entry)(void *ctx, struct bytes path,
			     const struct tree_entry *en, bool *enter,
			     struct err *e);
	/* All below a directory was seen. May be NULL. */
	enum bc_err (*leave)(void *ctx, struct bytes path,
			     const struct digest *dir, struct err *e);
	void *ctx;
	const atomic_int *stop; /* not 0: stop; may be NULL */
};

/*
 * entries_walk - the entries below directory `dir`, whose own path is `path`
 * (empty: the root).
 *   BC_ECANCEL, what the callbacks return, or as tree_reader_next()
 */
BC_MUST_CHECK enum bc_err entries_walk(const struct entries_walk *w,
				       const struct digest *dir,
				       struct bytes path, struct err *e);

#endif
