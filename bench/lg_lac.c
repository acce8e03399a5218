#include "lg.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	RESEND_FIRST_S = 1, /* RFC 2661 5.8: 1, 2, 4, 8 s ... */
	RESEND_CAP_S = 8,
	TERMINATE_WAIT_MS = 1000,
	CALL_TIMEOUT_S = 30, /* from ICRQ to ICRP */
	REUSES_MAX = 16,
	PPP_ADDRESS_CONTROL = 0xFF03,
	IPV4_COMPRESSED = 0x21, /* protocol field compression */
};

static const char *const fail_names[] = {
#define LG_FAIL(name, text) #name,
#include "lg_fail.def"
#undef LG_FAIL
};

static const char *const fail_texts[] = {
#define LG_FAIL(name, text) text,
#include "lg_fail.def"
#undef LG_FAIL
};

const char *lg_fail_name(enum lg_fail why)
{
	return fail_names[why];
}
const char *lg_fail_text(enum lg_fail why)
{
	return fail_texts[why];
}

/* ---- which is which -------------------------------------------------------------------------- */

static unsigned index_of(const struct lg *g, const struct lg_session *s)
{
	return (unsigned)(s - g->sessions);
}

struct lg_tunnel *lg_tunnel_of(const struct lg *g, const struct lg_session *s)
{
	return &g->tunnels[index_of(g, s) % g->conf.tunnels];
}

/*
 * Ids of one tunnel lie in `reuses` layers of `per_tunnel` ids: each dial of a session takes the
 * next layer, so that what is late for the call before finds nobody.
 */
uint16_t lg_session_id(const struct lg *g, const struct lg_session *s)
{
	unsigned slot = index_of(g, s) / g->conf.tunnels;
	return (uint16_t)(1 + slot + s->reuse * g->per_tunnel);
}

static struct lg_session *session_by_id(struct lg *g, const struct lg_tunnel *t, uint16_t sid)
{
	if (sid == 0)
		return NULL;
	unsigned slot = (sid - 1u) % g->per_tunnel;
	unsigned i = slot * g->conf.tunnels + (unsigned)(t - g->tunnels);
	if (i >= g->conf.sessions || lg_session_id(g, &g->sessions[i]) != sid)
		return NULL;
	return g->sessions[i].state == LG_S_IDLE ? NULL : &g->sessions[i];
}

/* ---- control messages out -------------------------------------------------------------------- */

static void mark_dirty(struct lg *g, struct lg_tunnel *t)
{
	if (t->dirty)
		return;
	t->dirty = true;
	g->dirty[g->n_dirty++] = (uint16_t)(t - g->tunnels);
}

static void queue_message(struct lg *g, struct lg_tunnel *t, struct wbuf *w)
{
	lg_control_end(w);
	LNS_ASSERT(!w->bad);
	if (!lg_chan_queue(&t->chan, wbuf_written(w)))
		g->stats.tx_errors++;
	mark_dirty(g, t);
}

static void arm_resend(struct lg *g, struct lg_tunnel *t)
{
	int64_t wait = RESEND_FIRST_S << (t->chan.tries < 6 ? t->chan.tries : 6);
	if (lg_chan_in_flight(&t->chan) == 0) {
		wheel_stop(&g->wheel, &t->timer);
		return;
	}
	if (wait > RESEND_CAP_S)
		wait = RESEND_CAP_S;
	wheel_start(&g->wheel, &t->timer, nsec_add(g->now, NSEC_S(wait)));
}

/* Sends what the windows allow, and an acknowledgement when nothing carried one. */
static void pump(struct lg *g, struct lg_tunnel *t)
{
	const struct lg_chan_msg *m;
	bool sent = false;
	while ((m = lg_chan_next(&t->chan)) != NULL) {
		lg_io_send(g, t->sock, &t->peer, span_of(m->bytes, m->n));
		sent = true;
	}
	if (sent && !wheel_is_armed(&t->timer))
		arm_resend(g, t);
	if (t->chan.must_ack) {
		uint8_t room[LG_ZLB_LEN];
		struct wbuf w = wbuf_of(room, sizeof(room));
		lg_control_zlb(&w, t->peer_id, t->chan.sent, t->chan.nr);
		lg_io_send(g, t->sock, &t->peer, wbuf_written(&w));
		t->chan.must_ack = false;
	}
}

