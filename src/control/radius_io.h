/*
 * radius_io.h - the UDP sockets of the RADIUS client, one per index that the core names, opened on
 * first use. Non-blocking; receives in batches. Owned by the control thread.
 */
#ifndef LNS_RADIUS_IO_H
#define LNS_RADIUS_IO_H

#include "base/addr.h"
#include "base/span.h"

struct radius_io;

/* Local ports come from min..max, 0 = any. `watch` is told of each new descriptor, to poll it. */
struct radius_io *radius_io_new(uint16_t port_min, uint16_t port_max,
				void (*watch)(void *ctx, unsigned sock, int fd), void *ctx);
void radius_io_free(struct radius_io *r);
void radius_io_send(struct radius_io *r, unsigned sock, const struct sock_addr *to,
		    struct span data);
void radius_io_close(struct radius_io *r, unsigned sock);
/* Reads what is there, a bounded number, and hands each datagram to `got`. */
void radius_io_read(struct radius_io *r, unsigned sock,
		    void (*got)(void *ctx, unsigned sock, const struct sock_addr *from,
				struct span data),
		    void *ctx);

#endif
