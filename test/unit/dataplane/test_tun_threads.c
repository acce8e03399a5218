/* tun_threads: those of the device and of no other, and only those that are new, become batch work.
 * Children with the names of the kernel's threads stand for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/tun_threads.h"

/* Exists, under this name, when the call returns. */
static pid_t thread_called(const char *name)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0); /* the child has closed its end */
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool found(const struct tun_threads *t, pid_t pid)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->pids[i] == pid)
			return true;
	return false;
}

static void only_the_device_is_meant(void **state)
{
	(void)state;
	const char *others[] = {"napi/tt8-0", "napi/tt77-0", "napi/tt7-0x", "napi/tt7", "tt7-0"};
	enum { OTHERS = sizeof(others) / sizeof(others[0]) };
	pid_t one = thread_called("napi/tt7-0"), pids[OTHERS];
	static struct tun_threads t;

	for (unsigned i = 0; i < OTHERS; i++)
		pids[i] = thread_called(others[i]);
	tun_threads_find(&t, "tt7");
	assert_true(found(&t, one));
	for (unsigned i = 0; i < OTHERS; i++) {
		assert_false(found(&t, pids[i]));
		end(pids[i]);
	}
	end(one);
}

static void what_was_there_before_stays_as_it_is(void **state)
{
	(void)state;
	static struct tun_threads before, now;
	pid_t old = thread_called("napi/tt9-0");

	tun_threads_find(&before, "tt9");
	pid_t new = thread_called("napi/tt9-0");
	tun_threads_find(&now, "tt9");
	assert_int_equal(tun_threads_batch(&before, &now), 1);
	assert_int_equal(sched_getscheduler(new), SCHED_BATCH);
	assert_int_equal(sched_getscheduler(old), SCHED_OTHER);
	end(old);
	end(new);
	/* Gone meanwhile: not one of them. */
	assert_int_equal(tun_threads_batch(&before, &now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_device_is_meant),
		cmocka_unit_test(what_was_there_before_stays_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
