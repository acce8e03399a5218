#include "control/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "control/log_sink.h"

enum {
	BATCH_BYTES = 64 * 1024,
	REQUEST_MAX = 128, /* bytes of one route request */
	LINES_PER_READ = 8,
};

struct netlink {
	struct mnl_socket *socket;
	unsigned ifindex;
	bool down; /* the device, by somebody else's hand */
	uint32_t seq;
	struct counters *counters;
	unsigned refused; /* since the last report */
	size_t used;
	_Alignas(8) uint8_t batch[BATCH_BYTES];
};

struct netlink *netlink_new(unsigned ifindex, struct counters *counters)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	if (!nl)
		return NULL;
	nl->ifindex = ifindex;
	nl->counters = counters;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl->socket ||
	    mnl_socket_bind(nl->socket, RTMGRP_LINK | RTMGRP_IPV4_IFADDR, MNL_SOCKET_AUTOPID) < 0) {
		netlink_free(nl);
		return NULL;
	}
	int bytes = 4 << 20; /* thousands of routes may be refused at once */
	setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(netlink_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return nl;
}

void netlink_free(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

int netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

void netlink_route(struct netlink *nl, bool add, const struct ip_prefix *p)
{
	if (BATCH_BYTES - nl->used < REQUEST_MAX)
		netlink_flush(nl);
	struct nlmsghdr *h = mnl_nlmsg_put_header(nl->batch + nl->used);
	h->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	h->nlmsg_flags = NLM_F_REQUEST; /* errors come without being asked for */
	if (add)
		h->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	h->nlmsg_seq = ++nl->seq;
	counter_add(nl->counters, add ? C_ROUTES_ADDED : C_ROUTES_REMOVED, 1);

	bool v4 = p->addr.family == 4;
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->rtm_family = v4 ? AF_INET : AF_INET6;
	r->rtm_dst_len = p->len;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_protocol = NETLINK_ROUTE_PROTOCOL;
	r->rtm_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_DST, v4 ? 4 : 16, p->addr.b);
	mnl_attr_put_u32(h, RTA_OIF, nl->ifindex);
	nl->used += MNL_ALIGN(h->nlmsg_len);
}

/* ---- what is there already ------------------------------------------------------------------- */

struct clear {
	struct netlink *nl;
	unsigned found;
};

/* Another server has its routes, with the same number, toward a device like ours. What cannot be
 * asked may be one. */
static bool may_be_tun(unsigned ifindex)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	bool other = fd >= 0 && if_indextoname(ifindex, r.ifr_name) &&
		     ioctl(fd, SIOCETHTOOL, &r) == 0 && strcmp(info.driver, "tun") != 0;
	if (fd >= 0)
		close(fd);
	return !other;
}

struct way {
	unsigned ifindex; /* 0: none, or several */
	bool gateway;
};

static int clear_attribute(const struct nlattr *a, void *ctx)
{
	struct way *w = ctx;
	uint16_t type = mnl_attr_get_type(a);

	if (type == RTA_OIF && mnl_attr_get_payload_len(a) >= sizeof(w->ifindex))
		w->ifindex = mnl_attr_get_u32(a);
	if (type == RTA_GATEWAY || type == RTA_VIA)
		w->gateway = true;
	return MNL_CB_OK;
}

/* Our routes lead to a device and to no gateway. Babel has our number: its routes do not. */
static bool is_ours(const struct netlink *nl, const struct nlmsghdr *h)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	struct way way = {0};

	mnl_attr_parse(h, sizeof(*r), clear_attribute, &way);
	return r->rtm_type == RTN_UNICAST && way.ifindex && !way.gateway &&
	       (way.ifindex == nl->ifindex || !may_be_tun(way.ifindex));
}

/* The kernel takes its own description of a route for the order to delete it. */
static void clear_one(struct netlink *nl, const struct nlmsghdr *found)
{
	if (found->nlmsg_len > BATCH_BYTES)
		return;
	if (BATCH_BYTES - nl->used < MNL_ALIGN(found->nlmsg_len))
		netlink_flush(nl);
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)(nl->batch + nl->used);
	memcpy(h, found, found->nlmsg_len);
	h->nlmsg_type = RTM_DELROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = ++nl->seq;
	h->nlmsg_pid = 0;
	((struct rtmsg *)mnl_nlmsg_get_payload(h))->rtm_flags =
		0; /* it sets some that it refuses */
	nl->used += MNL_ALIGN(found->nlmsg_len);
	counter_add(nl->counters, C_ROUTES_REMOVED, 1);
}

