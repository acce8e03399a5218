#include "dataplane/dp_down.h"

#include <limits.h>

#include "base/hash.h"
#include "dataplane/dp_fragment.h"
#include "dataplane/dp_mss.h"
#include "dataplane/dp_service.h"

enum {
	PPP_IP6_LOW = 0x57,
	LOOK_AHEAD = 8,
	IP6_SRC_AT = 8,
	DP_SEGMENT_MAX = 9216, /* to be fragmented; longer than any MTU that is in use */
	IP4_HEADER_MAX = 60,
	IP4_FLAGS_AT = 6,
	/* A fragment that is not the last carries so much, where the MRU is least. */
	FRAGMENT_MIN = (DP_MRU_MIN - IP4_HEADER_MAX) / 8 * 8,
	MADE_MAX = DP_SCRATCH - DP_REPLIES_MAX * DP_ICMP_MAX, /* bytes of headers and fragments */
};

/* What is known of one packet on its way. */
struct packet {
	struct span bytes; /* cut to the packet's own length */
	struct dp_ip4 h4;
	struct dp_super super;
	uint32_t flow;
	bool v6;
};

struct run {
	struct dp_counters *counters;
	uint64_t packets, bytes;
	uint64_t all_packets, all_bytes;
};

static void drop(const struct dp_world *w, enum drop why)
{
	counter_drop(w->counters, why, 1);
}

/* How many a super-packet stands for. */
static unsigned packets_of(const struct packet *p)
{
	struct dp_cut cut;

	if (!p->super.size || !dp_cut_start(&cut, p->bytes, &p->super))
		return 1;
	return dp_cut_count(&cut);
}

static void drop_all(const struct dp_world *w, const struct packet *p, enum drop why)
{
	counter_drop(w->counters, why, packets_of(p));
}

/* ---- counting -------------------------------------------------------------------------------- */

static void run_flush(struct run *run, nsec now)
{
	struct dp_counters *c = run->counters;

	if (!c)
		return;
	atomic_fetch_add_explicit(&c->down_packets, run->packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->down_bytes, run->bytes, memory_order_relaxed);
	atomic_store_explicit(&c->last_data_ns, now.ns, memory_order_relaxed);
	run->all_packets += run->packets;
	run->all_bytes += run->bytes;
	run->counters = NULL;
	run->packets = run->bytes = 0;
}

static void run_add(struct run *run, struct dp_counters *c, uint64_t packets, uint64_t bytes,
		    nsec now)
{
	if (run->counters != c)
		run_flush(run, now);
	run->counters = c;
	run->packets += packets;
	run->bytes += bytes;
}

static void run_end(const struct dp_world *w, struct run *run)
{
	run_flush(run, w->now);
	if (!run->all_packets)
		return;
	counter_add(w->counters, C_DOWN_PACKETS, run->all_packets);
	counter_add(w->counters, C_DOWN_BYTES, run->all_bytes);
}

/* ---- ICMP ------------------------------------------------------------------------------------ */

static void reply(const struct dp_world *w, struct dp_down *d, const struct packet *p, uint8_t code,
		  uint16_t mtu)
{
	struct wbuf out = wbuf_of(d->scratch + d->scratch_used, DP_SCRATCH - d->scratch_used);

	if (d->n_replies == DP_REPLIES_MAX || w->conf->icmp_source.family != 4)
		return;
	if (!dp_icmp_unreachable(&out, &p->h4, p->bytes, ip_addr_u32(&w->conf->icmp_source), code,
				 mtu))
		return;
	d->replies[d->n_replies++] = wbuf_written(&out);
	d->scratch_used += out.n;
	counter_add(w->counters, C_ICMP_SENT, 1);
}

static void no_route(const struct dp_world *w, struct dp_down *d, const struct packet *p)
{
	drop_all(w, p, DROP_NO_ROUTE);
	if (!p->v6 && dp_icmp_allowed(&d->unreachable, w->conf->icmp_rate, w->now))
		reply(w, d, p, ICMP_HOST_UNREACHABLE, 0);
}

