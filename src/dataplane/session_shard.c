#include "dataplane/session_shard_priv.h"

enum {
	GRACE_POLL_MS = 1,
	CDN_TEMPORARY_RESOURCES = 4, /* RFC 2661 4.4.2 */
	CDN_ADMINISTRATIVE = 3,
};

static const struct end_reason no_room = {
	.cdn_result = CDN_TEMPORARY_RESOURCES, .cause = TERM_NAS_ERROR, .text = "out of memory"};
static const struct end_reason replaced = {
	.cdn_result = 0, .cause = TERM_LOST_CARRIER, .text = "ids given to another call"};
static const struct end_reason session_timeout = {
	.cdn_result = CDN_ADMINISTRATIVE, .cause = TERM_SESSION_TIMEOUT, .text = "Session-Timeout"};
static const struct end_reason idle_timeout = {
	.cdn_result = CDN_ADMINISTRATIVE, .cause = TERM_IDLE_TIMEOUT, .text = "Idle-Timeout"};

/* ---- calls ---------------------------------------------------------------------------------- */

static void tell_new(struct session_shard *s, const struct session *x,
		     const struct msg_call_up *call)
{
	struct msg_session_new m = MSG_INIT(MSG_SESSION_NEW, struct msg_session_new);

	m.key = x->key;
	m.slot = x->slot;
	m.slot_generation = dp_slot_generation(s->env.tables, x->slot);
	m.path = call->path;
	m.peer_tid = call->peer_tid;
	m.peer_sid = call->peer_sid;
	m.serial = call->serial;
	m.tx_speed = call->tx_speed;
	m.rx_speed = call->rx_speed;
	m.calling = call->calling;
	m.called = call->called;
	m.lac_name = call->lac_name;
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

/* The call is gone on the L2TP side; a reason that the link had already stays. */
static void call_is_gone(struct session_shard *s, struct session *x, const struct end_reason *why)
{
	x->call_gone = true;
	session_end(s, x, ppp_link_ending(&x->link) ? &x->link.end : why);
}

static void on_call_up(struct session_shard *s, const struct msg_call_up *call, nsec now)
{
	LNS_ASSERT(call->key.sid % s->env.n_workers == s->env.self);

	struct session *old = session_find(s, call->key.tid, call->key.sid);
	if (old && old->key.gen == call->key.gen)
		return;
	if (old)
		call_is_gone(s, old, &replaced);

	struct session *x = session_new(s, call);
	if (!x) {
		counter_add(s->env.counters, C_SESSION_OVERFLOW, 1);
		session_hangup(s, call->key, &no_room);
		return;
	}
	counter_add(s->env.counters, C_SESSIONS_CREATED, 1);
	tell_new(s, x, call);
	if (!session_publish(s, x)) {
		session_end(s, x, &no_room);
		return;
	}
	struct ppp_io io = session_io(s, now);
	ppp_link_open(&x->link, &io);
	session_act(s, x, now);
	session_early_deliver(s, call->key, now);
}

static void on_call_down(struct session_shard *s, const struct msg_call_down *m)
{
	struct session *x = session_find_key(s, m->key);

	if (x)
		call_is_gone(s, x, &m->reason);
}

static void on_tunnel_gone(struct session_shard *s, const struct msg_tunnel_gone *m)
{
	struct shard_tunnel *t = shard_tunnel_find(s, m->tid);
	struct list_head *it;

	/* The last session takes the tunnel with it. */
	for (bool last = t == NULL; !last;) {
		it = list_first(&t->sessions);
		last = it->next == &t->sessions;
		call_is_gone(s, container_of(it, struct session, in_tunnel), &m->reason);
	}
}

static void on_tunnel_moved(struct session_shard *s, const struct msg_tunnel_moved *m)
{
	struct shard_tunnel *t = shard_tunnel_find(s, m->tid);
	struct list_head *it;

	if (!t)
		return;
	t->path = m->path;
	list_each (it, &t->sessions) {
		/* Without memory the old record stays; the next change of the link repairs it. */
		if (!session_publish(s, container_of(it, struct session, in_tunnel)))
			counter_drop(s->env.counters, DROP_NO_MEMORY, 1);
	}
}

/* ---- control -------------------------------------------------------------------------------- */

static void keep_limits(struct session *x, const struct aaa_profile *p, nsec now)
{
	x->mtu = p->mtu >= PPP_MRU_MIN ? p->mtu : 0;
	x->idle_timeout_s = p->idle_timeout_s;
	if (p->session_timeout_s)
		x->expires = nsec_add(now, NSEC_S(p->session_timeout_s));
}

static void on_auth_reply(struct session_shard *s, const struct msg_auth_reply *m, nsec now)
{
	struct session *x = session_find_key(s, m->key);
	if (!x)
		return;
	if (m->accept && x->link.aaa_pending && !x->link.granted) {
		keep_limits(x, &m->profile, now);
		if (!session_policy(s, x, &m->profile.policy, now)) {
			session_end(s, x, &no_room);
			return;
		}
	}
	struct ppp_io io = session_io(s, now);
	ppp_link_auth_reply(&x->link, &io, m->accept, &m->reason, &m->profile);
	session_act(s, x, now);
}

static void close_link(struct session_shard *s, struct session *x, const struct end_reason *why,
		       nsec now)
{
	struct ppp_io io = session_io(s, now);

	ppp_link_close(&x->link, &io, why);
	session_act(s, x, now);
}

static void on_drop_session(struct session_shard *s, const struct msg_drop_session *m, nsec now)
{
	struct session *x = session_find_key(s, m->key);

	if (x)
		close_link(s, x, &m->reason, now);
}

/* Without memory the old record stays: nothing is copied, or it is and nobody takes it. */
static void change_tap(struct session_shard *s, struct session *x, bool on)
{
	x->tap = on;
	if (!session_publish(s, x))
		counter_drop(s->env.counters, DROP_NO_MEMORY, 1);
}

/* Without memory all stays as it was. */
static void change_policy(struct session_shard *s, struct session *x, const struct sess_policy *p,
			  nsec now)
{
	if (!session_policy(s, x, p, now) || !session_publish(s, x))
		counter_drop(s->env.counters, DROP_NO_MEMORY, 1);
}

static void on_session_change(struct session_shard *s, const struct msg_session_change *m, nsec now)
{
	struct session *x = session_find_key(s, m->key);

	if (!x)
		return;
	if (m->has_session_timeout)
		x->expires =
			m->session_left_s ? nsec_add(now, NSEC_S(m->session_left_s)) : NSEC_NEVER;
	if (m->has_idle_timeout) {
		x->idle_timeout_s = m->idle_timeout_s;
		x->idle_from = now;
	}
	if (m->has_tap)
		change_tap(s, x, m->tap);
	if (m->has_trace)
		x->trace = m->trace ? SESSION_TRACE_YES : SESSION_TRACE_NO;
	if (m->has_policy)
		change_policy(s, x, &m->policy, now);
	(void)session_io(s, now); /* no step of the link: only the timer is set */
	session_act(s, x, now);
}

static void on_session_query(struct session_shard *s, const struct msg_session_query *q)
{
	struct msg_session_info m = MSG_INIT(MSG_SESSION_INFO, struct msg_session_info);
	const struct session *x = session_find(s, q->key.tid, q->key.sid);

	m.key = q->key;
	m.cookie = q->cookie;
	m.found = x && sess_key_equal(x->key, q->key);
	if (m.found) {
		m.phase = x->link.phase;
		m.lcp = x->link.lcp.state;
		m.ipcp = x->link.ipcp.state;
		m.mru = x->link.mru;
		m.peer_mru = x->link.peer_mru;
		m.auth = x->link.auth;
	}
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

static void pong(struct session_shard *s, const struct msg_session_ping *p, bool sent, nsec sent_at,
		 nsec now)
{
	struct msg_session_pong m = MSG_INIT(MSG_SESSION_PONG, struct msg_session_pong);

	m.key = p->key;
	m.cookie = p->cookie;
	m.sent = m.answered = sent;
	if (sent)
		m.rtt_ns = (uint64_t)nsec_sub(now, sent_at);
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

/* Of several at a time only the last one is answered. */
static void on_session_ping(struct session_shard *s, const struct msg_session_ping *p, nsec now)
{
	struct session *x = session_find(s, p->key.tid, p->key.sid);
	struct ppp_io io = session_io(s, now);

	if (!x || !sess_key_equal(x->key, p->key) || !ppp_link_echo(&x->link, &io)) {
		pong(s, p, false, now, now);
		return;
	}
	x->ping = p->cookie;
	session_act(s, x, now);
}

/* The peer's answer to our last echo. */
static void on_echoed(struct session_shard *s, struct session *x, nsec now)
{
	const struct msg_session_ping p = {.key = x->key, .cookie = x->ping};

	if (!x->ping)
		return;
	x->ping = 0;
	pong(s, &p, true, x->link.echo_sent, now);
}

/* ---- time ----------------------------------------------------------------------------------- */

static nsec last_frame(const struct session_shard *s, const struct session *x)
{
	const struct dp_counters *c = dp_slot_counters(s->env.tables, x->slot);

	return (nsec){atomic_load_explicit(&c->last_up_ns, memory_order_relaxed)};
}

static void session_timer(struct session_shard *s, struct session *x, nsec now)
{
	if (nsec_reached(x->expires, now)) {
		x->expires = NSEC_NEVER;
		close_link(s, x, &session_timeout, now);
		return;
	}
	if (nsec_reached(session_idle_end(s, x), now)) {
		close_link(s, x, &idle_timeout, now);
		return;
	}
	struct ppp_io io = session_io(s, now);
	ppp_link_timer(&x->link, &io, last_frame(s, x));
	session_act(s, x, now);
}

static void tell_gone(struct session_shard *s, const struct session *x)
{
	struct msg_session_gone m = MSG_INIT(MSG_SESSION_GONE, struct msg_session_gone);

	m.key = x->key;
	m.slot = x->slot;
	m.reason = x->link.end;
	dp_counters_read(dp_slot_counters(s->env.tables, x->slot), &m.counters);
	s->env.post(s->env.ctx, MSG_TO_CONTROL, &m.msg);
}

/* Sessions that no reader can see any more: their counters are final. */
static void bury(struct session_shard *s)
{
	struct list_head *it;

	while ((it = list_first(&s->grace)) != NULL) {
		struct session *x = container_of(it, struct session, in_tunnel);
		if (!dp_slot_gone_own(s->env.tables, s->env.self, x->slot))
			return;
		tell_gone(s, x);
		dp_slot_free_own(s->env.tables, s->env.self, x->slot);
		counter_add(s->env.counters, C_SESSIONS_CLOSED, 1);
		session_free(s, x);
	}
}

/* ---- entry points --------------------------------------------------------------------------- */

nsec session_shard_turn(struct session_shard *s, nsec now)
{
	struct wheel_timer *t;

	while ((t = wheel_expired(&s->wheel, now)) != NULL)
		session_timer(s, container_of(t, struct session, timer), now);
	bury(s);
	nsec next = wheel_next(&s->wheel);
	return list_empty(&s->grace) ? next : nsec_min(next, nsec_add(now, NSEC_MS(GRACE_POLL_MS)));
}

void session_shard_frame(struct session_shard *s, uint16_t tid, uint16_t sid, struct span frame,
			 nsec now)
{
	struct session *x = session_find(s, tid, sid);

	if (!x) {
		counter_drop(s->env.counters, DROP_NO_SESSION, 1);
		return;
	}
	session_trace_frame(s, x, false, frame, now);
	struct ppp_io io = session_io(s, now);
	ppp_link_rx(&x->link, &io, frame);
	if (s->out.echoed)
		on_echoed(s, x, now);
	session_act(s, x, now);
}

/* The body of a message of the kind that was checked. */
#define BODY(type) ((const type *)(const void *)m)

void session_shard_msg(struct session_shard *s, const struct msg *m, nsec now)
{
	switch (m->kind) {
	case MSG_CALL_UP:
		on_call_up(s, BODY(struct msg_call_up), now);
		break;
	case MSG_CALL_DOWN:
		on_call_down(s, BODY(struct msg_call_down));
		break;
	case MSG_TUNNEL_GONE:
		on_tunnel_gone(s, BODY(struct msg_tunnel_gone));
		break;
	case MSG_TUNNEL_MOVED:
		on_tunnel_moved(s, BODY(struct msg_tunnel_moved));
		break;
	case MSG_AUTH_REPLY:
		on_auth_reply(s, BODY(struct msg_auth_reply), now);
		break;
	case MSG_DROP_SESSION:
		on_drop_session(s, BODY(struct msg_drop_session), now);
		break;
	case MSG_SESSION_CHANGE:
		on_session_change(s, BODY(struct msg_session_change), now);
		break;
	case MSG_SESSION_QUERY:
		on_session_query(s, BODY(struct msg_session_query));
		break;
	case MSG_SESSION_PING:
		on_session_ping(s, BODY(struct msg_session_ping), now);
		break;
	default:
		LNS_UNREACHABLE(); /* the worker routes by kind */
	}
}

void session_shard_conf(struct session_shard *s, const struct shard_conf *conf)
{
	s->conf = conf;
}

unsigned session_shard_count(const struct session_shard *s)
{
	return hmap_count(&s->by_id) + s->n_grace;
}

struct session_shard *session_shard_new(const struct shard_env *env, const struct shard_conf *conf,
					nsec now)
{
	struct session_shard *s = alloc_get(env->alloc, sizeof(*s));

	if (!s)
		return NULL;
	s->env = *env;
	s->conf = conf;
	wheel_init(&s->wheel, now);
	hmap_init(&s->by_id, env->alloc);
	hmap_init(&s->tunnels, env->alloc);
	list_init(&s->grace);
	return s;
}

/* The forwarding tables end with the process, so records are not taken back one by one. */
void session_shard_free(struct session_shard *s)
{
	struct list_head *it;

	if (!s)
		return;
	session_retire_all(s);
	while ((it = list_first(&s->grace)) != NULL)
		session_free(s, container_of(it, struct session, in_tunnel));
	hmap_fini(&s->by_id);
	hmap_fini(&s->tunnels);
	alloc_put(s->env.alloc, s, sizeof(*s));
}
