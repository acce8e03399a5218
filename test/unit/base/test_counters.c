#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/counters.h"
#include "base/nsec.h"

static void every_counter_has_its_own_name_and_text(void **state)
{
	(void)state;
	assert_string_equal(counter_name(C_UP_PACKETS), "UP_PACKETS");
	assert_string_equal(drop_name(DROP_SPOOF), "SPOOF");
	for (unsigned i = 0; i < COUNTERS; i++) {
		assert_true(strlen(counter_name(i)) > 0 && strlen(counter_text(i)) > 0);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(counter_name(i), counter_name(k));
	}
	for (unsigned i = 0; i < DROPS; i++) {
		assert_true(strlen(drop_name(i)) > 0 && strlen(drop_text(i)) > 0);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(drop_name(i), drop_name(k));
	}
}

static void counts_are_kept_apart(void **state)
{
	(void)state;
	static struct counters c;
	counter_add(&c, C_UP_PACKETS, 3);
	counter_add(&c, C_UP_PACKETS, 4);
	counter_drop(&c, DROP_SPOOF, 1);
	assert_int_equal(counter_get(&c, C_UP_PACKETS), 7);
	assert_int_equal(counter_get(&c, C_UP_BYTES), 0);
	assert_int_equal(counter_drops(&c, DROP_SPOOF), 1);
	assert_int_equal(counter_drops(&c, DROP_NO_SESSION), 0);
}

static void never_stays_never(void **state)
{
	(void)state;
	assert_true(nsec_is_never(nsec_add(NSEC_NEVER, NSEC_S(1))));
	assert_true(nsec_before(NSEC_ZERO, NSEC_NEVER));
	assert_false(nsec_reached(NSEC_NEVER, (nsec){INT64_MAX - 1}));
	assert_true(nsec_reached((nsec){5}, (nsec){5}));
	assert_int_equal(nsec_age_s((nsec){NSEC_S(5)}, (nsec){NSEC_S(3)}), 0);
	assert_int_equal(nsec_age_s((nsec){NSEC_S(5)}, (nsec){NSEC_MS(7999)}), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_its_own_name_and_text),
		cmocka_unit_test(counts_are_kept_apart),
		cmocka_unit_test(never_stays_never),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
