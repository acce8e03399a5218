/*
 * l2tp_tunnel.h - the control connection as a table (RFC 2661 7.2.1), as the side that waits for
 * SCCRQ. Its idle state has no object and no row: there only an SCCRQ means anything. Pure: says
 * what to do; the tunnel shard does it.
 */
#ifndef LNS_L2TP_TUNNEL_H
#define LNS_L2TP_TUNNEL_H

#include "l2tp/l2tp_msg.h"

enum l2tp_tunnel_state {
	L2TP_TUNNEL_WAIT_CTL_CONN, /* SCCRP sent */
	L2TP_TUNNEL_ESTABLISHED,
	L2TP_TUNNEL_STOPPING, /* StopCCN sent, not acknowledged yet */
	L2TP_TUNNEL_CLOSED,   /* remembered, so that a repeated StopCCN is acknowledged */
	L2TP_TUNNEL_STATES
};

enum l2tp_tunnel_event {
	L2TP_TUNNEL_RX_SCCRQ,
	L2TP_TUNNEL_RX_SCCRP,
	L2TP_TUNNEL_RX_SCCCN,
	L2TP_TUNNEL_RX_STOPCCN,
	L2TP_TUNNEL_RX_HELLO,
	L2TP_TUNNEL_RX_CALL,	/* a message about a call */
	L2TP_TUNNEL_RX_UNKNOWN, /* a type that we do not know, marked mandatory */
	L2TP_TUNNEL_RX_IGNORE,	/* a type that we do not know and may ignore */
	L2TP_TUNNEL_RX_BAD,	/* a mandatory AVP that we do not know, or a malformed one */
	L2TP_TUNNEL_EVENTS
};

enum l2tp_tunnel_action {
	L2TP_TUNNEL_NOTHING,	/* it is acknowledged */
	L2TP_TUNNEL_ESTABLISH,	/* check the Challenge Response, then open */
	L2TP_TUNNEL_CALL,	/* give it to the call machine */
	L2TP_TUNNEL_NO_CALL,	/* a call before the tunnel is open: refuse it */
	L2TP_TUNNEL_CLEAN_UP,	/* the peer closed it: end all calls, remember it */
	L2TP_TUNNEL_STOP_FSM,	/* StopCCN 7 */
	L2TP_TUNNEL_STOP_ERROR, /* StopCCN 2 with the fault's error code */
};

/* What a message of this type is to the machine. */
enum l2tp_tunnel_event l2tp_tunnel_event_of(const struct l2tp_msg *m);
enum l2tp_tunnel_action l2tp_tunnel_step(enum l2tp_tunnel_state state,
					 enum l2tp_tunnel_event event);

#endif
