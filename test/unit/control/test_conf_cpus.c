/* conf_cpus: lists of CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "control/conf_cpus.h"

static void numbers_and_ranges_are_a_list(void **state)
{
	(void)state;
	uint16_t cpus[CONF_CPUS_MAX];
	unsigned n;

	assert_true(conf_cpus_parse("", cpus, &n));
	assert_int_equal(n, 0);
	assert_true(conf_cpus_parse("7", cpus, &n));
	assert_int_equal(n, 1);
	assert_int_equal(cpus[0], 7);
	assert_true(conf_cpus_parse("4-6,0,1023", cpus, &n));
	assert_int_equal(n, 5);
	assert_int_equal(cpus[2], 6);
	assert_int_equal(cpus[3], 0);
	assert_int_equal(cpus[4], 1023);
	assert_true(conf_cpus_parse("0-63", cpus, &n));
	assert_int_equal(n, CONF_CPUS_MAX);
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {",",
					  "1,",
					  ",1",
					  "1-",
					  "-1",
					  "3-2",
					  "a",
					  "1 2",
					  "1,,2",
					  "1024",
					  "0-64",
					  "0-63,64",
					  "99999999999999999999",
					  "1-2-3",
					  " 1"};
	uint16_t cpus[CONF_CPUS_MAX];
	unsigned n;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(conf_cpus_parse(bad[i], cpus, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_ranges_are_a_list),
		cmocka_unit_test(anything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
