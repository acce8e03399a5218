/*
 * Life of a call (RFC 2661 7.4.2): ICRQ chooses a session id and with it the worker of the session,
 * ICCN hands the call to that worker, CDN from either side ends it; then its id rests.
 */
#include "dataplane/tunnel_shard_int.h"

static uint64_t pair_hash(uint16_t tid, uint16_t sid)
{
	return hash_u64((uint64_t)tid << 16 | sid);
}

/* Peers choose their session ids, so this one is keyed. */
static uint64_t peer_hash(const struct tunnel_shard *s, uint16_t tid, uint16_t peer_sid)
{
	return hash_u64(((uint64_t)tid << 16 | peer_sid) ^ s->seed);
}

struct call *call_find(const struct tunnel_shard *s, uint16_t tid, uint16_t sid)
{
	struct hmap_node *n = hmap_first(&s->calls_by_sid, pair_hash(tid, sid));

	for (; n; n = hmap_next(n)) {
		struct call *c = container_of(n, struct call, by_sid);
		if (c->tunnel->tid == tid && c->sid == sid)
			return c;
	}
	return NULL;
}

static struct call *call_find_peer(const struct tunnel_shard *s, uint16_t tid, uint16_t peer_sid)
{
	struct hmap_node *n = hmap_first(&s->calls_by_peer, peer_hash(s, tid, peer_sid));

	for (; n; n = hmap_next(n)) {
		struct call *c = container_of(n, struct call, by_peer);
		if (c->tunnel->tid == tid && c->peer_sid == peer_sid)
			return c;
	}
	return NULL;
}

/* ---- beginning and end of the object ---- */

static void setup_free(struct tunnel_shard *s, struct call *c)
{
	wheel_stop(&s->wheel, &c->setup->timer);
	alloc_put(s->env->alloc, c->setup, sizeof(*c->setup));
	c->setup = NULL;
	s->pending[c->sid % s->env->n_workers]--;
}

/* Takes the call out of everything but the table of our ids, where it keeps its id. */
static void call_leave(struct tunnel_shard *s, struct call *c)
{
	if (c->state == L2TP_CALL_WAIT_CONNECT)
		setup_free(s, c);
	hmap_remove(&s->calls_by_peer, &c->by_peer);
	list_del(&c->in_tunnel);
	c->tunnel->n_calls--;
	s->n_calls--;
}

static void call_forget(struct tunnel_shard *s, struct call *c)
{
	hmap_remove(&s->calls_by_sid, &c->by_sid);
	alloc_put(s->env->alloc, c, sizeof(*c));
}

static void call_rest(struct tunnel_shard *s, struct call *c, nsec now)
{
	call_leave(s, c);
	c->state = L2TP_CALL_RESTING;
	c->rests_until = nsec_add(now, NSEC_S(CALL_REST_S));
	list_add_tail(&c->tunnel->resting, &c->in_tunnel);
}

void calls_rested(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	struct list_head *at;

	while ((at = list_first(&t->resting)) != NULL) {
		struct call *c = container_of(at, struct call, in_tunnel);
		if (!nsec_reached(c->rests_until, now))
			return;
		list_del(at);
		sid_put(s, t, c->sid);
		call_forget(s, c);
	}
}

void calls_end(struct tunnel_shard *s, struct tunnel *t)
{
	struct list_head *at;

	while ((at = list_first(&t->calls)) != NULL) {
		struct call *c = container_of(at, struct call, in_tunnel);
		call_leave(s, c);
		call_forget(s, c);
	}
	while ((at = list_pop(&t->resting)) != NULL)
		call_forget(s, container_of(at, struct call, in_tunnel));
	sids_free(s, t); /* the tunnel id rests, so no pair of ids comes back early */
}

static bool call_insert(struct tunnel_shard *s, struct call *c)
{
	uint16_t tid = c->tunnel->tid;

	if (!hmap_insert(&s->calls_by_sid, &c->by_sid, pair_hash(tid, c->sid)))
		return false;
	if (!hmap_insert(&s->calls_by_peer, &c->by_peer, peer_hash(s, tid, c->peer_sid))) {
		hmap_remove(&s->calls_by_sid, &c->by_sid);
		return false;
	}
	return true;
}

/* The worker with the fewest sessions, those included that will be its own soon. */
static unsigned least_loaded(const struct tunnel_shard *s)
{
	unsigned best = 0;
	uint32_t best_load = UINT32_MAX;

	for (unsigned w = 0; w < s->env->n_workers; w++) {
		uint32_t load = s->env->sessions_of(s->env->ctx, w) + s->pending[w];
		if (load < best_load) {
			best = w;
			best_load = load;
		}
	}
	return best;
}

