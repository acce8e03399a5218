/* What attributes say shall be done: the built-in rows, the operator's, every kind of value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "radius/rad_told.h"
#include "test_random.h"

static struct rad_terms terms;

static void use_map(const char *list)
{
	const char *fault = rad_map_parse(list, &terms.map);

	terms.throttle = 28000;
	terms.intercept = (struct sock_addr){.ip = ip_addr_v4(0xC0000209), .port = 9000};
	assert_null(fault);
}

static struct rad_attr attr(uint32_t vendor, uint8_t number, const void *bytes, size_t n)
{
	return (struct rad_attr){.vendor = vendor, .number = number, .value = span_of(bytes, n)};
}

static enum rad_take take_pair(struct rad_told *t, const char *pair)
{
	struct rad_attr a = attr(RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, pair, strlen(pair));

	return rad_told_take(t, &terms, &a);
}

/* ---- values of Cisco-AVPair ------------------------------------------------------------------ */

struct rate_case {
	const char *pair;
	uint64_t up, down; /* bit/s as told; NOT_SAID */
};

#define NOT_SAID UINT64_MAX

static void rates_in_all_forms(void **state)
{
	(void)state;
	static const struct rate_case cases[] = {
		{"throttle=yes", 28000, 28000},
		{"throttle=no", 0, 0},
		{"throttle=0", 0, 0},
		{"throttle=64", 64000, 64000},
		{"Throttle=\"64\"", 64000, 64000},
		{"throttle=100000", 100000000, 100000000},
		{"throttle=maybe", NOT_SAID, NOT_SAID},
		{"throttle=", NOT_SAID, NOT_SAID},
		{"throttle=-1", NOT_SAID, NOT_SAID},
		{"throttle=99999999999999999999", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=service-policy input 64", 64000, NOT_SAID},
		{"lcp:interface-config#1=service-policy output 128", NOT_SAID, 128000},
		{"lcp:interface-config#23=serv o 128", NOT_SAID, 128000},
		{"lcp:interface-config=ser output 128", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=service-policy both 128", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=service-policy output gold", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=service-policy output 1 2", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=rate-limit input 512000 8000 8000 conform-action transmit "
		 "exceed-action drop",
		 512000, NOT_SAID},
		{"lcp:interface-config=rate-limit output access-group 101 512000 8000 8000",
		 NOT_SAID, 512000},
		{"lcp:interface-config=rate-limit output access-group", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=ip unnumbered Loopback0", NOT_SAID, NOT_SAID},
		{"lcp:interface-config=", NOT_SAID, NOT_SAID},
	};
	use_map("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rate_case *c = &cases[i];
		struct rad_told t = {0};
		enum rad_take did = take_pair(&t, c->pair);
		bool said = c->up != NOT_SAID || c->down != NOT_SAID;

		assert_int_equal(did, said ? RAD_TAKE_DONE : RAD_TAKE_IGNORED);
		assert_int_equal(t.ignored, said ? 0 : 1);
		assert_int_equal((t.said & RAD_SAID_RATE_UP) != 0, c->up != NOT_SAID);
		assert_int_equal((t.said & RAD_SAID_RATE_DOWN) != 0, c->down != NOT_SAID);
		assert_int_equal(t.policy.rate_up, c->up != NOT_SAID ? c->up : 0);
		assert_int_equal(t.policy.rate_down, c->down != NOT_SAID ? c->down : 0);
	}
}

static void a_rate_limit_may_have_a_burst(void **state)
{
	(void)state;
	struct rad_told t = {0};

	use_map("");
	assert_int_equal(take_pair(&t, "lcp:interface-config=rate-limit input 512000 9000 1"),
			 RAD_TAKE_DONE);
	assert_int_equal(t.said, RAD_SAID_RATE_UP | RAD_SAID_BURST_UP);
	assert_int_equal(t.policy.burst_up, 9000);
}

static void intercepts_in_all_forms(void **state)
{
	(void)state;
	static const struct {
		const char *pair, *target; /* NULL: ignored, "": none */
	} cases[] = {
		{"intercept=192.0.2.1:5000", "192.0.2.1:5000"},
		{"intercept=[2001:db8::1]:5000", "[2001:db8::1]:5000"},
		{"intercept=yes", "192.0.2.9:9000"},
		{"intercept=no", ""},
		{"intercept=0", ""},
		{"intercept=192.0.2.1", NULL},
		{"intercept=192.0.2.1:", NULL},
		{"intercept=192.0.2.1:0", NULL},
		{"intercept=192.0.2.1:65536", NULL},
		{"intercept=192.0.2.1:1k", NULL},
		{"intercept=2001:db8::1:5000", NULL},
		{"intercept=[192.0.2.1]:5000", NULL},
		{"intercept=:5000", NULL},
		{"intercept=host:5000", NULL},
	};
	use_map("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rad_told t = {.policy.intercept = {.ip = ip_addr_v4(1), .port = 1}};
		char text[SOCK_ADDR_TEXT];
		enum rad_take did = take_pair(&t, cases[i].pair);

		assert_int_equal(did, cases[i].target ? RAD_TAKE_DONE : RAD_TAKE_IGNORED);
		if (!cases[i].target)
			continue;
		assert_int_equal(t.said, RAD_SAID_INTERCEPT);
		if (cases[i].target[0] == '\0')
			assert_false(ip_addr_is_set(&t.policy.intercept.ip));
		else
			assert_string_equal(sock_addr_text(&t.policy.intercept, text),
					    cases[i].target);
	}
	struct rad_told t = {0};
	terms.intercept = (struct sock_addr){0};
	assert_int_equal(take_pair(&t, "intercept=yes"), RAD_TAKE_IGNORED);
	assert_string_equal(t.ignored_name, "Cisco-AVPair intercept");
}

static void the_manuals_form_has_several_pairs(void **state)
{
	(void)state;
	struct rad_told t = {0};

	use_map("");
	assert_int_equal(take_pair(&t, "intercept=yes,throttle=yes,filter-in=gold,garden=yes,x=y,"
				       "session-timeout=60,idle-timeout=5,interim-interval=300"),
			 RAD_TAKE_DONE);
	assert_int_equal(t.policy.rate_up, 28000);
	assert_int_equal(t.policy.intercept.port, 9000);
	assert_string_equal(t.policy.filter_in, "gold");
	assert_true(t.policy.garden);
	assert_int_equal(t.session_timeout_s, 60);
	assert_int_equal(t.idle_timeout_s, 5);
	assert_int_equal(t.interim_s, 300);
	assert_int_equal(t.unknown_pairs, 1);
	assert_int_equal(take_pair(&t, "filter=silver.out,filter=.in"), RAD_TAKE_DONE);
	assert_string_equal(t.policy.filter_in, "");
	assert_string_equal(t.policy.filter_out, "silver");
	assert_int_equal(take_pair(&t, "filter-in=two words"), RAD_TAKE_IGNORED);
	assert_int_equal(take_pair(&t, "x=y"), RAD_TAKE_UNKNOWN);
}

static void what_a_login_gets(void **state)
{
	(void)state;
	struct rad_told t = {0};

	use_map("");
	take_pair(&t, "ip:addr-pool=gold,ip:dns-servers=1.1.1.1 2.2.2.2");
	take_pair(&t, "ip:route=10.1.0.0 255.255.0.0 10.9.9.9");
	take_pair(&t, "route=10.2.3.0/24");
	assert_int_equal(t.ignored, 0);
	assert_string_equal(t.pool, "gold");
	assert_int_equal(ip_addr_u32(&t.dns[1]), 0x02020202);
	assert_int_equal(t.n_routes, 2);
	assert_int_equal(t.routes[0].len, 16);
	assert_int_equal(t.routes[1].len, 24);
	assert_int_equal(take_pair(&t, "dns=1.1.1.1 2.2.2.2 3.3.3.3"), RAD_TAKE_IGNORED);
	assert_int_equal(take_pair(&t, "dns="), RAD_TAKE_IGNORED);
	assert_int_equal(take_pair(&t, "route=0.0.0.0/0"), RAD_TAKE_IGNORED);
	assert_int_equal(take_pair(&t, "pool=a b"), RAD_TAKE_IGNORED);
}

/* ---- attributes with numbers ----------------------------------------------------------------- */

static enum rad_take take_u32(struct rad_told *t, uint32_t vendor, uint8_t number, uint32_t value)
{
	uint8_t bytes[4];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	struct rad_attr a = attr(vendor, number, bytes, 4);

	wbuf_u32(&w, value);
	return rad_told_take(t, &terms, &a);
}

static void rates_of_vendors(void **state)
{
	(void)state;
	struct rad_told t = {0};
	struct rad_attr a = attr(14988, 8, "2M/10M 4M/20M 1M/5M 10", 22);

	use_map("");
	take_u32(&t, 14122, 7, 1000000);
	take_u32(&t, 14122, 8, 4000000000u);
	assert_int_equal(t.policy.rate_up, 1000000);
	assert_int_equal(t.policy.rate_down, 4000000000u);
	take_u32(&t, 529, 197, 64000);
	take_u32(&t, 529, 255, 128000);
	assert_int_equal(t.policy.rate_up, 64000);
	assert_int_equal(t.policy.rate_down, 128000);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_DONE);
	assert_int_equal(t.policy.rate_up, 2000000);
	assert_int_equal(t.policy.rate_down, 10000000);
	a = attr(14988, 8, "512k", 4);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_DONE);
	assert_int_equal(t.policy.rate_down, 512000);
	a = attr(14988, 8, "2M/", 3);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_IGNORED);
}