static int clear_route(const struct nlmsghdr *h, void *ctx)
{
	struct clear *c = ctx;
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type != RTM_NEWROUTE || r->rtm_protocol != NETLINK_ROUTE_PROTOCOL ||
	    r->rtm_table != RT_TABLE_MAIN || (r->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	if (!is_ours(c->nl, h))
		return MNL_CB_OK;
	clear_one(c->nl, h);
	c->found++;
	return MNL_CB_OK;
}

static bool clear_family(struct mnl_socket *socket, int family, uint32_t seq, struct clear *c)
{
	_Alignas(8) uint8_t bytes[32 * 1024];
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	int more = MNL_CB_OK;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = seq;
	r->rtm_family = (unsigned char)family;
	if (mnl_socket_sendto(socket, h, h->nlmsg_len) < 0)
		return false;
	while (more == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, bytes, sizeof(bytes));
		if (n <= 0)
			return false;
		more = mnl_cb_run(bytes, (size_t)n, seq, mnl_socket_get_portid(socket), clear_route,
				  c);
	}
	return more == MNL_CB_STOP;
}

bool netlink_clear(struct netlink *nl)
{
	struct clear c = {.nl = nl};
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!socket)
		return false;
	bool done = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
		    clear_family(socket, AF_INET, 1, &c) && clear_family(socket, AF_INET6, 2, &c);
	mnl_socket_close(socket);
	netlink_flush(nl);
	if (c.found)
		log_sink_printf(LOG_NOTE, "route: %u removed", c.found);
	return done;
}

void netlink_flush(struct netlink *nl)
{
	if (!nl->used)
		return;
	if (mnl_socket_sendto(nl->socket, nl->batch, nl->used) < 0) {
		counter_add(nl->counters, C_ROUTE_ERRORS, 1);
		log_sink_printf(LOG_ERROR, "route: netlink did not take %zu bytes: %s", nl->used,
				strerror(errno));
	}
	nl->used = 0;
}

/* What a message is about: its prefix. */
static int destination(const struct nlattr *a, void *ctx)
{
	struct ip_prefix *p = ctx;
	size_t n = p->addr.family == 4 ? 4 : 16;

	if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) == n)
		memcpy(p->addr.b, mnl_attr_get_payload(a), n);
	return MNL_CB_OK;
}

static void refused(struct netlink *nl, const struct nlmsgerr *e)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(&e->msg);
	bool add = e->msg.nlmsg_type == RTM_NEWROUTE;
	char text[IP_PREFIX_TEXT];

	if (!add && e->error == -ESRCH)
		return; /* gone already, e.g. with its interface */
	counter_add(nl->counters, C_ROUTE_ERRORS, 1);
	if (nl->refused++ >= LINES_PER_READ)
		return;
	struct ip_prefix p = {.addr.family = r->rtm_family == AF_INET ? 4 : 6,
			      .len = r->rtm_dst_len};
	mnl_attr_parse(&e->msg, sizeof(*r), destination, &p);
	log_sink_printf(LOG_ERROR, "route: kernel refused to %s %s: %s", add ? "add" : "remove",
			ip_prefix_text(&p, text), strerror(-e->error));
}

/* The kernel repeats the request behind the error. */
static void take_error(struct netlink *nl, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	size_t room = h->nlmsg_len - MNL_NLMSG_HDRLEN;

	if (room < sizeof(*e) || e->error == 0)
		return;
	bool whole = e->msg.nlmsg_len >= MNL_NLMSG_HDRLEN + sizeof(struct rtmsg) &&
		     e->msg.nlmsg_len <= room - sizeof(e->error);
	if (whole)
		refused(nl, e);
	else
		counter_add(nl->counters, C_ROUTE_ERRORS, 1);
}

static void report(struct netlink *nl)
{
	if (nl->refused > LINES_PER_READ)
		log_sink_printf(LOG_ERROR, "route: and %u more", nl->refused - LINES_PER_READ);
	nl->refused = 0;
}

static unsigned link_changed(struct netlink *nl, const struct nlmsghdr *h)
{
	if (h->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg))
		return 0;
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	if (i->ifi_family != AF_UNSPEC)
		return 0;
	if (i->ifi_index != (int)nl->ifindex)
		return NETLINK_PLACES;
	if (h->nlmsg_type == RTM_DELLINK)
		return NETLINK_GONE;
	bool was_down = nl->down;
	nl->down = !(i->ifi_flags & IFF_UP);
	if (nl->down && !was_down)
		log_sink_write(LOG_WARN, 0, 0, "the TUN device was set down: nothing is forwarded");
	return was_down && !nl->down ? NETLINK_UP_AGAIN : 0;
}

static unsigned take(struct netlink *nl, const struct nlmsghdr *h)
{
	if (h->nlmsg_type == NLMSG_ERROR)
		take_error(nl, h);
	else if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
		return link_changed(nl, h);
	else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
		return NETLINK_PLACES;
	return 0;
}

unsigned netlink_read(struct netlink *nl)
{
	_Alignas(8) uint8_t bytes[16384];
	unsigned news = 0;
	for (unsigned reads = 0; reads < 64; reads++) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, bytes, sizeof(bytes));
		if (n < 0 && errno == ENOBUFS) { /* some were lost */
			counter_add(nl->counters, C_ROUTE_ERRORS, 1);
			news |= NETLINK_PLACES;
			continue;
		}
		if (n <= 0)
			break;
		int left = (int)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)bytes; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			news |= take(nl, h);
	}
	report(nl);
	return news;
}
