/*
 * ippool.h - the addresses that sessions are given (file `ip_pool`): assignment and return in O(1),
 * the same user gets the same address again while nobody else needed it, otherwise the one unused
 * for the longest time. Owned by the control thread; pure.
 *
 * There may be named pools beside the one without a name (""), each with the name of a pool that
 * goes on where it is exhausted.
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

enum { IPPOOL_NAMES_MAX = 64 }; /* named pools */

/* What is added from here on belongs to the pool of that name; `next` may be "" (none), and may
 * name a pool that is opened later. False, with a reason, when one was opened before or there are
 * too many. */
bool ippool_open(struct ippool *p, const char *name, const char *next, char err[static 96]);
/* Number of a pool whose `next` is the name of none, in the order of opening from 1; 0: all is
 * well.
 */
unsigned ippool_broken_chain(const struct ippool *p);
bool ippool_has(const struct ippool *p, const char *name);
/* Are there any but the one without a name? */
bool ippool_has_names(const struct ippool *p);

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

/* An address for this session from the pool of that name or those behind it, or false when none is
 * free there. `user` may be empty. */
bool ippool_take(struct ippool *p, const char *name, struct span user, struct sess_key key,
		 nsec now, struct ip_addr *out);
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
	uint32_t age_s;	  /* since it was given back, when free and used before */
	const char *pool; /* its name, valid until the next change of the pools */
};
bool ippool_next(const struct ippool *p, uint64_t *cursor, nsec now, struct ippool_view *out);
void ippool_totals(const struct ippool *p, uint32_t *used, uint32_t *total);

struct ippool_name_view {
	char name[LNS_POOL_NAME_MAX], next[LNS_POOL_NAME_MAX];
	uint32_t used, total;
};
/* Pool number i, the one without a name first. False at the end. */
bool ippool_name(const struct ippool *p, unsigned i, struct ippool_name_view *out);

#endif
