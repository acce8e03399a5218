#include "control/bgp_sock.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "control/log_sink.h"

enum { BACKLOG = 32, TTL_MAX = 255 };

/* ---- addresses ------------------------------------------------------------------------------- */

socklen_t bgp_sock_addr(const struct ip_addr *ip, const char *interface, uint16_t port,
			struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ip->family == 6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, ip->b, 16);
		if (ip_addr_is_link_local(ip))
			v6->sin6_scope_id = if_nametoindex(interface);
		return sizeof(*v6);
	}
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	memcpy(&v4->sin_addr, ip->b, 4);
	return sizeof(*v4);
}

struct ip_addr bgp_sock_ip(const struct sockaddr *s)
{
	struct ip_addr ip = {0};

	if (s->sa_family == AF_INET) {
		ip.family = 4;
		memcpy(ip.b, &((const struct sockaddr_in *)(const void *)s)->sin_addr, 4);
	} else if (s->sa_family == AF_INET6) {
		ip.family = 6;
		memcpy(ip.b, &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, 16);
	}
	return ip;
}

void bgp_sock_interface(const struct sockaddr *s, char out[static BGP_INTERFACE_MAX])
{
	static_assert((int)BGP_INTERFACE_MAX == IF_NAMESIZE, "names of interfaces");
	struct ip_addr ip = bgp_sock_ip(s);

	out[0] = '\0';
	if (ip_addr_is_link_local(&ip))
		if_indextoname(((const struct sockaddr_in6 *)(const void *)s)->sin6_scope_id, out);
}

struct ip_addr bgp_sock_local(int fd)
{
	struct sockaddr_storage s = {0};
	socklen_t n = sizeof(s);

	getsockname(fd, (struct sockaddr *)&s, &n);
	return bgp_sock_ip((struct sockaddr *)&s);
}

/* The highest address of an interface, when nothing else says who we are (RFC 4271 section 1.1:
 * any of our addresses). */
struct ip_addr bgp_sock_any_ip(void)
{
	struct ifaddrs *all, *i;
	struct ip_addr best = {0};

	if (getifaddrs(&all) != 0)
		return best;
	for (i = all; i; i = i->ifa_next) {
		struct ip_addr ip = i->ifa_addr ? bgp_sock_ip(i->ifa_addr) : best;
		if (ip.family == 4 && ip.b[0] != 127 && ip_addr_u32(&ip) > ip_addr_u32(&best))
			best = ip;
	}
	freeifaddrs(all);
	return best;
}

/* ---- socket options -------------------------------------------------------------------------- */

static bool set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* An empty password takes the key away. */
bool bgp_sock_md5(int fd, const struct ip_addr *to, const char *password)
{
	struct tcp_md5sig key = {0};
	struct sockaddr_storage address;

	bgp_sock_addr(to, "", 0, &address);
	memcpy(&key.tcpm_addr, &address, sizeof(address));
	key.tcpm_keylen = (uint16_t)strlen(password);
	memcpy(key.tcpm_key, password, key.tcpm_keylen);
	bool done = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) == 0;
	mem_wipe(&key, sizeof(key));
	return done || (password[0] == '\0' && errno == ENOENT);
}

/* TTL of what we send, and the lowest that we take. -1 is the system's choice. */
bool bgp_sock_ttl(int fd, unsigned family, const struct bgp_session_conf *s)
{
	int level = family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int ttl_option = family == 6 ? IPV6_UNICAST_HOPS : IP_TTL;
	int min_option = family == 6 ? IPV6_MINHOPCOUNT : IP_MINTTL;

	if (s->gtsm_hops)
		return set_int(fd, level, ttl_option, TTL_MAX) &&
		       set_int(fd, level, min_option, TTL_MAX + 1 - s->gtsm_hops);
	return set_int(fd, level, ttl_option, s->ttl ? s->ttl : -1);
}

void bgp_sock_nodelay(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

int bgp_sock_listen(unsigned family)
{
	struct ip_addr any = {.family = (uint8_t)family};
	struct sockaddr_storage address;
	socklen_t n = bgp_sock_addr(&any, "", BGP_PORT, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* A neighbour with TTL security wants 255 in the answer to its SYN already. */
	if (family == 6) {
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL_MAX);
	} else {
		set_int(fd, IPPROTO_IP, IP_TTL, TTL_MAX);
	}
	if (bind(fd, (struct sockaddr *)&address, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	log_sink_printf(LOG_ERROR, "bgp: neighbours cannot connect: port %d: %s", BGP_PORT,
			strerror(errno));
	close(fd);
	return -1;
}
