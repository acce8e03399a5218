/*
 * l2tp_cause.h - why the peer ended a call or a tunnel, as accounting and the log want it: from the
 * Result Code (RFC 2661 4.4.2) and the PPP Disconnect Cause Code (RFC 3145). Pure.
 */
#ifndef LNS_L2TP_CAUSE_H
#define LNS_L2TP_CAUSE_H

#include "base/facts.h"
#include "l2tp/l2tp_msg.h"

/* Of a CDN or StopCCN. reason->cdn_result is 0: there is nothing to answer. */
void l2tp_cause_of(const struct l2tp_msg *m, struct end_reason *reason);
/* A reason of our own; the text is cut to fit. */
void l2tp_cause_set(struct end_reason *reason, uint16_t result, uint16_t error,
		    enum term_cause cause, const char *text);

#endif
