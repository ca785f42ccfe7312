/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/reserve.h"

#include "repo/layout.h"
#include "repo/state.h"

/* The reserve's file, of so many bytes; false if there is no room for it. */
static bool set_reserve(struct repo *r, uint64_t bytes)
{
	struct io_file *f = NULL;
	uint64_t size = 0;
	enum bc_err rc = io_file_open(r->dir, REPO_RESERVE_FILE,
				      IO_READ | IO_WRITE | IO_CREATE, &f, NULL);

	if (rc != BC_OK)
		return false;
	rc = io_file_size(f, &size, NULL);
	if (rc == BC_OK && size < bytes)
		rc = io_file_allocate(f, 0, bytes, IO_ALLOC_GROW, NULL);
	else if (rc == BC_OK && size > bytes)
		rc = io_file_truncate(f, bytes, NULL);
	/* Part of it may have been allocated, beyond what counts. */
	if (rc != BC_OK && size < bytes)
		(void)!io_file_truncate(f, size, NULL);
	io_file_close(f, NULL);
	return rc == BC_OK;
}

void repo_release_reserve(struct repo *r)
{
	(void)set_reserve(r, 0);
}

void repo_restore_reserve(struct repo *r)
{
	uint64_t bytes = r->sb.reserve_bytes;
	struct io_stat st;

	if (r->read_only || bytes == 0 ||
	    (io_stat_at(r->dir, REPO_RESERVE_FILE, &st, NULL) == BC_OK &&
	     st.size >= bytes))
		return;
	/* On a full disk a part is better than nothing. */
	while (bytes >= IO_ALIGN && !set_reserve(r, bytes))
		bytes = bytes / 2 / IO_ALIGN * IO_ALIGN;
}
