/*
 * netlink.h - kernel routes toward the TUN device (rtnetlink through libmnl): pools, static
 * addresses, Framed-Routes. Requests are batched and sent at the end of a turn; the kernel answers
 * only what it refuses, which is counted and logged. Also watches the device: the kernel forgets
 * its routes when somebody sets it down. Owner: the control thread.
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
/* Removes every route of ours toward the device, e.g. of a run that crashed. Waits for the kernel's
 * table; false when it could not be read. */
bool netlink_clear(struct netlink *nl);
int netlink_fd(const struct netlink *nl);
/* Queues one change; an existing route is replaced. */
void netlink_route(struct netlink *nl, bool add, const struct ip_prefix *p);
/* Sends what is queued. */
void netlink_flush(struct netlink *nl);
/* What happened to the TUN device, the latest that matters. */
enum netlink_news {
	NETLINK_NO_NEWS,
	NETLINK_UP_AGAIN, /* its routes have to be added again */
	NETLINK_GONE,	  /* deleted: there is nothing to forward to any more */
};

/* Reads errors and news; call when the descriptor is readable. */
enum netlink_news netlink_read(struct netlink *nl);

#endif
