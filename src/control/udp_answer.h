/*
 * udp_answer.h - datagrams that are answered one by one, from the address that was asked. Used by
 * the control thread only.
 */
#ifndef LNS_UDP_ANSWER_H
#define LNS_UDP_ANSWER_H

#include "base/addr.h"
#include "base/wbuf.h"

/* A datagram came: writes the answer and returns true, or false for none. */
typedef bool udp_answer_got(void *ctx, const struct sock_addr *from, struct span datagram,
			    struct wbuf *answer);
/* Reads and answers as many as there are, `batch` at most. The socket has IP_PKTINFO on. */
void udp_answer_read(int fd, unsigned batch, udp_answer_got *got, void *ctx);

#endif
