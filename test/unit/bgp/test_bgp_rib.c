/* The log of announced prefixes: holders, readers at their own pace, nothing kept too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bgp/bgp_rib.h"
#include "test_alloc.h"

static struct test_alloc memory;
static struct bgp_rib rib;

static int setup(void **state)
{
	(void)state;
	test_alloc_init(&memory);
	bgp_rib_init(&rib, &memory.alloc, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bgp_rib_fini(&rib);
	assert_int_equal(memory.blocks, 0);
	return 0;
}

static struct ip_prefix host(uint32_t n)
{
	return (struct ip_prefix){ip_addr_v4(0x0A000000 + n), 32};
}

static void add(uint32_t n)
{
	struct ip_prefix p = host(n);
	assert_true(bgp_rib_add(&rib, &p));
}

static void del(uint32_t n)
{
	struct ip_prefix p = host(n);
	bgp_rib_remove(&rib, &p);
}

/* What the reader gets: number of the host, negative when it is gone; 0 at the end. */
static int next(struct bgp_rib_reader *r)
{
	const struct bgp_rib_entry *e;

	do {
		e = bgp_rib_next(r, &rib);
		if (!e)
			return 0;
	} while (e->prefix.len < 32);
	int n = (int)(ip_addr_u32(&e->prefix.addr) - 0x0A000000);
	return bgp_rib_is_announced(e) ? n : -n;
}

static void the_last_holder_takes_it_away(void **state)
{
	(void)state;
	struct bgp_rib_reader r;

	bgp_rib_reader_init(&r);
	add(1);
	add(1);
	bgp_rib_rewind(&rib, &r);
	assert_int_equal(next(&r), 1);
	del(1);
	assert_int_equal(next(&r), 0);
	del(1);
	assert_int_equal(rib.live, 0);
	assert_int_equal(next(&r), -1);
	assert_int_equal(next(&r), 0);
	bgp_rib_collect(&rib);
	assert_int_equal(hmap_count(&rib.by_prefix), 0);
	bgp_rib_reader_off(&rib, &r);
}

static void each_reader_has_its_own_pace(void **state)
{
	(void)state;
	struct bgp_rib_reader fast, slow;

	bgp_rib_reader_init(&fast);
	bgp_rib_reader_init(&slow);
	add(1);
	add(2);
	bgp_rib_rewind(&rib, &slow);
	bgp_rib_rewind(&rib, &fast);
	assert_int_equal(next(&fast), 1);
	assert_int_equal(next(&fast), 2);
	del(1);
	assert_int_equal(next(&fast), -1);
	bgp_rib_collect(&rib);
	assert_int_equal(hmap_count(&rib.by_prefix), 2); /* slow does not know yet */
	assert_int_equal(next(&slow), 2);
	assert_int_equal(next(&slow), -1);
	assert_int_equal(next(&slow), 0);
	bgp_rib_collect(&rib);
	assert_int_equal(hmap_count(&rib.by_prefix), 1);
	bgp_rib_rewind(&rib, &fast);
	assert_int_equal(next(&fast), 2);
	assert_int_equal(next(&fast), 0);
	bgp_rib_reader_off(&rib, &slow);
	bgp_rib_reader_off(&rib, &fast);
}

static void a_reader_that_stays_behind_holds_nothing_once_it_is_off(void **state)
{
	(void)state;
	struct bgp_rib_reader r;

	bgp_rib_reader_init(&r);
	bgp_rib_rewind(&rib, &r);
	add(1);
	del(1);
	assert_int_equal(hmap_count(&rib.by_prefix), 1);
	bgp_rib_reader_off(&rib, &r);
	assert_int_equal(hmap_count(&rib.by_prefix), 0);
}

