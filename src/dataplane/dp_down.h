/*
 * dp_down.h - from the core to the LAC: longest-prefix map, record, MRU (fragmentation or ICMP,
 * RFC 791, RFC 1191), MSS clamp, prebuilt header; super-packets are cut. Pure; called by any worker
 * for any session.
 */
#ifndef LNS_DP_DOWN_H
#define LNS_DP_DOWN_H

#include "dataplane/dp_cut.h"
#include "dataplane/dp_icmp.h"
#include "dataplane/dp_order.h"
#include "dataplane/dp_world.h"

enum {
	DP_REPLIES_MAX = 32,
	DP_MRU_MIN = 576, /* no session's is less */
	/* Headers of DP_TX_MAX segments, or the fragments of the longest packet, and replies. */
	DP_SCRATCH = DP_TX_MAX * (DP_HEADER_MAX + DP_CUT_HEAD_MAX) + DP_REPLIES_MAX * DP_ICMP_MAX,
};

/* A packet from the TUN device. The DP_HEADER_MAX bytes before p are free for our header. */
struct dp_packet {
	uint8_t *p;
	size_t n;
	struct dp_super super;
};

/* A packet for a session that only its own worker may serve, as it came. */
struct dp_away {
	struct span packet;
	struct dp_super super;
	uint16_t sid;
};

/* What a worker keeps between batches, and the result of one. */
struct dp_down {
	struct dp_icmp_limit unreachable, too_big;
	unsigned n_tx;
	struct dp_tx tx[DP_TX_MAX]; /* point into the packets and into scratch */
	uint16_t order[DP_TX_MAX];  /* in which to send them */
	unsigned n_replies;
	struct span replies[DP_REPLIES_MAX]; /* ICMP packets back to the TUN device */
	unsigned n_away;
	struct dp_away away[DP_BATCH]; /* to worker sid % N */
	size_t scratch_used;
	uint8_t scratch[DP_SCRATCH];
};

/* n <= DP_BATCH. Takes as many as surely fit into d, whatever becomes of them, at least one, and
 * returns how many. Packets and records stay in use until the batch was sent. */
unsigned dp_down(const struct dp_world *w, struct dp_down *d, const struct dp_packet *in,
		 unsigned n);

#endif
