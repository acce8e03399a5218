/*
 * rad_accept6.h - the attributes of IPv6 in an Access-Accept (RFC 3162, RFC 4818, RFC 6911). Pure;
 * any thread.
 */
#ifndef LNS_RAD_ACCEPT6_H
#define LNS_RAD_ACCEPT6_H

#include "base/facts.h"
#include "radius/rad_packet.h"

/* Takes one plain attribute that is well formed by the dictionary. */
enum rad_take rad_accept6_take(struct aaa_ipv6 *v6, const struct rad_attr *a);

/* Framed-IPv6-Prefix, Delegated-IPv6-Prefix: a reserved byte, the length, and as many bytes as are
 * needed or more, zeros behind the length. False: not such a value. */
bool rad_prefix6_decode(struct span value, struct ip_prefix *out);

#endif
