#include "dataplane/dp_up.h"

#include "dataplane/dp_ip.h"
#include "dataplane/dp_mss.h"
#include "dataplane/dp_service.h"

enum {
	FLAG_T = 0x8000,
	FLAG_L = 0x4000,
	FLAG_S = 0x0800,
	FLAG_O = 0x0200,
	VERSION_MASK = 0x000F,
	VERSION = 2,
	PPP_ALL_STATIONS = 0xFF03,
	PPP_IP4 = 0x0021,
	PPP_IP6 = 0x0057,
	PPP_LCP = 0xC021,
	IP4_DST_AT = 16,
	IP6_DST_AT = 24,
	LOOK_AHEAD = 8,
};

/* Packets of one session in a row are counted together. */
struct run {
	struct dp_counters *counters;
	uint64_t packets, bytes;
	uint64_t all_packets, all_bytes; /* of the batch */
};

static void drop(const struct dp_world *w, struct dp_up_result *r, enum drop why)
{
	r->verdict = DP_UP_DROP;
	r->why = (uint8_t)why;
	counter_drop(w->counters, why, 1);
}

static void set_data(struct dp_up_result *r, struct span in)
{
	/* The bytes belong to the caller, who lent them for writing. */
	r->p = (uint8_t *)(uintptr_t)in.p;
	r->n = in.n;
}

/* ---- L2TP and PPP headers -------------------------------------------------------------------- */

/* A control message goes whole to its tunnel; only the tunnel id is looked at here. */
static void decode_control(const struct dp_world *w, struct dp_up_result *r, struct span in,
			   uint16_t flags)
{
	if (flags & FLAG_L)
		span_u16(&in);
	r->tid = span_u16(&in);
	if (in.bad) {
		drop(w, r, DROP_L2TP_SHORT);
		return;
	}
	r->verdict = DP_UP_CONTROL;
}

/* The PPP frame behind the data header; false: dropped. */
static bool decode_data(const struct dp_world *w, struct dp_up_result *r, struct span in,
			uint16_t flags)
{
	if (flags & FLAG_L) {
		size_t len = span_u16(&in);
		if (!in.bad && (len < 4 || len - 4 > in.n))
			return drop(w, r, DROP_L2TP_LENGTH), false;
		in.n = in.bad ? 0 : len - 4;
	}
	r->tid = span_u16(&in);
	r->sid = span_u16(&in);
	if (flags & FLAG_S)
		span_u32(&in);
	if (in.bad)
		return drop(w, r, DROP_L2TP_SHORT), false;
	if (flags & FLAG_O) {
		span_take(&in, span_u16(&in));
		if (in.bad)
			return drop(w, r, DROP_L2TP_OFFSET), false;
	}
	struct span framed = in;
	if (span_u16(&framed) == PPP_ALL_STATIONS && !framed.bad)
		in = framed;
	set_data(r, in);
	r->verdict = DP_UP_FRAME;
	return true;
}

/* True: a data packet whose session is to be found. */
static bool decode(const struct dp_world *w, const struct dp_datagram *d, struct dp_up_result *r)
{
	struct span in = span_of(d->p, d->n);
	uint16_t flags = span_u16(&in);

	*r = (struct dp_up_result){.p = d->p, .n = d->n};
	if (in.bad)
		return drop(w, r, DROP_L2TP_SHORT), false;
	if ((flags & VERSION_MASK) != VERSION)
		return drop(w, r, DROP_L2TP_VERSION), false;
	if (flags & FLAG_T)
		return decode_control(w, r, in, flags), false;
	return decode_data(w, r, in, flags);
}

/* ---- one session's frame --------------------------------------------------------------------- */

static void run_flush(struct run *run, nsec now)
{
	struct dp_counters *c = run->counters;

	if (!c)
		return;
	atomic_store_explicit(&c->last_up_ns, now.ns, memory_order_relaxed);
	if (run->packets) {
		atomic_fetch_add_explicit(&c->up_packets, run->packets, memory_order_relaxed);
		atomic_fetch_add_explicit(&c->up_bytes, run->bytes, memory_order_relaxed);
		atomic_store_explicit(&c->last_data_ns, now.ns, memory_order_relaxed);
	}
	run->all_packets += run->packets;
	run->all_bytes += run->bytes;
	run->counters = NULL;
	run->packets = run->bytes = 0;
}

static void run_add(struct run *run, struct dp_counters *c, nsec now)
{
	if (run->counters == c)
		return;
	run_flush(run, now);
	run->counters = c;
}

static void run_end(const struct dp_world *w, struct run *run)
{
	run_flush(run, w->now);
	if (!run->all_packets)
		return;
	counter_add(w->counters, C_UP_PACKETS, run->all_packets);
	counter_add(w->counters, C_UP_BYTES, run->all_bytes);
}

