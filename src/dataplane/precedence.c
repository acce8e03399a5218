#include "dataplane/precedence.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SHORT_NS = 100000, /* the least that the kernel takes */
	LONGER = 2,
};

/* sched(7), as the kernel has it: not every C library does, and <linux/sched/types.h> of some
 * kernels disagrees with <sched.h>. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime; /* the slice in ns; 0: unknown to this kernel */
	uint64_t deadline, period;
};

/* False: the thread is not scheduled in the usual way, by the operator's choice. */
static bool is_usual(struct attributes *a)
{
	*a = (struct attributes){.size = sizeof(*a)};
	return syscall(SYS_sched_getattr, 0, a, sizeof(*a), 0) == 0 && a->policy == SCHED_OTHER;
}

bool precedence_by_slices(void)
{
	struct attributes a;

	return is_usual(&a) && a.runtime > 0;
}

void precedence_take(void)
{
	struct attributes a;

	if (!is_usual(&a) || a.runtime <= SHORT_NS)
		return;
	a.runtime = SHORT_NS;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void precedence_give(void)
{
	struct attributes a;

	if (!is_usual(&a))
		return;
	a.policy = SCHED_BATCH;
	a.runtime *= LONGER;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}
