/*
 * dp_order.h - the order in which a batch leaves, so that datagrams of equal length to one peer
 * follow each other and can be sent as one (UDP_SEGMENT), while packets of one flow keep their
 * order. Pure.
 */
#ifndef LNS_DP_ORDER_H
#define LNS_DP_ORDER_H

#include "dataplane/dp_table.h"

/* One datagram to be sent: head (may be empty) followed by body. */
struct dp_tx {
	const struct dp_session *session;
	const uint8_t *head, *body;
	uint16_t head_n, body_n;
	uint32_t flow; /* packets of one flow have one number; others may share it */
};

enum { DP_TX_MAX = 1024 };

static inline unsigned dp_tx_len(const struct dp_tx *t)
{
	return (unsigned)t->head_n + t->body_n;
}

/* Writes a permutation of 0..n-1, n <= DP_TX_MAX: by peer, longer ones first. */
void dp_order(const struct dp_tx *tx, unsigned n, uint16_t *order);

#endif
