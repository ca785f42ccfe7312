/* SPDX-License-Identifier: Apache-2.0 */
#include "io/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/internal.h"

enum bc_err io_open(const struct io_options *o, struct io **out, struct err *e)
{
	struct io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return err_sys(e, ENOMEM, "cannot set up input and output");
	if (o != NULL)
		io->opt = *o;
	if (io->opt.file_mode == 0)
		io->opt.file_mode = IO_FILE_MODE;
	if (io->opt.dir_mode == 0)
		io->opt.dir_mode = IO_DIR_MODE;
	atomic_init(&io->tmp_seq, 0);
	atomic_init(&io->ring, RING_UNKNOWN);
	*out = io;
	return BC_OK;
}

void io_close(struct io *io)
{
	free(io);
}

const char *io_engine_name(struct io *io)
{
	char why[IO_WHY_BYTES];

	if (io->opt.engine == IO_ENGINE_PSYNC)
		return "psync";
	if (io->opt.engine == IO_ENGINE_URING)
		return "uring";
	if (atomic_load(&io->ring) == RING_UNKNOWN)
		atomic_store(&io->ring,
			     io_uring_usable(why) ? RING_WORKS : RING_REFUSED);
	return atomic_load(&io->ring) == RING_WORKS ? "uring" : "psync";
}

/* ---- seam -------------------------------------------------------------- */

static bool watched(const struct io *io)
{
	return io->opt.seam.before != NULL || io->opt.seam.after != NULL;
}

static void join(char out[PATH_MAX], const struct io_dir *d, const char *name)
{
	/* A path too long for the buffer is cut: the seam only matches it. */
	if (snprintf(out, PATH_MAX, "%s/%s", d->path, name) >= PATH_MAX)
		out[PATH_MAX - 1] = '\0';
}

void io_op_at(struct io_op *op, struct io_dir *d, const char *name,
	      enum io_class cls, const char *what)
{
	op->io = d->io;
	op->ev = (struct io_event){ .cls = cls, .op = what };
	if (!watched(op->io))
		return;
	join(op->path, d, name);
	op->ev.path = op->path;
}

void io_op_to(struct io_op *op, struct io_dir *d, const char *name)
{
	if (!watched(op->io))
		return;
	join(op->path2, d, name);
	op->ev.path2 = op->path2;
}

void io_op_file(struct io_op *op, struct io_file *f, enum io_class cls,
		const char *what)
{
	op->io = f->io;
	op->ev = (struct io_event){ .cls = cls, .op = what, .path = f->path };
}

int io_op_begin(struct io_op *op)
{
	const struct io_seam *s = &op->io->opt.seam;

	return s->before == NULL ? 0 : s->before(s->ctx, &op->ev);
}

int io_op_end(struct io_op *op, int sys)
{
	const struct io_seam *s = &op->io->opt.seam;

	return s->after == NULL ? sys : s->after(s->ctx, &op->ev, sys);
}

/* ---- failures ---------------------------------------------------------- */

static enum bc_err hinted(struct err *e, int sys, enum bc_err rc)
{
	if (sys == EMFILE || sys == ENFILE)
		err_hint(e, "raise the limit of open files (ulimit -n)");
	/* rmdir of a directory in use: a thing is there already. */
	if (sys == ENOTEMPTY) {
		rc = BC_EEXIST;
		if (e != NULL)
			e->code = rc;
	}
	return rc;
}

enum bc_err io_fail_at(struct err *e, int sys, const char *what,
		       const struct io_dir *d, const char *name)
{
	if (sys == 0)
		return BC_OK;
	return hinted(e, sys,
		      err_sys(e, sys, "cannot %s %s/%s", what, d->path, name));
}

enum bc_err io_fail_file(struct err *e, int sys, const char *what,
			 const struct io_file *f)
{
	if (sys == 0)
		return BC_OK;
	return hinted(e, sys, err_sys(e, sys, "cannot %s %s", what, f->path));
}
