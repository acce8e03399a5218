/* The `router bgp` block: grammar, numbers, what is hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "control/conf_bgp.h"
#include "control/conf_parse.h"
#include "test_alloc.h"

static struct test_alloc memory;
static unsigned errors;
static uint32_t error_line;
static char printed[65536];

static void say(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	(void)ctx;
	(void)reason;
	if (severity == CONF_ERROR) {
		errors++;
		error_line = line;
	}
}

static struct conf *load(const char *text)
{
	static const struct conf_report report = {.say = say};
	errors = error_line = 0;
	test_alloc_init(&memory);
	struct conf *c = conf_load(&memory.alloc, span_str(text), &report);
	assert_non_null(c);
	return c;
}

static void take_line(void *ctx, const char *text)
{
	(void)ctx;
	size_t n = strlen(printed);
	snprintf(printed + n, sizeof(printed) - n, "%s\n", text);
}

static const char *print(const struct conf *c, bool secrets)
{
	const struct conf_printer out = {.line = take_line};
	printed[0] = '\0';
	conf_print(c, secrets, &out);
	return printed;
}

static const char block[] = "set bind_address 192.0.2.1\n"
			    "set nexthop_address 192.0.2.7\n"
			    "router bgp 4200000000\n"
			    " neighbour 192.0.2.2 remote-as 65001\n"
			    " neighbour 192.0.2.2 timers 5 15\n"
			    " neighbour 192.0.2.2 password \"two words\"\n"
			    " neighbour 192.0.2.2 ttl-security 1\n"
			    " neighbour 192.0.2.2 med 50\n"
			    " neighbour 192.0.2.2 comm 65000:1 no-export 7\n"
			    " neighbour 192.0.2.2 prepend 2\n"
			    " neighbour 192.0.2.2 graceful-restart 120\n"
			    " neighbor 2001:db8::1 remote-as 0\n"
			    " neighbor 2001:db8::1 update-source 2001:db8::2\n"
			    " neighbor 2001:db8::1 ebgp-multihop 8\n"
			    " neighbor 2001:db8::1 local-pref 200\n"
			    " neighbor 2001:db8::1 community none\n"
			    " neighbor 2001:db8::1 nexthop 192.0.2.9\n"
			    " neighbor 2001:db8::1 nexthop6 2001:db8::3\n"
			    " neighbor peer.example passive yes\n"
			    " neighbor peer.example connect-retry 5\n"
			    " neighbor peer.example port 1790\n"
			    " bgp aggregate yes\n"
			    " network 2001:db8:5::/48\n"
			    " network 10.1.2.3/16\n"
			    " network 10.9.0.0/16\n"
			    " no network 10.9.0.0/16\n"
			    " network 10.1.0.0/16\n";

static void the_block_becomes_numbers(void **state)
{
	(void)state;
	static struct bgp_conf b;
	struct conf *c = load(block);
	char text[IP_ADDR_TEXT], prefix[IP_PREFIX_TEXT];

	assert_int_equal(errors, 0);
	conf_to_bgp(c, &b);
	assert_int_equal(b.as, 4200000000u);
	assert_string_equal(ip_addr_text(&b.router_id, text), "192.0.2.1");
	assert_int_equal(b.n_peers, 3);
	assert_true(b.aggregate);
	assert_int_equal(b.n_networks, 2);
	assert_string_equal(ip_prefix_text(&b.networks[0], prefix), "2001:db8:5::/48");
	assert_string_equal(ip_prefix_text(&b.networks[1], prefix), "10.1.0.0/16");
	const struct bgp_peer_conf *p = &b.peers[0];
	assert_string_equal(ip_addr_text(&p->session.addr, text), "192.0.2.2");
	assert_int_equal(p->session.remote_as, 65001);
	assert_int_equal(p->session.keepalive_s, 5);
	assert_int_equal(p->session.hold_s, 15);
	assert_string_equal(p->session.password, "two words");
	assert_int_equal(p->session.gtsm_hops, 1);
	assert_int_equal(p->session.restart_s, 120);
	assert_int_equal(p->policy.med, 50);
	assert_int_equal(p->policy.prepend, 2);
	assert_int_equal(p->policy.n_communities, 3);
	assert_int_equal(p->policy.communities[0], 65000u << 16 | 1);
	assert_int_equal(p->policy.communities[1], BGP_NO_EXPORT);
	assert_int_equal(p->policy.communities[2], 7);
	assert_string_equal(ip_addr_text(&p->policy.next_hop[BGP_IPV4], text), "192.0.2.7");
	p = &b.peers[1];
	assert_int_equal(p->session.addr.family, 6);
	assert_int_equal(p->session.source.family, 6);
	assert_int_equal(p->session.ttl, 8);
	assert_int_equal(p->policy.local_pref, 200);
	assert_int_equal(p->policy.n_communities, 0);
	assert_string_equal(ip_addr_text(&p->policy.next_hop[BGP_IPV4], text), "192.0.2.9");
	p = &b.peers[2];
	assert_int_equal(p->session.addr.family, 0);
	assert_true(p->session.passive);
	assert_int_equal(p->session.connect_retry_s, 5);
	assert_int_equal(p->session.port, 1790);
	assert_int_equal(p->session.keepalive_s, BGP_KEEPALIVE_S);
	assert_int_equal(p->session.hold_s, BGP_HOLD_S);
	assert_int_equal(p->policy.communities[0], BGP_NO_EXPORT);
	conf_bgp_free(&b);
	conf_free(c);
	assert_int_equal(memory.blocks, 0);
}

static void what_is_printed_loads_to_the_same(void **state)
{
	(void)state;
	static struct bgp_conf a, b;
	static char text[sizeof(printed)];
	struct conf *c = load(block);

	conf_to_bgp(c, &a);
	memcpy(text, print(c, true), sizeof(text));
	conf_free(c);
	c = load(text);
	assert_int_equal(errors, 0);
	conf_to_bgp(c, &b);
	assert_int_equal(a.n_peers, b.n_peers);
	assert_memory_equal(a.peers, b.peers, a.n_peers * sizeof(*a.peers));
	assert_memory_equal(a.networks, b.networks, sizeof(a.networks));
	assert_int_equal(a.as, b.as);
	assert_true(ip_addr_equal(&a.router_id, &b.router_id));
	conf_bgp_free(&a);
	conf_bgp_free(&b);
	assert_string_equal(print(c, true), text);
	assert_null(strstr(print(c, false), "two words"));
	assert_non_null(strstr(printed, "\n neighbour 192.0.2.2 password \"********\"\n"));
	conf_free(c);
}

static void the_identifier_is_settled_in_order(void **state)
{
	(void)state;
	static struct bgp_conf b;
	char text[IP_ADDR_TEXT];
	struct conf *c = load("set bind_address 192.0.2.1\nrouter bgp 1\n"
			      " neighbour 192.0.2.2 update-source 192.0.2.5\n"
			      "router bgp 1\n bgp router-id 10.0.0.1\n bgp router-id 10.0.0.2\n");
	assert_int_equal(errors, 0);
	conf_to_bgp(c, &b);
	assert_string_equal(ip_addr_text(&b.router_id, text), "10.0.0.2");
	conf_bgp_free(&b);
	conf_free(c);
	c = load("set bind_address 192.0.2.1\nrouter bgp 1\n"
		 " neighbour 192.0.2.2 update-source 192.0.2.5\n");
	conf_to_bgp(c, &b);
	assert_string_equal(ip_addr_text(&b.router_id, text), "192.0.2.5");
	conf_bgp_free(&b);
	conf_free(c);
	c = load("");
	conf_to_bgp(c, &b);
	assert_int_equal(b.as, 0);
	conf_free(c);
}

static void wrong_values_name_their_line(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"remote-as 4294967296",
		"timers 5 2",
		"timers 0 9",
		"timers 5",
		"update-source x",
		"ttl-security 255",
		"ebgp-multihop 256",
		"connect-retry 0",
		"port 0",
		"passive perhaps",
		"graceful-restart 4096",
		"med -1",
		"prepend 17",
		"community",
		"community 65536:1",
		"community 1:65536",
		"community bogus",
		"nexthop 2001:db8::1",
		"nexthop6 192.0.2.1",
		"password \"\"",
		"p 1",
		"nothing 1",
		"password "
		"12345678901234567890123456789012345678901234567890123456789012345678901234"
		"5678901",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), "router bgp 1\n neighbour 192.0.2.2 %s\n", wrong[i]);
		struct conf *c = load(text);
		if (errors != 1 || error_line != 2)
			fail_msg("%s: %u errors", wrong[i], errors);
		conf_free(c);
	}
}

static void wrong_lines_of_the_block_are_told(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"network 10.0.0.0/33",	 "network x",	     "network", "no network 10.0.0.0/8",
		"bgp aggregate perhaps", "bgp router-id ::1"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), "router bgp 1\n %s\n", wrong[i]);
		struct conf *c = load(text);
		if (errors != 1 || error_line != 2)
			fail_msg("%s: %u errors", wrong[i], errors);
		conf_free(c);
	}
}

static void too_many_networks_are_told(void **state)
{
	(void)state;
	static char text[BGP_NETWORKS_MAX * 64 + 256] = "router bgp 1\n";
	for (unsigned i = 0; i <= BGP_NETWORKS_MAX; i++) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, " network 10.%u.0.0/16\n", i);
	}
	struct conf *c = load(text);
	assert_int_equal(errors, 1);
	conf_free(c);
}

/* One network's text begins another's. */
static void a_network_leaves_alone_what_it_begins(void **state)
{
	(void)state;
	static struct bgp_conf b;
	struct conf *c = load("router bgp 1\n network 2000::/32\n network 2000::/3\n");
	conf_to_bgp(c, &b);
	assert_int_equal(errors, 0);
	assert_int_equal(b.n_networks, 2);
	conf_free(c);
	c = load("router bgp 1\n network 2000::/32\n no network 2000::/3\n");
	conf_to_bgp(c, &b);
	assert_int_equal(errors, 1);
	assert_int_equal(b.n_networks, 1);
	conf_free(c);
}

