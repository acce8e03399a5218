#include "dataplane/dp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/rcu.h"
#include "dataplane/dp_acl.h"
#include "dataplane/steer.h"
#include "dataplane/steer_tun.h"
#include "dataplane/tun.h"
#include "dataplane/worker.h"

enum { TURN_MS = 100, TURN_WAITING_MS = 1 };

enum steering {
	STEER_NONE,    /* one worker */
	STEER_SESSION, /* the BPF program; no GRO, since merging ignores session ids */
	STEER_ADDRESS, /* the kernel's hash over addresses and ports; GRO */
	STEER_FAILED,  /* wanted the program, could not have it: wrong owners hand over */
};

struct dp {
	struct worker_common common; /* first: workers know only this part */
	struct worker *workers;
	uint8_t *taps; /* memory of the workers' taps */
	struct tun tun;
	enum io_backend backend;
	struct io_features features;
	enum steering steering;
	struct steer_tun *steer_tun; /* NULL: the kernel's table of flows */
	uint64_t steer_refused;
	struct express_set express;
	uint64_t express_left_out;
	bool napi;
	int tun_fds[LNS_WORKERS_MAX]; /* of all queues */
	uint64_t conf_number;
	unsigned running; /* threads */
	bool draining;	  /* control is awake and takes messages */
	nsec metered;
	struct worker_meter meters[LNS_WORKERS_MAX];
	struct counters waits; /* of control's sending side; not shown */
};

static void say(const struct dp *dp, enum log_level level, const char *what, const char *why)
{
	char line[LOG_LINE_MAX];

	snprintf(line, sizeof(line), "%s%s%s", what, why ? ": " : "", why ? why : "");
	dp->common.log(dp->common.log_ctx, level, 0, 0, line);
}

/* ---- configuration --------------------------------------------------------------------------- */

bool dp_set_conf(struct dp *dp, const struct shard_conf *conf)
{
	struct worker_conf *c = alloc_get(dp->common.alloc, sizeof(*c));

	if (!c)
		return false;
	c->shard = *conf;
	c->number = ++dp->conf_number;
	c->older = rcu_get(&dp->common.conf);
	rcu_set(&dp->common.conf, c);
	for (unsigned i = 0; i < dp->running; i++)
		mail_kick(dp->common.mail, i);
	return true;
}

static bool all_use(const struct dp *dp, uint64_t number)
{
	for (unsigned i = 0; i < dp->running; i++)
		if (atomic_load_explicit(&dp->workers[i].conf_number, memory_order_acquire) <
		    number)
			return false;
	return true;
}

static void conf_free(struct dp *dp, struct worker_conf *c)
{
	for (struct worker_conf *older; c; c = older) {
		older = c->older;
		dp_acls_free((struct dp_acls *)(uintptr_t)c->shard.dp.acls);
		alloc_put(dp->common.alloc, c, sizeof(*c));
	}
}

/* ---- starting -------------------------------------------------------------------------------- */

/* "auto" is by address: merged datagrams then belong to one worker, and a socket with UDP_GRO took
 * 2.3 times the packets of one without (1,400 bytes, 8 peers, two workers on two CPUs). One peer is
 * then received by one worker; "session" spreads it, without merging. */
static enum steering choose_steering(const char *name, unsigned n_workers)
{
	if (n_workers == 1)
		return STEER_NONE;
	return strcmp(name, "session") == 0 ? STEER_SESSION : STEER_ADDRESS;
}

static bool open_tun(struct dp *dp, const struct dp_start_conf *c, char *why, size_t why_n)
{
	struct tun_conf t = {
		.name = c->tun_name,
		.n_queues = c->n_workers,
		.features = io_backend_features(dp->backend),
		.napi = dp->napi,
		.mtu = c->tun_mtu,
		.queue_len = c->tun_queue,
		.n_addrs = c->n_tun_addrs,
		.addrs = c->tun_addrs,
	};

	dp->features = t.features;
	return tun_open(&dp->tun, &t, why, why_n);
}

/* Threads pay where the kernel does most of the work; a kernel or a container may refuse them. */
static bool open_tun_any(struct dp *dp, const struct dp_start_conf *c, char *why, size_t why_n)
{
	bool must = strcmp(c->tun_napi, "yes") == 0;

	dp->napi = must ||
		   (strcmp(c->tun_napi, "auto") == 0 && io_backend_features(dp->backend).tun_vnet);
	if (open_tun(dp, c, why, why_n))
		return true;
	if (!dp->napi || must)
		return false;
	dp->napi = false;
	return open_tun(dp, c, why, why_n);
}

