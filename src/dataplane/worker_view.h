/*
 * worker_view.h - what an operator may know of a worker: how busy it was lately, and what it did
 * since it was started. Made from its counters by the control thread, once a second.
 */
#ifndef LNS_WORKER_VIEW_H
#define LNS_WORKER_VIEW_H

#include "base/counters.h"
#include "base/nsec.h"

struct worker_view {
	unsigned number;
	int cpu; /* bound to it; -1: to none */
	uint32_t sessions, tunnels;
	/* in the last second */
	uint32_t load;			/* of its time, in thousandths */
	uint32_t up_rate, down_rate;	/* packets/s */
	uint32_t l2tp_batch, tun_batch; /* packets to a batch, in tenths; tun: all from the core */
	/* since the start */
	uint64_t up, down, handed_over, taken_over, drops;
};

struct worker_meter {
	nsec at;
	uint64_t busy_ns;
	uint64_t events[COUNTERS];
	struct worker_view view;
};

/* Fills m->view with the time since the last call. busy_ns grows by the time that it works. */
void worker_meter_sample(struct worker_meter *m, const struct counters *c, uint64_t busy_ns,
			 nsec now);

#endif
