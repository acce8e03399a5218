#include "control/loop.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "base/rcu.h"
#include "control/bgp_io.h"
#include "control/cli.h"
#include "control/conf_cpus.h"
#include "control/conf_files.h"
#include "control/conf_filter.h"
#include "control/core.h"
#include "control/dae_io.h"
#include "control/garp.h"
#include "control/heap.h"
#include "control/journal_io.h"
#include "control/log_sink.h"
#include "control/netlink.h"
#include "control/nsctl_io.h"
#include "control/plugins.h"
#include "control/radius_io.h"
#include "control/usage_io.h"
#include "dataplane/dp.h"

enum {
	EVENTS_PER_TURN = 64,
	MESSAGES_PER_TURN = 4096, /* then time, RADIUS and requests get their turn */
	LEAVE_LIMIT_S = 9,	  /* longest wait for peers and RADIUS when the service ends */
	RATES_EVERY_S = 1,
	WITHDRAWN_S = 1, /* neighbours send packets elsewhere before we end */
};

/* What an epoll event is about, above the low 32 bits, which number the sockets of RADIUS and BGP.
 */
enum event {
	EVENT_WORKERS,
	EVENT_SIGNAL,
	EVENT_NETLINK,
	EVENT_REQUEST,
	EVENT_RADIUS,
	EVENT_DAE,
	EVENT_NSCTL,
	EVENT_BGP,
	EVENT_JOURNAL,
};
enum { EVENT_SHIFT = 32 };

enum phase {
	PHASE_RUN,
	PHASE_LEAVE, /* SIGTERM, SIGINT: tunnels and sessions stay, what is under way is finished */
	PHASE_CLOSE, /* SIGQUIT: every tunnel and session is closed first */
};

struct loop {
	struct loop_options options;
	struct conf *conf;
	const struct dp_acls *acls; /* compiled access lists, as the workers have them */
	int epoll, signals;
	enum phase phase;
	nsec phase_end; /* of LEAVE and CLOSE */
	nsec phase_min; /* not before that time */

	struct counters counters; /* of this thread */
	const struct counters *all_counters[LNS_WORKERS_MAX + 1];
	struct dp *dp;
	struct netlink *netlink;
	struct radius_io *radius;
	nsec radius_told; /* when it was last logged that nothing can be sent */
	struct dae_io dae;
	struct journal_io *journal_io; /* both NULL: there is no journal */
	struct journal *journal;
	struct usage_io *usage;
	struct bgp_io *bgp;
	struct request_queue *requests;
	struct cli_server *cli;
	struct dp_tap *taps[LNS_WORKERS_MAX];
	struct tap_io *tap;
	struct ippool *pool;
	struct local_users *users;
	struct core *core;
	struct plugins *plugins;
	struct nsctl *nsctl;
	int nsctl_fd;
	struct rates rates;
	nsec rates_next;
	uint64_t conf_version;
	bool close_wanted; /* asked for by the CLI, done between turns */
	bool failed;	   /* the end is not by our choice */
	bool routes_again; /* the kernel is told what BGP knows already */
	unsigned n_places;
	struct garp_place places[CONF_BIND_MAX]; /* of the addresses that L2TP listens on */
};

/* ---- the world, lent to the brains --------------------------------------------------------- */

static nsec clock_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nsec){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}

static void env_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	arc4random_buf(out, n);
}

static void env_post(void *ctx, unsigned w, const struct msg *m)
{
	struct loop *l = ctx;
	dp_post(l->dp, w, m);
}

static void env_radius_send(void *ctx, unsigned sock, const struct sock_addr *to,
			    const struct ip_addr *from, struct span data)
{
	enum { TELL_S = 10 };
	struct loop *l = ctx;
	char addr[SOCK_ADDR_TEXT];

	if (radius_io_send(l->radius, sock, to, from, data))
		return;
	int why = errno;
	nsec now = clock_now();
	if (nsec_before(now, nsec_add(l->radius_told, NSEC_S(TELL_S))))
		return;
	l->radius_told = now;
	log_sink_printf(LOG_ERROR, "RADIUS server %s: cannot be sent to: %s (%llu such packets)",
			sock_addr_text(to, addr), strerror(why),
			(unsigned long long)radius_io_send_failures(l->radius));
}

