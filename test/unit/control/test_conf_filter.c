/* conf_filter: access lists as they are written become the rules that are compiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "control/conf_filter.h"
#include "control/conf_parse.h"
#include "dataplane/dp_ip.h"
#include "test_alloc.h"

static struct test_alloc heap;

static struct dp_acl_rule rule(const char *text)
{
	struct dp_acl_rule r;

	if (!conf_filter_rule(span_str(text), true, &r))
		fail_msg("no rule: %s", text);
	return r;
}

static void addresses_and_protocols(void **state)
{
	(void)state;
	struct dp_acl_rule r = rule("permit ip any any");
	assert_true(r.permit);
	assert_int_equal(r.proto, 0);
	assert_int_equal(r.src_wild, UINT32_MAX);
	assert_int_equal(r.dst_wild, UINT32_MAX);
	r = rule("deny tcp host 10.0.0.1 192.0.2.0 0.0.0.255");
	assert_false(r.permit);
	assert_int_equal(r.proto, IP_TCP);
	assert_int_equal(r.src, 0x0A000001);
	assert_int_equal(r.src_wild, 0);
	assert_int_equal(r.dst, 0xC0000200);
	assert_int_equal(r.dst_wild, 255);
	assert_int_equal(rule("deny udp any any").proto, IP_UDP);
}

static void expect_ports(const char *text, bool outside, unsigned low, unsigned high)
{
	char line[100];

	snprintf(line, sizeof(line), "permit tcp any any %s", text);
	struct dp_acl_ports p = rule(line).dst_ports;
	assert_true(p.test);
	assert_int_equal(p.outside, outside);
	assert_int_equal(p.low, low);
	assert_int_equal(p.high, high);
	snprintf(line, sizeof(line), "permit udp any %s any", text);
	p = rule(line).src_ports;
	assert_int_equal(p.low, low);
	assert_int_equal(p.high, high);
}

static void ports(void **state)
{
	(void)state;
	expect_ports("eq 80", false, 80, 80);
	expect_ports("neq 80", true, 80, 80);
	expect_ports("gt 1023", false, 1024, 65535);
	expect_ports("lt 1024", false, 0, 1023);
	expect_ports("lt 1", false, 0, 0);
	expect_ports("range 5 9", false, 5, 9);
	expect_ports("range 9 9", false, 9, 9);
	expect_ports("gt 65535", false, 65535, 0); /* none */
	assert_false(rule("permit tcp any any").dst_ports.test);
}

static void flags(void **state)
{
	(void)state;
	assert_int_equal(rule("permit tcp any any established").flags_op, DP_ACL_ESTABLISHED);
	assert_true(rule("deny ip any any fragments").fragments);
	struct dp_acl_rule r = rule("permit tcp any eq 1 any match-all +syn -ack +urg");
	assert_int_equal(r.flags_op, DP_ACL_MATCH_ALL);
	assert_int_equal(r.set, 0x22);
	assert_int_equal(r.clear, 0x10);
	r = rule("permit tcp any any match-any -fin +rst +psh");
	assert_int_equal(r.flags_op, DP_ACL_MATCH_ANY);
	assert_int_equal(r.set, 0x0C);
	assert_int_equal(r.clear, 0x01);
}

static void standard_lists_may_have_a_destination(void **state)
{
	struct dp_acl_rule r;

	(void)state;
	assert_true(conf_filter_rule(span_str("permit 10.0.0.0 0.255.255.255"), false, &r));
	assert_int_equal(r.src, 0x0A000000);
	assert_int_equal(r.src_wild, 0x00FFFFFF);
	assert_int_equal(r.dst_wild, UINT32_MAX);
	assert_true(conf_filter_rule(span_str("permit any host 10.0.0.1"), false, &r));
	assert_int_equal(r.dst_wild, 0);
	assert_int_equal(r.dst, 0x0A000001);
	assert_false(conf_filter_rule(span_str("permit any any eq 5"), false, &r));
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "permit",
					    "allow ip any any",
					    "permit ip any",
					    "permit ip any any any",
					    "permit ip any any eq 5",
					    "permit tcp any any eq",
					    "permit tcp any any eq 65536",
					    "permit tcp any any match-all +nothing",
					    "permit tcp host any",
					    "permit tcp 10.0.0.1 any"};
	struct dp_acl_rule r;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (conf_filter_rule(span_str(wrong[i]), true, &r))
			fail_msg("taken: %s", wrong[i]);
}

