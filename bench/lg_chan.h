/*
 * lg_chan.h - the LAC's end of one tunnel's reliable control channel (RFC 2661 5.8 and appendix
 * A): numbers, windows, slow start, retransmission. Keeps messages in the order of their numbers;
 * messages that arrive out of order are dropped and asked for again by our acknowledgement. No
 * clock and no socket: the owner sends what lg_chan_next() hands out.
 */
#ifndef LG_CHAN_H
#define LG_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lg_l2tp.h"

struct lg_chan_msg {
	struct lg_chan_msg *next;
	uint16_t n;
	uint8_t bytes[];
};

struct lg_chan {
	uint16_t ns;	/* of the next message to be queued */
	uint16_t acked; /* the peer expects this one */
	uint16_t sent;	/* next to go out for the first time, or again after a timeout */
	uint16_t nr;	/* expected from the peer */
	uint16_t peer_window, cwnd, ssthresh, cwnd_acks;
	uint8_t tries; /* timeouts without progress */
	bool must_ack;
	struct lg_chan_msg *head, *tail, *next_tx;
};

enum lg_chan_verdict {
	LG_CHAN_DELIVER, /* a new message in order: handle its body */
	LG_CHAN_ACK,	 /* nothing but an acknowledgement */
	LG_CHAN_OLD,	 /* a repetition, or out of order */
};

void lg_chan_init(struct lg_chan *c);
void lg_chan_fini(struct lg_chan *c);
/* Queues a copy of a finished control message; false when out of memory. */
bool lg_chan_queue(struct lg_chan *c, struct span msg);
/* Messages queued and not acknowledged. */
static inline uint16_t lg_chan_pending(const struct lg_chan *c)
{
	return (uint16_t)(c->ns - c->acked);
}
/* Messages on their way. */
static inline uint16_t lg_chan_in_flight(const struct lg_chan *c)
{
	return (uint16_t)(c->sent - c->acked);
}
void lg_chan_peer_window(struct lg_chan *c, uint16_t window);
/* The next message that the windows allow, stamped, or NULL. */
const struct lg_chan_msg *lg_chan_next(struct lg_chan *c);
/* Numbers of a received control message; `progress` says whether one of ours was acknowledged. */
enum lg_chan_verdict lg_chan_rx(struct lg_chan *c, const struct lg_hdr *h, bool *progress);
/* Nothing was acknowledged in time: slow start again, and lg_chan_next() repeats the oldest. */
void lg_chan_timeout(struct lg_chan *c);

#endif
