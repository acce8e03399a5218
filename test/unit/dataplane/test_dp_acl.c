/* dp_acl: what each part of a rule means, and the same answers as a slow walk of the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/wbuf.h"
#include "dataplane/dp_acl.h"
#include "dataplane/dp_ip.h"
#include "test_alloc.h"
#include "test_random.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, PACKET_MAX = 64 };

static struct {
	struct test_alloc heap;
	struct dp_acl_rule rules[DP_ACL_RULES_MAX];
	uint32_t n;
} w;

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	test_alloc_init(&w.heap);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(w.heap.held, 0);
	return 0;
}

/* ---- packets --------------------------------------------------------------------------------- */

struct packet {
	uint32_t src, dst;
	uint8_t proto, flags;
	uint16_t sport, dport, offset; /* of the fragment, in units of 8 bytes */
	size_t cut;		       /* bytes missing at the end */
};

static size_t build(const struct packet *p, uint8_t *out)
{
	struct wbuf b = wbuf_of(out, PACKET_MAX);
	size_t l4 = p->proto == IP_TCP ? 20 : 8;
	struct dp_ip4 h = {.total_len = (uint16_t)(IP4_HEADER + l4 - p->cut),
			   .fragment = p->offset,
			   .proto = p->proto,
			   .src = p->src,
			   .dst = p->dst};

	dp_ip4_encode(&b, &h, span_of(NULL, 0));
	wbuf_u16(&b, p->sport);
	wbuf_u16(&b, p->dport);
	for (unsigned i = 0; i < 9; i++)
		wbuf_u8(&b, 0x50);
	wbuf_u8(&b, p->flags);
	for (unsigned i = 0; i < 6; i++)
		wbuf_u8(&b, 0);
	return IP4_HEADER + l4 - p->cut;
}

static int match(const struct dp_acl *l, const struct packet *p)
{
	uint8_t bytes[PACKET_MAX];
	size_t n = build(p, bytes);
	uint8_t *exact = malloc(n); /* so that AddressSanitizer sees a read behind it */

	memcpy(exact, bytes, n);
	int rule = dp_acl_match(l, span_of(exact, n));
	free(exact);
	return rule;
}

static struct dp_acl *compile(void)
{
	struct dp_acl *l = dp_acl_new(&w.heap.alloc, "test", w.rules, w.n, 2);
	assert_non_null(l);
	return l;
}

static struct dp_acl_rule *add(bool permit, uint8_t proto)
{
	w.rules[w.n] = (struct dp_acl_rule){
		.permit = permit, .proto = proto, .src_wild = UINT32_MAX, .dst_wild = UINT32_MAX};
	return &w.rules[w.n++];
}

static bool passes(const struct packet *p)
{
	struct dp_acl *l = compile();
	int rule = match(l, p);
	uint8_t bytes[PACKET_MAX];
	size_t n = build(p, bytes);
	bool permit = dp_acl_permits(l, 1, span_of(bytes, n));

	assert_int_equal(permit, rule >= 0 && w.rules[rule].permit);
	if (rule >= 0)
		assert_int_equal(dp_acl_hits(l, (uint32_t)rule), 1);
	dp_acl_free(l);
	return permit;
}

/* ---- the slow way ---------------------------------------------------------------------------- */

static bool port_ok(const struct dp_acl_ports *t, uint16_t port)
{
	bool in = t->low <= port && port <= t->high;
	return !t->test || (t->outside ? !in : in);
}

static bool tcp_ok(const struct dp_acl_rule *r, uint8_t flags)
{
	bool any = false, all = true;

	if (r->flags_op == DP_ACL_FLAGS_NONE)
		return true;
	if (r->flags_op == DP_ACL_ESTABLISHED)
		return (flags & ACK || flags & RST) && !(flags & SYN);
	for (unsigned bit = 1; bit < 64; bit *= 2) {
		if (r->set & bit) {
			any |= (flags & bit) != 0;
			all &= (flags & bit) != 0;
		}
		if (r->clear & bit) {
			any |= (flags & bit) == 0;
			all &= (flags & bit) == 0;
		}
	}
	return r->flags_op == DP_ACL_MATCH_ANY ? any : all;
}

