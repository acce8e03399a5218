/*
 * Life of a tunnel (RFC 2661 7.2.1): opened by an SCCRQ, open after SCCCN, stopped by StopCCN from
 * either side or by silence, remembered for a retransmission cycle, then forgotten.
 */
#include "dataplane/tunnel_shard_int.h"

/* ---- tables ---- */

struct tunnel *tunnel_find(const struct tunnel_shard *s, uint16_t tid)
{
	uint32_t i = tid / s->env->n_workers;

	return tid % s->env->n_workers == s->env->self && i < s->n_tids ? s->by_tid[i] : NULL;
}

static uint64_t peer_hash(const struct tunnel_shard *s, const struct sock_addr *peer,
			  uint16_t peer_tid)
{
	return sock_addr_hash(peer, s->seed + peer_tid);
}

struct tunnel *tunnel_find_peer(const struct tunnel_shard *s, const struct sock_addr *peer,
				uint16_t peer_tid)
{
	struct hmap_node *n = hmap_first(&s->tunnels_by_peer, peer_hash(s, peer, peer_tid));

	for (; n; n = hmap_next(n)) {
		struct tunnel *t = container_of(n, struct tunnel, by_peer);
		if (t->peer_tid == peer_tid && sock_addr_equal(&t->path.peer, peer))
			return t;
	}
	return NULL;
}

static uint64_t source_hash(const struct tunnel_shard *s, const struct ip_addr *ip)
{
	return hash_bytes(span_of(ip->b, sizeof(ip->b)), s->seed);
}

static struct source *source_find(const struct tunnel_shard *s, const struct ip_addr *ip)
{
	struct hmap_node *n = hmap_first(&s->sources, source_hash(s, ip));

	for (; n; n = hmap_next(n)) {
		struct source *src = container_of(n, struct source, node);
		if (ip_addr_equal(&src->ip, ip))
			return src;
	}
	return NULL;
}

/* Counts one more half-open tunnel of the address; NULL when out of memory. */
static struct source *source_take(struct tunnel_shard *s, const struct ip_addr *ip)
{
	struct source *src = source_find(s, ip);

	if (!src) {
		src = alloc_get(s->env->alloc, sizeof(*src));
		if (!src)
			return NULL;
		src->ip = *ip;
		if (!hmap_insert(&s->sources, &src->node, source_hash(s, ip))) {
			alloc_put(s->env->alloc, src, sizeof(*src));
			return NULL;
		}
	}
	src->half_open++;
	return src;
}

/* The tunnel is no longer half open. */
static void source_put(struct tunnel_shard *s, struct tunnel *t)
{
	struct source *src = t->source;

	if (!src)
		return;
	t->source = NULL;
	list_del(&t->opening);
	s->n_half_open--;
	if (--src->half_open == 0) {
		hmap_remove(&s->sources, &src->node);
		alloc_put(s->env->alloc, src, sizeof(*src));
	}
}

/* ---- beginning and end of the object ---- */

static void busy_set(struct tunnel_shard *s, struct tunnel *t, bool busy)
{
	if (t->busy == busy)
		return;
	t->busy = busy;
	if (busy)
		s->n_busy++;
	else
		s->n_busy--;
}

void tunnel_free(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	uint32_t i = t->tid / s->env->n_workers;

	calls_end(s, t);
	source_put(s, t);
	busy_set(s, t, false);
	wheel_stop(&s->wheel, &t->timer);
	list_del(&t->all);
	list_del(&t->dirty);
	if (t->state == L2TP_TUNNEL_CLOSED) {
		list_del(&t->closed);
		s->n_closed--;
	} else {
		s->n_live--;
	}
	hmap_remove(&s->tunnels_by_peer, &t->by_peer);
	s->by_tid[i] = NULL;
	/* An id that nobody used needs no rest: a flood of SCCRQ and StopCCN must not use them up.
	 */
	if (t->was_open)
		s->tid_rests_until[i] = nsec_age_s(NSEC_ZERO, now) + TUNNEL_REST_S;
	l2tp_chan_fini(&t->chan);
	bstr_free(s->env->alloc, t->host_name);
	bstr_free(s->env->alloc, t->vendor);
	alloc_put(s->env->alloc, t, sizeof(*t));
}