static void env_radius_close(void *ctx, unsigned sock)
{
	struct loop *l = ctx;
	radius_io_close(l->radius, sock);
}

static void env_usage(void *ctx, const char *dir, int64_t wall_s, struct span text, bool last)
{
	struct loop *l = ctx;

	if (!l->usage) /* the first one */
		l->usage = usage_io_new();
	if (l->usage)
		usage_io_text(l->usage, dir, wall_s, text, last);
}

static void env_kernel_route(void *ctx, bool add, const struct ip_prefix *p)
{
	struct loop *l = ctx;
	if (!ippool_has_range(l->pool, p)) /* else its route is not this subscriber's */
		netlink_route(l->netlink, add, p);
	if (!l->routes_again)
		bgp_io_route(l->bgp, add, p);
}

static void env_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	(void)ctx;
	log_sink_write(level, tid, sid, text);
}

static int64_t env_wall_clock(void *ctx)
{
	(void)ctx;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

/* ---- files --------------------------------------------------------------------------------- */

static void say_line(void *ctx, const char *file, uint32_t line, enum conf_severity severity,
		     const char *reason)
{
	enum log_level level = severity == CONF_ERROR ? LOG_ERROR : LOG_WARN;

	(void)ctx;
	if (line)
		log_sink_printf(level, "%s:%u: %s", file, line, reason);
	else
		log_sink_printf(level, "%s: %s", file, reason);
}

static const struct file_report to_log = {.say = say_line};

static struct local_users *load_local_users(const struct conf *conf)
{
	if (!conf->local_users[0])
		return NULL;
	return local_users_file_load(&heap, conf->local_users, &to_log);
}

static struct cli_users *load_cli_users(const struct loop *l, const struct conf *conf)
{
	char path[CONF_PATH_MAX];
	conf_file_path(path, l->options.conf_path, conf->users_file, "users");
	return cli_users_file_load(&heap, path, &to_log);
}

static void route_network(struct loop *l, bool add, const struct ip_prefix *range)
{
	netlink_route(l->netlink, add, range);
	if (l->bgp)
		bgp_io_network(l->bgp, add, range);
}

static void route_pool(struct loop *l)
{
	struct ip_prefix range;
	for (unsigned i = 0; ippool_range(l->pool, i, &range); i++)
		route_network(l, true, &range);
}

/* NULL with a number of 0: no memory. */
static struct ip_prefix *ranges_of(const struct ippool *pool, unsigned *n)
{
	struct ip_prefix range, *all;

	for (*n = 0; ippool_range(pool, *n, &range);)
		(*n)++;
	all = calloc(*n + 1, sizeof(*all));
	if (!all)
		*n = 0;
	for (unsigned i = 0; i < *n; i++)
		ippool_range(pool, i, &all[i]);
	return all;
}

/* Networks with an address in use stay routed until the last of them is given back. */
static void replace_pool(struct loop *l, struct ippool *fresh)
{
	unsigned n_before, n_after, n_new = 0;
	struct ip_prefix *before = ranges_of(l->pool, &n_before);
	struct ip_prefix *after = ranges_of(fresh, &n_after);

	for (unsigned i = 0; i < n_after; i++)
		if (!ippool_has_range(l->pool, &after[i]))
			after[n_new++] = after[i];
	if (!before || !after || !ippool_replace(l->pool, fresh)) {
		log_sink_write(LOG_ERROR, 0, 0, "out of memory: the pool stays as it was");
		n_before = n_new = 0;
	}
	for (unsigned i = 0; i < n_before; i++)
		if (!ippool_has_range(l->pool, &before[i]))
			route_network(l, false, &before[i]);
	for (unsigned i = 0; i < n_new; i++)
		route_network(l, true, &after[i]);
	free(before);
	free(after);
}

/* Pool networks are routed toward the TUN device, those of an earlier file as long as needed. */
static void load_pool(struct loop *l)
{
	char path[CONF_PATH_MAX];
	l->pool = ippool_new(&heap);
	LNS_ASSERT(l->pool);
	conf_file_path(path, l->options.conf_path, l->conf->ip_pool_file, "ip_pool");
	ippool_file_load(l->pool, path, &l->conf->bind_address, &to_log);

	route_pool(l);
	uint32_t used, total;
	ippool_totals(l->pool, &used, &total);
	log_sink_printf(LOG_NOTE, "pool: %u addresses", total);
}

/* Gratuitous ARP for the addresses that L2TP listens on, when there is no BGP: those that are at
 * another place now, or all of them. */
static void announce_places(struct loop *l, bool all)
{
	bool wanted = l->conf->send_garp && !bgp_io_is_on(l->bgp);

	for (unsigned i = 0; i < l->n_places && (all || !wanted); i++)
		l->places[i].ifindex = 0;
	if (wanted)
		counter_add(&l->counters, C_GARP_SENT, garp_update(l->places, l->n_places));
}

/* ---- reload -------------------------------------------------------------------------------- */

static void apply_workers(struct loop *l)
{
	struct shard_conf shard;
	conf_to_shard(l->conf, dp_n_workers(l->dp), &shard);
	if (l->core) /* not yet when the data plane starts: nobody is traced then */
		core_trace_names(l->core, &shard.trace);
	shard.version = ++l->conf_version;
	shard.l2tp.refuse_new |= l->phase != PHASE_RUN;
	struct dp_acls *acls =
		conf_filter_compile(l->conf, &heap, shard.version, dp_n_workers(l->dp), l->acls);
	shard.dp.acls = acls;
	if (!acls || !dp_set_conf(l->dp, &shard)) {
		log_sink_write(LOG_ERROR, 0, 0, "out of memory: workers keep the old settings");
		dp_acls_free(acls);
		return;
	}
	l->acls = acls;
}

/* Subscribers to go with the next configuration; those in use, when nothing about them changed. */
static struct local_users *next_subscribers(const struct loop *l, const struct conf_bundle *b)
{
	if (b->subscribers || !b->conf->local_users[0])
		return b->subscribers;
	if (strcmp(b->conf->local_users, l->conf->local_users) == 0)
		return l->users;
	return load_local_users(b->conf);
}

/* The bundle becomes the configuration; variables that are read at start only keep their effect
 * until the next start. Live sessions are not touched. */
static void apply_bundle(struct loop *l, struct conf_bundle *b, nsec now)
{
	struct conf *fresh = b->conf;

	if (!fresh->hostname[0]) /* settled at start: -h or the system's name */
		memcpy(fresh->hostname, l->conf->hostname, sizeof(fresh->hostname));
	struct local_users *users = next_subscribers(l, b);
	log_sink_open(fresh->log_file);
	log_sink_level(fresh->debug);
	core_conf(l->core, fresh, users, now);
	bgp_io_conf(l->bgp, fresh, now);
	struct conf_bundle old = {.conf = l->conf, .users = b->users, .pool = b->pool};
	if (l->cli)
		old.users = cli_server_update(l->cli, fresh, b->users);
	if (users != l->users)
		old.subscribers = l->users;
	if (b->pool)
		replace_pool(l, b->pool); /* it has the old ranges then */
	l->conf = fresh;
	l->users = users;
	*b = (struct conf_bundle){0};
	if (l->cli)
		cli_server_replaced(l->cli, &old);
	conf_bundle_free(&old);
	plugins_conf(l->plugins, l->conf);
	apply_workers(l);
	announce_places(l, false);
}

/* SIGHUP: all files, or nothing when one of them has a fault. */
static void reload(struct loop *l, nsec now)
{
	struct conf_bundle b;

	log_sink_open(l->conf->log_file); /* logrotate's signal, whatever the file says */
	if (!conf_bundle_load(&b, &heap, l->options.conf_path, &to_log)) {
		log_sink_write(LOG_ERROR, 0, 0, "reload refused, nothing changed");
		return;
	}
	apply_bundle(l, &b, now);
	log_sink_printf(LOG_NOTE, "reloaded %s", l->options.conf_path);
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
	apply_workers(l);
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
	struct core_totals totals;
	core_totals(l->core, &totals);
	if (l->phase == PHASE_LEAVE)
		return totals.radius_outstanding == 0 && !dp_busy(l->dp);
	return totals.sessions == 0 && !core_busy(l->core) && !dp_busy(l->dp);
}

/* ---- one turn ------------------------------------------------------------------------------ */

static void take_signals(struct loop *l, nsec now)
{
	struct signalfd_siginfo info;
	while (read(l->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(l, now);
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
	core_radius_rx(l->core, sock, from, data, clock_now());
}

static void take_news(struct loop *l, unsigned news, nsec now)
{
	if (news & NETLINK_UP_AGAIN) {
		netlink_clear(l->netlink); /* what was added since then */
		route_pool(l);
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
	if (news & (NETLINK_PLACES | NETLINK_UP_AGAIN))
		announce_places(l, news & NETLINK_UP_AGAIN);
}

static bool dae_datagram(void *ctx, const struct sock_addr *from, struct span data,
			 struct wbuf *answer)
{
	struct loop *l = ctx;
	return core_dae_rx(l->core, from, data, answer, clock_now());
}

static void journal_bytes(void *ctx, uint64_t file, uint32_t at, struct span bytes)
{
	struct loop *l = ctx;
	core_journal_read(l->core, file, at, bytes, clock_now());
}

static bool nsctl_datagram(void *ctx, const struct sock_addr *from, struct span data,
			   struct wbuf *answer)
{
	struct loop *l = ctx;
	return nsctl_rx(l->nsctl, from, data, answer, clock_now());
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
		plugins_timer(l->plugins, env_wall_clock(l));
		struct ip_prefix gone;
		while (ippool_retire(l->pool, &gone))
			if (!ippool_has_range(l->pool, &gone))
				route_network(l, false, &gone);
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
	nsec next = clock_now();
	bool more = false;
	for (;;) {
		nsec now = clock_now();
		int timeout = more ? 0 : timeout_ms(next, now);
		rcu_offline();
		int n = epoll_wait(l->epoll, events, EVENTS_PER_TURN, timeout);
		rcu_online();
		now = clock_now();
		for (int i = 0; i < n; i++)
			take_event(l, events[i].data.u64, now);
		more = take_messages(l, now);
		next = turn(l, now);
		rcu_quiescent();
		if (ended(l, now))
			return;
	}
}

/* ---- start and stop ------------------------------------------------------------------------ */

static bool watch(struct loop *l, int fd, enum event what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)what << EVENT_SHIFT};
	return fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

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

static const struct conf *cli_conf(void *ctx)
{
	return ((struct loop *)ctx)->conf;
}
static const struct ippool *cli_pool(void *ctx)
{
	return ((struct loop *)ctx)->pool;
}
static const struct rates_view *cli_rates(void *ctx)
{
	return &((struct loop *)ctx)->rates.view;
}
static const struct dp_acls *cli_acls(void *ctx)
{
	return ((struct loop *)ctx)->acls;
}
static void cli_apply(void *ctx, struct conf_bundle *b, nsec now)
{
	apply_bundle(ctx, b, now);
}
static void cli_traces_changed(void *ctx)
{
	apply_workers(ctx);
}

static void cli_shutdown(void *ctx)
{
	((struct loop *)ctx)->close_wanted = true;
}

static void cli_about(void *ctx, struct cli_about *out)
{
	struct loop *l = ctx;
	*out = (struct cli_about){.version = LNS_VERSION,
				  .workers = dp_n_workers(l->dp),
				  .io_backend = dp_backend_name(l->dp),
				  .steering = dp_steering_name(l->dp),
				  .tun_steering = dp_tun_steering_name(l->dp),
				  .tun_napi = dp_tun_has_napi(l->dp)};
}

static unsigned cli_workers(void *ctx, struct worker_view *out)
{
	struct loop *l = ctx;

	for (unsigned i = 0; i < dp_n_workers(l->dp); i++)
		out[i] = *dp_worker_view(l->dp, i);
	return dp_n_workers(l->dp);
}

static struct bgp_speaker *cli_bgp(void *ctx)
{
	return bgp_io_speaker(((struct loop *)ctx)->bgp);
}

static bool cli_plugin(void *ctx, unsigned *cursor, struct plugins_view *out)
{
	return plugins_next(((struct loop *)ctx)->plugins, cursor, out);
}

static void cli_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	log_sink_write(level, 0, 0, text);
}

static void start_cli(struct loop *l)
{
	const struct cli_env env = {
		.requests = l->requests,
		.hostname = l->conf->hostname,
		.conf_path = l->options.conf_path,
		.alloc = &heap,
		.counters = l->all_counters,
		.n_counters = dp_n_workers(l->dp) + 1,
		.ctx = l,
		.conf = cli_conf,
		.pool = cli_pool,
		.rates = cli_rates,
		.acls = cli_acls,
		.about = cli_about,
		.workers = cli_workers,
		.bgp = cli_bgp,
		.plugin = cli_plugin,
		.apply = cli_apply,
		.traces_changed = cli_traces_changed,
		.tap = l->tap,
		.shutdown = cli_shutdown,
		.log = cli_log,
	};
	char reason[160];
	l->cli = cli_server_start(&env, l->conf, load_cli_users(l, l->conf), reason);
	if (!l->cli)
		log_sink_printf(LOG_ERROR, "no command line: %s", reason);
}

static void start_tap(struct loop *l)
{
	unsigned n = dp_n_workers(l->dp);

	for (unsigned w = 0; w < n; w++)
		l->taps[w] = dp_tap_of(l->dp, w);
	l->tap = tap_io_new(l->taps, n, l->requests);
	if (!l->tap)
		log_sink_printf(LOG_ERROR, "no captures: %s", strerror(errno));
}

/* The TUN device carries iftun_address (bind_address when unset), and with bind_multi_address every
 * address that L2TP listens on. */
static void tun_addresses(const struct conf *c, struct dp_start_conf *start)
{
	if (ip_addr_is_set(&c->tun_address))
		start->tun_addrs[start->n_tun_addrs++] = (struct ip_prefix){c->tun_address, 32};
	for (unsigned i = 0; c->n_bind > 1 && i < c->n_bind; i++)
		if (!ip_addr_equal(&c->bind[i], &c->tun_address))
			start->tun_addrs[start->n_tun_addrs++] = (struct ip_prefix){c->bind[i], 32};
}

/* The CPUs that this process may run on (taskset, cgroup cpusets), not all of the machine's. */
static unsigned usable_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < LNS_WORKERS_MAX ? (unsigned)n : LNS_WORKERS_MAX;
}

static bool start_dataplane(struct loop *l)
{
	const struct conf *c = l->conf;
	unsigned workers = c->workers ? c->workers : usable_cpus();
	struct shard_conf shard;
	conf_to_shard(c, workers, &shard);
	struct dp_start_conf start = {
		.alloc = &heap,
		.n_workers = workers,
		.n_locals = c->n_bind,
		.tun_name = c->tundevicename,
		.tun_mtu = shard.dp.mru,
		.io_backend = c->io_backend,
		.steering = c->steering,
		.tun_steering = c->tun_steering,
		.tun_napi = c->tun_napi,
		.socket_bytes = c->socket_buffer * 1024u,
		.tun_queue = c->tun_queue,
		.shard = &shard,
		.log = env_log,
		.log_ctx = l,
	};
	for (unsigned i = 0; i < c->n_bind; i++)
		start.locals[i] = (struct sock_addr){c->bind[i], (uint16_t)c->l2tp_port};
	conf_cpus_parse(c->worker_cpus, start.cpus, &start.n_cpus); /* conf.c has checked it */
	tun_addresses(c, &start);
	l->dp = dp_start(&start);
	if (!l->dp) {
		log_sink_write(LOG_CRITICAL, 0, 0, "cannot start: see the line before");
		return false;
	}
	for (unsigned w = 0; w < workers; w++)
		l->all_counters[w] = dp_counters(l->dp, w);
	l->all_counters[workers] = &l->counters;
	apply_workers(l); /* the access lists */
	return true;
}

/* Without it the service is worth more than none: records are kept in memory then. */
static void start_journal(struct loop *l)
{
	const struct conf *c = l->conf;
	char reason[JOURNAL_REASON];

	if (!c->acct_journal[0])
		return;
	l->journal_io = journal_io_open(c->acct_journal, reason);
	if (!l->journal_io || !watch(l, journal_io_fd(l->journal_io), EVENT_JOURNAL)) {
		log_sink_printf(LOG_CRITICAL, "%s: no journal, records are kept in memory only",
				l->journal_io ? strerror(errno) : reason);
		return;
	}
	struct journal_env env = journal_io_env(l->journal_io, &heap);
	l->journal = journal_new(&env, (uint64_t)c->acct_journal_size << 20);
	LNS_ASSERT(l->journal);
	journal_io_load(l->journal_io, l->journal);
}

static struct core *plugins_core(void *ctx)
{
	return ((struct loop *)ctx)->core;
}

static void plugins_packets(void *ctx, const struct dp_hooks *hooks)
{
	dp_set_hooks(((struct loop *)ctx)->dp, hooks);
}

static nsec plugins_clock(void *ctx)
{
	(void)ctx;
	return clock_now();
}

/* They are loaded when there is a core to ask. */
static bool start_plugins(struct loop *l)
{
	const struct plugins_env env = {
		.dir = l->conf->plugin_dir,
		.ctx = l,
		.core = plugins_core,
		.conf = cli_conf,
		.packet_hooks = plugins_packets,
		.now = plugins_clock,
		.log = log_sink_write,
	};
	l->plugins = plugins_new(&env);
	return l->plugins != NULL;
}

static bool start_core(struct loop *l)
{
	const struct core_env env = {
		.n_workers = dp_n_workers(l->dp),
		.alloc = &heap,
		.counters = &l->counters,
		.tables = dp_tables(l->dp),
		.routes = dp_routes(l->dp),
		.ctx = l,
		.random = env_random,
		.post = env_post,
		.radius_send = env_radius_send,
		.radius_close = env_radius_close,
		.kernel_route = env_kernel_route,
		.log = env_log,
		.wall_clock_s = env_wall_clock,
		.crypt_check = password_crypt_check,
		.journal = l->journal,
		.usage = env_usage,
		.hooks = plugins_hooks(l->plugins),
	};
	l->users = load_local_users(l->conf);
	l->core = core_new(&env, l->conf, l->pool, l->users, clock_now());
	if (!l->core)
		log_sink_write(LOG_CRITICAL, 0, 0, "cannot start: out of memory");
	return l->core != NULL;
}

/* Pools are announced, and for the whole life of the process the addresses that L2TP has. */
static bool start_bgp(struct loop *l)
{
	struct ip_prefix p;
	nsec now = clock_now();

	l->bgp = bgp_io_new(&heap, &l->counters, l->epoll, (uint64_t)EVENT_BGP << EVENT_SHIFT, now);
	if (!l->bgp)
		return false;
	for (unsigned i = 0; ippool_range(l->pool, i, &p); i++)
		bgp_io_network(l->bgp, true, &p);
	for (unsigned i = 0; i < l->conf->n_bind; i++) {
		p = (struct ip_prefix){l->conf->bind[i], 32};
		if (ip_addr_is_set(&p.addr))
			bgp_io_route(l->bgp, true, &p);
	}
	bgp_io_conf(l->bgp, l->conf, now);
	for (; l->n_places < l->conf->n_bind; l->n_places++)
		l->places[l->n_places].ip = l->conf->bind[l->n_places];
	announce_places(l, true);
	return true;
}

static int64_t nsctl_wall_clock(void *ctx)
{
	return env_wall_clock(ctx);
}

static void start_nsctl(struct loop *l)
{
	const struct nsctl_env env = {
		.ctx = l,
		.conf = cli_conf,
		.plugins = l->plugins,
		.counters = &l->counters,
		.random = env_random,
		.wall_clock_s = nsctl_wall_clock,
		.log = log_sink_write,
	};
	const struct sock_addr at = {.ip = l->conf->nsctl_bind_address,
				     .port = (uint16_t)l->conf->nsctl_port};

	l->nsctl = nsctl_new(&env);
	if (at.port == 0 || !l->nsctl)
		return;
	l->nsctl_fd = nsctl_io_open(&at);
	if (!watch(l, l->nsctl_fd, EVENT_NSCTL))
		log_sink_printf(LOG_ERROR, "no commands of nsctl: port %u: %s", l->conf->nsctl_port,
				strerror(errno));
}

static bool start(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!watch(l, l->signals, EVENT_SIGNAL) || !start_dataplane(l) ||
	    !watch(l, dp_control_fd(l->dp), EVENT_WORKERS))
		return false;
	l->netlink = netlink_new(dp_tun_ifindex(l->dp), &l->counters);
	if (!l->netlink || !watch(l, netlink_fd(l->netlink), EVENT_NETLINK)) {
		log_sink_printf(LOG_CRITICAL, "cannot start: netlink: %s", strerror(errno));
		return false;
	}
	if (!netlink_clear(l->netlink))
		log_sink_printf(LOG_ERROR, "stale routes stay: netlink: %s", strerror(errno));
	load_pool(l);
	if (!start_bgp(l))
		return false;
	l->radius = radius_io_new(&heap, l->epoll, (uint64_t)EVENT_RADIUS << EVENT_SHIFT,
				  (uint16_t)l->conf->radius_bind_min,
				  (uint16_t)l->conf->radius_bind_max);
	l->requests = request_queue_new();
	if (!l->radius || !l->requests || !watch(l, request_fd(l->requests), EVENT_REQUEST))
		return false;
	start_journal(l);
	if (!start_plugins(l) || !start_core(l))
		return false;
	plugins_conf(l->plugins, l->conf);
	if (!dae_io_open(&l->dae, l->epoll, (uint64_t)EVENT_DAE << EVENT_SHIFT,
			 (uint16_t)l->conf->radius_dae_port))
		log_sink_printf(LOG_ERROR, "no Disconnect and CoA requests: port %u: %s",
				l->conf->radius_dae_port, strerror(errno));
	start_tap(l);
	start_nsctl(l);
	start_cli(l);
	return true;
}

