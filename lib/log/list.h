/* SPDX-License-Identifier: Apache-2.0 */
/* log/list - the logs that lie in a folder, by their names. */
#ifndef BC_LOG_LIST_H
#define BC_LOG_LIST_H

#include "io/io.h"
#include "pack/format.h"

/* The names in log/, in order of SEQ. Two of one SEQ: an interrupted start of
 * a log; what the chain does not name is passed over. */
struct log_list {
	struct log_name {
		uint64_t seq;
		struct pack_id id;
	} * at;
	size_t n;
};

/* log_list_read - release with log_list_free(). */
BC_MUST_CHECK enum bc_err log_list_read(struct io_dir *dir, struct log_list *l,
					struct err *e);
void log_list_free(struct log_list *l);

#endif
