/* dp_down: headers, MRU, ICMP, fragments, and the order in which a batch leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/dp_checksum.h"
#include "dataplane/dp_down.h"
#include "dp_fixture.h"
#include "test_bytes.h"
#include "test_random.h"

static struct dp_down down;

static int set_up(void **state)
{
	static struct fixture f;
	fix_start(&f);
	memset(&down, 0, sizeof(down));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	fix_stop(*state);
	return 0;
}

/* Packets with room before them, as a TUN queue lends them. */
struct room {
	uint8_t bytes[64 + 2000];
};

static struct dp_packet packet_in(struct room *r, uint32_t dst, size_t n, uint16_t fragment)
{
	fix_udp(r->bytes + 64, fix_ip(8, 8, 8, 8), dst, n, fragment);
	return (struct dp_packet){.p = r->bytes + 64, .n = n};
}

static void forward_one(struct fixture *f, struct dp_packet p)
{
	dp_down(&f->world, &down, &p, 1);
}

static void a_packet_gets_its_header(void **state)
{
	struct fixture *f = *state;
	struct room room;
	uint8_t before[100];
	static const uint8_t header[] = {0, 2, 0x0A, 0x0B, 0x0C, 0x0D, 0xFF, 0x03, 0, 0x21};
	struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 1), 100, 0);

	memcpy(before, p.p, 100);
	forward_one(f, p);
	assert_int_equal(down.n_tx, 1);
	assert_int_equal(down.order[0], 0);
	assert_int_equal(down.tx[0].head_n, 0);
	assert_int_equal(down.tx[0].body_n, sizeof(header) + 100);
	assert_memory_equal(down.tx[0].body, header, sizeof(header));
	/* Time to live and all else as it came. */
	assert_memory_equal(down.tx[0].body + sizeof(header), before, 100);
	struct sess_counters c;
	dp_counters_read(dp_slot_counters(f->tables, f->slot), &c);
	assert_int_equal(c.down_packets, 1);
	assert_int_equal(c.down_bytes, 100);
}

static void an_unknown_address_is_answered_within_the_rate(void **state)
{
	struct fixture *f = *state;
	struct room room;

	for (unsigned i = 0; i < 8; i++) {
		struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 2), 100, 0);
		forward_one(f, p);
		assert_int_equal(down.n_tx, 0);
		assert_int_equal(down.n_replies, i < 5);
	}
	assert_int_equal(fix_drops(f, DROP_NO_ROUTE), 8);
	assert_int_equal(counter_get(&f->counters, C_ICMP_SENT), 5);
	f->world.now.ns += NSEC_S(1);
	struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 2), 100, 0);
	forward_one(f, p);
	assert_int_equal(down.n_replies, 1);
	struct span icmp = down.replies[0];
	struct dp_ip4 h;
	assert_int_equal(dp_ip4_decode(icmp, &h), DP_IP_OK);
	assert_int_equal(h.src, fix_ip(10, 9, 9, 9));
	assert_int_equal(h.dst, fix_ip(8, 8, 8, 8));
	assert_int_equal(h.proto, IP_ICMP);
	assert_int_equal(icmp.p[20], ICMP_UNREACHABLE);
	assert_int_equal(icmp.p[21], ICMP_HOST_UNREACHABLE);
	assert_int_equal(dp_sum_fold(dp_sum(0, span_of(icmp.p, 20))), 0);
	assert_int_equal(dp_sum_fold(dp_sum(0, span_of(icmp.p + 20, icmp.n - 20))), 0);
	assert_memory_equal(icmp.p + 28, p.p, 100);
}

static void icmp_errors_are_not_answered(void **state)
{
	struct fixture *f = *state;
	struct room room;
	struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 2), 60, 0);

	p.p[9] = IP_ICMP;
	p.p[20] = 3;
	forward_one(f, p);
	assert_int_equal(down.n_replies, 0);
	p.p[20] = 8; /* an echo request is */
	forward_one(f, p);
	assert_int_equal(down.n_replies, 1);
	p = packet_in(&room, fix_ip(10, 0, 0, 2), 60, 1); /* not the first fragment */
	forward_one(f, p);
	assert_int_equal(down.n_replies, 0);
}

