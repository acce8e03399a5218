/* Address pools: the rules of the file, and a long random run against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/ippool.h"
#include "test_alloc.h"
#include "test_random.h"

static struct test_alloc mem;

static struct ippool *pool_of(const char *const *lines, unsigned n)
{
	test_alloc_init(&mem);
	struct ippool *p = ippool_new(&mem.alloc);
	char err[96];

	for (unsigned i = 0; i < n; i++) {
		struct ip_prefix prefix;
		assert_true(ip_prefix_parse(span_str(lines[i]), &prefix));
		assert_true(ippool_add(p, &prefix, err));
	}
	return p;
}

static void pool_free(struct ippool *p)
{
	ippool_free(p);
	assert_int_equal(mem.blocks, 0);
}

static bool add(struct ippool *p, const char *line, char err[static 96])
{
	struct ip_prefix prefix;
	assert_true(ip_prefix_parse(span_str(line), &prefix));
	return ippool_add(p, &prefix, err);
}

static uint32_t total_of(const struct ippool *p)
{
	uint32_t used, total;
	ippool_totals(p, &used, &total);
	return total;
}

static uint32_t used_of(const struct ippool *p)
{
	uint32_t used, total;
	ippool_totals(p, &used, &total);
	return used;
}

static struct sess_key key(uint32_t n)
{
	return (struct sess_key){.tid = 1, .sid = (uint16_t)n, .gen = n + 1};
}

static uint32_t take(struct ippool *p, const char *user, uint32_t n, nsec now)
{
	struct ip_addr ip;
	return ippool_take(p, "", span_str(user), key(n), now, &ip) ? ip_addr_u32(&ip) : 0;
}

static uint32_t take_of(struct ippool *p, const char *pool, const char *user, uint32_t n)
{
	struct ip_addr ip;
	return ippool_take(p, pool, span_str(user), key(n), NSEC_ZERO, &ip) ? ip_addr_u32(&ip) : 0;
}

static void give(struct ippool *p, uint32_t ip, uint32_t n, nsec now)
{
	struct ip_addr a = ip_addr_v4(ip);
	ippool_give_back(p, &a, key(n), now);
}

static void sizes_follow_the_rules_of_the_file(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		uint32_t total; /* 0: refused */
	} cases[] = {
		{"10.0.0.0/24", 254},	   {"10.0.0.0/23", 508},
		{"10.0.0.0/16", 65024},	   {"10.0.0.0/25", 127},
		{"10.0.0.4/30", 4},	   {"10.0.0.0/30", 3},
		{"10.0.0.252/30", 3},	   {"10.0.0.4/31", 2},
		{"10.0.0.0/31", 1},	   {"10.0.0.254/31", 1},
		{"10.0.0.5/32", 1},	   {"10.0.0.5", 1},
		{"10.0.0.0/32", 0},	   {"10.0.0.255", 0},
		{"255.255.255.0/24", 254}, {"255.255.255.254/31", 1},
		{"0.0.0.0/0", 0},	   {"2001:db8::/64", 0},
		{"10.0.0.77/24", 254},	   {"128.0.0.0/1", 2130706432},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ippool *p = pool_of(NULL, 0);
		char err[96] = "";
		assert_int_equal(add(p, cases[i].line, err), cases[i].total != 0);
		assert_int_equal(total_of(p), cases[i].total);
		assert_int_equal(err[0] == '\0', cases[i].total != 0);
		/* All of them can be had, none twice, none ends in 0 or 255. */
		for (uint32_t n = 0; n < cases[i].total && cases[i].total < 70000; n++) {
			uint32_t ip = take(p, "", n, NSEC_ZERO);
			assert_true(ip != 0 && (ip & 0xFF) != 0 && (ip & 0xFF) != 255);
		}
		if (cases[i].total < 70000)
			assert_int_equal(take(p, "", 99999, NSEC_ZERO), 0);
		pool_free(p);
	}
}

