/*
 * dp_differ.h - the fast path against the plain one. A source of numbers (random, or a fuzzer's
 * input) makes sequences of packets of a few flows: valid, hostile, repeated, out of order. They go
 * through forwarding in one batch, merged and cut; and one by one, each alone. Both must give the
 * same packets, byte for byte, those of each flow in the same order. Aborts when not.
 *
 * One thing may differ: the identification of an IPv4 packet that cannot be fragmented means
 * nothing (RFC 6864 4.1), and the header's checksum follows it.
 */
#ifndef LNS_DP_DIFFER_H
#define LNS_DP_DIFFER_H

#include <stdio.h>

#include "base/panic.h"
#include "base/rcu.h"
#include "dataplane/dp_down.h"
#include "dataplane/dp_merge.h"
#include "dataplane/dp_up.h"
#include "dp_segments.h"
#include "test_alloc.h"

enum {
	DIFFER_TID = 7,
	DIFFER_SESSIONS = 4,
	DIFFER_FLOWS = 10,
	DIFFER_IN = 96,
	DIFFER_OUT = 2048,
	DIFFER_ROOM = 64, /* before a packet, for our header */
	DIFFER_PACKET = 2100,
};

/* Where all choices come from. */
struct differ_source {
	uint32_t (*next)(struct differ_source *s);
	void *ctx;
	size_t at;
};

static inline unsigned differ_below(struct differ_source *s, unsigned n)
{
	return s->next(s) % n;
}

struct differ_packet {
	size_t n;
	unsigned session; /* of those to subscribers: whose it is */
	uint8_t *b;
};

struct differ_list {
	unsigned n;
	struct differ_packet p[DIFFER_OUT];
};

struct differ {
	struct test_alloc heap;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct l2tp_path path, other;
	struct dp_world world;
	struct dp_merge merge;
	struct dp_down down;
	struct dp_up_result results[DIFFER_IN];
	struct seg flows[DIFFER_FLOWS];
	struct differ_list fast, plain;
	unsigned supers; /* how many the fast path saw */
	uint8_t payload[4096];
	uint8_t memory[4][DIFFER_IN * (DIFFER_ROOM + DIFFER_PACKET) + (1 << 20)];
	size_t used[4];
};

/* ---- memory ---------------------------------------------------------------------------------- */

enum { MEM_IN, MEM_COPY, MEM_FAST, MEM_PLAIN };

static inline uint8_t *differ_room(struct differ *d, unsigned which, size_t n)
{
	uint8_t *p = d->memory[which] + d->used[which];

	d->used[which] += (n + 15) / 16 * 16;
	LNS_ASSERT(d->used[which] <= sizeof(d->memory[which]));
	return p;
}

static inline void differ_put(struct differ *d, bool fast, unsigned session, struct span head,
			      struct span body)
{
	struct differ_list *l = fast ? &d->fast : &d->plain;
	uint8_t *p = differ_room(d, fast ? MEM_FAST : MEM_PLAIN, head.n + body.n);

	LNS_ASSERT(l->n < DIFFER_OUT);
	if (head.n)
		memcpy(p, head.p, head.n);
	if (body.n)
		memcpy(p + head.n, body.p, body.n);
	l->p[l->n++] = (struct differ_packet){head.n + body.n, session, p};
}

/* ---- the world ------------------------------------------------------------------------------- */

static inline struct ip_addr differ_net6(unsigned session)
{
	struct ip_addr a = {.family = 6, .b = {0x20, 0x01, 0x0d, 0xb8}};

	a.b[12] = (uint8_t)(10 + session); /* as dp_segments.h writes addresses */
	return a;
}

/* Sessions 0 to 3: plain, with an MSS clamp, with a small MRU, with IPv4 alone. */
static inline void differ_session(struct differ *d, unsigned i)
{
	struct dp_session_spec spec = {
		.key = {DIFFER_TID, (uint16_t)(i + 1), 1},
		.path = d->path,
		.peer_tid = 9,
		.peer_sid = (uint16_t)(100 + i),
		.flags = i == 3 ? DP_IP4 : DP_IP4 | DP_IP6,
		.mru = i == 2 ? 700 : 1492,
		.mss = i == 1 ? 1000 : 0,
		.ip = ip_addr_v4((10u + i) << 24 | 1),
	};
	uint32_t slot = dp_slot_take_own(d->tables, 0);
	struct dp_route_value v = {.slot = slot, .generation = dp_slot_generation(d->tables, slot)};
	struct ip_prefix p4 = {spec.ip, 32}, p6 = {differ_net6(i), 104};

	LNS_ASSERT(dp_publish_own(d->tables, 0, slot, &spec));
	LNS_ASSERT(dp_route_add_own(d->routes, &p4, v) && dp_route_add_own(d->routes, &p6, v));
}

