/* SPDX-License-Identifier: Apache-2.0 */
/* ls_ncdu - a tree for ncdu's browser: `ls --ncdu SNAP | ncdu -f -`. */
#ifndef BC_CMD_LS_NCDU_H
#define BC_CMD_LS_NCDU_H

#include "cmd/cmd.h"
#include "cmd/pick.h"

/*
 * ls_ncdu - write what is in k->entry to standard output, in ncdu's export
 * format 1.2 (dev.yorhel.nl/ncdu/jsonfmt). Sizes are those of the files; what
 * they take in the repository is shared and nobody's alone.
 *
 *   BC_EUSAGE  it is no directory, or standard output is a terminal
 */
BC_MUST_CHECK enum bc_err ls_ncdu(struct ctx *c, const struct pick *k,
				  struct err *e);

#endif