/* n: of the packets that a super-packet stands for. */
static void too_big(const struct dp_world *w, struct dp_down *d, const struct packet *p, unsigned n,
		    uint16_t mtu)
{
	uint32_t rate = w->conf->icmp_rate > DP_ICMP_TOO_BIG_PER_S ? w->conf->icmp_rate
								   : DP_ICMP_TOO_BIG_PER_S;

	counter_drop(w->counters, DROP_TOO_BIG, n);
	if (!p->v6 && dp_icmp_allowed(&d->too_big, rate, w->now))
		reply(w, d, p, ICMP_FRAGMENTATION_NEEDED, mtu);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The header goes into the room before the packet; `room` starts where the header does. */
static void put_header(const struct dp_session *s, uint8_t *room, bool v6)
{
	struct wbuf out = wbuf_of(room, s->header_len);

	wbuf_bytes(&out, s->header, v6 ? s->header_len - 1u : s->header_len);
	if (v6)
		wbuf_u8(&out, PPP_IP6_LOW);
}

static void send(struct dp_down *d, const struct dp_session *s, uint8_t *packet, size_t n,
		 const struct packet *p)
{
	put_header(s, packet - s->header_len, p->v6);
	d->tx[d->n_tx++] = (struct dp_tx){
		.session = s,
		.body = packet - s->header_len,
		.body_n = (uint16_t)(s->header_len + n),
		.flow = p->flow,
	};
}

static bool fits(const struct dp_down *d, size_t n)
{
	return d->n_tx < DP_TX_MAX && DP_SCRATCH - d->scratch_used >= n + DP_HEADER_MAX;
}

/* Room for a datagram of at most n bytes behind its header; none: of no bytes. */
static struct wbuf room_for(struct dp_down *d, size_t n)
{
	size_t left = fits(d, 0) ? DP_SCRATCH - d->scratch_used - DP_HEADER_MAX : 0;

	return wbuf_of(d->scratch + d->scratch_used + DP_HEADER_MAX, left < n ? left : n);
}

/* Copies each fragment behind room for its header. All or none are sent. */
static bool send_fragments(struct dp_down *d, const struct dp_session *s, const struct packet *p)
{
	unsigned n_tx = d->n_tx;
	size_t used = d->scratch_used;
	struct dp_fragment f;

	if (!dp_fragment_start(&f, &p->h4, p->bytes, s->spec.mru))
		return false;
	while (f.data.n) {
		struct wbuf out = room_for(d, s->spec.mru);
		if (!dp_fragment_next(&f, &out)) {
			d->n_tx = n_tx;
			d->scratch_used = used;
			return false;
		}
		send(d, s, out.p, out.n, p);
		d->scratch_used += DP_HEADER_MAX + out.n;
	}
	return true;
}

/* Longer than the peer's MRU. */
static bool send_long(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		      const struct packet *p)
{
	if (p->v6 || p->h4.fragment & IP4_DF) {
		too_big(w, d, p, 1, s->spec.mru);
		return false;
	}
	if (send_fragments(d, s, p))
		return true;
	drop(w, DROP_NO_MEMORY);
	return false;
}

static bool send_short(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		       const struct packet *p)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)p->bytes.p; /* lent to us for writing */

	if (d->n_tx == DP_TX_MAX) {
		drop(w, DROP_NO_MEMORY);
		return false;
	}
	if (s->spec.mss && dp_mss_clamp(bytes, p->bytes.n, s->spec.mss))
		counter_add(w->counters, C_MSS_CLAMPED, 1);
	send(d, s, bytes, p->bytes.n, p);
	return true;
}

/* ---- super-packets --------------------------------------------------------------------------- */

/* Headers go into scratch, the payload stays where it is. No more than `most` segments. */
static void send_segments(struct dp_down *d, const struct dp_session *s, const struct packet *p,
			  struct dp_cut *cut, unsigned most)
{
	struct wbuf out = wbuf_of(d->scratch, DP_SCRATCH);

	out.n = d->scratch_used;
	for (; cut->payload.n && most > 0; most--) {
		size_t at = out.n;
		put_header(s, wbuf_room(&out, s->header_len), p->v6);
		struct span payload = dp_cut_next(cut, &out);
		d->tx[d->n_tx++] = (struct dp_tx){
			.session = s,
			.head = out.p + at,
			.head_n = (uint16_t)(out.n - at),
			.body = payload.p,
			.body_n = (uint16_t)payload.n,
			.flow = p->flow,
		};
	}
	d->scratch_used = out.n;
}

/* Each segment is fragmented by itself. Seldom, so they are made whole first. All or none are sent.
 */
