/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/owners - names of users and groups, each asked for once.
 *
 * Any thread.
 */
#ifndef BC_INGEST_OWNERS_H
#define BC_INGEST_OWNERS_H

#include "util/bytes.h"
#include "util/err.h"

struct owners;

BC_MUST_CHECK enum bc_err owners_new(struct owners **out);
void owners_free(struct owners *o);

/* owners_user, owners_group - borrowed until owners_free(); empty if the
 * system knows none, or there is no memory. */
struct bytes owners_user(struct owners *o, uint32_t uid);
struct bytes owners_group(struct owners *o, uint32_t gid);

#endif
