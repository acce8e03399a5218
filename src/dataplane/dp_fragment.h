/*
 * dp_fragment.h - cuts an IPv4 packet into fragments (RFC 791 3.2). Pure: the caller asks for one
 * fragment after the other and says where it goes.
 */
#ifndef LNS_DP_FRAGMENT_H
#define LNS_DP_FRAGMENT_H

#include "dataplane/dp_ip.h"

struct dp_fragment {
	struct dp_ip4 header; /* of the whole; it may be a fragment itself */
	struct span options, data;
	uint16_t mtu;
	uint16_t offset; /* of the next piece, bytes from the start of `data` */
};

/* `packet` was decoded as h; its DF is clear. False when mtu is too small to carry anything. */
bool dp_fragment_start(struct dp_fragment *f, const struct dp_ip4 *h, struct span packet,
		       uint16_t mtu);
/* Writes the next fragment; false when there is none left (or *w is bad: it did not fit). */
bool dp_fragment_next(struct dp_fragment *f, struct wbuf *w);

#endif