static void overlapping_lines_are_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.1.0/24", "10.0.3.0/24", "10.0.2.7"};
	struct ippool *p = pool_of(lines, 3);
	char err[96];

	assert_false(add(p, "10.0.1.0/24", err));
	assert_false(add(p, "10.0.0.0/8", err));
	assert_false(add(p, "10.0.3.9", err));
	assert_false(add(p, "10.0.2.0/24", err));
	assert_true(add(p, "10.0.4.0/24", err));
	assert_true(add(p, "9.0.0.0/24", err));
	struct ip_prefix out;
	assert_true(ippool_range(p, 2, &out));
	assert_int_equal(out.len, 32); /* single addresses are routed too */
	assert_true(ippool_range(p, 4, &out));
	assert_int_equal(ip_addr_u32(&out.addr), 0x09000000);
	assert_true(ippool_has_range(p, &out));
	out.len--;
	assert_false(ippool_has_range(p, &out));
	assert_false(ippool_range(p, 5, &out));
	struct ip_addr in = ip_addr_v4(0x0A000100), outside = ip_addr_v4(0x0A000208);
	assert_true(ippool_contains(p, &in));
	assert_false(ippool_contains(p, &outside));
	pool_free(p);
}

static void the_file_s_order_is_kept(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.9.0.0/30", "10.1.0.4"};
	struct ippool *p = pool_of(lines, 2);

	assert_int_equal(take(p, "", 1, NSEC_ZERO), 0x0A090001);
	assert_int_equal(take(p, "", 2, NSEC_ZERO), 0x0A090002);
	assert_int_equal(take(p, "", 3, NSEC_ZERO), 0x0A090003);
	assert_int_equal(take(p, "", 4, NSEC_ZERO), 0x0A010004);
	assert_int_equal(take(p, "", 5, NSEC_ZERO), 0);
	pool_free(p);
}

static void a_user_gets_the_same_address_again(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.4/30"};
	struct ippool *p = pool_of(lines, 1);
	nsec now = {0};

	uint32_t alice = take(p, "alice", 1, now), bob = take(p, "bob", 2, now);
	give(p, alice, 1, now);
	give(p, bob, 2, now);
	/* Never used ones go first, so both stay remembered. */
	uint32_t carol = take(p, "carol", 3, now);
	assert_true(carol != alice && carol != bob);
	assert_int_equal(take(p, "bob", 4, now), bob);
	assert_int_equal(take(p, "alice", 5, now), alice);
	give(p, alice, 5, now);
	give(p, bob, 4, now);
	take(p, "dave", 6, now);
	/* None is fresh: the one that was free the longest. */
	assert_int_equal(take(p, "erin", 7, now), alice);
	assert_int_equal(take(p, "alice", 8, now), bob);
	assert_int_equal(take(p, "frank", 9, now), 0);
	pool_free(p);
}

static void only_the_holder_gives_back(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.4/31"};
	struct ippool *p = pool_of(lines, 1);
	uint32_t ip = take(p, "a", 1, NSEC_ZERO);

	give(p, ip, 2, NSEC_ZERO);
	give(p, 0x0B000001, 1, NSEC_ZERO);
	assert_int_equal(used_of(p), 1);
	give(p, ip, 1, NSEC_ZERO);
	give(p, ip, 1, NSEC_ZERO);
	assert_int_equal(used_of(p), 0);
	pool_free(p);
}

static void a_claimed_address_is_not_assigned(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.4/30"};
	struct ippool *p = pool_of(lines, 1);
	struct ip_addr five = ip_addr_v4(0x0A000005), zero = ip_addr_v4(0x0A000000);
	struct ip_addr outside = ip_addr_v4(0x0A000008);

	assert_true(ippool_claim(p, &five, span_str("bob"), key(1), NSEC_ZERO));
	assert_true(ippool_claim(p, &five, span_str("bob"), key(1), NSEC_ZERO));
	assert_false(ippool_claim(p, &five, span_str("eve"), key(2), NSEC_ZERO));
	assert_false(ippool_claim(p, &zero, span_str("eve"), key(2), NSEC_ZERO));
	assert_false(ippool_claim(p, &outside, span_str("eve"), key(2), NSEC_ZERO));
	assert_int_equal(used_of(p), 1);
	assert_int_equal(take(p, "", 3, NSEC_ZERO), 0x0A000004);
	assert_int_equal(take(p, "", 4, NSEC_ZERO), 0x0A000006);
	assert_int_equal(take(p, "", 5, NSEC_ZERO), 0x0A000007);
	assert_int_equal(take(p, "", 6, NSEC_ZERO), 0);
	pool_free(p);
}

