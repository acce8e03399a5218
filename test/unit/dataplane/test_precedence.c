/* Who forwards packets goes before control and the kernel's threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/precedence.h"

struct how {
	uint32_t size, policy;
	uint64_t flags;
	uint32_t nice, priority;
	uint64_t slice, deadline, period;
};

struct thread {
	int policy; /* to begin with */
	void (*call)(void);
	bool by_slices;
	struct how before, after;
};

static bool look(struct how *h)
{
	return syscall(SYS_sched_getattr, 0, h, sizeof(*h), 0) == 0;
}

static void *run(void *arg)
{
	struct thread *t = arg;
	const struct sched_param none = {0};

	if (sched_setscheduler(0, t->policy, &none) != 0 || !look(&t->before))
		return NULL;
	t->by_slices = precedence_by_slices();
	t->call();
	return look(&t->after) ? t : NULL;
}

static struct thread ran(int policy, void (*call)(void))
{
	struct thread t = {.policy = policy, .call = call};
	pthread_t thread;
	void *done;

	assert_int_equal(pthread_create(&thread, NULL, run, &t), 0);
	assert_int_equal(pthread_join(thread, &done), 0);
	assert_ptr_equal(done, &t);
	return t;
}

static void a_worker_has_a_shorter_slice_where_the_kernel_knows_them(void **state)
{
	(void)state;
	struct thread t = ran(SCHED_OTHER, precedence_take);

	assert_int_equal(t.by_slices, t.before.slice > 0);
	assert_int_equal(t.after.policy, SCHED_OTHER);
	if (t.by_slices)
		assert_true(t.after.slice < t.before.slice / 2);
}

static void control_is_batch_work_from_then_on(void **state)
{
	(void)state;
	struct thread t = ran(SCHED_OTHER, precedence_give);

	assert_int_equal(t.after.policy, SCHED_BATCH);
	assert_int_equal(t.after.slice, t.before.slice * 2);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER); /* no other thread */
}

/* As chrt(1) has it. */
static void what_the_operator_chose_stays(void **state)
{
	(void)state;
	void (*calls[])(void) = {precedence_take, precedence_give};

	for (unsigned i = 0; i < 2; i++) {
		struct thread t = ran(SCHED_IDLE, calls[i]);
		assert_false(t.by_slices);
		assert_int_equal(t.after.policy, SCHED_IDLE);
		assert_int_equal(t.after.slice, t.before.slice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_has_a_shorter_slice_where_the_kernel_knows_them),
		cmocka_unit_test(control_is_batch_work_from_then_on),
		cmocka_unit_test(what_the_operator_chose_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
