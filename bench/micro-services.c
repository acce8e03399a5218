/*
 * micro-services - what access lists and throttling cost in the forwarding code alone: ns for each
 * packet judged by lists of 10 and of 1,000 rules, and for each packet through plain and throttled
 * sessions, taken in turns in one run. One line of JSON per case, the ratio last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rcu.h"
#include "control/heap.h"
#include "dataplane/dp_down.h"
#include "dataplane/dp_ip.h"
#include "dataplane/dp_service.h"

enum {
	PACKETS = 1024,
	PACKET = 40,
	ROUNDS = 9,
	TURNS = 200, /* over all packets in one round */
	SESSIONS = 10000,
	BATCH = 64,
	ROOM = 1600,
	LENGTH = 1000,
};

static int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t random_u32(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static void must(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "micro-services: out of memory\n");
	exit(1);
}

/* ---- access lists ---------------------------------------------------------------------------- */

/* As operators write them: hosts and networks, a port or a range, most of them not hit. */
static struct dp_acl *list_of(uint32_t n)
{
	static struct dp_acl_rule rules[DP_ACL_RULES_MAX];

	for (uint32_t i = 0; i + 1 < n; i++) {
		rules[i] = (struct dp_acl_rule){.permit = i % 2,
						.proto = i % 3 ? IP_TCP : IP_UDP,
						.src_wild = UINT32_MAX,
						.dst = 0xC6330000u + (random_u32() & 0xFFFF),
						.dst_wild = i % 4 ? 0 : 0xFF};
		rules[i].dst_ports = (struct dp_acl_ports){.test = true};
		rules[i].dst_ports.low = (uint16_t)random_u32();
		rules[i].dst_ports.high =
			(uint16_t)(i % 5 ? rules[i].dst_ports.low : rules[i].dst_ports.low | 0xFF);
	}
	rules[n - 1] = (struct dp_acl_rule){
		.permit = true, .src_wild = UINT32_MAX, .dst_wild = UINT32_MAX};
	struct dp_acl *l = dp_acl_new(&heap, "bench", rules, n, 1);
	must(l != NULL);
	return l;
}

static void make_packets(uint8_t packets[PACKETS][PACKET])
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct wbuf w = wbuf_of(packets[i], PACKET);
		struct dp_ip4 h = {.total_len = PACKET,
				   .ttl = 64,
				   .proto = i % 2 ? IP_TCP : IP_UDP,
				   .src = 0x0A400001,
				   .dst = 0xC6330000u + (random_u32() & 0xFFFF)};
		dp_ip4_encode(&w, &h, span_of(NULL, 0));
		while (!w.bad && w.n < PACKET)
			wbuf_u32(&w, random_u32());
	}
}

static double time_list(const struct dp_acl *l, uint8_t packets[PACKETS][PACKET])
{
	int64_t start = clock_ns();
	unsigned permitted = 0;

	for (unsigned turn = 0; turn < TURNS; turn++)
		for (unsigned i = 0; i < PACKETS; i++)
			permitted += dp_acl_permits(l, 0, span_of(packets[i], PACKET));
	int64_t took = clock_ns() - start;
	must(permitted > 0);
	return (double)took / TURNS / PACKETS;
}

static void bench_lists(void)
{
	static uint8_t packets[PACKETS][PACKET];
	struct dp_acl *few = list_of(10), *many = list_of(1000);
	double a[ROUNDS], b[ROUNDS];

	make_packets(packets);
	for (unsigned i = 0; i < ROUNDS; i++) {
		a[i] = time_list(few, packets);
		b[i] = time_list(many, packets);
	}
	int64_t start = clock_ns();
	struct dp_acl *most = list_of(DP_ACL_RULES_MAX);
	double compiled_ms = (double)(clock_ns() - start) / 1e6;
	double ten = median(a, ROUNDS), thousand = median(b, ROUNDS);
	printf("{\"case\": \"access-list\", \"ns_10_rules\": %.1f, \"ns_1000_rules\": %.1f, "
	       "\"ratio\": %.2f, \"ms_to_compile_%d\": %.1f}\n",
	       ten, thousand, thousand / ten, DP_ACL_RULES_MAX, compiled_ms);
	dp_acl_free(most);
	dp_acl_free(few);
	dp_acl_free(many);
}