static void the_view_shows_all_three_states(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.0/30", "10.0.0.9"};
	struct ippool *p = pool_of(lines, 2);
	struct ippool_view v;
	uint64_t cursor = 0;
	nsec now = {NSEC_S(10)};

	take(p, "alice", 1, now);
	give(p, take(p, "bob", 2, now), 2, now);
	now = nsec_add(now, NSEC_S(7));
	assert_true(ippool_next(p, &cursor, now, &v));
	assert_true(v.used);
	assert_string_equal(v.user, "alice");
	assert_int_equal(v.key.sid, 1);
	assert_true(ippool_next(p, &cursor, now, &v));
	assert_false(v.used);
	assert_string_equal(v.user, "bob");
	assert_int_equal(v.age_s, 7);
	assert_true(ippool_next(p, &cursor, now, &v));
	assert_int_equal(v.user_len, 0);
	assert_true(ippool_next(p, &cursor, now, &v));
	assert_int_equal(ip_addr_u32(&v.ip), 0x0A000009);
	assert_false(ippool_next(p, &cursor, now, &v));
	assert_false(ippool_next(p, &cursor, now, &v));
	pool_free(p);
}

/* ---- against a model ------------------------------------------------------------------------- */

enum { MODEL = 40, USERS = 12 };

struct model {
	bool used;
	uint32_t holder;
	int user;	/* -1: never used */
	uint64_t freed; /* order of return */
};

/* What the rules say: the user's own (any), else a fresh one (the lowest), else the oldest. */
static bool model_allows(const struct model *m, unsigned n, int user, unsigned got)
{
	bool own = false, fresh = false;
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < n; i++) {
		if (m[i].used)
			continue;
		own |= m[i].user == user;
		fresh |= m[i].user == -1;
		if (m[i].user != -1 && m[i].freed < oldest)
			oldest = m[i].freed;
	}
	if (m[got].used)
		return false;
	if (own)
		return m[got].user == user;
	if (fresh)
		return m[got].user == -1;
	return m[got].freed == oldest;
}

static void a_random_run_agrees_with_the_model(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.0/27", "10.0.0.64/29", "10.0.0.200"};
	static const char *const names[USERS] = {"a", "b", "c", "d", "e", "f",
						 "g", "h", "i", "j", "k", "l"};
	struct ippool *p = pool_of(lines, 3);
	struct test_random r = {42};
	struct model m[256];
	uint64_t order = 0;
	uint32_t total = total_of(p), used = 0;

	assert_int_equal(total, 31 + 8 + 1);
	for (unsigned i = 0; i < 256; i++) {
		bool there = (i >= 1 && i < 32) || (i >= 64 && i < 72) || i == 200;
		m[i] = (struct model){.used = !there, .user = -1};
	}
	for (uint32_t step = 0; step < 200000; step++) {
		unsigned i = (unsigned)test_random_below(&r, 256);
		if (m[i].used && m[i].user >= 0) {
			give(p, 0x0A000000 + i, m[i].holder, NSEC_ZERO);
			m[i].used = false;
			m[i].freed = ++order;
			used--;
		}
		if (test_random_below(&r, 6) == 0) {
			int user = (int)test_random_below(&r, USERS);
			uint32_t ip = take(p, names[user], step, NSEC_ZERO);
			assert_int_equal(ip == 0, used == total);
			if (ip == 0)
				continue;
			unsigned got = ip & 0xFF;
			assert_true(model_allows(m, 256, user, got));
			m[got] = (struct model){.used = true, .holder = step, .user = user};
			used++;
		}
		assert_int_equal(used_of(p), used);
	}
	pool_free(p);
}

static void a_million_addresses_cost_nothing_until_used(void **state)
{
	(void)state;
	static const char *const lines[] = {"10.0.0.0/12"};
	struct ippool *p = pool_of(lines, 1);

	assert_int_equal(total_of(p), 4096 * 254);
	assert_true(mem.held < 16384);
	for (uint32_t n = 0; n < 100000; n++)
		assert_true(take(p, "subscriber", n, NSEC_ZERO) != 0);
	assert_true(mem.held / 100000 < 160);
	pool_free(p);
}