/* All that is left of the tunnel is its memory of what to acknowledge. One that was never open has
 * none: whoever may be anybody costs nothing behind his StopCCN. */
static void tunnel_close(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	struct l2tp_chan_conf conf = shard_chan_conf(s);

	LNS_ASSERT(t->state != L2TP_TUNNEL_CLOSED);
	t->state = L2TP_TUNNEL_CLOSED;
	t->deadline = t->was_open ? nsec_add(now, NSEC_S(l2tp_chan_cycle_s(&conf))) : now;
	source_put(s, t);
	l2tp_chan_drop_all(&t->chan);
	list_add_tail(&s->closed, &t->closed);
	s->n_closed++;
	s->n_live--;
	counter_add(s->env->counters, C_TUNNELS_CLOSED, 1);
	tell_tunnel_state(s, t, TUNNEL_FREE);
}

/* Ends what the tunnel carries and tells who must know. One that was never open counts as half open
 * as long as it is there. */
static void tunnel_end_calls(struct tunnel_shard *s, struct tunnel *t)
{
	if (t->state == L2TP_TUNNEL_ESTABLISHED)
		tell_workers_gone(s, t);
	calls_end(s, t);
}

/* Without a word to the peer: it is dead. */
static void tunnel_vanish(struct tunnel_shard *s, struct tunnel *t, const char *why, nsec now)
{
	if (t->state != L2TP_TUNNEL_STOPPING) {
		l2tp_cause_set(&t->reason, 0, 0, TERM_LOST_SERVICE, why);
		tunnel_end_calls(s, t);
	}
	note(s, LOG_WARN, t->tid, 0, "tunnel given up", why);
	tell_tunnel_state(s, t, TUNNEL_FREE);
	counter_add(s->env->counters, C_TUNNELS_CLOSED, 1);
	tunnel_free(s, t, now);
}

void tunnel_stop(struct tunnel_shard *s, struct tunnel *t, const struct stop *why, nsec now)
{
	if (t->state == L2TP_TUNNEL_STOPPING || t->state == L2TP_TUNNEL_CLOSED)
		return;
	l2tp_cause_set(&t->reason, 0, 0, why->cause, why->text);
	tunnel_end_calls(s, t);
	t->state = L2TP_TUNNEL_STOPPING;
	note(s, LOG_NOTE, t->tid, 0, "tunnel stopped", why->text);
	tell_tunnel_state(s, t, TUNNEL_CLOSING);
	/* Messages about calls have no meaning any more (RFC 2661 5.7). */
	l2tp_chan_drop_unsent(&t->chan);
	if (!send_stopccn(t, why->result, why->error, why->text))
		counter_drop(s->env->counters, DROP_NO_MEMORY, 1);
	tunnel_flush(s, t, now);
	tunnel_settle(s, t, now);
}

void tunnel_settle(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	if (t->state == L2TP_TUNNEL_STOPPING && l2tp_chan_idle(&t->chan))
		tunnel_close(s, t, now);
	tunnel_timer_set(s, t);
}

/* ---- opening ---- */

static void refuse(struct tunnel_shard *s, const struct l2tp_path *to, const struct refusal *r,
		   nsec now)
{
	char peer[SOCK_ADDR_TEXT];

	note(s, LOG_WARN, 0, 0, sock_addr_text(&to->peer, peer), r->text);
	send_refusal(s, to, r, now);
}

