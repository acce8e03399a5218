/*
 * radius_io.h - the UDP sockets of the RADIUS client: one per socket number of rad_client, opened
 * when something is sent from it, with a port of its own from the configured range. Non-blocking,
 * registered with the caller's epoll. Used by the control thread only.
 */
#ifndef LNS_RADIUS_IO_H
#define LNS_RADIUS_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/alloc.h"

struct radius_io;

/* Sockets are added to `epoll_fd` with data.u64 = tag | socket number, which takes the low 16
 * bits. Local ports are taken from port_min..port_max; both 0: the kernel chooses; one 0: no
 * limit on that side. NULL: out of memory. */
struct radius_io *radius_io_new(const struct alloc *a, int epoll_fd, uint64_t tag,
				uint16_t port_min, uint16_t port_max);
void radius_io_free(struct radius_io *io);

/* For core_env.radius_send. False: no socket could be opened or the kernel did not take it, errno
 * says why; the request will be sent again. */
bool radius_io_send(struct radius_io *io, unsigned sock, const struct sock_addr *to,
		    const struct ip_addr *from, struct span data);
/* For core_env.radius_close. */
void radius_io_close(struct radius_io *io, unsigned sock);

/* The socket is readable: reads a batch of datagrams and calls `got` for each. Returns how many
 * there were; the caller may go on to other work, epoll reports the socket again. `got` may send
 * and close. */
unsigned radius_io_read(struct radius_io *io, unsigned sock,
			void (*got)(void *ctx, unsigned sock, const struct sock_addr *from,
				    struct span datagram),
			void *ctx);

/* Datagrams that the kernel dropped since a socket's buffer was full; those not sent. */
uint64_t radius_io_overflows(const struct radius_io *io);
uint64_t radius_io_send_failures(const struct radius_io *io);

#endif
