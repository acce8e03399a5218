/*
 * bgp_speaker.h - all neighbours and the prefixes that they are told: applies configurations so
 * that only what changed is touched, and hands out work. Sockets are the caller's (struct bgp_env).
 * Owned by the control thread.
 */
#ifndef LNS_BGP_SPEAKER_H
#define LNS_BGP_SPEAKER_H

#include "bgp/bgp_fsm.h"

struct bgp_speaker {
	const struct bgp_env *env;
	struct bgp_rib rib;
	struct list_head peers;	 /* bgp_peer.of_speaker, in the order of the configuration */
	struct bgp_peer **slots; /* by bgp_peer.slot; NULL: free */
	unsigned n_slots;
	uint32_t as; /* 0: no BGP */
	struct ip_addr id;
	nsec started;
	unsigned first; /* slot of the neighbour that is fed first */
};

void bgp_speaker_init(struct bgp_speaker *s, const struct bgp_env *env, uint64_t seed, nsec now);
/* Every connection is closed; see bgp_speaker_leave(). */
void bgp_speaker_fini(struct bgp_speaker *s);

/* New neighbours begin, missing ones are told and go, changed ones begin anew; other attributes
 * only send the prefixes again. False: out of memory, some neighbours are missing. */
bool bgp_speaker_conf(struct bgp_speaker *s, const struct bgp_conf *conf, nsec now);

/* Whether a configuration still has it. */
bool bgp_speaker_keeps(const struct bgp_conf *conf, const struct bgp_peer *p);

/* A neighbour's name has an address now: it begins, unless it has one already. */
void bgp_speaker_address(struct bgp_speaker *s, const char *name, const struct ip_addr *addr,
			 nsec now);

/* Neighbours, NULL at the end; `p` NULL starts. */
struct bgp_peer *bgp_speaker_next(const struct bgp_speaker *s, const struct bgp_peer *p);
/* Slots are filled from 0: with n neighbours configured, a new one's slot is below n. */
struct bgp_peer *bgp_speaker_by_slot(const struct bgp_speaker *s, unsigned slot);
/* A link-local address is told apart by its interface. */
struct bgp_peer *bgp_speaker_by_addr(const struct bgp_speaker *s, const struct ip_addr *addr,
				     const char *interface);
/* By its name or address as text. */
bool bgp_peer_is_called(const struct bgp_peer *p, const char *name);

/* Ends the session with an administrative reset and connects after a moment. */
void bgp_speaker_restart(struct bgp_peer *p, nsec now);
/* Timers of all, UPDATEs for all; returns when the next timer is due. */
nsec bgp_speaker_turn(struct bgp_speaker *s, nsec now);
/* When there are more UPDATEs to make; asked once what was pending has been sent. */
nsec bgp_speaker_feed_at(const struct bgp_speaker *s);
/* The end of the service: everything is withdrawn, except where a graceful restart is agreed upon
 * and `restart` is set: that neighbour keeps our routes. */
void bgp_speaker_drain(struct bgp_speaker *s, bool restart);
bool bgp_speaker_is_idle(const struct bgp_speaker *s);
/* Closes all: with a Cease, or silently where the neighbour shall keep the routes. */
void bgp_speaker_leave(struct bgp_speaker *s, bool restart);

#endif
