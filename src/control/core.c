#include "control/core.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/panic.h"
#include "control/core_priv.h"

/* ---- small helpers --------------------------------------------------------------------------- */

void core_log(struct core *c, enum log_level level, const struct core_session *s,
	      const char *format, ...)
{
	char text[CORE_LOG_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->env.log(c->env.ctx, level, s ? s->key.tid : 0, s ? s->key.sid : 0, text);
	core_trace_note(c, s, text);
}

const char *core_user_text(struct span user, char buf[static CORE_USER_TEXT])
{
	size_t n = 0;

	while (user.n > 0 && n < CORE_USER_TEXT - 1) {
		uint8_t b = span_u8(&user);
		buf[n++] = b >= 0x20 && b < 0x7F ? (char)b : '?';
	}
	buf[n] = '\0';
	return buf;
}

unsigned core_worker_of(const struct core *c, const struct core_session *s)
{
	return s->key.sid % c->env.n_workers;
}

struct end_reason core_reason(uint16_t cdn_result, uint16_t cdn_error, enum term_cause cause,
			      const char *text)
{
	struct end_reason r = {
		.cdn_result = cdn_result, .cdn_error = cdn_error, .cause = (uint8_t)cause};
	snprintf(r.text, sizeof(r.text), "%s", text);
	return r;
}

void core_session_end(struct core *c, struct core_session *s, const struct end_reason *why,
		      nsec now)
{
	if (s->dying)
		return;
	core_hook_kill(c, s);
	s->dying = true;
	if (s->asked) {
		rad_client_cancel(c->radius, s->asked, now);
		s->asked = NULL;
	}
	struct msg_drop_session m = MSG_INIT(MSG_DROP_SESSION, struct msg_drop_session);
	m.key = s->key;
	m.reason = *why;
	c->env.post(c->env.ctx, core_worker_of(c, s), &m.msg);
}

/* ---- messages from workers ------------------------------------------------------------------- */

static void stale(struct core *c)
{
	counter_add(c->env.counters, C_STALE_MESSAGES, 1);
}

static void on_session_new(struct core *c, const struct msg_session_new *m, nsec now)
{
	if (core_session_get(c, m->key)) {
		stale(c);
		return;
	}
	if (!core_session_new(c, m, now))
		core_log(c, LOG_ERROR, NULL, "no memory for session %u/%u: its logins are refused",
			 m->key.tid, m->key.sid);
}

/* A session that control has no record of (it had no memory) is told so, not left waiting. */
static void refuse_unknown(struct core *c, const struct msg_auth_req *m)
{
	struct msg_auth_reply r = MSG_INIT(MSG_AUTH_REPLY, struct msg_auth_reply);

	stale(c);
	r.key = m->key;
	r.reason = core_reason(2, 4, TERM_NAS_ERROR, "no record of this session");
	c->env.post(c->env.ctx, m->key.sid % c->env.n_workers, &r.msg);
}

static void ask(struct core *c, struct core_session *s, const struct msg_auth_req *m, nsec now)
{
	core_trace_named(c, s->key, span_of(m->user, m->user_len));
	aaa_request(c, s, m, now);
}

static void on_auth_req(struct core *c, const struct msg_auth_req *m, nsec now)
{
	struct core_session *s = core_session_get(c, m->key);

	if (!s)
		refuse_unknown(c, m);
	else if (s->dying)
		stale(c);
	else
		ask(c, s, m, now);
}

static void on_session_up(struct core *c, const struct msg_session_up *m, nsec now)
{
	struct core_session *s = core_session_get(c, m->key);

	if (!s || s->dying || !s->authenticated) {
		stale(c);
		return;
	}
	if (!s->up) {
		s->up = true;
		c->n_up++;
	}
	if (!core_routes_up(c, s)) {
		struct end_reason why = core_reason(2, 4, TERM_NAS_ERROR, "no memory for routes");
		core_log(c, LOG_ERROR, s, "no memory for routes");
		core_session_end(c, s, &why, now);
		return;
	}
	acct_up(c, s, now);
}

static void on_session_gone(struct core *c, const struct msg_session_gone *m, nsec now)
{
	struct core_session *s = core_session_get(c, m->key);

	if (!s) {
		stale(c);
		return;
	}
	core_trace_note(c, s, m->reason.text);
	acct_gone(c, s, m, now);
	if (s->up)
		c->n_up--;
	core_session_free(c, s, now);
}

/* The struct that each kind of message is; 0: control takes no such message. */
static size_t message_size(uint16_t kind)
{
	switch (kind) {
	case MSG_TUNNEL_STATE:
		return sizeof(struct msg_tunnel_state);
	case MSG_TUNNEL_INFO:
		return sizeof(struct msg_tunnel_info);
	case MSG_SESSION_NEW:
		return sizeof(struct msg_session_new);
	case MSG_AUTH_REQ:
		return sizeof(struct msg_auth_req);
	case MSG_SESSION_UP:
		return sizeof(struct msg_session_up);
	case MSG_SESSION_GONE:
		return sizeof(struct msg_session_gone);
	case MSG_SESSION_INFO:
		return sizeof(struct msg_session_info);
	case MSG_SESSION_PONG:
		return sizeof(struct msg_session_pong);
	default:
		return 0;
	}
}

void core_msg(struct core *c, unsigned from_worker, const struct msg *m, nsec now)
{
	LNS_ASSERT(from_worker < c->env.n_workers);
	c->now = now;
	if (m->kind == MSG_TRACE) {
		core_trace_msg(c, (const void *)m);
		return;
	}
	LNS_ASSERT(message_size(m->kind) != 0 && m->len == message_size(m->kind));

	const void *body = m;
	switch (m->kind) {
	case MSG_TUNNEL_STATE:
		core_tunnel_msg(c, body, now);
		break;
	case MSG_TUNNEL_INFO:
		core_query_tunnel_info(c, body);
		break;
	case MSG_SESSION_NEW:
		on_session_new(c, body, now);
		break;
	case MSG_AUTH_REQ:
		on_auth_req(c, body, now);
		break;
	case MSG_SESSION_UP:
		on_session_up(c, body, now);
		break;
	case MSG_SESSION_GONE:
		on_session_gone(c, body, now);
		break;
	case MSG_SESSION_INFO:
		core_query_session_info(c, body);
		break;
	case MSG_SESSION_PONG:
		core_query_pong(c, body);
		break;
	default:
		LNS_UNREACHABLE();
	}
}

/* ---- RADIUS ---------------------------------------------------------------------------------- */

static void on_answer(struct core *c, const struct rad_answer *a, nsec now)
{
	if (a->kind == RAD_AUTH)
		aaa_radius_answer(c, a, now);
	else
		acct_answer(c, a, now);
}

void core_radius_rx(struct core *c, unsigned sock, const struct sock_addr *from, struct span data,
		    nsec now)
{
	struct rad_answer a;

	c->now = now;
	if (rad_client_rx(c->radius, sock, from, data, now, &a))
		on_answer(c, &a, now);
}

static void env_random(void *ctx, void *out, size_t n)
{
	struct core *c = ctx;
	c->env.random(c->env.ctx, out, n);
}

static void env_radius_send(void *ctx, unsigned sock, const struct sock_addr *to,
			    const struct ip_addr *from, struct span data)
{
	struct core *c = ctx;
	c->env.radius_send(c->env.ctx, sock, to, from, data);
}

static void env_radius_close(void *ctx, unsigned sock)
{
	struct core *c = ctx;
	c->env.radius_close(c->env.ctx, sock);
}

static void env_radius_log(void *ctx, enum log_level level, const char *text)
{
	struct core *c = ctx;
	c->env.log(c->env.ctx, level, 0, 0, text);
}

static struct rad_client *radius_new(struct core *c, nsec now)
{
	struct rad_client_env env = {
		.alloc = c->env.alloc,
		.counters = c->env.counters,
		.ctx = c,
		.random = env_random,
		.send = env_radius_send,
		.close = env_radius_close,
		.log = env_radius_log,
	};
	struct rad_client_conf conf;

	aaa_radius_conf(c, &conf);
	struct rad_client *r = rad_client_new(&env, &conf, now);
	mem_wipe(&conf, sizeof(conf));
	return r;
}

/* ---- orders ---------------------------------------------------------------------------------- */

bool core_drop_session(struct core *c, struct sess_key key, const struct end_reason *why, nsec now)
{
	struct core_session *s = core_session_get(c, key);
	if (!s)
		return false;
	core_session_end(c, s, why, now);
	return true;
}

unsigned core_drop_user(struct core *c, struct span user, const struct end_reason *why, nsec now)
{
	struct core_user *u = core_user_get(c, user);
	struct list_head *it;
	unsigned n = 0;

	if (!u)
		return 0;
	c->walks++;
	list_each (it, &u->sessions) {
		struct core_session *s = container_of(it, struct core_session, of_user);
		n += !s->dying;
		core_session_end(c, s, why, now);
	}
	c->walks--;
	return n;
}

bool core_drop_tunnel(struct core *c, uint16_t tid, nsec now)
{
	(void)now;
	if (!c->tunnels[tid] || c->tunnels[tid]->state == TUNNEL_FREE)
		return false;
	struct msg_drop_tunnel m = MSG_INIT(MSG_DROP_TUNNEL, struct msg_drop_tunnel);
	m.tid = tid;
	m.result = 6; /* requester is being shut down: RFC 2661 4.4.2 */
	snprintf(m.text, sizeof(m.text), "dropped by the operator");
	c->env.post(c->env.ctx, tid % c->env.n_workers, &m.msg);
	return true;
}

void core_shutdown(struct core *c, nsec now)
{
	(void)now;
	struct msg_shutdown m = MSG_INIT(MSG_SHUTDOWN, struct msg_shutdown);

	for (unsigned w = 0; w < c->env.n_workers; w++)
		c->env.post(c->env.ctx, w, &m.msg);
	c->closing = true;
}

void core_leave(struct core *c, nsec now)
{
	c->accounting_ends = c->accounting;
	acct_end_turn(c, now);
}

/* ---- life ------------------------------------------------------------------------------------ */

static const struct sess_key nobody = {.gen = 1}; /* session ids are never 0 */

static void take_one(struct core *c, const struct ip_addr *ip, nsec now)
{
	if (ip_addr_is_set(ip))
		ippool_claim(c->pool, ip, span_str("(this server)"), nobody, now);
}

static void leave_one(struct core *c, const struct ip_addr *ip, nsec now)
{
	if (ip_addr_is_set(ip))
		ippool_give_back(c->pool, ip, nobody, now);
}

static void each_own(struct core *c, void (*act)(struct core *c, const struct ip_addr *, nsec now),
		     nsec now)
{
	if (!c->pool)
		return;
	act(c, &c->conf->tun_address, now);
	act(c, &c->conf->peer_address, now);
	for (unsigned i = 0; i < c->conf->n_bind; i++)
		act(c, &c->conf->bind[i], now);
}

/* A pool may cover our own addresses; no subscriber may have them. */
static void take_own_addresses(struct core *c, nsec now)
{
	each_own(c, take_one, now);
}

void core_pool_leave(struct core *c, nsec now)
{
	each_own(c, leave_one, now);
}

void core_pool_join(struct core *c, nsec now)
{
	struct list_head *it;

	take_own_addresses(c, now);
	list_each (it, &c->sessions) {
		struct core_session *s = container_of(it, struct core_session, by_age);
		if (s->ip_owned && !s->ip_claimed)
			s->ip_claimed =
				ippool_claim(c->pool, &s->ip, core_session_user(s), s->key, now);
	}
}

struct core *core_new(const struct core_env *env, const struct conf *conf, struct ippool *pool,
		      const struct local_users *users, nsec now)
{
	LNS_ASSERT(env->n_workers > 0 && env->n_workers <= LNS_WORKERS_MAX);

	struct core *c = alloc_get(env->alloc, sizeof(*c));
	if (!c)
		return NULL;
	c->env = *env;
	c->conf = conf;
	c->pool = pool;
	c->users = users;
	hmap_init(&c->sessions_by_key, env->alloc);
	hmap_init(&c->sessions_by_ip, env->alloc);
	hmap_init(&c->sessions_by_id, env->alloc);
	hmap_init(&c->users_by_name, env->alloc);
	hmap_init(&c->prefixes, env->alloc);
	hmap_init(&c->queries, env->alloc);
	list_init(&c->sessions);
	list_init(&c->queries_by_age);
	wheel_init(&c->wheel, now);
	env->random(env->ctx, &c->hash_seed, sizeof(c->hash_seed));
	/* A process that ends and begins within a second must not give an Acct-Session-Id twice. */
	env->random(env->ctx, &c->unique_id, sizeof(c->unique_id));
	aaa_radius_terms(c);
	c->radius = radius_new(c, now);
	if (!c->radius) {
		alloc_put(env->alloc, c, sizeof(*c));
		return NULL;
	}
	core_dae_conf(c);
	acct_usage_init(c, now);
	acct_late_init(c);
	acct_service(c, now);
	take_own_addresses(c, now);
	return c;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	acct_usage_free(c);
	struct list_head *it, *after;
	list_each_safe (it, after, &c->sessions)
		core_session_free(c, container_of(it, struct core_session, by_age), NSEC_ZERO);
	core_tunnels_free(c);
	core_queries_free(c);
	core_traces_free(c);
	acct_late_free(c);
	rad_client_free(c->radius);
	hmap_fini(&c->sessions_by_key);
	hmap_fini(&c->sessions_by_ip);
	hmap_fini(&c->sessions_by_id);
	hmap_fini(&c->users_by_name);
	hmap_fini(&c->prefixes);
	hmap_fini(&c->queries);
	const struct alloc *a = c->env.alloc;
	mem_wipe(c, sizeof(*c)); /* secrets */
	alloc_put(a, c, sizeof(*c));
}

void core_conf(struct core *c, const struct conf *conf, const struct local_users *users, nsec now)
{
	struct rad_client_conf radius;

	core_pool_leave(c, now);
	c->conf = conf;
	c->users = users;
	aaa_radius_terms(c);
	aaa_radius_conf(c, &radius);
	rad_client_conf(c->radius, &radius, now);
	mem_wipe(&radius, sizeof(radius));
	core_dae_conf(c);
	acct_service(c, now);
	take_own_addresses(c, now);
}

nsec core_turn(struct core *c, nsec now)
{
	struct rad_answer a;
	struct wheel_timer *t;

	c->now = now;
	while (rad_client_turn(c->radius, now, &a))
		on_answer(c, &a, now);
	while ((t = wheel_expired(&c->wheel, now)))
		acct_interim_due(c, container_of(t, struct core_session, interim), now);
	acct_late_turn(c, now);
	acct_usage_turn(c, now);
	acct_end_turn(c, now);
	core_queries_turn(c, now);
	dp_routes_turn_own(c->env.routes);
	nsec next = nsec_min(rad_client_next(c->radius), wheel_next(&c->wheel));
	next = nsec_min(next, acct_late_next(c));
	next = nsec_min(next, acct_usage_next(c, now));
	return nsec_min(next, core_queries_next(c));
}

bool core_waits(const struct core *c)
{
	return rad_client_outstanding(c->radius) > 0 || acct_late_waits(c) || c->accounting_ends;
}

bool core_busy(const struct core *c)
{
	return !list_empty(&c->sessions) || core_waits(c);
}

const struct rad_client *core_radius(const struct core *c)
{
	return c->radius;
}

void core_totals(const struct core *c, struct core_totals *out)
{
	*out = (struct core_totals){
		.sessions = hmap_count(&c->sessions_by_key),
		.authenticated = c->n_authenticated,
		.up = c->n_up,
		.tunnels = c->n_tunnels,
		.radius_outstanding = rad_client_outstanding(c->radius),
	};
}
