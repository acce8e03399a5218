/*
 * ppp_fsm.h - the option negotiation automaton (RFC 1661 section 4.1) as a constant table: state
 * and event give the next state and a set of actions. All control protocols use this one table.
 */
#ifndef LNS_PPP_FSM_H
#define LNS_PPP_FSM_H

#include <stdint.h>

enum ppp_state {
	PPP_INITIAL,
	PPP_STARTING,
	PPP_CLOSED,
	PPP_STOPPED,
	PPP_CLOSING,
	PPP_STOPPING,
	PPP_REQ_SENT,
	PPP_ACK_RCVD,
	PPP_ACK_SENT,
	PPP_OPENED,
	PPP_STATES
};

enum ppp_event {
	PPP_UP,
	PPP_DOWN,
	PPP_OPEN,
	PPP_CLOSE,
	PPP_TO_MORE,	   /* TO+: timeout, restart counter above zero */
	PPP_TO_EXPIRED,	   /* TO- */
	PPP_RCR_GOOD,	   /* RCR+: acceptable Configure-Request */
	PPP_RCR_BAD,	   /* RCR- */
	PPP_RCA,	   /* Configure-Ack */
	PPP_RCN,	   /* Configure-Nak or -Reject */
	PPP_RTR,	   /* Terminate-Request */
	PPP_RTA,	   /* Terminate-Ack */
	PPP_RUC,	   /* unknown code */
	PPP_RXJ_PERMITTED, /* RXJ+: a Code-Reject or Protocol-Reject that we can live with */
	PPP_RXJ_FATAL,	   /* RXJ- */
	PPP_RXR,	   /* echo, discard */
	PPP_EVENTS
};

/* Actions of a cell; run in this order. */
enum {
	PPP_TLD = 1 << 0,  /* This-Layer-Down */
	PPP_IRC = 1 << 1,  /* Initialize-Restart-Count */
	PPP_ZRC = 1 << 2,  /* Zero-Restart-Count */
	PPP_SCR = 1 << 3,  /* Send-Configure-Request */
	PPP_SCA = 1 << 4,  /* Send-Configure-Ack */
	PPP_SCN = 1 << 5,  /* Send-Configure-Nak/Rej */
	PPP_STR = 1 << 6,  /* Send-Terminate-Request */
	PPP_STA = 1 << 7,  /* Send-Terminate-Ack */
	PPP_SCJ = 1 << 8,  /* Send-Code-Reject */
	PPP_SER = 1 << 9,  /* Send-Echo-Reply */
	PPP_TLS = 1 << 10, /* This-Layer-Started */
	PPP_TLF = 1 << 11, /* This-Layer-Finished */
	PPP_TLU = 1 << 12, /* This-Layer-Up */
};

struct ppp_cell {
	uint8_t next; /* enum ppp_state */
	uint16_t actions;
};

/* Events that cannot happen in a state ("-" in the RFC) leave it without an action. */
struct ppp_cell ppp_fsm_step(enum ppp_state state, enum ppp_event event);

#endif
