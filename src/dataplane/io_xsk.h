/*
 * io_xsk.h - one receive queue of a network interface as an AF_XDP socket (Linux 5.4): frames come
 * into our own memory without a system call each. Which ones come is up to the interface's XDP
 * program (express.h). Shell; owned by its worker.
 */
#ifndef LNS_IO_XSK_H
#define LNS_IO_XSK_H

#include "base/alloc.h"
#include "base/counters.h"
#include "dataplane/dp_down.h"

enum { IO_XSK_FRAME_MAX = 3840 }; /* longest frame, Ethernet header included */

struct io_xsk;

struct io_xsk_conf {
	const struct alloc *alloc;
	struct counters *counters;
	unsigned ifindex, queue;
	size_t frame_max; /* longest frame that is to come, at most IO_XSK_FRAME_MAX */
};

/* NULL: errno. */
struct io_xsk *io_xsk_open(const struct io_xsk_conf *c);
void io_xsk_close(struct io_xsk *x);
int io_xsk_fd(const struct io_xsk *x);

/* Takes what has arrived, at most one batch; *n: how many of them are packets to forward, with a
 * TTL one less. They stay until the next call. False = nothing has arrived. */
bool io_xsk_read(struct io_xsk *x, unsigned *n);
const struct dp_packet *io_xsk_packets(const struct io_xsk *x);
/* Counts what was lost since the last call because we were too slow. False, once: the interface was
 * deleted, nothing will come any more. Two system calls. */
bool io_xsk_check(struct io_xsk *x);

#endif
