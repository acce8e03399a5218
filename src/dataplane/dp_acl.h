/*
 * dp_acl.h - access lists, compiled: the first rule that matches an IPv4 packet decides, no match
 * denies. Each address byte, port and flag set has for every value a vector of the rules that it
 * satisfies, a bit each; the vectors of a packet are ANDed (with a summary of each 64 rules first)
 * and the lowest bit is the rule. So a thousand rules cost little more than ten, whatever their
 * wildcards and ranges. Immutable once compiled, but for the hits, of which each worker has its
 * own. Pure.
 *
 * Lists are shared by snapshots of the configuration: control makes a snapshot, gives lists that
 * did not change on to the next one with their hits, and frees it when no worker uses it.
 */
#ifndef LNS_DP_ACL_H
#define LNS_DP_ACL_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/facts.h"
#include "base/span.h"

enum { DP_ACL_RULES_MAX = 4096 }; /* 64 words of 64 rules: one word of summary */

/* A test of a port: within low..high, or outside. */
struct dp_acl_ports {
	bool test, outside;
	uint16_t low, high; /* low > high: no port is within */
};

enum dp_acl_flags { DP_ACL_FLAGS_NONE, DP_ACL_ESTABLISHED, DP_ACL_MATCH_ANY, DP_ACL_MATCH_ALL };

/* Addresses in host byte order; a bit of a wildcard that is set is ignored. */
struct dp_acl_rule {
	bool permit, fragments;
	uint8_t proto; /* 0 = any, IP_TCP, IP_UDP */
	uint32_t src, src_wild, dst, dst_wild;
	struct dp_acl_ports src_ports, dst_ports;
	uint8_t flags_op;   /* enum dp_acl_flags */
	uint8_t set, clear; /* TCP flags that shall be set or clear */
};

struct dp_acl;

/* n <= DP_ACL_RULES_MAX. NULL: out of memory. */
struct dp_acl *dp_acl_new(const struct alloc *a, const char *name, const struct dp_acl_rule *rules,
			  uint32_t n, unsigned n_workers);
void dp_acl_free(struct dp_acl *l);
/* Worker `self`: what becomes of the packet, counted as a hit of its rule. Only whole IPv4 headers
 * pass, and only TCP and UDP headers long enough to be judged; a TCP fragment at offset 8 never
 * does (RFC 3128). */
bool dp_acl_permits(const struct dp_acl *l, unsigned self, struct span packet);
/* The rule that decides, or -1: none (denied). */
int dp_acl_match(const struct dp_acl *l, struct span packet);
/* Any thread: hits of one rule, all workers together. */
uint64_t dp_acl_hits(const struct dp_acl *l, uint32_t rule);
uint32_t dp_acl_rules(const struct dp_acl *l);

/* ---- all lists of one configuration ---------------------------------------------------------- */

struct dp_acls;

/* Empty. NULL: out of memory. `version` differs from that of every other snapshot. */
struct dp_acls *dp_acls_new(const struct alloc *a, uint64_t version);
/* Takes the list over, or (from `before`) shares the list of the same name and rules. False: out
 * of memory. */
bool dp_acls_add(struct dp_acls *s, const struct dp_acls *before, const char *name,
		 const struct dp_acl_rule *rules, uint32_t n, unsigned n_workers);
/* Control: nobody uses the snapshot any more. NULL is allowed. */
void dp_acls_free(struct dp_acls *s);
uint64_t dp_acls_version(const struct dp_acls *s);
/* NULL: there is none. */
const struct dp_acl *dp_acls_find(const struct dp_acls *s, const char *name);

#endif
