#include "dataplane/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/io_tun.h"
#include "dataplane/precedence.h"
#include "dataplane/tun_threads.h"

enum {
	/* Newer than the headers of the oldest system that we build on (Linux 6.2). */
	OFFLOAD_USO4 = 0x20,
	OFFLOAD_USO6 = 0x40,
	WITH_NAPI = 0x0010,	/* IFF_NAPI (Linux 4.15) */
	NAPI_BUFFER = 16 << 20, /* bytes that wait for the thread of a queue, no more */
};

static bool fail(char *why, size_t n, const char *step)
{
	int error = errno;

	snprintf(why, n, "%s: %s", step, strerror(error));
	return false;
}

static unsigned offload_flags(const struct io_features *f)
{
	unsigned flags = 0;

	if (f->tun_vnet)
		flags |= TUN_F_CSUM;
	if (f->tun_tso)
		flags |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	if (f->tun_uso)
		flags |= OFFLOAD_USO4 | OFFLOAD_USO6;
	return flags;
}

/* The first queue makes the device, which may not exist: queues of two programs share its packets.
 */
static bool queue_open(struct tun *t, const struct tun_conf *c, const char *name)
{
	int how = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | (t->n == 0 ? IFF_TUN_EXCL : 0);
	struct ifreq ifr = {.ifr_flags = (short)how};
	int header = IO_TUN_VNET_HEADER, buffer = NAPI_BUFFER;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	t->fds[t->n++] = fd;
	if (c->napi)
		ifr.ifr_flags = (short)(ifr.ifr_flags | WITH_NAPI);
	if (c->features.tun_vnet)
		ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_VNET_HDR);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return false;
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	t->name[sizeof(t->name) - 1] = '\0';
	if (c->napi && ioctl(fd, TUNSETSNDBUF, &buffer) < 0)
		return false;
	return !c->features.tun_vnet ||
	       (ioctl(fd, TUNSETVNETHDRSZ, &header) == 0 &&
		ioctl(fd, TUNSETOFFLOAD, offload_flags(&c->features)) == 0);
}

static bool set_link(const struct tun *t, const struct tun_conf *c, int s)
{
	struct ifreq ifr = {.ifr_mtu = c->mtu};

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	if (ioctl(s, SIOCSIFMTU, &ifr) < 0)
		return false;
	ifr.ifr_qlen = (int)c->queue_len;
	if (ioctl(s, SIOCSIFTXQLEN, &ifr) < 0)
		return false;
	if (ioctl(s, SIOCGIFFLAGS, &ifr) < 0)
		return false;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP | IFF_RUNNING);
	return ioctl(s, SIOCSIFFLAGS, &ifr) == 0;
}

/* What can be merged came merged from the worker: that the kernel looks for more costs each UDP
 * packet the lookup of a socket. Where it cannot be switched off nothing else is lost. */
static void stop_merging(const struct tun *t, int s)
{
	struct ethtool_value gro = {.cmd = ETHTOOL_SGRO, .data = 0};
	struct ifreq ifr = {.ifr_data = (void *)&gro};

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	(void)ioctl(s, SIOCETHTOOL, &ifr);
}

/* Sends one request and waits for its acknowledgement. */
static bool netlink_talk(struct mnl_socket *nl, struct nlmsghdr *request)
{
	char reply[8192]; /* MNL_SOCKET_BUFFER_SIZE is not a constant */

	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		return false;
	ssize_t n = mnl_socket_recvfrom(nl, reply, sizeof(reply));
	if (n <= 0)
		return false;
	return mnl_cb_run(reply, (size_t)n, request->nlmsg_seq, mnl_socket_get_portid(nl), NULL,
			  NULL) >= 0 ||
	       errno == EEXIST;
}

static bool add_address(struct mnl_socket *nl, const struct tun *t, const struct ip_prefix *p,
			unsigned seq)
{
	char room[512];
	bool v4 = p->addr.family == 4;
	struct nlmsghdr *h = mnl_nlmsg_put_header(room);

	h->nlmsg_type = RTM_NEWADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	h->nlmsg_seq = seq;
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = v4 ? AF_INET : AF_INET6;
	m->ifa_prefixlen = p->len;
	m->ifa_scope = RT_SCOPE_UNIVERSE;
	m->ifa_index = t->ifindex;
	mnl_attr_put(h, IFA_LOCAL, v4 ? 4 : 16, p->addr.b);
	mnl_attr_put(h, IFA_ADDRESS, v4 ? 4 : 16, p->addr.b);
	return netlink_talk(nl, h);
}

/* Our ICMP errors come from an address of ours, which the kernel else takes for forged. What
 * subscribers send has been checked for that (DROP_SPOOF). */
