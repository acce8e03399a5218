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

/* What the comparison itself takes for a flow: two packets of a TCP connection each, the first one
 * a fragment, the second one with the reserved bit, which makes none. */
static void whose_fragment_it_is_is_not_guessed(void **state)
{
	(void)state;
	uint8_t fragment[] = "\x00\x02\x00\x09\x00\x64\xff\x03\x00\x21"
			     "\x45\x00\x00\x1c\x00\x00\x00\x01\x3c\x06\x00\x00"
			     "\x08\x08\x08\x00\x0a\x00\x00\x01\x03\xec\x01\xbb\x00\x00\x00\x07";
	uint8_t whole[] = "\x00\x02\x00\x09\x00\x64\xff\x03\x00\x21"
			  "\x45\x00\x00\x1c\x11\x3f\x80\x00\x3e\x06\x00\x00"
			  "\x08\x08\x08\x00\x0a\x00\x00\x01\x03\xeb\x01\xbb\x00\x00\x00\x07";
	struct differ_packet a = {.n = sizeof(fragment) - 1, .session = 1, .b = fragment};
	struct differ_packet b = {.n = sizeof(whole) - 1, .session = 1, .b = whole};

	assert_false(differ_one_flow(&a, &b, 10));
	assert_false(differ_one_flow(&b, &a, 10));
	assert_true(differ_one_flow(&b, &b, 10));
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
		cmocka_unit_test(whose_fragment_it_is_is_not_guessed),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
