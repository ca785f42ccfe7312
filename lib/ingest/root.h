/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/root - the paths and streams that a put is given, opened.
 *
 * The names of all of them are the names of the top directory, and each name
 * below it says which root it belongs to (names.h). A stream is a root with
 * one name, whose item is made up; what reads it is ingest/file.
 */
#ifndef BC_INGEST_ROOT_H
#define BC_INGEST_ROOT_H

#include "ingest/source.h"
#include "util/err.h"

struct put;
struct dir_job;

struct root {
	/* The directory that names are relative to, or the stream's bytes. */
	int fd;
	uint64_t dev; /* of the item that the root is; 0: a stream */
	bool stream;
	struct item item; /* of a stream */
};

/*
 * roots_open - open all roots of p->o, and give `top` their names.
 *
 *   BC_EUSAGE  two names are equal
 *   others     as err_sys(): a root cannot be opened or listed
 *
 * After either roots_close() closes what it has opened.
 */
BC_MUST_CHECK enum bc_err roots_open(struct put *p, struct dir_job *top,
				     struct err *e);
void roots_close(struct put *p);

#endif
