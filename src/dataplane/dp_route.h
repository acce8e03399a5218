/*
 * dp_route.h - longest-prefix map from a destination address to a session: the only way from the
 * core to a subscriber. Written by control alone, read by workers under RCU; two memory accesses
 * for IPv4. A value is a slot and its 7-bit generation; a reader whose record does not carry that
 * generation counts a stale route.
 */
#ifndef LNS_DP_ROUTE_H
#define LNS_DP_ROUTE_H

#include "base/addr.h"
#include "base/alloc.h"

struct dp_routes;

struct dp_route_value {
	uint32_t slot; /* DP_SLOT_NONE: no session */
	uint8_t generation;
	bool by_kernel; /* for who watches: packets may come past no filter of the kernel's */
};

struct dp_routes *dp_routes_new(const struct alloc *a);
void dp_routes_free(struct dp_routes *r);

/* Control only. Adding a prefix that exists replaces its value. False = out of memory. */
bool dp_route_add_own(struct dp_routes *r, const struct ip_prefix *p, struct dp_route_value v);
/* Removes the prefix if it points to this slot and generation (another session may have taken it
 * over). Addresses fall back to the next shorter prefix. */
void dp_route_del_own(struct dp_routes *r, const struct ip_prefix *p, struct dp_route_value v);
/* Tells of every change from now on; a slot of DP_SLOT_NONE: the prefix is gone. */
void dp_routes_watch_own(struct dp_routes *r,
			 void (*changed)(void *ctx, const struct ip_prefix *p,
					 struct dp_route_value v),
			 void *ctx);
/* Frees what no reader can see any more; call once per turn of control. */
void dp_routes_turn_own(struct dp_routes *r);

/* Readers, under RCU. IPv4 address in host order. */
struct dp_route_value dp_route_find4_rcu(const struct dp_routes *r, uint32_t ip);
struct dp_route_value dp_route_find6_rcu(const struct dp_routes *r, const uint8_t ip[static 16]);
/* The same for n addresses at once, memory fetched ahead. */
void dp_routes_find4_rcu(const struct dp_routes *r, const uint32_t *ips, unsigned n,
			 struct dp_route_value *out);
uint32_t dp_routes_count(const struct dp_routes *r);

#endif
