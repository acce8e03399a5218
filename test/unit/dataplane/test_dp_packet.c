/* The small packet functions against naive ones: checksum, MSS clamp, fragments, ICMP limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/dp_checksum.h"
#include "dataplane/dp_fragment.h"
#include "dataplane/dp_icmp.h"
#include "dataplane/dp_mss.h"
#include "test_bytes.h"
#include "test_random.h"

/* ---- checksum -------------------------------------------------------------------------------- */

static uint16_t naive(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint64_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return (uint16_t)~sum;
}

static void the_sum_is_that_of_rfc_1071(void **state)
{
	(void)state;
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(dp_sum_fold(dp_sum(0, span_of(example, sizeof(example)))),
			 (uint16_t)~0xddf2);
}

static void every_length_and_split_agrees_with_the_naive_sum(void **state)
{
	(void)state;
	struct test_random random = {.state = 3};
	uint8_t bytes[400]; /* the long ones go another way through the code */

	for (size_t n = 0; n <= sizeof(bytes); n++) {
		test_random_fill(&random, bytes, sizeof(bytes));
		if (n % 3 == 0)
			memset(bytes, 0xFF, sizeof(bytes));
		assert_int_equal(dp_sum_fold(dp_sum(0, span_of(bytes, n))), naive(bytes, n));
		size_t cut = n / 2 & ~(size_t)1;
		uint64_t sum =
			dp_sum(dp_sum(0, span_of(bytes, cut)), span_of(bytes + cut, n - cut));
		assert_int_equal(dp_sum_fold(sum), naive(bytes, n));
	}
}

static void the_longest_packet_does_not_overflow(void **state)
{
	(void)state;
	static uint8_t bytes[65536];

	memset(bytes, 0xFF, sizeof(bytes));
	for (size_t n = 65535; n > 65400; n--)
		assert_int_equal(dp_sum_fold(dp_sum(0, span_of(bytes + 1, n))),
				 naive(bytes + 1, n));
}

