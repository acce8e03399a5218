/* dp_table: forwarding records against a model, while the hash grows and slots rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rcu.h"
#include "dataplane/dp_table.h"
#include "test_alloc.h"
#include "test_random.h"

static struct test_alloc heap;

static struct dp_session_spec spec_of(uint16_t tid, uint16_t sid, uint32_t gen)
{
	return (struct dp_session_spec){
		.key = {.tid = tid, .sid = sid, .gen = gen},
		.peer_tid = (uint16_t)(tid + 1),
		.peer_sid = (uint16_t)(sid + 1),
		.flags = DP_IP4,
		.mru = 1492,
	};
}

/* Lets every grace period that can end do so. */
static void settle(struct dp_tables *t, unsigned n)
{
	for (int i = 0; i < 4; i++) {
		for (unsigned w = 0; w < n; w++)
			dp_table_turn_own(t, w);
		rcu_quiescent();
		rcu_drain();
	}
	for (unsigned w = 0; w < n; w++)
		dp_table_turn_own(t, w);
}

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

static void a_published_record_is_found_by_key_and_by_slot(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 2);
	uint32_t slot = dp_slot_take_own(t, 1);
	struct dp_session_spec spec = spec_of(7, 9, 1);

	assert_null(dp_session_find_rcu(t, 7, 9));
	assert_true(dp_publish_own(t, 1, slot, &spec));
	const struct dp_session *s = dp_session_find_rcu(t, 7, 9);
	assert_non_null(s);
	assert_ptr_equal(s, dp_session_at_rcu(t, slot));
	assert_int_equal(s->slot, slot);
	assert_int_equal(s->generation, dp_slot_generation(t, slot));
	assert_null(dp_session_find_rcu(t, 9, 7));
	assert_null(dp_session_find_rcu(t, 7, 10));
	assert_null(dp_session_at_rcu(t, slot + 1));
	assert_null(dp_session_at_rcu(t, DP_SLOT_NONE));
	dp_tables_free(t);
}

static void the_header_follows_what_the_peer_wants(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	uint32_t slot = dp_slot_take_own(t, 0);
	struct dp_session_spec spec = spec_of(1, 1, 1);
	static const uint8_t plain[] = {0, 2, 0xAB, 0xCD, 0x12, 0x34, 0xFF, 0x03, 0x00, 0x21};
	static const uint8_t shortest[] = {0, 2, 0xAB, 0xCD, 0x12, 0x34, 0x21};

	spec.peer_tid = 0xABCD;
	spec.peer_sid = 0x1234;
	assert_true(dp_publish_own(t, 0, slot, &spec));
	const struct dp_session *s = dp_session_at_rcu(t, slot);
	assert_int_equal(s->header_len, sizeof(plain));
	assert_memory_equal(s->header, plain, sizeof(plain));
	spec.flags |= DP_TX_ACFC | DP_TX_PFC;
	assert_true(dp_publish_own(t, 0, slot, &spec));
	s = dp_session_at_rcu(t, slot);
	assert_int_equal(s->header_len, sizeof(shortest));
	assert_memory_equal(s->header, shortest, sizeof(shortest));
	dp_tables_free(t);
}

static void an_unpublished_slot_is_gone_only_after_a_grace_period(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	uint32_t slot = dp_slot_take_own(t, 0);
	struct dp_session_spec spec = spec_of(1, 2, 1);

	assert_true(dp_publish_own(t, 0, slot, &spec));
	dp_unpublish_own(t, 0, slot);
	assert_null(dp_session_find_rcu(t, 1, 2));
	assert_null(dp_session_at_rcu(t, slot));
	dp_table_turn_own(t, 0);
	assert_false(dp_slot_gone_own(t, 0, slot));
	settle(t, 1);
	assert_true(dp_slot_gone_own(t, 0, slot));
	dp_slot_free_own(t, 0, slot);
	dp_tables_free(t);
}

