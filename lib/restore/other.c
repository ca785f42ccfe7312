/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/other.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "restore/dest.h"
#include "restore/links.h"
#include "restore/meta.h"
#include "restore/part.h"
#include "restore/report.h"
#include "restore/run.h"

static enum bc_err make_node(int dirfd, const char *name,
			     const struct tree_entry *en, uint32_t mode,
			     struct err *e)
{
	char target[TREE_TARGET_MAX_BYTES + 1];
	dev_t dev = makedev(en->major, en->minor);
	int rc = -1;

	switch (en->type) {
	case TREE_LINK:
		memcpy(target, en->target.p, en->target.n);
		target[en->target.n] = '\0';
		rc = symlinkat(target, dirfd, name);
		break;
	case TREE_FIFO:
		rc = mknodat(dirfd, name, S_IFIFO | mode, 0);
		break;
	case TREE_SOCKET:
		rc = mknodat(dirfd, name, S_IFSOCK | mode, 0);
		break;
	case TREE_CHAR:
		rc = mknodat(dirfd, name, S_IFCHR | mode, dev);
		break;
	case TREE_BLOCK:
		rc = mknodat(dirfd, name, S_IFBLK | mode, dev);
		break;
	case TREE_FILE:
	case TREE_DIR:
	default:
		errno = EINVAL;
		break;
	}
	if (rc != 0)
		part_taken();
	return rc == 0 ? BC_OK : err_sys(e, errno, "cannot make it");
}

void other_make(struct worker *w, struct rdir *dir, const char *name,
		const struct tree_entry *en)
{
	int dirfd = dest_dir(w, dir);
	char part[PART_NAME_BYTES];
	struct err e = ERR_INIT;
	struct meta m;
	bool later;
	enum bc_err rc;

	meta_of(w, dir, name, en, &m);
	part_name(dir, name, part);
	rc = dirfd < 0
		     ? err_sys(&e, errno, "cannot open its directory")
		     : make_node(dirfd, part, en,
				 meta_open_mode(w->run, &m, false, &later), &e);
	if (rc == BC_EACCES && dirfd >= 0 && e.sys_errno == EPERM &&
	    (en->type == TREE_CHAR || en->type == TREE_BLOCK)) {
		report_note(w, dir, name, NOTE_DEVICE, EPERM);
		return;
	}
	if (rc == BC_OK) {
		rc = meta_other(w, dir, name, dirfd, part, en->type, &m, &e);
		/* What it needs of extended attributes may have been read from
		 * the repository, but no other directory was opened. */
		if (rc == BC_OK && part_move(dirfd, part, name) != 0)
			rc = err_sys(&e, errno, "cannot give it its name");
		if (rc != BC_OK)
			(void)unlinkat(dirfd, part, 0);
	}
	if (rc == BC_OK) {
		report_item(w, dir, name, en->type, 0);
		if ((en->has & TREE_HAS_LINK) != 0)
			rc = links_first(w, dir, name, en, NULL, &e);
	}
	if (rc != BC_OK)
		report_failed(w, dir, name, &e);
}