static void an_update_equals_a_new_sum(void **state)
{
	(void)state;
	struct test_random random = {.state = 4};

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t bytes[20];
		test_random_fill(&random, bytes, sizeof(bytes));
		if (i % 4 == 0)
			memset(bytes, i & 4 ? 0xFF : 0, sizeof(bytes));
		uint16_t field = naive(bytes, sizeof(bytes));
		uint16_t before = (uint16_t)(bytes[6] << 8 | bytes[7]);
		uint16_t after = i % 8 == 0 ? 0xFFFF : (uint16_t)test_random_u64(&random);
		bytes[6] = (uint8_t)(after >> 8);
		bytes[7] = (uint8_t)after;
		uint16_t updated = dp_checksum_update(field, before, after);
		/* The receiver's view: data and field sum up to all ones. */
		uint64_t sum = (uint16_t)~naive(bytes, sizeof(bytes)) + (uint64_t)updated;
		assert_int_equal((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
	}
}

static void a_partial_checksum_is_finished_in_bounds(void **state)
{
	(void)state;
	uint8_t packet[60];
	struct test_random random = {.state = 5};

	test_random_fill(&random, packet, sizeof(packet));
	packet[26] = 0x12; /* what the kernel leaves: the pseudo header's sum */
	packet[27] = 0x34;
	uint16_t expect = naive(packet + 20, 40);
	assert_true(dp_checksum_finish(packet, sizeof(packet), 20, 6));
	assert_int_equal(packet[26] << 8 | packet[27], expect);
	assert_false(dp_checksum_finish(packet, sizeof(packet), 61, 0));
	assert_false(dp_checksum_finish(packet, sizeof(packet), 60, 0));
	assert_false(dp_checksum_finish(packet, sizeof(packet), 20, 39));
	assert_false(dp_checksum_finish(packet, sizeof(packet), 20, 65535));
	assert_true(dp_checksum_finish(packet, sizeof(packet), 20, 38));
	memset(packet, 0xFF, sizeof(packet)); /* would be 0: "no checksum" in UDP */
	assert_true(dp_checksum_finish(packet, sizeof(packet), 20, 6));
	assert_int_equal(packet[26] << 8 | packet[27], 0xFFFF);
}

/* ---- a hop ----------------------------------------------------------------------------------- */

static void a_hop_takes_one_from_the_ttl_and_keeps_the_checksum_right(void **state)
{
	(void)state;
	struct test_random random = {.state = 5};
	uint8_t packet[64], before[64], options[40];

	for (unsigned i = 0; i < 20000; i++) {
		struct wbuf out = wbuf_of(packet, sizeof(packet));
		struct dp_ip4 h = {.total_len = sizeof(packet)};
		test_random_fill(&random, packet, sizeof(packet));
		h.tos = packet[1], h.ttl = packet[2], h.proto = packet[3];
		h.id = packet[4], h.src = packet[5] * 0x1010101u, h.dst = packet[6] * 0x1010101u;
		test_random_fill(&random, options, sizeof(options));
		dp_ip4_encode(&out, &h, span_of(options, i % 11 * 4));
		memcpy(before, packet, sizeof(packet));
		if (i % 4 == 3)
			packet[test_random_below(&random, IP4_HEADER)] ^= 1;
		bool good = i % 4 != 3 && h.ttl > 1;
		assert_int_equal(dp_ip4_hop(packet, sizeof(packet)), good);
		if (!good)
			continue;
		assert_int_equal(packet[8], h.ttl - 1);
		assert_int_equal(naive(packet, (packet[0] & 15) * 4), 0);
		before[8] = packet[8], before[10] = packet[10], before[11] = packet[11];
		assert_memory_equal(packet, before, sizeof(packet));
	}
}

static void a_packet_that_is_cut_short_makes_no_hop(void **state)
{
	(void)state;
	uint8_t packet[40], before[40];
	struct wbuf out = wbuf_of(packet, sizeof(packet));
	struct dp_ip4 h = {.total_len = sizeof(packet), .ttl = 64, .src = 1, .dst = 2};

	memset(packet, 0, sizeof(packet));
	dp_ip4_encode(&out, &h, span_of(NULL, 0));
	memcpy(before, packet, sizeof(packet));
	for (size_t n = 0; n < sizeof(packet); n++)
		assert_false(dp_ip4_hop(packet, n));
	assert_memory_equal(packet, before, sizeof(packet));
	assert_true(dp_ip4_hop(packet, sizeof(packet)));
}

/* ---- MSS ------------------------------------------------------------------------------------- */

/* An IPv4 or IPv6 SYN with these TCP options; the checksum is over TCP alone (enough to compare).
 */
static size_t syn(uint8_t *out, size_t cap, bool v6, const char *options)
{
	struct wbuf w = wbuf_of(out, cap);
	uint8_t opts[40];
	size_t n = test_unhex(options, opts, sizeof(opts));
	size_t ip = v6 ? 40 : 20;

	wbuf_u8(&w, v6 ? 0x60 : 0x45);
	for (size_t i = 1; i < ip; i++)
		wbuf_u8(&w, (uint8_t)((v6 && i == 6) || (!v6 && i == 9) ? IP_TCP : 0));
	wbuf_u32(&w, 0x03E80050);
	wbuf_u32(&w, 1);
	wbuf_u32(&w, 0);
	wbuf_u8(&w, (uint8_t)((20 + n) / 4 << 4));
	wbuf_u8(&w, 0x02);
	wbuf_u16(&w, 1000);
	wbuf_u32(&w, 0);
	wbuf_bytes(&w, opts, n);
	assert_false(w.bad);
	wbuf_patch_u16(&w, ip + 16, naive(out + ip, w.n - ip));
	return w.n;
}

static void check_clamp(bool v6, const char *options, unsigned at, uint16_t expect)
{
	uint8_t packet[100];
	size_t n = syn(packet, sizeof(packet), v6, options);
	size_t tcp = v6 ? 40 : 20;

	assert_true(dp_mss_clamp(packet, n, 1400));
	assert_int_equal(packet[tcp + 20 + at] << 8 | packet[tcp + 21 + at], expect);
	assert_int_equal(naive(packet + tcp, n - tcp), 0);
	assert_false(dp_mss_clamp(packet, n, 1400)); /* low enough now */
}

static void a_high_mss_is_lowered_and_the_checksum_holds(void **state)
{
	(void)state;
	check_clamp(false, "02 04 05 b4", 2, 1400);
	check_clamp(false, "01 01 02 04 ff ff 01 00", 4, 1400);
	check_clamp(false, "01 02 04 05 b4 00 00 00", 3, 1400); /* at an odd place */
	check_clamp(false, "04 02 08 0a 00 00 00 01 00 00 00 00 02 04 05 b4", 14, 1400);
	check_clamp(true, "02 04 05 b4", 2, 1380);
}

static void other_segments_are_left_alone(void **state)
{
	(void)state;
	uint8_t packet[100], before[100];
	size_t n = syn(packet, sizeof(packet), false, "02 04 05 b4");

	packet[33] = 0x10; /* no SYN */
	memcpy(before, packet, n);
	assert_false(dp_mss_clamp(packet, n, 1400));
	packet[33] = 0x02;
	packet[7] = 1; /* not the first fragment */
	assert_false(dp_mss_clamp(packet, n, 1400));
	packet[7] = 0;
	packet[9] = IP_UDP;
	assert_false(dp_mss_clamp(packet, n, 1400));
	packet[9] = IP_TCP;
	assert_false(dp_mss_clamp(packet, n, 1460));
	packet[33] = 0x10;
	assert_memory_equal(packet, before, n);
}

static void broken_options_and_truncations_change_nothing(void **state)
{
	(void)state;
	static const char *const options[] = {
		"02 00 05 b4",
		"02 01 05 b4",
		"02 03 05 b4",
		"02 05 05 b4",
		"00 02 04 05 b4 00 00 00",
		"03 ff 02 04 05 b4 00 00",
		"01 01 01 02",
	};

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		uint8_t packet[100];
		size_t n = syn(packet, sizeof(packet), false, options[i]);
		assert_false(dp_mss_clamp(packet, n, 500));
	}
	uint8_t whole[100];
	size_t n = syn(whole, sizeof(whole), false, "02 04 05 b4");
	for (size_t cut = 20; cut < n; cut++) {
		uint8_t *exact = test_exact_copy(whole, cut);
		assert_false(dp_mss_clamp(exact, cut, 500));
		free(exact);
	}
}

