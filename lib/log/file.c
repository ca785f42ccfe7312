/* SPDX-License-Identifier: Apache-2.0 */
#include "log/file.h"

#include <stdlib.h>

#include "util/arith.h"
#include "util/hex.h"

enum {
	/* What is read at a time of what lies beyond the end. */
	TAIL_READ_BYTES = 1 << 20,
	/* Zeros written behind a group that makes the file longer. The groups
	 * that take their place change no metadata, so that their sync is one
	 * flush and no commit of the file system's journal. */
	AHEAD_BYTES = 64 << 10,
	/* The same of zeros, for who only reads: each page costs a fault. */
	PIECE_BYTES = 16 << 10,
};

struct log_file {
	struct io_file *file;
	struct io_dir *dir;
	struct log_head head;
	bool write;
	/* By log_file_tail(): between these there are only zeros. */
	uint64_t zeros_at, zeros_end;
};

void log_name(uint64_t seq, const struct pack_id *id, char out[LOG_NAME_BYTES])
{
	uint8_t raw[8];

	for (int i = 0; i < 8; i++)
		raw[i] = (uint8_t)(seq >> (56 - 8 * i));
	hex_encode(raw, sizeof(raw), out);
	out[16] = '-';
	hex_encode(id->b, PACK_ID_BYTES, out + 17);
}

bool log_name_decode(const char *name, uint64_t *seq, struct pack_id *id)
{
	uint8_t raw[8];
	uint64_t v = 0;

	if (strlen(name) != LOG_NAME_BYTES - 1 || name[16] != '-' ||
	    !hex_decode(name, sizeof(raw), raw) ||
	    !hex_decode(name + 17, PACK_ID_BYTES, id->b))
		return false;
	for (int i = 0; i < 8; i++)
		v = v << 8 | raw[i];
	*seq = v;
	return true;
}

static enum bc_err aligned_new(size_t n, uint8_t **out, struct err *e)
{
	void *p = aligned_alloc(IO_ALIGN, n);

	if (p == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the log");
	*out = p;
	return BC_OK;
}

enum bc_err log_file_create(struct io_dir *dir, const struct log_head *h,
			    struct log_file **out, struct err *e)
{
	struct log_file *l = calloc(1, sizeof(*l));
	char name[LOG_NAME_BYTES];
	uint8_t *raw = NULL;
	enum bc_err rc;

	if (l == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the log");
	l->dir = dir;
	l->write = true;
	l->head = *h;
	log_name(h->seq, &h->pack.id, name);
	rc = aligned_new(LOG_HEAD_BYTES, &raw, e);
	if (rc != BC_OK)
		goto out;
	log_head_encode(h, raw);
	rc = io_file_open(dir, name,
			  IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE |
				  IO_DIRECT,
			  &l->file, e);
	if (rc == BC_OK) {
		rc = io_file_allocate(l->file, 0,
				      LOG_HEAD_BYTES + LOG_SPARE_BYTES,
				      IO_ALLOC_KEEP_SIZE, e);
		/* Without a header it is no log, whenever it comes back. */
		if (rc != BC_OK)
			(void)!io_unlink(dir, name, NULL);
	}
	if (rc == BC_OK)
		rc = io_file_pwrite(l->file, raw, LOG_HEAD_BYTES, 0, e);
	if (rc == BC_OK)
		rc = io_file_datasync(l->file, e);
	if (rc == BC_OK)
		rc = io_dir_sync(dir, e);
	if (rc != BC_OK)
		goto out;
	*out = l;
	l = NULL;
out:
	free(raw);
	log_file_close(l);
	return rc;
}

enum bc_err log_file_open(struct io_dir *dir, const char *name, bool write,
			  struct log_file **out, struct err *e)
{
	struct log_file *l = calloc(1, sizeof(*l));
	struct pack_id id;
	uint8_t *raw = NULL;
	uint64_t seq = 0;
	enum bc_err rc;

