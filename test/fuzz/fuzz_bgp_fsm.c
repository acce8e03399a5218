/*
 * The whole speaker under orders made of the input's bytes: connections come and go, time passes,
 * prefixes change, the neighbour says anything. What it sends is always well formed, an established
 * neighbour knows in the end exactly what is announced, and nothing is left.
 */
#include <stdlib.h>

#include "base/panic.h"
#include "bgp_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { HOSTS = 16 };

struct world {
	struct bgp_kit kit;
	bool held[HOSTS], network, aggregate;
	bool known[HOSTS + 1]; /* to the neighbour: the hosts and the network */
	uint32_t session;      /* of which it knows that */
	uint8_t sent[BGP_SIDES][2 * BGP_EXTENDED_MAX]; /* what the neighbour has not taken apart */
	size_t n_sent[BGP_SIDES];
};

static struct world w;

static void prefix_change(uint8_t which)
{
	unsigned i = which % HOSTS;
	struct ip_prefix p = {ip_addr_v4(0x0A000000u + i), 32};

	if (w.held[i])
		bgp_rib_remove(&w.kit.speaker.rib, &p);
	else if (!bgp_rib_add(&w.kit.speaker.rib, &p))
		return;
	w.held[i] = !w.held[i];
}

/* The network of all hosts comes or goes. */
static void network_change(void)
{
	struct ip_prefix p = {ip_addr_v4(0x0A000000u), 28};

	w.network = !w.network;
	LNS_ASSERT(bgp_rib_network(&w.kit.speaker.rib, &p, BGP_NETWORK_POOL, w.network));
	bgp_rib_settle(&w.kit.speaker.rib);
}

static void aggregate_change(void)
{
	w.aggregate = !w.aggregate;
	bgp_rib_aggregate(&w.kit.speaker.rib, w.aggregate);
	bgp_rib_settle(&w.kit.speaker.rib);
}

static void say_refresh(enum bgp_side side)
{
	uint8_t out[BGP_HEADER + 4];
	struct wbuf b = wbuf_of(out, sizeof(out));
	size_t at = bgp_message_begin(&b, BGP_ROUTE_REFRESH);

	wbuf_u32(&b, 0x00010001);
	bgp_message_end(&b, at);
	bgp_peer_rx(w.kit.peer, side, wbuf_written(&b), w.kit.now);
}

/* ---- what the neighbour knows ---------------------------------------------------------------- */

static void learn(struct span prefixes, bool there)
{
	while (prefixes.n > 0) {
		uint8_t len = span_u8(&prefixes);
		uint8_t b[4] = {0};
		LNS_ASSERT(len == 32 || len == 28);
		span_bytes(&prefixes, b, 4);
		w.known[len == 32 ? b[3] : HOSTS] = there;
	}
}

static void learn_from(struct span body)
{
	if (w.session != w.kit.peer->stats.established)
		memset(w.known, 0, sizeof(w.known));
	w.session = w.kit.peer->stats.established;
	learn(span_sub(&body, span_u16(&body)), false);
	span_take(&body, span_u16(&body));
	learn(body, true);
}

/* A well-formed message that gets far: OPEN, KEEPALIVE. */
static void say_good(enum bgp_side side, uint8_t what)
{
	uint8_t out[256];
	struct wbuf b = wbuf_of(out, sizeof(out));
	struct bgp_open open = {.as = 65001,
				.hold_s = what & 0x40 ? 0 : 90,
				.id = ip_addr_v4(0xC0000200u + (what & 3)),
				.family = {true, (what & 4) != 0},
				.as4 = (what & 8) != 0,
				.graceful = (what & 16) != 0,
				.restarting = (what & 16) != 0,
				.extended = (what & 32) != 0};
	if (what & 0x80)
		bgp_keepalive_encode(&b);
	else
		bgp_open_encode(&b, &open, false);
	bgp_peer_rx(w.kit.peer, side, wbuf_written(&b), w.kit.now);
}

/* The socket takes some bytes; whole messages of them must be good. */
static void take(enum bgp_side side, size_t most)
{
	struct span s = bgp_peer_pending(w.kit.peer, side);
	struct bgp_frame f;
	struct bgp_error e;
	struct bgp_update_facts facts;
	size_t room = sizeof(w.sent[side]) - w.n_sent[side];
	size_t n = s.n < most ? s.n : most;

	n = n < room ? n : room;
	if (n)
		memcpy(w.sent[side] + w.n_sent[side], s.p, n);
	w.n_sent[side] += n;
	bgp_peer_sent(w.kit.peer, side, n, w.kit.now);
	struct span all = span_of(w.sent[side], w.n_sent[side]);
	enum bgp_framing got;
	while ((got = bgp_frame_next(&all, true, &f, &e)) == BGP_FRAME_READY) {
		if (f.type != BGP_UPDATE)
			continue;
		bool as4 = w.kit.peer->conns[side].theirs.as4;
		LNS_ASSERT(bgp_update_check(f.body, as4, false, &facts, &e));
		learn_from(f.body);
	}
	LNS_ASSERT(got == BGP_FRAME_MORE);
	memmove(w.sent[side], all.p, all.n);
	w.n_sent[side] = all.n;
}

