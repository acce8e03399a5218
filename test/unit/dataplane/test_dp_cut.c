/* Super-packets from the core: what comes out is what the sender would have sent one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/dp_down.h"
#include "dp_fixture.h"
#include "dp_segments.h"
#include "test_bytes.h"
#include "test_random.h"

enum { L2TP_HEAD = 10, TCP_ALL = 0xFFF, ROOM = 64 };

static struct dp_down down;
static uint8_t payload[65536];
static uint8_t packet[ROOM + 65536];

static int set_up(void **state)
{
	static struct fixture f;
	struct test_random random = {.state = 3};
	struct ip_prefix net = {.addr = {.family = 6, .b = {0x20, 0x01, 0x0d, 0xb8}}, .len = 64};

	fix_start(&f);
	f.spec.flags = DP_IP4 | DP_IP6;
	fix_publish(&f);
	assert_true(dp_route_add_own(f.routes, &net, fix_route(&f)));
	memset(&down, 0, sizeof(down));
	test_random_fill(&random, payload, sizeof(payload));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	fix_stop(*state);
	return 0;
}

static struct seg some(bool v6, bool udp, size_t n)
{
	return (struct seg){.v6 = v6,
			    .udp = udp,
			    .partial = true,
			    .src = fix_ip(8, 8, 8, 8),
			    .dst = fix_ip(10, 0, 0, 1),
			    .sport = 443,
			    .dport = 40000,
			    .ttl = 60,
			    .id = 0xFFFE,
			    .fragment = IP4_DF,
			    .seq = 0xFFFFFF00,
			    .ack = 77,
			    .flags = 0x18,
			    .window = 500,
			    .options = 12,
			    .payload = payload,
			    .n = n};
}

static struct dp_packet make(const struct seg *s, uint16_t size)
{
	size_t n = seg_make(s, packet + ROOM);

	assert_true(n > 0);
	return (struct dp_packet){
		.p = packet + ROOM,
		.n = n,
		.super = {.size = size, .l4 = s->v6 ? 40 : 20, .udp = s->udp},
	};
}

static size_t join(const struct dp_tx *t, uint8_t *out)
{
	memcpy(out, t->head, t->head_n);
	memcpy(out + t->head_n, t->body, t->body_n);
	return dp_tx_len(t);
}

static void expect_segments(struct fixture *f, const struct seg *s, uint16_t size)
{
	size_t count = (s->n + size - 1) / size;
	struct dp_packet p = make(s, size);

	assert_int_equal(dp_down(&f->world, &down, &p, 1), 1);
	assert_int_equal(down.n_tx, count);
	for (size_t i = 0; i < count; i++) {
		uint8_t got[2048], expected[2048];
		struct seg one = seg_of(s, size, i);
		assert_int_equal(down.order[i], i);
		size_t n = seg_make(&one, expected);
		assert_int_equal(join(&down.tx[i], got), L2TP_HEAD + n);
		assert_int_equal(got[9], s->v6 ? 0x57 : 0x21);
		assert_memory_equal(got + L2TP_HEAD, expected, n);
	}
}

static void a_super_packet_is_cut(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		struct seg s = some(kind & 1, kind & 2, 20000);
		expect_segments(*state, &s, 1400);
	}
}

static void flags_stand_where_they_belong(void **state)
{
	for (uint16_t flags = 0; flags <= TCP_ALL; flags++) {
		if (flags & 0x02)
			continue; /* a SYN carries nothing that could be cut */
		struct seg s = some(false, false, 3000);
		s.flags = flags;
		expect_segments(*state, &s, 1000);
	}
}