	if (l == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the log");
	l->dir = dir;
	l->write = write;
	rc = aligned_new(LOG_HEAD_BYTES, &raw, e);
	if (rc == BC_OK)
		rc = io_file_open(dir, name,
				  write ? IO_READ | IO_WRITE | IO_DIRECT
					: IO_READ,
				  &l->file, e);
	if (rc == BC_OK)
		rc = io_file_pread(l->file, raw, LOG_HEAD_BYTES, 0, e);
	if (rc == BC_OK)
		rc = log_head_decode(bytes_of(raw, LOG_HEAD_BYTES), &l->head,
				     e);
	if (rc == BC_OK &&
	    (!log_name_decode(name, &seq, &id) || seq != l->head.seq ||
	     !pack_id_eq(&id, &l->head.pack.id)))
		rc = err_set(e, BC_EDAMAGE,
			     "the header of %s belongs to another log",
			     io_file_path(l->file));
	if (rc == BC_OK) {
		*out = l;
		l = NULL;
	}
	free(raw);
	log_file_close(l);
	return rc;
}

void log_file_close(struct log_file *l)
{
	if (l == NULL)
		return;
	io_file_close(l->file, NULL);
	free(l);
}

const struct log_head *log_file_head(const struct log_file *l)
{
	return &l->head;
}

const char *log_file_path(const struct log_file *l)
{
	return io_file_path(l->file);
}

struct io_file *log_file_io(const struct log_file *l)
{
	return l->file;
}

/* Read [offset, offset + want) as far as the file goes. */
static enum bc_err read_span(struct log_file *l, uint64_t offset, size_t want,
			     uint8_t **raw, size_t *got, struct err *e)
{
	enum bc_err rc;

	free(*raw);
	*raw = NULL;
	rc = aligned_new((size_t)round_up(want, IO_ALIGN), raw, e);
	if (rc != BC_OK)
		return rc;
	return io_file_pread_some(l->file, *raw,
				  (size_t)round_up(want, IO_ALIGN), offset, got,
				  e);
}

enum bc_err log_file_group(struct log_file *l, uint64_t offset,
			   enum group_part part, struct codec_dec *dec,
			   struct group **out, struct err *e)
{
	bool blocks = part != GROUP_LEAD;
	struct group *g = NULL;
	struct group_head h;
	uint8_t *raw = NULL;
	size_t got = 0, want;
	enum bc_err rc;

	/* Most groups' record and directory lie in the first few sectors. */
	rc = read_span(l, offset, 2 * LOG_ALIGN, &raw, &got, e);
	if (rc == BC_OK)
		rc = group_head_decode(bytes_of(raw, got), &h, e);
	if (rc == BC_OK && !pack_id_eq(&h.log, &l->head.pack.id))
		rc = err_set(e, BC_ENOTFOUND, "a group of another log");
	if (rc != BC_OK)
		goto out;
	want = blocks ? (size_t)h.length
		      : (size_t)GROUP_HEAD_BYTES + h.record_length +
				h.dir_length;
	if (want > got) {
		rc = read_span(l, offset, want, &raw, &got, e);
		if (rc != BC_OK)
			goto out;
	}
	rc = group_decode(bytes_of(raw, got), offset, dec, &g, e);
	if (rc == BC_OK && blocks && got < g->head.length)
		rc = err_set(e, BC_ENOTFOUND, "the group's end is missing");
	if (rc == BC_OK && part == GROUP_WHOLE)
		rc = group_check_blocks(g, bytes_of(raw, got), e);
	if (rc == BC_OK && blocks) {
		g->raw = raw;
		raw = NULL;
	}
	if (rc == BC_OK) {
		*out = g;
		g = NULL;
	}
out:
	group_free(g);
	free(raw);
	return rc;
}

enum bc_err log_file_group_before(struct log_file *l, uint64_t end,
				  struct codec_dec *dec, struct group **out,
				  struct err *e)
{
	enum bc_err rc = BC_ENOTFOUND;
	uint64_t at = end;

	while (at > LOG_HEAD_BYTES && end - at < GROUP_MAX_BYTES) {
		struct group *g = NULL;

		at -= LOG_ALIGN;
		rc = log_file_group(l, at, GROUP_LEAD, dec, &g, e);
		if (rc == BC_OK && g->next == end) {
			*out = g;
			return BC_OK;
		}
		group_free(g);
		if (rc != BC_OK && rc != BC_ENOTFOUND)
			return rc;
	}
	return err_set(e, BC_ENOTFOUND, "no group ends at %llu in %s",
		       (unsigned long long)end, log_file_path(l));
}

/* The header of a group of this log, right there. */
static enum bc_err head_at(struct log_file *l, uint64_t offset,
			   struct group_head *h, struct err *e)
{
	uint8_t *raw = NULL;
	size_t got = 0;
	enum bc_err rc = read_span(l, offset, LOG_ALIGN, &raw, &got, e);

