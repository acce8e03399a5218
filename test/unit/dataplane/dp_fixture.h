/*
 * dp_fixture.h - one session as the forwarding functions see it, and packets made by hand.
 */
#ifndef LNS_DP_FIXTURE_H
#define LNS_DP_FIXTURE_H

#include "base/rcu.h"
#include "base/wbuf.h"
#include "dataplane/dp_ip.h"
#include "dataplane/dp_world.h"
#include "test_alloc.h"

enum { FIX_TID = 0x0102, FIX_SID = 0x0304, FIX_PEER_TID = 0x0A0B, FIX_PEER_SID = 0x0C0D };

struct fixture {
	struct test_alloc heap;
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct dp_world world;
	struct l2tp_path path;
	struct dp_session_spec spec;
	uint32_t slot;
};

static inline uint32_t fix_ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return (uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d;
}

static inline struct dp_route_value fix_route(const struct fixture *f)
{
	return (struct dp_route_value){
		.slot = f->slot,
		.generation = dp_slot_generation(f->tables, f->slot),
	};
}

static inline void fix_add_route(struct fixture *f, uint32_t ip, uint8_t len)
{
	struct ip_prefix p = {.addr = ip_addr_v4(ip), .len = len};
	assert_true(dp_route_add_own(f->routes, &p, fix_route(f)));
}

static inline void fix_publish(struct fixture *f)
{
	assert_true(dp_publish_own(f->tables, 0, f->slot, &f->spec));
}

/* One session of 10.0.0.1 from LAC 192.0.2.1:1701, IPCP open. */
static inline void fix_start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	rcu_thread_start();
	test_alloc_init(&f->heap);
	f->tables = dp_tables_new(&f->heap.alloc, 1);
	f->routes = dp_routes_new(&f->heap.alloc);
	f->conf = (struct dp_conf){
		.mru = 1492, .icmp_rate = 5, .icmp_source = ip_addr_v4(fix_ip(10, 9, 9, 9))};
	f->world = (struct dp_world){.tables = f->tables,
				     .routes = f->routes,
				     .conf = &f->conf,
				     .counters = &f->counters,
				     .n_workers = 1,
				     .now = {NSEC_S(100)}};
	f->path.peer = (struct sock_addr){ip_addr_v4(fix_ip(192, 0, 2, 1)), 1701};
	f->spec = (struct dp_session_spec){.key = {FIX_TID, FIX_SID, 1},
					   .path = f->path,
					   .peer_tid = FIX_PEER_TID,
					   .peer_sid = FIX_PEER_SID,
					   .flags = DP_IP4,
					   .mru = 1492,
					   .ip = ip_addr_v4(fix_ip(10, 0, 0, 1))};
	f->slot = dp_slot_take_own(f->tables, 0);
	fix_publish(f);
	fix_add_route(f, fix_ip(10, 0, 0, 1), 32);
}

static inline void fix_stop(struct fixture *f)
{
	dp_routes_free(f->routes);
	dp_tables_free(f->tables);
	rcu_thread_stop();
	assert_int_equal(f->heap.held, 0);
}

static inline uint64_t fix_drops(const struct fixture *f, enum drop why)
{
	return counter_drops(&f->counters, why);
}

/* An IPv4 packet of `total` bytes, UDP ports 1000 -> 2000 and a pattern behind. */
static inline size_t fix_udp(uint8_t *out, uint32_t src, uint32_t dst, size_t total,
			     uint16_t fragment)
{
	struct wbuf w = wbuf_of(out, total);
	struct dp_ip4 h = {.total_len = (uint16_t)total,
			   .id = 0x1234,
			   .fragment = fragment,
			   .ttl = 64,
			   .proto = IP_UDP,
			   .src = src,
			   .dst = dst};

	dp_ip4_encode(&w, &h, span_of(NULL, 0));
	if (total >= IP4_HEADER + 4) {
		wbuf_u16(&w, 1000);
		wbuf_u16(&w, 2000);
	}
	while (w.n < total)
		wbuf_u8(&w, (uint8_t)(w.n * 7));
	return total;
}

#endif
