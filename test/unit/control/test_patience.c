/* Who forwards packets goes before the control thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "control/patience.h"

struct thread {
	int before, after; /* scheduling policies */
};

static void *run(void *arg)
{
	struct thread *t = arg;
	const struct sched_param none = {0};

	if (sched_setscheduler(0, t->before, &none) != 0)
		return NULL;
	patience_take();
	t->after = sched_getscheduler(0);
	return t;
}

static void run_as(struct thread *t, int policy)
{
	pthread_t thread;
	void *done;

	*t = (struct thread){.before = policy, .after = -1};
	assert_int_equal(pthread_create(&thread, NULL, run, t), 0);
	assert_int_equal(pthread_join(thread, &done), 0);
	assert_ptr_equal(done, t);
}

static void it_is_batch_work_from_then_on(void **state)
{
	(void)state;
	struct thread t;

	run_as(&t, SCHED_OTHER);
	assert_int_equal(t.after, SCHED_BATCH);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER); /* no other thread */
}

/* As chrt(1) has it. */
static void what_the_operator_chose_stays(void **state)
{
	(void)state;
	struct thread t;

	run_as(&t, SCHED_IDLE);
	assert_int_equal(t.after, SCHED_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_batch_work_from_then_on),
		cmocka_unit_test(what_the_operator_chose_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
