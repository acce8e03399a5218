/* IPv6 and tunnels in an Access-Accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "radius/rad_accept.h"
#include "radius/rad_accept6.h"
#include "test_bytes.h"

static const uint8_t authenticator[RAD_AUTHENTICATOR] = "0123456789abcde";
static const char secret[] = "xyzzy5461";
static uint8_t bytes[RAD_PACKET_MAX];
static struct wbuf w;

static void begin(void)
{
	w = wbuf_of(bytes, sizeof(bytes));
	rad_put_header(&w, RAD_ACCESS_ACCEPT, 1, authenticator);
}

static bool end(struct rad_grant *g)
{
	static const struct rad_terms terms;
	struct rad_accept_key key = {.secret = span_str(secret)};
	struct rad_packet p;

	memcpy(key.authenticator, authenticator, sizeof(key.authenticator));
	rad_put_end(&w, 0);
	assert_true(rad_packet_decode(wbuf_written(&w), &p));
	return rad_accept_decode(&p, &terms, &key, g);
}

static void put_hex(enum rad_attr_number number, const char *hex)
{
	uint8_t value[RAD_VALUE_MAX];
	size_t n = test_unhex(hex, value, sizeof(value));

	rad_put(&w, number, span_of(value, n));
}

static void prefixes_in_all_forms(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *text; /* NULL: malformed */
	} cases[] = {
		{"00 40 20 01 0d b8 00 01 00 02", "2001:db8:1:2::/64"},
		{"00 40 20 01 0d b8 00 01 00 02 00 00 00 00 00 00 00 00", "2001:db8:1:2::/64"},
		{"00 38 20 01 0d b8 00 01 ff", "2001:db8:1:ff00::/56"},
		{"ff 80 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01", "2001:db8::1/128"},
		{"00 00", "::/0"},
		{"00 40 20 01 0d b8 00 01 00", NULL},	 /* too short */
		{"00 30 20 01 0d b8 00 01 00 02", NULL}, /* bits behind the length */
		{"00 81 20 01 0d b8 00 01 00 02 00 00 00 00 00 00 00 00", NULL},
		{"00", NULL},
		{"00 40 20 01 0d b8 00 01 00 02 00 00 00 00 00 00 00 00 00", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t value[32];
		size_t n = test_unhex(cases[i].hex, value, sizeof(value));
		char text[IP_PREFIX_TEXT];
		struct ip_prefix p;

		assert_int_equal(rad_prefix6_decode(span_of(value, n), &p), cases[i].text != NULL);
		if (cases[i].text)
			assert_string_equal(ip_prefix_text(&p, text), cases[i].text);
	}
}

static void ipv6_is_kept(void **state)
{
	(void)state;
	struct rad_grant g;
	char text[IP_PREFIX_TEXT];

	begin();
	put_hex(RAD_FRAMED_INTERFACE_ID, "00 00 00 00 00 00 00 07");
	put_hex(RAD_FRAMED_IPV6_PREFIX, "00 40 20 01 0d b8 00 01 00 02");
	put_hex(RAD_DELEGATED_IPV6_PREFIX, "00 38 20 01 0d b8 00 05 00");
	put_hex(RAD_DELEGATED_IPV6_PREFIX, "00 38 20 01 0d b8 00 06 00");
	put_hex(RAD_FRAMED_IPV6_ADDRESS, "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 09");
	for (unsigned i = 0; i < 3; i++)
		put_hex(RAD_DNS_SERVER_IPV6_ADDRESS,
			"20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 53");
	rad_put_text(&w, RAD_FRAMED_IPV6_ROUTE, "2001:db8:7::/48 :: 1");
	rad_put_text(&w, RAD_FRAMED_IPV6_ROUTE, "nonsense");
	rad_put_text(&w, RAD_FRAMED_IPV6_POOL, "six");
	rad_put_text(&w, RAD_DELEGATED_IPV6_PREFIX_POOL, "del");
	assert_true(end(&g));
	const struct aaa_ipv6 *v6 = &g.profile.v6;
	assert_true(v6->has_interface_id);
	assert_int_equal(v6->interface_id[7], 7);
	assert_string_equal(ip_prefix_text(&v6->prefix, text), "2001:db8:1:2::/64");
	assert_int_equal(v6->n_delegated, 2);
	assert_string_equal(ip_prefix_text(&v6->delegated[1], text), "2001:db8:6::/56");
	assert_int_equal(v6->address.b[15], 9);
	assert_int_equal(v6->dns[1].b[15], 0x53);
	assert_int_equal(v6->n_routes, 1);
	assert_string_equal(ip_prefix_text(&v6->routes[0], text), "2001:db8:7::/48");
	assert_string_equal(v6->pool, "six");
	assert_string_equal(v6->delegated_pool, "del");
	assert_int_equal(g.ignored, 2); /* a third name server, a route that is none */
	begin();
	put_hex(RAD_DELEGATED_IPV6_PREFIX, "00 38 20 01");
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Delegated-IPv6-Prefix");
}

