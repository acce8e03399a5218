/*
 * netlink.h - kernel routes toward the TUN device (rtnetlink through libmnl): pools, static
 * addresses, Framed-Routes. Requests are batched and sent at the end of a turn; the kernel answers
 * only what it refuses, which is counted and logged: so it does where somebody else has a route to
 * the same prefix, which stays. Also watches the device, the kernel forgets its routes when
 * somebody sets it down, and the other interfaces and addresses. Owner: the control thread.
 */
#ifndef LNS_NETLINK_H
#define LNS_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/counters.h"

enum { NETLINK_ROUTE_PROTOCOL = 42 }; /* rtm_protocol of our routes, as the original's */

struct netlink;

/* NULL: no netlink socket (errno says why). `ifindex` is the TUN device. */
struct netlink *netlink_new(unsigned ifindex, struct counters *counters);
void netlink_free(struct netlink *nl);
/* Removes every route of our protocol number from the main table, e.g. of a run that crashed,
 * except those toward the TUN device of another server. Waits for the kernel's table; false when it
 * could not be read. */
bool netlink_clear(struct netlink *nl);
int netlink_fd(const struct netlink *nl);
/* Queues one change; a route that is added must not be there. */
void netlink_route(struct netlink *nl, bool add, const struct ip_prefix *p);
/* Sends what is queued. */
void netlink_flush(struct netlink *nl);
/* What happened, as bits. */
enum netlink_news {
	NETLINK_UP_AGAIN = 1, /* the TUN device; its routes have to be added again */
	NETLINK_GONE = 2,     /* it was deleted: there is nothing to forward to any more */
	NETLINK_PLACES = 4,   /* other interfaces changed, or IPv4 addresses */
};

/* Reads errors and news; call when the descriptor is readable. */
unsigned netlink_read(struct netlink *nl);

#endif