static bool is_from_peer(const struct dp_world *w, const struct dp_session *s,
			 const struct l2tp_path *path)
{
	return w->conf->follow_peer || sock_addr_equal(&s->spec.path.peer, &path->peer);
}

static bool leads_to(struct dp_route_value v, const struct dp_session *s)
{
	return v.slot == s->slot && v.generation == s->generation;
}

/* The session's own address, or one of a network behind it. */
static bool owns_source4(const struct dp_world *w, const struct dp_session *s, uint32_t src)
{
	return (s->spec.ip.family == 4 && ip_addr_u32(&s->spec.ip) == src) ||
	       w->conf->no_spoof_check || leads_to(dp_route_find4_rcu(w->routes, src), s);
}

/* Link-local sources (RFC 4291 2.5.6) are of this link only and need no route. */
static bool owns_source6(const struct dp_world *w, const struct dp_session *s, const uint8_t *src)
{
	return w->conf->no_spoof_check || (src[0] == 0xFE && (src[1] & 0xC0) == 0x80) ||
	       leads_to(dp_route_find6_rcu(w->routes, src), s);
}

/* Another session is the destination. */
static bool is_local(const struct dp_world *w, struct span packet, bool is_v6)
{
	if (is_v6) {
		span_take(&packet, IP6_DST_AT);
		return dp_route_find6_rcu(w->routes, span_take(&packet, 16)).slot != DP_SLOT_NONE;
	}
	span_take(&packet, IP4_DST_AT);
	return dp_route_find4_rcu(w->routes, span_u32(&packet)).slot != DP_SLOT_NONE;
}

/* What the session's policy says; true: the packet goes on. */
static bool serve(const struct dp_world *w, const struct dp_session *s, struct dp_up_result *r,
		  struct span packet, bool is_v6)
{
	struct dp_service *v = s->spec.service;

	if (v && !is_v6 && !dp_service_filter(w, v, DP_WAY_UP, packet)) {
		r->verdict = DP_UP_DROP;
		r->why = DROP_FILTERED;
		return false;
	}
	bool local = w->conf->no_throttle_local && is_local(w, packet, is_v6);
	r->stays = v != NULL;
	if (dp_service_up(w, s, packet, is_v6, local) == DP_SERVED_PASS)
		return true;
	r->verdict = DP_UP_HELD;
	return false;
}

static void forward(const struct dp_world *w, const struct dp_session *s, struct dp_up_result *r,
		    struct span packet, bool is_v6, struct run *run)
{
	set_data(r, packet);
	r->verdict = DP_UP_FORWARD;
	if (w->hooks && w->hooks->rx && !w->hooks->rx(s->spec.key, packet)) {
		drop(w, r, DROP_PLUGIN);
		return;
	}
	if (s->spec.mss && dp_mss_clamp(r->p, r->n, s->spec.mss))
		counter_add(w->counters, C_MSS_CLAMPED, 1);
	if (s->spec.flags & (DP_OWNER_ONLY | DP_TAP) && !serve(w, s, r, packet, is_v6))
		return;
	run->packets++;
	run->bytes += packet.n;
}

static void ip_fault(const struct dp_world *w, struct dp_up_result *r, enum dp_ip_fault fault)
{
	drop(w, r, fault == DP_IP_BAD_LENGTH ? DROP_IP_LENGTH : DROP_IP_HEADER);
}

static void forward4(const struct dp_world *w, const struct dp_session *s, struct dp_up_result *r,
		     struct span packet, struct run *run)
{
	struct dp_ip4 h;
	enum dp_ip_fault fault = dp_ip4_decode(packet, &h);

	if (!(s->spec.flags & DP_IP4))
		drop(w, r, DROP_PPP_NOT_OPEN);
	else if (fault != DP_IP_OK)
		ip_fault(w, r, fault);
	else if (!owns_source4(w, s, h.src))
		drop(w, r, DROP_SPOOF);
	else
		forward(w, s, r, span_sub(&packet, h.total_len), false, run);
}

static void forward6(const struct dp_world *w, const struct dp_session *s, struct dp_up_result *r,
		     struct span packet, struct run *run)
{
	struct dp_ip6 h;
	enum dp_ip_fault fault = dp_ip6_decode(packet, &h);

	if (!(s->spec.flags & DP_IP6))
		drop(w, r, DROP_PPP_NOT_OPEN);
	else if (fault != DP_IP_OK)
		ip_fault(w, r, fault);
	else if (!owns_source6(w, s, h.src))
		drop(w, r, DROP_SPOOF);
	else
		forward(w, s, r, span_sub(&packet, h.total_len), true, run);
}

