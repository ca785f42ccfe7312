/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/suggest.h"
#include "util/buf.h"

/* ---- reading --------------------------------------------------------------
 */

struct reader {
	const char *name;
	const char *home;
	size_t line;
	bool in_core;
	struct config c;
};

static const char SECTION[] = "write [core] in a line of its own, and what "
			      "belongs to it below";
static const char QUOTED[] = "write \"...\" around the whole value, with "
			     "\\\" and \\\\ for \" and \\";

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

BC_PRINTF(3, 4)
static enum bc_err bad(const struct reader *r, struct err *e, const char *fmt,
		       ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, BC_ECONFIG, "%s:%zu: %s", r->name, r->line, text);
}

/* The right form, or the way to it. */
static enum bc_err advise(struct err *e, const char *hint)
{
	err_hint(e, "%s", hint);
	return BC_ECONFIG;
}

static char *trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

static bool is_comment(char c)
{
	return c == '#' || c == ';';
}

/* Cut a comment that begins after a blank. */
static void cut_comment(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		if (is_comment(*p) && (p == s || is_blank(p[-1]))) {
			*p = '\0';
			return;
		}
}

/* Unquote in place; *out is the value. */
static enum bc_err read_value(const struct reader *r, char *s, char **out,
			      struct err *e)
{
	char *to;

	s = trim(s);
	if (*s != '"') {
		cut_comment(s);
		*out = trim(s);
		return BC_OK;
	}
	*out = to = ++s;
	for (; *s != '\0' && *s != '"'; s++) {
		if (*s == '\\') {
			s++;
			if (*s != '"' && *s != '\\') {
				(void)bad(r, e,
					  "after a backslash only \" "
					  "and \\ may follow");
				return advise(e, QUOTED);
			}
		}
		*to++ = *s;
	}
	if (*s != '"') {
		(void)bad(r, e, "the quote is not closed");
		return advise(e, QUOTED);
	}
	*to = '\0';
	s = trim(s + 1);
	if (*s != '\0' && !is_comment(*s))
		(void)bad(r, e, "text after the closing quote");
	else
		return BC_OK;
	return advise(e, QUOTED);
}

static enum bc_err set_repo(struct reader *r, const char *value, struct err *e)
{
	bool tilde = value[0] == '~' && (value[1] == '/' || value[1] == '\0');
	char *path;
	int n;

	if (r->c.repo != NULL) {
		(void)bad(r, e, "repo is set a second time; first in line %zu",
			  r->c.repo_line);
		return advise(e, "keep the one that is meant");
	}
	if (tilde && r->home == NULL) {
		(void)bad(r, e, "there is no home directory for '~'");
		return advise(e, "set HOME, or write the path from / on");
	}
	if (!tilde && value[0] != '/') {
		(void)bad(r, e, "repo must begin with / or ~/");
		return advise(e, "repo = /srv/blobs, or repo = ~/blobs");
	}
	n = asprintf(&path, "%s%s", tilde ? r->home : "",
		     tilde ? value + 1 : value);
	if (n < 0)
		return err_set(e, BC_ENOMEM, "no memory");
	r->c.repo = path;
	r->c.repo_line = r->line;
	return BC_OK;
}

static enum bc_err read_section(struct reader *r, char *s, struct err *e)
{
	char *end = strchr(s, ']');
	struct suggest near;

	if (end == NULL) {
		(void)bad(r, e, "a section needs a ]");
		return advise(e, SECTION);
	}
	*end = '\0';
	end = trim(end + 1);
	if (*end != '\0' && !is_comment(*end)) {
		(void)bad(r, e, "text after the section");
		return advise(e, SECTION);
	}
	s = trim(s + 1);
	r->in_core = strcmp(s, "core") == 0;
	if (r->in_core)
		return BC_OK;
	near = suggest_begin(s);
	suggest_offer(&near, "core");
	(void)bad(r, e, "unknown section [%.64s]", s);
	return advise(e, suggest_end(&near) != NULL ? "did you mean [core]?"
						    : "there is [core] alone");
}

static enum bc_err read_line(struct reader *r, char *s, struct err *e)
{
	struct suggest near;
	char *eq, *value;
	enum bc_err rc;

	s = trim(s);
	if (*s == '\0' || is_comment(*s))
		return BC_OK;
	if (*s == '[')
		return read_section(r, s, e);
	eq = strchr(s, '=');
	if (eq == NULL) {
		(void)bad(r, e, "neither [section] nor key = value");
		return advise(e, "a comment begins with #; else write [core], "
				 "or repo = DIR");
	}
	*eq = '\0';
	s = trim(s);
	if (!r->in_core) {
		(void)bad(r, e, "key '%.64s' stands before any section", s);
		return advise(e, SECTION);
	}
	if (strcmp(s, "repo") != 0) {
		near = suggest_begin(s);
		suggest_offer(&near, "repo");
		(void)bad(r, e, "unknown key '%.64s' in [core]", s);
		return advise(e, suggest_end(&near) != NULL
					 ? "did you mean repo?"
					 : "there is repo alone");
	}
	rc = read_value(r, eq + 1, &value, e);
	return rc != BC_OK ? rc : set_repo(r, value, e);
}

