/* dp_service: filter, shaper and copies of a session, in both paths; changes while packets wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/dp_down.h"
#include "dataplane/dp_service.h"
#include "dataplane/dp_up.h"
#include "dp_fixture.h"

enum { PLACES = 256, LENGTH = 1000, HEADER = 10 };

static struct {
	struct fixture f;
	struct dp_services *services;
	struct dp_service *service;
	struct sess_policy policy;
	struct dp_down down;
	struct dp_release release;
	unsigned copies;
	size_t copied; /* bytes of the last one */
	struct sock_addr collector;
} w;

static void copy(void *ctx, const struct sock_addr *collector, struct span head, struct span body)
{
	(void)ctx;
	w.copies++;
	w.copied = head.n + body.n;
	w.collector = *collector;
}

static int set_up(void **state)
{
	struct dp_intercept intercept = {.copy = copy};

	(void)state;
	memset(&w, 0, sizeof(w));
	fix_start(&w.f);
	w.f.conf.burst_ms = 25;
	w.services =
		dp_services_new(&w.f.heap.alloc, &w.f.counters, &intercept, PLACES, w.f.world.now);
	w.f.world.services = w.services;
	w.service = dp_service_new(w.services, w.f.spec.key, w.f.slot);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dp_service_free(w.services, w.service);
	dp_services_free(w.services);
	fix_stop(&w.f);
	return 0;
}

static void apply(void)
{
	bool needed = dp_service_is_needed(&w.policy);

	assert_true(dp_service_set(w.services, w.service, &w.policy, &w.f.conf, w.f.world.now));
	w.f.spec.service = needed ? w.service : NULL;
	w.f.spec.flags = DP_IP4 | (needed ? DP_OWNER_ONLY : 0);
	fix_publish(&w.f);
}

static enum dp_up_verdict up(size_t n)
{
	static uint8_t datagram[2100];
	struct wbuf out = wbuf_of(datagram, sizeof(datagram));
	struct dp_up_result result;
	uint8_t packet[2000];

	fix_udp(packet, fix_ip(10, 0, 0, 1), fix_ip(8, 8, 8, 8), n, 0);
	wbuf_u16(&out, 2);
	wbuf_u16(&out, FIX_TID);
	wbuf_u16(&out, FIX_SID);
	wbuf_u16(&out, 0xFF03);
	wbuf_u16(&out, 0x0021);
	wbuf_bytes(&out, packet, n);
	struct dp_datagram in = {.p = datagram, .n = out.n, .path = &w.f.path};
	dp_up(&w.f.world, &in, 1, &result);
	return (enum dp_up_verdict)result.verdict;
}

/* How many datagrams left at once. */
static unsigned down(size_t n)
{
	static uint8_t room[64 + 4000];
	struct dp_packet in = {.p = room + 64, .n = n};

	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), n, 0);
	dp_down(&w.f.world, &w.down, &in, 1);
	return w.down.n_tx;
}

static unsigned release(void)
{
	unsigned all = 0, n;

	while ((n = dp_services_release(&w.f.world, &w.release)) > 0) {
		for (unsigned i = 0; i < w.release.n_down; i++) {
			const struct dp_tx *tx = &w.release.down[i];
			assert_int_equal(tx->body[0] << 8 | tx->body[1], 2); /* our header */
			assert_int_equal(tx->body[HEADER] >> 4, 4);
		}
		dp_services_released(&w.f.world, &w.release);
		all += n;
	}
	return all;
}

static void pass_time(int64_t ns)
{
	w.f.world.now = nsec_add(w.f.world.now, ns);
}

static void empty_the_bucket(void)
{
	while (down(LENGTH) == 1)
		;
}

/* ---- shaper ---------------------------------------------------------------------------------- */

