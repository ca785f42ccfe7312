/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/testing/seam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/fault.h"

enum { LINE_BYTES = 2048 };

static struct io_fault *fault;
static struct io_seam fault_seam;
static int trace = -1;

static int before(void *ctx, struct io_event *ev)
{
	return fault_seam.before(ctx, ev);
}

/* One write is one line, whichever thread it comes from. It comes before the
 * fault's own after(), which may not return. */
static int after(void *ctx, const struct io_event *ev, int sys)
{
	char line[LINE_BYTES];
	int n;

	if (sys == 0 && (ev->cls & IO_CLASS_CHANGE) != 0) {
		n = snprintf(line, sizeof(line), "%s\t%s\t%zu\t%llu\n", ev->op,
			     ev->path2 != NULL ? ev->path2 : ev->path, ev->len,
			     (unsigned long long)ev->off);
		if (n <= 0 || n >= LINE_BYTES ||
		    write(trace, line, (size_t)n) != n)
			abort();
	}
	return fault_seam.after(ctx, ev, sys);
}

static enum bc_err open_trace(const char *name, struct err *e)
{
	trace = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return trace >= 0 ? BC_OK : err_sys(e, errno, "cannot open %s", name);
}

enum bc_err testing_seam(struct io_options *o, struct err *e)
{
	const char *plan_text = getenv("BLOBCTL_FAULT");
	const char *trace_name = getenv("BLOBCTL_TRACE");
	struct io_fault_plan plan = { .n = 0 };
	enum bc_err rc = BC_OK;

	if (plan_text == NULL && trace_name == NULL)
		return BC_OK;
	if (plan_text != NULL)
		rc = io_fault_parse(plan_text, &plan, e);
	if (rc == BC_OK)
		rc = io_fault_new(&plan, &fault, e);
	if (rc != BC_OK)
		return rc;
	fault_seam = io_fault_seam(fault);
	o->seam = fault_seam;
	if (trace_name == NULL)
		return BC_OK;
	o->seam = (struct io_seam){ before, after, fault_seam.ctx };
	return open_trace(trace_name, e);
}

void testing_report(void)
{
	if (fault == NULL)
		return;
	if (getenv("BLOBCTL_FAULT") != NULL)
		fprintf(stderr,
			"fault: %llu hits; %llu writes, %llu syncs, "
			"%llu names\n",
			(unsigned long long)io_fault_hits(fault),
			(unsigned long long)io_fault_seen(fault,
							  IO_CLASS_WRITE),
			(unsigned long long)io_fault_seen(fault, IO_CLASS_SYNC),
			(unsigned long long)io_fault_seen(fault,
							  IO_CLASS_NAME));
	io_fault_free(fault);
	fault = NULL;
	if (trace >= 0)
		close(trace);
	trace = -1;
}
