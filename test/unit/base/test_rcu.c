#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "base/rcu.h"

enum { READERS = 3, ALIVE = 0x600D, DEAD = 0xDEAD };

struct record {
	uint32_t a, b; /* always the same number */
	uint32_t state;
};

static struct record *_Atomic published;
static _Atomic bool stop;
static _Atomic uint64_t reads;

static void *reader(void *arg)
{
	bool sleeper = arg != NULL;
	rcu_thread_start();
	for (unsigned turn = 0; !atomic_load(&stop); turn++) {
		struct record *r = rcu_get(&published);
		/* Plain reads: a grace period that is too short is a data race that
		 * ThreadSanitizer reports, and a use after free for AddressSanitizer. */
		if (r->state != ALIVE || r->a != r->b)
			abort();
		atomic_fetch_add(&reads, 1);
		rcu_quiescent();
		if (sleeper && turn % 16 == 0) {
			rcu_offline();
			sched_yield();
			rcu_online();
		}
	}
	rcu_thread_stop();
	return NULL;
}

static struct record *record_new(uint32_t number)
{
	struct record *r = malloc(sizeof(*r));
	*r = (struct record){number, number, ALIVE};
	return r;
}

static void record_free(struct record *r)
{
	r->state = DEAD;
	r->a = 1;
	r->b = 2;
	free(r);
}

static void readers_start(pthread_t *threads)
{
	atomic_store(&stop, false);
	atomic_store(&reads, 0);
	rcu_set(&published, record_new(0));
	for (uintptr_t i = 0; i < READERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, reader, i == 0 ? (void *)1 : NULL), 0);
	while (atomic_load(&reads) < 100)
		sched_yield();
}

static void readers_stop(pthread_t *threads)
{
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	free(rcu_get(&published));
}

static void waiting_makes_a_replaced_record_free(void **state)
{
	(void)state;
	pthread_t threads[READERS];
	readers_start(threads);
	for (uint32_t i = 1; i < 300; i++) {
		struct record *old = rcu_get(&published);
		rcu_set(&published, record_new(i));
		rcu_wait();
		record_free(old);
	}
	readers_stop(threads);
}

struct grave {
	struct rcu_grace grace;
	struct record *record;
};

/* As a worker does it: it is a reader itself, never waits, and has many periods under way. */
static void polled_periods_make_records_free(void **state)
{
	(void)state;
	enum { GRAVES = 64, ROUNDS = 4000 };
	static struct grave graves[GRAVES];
	pthread_t threads[READERS];
	unsigned freed = 0, waited = 0;

	readers_start(threads);
	rcu_thread_start();
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		struct grave *g = &graves[i % GRAVES];
		if (g->record && !rcu_grace_done(&g->grace)) {
			waited++;
			rcu_quiescent();
			sched_yield();
			i--;
			continue;
		}
		if (g->record) {
			record_free(g->record);
			freed++;
		}
		g->record = rcu_get(&published);
		rcu_set(&published, record_new(i));
		rcu_grace_start(&g->grace);
		rcu_quiescent();
	}
	rcu_drain();
	for (int i = 0; i < GRAVES; i++) {
		assert_true(rcu_grace_done(&graves[i].grace));
		record_free(graves[i].record);
		graves[i].record = NULL;
		freed++;
	}
	rcu_thread_stop();
	readers_stop(threads);
	assert_int_equal(freed, ROUNDS);
	assert_true(waited > 0); /* the test did meet periods that were not over */
}

static _Atomic int stage;

static void *slow_reader(void *arg)
{
	(void)arg;
	rcu_thread_start();
	atomic_store(&stage, 1);
	while (atomic_load(&stage) < 2)
		sched_yield();
	atomic_store(&stage, 3);
	while (atomic_load(&stage) < 4) {
		rcu_quiescent();
		sched_yield();
	}
	rcu_thread_stop();
	return NULL;
}

static void a_period_lasts_until_every_reader_was_quiescent(void **state)
{
	(void)state;
	pthread_t thread;
	struct rcu_grace g;
	atomic_store(&stage, 0);
	assert_int_equal(pthread_create(&thread, NULL, slow_reader, NULL), 0);
	while (atomic_load(&stage) < 1)
		sched_yield();
	rcu_grace_start(&g);
	for (int i = 0; i < 1000; i++) {
		assert_false(rcu_grace_done(&g));
		sched_yield();
	}
	atomic_store(&stage, 2);
	while (!rcu_grace_done(&g))
		sched_yield();
	assert_true(atomic_load(&stage) >= 2);
	while (atomic_load(&stage) < 3)
		sched_yield();
	atomic_store(&stage, 4);
	pthread_join(thread, NULL);
	assert_true(rcu_grace_done(&g)); /* stays done */
}

/* A thread that is offline or gone holds nobody up. */
static void only_online_readers_count(void **state)
{
	(void)state;
	struct rcu_grace g;
	rcu_thread_start();
	rcu_offline();
	rcu_grace_start(&g);
	while (!rcu_grace_done(&g))
		sched_yield();
	rcu_online();
	rcu_thread_stop();
	rcu_wait();
	for (int i = 0; i < 1000; i++) { /* registrations do not pile up */
		rcu_thread_start();
		rcu_thread_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_makes_a_replaced_record_free),
		cmocka_unit_test(polled_periods_make_records_free),
		cmocka_unit_test(a_period_lasts_until_every_reader_was_quiescent),
		cmocka_unit_test(only_online_readers_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
