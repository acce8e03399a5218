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

static void servers_have_options(void **state)
{
	(void)state;
	const char *at = "192.0.2.1:1645,acct-port:9,source:192.0.2.9,priority:7,acct-only=a,b=c "
			 "[2001:db8::2]:1812,source:2001:db8::9,unsigned,probe:user:me:too "
			 "2001:db8::3,probe:status,signed,auth-only";
	struct conf_radius_item i;
	char text[IP_ADDR_TEXT];

	assert_true(conf_radius_next(&at, &i));
	assert_int_equal(i.port, 1645);
	assert_int_equal(i.acct_port, 9);
	assert_string_equal(ip_addr_text(&i.source, text), "192.0.2.9");
	assert_int_equal(i.priority, 7);
	assert_true(i.acct_only && !i.auth_only);
	assert_true(span_equal(i.secret, span_str("a,b=c")));
	assert_true(conf_radius_next(&at, &i));
	assert_string_equal(ip_addr_text(&i.source, text), "2001:db8::9");
	assert_true(i.is_unsigned && !i.is_signed);
	assert_int_equal(i.priority, CONF_RADIUS_PRIORITY);
	assert_int_equal(i.probe, CONF_PROBE_USER);
	assert_string_equal(i.probe_user, "me:too");
	assert_true(conf_radius_next(&at, &i));
	assert_int_equal(i.net.addr.family, 6);
	assert_int_equal(i.probe, CONF_PROBE_STATUS);
	assert_true(i.is_signed && i.auth_only);
	assert_null(i.secret.p);
	assert_false(conf_radius_next(&at, &i));
}

static void what_is_too_much_is_refused_and_not_passed_over(void **state)
{
	(void)state;
	enum { ITEM = 8, MANY = 33 };
	char list[MANY * ITEM + 1] = "";

	for (size_t n = 1; n <= MANY; n++) {
		memcpy(list + (n - 1) * ITEM, "1.1.1.1 ", ITEM + 1);
		assert_true((conf_radius_fault(list, false) != NULL) == (n > 16));
		assert_true((conf_radius_fault(list, true) != NULL) == (n > 32));
	}
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
					  "10.0.0.0/8",
					  "192.0.2.1,x",
					  "192.0.2.1,priority:101",
					  "192.0.2.1,priority:",
					  "192.0.2.1,priority",
					  "192.0.2.1,source:2001:db8::1",
					  "192.0.2.1,source:x",
					  "192.0.2.1,acct-port:0",
					  "192.0.2.1,auth-only,acct-only",
					  "192.0.2.1,signed,unsigned",
					  "192.0.2.1,probe:",
					  "192.0.2.1,probe:user:",
					  "192.0.2.1,probe:status:x",
					  "192.0.2.1,,"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(conf_radius_fault(bad[i], false));
	assert_null(conf_radius_fault("", false));
	assert_null(conf_radius_fault("192.0.2.1:1812=x ::1", false));
	assert_null(conf_radius_fault("10.0.0.0/8=x ::1", true));
	assert_non_null(conf_radius_fault("192.0.2.1:1812", true));
	assert_non_null(conf_radius_fault("192.0.2.1,auth-only", true));
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
		cmocka_unit_test(servers_have_options),
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(what_is_too_much_is_refused_and_not_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
