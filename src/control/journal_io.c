#include "control/journal_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/panic.h"
#include "control/log_sink.h"
#include "control/thread_end.h"

enum {
	QUEUE_MAX = 32 << 20, /* bytes that wait for the disk before nothing more is taken */
	RETRY_S = 1,
	SYNC_PAUSE_MS = 20, /* what is written meanwhile shares one fdatasync */
	FILE_BYTES_MAX = 64 << 20,
	NAME_TEXT = 32,
	LOADED_MAX = JOURNAL_FILES_MAX,
};

enum job_kind { JOB_WRITE, JOB_READ, JOB_REMOVE };

struct job {
	struct list_head all;
	uint64_t order, file;
	enum job_kind kind;
	uint32_t at, n; /* READ: where; WRITE: n bytes */
	uint8_t bytes[];
};

struct journal_io {
	int dir_fd, lock_fd, event_fd;
	pthread_t writer, syncer;
	pthread_mutex_t lock;
	pthread_cond_t wake, sync_wake;
	struct list_head writes, others; /* struct job, each in order */
	uint64_t order;
	size_t queued; /* bytes of `writes` */
	bool stopping, sync_stopping;
	/* the answer of a read */
	bool answered;
	uint64_t got_file;
	uint32_t got_at, got_n; /* got_n 0: it failed */
	uint8_t got[JOURNAL_CHUNK];
	/* the file being written; fd under the lock */
	int fd;
	uint64_t file;
	off_t end;
	bool dirty, dir_dirty; /* not brought to the disk yet */
	bool failing;	       /* the last write failed: writer thread only */
	struct timespec retry_at;
};

static const char *file_name(uint64_t file, char text[static NAME_TEXT])
{
	snprintf(text, NAME_TEXT, "acct-%012" PRIu64 ".journal", file);
	return text;
}

/* 0: it is not the name of a journal's file. */
static uint64_t number_of_name(const char *name)
{
	char again[NAME_TEXT];
	uint64_t file = 0;

	if (sscanf(name, "acct-%" SCNu64, &file) != 1 || strcmp(file_name(file, again), name) != 0)
		return 0;
	return file;
}

/* ---- the directory --------------------------------------------------------------------------- */

static bool refuse(char reason[static JOURNAL_REASON], const char *dir, const char *why)
{
	snprintf(reason, JOURNAL_REASON, "acct_journal: %s: %s", dir, why);
	return false;
}