static bool rule_matches(const struct dp_acl_rule *r, const struct packet *p)
{
	bool l4 = r->src_ports.test || r->dst_ports.test || r->flags_op;

	if (r->proto && r->proto != p->proto)
		return false;
	if ((p->src ^ r->src) & ~r->src_wild || (p->dst ^ r->dst) & ~r->dst_wild)
		return false;
	if (p->offset)
		return r->permit || !l4;
	if (r->fragments)
		return false;
	if (p->proto != IP_TCP && p->proto != IP_UDP)
		return !r->src_ports.test && !r->dst_ports.test;
	if (!port_ok(&r->src_ports, p->sport) || !port_ok(&r->dst_ports, p->dport))
		return false;
	return p->proto != IP_TCP || tcp_ok(r, p->flags);
}

static int slowly(const struct packet *p)
{
	size_t l4 = p->proto == IP_TCP ? 14 : p->proto == IP_UDP ? 4 : 0;
	size_t have = (p->proto == IP_TCP ? 20 : 8) - p->cut;

	if (p->offset == 0 && have < l4)
		return -1;
	if (p->proto == IP_TCP && p->offset == 1)
		return -1;
	for (uint32_t i = 0; i < w.n; i++)
		if (rule_matches(&w.rules[i], p))
			return (int)i;
	return -1;
}

/* ---- random rules, random packets ------------------------------------------------------------ */

static uint32_t some_address(struct test_random *r)
{
	return 0x0A000000u | (uint32_t)(test_random_u64(r) & 0x03030303u);
}

static uint32_t some_wildcard(struct test_random *r)
{
	switch (test_random_below(r, 5)) {
	case 0:
		return UINT32_MAX;
	case 1:
		return 0;
	case 2:
		return (uint32_t)test_random_u64(r); /* holes and all */
	default:
		return (uint32_t)((UINT64_C(1) << test_random_below(r, 33)) - 1);
	}
}

static struct dp_acl_ports some_ports(struct test_random *r)
{
	struct dp_acl_ports p = {.test = test_random_below(r, 2)};

	if (!p.test)
		return (struct dp_acl_ports){0};
	p.outside = test_random_below(r, 4) == 0;
	p.low = (uint16_t)test_random_below(r, test_random_below(r, 2) ? 65536 : 20);
	p.high = (uint16_t)(test_random_below(r, 3) ? p.low : test_random_below(r, 65536));
	return p;
}

static struct dp_acl_rule some_rule(struct test_random *r)
{
	static const uint8_t protos[] = {0, IP_TCP, IP_TCP, IP_UDP};
	struct dp_acl_rule x = {.permit = test_random_below(r, 2),
				.proto = protos[test_random_below(r, 4)],
				.src = some_address(r),
				.src_wild = some_wildcard(r),
				.dst = some_address(r),
				.dst_wild = some_wildcard(r)};

	if (x.proto) {
		x.src_ports = some_ports(r);
		x.dst_ports = some_ports(r);
	}
	if (x.proto == IP_TCP && test_random_below(r, 3) == 0) {
		x.flags_op = (uint8_t)test_random_below(r, 4);
		x.set = x.flags_op > DP_ACL_ESTABLISHED ? test_random_u64(r) & 63 : 0;
		x.clear = x.flags_op > DP_ACL_ESTABLISHED ? test_random_u64(r) & 63 & ~x.set : 0;
	}
	x.fragments = !x.src_ports.test && !x.dst_ports.test && !x.flags_op &&
		      test_random_below(r, 6) == 0;
	return x;
}

static uint16_t some_port(struct test_random *r)
{
	const struct dp_acl_rule *x = &w.rules[test_random_below(r, w.n)];

	if (test_random_below(r, 2))
		return (uint16_t)(x->dst_ports.low + test_random_below(r, 3) - 1);
	return (uint16_t)test_random_below(r, test_random_below(r, 2) ? 65536 : 20);
}

static struct packet some_packet(struct test_random *r)
{
	static const uint8_t protos[] = {IP_TCP, IP_TCP, IP_UDP, IP_ICMP, 47};
	struct packet p = {.src = some_address(r),
			   .dst = some_address(r),
			   .proto = protos[test_random_below(r, 5)],
			   .flags = test_random_u64(r) & 63,
			   .sport = some_port(r),
			   .dport = some_port(r)};

	if (test_random_below(r, 5) == 0)
		p.offset = (uint16_t)test_random_below(r, 4);
	if (test_random_below(r, 10) == 0)
		p.cut = test_random_below(r, 8);
	return p;
}

static void compare(struct test_random *r, uint32_t rules, unsigned packets)
{
	w.n = 0;
	while (w.n < rules)
		w.rules[w.n++] = some_rule(r);
	struct dp_acl *l = compile();
	for (unsigned i = 0; i < packets; i++) {
		struct packet p = some_packet(r);
		assert_int_equal(match(l, &p), slowly(&p));
	}
	dp_acl_free(l);
}