/* Whether the SCCRQ itself is acceptable (RFC 2661 7.2.1); fills *r when not. */
static bool sccrq_acceptable(const struct tunnel_shard *s, const struct l2tp_msg *m,
			     struct refusal *r, char text[static FAULT_TEXT])
{
	uint16_t version = l2tp_msg_u16(m, L2TP_AVP_PROTOCOL_VERSION);
	enum l2tp_avp missing = l2tp_msg_missing(m);

	if (version >> 8 != L2TP_VERSION_1_0 >> 8 && version != 0) {
		r->result = L2TP_STOP_VERSION;
		r->error = L2TP_VERSION_1_0;
		r->text = "protocol version not supported";
	} else if (m->fault.error != L2TP_ERR_NONE) {
		r->result = L2TP_STOP_ERROR;
		r->error = m->fault.error;
		r->text = fault_text(m, text);
	} else if (missing != L2TP_AVPS) {
		r->result = L2TP_STOP_ERROR;
		r->error = L2TP_ERR_VENDOR;
		r->text = l2tp_avp_table[missing].text;
	} else if (s->shutdown || s->conf->l2tp.refuse_new) {
		r->result = L2TP_STOP_SHUTDOWN;
		r->text = "shutting down";
	} else if (l2tp_msg_has(m, L2TP_AVP_CHALLENGE) && s->conf->l2tp.secret[0] == '\0') {
		r->result = L2TP_STOP_NOT_AUTHORIZED;
		r->text = "no secret to answer the challenge";
	} else {
		return true;
	}
	return false;
}

/* Half-open tunnels are what a flood leaves behind: silence, so that a repeated SCCRQ of a good
 * peer gets through later. */
static bool source_is_full(const struct tunnel_shard *s, const struct ip_addr *ip)
{
	const struct source *src = source_find(s, ip);

	return src && src->half_open >= s->conf->l2tp.max_half_open_per_source;
}

/* Each costs messages to control: a flood must not make too many. */
static bool may_evict(struct tunnel_shard *s, nsec now)
{
	uint32_t now_s = nsec_age_s(NSEC_ZERO, now);

	if (s->evicted_s != now_s)
		s->n_evicted = 0;
	s->evicted_s = now_s;
	return s->n_evicted++ < OPENING_EVICTED_MAX;
}

/* Addresses are easily forged, an answer to what was sent there is not: the oldest tunnel that
 * still waits for one goes, in silence. False: there is no room. */
static bool opening_evict(struct tunnel_shard *s, nsec now)
{
	while (s->n_half_open >= s->conf->l2tp.max_half_open) {
		struct list_head *at = list_first(&s->opening);
		if (!at || !may_evict(s, now))
			return false;
		struct tunnel *t = container_of(at, struct tunnel, opening);
		counter_add(s->env->counters, C_TUNNEL_OVERFLOW, 1);
		counter_add(s->env->counters, C_TUNNELS_CLOSED, 1);
		tell_tunnel_state(s, t, TUNNEL_FREE);
		tunnel_free(s, t, now);
	}
	return true;
}

/* A closed tunnel is remembered only while there is room. */
static void closed_evict(struct tunnel_shard *s, nsec now)
{
	while (s->n_closed > 0 && s->n_closed >= s->conf->l2tp.max_tunnels) {
		struct list_head *at = list_first(&s->closed);
		tunnel_free(s, container_of(at, struct tunnel, closed), now);
	}
}

