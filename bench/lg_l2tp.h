/*
 * lg_l2tp.h - the load generator's own L2TP codec, LAC side (RFC 2661): header, control messages,
 * the few AVPs that a LAC sends and reads. Written apart from the daemon's, so that a mistake in
 * one is not cancelled by the same mistake in the other. Pure.
 */
#ifndef LG_L2TP_H
#define LG_L2TP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/span.h"
#include "base/wbuf.h"

enum lg_msg_type {
	LG_SCCRQ = 1,
	LG_SCCRP = 2,
	LG_SCCCN = 3,
	LG_STOPCCN = 4,
	LG_HELLO = 6,
	LG_ICRQ = 10,
	LG_ICRP = 11,
	LG_ICCN = 12,
	LG_CDN = 14,
};

enum lg_avp_type {
	LG_AVP_MESSAGE_TYPE = 0,
	LG_AVP_RESULT_CODE = 1,
	LG_AVP_PROTOCOL_VERSION = 2,
	LG_AVP_FRAMING_CAPABILITIES = 3,
	LG_AVP_HOST_NAME = 7,
	LG_AVP_VENDOR_NAME = 8,
	LG_AVP_ASSIGNED_TUNNEL_ID = 9,
	LG_AVP_RECEIVE_WINDOW = 10,
	LG_AVP_CHALLENGE = 11,
	LG_AVP_CHALLENGE_RESPONSE = 13,
	LG_AVP_ASSIGNED_SESSION_ID = 14,
	LG_AVP_CALL_SERIAL_NUMBER = 15,
	LG_AVP_FRAMING_TYPE = 19,
	LG_AVP_CALLED_NUMBER = 21,
	LG_AVP_CALLING_NUMBER = 22,
	LG_AVP_TX_CONNECT_SPEED = 24,
};

enum {
	LG_CONTROL_MAX = 320, /* bytes of a control message that we send */
	LG_ZLB_LEN = 12,
	LG_DATA_HDR_MAX = 12, /* L2TP with length (8), FF 03, protocol */
};

struct lg_hdr {
	bool control;
	uint16_t tid, sid, ns, nr;
	struct span body;
};

/* One L2TP datagram, RFC 2661 3.1. False when it is not one. */
bool lg_hdr_decode(struct span in, struct lg_hdr *out);

struct lg_control {
	uint16_t type; /* 0 with an empty body: ZLB */
	uint16_t assigned_tid, assigned_sid, window;
	uint16_t result, error;
	struct span text;      /* of the result code */
	struct span challenge; /* p is NULL when absent */
	struct span response;
};

/* The AVPs of a control message's body, RFC 2661 4.1. Unknown and hidden ones are skipped. */
bool lg_control_decode(struct span body, struct lg_control *out);

/* Header with room for the length, then the Message Type AVP. */
void lg_control_begin(struct wbuf *w, uint16_t tid, uint16_t sid, enum lg_msg_type type);
void lg_control_end(struct wbuf *w);
void lg_control_zlb(struct wbuf *w, uint16_t tid, uint16_t ns, uint16_t nr);
/* Ns and Nr of a finished message, set again at every transmission. */
void lg_control_stamp(uint8_t *msg, size_t n, uint16_t ns, uint16_t nr);
void lg_avp_bytes(struct wbuf *w, enum lg_avp_type type, struct span value);
void lg_avp_u16(struct wbuf *w, enum lg_avp_type type, uint16_t v);
void lg_avp_u32(struct wbuf *w, enum lg_avp_type type, uint32_t v);

/* RFC 2661 5.1.1: MD5 over the id octet, the secret and the challenge. */
void lg_challenge_response(uint8_t out[static MD5_LEN], uint8_t id, struct span secret,
			   struct span challenge);

/* Data header up to and including the PPP protocol; `with_length` sets the L bit. */
void lg_data_begin(struct wbuf *w, bool with_length, uint16_t tid, uint16_t sid, size_t frame);

#endif