static void any_super_packet_is_cut_right(void **state)
{
	struct fixture *f = *state;
	struct test_random r = {.state = 99};

	for (unsigned i = 0; i < 3000; i++) {
		uint16_t size = (uint16_t)(1 + test_random_below(&r, 1380));
		size_t most = (size_t)size * 64 < 65000 ? (size_t)size * 64 : 65000;
		struct seg s = some(i & 1, i & 2, 1 + test_random_below(&r, most));
		s.payload = payload + test_random_below(&r, sizeof(payload) - s.n);
		s.tos = (uint8_t)test_random_u64(&r);
		s.ttl = (uint8_t)test_random_u64(&r);
		s.id = (uint16_t)test_random_u64(&r);
		s.fragment = i & 4 ? IP4_DF : 0;
		s.seq = (uint32_t)test_random_u64(&r);
		s.flags = (uint16_t)test_random_below(&r, TCP_ALL + 1) & (uint16_t)~2;
		s.options = (uint8_t)(test_random_below(&r, 11) * 4);
		expect_segments(f, &s, size);
	}
}

/* Some value of two bytes makes any checksum zero; UDP must not say so. */
static void a_checksum_of_zero_is_written_as_it_must_be(void **state)
{
	unsigned zeros = 0;

	for (unsigned udp = 0; udp < 2; udp++)
		for (unsigned v = 0; v < 0x10000; v++) {
			struct seg s = some(false, udp, 2), one = seg_of(&s, 2, 0);
			uint8_t room[100];
			seg_store(payload, (uint16_t)v);
			seg_make(&one, room);
			const uint8_t *sum = room + (udp ? 26 : 36);
			if (sum[0] != sum[1] || (sum[0] && sum[0] != 0xFF))
				continue;
			expect_segments(*state, &s, 2);
			zeros++;
		}
	assert_int_equal(zeros, 2);
}

static void segments_are_counted(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, false, 2500);
	struct sess_counters c;

	expect_segments(f, &s, 1000);
	dp_counters_read(dp_slot_counters(f->tables, f->slot), &c);
	assert_int_equal(c.down_packets, 3);
	assert_int_equal(c.down_bytes, 2500 + 3 * seg_head(&s));
	assert_int_equal(counter_get(&f->counters, C_DOWN_PACKETS), 3);
}

static void the_mru_is_that_of_a_segment(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, false, 5000);
	uint16_t size = 1000;

	f->spec.mru = (uint16_t)(seg_head(&s) + size);
	fix_publish(f);
	expect_segments(f, &s, size);
	struct dp_packet p = make(&s, (uint16_t)(size + 1));
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_tx, 1); /* the last one is shorter: 5000 - 4 * 1001 bytes */
	assert_int_equal(down.tx[0].body_n, 996);
	assert_int_equal(down.n_replies, 1);
	assert_int_equal(down.replies[0].p[21], ICMP_FRAGMENTATION_NEEDED);
	assert_int_equal(down.replies[0].p[26] << 8 | down.replies[0].p[27], f->spec.mru);
	assert_int_equal(fix_drops(f, DROP_TOO_BIG), 4);
	/* One short segment fits whatever the size says. */
	s.n = 900;
	p = make(&s, 1300);
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_tx, 1);
}

static void long_segments_without_df_are_fragmented(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, true, 64000);
	static uint8_t whole[2048], expected[2048];
	unsigned at = 0;

	s.fragment = 0;
	f->spec.mru = 600;
	fix_publish(f);
	struct dp_packet p = make(&s, 1400);
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_replies, 0);
	for (size_t i = 0; i < (s.n + 1399) / 1400; i++) {
		struct seg one = seg_of(&s, 1400, i);
		size_t n = seg_make(&one, expected);
		for (size_t got = 20; got < n; at++) {
			const struct dp_tx *t = &down.tx[at];
			struct dp_ip4 h;
			assert_true(at < down.n_tx);
			assert_true(t->body_n <= 600 + L2TP_HEAD);
			assert_int_equal(dp_ip4_decode(span_of(t->body + L2TP_HEAD,
							       t->body_n - (size_t)L2TP_HEAD),
						       &h),
					 DP_IP_OK);
			assert_int_equal(h.id, one.id);
			memcpy(whole + 20 + (h.fragment & IP4_OFFSET) * 8, t->body + L2TP_HEAD + 20,
			       h.total_len - 20u);
			got += h.total_len - 20u;
		}
		assert_memory_equal(whole + 20, expected + 20, n - 20);
	}
	assert_int_equal(at, down.n_tx);
}

