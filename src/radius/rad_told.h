/*
 * rad_told.h - what the attributes of an Access-Accept or a CoA-Request say shall be done, by the
 * rows of rad_map.h, which are the same for both. Pure; any thread.
 */
#ifndef LNS_RAD_TOLD_H
#define LNS_RAD_TOLD_H

#include "base/facts.h"
#include "radius/rad_map.h"

/* What the configuration lends to attributes that only say "yes". */
struct rad_terms {
	struct rad_map map;	    /* radius_map */
	uint64_t throttle;	    /* bit/s of throttle=yes */
	struct sock_addr intercept; /* of intercept=yes; unset: it cannot be done */
};

/* Which fields of struct rad_told were said. */
enum rad_said {
	RAD_SAID_RATE_UP = 1 << 0,
	RAD_SAID_RATE_DOWN = 1 << 1,
	RAD_SAID_BURST_UP = 1 << 2,
	RAD_SAID_BURST_DOWN = 1 << 3,
	RAD_SAID_INTERCEPT = 1 << 4,
	RAD_SAID_FILTER_IN = 1 << 5,
	RAD_SAID_FILTER_OUT = 1 << 6,
	RAD_SAID_GARDEN = 1 << 7,
	RAD_SAID_POLICY = (1 << 8) - 1, /* any of the above */
	RAD_SAID_SESSION_TIMEOUT = 1 << 8,
	RAD_SAID_IDLE_TIMEOUT = 1 << 9,
	RAD_SAID_INTERIM = 1 << 10,
};

struct rad_told {
	uint32_t said; /* bits of enum rad_said */
	struct sess_policy policy;
	uint32_t session_timeout_s, idle_timeout_s, interim_s;
	uint32_t port_limit; /* sessions of the user; 0 = not said */
	uint16_t mtu;	     /* 0 = not said */
	struct ip_addr ip;   /* unset: from a pool */
	uint8_t netmask;     /* bits; 0 = not said */
	struct ip_addr dns[2];
	uint8_t n_routes;
	struct ip_prefix routes[LNS_ROUTES_MAX];
	char pool[LNS_POOL_NAME_MAX];	  /* "" = not said */
	uint8_t ignored;		  /* attributes whose value makes no sense */
	char ignored_name[RAD_NAME_TEXT]; /* of the first of them */
	uint8_t unknown_pairs;		  /* Cisco-AVPairs with keys that have no row */
};

/* Reads one attribute of a rad_walk. */
enum rad_take rad_told_take(struct rad_told *t, const struct rad_terms *terms,
			    const struct rad_attr *a);
/* May a CoA change what this attribute means? Of a Cisco-AVPair: all its pairs that are known. */
bool rad_told_by_coa(const struct rad_terms *terms, const struct rad_attr *a);
/* Puts what was said over a session's policy and leaves the rest. */
void rad_told_policy(const struct rad_told *t, struct sess_policy *policy);

#endif
