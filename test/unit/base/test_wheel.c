#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/wheel.h"
#include "test_random.h"

static nsec at_ms(int64_t ms)
{
	return (nsec){NSEC_MS(ms)};
}

static void a_timer_fires_at_its_time_and_not_before(void **state)
{
	(void)state;
	/* Around every border of the levels, from a start that is not round. */
	static const int64_t delays_ms[] = {
		1,	   2,	  254,	 255,	 256,	  257,		 511,		512,
		65535,	   65536, 65537, 131072, 1 << 24, (1 << 24) + 1, (1 << 24) - 1, 86400000,
		3455999999};
	static const int64_t starts_ms[] = {0,	   1,	     255,	 256,	     65535,
					    65536, 16777215, 4294967295, 4294967296, 123456789012};
	static struct wheel w;
	for (size_t s = 0; s < sizeof(starts_ms) / sizeof(starts_ms[0]); s++)
		for (size_t d = 0; d < sizeof(delays_ms) / sizeof(delays_ms[0]); d++) {
			int64_t due = starts_ms[s] + delays_ms[d];
			struct wheel_timer t = {0};
			wheel_init(&w, at_ms(starts_ms[s]));
			wheel_start(&w, &t, at_ms(due));
			assert_true(wheel_is_armed(&t));
			assert_true(wheel_next(&w).ns <= at_ms(due).ns);
			assert_null(wheel_expired(&w, (nsec){at_ms(due).ns - 1}));
			assert_true(wheel_next(&w).ns <= at_ms(due).ns);
			assert_ptr_equal(wheel_expired(&w, at_ms(due)), &t);
			assert_false(wheel_is_armed(&t));
			assert_null(wheel_expired(&w, at_ms(due)));
			assert_true(nsec_is_never(wheel_next(&w)));
			assert_int_equal(w.armed, 0);
		}
}

static void a_fraction_of_a_tick_is_rounded_up(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t = {0};
	wheel_init(&w, at_ms(10));
	wheel_start(&w, &t, (nsec){NSEC_MS(20) + 1});
	assert_null(wheel_expired(&w, (nsec){NSEC_MS(20) + 999999}));
	assert_ptr_equal(wheel_expired(&w, at_ms(21)), &t);
}

/* An owner that always re-arms for `now` while it takes what expired comes to an end. */
static void the_past_fires_in_the_next_tick(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t = {0};
	wheel_init(&w, at_ms(1000));
	wheel_start(&w, &t, NSEC_ZERO);
	assert_null(wheel_expired(&w, at_ms(1000)));
	for (int64_t ms = 1001; ms < 1010; ms++) {
		assert_ptr_equal(wheel_expired(&w, at_ms(ms)), &t);
		wheel_start(&w, &t, at_ms(ms));
		assert_null(wheel_expired(&w, at_ms(ms)));
	}
}

static void never_and_stop_disarm(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer a = {0}, b = {0};
	wheel_init(&w, NSEC_ZERO);
	wheel_stop(&w, &a);
	wheel_start(&w, &a, NSEC_NEVER);
	assert_false(wheel_is_armed(&a));
	wheel_start(&w, &a, at_ms(300));
	wheel_start(&w, &b, at_ms(300));
	wheel_stop(&w, &a);
	assert_int_equal(w.armed, 1);
	assert_false(nsec_is_never(wheel_next(&w)));
	wheel_start(&w, &b, NSEC_NEVER);
	assert_true(nsec_is_never(wheel_next(&w)));
	assert_null(wheel_expired(&w, at_ms(100000)));
}

static void an_expired_timer_may_be_stopped_before_it_is_taken(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t[3] = {{0}};
	wheel_init(&w, NSEC_ZERO);
	for (int i = 0; i < 3; i++)
		wheel_start(&w, &t[i], at_ms(5));
	struct wheel_timer *first = wheel_expired(&w, at_ms(6));
	assert_non_null(first);
	int other = first == &t[0] ? 1 : 0;
	assert_true(wheel_is_armed(&t[other]));
	wheel_stop(&w, &t[other]);
	assert_true(wheel_next(&w).ns <= at_ms(6).ns); /* one is still waiting */
	struct wheel_timer *last = wheel_expired(&w, at_ms(6));
	assert_true(last && last != first && last != &t[other]);
	assert_null(wheel_expired(&w, at_ms(6)));
	assert_int_equal(w.armed, 0);
}

static void far_times_are_clipped_and_do_not_fire_early(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t = {0};
	int64_t day_ms = 86400000;
	wheel_init(&w, at_ms(777));
	wheel_start(&w, &t, (nsec){INT64_MAX - 1});
	assert_null(wheel_expired(&w, at_ms(777 + 40 * day_ms - 1)));
	assert_ptr_equal(wheel_expired(&w, at_ms(777 + 40 * day_ms)), &t);
}

static void time_that_goes_back_changes_nothing(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t = {0};
	wheel_init(&w, at_ms(1000));
	wheel_start(&w, &t, at_ms(1500));
	assert_null(wheel_expired(&w, at_ms(1400)));
	assert_null(wheel_expired(&w, at_ms(10)));
	assert_ptr_equal(wheel_expired(&w, at_ms(1500)), &t);
}

