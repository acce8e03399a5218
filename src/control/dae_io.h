/*
 * dae_io.h - the UDP sockets on which Disconnect and CoA requests arrive (RFC 5176), one per
 * family, non-blocking, registered with the caller's epoll. Answers leave from the address that was
 * asked. Used by the control thread only.
 */
#ifndef LNS_DAE_IO_H
#define LNS_DAE_IO_H

#include <stdint.h>

#include "control/udp_answer.h"

struct dae_io {
	int fd[2]; /* IPv4, IPv6; -1: not open */
};

/* Both sockets with data.u64 = tag, IPv6 only where the system has it. False: errno says why. */
bool dae_io_open(struct dae_io *io, int epoll_fd, uint64_t tag, uint16_t port);
void dae_io_close(struct dae_io *io);

/* Reads and answers a batch; epoll reports the socket again while there is more. */
void dae_io_read(struct dae_io *io, udp_answer_got *got, void *ctx);

#endif