static void too_big_with_df_tells_the_mtu(void **state)
{
	struct fixture *f = *state;
	struct room room;

	f->spec.mru = 1000;
	fix_publish(f);
	f->conf.icmp_rate = 0;
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 1000, IP4_DF));
	assert_int_equal(down.n_tx, 1);
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 1001, IP4_DF));
	assert_int_equal(down.n_tx, 0);
	assert_int_equal(down.n_replies, 1);
	assert_int_equal(down.replies[0].p[21], ICMP_FRAGMENTATION_NEEDED);
	assert_int_equal(down.replies[0].p[26] << 8 | down.replies[0].p[27], 1000);
	assert_int_equal(fix_drops(f, DROP_TOO_BIG), 1);
}

static void too_big_without_df_is_fragmented(void **state)
{
	struct fixture *f = *state;
	struct room room;
	uint8_t whole[2000] = {0};
	size_t got = 0;

	f->spec.mru = 600;
	fix_publish(f);
	struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 1), 1500, 0);
	forward_one(f, p);
	assert_int_equal(down.n_tx, 3);
	for (unsigned i = 0; i < down.n_tx; i++) {
		const struct dp_tx *t = &down.tx[down.order[i]];
		struct dp_ip4 h;
		assert_int_equal(t->body[1], 2);
		assert_int_equal(t->body[9], 0x21);
		assert_true(t->body_n <= 600 + 10);
		assert_int_equal(dp_ip4_decode(span_of(t->body + 10, t->body_n - 10u), &h),
				 DP_IP_OK);
		assert_int_equal(dp_sum_fold(dp_sum(0, span_of(t->body + 10, 20))), 0);
		assert_int_equal(h.id, 0x1234);
		memcpy(whole + (h.fragment & IP4_OFFSET) * 8, t->body + 30, h.total_len - 20u);
		got += h.total_len - 20u;
	}
	assert_int_equal(got, 1480);
	assert_memory_equal(whole, p.p + 20, 1480);
	struct sess_counters c;
	dp_counters_read(dp_slot_counters(f->tables, f->slot), &c);
	assert_int_equal(c.down_packets, 1);
}

static void a_batch_of_long_packets_is_fragmented_without_loss(void **state)
{
	struct fixture *f = *state;
	static struct room rooms[DP_BATCH];
	struct dp_packet in[DP_BATCH];
	unsigned made = 0;

	f->spec.mru = 1454;
	fix_publish(f);
	for (unsigned i = 0; i < DP_BATCH; i++)
		in[i] = packet_in(&rooms[i], fix_ip(10, 0, 0, 1), 1492, 0);
	for (unsigned done = 0; done < DP_BATCH;) {
		done += dp_down(&f->world, &down, in + done, DP_BATCH - done);
		made += down.n_tx;
	}
	assert_int_equal(made, 2 * DP_BATCH);
	assert_int_equal(fix_drops(f, DROP_NO_MEMORY), 0);
}

/* Cut once more, its offset would begin anew: a first fragment that no access list has seen. */
static void a_fragment_beyond_the_longest_packet_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct room room;

	f->spec.mru = 1454;
	fix_publish(f);
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 1492, 0x1F4D));
	assert_int_equal(down.n_tx, 0);
	assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), 1);
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 1492, (65535 - 1492) / 8));
	assert_int_equal(down.n_tx, 2);
	for (unsigned i = 0; i < down.n_tx; i++)
		assert_true((down.tx[i].body[16] << 8 | down.tx[i].body[17]) & IP4_OFFSET);
}

static void stale_routes_and_closed_links_drop(void **state)
{
	struct fixture *f = *state;
	struct room room;
	struct ip_prefix host = {.addr = ip_addr_v4(fix_ip(10, 0, 0, 1)), .len = 32};
	struct dp_route_value v = fix_route(f);

	f->spec.flags = 0;
	fix_publish(f);
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 100, 0));
	assert_int_equal(fix_drops(f, DROP_PPP_NOT_OPEN), 1);
	v.generation = (uint8_t)(v.generation + 1);
	assert_true(dp_route_add_own(f->routes, &host, v));
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 100, 0));
	assert_int_equal(fix_drops(f, DROP_STALE_ROUTE), 1);
	dp_unpublish_own(f->tables, 0, f->slot);
	forward_one(f, packet_in(&room, fix_ip(10, 0, 0, 1), 100, 0));
	assert_int_equal(fix_drops(f, DROP_STALE_ROUTE), 2);
	assert_int_equal(down.n_tx, 0);
}

