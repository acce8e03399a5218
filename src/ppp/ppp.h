/*
 * ppp.h - the numbers of PPP (RFC 1661, 1332, 1334, 1994) and what one step of a link is given and
 * gives back: the surroundings of a call (struct ppp_io) and the actions that the caller carries
 * out afterwards. Owned by the session's worker. Nothing here reads a clock, sends or allocates.
 */
#ifndef LNS_PPP_H
#define LNS_PPP_H

#include "base/counters.h"
#include "base/nsec.h"
#include "base/span.h"
#include "base/wbuf.h"
#include "ppp/ppp_conf.h"

enum ppp_protocol {
	PPP_IP = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_IPCP = 0x8021,
	PPP_IPV6CP = 0x8057,
	PPP_CCP = 0x80FD,
	PPP_LCP = 0xC021,
	PPP_PAP = 0xC023,
	PPP_CHAP = 0xC223,
};

/* Codes of control protocols (RFC 1661 section 5, RFC 1570). */
enum ppp_code {
	PPP_CONF_REQ = 1,
	PPP_CONF_ACK = 2,
	PPP_CONF_NAK = 3,
	PPP_CONF_REJ = 4,
	PPP_TERM_REQ = 5,
	PPP_TERM_ACK = 6,
	PPP_CODE_REJ = 7,
	PPP_PROTO_REJ = 8,
	PPP_ECHO_REQ = 9,
	PPP_ECHO_REP = 10,
	PPP_DISCARD_REQ = 11,
	PPP_IDENTIFICATION = 12,
	PPP_TIME_REMAINING = 13,
};

/* RFC 1661 section 3.2. */
enum ppp_phase {
	PPP_DEAD = 0,
	PPP_ESTABLISH = 1,
	PPP_AUTHENTICATE = 2,
	PPP_NETWORK = 3,
	PPP_TERMINATE = 4,
};

enum {
	PPP_MRU_DEFAULT = 1500,
	PPP_MRU_MIN = 576,  /* less is Nak'ed */
	PPP_HEADER = 4,	    /* FF 03 and a protocol of two bytes */
	PPP_CP_HEADER = 4,  /* code, identifier, length */
	PPP_OUT_FRAMES = 8, /* frames that one step sends at most */
	PPP_OUT_BYTES = 4096,
	PPP_CHALLENGE_LEN = 16,
};

/* What the peer offered as its identity; spans point into the frame and the link. */
struct ppp_credentials {
	uint16_t proto; /* enum auth_proto */
	uint8_t id;
	bool reauth; /* the link was granted before */
	struct span user;
	struct span password;  /* PAP */
	struct span challenge; /* CHAP */
	struct span response;  /* CHAP, 16 bytes */
};

/* What the caller has to do after a step, in this order: frames, ask_auth, ip_down, ip_up, ended.
 */
struct ppp_actions {
	uint8_t n_frames;
	uint8_t priority; /* bit i: frame i is to overtake others (echo) */
	uint16_t ends[PPP_OUT_FRAMES];
	bool ask_auth;
	struct ppp_credentials auth;
	bool ip_down;	/* IPCP left Opened */
	bool ip_up;	/* IPCP is open: addresses and MRU hold */
	bool echoed;	/* the peer answered our last Echo-Request */
	bool ended;	/* the link is dead, its reason is in link->end */
	enum drop drop; /* why the received packet was not used; DROPS: it was */
	struct wbuf w;
	uint8_t bytes[PPP_OUT_BYTES];
};

/* The surroundings of one step. */
struct ppp_io {
	const struct ppp_conf *conf;
	nsec now;
	void (*random)(void *ctx, void *out, size_t n);
	void *random_ctx;
	struct ppp_actions *out;
};

void ppp_actions_clear(struct ppp_actions *a);
/* Frame i of the actions, with FF 03. */
struct span ppp_actions_frame(const struct ppp_actions *a, unsigned i);

static inline uint32_t ppp_random32(const struct ppp_io *io)
{
	uint32_t v;
	io->random(io->random_ctx, &v, sizeof(v));
	return v;
}

#endif
