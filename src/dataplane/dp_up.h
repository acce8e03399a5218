/*
 * dp_up.h - from the LAC to the core: L2TP data header (RFC 2661 3.1), PPP framing (RFC 1661 2,
 * 6.5, 6.6), session, spoof check, MSS clamp, one verdict for each datagram. Pure; called by any
 * worker, for its own sessions and for those of others (published records).
 */
#ifndef LNS_DP_UP_H
#define LNS_DP_UP_H

#include "dataplane/dp_world.h"

enum dp_up_verdict {
	DP_UP_DROP,    /* counted already */
	DP_UP_FORWARD, /* p, n: the inner IP packet, to the TUN */
	DP_UP_FRAME,   /* p, n: a PPP frame from its protocol field on, to worker sid % N */
	DP_UP_EARLY,   /* the same of no session that is known yet, LCP only */
	DP_UP_HELD, /* taken by the session's service: goes on later, or was dropped and counted */
	DP_UP_CONTROL, /* p, n: the whole datagram, to worker tid % N (0: to this one) */
};

struct dp_datagram {
	uint8_t *p; /* edited in place by the MSS clamp */
	size_t n;
	const struct l2tp_path *path;
};

struct dp_up_result {
	uint8_t *p;
	size_t n;
	uint16_t tid, sid;
	uint8_t verdict; /* enum dp_up_verdict */
	uint8_t why;	 /* enum drop, of DP_UP_DROP */
	bool stays;	 /* FORWARD: here, where others of its session may have waited */
};

/* n <= DP_BATCH. */
void dp_up(const struct dp_world *w, const struct dp_datagram *in, unsigned n,
	   struct dp_up_result *out);
/* The same when there is too much: what carries IP is dropped without a look at its session, the
 * rest is treated as ever. */
void dp_up_shed(const struct dp_world *w, const struct dp_datagram *in, unsigned n,
		struct dp_up_result *out);
/* What a FRAME carries is a subscriber's packet, nothing that holds the link together. */
bool dp_up_is_ip(const struct dp_up_result *r);
/* The same as dp_up for a frame that another worker handed over (DP_UP_FRAME there). */
void dp_up_frame(const struct dp_world *w, uint16_t tid, uint16_t sid, const struct l2tp_path *path,
		 uint8_t *frame, size_t n, struct dp_up_result *out);

#endif
