#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rcu.h"
#include "control/conf_parse.h"
#include "control/core.h"
#include "control/ippool.h"
#include "control/local_users.h"
#include "dataplane/dp_service.h"
#include "dataplane/dp_up.h"
#include "dataplane/session_shard.h"
#include "dataplane/tunnel_shard.h"
#include "test_alloc.h"
#include "test_random.h"
#include "text.h"

enum { START_S = 1000, WALL_CLOCK = 1700000000, MESSAGES_MAX = 100000 };

struct worker {
	struct world *world;
	unsigned index;
	struct shard_env env;
	struct counters counters;
	struct tunnel_shard *tunnels;
	struct session_shard *sessions;
	struct dp_services *services;
	nsec next_tunnels, next_sessions;
};

enum { PLACES = 64 }; /* of packets that wait in shapers */

struct letter {
	struct letter *next;
	unsigned from, to;
	_Alignas(8) uint8_t body[];
};

struct world {
	struct world_out out;
	struct test_alloc alloc;
	struct test_random random;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct ippool *pool;
	struct local_users *users;
	struct conf *conf;
	struct shard_conf shard_conf;
	struct core_env core_env;
	struct core *core;
	struct counters core_counters;
	struct letter *first, **last;
	nsec now, next_core;
	bool misdirect;
	unsigned n_workers;
	struct worker workers[LNS_WORKERS_MAX];
};

/* ---- what shards and core are lent ---------------------------------------------------------- */

static void post(struct world *w, unsigned from, unsigned to, const struct msg *m)
{
	struct letter *l = malloc(sizeof(*l) + m->len);
	*l = (struct letter){.from = from, .to = to};
	memcpy(l->body, m, m->len);
	*w->last = l;
	w->last = &l->next;
}

static void worker_random(void *ctx, void *out, size_t n)
{
	test_random_fill(&((struct worker *)ctx)->world->random, out, n);
}

static void worker_post(void *ctx, unsigned to, const struct msg *m)
{
	struct worker *self = ctx;
	post(self->world, self->index, to, m);
}

static void worker_send_control(void *ctx, const struct l2tp_path *path, struct span datagram)
{
	struct world *w = ((struct worker *)ctx)->world;
	w->out.control(w->out.ctx, path, datagram);
}

static void worker_send_frame(void *ctx, const struct l2tp_path *path, uint16_t peer_tid,
			      uint16_t peer_sid, bool priority, struct span frame)
{
	struct world *w = ((struct worker *)ctx)->world;
	(void)priority;
	w->out.frame(w->out.ctx, path, peer_tid, peer_sid, frame);
}

static uint32_t worker_sessions_of(void *ctx, unsigned index)
{
	return session_shard_count(((struct worker *)ctx)->world->workers[index].sessions);
}

static void worker_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid,
		       const char *text)
{
	struct world *w = ((struct worker *)ctx)->world;
	(void)level;
	w->out.log(w->out.ctx, tid, sid, text);
}

static void core_random(void *ctx, void *out, size_t n)
{
	test_random_fill(&((struct world *)ctx)->random, out, n);
}

static void core_post(void *ctx, unsigned to, const struct msg *m)
{
	post(ctx, MSG_TO_CONTROL, to, m);
}

static void core_radius_send(void *ctx, unsigned sock, const struct sock_addr *to,
			     const struct ip_addr *from, struct span data)
{
	struct world *w = ctx;
	(void)from;
	w->out.radius(w->out.ctx, sock, to, data);
}

static void core_radius_close(void *ctx, unsigned sock)
{
	(void)ctx;
	(void)sock;
}

static void core_kernel_route(void *ctx, bool add, const struct ip_prefix *p)
{
	struct world *w = ctx;
	w->out.route(w->out.ctx, add, p);
}

static void core_log(void *ctx, enum log_level level, uint16_t tid, uint16_t sid, const char *text)
{
	struct world *w = ctx;
	(void)level;
	w->out.log(w->out.ctx, tid, sid, text);
}

