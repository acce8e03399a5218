/* The fast path against the plain one: dp_differ.h says how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dp_differ.h"
#include "test_random.h"

enum { ROUNDS = 4000 };

static struct differ *differ;
static struct test_random rnd = {.state = 99};

static uint32_t next(struct differ_source *s)
{
	(void)s;
	return (uint32_t)test_random_u64(&rnd);
}

static struct differ_source source = {.next = next};

static void what_subscribers_send_leaves_as_if_forwarded_one_by_one(void **state)
{
	(void)state;
	unsigned supers = 0, packets = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		differ_up(differ, &source);
		supers += differ->supers;
		packets += differ->plain.n;
	}
	assert_true(packets > ROUNDS * 20);
	assert_true(supers > ROUNDS);
}

static void what_subscribers_get_leaves_as_if_forwarded_one_by_one(void **state)
{
	(void)state;
	unsigned supers = 0, packets = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		differ_down(differ, &source);
		supers += differ->supers;
		packets += differ->plain.n;
	}
	assert_true(packets > ROUNDS * 20);
	assert_true(supers > ROUNDS);
}

static int start(void **state)
{
	(void)state;
	rcu_thread_start();
	differ = malloc(sizeof(*differ));
	differ_start(differ);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	differ_stop(differ);
	free(differ);
	rcu_thread_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_subscribers_send_leaves_as_if_forwarded_one_by_one),
		cmocka_unit_test(what_subscribers_get_leaves_as_if_forwarded_one_by_one),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
