/*
 * dp_mss.h - lowers the Maximum Segment Size option (RFC 9293 3.7.1) of TCP SYN segments to what
 * fits the tunnel, and patches the checksum. Pure; edits the packet in place.
 */
#ifndef LNS_DP_MSS_H
#define LNS_DP_MSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `packet` holds n bytes, a whole IPv4 or IPv6 packet whose header was checked. `mss` is for IPv4;
 * IPv6 gets 20 less for its longer header. True when the option was lowered. */
bool dp_mss_clamp(uint8_t *packet, size_t n, uint16_t mss);

#endif
