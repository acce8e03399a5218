#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "base/ring.h"
#include "test_random.h"

static void records_come_out_as_they_went_in(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t bytes[256];
	struct ring r;
	uint32_t n;
	ring_init(&r, bytes, sizeof(bytes));
	assert_null(ring_peek(&r, &n));
	assert_true(ring_push(&r, "one", 3, NULL, 0));
	assert_true(ring_push(&r, "tw", 2, "o!", 2));
	const char *rec = ring_peek(&r, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(rec, "one", 3);
	assert_ptr_equal(ring_peek(&r, &n), rec); /* stays until it is popped */
	ring_pop(&r);
	rec = ring_peek(&r, &n);
	assert_int_equal(n, 4);
	assert_memory_equal(rec, "two!", 4);
	ring_pop(&r);
	assert_null(ring_peek(&r, &n));
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t bytes[256], big[256];
	struct ring r;
	ring_init(&r, bytes, sizeof(bytes));
	assert_false(ring_push(&r, big, 0, NULL, 0));
	assert_false(ring_push(&r, big, 65, NULL, 0));
	assert_false(ring_push(&r, big, 60, big, 5));
	assert_false(ring_push(&r, big, 1, big, UINT32_MAX));
	assert_false(ring_push(&r, big, UINT32_MAX, big, 2));
	assert_true(ring_push(&r, big, 60, big, 4));
}

/* Any record that is allowed fits into an empty ring, wherever its head stands. */
static void the_largest_record_fits_at_every_position(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t bytes[256], rec[64];
	struct ring r;
	uint32_t n;
	ring_init(&r, bytes, sizeof(bytes));
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t small = 1 + i % 64;
		assert_true(ring_push(&r, rec, small, NULL, 0));
		assert_non_null(ring_peek(&r, &n));
		assert_int_equal(n, small);
		ring_pop(&r);
		memset(rec, (int)i, sizeof(rec));
		assert_true(ring_push(&r, rec, 64, NULL, 0));
		const uint8_t *out = ring_peek(&r, &n);
		assert_int_equal(n, 64);
		assert_int_equal((uintptr_t)out % 8, 0);
		assert_memory_equal(out, rec, 64);
		ring_pop(&r);
	}
	assert_null(ring_peek(&r, &n));
}

/* One thread, random pushes and pops against a counter: contents, order, fullness. */
static void random_operations_keep_order(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t bytes[1024];
	struct ring r;
	struct test_random random = {5};
	uint32_t pushed = 0, popped = 0, n;
	unsigned full = 0;
	ring_init(&r, bytes, sizeof(bytes));
	/* The counters of the ring wrap during the run. */
	r.cached_head = r.cached_tail = UINT32_MAX - 1023;
	atomic_store(&r.head, r.cached_head);
	atomic_store(&r.tail, r.cached_head);
	for (int step = 0; step < 200000; step++) {
		bool filling = step / 1000 % 2;
		if (test_random_below(&random, 4) < (filling ? 3u : 1u)) {
			uint8_t extra[200];
			uint32_t extra_n = (uint32_t)test_random_below(&random, sizeof(extra));
			memset(extra, (int)(pushed & 0xFF), sizeof(extra));
			if (ring_push(&r, &pushed, sizeof(pushed), extra, extra_n))
				pushed++;
			else
				full++;
			continue;
		}
		const uint8_t *rec = ring_peek(&r, &n);
		assert_int_equal(rec == NULL, pushed == popped);
		if (!rec)
			continue;
		uint32_t number;
		memcpy(&number, rec, sizeof(number));
		assert_int_equal(number, popped);
		for (uint32_t i = 4; i < n; i++)
			assert_int_equal(rec[i], number & 0xFF);
		popped++;
		ring_pop(&r);
	}
	assert_true(full > 100 && popped > 10000);
}

enum { RECORDS = 200000 };

struct pair {
	struct ring ring;
	_Alignas(64) uint8_t bytes[4096];
};

static void *produce(void *arg)
{
	struct pair *p = arg;
	uint8_t extra[256];
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t extra_n = i * 7 % sizeof(extra);
		memset(extra, (int)(i & 0xFF), extra_n);
		while (!ring_push(&p->ring, &i, sizeof(i), extra, extra_n))
			sched_yield();
	}
	return NULL;
}

static void two_threads_lose_nothing(void **state)
{
	(void)state;
	static struct pair p;
	pthread_t producer;
	ring_init(&p.ring, p.bytes, sizeof(p.bytes));
	assert_int_equal(pthread_create(&producer, NULL, produce, &p), 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t n, number;
		const uint8_t *rec;
		while ((rec = ring_peek(&p.ring, &n)) == NULL)
			sched_yield();
		memcpy(&number, rec, sizeof(number));
		bool good = number == i && n == 4 + i * 7 % 256;
		for (uint32_t k = 4; k < n && good; k++)
			good = rec[k] == (i & 0xFF);
		if (!good)
			fail_msg("record %u damaged", i);
		ring_pop(&p.ring);
	}
	pthread_join(producer, NULL);
	uint32_t n;
	assert_null(ring_peek(&p.ring, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_as_they_went_in),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(the_largest_record_fits_at_every_position),
		cmocka_unit_test(random_operations_keep_order),
		cmocka_unit_test(two_threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