static inline void differ_start(struct differ *d)
{
	memset(d, 0, sizeof(*d));
	test_alloc_init(&d->heap);
	d->tables = dp_tables_new(&d->heap.alloc, 1);
	d->routes = dp_routes_new(&d->heap.alloc);
	d->path.peer = (struct sock_addr){ip_addr_v4(0xC0000201), 1701};
	d->other.peer = (struct sock_addr){ip_addr_v4(0xC0000202), 1701};
	for (unsigned i = 0; i < DIFFER_SESSIONS; i++)
		differ_session(d, i);
	d->world = (struct dp_world){.tables = d->tables,
				     .routes = d->routes,
				     .conf = &d->conf,
				     .counters = &d->counters,
				     .n_workers = 1};
	for (unsigned i = 0; i < sizeof(d->payload); i++)
		d->payload[i] = (uint8_t)(i * 167 + (i >> 8));
}

static inline void differ_stop(struct differ *d)
{
	dp_routes_free(d->routes);
	dp_tables_free(d->tables);
}

/* ---- inner packets --------------------------------------------------------------------------- */

static inline uint32_t differ_inside(unsigned session)
{
	return (10u + session) << 24 | 1;
}

/* Flows of all sessions, both families and protocols, each with its ways. */
static inline void differ_flows(struct differ *d, struct differ_source *s, bool up)
{
	for (unsigned i = 0; i < DIFFER_FLOWS; i++) {
		unsigned how = s->next(s);
		uint32_t inside = differ_inside(how % DIFFER_SESSIONS);
		d->flows[i] = (struct seg){
			.v6 = how >> 2 & 1,
			.udp = how >> 3 & 1,
			.src = up ? inside : 0x08080800 + i % 3,
			.dst = up ? 0x08080800 + i % 3 : inside,
			.sport = (uint16_t)(1000 + i / 2),
			.dport = 443,
			.ttl = (uint8_t)(60 + (how >> 4) % 4),
			.fragment = how & 0x40 ? 0x4000 : 0,
			.id = (uint16_t)(how >> 8),
			.seq = 0u - (how >> 12),
			.ack = 7,
			.flags = 0x10,
			.window = 500,
			.options = (uint8_t)((how >> 5) % 4 * 4),
			.n = how & 0x80 ? 100 : 1340,
		};
	}
}

static inline void differ_odd(struct seg *f, struct differ_source *s)
{
	switch (differ_below(s, 10)) {
	case 0:
		f->flags ^= (uint16_t)(1u << differ_below(s, 12));
		break;
	case 1:
		f->id = (uint16_t)s->next(s);
		break;
	case 2:
		f->seq += differ_below(s, 3000);
		break;
	case 3:
		f->tos ^= (uint8_t)(1 + differ_below(s, 3));
		break;
	case 4:
		f->ack += 1000;
		break;
	case 5:
		f->n = differ_below(s, 2) ? 0 : 1 + differ_below(s, 1440);
		break;
	case 6:
		f->fragment ^= (uint16_t)(1u << differ_below(s, 16));
		break;
	case 7:
		f->urgent = 1;
		break;
	case 8:
		f->src = 0x08080909; /* not the session's */
		break;
	default:
		f->window++;
	}
}