/* ---- against a plain array ------------------------------------------------------------------ */

enum { TIMERS = 400 };

struct model {
	struct wheel w;
	struct wheel_timer t[TIMERS];
	int64_t due_ms[TIMERS]; /* -1 = idle */
	int64_t now_ms;
};

static int64_t random_delay_ms(struct test_random *r)
{
	return (int64_t)test_random_below(r, 1ull << test_random_below(r, 31));
}

static void model_expire(struct model *m)
{
	for (struct wheel_timer *t; (t = wheel_expired(&m->w, at_ms(m->now_ms))) != NULL;) {
		size_t i = (size_t)(t - m->t);
		assert_true(m->due_ms[i] >= 0 && m->due_ms[i] <= m->now_ms);
		m->due_ms[i] = -1;
	}
	int64_t next = INT64_MAX;
	uint32_t armed = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(wheel_is_armed(&m->t[i]), m->due_ms[i] >= 0);
		if (m->due_ms[i] < 0)
			continue;
		assert_true(m->due_ms[i] > m->now_ms); /* what was due did fire */
		armed++;
		if (m->due_ms[i] < next)
			next = m->due_ms[i];
	}
	assert_int_equal(m->w.armed, armed);
	if (armed)
		assert_true(wheel_next(&m->w).ns <= at_ms(next).ns &&
			    wheel_next(&m->w).ns > at_ms(m->now_ms).ns);
	else
		assert_true(nsec_is_never(wheel_next(&m->w)));
}

static void random_operations_match_the_model(void **state)
{
	(void)state;
	static struct model m;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct test_random r = {seed};
		m = (struct model){.now_ms = (int64_t)test_random_below(&r, 1ull << 33)};
		wheel_init(&m.w, at_ms(m.now_ms));
		for (size_t i = 0; i < TIMERS; i++)
			m.due_ms[i] = -1;
		for (int step = 0; step < 6000; step++) {
			size_t i = test_random_below(&r, TIMERS);
			switch (test_random_below(&r, 8)) {
			case 0:
				wheel_stop(&m.w, &m.t[i]);
				m.due_ms[i] = -1;
				break;
			case 1: /* by the hint of wheel_next, as a worker does */
				if (m.w.armed)
					m.now_ms = wheel_next(&m.w).ns / NSEC_MS(1);
				model_expire(&m);
				break;
			case 2:
				m.now_ms += random_delay_ms(&r) / 16;
				model_expire(&m);
				break;
			default:
				m.due_ms[i] = m.now_ms + 1 + random_delay_ms(&r);
				wheel_start(&m.w, &m.t[i], at_ms(m.due_ms[i]));
			}
		}
		m.now_ms += (int64_t)1 << 32;
		model_expire(&m);
		assert_int_equal(m.w.armed, 0);
	}
}

/* Steps taken from one wheel_next to the next over a long time: time does not go tick by tick. */
static void idle_time_is_crossed_in_few_steps(void **state)
{
	(void)state;
	static struct wheel w;
	struct wheel_timer t = {0};
	wheel_init(&w, at_ms(12345));
	wheel_start(&w, &t, at_ms(12345 + 30ll * 86400000));
	unsigned steps = 0;
	while (!wheel_expired(&w, wheel_next(&w)))
		assert_true(++steps < 8);
}

static void a_million_timers(void **state)
{
	(void)state;
	enum { MANY = 1000000 };
	static struct wheel w;
	struct wheel_timer *t = calloc(MANY, sizeof(*t));
	struct test_random r = {3};
	unsigned fired = 0;

	assert_non_null(t);
	wheel_init(&w, NSEC_ZERO);
	for (int i = 0; i < MANY; i++)
		wheel_start(&w, &t[i], at_ms(1 + (int64_t)test_random_below(&r, 3600000)));
	for (int i = 0; i < MANY; i++) /* every frame from a subscriber does this */
		wheel_start(&w, &t[i], at_ms(1 + (int64_t)test_random_below(&r, 3600000)));
	for (int i = 0; i < MANY; i += 10)
		wheel_stop(&w, &t[i]);
	for (int64_t ms = 0; ms <= 3600000; ms += 10)
		while (wheel_expired(&w, at_ms(ms)))
			fired++;
	assert_int_equal(fired, MANY - MANY / 10);
	assert_int_equal(w.armed, 0);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_at_its_time_and_not_before),
		cmocka_unit_test(a_fraction_of_a_tick_is_rounded_up),
		cmocka_unit_test(the_past_fires_in_the_next_tick),
		cmocka_unit_test(never_and_stop_disarm),
		cmocka_unit_test(an_expired_timer_may_be_stopped_before_it_is_taken),
		cmocka_unit_test(far_times_are_clipped_and_do_not_fire_early),
		cmocka_unit_test(time_that_goes_back_changes_nothing),
		cmocka_unit_test(random_operations_match_the_model),
		cmocka_unit_test(idle_time_is_crossed_in_few_steps),
		cmocka_unit_test(a_million_timers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
