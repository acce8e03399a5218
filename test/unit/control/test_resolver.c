/* Names are looked up by a thread: the asker never waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/heap.h"
#include "control/resolver.h"

static void wait_for_one(struct resolver *r, struct resolver_answer *a)
{
	struct pollfd p = {.fd = resolver_fd(r), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_true(resolver_read(r, a));
}

/* Addresses are names that need no server. */
static void answers_come_in_order(void **state)
{
	(void)state;
	struct resolver *r = resolver_new(&heap);
	struct resolver_answer a;
	char text[IP_ADDR_TEXT];

	assert_non_null(r);
	assert_false(resolver_read(r, &a));
	assert_true(resolver_ask(r, "192.0.2.7"));
	assert_true(resolver_ask(r, "2001:db8::7"));
	assert_true(resolver_ask(r, "no name at all"));
	wait_for_one(r, &a);
	assert_string_equal(a.name, "192.0.2.7");
	assert_string_equal(ip_addr_text(&a.addr, text), "192.0.2.7");
	wait_for_one(r, &a);
	assert_string_equal(ip_addr_text(&a.addr, text), "2001:db8::7");
	wait_for_one(r, &a);
	assert_false(ip_addr_is_set(&a.addr));
	assert_int_not_equal(a.why, 0);
	resolver_free(r);
}

/* Nobody reads the answers: at some time a question is refused, and nothing hangs. */
static void too_many_questions_are_refused(void **state)
{
	(void)state;
	struct resolver *r = resolver_new(&heap);
	unsigned asked = 0;

	assert_non_null(r);
	while (asked < 1000000 && resolver_ask(r, "192.0.2.7"))
		asked++;
	assert_in_range(asked, 1, 999999);
	resolver_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_in_order),
		cmocka_unit_test(too_many_questions_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
