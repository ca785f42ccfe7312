/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/file - one index file, mapped: find a key in it.
 *
 * Private to this folder, its tests and its fuzzer. A page is checked when it
 * is first touched; a bit per page remembers that it was good. A page that is
 * not what was written is as if empty, and index_file_damage() tells. So it
 * does of a page that was good and cannot be read again: what was found in it
 * meanwhile may be wrong, or lack.
 *
 * Threads: index_file_find() and its like may run in any number of threads.
 */
#ifndef BC_INDEX_FILE_H
#define BC_INDEX_FILE_H

#include <stdatomic.h>

#include "index/format.h"
#include "io/io.h"

struct index_file {
	struct index_header h;
	const uint8_t *pages;	 /* page 0, after the header page */
	_Atomic(uint32_t) *seen; /* a bit per page that was checked and good */
	_Atomic(uint32_t) bad;	 /* number + 1 of the last bad page, or 0 */
	uint32_t fill;		 /* mean entries of a primary page */
	double scale;		 /* of a run: entries per unit of key */
	struct io_map map;	 /* all zero when the bytes are the caller's */
	char name[INDEX_NAME_BYTES];
};

/*
 * index_file_init - read a file out of memory.
 *
 *   whole  header and pages; must stay until index_file_fini()
 *   f	    untouched on failure
 *
 *   BC_EDAMAGE, BC_EVERSION, BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err index_file_init(struct index_file *f,
					  struct bytes whole, struct err *e);

/*
 * index_file_open - map the file `name` of d. Reads one page.
 *
 *   BC_EDAMAGE	  not a good index file, or not the one its name says
 *   BC_EVERSION, BC_ENOTFOUND, BC_ENOMEM, BC_EIO, ...
 */
BC_MUST_CHECK enum bc_err index_file_open(struct io_dir *d, const char *name,
					  struct index_file *f, struct err *e);

/* index_file_fini - forget it; of an all-zero struct it is harmless. */
void index_file_fini(struct index_file *f);

/* index_file_verify - the slow half of index_file_page(). */
const uint8_t *index_file_verify(struct index_file *f, uint32_t number);

/* index_file_known - was this page found good before? number < h.pages. */
static inline bool index_file_known(const struct index_file *f, uint32_t number)
{
	uint32_t word = atomic_load_explicit(&f->seen[number / 32],
					     memory_order_relaxed);

	return (word >> number % 32 & 1) != 0;
}

static inline const uint8_t *index_file_at(const struct index_file *f,
					   uint32_t number)
{
	return f->pages + (size_t)number * INDEX_PAGE_BYTES;
}

/* index_file_page - a checked page, or NULL if it is damaged. */
static inline const uint8_t *index_file_page(struct index_file *f,
					     uint32_t number)
{
	if (__builtin_expect(index_file_known(f, number), 1))
		return index_file_at(f, number);
	return index_file_verify(f, number);
}

/*
 * index_file_find - locations under a key, at most `max` of them, ordered as
 * in the file; returns how many were written to out. In a base all keys that
 * agree in their first 32 + B bits are one.
 */
size_t index_file_find(struct index_file *f, uint64_t key,
		       struct index_loc *out, size_t max);

/*
 * index_file_want - start what index_file_find() for this key will wait for:
 * the read of a page never touched, or the loads into the processor's cache.
 */
void index_file_want(struct index_file *f, uint64_t key);

/* index_file_damage - BC_OK, or BC_EDAMAGE with file and page. */
BC_MUST_CHECK enum bc_err index_file_damage(const struct index_file *f,
					    struct err *e);

#endif
