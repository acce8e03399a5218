/* What an Access-Accept grants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_accept.h"
#include "radius/rad_text.h"
#include "test_random.h"

static uint8_t bytes[RAD_PACKET_MAX];
static struct wbuf w;
static struct rad_terms terms;

static void begin(void)
{
	static const uint8_t zeros[RAD_AUTHENTICATOR];
	w = wbuf_of(bytes, sizeof(bytes));
	rad_put_header(&w, RAD_ACCESS_ACCEPT, 1, zeros);
}

static bool end(struct rad_grant *g)
{
	static const struct rad_accept_key key;
	struct rad_packet p;
	rad_put_end(&w, 0);
	assert_true(rad_packet_decode(wbuf_written(&w), &p));
	return rad_accept_decode(&p, &terms, &key, g);
}

struct route_case {
	const char *text;
	uint32_t ip; /* 0: refused */
	uint8_t len;
};

static void framed_routes_in_all_forms(void **state)
{
	(void)state;
	static const struct route_case cases[] = {
		{"10.1.2.3/24", 0x0A010200, 24},
		{"10.1.2.0/24 10.9.9.9", 0x0A010200, 24},
		{"10.1.2.0/24 10.9.9.9 1", 0x0A010200, 24},
		{"10.1.2.0/24 10.9.9.9 1 2 -1 3", 0x0A010200, 24},
		{"10.1.2.0/24 nonsense", 0x0A010200, 24},
		{"10.1.2.3/32\t0.0.0.0", 0x0A010203, 32},
		{"10.1.2.3", 0x0A000000, 8},
		{"172.16.9.9 0.0.0.0 1", 0xAC100000, 16},
		{"192.168.5.7 0.0.0.0 1", 0xC0A80500, 24},
		{"223.1.2.3", 0xDF010200, 24},
		{"0.0.0.0", 0, 0},
		{"0.0.0.0/0 10.0.0.1 1", 0, 0},
		{"10.0.0.0/0", 0, 0},
		{"10.1.2.0/33", 0, 0},
		{"10.1.2.0/", 0, 0},
		{"10.1.2.0/-1", 0, 0},
		{"10.1.2.0/999999999999999999999", 0, 0},
		{"10.1.2/24", 0, 0},
		{"10.1.2.256/24", 0, 0},
		{"/24", 0, 0},
		{" 10.1.2.0/24", 0, 0},
		{"2001:db8::/32", 0, 0},
		{"hello", 0, 0},
		{"", 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_prefix p;
		bool ok = rad_route_parse(span_str(cases[i].text), &p);
		assert_int_equal(ok, cases[i].ip != 0);
		if (ok) {
			assert_int_equal(ip_addr_u32(&p.addr), cases[i].ip);
			assert_int_equal(p.len, cases[i].len);
		}
	}
}

static void any_route_text_is_survived(void **state)
{
	(void)state;
	struct test_random r = {7};
	static const char letters[] = "0123456789./ :-abcdef\0\xff";
	char text[40];

	for (unsigned i = 0; i < 200000; i++) {
		size_t n = test_random_below(&r, sizeof(text));
		for (size_t k = 0; k < n; k++)
			text[k] = letters[test_random_below(&r, sizeof(letters) - 1)];
		struct ip_prefix p;
		if (rad_route_parse(span_of(text, n), &p)) {
			assert_int_equal(p.addr.family, 4);
			assert_in_range(p.len, 1, 32);
			uint32_t mask = (uint32_t)((1ull << (32 - p.len)) - 1);
			assert_int_equal(ip_addr_u32(&p.addr) & mask, 0);
		}
	}
}

static void special_addresses_mean_the_pool(void **state)
{
	(void)state;
	static const uint32_t special[] = {0xFFFFFFFE, 0xFFFFFFFF, 0};
	struct rad_grant g;

	for (unsigned i = 0; i < 3; i++) {
		begin();
		rad_put_u32(&w, RAD_FRAMED_IP_ADDRESS, special[i]);
		assert_true(end(&g));
		assert_true(g.profile.ip_from_pool);
		assert_false(ip_addr_is_set(&g.profile.ip));
	}
	begin();
	assert_true(end(&g));
	assert_true(g.profile.ip_from_pool);
	assert_false(g.has_session_timeout);
	begin();
	rad_put_u32(&w, RAD_FRAMED_IP_ADDRESS, 0x0A000009);
	assert_true(end(&g));
	assert_false(g.profile.ip_from_pool);
}

static void name_servers_of_all_vendors(void **state)
{
	(void)state;
	static const uint8_t one[4] = {1, 1, 1, 1}, two[4] = {2, 2, 2, 2};
	struct rad_grant g;

	for (unsigned form = 0; form < 3; form++) {
		begin();
		if (form == 0) {
			rad_put(&w, RAD_CLIENT_PRIMARY_DNS, span_of(one, 4));
			rad_put(&w, RAD_CLIENT_SECONDARY_DNS, span_of(two, 4));
		} else if (form == 1) {
			rad_put_vsa(&w, 529, 135, span_of(one, 4));
			rad_put_vsa(&w, 529, 136, span_of(two, 4));
		} else {
			rad_put_vsa(&w, 311, 28, span_of(one, 4));
			rad_put_vsa(&w, 311, 29, span_of(two, 4));
		}
		assert_true(end(&g));
		assert_int_equal(ip_addr_u32(&g.profile.dns[0]), 0x01010101);
		assert_int_equal(ip_addr_u32(&g.profile.dns[1]), 0x02020202);
	}
}

static void texts_and_numbers(void **state)
{
	(void)state;
	struct rad_grant g;
	char long_name[64];

	memset(long_name, 'x', sizeof(long_name));
	memcpy(long_name + 60, ".in", 4);
	begin();
	rad_put_text(&w, RAD_FILTER_ID, "gold.in");
	rad_put_text(&w, RAD_FILTER_ID, "gold.out");
	rad_put_text(&w, RAD_FILTER_ID, "gold");
	rad_put_text(&w, RAD_FILTER_ID, long_name);
	rad_put_u32(&w, RAD_FRAMED_MTU, 63);
	rad_put_u32(&w, RAD_ACCT_INTERIM_INTERVAL, 300);
	for (unsigned i = 0; i < 6; i++)
		rad_put_text(&w, RAD_CLASS, "c");
	for (unsigned i = 0; i < 20; i++)
		rad_put_text(&w, RAD_FRAMED_ROUTE, "10.0.0.0/8");
	for (unsigned i = 0; i < 3; i++)
		rad_put_text(&w, RAD_REPLY_MESSAGE,
			     "0123456789012345678901234567890123456789012345678901234567890123");
	assert_true(end(&g));
	assert_string_equal(g.profile.policy.filter_in, "gold");
	assert_string_equal(g.profile.policy.filter_out, "gold");
	assert_string_equal(g.ignored_name, "Filter-Id");
	assert_int_equal(g.profile.mtu, 0); /* below the RFC's 64 */
	assert_int_equal(g.profile.interim_s, 300);
	assert_int_equal(g.n_classes, RAD_CLASSES_MAX);
	assert_int_equal(g.profile.n_routes, LNS_ROUTES_MAX);
	/* Two filters, the MTU, two classes, four routes. */
	assert_int_equal(g.ignored, 2 + 1 + 2 + 20 - LNS_ROUTES_MAX);
	assert_int_equal(g.profile.reply_len, LNS_REPLY_MSG_MAX);
}

static void malformed_attributes_are_named(void **state)
{
	(void)state;
	static const uint8_t two[2] = {1, 2}, vsa[8] = {0, 0, 2, 17, 135, 9, 1, 2};
	struct rad_grant g;

	begin();
	rad_put(&w, RAD_SESSION_TIMEOUT, span_of(two, 2));
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Session-Timeout");
	begin();
	rad_put_vsa(&w, 529, 135, span_of(two, 2));
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Ascend-Client-Primary-DNS");
	begin();
	rad_put(&w, RAD_VENDOR_SPECIFIC, span_of(vsa, 8)); /* its inner length lies */
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Vendor-Specific");
	begin();
	rad_put(&w, RAD_VENDOR_SPECIFIC, span_of(vsa, 4));
	assert_false(end(&g));
	begin();
	rad_put(&w, RAD_CLASS, span_of(two, 0));
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Class");
	/* Vendors that we do not know may write what they like. */
	begin();
	rad_put(&w, RAD_VENDOR_SPECIFIC, span_of("\0\0\x12\x34\x01\xff", 6));
	rad_put(&w, (enum rad_attr_number)240, span_of(two, 2));
	assert_true(end(&g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framed_routes_in_all_forms),
		cmocka_unit_test(any_route_text_is_survived),
		cmocka_unit_test(special_addresses_mean_the_pool),
		cmocka_unit_test(name_servers_of_all_vendors),
		cmocka_unit_test(texts_and_numbers),
		cmocka_unit_test(malformed_attributes_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
