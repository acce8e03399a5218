/* dp_route: longest-prefix match against a naive list, with random additions and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rcu.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"
#include "test_alloc.h"
#include "test_random.h"

static struct test_alloc heap;

static int set_up(void **state)
{
	(void)state;
	test_alloc_init(&heap);
	rcu_thread_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rcu_thread_stop();
	assert_int_equal(heap.held, 0);
	return 0;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_true(ip_prefix_parse(span_str(text), &p));
	return p;
}

static uint32_t ip(const char *text)
{
	struct ip_addr a;
	assert_true(ip_addr_parse(span_str(text), &a));
	return ip_addr_u32(&a);
}

static void add(struct dp_routes *r, const char *text, uint32_t slot)
{
	struct ip_prefix p = prefix(text);
	assert_true(dp_route_add_own(r, &p, (struct dp_route_value){.slot = slot}));
}

static void del(struct dp_routes *r, const char *text, uint32_t slot)
{
	struct ip_prefix p = prefix(text);
	dp_route_del_own(r, &p, (struct dp_route_value){.slot = slot});
}

static uint32_t slot_to(const struct dp_routes *r, const char *text)
{
	return dp_route_find4_rcu(r, ip(text)).slot;
}

static void the_longest_prefix_wins_and_shows_through_again(void **state)
{
	(void)state;
	struct dp_routes *r = dp_routes_new(&heap.alloc);

	assert_int_equal(slot_to(r, "10.1.2.3"), DP_SLOT_NONE);
	add(r, "10.1.2.3", 1);
	add(r, "10.1.2.0/24", 2);
	add(r, "10.1.2.0/28", 3);
	add(r, "0.0.0.0/0", 4);
	assert_int_equal(dp_routes_count(r), 4);
	assert_int_equal(slot_to(r, "10.1.2.3"), 1);
	assert_int_equal(slot_to(r, "10.1.2.4"), 3);
	assert_int_equal(slot_to(r, "10.1.2.16"), 2);
	assert_int_equal(slot_to(r, "10.1.3.0"), 4);
	assert_int_equal(slot_to(r, "255.255.255.255"), 4);
	del(r, "10.1.2.3", 1);
	assert_int_equal(slot_to(r, "10.1.2.3"), 3);
	del(r, "10.1.2.0/24", 2);
	assert_int_equal(slot_to(r, "10.1.2.3"), 3);
	assert_int_equal(slot_to(r, "10.1.2.16"), 4);
	del(r, "10.1.2.0/28", 3);
	assert_int_equal(slot_to(r, "10.1.2.3"), 4);
	del(r, "0.0.0.0/0", 4);
	assert_int_equal(slot_to(r, "10.1.2.3"), DP_SLOT_NONE);
	assert_int_equal(dp_routes_count(r), 0);
	dp_routes_free(r);
}

static void only_the_present_owner_removes_a_prefix(void **state)
{
	(void)state;
	struct dp_routes *r = dp_routes_new(&heap.alloc);

	add(r, "10.0.0.1", 1);
	add(r, "10.0.0.1", 2);
	del(r, "10.0.0.1", 1);
	assert_int_equal(slot_to(r, "10.0.0.1"), 2);
	add(r, "10.0.0.0/30", 1);
	add(r, "10.0.0.0/30", 2);
	del(r, "10.0.0.0/30", 1);
	assert_int_equal(slot_to(r, "10.0.0.2"), 2);
	dp_route_del_own(r, &(struct ip_prefix){.addr = ip_addr_v4(0x0A000001), .len = 32},
			 (struct dp_route_value){.slot = 2, .generation = 1});
	assert_int_equal(slot_to(r, "10.0.0.1"), 2);
	dp_routes_free(r);
}

static void the_largest_slot_and_generation_survive(void **state)
{
	(void)state;
	struct dp_routes *r = dp_routes_new(&heap.alloc);
	struct ip_prefix host = prefix("1.2.3.4"), net = prefix("1.2.0.0/16");
	struct dp_route_value v = {.slot = (1 << DP_SLOT_BITS) - 2, .generation = 127};

	assert_true(dp_route_add_own(r, &host, v));
	assert_true(dp_route_add_own(r, &net, v));
	assert_int_equal(dp_route_find4_rcu(r, ip("1.2.3.4")).slot, v.slot);
	assert_int_equal(dp_route_find4_rcu(r, ip("1.2.3.4")).generation, 127);
	assert_int_equal(dp_route_find4_rcu(r, ip("1.2.9.9")).slot, v.slot);
	assert_int_equal(dp_route_find4_rcu(r, ip("1.2.9.9")).generation, 127);
	dp_routes_free(r);
}

/* ---- against a list of prefixes -------------------------------------------------------------- */

enum { MODEL_MAX = 400 };

struct model {
	unsigned n;
	struct ip_prefix p[MODEL_MAX];
	uint32_t slot[MODEL_MAX];
};

static int model_at(const struct model *m, const struct ip_prefix *p)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->p[i].len == p->len && ip_addr_equal(&m->p[i].addr, &p->addr))
			return (int)i;
	return -1;
}

static uint32_t model_find(const struct model *m, const struct ip_addr *a)
{
	int best = -1;

	for (unsigned i = 0; i < m->n; i++)
		if (ip_prefix_contains(&m->p[i], a) && (best < 0 || m->p[i].len > m->p[best].len))
			best = (int)i;
	return best < 0 ? DP_SLOT_NONE : m->slot[best];
}

