/* SPDX-License-Identifier: Apache-2.0 */
#include "check/stream.h"

#include <stdlib.h>

#include "pack/block.h"
#include "util/arith.h"

enum bc_err stream_init(struct stream *s, struct io *io, struct err *e)
{
	*s = (struct stream){ .queue = NULL };
	buf_init(&s->whole, BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES);
	for (int i = 0; i < STREAM_PIECES; i++) {
		s->piece[i].mem = aligned_alloc(IO_ALIGN, STREAM_PIECE_BYTES);
		if (s->piece[i].mem == NULL)
			return err_set(e, BC_ENOMEM, "no memory to read");
	}
	return io_queue_new(io, STREAM_PIECES, &s->queue, e);
}

void stream_fini(struct stream *s)
{
	io_queue_free(s->queue);
	for (int i = 0; i < STREAM_PIECES; i++)
		free(s->piece[i].mem);
	buf_fini(&s->whole);
}

/* Send for the next bytes of the file, into a piece that is free. */
static enum bc_err order(struct stream *s, struct piece *p, struct err *e)
{
	enum bc_err rc;

	p->at = s->next;
	p->n = 0;
	p->sys = 0;
	if (s->next >= s->end)
		return BC_OK;
	p->req = (struct io_req){ .op = IO_REQ_READ,
				  .file = s->file,
				  .buf = p->mem,
				  .len = (size_t)min_u64(STREAM_PIECE_BYTES,
							 s->end - s->next),
				  .off = s->next,
				  .user = p };
	rc = io_queue_submit(s->queue, &p->req, e);
	/* What is refused was not handed over, and never comes back. */
	if (rc != BC_OK)
		return rc;
	s->next += p->req.len;
	p->flying = true;
	return BC_OK;
}

static enum bc_err land(struct stream *s, struct piece *p, struct err *e)
{
	while (p->flying) {
		enum bc_err rc = BC_OK;
		struct io_req *r;

		/* To wait for nothing would be to wait for ever. */
		if (io_queue_count(s->queue) == 0)
			rc = err_set(e, BC_ESYS, "a read of %s was lost",
				     io_file_path(s->file));
		if (rc == BC_OK)
			rc = io_queue_wait(s->queue, 1, e);
		if (rc != BC_OK)
			return rc;
		while ((r = io_queue_take(s->queue)) != NULL) {
			struct piece *q = r->user;

			q->flying = false;
			q->n = r->done;
			q->sys = r->sys;
		}
	}
	return BC_OK;
}

enum bc_err stream_begin(struct stream *s, struct io_file *f, uint64_t end,
			 struct err *e)
{
	enum bc_err rc = BC_OK;

	s->file = f;
	s->next = s->first = 0;
	s->end = end;
	for (int i = 0; i < STREAM_PIECES && rc == BC_OK; i++)
		rc = order(s, &s->piece[i], e);
	return rc == BC_OK ? io_queue_start(s->queue, e) : rc;
}

enum bc_err stream_end(struct stream *s, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (int i = 0; i < STREAM_PIECES && rc == BC_OK; i++)
		rc = land(s, &s->piece[i], e);
	return rc;
}

static enum bc_err advance(struct stream *s, struct err *e)
{
	struct piece *p = &s->piece[s->first];
	enum bc_err rc = land(s, p, e);

	s->first = (s->first + 1) % STREAM_PIECES;
	if (rc == BC_OK)
		rc = order(s, p, e);
	return rc == BC_OK ? io_queue_start(s->queue, e) : rc;
}

/*
 * One bad sector spoils all of the piece that it was read with: these bytes
 * alone may be well. Whatever errno a device gives, it is of them.
 */
static enum bc_err read_alone(struct stream *s, uint64_t at, size_t n,
			      struct err *e)
{
	struct err why = ERR_INIT;
	uint8_t *to;
	enum bc_err rc;

	buf_clear(&s->whole);
	rc = buf_extend(&s->whole, n, &to);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a block");
	rc = io_file_pread(s->file, to, n, at, &why);
	if (rc == BC_ENOMEM || rc == BC_EDAMAGE)
		return err_set(e, rc, "%s", why.text);
	if (rc == BC_OK)
		return rc;
	(void)err_sys(e, why.sys_errno, "the device cannot read it");
	if (e != NULL)
		e->code = BC_EIO;
	return BC_EIO;
}

enum bc_err stream_get(struct stream *s, uint64_t at, size_t n,
		       struct bytes *out, struct err *e)
{
	struct piece *p = &s->piece[s->first];
	enum bc_err rc = BC_OK;
	bool bad = false;

	while (rc == BC_OK && at >= p->at + STREAM_PIECE_BYTES &&
	       p->at < s->end) {
		rc = advance(s, e);
		p = &s->piece[s->first];
	}
	if (rc == BC_OK)
		rc = land(s, p, e);
	if (rc == BC_OK && at >= p->at && at + n <= p->at + p->n) {
		*out = bytes_of(p->mem + (at - p->at), n);
		return BC_OK;
	}
	buf_clear(&s->whole);
	while (rc == BC_OK && s->whole.n < n) {
		uint64_t from = at + s->whole.n;
		size_t part;

		rc = land(s, p, e);
		if (rc != BC_OK)
			break;
		bad |= p->sys != 0;
		if (from < p->at || p->at >= s->end)
			return err_set(e, BC_EDAMAGE, "the file ends too soon");
		if (p->sys == 0 && from >= p->at + p->n)
			return err_set(e, BC_EDAMAGE, "the file ends too soon");
		if (p->sys != 0) /* keep in step; it is read again */
			part = (size_t)min_u64(n - s->whole.n,
					       p->at + STREAM_PIECE_BYTES -
						       from);
		else
			part = (size_t)min_u64(n - s->whole.n,
					       p->at + p->n - from);
		rc = buf_add(&s->whole, p->mem + (from - p->at), part);
		if (rc != BC_OK)
			return err_set(e, rc, "no memory for a block");
		if (s->whole.n < n)
			rc = advance(s, e);
		p = &s->piece[s->first];
	}
	if (rc == BC_OK && bad)
		rc = read_alone(s, at, n, e);
	*out = buf_bytes(&s->whole);
	return rc;
}
