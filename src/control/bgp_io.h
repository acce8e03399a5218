/*
 * bgp_io.h - the BGP speaker's sockets: connects to neighbours, listens on port 179, TCP-MD5
 * (RFC 2385), TTL security (RFC 5082), names of neighbours, and the configuration's way to the
 * speaker. Owner: the control thread; nothing in here blocks. A neighbour that floods is read at a
 * limited rate.
 */
#ifndef LNS_BGP_IO_H
#define LNS_BGP_IO_H

#include "bgp/bgp_speaker.h"
#include "control/conf.h"

struct bgp_io;

/* Sockets are watched in `epoll_fd` with `tag` and a number in the low 32 bits. NULL: no memory. */
struct bgp_io *bgp_io_new(const struct alloc *a, struct counters *counters, int epoll_fd,
			  uint64_t tag, nsec now);
void bgp_io_free(struct bgp_io *io);

void bgp_io_conf(struct bgp_io *io, const struct conf *conf, nsec now);
/* True when there is a `router bgp` block. */
bool bgp_io_is_on(const struct bgp_io *io);
/* One more or one less holder of a prefix that is to be announced. */
void bgp_io_route(struct bgp_io *io, bool add, const struct ip_prefix *p);
/* A network of the pool is announced, or not any more; saying so again changes nothing. */
void bgp_io_network(struct bgp_io *io, bool add, const struct ip_prefix *p);
/* `what`: the low 32 bits of the event. */
void bgp_io_event(struct bgp_io *io, unsigned what, nsec now);
/* Once per turn of the loop; returns when the next one is due. */
nsec bgp_io_turn(struct bgp_io *io, nsec now);

/* The end of the service, see bgp_speaker.h. */
void bgp_io_drain(struct bgp_io *io, bool restart);
bool bgp_io_is_drained(const struct bgp_io *io);
void bgp_io_leave(struct bgp_io *io, bool restart);

struct bgp_speaker *bgp_io_speaker(struct bgp_io *io);

#endif