static struct tunnel *tunnel_new(struct tunnel_shard *s, const struct l2tp_path *from,
				 uint16_t peer_tid, nsec now)
{
	closed_evict(s, now);
	uint16_t tid = tid_pick(s, now);
	struct tunnel *t = tid ? alloc_get(s->env->alloc, sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	t->path = *from;
	t->tid = tid;
	t->peer_tid = peer_tid;
	t->state = L2TP_TUNNEL_WAIT_CTL_CONN;
	t->timer.kind = TIMER_TUNNEL;
	t->opened = t->last_rx = now;
	t->deadline = nsec_add(now, NSEC_S(TUNNEL_OPENING_S));
	list_init(&t->dirty);
	list_init(&t->closed);
	list_init(&t->opening);
	list_init(&t->calls);
	list_init(&t->resting);
	t->source = source_take(s, &from->peer.ip);
	if (!t->source)
		goto fail;
	if (!hmap_insert(&s->tunnels_by_peer, &t->by_peer, peer_hash(s, &from->peer, peer_tid))) {
		s->n_half_open++; /* source_put counts it down */
		source_put(s, t);
		goto fail;
	}
	s->n_half_open++;
	s->n_live++;
	list_add_tail(&s->all, &t->all);
	list_add_tail(&s->opening, &t->opening);
	s->by_tid[tid / s->env->n_workers] = t;
	l2tp_chan_init(&t->chan, s->env->alloc, s->conf->l2tp.window);
	return t;
fail:
	alloc_put(s->env->alloc, t, sizeof(*t));
	return NULL;
}

static bool opening_possible(struct tunnel_shard *s, const struct l2tp_path *from,
			     const struct l2tp_msg *m, nsec now)
{
	struct refusal r = {.peer_tid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_TUNNEL_ID)};
	char text[FAULT_TEXT];

	if (!sccrq_acceptable(s, m, &r, text)) {
		refuse(s, from, &r, now);
		return false;
	}
	if (s->n_live >= s->conf->l2tp.max_tunnels) {
		counter_add(s->env->counters, C_TUNNEL_OVERFLOW, 1);
		r.result = L2TP_STOP_ERROR;
		r.error = L2TP_ERR_RESOURCES;
		r.text = "too many tunnels";
		refuse(s, from, &r, now);
		return false;
	}
	if (source_is_full(s, &from->peer.ip) || !opening_evict(s, now)) {
		counter_add(s->env->counters, C_TUNNEL_OVERFLOW, 1);
		counter_drop(s->env->counters, DROP_CONTROL_FLOOD, 1);
		return false;
	}
	return true;
}

static uint64_t sccrq_hash(const struct tunnel_shard *s, const struct l2tp_hdr *h)
{
	return hash_bytes(h->body, s->seed);
}

/* As much of a name as we tell others; NULL when out of memory. */
static struct bstr *name_new(struct tunnel_shard *s, struct span name)
{
	if (name.n > LNS_HOSTNAME_MAX)
		name.n = LNS_HOSTNAME_MAX;
	return bstr_new(s->env->alloc, name);
}

bool sccrq_is_repeated(const struct tunnel_shard *s, const struct tunnel *t,
		       const struct l2tp_hdr *h, nsec now)
{
	if (t->state == L2TP_TUNNEL_CLOSED)
		return false;
	if (t->state == L2TP_TUNNEL_WAIT_CTL_CONN)
		return true;
	/* A peer that restarted may well send the same bytes. One that has sent its SCCCN repeats
	 * them no more: only a copy that was slow on its way can still come. */
	return t->sccrq == sccrq_hash(s, h) && nsec_age_s(t->opened, now) < SCCRQ_STRAY_S;
}

void tunnel_open(struct tunnel_shard *s, const struct l2tp_path *from, const struct l2tp_hdr *h,
		 const struct l2tp_msg *m, nsec now)
{
	const struct l2tp_conf *conf = &s->conf->l2tp;

	if (!opening_possible(s, from, m, now))
		return;
	struct tunnel *t = tunnel_new(s, from, l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_TUNNEL_ID), now);
	if (!t) {
		counter_drop(s->env->counters, DROP_NO_MEMORY, 1);
		return;
	}
	t->sccrq = sccrq_hash(s, h);
	t->host_name = name_new(s, m->avp[L2TP_AVP_HOST_NAME]);
	t->vendor = name_new(s, m->avp[L2TP_AVP_VENDOR_NAME]);
	if (l2tp_msg_has(m, L2TP_AVP_RECEIVE_WINDOW_SIZE))
		l2tp_chan_peer_window(&t->chan, l2tp_msg_u16(m, L2TP_AVP_RECEIVE_WINDOW_SIZE));
	t->challenged = conf->require_auth && conf->secret[0] != '\0';
	if (t->challenged)
		s->env->random(s->env->ctx, t->challenge, sizeof(t->challenge));

	l2tp_chan_rx(&t->chan, h, h->body, now);
	counter_add(s->env->counters, C_TUNNELS_CREATED, 1);
	note(s, LOG_NOTE, t->tid, 0, "tunnel opening", t->host_name ? t->host_name->s : "");
	tell_tunnel_state(s, t, TUNNEL_OPENING);
	if (!send_sccrp(s, t, m->avp[L2TP_AVP_CHALLENGE])) {
		tunnel_vanish(s, t, "out of memory", now);
		return;
	}
	tunnel_flush(s, t, now);
	tunnel_settle(s, t, now);
}