/* The flow's next packet; mostly what flows do. `out` has room for DIFFER_PACKET bytes. */
static inline size_t differ_inner(struct differ *d, struct differ_source *s, unsigned flow,
				  uint8_t *out)
{
	struct seg *f = &d->flows[flow], one = *f;
	unsigned how = s->next(s);

	if (how % 16 == 0)
		differ_odd(&one, s);
	if (how % 8 == 1)
		one.flags |= 0x08;
	one.payload = d->payload + how / 64 % 2000;
	size_t n = seg_make(&one, out);
	f->seq = one.seq + (uint32_t)one.n;
	f->id = (uint16_t)(one.id + (f->v6 ? 0 : f->ttl & 1));
	if (n && how % 32 == 2)
		out[differ_below(s, (unsigned)n)] ^= (uint8_t)(1u << differ_below(s, 8));
	if (n && how % 64 == 3)
		n = differ_below(s, (unsigned)n);
	return n;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static inline bool differ_equal(const struct differ_packet *a, const struct differ_packet *b,
				size_t inner)
{
	if (a->n != b->n || a->session != b->session)
		return false;
	if (a->n < inner + 20 || memcmp(a->b, b->b, inner) != 0)
		return a->n == 0 || memcmp(a->b, b->b, a->n) == 0;
	const uint8_t *x = a->b + inner, *y = b->b + inner;
	size_t n = a->n - inner;
	if (x[0] != 0x45 || x[6] != 0x40 || x[7] != 0)
		return memcmp(x, y, n) == 0;
	return memcmp(x, y, 4) == 0 && memcmp(x + 6, y + 6, 4) == 0 &&
	       memcmp(x + 12, y + 12, n - 12) == 0;
}

/* RFC 791 3.1: more fragments, or an offset; the reserved bit says nothing of it. */
static inline bool differ_fragment(const uint8_t *ip4)
{
	return (ip4[6] & 0x3F) != 0 || ip4[7] != 0;
}

static inline struct span differ_addresses(struct span p)
{
	bool v6 = p.n && p.p[0] >> 4 == 6;

	span_take(&p, v6 ? 8 : 12);
	return span_sub(&p, v6 ? 32 : 8);
}

/* None where they cannot be seen: a fragment, or not TCP nor UDP. */
static inline struct span differ_ports(struct span p)
{
	bool v6 = p.n && p.p[0] >> 4 == 6;
	uint8_t proto = p.n < 20 ? 0 : v6 ? p.p[6] : p.p[9];

	if ((proto != 6 && proto != 17) || (!v6 && differ_fragment(p.p)))
		return span_of(NULL, 0);
	span_take(&p, v6 ? 40 : (size_t)(p.p[0] & 15) * 4);
	return span_sub(&p, 4);
}

/* Their order must be kept. */
static inline bool differ_one_flow(const struct differ_packet *a, const struct differ_packet *b,
				   size_t inner)
{
	struct span x = span_of(a->b, a->n), y = span_of(b->b, b->n);

	span_take(&x, inner);
	span_take(&y, inner);
	if (a->session != b->session || !x.n || !y.n || x.p[0] >> 4 != y.p[0] >> 4)
		return false;
	/* Whose fragments they are that we made cannot be seen. */
	if (x.p[0] >> 4 == 4 && x.n >= 20 && y.n >= 20 &&
	    (x.p[9] != y.p[9] || (inner && (differ_fragment(x.p) || differ_fragment(y.p)))))
		return false;
	return span_equal(differ_addresses(x), differ_addresses(y)) &&
	       span_equal(differ_ports(x), differ_ports(y));
}

static inline void differ_fail(const char *what, const struct differ_packet *a,
			       const struct differ_packet *b)
{
	for (; a; a = b, b = NULL, what = "by") {
		fprintf(stderr, "%s: session %u, %zu bytes", what, a->session, a->n);
		for (size_t i = 0; i < a->n && i < 80; i++)
			fprintf(stderr, "%s%02x", i % 4 ? "" : " ", a->b[i]);
		fprintf(stderr, "\n");
	}
	LNS_ASSERT(false);
}

/* inner: where the inner packet starts. */
static inline void differ_compare(const struct differ *d, size_t inner)
{
	static unsigned at[DIFFER_OUT];
	static bool taken[DIFFER_OUT];

	LNS_ASSERT(d->fast.n == d->plain.n);
	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < d->plain.n; i++) {
		unsigned j = 0;
		while (j < d->fast.n &&
		       (taken[j] || !differ_equal(&d->plain.p[i], &d->fast.p[j], inner)))
			j++;
		if (j == d->fast.n)
			differ_fail("missing", &d->plain.p[i], NULL);
		taken[j] = true;
		at[i] = j;
		for (unsigned k = 0; k < i; k++)
			if (at[k] > j && differ_one_flow(&d->plain.p[i], &d->plain.p[k], inner))
				differ_fail("overtaken", &d->plain.p[k], &d->plain.p[i]);
	}
}

