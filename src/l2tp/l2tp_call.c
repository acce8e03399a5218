#include "l2tp/l2tp_call.h"

#include "base/panic.h"

enum l2tp_call_event l2tp_call_event_of(const struct l2tp_msg *m)
{
	if (m->type == L2TP_CDN)
		return L2TP_CALL_RX_CDN; /* it ends the call, whatever else is wrong with it */
	if (m->fault.error != L2TP_ERR_NONE)
		return L2TP_CALL_RX_BAD;
	switch (m->type) {
	case L2TP_ICRQ:
		return L2TP_CALL_RX_ICRQ;
	case L2TP_ICCN:
		return L2TP_CALL_RX_ICCN;
	case L2TP_OCRQ:
		return L2TP_CALL_RX_OCRQ;
	case L2TP_WEN:
	case L2TP_SLI:
		return L2TP_CALL_RX_INFO;
	default:
		return L2TP_CALL_RX_OTHER;
	}
}

/* Rows are states, columns events in the order of the enum. */
#define ROW(icrq, iccn, cdn, ocrq, info, other, bad)                                               \
	{                                                                                          \
		L2TP_CALL_##icrq, L2TP_CALL_##iccn, L2TP_CALL_##cdn, L2TP_CALL_##ocrq,             \
			L2TP_CALL_##info, L2TP_CALL_##other, L2TP_CALL_##bad                       \
	}

static const uint8_t steps[L2TP_CALL_STATES][L2TP_CALL_EVENTS] = {
	/* clang-format off */
	[L2TP_CALL_IDLE] =
		ROW(ANSWER, NOTHING, NOTHING, REFUSE_OUTGOING, NOTHING, NOTHING, REFUSE_BAD),
	[L2TP_CALL_WAIT_CONNECT] =
		ROW(DISCONNECT_FSM, CONNECT, CLEAN_UP, DISCONNECT_FSM, NOTHING, DISCONNECT_FSM, DISCONNECT_BAD),
	[L2TP_CALL_ESTABLISHED] =
		ROW(DISCONNECT_FSM, DISCONNECT_FSM, CLEAN_UP, DISCONNECT_FSM, NOTHING, DISCONNECT_FSM, DISCONNECT_BAD),
	[L2TP_CALL_RESTING] =
		ROW(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
	/* clang-format on */
};

enum l2tp_call_action l2tp_call_step(enum l2tp_call_state state, enum l2tp_call_event event)
{
	LNS_ASSERT(state < L2TP_CALL_STATES);
	LNS_ASSERT(event < L2TP_CALL_EVENTS);
	return steps[state][event];
}
