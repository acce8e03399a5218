#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "base/addr.h"
#include "test_bytes.h"
#include "test_random.h"

/* Parses from memory that ends with the text, to catch a read behind it. */
static bool parse(const char *text, struct ip_addr *out)
{
	size_t n = strlen(text);
	uint8_t *exact = test_exact_copy(text, n);
	bool good = ip_addr_parse(span_of(exact, n), out);
	free(exact);
	return good;
}

static bool parse_prefix(const char *text, struct ip_prefix *out)
{
	size_t n = strlen(text);
	uint8_t *exact = test_exact_copy(text, n);
	bool good = ip_prefix_parse(span_of(exact, n), out);
	free(exact);
	return good;
}

static void valid_texts_are_read_and_written_canonically(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"10.0.20.3", "10.0.20.3"},
		{"::", "::"},
		{"::1", "::1"},
		{"1::", "1::"},
		{"0:0:0:0:0:0:0:0", "::"},
		{"2001:DB8::A", "2001:db8::a"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, /* RFC 5952 4.2.3: the first run */
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2: one zero stays */
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},	  /* 4.2.3: the longest */
		{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
		{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
		{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"::FFFF:c000:201", "::ffff:192.0.2.1"},
		{"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
		{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
		{"fe80:0:0:0:0:0:0:0001", "fe80::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a;
		char text[IP_ADDR_TEXT];
		if (!parse(rows[i].in, &a))
			fail_msg("refused: %s", rows[i].in);
		assert_string_equal(ip_addr_text(&a, text), rows[i].out);
	}
}

static void hostile_texts_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		" ",
		"1",
		"1.2.3",
		"1.2.3.",
		".1.2.3",
		"1.2.3.4.",
		"1.2.3.4.5",
		"1.2.3.256",
		"1.2.3.04",
		"1.2.3.00",
		"01.2.3.4",
		"1.2.3.-4",
		"1.2.3.+4",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1,2,3,4",
		"1..2.3",
		"1.2.3.99999999999999999999",
		"0x1.2.3.4",
		"1.2.3.4/24",
		"4294967296.1.1.1",
		":",
		":::",
		"1:",
		":1",
		"1:2",
		"1:::2",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:8:",
		":1:2:3:4:5:6:7:8",
		"::1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8::",
		"1:2:3:4::5:6:7:8",
		"12345::",
		"g::",
		"::1%eth0",
		"::1.2.3",
		"::1.2.3.4.5",
		"::1.2.3.4:5",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1.2.3.4::",
		"::256.1.1.1",
		"[::1]",
		"::/0",
		"fe80::1 ",
		"localhost",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr a;
		if (parse(rows[i], &a))
			fail_msg("taken: \"%s\"", rows[i]);
	}
}

/* NUL is a byte like any other: what stands behind it counts. */
static void an_embedded_nul_is_refused(void **state)
{
	(void)state;
	struct ip_addr a;
	assert_false(ip_addr_parse(span_of("1.2.3.4\0", 8), &a));
	assert_false(ip_addr_parse(span_of("1.2.3\0.4", 8), &a));
	assert_false(ip_addr_parse(span_of("::\0", 3), &a));
	assert_false(ip_addr_parse(span_of(NULL, 0), &a));
}

/* The system's parser and ours agree on random texts made of the letters of addresses. */
static void agrees_with_the_system_on_random_text(void **state)
{
	(void)state;
	static const char letters[] = "0123456789abcdef::::....0";
	struct test_random r = {7};
	unsigned taken = 0;
	for (int i = 0; i < 300000; i++) {
		char text[48];
		size_t n = test_random_below(&r, i % 3 ? 12 : 41);
		for (size_t k = 0; k < n; k++)
			text[k] = letters[test_random_below(&r, i % 2 ? 4 : sizeof(letters) - 1)];
		if (i % 2) /* dotted digits */
			for (size_t k = 1 + test_random_below(&r, 3); k < n;
			     k += 1 + test_random_below(&r, 4))
				text[k] = '.';
		text[n] = 0;
		struct ip_addr a;
		uint8_t theirs[16] = {0};
		bool ours = parse(text, &a);
		int family = inet_pton(AF_INET, text, theirs) == 1    ? 4
			     : inet_pton(AF_INET6, text, theirs) == 1 ? 6
								      : 0;
		if (ours != (family != 0) || (ours && a.family != family) ||
		    (ours && memcmp(a.b, theirs, 16) != 0))
			fail_msg("\"%s\": ours %d, theirs %d", text, ours, family);
		taken += ours;
	}
	assert_true(taken > 500); /* the comparison did see valid ones */
}

static void every_address_survives_text(void **state)
{
	(void)state;
	struct test_random r = {1};
	for (int i = 0; i < 50000; i++) {
		struct ip_addr a = {.family = i % 2 ? 4 : 6}, back;
		test_random_fill(&r, a.b, i % 2 ? 4 : 16);
		for (int k = 0; k < 16 && i % 3; k++) /* many zero groups */
			if (test_random_below(&r, 2))
				a.b[k] = 0;
		char text[IP_ADDR_TEXT], theirs[INET6_ADDRSTRLEN];
		ip_addr_text(&a, text);
		assert_true(parse(text, &back));
		assert_true(ip_addr_equal(&a, &back));
		/* The system writes RFC 5952 too, but ::a.b.c.d (deprecated) as a quad. */
		bool compat = memcmp(a.b, "\0\0\0\0\0\0\0\0\0\0\0\0", 12) == 0;
		if (a.family == 6 && !compat) {
			inet_ntop(AF_INET6, a.b, theirs, sizeof(theirs));
			assert_string_equal(text, theirs);
		}
	}
}

static void prefixes_lose_their_host_bits(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"10.1.2.3/32", "10.1.2.3/32"},
		{"10.1.2.3", "10.1.2.3/32"},
		{"255.255.255.255/0", "0.0.0.0/0"},
		{"10.1.2.255/25", "10.1.2.128/25"},
		{"255.255.255.255/31", "255.255.255.254/31"},
		{"2001:db8::1", "2001:db8::1/128"},
		{"2001:db8:ffff::/33", "2001:db8:8000::/33"},
		{"::/0", "::/0"},
		{"ffff::ff/120", "ffff::/120"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_prefix p;
		char text[IP_PREFIX_TEXT];
		if (!parse_prefix(rows[i].in, &p))
			fail_msg("refused: %s", rows[i].in);
		assert_string_equal(ip_prefix_text(&p, text), rows[i].out);
	}
	static const char *const bad[] = {"",
					  "/",
					  "/8",
					  "1.2.3.4/",
					  "1.2.3.4/33",
					  "1.2.3.4/-1",
					  "1.2.3.4/08",
					  "1.2.3.4/8 ",
					  "1.2.3.4/8/8",
					  "::/129",
					  "::/",
					  "1.2.3/8",
					  "1.2.3.4/99999999999",
					  "1.2.3.4/255.0.0.0"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ip_prefix p;
		if (parse_prefix(bad[i], &p))
			fail_msg("taken: \"%s\"", bad[i]);
	}
}

