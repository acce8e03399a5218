/*
 * world.h - the daemon without its shells: the tunnel and session shards of N workers, the packet
 * path up, and the core with pools, local subscribers and a RADIUS client, in one thread, without
 * a socket and in virtual time. What it sends goes to callbacks.
 */
#ifndef LNS_REPLAY_WORLD_H
#define LNS_REPLAY_WORLD_H

#include "base/addr.h"
#include "base/nsec.h"
#include "base/span.h"

struct world_conf {
	unsigned n_workers;
	bool misdirect;	   /* every datagram reaches a worker that is not its owner */
	const char *text;  /* startup-config */
	const char *users; /* local subscribers, one per line */
	const char *pool;  /* prefixes, one per line */
};

struct world_out {
	void *ctx;
	void (*control)(void *ctx, const struct l2tp_path *path, struct span datagram);
	void (*frame)(void *ctx, const struct l2tp_path *path, uint16_t peer_tid, uint16_t peer_sid,
		      struct span frame);
	void (*tun)(void *ctx, struct span packet);
	void (*radius)(void *ctx, unsigned sock, const struct sock_addr *to, struct span packet);
	void (*route)(void *ctx, bool add, const struct ip_prefix *p);
	void (*log)(void *ctx, uint16_t tid, uint16_t sid, const char *text);
};

struct world;

struct world *world_new(const struct world_conf *conf, const struct world_out *out);
void world_free(struct world *w);
nsec world_now(const struct world *w);

/* A datagram from a LAC, a RADIUS answer; then everything that follows from it at this moment. */
void world_rx(struct world *w, const struct l2tp_path *path, struct span datagram);
void world_radius(struct world *w, unsigned sock, const struct sock_addr *from, struct span packet);
/* Goes to the next thing that is due, at most to `until`, and does it. True: there may be more
 * before `until`. */
bool world_step(struct world *w, nsec until);

/* What an administrator does. */
unsigned world_drop_user(struct world *w, const char *user);
bool world_drop_tunnel(struct world *w, uint16_t tid);
void world_shutdown(struct world *w);

/* A number about the whole: sessions, up, authenticated, tunnels, pool_used, workers' tables,
 * NAME of a counter or a drop reason; false: no such name. */
bool world_number(const struct world *w, const char *name, uint64_t *out);
/* Address of the session that a packet to `ip` goes to: its sid, 0 = none. */
uint16_t world_route(struct world *w, const struct ip_addr *ip);

#endif
