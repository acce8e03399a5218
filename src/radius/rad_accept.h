/*
 * rad_accept.h - what an Access-Accept grants (RFC 2865 5.44, RFC 2869, RFC 2548, Ascend), read
 * into an aaa_profile; and the text of a reject. Pure; any thread.
 */
#ifndef LNS_RAD_ACCEPT_H
#define LNS_RAD_ACCEPT_H

#include "base/facts.h"
#include "radius/rad_avpair.h"
#include "radius/rad_packet.h"

enum { RAD_CLASSES_MAX = 4 }; /* Class attributes kept; servers send one */

struct rad_grant {
	struct aaa_profile profile; /* ip unset: from a pool */
	bool has_session_timeout;   /* the attribute was there, 0 included */
	uint8_t n_classes;
	struct span classes[RAD_CLASSES_MAX]; /* within the packet */
	struct rad_avpairs pairs;	      /* every Cisco-AVPair, understood here or not */
	/* Counted and left out: Framed-Routes that no one can read or that are too many, Filter-Ids
	 * that are neither NAME.in nor NAME.out. */
	uint8_t routes_ignored, filters_ignored;
	const char *malformed; /* name of the attribute that made the decoder refuse */
};

/* False: an attribute is malformed, out->malformed names it. */
bool rad_accept_decode(const struct rad_packet *p, struct rad_grant *out);
/* "a.b.c.d[/len][ gateway[ metrics]]"; without a length the class of the address decides. False:
 * not such a text, or 0.0.0.0. */
bool rad_route_parse(struct span text, struct ip_prefix *out);
/* All Reply-Messages in a row, cut to what fits; returns the bytes. */
uint8_t rad_reply_message(const struct rad_packet *p, char out[static LNS_REPLY_MSG_MAX]);

#endif
