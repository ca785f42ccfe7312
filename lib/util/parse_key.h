/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/parse_key - the names that people give to snapshots and what is in them.
 *
 *   KEY   = SNAP [ ':' PATH ]
 *   SNAP  = NAME [ '@' DATE ] [ '~' N ]
 *         | latest [ ':tag=' K '=' V ] [ '@' DATE ] [ '~' N ]
 *         | hexadecimal digits, at least 6: an id or the beginning of one
 *
 * `NAME~2` is the third newest of that name. `NAME@2026-05-01` is the newest
 * that is not younger than the end of that day. The first `:` that is not
 * part of a date or of `:tag=` begins the path, which is taken as it is.
 * Inside NAME, K and V a backslash makes the next character an ordinary one:
 * `db\:main`, `user\@2host`, `draft\~1`. An `@` or `~` without a digit behind
 * it is ordinary anyway. Pure: no clock of its own, no repository.
 */
#ifndef BC_UTIL_PARSE_KEY_H
#define BC_UTIL_PARSE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "util/parse.h"

enum {
	KEY_NAME_BYTES = 256, /* with the NUL; bounds names, tag keys, values */
	KEY_HEX_MIN = 6,
	KEY_HEX_MAX = 64,
};

struct snap_key {
	/* Empty for `latest`, which is any name. */
	char name[KEY_NAME_BYTES];
	/* `name` may also be an id or its beginning; then lower-case digits.
	 * Whoever resolves it tries a full id first, then the name, then the
	 * prefix. */
	bool maybe_id;
	bool latest;
	char tag_key[KEY_NAME_BYTES]; /* empty: any */
	char tag_value[KEY_NAME_BYTES];
	uint64_t nth; /* 0 the newest that fits, 1 the one before */
	bool has_when;
	struct when when; /* then: only what is older than when.to */
	/* Borrowed from the text, NULL without `:`; "" is the whole snapshot.
	 */
	const char *path;
};

/*
 * parse_key - read one KEY.
 *
 *   now  nanoseconds since 1970, for relative dates
 *   out  [out] untouched on failure; its path borrows from s
 *
 *   BC_EINVAL  no such key can exist; the text says why
 */
BC_MUST_CHECK enum bc_err parse_key(const char *s, int64_t now,
				    struct snap_key *out, struct err *e);

/*
 * parse_key_name - may `name` be given to a snapshot? It is 1 to 255 bytes
 * without control characters, is not `latest`, and does not begin with `-`.
 */
BC_MUST_CHECK enum bc_err parse_key_name(const char *name, struct err *e);

#endif