static bool send_segments_long(struct dp_down *d, const struct dp_session *s,
			       const struct packet *p, struct dp_cut *cut, unsigned most)
{
	uint8_t room[DP_SEGMENT_MAX];
	unsigned n_tx = d->n_tx;
	size_t used = d->scratch_used;

	if (cut->head.n + cut->super.size > sizeof(room))
		return false;
	for (; cut->payload.n && most > 0; most--) {
		struct wbuf out = wbuf_of(room, sizeof(room));
		struct packet segment = {.flow = p->flow};
		wbuf_span(&out, dp_cut_next(cut, &out));
		segment.bytes = wbuf_written(&out);
		if (dp_ip4_decode(segment.bytes, &segment.h4) != DP_IP_OK ||
		    !send_fragments(d, s, &segment)) {
			d->n_tx = n_tx;
			d->scratch_used = used;
			return false;
		}
	}
	return true;
}

/* All segments but the last are too long and must not be fragmented; the last may be shorter. */
static unsigned send_tail(struct dp_down *d, const struct dp_session *s, struct dp_cut *cut,
			  const struct packet *p, uint64_t *bytes)
{
	dp_cut_skip(cut, dp_cut_count(cut) - 1);
	size_t length = cut->head.n + cut->payload.n;
	if (length > s->spec.mru || !fits(d, s->header_len + cut->head.n))
		return 0;
	send_segments(d, s, p, cut, 1);
	*bytes += length;
	return 1;
}

/* The first `most` segments. Returns how many were sent; their bytes are added to *bytes. None is a
 * SYN, whose MSS would count: a SYN is no super-packet. */
static unsigned send_super(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
			   const struct packet *p, unsigned most, uint64_t *bytes)
{
	struct dp_cut cut;
	bool ok = true;

	if (!dp_cut_start(&cut, p->bytes, &p->super)) {
		drop(w, DROP_TUN_FORMAT);
		return 0;
	}
	unsigned n = dp_cut_count(&cut);
	size_t payload = cut.payload.n;
	size_t longest = cut.payload.n < cut.super.size ? cut.payload.n : cut.super.size;
	bool is_long = cut.head.n + longest > s->spec.mru;
	if (is_long && (p->v6 || p->h4.fragment & IP4_DF)) {
		unsigned sent = n > most ? 0 : send_tail(d, s, &cut, p, bytes);
		too_big(w, d, p, n - sent, s->spec.mru);
		return sent;
	}
	if (n > most) {
		n = most;
		payload = (size_t)n * cut.super.size;
	}
	if (is_long)
		ok = send_segments_long(d, s, p, &cut, n);
	else if (n <= DP_TX_MAX - d->n_tx &&
		 n * (s->header_len + cut.head.n) <= DP_SCRATCH - d->scratch_used)
		send_segments(d, s, p, &cut, n);
	else
		ok = false;
	if (!ok) {
		counter_drop(w->counters, DROP_NO_MEMORY, n);
		return 0;
	}
	*bytes += (uint64_t)n * cut.head.n + payload;
	return n;
}

/* The same for any packet. */
static unsigned send_any(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
			 const struct packet *p, unsigned most, uint64_t *bytes)
{
	if (p->super.size)
		return send_super(w, d, s, p, most, bytes);
	if (!(p->bytes.n > s->spec.mru ? send_long(w, d, s, p) : send_short(w, d, s, p)))
		return 0;
	*bytes += p->bytes.n;
	return 1;
}

/* ---- what is done to some sessions ----------------------------------------------------------- */

/* How many of n packets packet_limit lets pass in this tenth of a second; whoever forwards counts.
 */
static unsigned within_limit(const struct dp_world *w, const struct dp_session *s, unsigned n)
{
	_Atomic uint64_t *window = &s->counters->down_tenth;
	uint64_t tenth = (uint64_t)(w->now.ns / NSEC_MS(100)) & UINT32_MAX;
	uint64_t was = atomic_load_explicit(window, memory_order_relaxed), next;
	uint32_t limit = w->conf->packet_limit;
	unsigned most;

	do {
		uint32_t used = was >> 32 == tenth ? (uint32_t)was : 0;
		uint32_t left = used < limit ? limit - used : 0;
		most = n < left ? n : left;
		next = tenth << 32 | (used + most);
	} while (!atomic_compare_exchange_weak_explicit(window, &was, next, memory_order_relaxed,
							memory_order_relaxed));
	if (most < n)
		counter_drop(w->counters, DROP_PACKET_LIMIT, n - most);
	return most;
}

/* Another session is where the packet comes from. */
static bool is_from_local(const struct dp_world *w, const struct packet *p)
{
	struct span in = p->bytes;

	if (!p->v6)
		return dp_route_find4_rcu(w->routes, p->h4.src).slot != DP_SLOT_NONE;
	span_take(&in, IP6_SRC_AT);
	return dp_route_find6_rcu(w->routes, span_take(&in, 16)).slot != DP_SLOT_NONE;
}

