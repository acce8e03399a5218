/*
 * rates.h - throughput of the last second, from the counters of all threads. Owned by the control
 * thread, which takes a sample about once a second. Pure.
 */
#ifndef LNS_RATES_H
#define LNS_RATES_H

#include <stdbool.h>

#include "base/counters.h"
#include "base/nsec.h"

/* Per second, of the last interval between two samples. */
struct rates_view {
	uint64_t lac_rx_bytes, tun_tx_bytes; /* from the LACs, on to the network */
	uint64_t tun_rx_bytes, lac_tx_bytes; /* from the network, on to the LACs */
	uint64_t in_packets, out_packets;    /* from the LACs; from the network */
};

struct rates {
	nsec taken;
	bool primed; /* there is a sample to compare with */
	struct rates_view totals, view;
};

/* blocks[0..n-1]: the counters of every thread. */
void rates_sample(struct rates *r, const struct counters *const *blocks, unsigned n, nsec now);

#endif