static void it_comes_back_before_it_was_seen_to_go(void **state)
{
	(void)state;
	struct bgp_rib_reader r;

	bgp_rib_reader_init(&r);
	bgp_rib_rewind(&rib, &r);
	add(1);
	del(1);
	add(1);
	bgp_rib_collect(&rib);
	assert_int_equal(next(&r), 1);
	assert_int_equal(next(&r), 0);
	del(1);
	assert_int_equal(next(&r), -1);
	bgp_rib_reader_off(&rib, &r);
}

static void a_network_is_held_once_however_often_it_is_said(void **state)
{
	(void)state;
	struct ip_prefix p = host(1);

	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, false));
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, true));
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, true));
	assert_int_equal(bgp_rib_holders(&rib, &p), 1);
	add(1);
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, false));
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, false));
	assert_int_equal(bgp_rib_holders(&rib, &p), 1);
	del(1);
	assert_int_equal(bgp_rib_holders(&rib, &p), 0);
}

/* 10.0.0.0/LEN */
static void network(unsigned len, bool held)
{
	struct ip_prefix p = {ip_addr_v4(0x0A000000), (uint8_t)len};
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, held));
	bgp_rib_settle(&rib);
}

static unsigned drain(struct bgp_rib_reader *r, unsigned *gone)
{
	const struct bgp_rib_entry *e;
	unsigned there = 0;

	*gone = 0;
	while ((e = bgp_rib_next(r, &rib)))
		if (bgp_rib_is_announced(e))
			there++;
		else
			(*gone)++;
	bgp_rib_collect(&rib);
	return there;
}

static void what_a_network_covers_is_left_out(void **state)
{
	(void)state;
	struct bgp_rib_reader r;
	struct ip_prefix v6 = {{6, {10}}, 64};
	unsigned gone;

	bgp_rib_reader_init(&r);
	bgp_rib_rewind(&rib, &r);
	bgp_rib_aggregate(&rib, true);
	network(24, true);
	assert_int_equal(drain(&r, &gone), 1);
	add(1);
	add(255);
	assert_int_equal(drain(&r, &gone), 0); /* both are in 10.0.0.0/24 */
	assert_int_equal(gone, 0);
	add(256);
	assert_true(bgp_rib_add(&rib, &v6)); /* the same bytes in another family */
	assert_int_equal(drain(&r, &gone), 2);
	assert_int_equal(rib.live, 3);
	del(1);
	assert_int_equal(drain(&r, &gone), 0);
	assert_int_equal(gone, 0); /* nobody had been told */
	network(16, true);	   /* covers the first network and 10.0.1.0 */
	assert_int_equal(drain(&r, &gone), 1);
	assert_int_equal(gone, 2);
	network(16, false);
	assert_int_equal(drain(&r, &gone), 2);
	assert_int_equal(gone, 1);
	bgp_rib_aggregate(&rib, false);
	bgp_rib_settle(&rib);
	assert_int_equal(drain(&r, &gone), 1);
	bgp_rib_aggregate(&rib, true);
	bgp_rib_settle(&rib);
	assert_int_equal(drain(&r, &gone), 0);
	assert_int_equal(gone, 1);
	network(24, false);
	assert_int_equal(drain(&r, &gone), 1);
	assert_int_equal(gone, 1);
	del(255);
	del(256);
	bgp_rib_remove(&rib, &v6);
	drain(&r, &gone);
	assert_int_equal(hmap_count(&rib.by_prefix), 0);
	assert_int_equal(rib.live, 0);
	bgp_rib_reader_off(&rib, &r);
}

/* It was announced, goes, and comes back covered before anybody has seen it go. */
static void what_comes_back_covered_is_withdrawn(void **state)
{
	(void)state;
	struct bgp_rib_reader r;
	unsigned gone;

	bgp_rib_reader_init(&r);
	bgp_rib_rewind(&rib, &r);
	add(1);
	assert_int_equal(drain(&r, &gone), 1);
	del(1);
	bgp_rib_aggregate(&rib, true);
	network(24, true);
	add(1);
	assert_int_equal(drain(&r, &gone), 1);
	assert_int_equal(gone, 1);
	bgp_rib_reader_off(&rib, &r);
}

