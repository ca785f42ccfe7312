/* SPDX-License-Identifier: Apache-2.0 */
/* restore/fskind - what kinds of file system do differently. Private to
 * lib/restore. */
#ifndef BC_RESTORE_FSKIND_H
#define BC_RESTORE_FSKIND_H

#include <stdbool.h>

/* fs_tells_late - is it only close() that tells of what could not be written?
 * True if that cannot be known. */
bool fs_tells_late(int fd);

/* fs_rounds_times - may times be kept in larger steps than they are given? fd
 * may be O_PATH. False if that cannot be known. */
bool fs_rounds_times(int fd);

#endif