static void answers_are_those_of_a_walk(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 10, 63, 64, 65, 127, 129, 400};
	struct test_random r = {.state = 1};

	(void)state;
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			compare(&r, sizes[i], 500);
	compare(&r, DP_ACL_RULES_MAX, 2000);
}

/* Many rules that differ in one part only. */
static void rules_of_one_kind(void **state)
{
	struct test_random r = {.state = 2};

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct dp_acl_rule *x = add(i % 2, IP_TCP);
		x->dst_ports = (struct dp_acl_ports){
			.test = true, .low = (uint16_t)(i * 3), .high = (uint16_t)(i * 3 + i % 3)};
	}
	struct dp_acl *l = compile();
	for (unsigned i = 0; i < 20000; i++) {
		struct packet p = some_packet(&r);
		p.dport = (uint16_t)test_random_below(&r, 3100);
		assert_int_equal(match(l, &p), slowly(&p));
	}
	dp_acl_free(l);
}

/* As many ranges as there can be, next to and over each other, up to both ends of all ports. */
static void the_longest_list_of_ranges(void **state)
{
	struct test_random r = {.state = 3};

	(void)state;
	for (uint32_t i = 0; i < DP_ACL_RULES_MAX; i++) {
		struct dp_acl_rule *x = add(i % 2, IP_TCP);
		uint16_t low = (uint16_t)(i * 16), length = (uint16_t)test_random_below(&r, 40);
		x->dst_ports = (struct dp_acl_ports){.test = true, .low = low, .high = 65535};
		if (low < 65535 - length)
			x->dst_ports.high = (uint16_t)(low + length);
		x->src_ports = x->dst_ports;
		x->src_ports.outside = i % 7 != 0;
		x->src_wild = x->dst_wild = UINT32_MAX;
	}
	struct dp_acl *l = compile();
	for (unsigned i = 0; i < 20000; i++) {
		struct packet p = {.proto = IP_TCP, .sport = some_port(&r), .dport = some_port(&r)};
		assert_int_equal(match(l, &p), slowly(&p));
	}
	dp_acl_free(l);
}

/* ---- the meaning of rules -------------------------------------------------------------------- */

static const struct packet web = {.src = 0x0A000001,
				  .dst = 0xC0000201,
				  .proto = IP_TCP,
				  .sport = 4000,
				  .dport = 80,
				  .flags = SYN};

static void an_empty_list_denies(void **state)
{
	(void)state;
	assert_false(passes(&web));
}

static void the_first_match_decides(void **state)
{
	(void)state;
	add(true, IP_TCP);
	add(false, 0);
	assert_true(passes(&web));
	w.n = 0;
	add(false, IP_TCP);
	add(true, 0);
	assert_false(passes(&web));
}

static void what_no_rule_matches_is_denied(void **state)
{
	(void)state;
	add(true, IP_UDP);
	assert_false(passes(&web));
}

static void established_is_ack_or_rst_without_syn(void **state)
{
	struct packet p = web;

	(void)state;
	add(true, IP_TCP)->flags_op = DP_ACL_ESTABLISHED;
	assert_false(passes(&p));
	p.flags = SYN | ACK;
	assert_false(passes(&p));
	p.flags = ACK;
	assert_true(passes(&p));
	p.flags = RST;
	assert_true(passes(&p));
	p.flags = FIN;
	assert_false(passes(&p));
}

static void any_and_all_of_the_flags(void **state)
{
	struct packet p = web;

	(void)state;
	struct dp_acl_rule *r = add(true, IP_TCP);
	*r = (struct dp_acl_rule){.permit = true,
				  .proto = IP_TCP,
				  .src_wild = UINT32_MAX,
				  .dst_wild = UINT32_MAX,
				  .flags_op = DP_ACL_MATCH_ALL,
				  .set = PSH | ACK,
				  .clear = URG};
	p.flags = PSH | ACK | FIN;
	assert_true(passes(&p));
	p.flags = PSH | ACK | URG;
	assert_false(passes(&p));
	w.rules[0].flags_op = DP_ACL_MATCH_ANY;
	assert_true(passes(&p));
	p.flags = URG;
	assert_false(passes(&p));
	p.flags = 0;
	assert_true(passes(&p));
}