static bool accept_our_own(struct mnl_socket *nl, const struct tun *t)
{
	char room[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(room);

	h->nlmsg_type = RTM_SETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_index = (int)t->ifindex;
	struct nlattr *families = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(h, AF_INET);
	struct nlattr *settings = mnl_attr_nest_start(h, IFLA_INET_CONF);
	mnl_attr_put_u32(h, IPV4_DEVCONF_ACCEPT_LOCAL, 1);
	mnl_attr_nest_end(h, settings);
	mnl_attr_nest_end(h, inet);
	mnl_attr_nest_end(h, families);
	return netlink_talk(nl, h);
}

static bool set_addresses(const struct tun *t, const struct tun_conf *c)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	bool ok = nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0;

	ok = ok && accept_our_own(nl, t);
	for (unsigned i = 0; ok && i < c->n_addrs; i++)
		ok = add_address(nl, t, &c->addrs[i], i + 1);
	int why = errno;
	if (nl)
		mnl_socket_close(nl);
	errno = why;
	return ok;
}

static bool read_number(const char *path, unsigned *v)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fscanf(f, "%u", v) == 1;

	if (f)
		fclose(f);
	return ok;
}

static bool write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fputs(text, f) >= 0;

	if (f && fclose(f) != 0)
		ok = false;
	return ok;
}

/* /sys may be that of another network namespace, with a device of the same name. */
static bool threads_begin(const struct tun *t)
{
	char path[64];
	unsigned ifindex;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", t->name);
	if (!read_number(path, &ifindex) || ifindex != t->ifindex) {
		errno = ENOENT;
		return false;
	}
	snprintf(path, sizeof(path), "/sys/class/net/%s/threaded", t->name);
	return write_text(path, "1");
}

/* What is new under the device's name is ours: another program's device may be called the same. */
static bool start_threads_as_batch(struct tun *t)
{
	struct tun_threads before, now;

	tun_threads_find(&before, t->name);
	if (!threads_begin(t))
		return false;
	tun_threads_find(&now, t->name);
	t->threads_behind = tun_threads_batch(&before, &now) >= t->n;
	return true;
}

static bool start_threads(struct tun *t)
{
	t->threads_behind = precedence_by_slices();
	return t->threads_behind ? threads_begin(t) : start_threads_as_batch(t);
}

static bool set_up(struct tun *t, const struct tun_conf *c, char *why, size_t why_n)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = s >= 0 && set_link(t, c, s);

	if (!ok)
		fail(why, why_n, "TUN device's MTU, queue length or state");
	if (ok && c->features.tun_tso)
		stop_merging(t, s);
	if (s >= 0)
		close(s);
	t->ifindex = if_nametoindex(t->name);
	if (ok && c->napi && !start_threads(t))
		return fail(why, why_n, "TUN device's NAPI threads");
	if (ok && !set_addresses(t, c))
		return fail(why, why_n, "TUN device's addresses");
	return ok;
}

static const char *step_of(const struct tun_conf *c, unsigned queue)
{
	return queue == 0 && errno == EBUSY ? c->name : "TUN device's queue";
}

bool tun_open(struct tun *t, const struct tun_conf *c, char *why, size_t why_n)
{
	*t = (struct tun){.stats = NULL};
	for (unsigned i = 0; i < c->n_queues; i++)
		if (!queue_open(t, c, i == 0 ? c->name : t->name)) {
			fail(why, why_n, t->n <= i ? "/dev/net/tun" : step_of(c, i));
			tun_close(t);
			return false;
		}
	if (!set_up(t, c, why, why_n)) {
		tun_close(t);
		return false;
	}
	/* Of this thread's network namespace, whatever /sys shows. */
	t->stats = fopen("/proc/thread-self/net/dev", "re");
	return true;
}

void tun_close(struct tun *t)
{
	while (t->n)
		close(t->fds[--t->n]);
	if (t->stats)
		fclose(t->stats);
	t->stats = NULL;
}

/* "  name: " and 16 numbers; the 12th is what was dropped on its way out of the kernel. */
static bool read_dropped(const char *line, const char *name, uint64_t *dropped)
{
	enum { DROPPED = 12 };
	size_t n = strlen(name);

	line += strspn(line, " ");
	if (strncmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	for (unsigned i = 0; i < DROPPED; i++) {
		char *end;
		*dropped = strtoull(line, &end, 10);
		if (end == line)
			return false;
		line = end;
	}
	return true;
}

bool tun_dropped(const struct tun *t, uint64_t *dropped)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if (!t->stats)
		return false;
	rewind(t->stats);
	while (!found && getline(&line, &room, t->stats) > 0)
		found = read_dropped(line, t->name, dropped);
	free(line);
	return found;
}