/* Few different bits, so that prefixes nest and collide often. */
static struct ip_prefix random_prefix(struct test_random *t, uint8_t family)
{
	static const uint8_t lens4[] = {0, 3, 7, 8, 9, 15, 16, 23, 24, 25, 28, 31, 32, 32, 32};
	static const uint8_t lens6[] = {0, 1, 31, 32, 48, 56, 63, 64, 64, 65, 127, 128, 128};
	struct ip_prefix p = {.addr.family = family};
	unsigned bytes = family == 4 ? 4 : 16;

	p.len = family == 4 ? lens4[test_random_below(t, sizeof(lens4))]
			    : lens6[test_random_below(t, sizeof(lens6))];
	for (unsigned i = 0; i < bytes; i++)
		p.addr.b[i] = (uint8_t)(test_random_below(t, 3) * 0x7F);
	for (unsigned i = p.len; i < bytes * 8; i++)
		p.addr.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return p;
}

static void change(struct dp_routes *r, struct model *m, struct test_random *t, uint8_t family)
{
	struct ip_prefix p = random_prefix(t, family);
	int at = model_at(m, &p);
	uint32_t slot = (uint32_t)test_random_below(t, 1000000);

	if (test_random_below(t, 2) && m->n) { /* remove one that exists */
		at = (int)test_random_below(t, m->n);
		dp_route_del_own(r, &m->p[at], (struct dp_route_value){.slot = m->slot[at]});
		m->n--;
		m->p[at] = m->p[m->n];
		m->slot[at] = m->slot[m->n];
		return;
	}
	if (at < 0 && m->n == MODEL_MAX)
		return;
	assert_true(dp_route_add_own(r, &p, (struct dp_route_value){.slot = slot}));
	if (at < 0)
		at = (int)m->n++;
	m->p[at] = p;
	m->slot[at] = slot;
}

static struct ip_addr random_addr(struct test_random *t, uint8_t family)
{
	struct ip_addr a = {.family = family};

	for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++)
		a.b[i] = (uint8_t)(test_random_below(t, 3) * 0x7F + (test_random_below(t, 8) == 0));
	return a;
}

static void agrees_with_the_list(uint8_t family, unsigned steps)
{
	struct dp_routes *r = dp_routes_new(&heap.alloc);
	static struct model m;
	struct test_random t = {.state = family};
	uint32_t ips[64];
	struct dp_route_value batch[64];

	m.n = 0;
	for (unsigned step = 0; step < steps; step++) {
		change(r, &m, &t, family);
		for (unsigned i = 0; i < 64; i++) {
			struct ip_addr a = random_addr(&t, family);
			struct dp_route_value v = family == 4
							  ? dp_route_find4_rcu(r, ip_addr_u32(&a))
							  : dp_route_find6_rcu(r, a.b);
			assert_int_equal(v.slot, model_find(&m, &a));
			ips[i] = ip_addr_u32(&a);
		}
		dp_routes_find4_rcu(r, ips, 64, batch);
		for (unsigned i = 0; family == 4 && i < 64; i++)
			assert_int_equal(batch[i].slot, dp_route_find4_rcu(r, ips[i]).slot);
		assert_int_equal(dp_routes_count(r), m.n);
		dp_routes_turn_own(r);
		rcu_quiescent();
	}
	dp_routes_free(r);
}

static void random_ipv4_prefixes_agree_with_a_list(void **state)
{
	(void)state;
	agrees_with_the_list(4, 3000);
}

static void random_ipv6_prefixes_agree_with_a_list(void **state)
{
	(void)state;
	agrees_with_the_list(6, 3000);
}

/* At every single failing allocation the map stays as it was. */
static void out_of_memory_changes_nothing(void **state)
{
	(void)state;
	static const char *const texts[] = {"10.0.0.0/9", "10.0.0.0/26", "10.0.0.1", "10.0.1.0/30",
					    "20.0.0.1"};

	for (size_t fail = 1; fail < 12; fail++) {
		heap.gets = 0;
		heap.fail_after = fail;
		struct dp_routes *r = dp_routes_new(&heap.alloc);
		bool ok[5];
		for (unsigned i = 0; i < 5; i++) {
			struct ip_prefix p = prefix(texts[i]);
			ok[i] = dp_route_add_own(r, &p, (struct dp_route_value){.slot = i});
		}
		for (unsigned i = 0; i < 5; i++) {
			struct ip_prefix p = prefix(texts[i]);
			uint32_t slot = dp_route_find4_rcu(r, ip_addr_u32(&p.addr)).slot;
			assert_true(ok[i] ? slot != DP_SLOT_NONE : slot != i);
		}
		heap.fail_after = SIZE_MAX;
		dp_routes_free(r);
	}
}

static void a_gone_leaf_is_given_back(void **state)
{
	(void)state;
	struct dp_routes *r = dp_routes_new(&heap.alloc);

	add(r, "10.0.0.1", 1);
	del(r, "10.0.0.1", 1);
	size_t blocks = heap.blocks;
	for (int i = 0; i < 3; i++) {
		dp_routes_turn_own(r);
		rcu_quiescent();
		rcu_drain();
	}
	assert_int_equal(heap.blocks, blocks - 1);
	dp_routes_free(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_longest_prefix_wins_and_shows_through_again),
		TEST(only_the_present_owner_removes_a_prefix),
		TEST(the_largest_slot_and_generation_survive),
		TEST(random_ipv4_prefixes_agree_with_a_list),
		TEST(random_ipv6_prefixes_agree_with_a_list),
		TEST(out_of_memory_changes_nothing),
		TEST(a_gone_leaf_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
