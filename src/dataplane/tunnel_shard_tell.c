/*
 * What the tunnel shard tells others: session shards, control, and the log.
 */
#include "dataplane/tunnel_shard_int.h"

/* ---- text ---- */

/* As much as fits before the NUL. Peers choose some of our texts: one line stays one line. */
static void put_text(struct wbuf *w, const char *text)
{
	for (; *text && w->n < w->cap - 1; text++)
		wbuf_u8(w, *text >= ' ' && *text < 0x7F ? (uint8_t)*text : '.');
}

static void put_number(struct wbuf *w, uint32_t v)
{
	char digits[11];
	unsigned at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put_text(w, digits + at);
}

void note(struct tunnel_shard *s, enum log_level level, uint16_t tid, uint16_t sid,
	  const char *what, const char *detail)
{
	char line[LOG_LINE_MAX];
	struct wbuf w = wbuf_of(line, sizeof(line));

	put_text(&w, what);
	if (detail[0]) {
		put_text(&w, ": ");
		put_text(&w, detail);
	}
	wbuf_u8(&w, 0);
	s->env->log(s->env->ctx, level, tid, sid, line);
}

const char *fault_text(const struct l2tp_msg *m, char buf[static FAULT_TEXT])
{
	struct wbuf w = wbuf_of(buf, FAULT_TEXT);

	put_text(&w, "AVP ");
	put_number(&w, m->fault.vendor);
	put_text(&w, "/");
	put_number(&w, m->fault.number);
	put_text(&w, " in ");
	put_text(&w, l2tp_msg_name(m->type));
	wbuf_u8(&w, 0);
	return buf;
}

struct msg_text msg_text_of(struct span bytes)
{
	struct msg_text t = {.n = (uint8_t)(bytes.n < sizeof(t.s) ? bytes.n : sizeof(t.s))};

	if (t.n)
		memcpy(t.s, bytes.p, t.n);
	return t;
}

/* ---- control ---- */

static void post(struct tunnel_shard *s, unsigned to, const struct msg *m)
{
	s->env->post(s->env->ctx, to, m);
}

void tell_tunnel_state(struct tunnel_shard *s, const struct tunnel *t, enum tunnel_state state)
{
	struct msg_tunnel_state m = MSG_INIT(MSG_TUNNEL_STATE, struct msg_tunnel_state);

	m.tid = t->tid;
	m.peer_tid = t->peer_tid;
	m.state = (uint8_t)state;
	m.path = t->path;
	m.peer_window = t->chan.peer_window;
	m.host_name = msg_text_of(bstr_span(t->host_name));
	m.vendor = msg_text_of(bstr_span(t->vendor));
	m.reason = t->reason;
	post(s, MSG_TO_CONTROL, &m.msg);
}

static uint32_t age_s(nsec then, nsec now)
{
	return then.ns == 0 ? 0 : nsec_age_s(then, now);
}

void tell_trace(struct tunnel_shard *s, struct sess_key key, bool sent, uint16_t type,
		struct span avps, nsec now)
{
	struct msg_trace m;

	if (s->conf->trace.n == 0)
		return;
	size_t n = avps.n < sizeof(m.bytes) ? avps.n : sizeof(m.bytes);
	m.key = key;
	m.at = now;
	m.what = TRACE_L2TP;
	m.l2tp = (uint8_t)type;
	m.sent = sent;
	m.n = (uint16_t)n;
	span_bytes(&avps, m.bytes, n);
	m.msg = (struct msg){MSG_TRACE, (uint16_t)(offsetof(struct msg_trace, bytes) + n)};
	s->env->post(s->env->ctx, MSG_TO_CONTROL, &m.msg);
}

void tell_tunnel_info(struct tunnel_shard *s, const struct msg_tunnel_query *q, nsec now)
{
	struct msg_tunnel_info m = MSG_INIT(MSG_TUNNEL_INFO, struct msg_tunnel_info);
	const struct tunnel *t = tunnel_find(s, q->tid);

	m.tid = q->tid;
	m.cookie = q->cookie;
	m.found = t != NULL;
	if (t) {
		m.ns = t->chan.ns;
		m.nr = t->chan.nr;
		m.queued = t->chan.queued;
		m.idle_s = age_s(t->last_rx, now);
		m.sent_age_s = age_s(t->chan.last_tx, now);
		m.calls = t->n_calls;
		m.retransmits = t->chan.resends;
	}
	post(s, MSG_TO_CONTROL, &m.msg);
}

/* ---- session shards ---- */