static void send_sccrq(struct lg *g, struct lg_tunnel *t)
{
	uint8_t room[LG_CONTROL_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, 0, 0, LG_SCCRQ);
	lg_avp_u16(&w, LG_AVP_PROTOCOL_VERSION, 0x0100);
	lg_avp_bytes(&w, LG_AVP_HOST_NAME, span_str(g->conf.hostname));
	lg_avp_u32(&w, LG_AVP_FRAMING_CAPABILITIES, 3);
	lg_avp_u16(&w, LG_AVP_ASSIGNED_TUNNEL_ID, t->id);
	lg_avp_u16(&w, LG_AVP_RECEIVE_WINDOW, (uint16_t)g->conf.window);
	lg_avp_bytes(&w, LG_AVP_VENDOR_NAME, span_str("loadgen"));
	if (g->conf.challenge) {
		if (getrandom(t->challenge, sizeof(t->challenge), 0) != sizeof(t->challenge))
			memset(t->challenge, 0x5A, sizeof(t->challenge));
		lg_avp_bytes(&w, LG_AVP_CHALLENGE, span_of(t->challenge, sizeof(t->challenge)));
	}
	queue_message(g, t, &w);
}

static void send_scccn(struct lg *g, struct lg_tunnel *t, struct span challenge)
{
	uint8_t room[LG_CONTROL_MAX], response[MD5_LEN];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, t->peer_id, 0, LG_SCCCN);
	if (challenge.p) {
		lg_challenge_response(response, LG_SCCCN, g->conf.secret, challenge);
		lg_avp_bytes(&w, LG_AVP_CHALLENGE_RESPONSE, span_of(response, MD5_LEN));
	}
	queue_message(g, t, &w);
}

static void send_stopccn(struct lg *g, struct lg_tunnel *t, uint16_t result)
{
	uint8_t room[LG_CONTROL_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, t->peer_id, 0, LG_STOPCCN);
	lg_avp_u16(&w, LG_AVP_ASSIGNED_TUNNEL_ID, t->id);
	lg_avp_u16(&w, LG_AVP_RESULT_CODE, result);
	queue_message(g, t, &w);
}

static void send_icrq(struct lg *g, struct lg_tunnel *t, const struct lg_session *s)
{
	uint8_t room[LG_CONTROL_MAX];
	char calling[24];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, t->peer_id, 0, LG_ICRQ);
	lg_avp_u16(&w, LG_AVP_ASSIGNED_SESSION_ID, lg_session_id(g, s));
	lg_avp_u32(&w, LG_AVP_CALL_SERIAL_NUMBER, (uint32_t)g->stats.dials);
	lg_avp_bytes(&w, LG_AVP_CALLED_NUMBER, span_str("5550100"));
	snprintf(calling, sizeof(calling), "%u", 10000000 + index_of(g, s));
	lg_avp_bytes(&w, LG_AVP_CALLING_NUMBER, span_str(calling));
	queue_message(g, t, &w);
}

