/*
 * The owner publishes, replaces and takes away sessions and routes as fast as it can, or 20,000
 * times a second, while another thread reads: what does not change is found every time, whatever
 * the tables do meanwhile (growing included), and a reader is not slowed down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <cmocka.h>

#include "base/panic.h"
#include "base/rcu.h"
#include "dataplane/dp_route.h"
#include "dataplane/dp_table.h"
#include "test_alloc.h"
#include "test_random.h"

enum { STEADY = 5000, CHURN = 20000, BATCH = 64, PER_S = 20000, RUN_MS = 300 };

static struct test_alloc heap;
static struct dp_tables *tables;
static struct dp_routes *routes;
static uint32_t slots[STEADY + CHURN];
static bool up[STEADY + CHURN];
static _Atomic bool stop;
static _Atomic uint64_t batches;

static uint16_t tid_of(unsigned i)
{
	return (uint16_t)(1 + i / 50000);
}
static uint16_t sid_of(unsigned i)
{
	return (uint16_t)(1 + i % 50000);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return NSEC_S(ts.tv_sec) + ts.tv_nsec;
}

static struct ip_prefix address_of(unsigned i)
{
	return (struct ip_prefix){ip_addr_v4(0x0A000000 + i), 32};
}

static bool publish(unsigned i)
{
	struct dp_session_spec spec = {
		.key = {tid_of(i), sid_of(i), 1}, .flags = DP_IP4, .mru = 1492};

	return dp_publish_own(tables, 0, slots[i], &spec);
}

static bool add(unsigned i)
{
	struct ip_prefix p = address_of(i);

	slots[i] = dp_slot_take_own(tables, 0);
	struct dp_route_value v = {.slot = slots[i],
				   .generation = dp_slot_generation(tables, slots[i])};
	up[i] = slots[i] != DP_SLOT_NONE && publish(i) && dp_route_add_own(routes, &p, v);
	return up[i];
}

/* The slot is given back once its readers have gone; until then the session stays away. */
static void take_away(unsigned i)
{
	struct ip_prefix p = address_of(i);
	struct dp_route_value v = {.slot = slots[i],
				   .generation = dp_slot_generation(tables, slots[i])};

	dp_route_del_own(routes, &p, v);
	dp_unpublish_own(tables, 0, slots[i]);
	up[i] = false;
}

static bool change(struct test_random *r)
{
	unsigned i = STEADY + (unsigned)test_random_below(r, CHURN);

	if (up[i] && test_random_below(r, 2))
		return publish(i);
	if (up[i]) {
		take_away(i);
		return true;
	}
	if (slots[i] != DP_SLOT_NONE) {
		if (!dp_slot_gone_own(tables, 0, slots[i]))
			return true;
		dp_slot_free_own(tables, 0, slots[i]);
	}
	return add(i);
}

static void *read_steady(void *arg)
{
	struct test_random r = {3};
	uint32_t keys[BATCH], ips[BATCH], at[BATCH];
	const struct dp_session *found[BATCH];
	struct dp_route_value values[BATCH];
	(void)arg;

	rcu_thread_start();
	while (!atomic_load_explicit(&stop, memory_order_acquire)) {
		for (unsigned i = 0; i < BATCH; i++) {
			at[i] = (uint32_t)test_random_below(&r, STEADY);
			keys[i] = (uint32_t)tid_of(at[i]) << 16 | sid_of(at[i]);
			ips[i] = 0x0A000000 + at[i];
		}
		dp_sessions_find_rcu(tables, keys, BATCH, found);
		dp_routes_find4_rcu(routes, ips, BATCH, values);
		for (unsigned i = 0; i < BATCH; i++)
			LNS_ASSERT(found[i] && found[i]->slot == slots[at[i]] &&
				   found[i]->spec.key.sid == sid_of(at[i]) &&
				   values[i].slot == slots[at[i]]);
		atomic_fetch_add_explicit(&batches, 1, memory_order_relaxed);
		rcu_quiescent();
	}
	rcu_thread_stop();
	return NULL;
}

/* Changes for RUN_MS, `per_s` of them (0: as many as can be); returns the reader's batches. */
static uint64_t run(unsigned per_s, bool none, uint64_t *changes)
{
	struct test_random r = {9};
	int64_t start = now_ns(), passed = 0;
	uint64_t before = atomic_load_explicit(&batches, memory_order_relaxed);

	for (*changes = 0; passed < NSEC_MS(RUN_MS); passed = now_ns() - start) {
		if (none || (per_s && *changes > (uint64_t)passed * per_s / NSEC_S(1))) {
			struct timespec nap = {.tv_nsec = 50000};
			rcu_quiescent();
			nanosleep(&nap, NULL);
			continue;
		}
		assert_true(change(&r));
		++*changes;
		dp_table_turn_own(tables, 0);
		dp_routes_turn_own(routes);
		rcu_quiescent();
	}
	return atomic_load_explicit(&batches, memory_order_relaxed) - before;
}

static void readers_find_what_stays_while_all_else_changes(void **state)
{
	(void)state;
	pthread_t reader;
	uint64_t changes;

	rcu_thread_start();
	test_alloc_init(&heap);
	tables = dp_tables_new(&heap.alloc, 1);
	routes = dp_routes_new(&heap.alloc);
	for (unsigned i = 0; i < STEADY + CHURN; i++)
		slots[i] = DP_SLOT_NONE;
	for (unsigned i = 0; i < STEADY; i++)
		assert_true(add(i));
	assert_int_equal(pthread_create(&reader, NULL, read_steady, NULL), 0);
	uint64_t quiet = run(0, true, &changes);
	uint64_t paced = run(PER_S, false, &changes);
	assert_true(changes > 100); /* on a machine that does much else */
	uint64_t most = run(0, false, &changes);
	print_message(
		"reader's batches: %llu alone, %llu beside %u changes/s, %llu beside %llu/s\n",
		(unsigned long long)quiet, (unsigned long long)paced, PER_S,
		(unsigned long long)most, (unsigned long long)changes * 1000 / RUN_MS);
	assert_true(paced > 0 && most > 0);
	atomic_store_explicit(&stop, true, memory_order_release);
	pthread_join(reader, NULL);
	dp_routes_free(routes);
	dp_tables_free(tables);
	rcu_thread_stop();
	assert_int_equal(heap.held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_find_what_stays_while_all_else_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