static void ignore(void *ctx, uint32_t line, enum conf_severity severity, const char *reason)
{
	unsigned *errors = ctx;

	(void)line;
	(void)reason;
	*errors += severity == CONF_ERROR;
}

static struct conf *load(const char *text, unsigned *errors)
{
	struct conf_report report = {.ctx = errors, .say = ignore};

	return conf_load(&heap.alloc, span_str(text), &report);
}

static void lists_are_compiled(void **state)
{
	unsigned errors = 0;
	struct conf *c = load("ip access-list extended a\n permit tcp any any eq 80\n"
			      " deny ip any any\nip access-list standard b\n permit any\n"
			      "ip access-list extended empty\n",
			      &errors);

	(void)state;
	struct dp_acls *s = conf_filter_compile(c, &heap.alloc, 1, 2, NULL);
	assert_int_equal(dp_acl_rules(dp_acls_find(s, "a")), 2);
	assert_int_equal(dp_acl_rules(dp_acls_find(s, "b")), 1);
	assert_int_equal(dp_acl_rules(dp_acls_find(s, "empty")), 0);
	assert_null(dp_acls_find(s, "c"));
	assert_true(conf_filter_exists(c, "b"));
	assert_false(conf_filter_exists(c, "c"));
	struct dp_acls *again = conf_filter_compile(c, &heap.alloc, 2, 2, s);
	assert_ptr_equal(dp_acls_find(again, "a"), dp_acls_find(s, "a"));
	dp_acls_free(s);
	dp_acls_free(again);
	conf_free(c);
	assert_int_equal(heap.held, 0);
}

/* ---- standard lists against a slow reference ------------------------------------------------- */

enum { LISTS = 300, LIST_RULES = 130, LIST_PACKETS = 200, NEAR = 0x0A000000 };

static uint32_t dice_state = 1;

static uint32_t dice(uint32_t n)
{
	dice_state = dice_state * 1664525u + 1013904223u;
	return (dice_state >> 8) % n;
}

/* What a side of a rule means: the bits of `care` are those of `addr`. */
struct side {
	uint32_t addr, care;
};

/* Few addresses, so that rules and packets meet; wildcards need not be of one piece. */
static uint32_t some_address(void)
{
	return NEAR | dice(4) << 16 | dice(8);
}