/* The protocol field; one byte when its low bit is set (RFC 1661 6.5). */
static uint16_t ppp_protocol(struct span *in)
{
	uint8_t first = span_u8(in);

	return (uint16_t)(first & 1 ? first : first << 8 | span_u8(in));
}

static bool is_for_owner(const struct dp_world *w, const struct dp_session *s)
{
	return s->spec.flags & DP_OWNER_ONLY && s->spec.key.sid % w->n_workers != w->self;
}

/* A call comes to its session's worker by way of its tunnel's: the peer's first LCP frame may
 * overtake it. */
static void no_session(const struct dp_world *w, struct dp_up_result *r)
{
	struct span in = span_of(r->p, r->n);

	if (ppp_protocol(&in) == PPP_LCP)
		r->verdict = DP_UP_EARLY;
	else
		drop(w, r, DROP_NO_SESSION);
}

static void session_frame(const struct dp_world *w, const struct dp_session *s,
			  const struct l2tp_path *path, struct dp_up_result *r, struct run *run)
{
	struct span in = span_of(r->p, r->n);

	if (!s) {
		no_session(w, r);
		return;
	}
	if (!is_from_peer(w, s, path)) {
		drop(w, r, DROP_WRONG_PEER);
		return;
	}
	uint16_t protocol = ppp_protocol(&in);
	if (in.bad) {
		drop(w, r, DROP_PPP_SHORT);
		return;
	}
	run_add(run, s->counters, w->now);
	if (is_for_owner(w, s))
		r->verdict = DP_UP_FRAME;
	else if (protocol == PPP_IP4)
		forward4(w, s, r, in, run);
	else if (protocol == PPP_IP6)
		forward6(w, s, r, in, run);
}

/* ---- entry points ---------------------------------------------------------------------------- */

/* What is changed for each packet of the session. */
static void prefetch(const struct dp_session *s)
{
	if (!s)
		return;
	__builtin_prefetch(s->counters, 1);
	dp_service_prefetch(s, DP_WAY_UP);
}

void dp_up(const struct dp_world *w, const struct dp_datagram *in, unsigned n,
	   struct dp_up_result *out)
{
	const struct dp_session *sessions[DP_BATCH];
	uint32_t keys[DP_BATCH];
	uint16_t at[DP_BATCH];
	unsigned n_data = 0;
	struct run run = {.counters = NULL};

	LNS_ASSERT(n <= DP_BATCH);
	for (unsigned i = 0; i < n; i++)
		if (decode(w, &in[i], &out[i])) {
			keys[n_data] = (uint32_t)out[i].tid << 16 | out[i].sid;
			at[n_data++] = (uint16_t)i;
		}
	if (n_data == 0)
		return;
	dp_sessions_find_rcu(w->tables, keys, n_data, sessions);
	for (unsigned i = 0; i < LOOK_AHEAD && i < n_data; i++)
		prefetch(sessions[i]);
	for (unsigned i = 0; i < n_data; i++) {
		if (i + LOOK_AHEAD < n_data)
			prefetch(sessions[i + LOOK_AHEAD]);
		session_frame(w, sessions[i], in[at[i]].path, &out[at[i]], &run);
	}
	run_end(w, &run);
}

bool dp_up_is_ip(const struct dp_up_result *r)
{
	struct span in = span_of(r->p, r->n);
	uint16_t protocol = ppp_protocol(&in);

	return protocol == PPP_IP4 || protocol == PPP_IP6;
}

void dp_up_shed(const struct dp_world *w, const struct dp_datagram *in, unsigned n,
		struct dp_up_result *out)
{
	struct run run = {.counters = NULL};

	for (unsigned i = 0; i < n; i++) {
		if (!decode(w, &in[i], &out[i]))
			continue;
		if (dp_up_is_ip(&out[i]))
			drop(w, &out[i], DROP_OVERLOAD);
		else
			session_frame(w, dp_session_find_rcu(w->tables, out[i].tid, out[i].sid),
				      in[i].path, &out[i], &run);
	}
	run_end(w, &run);
}

void dp_up_frame(const struct dp_world *w, uint16_t tid, uint16_t sid, const struct l2tp_path *path,
		 uint8_t *frame, size_t n, struct dp_up_result *out)
{
	struct run run = {.counters = NULL};

	*out = (struct dp_up_result){
		.p = frame, .n = n, .tid = tid, .sid = sid, .verdict = DP_UP_FRAME};
	session_frame(w, dp_session_find_rcu(w->tables, tid, sid), path, out, &run);
	run_end(w, &run);
}
