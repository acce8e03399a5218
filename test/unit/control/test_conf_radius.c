/* Lists of RADIUS servers and clients in one value of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/conf_radius.h"

static void items_are_read_in_order(void **state)
{
	(void)state;
	const char *at =
		" 192.0.2.1  192.0.2.2:1645=s=1\t2001:db8::1=x [2001:db8::2]:1812 10.0.0.0/8";
	struct conf_radius_item i;
	char text[IP_PREFIX_TEXT];

	assert_true(conf_radius_next(&at, &i));
	assert_string_equal(ip_prefix_text(&i.net, text), "192.0.2.1/32");
	assert_null(i.secret.p);
	assert_int_equal(i.port, 0);
	assert_true(conf_radius_next(&at, &i));
	assert_int_equal(i.port, 1645);
	assert_true(span_equal(i.secret, span_str("s=1")));
	assert_true(conf_radius_next(&at, &i));
	assert_string_equal(ip_prefix_text(&i.net, text), "2001:db8::1/128");
	assert_true(span_equal(i.secret, span_str("x")));
	assert_true(conf_radius_next(&at, &i));
	assert_string_equal(ip_prefix_text(&i.net, text), "2001:db8::2/128");
	assert_int_equal(i.port, 1812);
	assert_true(conf_radius_next(&at, &i));
	assert_string_equal(ip_prefix_text(&i.net, text), "10.0.0.0/8");
	assert_false(conf_radius_next(&at, &i));
}

static void faults_are_told(void **state)
{
	(void)state;
	static const char *const bad[] = {"x",
					  "192.0.2.1:",
					  "192.0.2.1:0",
					  "192.0.2.1:70000",
					  "[2001:db8::1",
					  "[2001:db8::1]x",
					  "192.0.2.1=",
					  "=x",
					  "192.0.2.1:65535",
					  "192.0.2.1:1a",
					  "[]:1812",
					  "10.0.0.0/8"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(conf_radius_fault(bad[i], false));
	assert_null(conf_radius_fault("", false));
	assert_null(conf_radius_fault("192.0.2.1:1812=x ::1", false));
	assert_null(conf_radius_fault("10.0.0.0/8=x ::1", true));
	assert_non_null(conf_radius_fault("192.0.2.1:1812", true));
	char list[100] = "192.0.2.1=";
	memset(list + 10, 'x', 63);
	assert_null(conf_radius_fault(list, false));
	list[73] = 'x';
	assert_non_null(conf_radius_fault(list, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_read_in_order),
		cmocka_unit_test(faults_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
