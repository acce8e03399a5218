/*
 * express.h - the way from the core past the kernel's IP stack: an XDP program on an interface
 * takes IPv4 packets for subscribers' addresses to AF_XDP sockets, one of each receive queue
 * (io_xsk.h). All else goes the kernel's way: other destinations and protocols, IP options, what is
 * not for the interface's own address, a TTL that ends here, sources that no packet may have, and
 * frames that are too long. When the program's descriptor is closed, by the end of this process at
 * the latest, the interface is as before. Shell; used by the control thread at start.
 */
#ifndef LNS_EXPRESS_H
#define LNS_EXPRESS_H

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
	size_t frame_max;	    /* Ethernet header included */
	bool is_veth;		    /* whose other end may leave checksums unfinished */
	int sockets, program, link; /* descriptors; -1: none */
};

/* All of them, and the addresses that they know. */
struct express_set {
	struct express_hosts *hosts; /* NULL: nothing comes past the kernel */
	unsigned n;
	struct express at[EXPRESS_INTERFACES_MAX];
	char names[EXPRESS_INTERFACES_MAX * (EXPRESS_NAME_MAX + 2)]; /* "core, eth1", "none" */
};

/* Asks the kernel about the interface and makes the map for its sockets. False: `why` says what is
 * wrong. Close it either way. */
bool express_open(struct express *e, const char *name, char *why, size_t why_n);
/* The socket of this queue. False: errno. */
bool express_add(const struct express *e, unsigned queue, int socket_fd);
/* The program for packets to these addresses. False: errno. */
bool express_load(struct express *e, const struct express_hosts *hosts);
/* From here on they come to the sockets. False: errno. */
bool express_attach(struct express *e);
void express_close(struct express *e);

#endif