/* ---- any number of neighbours --------------------------------------------------------------- */

enum { MANY = 1000 };

static const char *many_neighbours(void)
{
	static char text[MANY * 96];
	size_t n = (size_t)snprintf(text, sizeof(text), "router bgp 1\n");

	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      " neighbour 10.0.%u.%u remote-as %u\n"
				      " neighbour 10.0.%u.%u med %u\n",
				      i / 250, i % 250 + 1, 65000 + i, i / 250, i % 250 + 1, i);
	return text;
}

static void a_thousand_neighbours_are_kept(void **state)
{
	(void)state;
	struct bgp_conf b;
	struct conf *c = load(many_neighbours());
	char text[IP_ADDR_TEXT];

	assert_int_equal(errors, 0);
	assert_true(conf_to_bgp(c, &b));
	assert_int_equal(b.n_peers, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(b.peers[i].session.remote_as, 65000 + i);
		assert_int_equal(b.peers[i].policy.med, i);
	}
	assert_string_equal(ip_addr_text(&b.peers[MANY - 1].session.addr, text), "10.0.3.250");
	conf_bgp_free(&b);
	conf_free(c);
	assert_int_equal(memory.blocks, 0);
}

static void without_memory_for_them_that_is_told(void **state)
{
	(void)state;
	struct bgp_conf b;
	struct conf *c = load(many_neighbours());

	for (size_t gets = 0; gets < 7; gets++) { /* the array grows so often */
		memory.fail_after = memory.gets + gets;
		assert_false(conf_to_bgp(c, &b));
		conf_bgp_free(&b);
	}
	memory.fail_after = SIZE_MAX;
	conf_free(c);
	assert_int_equal(memory.blocks, 0);
}

