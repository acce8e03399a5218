/*
 * Whole forwarding toward the core. Input: a byte of switches, then datagrams, each behind a byte
 * of its length (255: all the rest). What comes out lies within what went in.
 */
#include "base/panic.h"
#include "base/rcu.h"
#include "dataplane/dp_ip.h"
#include "dataplane/dp_up.h"
#include "test_alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { TID = 1, SID = 2, DATAGRAMS = 16 };

struct world {
	struct test_alloc heap;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct l2tp_path path;
	struct dp_world world;
};

/* Made once: sessions (1,2) with both families open and (1,3) with none. */
static struct world *world(void)
{
	static struct world w;

	if (w.tables)
		return &w;
	rcu_thread_start();
	test_alloc_init(&w.heap);
	w.tables = dp_tables_new(&w.heap.alloc, 1);
	w.routes = dp_routes_new(&w.heap.alloc);
	w.path.peer = (struct sock_addr){ip_addr_v4(0x7F000001), 1701};
	for (uint16_t sid = SID; sid <= SID + 1; sid++) {
		struct dp_session_spec spec = {
			.key = {TID, sid, 1},
			.path = w.path,
			.flags = sid == SID ? DP_IP4 | DP_IP6 : 0,
			.mru = 1492,
			.mss = 1000,
			.ip = ip_addr_v4(0x0A000001),
		};
		LNS_ASSERT(dp_publish_own(w.tables, 0, dp_slot_take_own(w.tables, 0), &spec));
	}
	w.world = (struct dp_world){.tables = w.tables,
				    .routes = w.routes,
				    .conf = &w.conf,
				    .counters = &w.counters,
				    .n_workers = 1};
	return &w;
}

static void check(const struct dp_datagram *in, const struct dp_up_result *r)
{
	struct dp_ip4 h4;
	struct dp_ip6 h6;

	if (r->verdict == DP_UP_DROP) {
		LNS_ASSERT(r->why < DROPS);
		return;
	}
	LNS_ASSERT(r->p >= in->p && r->n <= in->n && r->p + r->n <= in->p + in->n);
	if (r->verdict != DP_UP_FORWARD)
		return;
	struct span packet = span_of(r->p, r->n);
	LNS_ASSERT((dp_ip4_decode(packet, &h4) == DP_IP_OK && h4.total_len == r->n) ||
		   (dp_ip6_decode(packet, &h6) == DP_IP_OK && h6.total_len == r->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct world *w = world();
	struct span in = span_of(bytes, n);
	struct dp_datagram datagrams[DATAGRAMS];
	struct dp_up_result out[DATAGRAMS];
	unsigned count = 0;
	uint8_t switches = span_u8(&in);

	w->conf.no_spoof_check = switches & 1;
	w->conf.follow_peer = switches & 2;
	while (in.n && count < DATAGRAMS) {
		size_t len = span_u8(&in);
		struct span d = span_sub(&in, len == 255 || len > in.n ? in.n : len);
		uint8_t *copy = malloc(d.n ? d.n : 1); /* its end is watched */
		if (d.n)
			memcpy(copy, d.p, d.n);
		datagrams[count++] = (struct dp_datagram){.p = copy, .n = d.n, .path = &w->path};
	}
	dp_up(&w->world, datagrams, count, out);
	for (unsigned i = 0; i < count; i++) {
		check(&datagrams[i], &out[i]);
		free(datagrams[i].p);
	}
	return 0;
}