static void out_of_memory_is_survived(void **state)
{
	(void)state;
	for (size_t fail = 0; fail < 12; fail++) {
		static const char *const lines[] = {"10.0.0.4/30"};
		struct ippool *p = pool_of(lines, 1);
		mem.fail_after = mem.gets + fail;
		uint32_t ip = take(p, "alice", 1, NSEC_ZERO);
		assert_int_equal(used_of(p), ip != 0);
		mem.fail_after = SIZE_MAX;
		if (ip)
			give(p, ip, 1, NSEC_ZERO);
		for (uint32_t n = 0; n < 4; n++)
			assert_true(take(p, "", n, NSEC_ZERO) != 0);
		assert_int_equal(take(p, "", 9, NSEC_ZERO), 0);
		pool_free(p);
	}
}

/* ---- new ranges ------------------------------------------------------------------------------ */

static void add_range(struct ippool *p, const char *text)
{
	struct ip_prefix range;
	char reason[96];
	assert_true(ip_prefix_parse(span_str(text), &range));
	assert_true(ippool_add(p, &range, reason));
}

static bool is_routed(const struct ippool *p, const char *text)
{
	struct ip_prefix wanted, range;
	assert_true(ip_prefix_parse(span_str(text), &wanted));
	for (unsigned i = 0; ippool_range(p, i, &range); i++)
		if (range.len == wanted.len && ip_addr_equal(&range.addr, &wanted.addr))
			return true;
	return false;
}

static void a_pool_that_shrinks_keeps_what_is_in_use(void **state)
{
	(void)state;
	struct test_alloc memory;
	test_alloc_init(&memory);
	struct ippool *p = ippool_new(&memory.alloc), *fresh = ippool_new(&memory.alloc);
	struct sess_key key[4] = {{1, 1, 1}, {1, 2, 1}, {1, 3, 1}, {1, 4, 1}};
	struct ip_addr ip[4], again;
	struct ip_prefix gone;
	uint32_t used, total;
	nsec now = {0};

	add_range(p, "10.0.0.0/30"); /* .1 .2 .3 */
	add_range(p, "10.0.1.0/30");
	for (unsigned i = 0; i < 4; i++)
		assert_true(ippool_take(p, "", span_str("u"), key[i], now, &ip[i]));
	ippool_give_back(p, &ip[1], key[1], now);
	/* 10.0.0.1, 10.0.0.3 and 10.0.1.1 are in use, 10.0.0.2 was. */
	add_range(fresh, "10.0.0.0/31"); /* .1 */
	assert_true(ippool_replace(p, fresh));
	ippool_free(fresh);
	ippool_totals(p, &used, &total);
	assert_int_equal(total, 1);
	assert_int_equal(used, 1);
	assert_false(ippool_take(p, "", span_str("u"), key[1], now, &again));
	assert_true(is_routed(p, "10.0.0.0/31"));
	assert_true(is_routed(p, "10.0.0.0/30"));
	assert_true(is_routed(p, "10.0.1.0/30"));
	assert_true(ippool_contains(p, &ip[3]));
	assert_false(ippool_retire(p, &gone));

	ippool_give_back(p, &ip[3], key[3], now);
	assert_true(ippool_retire(p, &gone));
	assert_int_equal(ip_addr_u32(&gone.addr), 0x0A000100);
	assert_false(is_routed(p, "10.0.1.0/30"));
	assert_false(ippool_contains(p, &ip[3]));
	assert_false(ippool_take(p, "", span_str("u"), key[3], now, &again));

	/* The old ranges come back: what was outside is inside again. */
	fresh = ippool_new(&memory.alloc);
	add_range(fresh, "10.0.0.0/30");
	assert_true(ippool_replace(p, fresh));
	ippool_totals(fresh, &used, &total); /* it may be put back: it is a pool like any other */
	assert_int_equal(total, 1);
	ippool_free(fresh);
	assert_false(ippool_retire(p, &gone));
	ippool_totals(p, &used, &total);
	assert_int_equal(total, 3);
	assert_int_equal(used, 2);
	assert_true(ippool_take(p, "", span_str("v"), key[1], now, &again));
	assert_int_equal(ip_addr_u32(&again), 0x0A000002);
	assert_false(ippool_take(p, "", span_str("w"), key[3], now, &again));
	ippool_give_back(p, &ip[2], key[2], now);
	ippool_give_back(p, &ip[0], key[0], now);
	ippool_free(p);
	assert_int_equal(memory.blocks, 0);
}

