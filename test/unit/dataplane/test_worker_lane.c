/* worker_lane: packets between two threads, whole and in order; a full lane refuses; what is done
 * is told to the sender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/worker_lane.h"
#include "test_alloc.h"

static void a_place_is_passed_when_all_before_it_was_given_back(void **state)
{
	(void)state;
	struct lanes *l = lanes_new(&test_plain_alloc, 2);
	uint32_t at = lanes_first(l, 0, 1);

	assert_true(lanes_are_empty(l, 1));
	assert_int_equal(lanes_next(l, 0, 1, &at).n, 0);
	assert_true(lanes_push(l, 0, 1, span_of("one", 3)));
	uint32_t first = lanes_mark(l, 0, 1);
	assert_true(lanes_push(l, 0, 1, span_of("four", 4)));
	uint32_t second = lanes_mark(l, 0, 1);
	assert_false(lanes_are_empty(l, 1));
	assert_true(lanes_are_empty(l, 0));
	assert_int_equal(lanes_next(l, 0, 1, &at).n, 3);
	assert_false(lanes_passed(l, 0, 1, first)); /* looked at, not given back */
	lanes_done(l, 0, 1, at, 1);
	assert_true(lanes_passed(l, 0, 1, first));
	assert_false(lanes_passed(l, 0, 1, second));
	assert_int_equal(lanes_next(l, 0, 1, &at).n, 4);
	lanes_done(l, 0, 1, at, 1);
	assert_true(lanes_passed(l, 0, 1, second));
	assert_true(lanes_are_empty(l, 1));
	lanes_free(l);
}

static void a_full_lane_refuses_until_there_is_room(void **state)
{
	(void)state;
	struct lanes *l = lanes_new(&test_plain_alloc, 3);
	static uint8_t packet[1500];
	uint32_t at = lanes_first(l, 2, 0), n = 0;

	assert_false(lanes_push(l, 2, 0, span_of(packet, 0)));
	while (lanes_push(l, 2, 0, span_of(packet, sizeof(packet))))
		n++;
	assert_true(n > 500);
	assert_true(lanes_push(l, 1, 0, span_of(packet, 1))); /* another pair has its own */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(lanes_next(l, 2, 0, &at).n, sizeof(packet));
	assert_false(lanes_push(l, 2, 0, span_of(packet, sizeof(packet))));
	lanes_done(l, 2, 0, at, 3);
	assert_true(lanes_push(l, 2, 0, span_of(packet, sizeof(packet))));
	lanes_free(l);
}

/* Many small ones would wait for too long. */
static void a_lane_holds_so_many_packets_and_no_more(void **state)
{
	(void)state;
	struct lanes *l = lanes_new(&test_plain_alloc, 2);
	uint32_t at = lanes_first(l, 0, 1);

	for (unsigned i = 0; i < LANE_PACKETS; i++) {
		assert_int_equal(lanes_are_crowded(l, 0, 1), i > LANE_PACKETS / 2);
		assert_true(lanes_push(l, 0, 1, span_of("x", 1)));
	}
	assert_false(lanes_push(l, 0, 1, span_of("x", 1)));
	assert_int_equal(lanes_next(l, 0, 1, &at).n, 1);
	lanes_done(l, 0, 1, at, 1);
	assert_true(lanes_push(l, 0, 1, span_of("x", 1)));
	assert_false(lanes_push(l, 0, 1, span_of("x", 1)));
	lanes_free(l);
}

/* Long packets fill the bytes long before there are many of them. */
static void a_lane_is_crowded_with_bytes_too(void **state)
{
	(void)state;
	struct lanes *l = lanes_new(&test_plain_alloc, 2);
	static uint8_t packet[1400];
	uint32_t at = lanes_first(l, 0, 1);
	unsigned n = 0;

	assert_false(lanes_are_crowded(l, 0, 1));
	while (lanes_push(l, 0, 1, span_of(packet, sizeof(packet))))
		n++;
	assert_true(n < LANE_PACKETS / 2);
	assert_true(lanes_are_crowded(l, 0, 1));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(lanes_next(l, 0, 1, &at).n, sizeof(packet));
	lanes_done(l, 0, 1, at, n);
	assert_false(lanes_are_crowded(l, 0, 1));
	lanes_free(l);
}

enum { MANY = 300000 };

static size_t length_of(uint32_t i)
{
	return 4 + i * 7919 % 1497;
}

static void *sender(void *arg)
{
	struct lanes *l = arg;
	uint8_t packet[1504];

	for (uint32_t i = 0; i < MANY; i++) {
		memset(packet, (int)(i & 0xFF), sizeof(packet));
		memcpy(packet, &i, sizeof(i));
		while (!lanes_push(l, 0, 1, span_of(packet, length_of(i))))
			sched_yield();
	}
	return NULL;
}

static void two_threads_exchange_packets_whole_and_in_order(void **state)
{
	(void)state;
	struct lanes *l = lanes_new(&test_plain_alloc, 2);
	pthread_t thread;
	uint32_t got = 0;

	assert_int_equal(pthread_create(&thread, NULL, sender, l), 0);
	while (got < MANY) {
		uint32_t at = lanes_first(l, 0, 1), number;
		uint32_t before = got;
		struct span p;
		while ((p = lanes_next(l, 0, 1, &at)).n) {
			memcpy(&number, p.p, sizeof(number));
			assert_int_equal(number, got);
			assert_int_equal(p.n, length_of(got));
			assert_int_equal(p.n > 4 ? p.p[p.n - 1] : 0, p.n > 4 ? (got & 0xFF) : 0);
			got++;
		}
		lanes_done(l, 0, 1, at, got - before);
	}
	pthread_join(thread, NULL);
	assert_true(lanes_are_empty(l, 1));
	lanes_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_passed_when_all_before_it_was_given_back),
		cmocka_unit_test(a_full_lane_refuses_until_there_is_room),
		cmocka_unit_test(a_lane_holds_so_many_packets_and_no_more),
		cmocka_unit_test(a_lane_is_crowded_with_bytes_too),
		cmocka_unit_test(two_threads_exchange_packets_whole_and_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