static void masks_limits_and_addresses(void **state)
{
	(void)state;
	struct rad_told t = {0};

	use_map("");
	assert_int_equal(take_u32(&t, 0, RAD_FRAMED_IP_NETMASK, 0xFFFFFFF8), RAD_TAKE_DONE);
	assert_int_equal(t.netmask, 29);
	assert_int_equal(take_u32(&t, 0, RAD_FRAMED_IP_NETMASK, 0xFF00FF00), RAD_TAKE_IGNORED);
	assert_string_equal(t.ignored_name, "Framed-IP-Netmask");
	assert_int_equal(take_u32(&t, 0, RAD_PORT_LIMIT, 3), RAD_TAKE_DONE);
	assert_int_equal(t.port_limit, 3);
	assert_int_equal(take_u32(&t, 0, RAD_PORT_LIMIT, 0), RAD_TAKE_IGNORED);
	assert_int_equal(take_u32(&t, 0, RAD_FRAMED_MTU, 1400), RAD_TAKE_DONE);
	assert_int_equal(take_u32(&t, 0, RAD_NAS_PORT, 1), RAD_TAKE_UNKNOWN);
}

/* ---- the operator's rows --------------------------------------------------------------------- */

static void an_operator_adds_rows(void **state)
{
	(void)state;
	struct rad_told t = {0};
	struct rad_attr a;

	use_map("4919:1=rate_up_kbit 4919:2:text=rate_down  197=rate avpair:my-speed=rates "
		"4919:3:text=dns1 4919:4=filter_out 14122:7=none");
	take_u32(&t, 4919, 1, 64);
	assert_int_equal(t.policy.rate_up, 64000);
	a = attr(4919, 2, "10M", 3);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_DONE);
	assert_int_equal(t.policy.rate_down, 10000000);
	take_u32(&t, 0, 197, 99);
	assert_int_equal(t.policy.rate_up, 99);
	assert_int_equal(t.policy.rate_down, 99);
	assert_int_equal(take_pair(&t, "my-speed=1k/2k"), RAD_TAKE_DONE);
	assert_int_equal(t.policy.rate_down, 2000);
	a = attr(4919, 3, "9.9.9.9", 7);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_DONE);
	assert_int_equal(ip_addr_u32(&t.dns[0]), 0x09090909);
	a = attr(4919, 4, "gold", 4);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_DONE);
	assert_string_equal(t.policy.filter_out, "gold");
	assert_int_equal(take_u32(&t, 14122, 7, 5), RAD_TAKE_DONE); /* its meaning was taken away */
	assert_int_equal(t.policy.rate_up, 1000);
	a = attr(4919, 1, "abc", 3);
	assert_int_equal(rad_told_take(&t, &terms, &a), RAD_TAKE_MALFORMED);
	assert_true(rad_map_has_vendor(&terms.map, 4919));
	assert_false(rad_map_has_vendor(&terms.map, 4920));
}

