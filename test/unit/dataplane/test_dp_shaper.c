/* dp_shaper: rates are exact, queues short, small packets quick, flows in order. Simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/wbuf.h"
#include "dataplane/dp_shaper.h"
#include "test_alloc.h"
#include "test_random.h"

enum { PLACES = 8192, BURST_MS = 25, BIG = 1460, PING = 84, TICK_US = 1000 };

static struct {
	struct test_alloc heap;
	struct dp_hold hold;
	struct dp_shaper shaper;
	nsec now;
	uint64_t sent;	    /* bytes that left */
	unsigned aqm, full; /* dropped */
} w;

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	test_alloc_init(&w.heap);
	dp_hold_init(&w.hold, &w.heap.alloc, PLACES);
	assert_true(dp_hold_open(&w.hold));
	dp_shaper_init(&w.shaper);
	w.now = (nsec){NSEC_S(1000)};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dp_shaper_clear(&w.shaper, &w.hold);
	dp_hold_fini(&w.hold);
	assert_int_equal(w.heap.held, 0);
	return 0;
}

static void set(uint64_t rate, uint32_t burst)
{
	dp_shaper_set(&w.shaper, rate, burst, BURST_MS, w.now);
}

/* A packet that carries a number. */
static enum dp_shaped put(uint32_t flow, uint32_t number, size_t n)
{
	uint8_t bytes[2100] = {0};
	struct wbuf b = wbuf_of(bytes, sizeof(bytes));

	wbuf_u32(&b, flow);
	wbuf_u32(&b, number);
	struct dp_shaper_packet p = {.body = span_of(bytes, n), .flow = flow};
	enum dp_shaped r = dp_shaper_put(&w.shaper, &w.hold, &p, w.now, &w.full);
	if (r == DP_SHAPED_PASS)
		w.sent += n;
	return r;
}

struct got {
	uint32_t flow, number;
	size_t n;
	int64_t waited_ns;
};

static bool take(struct got *g)
{
	uint32_t place = dp_shaper_take(&w.shaper, &w.hold, w.now, &w.aqm);

	if (place == DP_HELD_NONE)
		return false;
	struct dp_held *x = dp_hold_at(&w.hold, place);
	struct span s = span_of(x->bytes, x->n);
	*g = (struct got){.n = x->n, .waited_ns = nsec_sub(w.now, x->since)};
	g->flow = span_u32(&s);
	g->number = span_u32(&s);
	w.sent += x->n;
	dp_hold_free(&w.hold, place);
	return true;
}

static void drain(void)
{
	struct got g;

	while (take(&g))
		;
}

static void step(int64_t ns)
{
	w.now = nsec_add(w.now, ns);
}

/* ---- rates ----------------------------------------------------------------------------------- */

/* Offers twice the rate for `seconds`, in steps of a millisecond as the worker's turns. */
static double measure(uint64_t rate, unsigned seconds)
{
	double owed = 0;

	set(rate, 0);
	for (unsigned ms = 0; ms < seconds * 1000; ms++) {
		owed += 2.0 * (double)rate / 8 / 1000;
		for (; owed >= BIG; owed -= BIG)
			put(1, 0, BIG);
		drain();
		step(NSEC_MS(1));
	}
	return (double)w.sent * 8 / seconds / (double)rate;
}

static void expect_rate(uint64_t rate, unsigned seconds)
{
	w.sent = 0;
	double ratio = measure(rate, seconds);

	dp_shaper_clear(&w.shaper, &w.hold);
	if (ratio < 0.97 || ratio > 1.03)
		fail_msg("%llu bit/s: %.3f of it", (unsigned long long)rate, ratio);
}

static void rates_are_within_three_percent(void **state)
{
	(void)state;
	expect_rate(64000, 100); /* one packet is 18% of a second */
	expect_rate(1000000, 10);
	expect_rate(10000000, 5);
	expect_rate(100000000, 3);
	expect_rate(1000000000, 3);
	expect_rate(UINT64_C(10000000000), 2);
}