static struct call *call_new(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m)
{
	uint16_t sid = sid_pick(s, t, least_loaded(s));
	struct call *c = alloc_get(s->env->alloc, sizeof(*c));
	struct call_setup *setup = alloc_get(s->env->alloc, sizeof(*setup));

	if (sid == 0 || !c || !setup || !sid_take(s, t, sid))
		goto fail;
	if (++s->last_gen == 0)
		s->last_gen = 1;
	*c = (struct call){.tunnel = t,
			   .setup = setup,
			   .gen = s->last_gen,
			   .sid = sid,
			   .peer_sid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_SESSION_ID),
			   .state = L2TP_CALL_WAIT_CONNECT};
	if (!call_insert(s, c)) {
		sid_put(s, t, sid);
		goto fail;
	}
	setup->call = c;
	setup->timer.kind = TIMER_CALL_SETUP;
	setup->serial = l2tp_msg_u32(m, L2TP_AVP_CALL_SERIAL_NUMBER);
	setup->calling = msg_text_of(m->avp[L2TP_AVP_CALLING_NUMBER]);
	setup->called = msg_text_of(m->avp[L2TP_AVP_CALLED_NUMBER]);
	list_add_tail(&t->calls, &c->in_tunnel);
	t->n_calls++;
	s->n_calls++;
	s->pending[sid % s->env->n_workers]++;
	return c;
fail:
	alloc_put(s->env->alloc, c, sizeof(*c));
	alloc_put(s->env->alloc, setup, sizeof(*setup));
	return NULL;
}

/* ---- what the machine does ---- */

/* CDN to a call that never got an id of ours. The AVP may not be 0 (RFC 2661 4.4.4): an id that is
 * nobody's names it. */
static void call_refuse(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m,
			const struct cdn *why, nsec now)
{
	struct cdn cdn = *why;

	cdn.peer_sid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_SESSION_ID);
	cdn.sid = sid_pick(s, t, 0);
	if (cdn.sid == 0)
		cdn.sid = UINT16_MAX;
	note(s, LOG_CALLS, t->tid, 0, "call refused", cdn.text);
	if (cdn.peer_sid == 0 || t->chan.queued >= CALL_QUEUE_MAX)
		return;
	send_cdn(s, t, &cdn, 0, now);
}

static void call_answer(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_hdr *h,
			const struct l2tp_msg *m, nsec now)
{
	const struct cdn leaving = {
		.result = L2TP_CDN_ERROR, .error = L2TP_ERR_TRY_ANOTHER, .text = "shutting down"};
	const struct cdn full = {.result = L2TP_CDN_BUSY, .text = "too many sessions"};
	struct call *c;

	if (l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_SESSION_ID) == 0) {
		counter_drop(s->env->counters, DROP_CONTROL_AVP, 1); /* nobody to answer to */
		return;
	}
	if (s->shutdown || s->conf->l2tp.refuse_new) {
		call_refuse(s, t, m, &leaving, now);
		return;
	}
	if (s->n_calls >= s->conf->l2tp.max_sessions || t->chan.queued >= CALL_QUEUE_MAX ||
	    !(c = call_new(s, t, m))) {
		counter_add(s->env->counters, C_SESSION_OVERFLOW, 1);
		call_refuse(s, t, m, &full, now);
		return;
	}
	wheel_start(&s->wheel, &c->setup->timer, nsec_add(now, NSEC_S(CALL_SETUP_S)));
	note(s, LOG_CALLS, t->tid, c->sid, "incoming call", "");
	tell_trace(s, call_key(c), false, m->type, h->body, now);
	if (!send_icrp(s, c, now))
		call_rest(s, c, now);
}

static void call_connect(struct tunnel_shard *s, struct call *c, const struct l2tp_msg *m)
{
	tell_call_up(s, c, m);
	setup_free(s, c);
	c->state = L2TP_CALL_ESTABLISHED;
	note(s, LOG_CALLS, c->tunnel->tid, c->sid, "call connected", "");
}

/* The peer ended it, or cannot know of it any more. */
static void call_clean_up(struct tunnel_shard *s, struct call *c, const struct end_reason *reason,
			  nsec now)
{
	if (c->state == L2TP_CALL_ESTABLISHED)
		tell_call_down(s, c, reason);
	note(s, LOG_CALLS, c->tunnel->tid, c->sid, "call ended by peer", reason->text);
	call_rest(s, c, now);
}

/* CDN from us. */
static void call_disconnect(struct tunnel_shard *s, struct call *c, const struct end_reason *reason,
			    nsec now)
{
	const struct cdn cdn = {c->sid, c->peer_sid, reason->cdn_result, reason->cdn_error,
				reason->text};

	note(s, LOG_CALLS, c->tunnel->tid, c->sid, "call ended", reason->text);
	if (cdn.result != 0 && !send_cdn(s, c->tunnel, &cdn, c->gen, now))
		counter_drop(s->env->counters, DROP_NO_MEMORY, 1);
	call_rest(s, c, now);
}

