#include "control/tap_io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/panic.h"
#include "control/core.h"
#include "control/pcapng.h"

enum {
	LOOK_EVERY_MS = 2,   /* while somebody is watched */
	AT_ONCE = 256,	     /* packets of one worker before the next one's */
	FILE_BUFFER = 65536, /* also what is lost of a file when the machine stops */
};

struct capture {
	struct sess_key key;
	char path[CAPTURE_PATH_MAX];
	FILE *file; /* NULL: it has ended */
	uint64_t packets, bytes, max_bytes;
	time_t started, until; /* monotonic clock */
	int64_t wall_ns;       /* what the wall clock is ahead of the monotonic one */
	const char *ended;
	bool switch_off; /* control is to be told */
};

struct tap_io {
	struct dp_tap *const *taps;
	unsigned n_taps;
	struct request_queue *requests;
	pthread_t thread;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	bool stopping;
	unsigned running; /* captures that have not ended */
	time_t looked;	  /* for sessions that have gone, files to be flushed */
	struct capture captures[CAPTURES_MAX];
};

static int64_t clock_ns(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static time_t seconds_now(void)
{
	return (time_t)(clock_ns(CLOCK_MONOTONIC) / 1000000000);
}

/* ---- captures; the lock is held -------------------------------------------------------------- */

static void capture_end(struct tap_io *t, struct capture *c, const char *why)
{
	if (fclose(c->file) != 0 && !why[0])
		why = strerror(errno);
	c->file = NULL;
	c->ended = why;
	c->switch_off = true;
	t->running--;
}

static bool write_span(struct capture *c, struct span bytes)
{
	if (bytes.n && fwrite(bytes.p, bytes.n, 1, c->file) != 1)
		return false;
	c->bytes += bytes.n;
	return true;
}

static void capture_packet(struct tap_io *t, struct capture *c, const struct dp_tap_record *r,
			   struct span packet)
{
	uint8_t bytes[PCAPNG_PACKET_HEAD + PCAPNG_PACKET_TAIL];
	struct wbuf head = wbuf_of(bytes, PCAPNG_PACKET_HEAD);
	struct wbuf tail = wbuf_of(bytes + PCAPNG_PACKET_HEAD, PCAPNG_PACKET_TAIL);

	pcapng_packet_head(&head, (uint64_t)(r->at.ns + c->wall_ns), (uint32_t)packet.n);
	pcapng_packet_tail(&tail, (uint32_t)packet.n, !r->down);
	if (c->bytes + head.n + packet.n + tail.n > c->max_bytes) {
		capture_end(t, c, "full");
		return;
	}
	if (!write_span(c, wbuf_written(&head)) || !write_span(c, packet) ||
	    !write_span(c, wbuf_written(&tail)))
		capture_end(t, c, "cannot write");
	else
		c->packets++;
}

static struct capture *capture_of(struct tap_io *t, struct sess_key key)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (t->captures[i].file && sess_key_equal(t->captures[i].key, key))
			return &t->captures[i];
	return NULL;
}

/* True when there was any. */
static bool drain(struct tap_io *t, struct dp_tap *tap)
{
	const struct dp_tap_record *r;
	struct span packet;
	unsigned n = 0;

	for (; n < AT_ONCE && (r = dp_tap_next(tap, &packet)); n++) {
		struct capture *c = capture_of(t, r->key);
		if (c)
			capture_packet(t, c, r, packet);
		dp_tap_done(tap);
	}
	return n > 0;
}

/* ---- once a second, and when a capture ended ------------------------------------------------- */

/* What control is asked about the captures: the lock is not held meanwhile. */
struct look {
	unsigned n;
	struct {
		struct sess_key key;
		bool switch_off, gone;
	} of[CAPTURES_MAX];
};

static void look_at_sessions(struct core *core, nsec now, void *arg)
{
	struct look *l = arg;
	struct session_view v;

	for (unsigned i = 0; i < l->n; i++) {
		struct sess_key key = l->of[i].key;
		if (l->of[i].switch_off)
			core_set_tap(core, key, false);
		else
			l->of[i].gone = !core_session_find(core, key.tid, key.sid, now, &v) ||
					!sess_key_equal(v.key, key);
	}
}

static void look_fill(struct tap_io *t, struct look *l)
{
	l->n = 0;
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		struct capture *c = &t->captures[i];
		if (!c->file && !c->switch_off)
			continue;
		bool over = c->switch_off;
		c->switch_off = false;
		if (c->file)
			fflush(c->file);
		if (over && capture_of(t, c->key))
			continue; /* captured again already: it stays switched on */
		l->of[l->n].key = c->key;
		l->of[l->n].gone = false;
		l->of[l->n++].switch_off = over;
	}
}

