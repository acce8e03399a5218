/*
 * ppp_part.h - what the parts of a link (LCP, authentication, IPCP) offer each other; private to
 * this folder. Same owner as the link.
 */
#ifndef LNS_PPP_PART_H
#define LNS_PPP_PART_H

#include "ppp/ppp_link.h"

extern const struct ppp_protocol_desc ppp_lcp, ppp_ipcp;

/* LCP: values of a new negotiation. */
void ppp_lcp_reset(struct ppp_link *l, const struct ppp_io *io);
void ppp_lcp_send_echo(struct ppp_link *l, struct ppp_io *io);
/* Protocol-Reject of a frame whose protocol field was consumed already. */
void ppp_lcp_reject_protocol(struct ppp_link *l, struct ppp_io *io, uint16_t protocol,
			     struct span info);

/* Authentication. */
void ppp_auth_start(struct ppp_link *l, struct ppp_io *io);
void ppp_auth_stop(struct ppp_link *l);
void ppp_auth_timer(struct ppp_link *l, struct ppp_io *io);
/* Success again, for a peer that shows no sign of having got it. */
void ppp_auth_repeat(struct ppp_link *l, struct ppp_io *io);
void ppp_pap_rx(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p);
void ppp_chap_rx(struct ppp_link *l, struct ppp_io *io, const struct ppp_packet *p);

/* The link, as its parts see it. */
void ppp_link_lcp_layer(struct ppp_link *l, struct ppp_io *io, uint16_t what);
void ppp_link_ipcp_layer(struct ppp_link *l, struct ppp_io *io, uint16_t what);
void ppp_link_protocol_rejected(struct ppp_link *l, struct ppp_io *io, uint16_t protocol);
void ppp_link_authenticated(struct ppp_link *l, struct ppp_io *io);
/* ppp_link_close with our own CDN result (3, administrative: RFC 2661 4.4.2). */
void ppp_link_fail(struct ppp_link *l, struct ppp_io *io, enum term_cause cause, const char *text);

#endif
