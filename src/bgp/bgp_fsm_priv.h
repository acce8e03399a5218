/*
 * bgp_fsm_priv.h - what the parts of a neighbour's machine share: bgp_fsm.c (connections, timers,
 * what arrives) and bgp_feed.c (the announced prefixes as UPDATEs, and what waits to be sent).
 */
#ifndef LNS_BGP_FSM_PRIV_H
#define LNS_BGP_FSM_PRIV_H

#include "bgp/bgp_fsm.h"

enum { BGP_TX_BYTES = 512 * 1024 };

bool bgp_peer_is_internal(const struct bgp_peer *p);

/* Both sides offered messages of more than 4096 bytes. */
static inline bool bgp_conn_is_extended(const struct bgp_conn *c)
{
	return !c->plain && c->theirs.extended;
}

/* Both sides offered AS numbers of four bytes. */
static inline bool bgp_conn_is_as4(const struct bgp_conn *c)
{
	return !c->plain && c->theirs.as4;
}

/* True when `n` more bytes can wait to be sent. */
bool bgp_conn_room(struct bgp_conn *c, size_t n);
/* Where the next message is written; it counts once it is committed. */
struct wbuf bgp_conn_tail(struct bgp_conn *c);
void bgp_conn_commit(struct bgp_peer *p, struct bgp_conn *c, const struct wbuf *w,
		     enum bgp_type type, nsec now);

/* The session is up: everything is to be told. */
void bgp_feed_begin(struct bgp_peer *p, nsec now);
/* A ROUTE-REFRESH came. */
void bgp_feed_refresh(struct bgp_peer *p, struct span body);

#endif
