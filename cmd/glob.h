/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob - patterns for names, as git's ignore files have them.
 *
 *   *      any characters but '/'         [abc] [a-z] [!a]  one of a set
 *   ?      one character but '/'          \x  the character x
 *   **     as a whole component: any number of them, none too
 *
 * A character is one of UTF-8, or a byte that begins none. A pattern without
 * a '/' is about the last component of a path; one with a '/' is about the
 * whole path, and a '/' at its front changes nothing else. A '/' at its end
 * wants a directory. Pure. Time grows with pattern times path at worst.
 */
#ifndef BC_CMD_GLOB_H
#define BC_CMD_GLOB_H

#include <stdbool.h>

#include "util/bytes.h"

struct glob {
	struct bytes pattern; /* borrowed; what is left to be matched */
	bool whole;	      /* about the whole path */
	bool dir_only;
};

/* glob_init - take a pattern apart; it is borrowed as long as g is used. */
void glob_init(struct glob *g, const char *pattern);

/* glob_match - path: components with '/' between them, none at the front. */
bool glob_match(const struct glob *g, struct bytes path, bool is_dir);

/* glob_text - does the pattern fit all of the text? For glob_match(). */
bool glob_text(struct bytes pattern, struct bytes text);

#endif
