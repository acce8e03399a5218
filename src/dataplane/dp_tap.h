/*
 * dp_tap.h - copies of the inner packets of sessions that are watched (DP_TAP in their record), put
 * into a bounded queue per worker for one consumer thread (control/tap_io.c). Written by the worker
 * that forwards, so that packets of one direction keep their order; a full queue loses copies,
 * counted, and never a packet. Pure.
 */
#ifndef LNS_DP_TAP_H
#define LNS_DP_TAP_H

#include "base/counters.h"
#include "base/facts.h"
#include "base/nsec.h"
#include "base/ring.h"
#include "base/span.h"

enum { DP_TAP_RING = 1 << 22, DP_TAP_HEAD_MAX = 256 };

/* In the queue; the inner IP packet follows. */
struct dp_tap_record {
	struct sess_key key;
	nsec at;    /* monotonic, of the batch */
	uint32_t n; /* bytes of the packet, all of them there */
	bool down;  /* toward the subscriber */
};

/* One worker's. The worker is the producer; dp_tap_next() and dp_tap_done() are the consumer's. */
struct dp_tap {
	struct ring ring;
};

/* `memory` has DP_TAP_RING bytes, 64-byte aligned, and outlives the tap. */
void dp_tap_init(struct dp_tap *t, void *memory);
/* Worker: copies one packet, its bytes being head (may be empty) and body. More than
 * DP_TAP_HEAD_MAX of head cannot be copied. `t` NULL: nobody listens. */
void dp_tap_copy(struct dp_tap *t, struct counters *counters, const struct dp_tap_record *r,
		 struct span head, struct span body);
/* Consumer: the oldest copy, NULL when there is none; *packet stays until dp_tap_done(). */
const struct dp_tap_record *dp_tap_next(struct dp_tap *t, struct span *packet);
void dp_tap_done(struct dp_tap *t);

#endif