static bool has_hook(const struct dp_world *w)
{
	return w->hooks && w->hooks->tx;
}

/* Looks at each datagram that was made of one packet; those that may go now stay. */
static void serve_made(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		       const struct packet *p, unsigned from, struct run *run)
{
	bool local = w->conf->no_throttle_local && is_from_local(w, p);
	unsigned kept = from;
	uint64_t bytes = 0;

	for (unsigned i = from; i < d->n_tx; i++) {
		if (has_hook(w) && !dp_hook_tx(w, &d->tx[i])) {
			drop(w, DROP_PLUGIN);
			continue;
		}
		if (dp_service_down(w, s, &d->tx[i], p->v6, local) != DP_SERVED_PASS)
			continue;
		bytes += dp_tx_len(&d->tx[i]) - s->header_len;
		d->tx[kept++] = d->tx[i];
	}
	d->n_tx = kept;
	if (kept > from)
		run_add(run, s->counters, kept - from, bytes, w->now);
}

/* A session with a policy, one that is watched, or any when a plugin sees packets. Only its worker
 * may touch its policy's state. */
static void to_served(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		      const struct packet *p, unsigned most, struct run *run)
{
	struct dp_service *v = s->spec.service;
	unsigned from = d->n_tx;
	uint64_t bytes = 0;

	if (v && !p->v6 && !dp_service_filter(w, v, DP_WAY_DOWN, p->bytes))
		return;
	if (send_any(w, d, s, p, most, &bytes) > 0)
		serve_made(w, d, s, p, from, run);
}

static void hand_over(struct dp_down *d, const struct dp_session *s, const struct packet *p)
{
	d->away[d->n_away++] =
		(struct dp_away){.packet = p->bytes, .super = p->super, .sid = s->spec.key.sid};
}

static void forward(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		    const struct packet *p, struct run *run)
{
	uint64_t bytes = 0;
	unsigned most = UINT_MAX;

	if (s->spec.flags & DP_OWNER_ONLY && s->spec.key.sid % w->n_workers != w->self) {
		hand_over(d, s, p);
		return;
	}
	if (w->conf->packet_limit && !(most = within_limit(w, s, packets_of(p))))
		return;
	if (s->spec.flags & (DP_OWNER_ONLY | DP_TAP) || has_hook(w)) {
		to_served(w, d, s, p, most, run);
		return;
	}
	unsigned n = send_any(w, d, s, p, most, &bytes);
	if (n)
		run_add(run, s->counters, n, bytes, w->now);
}

static void to_session(const struct dp_world *w, struct dp_down *d, const struct dp_session *s,
		       struct dp_route_value route, const struct packet *p, struct run *run)
{
	if (route.slot == DP_SLOT_NONE)
		no_route(w, d, p);
	else if (!s || s->generation != route.generation)
		drop_all(w, p, DROP_STALE_ROUTE);
	else if (!(s->spec.flags & (p->v6 ? DP_IP6 : DP_IP4)))
		drop_all(w, p, DROP_PPP_NOT_OPEN);
	else
		forward(w, d, s, p, run);
}

/* ---- reading packets ------------------------------------------------------------------------- */

/* Ports of a fragment are only in the first one, so that all are counted as one flow without. */
static uint32_t flow_of(const struct dp_ip4 *h, struct span packet)
{
	uint64_t v = (uint64_t)h->src << 32 | h->dst;
	bool has_ports = !(h->fragment & (IP4_MF | IP4_OFFSET)) &&
			 (h->proto == IP_TCP || h->proto == IP_UDP);

	span_take(&packet, h->header_len);
	return (uint32_t)hash_u64(v * 31 + (has_ports ? span_u32(&packet) : 0) + h->proto);
}

static bool read4(struct packet *p, struct span in)
{
	if (dp_ip4_decode(in, &p->h4) != DP_IP_OK)
		return false;
	p->bytes = span_sub(&in, p->h4.total_len);
	p->flow = flow_of(&p->h4, p->bytes);
	return true;
}

/* The flow label would do, but is often 0: the destination keeps order well enough. */
static bool read6(struct packet *p, struct span in, const uint8_t **dst)
{
	struct dp_ip6 h;

	if (dp_ip6_decode(in, &h) != DP_IP_OK)
		return false;
	p->bytes = span_sub(&in, h.total_len);
	p->v6 = true;
	struct span low = span_of(h.dst, 16);
	p->flow = (uint32_t)hash_u64(span_u64(&low) * 31 + span_u64(&low));
	*dst = h.dst;
	return true;
}

