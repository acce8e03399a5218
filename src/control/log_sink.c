#include "control/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/panic.h"

enum {
	QUEUE_LINES = 4096,	 /* power of two */
	LINES_PER_SECOND = 5000, /* beyond that a flood is cut */
	LINE_OUT = LOG_LINE_MAX + 48,
	TAIL_LINES = 2048,
};

/* A slot of the bounded many-producer queue: `turn` says whose turn it is (Vyukov's scheme). */
struct slot {
	_Atomic uint32_t turn;
	uint16_t tid, sid;
	uint8_t level;
	char text[LOG_LINE_MAX];
};

enum target { TO_STDOUT, TO_FILE, TO_SYSLOG, TO_NOWHERE };

static struct sink {
	struct slot *slots;
	_Alignas(64) _Atomic uint32_t tail; /* producers */
	_Alignas(64) uint32_t head;	    /* the log thread */
	_Atomic uint32_t lost;
	_Atomic unsigned level;
	_Atomic bool stopping, sleeping;
	int wake_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* target and file: the log thread and log_sink_open */
	enum target target;
	int file_fd;
	time_t second; /* rate limit, log thread only */
	uint32_t lines_in_second, cut;
} sink = {.file_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Written by the log thread, read by those who watch the log. */
static struct {
	pthread_mutex_t lock;
	uint64_t n; /* lines so far; the last TAIL_LINES of them are there */
	struct log_tail_line lines[TAIL_LINES];
} recent = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{"auth", LOG_AUTH},	{"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},
	{"daemon", LOG_DAEMON}, {"ftp", LOG_FTP},	    {"kern", LOG_KERN},
	{"lpr", LOG_LPR},	{"mail", LOG_MAIL},	    {"news", LOG_NEWS},
	{"syslog", LOG_SYSLOG}, {"user", LOG_USER},	    {"uucp", LOG_UUCP},
	{"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},	    {"local2", LOG_LOCAL2},
	{"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},	    {"local5", LOG_LOCAL5},
	{"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
};

static int facility_of(const char *name)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcmp(facilities[i].name, name) == 0)
			return facilities[i].facility;
	return LOG_KERN; /* as the original */
}

static void write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(fd, text, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* a full disk must not stop the service */
		text += done;
		n -= (size_t)done;
	}
}

static void remember(enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	pthread_mutex_lock(&recent.lock);
	struct log_tail_line *l = &recent.lines[recent.n++ % TAIL_LINES];
	l->level = (uint8_t)level;
	l->tid = tid;
	l->sid = sid;
	snprintf(l->text, sizeof(l->text), "%s", text);
	pthread_mutex_unlock(&recent.lock);
}

uint64_t log_sink_tail_end(void)
{
	pthread_mutex_lock(&recent.lock);
	uint64_t n = recent.n;
	pthread_mutex_unlock(&recent.lock);
	return n;
}

bool log_sink_tail(uint64_t *cursor, struct log_tail_line *out)
{
	pthread_mutex_lock(&recent.lock);
	if (recent.n - *cursor > TAIL_LINES)
		*cursor = recent.n - TAIL_LINES;
	bool more = *cursor < recent.n;
	if (more)
		*out = recent.lines[(*cursor)++ % TAIL_LINES];
	pthread_mutex_unlock(&recent.lock);
	return more;
}

static void emit(enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	remember(level, tid, sid, text);
	pthread_mutex_lock(&sink.lock);
	if (sink.target == TO_SYSLOG) {
		syslog((int)level + 2, "%02u/%02u %s", tid, sid, text);
	} else if (sink.target != TO_NOWHERE) {
		char line[LINE_OUT], stamp[24];
		struct tm tm;
		time_t t = sink.second;
		localtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
		int n = snprintf(line, sizeof(line), "%s %02u/%02u %s\n", stamp, tid, sid, text);
		if (n > 0)
			write_all(sink.target == TO_FILE ? sink.file_fd : STDOUT_FILENO, line,
				  (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	}
	pthread_mutex_unlock(&sink.lock);
}

static void say_count(uint32_t n, const char *what)
{
	char text[80];
	snprintf(text, sizeof(text), "log: %u lines %s", n, what);
	emit(LOG_WARN, 0, 0, text);
}

static void say_missing(void)
{
	if (sink.cut)
		say_count(sink.cut, "cut, more than the rate limit");
	sink.cut = 0;
	uint32_t lost = atomic_exchange_explicit(&sink.lost, 0, memory_order_relaxed);
	if (lost)
		say_count(lost, "lost, queue full");
}

static void new_second(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (ts.tv_sec == sink.second)
		return;
	sink.second = ts.tv_sec;
	sink.lines_in_second = 0;
	say_missing();
}

static bool drain_one(void)
{
	struct slot *s = &sink.slots[sink.head % QUEUE_LINES];
	/* Pairs with the producer's release of its turn. */
	if (atomic_load_explicit(&s->turn, memory_order_acquire) != sink.head + 1)
		return false;
	new_second();
	if (sink.lines_in_second++ < LINES_PER_SECOND || s->level == LOG_CRITICAL)
		emit(s->level, s->tid, s->sid, s->text);
	else
		sink.cut++;
	atomic_store_explicit(&s->turn, sink.head + QUEUE_LINES, memory_order_release);
	sink.head++;
	return true;
}

static void *sink_main(void *arg)
{
	(void)arg;
	for (;;) {
		while (drain_one())
			;
		if (atomic_load(&sink.stopping)) {
			say_missing();
			return NULL;
		}
		atomic_store(&sink.sleeping, true);
		if (drain_one())
			continue;
		struct pollfd p = {.fd = sink.wake_fd, .events = POLLIN};
		poll(&p, 1, 1000); /* the second bounds how late "cut" and "lost" are said */
		uint64_t n;
		if (read(sink.wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return NULL;
		new_second();
	}
}

void log_sink_start(void)
{
	LNS_ASSERT(!sink.slots);
	sink.slots = calloc(QUEUE_LINES, sizeof(*sink.slots));
	sink.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	LNS_ASSERT(sink.slots && sink.wake_fd >= 0);
	sink.head = 0;
	sink.second = 0;
	sink.cut = 0;
	atomic_store(&sink.tail, 0);
	for (uint32_t i = 0; i < QUEUE_LINES; i++)
		atomic_store(&sink.slots[i].turn, i);
	atomic_store(&sink.stopping, false);

	/* This thread is older than control's signal mask, and takes no signal either. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	LNS_ASSERT(pthread_create(&sink.thread, NULL, sink_main, NULL) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0) {
		int why = errno;
		log_sink_printf(LOG_ERROR, "log: cannot open %s: %s; using standard output", path,
				strerror(why));
		return false;
	}
	sink.file_fd = fd;
	sink.target = TO_FILE;
	return true;
}

bool log_sink_open(const char *target)
{
	bool ok = true;
	pthread_mutex_lock(&sink.lock);
	if (sink.file_fd >= 0)
		close(sink.file_fd);
	if (sink.target == TO_SYSLOG)
		closelog();
	sink.file_fd = -1;
	sink.target = TO_STDOUT;
	if (target[0] == '/') {
		ok = open_file(target);
	} else if (strncmp(target, "syslog:", 7) == 0) {
		openlog("l2tpns", LOG_PID, facility_of(target + 7));
		sink.target = TO_SYSLOG;
	} else if (target[0] != '\0') {
		sink.target = TO_NOWHERE;
	}
	pthread_mutex_unlock(&sink.lock);
	return ok;
}

void log_sink_level(unsigned level)
{
	atomic_store_explicit(&sink.level, level, memory_order_relaxed);
}

bool log_sink_wants(enum log_level level)
{
	return level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

/* The queue's next free slot, or NULL when it is full. */
static struct slot *claim(uint32_t *ticket)
{
	uint32_t tail = atomic_load_explicit(&sink.tail, memory_order_relaxed);
	for (;;) {
		struct slot *s = &sink.slots[tail % QUEUE_LINES];
		uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
		if ((int32_t)(turn - tail) < 0)
			return NULL;
		if (turn != tail) {
			tail = atomic_load_explicit(&sink.tail, memory_order_relaxed);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&sink.tail, &tail, tail + 1,
							  memory_order_relaxed,
							  memory_order_relaxed)) {
			*ticket = tail;
			return s;
		}
	}
}

/* One line stays one line, whatever a peer has put into a name. */
static void copy_printable(char *to, size_t room, const char *text)
{
	size_t n = 0;

	for (; n < room - 1 && text[n] != '\0'; n++)
		to[n] = (unsigned char)text[n] < ' ' || text[n] == 0x7F ? '?' : text[n];
	to[n] = '\0';
}

void log_sink_write(enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	if (!sink.slots || !log_sink_wants(level))
		return;
	uint32_t ticket = 0;
	struct slot *s = claim(&ticket);
	if (!s) {
		atomic_fetch_add_explicit(&sink.lost, 1, memory_order_relaxed);
		return;
	}
	s->level = (uint8_t)level;
	s->tid = tid;
	s->sid = sid;
	copy_printable(s->text, sizeof(s->text), text);
	/* Sequentially consistent: pairs with the log thread's "sleeping, then look again". */
	atomic_store(&s->turn, ticket + 1);
	if (atomic_exchange(&sink.sleeping, false)) {
		uint64_t one = 1;
		if (write(sink.wake_fd, &one, sizeof(one)) < 0)
			return; /* it wakes within a second by itself */
	}
}

void log_sink_printf(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_sink_write(level, 0, 0, text);
}

void log_sink_stop(void)
{
	if (!sink.slots)
		return;
	atomic_store(&sink.stopping, true);
	uint64_t one = 1;
	if (write(sink.wake_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(sink.thread, NULL);
	struct slot *slots = sink.slots;
	sink.slots = NULL;
	free(slots);
	close(sink.wake_fd);
	log_sink_open("");
}