static void fragments_behind_the_first(void **state)
{
	struct packet rest = web;

	(void)state;
	rest.offset = 100;
	add(false, IP_TCP)->dst_ports = (struct dp_acl_ports){.test = true, .low = 80, .high = 80};
	add(true, 0);
	assert_true(passes(&rest)); /* nobody knows its port */
	w.n = 0;
	add(true, IP_TCP)->dst_ports = (struct dp_acl_ports){.test = true, .low = 22, .high = 22};
	assert_true(passes(&rest));
	w.n = 0;
	add(false, 0)->fragments = true;
	add(true, 0);
	assert_false(passes(&rest));
	assert_true(passes(&web));
}

/* RFC 3128: it could overwrite the flags that the first fragment was judged by. */
static void tcp_fragments_at_eight_bytes_never_pass(void **state)
{
	struct packet p = web;

	(void)state;
	add(true, 0);
	p.offset = 1;
	assert_false(passes(&p));
	p.proto = IP_UDP;
	assert_true(passes(&p));
}

static void cut_headers_never_pass(void **state)
{
	uint8_t bytes[PACKET_MAX];

	(void)state;
	add(true, 0);
	struct dp_acl *l = compile();
	size_t n = build(&web, bytes);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dp_acl_match(l, span_of(bytes, i)), -1);
	assert_int_equal(dp_acl_match(l, span_of(bytes, n)), 0);
	bytes[0] = 0x60 | 5;
	assert_int_equal(dp_acl_match(l, span_of(bytes, n)), -1);
	dp_acl_free(l);
}

static void hits_are_added_up(void **state)
{
	uint8_t bytes[PACKET_MAX];

	(void)state;
	add(false, IP_UDP);
	add(true, 0);
	struct dp_acl *l = compile();
	size_t n = build(&web, bytes);
	for (unsigned i = 0; i < 10; i++)
		assert_true(dp_acl_permits(l, i % 2, span_of(bytes, n)));
	assert_int_equal(dp_acl_hits(l, 0), 0);
	assert_int_equal(dp_acl_hits(l, 1), 10);
	dp_acl_free(l);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static void unchanged_lists_keep_their_hits(void **state)
{
	uint8_t bytes[PACKET_MAX];
	size_t n = build(&web, bytes);

	(void)state;
	add(true, 0);
	struct dp_acls *a = dp_acls_new(&w.heap.alloc, 1);
	assert_true(dp_acls_add(a, NULL, "same", w.rules, 1, 1));
	assert_true(dp_acls_add(a, NULL, "other", w.rules, 1, 1));
	assert_true(dp_acl_permits(dp_acls_find(a, "same"), 0, span_of(bytes, n)));
	assert_true(dp_acl_permits(dp_acls_find(a, "other"), 0, span_of(bytes, n)));
	struct dp_acls *b = dp_acls_new(&w.heap.alloc, 2);
	assert_true(dp_acls_add(b, a, "same", w.rules, 1, 1));
	w.rules[0].permit = false;
	assert_true(dp_acls_add(b, a, "other", w.rules, 1, 1));
	dp_acls_free(a);
	assert_int_equal(dp_acl_hits(dp_acls_find(b, "same"), 0), 1);
	assert_int_equal(dp_acl_hits(dp_acls_find(b, "other"), 0), 0);
	assert_null(dp_acls_find(b, "none"));
	assert_int_equal(dp_acls_version(b), 2);
	dp_acls_free(b);
}

static void out_of_memory_is_told(void **state)
{
	struct test_random r = {.state = 3};
	bool done = false;

	(void)state;
	while (w.n < 100)
		w.rules[w.n++] = some_rule(&r);
	for (size_t gets = 0; !done; gets++) {
		w.heap.fail_after = w.heap.gets + gets;
		struct dp_acls *s = dp_acls_new(&w.heap.alloc, 1);
		done = s && dp_acls_add(s, NULL, "a", w.rules, w.n, 2);
		dp_acls_free(s);
		assert_int_equal(w.heap.held, 0);
	}
	w.heap.fail_after = SIZE_MAX;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(answers_are_those_of_a_walk),
		TEST(rules_of_one_kind),
		TEST(the_longest_list_of_ranges),
		TEST(an_empty_list_denies),
		TEST(the_first_match_decides),
		TEST(what_no_rule_matches_is_denied),
		TEST(established_is_ack_or_rst_without_syn),
		TEST(any_and_all_of_the_flags),
		TEST(fragments_behind_the_first),
		TEST(tcp_fragments_at_eight_bytes_never_pass),
		TEST(cut_headers_never_pass),
		TEST(hits_are_added_up),
		TEST(unchanged_lists_keep_their_hits),
		TEST(out_of_memory_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
