/*
 * The ways into the tunnel shard: datagrams, messages, time.
 */
#include "dataplane/tunnel_shard_int.h"

/* ---- datagrams ---- */

static void drop(struct tunnel_shard *s, enum drop why)
{
	counter_drop(s->env->counters, why, 1);
}

static struct span secret_of(const struct tunnel_shard *s)
{
	return span_str(s->conf->l2tp.secret);
}

/* Messages that waited for the one that just came. */
static void stored_handle(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	struct l2tp_chan_msg *kept;
	struct l2tp_msg m;
	struct l2tp_hdr h;
	enum drop why;

	while ((kept = l2tp_chan_next_stored(&t->chan)) != NULL) {
		if (l2tp_hdr_decode_control(l2tp_chan_msg_span(kept), &h, &why) &&
		    l2tp_msg_decode(h.body, secret_of(s), &m))
			tunnel_handle(s, t, &h, &m, now);
		l2tp_chan_msg_free(&t->chan, kept);
	}
}

/* Whether a message from there may belong to the tunnel. */
static bool path_plausible(const struct tunnel_shard *s, const struct tunnel *t,
			   const struct l2tp_path *from)
{
	return s->conf->l2tp.follow_peer || ip_addr_equal(&from->peer.ip, &t->path.peer.ip);
}

/* What comes early is kept, of strangers only little. */
static bool is_too_early(const struct tunnel *t, const struct l2tp_hdr *h)
{
	return !t->was_open && (int16_t)(h->ns - t->chan.nr) > EARLY_AHEAD_MAX;
}

/* A datagram of a tunnel that we know; <m> is NULL for a ZLB. */
static void tunnel_rx(struct tunnel_shard *s, struct tunnel *t, const struct l2tp_path *from,
		      const struct l2tp_hdr *h, struct span datagram, const struct l2tp_msg *m,
		      nsec now)
{
	enum l2tp_chan_verdict verdict =
		is_too_early(t, h) ? L2TP_CHAN_OUTSIDE : l2tp_chan_rx(&t->chan, h, datagram, now);

	if (verdict == L2TP_CHAN_OUTSIDE) {
		drop(s, DROP_CONTROL_WINDOW);
		return;
	}
	if (verdict == L2TP_CHAN_LOST)
		drop(s, DROP_NO_MEMORY);
	t->last_rx = now;
	/* Only a message with the very number that is due proves that the peer itself moved. */
	if (verdict == L2TP_CHAN_NEXT && !l2tp_path_equal(from, &t->path))
		tunnel_moved(s, t, from);
	if (verdict == L2TP_CHAN_NEXT) {
		LNS_ASSERT(m != NULL);
		tunnel_handle(s, t, h, m, now);
		stored_handle(s, t, now);
	}
	tunnel_flush(s, t, now);
	tunnel_settle(s, t, now);
	if (t->chan.ack_due && list_empty(&t->dirty))
		list_add_tail(&s->dirty, &t->dirty);
}

/* Tunnel id 0: the peer does not know our id yet. */
static void rx_without_id(struct tunnel_shard *s, const struct l2tp_path *from,
			  const struct l2tp_hdr *h, struct span datagram, const struct l2tp_msg *m,
			  nsec now)
{
	uint16_t peer_tid = l2tp_msg_u16(m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
	struct tunnel *t = NULL;

	if (m->type != L2TP_SCCRQ && m->type != L2TP_StopCCN) {
		drop(s, DROP_CONTROL_TUNNEL);
		return;
	}
	if (peer_tid == 0) {
		drop(s, DROP_CONTROL_AVP); /* nowhere to send an answer to */
		return;
	}
	t = tunnel_find_peer(s, &from->peer, peer_tid);
	if (m->type == L2TP_StopCCN) {
		if (t)
			tunnel_rx(s, t, from, h, datagram, m, now);
		else
			drop(s, DROP_CONTROL_TUNNEL);
		return;
	}
	if (t && h->ns == 0 && sccrq_is_repeated(s, t, h, now))
		tunnel_rx(s, t, from, h, datagram, m, now);
	else if (h->ns != 0 || h->nr != 0)
		drop(s, DROP_CONTROL_WINDOW); /* RFC 2661 5.8: a connection begins with 0 */
	else
		tunnel_open(s, from, h, m, now);
}

void tunnel_shard_rx(struct tunnel_shard *s, const struct l2tp_path *from, struct span datagram,
		     nsec now)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;
	enum drop why;

	counter_add(s->env->counters, C_CONTROL_RX, 1);
	if (!l2tp_hdr_decode_control(datagram, &h, &why)) {
		drop(s, why);
		return;
	}
	/* What stands behind its Length is not the message's. */
	datagram.n = L2TP_CONTROL_HEADER + h.body.n;
	if (datagram.n > CONTROL_RX_MAX) {
		drop(s, DROP_L2TP_LENGTH);
		return;
	}
	struct tunnel *t = h.tid ? tunnel_find(s, h.tid) : NULL;
	bool zlb = h.body.n == 0;
	if (!t && (h.tid != 0 || zlb)) {
		drop(s, DROP_CONTROL_TUNNEL);
		return;
	}
	if (t && !path_plausible(s, t, from)) {
		drop(s, DROP_CONTROL_PEER);
		return;
	}
	if (!zlb && !l2tp_msg_decode(h.body, secret_of(s), &m)) {
		drop(s, DROP_CONTROL_AVP);
		return;
	}
	if (t)
		tunnel_rx(s, t, from, &h, datagram, zlb ? NULL : &m, now);
	else
		rx_without_id(s, from, &h, datagram, &m, now);
}

