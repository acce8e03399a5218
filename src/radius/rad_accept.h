/*
 * rad_accept.h - what an Access-Accept grants (RFC 2865 5.44 and what came after it), read into an
 * aaa_profile; and the text of a reject. Pure; any thread.
 */
#ifndef LNS_RAD_ACCEPT_H
#define LNS_RAD_ACCEPT_H

#include "base/facts.h"
#include "radius/rad_avpair.h"
#include "radius/rad_told.h"
#include "radius/rad_tunnel.h"

enum { RAD_CLASSES_MAX = 4 }; /* Class attributes kept */

struct rad_grant {
	struct aaa_profile profile; /* ip unset: from a pool */
	bool has_session_timeout;   /* the attribute was there, 0 included */
	uint8_t n_classes;
	struct span classes[RAD_CLASSES_MAX]; /* within the packet */
	char pool[LNS_POOL_NAME_MAX];	      /* take the address from it; "" = any */
	uint32_t port_limit;		      /* sessions of the user; 0 = no limit */
	struct rad_tunnels tunnels;	      /* wiped by rad_grant_wipe() */
	struct rad_avpairs pairs;	      /* every Cisco-AVPair, understood here or not */
	/* Counted and left out: values that make no sense, and what is too many. */
	uint8_t ignored;
	char ignored_name[RAD_NAME_TEXT]; /* of the first of them */
	char malformed[RAD_NAME_TEXT];	  /* the attribute that made the decoder refuse */
};

/* With what the reply was asked for: only a Tunnel-Password needs it. */
struct rad_accept_key {
	struct span secret;
	uint8_t authenticator[RAD_AUTHENTICATOR]; /* of the request */
};

/* False: an attribute is malformed, out->malformed names it. */
bool rad_accept_decode(const struct rad_packet *p, const struct rad_terms *terms,
		       const struct rad_accept_key *key, struct rad_grant *out);
/* False: it grants another service than Framed, *service, which is to be taken as an Access-Reject
 * (RFC 2865 5.6). Without Service-Type it is Framed. */
bool rad_accept_is_framed(const struct rad_packet *p, uint32_t *service);
/* Tunnel passwords are in it. */
void rad_grant_wipe(struct rad_grant *g);
/* All Reply-Messages in a row, cut to what fits; returns the bytes. */
uint8_t rad_reply_message(const struct rad_packet *p, char out[static LNS_REPLY_MSG_MAX]);

#endif