bool journal_io_check(const char *dir, char reason[static JOURNAL_REASON])
{
	struct stat st;

	if (dir[0] != '/')
		return refuse(reason, dir, "not an absolute path");
	if (stat(dir, &st) != 0)
		return refuse(reason, dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse(reason, dir, "not a directory");
	if (st.st_mode & S_IWOTH) /* sticky or not: anybody could put records there */
		return refuse(reason, dir, "everybody may write to it");
	if (access(dir, R_OK | W_OK | X_OK) != 0)
		return refuse(reason, dir, strerror(errno));
	return true;
}

static bool open_dir(struct journal_io *io, const char *dir, char reason[static JOURNAL_REASON])
{
	io->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (io->dir_fd < 0)
		return refuse(reason, dir, strerror(errno));
	io->lock_fd = openat(io->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (io->lock_fd < 0)
		return refuse(reason, dir, strerror(errno));
	if (flock(io->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return refuse(reason, dir,
			      errno == EWOULDBLOCK ? "another process uses it" : strerror(errno));
	return true;
}

/* ---- writing, on the writer's thread --------------------------------------------------------- */

static void retry_later(struct journal_io *io, const char *what, uint64_t file)
{
	char name[NAME_TEXT];

	if (!io->failing)
		log_sink_printf(LOG_CRITICAL,
				"accounting journal: %s %s: %s; tried again every second", what,
				file_name(file, name), strerror(errno));
	io->failing = true;
	clock_gettime(CLOCK_MONOTONIC, &io->retry_at);
	io->retry_at.tv_sec += RETRY_S;
}

static void set_file(struct journal_io *io, int fd, uint64_t file)
{
	pthread_mutex_lock(&io->lock);
	int before = io->fd;
	io->fd = fd;
	io->file = file;
	io->end = 0;
	io->dir_dirty |= fd >= 0;
	pthread_mutex_unlock(&io->lock);
	if (before < 0)
		return;
	if (fdatasync(before) != 0) /* behind it comes another file */
		log_sink_printf(LOG_ERROR, "accounting journal: fdatasync: %s", strerror(errno));
	close(before);
}

static bool open_for(struct journal_io *io, uint64_t file)
{
	char name[NAME_TEXT];

	if (io->fd >= 0 && io->file == file)
		return true;
	int fd = openat(io->dir_fd, file_name(file, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0600);
	if (fd < 0)
		return false;
	set_file(io, fd, file);
	return true;
}

static bool write_job(struct journal_io *io, const struct job *job)
{
	if (!open_for(io, job->file)) {
		retry_later(io, "cannot make", job->file);
		return false;
	}
	for (uint32_t done = 0; done < job->n;) {
		ssize_t n = pwrite(io->fd, job->bytes + done, job->n - done, io->end + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			retry_later(io, "cannot write", job->file);
			return false; /* from the same place on again */
		}
		done += (uint32_t)n;
	}
	io->end += job->n;
	if (io->failing)
		log_sink_write(LOG_WARN, 0, 0, "accounting journal: the disk takes it again");
	io->failing = false;
	return true;
}

static bool read_all(int fd, uint8_t *to, size_t n, off_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, to + done, n - done, at + (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

/* How much of the file the disk has for certain: a write that failed may have left a part. */
static off_t disk_bytes(const struct journal_io *io, int fd, uint64_t file)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (io->fd >= 0 && io->file == file)
		return io->end;
	return fstat(fd, &st) == 0 ? st.st_size : 0;
}

/* Bytes that the disk has not taken yet: what a server is to have must not wait for that, and is
 * not lost either. `end`: where they begin in the file. Returns how far `got` is filled. */
static size_t read_queued(struct journal_io *io, const struct job *job, off_t end, size_t done)
{
	struct list_head *it;

	pthread_mutex_lock(&io->lock);
	list_each (it, &io->writes) {
		const struct job *w = container_of(it, struct job, all);
		off_t at = (off_t)job->at + (off_t)done;
		if (w->file != job->file)
			continue;
		if (done < job->n && at >= end && at < end + (off_t)w->n) {
			size_t from = (size_t)(at - end);
			size_t n = w->n - from < job->n - done ? w->n - from : job->n - done;
			memcpy(io->got + done, w->bytes + from, n);
			done += n;
		}
		end += (off_t)w->n;
	}
	pthread_mutex_unlock(&io->lock);
	return done;
}

static bool read_range(struct journal_io *io, int fd, const struct job *job)
{
	off_t end = disk_bytes(io, fd, job->file), at = (off_t)job->at;
	size_t n = at >= end ? 0 : end - at < (off_t)job->n ? (size_t)(end - at) : job->n;

	if (job->n > sizeof(io->got) || (n > 0 && !read_all(fd, io->got, n, at)))
		return false;
	return n == job->n || read_queued(io, job, end, n) == job->n;
}

static void read_job(struct journal_io *io, const struct job *job)
{
	static const uint64_t one = 1;
	char name[NAME_TEXT];
	int fd = openat(io->dir_fd, file_name(job->file, name), O_RDONLY | O_CLOEXEC);
	bool good = read_range(io, fd, job);

	if (fd >= 0)
		close(fd);
	pthread_mutex_lock(&io->lock);
	io->answered = true;
	io->got_file = job->file;
	io->got_at = job->at;
	io->got_n = good ? job->n : 0;
	pthread_mutex_unlock(&io->lock);
	if (write(io->event_fd, &one, sizeof(one)) < 0)
		log_sink_printf(LOG_ERROR, "accounting journal: eventfd: %s", strerror(errno));
}

static void job_free(struct job *job)
{
	list_del(&job->all);
	free(job);
}

/* What waits to be written to it is not needed any more. */
static void forget_writes(struct journal_io *io, uint64_t file)
{
	struct list_head *it, *after;

	pthread_mutex_lock(&io->lock);
	list_each_safe (it, after, &io->writes) {
		struct job *job = container_of(it, struct job, all);
		if (job->file == file) {
			io->queued -= job->n;
			job_free(job);
		}
	}
	pthread_mutex_unlock(&io->lock);
}

static void remove_job(struct journal_io *io, const struct job *job)
{
	char name[NAME_TEXT];

	forget_writes(io, job->file);
	if (io->fd >= 0 && io->file == job->file)
		set_file(io, -1, 0);
	if (unlinkat(io->dir_fd, file_name(job->file, name), 0) != 0 && errno != ENOENT)
		log_sink_printf(LOG_ERROR, "accounting journal: cannot remove %s: %s", name,
				strerror(errno));
	/* Records that are done do not come back after a power failure. */
	pthread_mutex_lock(&io->lock);
	io->dirty = io->dir_dirty = true;
	pthread_cond_signal(&io->sync_wake);
	pthread_mutex_unlock(&io->lock);
}

static bool may_write(const struct journal_io *io)
{
	struct timespec now;

	if (!io->failing)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > io->retry_at.tv_sec ||
	       (now.tv_sec == io->retry_at.tv_sec && now.tv_nsec >= io->retry_at.tv_nsec);
}

static struct job *first_job(const struct list_head *list)
{
	struct list_head *first = list_first(list);
	return first ? container_of(first, struct job, all) : NULL;
}

/* What is to be done next, under the lock: in order, but nothing waits for a disk that refuses. */
static struct job *next_job(struct journal_io *io)
{
	struct job *w = may_write(io) ? first_job(&io->writes) : NULL;
	struct job *o = first_job(&io->others);

	if (!w || (o && o->order < w->order))
		return o;
	return w;
}

static void wait_for_job(struct journal_io *io)
{
	if (io->failing && !list_empty(&io->writes))
		pthread_cond_timedwait(&io->wake, &io->lock, &io->retry_at);
	else
		pthread_cond_wait(&io->wake, &io->lock);
}

static void written(struct journal_io *io, struct job *job)
{
	pthread_mutex_lock(&io->lock);
	io->queued -= job->n;
	job_free(job);
	if (!io->dirty)
		pthread_cond_signal(&io->sync_wake);
	io->dirty = true;
	pthread_mutex_unlock(&io->lock);
}

static void do_job(struct journal_io *io, struct job *job)
{
	if (job->kind == JOB_WRITE) {
		if (write_job(io, job))
			written(io, job);
		return; /* or it stays where it is */
	}
	if (job->kind == JOB_READ)
		read_job(io, job);
	else
		remove_job(io, job);
	pthread_mutex_lock(&io->lock);
	job_free(job);
	pthread_mutex_unlock(&io->lock);
}

static void *writer_main(void *arg)
{
	struct journal_io *io = arg;
	bool last = false;

	pthread_mutex_lock(&io->lock);
	for (;;) {
		struct job *job = next_job(io);
		if (!job && io->stopping && (last || !io->failing))
			break;
		if (!job && io->stopping) {
			last = true; /* the disk may take it by now */
			io->retry_at = (struct timespec){0};
			continue;
		}
		if (!job) {
			wait_for_job(io);
			continue;
		}
		pthread_mutex_unlock(&io->lock);
		do_job(io, job);
		pthread_mutex_lock(&io->lock);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

/* ---- bringing it to the disk ----------------------------------------------------------------- */

static void sync_once(struct journal_io *io)
{
	bool dir = io->dir_dirty;
	int fd = io->fd >= 0 ? fcntl(io->fd, F_DUPFD_CLOEXEC, 0) : -1;

	io->dirty = io->dir_dirty = false;
	pthread_mutex_unlock(&io->lock);
	bool good = fd < 0 || fdatasync(fd) == 0;
	bool again = dir && fsync(io->dir_fd) != 0; /* the file has no name there yet */
	if (!good || again)
		log_sink_printf(LOG_ERROR, "accounting journal: fdatasync: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	nanosleep(&(struct timespec){.tv_nsec = SYNC_PAUSE_MS * 1000000L}, NULL);
	pthread_mutex_lock(&io->lock);
	io->dir_dirty |= again; /* with what is written next */
}

static void *syncer_main(void *arg)
{
	struct journal_io *io = arg;

	pthread_mutex_lock(&io->lock);
	while (io->dirty || !io->sync_stopping) {
		if (io->dirty)
			sync_once(io);
		else
			pthread_cond_wait(&io->sync_wake, &io->lock);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

/* ---- what the journal asks for ----------------------------------------------------------------
 */

static struct job *job_new(uint64_t file, enum job_kind kind, size_t n)
{
	struct job *job = malloc(sizeof(*job) + n);

	LNS_ASSERT(job);
	job->file = file;
	job->kind = kind;
	job->at = 0;
	job->n = (uint32_t)n;
	return job;
}

static void post(struct journal_io *io, struct job *job)
{
	pthread_mutex_lock(&io->lock);
	job->order = ++io->order;
	list_add_tail(job->kind == JOB_WRITE ? &io->writes : &io->others, &job->all);
	if (job->kind == JOB_WRITE)
		io->queued += job->n;
	pthread_cond_signal(&io->wake);
	pthread_mutex_unlock(&io->lock);
}

static void io_write(void *ctx, uint64_t file, struct span bytes)
{
	struct job *job = job_new(file, JOB_WRITE, bytes.n);

	span_bytes(&bytes, job->bytes, bytes.n);
	post(ctx, job);
}

static void io_remove(void *ctx, uint64_t file)
{
	post(ctx, job_new(file, JOB_REMOVE, 0));
}

static void io_read(void *ctx, uint64_t file, uint32_t at, uint32_t n)
{
	struct job *job = job_new(file, JOB_READ, 0);

	job->at = at;
	job->n = n;
	post(ctx, job);
}

static bool io_is_behind(void *ctx)
{
	struct journal_io *io = ctx;

	pthread_mutex_lock(&io->lock);
	bool behind = io->queued > QUEUE_MAX;
	pthread_mutex_unlock(&io->lock);
	return behind;
}

static void io_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	arc4random_buf(out, n);
}

struct journal_env journal_io_env(struct journal_io *io, const struct alloc *a)
{
	return (struct journal_env){.alloc = a,
				    .ctx = io,
				    .random = io_random,
				    .write = io_write,
				    .remove = io_remove,
				    .read = io_read,
				    .is_behind = io_is_behind};
}

int journal_io_fd(const struct journal_io *io)
{
	return io->event_fd;
}

void journal_io_take(struct journal_io *io,
		     void (*got)(void *ctx, uint64_t file, uint32_t at, struct span bytes),
		     void *ctx)
{
	uint64_t count;

	if (read(io->event_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&io->lock);
	bool answered = io->answered;
	io->answered = false;
	pthread_mutex_unlock(&io->lock);
	if (!answered)
		return;
	struct span bytes = span_of(io->got, io->got_n); /* the next read is not asked for yet */
	bytes.bad = io->got_n == 0;
	got(ctx, io->got_file, io->got_at, bytes);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void load_failed(struct journal_io *io, const char *name, const char *why)
{
	char bad[NAME_TEXT + 8];

	snprintf(bad, sizeof(bad), "%s.bad", name);
	log_sink_printf(LOG_CRITICAL, "accounting journal: %s is left aside as %s: %s", name, bad,
			why);
	if (renameat(io->dir_fd, name, io->dir_fd, bad) != 0)
		log_sink_printf(LOG_ERROR, "accounting journal: cannot rename %s: %s", name,
				strerror(errno));
}

static void say_loaded(const char *name, const struct journal_loaded *l)
{
	if (l->bad_bytes > 0)
		log_sink_printf(LOG_CRITICAL,
				"accounting journal: %s: %u bytes %s no intact record and are "
				"lost, %u records are intact",
				name, l->bad_bytes, l->torn ? "at its end (torn) are" : "are",
				l->records);
}

/* The whole file, or NULL. */
static uint8_t *load_bytes(struct journal_io *io, const char *name, size_t *n)
{
	struct stat st;
	uint8_t *bytes = NULL;
	int fd = openat(io->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	*n = 0;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_BYTES_MAX)
		bytes = malloc((size_t)st.st_size + 1);
	if (bytes && read_all(fd, bytes, (size_t)st.st_size, 0)) {
		*n = (size_t)st.st_size;
	} else {
		free(bytes);
		bytes = NULL;
	}
	close(fd);
	return bytes;
}

static void load_file(struct journal_io *io, struct journal *j, uint64_t file)
{
	char name[NAME_TEXT];
	struct journal_loaded loaded;
	size_t n;
	uint8_t *bytes = load_bytes(io, file_name(file, name), &n);

	journal_load(j, file, span_of(bytes, n), &loaded);
	if (!bytes)
		load_failed(io, name, "cannot be read");
	else if (n < ACCT_FILE_HEADER) /* made, and then nothing could be written any more */
		(void)unlinkat(io->dir_fd, name, 0);
	else if (loaded.refused)
		load_failed(io, name, loaded.refused);
	else
		say_loaded(name, &loaded);
	free(bytes);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static unsigned list_files(struct journal_io *io, uint64_t files[static LOADED_MAX])
{
	unsigned n = 0;
	int fd = openat(io->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL && n < LOADED_MAX) {
		files[n] = number_of_name(e->d_name);
		n += files[n] != 0;
	}
	if (dir)
		closedir(dir);
	else
		log_sink_printf(LOG_CRITICAL, "accounting journal: cannot be read: %s",
				strerror(errno));
	qsort(files, n, sizeof(files[0]), by_number);
	return n;
}

void journal_io_load(struct journal_io *io, struct journal *j)
{
	static uint64_t files[LOADED_MAX]; /* once, before there are other threads that load */
	unsigned n = list_files(io, files);

	for (unsigned i = 0; i < n; i++)
		load_file(io, j, files[i]);
	journal_load_end(j);
	uint64_t waiting = journal_count(j, JOURNAL_WAITING);
	if (waiting > 0)
		log_sink_printf(LOG_WARN,
				"accounting journal: %" PRIu64 " records of before wait for a "
				"RADIUS server",
				waiting);
}

static bool start_threads(struct journal_io *io)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool writes = pthread_create(&io->writer, NULL, writer_main, io) == 0;
	bool good = writes && pthread_create(&io->syncer, NULL, syncer_main, io) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (writes && !good)
		thread_end(io->writer, &io->lock, &io->wake, &io->stopping);
	return good;
}

static void io_free(struct journal_io *io)
{
	int fds[] = {io->fd, io->event_fd, io->lock_fd, io->dir_fd};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&io->lock);
	pthread_cond_destroy(&io->wake);
	pthread_cond_destroy(&io->sync_wake);
	free(io);
}

static struct journal_io *io_new(void)
{
	struct journal_io *io = calloc(1, sizeof(*io));
	pthread_condattr_t attr;

	LNS_ASSERT(io);
	io->fd = io->dir_fd = io->lock_fd = -1;
	io->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	list_init(&io->writes);
	list_init(&io->others);
	pthread_mutex_init(&io->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&io->wake, &attr);
	pthread_cond_init(&io->sync_wake, NULL);
	pthread_condattr_destroy(&attr);
	return io;
}

struct journal_io *journal_io_open(const char *dir, char reason[static JOURNAL_REASON])
{
	if (!journal_io_check(dir, reason))
		return NULL;
	struct journal_io *io = io_new();
	bool good = open_dir(io, dir, reason);

	if (good && (io->event_fd < 0 || !start_threads(io)))
		good = refuse(reason, dir, strerror(errno));
	if (good)
		return io;
	io_free(io);
	return NULL;
}

/* The disk refused to the end. */
static void drop_writes(struct journal_io *io)
{
	struct list_head *it, *after;

	if (!list_empty(&io->writes))
		log_sink_printf(LOG_CRITICAL,
				"accounting journal: %zu bytes could not be written and are lost",
				io->queued);
	list_each_safe (it, after, &io->writes)
		job_free(container_of(it, struct job, all));
}

void journal_io_close(struct journal_io *io)
{
	if (!io)
		return;
	thread_end(io->writer, &io->lock, &io->wake, &io->stopping);
	thread_end(io->syncer, &io->lock, &io->sync_wake, &io->sync_stopping);
	drop_writes(io);
	io_free(io);
}
