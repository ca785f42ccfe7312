/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the user's configuration file, as far as it exists yet: where the
 * repository is.
 *
 * INI, read strictly: an unknown section or key is an error that names the
 * file and the line (BC_ECONFIG). `#` and `;` begin a comment at the start of
 * a line or after a blank. A value may stand in double quotes, in which \" and
 * \\ are a quote and a backslash. A leading `~/` is the home directory.
 */
#ifndef BC_CMD_CONFIG_H
#define BC_CMD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "util/bytes.h"
#include "util/err.h"

enum { CONFIG_MAX_BYTES = 1 << 20 };

struct config {
	char *repo; /* core.repo, absolute; NULL when not set */
	size_t repo_line;
	/* Where a line `repo = ...` can be put in: just behind `[core]`; 0
	 * when there is no such section. An offset in the text. */
	size_t core_end;
};

/*
 * config_parse - read a text. Pure.
 *   name  of the file, for messages
 *   home  for `~/`; NULL if there is none
 */
BC_MUST_CHECK enum bc_err config_parse(struct bytes text, const char *name,
				       const char *home, struct config *out,
				       struct err *e);
void config_free(struct config *c);

/*
 * config_path - the user's file: $XDG_CONFIG_HOME, else ~/.config with ~ from
 * $HOME, else from the password database.
 *   out  [out] the caller frees it
 *   BC_ENOTFOUND  there is no home directory at all
 */
BC_MUST_CHECK enum bc_err config_path(char **out, struct err *e);

/* config_load - read that file; one that is not there is empty. */
BC_MUST_CHECK enum bc_err config_load(const char *path, struct config *out,
				      struct err *e);

/*
 * config_remember - set core.repo, unless it is set. The file is replaced as a
 * whole and durably, its other lines and its mode are kept, a symbolic link
 * to it stays one.
 *   repo     absolute
 *   changed  [out] false if there was a value already
 */
BC_MUST_CHECK enum bc_err config_remember(const char *path, const char *repo,
					  bool *changed, struct err *e);

/*
 * config_cache_dir - a folder below the user's caches, made if missing:
 * $CACHE_DIRECTORY, $XDG_CACHE_HOME/blobctl or ~/.cache/blobctl, then `name`.
 *   path  [out] the caller frees it
 *   BC_ENOTFOUND  there is no such place; or why it cannot be made
 */
BC_MUST_CHECK enum bc_err config_cache_dir(const char *name, char **path,
					   struct err *e);

#endif