static const char *ip_text(uint32_t ip, char out[16])
{
	snprintf(out, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	return out;
}

/* Writes one in a form that an operator may choose and says what it means. */
static int some_side(struct side *s, bool may_be_lone, char *out, size_t room)
{
	static const uint32_t wild[] = {0, 7, 5, 0x00FFFFFF, 0x00030000, UINT32_MAX};
	char a[16], b[16];
	uint32_t w = wild[dice(6)];

	*s = (struct side){.addr = some_address(), .care = UINT32_MAX};
	ip_text(s->addr, a);
	switch (dice(may_be_lone ? 4 : 3)) {
	case 0:
		s->care = 0;
		return snprintf(out, room, " any");
	case 1:
		return snprintf(out, room, " host %s", a);
	case 2:
		s->care = ~w;
		return snprintf(out, room, " %s %s", a, ip_text(w, b));
	default:
		return snprintf(out, room, " %s", a);
	}
}

static struct reference {
	bool permit;
	struct side src, dst;
} reference[LIST_RULES];

static bool meets(const struct side *s, uint32_t ip)
{
	return (ip & s->care) == (s->addr & s->care);
}

/* The first rule of `n`, or -1. */
static int slowly(unsigned n, uint32_t src, uint32_t dst)
{
	for (unsigned i = 0; i < n; i++)
		if (meets(&reference[i].src, src) && meets(&reference[i].dst, dst))
			return (int)i;
	return -1;
}

/* True when the list has this rule already, which a list does not take twice. */
static bool is_repeated(unsigned n)
{
	const struct reference *r = &reference[n];

	for (unsigned i = 0; i < n; i++)
		if (reference[i].permit == r->permit && reference[i].src.care == r->src.care &&
		    reference[i].dst.care == r->dst.care && meets(&reference[i].src, r->src.addr) &&
		    meets(&reference[i].dst, r->dst.addr))
			return true;
	return false;
}

static unsigned some_list(char *text, size_t room)
{
	size_t at = (size_t)snprintf(text, room, "ip access-list standard a\n");
	unsigned n = 0;

	for (unsigned tries = 1 + dice(LIST_RULES); tries > 0; tries--) {
		struct reference *r = &reference[n];
		bool has_dst = dice(3) > 0;
		r->permit = dice(2);
		r->dst = (struct side){0};
		size_t used = at;
		used += (size_t)snprintf(text + used, room - used, " %s",
					 r->permit ? "permit" : "deny");
		/* An address without a wildcard can only be the last word. */
		used += (size_t)some_side(&r->src, !has_dst, text + used, room - used);
		if (has_dst)
			used += (size_t)some_side(&r->dst, true, text + used, room - used);
		if (is_repeated(n)) {
			text[at] = '\0';
			continue;
		}
		used += (size_t)snprintf(text + used, room - used, "\n");
		at = used;
		n++;
	}
	return n;
}

static int match(const struct dp_acl *l, uint32_t src, uint32_t dst)
{
	uint8_t packet[28] = {0x45, [3] = 28, [8] = 64, [9] = IP_UDP};

	for (unsigned i = 0; i < 4; i++) {
		packet[12 + i] = (uint8_t)(src >> (24 - 8 * i));
		packet[16 + i] = (uint8_t)(dst >> (24 - 8 * i));
	}
	int rule = dp_acl_match(l, span_of(packet, sizeof(packet)));
	assert_int_equal(dp_acl_permits(l, 0, span_of(packet, sizeof(packet))),
			 rule >= 0 && reference[rule].permit);
	return rule;
}

static void standard_lists_answer_like_a_slow_walk(void **state)
{
	static char text[LIST_RULES * 80];
	(void)state;

	for (unsigned list = 0; list < LISTS; list++) {
		unsigned errors = 0, n = some_list(text, sizeof(text));
		struct conf *c = load(text, &errors);
		assert_int_equal(errors, 0);
		struct dp_acls *s = conf_filter_compile(c, &heap.alloc, 1, 1, NULL);
		const struct dp_acl *l = dp_acls_find(s, "a");
		assert_int_equal(dp_acl_rules(l), n);
		for (unsigned i = 0; i < LIST_PACKETS; i++) {
			uint32_t src = some_address(), dst = some_address();
			if (match(l, src, dst) != slowly(n, src, dst))
				fail_msg("%08x to %08x:\n%s", src, dst, text);
		}
		dp_acls_free(s);
		conf_free(c);
	}
	assert_int_equal(heap.held, 0);
}

static void too_many_rules_are_refused(void **state)
{
	size_t room = (DP_ACL_RULES_MAX + 3) * 60, n = 0;
	char *text = malloc(room);
	unsigned errors = 0;

	(void)state;
	n += (size_t)snprintf(text, room, "ip access-list extended a\n");
	for (unsigned i = 0; i < DP_ACL_RULES_MAX + 2; i++)
		n += (size_t)snprintf(text + n, room - n, " permit tcp any any eq %u\n", i + 1);
	struct conf *c = load(text, &errors);
	assert_int_equal(errors, 2);
	struct dp_acls *s = conf_filter_compile(c, &heap.alloc, 1, 1, NULL);
	assert_int_equal(dp_acl_rules(dp_acls_find(s, "a")), DP_ACL_RULES_MAX);
	dp_acls_free(s);
	conf_free(c);
	free(text);
	assert_int_equal(heap.held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_protocols),
		cmocka_unit_test(ports),
		cmocka_unit_test(flags),
		cmocka_unit_test(standard_lists_may_have_a_destination),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(lists_are_compiled),
		cmocka_unit_test(standard_lists_answer_like_a_slow_walk),
		cmocka_unit_test(too_many_rules_are_refused),
	};
	test_alloc_init(&heap);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