static void no_rate_is_no_limit(void **state)
{
	(void)state;
	set(0, 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(put(1, 0, BIG), DP_SHAPED_PASS);
}

/* 2^63 bit/s and more cost less than can be told. */
static void huge_rates_do_not_overflow(void **state)
{
	(void)state;
	set(UINT64_C(1) << 63, UINT32_MAX);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(put(1, 0, BIG), DP_SHAPED_PASS);
	set(UINT64_MAX, 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(put(1, 0, BIG), DP_SHAPED_PASS);
}

static void one_bit_per_second(void **state)
{
	struct got g;

	(void)state;
	set(1, 0);
	assert_int_equal(put(1, 0, BIG), DP_SHAPED_PASS);
	assert_int_equal(put(1, 1, BIG), DP_SHAPED_HELD);
	step(NSEC_S(8 * (BIG - 1)));
	assert_false(take(&g));
	step(NSEC_S(8 * 2));
	assert_true(take(&g));
	set(1, UINT32_MAX);
	assert_true(w.shaper.depth > 0);
	step(INT64_MAX / 4);
	assert_int_equal(put(1, 2, BIG), DP_SHAPED_PASS);
}

static void a_burst_passes_at_once(void **state)
{
	unsigned n = 0;

	(void)state;
	set(1000000, 30000);
	while (put(1, n, 1000) == DP_SHAPED_PASS)
		n++;
	assert_int_equal(n, 30);
	step(NSEC_S(10)); /* no more than one burst is saved up */
	drain();
	for (n = 0; put(1, n, 1000) == DP_SHAPED_PASS; n++)
		;
	assert_in_range(n, 29, 30);
}

static void the_timer_is_neither_early_nor_late(void **state)
{
	struct got g;

	(void)state;
	set(8000000, 10000); /* a byte each microsecond, 10 ms of burst */
	while (put(1, 0, 1000) == DP_SHAPED_PASS)
		;
	nsec at = dp_shaper_next(&w.shaper);
	w.now = nsec_add(at, -1000);
	assert_false(take(&g));
	w.now = at;
	assert_true(take(&g));
	assert_true(nsec_is_never(dp_shaper_next(&w.shaper)));
}

static void a_clock_that_stands_still_gives_nothing(void **state)
{
	struct got g;

	(void)state;
	set(8000, 0);
	put(1, 0, BIG);
	put(1, 1, BIG);
	for (int i = 0; i < 1000; i++)
		assert_false(take(&g));
	w.now = nsec_add(w.now, -NSEC_S(5));
	assert_false(take(&g));
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void header_bytes_are_free(void **state)
{
	uint8_t bytes[1010] = {0};
	struct dp_shaper_packet p = {
		.head = span_of(bytes, 10), .body = span_of(bytes, 1000), .skip = 10};
	unsigned n = 0;

	(void)state;
	set(1000000, 100000);
	while (dp_shaper_put(&w.shaper, &w.hold, &p, w.now, &w.full) == DP_SHAPED_PASS)
		n++;
	assert_int_equal(n, 100);
}

static void what_is_too_long_for_a_place_is_dropped(void **state)
{
	(void)state;
	set(1000000, 0);
	while (put(1, 0, BIG) == DP_SHAPED_PASS)
		;
	assert_int_equal(put(1, 1, DP_HELD_BYTES + 1), DP_SHAPED_NO_ROOM);
	assert_int_equal(put(1, 2, DP_HELD_BYTES), DP_SHAPED_HELD);
}

static void the_queue_is_bounded(void **state)
{
	unsigned held = 0;

	(void)state;
	set(10000000, 0);
	for (unsigned i = 0; i < 100000; i++)
		held += put(i, i, BIG) == DP_SHAPED_HELD;
	assert_in_range(w.hold.held, 20, 50); /* 40 ms of it */
	assert_int_equal(w.hold.held, held - w.full);
	dp_shaper_clear(&w.shaper, &w.hold);
	assert_int_equal(w.hold.held, 0);
}

static void no_place_left_drops(void **state)
{
	static struct dp_shaper s[2];
	uint8_t bytes[64] = {0};
	struct dp_shaper_packet p = {.body = span_of(bytes, sizeof(bytes))};
	struct dp_hold few;

	(void)state;
	dp_hold_init(&few, &w.heap.alloc, 10);
	assert_true(dp_hold_open(&few));
	for (unsigned i = 0; i < 2; i++) {
		dp_shaper_init(&s[i]);
		dp_shaper_set(&s[i], 8000, 0, BURST_MS, w.now);
		while (dp_shaper_put(&s[i], &few, &p, w.now, &w.full) == DP_SHAPED_PASS)
			;
		while (dp_shaper_put(&s[i], &few, &p, w.now, &w.full) == DP_SHAPED_HELD)
			;
		assert_int_equal(few.held, 10);
		assert_int_equal(dp_shaper_put(&s[i], &few, &p, w.now, &w.full), DP_SHAPED_NO_ROOM);
	}
	assert_int_equal(s[1].queued, 0);
	dp_shaper_clear(&s[0], &few);
	dp_hold_fini(&few);
}

static void flows_keep_their_order(void **state)
{
	struct test_random r = {.state = 7};
	uint32_t next[20] = {0}, seen[20] = {0};
	struct got g;
	unsigned n = 0;

	(void)state;
	set(20000000, 0);
	for (unsigned ms = 0; ms < 5000; ms++) {
		for (unsigned i = 0; i < 6; i++) {
			uint32_t flow = (uint32_t)test_random_below(&r, 20);
			size_t size =
				test_random_below(&r, 2) ? 40 + test_random_below(&r, 400) : BIG;
			if (put(flow, ++next[flow], size) == DP_SHAPED_PASS) {
				assert_true(next[flow] > seen[flow]);
				seen[flow] = next[flow];
			}
		}
		while (take(&g)) {
			assert_true(g.number > seen[g.flow]);
			seen[g.flow] = g.number;
			n++;
		}
		step(NSEC_MS(1));
	}
	assert_true(n > 1000);
}

/* ---- a ping beside a flood ------------------------------------------------------------------- */

static int64_t worst_ping(uint64_t rate, size_t ping, size_t flood)
{
	int64_t worst = 0;
	double owed = 0;
	struct got g;

	set(rate, 0);
	for (unsigned ms = 0; ms < 10000; ms++) {
		owed += 3.0 * (double)rate / 8 / 1000;
		for (; owed >= (double)flood; owed -= (double)flood)
			put(1, 0, flood);
		if (ms % 200 == 0)
			put(2, 0, ping);
		while (take(&g))
			if (g.flow == 2 && g.waited_ns > worst)
				worst = g.waited_ns;
		step(NSEC_MS(1));
	}
	return worst;
}

static void a_ping_is_quick_beside_a_flood(void **state)
{
	(void)state;
	assert_true(worst_ping(10000000, PING, BIG) < NSEC_MS(10));
}

static void a_long_ping_does_not_wait_long_either(void **state)
{
	(void)state;
	assert_true(worst_ping(10000000, BIG, BIG) < NSEC_MS(50));
}

static void small_packets_do_not_starve_the_others(void **state)
{
	struct test_random r = {.state = 9};
	uint64_t bulk = 0, small = 0;
	struct got g;

	(void)state;
	set(10000000, 0);
	for (unsigned ms = 0; ms < 5000; ms++) {
		/* In no fixed order, or what is dropped would be of one kind. */
		uint64_t at = test_random_below(&r, 20);
		for (unsigned i = 0; i < 20; i++) {
			put(1000 + i, 0, 100);
			if (i == at)
				put(1, 0, BIG);
		}
		while (take(&g))
			*(g.n == BIG ? &bulk : &small) += g.n;
		step(NSEC_MS(1));
	}
	assert_true(bulk > small / 4);
}

/* Nothing bigger waits, yet a flood of small ones must not take all places of the worker. */
static void small_packets_alone_have_a_short_queue_too(void **state)
{
	struct got g;
	int64_t worst = 0;

	(void)state;
	set(64000, 0);
	for (unsigned n = 0; n < 30000; n++) { /* 80 kbit/s, in several flows */
		put(n % 5, n, 100);
		while (take(&g))
			worst = g.waited_ns > worst ? g.waited_ns : worst;
		assert_true(w.shaper.bytes <= 12000 + 100);
		step(NSEC_MS(10));
	}
	assert_true(worst < NSEC_S(2)); /* 12 KB at this rate are 1.5 s */
	assert_true(w.aqm + w.full > 5000);
}

/* Each time that there is room a burst comes that just fits into the fast lane. */
static void bursts_of_small_packets_are_bounded(void **state)
{
	struct got g;

	(void)state;
	set(64000, 0);
	for (unsigned n = 0; n < 200; n++) {
		for (unsigned i = 0; i < 40; i++)
			put(n * 40 + i, i, 100);
		step(NSEC_US(12500));
		take(&g);
		assert_true(w.shaper.bytes <= 12000 + 100);
	}
}

/* 40 ms of the smallest packets are many: a few who send them must not take all places. */
static void tiny_packets_leave_places_for_others(void **state)
{
	static struct dp_shaper s[4];
	uint8_t bytes[BIG] = {0};
	struct dp_shaper_packet tiny = {.body = span_of(bytes, 40)};
	struct dp_shaper_packet big = {.body = span_of(bytes, BIG)};
	struct dp_hold few;

	(void)state;
	dp_hold_init(&few, &w.heap.alloc, 2000);
	assert_true(dp_hold_open(&few));
	for (unsigned i = 0; i < 4; i++) {
		dp_shaper_init(&s[i]);
		dp_shaper_set(&s[i], 10000000, 0, BURST_MS, w.now);
	}
	for (unsigned n = 0; n < 3 * 20000; n++)
		assert_int_not_equal(dp_shaper_put(&s[n % 3], &few, &tiny, w.now, &w.full),
				     DP_SHAPED_NO_ROOM);
	assert_in_range(few.held, 900, 1500);
	while (dp_shaper_put(&s[3], &few, &big, w.now, &w.full) == DP_SHAPED_PASS)
		;
	for (unsigned n = 0; n < 1000; n++)
		assert_int_equal(dp_shaper_put(&s[3], &few, &big, w.now, &w.full), DP_SHAPED_HELD);
	assert_in_range(s[3].queued, 30, 40); /* all of its 40 ms */
	for (unsigned i = 0; i < 4; i++)
		dp_shaper_clear(&s[i], &few);
	dp_hold_fini(&few);
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/*
 * One Reno-like source: a window that grows by its acknowledgements, halves once per round trip
 * with a loss, and starts slowly. What left is acknowledged rtt_ms later.
 */
struct source {
	double window, threshold;
	unsigned flight;
	nsec recovered;
	unsigned acks[512]; /* by millisecond, a ring */
	uint64_t acked;
};

static void lost(struct source *s, unsigned rtt_ms)
{
	s->flight--;
	if (nsec_before(w.now, s->recovered))
		return;
	s->window = s->window / 2 < 2 ? 2 : s->window / 2;
	s->threshold = s->window;
	s->recovered = nsec_add(w.now, NSEC_MS(rtt_ms + 10));
}

static void acknowledged(struct source *s, unsigned n)
{
	for (; n > 0; n--) {
		s->flight--;
		s->acked += BIG;
		s->window += s->window < s->threshold ? 1 : 1 / s->window;
	}
}

static double tcp(uint64_t rate, unsigned n_sources, unsigned rtt_ms, unsigned seconds)
{
	static struct source s[8];
	uint64_t acked = 0;
	unsigned taken = w.aqm + w.full;
	struct got g;

	memset(s, 0, sizeof(s));
	for (unsigned i = 0; i < n_sources; i++)
		s[i] = (struct source){.window = 10, .threshold = 1e9};
	set(rate, 0);
	for (unsigned ms = 0; ms < seconds * 1000; ms++) {
		unsigned at = (ms + rtt_ms) % 512;
		for (unsigned i = 0; i < n_sources; i++) {
			acknowledged(&s[i], s[i].acks[ms % 512]);
			s[i].acks[ms % 512] = 0;
			while (s[i].flight < (unsigned)s[i].window) {
				s[i].flight++;
				if (put(i + 1, 0, BIG) == DP_SHAPED_PASS)
					s[i].acks[at]++;
			}
		}
		unsigned before = taken;
		while (take(&g))
			s[g.flow - 1].acks[at]++;
		/* Whose packets were dropped is not told: the fullest feels it. */
		for (taken = w.aqm + w.full; before < taken; before++) {
			unsigned most = 0;
			for (unsigned i = 1; i < n_sources; i++)
				most = s[i].flight > s[most].flight ? i : most;
			lost(&s[most], rtt_ms);
		}
		step(NSEC_MS(1));
	}
	for (unsigned i = 0; i < n_sources; i++)
		acked += s[i].acked;
	return (double)acked * 8 / seconds / (double)rate;
}

static void expect_tcp(uint64_t rate, unsigned n, unsigned rtt_ms)
{
	double ratio = tcp(rate, n, rtt_ms, 20);

	dp_shaper_clear(&w.shaper, &w.hold);
	if (ratio < 0.9)
		fail_msg("%llu bit/s, %u sources, %u ms: %.3f", (unsigned long long)rate, n, rtt_ms,
			 ratio);
}

static void tcp_reaches_nine_tenths_of_the_rate(void **state)
{
	(void)state;
	expect_tcp(1000000, 1, 20);
	expect_tcp(10000000, 1, 5);
	expect_tcp(10000000, 1, 30);
	expect_tcp(10000000, 4, 50);
	expect_tcp(100000000, 4, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(rates_are_within_three_percent),
		TEST(no_rate_is_no_limit),
		TEST(huge_rates_do_not_overflow),
		TEST(one_bit_per_second),
		TEST(a_burst_passes_at_once),
		TEST(the_timer_is_neither_early_nor_late),
		TEST(a_clock_that_stands_still_gives_nothing),
		TEST(header_bytes_are_free),
		TEST(what_is_too_long_for_a_place_is_dropped),
		TEST(the_queue_is_bounded),
		TEST(no_place_left_drops),
		TEST(flows_keep_their_order),
		TEST(a_ping_is_quick_beside_a_flood),
		TEST(a_long_ping_does_not_wait_long_either),
		TEST(small_packets_do_not_starve_the_others),
		TEST(small_packets_alone_have_a_short_queue_too),
		TEST(bursts_of_small_packets_are_bounded),
		TEST(tiny_packets_leave_places_for_others),
		TEST(tcp_reaches_nine_tenths_of_the_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
