/*
 * garp.h - gratuitous ARP (RFC 5227 section 3: an announcement): tells the neighbours on the
 * interface that carries an address of ours where it is now. Owner: the control thread.
 */
#ifndef LNS_GARP_H
#define LNS_GARP_H

#include "base/addr.h"
#include "base/wbuf.h"

enum { GARP_FRAME = 42, GARP_MAC = 6 };

/* The Ethernet frame. */
void garp_encode(struct wbuf *w, const uint8_t mac[static GARP_MAC], const struct ip_addr *ip);

/* An address, and the interface that was found to carry it last; 0: none. */
struct garp_place {
	struct ip_addr ip;
	unsigned ifindex;
};

/* Announces each address that is carried by an Ethernet interface with a link, and was not before,
 * on every such interface; how many frames those were. */
unsigned garp_update(struct garp_place *places, unsigned n);

#endif
