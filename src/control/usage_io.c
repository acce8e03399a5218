#include "control/usage_io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/panic.h"
#include "control/log_sink.h"
#include "control/thread_end.h"

enum {
	PATH_TEXT = 256,
	QUEUE_MAX = 64 << 20, /* bytes that wait for the disk */
	NAMES = 60,	      /* seconds tried, when there is such a file already */
};

struct piece {
	struct list_head all;
	char dir[PATH_TEXT];
	int64_t wall_s;
	bool last;
	size_t n;
	uint8_t bytes[];
};

struct usage_io {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list_head pieces;
	size_t queued;
	bool stopping;
	bool cut; /* pieces of the file that comes next were refused: control thread only */
	/* the file being written, of the writer's thread */
	int fd;	     /* -1: none */
	bool failed; /* the rest of it is passed over */
	char temporary[PATH_TEXT + 32];
};

bool usage_io_check(const char *dir, char reason[static USAGE_REASON])
{
	struct stat st;
	const char *why = NULL;

	if (dir[0] != '/')
		why = "not an absolute path";
	else if (stat(dir, &st) != 0)
		why = strerror(errno);
	else if (!S_ISDIR(st.st_mode))
		why = "not a directory";
	else if (access(dir, W_OK | X_OK) != 0)
		why = strerror(errno);
	if (why)
		snprintf(reason, USAGE_REASON, "accounting_dir: %s: %s", dir, why);
	return why == NULL;
}

/* ---- the writer's thread --------------------------------------------------------------------- */

static void fail(struct usage_io *io, const struct piece *p, const char *what)
{
	log_sink_printf(LOG_ERROR, "accounting_dir %s: cannot %s: %s; that usage file is lost",
			p->dir, what, strerror(errno));
	io->failed = true;
	if (io->fd < 0)
		return;
	close(io->fd);
	unlink(io->temporary);
	io->fd = -1;
}

static void open_file(struct usage_io *io, const struct piece *p)
{
	snprintf(io->temporary, sizeof(io->temporary), "%s/.usage.%d.tmp", p->dir, (int)getpid());
	unlink(io->temporary); /* of a process of the same number that was killed */
	io->fd = open(io->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (io->fd < 0)
		fail(io, p, "make a file");
}

static void append(struct usage_io *io, const struct piece *p)
{
	for (size_t done = 0; done < p->n;) {
		ssize_t n = write(io->fd, p->bytes + done, p->n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(io, p, "write");
			return;
		}
		done += (size_t)n;
	}
}

/* Named by its time; when that name is taken (two files within a second), by the next free one. */
static bool give_name(struct usage_io *io, const struct piece *p)
{
	char path[PATH_TEXT + 32], stamp[16];
	struct tm tm;

	for (unsigned i = 0; i < NAMES; i++) {
		time_t t = (time_t)(p->wall_s + i);
		localtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
		snprintf(path, sizeof(path), "%s/%s", p->dir, stamp);
		if (renameat2(AT_FDCWD, io->temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
			return true;
		if (errno != EEXIST)
			break;
	}
	return false;
}

static void complete(struct usage_io *io, const struct piece *p)
{
	if (!give_name(io, p)) {
		fail(io, p, "rename a file");
		return;
	}
	close(io->fd);
	io->fd = -1;
}

static void write_piece(struct usage_io *io, const struct piece *p)
{
	if (io->fd < 0 && !io->failed)
		open_file(io, p);
	if (!io->failed)
		append(io, p);
	if (p->last && !io->failed)
		complete(io, p);
	if (p->last)
		io->failed = false;
}

static void *usage_main(void *arg)
{
	struct usage_io *io = arg;

	pthread_mutex_lock(&io->lock);
	for (;;) {
		struct list_head *first = list_pop(&io->pieces);
		if (!first && io->stopping)
			break;
		if (!first) {
			pthread_cond_wait(&io->wake, &io->lock);
			continue;
		}
		struct piece *p = container_of(first, struct piece, all);
		pthread_mutex_unlock(&io->lock);
		write_piece(io, p);
		pthread_mutex_lock(&io->lock);
		io->queued -= p->n;
		free(p);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

/* ---- control --------------------------------------------------------------------------------- */

struct usage_io *usage_io_new(void)
{
	struct usage_io *io = calloc(1, sizeof(*io));
	sigset_t all, before;

	LNS_ASSERT(io);
	io->fd = -1;
	list_init(&io->pieces);
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int status = pthread_create(&io->thread, NULL, usage_main, io);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == 0)
		return io;
	free(io);
	return NULL;
}

/* A disk that hangs must not eat the memory; half a file is no file. */
static bool has_room(struct usage_io *io, size_t n, bool last)
{
	bool room = !io->cut && io->queued + n <= QUEUE_MAX;

	if (!room && !io->cut)
		log_sink_write(
			LOG_ERROR, 0, 0,
			"accounting_dir: the disk is too slow, a usage file is not complete");
	io->cut = !room && !last;
	return room;
}

void usage_io_text(struct usage_io *io, const char *dir, int64_t wall_s, struct span text,
		   bool last)
{
	struct piece *p = malloc(sizeof(*p) + text.n);

	LNS_ASSERT(p);
	snprintf(p->dir, sizeof(p->dir), "%s", dir);
	p->wall_s = wall_s;
	p->last = last;
	pthread_mutex_lock(&io->lock);
	p->n = has_room(io, text.n, last) ? text.n : 0;
	if (p->n)
		memcpy(p->bytes, text.p, text.n);
	io->queued += p->n;
	list_add_tail(&io->pieces, &p->all);
	pthread_cond_signal(&io->wake);
	pthread_mutex_unlock(&io->lock);
}

void usage_io_free(struct usage_io *io)
{
	if (!io)
		return;
	thread_end(io->thread, &io->lock, &io->wake, &io->stopping);
	if (io->fd >= 0) {
		close(io->fd);
		unlink(io->temporary);
	}
	pthread_mutex_destroy(&io->lock);
	pthread_cond_destroy(&io->wake);
	free(io);
}