static void a_reader_keeps_the_record_that_was_replaced(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	uint32_t slot = dp_slot_take_own(t, 0);
	struct dp_session_spec spec = spec_of(1, 2, 1);

	assert_true(dp_publish_own(t, 0, slot, &spec));
	const struct dp_session *before = dp_session_find_rcu(t, 1, 2);
	spec.mru = 1000;
	assert_true(dp_publish_own(t, 0, slot, &spec));
	for (int i = 0; i < 10; i++)
		dp_table_turn_own(t, 0);
	assert_int_equal(before->spec.mru, 1492);
	assert_int_equal(dp_session_find_rcu(t, 1, 2)->spec.mru, 1000);
	dp_tables_free(t);
}

static void a_slot_rests_and_comes_back_with_another_generation(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	uint32_t slot = dp_slot_take_own(t, 0);
	uint8_t generation = dp_slot_generation(t, slot);
	unsigned others = 0;

	dp_slot_counters_own(t, 0, slot)->up_packets = 5;
	dp_slot_free_own(t, 0, slot);
	for (uint32_t s; (s = dp_slot_take_own(t, 0)) != slot; others++)
		dp_slot_free_own(t, 0, s);
	assert_true(others >= 256);
	assert_int_not_equal(dp_slot_generation(t, slot), generation);
	struct sess_counters c;
	dp_counters_read(dp_slot_counters(t, slot), &c);
	assert_int_equal(c.up_packets, 0);
	dp_tables_free(t);
}

enum { MODEL_TIDS = 30, MODEL_SIDS = 2000, MODEL_N = MODEL_TIDS * MODEL_SIDS };

struct model {
	uint32_t slot[MODEL_N]; /* DP_SLOT_NONE = not up */
	uint16_t mru[MODEL_N];
};

static void check_model(const struct dp_tables *t, const struct model *m)
{
	uint32_t keys[DP_BATCH];
	const struct dp_session *found[DP_BATCH];

	for (unsigned i = 0; i < MODEL_N; i += 200) {
		for (unsigned j = 0; j < 200; j++)
			keys[j] = (i + j) / MODEL_SIDS << 16 | (i + j) % MODEL_SIDS;
		dp_sessions_find_rcu(t, keys, 200, found);
		for (unsigned j = 0; j < 200; j++) {
			const struct dp_session *s = dp_session_find_rcu(
				t, (uint16_t)(keys[j] >> 16), (uint16_t)keys[j]);
			assert_ptr_equal(s, found[j]);
			assert_int_equal(s != NULL, m->slot[i + j] != DP_SLOT_NONE);
			if (!s)
				continue;
			assert_int_equal(s->slot, m->slot[i + j]);
			assert_int_equal(s->spec.mru, m->mru[i + j]);
		}
	}
}

/* Sessions come, change and go at random; the population swells and shrinks, so the hash grows,
 * gets crowded with marks and becomes smaller again. */
static void random_life_agrees_with_the_model(void **state)
{
	(void)state;
	enum { WORKERS = 3 };
	struct dp_tables *t = dp_tables_new(&heap.alloc, WORKERS);
	struct model *m = malloc(sizeof(*m));
	struct test_random random = {.state = 1};

	memset(m->slot, 0xFF, sizeof(m->slot));
	for (unsigned step = 0; step < 600000; step++) {
		uint64_t x = test_random_u64(&random);
		unsigned i = (unsigned)(x >> 20) % MODEL_N;
		unsigned chance = (unsigned)(x >> 8) & 0xF;
		bool swelling = (step / 100000) % 2 == 0;
		unsigned w = (i % MODEL_SIDS) % WORKERS;
		struct dp_session_spec spec =
			spec_of((uint16_t)(i / MODEL_SIDS), (uint16_t)(i % MODEL_SIDS), 1);
		spec.mru = (uint16_t)(x >> 40);
		if (m->slot[i] == DP_SLOT_NONE && chance < (swelling ? 14 : 2)) {
			m->slot[i] = dp_slot_take_own(t, w);
			assert_true(dp_publish_own(t, w, m->slot[i], &spec));
			m->mru[i] = spec.mru;
		} else if (m->slot[i] != DP_SLOT_NONE && chance < (swelling ? 2 : 14)) {
			dp_unpublish_own(t, w, m->slot[i]);
			m->slot[i] = DP_SLOT_NONE;
		} else if (m->slot[i] != DP_SLOT_NONE) {
			assert_true(dp_publish_own(t, w, m->slot[i], &spec));
			m->mru[i] = spec.mru;
		}
		if (step % 64 == 0) {
			dp_table_turn_own(t, step / 64 % WORKERS);
			rcu_quiescent();
		}
		if (step % 50000 == 49999)
			check_model(t, m);
	}
	check_model(t, m);
	free(m);
	dp_tables_free(t);
}

