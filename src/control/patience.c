#include "control/patience.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LONGER = 2 };

/* sched(7), as the kernel has it: not every C library does, and <linux/sched/types.h> of some
 * kernels disagrees with <sched.h>. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

void patience_take(void)
{
	struct attributes a = {.size = sizeof(a)};

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) != 0 || a.policy != SCHED_OTHER)
		return;
	/* Waking up, batch work interrupts nobody. Who wakes up with a shorter slice than the one
	 * that runs interrupts it (since Linux 6.12; earlier ones say 0 and know no slices). */
	a.policy = SCHED_BATCH;
	a.runtime *= LONGER;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}
