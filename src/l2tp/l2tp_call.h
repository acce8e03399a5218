/*
 * l2tp_call.h - an incoming call on the network server's side as a table (RFC 2661 7.4.2). Pure:
 * says what to do; the tunnel shard does it.
 */
#ifndef LNS_L2TP_CALL_H
#define LNS_L2TP_CALL_H

#include "l2tp/l2tp_msg.h"

enum l2tp_call_state {
	L2TP_CALL_IDLE,		/* no such call */
	L2TP_CALL_WAIT_CONNECT, /* ICRP sent */
	L2TP_CALL_ESTABLISHED,	/* ICCN received */
	L2TP_CALL_RESTING,	/* over; its id is not given out again yet */
	L2TP_CALL_STATES
};

enum l2tp_call_event {
	L2TP_CALL_RX_ICRQ,
	L2TP_CALL_RX_ICCN,
	L2TP_CALL_RX_CDN,
	L2TP_CALL_RX_OCRQ,
	L2TP_CALL_RX_INFO,  /* WEN, SLI */
	L2TP_CALL_RX_OTHER, /* ICRP, OCRP, OCCN: never for a call that the peer began */
	L2TP_CALL_RX_BAD,   /* a mandatory AVP that we do not know, or a malformed one */
	L2TP_CALL_EVENTS
};

enum l2tp_call_action {
	L2TP_CALL_NOTHING,
	L2TP_CALL_ANSWER,	   /* ICRP, or CDN when there is no room */
	L2TP_CALL_REFUSE_OUTGOING, /* CDN: we place no calls */
	L2TP_CALL_REFUSE_BAD,	   /* CDN 2 to an ICRQ or OCRQ with a fault */
	L2TP_CALL_CONNECT,	   /* the session begins */
	L2TP_CALL_CLEAN_UP,	   /* the peer ended it */
	L2TP_CALL_DISCONNECT_FSM,  /* CDN: out of sequence */
	L2TP_CALL_DISCONNECT_BAD,  /* CDN 2 with the fault's error code */
};

enum l2tp_call_event l2tp_call_event_of(const struct l2tp_msg *m);
/* An ICRQ or OCRQ begins a call: its state is IDLE, whatever ids it carries. */
enum l2tp_call_action l2tp_call_step(enum l2tp_call_state state, enum l2tp_call_event event);

#endif