static void every_truncation_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct room room;
	struct dp_packet p = packet_in(&room, fix_ip(10, 0, 0, 1), 90, 0);

	for (size_t n = 0; n < 90; n++) {
		uint8_t *exact = test_exact_copy(room.bytes, 64 + n);
		forward_one(f, (struct dp_packet){.p = exact + 64, .n = n});
		assert_int_equal(down.n_tx, 0);
		assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), n + 1);
		free(exact);
	}
	forward_one(f, p);
	assert_int_equal(down.n_tx, 1);
}

static void ipv6_gets_its_protocol(void **state)
{
	struct fixture *f = *state;
	struct room room = {{0}};
	struct ip_prefix net = {.addr = {.family = 6, .b = {0x20, 0x01}}, .len = 64};
	uint8_t *p = room.bytes + 64;

	f->spec.flags |= DP_IP6 | DP_TX_PFC | DP_TX_ACFC;
	fix_publish(f);
	assert_true(dp_route_add_own(f->routes, &net, fix_route(f)));
	p[0] = 0x60;
	p[5] = 8;
	p[24] = 0x20;
	p[25] = 0x01;
	forward_one(f, (struct dp_packet){.p = p, .n = 48});
	assert_int_equal(down.n_tx, 1);
	assert_int_equal(down.tx[0].body_n, 7 + 48);
	assert_int_equal(down.tx[0].body[6], 0x57);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void lengths_come_together_and_flows_keep_order(void **state)
{
	struct fixture *f = *state;
	struct test_random random = {.state = 7};
	static const uint16_t lens[] = {64, 570, 1400};

	for (unsigned round = 0; round < 200; round++) {
		static struct dp_session sessions[4];
		static struct dp_tx tx[DP_TX_MAX];
		uint16_t order[DP_TX_MAX];
		unsigned n = 1 + (unsigned)test_random_below(&random, DP_TX_MAX);
		bool seen[DP_TX_MAX] = {false};
		int last_of_flow[32];
		for (unsigned i = 0; i < 4; i++) {
			sessions[i].spec = f->spec;
			sessions[i].spec.path.peer.port = (uint16_t)(1000 + i / 2);
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned flow = (unsigned)test_random_below(&random, 32);
			unsigned len =
				flow < 16 ? flow % 3 : (unsigned)test_random_below(&random, 3);
			tx[i] = (struct dp_tx){
				.session = &sessions[flow % 4], .body_n = lens[len], .flow = flow};
		}
		dp_order(tx, n, order);
		memset(last_of_flow, 0xFF, sizeof(last_of_flow));
		unsigned runs = 0;
		for (unsigned i = 0; i < n; i++) {
			const struct dp_tx *t = &tx[order[i]];
			assert_false(seen[order[i]]);
			seen[order[i]] = true;
			assert_true(last_of_flow[t->flow] < order[i]);
			last_of_flow[t->flow] = order[i];
			runs += i == 0 || tx[order[i - 1]].body_n != t->body_n ||
				tx[order[i - 1]].session->spec.path.peer.port !=
					t->session->spec.path.peer.port;
		}
		if (n == DP_TX_MAX)
			assert_true(runs < n / 2);
	}
}

static void flows_of_one_length_make_one_run_per_length(void **state)
{
	struct fixture *f = *state;
	static struct dp_session session;
	static struct dp_tx tx[256];
	uint16_t order[256];
	unsigned runs = 1;

	session.spec = f->spec;
	for (unsigned i = 0; i < 256; i++)
		tx[i] = (struct dp_tx){.session = &session,
				       .body_n = (uint16_t)(i % 3 * 500 + 64),
				       .flow = i % 24};
	dp_order(tx, 256, order);
	for (unsigned i = 1; i < 256; i++)
		runs += tx[order[i]].body_n != tx[order[i - 1]].body_n;
	assert_int_equal(runs, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_packet_gets_its_header),
		TEST(an_unknown_address_is_answered_within_the_rate),
		TEST(icmp_errors_are_not_answered),
		TEST(too_big_with_df_tells_the_mtu),
		TEST(too_big_without_df_is_fragmented),
		TEST(a_batch_of_long_packets_is_fragmented_without_loss),
		TEST(a_fragment_beyond_the_longest_packet_is_dropped),
		TEST(stale_routes_and_closed_links_drop),
		TEST(every_truncation_is_dropped),
		TEST(ipv6_gets_its_protocol),
		TEST(lengths_come_together_and_flows_keep_order),
		TEST(flows_of_one_length_make_one_run_per_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