/* ---- throttled sessions ---------------------------------------------------------------------- */

static struct {
	struct dp_tables *tables;
	struct dp_routes *routes;
	struct dp_conf conf;
	struct counters counters;
	struct dp_world world;
	struct dp_down down;
	uint8_t packet[BATCH][ROOM];
} b;

static void no_copy(void *ctx, const struct sock_addr *collector, struct span head,
		    struct span body)
{
	(void)ctx;
	(void)collector;
	(void)head;
	(void)body;
}

static void add_session(unsigned i)
{
	bool throttled = i >= SESSIONS;
	struct sess_key key = {.tid = 1, .sid = (uint16_t)(i + 1), .gen = 1};
	struct sess_policy policy = {.rate_down = UINT64_C(10000000000)};
	struct dp_session_spec spec = {.key = key,
				       .flags = DP_IP4 | (throttled ? DP_OWNER_ONLY : 0),
				       .mru = 1492,
				       .ip = ip_addr_v4(0x0A400000u + i)};
	struct ip_prefix p = {.addr = spec.ip, .len = 32};
	uint32_t slot = dp_slot_take_own(b.tables, 0);

	must(slot != DP_SLOT_NONE);
	if (throttled) {
		spec.service = dp_service_new(b.world.services, key, slot);
		must(spec.service &&
		     dp_service_set(b.world.services, spec.service, &policy, &b.conf, b.world.now));
	}
	struct dp_route_value v = {.slot = slot, .generation = dp_slot_generation(b.tables, slot)};
	must(dp_publish_own(b.tables, 0, slot, &spec) && dp_route_add_own(b.routes, &p, v));
}

static double time_sessions(unsigned first)
{
	struct dp_packet in[BATCH];
	int64_t took = 0;

	for (unsigned turn = 0; turn < 20000000 / BATCH / LENGTH; turn++) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct wbuf w = wbuf_of(b.packet[i] + 64, LENGTH);
			struct dp_ip4 h = {.total_len = LENGTH,
					   .ttl = 64,
					   .proto = IP_UDP,
					   .src = 1,
					   .dst = 0x0A400000u + first + random_u32() % SESSIONS};
			dp_ip4_encode(&w, &h, span_of(NULL, 0));
			in[i] = (struct dp_packet){.p = b.packet[i] + 64, .n = LENGTH};
		}
		b.world.now = (nsec){clock_ns()};
		int64_t start = clock_ns();
		dp_down(&b.world, &b.down, in, BATCH);
		took += clock_ns() - start;
		must(b.down.n_tx == BATCH);
	}
	return (double)took / (20000000 / BATCH / LENGTH) / BATCH;
}

static void bench_sessions(void)
{
	struct dp_intercept intercept = {.copy = no_copy};
	double plain[ROUNDS], throttled[ROUNDS];

	b.conf = (struct dp_conf){.burst_ms = 25};
	b.tables = dp_tables_new(&heap, 1);
	b.routes = dp_routes_new(&heap);
	b.world = (struct dp_world){.tables = b.tables,
				    .routes = b.routes,
				    .conf = &b.conf,
				    .counters = &b.counters,
				    .n_workers = 1,
				    .now = {clock_ns()}};
	b.world.services =
		dp_services_new(&heap, &b.counters, &intercept, 1024 * DP_HOLD_PER_MB, b.world.now);
	must(b.tables && b.routes && b.world.services);
	for (unsigned i = 0; i < 2 * SESSIONS; i++)
		add_session(i);
	for (unsigned i = 0; i < ROUNDS; i++) {
		plain[i] = time_sessions(0);
		throttled[i] = time_sessions(SESSIONS);
	}
	double p = median(plain, ROUNDS), t = median(throttled, ROUNDS);
	printf("{\"case\": \"throttled\", \"sessions\": %u, \"ns_plain\": %.1f, "
	       "\"ns_throttled\": %.1f, \"more_ns\": %.1f}\n",
	       SESSIONS, p, t, t - p);
}

int main(void)
{
	rcu_thread_start();
	bench_lists();
	bench_sessions();
	rcu_thread_stop();
	return 0;
}
