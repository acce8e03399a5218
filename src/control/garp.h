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
/* Sends one on every Ethernet interface that carries the address; how many those were. */
unsigned garp_send(const struct ip_addr *ip);

#endif
