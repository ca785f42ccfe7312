/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - one flat object on one line.
 *
 * `v` and `type` come first. Keys are snake_case literals of ours; units are
 * part of the key: _bytes, _seconds, _time, _ratio. Nothing is left out: what
 * is not known is null. The calls cannot fail one by one; a lack of memory
 * sticks and json_line() then returns an empty span.
 */
#ifndef BC_CMD_JSON_H
#define BC_CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/bytes.h"

enum {
	JSON_VERSION = 1,
	JSON_LINE_MAX = 16 << 20, /* bytes; a path is at most a few KiB */
};

struct json {
	struct buf b;
	bool bad;
};

/* json_begin - an object with v and, unless NULL, type. */
void json_begin(struct json *j, const char *type);
/* json_fragment - pairs to be spliced into another object later. */
void json_fragment(struct json *j);
void json_free(struct json *j);

void json_null(struct json *j, const char *key);
void json_bool(struct json *j, const char *key, bool v);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
/* json_f64 - six decimals; null when it is not finite. */
void json_f64(struct json *j, const char *key, double v);
/* json_text - s may be NULL: null. Ill-formed UTF-8 becomes U+FFFD. */
void json_text(struct json *j, const char *key, const char *s);
void json_bytes(struct json *j, const char *key, struct bytes s);
/* json_path - key and key_b64: base64 of the exact bytes when they are not
 * UTF-8, else null. A span with p == NULL gives two nulls. */
void json_path(struct json *j, const char *key, struct bytes s);
/* json_list - an array of texts, each with a NUL behind it in s. */
void json_list(struct json *j, const char *key, struct bytes s);
/* json_time - RFC 3339 in UTC from nanoseconds since 1970. */
void json_time(struct json *j, const char *key, int64_t ns);
/* json_splice - all pairs of a fragment. */
void json_splice(struct json *j, const struct json *fragment);

/* json_line - close the object: the line with its LF, valid until the next
 * call on j; empty if memory ran out. */
struct bytes json_line(struct json *j);

#endif