static void lists_that_are_none(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"1",
		"=rate",
		"0=rate",
		"256=rate",
		"0:1=rate",
		"9:0=rate",
		"9:256=rate",
		"4294967296:1=rate",
		"99999999999:1=rate",
		"9:1:2=rate",
		"9:1:texts=rate",
		"a:1=rate",
		"9:=rate",
		":1=rate",
		"-1=rate",
		"1=speed",
		"1=",
		"1=rate,2=rate",
		"avpair:=rate",
		"avpair=rate",
		"avpair:a#1=rate",
		"avpair:a-key-that-is-longer-than-any-that-fits=rate",
		"1=rate 2=speed",
		"1=1=rate",
	};
	struct rad_map map;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(rad_map_parse(bad[i], &map));
	assert_null(rad_map_parse("  \t", &map));
	assert_int_equal(map.n, 0);
	char many[400] = "";
	for (unsigned i = 0; i < RAD_MAP_MAX + 1; i++)
		strcat(many, "200=rate ");
	assert_non_null(rad_map_parse(many, &map));
	many[RAD_MAP_MAX * 9] = '\0';
	assert_null(rad_map_parse(many, &map));
	assert_int_equal(map.n, RAD_MAP_MAX);
}

static void a_coa_changes_policy_and_times_only(void **state)
{
	(void)state;
	struct rad_attr a = attr(RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, "throttle=1,x=y", 14);

	use_map("");
	assert_true(rad_told_by_coa(&terms, &a));
	a.value = span_str("throttle=1,pool=gold");
	assert_false(rad_told_by_coa(&terms, &a));
	a = attr(14122, 7, "\0\0\0\1", 4);
	assert_true(rad_told_by_coa(&terms, &a));
	a = attr(0, RAD_FRAMED_ROUTE, "10.0.0.0/8", 10);
	assert_false(rad_told_by_coa(&terms, &a));
}

