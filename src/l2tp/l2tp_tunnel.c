#include "l2tp/l2tp_tunnel.h"

#include "base/panic.h"

enum l2tp_tunnel_event l2tp_tunnel_event_of(const struct l2tp_msg *m)
{
	bool bad = m->fault.error != L2TP_ERR_NONE;

	/* A closing message closes, whatever else is wrong with it; a fault in a message about a
	 * call ends that call only (RFC 2661 4.1). */
	if (m->type == L2TP_StopCCN)
		return L2TP_TUNNEL_RX_STOPCCN;
	if (l2tp_msg_is_session(m->type))
		return L2TP_TUNNEL_RX_CALL;
	if (!l2tp_msg_is_known(m->type))
		return m->type_mandatory ? L2TP_TUNNEL_RX_UNKNOWN : L2TP_TUNNEL_RX_IGNORE;
	if (bad)
		return L2TP_TUNNEL_RX_BAD;
	switch (m->type) {
	case L2TP_SCCRQ:
		return L2TP_TUNNEL_RX_SCCRQ;
	case L2TP_SCCRP:
		return L2TP_TUNNEL_RX_SCCRP;
	case L2TP_SCCCN:
		return L2TP_TUNNEL_RX_SCCCN;
	default:
		return L2TP_TUNNEL_RX_HELLO;
	}
}

/* Rows are states, columns events in the order of the enum. */
#define ROW(sccrq, sccrp, scccn, stopccn, hello, call, unknown, ignore, bad)                       \
	{                                                                                          \
		L2TP_TUNNEL_##sccrq, L2TP_TUNNEL_##sccrp, L2TP_TUNNEL_##scccn,                     \
			L2TP_TUNNEL_##stopccn, L2TP_TUNNEL_##hello, L2TP_TUNNEL_##call,            \
			L2TP_TUNNEL_##unknown, L2TP_TUNNEL_##ignore, L2TP_TUNNEL_##bad             \
	}

static const uint8_t steps[L2TP_TUNNEL_STATES][L2TP_TUNNEL_EVENTS] = {
	/* clang-format off */
	[L2TP_TUNNEL_WAIT_CTL_CONN] =
		ROW(STOP_FSM, STOP_FSM, ESTABLISH, CLEAN_UP, NOTHING, NO_CALL, STOP_ERROR, NOTHING, STOP_ERROR),
	[L2TP_TUNNEL_ESTABLISHED] =
		ROW(STOP_FSM, STOP_FSM, STOP_FSM, CLEAN_UP, NOTHING, CALL, STOP_ERROR, NOTHING, STOP_ERROR),
	[L2TP_TUNNEL_STOPPING] =
		ROW(NOTHING, NOTHING, NOTHING, CLEAN_UP, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
	[L2TP_TUNNEL_CLOSED] =
		ROW(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
	/* clang-format on */
};

enum l2tp_tunnel_action l2tp_tunnel_step(enum l2tp_tunnel_state state, enum l2tp_tunnel_event event)
{
	LNS_ASSERT(state < L2TP_TUNNEL_STATES);
	LNS_ASSERT(event < L2TP_TUNNEL_EVENTS);
	return steps[state][event];
}
