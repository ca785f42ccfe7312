/* SPDX-License-Identifier: Apache-2.0 */
/* restore/walk - down the tree. Private to lib/restore. */
#ifndef BC_RESTORE_WALK_H
#define BC_RESTORE_WALK_H

#include <stdbool.h>

#include "restore/dest.h"

struct worker;

/* walk_run - walk o->what into the run; all errors are reported.
 *   name   of the one thing; NULL: a directory's contents
 *   state  of the destination: whether it gets the directory's attributes */
void walk_run(struct worker *w, const char *name, enum dest_state state);

#endif
