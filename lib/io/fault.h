/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io/fault - fail, shorten or kill at the n-th operation. For tests.
 *
 * A plan is a list of rules; each counts the attempts that match it, across
 * threads, and acts on one of them:
 *
 *	plan   := rule { ";" rule }
 *	rule   := class { "," class } [ "@" text ] ":" n [ "+" ] ":" action
 *	class  := read | write | sync | name | lock | change | all
 *	action := errno name (EIO ENOSPC EINTR ...) | short | kill |
 *		  kill-after | torn | stop
 *
 * `text` is part of the path (either path of a rename). n counts from 1; with
 * "+" the rule acts on the n-th and every later one. An errno fails the
 * operation before it is done. `short` moves half of a transfer (its first
 * IO_ALIGN multiple, or half the bytes) and is counted on transfers only.
 * `kill` is SIGKILL before the operation, `kill-after` after it, `torn` after
 * half of a write; `stop` is SIGSTOP before it. "write@packs/:7:EIO" is the
 * seventh write below packs/.
 *
 *	struct io_options o = { .seam = io_fault_seam(f) };
 */
#ifndef BC_IO_FAULT_H
#define BC_IO_FAULT_H

#include <stdint.h>

#include "io/io.h"

enum {
	IO_FAULT_MAX_RULES = 8,
	IO_FAULT_MATCH_BYTES = 64,
};

enum io_fault_action {
	IO_FAULT_ERRNO,
	IO_FAULT_SHORT,
	IO_FAULT_KILL,
	IO_FAULT_KILL_AFTER,
	IO_FAULT_TORN,
	IO_FAULT_STOP,
};

struct io_fault_rule {
	unsigned classes;		  /* of enum io_class */
	char match[IO_FAULT_MATCH_BYTES]; /* empty: every path */
	uint64_t nth;			  /* from 1 */
	bool on;			  /* the n-th and all after it */
	enum io_fault_action action;
	int sys; /* errno of IO_FAULT_ERRNO */
};

struct io_fault_plan {
	unsigned n;
	struct io_fault_rule rule[IO_FAULT_MAX_RULES];
};

struct io_fault;

/*
 * io_fault_parse - read a plan from text. BC_EINVAL says what is wrong.
 * Pure; *out is untouched on failure.
 */
BC_MUST_CHECK enum bc_err
io_fault_parse(const char *text, struct io_fault_plan *out, struct err *e);

/*
 * io_fault_new - a fault injector for one struct io.
 *   plan  copied; no rules: only count
 *   out   [out] release with io_fault_free() after io_close()
 */
BC_MUST_CHECK enum bc_err io_fault_new(const struct io_fault_plan *plan,
				       struct io_fault **out, struct err *e);

/* io_fault_free - NULL is fine. */
void io_fault_free(struct io_fault *f);

/* io_fault_seam - what goes into struct io_options; valid as long as f. */
struct io_seam io_fault_seam(struct io_fault *f);

/* io_fault_hits - how often any rule has acted. 0 ends a sweep over n. */
uint64_t io_fault_hits(struct io_fault *f);

/* io_fault_seen - attempts of these classes so far. */
uint64_t io_fault_seen(struct io_fault *f, unsigned classes);

#endif
