/*
 * io_tun.h - one queue of the TUN device: reads batches of packets with room for our header before
 * each, finishes partial checksums, writes packets. Shell; owned by its worker.
 */
#ifndef LNS_IO_TUN_H
#define LNS_IO_TUN_H

#include "base/alloc.h"
#include "base/counters.h"
#include "dataplane/dp_down.h"
#include "dataplane/dp_merge.h"
#include "dataplane/io_backend.h"

enum { IO_TUN_VNET_HEADER = 10 }; /* struct virtio_net_hdr, without the buffer count */

struct io_tun;

/* Takes over the descriptor. NULL = out of memory. */
struct io_tun *io_tun_open(const struct alloc *a, struct counters *counters, int fd,
			   struct io_features features);
void io_tun_close(struct io_tun *t);
int io_tun_fd(const struct io_tun *t);
/* Packets are written to queue fds[i], i chosen by their source address, in place of this one: a
 * flow then has one queue whatever worker writes it. The array outlives the queue. */
void io_tun_outputs(struct io_tun *t, const int *fds, unsigned n);

/* Takes what has arrived, at most one batch; 0 = nothing. They stay until the next call. */
unsigned io_tun_read(struct io_tun *t);
const struct dp_packet *io_tun_packets(const struct io_tun *t);
/* Writes one packet to the kernel. Refused ones are counted. */
void io_tun_write(struct io_tun *t, struct span packet);
/* The same for what dp_merge made; a super-packet only if the device has the feature. */
void io_tun_write_merged(struct io_tun *t, const struct dp_merged *m);

#endif
