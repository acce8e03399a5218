/*
 * ppp_frame.h - the outermost bytes of a PPP frame: address and control FF 03 (optional), protocol
 * field of one or two bytes (RFC 1661 section 2, 6.5, 6.6), and the header that all control
 * protocols share. Control frames are always sent in the long form, which every peer takes.
 */
#ifndef LNS_PPP_FRAME_H
#define LNS_PPP_FRAME_H

#include "ppp/ppp.h"

/* Consumes the header and returns the protocol; false when it is cut short or not a protocol. */
bool ppp_frame_decode(struct span *frame, uint16_t *protocol);

struct ppp_packet {
	uint8_t code, id;
	struct span body; /* behind the header, padding removed */
	struct span all;  /* header included, padding removed */
};

/* A packet of a control or authentication protocol. False when its length lies. */
bool ppp_packet_decode(struct span in, struct ppp_packet *out);

/* Starts a frame <code> <id> in the actions; returns the writer for its body. */
struct wbuf *ppp_out_begin(struct ppp_actions *a, uint16_t protocol, uint8_t code, uint8_t id);
/* Fills in the length. A frame that did not fit, or is one too many, is left out. */
void ppp_out_end(struct ppp_actions *a, bool priority);

#endif
