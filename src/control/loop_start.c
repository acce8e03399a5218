#include "control/loop_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/panic.h"
#include "control/conf_cpus.h"
#include "control/log_sink.h"

/* ---- the world, lent to the brains --------------------------------------------------------- */

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
	nsec now = loop_now();
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

/* ---- start and stop ------------------------------------------------------------------------ */

static bool watch(struct loop *l, int fd, enum event what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)what << EVENT_SHIFT};
	return fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
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
		.n_express = c->n_express,
		.socket_bytes = c->socket_buffer * 1024u,
		.tun_queue = c->tun_queue,
		.shard = &shard,
		.log = env_log,
		.log_ctx = l,
	};
	for (unsigned i = 0; i < c->n_bind; i++)
		start.locals[i] = (struct sock_addr){c->bind[i], (uint16_t)c->l2tp_port};
	for (unsigned i = 0; i < c->n_express; i++)
		start.express[i] = c->express[i];
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
	loop_workers_apply(l); /* the access lists */
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
	return loop_now();
}

/* They are loaded when there is a core to ask. */
static bool start_plugins(struct loop *l)
{
	const struct plugins_env env = {
		.dir = l->conf->plugin_dir,
		.ctx = l,
		.core = plugins_core,
		.conf = loop_conf,
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
		.wall_clock_s = loop_wall_clock,
		.crypt_check = password_crypt_check,
		.journal = l->journal,
		.usage = env_usage,
		.hooks = plugins_hooks(l->plugins),
	};
	l->users = loop_subscribers_load(l->conf);
	l->core = core_new(&env, l->conf, l->pool, l->users, loop_now());
	if (!l->core)
		log_sink_write(LOG_CRITICAL, 0, 0, "cannot start: out of memory");
	return l->core != NULL;
}

/* Pools are announced, and for the whole life of the process the addresses that L2TP has. */
static bool start_bgp(struct loop *l)
{
	struct ip_prefix p;
	nsec now = loop_now();

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
	loop_places_announce(l, true);
	return true;
}

static int64_t nsctl_wall_clock(void *ctx)
{
	return loop_wall_clock(ctx);
}

static void start_nsctl(struct loop *l)
{
	const struct nsctl_env env = {
		.ctx = l,
		.conf = loop_conf,
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

bool loop_start(struct loop *l)
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
	dp_places_changed(l->dp); /* from here on changes are told */
	if (!netlink_clear(l->netlink))
		log_sink_printf(LOG_ERROR, "stale routes stay: netlink: %s", strerror(errno));
	loop_pool_load(l);
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
	loop_tap_start(l);
	start_nsctl(l);
	loop_cli_start(l);
	return true;
}

void loop_stop(struct loop *l)
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