enum bc_err config_parse(struct bytes text, const char *name, const char *home,
			 struct config *out, struct err *e)
{
	struct reader r = { .name = name, .home = home };
	size_t at = 0;
	enum bc_err rc = BC_OK;

	while (at < text.n && rc == BC_OK) {
		const uint8_t *lf = memchr(text.p + at, '\n', text.n - at);
		size_t end = lf == NULL ? text.n : (size_t)(lf - text.p);
		bool was_core = r.in_core;
		char *line;

		r.line++;
		line = strndup((const char *)text.p + at, end - at);
		if (line == NULL) {
			rc = err_set(e, BC_ENOMEM, "no memory");
			break;
		}
		if (strlen(line) != end - at) {
			(void)bad(&r, e, "a zero byte");
			rc = advise(e, "is it a text file?");
		} else {
			size_t n = strlen(line);

			if (n > 0 && line[n - 1] == '\r')
				line[n - 1] = '\0';
			rc = read_line(&r, line, e);
		}
		at = lf == NULL ? text.n : end + 1;
		if (r.in_core && !was_core)
			r.c.core_end = at;
		free(line);
	}
	if (rc != BC_OK) {
		config_free(&r.c);
		return rc;
	}
	*out = r.c;
	return BC_OK;
}

void config_free(struct config *c)
{
	free(c->repo);
	*c = (struct config){ 0 };
}

/* ---- finding --------------------------------------------------------------
 */

/* $HOME, else the password database; NULL if neither knows. */
static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && *home == '/')
		return home;
	pw = getpwuid(getuid());
	return pw != NULL && pw->pw_dir != NULL && pw->pw_dir[0] == '/'
		       ? pw->pw_dir
		       : NULL;
}

enum bc_err config_path(char **out, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home;
	char *path;
	int n;

	/* The XDG specification has relative paths ignored. */
	if (xdg != NULL && *xdg == '/') {
		n = asprintf(&path, "%s/blobctl/blobctl.conf", xdg);
	} else {
		home = home_dir();
		if (home == NULL)
			return err_set(e, BC_ENOTFOUND,
				       "there is no home directory for the "
				       "configuration file");
		n = asprintf(&path, "%s/.config/blobctl/blobctl.conf", home);
	}
	if (n < 0)
		return err_set(e, BC_ENOMEM, "no memory");
	*out = path;
	return BC_OK;
}

/* Make every folder of a path that is missing. */
static enum bc_err make_path(char *path, struct err *e)
{
	for (char *at = path + 1;; at++) {
		char was = *at;

		if (was != '/' && was != '\0')
			continue;
		*at = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return err_sys(e, errno, "cannot make %s", path);
		*at = was;
		if (was == '\0')
			return BC_OK;
	}
}

enum bc_err config_cache_dir(const char *name, char **out, struct err *e)
{
	const char *unit = getenv("CACHE_DIRECTORY");
	const char *xdg = getenv("XDG_CACHE_HOME"), *home;
	char *path;
	enum bc_err rc;
	int n;

	if (unit != NULL && *unit == '/') {
		n = asprintf(&path, "%s/%s", unit, name);
	} else if (xdg != NULL && *xdg == '/') {
		n = asprintf(&path, "%s/blobctl/%s", xdg, name);
	} else {
		home = home_dir();
		if (home == NULL)
			return err_set(e, BC_ENOTFOUND,
				       "there is no home directory for caches");
		n = asprintf(&path, "%s/.cache/blobctl/%s", home, name);
	}
	if (n < 0)
		return err_set(e, BC_ENOMEM, "no memory");
	rc = make_path(path, e);
	if (rc == BC_OK)
		*out = path;
	else
		free(path);
	return rc;
}

/* The whole file; an absent one is empty, and *mode stays. */
static enum bc_err read_file(const char *path, struct buf *b, mode_t *mode,
			     struct err *e)
{
	enum bc_err rc = BC_OK;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return BC_OK;
	if (fd < 0) {
		(void)err_sys(e, errno, "cannot read the configuration %s",
			      path);
		if (e != NULL)
			e->code = BC_ECONFIG;
		return BC_ECONFIG;
	}
	if (fstat(fd, &st) == 0 && mode != NULL)
		*mode = st.st_mode & 07777;
	for (;;) {
		uint8_t part[4096];
		ssize_t n = read(fd, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_sys(e, errno,
				     "cannot read the configuration %s", path);
			if (e != NULL)
				e->code = BC_ECONFIG;
			rc = BC_ECONFIG;
		}
		if (n <= 0)
			break;
		rc = buf_add(b, part, (size_t)n);
		if (rc != BC_OK) {
			rc = err_set(e, BC_ECONFIG,
				     "%s is larger than %d bytes", path,
				     CONFIG_MAX_BYTES);
			break;
		}
	}
	close(fd);
	return rc;
}