static void put_password(uint8_t tag, const char *password, const char *with)
{
	uint8_t value[RAD_VALUE_MAX];
	struct wbuf v = wbuf_of(value, sizeof(value));

	rad_tunnel_password_hide(&v, tag, 0x1234, span_str(password), span_str(with),
				 authenticator);
	rad_put(&w, RAD_TUNNEL_PASSWORD, wbuf_written(&v));
}

static void tunnels_are_gathered_by_tag(void **state)
{
	(void)state;
	struct rad_grant g;

	begin();
	put_hex(RAD_TUNNEL_TYPE, "01 00 00 03");
	put_hex(RAD_TUNNEL_MEDIUM_TYPE, "01 00 00 01");
	put_hex(RAD_TUNNEL_TYPE, "02 00 00 03");
	put_hex(RAD_TUNNEL_PREFERENCE, "02 00 00 0a");
	rad_put_text(&w, RAD_TUNNEL_SERVER_ENDPOINT,
		     "\001"
		     "192.0.2.7");
	rad_put_text(&w, RAD_TUNNEL_SERVER_ENDPOINT,
		     "\002"
		     "192.0.2.8");
	rad_put_text(&w, RAD_TUNNEL_ASSIGNMENT_ID,
		     "\001"
		     "isp");
	rad_put_text(&w, RAD_TUNNEL_CLIENT_AUTH_ID,
		     "\001"
		     "lac");
	put_password(1, "tunnel secret", secret);
	put_password(2, "a secret that takes more than one block", secret);
	assert_true(end(&g));
	assert_int_equal(g.tunnels.n, 2);
	const struct aaa_tunnel *t = g.tunnels.list;
	assert_int_equal(t[0].type, 3);
	assert_int_equal(t[0].medium, 1);
	assert_string_equal(t[0].server_endpoint, "192.0.2.7");
	assert_string_equal(t[0].assignment, "isp");
	assert_string_equal(t[0].client_name, "lac");
	assert_int_equal(t[0].password_n, 13);
	assert_memory_equal(t[0].password, "tunnel secret", 13);
	assert_int_equal(t[1].preference, 10);
	assert_memory_equal(t[1].password, "a secret that takes more than one block", 39);
	rad_grant_wipe(&g);
	assert_int_equal(g.tunnels.list[0].password[0], 0);
}

static void texts_may_have_no_tag(void **state)
{
	(void)state;
	struct rad_grant g;

	begin();
	rad_put_text(&w, RAD_TUNNEL_SERVER_ENDPOINT, "192.0.2.7");
	assert_true(end(&g));
	assert_int_equal(g.tunnels.n, 1);
	assert_int_equal(g.tunnels.list[0].tag, 0);
	assert_string_equal(g.tunnels.list[0].server_endpoint, "192.0.2.7");
}

static void too_many_tunnels_are_ignored(void **state)
{
	(void)state;
	struct rad_grant g;

	begin();
	for (uint8_t tag = 1; tag <= LNS_TUNNELS_MAX + 2; tag++) {
		uint8_t value[4] = {tag, 0, 0, 3};
		rad_put(&w, RAD_TUNNEL_TYPE, span_of(value, 4));
	}
	assert_true(end(&g));
	assert_int_equal(g.tunnels.n, LNS_TUNNELS_MAX);
	assert_int_equal(g.ignored, 2);
}

/* With another secret the length within is a random byte: refused, or too long, never read beyond.
 */
static void a_password_hidden_otherwise_is_malformed(void **state)
{
	(void)state;
	struct rad_grant g;

	begin();
	put_password(1, "tunnel secret", "another");
	assert_false(end(&g));
	assert_string_equal(g.malformed, "Tunnel-Password");
	for (size_t cut = 1; cut < 40; cut++) {
		begin();
		uint8_t value[40] = {1, 0x80};
		rad_put(&w, RAD_TUNNEL_PASSWORD, span_of(value, cut));
		if (cut < 19 || (cut - 3) % 16 != 0)
			assert_false(end(&g));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_in_all_forms),
		cmocka_unit_test(ipv6_is_kept),
		cmocka_unit_test(tunnels_are_gathered_by_tag),
		cmocka_unit_test(texts_may_have_no_tag),
		cmocka_unit_test(too_many_tunnels_are_ignored),
		cmocka_unit_test(a_password_hidden_otherwise_is_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
