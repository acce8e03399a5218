/*
 * ppp_link.h - one PPP link from the first LCP packet to the last (RFC 1661 section 3): phases,
 * LCP, authentication of the peer by PAP (RFC 1334) or CHAP-MD5 (RFC 1994), IPCP (RFC 1332). A step
 * machine owned by the session's worker: a frame, a timer, an answer of AAA or a wish to close goes
 * in with `now`, actions come out (ppp.h). It never calls out but for random bytes.
 *
 *	ESTABLISH --LCP opened--> AUTHENTICATE --granted--> NETWORK
 *	    ^------ the peer starts LCP again -----+-----------'
 *	any --closed by either side, or silent--> TERMINATE --acked or given up--> DEAD
 */
#ifndef LNS_PPP_LINK_H
#define LNS_PPP_LINK_H

#include "ppp/ppp_cp.h"

enum ppp_auth_state {
	PPP_AUTH_OFF,	/* LCP is not open */
	PPP_AUTH_WAIT,	/* for the peer's name and secret */
	PPP_AUTH_ASKED, /* AAA was asked */
	PPP_AUTH_OK,
};

struct ppp_link {
	struct ppp_cp lcp, ipcp;

	uint8_t phase;	      /* enum ppp_phase */
	uint8_t auth_state;   /* enum ppp_auth_state */
	uint8_t auth_id;      /* CHAP: of our challenge; PAP: of the request to answer */
	uint8_t auth_tries;   /* challenges sent without a response */
	uint8_t auth_refused; /* bit i: the peer will not do conf.auth[i] */
	uint8_t echo_id;
	uint8_t loops;	  /* signs of a looped line in a row */
	bool heard;	  /* a frame arrived since the link was opened */
	bool aaa_pending; /* an answer is due */
	bool aaa_stale;	  /* and LCP went down since it was asked for */
	bool ncp_heard;	  /* the peer entered the network phase too */
	bool granted;	  /* AAA accepted this link once; addresses below hold */
	bool peer_pfc, peer_acfc;
	uint16_t auth; /* enum auth_proto that we ask for */
	uint16_t mru;  /* that we ask for */
	uint16_t peer_mru;
	uint32_t magic, peer_magic;
	uint32_t magic_hint;	     /* the one that we naked with last */
	uint32_t ip, own_ip, dns[2]; /* host order; ip is the peer's; 0 = none */
	uint8_t challenge[PPP_CHALLENGE_LEN];
	uint8_t user_digest[8]; /* of the name that was granted */

	nsec guard;	       /* the phase has to be over by then */
	nsec login_by;	       /* however often LCP begins anew */
	nsec auth_at;	       /* next challenge */
	nsec echo_at;	       /* next look at the silence */
	nsec echo_sent;	       /* our last Echo-Request */
	nsec last_rx;	       /* the peer was alive */
	struct end_reason end; /* from TERMINATE on */
};

void ppp_link_init(struct ppp_link *l);
/* The call is up: LCP starts. */
void ppp_link_open(struct ppp_link *l, struct ppp_io *io);
/* One frame of the peer, FF 03 in front or not. */
void ppp_link_rx(struct ppp_link *l, struct ppp_io *io, struct span frame);
/* Everything that is due. <last_rx>: the peer's last frame of any kind, data included. */
void ppp_link_timer(struct ppp_link *l, struct ppp_io *io, nsec last_rx);
/* An Echo-Request at once, besides those of the timer; false: LCP is not open. */
bool ppp_link_echo(struct ppp_link *l, struct ppp_io *io);
/* When to call ppp_link_timer. */
nsec ppp_link_deadline(const struct ppp_link *l);
/* The answer to ask_auth. */
void ppp_link_auth_reply(struct ppp_link *l, struct ppp_io *io, bool accept,
			 const struct end_reason *why, const struct aaa_profile *profile);
/* Ends the link: Terminate-Request, then `ended`. The first reason stays. */
void ppp_link_close(struct ppp_link *l, struct ppp_io *io, const struct end_reason *why);

/* No more negotiation: TERMINATE or DEAD. */
static inline bool ppp_link_ending(const struct ppp_link *l)
{
	return l->phase == PPP_TERMINATE || l->phase == PPP_DEAD;
}

static inline bool ppp_link_is_up(const struct ppp_link *l)
{
	return l->phase == PPP_NETWORK && l->ipcp.state == PPP_OPENED;
}

#endif
