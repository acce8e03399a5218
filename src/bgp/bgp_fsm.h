/*
 * bgp_fsm.h - the machine of one neighbour (RFC 4271 section 8): connects and accepts, resolves
 * collisions (6.8), negotiates, keeps the session alive, and feeds it from the announced prefixes
 * (bgp_rib.h). Bytes in, bytes out, time as an argument; TCP is the caller's, reached through
 * struct bgp_env. Owned by the control thread.
 */
#ifndef LNS_BGP_FSM_H
#define LNS_BGP_FSM_H

#include "base/counters.h"
#include "base/log.h"
#include "base/nsec.h"
#include "bgp/bgp_conf.h"
#include "bgp/bgp_rib.h"

enum bgp_state {
	BGP_STATE_DISABLED, /* has no address */
	BGP_STATE_IDLE,
	BGP_STATE_CONNECT,
	BGP_STATE_ACTIVE,
	BGP_STATE_OPEN_SENT,
	BGP_STATE_OPEN_CONFIRM,
	BGP_STATE_ESTABLISHED,
};

/* Who began the TCP connection. */
enum bgp_side { BGP_OUT, BGP_IN, BGP_SIDES };

struct bgp_peer;

struct bgp_env {
	void *ctx;
	const struct alloc *alloc;
	struct counters *counters; /* of the control thread */
	uint32_t (*random)(void *ctx);
	/* Begins to connect; bgp_peer_connected() or bgp_peer_closed() follow, not from within. */
	void (*connect)(void *ctx, struct bgp_peer *p);
	/* Sends what bgp_peer_pending() has as far as it goes at once and closes. */
	void (*close)(void *ctx, struct bgp_peer *p, enum bgp_side side);
	void (*log)(void *ctx, enum log_level level, const char *text);
};

/* One TCP connection. */
struct bgp_conn {
	enum bgp_state state; /* IDLE: there is none; CONNECT: TCP is under way */
	bool plain;	      /* we sent no capabilities */
	struct bgp_open theirs;
	struct ip_addr local; /* our end's address */
	nsec hold_at, keepalive_at, stall_at;
	uint8_t *rx, *tx;
	size_t rx_n, tx_start, tx_n;
};

struct bgp_stats {
	uint64_t rx[BGP_ROUTE_REFRESH + 1], tx[BGP_ROUTE_REFRESH + 1]; /* messages by type */
	uint64_t prefixes_announced, prefixes_withdrawn;
	uint64_t prefixes_ignored; /* what the neighbour announced */
	uint32_t established;	   /* times */
};

struct bgp_peer {
	struct list_head of_speaker;
	unsigned slot; /* number of this neighbour, for whoever keeps its sockets */
	const struct bgp_env *env;
	struct bgp_rib *rib;
	uint32_t as;	   /* ours */
	struct ip_addr id; /* ours */
	struct bgp_peer_conf conf;
	struct bgp_conn conns[BGP_SIDES];
	nsec retry_at; /* when to connect */
	nsec restarting_until, up_at;
	uint32_t failures; /* since the last session that lasted */
	nsec come_until;   /* connections from it are taken, as it were, up to that time */
	bool plain_open;   /* it refuses capabilities */
	bool stopped;	   /* going away */

	/* of the established session */
	enum bgp_side up; /* which connection; BGP_SIDES: none */
	uint16_t hold_s, keepalive_s;
	struct bgp_rib_reader reader;
	bool suspended; /* routes are withdrawn and not announced */
	bool end_of_rib_owed, refresh_owed;
	bool told[BGP_FAMILIES];  /* something was announced */
	nsec feed_at, refresh_at; /* not before */
	uint64_t fresh_below; /* entries that died up to this serial were never announced to it */
	bool withdrawing;     /* suspended, and the walk that withdraws all is under way */

	struct bgp_stats stats;
	struct bgp_error last_error;
	bool last_error_sent; /* else received; code 0 = there was none */
};

void bgp_peer_init(struct bgp_peer *p, const struct bgp_env *env, struct bgp_rib *rib);
void bgp_peer_fini(struct bgp_peer *p);

/* Begins with `conf` as it is and connects at that time. */
void bgp_peer_start(struct bgp_peer *p, nsec at);
/* Ends every connection with this NOTIFICATION (NULL: with none) and stays down. */
void bgp_peer_stop(struct bgp_peer *p, const struct bgp_error *why);
/* Other attributes for our routes. */
void bgp_peer_policy(struct bgp_peer *p, const struct bgp_policy *policy);
void bgp_peer_suspend(struct bgp_peer *p, bool suspend);

/* TCP: our connection is up; one came from the neighbour (false: not wanted, close it). */
void bgp_peer_connected(struct bgp_peer *p, const struct ip_addr *local, nsec now);
bool bgp_peer_accepted(struct bgp_peer *p, const struct ip_addr *local, nsec now);
/* It could not be made, was closed by the other side, or failed; it is closed already. */
void bgp_peer_closed(struct bgp_peer *p, enum bgp_side side, nsec now);
void bgp_peer_rx(struct bgp_peer *p, enum bgp_side side, struct span bytes, nsec now);
/* What is to be sent; bgp_peer_sent() tells how much of it was. */
struct span bgp_peer_pending(const struct bgp_peer *p, enum bgp_side side);
void bgp_peer_sent(struct bgp_peer *p, enum bgp_side side, size_t n, nsec now);
/* Puts UPDATEs for changed prefixes behind what is pending, as far as there is room, for at most so
 * many entries; how many those were. Changes wait a moment for others, so that they share messages.
 */
unsigned bgp_peer_feed(struct bgp_peer *p, unsigned most, nsec now);
/* When that has to be done next; never, while there is nothing, or no room. */
nsec bgp_peer_feed_at(const struct bgp_peer *p);
/* Timers; returns when to come again. */
nsec bgp_peer_turn(struct bgp_peer *p, nsec now);

enum bgp_state bgp_peer_state(const struct bgp_peer *p);
/* All that changed is on its way into the socket. */
bool bgp_peer_is_idle(const struct bgp_peer *p);
const char *bgp_state_name(enum bgp_state s);

#endif