/* ---- the name of a neighbour ------------------------------------------------------------------
 */

static void an_address_has_one_spelling(void **state)
{
	(void)state;
	struct bgp_conf b;
	struct conf *c = load("router bgp 1\n neighbour 2001:DB8:0:0::1 remote-as 2\n"
			      " neighbour 2001:db8::1 med 5\n"
			      " neighbour ::ffff:192.0.2.2 remote-as 3\n"
			      " neighbour 192.0.2.2 med 6\n"
			      " neighbour 2001:db8::2 med 7\n"
			      " no neighbour 2001:DB8:0::2\n");
	assert_int_equal(errors, 0);
	assert_true(conf_to_bgp(c, &b));
	assert_int_equal(b.n_peers, 2);
	assert_string_equal(b.peers[0].name, "2001:db8::1");
	assert_int_equal(b.peers[0].session.remote_as, 2);
	assert_int_equal(b.peers[0].policy.med, 5);
	assert_string_equal(b.peers[1].name, "192.0.2.2");
	assert_int_equal(b.peers[1].session.addr.family, 4);
	assert_int_equal(b.peers[1].session.remote_as, 3);
	assert_int_equal(b.peers[1].policy.med, 6);
	conf_bgp_free(&b);
	conf_free(c);
}

static void a_link_local_address_has_its_interface(void **state)
{
	(void)state;
	struct bgp_conf b;
	struct conf *c = load("router bgp 1\n neighbour FE80::1%eth0 remote-as 2\n"
			      " neighbour fe80::1%eth1.7 remote-as 3\n");
	char text[IP_ADDR_TEXT];

	assert_int_equal(errors, 0);
	assert_true(conf_to_bgp(c, &b));
	assert_int_equal(b.n_peers, 2);
	assert_string_equal(b.peers[0].name, "fe80::1%eth0");
	assert_string_equal(ip_addr_text(&b.peers[0].session.addr, text), "fe80::1");
	assert_string_equal(b.peers[0].session.interface, "eth0");
	assert_string_equal(b.peers[1].session.interface, "eth1.7");
	conf_bgp_free(&b);
	conf_free(c);
	static const char *const wrong[] = {
		"fe80::1",	  "fe80::1%",	      "fe80::1%a/b", "fe80::1%interface-of-16b",
		"192.0.2.1%eth0", "2001:db8::1%eth0", "router%eth0"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[128];
		snprintf(line, sizeof(line), "router bgp 1\n neighbour %s remote-as 2\n", wrong[i]);
		c = load(line);
		if (errors != 1 || error_line != 2)
			fail_msg("%s: %u errors", wrong[i], errors);
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_becomes_numbers),
		cmocka_unit_test(what_is_printed_loads_to_the_same),
		cmocka_unit_test(the_identifier_is_settled_in_order),
		cmocka_unit_test(wrong_values_name_their_line),
		cmocka_unit_test(wrong_lines_of_the_block_are_told),
		cmocka_unit_test(too_many_networks_are_told),
		cmocka_unit_test(a_network_leaves_alone_what_it_begins),
		cmocka_unit_test(a_thousand_neighbours_are_kept),
		cmocka_unit_test(without_memory_for_them_that_is_told),
		cmocka_unit_test(an_address_has_one_spelling),
		cmocka_unit_test(a_link_local_address_has_its_interface),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
