#include "dataplane/session_shard_priv.h"

#include "base/crypto.h"

enum { TCP_IP_HEADERS = 40, CDN_ADMINISTRATIVE = 3 };

struct ppp_io session_io(struct session_shard *s, nsec now)
{
	ppp_actions_clear(&s->out);
	return (struct ppp_io){.conf = &s->conf->ppp,
			       .now = now,
			       .random = s->env.random,
			       .random_ctx = s->env.ctx,
			       .out = &s->out};
}

/* ---- the forwarding record ----------------------------------------------------------------- */

static uint16_t inner_mtu(const struct session *x)
{
	return x->mtu && x->mtu < x->link.peer_mru ? x->mtu : x->link.peer_mru;
}

static uint16_t clamp_mss(const struct session_shard *s, uint16_t mtu)
{
	uint16_t mss = s->conf->dp.mss;
	uint16_t most = (uint16_t)(mtu - TCP_IP_HEADERS);

	return mss > most ? most : mss; /* 0 = off stays off */
}

static uint32_t record_flags(const struct ppp_link *l)
{
	uint32_t flags = 0;

	if (ppp_link_is_up(l))
		flags |= DP_IP4;
	if (l->peer_pfc)
		flags |= DP_TX_PFC;
	if (l->peer_acfc)
		flags |= DP_TX_ACFC;
	return flags;
}

bool session_policy(struct session_shard *s, struct session *x, const struct sess_policy *p,
		    nsec now)
{
	bool needed = dp_service_is_needed(p);

	if (needed && !x->service)
		x->service = dp_service_new(s->env.services, x->key, x->slot);
	if (needed && !x->service)
		return false;
	if (x->service && !dp_service_set(s->env.services, x->service, p, &s->conf->dp, now))
		return false;
	x->served = needed;
	return true;
}

bool session_publish(struct session_shard *s, struct session *x)
{
	uint16_t mtu = inner_mtu(x);
	struct dp_session_spec spec = {
		.key = x->key,
		.path = x->tunnel->path,
		.peer_tid = x->peer_tid,
		.peer_sid = x->peer_sid,
		.flags = record_flags(&x->link),
		.mru = mtu,
		.mss = clamp_mss(s, mtu),
	};

	if (x->tap)
		spec.flags |= DP_TAP;
	if (x->served) {
		spec.flags |= DP_OWNER_ONLY;
		spec.service = x->service;
	}
	/* The headers before what waits may not be right any more, once LCP starts anew. */
	if (x->service && !(spec.flags & (DP_IP4 | DP_IP6)))
		dp_service_clear(s->env.services, x->service);
	if (spec.flags & DP_IP4)
		spec.ip = ip_addr_v4(x->link.ip);
	return dp_publish_own(s->env.tables, s->env.self, x->slot, &spec);
}

/* ---- messages ------------------------------------------------------------------------------- */

void session_hangup(const struct session_shard *s, struct sess_key key,
		    const struct end_reason *why)
{
	struct msg_hangup m = MSG_INIT(MSG_HANGUP, struct msg_hangup);

	m.key = key;
	m.reason = *why;
	if (m.reason.cdn_result == 0) /* the call is still there, so the peer has to be told */
		m.reason.cdn_result = CDN_ADMINISTRATIVE;
	s->env.post(s->env.ctx, key.tid % s->env.n_workers, &m.msg);
}

static uint8_t copy_span(uint8_t *to, size_t room, struct span from)
{
	LNS_ASSERT(from.n <= room);
	if (from.n)
		memcpy(to, from.p, from.n);
	return (uint8_t)from.n;
}

static void ask_auth(struct session_shard *s, const struct session *x,
		     const struct ppp_credentials *c)
{
	struct msg_auth_req m = MSG_INIT(MSG_AUTH_REQ, struct msg_auth_req);

	m.key = x->key;
	m.proto = c->proto;
	m.chap_id = c->id;
	m.reauth = c->reauth;
	m.user_len = copy_span(m.user, sizeof(m.user), c->user);
	m.password_len = copy_span(m.password, sizeof(m.password), c->password);
	m.challenge_len = copy_span(m.challenge, sizeof(m.challenge), c->challenge);
	copy_span(m.response, sizeof(m.response), c->response);
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
	mem_wipe(&m, sizeof(m));
}

static void tell_up(struct session_shard *s, struct session *x)
{
	struct msg_session_up m = MSG_INIT(MSG_SESSION_UP, struct msg_session_up);

	m.key = x->key;
	m.family = 4;
	x->up_told = true;
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

/* ---- actions -------------------------------------------------------------------------------- */

static void send_frames(struct session_shard *s, const struct session *x, nsec now)
{
	const struct ppp_actions *a = &s->out;

	for (unsigned i = 0; i < a->n_frames; i++) {
		session_trace_frame(s, x, true, ppp_actions_frame(a, i), now);
		s->env.send_frame(s->env.ctx, &x->tunnel->path, x->peer_tid, x->peer_sid,
				  a->priority >> i & 1, ppp_actions_frame(a, i));
	}
}

static void start_idle_clock(struct session_shard *s, struct session *x, nsec now)
{
	x->idle_from = now;
	if (!x->up_told)
		tell_up(s, x);
}

/* IPCP came or went. The record must be there before control puts routes to it. */
static void republish(struct session_shard *s, struct session *x, nsec now)
{
	static const struct end_reason no_memory = {.cdn_result = 4, /* RFC 2661: no resources */
						    .cause = TERM_NAS_ERROR,
						    .text = "out of memory"};

	if (!session_publish(s, x))
		session_end(s, x, &no_memory);
	else if (s->out.ip_up)
		start_idle_clock(s, x, now);
}

void session_end(struct session_shard *s, struct session *x, const struct end_reason *why)
{
	if (why != &x->link.end)
		x->link.end = *why;
	dp_unpublish_own(s->env.tables, s->env.self, x->slot);
	if (!x->call_gone)
		session_hangup(s, x->key, &x->link.end);
	s->env.log(s->env.ctx, LOG_CALLS, x->key.tid, x->key.sid, x->link.end.text);
	session_retire(s, x);
}

nsec session_idle_end(const struct session_shard *s, const struct session *x)
{
	if (x->idle_timeout_s == 0 || !ppp_link_is_up(&x->link))
		return NSEC_NEVER;
	const struct dp_counters *c = dp_slot_counters(s->env.tables, x->slot);
	nsec last = {atomic_load_explicit(&c->last_data_ns, memory_order_relaxed)};
	return nsec_add(nsec_max(last, x->idle_from), NSEC_S(x->idle_timeout_s));
}

/* One timer for everything. One that is due earlier than needed is left alone: it only looks. */
static void set_timer(struct session_shard *s, struct session *x)
{
	nsec at = nsec_min(ppp_link_deadline(&x->link), x->expires);

	at = nsec_min(at, session_idle_end(s, x));
	if (wheel_is_armed(&x->timer) && !nsec_before(at, x->timer_at))
		return;
	x->timer_at = at;
	wheel_start(&s->wheel, &x->timer, at);
}

void session_act(struct session_shard *s, struct session *x, nsec now)
{
	const struct ppp_actions *a = &s->out;

	if (a->drop != DROPS)
		counter_drop(s->env.counters, a->drop, 1);
	send_frames(s, x, now);
	if (a->ask_auth) {
		session_trace_user(s, x, a->auth.user);
		ask_auth(s, x, &a->auth);
	}
	if (a->ended)
		session_end(s, x, &x->link.end);
	else if (a->ip_up || a->ip_down)
		republish(s, x, now);
	if (x->tunnel)
		set_timer(s, x);
}
