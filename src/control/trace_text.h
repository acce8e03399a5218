/*
 * trace_text.h - one packet of a subscriber's conversation in words, on one line: a control message
 * of L2TP (RFC 2661), a packet of PPP (RFC 1661, 1332, 1334, 1994) or of RADIUS (RFC 2865). Secrets
 * are not shown; bytes that a terminal would not print become `?`. Pure; any bytes will do.
 */
#ifndef LNS_TRACE_TEXT_H
#define LNS_TRACE_TEXT_H

#include "base/span.h"

enum { TRACE_LINE_MAX = 256 };

/* `avps`: of a message of that type. */
void trace_l2tp(uint16_t type, bool sent, struct span avps, char out[static TRACE_LINE_MAX]);
/* A frame from its protocol field on, FF 03 in front or not; it may have been cut. */
void trace_ppp(bool sent, struct span frame, char out[static TRACE_LINE_MAX]);
/* `attrs`: of a packet with that code. */
void trace_radius(uint8_t code, bool sent, struct span attrs, char out[static TRACE_LINE_MAX]);

#endif
