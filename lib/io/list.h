/* SPDX-License-Identifier: Apache-2.0 */
/* io/list - requests in a row, first in, first out. Private to lib/io. */
#ifndef BC_IO_LIST_H
#define BC_IO_LIST_H

#include <stddef.h>

#include "io/queue.h"

struct io_list_head {
	struct io_req *first;
	struct io_req *last;
	unsigned n;
};

static inline void req_push(struct io_list_head *l, struct io_req *r)
{
	r->next = NULL;
	if (l->first == NULL)
		l->first = r;
	else
		l->last->next = r;
	l->last = r;
	l->n++;
}

static inline struct io_req *req_pop(struct io_list_head *l)
{
	struct io_req *r = l->first;

	if (r == NULL)
		return NULL;
	l->first = r->next;
	l->n--;
	return r;
}

/* req_splice - move all of `from` to the end of `to`. */
static inline void req_splice(struct io_list_head *to,
			      struct io_list_head *from)
{
	if (from->first == NULL)
		return;
	if (to->first == NULL)
		to->first = from->first;
	else
		to->last->next = from->first;
	to->last = from->last;
	to->n += from->n;
	*from = (struct io_list_head){ NULL, NULL, 0 };
}

#endif