/* ---- merging and cutting again ----------------------------------------------------------------
 */

static inline void differ_cut_again(void *ctx, const struct dp_merged *m)
{
	struct differ *d = ctx;
	static uint8_t whole[65536], room[DP_CUT_HEAD_MAX];
	struct wbuf w = wbuf_of(whole, sizeof(whole));
	struct dp_cut cut;

	if (!m->super.size) {
		differ_put(d, true, 0, m->head, span_of(NULL, 0));
		return;
	}
	d->supers++;
	wbuf_span(&w, m->head);
	for (unsigned i = 0; i < m->n_payload; i++)
		wbuf_span(&w, m->payload[i]);
	LNS_ASSERT(!w.bad && dp_cut_start(&cut, wbuf_written(&w), &m->super));
	while (cut.payload.n) {
		struct wbuf head = wbuf_of(room, sizeof(room));
		struct span body = dp_cut_next(&cut, &head);
		LNS_ASSERT(!head.bad);
		differ_put(d, true, 0, wbuf_written(&head), body);
	}
}

static inline void differ_begin(struct differ *d)
{
	memset(d->used, 0, sizeof(d->used));
	d->fast.n = d->plain.n = d->supers = 0;
}

/* ---- from subscribers -------------------------------------------------------------------------
 */

/* A datagram around an inner packet; now and then another tunnel, session or peer, a damaged or
 * short one, a frame that is not IP. */
static inline size_t differ_datagram(struct differ *d, struct differ_source *s, uint8_t *out,
				     const struct l2tp_path **path)
{
	uint8_t inner[DIFFER_PACKET];
	unsigned flow = differ_below(s, DIFFER_FLOWS), how = s->next(s);
	const struct seg *f = &d->flows[flow];
	uint16_t sid = (uint16_t)((f->src >> 24) - 9);
	size_t n = differ_inner(d, s, flow, inner);
	struct wbuf w = wbuf_of(out, DIFFER_PACKET + 32);
	bool with_length = how & 1, with_offset = (how & 0x70) == 0x70;

	wbuf_u16(&w, (uint16_t)(2 | (with_length ? 0x4000 : 0) | (with_offset ? 0x0200 : 0)));
	if (with_length)
		wbuf_u16(&w, 0);
	wbuf_u16(&w, DIFFER_TID);
	wbuf_u16(&w, how % 61 == 0 ? 99 : sid);
	if (with_offset) {
		wbuf_u16(&w, 3);
		wbuf_bytes(&w, "abc", 3);
	}
	if (how & 2)
		wbuf_u16(&w, 0xFF03);
	if (how & 4)
		wbuf_u8(&w, f->v6 ? 0x57 : 0x21);
	else
		wbuf_u16(&w, how % 53 == 0 ? 0xC021 : f->v6 ? 0x57 : 0x21);
	wbuf_bytes(&w, inner, n);
	if (with_length)
		wbuf_patch_u16(&w, 2, (uint16_t)w.n);
	LNS_ASSERT(!w.bad);
	if (how % 59 == 0)
		out[differ_below(s, 12)] ^= (uint8_t)(1u << differ_below(s, 8));
	*path = how % 67 == 0 ? &d->other : &d->path;
	return how % 71 == 0 ? differ_below(s, (unsigned)w.n) : w.n;
}