static void call_fail(struct tunnel_shard *s, struct call *c, uint16_t error, const char *text,
		      nsec now)
{
	struct end_reason reason;

	l2tp_cause_set(&reason, L2TP_CDN_ERROR, error, TERM_PORT_ERROR, text);
	if (c->state == L2TP_CALL_ESTABLISHED)
		tell_call_down(s, c, &reason);
	call_disconnect(s, c, &reason, now);
}

/* A peer that uses one of its session ids again has lost the call that had it. */
static void call_supersede(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m,
			   nsec now)
{
	uint16_t peer_sid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_SESSION_ID);
	struct call *old = peer_sid ? call_find_peer(s, t->tid, peer_sid) : NULL;
	struct end_reason reason;

	if (!old)
		return;
	l2tp_cause_set(&reason, 0, 0, TERM_LOST_CARRIER, "peer began another call with its id");
	call_clean_up(s, old, &reason, now);
}

/* The call that the message is about: by our id in the header, or, in a CDN that was sent before
 * the peer had it, by the peer's own id (RFC 2661 4.4.4). */
static struct call *call_of(const struct tunnel_shard *s, const struct tunnel *t,
			    const struct l2tp_hdr *h, const struct l2tp_msg *m)
{
	uint16_t peer_sid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_SESSION_ID);

	if (m->type == L2TP_ICRQ || m->type == L2TP_OCRQ)
		return NULL;
	if (h->sid != 0)
		return call_find(s, t->tid, h->sid);
	return m->type == L2TP_CDN && peer_sid ? call_find_peer(s, t->tid, peer_sid) : NULL;
}

void call_handle(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_hdr *h,
		 const struct l2tp_msg *m, nsec now)
{
	struct call *c = call_of(s, t, h, m);
	enum l2tp_call_state state = c ? c->state : L2TP_CALL_IDLE;
	char text[FAULT_TEXT];
	struct end_reason reason;
	struct cdn no = {.result = L2TP_CDN_NO_FACILITY, .text = "no outgoing calls"};

	if (c)
		tell_trace(s, call_key(c), false, m->type, h->body, now);
	switch (l2tp_call_step(state, l2tp_call_event_of(m))) {
	case L2TP_CALL_NOTHING:
		break;
	case L2TP_CALL_ANSWER:
		call_supersede(s, t, m, now);
		call_answer(s, t, h, m, now);
		break;
	case L2TP_CALL_REFUSE_OUTGOING:
		call_refuse(s, t, m, &no, now);
		break;
	case L2TP_CALL_REFUSE_BAD:
		no = (struct cdn){.result = L2TP_CDN_ERROR,
				  .error = m->fault.error,
				  .text = fault_text(m, text)};
		call_refuse(s, t, m, &no, now);
		break;
	case L2TP_CALL_CONNECT:
		call_connect(s, c, m);
		break;
	case L2TP_CALL_CLEAN_UP:
		l2tp_cause_of(m, &reason);
		call_clean_up(s, c, &reason, now);
		break;
	case L2TP_CALL_DISCONNECT_FSM:
		call_fail(s, c, L2TP_ERR_NONE, "message out of sequence", now);
		break;
	case L2TP_CALL_DISCONNECT_BAD:
		call_fail(s, c, m->fault.error, fault_text(m, text), now);
		break;
	}
}

void call_refuse_early(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_msg *m, nsec now)
{
	const struct cdn early = {.result = L2TP_CDN_ERROR,
				  .error = L2TP_ERR_NO_CONNECTION,
				  .text = "tunnel is not open"};

	if ((m->type == L2TP_ICRQ || m->type == L2TP_OCRQ) && t->chan.queued < EARLY_QUEUE_MAX)
		call_refuse(s, t, m, &early, now);
}

void call_hangup(struct tunnel_shard *s, const struct msg_hangup *m, nsec now)
{
	struct call *c = call_find(s, m->key.tid, m->key.sid);

	if (!c || c->gen != m->key.gen || c->state != L2TP_CALL_ESTABLISHED) {
		counter_add(s->env->counters, C_STALE_MESSAGES, 1);
		return;
	}
	struct tunnel *t = c->tunnel;
	call_disconnect(s, c, &m->reason, now);
	tunnel_flush(s, t, now);
	tunnel_timer_set(s, t);
}

void call_setup_timer(struct tunnel_shard *s, struct call_setup *setup, nsec now)
{
	struct call *c = setup->call;
	struct tunnel *t = c->tunnel;
	struct end_reason reason;

	l2tp_cause_set(&reason, L2TP_CDN_TIMEOUT, 0, TERM_PORT_ERROR, "no ICCN");
	call_disconnect(s, c, &reason, now);
	tunnel_flush(s, t, now);
	tunnel_timer_set(s, t);
}