/* Whatever ranges come and go: addresses in use stay with their holders and are routed. */
static void ranges_may_change_at_random(void **state)
{
	(void)state;
	enum { HOLDERS = 64, ROUNDS = 400 };
	static const char *const choices[] = {"10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/26",
					      "10.0.0.8/29", "10.0.1.0/28", "10.0.0.0/23"};
	struct test_alloc memory;
	struct test_random r = {5};
	struct ip_addr held[HOLDERS] = {0};
	test_alloc_init(&memory);
	struct ippool *p = ippool_new(&memory.alloc);

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct ippool *fresh = ippool_new(&memory.alloc);
		struct ip_prefix range;
		char reason[96];
		for (unsigned i = 0; i < 3; i++) {
			const char *text = choices[test_random_below(&r, 6)];
			ip_prefix_parse(span_str(text), &range);
			ippool_add(fresh, &range, reason); /* overlaps are refused */
		}
		assert_true(ippool_replace(p, fresh));
		ippool_free(fresh);
		for (unsigned n = 0; n < 40; n++) {
			unsigned i = (unsigned)test_random_below(&r, HOLDERS);
			struct sess_key key = {1, (uint16_t)(i + 1), 1};
			if (ip_addr_is_set(&held[i])) {
				ippool_give_back(p, &held[i], key, (nsec){0});
				held[i] = (struct ip_addr){0};
			} else if (!ippool_take(p, "", span_str("x"), key, (nsec){0}, &held[i])) {
				held[i] = (struct ip_addr){0};
			}
			if (n % 8 == 0)
				ippool_retire(p, &range);
		}
		for (unsigned i = 0; i < HOLDERS; i++) {
			assert_true(!ip_addr_is_set(&held[i]) || ippool_contains(p, &held[i]));
			for (unsigned j = 0; j < i; j++)
				assert_false(ip_addr_is_set(&held[i]) &&
					     ip_addr_equal(&held[i], &held[j]));
		}
	}
	ippool_free(p);
	assert_int_equal(memory.blocks, 0);
}

/* "" has 10.0.0.1 and .2, gold 10.1.0.1 and .2 and then silver, silver 10.2.0.1 and then gold. */
static struct ippool *named_pools(void)
{
	static const char *const base[] = {"10.0.0.1", "10.0.0.2"};
	struct ippool *p = pool_of(base, 2);
	char err[96];

	assert_true(ippool_open(p, "gold", "silver", err));
	assert_true(add(p, "10.1.0.1", err));
	assert_true(add(p, "10.1.0.2", err));
	assert_int_equal(ippool_broken_chain(p), 1);
	assert_true(ippool_open(p, "silver", "gold", err));
	assert_true(add(p, "10.2.0.1", err));
	assert_int_equal(ippool_broken_chain(p), 0);
	return p;
}

static void named_pools_are_taken_from_along_their_chain(void **state)
{
	(void)state;
	struct ippool *p = named_pools();
	struct ippool_name_view v;

	assert_true(ippool_has_names(p));
	assert_true(ippool_has(p, "") && ippool_has(p, "gold") && !ippool_has(p, "copper"));
	assert_int_equal(take_of(p, "copper", "u", 1), 0);
	assert_int_equal(take_of(p, "gold", "a", 1), 0x0A010001);
	assert_int_equal(take_of(p, "gold", "b", 2), 0x0A010002);
	assert_int_equal(take_of(p, "gold", "c", 3), 0x0A020001); /* silver goes on */
	assert_int_equal(take_of(p, "gold", "d", 4), 0);	  /* the ring ends */
	assert_int_equal(take_of(p, "", "d", 4), 0x0A000001);
	assert_int_equal(take_of(p, "", "e", 5), 0x0A000002);
	assert_int_equal(take_of(p, "", "f", 6), 0); /* it has no next */
	assert_true(ippool_name(p, 1, &v));
	assert_string_equal(v.name, "gold");
	assert_string_equal(v.next, "silver");
	assert_int_equal(v.used, 2);
	assert_int_equal(v.total, 2);
	assert_false(ippool_name(p, 3, &v));
	/* The same user gets the same address again only from the pool that is asked. */
	give(p, 0x0A010002, 2, NSEC_ZERO);
	give(p, 0x0A000001, 4, NSEC_ZERO);
	give(p, 0x0A010001, 1, NSEC_ZERO);
	assert_int_equal(take_of(p, "gold", "d", 4), 0x0A010002);
	assert_int_equal(take_of(p, "gold", "a", 1), 0x0A010001);
	assert_int_equal(take_of(p, "", "d", 7), 0x0A000001);
	static const uint32_t ips[] = {0x0A010001, 0x0A010002, 0x0A020001, 0x0A000001, 0x0A000002};
	static const uint32_t holders[] = {1, 4, 3, 7, 5};
	for (unsigned i = 0; i < 5; i++)
		give(p, ips[i], holders[i], NSEC_ZERO);
	assert_int_equal(used_of(p), 0);
	pool_free(p);
}