static void both_ways_are_throttled(void **state)
{
	unsigned n_up = 0, n_down = 0;

	(void)state;
	w.policy = (struct sess_policy){.rate_up = 800000, .rate_down = 1600000};
	apply();
	while (up(LENGTH) == DP_UP_FORWARD)
		n_up++;
	while (down(LENGTH) == 1)
		n_down++;
	assert_int_equal(n_up, 3); /* 2,500 bytes of burst, overdrawn by the last */
	assert_int_equal(n_down, 5);
	for (unsigned ms = 0; ms < 1000; ms++) {
		pass_time(NSEC_MS(1));
		up(LENGTH);
		down(LENGTH);
		release();
	}
	struct sess_counters c;
	dp_counters_read(dp_slot_counters(w.f.tables, w.f.slot), &c);
	assert_in_range(c.up_packets, 98, 106);
	assert_in_range(c.down_packets, 198, 210);
	assert_int_equal(c.up_bytes, c.up_packets * LENGTH);
	assert_int_equal(c.down_bytes, c.down_packets * LENGTH);
}

static void each_segment_of_a_super_packet_pays(void **state)
{
	static uint8_t room[64 + 28 + 20000];
	struct dp_packet in = {
		.p = room + 64, .n = 20028, .super = {.size = 1000, .l4 = 20, .udp = true}};

	(void)state;
	w.policy = (struct sess_policy){.rate_down = 1600000, .burst_down = 5000};
	apply();
	w.f.conf.burst_ms = 0;
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 20028, 0);
	dp_down(&w.f.world, &w.down, &in, 1);
	assert_int_equal(w.down.n_tx, 5);
	assert_true(w.service->shaper[DP_WAY_DOWN].queued > 5);
	assert_int_equal(dp_tx_len(&w.down.tx[0]), HEADER + 1028);
	pass_time(NSEC_MS(11)); /* two more */
	assert_in_range(release(), 2, 3);
}

static bool refuse(struct sess_key key, struct span packet)
{
	(void)key;
	assert_true(packet.n <= 1028 && packet.p[0] >> 4 == 4); /* without our header */
	return false;
}

static void check_nothing_went_down(void)
{
	struct sess_counters c;

	dp_counters_read(dp_slot_counters(w.f.tables, w.f.slot), &c);
	assert_int_equal(c.down_packets, 0);
	assert_int_equal(c.down_bytes, 0);
	assert_int_equal(w.copies, 0);
	assert_int_equal(w.services->hold.held, 0);
}

/* It does not reach the subscriber: he does not pay for it, nobody gets a copy of it. */
static void what_a_plugin_drops_is_neither_shaped_nor_copied_nor_billed(void **state)
{
	static uint8_t room[64 + 28 + 20000];
	struct dp_packet super = {
		.p = room + 64, .n = 20028, .super = {.size = 1000, .l4 = 20, .udp = true}};
	struct dp_hooks hooks = {.tx = refuse};

	(void)state;
	w.f.world.hooks = &hooks;
	assert_int_equal(down(LENGTH), 0); /* a session without any policy */
	assert_int_equal(fix_drops(&w.f, DROP_PLUGIN), 1);
	w.policy = (struct sess_policy){
		.rate_down = 80000,
		.intercept = {.ip = ip_addr_v4(fix_ip(192, 0, 2, 9)), .port = 5000}};
	apply();
	int64_t credit = w.service->shaper[DP_WAY_DOWN].credit;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(down(LENGTH), 0);
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 20028, 0);
	dp_down(&w.f.world, &w.down, &super, 1);
	assert_int_equal(fix_drops(&w.f, DROP_PLUGIN), 1 + 10 + 20);
	assert_true(w.service->shaper[DP_WAY_DOWN].credit == credit);
	check_nothing_went_down();
	w.f.world.hooks = NULL;
	assert_int_equal(down(LENGTH), 1);
	assert_int_equal(w.copies, 1);
}

static void unthrottling_lets_go_what_waits(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000};
	apply();
	empty_the_bucket();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(down(LENGTH), 0);
	assert_int_equal(w.services->hold.held, 5);
	w.policy = (struct sess_policy){0};
	apply();
	assert_int_equal(dp_services_next(w.services).ns, 0);
	assert_int_equal(release(), 5);
	assert_int_equal(w.services->hold.held, 0);
	assert_int_equal(down(LENGTH), 1);
}

