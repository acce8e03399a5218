/*
 * conf_bgp.h - grammar of the `router bgp` block and the block as numbers:
 *
 *	bgp router-id A.B.C.D			bgp aggregate yes|no	network PREFIX
 *	neighbour PEER remote-as AS		timers KEEPALIVE HOLD	update-source IP
 *	               password WORD		ttl-security HOPS	ebgp-multihop TTL
 *	               connect-retry SECONDS	port PORT		passive yes|no
 *	               graceful-restart SECONDS	med N			local-preference N
 *	               prepend TIMES		community none|WORD...	nexthop A.B.C.D
 *	               nexthop6 IPV6
 *
 * A community is A:B, a number, no-export, no-advertise or local-as. Pure.
 */
#ifndef LNS_CONF_BGP_H
#define LNS_CONF_BGP_H

#include "bgp/bgp_conf.h"
#include "control/conf.h"

/* Checks the words behind "neighbour PEER" and writes their canonical form, which begins with the
 * attribute's name and a blank; false with a reason when they are none. */
bool conf_bgp_attribute(const char *const *args, unsigned n_args,
			char canonical[static CONF_VALUE_TEXT],
			char reason[static CONF_REASON_TEXT]);
/* Its one spelling: an address as this program writes addresses, a link-local one with %INTERFACE,
 * or a host name as it is; false with a reason. */
bool conf_bgp_peer(const char *word, char canonical[static BGP_NAME_MAX],
		   char reason[static CONF_REASON_TEXT]);

/* A kept line, blank in front, with its password hidden; false: it has none. */
bool conf_bgp_masked(const struct conf_kept *k, char *out, size_t cap);

/* The whole block; as 0 when there is none. Neighbours with names have no address yet; their array
 * comes from the configuration's allocator. False: out of memory. */
bool conf_to_bgp(const struct conf *c, struct bgp_conf *out);
/* Wipes it and gives the array back. */
void conf_bgp_free(struct bgp_conf *b);

#endif