/* ---- fragments ------------------------------------------------------------------------------- */

/* Cuts a packet and puts the data together again; returns the number of fragments. */
static unsigned round_trip(struct span packet, uint16_t mtu, uint16_t id)
{
	struct dp_ip4 h;
	struct dp_fragment f;
	uint8_t piece[2000], data[4000] = {0};
	size_t end = 0;
	unsigned n = 0;
	bool more = true;

	assert_int_equal(dp_ip4_decode(packet, &h), DP_IP_OK);
	assert_true(dp_fragment_start(&f, &h, packet, mtu));
	while (f.data.n) {
		struct wbuf w = wbuf_of(piece, sizeof(piece));
		struct dp_ip4 part;
		assert_true(more);
		assert_true(dp_fragment_next(&f, &w));
		assert_true(w.n <= mtu);
		assert_int_equal(dp_ip4_decode(wbuf_written(&w), &part), DP_IP_OK);
		assert_int_equal(part.total_len, w.n);
		assert_int_equal(naive(piece, part.header_len), 0);
		assert_int_equal(part.id, id);
		more = part.fragment & IP4_MF;
		size_t at = (size_t)(part.fragment & IP4_OFFSET) * 8 -
			    (size_t)(h.fragment & IP4_OFFSET) * 8;
		assert_int_equal(at, end);
		memcpy(data + at, piece + part.header_len, w.n - part.header_len);
		end += w.n - part.header_len;
		n++;
	}
	assert_int_equal(more, (h.fragment & IP4_MF) != 0);
	assert_int_equal(end, packet.n - h.header_len);
	assert_memory_equal(data, packet.p + h.header_len, end);
	return n;
}

