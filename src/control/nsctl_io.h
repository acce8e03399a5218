/*
 * nsctl_io.h - the UDP socket of nsctl. Used by the control thread only.
 */
#ifndef LNS_NSCTL_IO_H
#define LNS_NSCTL_IO_H

#include "control/nsctl.h"
#include "control/udp_answer.h"

/* Non-blocking; an unset address is every one. -1: errno says why. */
int nsctl_io_open(const struct sock_addr *at);
/* Reads and answers a batch; epoll reports the socket again while there is more. */
void nsctl_io_read(int fd, udp_answer_got *got, void *ctx);

#endif
