/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk DIR [THREADS] - the floor of an unchanged put: list every directory
 * (getdents64) and ask every entry's attributes (statx), on several threads,
 * and do nothing with what comes back. Prints directories, entries and bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH_BYTES = 64 << 10, MAX_THREADS = 64 };

struct dir {
	struct dir *next;
	char path[];
};

/* The directories not read yet. `busy` threads may still add some. */
struct walk {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct dir *todo;
	unsigned busy;
	uint64_t dirs, entries, bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "walk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct dir *dir_new(const char *parent, const char *name)
{
	size_t size = strlen(parent) + strlen(name) + 2;
	struct dir *d = malloc(sizeof *d + size);

	if (!d)
		die("memory");
	snprintf(d->path, size, *name ? "%s/%s" : "%s%s", parent, name);
	return d;
}

static struct dir *take(struct walk *w)
{
	struct dir *d;

	pthread_mutex_lock(&w->lock);
	while (!w->todo && w->busy)
		pthread_cond_wait(&w->more, &w->lock);
	d = w->todo;
	if (d) {
		w->todo = d->next;
		w->busy++;
	}
	pthread_mutex_unlock(&w->lock);
	return d;
}

static void give(struct walk *w, struct dir *d)
{
	pthread_mutex_lock(&w->lock);
	d->next = w->todo;
	w->todo = d;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static void done(struct walk *w, uint64_t entries, uint64_t bytes)
{
	pthread_mutex_lock(&w->lock);
	w->dirs++;
	w->entries += entries;
	w->bytes += bytes;
	if (--w->busy == 0)
		pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static void read_dir(struct walk *w, const struct dir *d, char *batch)
{
	int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t entries = 0, bytes = 0;
	long got;

	if (fd < 0)
		die(d->path);
	while ((got = syscall(SYS_getdents64, fd, batch, BATCH_BYTES)) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *e = (const void *)(batch + at);
			struct statx st;

			at += e->d_reclen;
			if (strcmp(e->d_name, ".") == 0 ||
			    strcmp(e->d_name, "..") == 0)
				continue;
			if (statx(fd, e->d_name, AT_SYMLINK_NOFOLLOW,
				  STATX_BASIC_STATS, &st) != 0)
				die(e->d_name);
			entries++;
			if (S_ISDIR(st.stx_mode))
				give(w, dir_new(d->path, e->d_name));
			else
				bytes += st.stx_size;
		}
	}
	if (got < 0)
		die(d->path);
	close(fd);
	done(w, entries, bytes);
}

static void *walker(void *arg)
{
	struct walk *w = arg;
	char *batch = malloc(BATCH_BYTES);
	struct dir *d;

	if (!batch)
		die("memory");
	while ((d = take(w)) != NULL) {
		read_dir(w, d, batch);
		free(d);
	}
	free(batch);
	return NULL;
}

int main(int argc, char **argv)
{
	struct walk w = { .lock = PTHREAD_MUTEX_INITIALIZER,
			  .more = PTHREAD_COND_INITIALIZER };
	long threads = argc > 2 ? strtol(argv[2], NULL, 10)
				: sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[MAX_THREADS];

	if (argc < 2 || threads < 1 || threads > MAX_THREADS) {
		fputs("usage: walk DIR [THREADS]\n", stderr);
		return 2;
	}
	give(&w, dir_new(argv[1], ""));
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, walker, &w) != 0)
			die("thread");
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%llu directories, %llu entries, %llu bytes\n",
	       (unsigned long long)w.dirs, (unsigned long long)w.entries,
	       (unsigned long long)w.bytes);
	return 0;
}