static void two_who_hold_a_network_are_two(void **state)
{
	(void)state;
	struct ip_prefix p = host(1);

	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, true));
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_CONF, true));
	assert_int_equal(bgp_rib_holders(&rib, &p), 2);
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, false));
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_POOL, false));
	assert_int_equal(bgp_rib_holders(&rib, &p), 1);
	assert_true(bgp_rib_network(&rib, &p, BGP_NETWORK_CONF, false));
	assert_int_equal(bgp_rib_holders(&rib, &p), 0);
}

static void without_memory_nothing_is_added(void **state)
{
	(void)state;
	struct ip_prefix p = host(1);

	memory.fail_after = memory.gets;
	assert_false(bgp_rib_add(&rib, &p));
	memory.fail_after = SIZE_MAX;
	assert_int_equal(rib.live, 0);
}

/* Against a model: whatever happens, a reader that has read all knows what is there. */
static void readers_know_the_truth_in_the_end(void **state)
{
	(void)state;
	enum { HOSTS = 40, READERS = 3, STEPS = 20000 };
	struct bgp_rib_reader r[READERS];
	bool known[READERS][HOSTS + 1] = {{false}};
	unsigned holders[HOSTS + 1] = {0};
	uint32_t dice = 7;
	bool covered = false;
	struct ip_prefix all = {ip_addr_v4(0x0A000000), 24};

	bgp_rib_aggregate(&rib, true);

	for (unsigned i = 0; i < READERS; i++) {
		bgp_rib_reader_init(&r[i]);
		bgp_rib_rewind(&rib, &r[i]);
	}
	for (unsigned step = 0; step < STEPS; step++) {
		dice = dice * 1664525 + 1013904223;
		uint32_t n = (dice >> 8) % HOSTS + 1, which = dice >> 28, i = dice >> 16;
		if (which < 5) {
			add(n);
			holders[n]++;
		} else if (which < 10 && holders[n]) {
			del(n);
			holders[n]--;
		} else if (which < 14) {
			int got = next(&r[i % READERS]);
			if (got)
				known[i % READERS][got < 0 ? -got : got] = got > 0;
		} else if (which == 14) {
			bgp_rib_collect(&rib);
		} else if (i % 16 == 1) {
			covered = !covered;
			assert_true(bgp_rib_network(&rib, &all, BGP_NETWORK_POOL, covered));
			bgp_rib_settle(&rib);
		} else if (i % 16 == 0) {
			bgp_rib_rewind(&rib, &r[i % READERS]);
		}
	}
	for (unsigned i = 0; i < READERS; i++) {
		for (int got; (got = next(&r[i]));)
			known[i][got < 0 ? -got : got] = got > 0;
		for (unsigned n = 1; n <= HOSTS; n++)
			assert_int_equal(known[i][n], holders[n] > 0 && !covered);
	}
	for (unsigned i = 0; i < READERS; i++)
		bgp_rib_reader_off(&rib, &r[i]);
	if (covered)
		assert_true(bgp_rib_network(&rib, &all, BGP_NETWORK_POOL, false));
	bgp_rib_settle(&rib);
	assert_int_equal(hmap_count(&rib.by_prefix), rib.live);
}

int main(void)
{
#define RIB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		RIB_TEST(the_last_holder_takes_it_away),
		RIB_TEST(each_reader_has_its_own_pace),
		RIB_TEST(a_reader_that_stays_behind_holds_nothing_once_it_is_off),
		RIB_TEST(it_comes_back_before_it_was_seen_to_go),
		RIB_TEST(a_network_is_held_once_however_often_it_is_said),
		RIB_TEST(what_a_network_covers_is_left_out),
		RIB_TEST(what_comes_back_covered_is_withdrawn),
		RIB_TEST(two_who_hold_a_network_are_two),
		RIB_TEST(without_memory_nothing_is_added),
		RIB_TEST(readers_know_the_truth_in_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