/* In a container, say, where the kernel's threads are not to be seen; before Linux 6.12. */
static void tell_of_threads(const struct dp *dp)
{
	if (dp->napi && !dp->tun.threads_behind)
		say(dp, LOG_WARN, "cannot schedule the TUN device's threads as batch work",
		    "packets from subscribers cost more CPU");
}

/* With "auto" each plainer way is tried after the one before was refused. */
static bool choose_backend(struct dp *dp, const struct dp_start_conf *c)
{
	char why[LOG_LINE_MAX / 2] = "unknown";
	bool automatic;

	if (!io_backend_parse(c->io_backend, &dp->backend, &automatic)) {
		say(dp, LOG_CRITICAL, "no such io_backend", c->io_backend);
		return false;
	}
	while (!open_tun_any(dp, c, why, sizeof(why))) {
		if (!automatic || dp->backend + 1 == IO_BACKENDS) {
			say(dp, LOG_CRITICAL, "cannot open the TUN device", why);
			return false;
		}
		dp->backend++;
	}
	tell_of_threads(dp);
	return true;
}

static enum dp_spread_mode spread_mode(const struct dp *dp)
{
	switch (dp->steering) {
	case STEER_NONE:
		return DP_SPREAD_NONE;
	case STEER_SESSION:
		return DP_SPREAD_SESSIONS;
	default:
		return DP_SPREAD_LOAD;
	}
}

/* ---- packets from the core --------------------------------------------------------------------
 */

static void steer_route(struct dp *dp, const struct ip_prefix *p, struct dp_route_value v)
{
	if (v.slot == DP_SLOT_NONE)
		steer_tun_clear(dp->steer_tun, p);
	else
		steer_tun_set(dp->steer_tun, p, dp_slot_owner(dp->common.tables, v.slot));
}

static void route_changed(void *ctx, const struct ip_prefix *p, struct dp_route_value v)
{
	struct dp *dp = ctx;

	if (dp->steer_tun)
		steer_route(dp, p, v);
	if (dp->express.hosts)
		express_set_route(&dp->express, p, v.slot != DP_SLOT_NONE && !v.by_kernel);
}

/* Without it all works, but a flow from the core may change its worker once. */
static bool steer_queues(struct dp *dp, const struct dp_start_conf *c)
{
	bool must = strcmp(c->tun_steering, "map") == 0;

	if (c->n_workers == 1 || strcmp(c->tun_steering, "flow") == 0)
		return true;
	dp->steer_tun = steer_tun_open(c->alloc);
	if (dp->steer_tun && steer_tun_attach(dp->steer_tun, dp->tun.fds[0]))
		return true;
	say(dp, must ? LOG_CRITICAL : LOG_WARN, "no eBPF steering of the TUN device",
	    strerror(errno));
	steer_tun_close(dp->steer_tun);
	dp->steer_tun = NULL;
	return !must;
}

static void steer_turn(struct dp *dp)
{
	if (!dp->steer_tun)
		return;
	steer_tun_flush(dp->steer_tun);
	if (!dp->steer_refused && steer_tun_refused(dp->steer_tun))
		say(dp, LOG_WARN, "the map of the TUN device's steering is full",
		    "further sessions go by a hash");
	dp->steer_refused = steer_tun_refused(dp->steer_tun);
}

static void express_turn(struct dp *dp)
{
	uint64_t left_out = dp->express.hosts ? express_hosts_left_out(dp->express.hosts) : 0;
	const char *gone;

	while ((gone = express_set_gone(&dp->express)) != NULL)
		say(dp, LOG_WARN, "an interface of express_interfaces is gone", gone);
	if (!dp->express_left_out && left_out)
		say(dp, LOG_WARN, "subscribers in too many networks for express_interfaces",
		    "packets to some take the kernel's way");
	dp->express_left_out = left_out;
}

static bool open_queues(struct dp *dp)
{
	while (dp->tun.n) {
		unsigned i = dp->tun.n - 1;
		struct worker *w = &dp->workers[i];
		w->tun = io_tun_open(dp->common.alloc, &w->counters, dp->tun.fds[i], dp->features);
		if (!w->tun)
			return false;
		dp->tun_fds[i] = dp->tun.fds[i];
		/* A thread works later than we write: moving a flow to another worker must not move
		 * it to another thread. */
		if (dp->napi && dp->common.n_workers > 1)
			io_tun_outputs(w->tun, dp->tun_fds, dp->common.n_workers);
		dp->tun.n--; /* the descriptor is the queue's now */
		worker_rx_init(w, dp->features);
	}
	return true;
}

