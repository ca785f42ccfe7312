/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/attrs - the extended attributes of one entry.
 *
 * Encoded form: varint n, n x (str name, str value), names strictly
 * ascending (docs/format.md, section 7). Small sets lie in the entry, others
 * in a chunk of their own whose first byte is NODE_ATTRS. Pure; any thread.
 */
#ifndef BC_TREE_ATTRS_H
#define BC_TREE_ATTRS_H

#include "tree/node_io.h"
#include "util/cursor.h"

enum {
	ATTR_NAME_MAX_BYTES = 255,
	ATTR_VALUE_MAX_BYTES = 65536,
	ATTRS_INLINE_MAX_BYTES = 1024, /* encoded; larger: a chunk */
	ATTRS_MAX_BYTES = 1024 * 1024, /* of such a chunk */
};

struct attr {
	struct bytes name;
	struct bytes value;
};

/* An encoded set. `raw` is borrowed and includes the count. */
struct attrs {
	struct bytes raw;
};

/* attrs_sort - into order of names, as attrs_encode() wants them. */
void attrs_sort(struct attr *v, size_t n);

/*
 * attrs_encode - append the encoded set of v[0..n), n >= 1.
 *
 *   BC_EINVAL  names empty, too long, with NUL, out of order or equal; a value
 *              too long
 *   BC_ELIMIT  larger than the ceiling of `out`
 *   BC_ENOMEM
 *
 * After a failure `out` is as it was.
 */
BC_MUST_CHECK enum bc_err attrs_encode(const struct attr *v, size_t n,
				       struct buf *out, struct err *e);

/*
 * attrs_emit - store an encoded set as a chunk of its own.
 *   BC_ELIMIT  larger than ATTRS_MAX_BYTES; or what emit() returns
 */
BC_MUST_CHECK enum bc_err attrs_emit(struct attrs set,
				     const struct node_sink *sink,
				     struct digest *id, struct err *e);

/*
 * attrs_open_node - the set in a chunk, validated whole.
 *   BC_EDAMAGE  not a valid chunk of attributes
 */
BC_MUST_CHECK enum bc_err attrs_open_node(struct bytes node, struct attrs *out,
					  struct err *e);

/* Iteration over a validated set (from an entry or attrs_open_node()). */
struct attrs_iter {
	struct cursor c;
	uint64_t left; /* attributes not yet given */
};

void attrs_begin(struct attrs_iter *it, struct attrs set);

/* attrs_next - the next attribute, borrowed; false after the last. */
bool attrs_next(struct attrs_iter *it, struct attr *out);

/*
 * attrs_parse - read and validate one set where the cursor stands; the
 * cursor is bad afterwards if it is not one.
 */
struct attrs attrs_parse(struct cursor *c);

#endif
