/*
 * dp_icmp.h - ICMP errors toward the core (RFC 792; when to keep silent: RFC 1812 4.3.2.7): host
 * unreachable for an address without a session, fragmentation needed (RFC 1191) for a packet that
 * its session cannot take. Pure.
 */
#ifndef LNS_DP_ICMP_H
#define LNS_DP_ICMP_H

#include "base/addr.h"
#include "base/nsec.h"
#include "base/span.h"
#include "base/wbuf.h"
#include "dataplane/dp_ip.h"

enum {
	DP_ICMP_MAX = 576,	      /* bytes of an error with its quotation (RFC 1812 4.3.2.3) */
	DP_ICMP_TOO_BIG_PER_S = 1000, /* path MTU discovery works even with icmp_rate 0 */
	ICMP_UNREACHABLE = 3,
	ICMP_HOST_UNREACHABLE = 1,
	ICMP_FRAGMENTATION_NEEDED = 4,
};

/* How many errors this second has seen; one per worker and kind. */
struct dp_icmp_limit {
	int64_t second;
	uint32_t sent;
};

bool dp_icmp_allowed(struct dp_icmp_limit *l, uint32_t per_s, nsec now);
/* Writes a whole IPv4 packet of type 3 about `packet`, whose decoded header is h. False: none may
 * be sent about this packet, or it does not fit. `mtu` is 0 unless the code is 4. */
bool dp_icmp_unreachable(struct wbuf *w, const struct dp_ip4 *h, struct span packet,
			 uint32_t source, uint8_t code, uint16_t mtu);

#endif