static void containment_is_by_prefix_and_family(void **state)
{
	(void)state;
	struct ip_prefix net, all, net6;
	struct ip_addr in = ip_addr_v4(0x0A01FFFF), out = ip_addr_v4(0x0A020000), six, unset = {0};
	assert_true(parse_prefix("10.1.0.0/16", &net) && parse_prefix("0.0.0.0/0", &all) &&
		    parse_prefix("2001:db8::/33", &net6));
	assert_true(ip_prefix_contains(&net, &in));
	assert_false(ip_prefix_contains(&net, &out));
	assert_true(ip_prefix_contains(&all, &out));
	assert_true(parse("2001:db8:7fff::1", &six));
	assert_true(ip_prefix_contains(&net6, &six));
	assert_false(ip_prefix_contains(&all, &six));
	assert_true(parse("2001:db8:8000::1", &six));
	assert_false(ip_prefix_contains(&net6, &six));
	assert_false(ip_prefix_contains(&all, &unset));
}

static void the_longest_texts_fit(void **state)
{
	(void)state;
	struct sock_addr a = {.port = 65535, .ip = {.family = 6}};
	memset(a.ip.b, 0xFF, 16);
	char *text = malloc(SOCK_ADDR_TEXT); /* exact, for AddressSanitizer */
	assert_string_equal(sock_addr_text(&a, text),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	free(text);
	struct ip_prefix p = {.addr = a.ip, .len = 128};
	text = malloc(IP_PREFIX_TEXT);
	assert_string_equal(ip_prefix_text(&p, text),
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	free(text);
	struct sock_addr v4 = {.port = 1701, .ip = ip_addr_v4(0xC0000201)}, unset = {0};
	char buf[SOCK_ADDR_TEXT];
	assert_string_equal(sock_addr_text(&v4, buf), "192.0.2.1:1701");
	assert_string_equal(sock_addr_text(&unset, buf), "0.0.0.0:0");
}

static void v4_numbers_go_both_ways(void **state)
{
	(void)state;
	struct ip_addr a = ip_addr_v4(0xC0A80102);
	assert_true(ip_addr_u32(&a) == 0xC0A80102);
	assert_true(ip_addr_is_set(&a));
	char text[IP_ADDR_TEXT];
	assert_string_equal(ip_addr_text(&a, text), "192.168.1.2");
}

static void socket_hash_depends_on_every_part(void **state)
{
	(void)state;
	struct sock_addr a = {.port = 1701, .ip = ip_addr_v4(1)}, b = a;
	assert_true(sock_addr_hash(&a, 5) == sock_addr_hash(&b, 5));
	assert_false(sock_addr_hash(&a, 5) == sock_addr_hash(&a, 6));
	b.port++;
	assert_false(sock_addr_hash(&a, 5) == sock_addr_hash(&b, 5));
	b = a;
	b.ip.family = 6;
	assert_false(sock_addr_hash(&a, 5) == sock_addr_hash(&b, 5));
	b = a;
	b.ip.b[3]++;
	assert_false(sock_addr_hash(&a, 5) == sock_addr_hash(&b, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_are_read_and_written_canonically),
		cmocka_unit_test(hostile_texts_are_refused),
		cmocka_unit_test(an_embedded_nul_is_refused),
		cmocka_unit_test(agrees_with_the_system_on_random_text),
		cmocka_unit_test(every_address_survives_text),
		cmocka_unit_test(prefixes_lose_their_host_bits),
		cmocka_unit_test(containment_is_by_prefix_and_family),
		cmocka_unit_test(the_longest_texts_fit),
		cmocka_unit_test(v4_numbers_go_both_ways),
		cmocka_unit_test(socket_hash_depends_on_every_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
