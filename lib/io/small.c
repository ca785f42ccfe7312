/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/internal.h"

enum {
	TMP_NAME_BYTES = 64,
	/* Names left by a dead process of the same number, or used just now
	 * in another PID namespace: pass over this many. */
	TMP_TRIES = 1000,
};

enum bc_err io_read_small(struct io_dir *d, const char *name, struct buf *out,
			  struct err *e)
{
	size_t had = out->n, got = 0;
	struct io_file *f = NULL;
	uint8_t probe, *p = NULL;
	enum bc_err rc;
	uint64_t size;

	rc = io_file_open(d, name, IO_READ, &f, e);
	if (rc != BC_OK)
		return rc;
	rc = io_file_size(f, &size, e);
	if (rc != BC_OK)
		goto out;
	rc = size > SIZE_MAX ? BC_ELIMIT : buf_extend(out, (size_t)size, &p);
	if (rc != BC_OK) {
		err_set(e, rc,
			rc == BC_ELIMIT ? "%s is larger than it may be"
					: "no memory to read %s",
			f->path);
		goto out;
	}
	rc = io_file_pread(f, p, (size_t)size, 0, e);
	/* It is replaced, never rewritten: growth means a stranger's hand. */
	if (rc == BC_OK)
		rc = io_file_pread_some(f, &probe, 1, size, &got, e);
	if (rc == BC_OK && got != 0)
		rc = err_set(e, BC_EDAMAGE, "%s grew while it was read",
			     f->path);
	if (rc != BC_OK)
		out->n = had;
out:
	io_file_close(f, NULL);
	return rc;
}

/* Make a file under a name that nobody uses. */
static enum bc_err tmp_open(struct io_dir *d, char tmp[TMP_NAME_BYTES],
			    struct io_file **out, struct err *e)
{
	enum bc_err rc = BC_EEXIST;

	for (int i = 0; rc == BC_EEXIST && i < TMP_TRIES; i++) {
		snprintf(tmp, TMP_NAME_BYTES, IO_TMP_PREFIX "%ld-%u",
			 (long)getpid(), atomic_fetch_add(&d->io->tmp_seq, 1));
		rc = io_file_open(d, tmp, IO_WRITE | IO_CREATE | IO_EXCLUSIVE,
				  out, e);
	}
	return rc;
}

enum bc_err io_write_small(struct io_dir *d, const char *name,
			   struct bytes data, enum io_rename_mode mode,
			   struct err *e)
{
	char tmp[TMP_NAME_BYTES];
	struct io_file *f = NULL;
	enum bc_err rc, close_rc;

	if (strchr(name, '/') != NULL)
		return err_set(e, BC_EINVAL, "%s is not a plain name", name);
	rc = tmp_open(d, tmp, &f, e);
	if (rc != BC_OK)
		return rc;
	rc = io_file_pwrite(f, data.p, data.n, 0, e);
	if (rc == BC_OK)
		rc = io_file_sync(f, e);
	close_rc = io_file_close(f, rc == BC_OK ? e : NULL);
	if (rc == BC_OK)
		rc = close_rc;
	if (rc == BC_OK)
		rc = io_rename(d, tmp, d, name, mode, e);
	if (rc == BC_OK)
		return io_dir_sync(d, e);
	/* Rubbish if this fails too; the first failure is the one to tell. */
	(void)!io_unlink(d, tmp, NULL);
	return rc;
}
