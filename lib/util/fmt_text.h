/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/fmt_text - bytes of unknown origin, made safe for a reader: UTF-8
 * decoding, JSON strings, terminals, shells. Appends to a buf; its ceiling and
 * memory are the only ways to fail (BC_ELIMIT, BC_ENOMEM). Any thread.
 */
#ifndef BC_UTIL_FMT_TEXT_H
#define BC_UTIL_FMT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/bytes.h"

enum { FMT_REPLACEMENT = 0xfffd };

/*
 * fmt_utf8_next - take one code point off the front of *s, which is not empty.
 *   cp  [out] the code point; FMT_REPLACEMENT when false
 *   false  the first byte begins no well-formed sequence (Unicode 15, table
 *	     3-7: no overlong form, no surrogate); that one byte is taken
 */
bool fmt_utf8_next(struct bytes *s, uint32_t *cp);

/* fmt_utf8_ok - is the whole span well-formed UTF-8? */
bool fmt_utf8_ok(struct bytes s);

/* fmt_json_text - the inside of a JSON string: escapes what RFC 8259 asks for
 * and DEL; each ill-formed byte becomes U+FFFD. No quotes around it. */
BC_MUST_CHECK enum bc_err fmt_json_text(struct buf *b, struct bytes s);

/* fmt_base64 - RFC 4648 with padding. */
BC_MUST_CHECK enum bc_err fmt_base64(struct buf *b, struct bytes s);

/*
 * fmt_terminal - text that a terminal shows and does not obey: control
 * characters and ill-formed bytes as \n \t \xNN, marks that turn the
 * direction of writing as \uNNNN.
 */
BC_MUST_CHECK enum bc_err fmt_terminal(struct buf *b, struct bytes s);

/* fmt_shell - one word for a POSIX shell, quoted only where it must be. What a
 * terminal does not show as it is becomes an escape in $'...' (POSIX 2024). */
BC_MUST_CHECK enum bc_err fmt_shell(struct buf *b, struct bytes s);

#endif