static int64_t core_wall_clock_s(void *ctx)
{
	return WALL_CLOCK + ((struct world *)ctx)->now.ns / NSEC_S(1);
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void deliver(struct world *w, const struct letter *l)
{
	const struct msg *m = (const struct msg *)(const void *)l->body;
	if (l->to == MSG_TO_CONTROL) {
		core_msg(w->core, l->from, m, w->now);
		return;
	}
	struct worker *to = &w->workers[l->to];
	switch (m->kind) {
	case MSG_HANGUP:
	case MSG_TUNNEL_QUERY:
	case MSG_DROP_TUNNEL:
	case MSG_SHUTDOWN:
		tunnel_shard_msg(to->tunnels, m, w->now);
		break;
	default:
		session_shard_msg(to->sessions, m, w->now);
	}
}

static bool deliver_all(struct world *w)
{
	bool any = w->first != NULL;
	for (unsigned n = 0; w->first; n++) {
		struct letter *l = w->first;
		if (n > MESSAGES_MAX)
			replay_fail("messages between threads do not come to an end");
		w->first = l->next;
		if (!w->first)
			w->last = &w->first;
		deliver(w, l);
		free(l);
	}
	return any;
}

static void turn(struct world *w)
{
	for (unsigned i = 0; i < w->n_workers; i++) {
		struct worker *k = &w->workers[i];
		dp_table_turn_own(w->tables, i);
		k->next_tunnels = tunnel_shard_turn(k->tunnels, w->now);
		k->next_sessions = session_shard_turn(k->sessions, w->now);
	}
	w->next_core = core_turn(w->core, w->now);
	dp_routes_turn_own(w->routes);
	rcu_quiescent();
}

/* A session waits for a grace period: shards poll for it once per millisecond. Grace periods take
 * no virtual time. */
static bool wait_for_grace(struct world *w)
{
	for (unsigned i = 0; i < w->n_workers; i++)
		if (w->workers[i].next_sessions.ns <= w->now.ns + NSEC_MS(1)) {
			rcu_drain();
			return true;
		}
	return false;
}

/* All that happens at this moment, until nothing does. */
static void settle(struct world *w)
{
	for (int rounds = 0; rounds < 1000; rounds++) {
		deliver_all(w);
		turn(w);
		if (w->first)
			continue;
		if (!wait_for_grace(w))
			return;
		turn(w);
		if (!w->first)
			return;
	}
	replay_fail("the moment does not come to an end");
}

static nsec next_due(const struct world *w)
{
	nsec next = w->next_core;
	for (unsigned i = 0; i < w->n_workers; i++) {
		next = nsec_min(next, w->workers[i].next_tunnels);
		next = nsec_min(next, w->workers[i].next_sessions);
	}
	return next;
}

bool world_step(struct world *w, nsec until)
{
	nsec next = next_due(w);
	if (nsec_before(until, next)) {
		w->now = until;
		settle(w);
		return false;
	}
	/* Time goes on even when a shard asks for a moment that is over. */
	w->now = nsec_min(until, nsec_max(next, nsec_add(w->now, NSEC_US(100))));
	settle(w);
	return nsec_before(w->now, until);
}

/* ---- packets -------------------------------------------------------------------------------- */

void world_rx(struct world *w, const struct l2tp_path *path, struct span datagram)
{
	/* Exactly as long as it is, so that AddressSanitizer sees a read behind it. */
	uint8_t *bytes = malloc(datagram.n ? datagram.n : 1);
	if (datagram.n)
		memcpy(bytes, datagram.p, datagram.n);
	struct dp_datagram d = {.p = bytes, .n = datagram.n, .path = path};
	struct dp_up_result r;
	/* The kernel steers by (tunnel id or session id) modulo N; with misdirect it does not. */
	unsigned id = datagram.n >= 8 ? (unsigned)bytes[4] << 8 | bytes[5] : 0;
	struct worker *at = &w->workers[(id + w->misdirect) % w->n_workers];
	struct dp_world dp = {.tables = w->tables,
			      .routes = w->routes,
			      .conf = &w->shard_conf.dp,
			      .counters = &at->counters,
			      .services = at->services,
			      .self = at->index,
			      .n_workers = w->n_workers,
			      .now = w->now};
	dp_up(&dp, &d, 1, &r);
	struct span rest = span_of(r.p, r.n);
	unsigned owner = r.verdict == DP_UP_CONTROL && r.tid == 0 ? at->index
			 : r.verdict == DP_UP_CONTROL		  ? r.tid % w->n_workers
								  : r.sid % w->n_workers;
	if (r.verdict == DP_UP_CONTROL)
		tunnel_shard_rx(w->workers[owner].tunnels, path, rest, w->now);
	else if (r.verdict == DP_UP_FRAME)
		session_shard_frame(w->workers[owner].sessions, r.tid, r.sid, rest, w->now);
	else if (r.verdict == DP_UP_EARLY)
		session_shard_early(w->workers[owner].sessions, r.tid, r.sid, path, rest, w->now);
	else if (r.verdict == DP_UP_FORWARD)
		w->out.tun(w->out.ctx, rest);
	free(bytes);
	settle(w);
}

void world_radius(struct world *w, unsigned sock, const struct sock_addr *from, struct span packet)
{
	core_radius_rx(w->core, sock, from, packet, w->now);
	settle(w);
}

/* ---- management ----------------------------------------------------------------------------- */

static const struct end_reason by_admin = {
	.cdn_result = 3, .cause = TERM_ADMIN_RESET, .text = "dropped by the administrator"};

unsigned world_drop_user(struct world *w, const char *user)
{
	unsigned n = core_drop_user(w->core, span_str(user), &by_admin, w->now);
	settle(w);
	return n;
}

bool world_drop_tunnel(struct world *w, uint16_t tid)
{
	bool found = core_drop_tunnel(w->core, tid, w->now);
	settle(w);
	return found;
}

void world_shutdown(struct world *w)
{
	core_shutdown(w->core, w->now);
	settle(w);
}

static bool counter_number(const struct world *w, const char *name, uint64_t *out)
{
	for (unsigned c = 0; c < COUNTERS; c++)
		if (strcmp(counter_name(c), name) == 0) {
			*out = counter_get(&w->core_counters, c);
			for (unsigned i = 0; i < w->n_workers; i++)
				*out += counter_get(&w->workers[i].counters, c);
			return true;
		}
	for (unsigned d = 0; d < DROPS; d++)
		if (strcmp(drop_name(d), name) == 0) {
			*out = counter_drops(&w->core_counters, d);
			for (unsigned i = 0; i < w->n_workers; i++)
				*out += counter_drops(&w->workers[i].counters, d);
			return true;
		}
	return false;
}

bool world_number(const struct world *w, const char *name, uint64_t *out)
{
	struct core_totals totals;
	uint32_t used, all;
	uint64_t shard_sessions = 0, shard_tunnels = 0;

	core_totals(w->core, &totals);
	ippool_totals(w->pool, &used, &all);
	for (unsigned i = 0; i < w->n_workers; i++) {
		shard_sessions += session_shard_count(w->workers[i].sessions);
		shard_tunnels += tunnel_shard_count(w->workers[i].tunnels);
	}
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"sessions", totals.sessions},
		{"up", totals.up},
		{"authenticated", totals.authenticated},
		{"tunnels", totals.tunnels},
		{"pool_used", used},
		{"links", shard_sessions},
		{"channels", shard_tunnels},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0) {
			*out = rows[i].value;
			return true;
		}
	return counter_number(w, name, out);
}

