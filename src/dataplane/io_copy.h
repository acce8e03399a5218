/*
 * io_copy.h - copies of packets, each in a UDP datagram of its own, to collectors of interception.
 * Queued, sent with few system calls, never waited for: a collector that is slow, down or not there
 * costs nothing but its copies, counted. Shell; owned by its worker.
 */
#ifndef LNS_IO_COPY_H
#define LNS_IO_COPY_H

#include "base/addr.h"
#include "base/alloc.h"
#include "base/counters.h"
#include "base/span.h"

struct io_copy;

/* NULL: out of memory. Sockets are opened when first needed. */
struct io_copy *io_copy_open(const struct alloc *a, struct counters *counters);
void io_copy_close(struct io_copy *c);
/* Queues one datagram made of two parts, copied. */
void io_copy_send(struct io_copy *c, const struct sock_addr *to, struct span head,
		  struct span body);
void io_copy_flush(struct io_copy *c);

#endif
