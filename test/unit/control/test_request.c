#include "control/request.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ASKERS = 8, EACH = 500 };

struct ask {
	struct request_queue *queue;
	unsigned answered, refused;
	int64_t last_now;
};

/* Runs on the serving thread only: a plain number needs no lock. */
static unsigned served;

static void answer(struct core *core, nsec now, void *arg)
{
	struct ask *a = arg;
	(void)core;
	a->last_now = now.ns;
	served++;
}

static void *asker(void *arg)
{
	struct ask *a = arg;
	for (unsigned i = 0; i < EACH; i++) {
		if (request_run(a->queue, answer, a))
			a->answered++;
		else
			a->refused++;
	}
	return NULL;
}

static void serve_until(struct request_queue *q, unsigned total)
{
	for (int64_t turn = 1; served < total; turn++) {
		struct pollfd p = {.fd = request_fd(q), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		request_serve(q, NULL, (nsec){turn});
	}
}

static void every_request_is_run_once(void **state)
{
	(void)state;
	struct request_queue *q = request_queue_new();
	struct ask asks[ASKERS] = {0};
	pthread_t threads[ASKERS];

	served = 0;
	for (unsigned i = 0; i < ASKERS; i++) {
		asks[i].queue = q;
		assert_int_equal(pthread_create(&threads[i], NULL, asker, &asks[i]), 0);
	}
	serve_until(q, ASKERS * EACH);
	for (unsigned i = 0; i < ASKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(asks[i].answered, EACH);
		assert_true(asks[i].last_now > 0);
	}
	assert_int_equal(served, ASKERS * EACH);
	request_shutdown(q);
	request_queue_free(q);
}

static void shutdown_lets_nobody_wait(void **state)
{
	(void)state;
	struct request_queue *q = request_queue_new();
	struct ask asks[ASKERS] = {0};
	pthread_t threads[ASKERS];

	served = 0;
	for (unsigned i = 0; i < ASKERS; i++) {
		asks[i].queue = q;
		assert_int_equal(pthread_create(&threads[i], NULL, asker, &asks[i]), 0);
	}
	serve_until(q, ASKERS);
	request_shutdown(q);
	unsigned answered = 0;
	for (unsigned i = 0; i < ASKERS; i++) {
		pthread_join(threads[i], NULL);
		answered += asks[i].answered;
		assert_int_equal(asks[i].answered + asks[i].refused, EACH);
	}
	assert_int_equal(answered, served);
	request_queue_free(q);
}

static void an_idle_queue_is_not_readable(void **state)
{
	(void)state;
	struct request_queue *q = request_queue_new();
	struct pollfd p = {.fd = request_fd(q), .events = POLLIN};

	assert_int_equal(poll(&p, 1, 0), 0);
	request_serve(q, NULL, NSEC_ZERO);
	assert_int_equal(poll(&p, 1, 0), 0);
	request_queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_request_is_run_once),
		cmocka_unit_test(shutdown_lets_nobody_wait),
		cmocka_unit_test(an_idle_queue_is_not_readable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
