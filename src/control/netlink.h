/*
 * netlink.h - kernel routes toward the TUN device (rtnetlink through libmnl): pools, static
 * addresses, Framed-Routes. Requests are batched and sent at the end of a turn; errors come back
 * later, are counted and logged. Owner: the control thread.
 */
#ifndef LNS_NETLINK_H
#define LNS_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum { NETLINK_ROUTE_PROTOCOL = 42 }; /* rtm_protocol of our routes, as the original's */

struct netlink;

/* NULL: no netlink socket (errno says why). `ifindex` is the TUN device. */
struct netlink *netlink_new(unsigned ifindex);
void netlink_free(struct netlink *nl);
int netlink_fd(const struct netlink *nl);
/* Queues one change; an existing route is replaced. */
void netlink_route(struct netlink *nl, bool add, const struct ip_prefix *p);
/* Sends what is queued. */
void netlink_flush(struct netlink *nl);
/* Reads acknowledgements; call when the descriptor is readable. */
void netlink_read(struct netlink *nl);
uint64_t netlink_errors(const struct netlink *nl);

#endif
