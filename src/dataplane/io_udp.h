/*
 * io_udp.h - one L2TP socket of one worker: receives batches (merged ones are split), sends queued
 * datagrams with as few system calls as the kernel allows. Shell; owned by its worker.
 */
#ifndef LNS_IO_UDP_H
#define LNS_IO_UDP_H

#include "base/addr.h"
#include "base/alloc.h"
#include "base/counters.h"
#include "dataplane/dp_order.h"
#include "dataplane/dp_up.h"

struct io_udp;

struct io_udp_conf {
	const struct alloc *alloc;
	struct counters *counters; /* of the worker */
	struct sock_addr bind;
	uint32_t buffer; /* bytes, of each direction */
	uint8_t local;	 /* its index, for l2tp_path.local */
	bool gro, gso;
};

/* False: another program has the address and port (errno). Our own sockets share theirs, and so
 * would those of a second copy of this program, packet by packet. */
bool io_udp_is_free(const struct sock_addr *bind_to);
/* Opens and binds. NULL: errno. */
struct io_udp *io_udp_open(const struct io_udp_conf *conf);
void io_udp_close(struct io_udp *u);
int io_udp_fd(const struct io_udp *u);

/* Takes what has arrived, at most one batch of system buffers; *n: the number of datagrams, which
 * stay until the next call. Returns how many the kernel gave, merged ones as one and those that are
 * too short for us among them; 0 = nothing there. */
unsigned io_udp_read(struct io_udp *u, unsigned *n);
/* How full the kernel's receive buffer is, in percent; asks the kernel. */
unsigned io_udp_fill(const struct io_udp *u);
struct dp_datagram *io_udp_datagrams(struct io_udp *u);

/* Queues one datagram made of two parts, copied. */
void io_udp_send(struct io_udp *u, const struct l2tp_path *path, struct span head,
		 struct span body);
/* Queues datagrams tx[order[0..n-1]], all of this socket; their memory stays until io_udp_flush.
 * Runs of equal length to one peer go out as one. */
void io_udp_send_batch(struct io_udp *u, const struct dp_tx *tx, const uint16_t *order, unsigned n);
void io_udp_flush(struct io_udp *u);

#endif
