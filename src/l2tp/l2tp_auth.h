/*
 * l2tp_auth.h - tunnel authentication (RFC 2661 4.4.3, 5.1.1): the answer to a Challenge, and the
 * check of the answer to ours. Pure.
 */
#ifndef LNS_L2TP_AUTH_H
#define LNS_L2TP_AUTH_H

#include "base/crypto.h"

enum { L2TP_RESPONSE_LEN = MD5_LEN, L2TP_CHALLENGE_LEN = 16 /* of those that we send */ };

/* <message_type> is that of the message which carries the answer: SCCRP or SCCCN. */
void l2tp_auth_response(uint8_t out[static L2TP_RESPONSE_LEN], uint8_t message_type,
			struct span secret, struct span challenge);
bool l2tp_auth_check(struct span response, uint8_t message_type, struct span secret,
		     struct span challenge);

#endif
