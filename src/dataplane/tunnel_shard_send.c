/*
 * Control messages that we write (RFC 2661 6), and the way out through the channel.
 */
#include "dataplane/tunnel_shard_int.h"

static const char vendor_name[] = "l2tpns";
enum { FIRMWARE_REVISION = 0x0300, FRAMING_SYNC_AND_ASYNC = 3 };

struct l2tp_chan_conf shard_chan_conf(const struct tunnel_shard *s)
{
	const struct l2tp_conf *c = &s->conf->l2tp;
	struct l2tp_chan_conf out = {.max_retries = c->max_retries, .cap_s = c->retransmit_cap_s};

	if (s->shutdown && out.max_retries > SHUTDOWN_RETRIES)
		out.max_retries = SHUTDOWN_RETRIES;
	return out;
}

static void datagram_out(struct tunnel_shard *s, const struct l2tp_path *to, struct span bytes)
{
	s->env->send_control(s->env->ctx, to, bytes);
	counter_add(s->env->counters, C_CONTROL_TX, 1);
}

void tunnel_flush(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	struct l2tp_chan_conf conf = shard_chan_conf(s);
	uint32_t resends = t->chan.resends;

	for (;;) {
		struct span m = l2tp_chan_tx(&t->chan, &conf, now);
		if (m.n == 0)
			break;
		datagram_out(s, &t->path, m);
	}
	counter_add(s->env->counters, C_CONTROL_RETRANSMITS, t->chan.resends - resends);
}

void tunnel_flush_ack(struct tunnel_shard *s, struct tunnel *t, nsec now)
{
	uint8_t bytes[L2TP_CONTROL_HEADER];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	tunnel_flush(s, t, now);
	if (l2tp_chan_zlb(&t->chan, t->peer_tid, &w, now))
		datagram_out(s, &t->path, wbuf_written(&w));
}

static bool queue(struct tunnel *t, struct wbuf *w)
{
	LNS_ASSERT(!w->bad);
	l2tp_hdr_finish(w);
	return l2tp_chan_queue(&t->chan, wbuf_written(w));
}

static const char *host_name(const struct l2tp_conf *c, const struct ip_addr *local)
{
	for (unsigned i = 0; i < c->n_names; i++) {
		if (ip_addr_equal(&c->names[i].at, local))
			return c->names[i].host_name;
	}
	return c->host_name[0] ? c->host_name : vendor_name;
}

bool send_sccrp(struct tunnel_shard *s, struct tunnel *t, struct span challenge)
{
	const struct l2tp_conf *c = &s->conf->l2tp;
	struct span secret = span_str(c->secret);
	uint8_t bytes[CONTROL_MAX], response[L2TP_RESPONSE_LEN];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_msg_begin(&w, t->peer_tid, 0, L2TP_SCCRP);
	l2tp_avp_put_u16(&w, L2TP_AVP_PROTOCOL_VERSION, L2TP_VERSION_1_0);
	l2tp_avp_put_u32(&w, L2TP_AVP_FRAMING_CAPABILITIES, FRAMING_SYNC_AND_ASYNC);
	l2tp_avp_put_u16(&w, L2TP_AVP_FIRMWARE_REVISION, FIRMWARE_REVISION);
	l2tp_avp_put(&w, L2TP_AVP_HOST_NAME, span_str(host_name(c, &t->path.local_ip)));
	l2tp_avp_put(&w, L2TP_AVP_VENDOR_NAME, span_str(vendor_name));
	l2tp_avp_put_u16(&w, L2TP_AVP_ASSIGNED_TUNNEL_ID, t->tid);
	l2tp_avp_put_u16(&w, L2TP_AVP_RECEIVE_WINDOW_SIZE, c->window ? c->window : 1);
	if (t->challenged)
		l2tp_avp_put(&w, L2TP_AVP_CHALLENGE, span_of(t->challenge, sizeof(t->challenge)));
	if (challenge.n) {
		l2tp_auth_response(response, L2TP_SCCRP, secret, challenge);
		l2tp_avp_put(&w, L2TP_AVP_CHALLENGE_RESPONSE, span_of(response, sizeof(response)));
	}
	return queue(t, &w);
}

static void put_stopccn(struct wbuf *w, uint16_t tid, const struct refusal *r)
{
	l2tp_msg_begin(w, r->peer_tid, 0, L2TP_StopCCN);
	l2tp_avp_put_u16(w, L2TP_AVP_ASSIGNED_TUNNEL_ID, tid);
	l2tp_avp_put_result(w, r->result, r->error, span_str(r->text));
}

bool send_stopccn(struct tunnel *t, uint16_t result, uint16_t error, const char *text)
{
	uint8_t bytes[CONTROL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	const struct refusal r = {t->peer_tid, result, error, text};

	put_stopccn(&w, t->tid, &r);
	return queue(t, &w);
}

void send_refusal(struct tunnel_shard *s, const struct l2tp_path *to, const struct refusal *r,
		  nsec now)
{
	uint8_t bytes[CONTROL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	/* The AVP may not be 0 (RFC 2661 4.4.3): an id that is nobody's, and stays so. */
	uint16_t tid = tid_pick(s, now);
	put_stopccn(&w, tid ? tid : UINT16_MAX, r);
	l2tp_hdr_finish(&w);
	LNS_ASSERT(!w.bad);
	l2tp_hdr_stamp(w.p, w.n, 0, 1); /* our first message; it acknowledges the peer's first */
	datagram_out(s, to, wbuf_written(&w));
}

bool send_hello(struct tunnel *t)
{
	uint8_t bytes[CONTROL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_msg_begin(&w, t->peer_tid, 0, L2TP_HELLO);
	return queue(t, &w);
}

/* The AVPs of a control message that we wrote. */
static struct span avps_of(const struct wbuf *w)
{
	struct span m = wbuf_written(w);

	span_take(&m, L2TP_CONTROL_HEADER);
	return m;
}

bool send_icrp(struct tunnel_shard *s, const struct call *c, nsec now)
{
	struct tunnel *t = c->tunnel;
	uint8_t bytes[CONTROL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_msg_begin(&w, t->peer_tid, c->peer_sid, L2TP_ICRP);
	l2tp_avp_put_u16(&w, L2TP_AVP_ASSIGNED_SESSION_ID, c->sid);
	tell_trace(s, call_key(c), true, L2TP_ICRP, avps_of(&w), now);
	return queue(t, &w);
}

bool send_cdn(struct tunnel_shard *s, struct tunnel *t, const struct cdn *cdn, uint32_t gen,
	      nsec now)
{
	uint8_t bytes[CONTROL_MAX];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));

	l2tp_msg_begin(&w, t->peer_tid, cdn->peer_sid, L2TP_CDN);
	l2tp_avp_put_result(&w, cdn->result, cdn->error, span_str(cdn->text));
	l2tp_avp_put_u16(&w, L2TP_AVP_ASSIGNED_SESSION_ID, cdn->sid);
	if (gen)
		tell_trace(s, (struct sess_key){t->tid, cdn->sid, gen}, true, L2TP_CDN, avps_of(&w),
			   now);
	return queue(t, &w);
}