enum bc_err config_load(const char *path, struct config *out, struct err *e)
{
	struct buf b = BUF_INIT(CONFIG_MAX_BYTES);
	enum bc_err rc = read_file(path, &b, NULL, e);

	if (rc == BC_OK)
		rc = config_parse(buf_bytes(&b), path, home_dir(), out, e);
	buf_fini(&b);
	return rc;
}

/* ---- writing --------------------------------------------------------------
 */

/* Make the folders above `path`, private to the user. */
static enum bc_err make_parents(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(dir))
		return err_sys(e, ENAMETOOLONG, "cannot make the folder of %s",
			       path);
	memcpy(dir, path, n + 1);
	for (char *p = dir + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(dir, 0700) != 0 && errno != EEXIST)
			return err_sys(e, errno, "cannot make the folder %s",
				       dir);
		*p = '/';
	}
	return BC_OK;
}

static enum bc_err sync_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir = strndup(path, (size_t)(slash - path) + 1);
	enum bc_err rc = BC_OK;
	int fd;

	if (dir == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = err_sys(e, errno, "cannot sync the folder %s", dir);
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

static int write_fd(int fd, struct bytes b)
{
	while (b.n > 0) {
		ssize_t n = write(fd, b.p, b.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		b = bytes_of(b.p + n, b.n - (size_t)n);
	}
	return fsync(fd) != 0 ? errno : 0;
}

static enum bc_err replace_file(const char *path, struct bytes text,
				mode_t mode, struct err *e)
{
	char *temp = NULL;
	enum bc_err rc;
	int fd, sys;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return err_set(e, BC_ENOMEM, "no memory");
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(e, errno, "cannot write beside %s", path);
		free(temp);
		return rc;
	}
	sys = write_fd(fd, text);
	if (sys == 0 && fchmod(fd, mode) != 0)
		sys = errno;
	if (close(fd) != 0 && sys == 0)
		sys = errno;
	if (sys == 0 && rename(temp, path) != 0)
		sys = errno;
	if (sys != 0) {
		unlink(temp);
		rc = err_sys(e, sys, "cannot write the configuration %s", path);
	} else {
		rc = sync_parent(path, e);
	}
	free(temp);
	return rc;
}

/* `repo = "..."`, with [core] before it when the file has no such section. */
static enum bc_err compose(struct bytes old, const struct config *c,
			   const char *repo, struct buf *out)
{
	size_t at = c->core_end > 0 ? c->core_end : old.n;
	enum bc_err rc = buf_add(out, old.p, at);

	if (rc == BC_OK && at > 0 && old.p[at - 1] != '\n')
		rc = buf_u8(out, '\n');
	if (rc == BC_OK && c->core_end == 0)
		rc = buf_add(out, "[core]\n", 7);
	if (rc == BC_OK)
		rc = buf_add(out, "repo = \"", 8);
	for (const char *p = repo; rc == BC_OK && *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			rc = buf_u8(out, '\\');
		if (rc == BC_OK)
			rc = buf_u8(out, (uint8_t)*p);
	}
	if (rc == BC_OK)
		rc = buf_add(out, "\"\n", 2);
	if (rc == BC_OK)
		rc = buf_add(out, old.p + at, old.n - at);
	return rc;
}

enum bc_err config_remember(const char *path, const char *repo, bool *changed,
			    struct err *e)
{
	struct buf old = BUF_INIT(CONFIG_MAX_BYTES);
	struct buf text = BUF_INIT(CONFIG_MAX_BYTES);
	struct config c = { 0 };
	char *real = NULL;
	mode_t mode = 0600;
	enum bc_err rc;

	if (strchr(repo, '\n') != NULL || strchr(repo, '\r') != NULL)
		return err_set(e, BC_EINVAL,
			       "a path with a line break cannot stand in the "
			       "configuration");
	rc = read_file(path, &old, &mode, e);
	if (rc == BC_OK)
		rc = config_parse(buf_bytes(&old), path, home_dir(), &c, e);
	if (rc != BC_OK)
		goto out;
	if (c.repo != NULL) {
		*changed = false;
		goto out;
	}
	rc = compose(buf_bytes(&old), &c, repo, &text);
	if (rc != BC_OK) {
		rc = err_set(e, rc, "cannot compose the configuration");
		goto out;
	}
	rc = make_parents(path, e);
	if (rc != BC_OK)
		goto out;
	/* People keep this file elsewhere and link to it. */
	real = realpath(path, NULL);
	rc = replace_file(real != NULL ? real : path, buf_bytes(&text), mode,
			  e);
	if (rc == BC_OK)
		*changed = true;
out:
	free(real);
	config_free(&c);
	buf_fini(&old);
	buf_fini(&text);
	return rc;
}