static void send_iccn(struct lg *g, struct lg_tunnel *t, const struct lg_session *s)
{
	uint8_t room[LG_CONTROL_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_control_begin(&w, t->peer_id, s->peer_sid, LG_ICCN);
	lg_avp_u32(&w, LG_AVP_TX_CONNECT_SPEED, g->conf.speed);
	lg_avp_u32(&w, LG_AVP_FRAMING_TYPE, 1);
	queue_message(g, t, &w);
}

static void send_cdn(struct lg *g, struct lg_session *s)
{
	struct lg_tunnel *t = lg_tunnel_of(g, s);
	uint8_t room[LG_CONTROL_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	if (t->state != LG_T_UP)
		return;
	lg_control_begin(&w, t->peer_id, s->peer_sid, LG_CDN);
	lg_avp_u16(&w, LG_AVP_RESULT_CODE, 1); /* loss of carrier: the subscriber hung up */
	lg_avp_u16(&w, LG_AVP_ASSIGNED_SESSION_ID, lg_session_id(g, s));
	queue_message(g, t, &w);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void to_state(struct lg *g, struct lg_session *s, enum lg_session_state state)
{
	bool was = s->state == LG_S_CALLING || s->state == LG_S_PPP;
	bool is = state == LG_S_CALLING || state == LG_S_PPP;
	g->dialling += (unsigned)is - (unsigned)was;
	g->sessions_up += (unsigned)(state == LG_S_UP) - (unsigned)(s->state == LG_S_UP);
	g->ending += (unsigned)(state == LG_S_ENDING) - (unsigned)(s->state == LG_S_ENDING);
	s->state = (uint8_t)state;
	if (state == LG_S_IDLE) {
		wheel_stop(&g->wheel, &s->timer);
		s->reuse = (uint8_t)((s->reuse + 1u) % g->reuses);
	}
}

/* The call is over on our side; says so to the LNS unless it knows. */
static void gone(struct lg *g, struct lg_session *s, bool tell)
{
	if (tell)
		send_cdn(g, s);
	to_state(g, s, LG_S_IDLE);
}

static void failed(struct lg *g, struct lg_session *s, enum lg_fail why, bool tell)
{
	if (s->state == LG_S_ENDING) { /* the end that we asked for */
		gone(g, s, tell);
		return;
	}
	g->stats.fails[why]++;
	if (s->state == LG_S_UP)
		g->stats.lost++;
	if (g->conf.verbose > 1)
		lg_say("session %u: %s", index_of(g, s), lg_fail_text(why));
	gone(g, s, tell);
}

void lg_session_fail(struct lg *g, struct lg_session *s, enum lg_fail why)
{
	failed(g, s, why, true);
}

/* Frames of one subscriber: where they go. */
struct link {
	struct lg *g;
	struct lg_session *s;
	struct lg_ppp_env env;
	char user[256]; /* RFC 2865 5.1: 253 bytes at most */
};

static bool asks_for_admission(struct span frame)
{
	uint16_t proto = span_u16(&frame);
	uint8_t code = span_u8(&frame);
	return (proto == LG_PPP_PAP && code == 1) || (proto == LG_PPP_CHAP && code == 2);
}

static void send_frame(void *ctx, struct span frame)
{
	struct link *l = ctx;
	if (asks_for_admission(frame))
		l->s->asked = lg_clock();
	struct lg_tunnel *t = lg_tunnel_of(l->g, l->s);
	uint8_t room[LG_SLOT];
	struct wbuf w = wbuf_of(room, sizeof(room));
	lg_data_begin(&w, l->g->conf.length_bit, t->peer_id, l->s->peer_sid, frame.n + 2);
	wbuf_u16(&w, PPP_ADDRESS_CONTROL);
	wbuf_span(&w, frame);
	if (!w.bad)
		lg_io_send(l->g, t->sock, &t->peer, wbuf_written(&w));
}

/* The user's name with the session's number in place of %u, and any byte in place of %xHH. */
static struct span user_name(const char *pattern, unsigned number, char *buf, size_t size)
{
	struct wbuf w = wbuf_of(buf, size);
	unsigned byte;
	char digits[12];

	while (*pattern) {
		if (strncmp(pattern, "%u", 2) == 0) {
			snprintf(digits, sizeof(digits), "%u", number);
			wbuf_span(&w, span_str(digits));
			pattern += 2;
		} else if (sscanf(pattern, "%%x%2x", &byte) == 1 && strlen(pattern) >= 4) {
			wbuf_u8(&w, (uint8_t)byte);
			pattern += 4;
		} else {
			wbuf_u8(&w, (uint8_t)*pattern++);
		}
	}
	return span_of(buf, w.n);
}

static void link_init(struct link *l, struct lg *g, struct lg_session *s)
{
	l->g = g;
	l->s = s;
	l->env = (struct lg_ppp_env){
		.conf = &g->conf.ppp,
		.user = user_name(g->conf.user, index_of(g, s), l->user, sizeof(l->user)),
		.password = span_str(g->conf.password),
		.ctx = l,
		.send = send_frame,
	};
}

static void arm_ppp(struct lg *g, struct lg_session *s)
{
	wheel_start(&g->wheel, &s->timer, nsec_add(g->now, NSEC_MS(g->conf.ppp_timeout_ms)));
}

static void opened(struct lg *g, struct lg_session *s)
{
	if (s->ppp.ip == 0) {
		failed(g, s, LG_FAIL_no_address, true);
		return;
	}
	if (s->state == LG_S_UP)
		return;
	wheel_stop(&g->wheel, &s->timer);
	to_state(g, s, LG_S_UP);
	g->stats.up++;
	int64_t took = nsec_sub(lg_clock(), s->dialled);
	lg_hist_add(&g->stats.setup, took);
	g->stats.slow_setups += took > NSEC_MS(LG_SLOW_MS);
	s->up_seq = s->up_seen = s->down_seq = s->down_seen = 0;
}

static enum lg_fail gave_up_where(const struct lg_session *s)
{
	if (s->ppp.phase == LG_PHASE_LCP)
		return LG_FAIL_lcp_timeout;
	return s->ppp.phase == LG_PHASE_AUTH ? LG_FAIL_auth_timeout : LG_FAIL_ipcp_timeout;
}

static void ppp_event(struct lg *g, struct lg_session *s, enum lg_ppp_event e)
{
	switch (e) {
	case LG_PPP_NOTHING:
		break;
	case LG_PPP_RESTARTED:
		if (s->state == LG_S_UP)
			to_state(g, s, LG_S_PPP);
		arm_ppp(g, s);
		break;
	case LG_PPP_PROGRESS:
		arm_ppp(g, s);
		break;
	case LG_PPP_OPENED:
		opened(g, s);
		break;
	case LG_PPP_REFUSED:
		failed(g, s, LG_FAIL_auth_refused, true);
		break;
	case LG_PPP_TERMINATED:
		failed(g, s, LG_FAIL_terminated, true);
		break;
	case LG_PPP_GAVE_UP:
		failed(g, s, gave_up_where(s), true);
		break;
	}
}

static void session_timer(struct lg *g, struct lg_session *s)
{
	struct link l;
	if (s->state == LG_S_ENDING) { /* no Terminate-Ack in time */
		gone(g, s, true);
		return;
	}
	if (s->state == LG_S_CALLING) {
		failed(g, s, LG_FAIL_call_timeout, true);
		return;
	}
	if (s->state != LG_S_PPP)
		return;
	link_init(&l, g, s);
	g->stats.ppp_resent++;
	enum lg_ppp_event e = lg_ppp_timeout(&s->ppp, &l.env);
	if (e == LG_PPP_NOTHING)
		arm_ppp(g, s);
	ppp_event(g, s, e);
}

void lg_session_dial(struct lg *g, struct lg_session *s)
{
	struct lg_tunnel *t = lg_tunnel_of(g, s);
	LNS_ASSERT(s->state == LG_S_IDLE);
	g->stats.dials++;
	if (t->state != LG_T_UP) {
		g->stats.fails[LG_FAIL_tunnel]++;
		return;
	}
	s->dialled = lg_clock();
	s->peer_sid = 0;
	s->ppp = (struct lg_ppp){0};
	to_state(g, s, LG_S_CALLING);
	wheel_start(&g->wheel, &s->timer, nsec_add(g->now, NSEC_S(CALL_TIMEOUT_S)));
	send_icrq(g, t, s);
}

void lg_session_end(struct lg *g, struct lg_session *s, bool terminate_first)
{
	struct link l;
	if (!terminate_first || s->state != LG_S_UP) {
		gone(g, s, true);
		return;
	}
	to_state(g, s, LG_S_ENDING);
	link_init(&l, g, s);
	lg_ppp_terminate(&s->ppp, &l.env);
	wheel_start(&g->wheel, &s->timer, nsec_add(g->now, NSEC_MS(TERMINATE_WAIT_MS)));
}

/* ---- tunnels --------------------------------------------------------------------------------- */

void lg_tunnel_open(struct lg *g, struct lg_tunnel *t)
{
	lg_chan_init(&t->chan);
	t->peer = g->conf.lns;
	t->peer_id = 0;
	t->state = LG_T_OPENING;
	g->tunnels_opening++;
	g->opening[t->sock]++;
	send_sccrq(g, t);
}

static void leave_opening(struct lg *g, struct lg_tunnel *t)
{
	if (t->state != LG_T_OPENING)
		return;
	g->tunnels_opening--;
	g->opening[t->sock]--;
}

static void tunnel_dead(struct lg *g, struct lg_tunnel *t)
{
	unsigned k = (unsigned)(t - g->tunnels);
	leave_opening(g, t);
	if (t->state == LG_T_UP)
		g->tunnels_up--;
	bool ours = t->state == LG_T_CLOSING;
	t->state = LG_T_DEAD;
	wheel_stop(&g->wheel, &t->timer);
	for (unsigned i = k; i < g->conf.sessions; i += g->conf.tunnels) {
		struct lg_session *s = &g->sessions[i];
		if (s->state == LG_S_IDLE)
			continue;
		if (ours)
			gone(g, s, false);
		else
			failed(g, s, LG_FAIL_tunnel_lost, false);
	}
}

void lg_tunnel_close(struct lg *g, struct lg_tunnel *t)
{
	if (t->state != LG_T_UP)
		return;
	send_stopccn(g, t, 1);
	g->tunnels_up--;
	t->state = LG_T_CLOSING;
}

bool lg_tunnel_has_room(const struct lg_tunnel *t)
{
	const struct lg_chan *c = &t->chan;
	uint16_t window = c->cwnd < c->peer_window ? c->cwnd : c->peer_window;
	return lg_chan_pending(c) < window;
}

static void tunnel_timer(struct lg *g, struct lg_tunnel *t)
{
	if (lg_chan_in_flight(&t->chan) == 0)
		return;
	lg_chan_timeout(&t->chan);
	if (t->chan.tries >= g->conf.l2tp_tries) {
		if (g->conf.verbose)
			lg_say("tunnel %u: no answer", t->id);
		tunnel_dead(g, t);
		lg_chan_fini(&t->chan);
		return;
	}
	g->stats.l2tp_resent++;
	mark_dirty(g, t);
}

/* ---- control messages in --------------------------------------------------------------------- */

static void rx_sccrp(struct lg *g, struct lg_tunnel *t, const struct lg_control *c,
		     const struct sockaddr_in *from)
{
	uint8_t want[MD5_LEN];
	if (t->state != LG_T_OPENING || c->assigned_tid == 0)
		return;
	t->peer_id = c->assigned_tid;
	t->peer = *from; /* the answer may come from another port, RFC 2661 8.1 */
	if (c->window)
		lg_chan_peer_window(&t->chan, c->window);
	lg_challenge_response(want, LG_SCCRP, g->conf.secret,
			      span_of(t->challenge, sizeof(t->challenge)));
	leave_opening(g, t);
	if (g->conf.challenge && !span_equal(c->response, span_of(want, MD5_LEN))) {
		lg_say("tunnel %u: the LNS does not know the secret", t->id);
		t->state = LG_T_CLOSING;
		send_stopccn(g, t, 4);
		return;
	}
	t->state = LG_T_UP;
	g->tunnels_up++;
	send_scccn(g, t, c->challenge);
}

static void rx_icrp(struct lg *g, struct lg_tunnel *t, struct lg_session *s,
		    const struct lg_control *c)
{
	struct link l;
	if (s->state != LG_S_CALLING || c->assigned_sid == 0)
		return;
	s->peer_sid = c->assigned_sid;
	to_state(g, s, LG_S_PPP);
	send_iccn(g, t, s);
	pump(g, t); /* ICCN goes before the first LCP packet */
	link_init(&l, g, s);
	lg_ppp_start(&s->ppp, index_of(g, s) * 2654435761u | 1, &l.env);
	arm_ppp(g, s);
}

static void rx_message(struct lg *g, struct lg_tunnel *t, const struct lg_hdr *h,
		       const struct sockaddr_in *from)
{
	struct lg_control c;
	struct lg_session *s = session_by_id(g, t, h->sid);
	if (!lg_control_decode(h->body, &c)) {
		g->stats.bad++;
		return;
	}
	switch (c.type) {
	case LG_SCCRP:
		rx_sccrp(g, t, &c, from);
		break;
	case LG_STOPCCN:
		if (g->conf.verbose)
			lg_say("tunnel %u: StopCCN result %u error %u %.*s", t->id, c.result,
			       c.error, (int)c.text.n, (const char *)c.text.p);
		tunnel_dead(g, t);
		break;
	case LG_HELLO:
		g->stats.hellos++;
		break;
	case LG_ICRP:
		if (s)
			rx_icrp(g, t, s, &c);
		break;
	case LG_CDN:
		g->stats.cdn_result = c.result;
		g->stats.cdn_error = c.error;
		if (s)
			failed(g, s, LG_FAIL_cdn, false);
		break;
	default:
		break;
	}
}

static void rx_control(struct lg *g, struct lg_tunnel *t, const struct lg_hdr *h,
		       const struct sockaddr_in *from)
{
	bool progress;
	enum lg_chan_verdict v = lg_chan_rx(&t->chan, h, &progress);
	if (progress)
		arm_resend(g, t);
	if (v == LG_CHAN_DELIVER)
		rx_message(g, t, h, from);
	mark_dirty(g, t);
	if (t->state == LG_T_CLOSING && lg_chan_pending(&t->chan) == 0)
		tunnel_dead(g, t);
}

/* ---- data in --------------------------------------------------------------------------------- */

static void rx_data(struct lg *g, struct lg_session *s, struct span frame)
{
	struct link l;
	struct span after = frame;
	if (span_u16(&after) == PPP_ADDRESS_CONTROL)
		frame = after;
	after = frame;
	if (frame.n > 0 && span_u8(&after) == IPV4_COMPRESSED) {
		lg_traffic_down_rx(g, s, after);
		return;
	}
	after = frame;
	if (span_u16(&after) == LG_PPP_IP) {
		lg_traffic_down_rx(g, s, after);
		return;
	}
	if (s->state < LG_S_PPP)
		return;
	link_init(&l, g, s);
	bool waited = s->ppp.phase == LG_PHASE_AUTH;
	enum lg_ppp_event e = lg_ppp_rx(&s->ppp, frame, &l.env);
	if (waited && s->ppp.phase == LG_PHASE_IPCP)
		lg_hist_add(&g->stats.auth, nsec_sub(lg_clock(), s->asked));
	ppp_event(g, s, e);
}

void lg_lac_rx(struct lg *g, unsigned sock, const struct sockaddr_in *from, struct span datagram)
{
	struct lg_hdr h;
	if (!lg_hdr_decode(datagram, &h)) {
		g->stats.bad++;
		return;
	}
	if (h.tid == 0 || h.tid > g->conf.tunnels || g->tunnels[h.tid - 1].sock != sock) {
		g->stats.stray++;
		return;
	}
	struct lg_tunnel *t = &g->tunnels[h.tid - 1];
	if (h.control) {
		rx_control(g, t, &h, from);
		return;
	}
	struct lg_session *s = session_by_id(g, t, h.sid);
	if (s)
		rx_data(g, s, h.body);
	else
		g->stats.stray++;
}

/* ---- life ------------------------------------------------------------------------------------ */

void lg_lac_turn(struct lg *g)
{
	struct wheel_timer *t;
	while ((t = wheel_expired(&g->wheel, g->now)) != NULL) {
		if (t->kind == LG_TIMER_TUNNEL)
			tunnel_timer(g, (struct lg_tunnel *)((char *)t -
							     offsetof(struct lg_tunnel, timer)));
		else
			session_timer(g, (struct lg_session *)((char *)t -
							       offsetof(struct lg_session, timer)));
	}
	for (unsigned i = 0; i < g->n_dirty; i++) {
		struct lg_tunnel *d = &g->tunnels[g->dirty[i]];
		d->dirty = false;
		pump(g, d);
	}
	g->n_dirty = 0;
}

void lg_turn(struct lg *g, int64_t wait_ns)
{
	lg_io_receive(g, wait_ns);
	g->now = lg_clock();
	g->stop = *g->signal != 0;
	lg_lac_turn(g);
	lg_io_flush(g);
}

bool lg_lac_init(struct lg *g)
{
	struct lg_conf *c = &g->conf;
	g->per_tunnel = (c->sessions + c->tunnels - 1) / c->tunnels;
	g->reuses = 65535 / g->per_tunnel;
	if (g->reuses > REUSES_MAX)
		g->reuses = REUSES_MAX;
	g->sessions = calloc(c->sessions, sizeof(*g->sessions));
	g->tunnels = calloc(c->tunnels, sizeof(*g->tunnels));
	g->dirty = calloc(c->tunnels, sizeof(*g->dirty));
	if (!g->sessions || !g->tunnels || !g->dirty)
		return false;
	g->now = lg_clock();
	wheel_init(&g->wheel, g->now);
	for (unsigned i = 0; i < c->sessions; i++)
		g->sessions[i].timer.kind = LG_TIMER_SESSION;
	for (unsigned i = 0; i < c->tunnels; i++) {
		struct lg_tunnel *t = &g->tunnels[i];
		t->timer.kind = LG_TIMER_TUNNEL;
		t->id = (uint16_t)(i + 1);
		t->sock = (uint16_t)(i % g->n_socks);
		lg_chan_init(&t->chan);
	}
	return true;
}

void lg_lac_fini(struct lg *g)
{
	for (unsigned i = 0; g->tunnels && i < g->conf.tunnels; i++)
		lg_chan_fini(&g->tunnels[i].chan);
	free(g->sessions);
	free(g->tunnels);
	free(g->dirty);
}
