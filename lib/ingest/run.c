/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/run.h"

#include <errno.h>
#include <stdlib.h>

#include "ingest/names.h"

void put_fail(struct put *p, enum bc_err rc, const struct err *e)
{
	pthread_mutex_lock(&p->lock);
	if (p->failed.code == BC_OK) {
		if (e != NULL)
			p->failed = *e;
		p->failed.code = rc;
	}
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void put_no_memory(struct put *p, const char *what)
{
	struct err e = ERR_INIT;

	put_fail(p, err_set(&e, BC_ENOMEM, "no memory for %s", what), &e);
}

enum bc_err put_failure(struct put *p, struct err *e)
{
	enum bc_err rc;

	if (p->o->stop != NULL &&
	    atomic_load_explicit(p->o->stop, memory_order_relaxed)) {
		struct err stopped = ERR_INIT;

		put_fail(p, err_set(&stopped, BC_ECANCEL, "stopped"), &stopped);
	}
	pthread_mutex_lock(&p->lock);
	rc = p->failed.code;
	if (rc != BC_OK && e != NULL)
		*e = p->failed;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

bool put_failed(struct put *p)
{
	return put_failure(p, NULL) != BC_OK;
}

static void tell(struct put *p, enum put_event_kind kind, const char *path,
		 int sys)
{
	struct err e = ERR_INIT;
	struct put_event ev = { kind, path, &e };

	if (sys != 0)
		err_sys(&e, sys, "cannot read %s", path);
	else
		err_set(&e, BC_ESOURCE, "%s changed while it was read", path);
	pthread_mutex_lock(&p->event_lock);
	p->o->event(p->o->ctx, &ev);
	pthread_mutex_unlock(&p->event_lock);
}

void put_event(struct put *p, enum put_event_kind kind, const char *dir,
	       const char *name, int sys)
{
	char *path = path_join(dir, name);

	pthread_mutex_lock(&p->lock);
	p->vanished += kind == PUT_VANISHED;
	p->changed += kind == PUT_CHANGED;
	p->unreadable += kind == PUT_UNREADABLE || kind == PUT_NO_ATTRS;
	if (p->sys == 0)
		p->sys = sys;
	pthread_mutex_unlock(&p->lock);
	if (kind != PUT_VANISHED)
		atomic_fetch_add(&p->progress->errors, 1);
	if (path != NULL && p->o->event != NULL)
		tell(p, kind, path, sys);
	free(path);
}

void put_skip(struct put *p, const char *dir, const char *name, int sys)
{
	bool gone = sys == ENOENT || sys == ENOTDIR;

	/* That says nothing of the item. */
	if (sys == EMFILE || sys == ENFILE || sys == ENOMEM) {
		struct err e = ERR_INIT;

		put_fail(p, err_sys(&e, sys, "cannot read %s", name), &e);
		return;
	}
	put_event(p, gone ? PUT_VANISHED : PUT_UNREADABLE, dir, name, sys);
}

void put_stored(struct put *p, const char *dir, const char *name,
		enum tree_type type, uint64_t size, enum put_item_state state)
{
	char *path;

	if (p->o->item == NULL)
		return;
	path = path_join(dir, name);
	if (path == NULL)
		return;
	pthread_mutex_lock(&p->event_lock);
	p->o->item(p->o->ctx, path, type, size, state);
	pthread_mutex_unlock(&p->event_lock);
	free(path);
}