static void out_of_memory_leaves_the_old_record(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	uint32_t slot = dp_slot_take_own(t, 0);
	struct dp_session_spec spec = spec_of(1, 2, 1);
	unsigned published = 1;

	assert_true(dp_publish_own(t, 0, slot, &spec));
	heap.fail_after = 0;
	spec.mru = 1000;
	/* No grace period ends, so each replacement takes a new record until the block is used. */
	while (dp_publish_own(t, 0, slot, &spec))
		published++;
	assert_true(published < 1000);
	assert_int_equal(dp_session_at_rcu(t, slot)->spec.mru, 1000);
	while (dp_slot_take_own(t, 0) != DP_SLOT_NONE)
		;
	heap.fail_after = SIZE_MAX;
	settle(t, 1);
	assert_true(dp_publish_own(t, 0, slot, &spec));
	dp_tables_free(t);
}

/* Churn must not use memory that grows with time. */
static void churn_reuses_memory(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 1);
	size_t after_first = 0;

	for (unsigned round = 0; round < 60; round++) {
		uint32_t slots[100];
		for (unsigned i = 0; i < 100; i++) {
			struct dp_session_spec spec =
				spec_of((uint16_t)round, (uint16_t)(i * 7 + round), 1);
			slots[i] = dp_slot_take_own(t, 0);
			assert_true(dp_publish_own(t, 0, slots[i], &spec));
		}
		for (unsigned i = 0; i < 100; i++)
			dp_unpublish_own(t, 0, slots[i]);
		settle(t, 1);
		for (unsigned i = 0; i < 100; i++)
			dp_slot_free_own(t, 0, slots[i]);
		if (round == 20)
			after_first = heap.held;
	}
	assert_true(heap.held <= after_first + 65536);
	dp_tables_free(t);
}

static void a_million_sessions_cost_little_each(void **state)
{
	(void)state;
	struct dp_tables *t = dp_tables_new(&heap.alloc, 2);
	size_t empty = heap.held;
	enum { N = 200000 };

	for (unsigned i = 0; i < N; i++) {
		struct dp_session_spec spec =
			spec_of((uint16_t)(i / 50000), (uint16_t)(i % 50000), 1);
		uint32_t slot = dp_slot_take_own(t, i % 2);
		assert_true(dp_publish_own(t, i % 2, slot, &spec));
		if (i % 100 == 0) {
			dp_table_turn_own(t, 0);
			dp_table_turn_own(t, 1);
			rcu_quiescent();
		}
	}
	settle(t, 2);
	assert_true((heap.held - empty) / N < 300);
	dp_tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_published_record_is_found_by_key_and_by_slot,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_header_follows_what_the_peer_wants, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			an_unpublished_slot_is_gone_only_after_a_grace_period, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_keeps_the_record_that_was_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_slot_rests_and_comes_back_with_another_generation,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(random_life_agrees_with_the_model, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(out_of_memory_leaves_the_old_record, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(churn_reuses_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_million_sessions_cost_little_each, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