static void any_pair_is_survived(void **state)
{
	(void)state;
	static const char *const keys[] = {
		"throttle=", "intercept=", "lcp:interface-config=", "route=", "dns=", "filter=",
		"garden=",   "pool=",	   "session-timeout="};
	static const char letters[] = "0123456789./:[] ,=kMyesnoinputoutputserv\xff";
	struct test_random r = {5};

	use_map("");
	for (unsigned i = 0; i < 100000; i++) {
		char text[80];
		struct rad_told t = {0};
		size_t n =
			(size_t)snprintf(text, sizeof(text), "%s", keys[test_random_below(&r, 9)]);
		size_t end = n + test_random_below(&r, 40);
		while (n < end)
			text[n++] = letters[test_random_below(&r, sizeof(letters) - 1)];
		struct rad_attr a = attr(RAD_VENDOR_CISCO, RAD_CISCO_AVPAIR, text, n);
		rad_told_take(&t, &terms, &a);
		assert_true(strnlen(t.policy.filter_in, LNS_FILTER_NAME_MAX) < LNS_FILTER_NAME_MAX);
		assert_true(strnlen(t.pool, LNS_POOL_NAME_MAX) < LNS_POOL_NAME_MAX);
		assert_true(t.n_routes <= LNS_ROUTES_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_in_all_forms),
		cmocka_unit_test(a_rate_limit_may_have_a_burst),
		cmocka_unit_test(intercepts_in_all_forms),
		cmocka_unit_test(the_manuals_form_has_several_pairs),
		cmocka_unit_test(what_a_login_gets),
		cmocka_unit_test(rates_of_vendors),
		cmocka_unit_test(masks_limits_and_addresses),
		cmocka_unit_test(an_operator_adds_rows),
		cmocka_unit_test(lists_that_are_none),
		cmocka_unit_test(a_coa_changes_policy_and_times_only),
		cmocka_unit_test(any_pair_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