/* The peer has the new tunnel under an id that an older one had: the older one is dead there. A
 * StopCCN would reach the new one. */
static void older_vanish(struct tunnel_shard *s, const struct tunnel *t, nsec now)
{
	uint64_t hash = t->by_peer.hash;
	struct hmap_node *n = hmap_first(&s->tunnels_by_peer, hash), *after;

	for (; n; n = after) {
		struct tunnel *old = container_of(n, struct tunnel, by_peer);
		after = hmap_next(n);
		if (old != t && old->peer_tid == t->peer_tid &&
		    sock_addr_equal(&old->path.peer, &t->path.peer)) {
			if (old->state == L2TP_TUNNEL_CLOSED)
				tunnel_free(s, old, now);
			else
				tunnel_vanish(s, old, "peer opened it anew", now);
		}
	}
}

static void tunnel_establish(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m,
			     nsec now)
{
	const struct stop unauthorized = {L2TP_STOP_NOT_AUTHORIZED, 0, TERM_LOST_SERVICE,
					  "challenge response is wrong"};

	if (t->challenged && !l2tp_auth_check(m->avp[L2TP_AVP_CHALLENGE_RESPONSE], L2TP_SCCCN,
					      span_str(s->conf->l2tp.secret),
					      span_of(t->challenge, sizeof(t->challenge)))) {
		tunnel_stop(s, t, &unauthorized, now);
		return;
	}
	t->state = L2TP_TUNNEL_ESTABLISHED;
	t->was_open = true;
	t->opened = now;
	source_put(s, t);
	older_vanish(s, t, now);
	note(s, LOG_NOTE, t->tid, 0, "tunnel open", t->host_name ? t->host_name->s : "");
	tell_tunnel_state(s, t, TUNNEL_OPEN);
}

/* ---- running ---- */

void tunnel_moved(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_path *to)
{
	char peer[SOCK_ADDR_TEXT];

	hmap_remove(&s->tunnels_by_peer, &t->by_peer);
	t->path = *to;
	if (!hmap_insert(&s->tunnels_by_peer, &t->by_peer, peer_hash(s, &to->peer, t->peer_tid)))
		LNS_UNREACHABLE(); /* only the first insertion needs memory */
	note(s, LOG_NOTE, t->tid, 0, "peer moved to", sock_addr_text(&to->peer, peer));
	if (t->state == L2TP_TUNNEL_ESTABLISHED)
		tell_workers_moved(s, t);
	if (t->state == L2TP_TUNNEL_ESTABLISHED || t->state == L2TP_TUNNEL_WAIT_CTL_CONN)
		tell_tunnel_state(
			s, t, t->state == L2TP_TUNNEL_ESTABLISHED ? TUNNEL_OPEN : TUNNEL_OPENING);
}

/* The peer's StopCCN. */
static void tunnel_clean_up(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m,
			    nsec now)
{
	if (t->state != L2TP_TUNNEL_STOPPING) {
		l2tp_cause_of(m, &t->reason);
		tunnel_end_calls(s, t);
		note(s, LOG_NOTE, t->tid, 0, "tunnel stopped by peer", t->reason.text);
		tell_tunnel_state(s, t, TUNNEL_CLOSING);
	}
	tunnel_close(s, t, now);
}

