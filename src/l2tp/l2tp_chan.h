/*
 * l2tp_chan.h - reliable control channel of one tunnel (RFC 2661 section 5.8, appendix A): numbers,
 * orders, acknowledges, retransmits with slow start, and gives up. Owned by the tunnel's worker.
 * Time is an argument, memory a struct alloc; it never reads a clock, sends or logs: the owner asks
 * for what may be sent and sends it.
 *
 * Received: l2tp_chan_rx, then, after the message was handled, l2tp_chan_next_stored until none.
 * To send: l2tp_chan_queue, then l2tp_chan_tx until none, then a ZLB if l2tp_chan_ack_due.
 */
#ifndef LNS_L2TP_CHAN_H
#define LNS_L2TP_CHAN_H

#include "base/alloc.h"
#include "base/nsec.h"
#include "l2tp/l2tp_hdr.h"

struct l2tp_chan_msg; /* one queued or stored message, exactly as large as its bytes */

struct l2tp_chan_conf {
	uint16_t max_retries; /* resends of one message without progress */
	uint16_t cap_s;	      /* longest wait between two resends */
};

enum { L2TP_CHAN_WINDOW_DEFAULT = 4 /* of a peer that sends no AVP (RFC 2661 4.4.3) */ };

struct l2tp_chan {
	const struct alloc *alloc;
	uint16_t nr;			    /* next that we expect */
	uint16_t ns;			    /* of the next message to be queued */
	uint16_t peer_nr;		    /* all of ours before it are acknowledged */
	uint16_t sent;			    /* all of ours before it went out at least once */
	uint16_t peer_window;		    /* of the peer, at least 1 */
	uint16_t cwnd, ssthresh, cwnd_acks; /* slow start, congestion avoidance (appendix A) */
	uint8_t tries;			    /* resends since the last progress */
	bool ack_due;			    /* something was received since we last told our nr */
	uint16_t tx_ns;			    /* of *tx_next */
	uint16_t store_size; /* slots of <store>: the window that we announced, or more */
	uint32_t queued;     /* messages in the list */
	uint32_t resends;    /* in all */
	nsec deadline;	     /* of the next retransmission; NSEC_NEVER when idle */
	nsec last_tx;	     /* NSEC_ZERO before the first */
	struct l2tp_chan_msg *first, *last; /* from the oldest unacknowledged */
	struct l2tp_chan_msg *tx_next;	    /* next to be (re)sent; NULL when all went out */
	struct l2tp_chan_msg **store;	    /* by ns % store_size; NULL until the first is kept */
	uint16_t stored;		    /* messages in <store> */
};

enum l2tp_chan_verdict {
	L2TP_CHAN_NEXT,	     /* the expected one: handle it now */
	L2TP_CHAN_STORED,    /* ahead of order, kept */
	L2TP_CHAN_DUPLICATE, /* seen before; will be acknowledged again */
	L2TP_CHAN_ACK,	     /* a ZLB, its Nr was taken */
	L2TP_CHAN_LOST,	     /* ahead of order, but no memory to keep it; its Nr was taken */
	L2TP_CHAN_OUTSIDE,   /* not within any window; nothing was taken from it */
};

/* <window> is what the Receive Window Size AVP says. */
void l2tp_chan_init(struct l2tp_chan *c, const struct alloc *a, uint16_t window);
void l2tp_chan_fini(struct l2tp_chan *c);
/* The peer's Receive Window Size; 0 counts as 1. */
void l2tp_chan_peer_window(struct l2tp_chan *c, uint16_t window);

/* Takes Nr and places Ns. <datagram> is all of it, for the store. */
enum l2tp_chan_verdict l2tp_chan_rx(struct l2tp_chan *c, const struct l2tp_hdr *h,
				    struct span datagram, nsec now);
/* The kept datagram that is in order now, or NULL; free it with l2tp_chan_msg_free. */
struct l2tp_chan_msg *l2tp_chan_next_stored(struct l2tp_chan *c);
struct span l2tp_chan_msg_span(const struct l2tp_chan_msg *m);
void l2tp_chan_msg_free(struct l2tp_chan *c, struct l2tp_chan_msg *m);

/* Copies a finished control message into the queue; false when out of memory. */
bool l2tp_chan_queue(struct l2tp_chan *c, struct span message);
/* The next message that the windows let go, stamped with Ns and Nr, or empty. Valid until the next
 * call of any of these functions. */
struct span l2tp_chan_tx(struct l2tp_chan *c, const struct l2tp_chan_conf *conf, nsec now);
/* Whether a ZLB must carry our Nr; writes it when so. */
bool l2tp_chan_zlb(struct l2tp_chan *c, uint16_t peer_tid, struct wbuf *w, nsec now);

enum l2tp_chan_timeout { L2TP_CHAN_WAIT, L2TP_CHAN_RESEND, L2TP_CHAN_DEAD };
/* Looks at the deadline: after RESEND l2tp_chan_tx gives messages again, DEAD is final. */
enum l2tp_chan_timeout l2tp_chan_timer(struct l2tp_chan *c, const struct l2tp_chan_conf *conf,
				       nsec now);
/* Forgets what was never sent; their numbers are used again. */
void l2tp_chan_drop_unsent(struct l2tp_chan *c);
/* Forgets everything to be sent and kept; it still acknowledges duplicates. */
void l2tp_chan_drop_all(struct l2tp_chan *c);
/* Whether numbers, queue and store agree; for tests. */
bool l2tp_chan_check(const struct l2tp_chan *c);

static inline bool l2tp_chan_idle(const struct l2tp_chan *c)
{
	return c->first == NULL;
}

/* Seconds that the resends of one message last at most: a full retransmission cycle. */
uint32_t l2tp_chan_cycle_s(const struct l2tp_chan_conf *conf);

#endif
