/*
 * dp_shaper.h - one direction of one throttled session: a token bucket and, behind it, a short
 * queue. The bucket is kept in time: each byte costs 8 s / rate, so that any 64-bit rate is exact
 * and no packet needs a division. A packet may go while there is credit and may overdraw it, so the
 * bucket need not be larger than a packet.
 *
 * The queue has two lanes. Small packets of flows that have nothing in the bulk lane (ping, DNS,
 * voice, acknowledgements) take the fast one, which is served first and gets at most half of the
 * rate while there is bulk. Bulk is kept short by CoDel (RFC 8289). Packets of one flow keep their
 * order. Owned by the session's worker; pure.
 */
#ifndef LNS_DP_SHAPER_H
#define LNS_DP_SHAPER_H

#include <stdatomic.h>

#include "dataplane/dp_hold.h"

enum { DP_SHAPER_FLOWS = 64 };

/* First and last of a queue of places. */
struct dp_lane {
	uint32_t first, last;
};

/* RFC 8289 5. */
struct dp_codel {
	nsec first_above; /* when the queue will have been too long for too long; 0 = it is not */
	nsec drop_next;
	uint32_t count, last_count;
	bool dropping;
};

/* For `show throttle`: written by the owner, read by control. What each packet counts comes first.
 */
struct dp_shaper_stats {
	_Atomic uint64_t passed_packets, passed_bytes; /* delayed ones included */
	_Atomic uint64_t delayed_packets, dropped_packets;
	_Atomic uint32_t queued;
};

struct dp_shaper {
	/* Looked at for every packet, one cache line with the first counters. Times in units of
	 * 2^-16 ns. */
	uint64_t cost;	/* of a byte; 0 = no limit */
	int64_t credit; /* negative: overdrawn */
	int64_t depth;	/* most credit */
	nsec updated;
	uint32_t queued, bytes; /* in both lanes */
	uint32_t limit;		/* bytes that may wait */
	int32_t fast_left;	/* bytes that the fast lane may take before bulk had its turn */
	struct dp_shaper_stats stats;
	int64_t target_ns, interval_ns; /* of CoDel */
	struct dp_lane fast, bulk;
	struct dp_codel codel;
	uint16_t flows[DP_SHAPER_FLOWS]; /* packets in the bulk lane, by flow */
};

enum dp_shaped {
	DP_SHAPED_PASS,	   /* may go now, was paid for */
	DP_SHAPED_HELD,	   /* a copy waits */
	DP_SHAPED_NO_ROOM, /* dropped: no place to hold it, or too long for one */
};

/* Sets rate (bit/s; 0 = no limit) and burst (bytes; 0 = burst_ms of the rate). What waits stays. */
void dp_shaper_set(struct dp_shaper *s, uint64_t rate, uint32_t burst, uint32_t burst_ms, nsec now);
/* The first time. */
void dp_shaper_init(struct dp_shaper *s);
/* Gives back what waits. */
void dp_shaper_clear(struct dp_shaper *s, struct dp_hold *hold);

/* One packet: `skip` bytes of `head` (then body) are ours and cost nothing. *dropped grows by what
 * had to make room for it. */
struct dp_shaper_packet {
	struct span head, body;
	uint32_t flow;
	uint8_t skip;
	bool is_v6;
};
enum dp_shaped dp_shaper_put(struct dp_shaper *s, struct dp_hold *hold,
			     const struct dp_shaper_packet *p, nsec now, unsigned *dropped);
/* The next packet that may go now, to be given back by dp_hold_free; DP_HELD_NONE: none yet.
 * *dropped grows by what CoDel took meanwhile. */
uint32_t dp_shaper_take(struct dp_shaper *s, struct dp_hold *hold, nsec now, unsigned *dropped);
/* When dp_shaper_take has one at the earliest; NSEC_NEVER when nothing waits. */
nsec dp_shaper_next(const struct dp_shaper *s);

#endif