static void fragments_add_up_at_every_mtu(void **state)
{
	(void)state;
	uint8_t packet[1500];
	struct test_random random = {.state = 6};

	for (uint16_t mtu = 68; mtu < 1500; mtu++) {
		struct wbuf w = wbuf_of(packet, sizeof(packet));
		struct dp_ip4 h = {.total_len = sizeof(packet), .id = mtu, .ttl = 9, .proto = 17};
		/* Sometimes it is a fragment already, in the middle of its packet. */
		h.fragment = mtu % 2 ? IP4_MF | 10 : 0;
		dp_ip4_encode(&w, &h, span_of(NULL, 0));
		test_random_fill(&random, packet + 20, sizeof(packet) - 20);
		unsigned n = round_trip(span_of(packet, sizeof(packet)), mtu, mtu);
		unsigned each = (mtu - 20u) & ~7u;
		assert_true(n == (1480 + each - 1) / each || n + 1 == (1480 + each - 1) / each);
	}
}

static void only_copied_options_go_into_every_fragment(void **state)
{
	(void)state;
	static const uint8_t options[] = {
		0x83, 7, 4, 1, 2, 3, 4, /* loose source route: copied */
		7,    7, 4, 0, 0, 0, 0, /* record route: first fragment only */
		1,    0,
	};
	uint8_t packet[600], piece[200];
	struct wbuf w = wbuf_of(packet, sizeof(packet));
	struct dp_ip4 h = {.total_len = sizeof(packet), .ttl = 9, .proto = 17}, part;
	struct dp_fragment f;

	dp_ip4_encode(&w, &h, span_of(options, sizeof(options)));
	memset(packet + 36, 7, sizeof(packet) - 36);
	assert_true(round_trip(span_of(packet, sizeof(packet)), 200, 0) > 3);
	assert_int_equal(dp_ip4_decode(span_of(packet, sizeof(packet)), &h), DP_IP_OK);
	assert_true(dp_fragment_start(&f, &h, span_of(packet, sizeof(packet)), 200));
	w = wbuf_of(piece, sizeof(piece));
	assert_true(dp_fragment_next(&f, &w));
	assert_memory_equal(piece + 20, options, sizeof(options));
	w = wbuf_of(piece, sizeof(piece));
	assert_true(dp_fragment_next(&f, &w));
	assert_int_equal(dp_ip4_decode(wbuf_written(&w), &part), DP_IP_OK);
	assert_int_equal(part.header_len, 28);
	assert_memory_equal(piece + 20, options, 7);
	assert_int_equal(piece[27], 0);
}

static void a_tiny_mtu_is_refused(void **state)
{
	(void)state;
	uint8_t packet[100] = {0x45, 0, 0, 100};
	struct dp_ip4 h;
	struct dp_fragment f;

	assert_int_equal(dp_ip4_decode(span_of(packet, sizeof(packet)), &h), DP_IP_OK);
	assert_false(dp_fragment_start(&f, &h, span_of(packet, sizeof(packet)), 27));
	assert_true(dp_fragment_start(&f, &h, span_of(packet, sizeof(packet)), 28));
}

static void errors_are_limited_per_second(void **state)
{
	(void)state;
	struct dp_icmp_limit l = {0};
	unsigned sent = 0;

	for (int64_t ms = 5000; ms < 7000; ms++)
		sent += dp_icmp_allowed(&l, 10, (nsec){NSEC_MS(ms)});
	assert_int_equal(sent, 20);
	assert_false(dp_icmp_allowed(&l, 0, (nsec){NSEC_S(9)}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_that_of_rfc_1071),
		cmocka_unit_test(every_length_and_split_agrees_with_the_naive_sum),
		cmocka_unit_test(the_longest_packet_does_not_overflow),
		cmocka_unit_test(a_hop_takes_one_from_the_ttl_and_keeps_the_checksum_right),
		cmocka_unit_test(a_packet_that_is_cut_short_makes_no_hop),
		cmocka_unit_test(an_update_equals_a_new_sum),
		cmocka_unit_test(a_partial_checksum_is_finished_in_bounds),
		cmocka_unit_test(a_high_mss_is_lowered_and_the_checksum_holds),
		cmocka_unit_test(other_segments_are_left_alone),
		cmocka_unit_test(broken_options_and_truncations_change_nothing),
		cmocka_unit_test(fragments_add_up_at_every_mtu),
		cmocka_unit_test(only_copied_options_go_into_every_fragment),
		cmocka_unit_test(a_tiny_mtu_is_refused),
		cmocka_unit_test(errors_are_limited_per_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
