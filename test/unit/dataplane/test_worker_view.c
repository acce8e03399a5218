/* worker_view: rates and load from counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/worker_view.h"

static void rates_are_those_since_the_last_sample(void **state)
{
	(void)state;
	static struct worker_meter m;
	static struct counters c;

	counter_add(&c, C_UP_PACKETS, 5000);
	worker_meter_sample(&m, &c, NSEC_S(3), (nsec){NSEC_S(100)});
	counter_add(&c, C_UP_PACKETS, 1000);
	counter_add(&c, C_DOWN_PACKETS, 200);
	counter_add(&c, C_L2TP_RX_BATCHES, 4);
	counter_add(&c, C_L2TP_RX_PACKETS, 30);
	counter_drop(&c, DROP_SPOOF, 2);
	counter_drop(&c, DROP_LANE_FULL, 3);
	worker_meter_sample(&m, &c, NSEC_S(3) + NSEC_MS(500), (nsec){NSEC_S(102)});
	assert_int_equal(m.view.load, 249);
	assert_int_equal(m.view.up_rate, 499);
	assert_int_equal(m.view.down_rate, 99);
	assert_int_equal(m.view.l2tp_batch, 75);
	assert_int_equal(m.view.tun_batch, 0);
	assert_int_equal(m.view.up, 6000);
	assert_int_equal(m.view.drops, 5);
}

static void a_load_never_exceeds_all_of_the_time(void **state)
{
	(void)state;
	static struct worker_meter m;
	static struct counters c;

	worker_meter_sample(&m, &c, 0, (nsec){NSEC_S(1)});
	worker_meter_sample(&m, &c, NSEC_S(9), (nsec){NSEC_S(2)});
	assert_int_equal(m.view.load, 1000);
	worker_meter_sample(&m, &c, NSEC_S(9), (nsec){NSEC_S(2)}); /* no time has passed */
	assert_int_equal(m.view.load, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_those_since_the_last_sample),
		cmocka_unit_test(a_load_never_exceeds_all_of_the_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