	if (rc == BC_OK)
		rc = group_head_decode(bytes_of(raw, got), h, e);
	if (rc == BC_OK && !pack_id_eq(&h->log, &l->head.pack.id))
		rc = err_set(e, BC_ENOTFOUND, "a group of another log");
	free(raw);
	return rc;
}

enum bc_err log_file_later_group(struct log_file *l, uint64_t offset,
				 uint64_t generation, struct codec_dec *dec,
				 bool *found, struct err *e)
{
	uint64_t size = 0;
	enum bc_err rc = io_file_size(l->file, &size, e);

	*found = false;
	for (; rc == BC_OK && offset < size; offset += LOG_ALIGN) {
		struct group *g = NULL;
		struct group_head h;

		rc = head_at(l, offset, &h, e);
		if (rc == BC_OK && h.generation > generation + 1)
			*found = true;
		else if (rc == BC_OK && h.generation > generation)
			rc = log_file_group(l, offset, GROUP_WHOLE, dec, &g, e);
		*found = *found || g != NULL;
		group_free(g);
		if (*found)
			return BC_OK;
		if (rc == BC_ENOTFOUND) {
			err_clear(e);
			rc = BC_OK;
		}
	}
	return rc;
}

/* ---- the tail -------------------------------------------------------------
 */

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Has each sector with a byte of the group been written? Its header tells how
 * many are zeros of themselves. */
static enum bc_err all_written(struct log_file *l, uint64_t offset,
			       const struct group_head *h, bool *yes,
			       struct err *e)
{
	size_t n = (size_t)h->length, got = 0;
	uint8_t *raw = NULL;
	enum bc_err rc = read_span(l, offset, n, &raw, &got, e);

	*yes = rc == BC_OK && got >= n &&
	       group_zero_sectors(bytes_of(raw, n)) <= h->zero_sectors;
	free(raw);
	return rc;
}

static enum bc_err all_zero_from(struct log_file *l, uint64_t offset, bool *yes,
				 struct err *e)
{
	uint8_t *raw = NULL;
	size_t got = 0;
	enum bc_err rc;

	do {
		rc = read_span(l, offset, TAIL_READ_BYTES, &raw, &got, e);
		*yes = rc == BC_OK && all_zero(raw, got);
		offset += got;
	} while (*yes && got == TAIL_READ_BYTES);
	free(raw);
	return rc;
}

/* Is there nothing behind but what log_file_append() leaves to be written
 * over? Who writes reads past the page cache, and so at once. */
static enum bc_err only_ahead(struct log_file *l, uint64_t offset, bool *yes,
			      struct err *e)
{
	const size_t piece = l->write ? AHEAD_BYTES + LOG_ALIGN : PIECE_BYTES;
	uint64_t at = offset;
	uint8_t *raw = NULL;
	size_t got = 0;
	enum bc_err rc = aligned_new(piece, &raw, e);

	if (rc != BC_OK)
		return rc;
	do {
		rc = io_file_pread_some(l->file, raw, piece, at, &got, e);
		*yes = rc == BC_OK && at + got - offset <= AHEAD_BYTES &&
		       all_zero(raw, got);
		at += got;
	} while (*yes && got == piece);
	if (*yes) {
		l->zeros_at = offset;
		l->zeros_end = at;
	}
	free(raw);
	return rc;
}

/* By its first sector, which is there as a whole or not at all. */
static enum bc_err judge(struct log_file *l, uint64_t offset, struct bytes raw,
			 struct log_tail *out, struct err *e)
{
	struct group_head h;
	struct block_head b;
	bool yes = false;
	enum bc_err rc = group_head_decode(raw, &h, NULL);