static void post_all_workers(struct tunnel_shard *s, const struct msg *m)
{
	for (unsigned w = 0; w < s->env->n_workers; w++)
		post(s, w, m);
}

void tell_workers_gone(struct tunnel_shard *s, const struct tunnel *t)
{
	struct msg_tunnel_gone m = MSG_INIT(MSG_TUNNEL_GONE, struct msg_tunnel_gone);

	m.tid = t->tid;
	m.reason = t->reason;
	post_all_workers(s, &m.msg);
}

void tell_workers_moved(struct tunnel_shard *s, const struct tunnel *t)
{
	struct msg_tunnel_moved m = MSG_INIT(MSG_TUNNEL_MOVED, struct msg_tunnel_moved);

	m.tid = t->tid;
	m.path = t->path;
	post_all_workers(s, &m.msg);
}

static struct sess_key key_of(const struct call *c)
{
	return (struct sess_key){.tid = c->tunnel->tid, .sid = c->sid, .gen = c->gen};
}

void tell_call_down(struct tunnel_shard *s, const struct call *c, const struct end_reason *reason)
{
	struct msg_call_down m = MSG_INIT(MSG_CALL_DOWN, struct msg_call_down);

	m.key = key_of(c);
	m.reason = *reason;
	post(s, c->sid % s->env->n_workers, &m.msg);
}

/* Copies an AVP that fits into <cap> bytes; false when it does not. */
static bool avp_copy(const struct l2tp_msg *m, enum l2tp_avp avp, uint8_t *out, size_t cap,
		     uint8_t *n)
{
	struct span value = m->avp[avp];

	if (value.n > cap)
		return false;
	*n = (uint8_t)value.n;
	if (value.n)
		memcpy(out, value.p, value.n);
	return true;
}

/* RFC 2661 4.4.5. What does not fit our message is left out: the link negotiates it anew. */
static void proxy_fill(const struct l2tp_msg *m, struct msg_proxy *p)
{
	avp_copy(m, L2TP_AVP_INITIAL_RX_CONFREQ, p->first_rx_confreq, sizeof(p->first_rx_confreq),
		 &p->first_rx_confreq_len);
	avp_copy(m, L2TP_AVP_LAST_TX_CONFREQ, p->last_tx_confreq, sizeof(p->last_tx_confreq),
		 &p->last_tx_confreq_len);
	avp_copy(m, L2TP_AVP_LAST_RX_CONFREQ, p->last_rx_confreq, sizeof(p->last_rx_confreq),
		 &p->last_rx_confreq_len);
	if (avp_copy(m, L2TP_AVP_PROXY_AUTHEN_NAME, p->auth_name, sizeof(p->auth_name),
		     &p->auth_name_len) &&
	    avp_copy(m, L2TP_AVP_PROXY_AUTHEN_CHALLENGE, p->auth_challenge,
		     sizeof(p->auth_challenge), &p->auth_challenge_len) &&
	    avp_copy(m, L2TP_AVP_PROXY_AUTHEN_RESPONSE, p->auth_response, sizeof(p->auth_response),
		     &p->auth_response_len)) {
		p->auth_type = l2tp_msg_u16(m, L2TP_AVP_PROXY_AUTHEN_TYPE);
		p->auth_id = (uint8_t)l2tp_msg_u16(m, L2TP_AVP_PROXY_AUTHEN_ID);
	}
}

void tell_call_up(struct tunnel_shard *s, const struct call *c, const struct l2tp_msg *iccn)
{
	struct msg_call_up m = MSG_INIT(MSG_CALL_UP, struct msg_call_up);

	m.key = key_of(c);
	m.path = c->tunnel->path;
	m.peer_tid = c->tunnel->peer_tid;
	m.peer_sid = c->peer_sid;
	m.serial = c->setup->serial;
	m.tx_speed = l2tp_msg_speed(iccn, L2TP_AVP_TX_CONNECT_SPEED);
	m.rx_speed = l2tp_msg_speed(iccn, L2TP_AVP_RX_CONNECT_SPEED);
	m.framing = l2tp_msg_u32(iccn, L2TP_AVP_FRAMING_TYPE);
	m.sequencing = l2tp_msg_has(iccn, L2TP_AVP_SEQUENCING_REQUIRED);
	m.calling = c->setup->calling;
	m.called = c->setup->called;
	m.lac_name = msg_text_of(bstr_span(c->tunnel->host_name));
	proxy_fill(iccn, &m.proxy);
	post(s, c->sid % s->env->n_workers, &m.msg);
	mem_wipe(&m.proxy, sizeof(m.proxy)); /* it may hold a PAP password */
}
