#include "control/core_priv.h"

#include "base/panic.h"

/* ---- copies ---------------------------------------------------------------------------------- */

static void text_view(struct msg_text *to, const struct bstr *from)
{
	struct span s = bstr_span(from);

	to->n = (uint8_t)(s.n < sizeof(to->s) ? s.n : sizeof(to->s));
	span_bytes(&s, to->s, to->n);
}

static void counters_view(struct core *c, const struct core_session *s, nsec now,
			  struct session_view *out)
{
	if (s->slot == DP_SLOT_NONE)
		return;
	const struct dp_counters *n = dp_slot_counters(c->env.tables, s->slot);

	out->counters = acct_counters(c, s);
	nsec last = {atomic_load_explicit(&n->last_up_ns, memory_order_relaxed)};
	out->idle_s = nsec_age_s(nsec_max(last, s->opened), now);
}

static void session_view(struct core *c, const struct core_session *s, nsec now,
			 struct session_view *out)
{
	struct span user = core_session_user(s);
	const struct core_tunnel *t = c->tunnels[s->key.tid];

	*out = (struct session_view){
		.key = s->key,
		.slot = s->slot,
		.worker = core_worker_of(c, s),
		.authenticated = s->authenticated,
		.up = s->up,
		.dying = s->dying,
		.ip = s->ip,
		.ip_from_pool = s->ip_from_pool,
		.path = s->path,
		.peer_tid = s->peer_tid,
		.peer_sid = s->peer_sid,
		.tx_speed = s->tx_speed,
		.rx_speed = s->rx_speed,
		.unique_id = s->unique_id,
		.opened_s = nsec_age_s(s->opened, now),
		.session_timeout_s = s->session_timeout_s,
		.idle_timeout_s = s->idle_timeout_s,
		.n_routes = s->n_routes,
		.dns = {s->dns[0], s->dns[1]},
	};
	if (t && t->state != TUNNEL_FREE)
		out->path = t->path; /* it may have moved since the call came up */
	out->user_len = (uint8_t)(user.n < LNS_USER_MAX ? user.n : (size_t)LNS_USER_MAX);
	span_bytes(&user, out->user, out->user_len);
	for (unsigned i = 0; i < s->n_routes; i++)
		out->routes[i] = s->routes[i].prefix;
	text_view(&out->calling, s->calling);
	text_view(&out->called, s->called);
	text_view(&out->lac_name, t ? t->host_name : NULL);
	out->policy = core_policy_seen(c, s);
	counters_view(c, s, now, out);
}

static void tunnel_view(const struct core_tunnel *t, nsec now, struct tunnel_view *out)
{
	*out = (struct tunnel_view){
		.tid = t->tid,
		.peer_tid = t->peer_tid,
		.state = t->state,
		.path = t->path,
		.peer_window = t->peer_window,
		.sessions = t->sessions,
		.age_s = nsec_age_s(t->opened, now),
	};
	text_view(&out->host_name, t->host_name);
	text_view(&out->vendor, t->vendor);
}

/* ---- walks ----------------------------------------------------------------------------------- */

static struct core_session *next_of(const struct core *c, const struct core_session *s,
				    bool of_user)
{
	if (of_user) {
		struct list_head *next = s->of_user.next;
		return next == &s->user->sessions
			       ? NULL
			       : container_of(next, struct core_session, of_user);
	}
	struct list_head *next = s->by_age.next;
	return next == &c->sessions ? NULL : container_of(next, struct core_session, by_age);
}

static struct core_session *first_of(struct list_head *head, bool of_user)
{
	struct list_head *first = list_first(head);
	if (!first)
		return NULL;
	return of_user ? container_of(first, struct core_session, of_user)
		       : container_of(first, struct core_session, by_age);
}

void core_memos_skip(struct core *c, const struct core_session *s, bool of_user)
{
	for (unsigned i = 0; i < CORE_MEMOS; i++) {
		struct core_memo *m = &c->memos[i];
		if (m->resume == s && m->of_user == of_user)
			m->resume = next_of(c, s, of_user);
	}
}