static void a_change_of_the_rate_keeps_what_waits(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 8000};
	apply();
	empty_the_bucket();
	down(LENGTH);
	w.policy.rate_down = UINT64_C(1) << 63;
	apply();
	pass_time(NSEC_MS(2));
	assert_int_equal(release(), 2);
	assert_int_equal(down(LENGTH), 1);
}

static void other_changes_leave_the_bucket_alone(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000};
	apply();
	empty_the_bucket();
	w.policy.intercept = (struct sock_addr){ip_addr_v4(1), 1};
	apply();
	assert_int_equal(down(LENGTH), 0);
}

static void the_end_of_a_session_frees_its_places(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000, .rate_up = 80000};
	apply();
	empty_the_bucket();
	for (unsigned i = 0; i < 10; i++) {
		up(LENGTH);
		down(LENGTH);
	}
	assert_true(w.services->hold.held > 10);
	dp_service_clear(w.services, w.service);
	assert_int_equal(w.services->hold.held, 0);
	assert_true(fix_drops(&w.f, DROP_SHAPER_CLEARED) > 10);
	pass_time(NSEC_S(10));
	assert_int_equal(release(), 0);
	assert_true(nsec_is_never(dp_services_next(w.services)));
}

/* Its record is another's, or IPCP is down, when the time has come. */
static void who_is_not_there_gets_nothing(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000};
	apply();
	empty_the_bucket();
	w.f.spec.flags &= ~(uint32_t)DP_IP4;
	fix_publish(&w.f);
	pass_time(NSEC_S(1));
	uint64_t sent = counter_get(&w.f.counters, C_DOWN_PACKETS);
	assert_int_equal(release(), 1);
	assert_int_equal(w.release.n_down, 0);
	assert_int_equal(counter_get(&w.f.counters, C_DOWN_PACKETS), sent);
	assert_int_equal(w.services->hold.held, 0);
}

static void local_traffic_may_be_exempt(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000, .rate_up = 80000};
	apply();
	empty_the_bucket();
	fix_add_route(&w.f, fix_ip(8, 8, 8, 8), 32);
	assert_int_equal(down(LENGTH), 0);
	w.f.conf.no_throttle_local = true;
	assert_int_equal(down(LENGTH), 1);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(up(LENGTH), DP_UP_FORWARD);
}

static void another_worker_hands_over(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 80000, .rate_up = 80000};
	apply();
	w.f.world.n_workers = 3;
	w.f.world.self = (FIX_SID % 3 + 1) % 3;
	assert_int_equal(down(LENGTH), 0);
	assert_int_equal(w.down.n_away, 1);
	assert_int_equal(w.down.away[0].sid, FIX_SID);
	assert_int_equal(w.down.away[0].packet.n, LENGTH);
	assert_int_equal(up(LENGTH), DP_UP_FRAME);
	assert_int_equal(w.service->shaper[DP_WAY_DOWN].stats.passed_packets, 0);
}

/* ---- packet_limit ---------------------------------------------------------------------------- */

static void packets_in_a_tenth_of_a_second_are_limited(void **state)
{
	unsigned n = 0;

	(void)state;
	w.f.conf.packet_limit = 7;
	for (unsigned i = 0; i < 50; i++)
		n += down(LENGTH);
	assert_int_equal(n, 7);
	assert_int_equal(fix_drops(&w.f, DROP_PACKET_LIMIT), 43);
	pass_time(NSEC_MS(100));
	static uint8_t room[64 + 28 + 20000];
	struct dp_packet in = {
		.p = room + 64, .n = 20028, .super = {.size = 1000, .l4 = 20, .udp = true}};
	fix_udp(room + 64, fix_ip(8, 8, 8, 8), fix_ip(10, 0, 0, 1), 20028, 0);
	dp_down(&w.f.world, &w.down, &in, 1);
	assert_int_equal(w.down.n_tx, 7);
}

/* ---- filter ---------------------------------------------------------------------------------- */

static struct dp_acls *lists(uint64_t version, bool permit)
{
	struct dp_acl_rule r = {
		.permit = permit, .proto = IP_UDP, .src_wild = UINT32_MAX, .dst_wild = UINT32_MAX};
	struct dp_acls *s = dp_acls_new(&w.f.heap.alloc, version);

