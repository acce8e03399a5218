/*
 * io_backend.h - the ways of packet I/O, from the fastest to the plainest. One is chosen at start:
 * the one that the configuration names, or the best that the kernel takes.
 */
#ifndef LNS_IO_BACKEND_H
#define LNS_IO_BACKEND_H

#include <stdbool.h>

enum io_backend {
	IO_FULL,  /* UDP_GRO, UDP_SEGMENT, TUN with virtio-net header, TSO and USO (Linux >= 6.2) */
	IO_NOUSO, /* the same without USO */
	IO_NOVNET, /* UDP_GRO, UDP_SEGMENT, plain TUN */
	IO_PLAIN,  /* recvmmsg, sendmmsg, plain TUN */
	IO_BACKENDS
};

struct io_features {
	bool udp_offload; /* UDP_GRO and UDP_SEGMENT */
	bool tun_vnet;	  /* virtio-net header, checksums left to us */
	bool tun_tso, tun_uso;
};

const char *io_backend_name(enum io_backend b);
struct io_features io_backend_features(enum io_backend b);
/* False: no such name. "auto" gives *automatic and IO_FULL, to be tried downwards from there. */
bool io_backend_parse(const char *name, enum io_backend *b, bool *automatic);

#endif