static struct core_memo *memo_find(struct core *c, uint64_t serial, bool of_user)
{
	for (unsigned i = 0; i < CORE_MEMOS; i++) {
		if (c->memos[i].serial == serial && c->memos[i].of_user == of_user)
			return &c->memos[i];
	}
	return NULL;
}

/* A walk whose memo was given to another one: it looks for its place, which takes long. */
static struct core_session *search(const struct core *c, struct list_head *head, uint64_t serial,
				   bool of_user)
{
	struct core_session *s = first_of(head, of_user);

	while (s && s->serial <= serial)
		s = next_of(c, s, of_user);
	return s;
}

/*
 * The session behind the one that the walk returned last. Each walk has a memo of where it goes on,
 * kept right while sessions leave; lists are in the order of serials except that a session may be
 * given its name late, which can only make a walk by user miss or repeat that session.
 */
static struct core_session *walk(struct core *c, struct list_head *head, uint64_t *cursor,
				 bool of_user)
{
	struct core_memo *m = *cursor ? memo_find(c, *cursor, of_user) : NULL;
	struct core_session *s;

	if (*cursor == 0)
		s = first_of(head, of_user);
	else
		s = m ? m->resume : search(c, head, *cursor, of_user);
	if (!s) {
		if (m)
			*m = (struct core_memo){0};
		return NULL;
	}
	if (!m) {
		m = &c->memos[c->next_memo];
		c->next_memo = (c->next_memo + 1) % CORE_MEMOS;
	}
	*m = (struct core_memo){
		.serial = s->serial, .of_user = of_user, .resume = next_of(c, s, of_user)};
	*cursor = s->serial;
	return s;
}

bool core_session_next(struct core *c, uint64_t *cursor, nsec now, struct session_view *out)
{
	struct core_session *s = walk(c, &c->sessions, cursor, false);
	if (!s)
		return false;
	session_view(c, s, now, out);
	return true;
}

bool core_session_by_user(struct core *c, struct span user, uint64_t *cursor, nsec now,
			  struct session_view *out)
{
	struct core_user *u = core_user_get(c, user);
	struct core_session *s = u ? walk(c, &u->sessions, cursor, true) : NULL;
	if (!s)
		return false;
	session_view(c, s, now, out);
	return true;
}

bool core_session_find(struct core *c, uint16_t tid, uint16_t sid, nsec now,
		       struct session_view *out)
{
	struct core_session *s = core_session_get_any(c, tid, sid);
	if (!s)
		return false;
	session_view(c, s, now, out);
	return true;
}

bool core_session_of_key(struct core *c, struct sess_key key, nsec now, struct session_view *out)
{
	struct core_session *s = core_session_get(c, key);
	if (!s)
		return false;
	session_view(c, s, now, out);
	return true;
}

bool core_session_by_ip(struct core *c, const struct ip_addr *ip, nsec now,
			struct session_view *out)
{
	struct core_session *s = core_session_at(c, ip);
	if (!s)
		return false;
	session_view(c, s, now, out);
	return true;
}

bool core_tunnel_next(struct core *c, uint32_t *cursor, nsec now, struct tunnel_view *out)
{
	for (uint32_t tid = *cursor; tid < CORE_TIDS; tid++) {
		const struct core_tunnel *t = c->tunnels[tid];
		if (!t || t->state == TUNNEL_FREE)
			continue;
		tunnel_view(t, now, out);
		*cursor = tid + 1;
		return true;
	}
	*cursor = CORE_TIDS;
	return false;
}

bool core_tunnel_find(struct core *c, uint16_t tid, nsec now, struct tunnel_view *out)
{
	const struct core_tunnel *t = c->tunnels[tid];
	if (!t || t->state == TUNNEL_FREE)
		return false;
	tunnel_view(t, now, out);
	return true;
}
