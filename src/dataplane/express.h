/*
 * express.h - the way from the core past the kernel's IP stack: an XDP program on an interface
 * takes IPv4 packets for subscribers' addresses to AF_XDP sockets, one of each receive queue
 * (io_xsk.h). All else goes the kernel's way: other destinations and protocols, IP options, what is
 * not for the interface's own address, a TTL that ends here, sources that no packet may have, and
 * what is too long for the TUN device, so that the kernel tells the sender or makes fragments. When
 * the link's descriptor is closed, by the end of this process at the latest, the interface is as
 * before. Shell; used by the control thread.
 */
#ifndef LNS_EXPRESS_H
#define LNS_EXPRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/express_hosts.h"

enum { EXPRESS_INTERFACES_MAX = 4, EXPRESS_NAME_MAX = 16, EXPRESS_MAC = 6 };

struct express {
	char name[EXPRESS_NAME_MAX];
	unsigned ifindex;
	unsigned n_queues; /* that receive */
	uint8_t mac[EXPRESS_MAC];
	size_t frame_max;	    /* longest that it receives, Ethernet header included */
	size_t take_max;	    /* longest that the program takes, not more than that */
	bool is_veth;		    /* whose other end may leave checksums unfinished */
	bool hides_tags;	    /* takes VLAN tags off before the program runs */
	int sockets, program, link; /* descriptors; -1: none */
	_Atomic bool gone;	    /* deleted, or moved away; workers say so */
};

/* Asks the kernel about the interface and makes the map for its sockets; `mtu` is the TUN device's.
 * False: `why` says what is wrong. Close it either way. */
bool express_open(struct express *e, const char *name, size_t mtu, char *why, size_t why_n);
/* The socket of this queue. False: errno. */
bool express_add(const struct express *e, unsigned queue, int socket_fd);
/* The program for packets to these addresses. False: errno. */
bool express_load(struct express *e, const struct express_hosts *hosts);
/* From here on they come to the sockets. False: errno; EOPNOTSUPP: the driver has no XDP. The
 * kernel's substitute for that (generic XDP) is not used: behind it packets may have been merged,
 * with checksums that only the kernel knows to be unfinished. */
bool express_attach(struct express *e);
void express_close(struct express *e);

#endif
