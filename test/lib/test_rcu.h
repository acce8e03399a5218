/* test_rcu.h - a group of tests whose thread reads under RCU: cmocka's group set-up and end. */
#ifndef LNS_TEST_RCU_H
#define LNS_TEST_RCU_H

#include "base/rcu.h"

static inline int test_rcu_start(void **state)
{
	(void)state;
	rcu_thread_start();
	return 0;
}

static inline int test_rcu_stop(void **state)
{
	(void)state;
	rcu_thread_stop();
	return 0;
}

#endif