static void tcp(enum bgp_side side, uint8_t what)
{
	struct bgp_peer *p = w.kit.peer;

	if (what & 1) {
		bgp_peer_closed(p, side, w.kit.now);
	} else if (side == BGP_IN) {
		if (!bgp_peer_accepted(p, bgp_kit_local(), w.kit.now))
			return;
	} else if (p->conns[BGP_OUT].state == BGP_STATE_CONNECT) {
		bgp_peer_connected(p, bgp_kit_local(), w.kit.now);
	} else {
		return;
	}
	w.n_sent[side] = 0;
}

static void order(uint8_t what, uint8_t more, struct span *in)
{
	enum bgp_side side = what & 0x80 ? BGP_IN : BGP_OUT;
	unsigned closes = w.kit.closes[side];

	switch (what & 0x0F) {
	case 0:
		tcp(side, more);
		break;
	case 1:
	case 2:
		say_good(side, more);
		break;
	case 3: {
		struct span s = span_sub(in, more < in->n ? more : in->n);
		bgp_peer_rx(w.kit.peer, side, s, w.kit.now);
		break;
	}
	case 4:
		take(side, more);
		break;
	case 5:
		take(side, SIZE_MAX);
		break;
	case 6:
		w.kit.now = nsec_add(w.kit.now, NSEC_MS(200) * more);
		bgp_speaker_turn(&w.kit.speaker, w.kit.now);
		break;
	case 7:
		w.kit.conf.peers[0].policy.med = more;
		bgp_speaker_conf(&w.kit.speaker, &w.kit.conf, w.kit.now);
		break;
	case 8:
		bgp_peer_suspend(w.kit.peer, more & 1);
		break;
	case 9:
		bgp_speaker_restart(w.kit.peer, w.kit.now);
		break;
	case 10:
		bgp_peer_feed(w.kit.peer, more + 1u, w.kit.now);
		break;
	case 11:
		network_change();
		break;
	case 12:
		aggregate_change();
		break;
	case 13:
		say_refresh(side);
		break;
	default:
		prefix_change(more);
		break;
	}
	if (w.kit.closes[side] != closes)
		w.n_sent[side] = 0;
}

/* Everything is told; then it knows what there is, no more and no less. */
static void compare(void)
{
	const struct bgp_peer *p = w.kit.peer;

	if (p->up == BGP_SIDES || !p->conns[p->up].theirs.family[BGP_IPV4])
		return;
	for (unsigned i = 0; i < 100 && !bgp_peer_is_idle(p); i++) {
		w.kit.now = nsec_add(w.kit.now, NSEC_MS(50));
		bgp_peer_feed(w.kit.peer, 1000, w.kit.now);
		take(p->up, SIZE_MAX);
	}
	LNS_ASSERT(bgp_peer_is_idle(p));
	if (w.session != p->stats.established)
		memset(w.known, 0, sizeof(w.known));
	bool told = !p->suspended, covered = w.aggregate && w.network;
	for (unsigned i = 0; i < HOSTS; i++)
		LNS_ASSERT(w.known[i] == (told && w.held[i] && !covered));
	LNS_ASSERT(w.known[HOSTS] == (told && w.network));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of(bytes, n);

	memset(w.held, 0, sizeof(w.held));
	memset(w.n_sent, 0, sizeof(w.n_sent));
	memset(w.known, 0, sizeof(w.known));
	w.network = w.aggregate = false;
	w.session = 0;
	bgp_kit_start(&w.kit);
	while (in.n >= 2) {
		uint8_t what = span_u8(&in);
		order(what, span_u8(&in), &in);
		if (w.kit.peer->conns[BGP_OUT].state < BGP_STATE_OPEN_SENT)
			w.n_sent[BGP_OUT] = 0;
		if (w.kit.peer->conns[BGP_IN].state < BGP_STATE_OPEN_SENT)
			w.n_sent[BGP_IN] = 0;
	}
	compare();
	bgp_kit_stop(&w.kit);
	LNS_ASSERT(w.kit.memory.blocks == 0);
	return 0;
}