static struct sock_addr local_addr(const struct dp_start_conf *c, unsigned local)
{
	struct sock_addr a = c->locals[local];

	if (a.port == 0)
		a.port = DP_L2TP_PORT;
	return a;
}

static bool no_socket(const struct dp *dp, const struct sock_addr *at)
{
	int error = errno;
	char text[SOCK_ADDR_TEXT], line[SOCK_ADDR_TEXT + 64];

	snprintf(line, sizeof(line), "cannot open the L2TP socket %s", sock_addr_text(at, text));
	say(dp, LOG_CRITICAL, line, strerror(error));
	return false;
}

static bool open_socket(struct dp *dp, const struct dp_start_conf *c, unsigned worker,
			unsigned local)
{
	struct worker *w = &dp->workers[worker];
	struct io_udp_conf u = {
		.alloc = c->alloc,
		.counters = &w->counters,
		.bind = local_addr(c, local),
		.local = (uint8_t)local,
		.buffer = c->socket_bytes,
		.gro = dp->features.udp_offload && dp->steering != STEER_SESSION,
		.gso = dp->features.udp_offload,
	};

	w->udp[local] = io_udp_open(&u);
	return w->udp[local] || no_socket(dp, &u.bind);
}

static bool addresses_are_free(const struct dp *dp, const struct dp_start_conf *c)
{
	for (unsigned local = 0; local < c->n_locals; local++) {
		struct sock_addr a = local_addr(c, local);
		if (!io_udp_is_free(&a))
			return no_socket(dp, &a);
	}
	return true;
}

/* The program's result is an index in the order of bind(): all sockets of one address, worker by
 * worker, before the next address. */
static bool open_sockets(struct dp *dp, const struct dp_start_conf *c)
{
	for (unsigned local = 0; local < c->n_locals; local++) {
		for (unsigned i = 0; i < c->n_workers; i++)
			if (!open_socket(dp, c, i, local))
				return false;
		if (dp->steering == STEER_SESSION &&
		    !steer_attach(io_udp_fd(dp->workers[0].udp[local]), c->n_workers)) {
			say(dp, LOG_WARN, "no steering by session id, workers hand packets over",
			    strerror(errno));
			dp->steering = STEER_FAILED;
		}
	}
	return true;
}

static size_t taps_bytes(const struct dp *dp)
{
	return (size_t)dp->common.n_workers * DP_TAP_RING;
}