static void look(struct tap_io *t)
{
	struct look l;

	t->looked = seconds_now();
	look_fill(t, &l);
	pthread_mutex_unlock(&t->lock);
	if (l.n)
		request_run(t->requests, look_at_sessions, &l);
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < l.n; i++) {
		struct capture *c = capture_of(t, l.of[i].key);
		if (c && l.of[i].gone)
			capture_end(t, c, "the session has ended");
	}
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (t->captures[i].file && t->looked >= t->captures[i].until)
			capture_end(t, &t->captures[i], "time is over");
}

static bool must_look(const struct tap_io *t)
{
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (t->captures[i].switch_off)
			return true;
	return t->running && seconds_now() != t->looked;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void wait_a_moment(struct tap_io *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_EVERY_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

static void *run(void *arg)
{
	struct tap_io *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		bool any = false;
		for (unsigned i = 0; i < t->n_taps; i++)
			any |= drain(t, t->taps[i]);
		if (must_look(t))
			look(t);
		else if (!t->running && !any)
			pthread_cond_wait(&t->changed, &t->lock);
		else if (!any)
			wait_a_moment(t);
	}
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		if (t->captures[i].file)
			capture_end(t, &t->captures[i], "the service ended");
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct tap_io *tap_io_new(struct dp_tap *const *taps, unsigned n, struct request_queue *requests)
{
	struct tap_io *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	sigset_t all, before;

	if (!t)
		return NULL;
	t->taps = taps;
	t->n_taps = n;
	t->requests = requests;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return t;
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

void tap_io_free(struct tap_io *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- for others ------------------------------------------------------------------------------ */

struct switch_on {
	struct sess_key key;
	bool done;
};

static void switch_on(struct core *core, nsec now, void *arg)
{
	struct switch_on *s = arg;
	(void)now;

	s->done = core_set_tap(core, s->key, true);
}

/* A file that is there already, be it a link, is not touched. */
static FILE *make_file(const struct capture_conf *conf, uint64_t *bytes)
{
	uint8_t head[PCAPNG_HEAD_MAX];
	struct wbuf w = wbuf_of(head, sizeof(head));
	int fd = open(conf->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	setvbuf(f, NULL, _IOFBF, FILE_BUFFER);
	pcapng_begin(&w, span_of(conf->comment, strnlen(conf->comment, 512)),
		     span_str("subscriber"));
	LNS_ASSERT(!w.bad);
	fwrite(w.p, w.n, 1, f);
	*bytes = w.n;
	return f;
}

static struct capture *free_place(struct tap_io *t)
{
	struct capture *best = NULL;

	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		struct capture *c = &t->captures[i];
		if (!c->file && !c->switch_off && (!best || c->started < best->started))
			best = c;
	}
	return best;
}

static bool begin(struct tap_io *t, const struct capture_conf *conf, char reason[static 160])
{
	struct capture *c = free_place(t);
	uint64_t bytes = 0;

	if (capture_of(t, conf->key) || !c) {
		snprintf(reason, 160, "%s",
			 c ? "it is captured already" : "too many captures at a time");
		return false;
	}
	FILE *f = make_file(conf, &bytes);
	if (!f) {
		snprintf(reason, 160, "%s", strerror(errno));
		return false;
	}
	time_t now = seconds_now();
	*c = (struct capture){
		.key = conf->key,
		.file = f,
		.bytes = bytes,
		.max_bytes = conf->max_bytes,
		.started = now,
		.until = now + (time_t)conf->max_s,
		.wall_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
	};
	snprintf(c->path, sizeof(c->path), "%s", conf->path);
	t->running++;
	pthread_cond_broadcast(&t->changed);
	return true;
}

bool tap_io_capture(struct tap_io *t, const struct capture_conf *conf, char reason[static 160])
{
	struct switch_on on = {.key = conf->key};

	pthread_mutex_lock(&t->lock);
	bool ok = begin(t, conf, reason);
	pthread_mutex_unlock(&t->lock);
	if (!ok)
		return false;
	if (request_run(t->requests, switch_on, &on) && on.done)
		return true;
	snprintf(reason, 160, "the session has ended");
	tap_io_stop(t, conf->key);
	unlink(conf->path);
	return false;
}

bool tap_io_stop(struct tap_io *t, struct sess_key key)
{
	pthread_mutex_lock(&t->lock);
	struct capture *c = capture_of(t, key);
	bool found = c != NULL;
	if (found)
		capture_end(t, c, "stopped");
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return found;
}

bool tap_io_capture_view(struct tap_io *t, unsigned i, struct capture_view *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	for (unsigned k = 0; k < CAPTURES_MAX && !found; k++) {
		const struct capture *c = &t->captures[k];
		if ((!c->file && !c->ended) || i-- > 0)
			continue;
		found = true;
		*out = (struct capture_view){.key = c->key,
					     .packets = c->packets,
					     .bytes = c->bytes,
					     .age_s = (unsigned)(seconds_now() - c->started),
					     .ended = c->file ? NULL : c->ended};
		memcpy(out->path, c->path, sizeof(out->path));
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}
