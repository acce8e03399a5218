/*
 * ippool.h - the addresses that sessions are given (file `ip_pool`): assignment and return in O(1),
 * the same user gets the same address again while nobody else needed it, otherwise the one unused
 * for the longest time. Owned by the control thread; pure.
 */
#ifndef LNS_IPPOOL_H
#define LNS_IPPOOL_H

#include "base/addr.h"
#include "base/alloc.h"
#include "base/facts.h"
#include "base/nsec.h"

struct ippool;

struct ippool *ippool_new(const struct alloc *a);
void ippool_free(struct ippool *p);

/* One line of the file: an address or a network. Addresses that end in .0 or .255 are never
 * assigned, whatever the prefix. What overlaps an earlier line, or has no address to assign, is
 * refused (false, with a reason in err). */
bool ippool_add(struct ippool *p, const struct ip_prefix *range, char err[static 96]);

/* Takes over the ranges of `fresh`, which gets the old ones and is to be freed: what is free is
 * given out from the new ranges only, what is in use outside of them stays with its session, and
 * its network among those to route, until it is given back. `fresh` has the same memory and no
 * address in use. False when out of memory: nothing changed. */
bool ippool_replace(struct ippool *p, struct ippool *fresh);
/* Takes a network out whose last such address was given back; false when there is none. */
bool ippool_retire(struct ippool *p, struct ip_prefix *out);

/* Prefixes to route toward the TUN device, single addresses included. False at the end. */
bool ippool_range(const struct ippool *p, unsigned i, struct ip_prefix *out);

/* Is this one of those prefixes? */
bool ippool_has_range(const struct ippool *p, const struct ip_prefix *range);
/* Is it in one of those prefixes? */
bool ippool_contains(const struct ippool *p, const struct ip_addr *ip);

/* An address for this session, or false when none is free. `user` may be empty. */
bool ippool_take(struct ippool *p, struct span user, struct sess_key key, nsec now,
		 struct ip_addr *out);
/* Marks a pool address as used by a session that got it otherwise (Framed-IP-Address, restart);
 * false when it is not a pool address or is used by another. */
bool ippool_claim(struct ippool *p, const struct ip_addr *ip, struct span user, struct sess_key key,
		  nsec now);
void ippool_give_back(struct ippool *p, const struct ip_addr *ip, struct sess_key key, nsec now);

struct ippool_view {
	struct ip_addr ip;
	bool used;
	struct sess_key key; /* when used */
	uint8_t user_len;    /* present or last user; 0 = never used */
	uint8_t user[LNS_USER_MAX + 1];
	uint32_t age_s; /* since it was given back, when free and used before */
};
bool ippool_next(const struct ippool *p, uint64_t *cursor, nsec now, struct ippool_view *out);
void ippool_totals(const struct ippool *p, uint32_t *used, uint32_t *total);

#endif