/* Pages are touched when the first session is watched. */
static bool make_taps(struct dp *dp, unsigned n)
{
	void *memory = mmap(NULL, taps_bytes(dp), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	dp->taps = memory;
	for (unsigned i = 0; i < n; i++)
		dp_tap_init(&dp->workers[i].tap, dp->taps + (size_t)i * DP_TAP_RING);
	return true;
}

static bool make_workers(struct dp *dp, const struct dp_start_conf *c)
{
	size_t bytes = c->n_workers * sizeof(*dp->workers);

	dp->workers = aligned_alloc(64, bytes);
	if (!dp->workers)
		return false;
	memset(dp->workers, 0, bytes);
	for (unsigned i = 0; i < c->n_workers; i++) {
		dp->workers[i].common = &dp->common;
		dp->workers[i].self = i;
		dp->workers[i].epoll_fd = -1;
		dp->workers[i].cpu = c->n_cpus ? c->cpus[i % c->n_cpus] : -1;
	}
	dp->common.workers = dp->workers;
	return make_taps(dp, c->n_workers);
}

static bool make_tables(struct dp *dp, const struct dp_start_conf *c)
{
	dp->common.tables = dp_tables_new(c->alloc, c->n_workers);
	dp->common.routes = dp_routes_new(c->alloc);
	dp->common.mail = mail_new(c->alloc, c->n_workers);
	dp->common.lanes = lanes_new(c->alloc, c->n_workers);
	return dp->common.tables && dp->common.routes && dp->common.mail && dp->common.lanes &&
	       dp_set_conf(dp, c->shard) && make_workers(dp, c);
}

static void bind_to_cpu(const struct dp *dp, const struct worker *w)
{
	char what[64];

	if (w->cpu < 0 || worker_bind(w))
		return;
	snprintf(what, sizeof(what), "cannot bind worker %u to CPU %d", w->self, w->cpu);
	say(dp, LOG_WARN, what, strerror(errno));
}

static bool start_workers(struct dp *dp)
{
	for (unsigned i = 0; i < dp->common.n_workers; i++) {
		worker_spread_init(&dp->workers[i], spread_mode(dp));
		if (!worker_init(&dp->workers[i])) {
			say(dp, LOG_CRITICAL, "cannot set up a worker", strerror(errno));
			return false;
		}
	}
	for (; dp->running < dp->common.n_workers; dp->running++) {
		struct worker *w = &dp->workers[dp->running];
		if (!worker_start(w)) {
			say(dp, LOG_CRITICAL, "cannot start a worker", strerror(errno));
			return false;
		}
		bind_to_cpu(dp, w);
	}
	return true;
}

static bool start(struct dp *dp, const struct dp_start_conf *c)
{
	dp->steering = choose_steering(c->steering, c->n_workers);
	if (!make_tables(dp, c)) {
		say(dp, LOG_CRITICAL, "out of memory for workers", NULL);
		return false;
	}
	if (!addresses_are_free(dp, c) || !choose_backend(dp, c) || !steer_queues(dp, c) ||
	    !open_queues(dp) || !open_sockets(dp, c))
		return false;
	worker_open_express(&dp->common, &dp->express, c->express, c->n_express, c->tun_mtu);
	if (dp->steer_tun || dp->express.hosts)
		dp_routes_watch_own(dp->common.routes, route_changed, dp);
	return start_workers(dp);
}

struct dp *dp_start(const struct dp_start_conf *c)
{
	LNS_ASSERT(c->n_workers >= 1 && c->n_workers <= LNS_WORKERS_MAX);
	LNS_ASSERT(c->n_locals >= 1 && c->n_locals <= DP_LOCALS_MAX);
	struct dp *dp = aligned_alloc(64, (sizeof(*dp) + 63) / 64 * 64);

	if (!dp)
		return NULL;
	memset(dp, 0, sizeof(*dp));
	dp->common.alloc = c->alloc;
	dp->common.n_workers = c->n_workers;
	dp->common.n_locals = c->n_locals;
	dp->common.log = c->log;
	dp->common.log_ctx = c->log_ctx;
	dp->common.tun = &dp->tun;
	if (start(dp, c)) {
		/* Workers may have written while control did not sleep yet: it looks once. */
		mail_kick(dp->common.mail, mail_control(dp->common.mail));
		return dp;
	}
	dp_stop(dp);
	return NULL;
}

void dp_stop(struct dp *dp)
{
	atomic_store_explicit(&dp->common.stopping, true, memory_order_release);
	for (unsigned i = 0; i < dp->running; i++)
		mail_kick(dp->common.mail, i);
	while (dp->running)
		worker_join(&dp->workers[--dp->running]);
	express_set_close(&dp->express);
	for (unsigned i = 0; dp->workers && i < dp->common.n_workers; i++)
		worker_fini(&dp->workers[i]);
	tun_close(&dp->tun);
	steer_tun_close(dp->steer_tun);
	lanes_free(dp->common.lanes);
	mail_free(dp->common.mail);
	dp_routes_free(dp->common.routes);
	dp_tables_free(dp->common.tables);
	conf_free(dp, rcu_get(&dp->common.conf));
	if (dp->taps)
		munmap(dp->taps, taps_bytes(dp));
	free(dp->workers);
	free(dp);
}

/* ---- messages -------------------------------------------------------------------------------- */

void dp_post(struct dp *dp, unsigned w, const struct msg *m)
{
	struct mail *mail = dp->common.mail;

	LNS_ASSERT(w < dp->common.n_workers);
	mail_send(mail, mail_control(mail), w, m, span_of(NULL, 0), &dp->waits);
	mail_flush(mail, mail_control(mail));
}

void dp_set_hooks(struct dp *dp, const struct dp_hooks *hooks)
{
	rcu_set(&dp->common.hooks, hooks);
	rcu_wait();
}

int dp_control_fd(const struct dp *dp)
{
	return mail_fd(dp->common.mail, mail_control(dp->common.mail));
}

const struct msg *dp_control_next(struct dp *dp, unsigned *worker)
{
	struct mail *mail = dp->common.mail;
	unsigned self = mail_control(mail);
	const struct msg *m;

	if (!dp->draining)
		mail_awake(mail, self);
	dp->draining = true;
	do {
		m = mail_next(mail, self, worker);
		if (m)
			return m;
	} while (!mail_sleep(mail, self));
	dp->draining = false;
	return NULL;
}

static void meter(struct dp *dp, nsec now)
{
	if (nsec_sub(now, dp->metered) < NSEC_S(1))
		return;
	dp->metered = now;
	for (unsigned i = 0; i < dp->common.n_workers; i++) {
		const struct worker *w = &dp->workers[i];
		struct worker_meter *m = &dp->meters[i];
		worker_meter_sample(m, &w->counters,
				    atomic_load_explicit(&w->busy_ns, memory_order_relaxed), now);
		m->view.number = i;
		m->view.cpu = w->cpu;
		m->view.sessions = atomic_load_explicit(&w->n_sessions, memory_order_relaxed);
		m->view.tunnels = atomic_load_explicit(&w->n_tunnels, memory_order_relaxed);
	}
}

const struct worker_view *dp_worker_view(const struct dp *dp, unsigned w)
{
	LNS_ASSERT(w < dp->common.n_workers);
	return &dp->meters[w].view;
}

nsec dp_turn(struct dp *dp, nsec now)
{
	meter(dp, now);
	steer_turn(dp);
	express_turn(dp);
	struct worker_conf *c = rcu_get(&dp->common.conf);

	if (c->older && all_use(dp, c->number)) {
		conf_free(dp, c->older);
		c->older = NULL;
	}
	dp_routes_turn_own(dp->common.routes);
	bool waiting = mail_flush(dp->common.mail, mail_control(dp->common.mail)) != 0;
	return nsec_add(now, NSEC_MS(waiting ? TURN_WAITING_MS : TURN_MS));
}

/* ---- what control may know ------------------------------------------------------------------- */

struct dp_tables *dp_tables(struct dp *dp)
{
	return dp->common.tables;
}
struct dp_routes *dp_routes(struct dp *dp)
{
	return dp->common.routes;
}
const struct counters *dp_counters(const struct dp *dp, unsigned w)
{
	LNS_ASSERT(w < dp->common.n_workers);
	return &dp->workers[w].counters;
}
struct dp_tap *dp_tap_of(struct dp *dp, unsigned w)
{
	LNS_ASSERT(w < dp->common.n_workers);
	return &dp->workers[w].tap;
}

unsigned dp_n_workers(const struct dp *dp)
{
	return dp->common.n_workers;
}

bool dp_busy(struct dp *dp)
{
	const struct mail *mail = dp->common.mail;
	bool busy = mail_waiting(mail, mail_control(mail)) != 0;

	for (unsigned i = 0; i < dp->common.n_workers; i++)
		busy |= atomic_load_explicit(&dp->workers[i].busy, memory_order_relaxed);
	for (unsigned i = 0; i <= dp->common.n_workers; i++)
		busy |= !mail_is_empty(mail, i);
	return busy;
}

const char *dp_backend_name(const struct dp *dp)
{
	return io_backend_name(dp->backend);
}

const char *dp_steering_name(const struct dp *dp)
{
	static const char *const names[] = {
		[STEER_NONE] = "none",
		[STEER_SESSION] = "session",
		[STEER_ADDRESS] = "address",
		[STEER_FAILED] = "hand-over",
	};

	return names[dp->steering];
}

const char *dp_tun_steering_name(const struct dp *dp)
{
	if (dp->steering == STEER_NONE)
		return "none";
	return dp->steer_tun ? "map" : "flow";
}

void dp_places_changed(struct dp *dp)
{
	if (dp->express.hosts && !express_set_places(&dp->express))
		say(dp, LOG_ERROR, "express_interfaces: cannot read this machine's addresses",
		    strerror(errno));
}

const char *dp_express_names(const struct dp *dp)
{
	return dp->express.names;
}

bool dp_tun_has_napi(const struct dp *dp)
{
	return dp->napi;
}

unsigned dp_tun_ifindex(const struct dp *dp)
{
	return dp->tun.ifindex;
}

const char *dp_describe(const struct dp *dp, char *buf, size_t n)
{
	snprintf(buf, n, "%u worker%s, I/O %s, steering %s and %s, %s", dp->common.n_workers,
		 dp->common.n_workers == 1 ? "" : "s", dp_backend_name(dp), dp_steering_name(dp),
		 dp_tun_steering_name(dp), dp->tun.name);
	return buf;
}
