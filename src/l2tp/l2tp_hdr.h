/*
 * l2tp_hdr.h - the L2TP version 2 header, control and data (RFC 2661 section 3.1). Pure codec: a
 * length that lies is an answer, never a read past the datagram.
 */
#ifndef LNS_L2TP_HDR_H
#define LNS_L2TP_HDR_H

#include "base/counters.h"
#include "base/span.h"
#include "base/wbuf.h"

enum {
	L2TP_T = 0x8000, /* control message */
	L2TP_L = 0x4000, /* Length present */
	L2TP_S = 0x0800, /* Ns and Nr present */
	L2TP_O = 0x0200, /* Offset Size present */
	L2TP_P = 0x0100, /* priority, data only */
	L2TP_VERSION_MASK = 0x000F,
	L2TP_VERSION = 2,
	L2TP_CONTROL_FLAGS = L2TP_T | L2TP_L | L2TP_S | L2TP_VERSION, /* all that we send: 0xC802 */
	L2TP_CONTROL_HEADER = 12,				      /* bytes; also a whole ZLB */
};

struct l2tp_hdr {
	uint16_t flags;
	uint16_t tid, sid;
	uint16_t ns, nr;  /* 0 without the S bit */
	struct span body; /* AVPs or the PPP frame; empty in a ZLB */
};

/* Bytes behind the Length field's end are ignored. False: *why tells; nothing else is set. */
bool l2tp_hdr_decode(struct span datagram, struct l2tp_hdr *h, enum drop *why);
/* The same, and the bits must be those of a control message. */
bool l2tp_hdr_decode_control(struct span datagram, struct l2tp_hdr *h, enum drop *why);

/* A control header; Length, Ns and Nr are written by l2tp_hdr_finish and l2tp_hdr_stamp. */
void l2tp_hdr_begin(struct wbuf *w, uint16_t tid, uint16_t sid);
/* Writes the Length; <w> began with l2tp_hdr_begin. */
void l2tp_hdr_finish(struct wbuf *w);
/* Writes Ns and Nr into a finished control message of <n> bytes. */
void l2tp_hdr_stamp(uint8_t *message, size_t n, uint16_t ns, uint16_t nr);

#endif