static void addresses_move_with_their_range_to_another_pool(void **state)
{
	(void)state;
	struct ippool *p = named_pools(), *fresh = ippool_new(&mem.alloc);
	struct ippool_name_view v;
	char err[96];

	assert_int_equal(take_of(p, "gold", "a", 1), 0x0A010001);
	assert_int_equal(take_of(p, "gold", "b", 2), 0x0A010002);
	assert_int_equal(take_of(p, "silver", "c", 3), 0x0A020001);
	give(p, 0x0A010002, 2, NSEC_ZERO);
	/* gold is gone, its network is copper's now; silver's is nobody's. */
	assert_true(ippool_open(fresh, "copper", "", err));
	assert_true(add(fresh, "10.1.0.0/30", err));
	assert_true(ippool_replace(p, fresh));
	ippool_free(fresh);
	assert_false(ippool_has(p, "gold"));
	assert_true(ippool_name(p, 1, &v));
	assert_int_equal(v.used, 1);
	assert_int_equal(v.total, 3);
	assert_int_equal(take_of(p, "copper", "b", 2), 0x0A010002);
	assert_int_equal(take_of(p, "copper", "x", 4), 0x0A010003);
	assert_int_equal(take_of(p, "copper", "y", 5), 0);
	assert_int_equal(take_of(p, "", "y", 5), 0);
	give(p, 0x0A020001, 3, NSEC_ZERO); /* a retired one */
	give(p, 0x0A010001, 1, NSEC_ZERO);
	give(p, 0x0A010002, 2, NSEC_ZERO);
	give(p, 0x0A010003, 4, NSEC_ZERO);
	assert_true(ippool_name(p, 1, &v));
	assert_int_equal(v.used, 0);
	assert_int_equal(used_of(p), 0);
	pool_free(p);
}

static void names_are_used_once(void **state)
{
	(void)state;
	struct ippool *p = named_pools();
	char err[96], name[40];

	assert_false(ippool_open(p, "gold", "", err));
	assert_false(ippool_open(p, "a-name-of-32-characters-is-too-l", "", err));
	assert_false(ippool_open(p, "x", "a-name-of-32-characters-is-too-l", err));
	for (unsigned i = 3; i <= IPPOOL_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "pool%u", i);
		assert_true(ippool_open(p, name, "", err));
	}
	assert_false(ippool_open(p, "one-more", "", err));
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_follow_the_rules_of_the_file),
		cmocka_unit_test(overlapping_lines_are_refused),
		cmocka_unit_test(the_file_s_order_is_kept),
		cmocka_unit_test(a_user_gets_the_same_address_again),
		cmocka_unit_test(only_the_holder_gives_back),
		cmocka_unit_test(a_claimed_address_is_not_assigned),
		cmocka_unit_test(the_view_shows_all_three_states),
		cmocka_unit_test(a_random_run_agrees_with_the_model),
		cmocka_unit_test(a_million_addresses_cost_nothing_until_used),
		cmocka_unit_test(out_of_memory_is_survived),
		cmocka_unit_test(a_pool_that_shrinks_keeps_what_is_in_use),
		cmocka_unit_test(ranges_may_change_at_random),
		cmocka_unit_test(named_pools_are_taken_from_along_their_chain),
		cmocka_unit_test(addresses_move_with_their_range_to_another_pool),
		cmocka_unit_test(names_are_used_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