static bool is_v6(const struct dp_packet *in)
{
	struct span s = span_of(in->p, in->n);
	return span_u8(&s) >> 4 == 6;
}

/* Reads all headers and finds all routes; returns how many packets are good. */
static unsigned read_batch(const struct dp_world *w, const struct dp_packet *in, unsigned n,
			   struct packet *packets, struct dp_route_value *routes)
{
	uint32_t dst4[DP_BATCH];
	uint16_t at[DP_BATCH];
	struct dp_route_value found[DP_BATCH];
	unsigned good = 0, n4 = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = &packets[good];
		const uint8_t *dst6;
		p->v6 = is_v6(&in[i]);
		p->super = in[i].super;
		if (p->v6 && read6(p, span_of(in[i].p, in[i].n), &dst6)) {
			routes[good++] = dp_route_find6_rcu(w->routes, dst6);
		} else if (!p->v6 && read4(p, span_of(in[i].p, in[i].n))) {
			dst4[n4] = p->h4.dst;
			at[n4++] = (uint16_t)good++;
		} else {
			drop(w, DROP_TUN_FORMAT);
		}
	}
	if (n4)
		dp_routes_find4_rcu(w->routes, dst4, n4, found);
	for (unsigned i = 0; i < n4; i++)
		routes[at[i]] = found[i];
	return good;
}

/* Of the places in struct dp_down. */
struct need {
	size_t datagrams, bytes;
};

static bool may_be_fragmented(const struct dp_packet *in)
{
	return in->n >= IP4_HEADER && in->p[0] >> 4 == 4 && !(in->p[IP4_FLAGS_AT] & (IP4_DF >> 8));
}

/* The most that can become of a packet, whoever it is for. */
static struct need need_of(const struct dp_packet *in)
{
	size_t size = in->super.size;
	size_t segments = size ? in->n / size + 1 : 1;
	size_t longest = size ? size + DP_CUT_HEAD_MAX : in->n;
	size_t heads = size ? segments * (DP_HEADER_MAX + DP_CUT_HEAD_MAX) : 0;

	if (longest <= DP_MRU_MIN || !may_be_fragmented(in))
		return (struct need){segments, heads};
	size_t fragments = segments * (longest / FRAGMENT_MIN + 1);
	return (struct need){fragments,
			     in->n + heads + fragments * (DP_HEADER_MAX + IP4_HEADER_MAX)};
}

/* How many packets from the first on surely have room. */
static unsigned fitting(const struct dp_packet *in, unsigned n)
{
	struct need sum = {0, 0};
	unsigned i = 0;

	for (; i < n; i++) {
		struct need need = need_of(&in[i]);
		sum.datagrams += need.datagrams;
		sum.bytes += need.bytes;
		if ((sum.datagrams > DP_TX_MAX || sum.bytes > MADE_MAX) && i > 0)
			break;
	}
	return i;
}

/* What is changed for each packet of the session. */
static void prefetch(const struct dp_session *s)
{
	if (!s)
		return;
	__builtin_prefetch(s->counters, 1);
	dp_service_prefetch(s, DP_WAY_DOWN);
}

unsigned dp_down(const struct dp_world *w, struct dp_down *d, const struct dp_packet *in,
		 unsigned n)
{
	struct packet packets[DP_BATCH];
	struct dp_route_value routes[DP_BATCH];
	uint32_t slots[DP_BATCH];
	const struct dp_session *sessions[DP_BATCH];
	struct run run = {.counters = NULL};

	LNS_ASSERT(n <= DP_BATCH);
	d->n_tx = d->n_replies = d->n_away = 0;
	d->scratch_used = 0;
	n = fitting(in, n);
	unsigned good = read_batch(w, in, n, packets, routes);
	if (good == 0)
		return n;
	for (unsigned i = 0; i < good; i++)
		slots[i] = routes[i].slot;
	dp_sessions_at_rcu(w->tables, slots, good, sessions);
	for (unsigned i = 0; i < LOOK_AHEAD && i < good; i++)
		prefetch(sessions[i]);
	for (unsigned i = 0; i < good; i++) {
		if (i + LOOK_AHEAD < good)
			prefetch(sessions[i + LOOK_AHEAD]);
		to_session(w, d, sessions[i], routes[i], &packets[i], &run);
	}
	run_end(w, &run);
	dp_order(d->tx, d->n_tx, d->order);
	return n;
}
