#include "control/loop_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "base/rcu.h"
#include "control/log_sink.h"
#include "dataplane/precedence.h"

enum {
	EVENTS_PER_TURN = 64,
	MESSAGES_PER_TURN = 4096, /* then time, RADIUS and requests get their turn */
	LEAVE_LIMIT_S = 9,	  /* longest wait for peers and RADIUS when the service ends */
	RATES_EVERY_S = 1,
	WITHDRAWN_S = 1, /* neighbours send packets elsewhere before we end */
};

nsec loop_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nsec){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}

int64_t loop_wall_clock(void *ctx)
{
	(void)ctx;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void begin_end(struct loop *l, enum phase phase, nsec now)
{
	if (l->phase == PHASE_CLOSE || (l->phase == PHASE_LEAVE && phase == PHASE_LEAVE)) {
		l->phase_end = now; /* asked twice: do not wait any longer */
		return;
	}
	l->phase = phase;
	l->phase_end = nsec_add(now, NSEC_S(LEAVE_LIMIT_S));
	log_sink_write(LOG_WARN, 0, 0,
		       phase == PHASE_CLOSE ? "shutting down: closing all tunnels and sessions"
					    : "leaving: tunnels and sessions stay as they are");
	loop_workers_apply(l);
	if (phase == PHASE_CLOSE)
		core_shutdown(l->core, now);
	core_leave(l->core, now);
	l->phase_min = nsec_add(now, bgp_io_is_on(l->bgp) ? NSEC_S(WITHDRAWN_S) : 0);
	bgp_io_drain(l->bgp, phase == PHASE_LEAVE);
}

static bool ended(const struct loop *l, nsec now)
{
	if (l->phase == PHASE_RUN)
		return false;
	if (nsec_reached(l->phase_end, now))
		return true;
	if (!nsec_reached(l->phase_min, now) || !bgp_io_is_drained(l->bgp))
		return false;
	if (l->phase == PHASE_LEAVE)
		return !core_waits(l->core) && !dp_busy(l->dp);
	return !core_busy(l->core) && !dp_busy(l->dp);
}

/* ---- one turn ------------------------------------------------------------------------------ */

static void take_signals(struct loop *l, nsec now)
{
	struct signalfd_siginfo info;
	while (read(l->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			loop_reload(l, now);
		else if (info.ssi_signo == SIGQUIT)
			begin_end(l, PHASE_CLOSE, now);
		else
			begin_end(l, PHASE_LEAVE, now);
	}
}

static void radius_datagram(void *ctx, unsigned sock, const struct sock_addr *from,
			    struct span data)
{
	struct loop *l = ctx;
	core_radius_rx(l->core, sock, from, data, loop_now());
}

static void take_news(struct loop *l, unsigned news, nsec now)
{
	if (news & NETLINK_UP_AGAIN) {
		netlink_clear(l->netlink); /* what was added since then */
		loop_pool_route(l);
		l->routes_again = true;
		core_kernel_routes_again(l->core);
		l->routes_again = false;
		log_sink_write(LOG_WARN, 0, 0, "the TUN device is up again, with all its routes");
	}
	if ((news & NETLINK_GONE) && !l->failed) {
		l->failed = true;
		log_sink_write(LOG_CRITICAL, 0, 0, "the TUN device was deleted: cannot go on");
		begin_end(l, PHASE_CLOSE, now);
	}
	if (news & NETLINK_PLACES)
		dp_places_changed(l->dp);
	if (news & (NETLINK_PLACES | NETLINK_UP_AGAIN))
		loop_places_announce(l, news & NETLINK_UP_AGAIN);
}

static bool dae_datagram(void *ctx, const struct sock_addr *from, struct span data,
			 struct wbuf *answer)
{
	struct loop *l = ctx;
	return core_dae_rx(l->core, from, data, answer, loop_now());
}

static void journal_bytes(void *ctx, uint64_t file, uint32_t at, struct span bytes)
{
	struct loop *l = ctx;
	core_journal_read(l->core, file, at, bytes, loop_now());
}

static bool nsctl_datagram(void *ctx, const struct sock_addr *from, struct span data,
			   struct wbuf *answer)
{
	struct loop *l = ctx;
	return nsctl_rx(l->nsctl, from, data, answer, loop_now());
}

static void take_event(struct loop *l, uint64_t what, nsec now)
{
	switch ((enum event)(what >> EVENT_SHIFT)) {
	case EVENT_WORKERS:
		break; /* the rings are read every turn */
	case EVENT_SIGNAL:
		take_signals(l, now);
		break;
	case EVENT_NETLINK:
		take_news(l, netlink_read(l->netlink), now);
		break;
	case EVENT_REQUEST:
		request_serve(l->requests, l->core, now);
		break;
	case EVENT_BGP:
		bgp_io_event(l->bgp, (uint32_t)what, now);
		break;
	case EVENT_RADIUS:
		radius_io_read(l->radius, (uint32_t)what, radius_datagram, l);
		break;
	case EVENT_JOURNAL:
		journal_io_take(l->journal_io, journal_bytes, l);
		break;
	case EVENT_NSCTL:
		nsctl_io_read(l->nsctl_fd, nsctl_datagram, l);
		break;
	case EVENT_DAE:
		dae_io_read(&l->dae, dae_datagram, l);
		break;
	}
}

/* True when messages may be left. */
static bool take_messages(struct loop *l, nsec now)
{
	for (unsigned n = 0; n < MESSAGES_PER_TURN; n++) {
		unsigned worker;
		const struct msg *m = dp_control_next(l->dp, &worker);
		if (!m)
			return false;
		core_msg(l->core, worker, m, now);
		if (m->kind == MSG_AUTH_REQ) /* no password stays behind in the ring */
			mem_wipe((void *)m, m->len);
	}
	return true;
}

static int timeout_ms(nsec next, nsec now)
{
	if (nsec_reached(next, now))
		return 0;
	int64_t ms = (nsec_sub(next, now) + 999999) / 1000000;
	return ms > 60000 ? 60000 : (int)ms;
}

static nsec turn(struct loop *l, nsec now)
{
	if (l->close_wanted) {
		l->close_wanted = false;
		begin_end(l, PHASE_CLOSE, now);
	}
	if (nsec_reached(l->rates_next, now)) {
		rates_sample(&l->rates, l->all_counters, dp_n_workers(l->dp) + 1, now);
		l->rates_next = nsec_add(now, NSEC_S(RATES_EVERY_S));
		plugins_timer(l->plugins, loop_wall_clock(l));
		heap_look(&l->heap);
		struct ip_prefix gone;
		while (ippool_retire(l->pool, &gone))
			if (!ippool_has_range(l->pool, &gone))
				loop_network_route(l, false, &gone);
	}
	nsec next = nsec_min(core_turn(l->core, now), l->rates_next);
	if (l->phase != PHASE_RUN)
		next = nsec_min(next, nsec_add(now, NSEC_MS(20)));
	next = nsec_min(next, dp_turn(l->dp, now));
	netlink_flush(l->netlink);
	next = nsec_min(next, bgp_io_turn(l->bgp, now));
	return next;
}

static void run(struct loop *l)
{
	struct epoll_event events[EVENTS_PER_TURN];
	nsec next = loop_now();
	bool more = false;
	for (;;) {
		nsec now = loop_now();
		int timeout = more ? 0 : timeout_ms(next, now);
		rcu_offline();
		int n = epoll_wait(l->epoll, events, EVENTS_PER_TURN, timeout);
		rcu_online();
		now = loop_now();
		for (int i = 0; i < n; i++)
			take_event(l, events[i].data.u64, now);
		more = take_messages(l, now);
		next = turn(l, now);
		rcu_quiescent();
		if (ended(l, now))
			return;
	}
}

/* ---- the life of the service --------------------------------------------------------------- */

/* Signals are read from a descriptor by control only; every thread inherits the mask. */
static int take_over_signals(void)
{
	static const int taken[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		/* A shell's background job starts with some ignored, which no descriptor sees. */
		signal(taken[i], SIG_DFL);
		sigaddset(&set, taken[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Only a service that runs has one: a second copy that cannot start must not take away the first
 * one's. */
static bool write_pid_file(const char *path)
{
	if (!path[0])
		return false;
	FILE *f = fopen(path, "we");
	if (!f) {
		log_sink_printf(LOG_ERROR, "cannot write %s: %s", path, strerror(errno));
		return false;
	}
	fprintf(f, "%d\n", (int)getpid());
	fclose(f);
	return true;
}

static void serve(struct loop *l)
{
	char what[160], pid_file[sizeof(l->conf->pid_file)];

	memcpy(pid_file, l->conf->pid_file, sizeof(pid_file)); /* a reload may name another */
	bool pid_written = write_pid_file(pid_file);
	log_sink_printf(LOG_WARN, "l2tpns %s serves: %s", LNS_VERSION,
			dp_describe(l->dp, what, sizeof(what)));
	precedence_give();
	run(l);
	if (pid_written)
		unlink(pid_file);
}

int loop_run(const struct loop_options *options, struct conf *conf)
{
	struct loop *l = calloc(1, sizeof(*l));
	LNS_ASSERT(l);
	l->options = *options;
	l->conf = conf;
	l->epoll = -1;
	l->signals = take_over_signals();
	l->dae = (struct dae_io){.fd = {-1, -1}};
	l->nsctl_fd = -1;
	rcu_thread_start();

	bool started = loop_start(l);
	if (started)
		serve(l);
	bool well = started && !l->failed;
	loop_stop(l);
	rcu_thread_stop();
	free(l);
	return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