static void a_batch_that_is_too_much_is_taken_in_parts(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, true, 60000);
	struct dp_packet p = make(&s, 100), batch[4] = {p, p, p, p};
	unsigned done = 0, calls = 0, sent = 0;

	while (done < 4) {
		unsigned n = dp_down(&f->world, &down, batch + done, 4 - done);
		assert_true(n > 0);
		done += n;
		sent += down.n_tx;
		calls++;
	}
	assert_int_equal(calls, 4);
	assert_int_equal(sent, 4 * 600);
	/* More segments than any batch holds. */
	p = make(&s, 10);
	assert_int_equal(dp_down(&f->world, &down, &p, 1), 1);
	assert_int_equal(down.n_tx, 0);
	assert_int_equal(fix_drops(f, DROP_NO_MEMORY), 6000);
}

static void super_packets_that_must_be_fragmented_are_not_lost(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, true, 61600);
	unsigned sent = 0;

	f->spec.mru = 1000;
	fix_publish(f);
	s.fragment = 0;
	struct dp_packet p = make(&s, 1400), batch[4] = {p, p, p, p};
	for (unsigned done = 0; done < 4; sent += down.n_tx)
		done += dp_down(&f->world, &down, batch + done, 4 - done);
	assert_int_equal(sent, 4 * 2 * 44);
	assert_int_equal(fix_drops(f, DROP_NO_MEMORY), 0);
}

static void the_limit_counts_what_a_super_packet_stands_for(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, true, 14000);
	struct dp_packet p = make(&s, 1400);

	f->conf.packet_limit = 10;
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_tx, 10);
	assert_int_equal(fix_drops(f, DROP_PACKET_LIMIT), 0);
	p = make(&s, 1400);
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_tx, 0);
	assert_int_equal(fix_drops(f, DROP_PACKET_LIMIT), 10);
}

static void what_is_not_a_super_packet_is_refused(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, false, 3000);
	struct dp_packet good = make(&s, 1000), p = good;
	uint64_t bad = 0;

	p.super.udp = true;
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), ++bad);
	p = good;
	p.super.l4 = 24;
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), ++bad);
	p = good;
	p.p[32] = 0x40; /* a TCP header of 16 bytes */
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), ++bad);
	p.p[32] = 0x80;
	p.p[6] = 0x20; /* more fragments */
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(fix_drops(f, DROP_TUN_FORMAT), ++bad);
	p.p[6] = 0x40;
	dp_down(&f->world, &down, &p, 1);
	assert_int_equal(down.n_tx, 3);
}

static void every_truncation_is_refused(void **state)
{
	struct fixture *f = *state;
	struct seg s = some(false, false, 100);
	struct dp_packet p = make(&s, 40);

	for (size_t n = 0; n < p.n; n++) {
		uint8_t *exact = test_exact_copy(packet, ROOM + n);
		struct dp_packet cut = {.p = exact + ROOM, .n = n, .super = p.super};
		struct dp_cut c;
		dp_down(&f->world, &down, &cut, 1);
		assert_int_equal(down.n_tx, 0);
		if (n >= 20) { /* the length says so too */
			seg_store(cut.p + 2, (uint16_t)n);
			assert_int_equal(dp_cut_start(&c, span_of(cut.p, n), &p.super),
					 n > seg_head(&s));
		}
		free(exact);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_super_packet_is_cut),
		TEST(flags_stand_where_they_belong),
		TEST(any_super_packet_is_cut_right),
		TEST(a_checksum_of_zero_is_written_as_it_must_be),
		TEST(segments_are_counted),
		TEST(the_mru_is_that_of_a_segment),
		TEST(long_segments_without_df_are_fragmented),
		TEST(a_batch_that_is_too_much_is_taken_in_parts),
		TEST(super_packets_that_must_be_fragmented_are_not_lost),
		TEST(the_limit_counts_what_a_super_packet_stands_for),
		TEST(what_is_not_a_super_packet_is_refused),
		TEST(every_truncation_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