uint16_t world_route(struct world *w, const struct ip_addr *ip)
{
	struct dp_route_value v = dp_route_find4_rcu(w->routes, ip_addr_u32(ip));
	if (v.slot == DP_SLOT_NONE || dp_slot_generation(w->tables, v.slot) != v.generation)
		return 0;
	const struct dp_session *s = dp_session_at_rcu(w->tables, v.slot);
	return s ? s->spec.key.sid : 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void say_conf(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	if (severity == CONF_ERROR)
		replay_fail("configuration line %u: %s", line, reason);
}

/* The next line of *text; false at the end. */
static bool next_line(const char **text, struct span *line)
{
	if (**text == 0)
		return false;
	size_t n = strcspn(*text, "\n");
	*line = span_of(*text, n);
	*text += n + ((*text)[n] != 0);
	return true;
}

static void load_files(struct world *w, const struct world_conf *conf)
{
	struct span line;
	char err[96];
	const char *text = conf->users;

	while (next_line(&text, &line))
		if (!local_users_add_line(w->users, line, err))
			replay_fail("user: %s", err);
	for (text = conf->pool; next_line(&text, &line);) {
		struct ip_prefix p;
		if (!ip_prefix_parse(line, &p) || !ippool_add(w->pool, &p, err))
			replay_fail("pool: not a range");
	}
}

static void no_copy(void *ctx, const struct sock_addr *collector, struct span head,
		    struct span body)
{
	(void)ctx;
	(void)collector;
	(void)head;
	(void)body;
}

static void start_worker(struct world *w, unsigned index)
{
	struct worker *k = &w->workers[index];

	k->world = w;
	k->index = index;
	struct dp_intercept nowhere = {.copy = no_copy};
	k->services = dp_services_new(&w->alloc.alloc, &k->counters, &nowhere, PLACES, w->now);
	k->env = (struct shard_env){.self = index,
				    .n_workers = w->n_workers,
				    .alloc = &w->alloc.alloc,
				    .counters = &k->counters,
				    .tables = w->tables,
				    .services = k->services,
				    .ctx = k,
				    .random = worker_random,
				    .send_control = worker_send_control,
				    .send_frame = worker_send_frame,
				    .post = worker_post,
				    .sessions_of = worker_sessions_of,
				    .log = worker_log};
	k->tunnels = tunnel_shard_new(&k->env, &w->shard_conf, w->now);
	k->sessions = session_shard_new(&k->env, &w->shard_conf, w->now);
}

struct world *world_new(const struct world_conf *conf, const struct world_out *out)
{
	struct world *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	struct conf_report report = {.say = say_conf};

	memset(w, 0, sizeof(*w));
	rcu_thread_start();
	w->out = *out;
	w->n_workers = conf->n_workers;
	w->misdirect = conf->misdirect;
	w->now = (nsec){NSEC_S(START_S)};
	w->last = &w->first;
	w->random.state = 42;
	test_alloc_init(&w->alloc);
	const struct alloc *a = &w->alloc.alloc;
	w->tables = dp_tables_new(a, w->n_workers);
	w->routes = dp_routes_new(a);
	w->pool = ippool_new(a);
	w->users = local_users_new(a);
	load_files(w, conf);
	w->conf = conf_load(a, span_str(conf->text), &report);
	conf_to_shard(w->conf, w->n_workers, &w->shard_conf);
	for (unsigned i = 0; i < w->n_workers; i++)
		start_worker(w, i);
	w->core_env = (struct core_env){.n_workers = w->n_workers,
					.alloc = a,
					.counters = &w->core_counters,
					.tables = w->tables,
					.routes = w->routes,
					.ctx = w,
					.random = core_random,
					.post = core_post,
					.radius_send = core_radius_send,
					.radius_close = core_radius_close,
					.kernel_route = core_kernel_route,
					.log = core_log,
					.wall_clock_s = core_wall_clock_s};
	w->core = core_new(&w->core_env, w->conf, w->pool, w->users, w->now);
	settle(w);
	return w;
}

nsec world_now(const struct world *w)
{
	return w->now;
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->n_workers; i++) {
		tunnel_shard_free(w->workers[i].tunnels);
		session_shard_free(w->workers[i].sessions);
		dp_services_free(w->workers[i].services);
	}
	core_free(w->core);
	local_users_free(w->users);
	ippool_free(w->pool);
	conf_free(w->conf);
	rcu_drain();
	dp_routes_free(w->routes);
	dp_tables_free(w->tables);
	while (w->first) {
		struct letter *l = w->first;
		w->first = l->next;
		free(l);
	}
	rcu_thread_stop();
	if (w->alloc.blocks != 0)
		replay_fail("%zu blocks, %zu bytes are leaked", w->alloc.blocks, w->alloc.held);
	free(w);
}