	if (rc == BC_OK && pack_id_eq(&h.log, &l->head.pack.id)) {
		rc = all_written(l, offset, &h, &yes, e);
		out->kind = yes ? LOG_TAIL_DAMAGED : LOG_TAIL_TORN;
		out->generation = h.generation;
		return rc;
	}
	if (raw.n < LOG_SECTOR_BYTES) {
		out->kind = LOG_TAIL_TORN; /* the file ends in it */
	} else if (rc == BC_EVERSION ||
		   group_head_like(raw, &l->head.pack.id)) {
		out->kind = LOG_TAIL_DAMAGED;
	} else if (all_zero(raw.p, min_size(raw.n, LOG_SECTOR_BYTES))) {
		rc = all_zero_from(l, offset, &yes, e);
		out->kind = yes ? LOG_TAIL_NOTHING : LOG_TAIL_TORN;
		return rc;
	} else if (block_head_decode(raw, &b, NULL) == BC_OK &&
		   b.kind == BLOCK_DIRECTORY) {
		out->kind = LOG_TAIL_NOTHING;
	} else {
		out->kind = LOG_TAIL_STRANGE;
	}
	return BC_OK;
}

enum bc_err log_file_tail(struct log_file *l, uint64_t offset,
			  struct codec_dec *dec, struct log_tail *out,
			  struct err *e)
{
	struct group *g = NULL;
	uint8_t *raw = NULL;
	size_t got = 0;
	enum bc_err rc;

	*out = (struct log_tail){ .kind = LOG_TAIL_NOTHING };
	rc = only_ahead(l, offset, &out->zeros, e);
	if (rc != BC_OK || out->zeros)
		return rc;
	rc = log_file_group(l, offset, GROUP_WHOLE, dec, &g, e);
	if (rc == BC_OK) {
		out->kind = LOG_TAIL_WHOLE;
		out->generation = g->head.generation;
		group_free(g);
		return BC_OK;
	}
	if (rc != BC_ENOTFOUND && rc != BC_EVERSION)
		return rc;
	err_clear(e);
	rc = read_span(l, offset, LOG_ALIGN, &raw, &got, e);
	if (rc == BC_OK && got > 0)
		rc = judge(l, offset, bytes_of(raw, got), out, e);
	free(raw);
	return rc;
}

/* ---- writing --------------------------------------------------------------
 */

static enum bc_err write_again(struct log_file *l, const uint8_t *raw, size_t n,
			       uint64_t offset, struct err *e)
{
	enum bc_err rc = io_file_pwrite(l->file, raw, n, offset, e);

	return rc == BC_OK ? io_file_datasync(l->file, e) : rc;
}

static enum bc_err settle_head(struct log_file *l, struct err *e)
{
	struct log_head h;
	uint8_t *raw = NULL;
	enum bc_err rc = aligned_new(LOG_HEAD_BYTES, &raw, e);

	if (rc == BC_OK)
		rc = io_file_pread(l->file, raw, LOG_HEAD_BYTES, 0, e);
	if (rc == BC_OK)
		rc = log_head_decode(bytes_of(raw, LOG_HEAD_BYTES), &h, e);
	if (rc == BC_OK)
		rc = write_again(l, raw, LOG_HEAD_BYTES, 0, e);
	free(raw);
	return rc;
}

enum bc_err log_file_settle(struct log_file *l, uint64_t offset,
			    struct codec_dec *dec, struct err *e)
{
	struct group *g = NULL;
	enum bc_err rc;