static inline void differ_up(struct differ *d, struct differ_source *s)
{
	struct dp_datagram in[DIFFER_IN];
	struct dp_merge_env env = {.ctx = d, .write = differ_cut_again, .tcp = true, .udp = true};
	unsigned n = 1 + differ_below(s, DIFFER_IN);

	differ_begin(d);
	differ_flows(d, s, true);
	for (unsigned i = 0; i < n; i++) {
		in[i].p = differ_room(d, MEM_IN, DIFFER_PACKET + 32);
		if (i > 2 && differ_below(s, 24) == 0) { /* one of the last ones once more */
			unsigned again = i - 1 - differ_below(s, 2);
			memcpy(in[i].p, in[again].p, in[again].n);
			in[i].n = in[again].n;
			in[i].path = in[again].path;
		} else {
			in[i].n = differ_datagram(d, s, in[i].p, &in[i].path);
		}
	}
	for (unsigned i = 0; i + 1 < n; i++) /* some change places */
		if (differ_below(s, 24) == 0) {
			struct dp_datagram t = in[i];
			in[i] = in[i + 1];
			in[i + 1] = t;
		}
	for (unsigned i = 0; i < n; i++) { /* a copy, since forwarding may write */
		struct dp_datagram one = in[i];
		struct dp_up_result r;
		one.p = differ_room(d, MEM_COPY, one.n + 1);
		memcpy(one.p, in[i].p, one.n);
		dp_up(&d->world, &one, 1, &r);
		if (r.verdict == DP_UP_FORWARD)
			differ_put(d, false, 0, span_of(r.p, r.n), span_of(NULL, 0));
	}
	dp_merge_init(&d->merge, &env);
	dp_up(&d->world, in, n, d->results);
	for (unsigned i = 0; i < n; i++)
		if (d->results[i].verdict == DP_UP_FORWARD)
			dp_merge_add(&d->merge, span_of(d->results[i].p, d->results[i].n));
	dp_merge_flush(&d->merge);
	differ_compare(d, 0);
}

/* ---- to subscribers ---------------------------------------------------------------------------
 */

struct differ_kernel {
	struct differ *d;
	struct dp_packet packets[DIFFER_IN];
	unsigned n;
};

/* The kernel hands out what it has merged itself. */
static inline void differ_hand_out(void *ctx, const struct dp_merged *m)
{
	struct differ_kernel *k = ctx;
	size_t n = m->head.n;

	for (unsigned i = 0; i < m->n_payload; i++)
		n += m->payload[i].n;
	uint8_t *p = differ_room(k->d, MEM_COPY, DIFFER_ROOM + n) + DIFFER_ROOM;
	struct wbuf w = wbuf_of(p, n);
	wbuf_span(&w, m->head);
	for (unsigned i = 0; i < m->n_payload; i++)
		wbuf_span(&w, m->payload[i]);
	LNS_ASSERT(!w.bad && k->n < DIFFER_IN);
	k->d->supers += m->super.size != 0;
	k->packets[k->n++] = (struct dp_packet){p, n, m->super};
}

static inline void differ_sent(struct differ *d, bool fast)
{
	for (unsigned i = 0; i < d->down.n_tx; i++) {
		const struct dp_tx *t = &d->down.tx[d->down.order[i]];
		differ_put(d, fast, t->session->spec.key.sid, span_of(t->head, t->head_n),
			   span_of(t->body, t->body_n));
	}
}

static inline void differ_down_packet(struct differ *d, bool fast, const struct dp_packet *p,
				      unsigned n)
{
	for (unsigned done = 0; done < n;) {
		done += dp_down(&d->world, &d->down, p + done, n - done);
		differ_sent(d, fast);
	}
}

static inline void differ_down(struct differ *d, struct differ_source *s)
{
	static struct differ_kernel k;
	struct dp_packet in[DIFFER_IN];
	struct dp_merge_env env = {.ctx = &k, .write = differ_hand_out, .tcp = true, .udp = true};
	unsigned n = 1 + differ_below(s, DIFFER_IN), flow = 0;

	differ_begin(d);
	differ_flows(d, s, false);
	dp_merge_init(&d->merge, &env);
	k = (struct differ_kernel){.d = d};
	for (unsigned i = 0; i < n; i++) {
		if (differ_below(s, 3) == 0)
			flow = differ_below(s, DIFFER_FLOWS);
		in[i].p = differ_room(d, MEM_IN, DIFFER_ROOM + DIFFER_PACKET) + DIFFER_ROOM;
		in[i].n = differ_inner(d, s, flow, in[i].p);
		in[i].super.size = 0;
		dp_merge_add(&d->merge, span_of(in[i].p, in[i].n));
	}
	dp_merge_flush(&d->merge);
	differ_down_packet(d, true, k.packets, k.n);
	for (unsigned i = 0; i < n; i++)
		differ_down_packet(d, false, &in[i], 1);
	differ_compare(d, 10);
}

#endif
