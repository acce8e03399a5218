/*
 * A whole tunnel shard under hostile input: the bytes are a program of datagrams raw and half
 * right, messages of other threads, time, moving peers and failing memory. After each step the
 * shard's tables must agree, all that it sent must be well formed, and at the end no memory may be
 * missing.
 */
#include "tunnel_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { PEERS = 4 };

/* What a peer would know of its tunnels. */
struct peer {
	uint16_t tid, ns, nr;
	uint16_t sid;	     /* of the last ICRP */
	struct sess_key key; /* of the last CALL_UP */
};

struct fuzz {
	struct rig *rig;
	struct span in;
	struct peer peers[PEERS];
};

/* Learns ids and numbers from what the shard sent. */
static void learn(struct fuzz *f)
{
	struct rig_got got;
	unsigned i = 0;
	const struct msg_call_up *up;

	for (unsigned n = 0; rig_got(f->rig, n, &got); n++) {
		struct peer *p = &f->peers[got.h.tid % PEERS];
		if (got.m.type == L2TP_SCCRP)
			p->tid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_TUNNEL_ID);
		if (got.m.type == L2TP_ICRP)
			p->sid = l2tp_msg_u16(&got.m, L2TP_AVP_ASSIGNED_SESSION_ID);
		if (got.m.type)
			p->nr = (uint16_t)(got.h.ns + 1);
	}
	while ((up = rig_post(f->rig, MSG_CALL_UP, &i, NULL)) != NULL)
		f->peers[up->peer_tid % PEERS].key = up->key;
	rig_forget(f->rig);
}

static void raw_datagram(struct fuzz *f)
{
	size_t n = span_u8(&f->in);
	struct span datagram = span_sub(&f->in, n < f->in.n ? n : f->in.n);

	rig_rx_bytes(f->rig, datagram);
}

/* Appends bytes of the program as AVPs whose lengths are right, or as they are. */
static void put_avps(struct fuzz *f, struct wbuf *w)
{
	unsigned count = span_u8(&f->in) % 8;

	while (count--) {
		uint8_t which = span_u8(&f->in), n = span_u8(&f->in) % 40;
		struct span value = span_sub(&f->in, n < f->in.n ? n : f->in.n);
		uint16_t bits = which & 0x80   ? L2TP_AVP_M
				: which & 0x40 ? L2TP_AVP_M | L2TP_AVP_H
					       : 0;
		wbuf_u16(w, (uint16_t)(bits | (L2TP_AVP_HEADER + value.n)));
		wbuf_u32(w, which % 64);
		wbuf_span(w, value);
	}
}

static void put_expected(const struct peer *p, unsigned self, uint8_t type, struct wbuf *w)
{
	if (type == L2TP_SCCRQ) {
		l2tp_avp_put_u16(w, L2TP_AVP_PROTOCOL_VERSION, L2TP_VERSION_1_0);
		l2tp_avp_put_u32(w, L2TP_AVP_FRAMING_CAPABILITIES, 3);
		l2tp_avp_put(w, L2TP_AVP_HOST_NAME, span_str("lac"));
		l2tp_avp_put_u16(w, L2TP_AVP_ASSIGNED_TUNNEL_ID, (uint16_t)(self + PEERS));
	}
	if (type == L2TP_ICRQ || type == L2TP_OCRQ || type == L2TP_CDN)
		l2tp_avp_put_u16(w, L2TP_AVP_ASSIGNED_SESSION_ID, (uint16_t)(p->ns % 5));
}

/* A message that fits the conversation, with AVPs that may not. */
static void plausible_message(struct fuzz *f)
{
	uint8_t how = span_u8(&f->in), type = span_u8(&f->in) % 20;
	unsigned self = how % PEERS;
	struct peer *p = &f->peers[self];
	struct rig_msg m;

	if (type == L2TP_SCCRQ && how & 0x10)
		*p = (struct peer){0};
	rig_begin(&m, type == L2TP_SCCRQ ? 0 : p->tid, how & 0x20 ? p->sid : 0, type);
	put_expected(p, self, type, &m.w);
	put_avps(f, &m.w);
	uint16_t skip = how & 0x40 ? span_u8(&f->in) % 12 : 0;
	rig_rx(f->rig, &m, (uint16_t)(p->ns + skip), p->nr);
	if (!(how & 0x80))
		p->ns++;
}

static void message_of_a_thread(struct fuzz *f)
{
	uint8_t what = span_u8(&f->in);
	struct peer *p = &f->peers[what % PEERS];
	struct msg_hangup hangup = MSG_INIT(MSG_HANGUP, struct msg_hangup);
	struct msg_drop_tunnel drop = MSG_INIT(MSG_DROP_TUNNEL, struct msg_drop_tunnel);
	struct msg_tunnel_query query = MSG_INIT(MSG_TUNNEL_QUERY, struct msg_tunnel_query);
	struct msg_shutdown shutdown = MSG_INIT(MSG_SHUTDOWN, struct msg_shutdown);
	const struct msg *all[] = {&hangup.msg, &hangup.msg, &drop.msg, &query.msg};

	hangup.key = p->key;
	hangup.reason.cdn_result = what & 0x40 ? 3 : 0;
	drop.tid = query.tid = p->tid;
	memset(drop.text, what, sizeof(drop.text)); /* no NUL */
	tunnel_shard_msg(f->rig->shard, what == 0xFF ? &shutdown.msg : all[what / 4 % 4],
			 f->rig->now);
}

static void zlb(struct fuzz *f)
{
	struct peer *p = &f->peers[span_u8(&f->in) % PEERS];

	rig_rx_zlb(f->rig, p->tid, p->ns, p->nr);
}

static void move(struct fuzz *f)
{
	uint8_t where = span_u8(&f->in);

	f->rig->peer.peer.port = (uint16_t)(1701 + where % 3);
	f->rig->peer.peer.ip = ip_addr_v4(0xC0000202 + (where >> 4) % 4);
	f->rig->conf.l2tp.follow_peer = where & 8;
	f->rig->conf.l2tp.require_auth = where & 4;
}

static void step(struct fuzz *f)
{
	uint8_t op = span_u8(&f->in);

	switch (op % 8) {
	case 0:
		raw_datagram(f);
		break;
	case 1:
	case 2:
	case 3:
		plausible_message(f);
		break;
	case 4:
		rig_pass_ms(f->rig, (int64_t)(span_u8(&f->in) % 64) * (op & 0x80 ? 100 : 3));
		break;
	case 5:
		message_of_a_thread(f);
		break;
	case 6:
		zlb(f);
		break;
	case 7:
		f->rig->mem.fail_after = op & 0x80 ? f->rig->mem.gets + op / 8 % 16 : SIZE_MAX;
		move(f);
		break;
	}
	if (op & 0x40)
		rig_turn(f->rig);
	/* A worker takes its turn before it sleeps; the tables need not wait for it. */
	learn(f);
	if (!tunnel_shard_check(f->rig->shard))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz f = {.rig = rig_new(), .in = span_of(bytes, n)};

	f.rig->conf.l2tp.max_tunnels = 6;
	f.rig->conf.l2tp.max_half_open = 4;
	f.rig->conf.l2tp.max_half_open_per_source = 3;
	f.rig->conf.l2tp.max_sessions = 20;
	while (f.in.n)
		step(&f);
	rig_turn(f.rig);
	if (!tunnel_shard_check(f.rig->shard))
		abort();
	if (rig_free(f.rig) != 0)
		abort();
	return 0;
}
