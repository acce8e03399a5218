/*
 * dp_cut.h - cuts a super-packet (TSO, USO: one packet that stands for several segments) into the
 * packets that it stands for (RFC 9293 3.1, RFC 768, RFC 791): lengths, IPv4 identification, TCP
 * sequence numbers and flags, checksums. The payload is not copied. Pure.
 */
#ifndef LNS_DP_CUT_H
#define LNS_DP_CUT_H

#include "dataplane/dp_ip.h"

/* What the TUN device says about a super-packet. */
struct dp_super {
	uint16_t
		size; /* payload of each segment, the last may be shorter; 0 = not a super-packet */
	uint16_t l4;  /* where the TCP or UDP header starts */
	bool udp;
};

/* IPv4 and TCP headers with all their options; IPv6 may be longer by its extension headers. */
enum { DP_CUT_HEAD_MAX = 160 };

struct dp_cut {
	struct span head;    /* all headers of the whole */
	struct span payload; /* not given out yet */
	struct dp_super super;
	uint16_t total; /* TCP or UDP header and payload of the whole */
	uint16_t index; /* of the next segment */
	bool v6;
};

/* `packet` is a whole IP packet, its length is that of its IP header, and its TCP or UDP checksum
 * is the sum of the pseudo header alone. False: it is not what `super` says. */
bool dp_cut_start(struct dp_cut *c, struct span packet, const struct dp_super *super);
/* How many segments are left. */
static inline unsigned dp_cut_count(const struct dp_cut *c)
{
	return (unsigned)((c->payload.n + c->super.size - 1) / c->super.size);
}
/* Leaves out the next n segments, fewer than are left. */
void dp_cut_skip(struct dp_cut *c, unsigned n);
/* Writes the next segment's headers, c->head.n bytes; its payload is what comes back. Empty: there
 * is none left (or *w is bad: it did not fit). */
struct span dp_cut_next(struct dp_cut *c, struct wbuf *w);

#endif