	assert_true(dp_acls_add(s, NULL, "list", &r, 1, 1));
	return s;
}

static void a_new_configuration_counts_at_once(void **state)
{
	struct dp_acls *deny = lists(1, false), *permit = lists(2, true);

	(void)state;
	w.policy = (struct sess_policy){.filter_in = "list", .filter_out = "nothing"};
	apply();
	w.f.conf.acls = deny;
	assert_int_equal(up(LENGTH), DP_UP_DROP);
	assert_int_equal(down(LENGTH), 1); /* nobody knows that list */
	assert_int_equal(fix_drops(&w.f, DROP_FILTERED), 1);
	w.f.conf.acls = permit;
	assert_int_equal(up(LENGTH), DP_UP_FORWARD);
	assert_int_equal(dp_acl_hits(dp_acls_find(permit, "list"), 0), 1);
	w.f.conf.acls = NULL;
	assert_int_equal(up(LENGTH), DP_UP_FORWARD);
	w.policy = (struct sess_policy){.filter_out = "list"};
	w.f.conf.acls = deny;
	apply();
	assert_int_equal(down(LENGTH), 0);
	assert_int_equal(up(LENGTH), DP_UP_FORWARD);
	dp_acls_free(deny);
	dp_acls_free(permit);
}

/* ---- interception ---------------------------------------------------------------------------- */

static void what_goes_on_is_copied(void **state)
{
	(void)state;
	w.policy.intercept = (struct sock_addr){ip_addr_v4(fix_ip(192, 0, 2, 77)), 5555};
	apply();
	assert_int_equal(up(500), DP_UP_FORWARD);
	assert_int_equal(w.copies, 1);
	assert_int_equal(w.copied, 500);
	assert_true(sock_addr_equal(&w.collector, &w.policy.intercept));
	assert_int_equal(down(600), 1);
	assert_int_equal(w.copies, 2);
	assert_int_equal(w.copied, 600);
	down(3000); /* two fragments and the rest */
	assert_int_equal(w.copies, 2 + w.down.n_tx);
	w.policy = (struct sess_policy){0};
	apply();
	up(500);
	assert_int_equal(w.copies, 5);
}

/* A copy would be a packet to him, and be copied. */
static void a_subscriber_is_no_collector(void **state)
{
	(void)state;
	w.policy.intercept = (struct sock_addr){ip_addr_v4(fix_ip(10, 0, 0, 1)), 5555};
	apply();
	assert_int_equal(up(500), DP_UP_FORWARD);
	assert_int_equal(down(600), 1);
	assert_int_equal(w.copies, 0);
	assert_int_equal(counter_get(&w.f.counters, C_INTERCEPT_LOST), 2);
}

static void what_waits_is_copied_when_it_leaves(void **state)
{
	(void)state;
	w.policy = (struct sess_policy){.rate_down = 800000,
					.intercept = {ip_addr_v4(fix_ip(192, 0, 2, 77)), 5555}};
	apply();
	empty_the_bucket();
	unsigned before = w.copies;
	assert_int_equal(counter_get(&w.f.counters, C_DOWN_PACKETS), before);
	pass_time(NSEC_MS(100));
	assert_int_equal(release(), 1);
	assert_int_equal(w.copies, before + 1);
	assert_int_equal(w.copied, LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(both_ways_are_throttled),
		TEST(each_segment_of_a_super_packet_pays),
		TEST(what_a_plugin_drops_is_neither_shaped_nor_copied_nor_billed),
		TEST(unthrottling_lets_go_what_waits),
		TEST(a_change_of_the_rate_keeps_what_waits),
		TEST(other_changes_leave_the_bucket_alone),
		TEST(the_end_of_a_session_frees_its_places),
		TEST(who_is_not_there_gets_nothing),
		TEST(local_traffic_may_be_exempt),
		TEST(another_worker_hands_over),
		TEST(packets_in_a_tenth_of_a_second_are_limited),
		TEST(a_new_configuration_counts_at_once),
		TEST(what_goes_on_is_copied),
		TEST(a_subscriber_is_no_collector),
		TEST(what_waits_is_copied_when_it_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
