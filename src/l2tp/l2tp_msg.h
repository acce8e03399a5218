/*
 * l2tp_msg.h - one control message decoded into one struct (RFC 2661 4 and 6): which AVPs it has,
 * checked against the table, hidden values uncovered, and the first fault that the sender must be
 * told of. Pure; spans point into the datagram or into the struct, which must outlive them.
 */
#ifndef LNS_L2TP_MSG_H
#define LNS_L2TP_MSG_H

#include "l2tp/l2tp_avp.h"

enum l2tp_msg_type {
#define MESSAGE(name, number, scope) L2TP_##name = (number),
#include "l2tp/l2tp_msg.def"
#undef MESSAGE
	L2TP_MSG_TYPES = 32 /* room of the masks in the AVP table */
};

/* Result Codes of StopCCN and of CDN, Error Codes of both (RFC 2661 4.4.2). */
enum l2tp_stop_result {
	L2TP_STOP_CLEAR = 1,
	L2TP_STOP_ERROR = 2,
	L2TP_STOP_EXISTS = 3,
	L2TP_STOP_NOT_AUTHORIZED = 4,
	L2TP_STOP_VERSION = 5, /* the error code is the highest version that we speak */
	L2TP_STOP_SHUTDOWN = 6,
	L2TP_STOP_FSM = 7,
};

enum l2tp_cdn_result {
	L2TP_CDN_CARRIER = 1,
	L2TP_CDN_ERROR = 2,
	L2TP_CDN_ADMIN = 3,
	L2TP_CDN_BUSY = 4,	  /* no facilities now */
	L2TP_CDN_NO_FACILITY = 5, /* no facilities ever */
	L2TP_CDN_TIMEOUT = 10,	  /* not established in time */
};

enum l2tp_error {
	L2TP_ERR_NONE = 0,
	L2TP_ERR_NO_CONNECTION = 1,
	L2TP_ERR_LENGTH = 2,
	L2TP_ERR_RANGE = 3, /* or a reserved bit was set */
	L2TP_ERR_RESOURCES = 4,
	L2TP_ERR_SESSION_ID = 5,
	L2TP_ERR_VENDOR = 6,
	L2TP_ERR_TRY_ANOTHER = 7,
	L2TP_ERR_UNKNOWN_AVP = 8,
};

enum { L2TP_VERSION_1_0 = 0x0100, L2TP_PLAIN_MAX = 2048 };

/* A mandatory AVP that could not be taken. */
struct l2tp_fault {
	uint16_t error; /* enum l2tp_error; L2TP_ERR_NONE: no fault */
	uint16_t vendor, number;
};

struct l2tp_msg {
	uint16_t type;	     /* may be one that we do not know */
	bool type_mandatory; /* an unknown type must not be ignored */
	struct l2tp_fault fault;
	struct span avp[L2TP_AVPS];	     /* p is NULL when absent; the first of a kind counts */
	struct wbuf plain;		     /* over plain_bytes */
	uint8_t plain_bytes[L2TP_PLAIN_MAX]; /* values that came hidden */
};

/* False: the lengths do not add up or the first AVP is not a Message Type; drop the datagram.
 * <secret> may be empty: hidden AVPs are unknown ones then. */
bool l2tp_msg_decode(struct span avps, struct span secret, struct l2tp_msg *m);
/* "SCCRQ"; "unknown" for others. */
const char *l2tp_msg_name(uint16_t type);
bool l2tp_msg_is_known(uint16_t type);
/* Whether the message is about one call. */
bool l2tp_msg_is_session(uint16_t type);
/* The first AVP that the RFC requires and the message has not, or L2TP_AVPS. */
enum l2tp_avp l2tp_msg_missing(const struct l2tp_msg *m);

static inline bool l2tp_msg_has(const struct l2tp_msg *m, enum l2tp_avp avp)
{
	return m->avp[avp].p != NULL;
}

/* Numbers; 0 when absent. */
uint16_t l2tp_msg_u16(const struct l2tp_msg *m, enum l2tp_avp avp);
uint32_t l2tp_msg_u32(const struct l2tp_msg *m, enum l2tp_avp avp);
/* A connect speed in either form, bit/s; 0 = absent or no number. */
uint64_t l2tp_msg_speed(const struct l2tp_msg *m, enum l2tp_avp avp);

/* Result Code AVP; all 0 when absent. */
struct l2tp_result {
	uint16_t result, error;
	struct span message;
};
struct l2tp_result l2tp_msg_result(const struct l2tp_msg *m);

/* Begins a control message to the peer's ids: header and Message Type. End with l2tp_hdr_finish. */
void l2tp_msg_begin(struct wbuf *w, uint16_t tid, uint16_t sid, enum l2tp_msg_type type);

#endif
