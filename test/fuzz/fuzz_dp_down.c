/*
 * Whole forwarding toward the LAC. Input: a byte of switches, two bytes of MRU, then packets, each
 * behind two bytes of its length and, when switch 8 is on, two bytes of segment size (0: no
 * super-packet) and one of where its transport header starts (the highest bit: UDP). What comes out
 * is sound: within bounds, no longer than the MRU allows, in an order that is a permutation.
 */
#include "base/panic.h"
#include "base/rcu.h"
#include "dataplane/dp_checksum.h"
#include "dataplane/dp_down.h"
#include "test_alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { TID = 1, SID = 2, PACKETS = 16, ROOM = DP_HEADER_MAX };

struct world {
	struct test_alloc heap;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct dp_world world;
	struct dp_down down;
	uint32_t slot;
};

static void route(struct world *w, struct ip_prefix p)
{
	struct dp_route_value v = {.slot = w->slot,
				   .generation = dp_slot_generation(w->tables, w->slot)};

	LNS_ASSERT(dp_route_add_own(w->routes, &p, v));
}

/* One session for 10.0.0.0/8 and 2001::/16. */
static struct world *world(void)
{
	static struct world w;

	if (w.tables)
		return &w;
	rcu_thread_start();
	test_alloc_init(&w.heap);
	w.tables = dp_tables_new(&w.heap.alloc, 1);
	w.routes = dp_routes_new(&w.heap.alloc);
	w.slot = dp_slot_take_own(w.tables, 0);
	route(&w, (struct ip_prefix){.addr = ip_addr_v4(0x0A000000), .len = 8});
	route(&w, (struct ip_prefix){.addr = {.family = 6, .b = {0x20, 0x01}}, .len = 16});
	w.conf = (struct dp_conf){.icmp_rate = 1000000, .icmp_source = ip_addr_v4(0x0A000001)};
	w.world = (struct dp_world){.tables = w.tables,
				    .routes = w.routes,
				    .conf = &w.conf,
				    .counters = &w.counters,
				    .n_workers = 1};
	return &w;
}

static void publish(struct world *w, uint8_t switches, uint16_t mru)
{
	struct dp_session_spec spec = {
		.key = {TID, SID, 1},
		.flags = DP_IP4 | DP_IP6 | (switches & 1 ? DP_TX_PFC : 0) |
			 (switches & 2 ? DP_TX_ACFC : 0),
		.mru = mru < 68 ? 68 : mru, /* RFC 791: every network takes 68 */
		.mss = switches & 4 ? 500 : 0,
	};

	LNS_ASSERT(dp_publish_own(w->tables, 0, w->slot, &spec));
	dp_table_turn_own(w->tables, 0);
	rcu_quiescent();
}

static void check(const struct dp_down *d)
{
	bool seen[DP_TX_MAX] = {false};

	for (unsigned i = 0; i < d->n_tx; i++) {
		const struct dp_tx *t = &d->tx[d->order[i]];
		LNS_ASSERT(!seen[d->order[i]]);
		seen[d->order[i]] = true;
		LNS_ASSERT(dp_tx_len(t) <= t->session->spec.mru + t->session->header_len);
		LNS_ASSERT(memcmp(t->head_n ? t->head : t->body, t->session->header,
				  t->session->header_len - 1u) == 0);
	}
	for (unsigned i = 0; i < d->n_replies; i++) {
		struct dp_ip4 h;
		LNS_ASSERT(dp_ip4_decode(d->replies[i], &h) == DP_IP_OK);
		LNS_ASSERT(h.total_len == d->replies[i].n && h.total_len <= DP_ICMP_MAX);
		LNS_ASSERT(dp_sum_fold(dp_sum(0, span_of(d->replies[i].p, 20))) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct world *w = world();
	struct span in = span_of(bytes, n);
	uint8_t *memory[PACKETS];
	struct dp_packet packets[PACKETS];
	unsigned count = 0;
	uint8_t switches = span_u8(&in);

	publish(w, switches, span_u16(&in));
	while (in.n && count < PACKETS) {
		size_t len = span_u16(&in);
		struct dp_super super = {.size = 0};
		if (switches & 8) {
			super.size = span_u16(&in);
			super.l4 = span_u8(&in);
			super.udp = super.l4 & 0x80;
			super.l4 &= 0x7F;
		}
		struct span p = span_sub(&in, len > in.n ? in.n : len);
		memory[count] = malloc(ROOM + p.n); /* its end is watched */
		if (p.n)
			memcpy(memory[count] + ROOM, p.p, p.n);
		packets[count] =
			(struct dp_packet){.p = memory[count] + ROOM, .n = p.n, .super = super};
		count++;
	}
	for (unsigned done = 0; done < count;) {
		done += dp_down(&w->world, &w->down, packets + done, count - done);
		check(&w->down);
	}
	while (count)
		free(memory[--count]);
	return 0;
}