/* ---- messages ---- */

static void drop_tunnel(struct tunnel_shard *s, const struct msg_drop_tunnel *m, nsec now)
{
	struct tunnel *t = tunnel_find(s, m->tid);
	char text[sizeof(m->text)];
	const struct stop why = {m->result ? m->result : (uint16_t)L2TP_STOP_CLEAR, 0,
				 TERM_ADMIN_RESET, text};

	if (!t) {
		counter_add(s->env->counters, C_STALE_MESSAGES, 1);
		return;
	}
	memcpy(text, m->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	tunnel_stop(s, t, &why, now);
}

static void shutdown_all(struct tunnel_shard *s, nsec now)
{
	const struct stop why = {L2TP_STOP_SHUTDOWN, 0, TERM_ADMIN_REBOOT, "shutting down"};
	struct list_head *at;

	s->shutdown = true;
	list_each (at, &s->all)
		tunnel_stop(s, container_of(at, struct tunnel, all), &why, now);
}

void tunnel_shard_msg(struct tunnel_shard *s, const struct msg *m, nsec now)
{
	switch (m->kind) {
	case MSG_HANGUP:
		call_hangup(s, (const struct msg_hangup *)m, now);
		break;
	case MSG_TUNNEL_QUERY:
		tell_tunnel_info(s, (const struct msg_tunnel_query *)m, now);
		break;
	case MSG_DROP_TUNNEL:
		drop_tunnel(s, (const struct msg_drop_tunnel *)m, now);
		break;
	case MSG_SHUTDOWN:
		shutdown_all(s, now);
		break;
	default:
		counter_add(s->env->counters, C_STALE_MESSAGES, 1);
		break;
	}
}

/* ---- time ---- */

nsec tunnel_shard_turn(struct tunnel_shard *s, nsec now)
{
	struct wheel_timer *timer;
	struct list_head *at;

	while ((timer = wheel_expired(&s->wheel, now)) != NULL) {
		if (timer->kind == TIMER_TUNNEL)
			tunnel_timer(s, container_of(timer, struct tunnel, timer), now);
		else
			call_setup_timer(s, container_of(timer, struct call_setup, timer), now);
	}
	while ((at = list_pop(&s->dirty)) != NULL) {
		struct tunnel *t = container_of(at, struct tunnel, dirty);
		tunnel_flush_ack(s, t, now);
		tunnel_timer_set(s, t);
	}
	return wheel_next(&s->wheel);
}

/* ---- the shard itself ---- */

void tunnel_shard_conf(struct tunnel_shard *s, const struct shard_conf *conf)
{
	s->conf = conf;
}

unsigned tunnel_shard_count(const struct tunnel_shard *s)
{
	return s->n_live;
}

bool tunnel_shard_busy(const struct tunnel_shard *s)
{
	return s->n_busy > 0 || !list_empty(&s->dirty);
}

struct tunnel_shard *tunnel_shard_new(const struct shard_env *env, const struct shard_conf *conf,
				      nsec now)
{
	struct tunnel_shard *s = alloc_get(env->alloc, sizeof(*s));

	if (!s)
		return NULL;
	s->env = env;
	s->conf = conf;
	s->n_tids = (UINT16_MAX - env->self) / env->n_workers + 1;
	s->by_tid = alloc_get(env->alloc, s->n_tids * sizeof(*s->by_tid));
	s->tid_rests_until = alloc_get(env->alloc, s->n_tids * sizeof(*s->tid_rests_until));
	env->random(env->ctx, &s->seed, sizeof(s->seed));
	env->random(env->ctx, &s->last_gen, sizeof(s->last_gen));
	wheel_init(&s->wheel, now);
	hmap_init(&s->tunnels_by_peer, env->alloc);
	hmap_init(&s->calls_by_sid, env->alloc);
	hmap_init(&s->calls_by_peer, env->alloc);
	hmap_init(&s->sources, env->alloc);
	list_init(&s->all);
	list_init(&s->dirty);
	list_init(&s->closed);
	list_init(&s->opening);
	if (!s->by_tid || !s->tid_rests_until) {
		tunnel_shard_free(s);
		return NULL;
	}
	return s;
}

void tunnel_shard_free(struct tunnel_shard *s)
{
	struct list_head *at;

	if (!s)
		return;
	while ((at = list_first(&s->all)) != NULL)
		tunnel_free(s, container_of(at, struct tunnel, all), NSEC_ZERO);
	hmap_fini(&s->tunnels_by_peer);
	hmap_fini(&s->calls_by_sid);
	hmap_fini(&s->calls_by_peer);
	hmap_fini(&s->sources);
	alloc_put(s->env->alloc, s->by_tid, s->n_tids * sizeof(*s->by_tid));
	alloc_put(s->env->alloc, s->tid_rests_until, s->n_tids * sizeof(*s->tid_rests_until));
	alloc_put(s->env->alloc, s, sizeof(*s));
}