static void stop(struct loop *l)
{
	if (l->requests)
		request_shutdown(l->requests);
	if (l->cli)
		cli_server_stop(l->cli);
	tap_io_free(l->tap);
	if (l->bgp)
		bgp_io_leave(l->bgp, l->phase == PHASE_LEAVE);
	plugins_leave(l->plugins);
	core_free(l->core);
	if (l->journal)
		journal_close(l->journal);
	journal_free(l->journal);
	journal_io_close(l->journal_io);
	usage_io_free(l->usage);
	plugins_free(l->plugins);
	bgp_io_free(l->bgp);
	radius_io_free(l->radius);
	dae_io_close(&l->dae);
	nsctl_free(l->nsctl);
	if (l->nsctl_fd >= 0)
		close(l->nsctl_fd);
	request_queue_free(l->requests);
	ippool_free(l->pool);
	local_users_free(l->users);
	if (l->netlink)
		netlink_clear(l->netlink);
	netlink_free(l->netlink);
	if (l->dp)
		dp_stop(l->dp);
	conf_free(l->conf);
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->signals >= 0)
		close(l->signals);
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

	bool started = start(l);
	if (started) {
		heap_grow();
		serve(l);
	}
	bool well = started && !l->failed;
	stop(l);
	rcu_thread_stop();
	free(l);
	return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
