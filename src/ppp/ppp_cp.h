/*
 * ppp_cp.h - one control protocol of one link: the automaton of ppp_fsm.h driven by packets,
 * timer and layer events, and the only option negotiation of the program (RFC 1661 sections 4 to
 * 6). What a protocol is made of is a constant struct ppp_protocol_desc with one row per option.
 * Owned by the session's worker; packets go into the actions of struct ppp_io.
 */
#ifndef LNS_PPP_CP_H
#define LNS_PPP_CP_H

#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "ppp/ppp_fsm.h"

struct ppp_link;

struct ppp_cp {
	uint8_t state;	   /* enum ppp_state */
	uint8_t id;	   /* last identifier that we used */
	uint8_t req_id;	   /* of our last Configure-Request */
	uint8_t naks_sent; /* since our last Ack: max_failure turns Naks into Rejects */
	uint8_t naks_got;  /* since the peer's last Ack */
	uint8_t tries;	   /* short resends so far, see interval() */
	bool answered;	   /* req_id was acked, naked or rejected: later answers are stale */
	bool resent;	   /* our last request was a repetition, and no peer's request came since */
	uint16_t left;	   /* restart counter (RFC 1661 4.6) */
	uint32_t omit;	   /* bit i: the peer rejected our option in row i */
	uint32_t acked;	   /* digest of the last request of the peer that we acked */
	nsec sent;	   /* our last Configure-Request */
	nsec deadline;	   /* restart timer; NSEC_NEVER when stopped */
};

/* In rising order of precedence. PPP_LOOP: may be our own request; naked alone, never rejected. */
enum ppp_verdict { PPP_ACK, PPP_NAK, PPP_REJ, PPP_LOOP };

/* What to do with our option after the peer's Nak or Reject. */
enum ppp_yield {
	PPP_YIELD_KEEP, /* ask again, changed or not */
	PPP_YIELD_OMIT, /* do without */
};

/*
 * One row per option. Functions that a row leaves NULL: ask - we never ask for it; suggest - a bad
 * value is rejected, not naked; the others - nothing to do. Values are the bytes behind type and
 * length.
 */
struct ppp_option {
	uint8_t type;
	uint8_t len; /* of the value; a request with another length is never acked */
	bool append; /* Nak a request that lacks it (RFC 1661 5.3) */
	/* Ours: writes the value that we ask for; false: not asked for. */
	bool (*ask)(const struct ppp_link *l, struct wbuf *value);
	/* The peer naked ours, its hint has any length. */
	enum ppp_yield (*naked)(struct ppp_link *l, struct ppp_io *io, struct span hint);
	/* The peer rejected ours (or naked it too often). */
	void (*rejected)(struct ppp_link *l, struct ppp_io *io);
	/* The peer's: is the value acceptable? No side effects. */
	enum ppp_verdict (*judge)(const struct ppp_link *l, const struct ppp_io *io,
				  struct span value);
	/* Writes the value that we would accept. False: there is none, reject. */
	bool (*suggest)(struct ppp_link *l, struct ppp_io *io, struct wbuf *value);
	/* We acked the value. */
	void (*take)(struct ppp_link *l, struct span value);
};

struct ppp_protocol_desc {
	uint16_t protocol;
	const struct ppp_option *options;
	uint8_t n_options; /* at most 32 */
	/* We are about to ack: options that the request lacks have their default values. */
	void (*defaults)(struct ppp_link *l);
	/* This-Layer-Down, -Started, -Finished, -Up; exactly one bit of PPP_TL*. */
	void (*layer)(struct ppp_link *l, struct ppp_io *io, uint16_t what);
	/* A peer that began anew would not send the very same request again. NULL: it would not. */
	bool (*restart_shows)(const struct ppp_link *l);
	/* Codes beyond Code-Reject. False: not known. NULL: there are none. */
	bool (*extra)(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p);
};

void ppp_cp_init(struct ppp_cp *cp);
/* Up, Down, Open, Close and the two kinds of RXJ. */
void ppp_cp_event(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
		  struct ppp_io *io, enum ppp_event event);
void ppp_cp_rx(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
	       struct ppp_io *io, const struct ppp_packet *p);
/* The restart timer, if it is due. */
void ppp_cp_timer(struct ppp_cp *cp, const struct ppp_protocol_desc *d, struct ppp_link *l,
		  struct ppp_io *io);

#endif
