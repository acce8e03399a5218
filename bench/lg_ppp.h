/*
 * lg_ppp.h - one simulated PPP subscriber (RFC 1661, 1332, 1334, 1877, 1994): LCP, PAP or
 * CHAP-MD5, IPCP. 24 bytes of state, no timer of its own: the owner calls lg_ppp_timeout() while
 * lg_ppp_is_dialling(). It asks for little and accepts what a subscriber would accept; it is not
 * a full automaton and shares no code with the daemon's.
 */
#ifndef LG_PPP_H
#define LG_PPP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/wbuf.h"

enum {
	LG_PPP_LCP = 0xC021,
	LG_PPP_PAP = 0xC023,
	LG_PPP_CHAP = 0xC223,
	LG_PPP_IPCP = 0x8021,
	LG_PPP_IP = 0x0021,
	LG_PPP_FRAME_MAX = 384, /* bytes of a frame that we send, protocol included */
};

enum lg_ppp_phase { LG_PHASE_DEAD, LG_PHASE_LCP, LG_PHASE_AUTH, LG_PHASE_IPCP, LG_PHASE_OPEN };

enum lg_ppp_event {
	LG_PPP_NOTHING,
	LG_PPP_PROGRESS, /* a phase was completed: start the retry timer afresh */
	LG_PPP_OPENED,
	LG_PPP_REFUSED,	   /* PAP-Nak or CHAP-Failure */
	LG_PPP_TERMINATED, /* the peer sent Terminate-Request, or the answer to ours */
	LG_PPP_GAVE_UP,	   /* no answer; phase tells where */
	LG_PPP_RESTARTED,  /* the peer negotiates LCP again on an open link */
};

struct lg_ppp {
	uint8_t phase;
	uint8_t tries;	/* of the packet under way */
	uint8_t lcp_id; /* of our last Configure-Request */
	uint8_t ipcp_id;
	uint8_t pap_id;
	uint8_t flags; /* LG_F_* in lg_ppp.c */
	uint16_t auth; /* what the peer asked for; 0 = nothing */
	uint16_t mru;
	uint16_t naks;
	uint32_t magic;
	uint32_t ip; /* host order; 0 until the peer told us */
	uint32_t dns;
};

struct lg_ppp_conf {
	uint16_t mru;  /* ours; 0: not asked for */
	uint8_t tries; /* of each packet */
	bool allow_pap, allow_chap;
	bool want_dns;
	bool lcp_waits;	  /* for the peer's first Configure-Request */
	uint32_t want_ip; /* asked for in the first IPCP request */
};

/* Who the subscriber is, and how its frames leave. */
struct lg_ppp_env {
	const struct lg_ppp_conf *conf;
	struct span user, password;
	void *ctx;
	void (*send)(void *ctx, struct span frame); /* protocol field first */
};

static inline bool lg_ppp_is_dialling(const struct lg_ppp *p)
{
	return p->phase > LG_PHASE_DEAD && p->phase < LG_PHASE_OPEN;
}

void lg_ppp_start(struct lg_ppp *p, uint32_t magic, const struct lg_ppp_env *env);
/* A frame without address and control field: the protocol first. IP is not for this function. */
enum lg_ppp_event lg_ppp_rx(struct lg_ppp *p, struct span frame, const struct lg_ppp_env *env);
enum lg_ppp_event lg_ppp_timeout(struct lg_ppp *p, const struct lg_ppp_env *env);
/* Sends Terminate-Request. */
void lg_ppp_terminate(struct lg_ppp *p, const struct lg_ppp_env *env);

#endif