	if (offset == 0)
		return settle_head(l, e);
	rc = log_file_group(l, offset, GROUP_WHOLE, dec, &g, e);
	if (rc == BC_OK) {
		size_t n = (size_t)(g->next - g->offset);

		/* The file may end before the padding does. */
		memset(g->raw + g->head.length, 0, n - (size_t)g->head.length);
		rc = write_again(l, g->raw, n, offset, e);
	}
	group_free(g);
	return rc;
}

void log_file_trim(struct log_file *l)
{
	uint64_t size = 0;

	if (io_file_size(l->file, &size, NULL) == BC_OK)
		(void)!io_file_truncate(l->file, size, NULL);
}

/*
 * Cut off what lies beyond, zeros apart, and keep room allocated behind.
 *   ahead  [out] zeros to write behind the n bytes
 */
static enum bc_err make_room(struct log_file *l, uint64_t offset, size_t n,
			     bool frees, size_t *ahead, struct err *e)
{
	struct io_stat st;
	enum bc_err rc = io_file_stat(l->file, &st, e);
	bool cut = rc == BC_OK && st.size > offset &&
		   (l->zeros_at != offset || l->zeros_end != st.size);

	*ahead = 0;
	if (cut)
		rc = io_file_truncate(l->file, offset, e);
	if (cut && rc == BC_OK)
		rc = io_file_stat(l->file, &st, e);
	if (rc == BC_OK && st.stored < offset + n + LOG_SPARE_BYTES) {
		rc = io_file_allocate(l->file, offset, n + 2 * LOG_SPARE_BYTES,
				      IO_ALLOC_KEEP_SIZE, e);
		if (rc == BC_ENOSPC && frees) {
			err_clear(e);
			return BC_OK;
		}
	}
	/* A large group's own bytes outweigh the journal. And by its size it is
	 * known whether a log has more than its first group (repo/look.c). */
	if (rc == BC_OK && st.size < offset + n && n <= AHEAD_BYTES &&
	    offset > LOG_HEAD_BYTES)
		*ahead = AHEAD_BYTES;
	return rc;
}

enum bc_err log_file_append(struct log_file *l, uint64_t offset,
			    struct bytes raw, bool frees, bool *begun,
			    struct err *e)
{
	uint8_t *both = NULL;
	size_t ahead = 0;
	enum bc_err rc = make_room(l, offset, raw.n, frees, &ahead, e);

	if (rc == BC_OK && ahead > 0)
		rc = aligned_new(raw.n + ahead, &both, e);
	if (both != NULL) {
		memcpy(both, raw.p, raw.n);
		memset(both + raw.n, 0, ahead);
		raw = bytes_of(both, raw.n + ahead);
	}
	*begun = rc == BC_OK;
	if (rc == BC_OK)
		rc = io_file_pwrite(l->file, raw.p, raw.n, offset, e);
	if (rc == BC_OK)
		rc = io_file_datasync(l->file, e);
	free(both);
	return rc;
}

static enum bc_err seal_bytes(struct log_file *l, uint64_t end,
			      const struct dir_builder *dir, struct sealer *s,
			      uint8_t **raw, size_t *n, struct err *e)
{
	struct pack_foot f = { .id = l->head.pack.id,
			       .dir_offset = end,
			       .chunks = dir->n_chunks,
			       .blocks = dir->n_blocks,
			       .plain = dir->plain };
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	struct sealed_block b;
	enum bc_err rc = dir_builder_encode(dir, 0, 0, &plain);

	if (rc != BC_OK) {
		err_set(e, rc, "no memory for the log's directory");
		goto out;
	}
	rc = sealer_seal_plain(s, BLOCK_DIRECTORY, buf_bytes(&plain), &b, e);
	if (rc != BC_OK)
		goto out;
	f.dir_length = BLOCK_HEAD_BYTES + b.head.stored;
	*n = (size_t)round_up(f.dir_length + PACK_FOOT_BYTES, PACK_ALIGN);
	rc = aligned_new(*n, raw, e);
	if (rc != BC_OK)
		goto out;
	memset(*raw, 0, *n);
	block_head_encode(&b.head, *raw);
	memcpy(*raw + BLOCK_HEAD_BYTES, b.stored.p, b.stored.n);
	pack_foot_encode(&f, *raw + *n - PACK_FOOT_BYTES);
out:
	buf_fini(&plain);
	return rc;
}

enum bc_err log_file_seal(struct log_file *l, uint64_t end,
			  const struct dir_builder *dir, struct sealer *s,
			  uint64_t *length, struct err *e)
{
	uint8_t *raw = NULL;
	size_t n = 0;
	enum bc_err rc = seal_bytes(l, end, dir, s, &raw, &n, e);

	/* Twice: the first drops a torn tail, the last the spare room. */
	if (rc == BC_OK)
		rc = io_file_truncate(l->file, end, e);
	if (rc == BC_OK)
		rc = io_file_pwrite(l->file, raw, n, end, e);
	if (rc == BC_OK)
		rc = io_file_truncate(l->file, end + n, e);
	if (rc == BC_OK)
		rc = io_file_datasync(l->file, e);
	if (rc == BC_OK)
		*length = end + n;
	free(raw);
	return rc;
}
