#include "control/garp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/log_sink.h"

static const uint8_t broadcast[GARP_MAC] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
static const uint8_t nobody[GARP_MAC];

void garp_encode(struct wbuf *w, const uint8_t mac[static GARP_MAC], const struct ip_addr *ip)
{
	wbuf_bytes(w, broadcast, GARP_MAC);
	wbuf_bytes(w, mac, GARP_MAC);
	wbuf_u16(w, ETHERTYPE_ARP);
	wbuf_u16(w, ARPHRD_ETHER);
	wbuf_u16(w, ETHERTYPE_IP);
	wbuf_u8(w, GARP_MAC);
	wbuf_u8(w, 4);
	wbuf_u16(w, ARPOP_REQUEST);
	wbuf_bytes(w, mac, GARP_MAC);
	wbuf_bytes(w, ip->b, 4);
	wbuf_bytes(w, nobody, GARP_MAC);
	wbuf_bytes(w, ip->b, 4);
}

static bool carries(const struct ifaddrs *i, const struct ip_addr *ip)
{
	if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_NOARP) ||
	    !(i->ifa_flags & IFF_RUNNING))
		return false;
	const struct sockaddr_in *s = (const struct sockaddr_in *)(const void *)i->ifa_addr;
	return memcmp(&s->sin_addr, ip->b, 4) == 0;
}

/* The link-layer address of an Ethernet interface, NULL when it is none. An address may have a
 * label, "eth0:1", as its interface's name. */
static const struct sockaddr_ll *link_of(const struct ifaddrs *all, const char *label)
{
	char name[IF_NAMESIZE] = {0};

	memcpy(name, label, strnlen(label, sizeof(name) - 1));
	name[strcspn(name, ":")] = '\0';
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET ||
		    strcmp(i->ifa_name, name) != 0)
			continue;
		const struct sockaddr_ll *s = (const struct sockaddr_ll *)(const void *)i->ifa_addr;
		return s->sll_hatype == ARPHRD_ETHER ? s : NULL;
	}
	return NULL;
}

static bool send_on(const struct sockaddr_ll *link, const struct ip_addr *ip)
{
	uint8_t bytes[GARP_FRAME];
	struct wbuf w = wbuf_of(bytes, sizeof(bytes));
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	garp_encode(&w, link->sll_addr, ip);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = link->sll_ifindex};
	bool sent = sendto(fd, bytes, w.n, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)w.n;
	close(fd);
	return sent;
}

/* On every interface that carries it; the first of them is noted. */
static unsigned announce(const struct ifaddrs *all, struct garp_place *at, bool wanted)
{
	unsigned sent = 0, first = 0;
	char text[IP_ADDR_TEXT];

	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_ll *link =
			carries(i, &at->ip) ? link_of(all, i->ifa_name) : NULL;
		if (!link)
			continue;
		if (!first)
			first = (unsigned)link->sll_ifindex;
		if (!wanted)
			continue;
		if (send_on(link, &at->ip))
			sent++;
		else
			log_sink_printf(LOG_ERROR, "gratuitous ARP for %s on %s: %s",
					ip_addr_text(&at->ip, text), i->ifa_name, strerror(errno));
	}
	at->ifindex = first;
	return sent;
}

unsigned garp_update(struct garp_place *places, unsigned n)
{
	struct ifaddrs *all;
	unsigned sent = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned before = places[i].ifindex;
		if (places[i].ip.family != 4)
			continue;
		announce(all, &places[i], false);
		if (places[i].ifindex && places[i].ifindex != before)
			sent += announce(all, &places[i], true);
	}
	freeifaddrs(all);
	return sent;
}