void tunnel_handle(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_hdr *h,
		   const struct l2tp_msg *m, nsec now)
{
	const struct stop fsm = {L2TP_STOP_FSM, 0, TERM_LOST_SERVICE, "message out of sequence"};
	char text[FAULT_TEXT];
	struct stop error = {L2TP_STOP_ERROR, m->fault.error, TERM_LOST_SERVICE, NULL};

	switch (l2tp_tunnel_step(t->state, l2tp_tunnel_event_of(m))) {
	case L2TP_TUNNEL_NOTHING:
		break;
	case L2TP_TUNNEL_ESTABLISH:
		tunnel_establish(s, t, m, now);
		break;
	case L2TP_TUNNEL_CALL:
		call_handle(s, t, h, m, now);
		break;
	case L2TP_TUNNEL_NO_CALL:
		call_refuse_early(s, t, m, now);
		break;
	case L2TP_TUNNEL_CLEAN_UP:
		tunnel_clean_up(s, t, m, now);
		break;
	case L2TP_TUNNEL_STOP_FSM:
		tunnel_stop(s, t, &fsm, now);
		break;
	case L2TP_TUNNEL_STOP_ERROR:
		error.text = error.error ? fault_text(m, text) : "unknown message type";
		if (!error.error)
			error.error = L2TP_ERR_UNKNOWN_AVP; /* RFC 2661 4.4.1 */
		tunnel_stop(s, t, &error, now);
		break;
	}
}

/* ---- time ---- */

static nsec hello_time(const struct tunnel_shard *s, const struct tunnel *t)
{
	uint16_t interval = s->conf->l2tp.hello_interval_s;

	if (t->state != L2TP_TUNNEL_ESTABLISHED || interval == 0 || !l2tp_chan_idle(&t->chan))
		return NSEC_NEVER;
	return nsec_add(t->last_rx, NSEC_S(interval));
}

static nsec state_deadline(const struct tunnel *t)
{
	bool limited = t->state == L2TP_TUNNEL_WAIT_CTL_CONN || t->state == L2TP_TUNNEL_CLOSED;

	return limited ? t->deadline : NSEC_NEVER;
}

void tunnel_timer_set(struct tunnel_shard *s, struct tunnel *t)
{
	nsec when = nsec_min(t->chan.deadline, state_deadline(t));
	struct list_head *oldest = list_first(&t->resting);

	if (oldest)
		when = nsec_min(when, container_of(oldest, struct call, in_tunnel)->rests_until);
	wheel_start(&s->wheel, &t->timer, nsec_min(when, hello_time(s, t)));
	busy_set(s, t, !l2tp_chan_idle(&t->chan));
}

void tunnel_timer(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	const struct stop slow = {L2TP_STOP_CLEAR, 0, TERM_LOST_SERVICE, "no SCCCN"};
	struct l2tp_chan_conf conf = shard_chan_conf(s);

	calls_rested(s, t, now);
	if (l2tp_chan_timer(&t->chan, &conf, now) == L2TP_CHAN_DEAD) {
		counter_add(s->env->counters, C_TUNNEL_TIMEOUTS, 1);
		tunnel_vanish(s, t, "peer does not answer", now);
		return;
	}
	if (nsec_reached(state_deadline(t), now)) {
		if (t->state == L2TP_TUNNEL_CLOSED) {
			tunnel_flush_ack(s, t, now);
			tunnel_free(s, t, now);
			return;
		}
		tunnel_stop(s, t, &slow, now);
	}
	/* Without memory for it the tunnel counts as heard, so that time goes on. */
	if (nsec_reached(hello_time(s, t), now) && !send_hello(t))
		t->last_rx = now;
	tunnel_flush(s, t, now);
	tunnel_settle(s, t, now);
}
